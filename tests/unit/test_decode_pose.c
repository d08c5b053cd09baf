/* SPDX-License-Identifier: Apache-2.0 */
/* Pose heads on tiny hand-made outputs; the answers are worked out in the comments. */
#include "decode_util.h"

static struct npi_pose p;

static void test_blazepose(void **state) {
    struct outs o = { 0 };
    float *l = out_add(&o, 2, 2, 195, 0, 0), *flag = out_add(&o, 2, 2, 1, 0, 0), *heat = out_add(&o, 4, 2, 64, 64, 39), *world = out_add(&o, 2, 2,
        117, 0, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("blazepose_full"), &o, 256, 256);
    assert_int_equal(npi_decoder_outputs(d), 15);
    assert_string_equal(npi_decoder_set(d)->name, "blazepose33");
    flag[1] = .75f; /* picture 1 of the batch */
    float *a = l + 195;
    for (int i = 0; i < 39; i++) { a[5 * i] = 100; a[5 * i + 1] = 60; a[5 * i + 2] = -8; }
    a[5 * 33] = 128; a[5 * 33 + 1] = 130; a[5 * 34] = 128; a[5 * 34 + 1] = 30; /* hip centre, circle point */
    a[5 * 2 + 3] = logf(4); a[5 * 2 + 4] = logf(9);                            /* visibility .8, presence .9 */
    for (int i = 0; i < 64 * 64 * 39; i++) heat[64 * 64 * 39 + i] = -100;
    /* joint 5: (100, 60) is cell (25, 15); mass .5 at (27, 16) and .25 at (24, 16): mean x = (27 * .5 + 24 * .25) / .75 = 26, y = 16 */
    heat[((64 + 16) * 64 + 27) * 39 + 5] = 0;
    heat[((64 + 16) * 64 + 24) * 39 + 5] = logf(1.f / 3);
    /* joint 6: a peak of .4 is below the threshold: not moved */
    heat[((64 + 15) * 64 + 27) * 39 + 6] = logf(2.f / 3);
    world[117 + 3 * 2] = .1f; world[117 + 3 * 2 + 1] = -.6f; world[117 + 3 * 2 + 2] = .02f;
    npi_decode_pose(d, o.data, 1, &p);
    assert_int_equal(p.n, 33);
    NEAR(p.score, .75, 1e-6);
    NEAR(p.joint[2].conf, .72, 1e-5); NEAR(p.joint[2].z, -8, 0); NEAR(p.joint[2].wy, -.6, 1e-6);
    NEAR(p.joint[5].x, 26 * 4, 1e-3); NEAR(p.joint[5].y, 16 * 4, 1e-3);
    NEAR(p.joint[6].x, 100, 1e-4); NEAR(p.joint[6].y, 60, 1e-4);
    assert_int_equal(p.has_roi, 1);
    NEAR(p.roi_cx, 128, 0); NEAR(p.roi_py, 30, 0);
    for (int i = 0; i < 390; i++) l[i] = NAN; /* broken outputs: no crash, no confidence */
    npi_decode_pose(d, o.data, 1, &p);
    NEAR(p.joint[2].conf, 0, 0);
    assert_int_equal(p.has_roi, 0);
    npi_decoder_free(&d);
    outs_free(&o);
}

static void test_movenet(void **state) {
    struct outs o = { 0 };
    float *y = out_add(&o, 4, 1, 1, 17, 3);
    struct npi_decoder *d = open_card(npi_card_builtin("movenet_lightning"), &o, 192, 192);
    for (int k = 0; k < 17; k++) { y[3 * k] = .5f; y[3 * k + 1] = .25f; y[3 * k + 2] = k ? .5f : 1.f; }
    npi_decode_pose(d, o.data, 0, &p);
    NEAR(p.joint[3].x, 48, 1e-5); NEAR(p.joint[3].y, 96, 1e-5); NEAR(p.joint[0].conf, 1, 0);
    NEAR(p.score, 9. / 17, 1e-6); /* (1 + 16 * .5) / 17 */
    npi_decoder_free(&d);
    outs_free(&o);
}

static void test_simcc(void **state) {
    struct outs o = { 0 };
    float *x = out_add(&o, 3, 2, 17, 384, 0), *y = out_add(&o, 3, 2, 17, 512, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("rtmpose_coco17"), &o, 192, 256);
    x[(17 + 4) * 384 + 101] = .9f;
    y[(17 + 4) * 512 + 400] = .6f;
    npi_decode_pose(d, o.data, 1, &p);
    NEAR(p.joint[4].x, 101 / 2. + .5, 1e-5); NEAR(p.joint[4].y, 200.5, 1e-5); NEAR(p.joint[4].conf, .6, 1e-6);
    npi_decoder_free(&d);
    outs_free(&o);
    /* outputs in the other order are told apart by length */
    out_add(&o, 3, 1, 17, 512, 0);
    float *x2 = out_add(&o, 3, 1, 17, 384, 0);
    d = open_card(npi_card_builtin("rtmpose_coco17"), &o, 192, 256);
    x2[10] = 1;
    npi_decode_pose(d, o.data, 0, &p);
    NEAR(p.joint[0].x, 5.5, 1e-6);
    npi_decoder_free(&d);
    outs_free(&o);
}

/* A Gaussian of sigma 2 about (20.3, 9.6) cells: its logarithm is a parabola, so the vertex is exact. Both layouts. */
static void test_heatmap(void **state) {
    for (int hwc = 0; hwc < 2; hwc++) {
        struct outs o = { 0 };
        float *v = hwc ? out_add(&o, 4, 1, 64, 48, 17) : out_add(&o, 4, 1, 17, 64, 48);
        struct npi_decoder *d = open_card(npi_card_builtin("hrnet_coco17"), &o, 192, 256);
        for (int y = 0; y < 64; y++)
            for (int x = 0; x < 48; x++) v[hwc ? (y * 48 + x) * 17 + 3
                                           : (3 * 64 + y) * 48 + x] = .8f * expf(-((x - 20.3f) * (x - 20.3f) + (y - 9.6f) * (y - 9.6f)) / 8);
        npi_decode_pose(d, o.data, 0, &p);
        NEAR(p.joint[3].x, 20.3 * 4 + .5, 1e-2); NEAR(p.joint[3].y, 9.6 * 4 + .5, 1e-2);
        NEAR(p.joint[3].conf, .8 * exp(-(.09 + .16) / 8), 1e-5);
        NEAR(p.joint[0].conf, 0, 0);
        npi_decoder_free(&d);
        outs_free(&o);
    }
}

/* Soft-argmax: joint 0 (pelvis, root) has all its mass in voxel (x 8, y 16, bin 16); joint 1 has e^0 : e^ln3 = 1/4 : 3/4 in two voxels. */
static void test_soft_argmax(void **state) {
    enum { J = 18, D = 32, G = 32 };
    static float volume[J * D * G * G];
    for (int layout = 0; layout < 4; layout++) {
        struct outs o = { 0 };
        struct npi_card card = *npi_card_builtin("convnextpose_xs");
        float *v = layout == 0 ? out_add(&o, 4, 1, J * D, G, G) : layout == 1 ? out_add(&o, 4, 1, G, G, J * D) : NULL, *bins = NULL;
        if (layout == 2) { /* [1][J][D][h][w] */
            v = out_add(&o, 4, 1, J * D, G, G);
            o.v[0].rank = 5;
            o.v[0].d[1] = J; o.v[0].d[2] = D; o.v[0].d[3] = G; o.v[0].d[4] = G;
        }
        if (layout == 3) { /* [1][h][w][J][3]: what SoftBins leaves of the volume */
            v = volume;
            bins = out_add(&o, 4, 1, G, G, J * 3);
            o.v[0].rank = 5;
            o.v[0].d[3] = J; o.v[0].d[4] = 3;
            card.dec.depth_bins = D;
        }
        struct npi_decoder *d = open_card(&card, &o, 256, 256);
        int last;
        assert_int_equal(npi_decoder_bins(d, 0, &last), layout == 3 ? 0 : D);
        assert_int_equal(last, layout == 1);
        /* logits far from 0, as real nets give them: 400 + x must not overflow */
        for (int i = 0; i < J * D * G * G; i++) v[i] = 300;
#define AT(j, x, y, z) v[layout == 1 ? ((y) * G + (x)) * J * D + (j) * D + (z) : (((j) * D + (z)) * G + (y)) * G + (x)]
        AT(0, 8, 16, 16) = 400;
        AT(1, 4, 10, 8) = 400;
        AT(1, 24, 20, 24) = 400 + logf(3);
        for (int c = 0; layout == 3 && c < G * G * J; c++) {
            const int j = c % J, x = c / J % G, y = c / J / G;
            float *const b = bins + 3 * c, top = -INFINITY;
            for (int z = 0; z < D; z++) top = fmaxf(top, AT(j, x, y, z));
            b[0] = top;
            for (int z = 0; z < D; z++) {
                b[1] += expf(AT(j, x, y, z) - top);
                b[2] += (float)z * expf(AT(j, x, y, z) - top);
            }
        }
        npi_decode_pose(d, o.data, 0, &p);
        assert_int_equal(p.n, J);
        assert_int_equal(p.z_metres, 1);
        NEAR(p.joint[0].x, 8 * 8 + .5, 1e-3); NEAR(p.joint[0].y, 16 * 8 + .5, 1e-3);
        NEAR(p.joint[0].z, 0, 1e-5);                 /* the root itself: (16 / 32 * 2 - 1) = 0, minus itself */
        NEAR(p.joint[0].conf, 1, 1e-5);
        NEAR(p.joint[1].x, (4 * .25 + 24 * .75) * 8 + .5, 1e-2); NEAR(p.joint[1].y, (10 * .25 + 20 * .75) * 8 + .5, 1e-2);
        NEAR(p.joint[1].z, (8 * .25 + 24 * .75) / 32 * 2 - 1, 1e-3); /* 20 bins: .25 m */
        NEAR(p.joint[1].conf, 0, 1e-5);              /* no mass near the mean of the two: it hesitates */
        NEAR(p.joint[2].x, 15.5 * 8 + .5, 1e-2);     /* flat: the middle, and a confidence of 25 / 1024 */
        NEAR(p.joint[2].conf, 25. / 1024, 1e-3);
#undef AT
        npi_decoder_free(&d);
        outs_free(&o);
    }
}

/* A calibrated confidence: .25 of joint 0's mass is about the place, logit(.25) = -ln 3; gain 2 and bias ln 3 make it sigmoid(-ln 3) = .25. */
static void test_soft_argmax_calibrated(void **state) {
    enum { J = 18, D = 32, G = 32 };
    struct outs o = { 0 };
    float *v = out_add(&o, 4, 1, J * D, G, G);
    struct npi_card c = *npi_card_builtin("convnextpose_xs");
    c.dec.conf_gain = 2;
    c.dec.conf_bias = logf(3);
    struct npi_decoder *d = open_card(&c, &o, 256, 256);
    for (int i = 0; i < J * D * G * G; i++) v[i] = 0;
    v[16 * G + 16] = 50;                         /* joint 0: a quarter at the middle, three eighths left and right of it */
    v[16 * G + 0] = v[16 * G + 31] = 50 + logf(1.5f);
    npi_decode_pose(d, o.data, 0, &p);
    NEAR(p.joint[0].conf, .25, 1e-3);
    NEAR(p.joint[1].conf, 3. * 25 * 25 / (999. * 999 + 3. * 25 * 25), 1e-4); /* flat: odds 25 / 999, squared, times 3 */
    npi_decoder_free(&d);
    outs_free(&o);
}

static void test_variant_needs(void **state) {
    struct outs o = { 0 };
    struct npi_decoder *d = NULL;
    struct np_error e;
    out_add(&o, 4, 1, 576, 32, 32);
    struct npi_card c = *npi_card_builtin("convnextpose_xs");
    c.dec.depth_bins = 64; /* the card says other bins than the file */
    assert_int_equal(npi_decoder_open(&d, &c, o.v, o.n, 256, 256, &e), NP_EMODEL);
    outs_free(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blazepose), cmocka_unit_test(test_movenet), cmocka_unit_test(test_simcc), cmocka_unit_test(test_heatmap),
        cmocka_unit_test(test_soft_argmax), cmocka_unit_test(test_soft_argmax_calibrated), cmocka_unit_test(test_variant_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
