/* SPDX-License-Identifier: Apache-2.0 */
/* Detection heads on tiny hand-made outputs; the answers are worked out in the comments. */
#include "decode_util.h"

static struct npi_dets dets;

static void test_efficientdet(void **state) {
    struct outs o = { 0 };
    float *score = out_add(&o, 3, 1, 19206, 90, 0), *box = out_add(&o, 3, 1, 19206, 4, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("efficientdet_lite0_int8"), &o, 320, 320);
    /* level 3: cell (x 2, y 1) of 40: row (1 * 40 + 2) * 9 + 0: anchor 24x24 about (20, 12) */
    const int a = 42 * 9;
    score[a * 90] = .5f;
    /* level 4 starts at 14400: cell (0, 0), octave 1, ratio 2: b = 48 * 2^(1/3) = 60.4762, w = b * 1.41421, h = b / 1.41421, about (8, 8) */
    const int b = 14400 + 4;
    score[b * 90] = .9f;
    box[b * 4] = .5f;              /* down by half of h = 42.7631 */
    box[b * 4 + 2] = logf(2);      /* twice as high */
    score[(a + 1) * 90 + 1] = .99f; /* a bicycle */
    score[(a + 2) * 90] = .3f;      /* too weak */
    npi_decode_detect(d, o.data, .35f, .5f, &dets);
    assert_int_equal(dets.n, 2);
    const double w = 60.476208 * 1.41421356, h = 60.476208 / 1.41421356, cy = 8 + h / 2;
    expect_box(&dets.det[0], 8 - w / 2, cy - h, 8 + w / 2, cy + h, .9);
    expect_box(&dets.det[1], 8, 0, 32, 24, .5);
    npi_decoder_free(&d);
    outs_free(&o);
    /* other input sides have their own number of anchors: 256 -> 9 (1024 + 256 + 64 + 16 + 4) = 12276 */
    out_add(&o, 3, 1, 12276, 4, 0);
    out_add(&o, 3, 1, 12276, 90, 0);
    d = open_card(npi_card_builtin("efficientdet_lite0_int8"), &o, 256, 256);
    npi_decoder_free(&d);
    struct np_error e;
    assert_int_equal(npi_decoder_open(&d, npi_card_builtin("efficientdet_lite0_int8"), o.v, o.n, 320, 320, &e), NP_EMODEL);
    assert_string_equal(e.message, "efficientdet_lite0_int8: the efficientdet head needs [1,19206,4] (anchors of a 320x320 input) among the outputs, "
                                   "there is [1,12276,4] [1,12276,90]");
    outs_free(&o);
}

static void test_yolox(void **state) {
    struct outs o = { 0 };
    float *y = out_add(&o, 3, 1, 84, 6, 0); /* 64x64: 8^2 + 4^2 + 2^2 cells, one class */
    struct npi_card c = *npi_card_builtin("yolox_nano");
    struct npi_decoder *d = open_card(&c, &o, 64, 64);
    float *r = y + 6 * (64 + 5); /* stride 16, cell (1, 1) */
    r[0] = .5f; r[1] = .25f; r[2] = logf(2); r[3] = 0; r[4] = .8f; r[5] = .9f;
    /* centre (1.5, 1.25) * 16 = (24, 20), size 32 x 16 */
    npi_decode_detect(d, o.data, .3f, .5f, &dets);
    assert_int_equal(dets.n, 1);
    expect_box(&dets.det[0], 8, 12, 40, 28, .72);
    npi_decode_detect(d, o.data, .75f, .5f, &dets); /* the product is below, though both factors are above */
    assert_int_equal(dets.n, 0);
    r[2] = 1e30f; /* a broken output gives a large box or none, never a crash */
    npi_decode_detect(d, o.data, .3f, .5f, &dets);
    assert_true(dets.n <= 1);
    r[0] = NAN;
    npi_decode_detect(d, o.data, .3f, .5f, &dets);
    assert_int_equal(dets.n, 0);
    npi_decoder_free(&d);
    outs_free(&o);
}

/* The same box in all forms of the family: centre (30, 20), 20 x 10, score .8. */
static void test_yolov8_forms(void **state) {
    const float v[4] = { 30, 20, 20, 10 };
    const struct npi_card *card = npi_card_builtin("yolov8");
    for (int form = 0; form < 5; form++) {
        struct outs o = { 0 };
        float *y = form == 0 || form == 4 ? out_add(&o, 3, 1, 6, 84, 0) : form == 1 ? out_add(&o, 3, 1, 84, 6, 0) : form == 2 ? out_add(&o, 3, 1,
            252, 7, 0)
                                                                                                                             : out_add(&o, 3, 1,
                                                                                                                                 10, 6, 0);
        struct npi_decoder *d = open_card(card, &o, 64, 64);
        for (int k = 0; k < 4; k++) {
            if (form == 0) y[k * 84 + 7] = v[k];
            if (form == 1) y[7 * 6 + k] = v[k];
            if (form == 2) y[7 * 7 + k] = v[k];
            if (form == 4) y[k * 84 + 7] = v[k] / 64; /* the 0..1 habit of TFLite exports */
        }
        if (form == 0 || form == 4) y[4 * 84 + 7] = .8f;
        if (form == 1) y[7 * 6 + 4] = .8f;
        if (form == 2) { y[7 * 7 + 4] = 1; y[7 * 7 + 5] = .8f; }
        if (form == 3) {
            const float e[12] = { 20, 15, 40, 25, .8f, 0, 1, 1, 9, 9, .9f, 2 }; /* the second is of class 2 */
            memcpy(y, e, sizeof e);
        }
        npi_decode_detect(d, o.data, .3f, .5f, &dets);
        if (dets.n != 1) fail_msg("form %d: %d boxes", form, dets.n);
        expect_box(&dets.det[0], 20, 15, 40, 25, .8);
        assert_int_equal(dets.det[0].n_joints, 0);
        npi_decoder_free(&d);
        outs_free(&o);
    }
}

static void test_yolov8_pose(void **state) {
    struct outs o = { 0 };
    float *y = out_add(&o, 3, 1, 56, 84, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("yolov8_pose"), &o, 64, 64);
    const float v[5] = { 30, 20, 20, 10, .8f };
    for (int k = 0; k < 5; k++) y[k * 84 + 3] = v[k];
    for (int k = 0; k < 17; k++) {
        y[(5 + 3 * k) * 84 + 3] = (float)(k + 10);
        y[(6 + 3 * k) * 84 + 3] = (float)(k + 20);
        y[(7 + 3 * k) * 84 + 3] = .5f;
    }
    npi_decode_detect(d, o.data, .3f, .5f, &dets);
    assert_int_equal(dets.n, 1);
    assert_int_equal(dets.det[0].n_joints, 17);
    NEAR(dets.det[0].joint[16].x, 26, 0); NEAR(dets.det[0].joint[16].y, 36, 0); NEAR(dets.det[0].joint[0].conf, .5, 0);
    npi_decoder_free(&d);
    outs_free(&o);
}

static void test_ssd_oidv4(void **state) {
    struct outs o = { 0 };
    float *box = out_add(&o, 3, 1, 1917, 4, 0), *score = out_add(&o, 3, 1, 1917, 24, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("ssd_oidv4"), &o, 300, 300);
    for (int i = 0; i < 1917 * 24; i++) score[i] = -10;
    /* layer 1 (10 x 10, six a cell) starts at 19 * 19 * 3 = 1083; cell (x 4, y 3), k 3: s = .35, ratio 3: w = .35 * 1.73205 = .606218,
     * h = .202073, centre (.45, .35) */
    const int row = 1083 + (3 * 10 + 4) * 6 + 3;
    score[row * 24 + 4] = 1; /* sigmoid .731059 */
    box[row * 4 + 1] = 1;    /* right by w / 10 */
    npi_decode_detect(d, o.data, .25f, .5f, &dets);
    assert_int_equal(dets.n, 1);
    const double w = .35 * sqrt(3), h = .35 / sqrt(3), cx = .45 + w / 10;
    expect_box(&dets.det[0], (cx - w / 2) * 300, (.35 - h / 2) * 300, (cx + w / 2) * 300, (.35 + h / 2) * 300, 1 / (1 + exp(-1)));
    npi_decoder_free(&d);
    outs_free(&o);
}

/* Weighted NMS: two rows of one cell, boxes 40 wide shifted by 4, scores .8 and .4: the mean is shifted by 4 * .4 / 1.2 = 1.3333. */
static void test_blazepose_det(void **state) {
    struct outs o = { 0 };
    float *box = out_add(&o, 3, 1, 2254, 12, 0), *score = out_add(&o, 3, 1, 2254, 1, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("blazepose_detector"), &o, 224, 224);
    for (int i = 0; i < 2254; i++) score[i] = -100;
    const int row = 28 * 28 * 2 + (5 * 14 + 4) * 2; /* stride 16, cell (4, 5): centre (72, 88) */
    const double s0 = .8, s1 = .6;
    score[row] = (float)log(s0 / (1 - s0));
    score[row + 1] = (float)log(s1 / (1 - s1));
    for (int k = 0; k < 2; k++) {
        float *b = box + (row + k) * 12;
        b[0] = (float)(4 * k); b[2] = 40; b[3] = 60;
        b[4] = (float)(10 + 4 * k); b[5] = 3; /* hip centre */
        b[6] = (float)(10 + 4 * k); b[7] = -47;
    }
    npi_decode_detect(d, o.data, .5f, .3f, &dets);
    assert_int_equal(dets.n, 1);
    const double shift = 4 * s1 / (s0 + s1);
    expect_box(&dets.det[0], 72 - 20 + shift, 88 - 30, 72 + 20 + shift, 88 + 30, s0);
    assert_int_equal(dets.det[0].n_joints, 4);
    NEAR(dets.det[0].joint[0].x, 82 + shift, 1e-3); NEAR(dets.det[0].joint[0].y, 91, 1e-3);
    NEAR(dets.det[0].joint[1].y, 41, 1e-3);
    npi_decoder_free(&d);
    outs_free(&o);
}

static void test_tflite_postprocess(void **state) {
    struct outs o = { 0 };
    float *box = out_add(&o, 3, 1, 3, 4, 0), *cls = out_add(&o, 2, 1, 3, 0, 0), *score = out_add(&o, 2, 1, 3, 0, 0), *n = out_add(&o, 1, 1, 0, 0, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("coco_ssd_mobilenet_v1"), &o, 300, 300);
    const float b[4] = { .1f, .2f, .5f, .6f };
    for (int i = 0; i < 3; i++) { memcpy(box + 4 * i, b, sizeof b); score[i] = .9f; }
    cls[0] = 3; /* a car */
    *n = 2;     /* the third does not count */
    npi_decode_detect(d, o.data, .4f, .5f, &dets);
    assert_int_equal(dets.n, 1);
    expect_box(&dets.det[0], 60, 30, 180, 150, .9);
    *n = -1e9f;
    npi_decode_detect(d, o.data, .4f, .5f, &dets);
    assert_int_equal(dets.n, 0);
    npi_decoder_free(&d);
    outs_free(&o);
}

static void test_movenet_multi(void **state) {
    struct outs o = { 0 };
    float *y = out_add(&o, 3, 1, 6, 56, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("movenet_multipose"), &o, 256, 256);
    for (int k = 0; k < 17; k++) { y[56 + 3 * k] = .25f; y[56 + 3 * k + 1] = .5f; y[56 + 3 * k + 2] = .7f; }
    const float tail[5] = { .1f, .2f, .6f, .8f, .5f };
    memcpy(y + 56 + 51, tail, sizeof tail);
    npi_decode_detect(d, o.data, .2f, .5f, &dets);
    assert_int_equal(dets.n, 1);
    expect_box(&dets.det[0], 51.2, 25.6, 204.8, 153.6, .5);
    NEAR(dets.det[0].joint[5].x, 128, 1e-4); NEAR(dets.det[0].joint[5].y, 64, 1e-4);
    npi_decoder_free(&d);
    outs_free(&o);
}

/* 3000 candidates of rising score in one place and a lone one: more than the list holds, the best must stay. */
static void test_crowded(void **state) {
    struct outs o = { 0 };
    float *y = out_add(&o, 3, 1, 4000, 6, 0);
    struct npi_decoder *d = open_card(npi_card_builtin("yolov8"), &o, 64, 64);
    for (int i = 0; i < 3000; i++) {
        const float r[6] = { 10, 10, 30, 30, .3f + .0001f * (float)i, 0 };
        memcpy(y + 6 * i, r, sizeof r);
    }
    const float lone[6] = { 40, 40, 60, 60, .7f, 0 };
    memcpy(y + 6 * 3500, lone, sizeof lone);
    npi_decode_detect(d, o.data, .3f, .5f, &dets);
    assert_int_equal(dets.n, 2);
    expect_box(&dets.det[0], 40, 40, 60, 60, .7);
    expect_box(&dets.det[1], 10, 10, 30, 30, .5999);
    /* iou 1 switches NMS off; the list is cut at NPI_MAX_DETS, best first */
    npi_decode_detect(d, o.data, .3f, 1, &dets);
    assert_int_equal(dets.n, NPI_MAX_DETS);
    for (int i = 1; i < dets.n; i++) assert_true(dets.det[i].score <= dets.det[i - 1].score);
    npi_decoder_free(&d);
    outs_free(&o);
}

static void test_bad_models(void **state) {
    struct outs o = { 0 };
    struct npi_decoder *d = NULL;
    struct np_error e;
    out_add(&o, 3, 1, 10, 6, 0);
    struct npi_card c = *npi_card_builtin("yolov8");
    snprintf(c.dec.name, sizeof c.dec.name, "nobody");
    assert_int_equal(npi_decoder_open(&d, &c, o.v, o.n, 64, 64, &e), NP_EMODEL);
    c = *npi_card_builtin("yolov8");
    o.v[0].d[1] = INT64_MAX; /* sizes that overflow are refused before anything is multiplied */
    assert_int_equal(npi_decoder_open(&d, &c, o.v, o.n, 64, 64, &e), NP_ELIMIT);
    o.v[0].d[1] = -3;
    assert_int_equal(npi_decoder_open(&d, &c, o.v, o.n, 64, 64, &e), NP_ELIMIT);
    o.v[0].d[1] = 10;
    o.v[0].dtype = NP_BOOL;
    assert_int_equal(npi_decoder_open(&d, &c, o.v, o.n, 64, 64, &e), NP_EUNSUPPORTED);
    assert_int_equal(npi_decoder_open(&d, &c, o.v, o.n, 0, 64, &e), NP_ESHAPE);
    for (int i = 0; npi_head_at(i); i++) { /* every head refuses outputs that are not its own */
        struct outs odd = { 0 };
        out_add(&odd, 2, 1, 7, 0, 0);
        c = *npi_card_builtin(npi_head_at(i)->task == NPI_TASK_POSE ? "hrnet_coco17" : npi_head_at(i)->task == NPI_TASK_POSE_MULTI ? "yolov8_pose"
                              : "yolov8");
        snprintf(c.dec.name, sizeof c.dec.name, "%s", npi_head_at(i)->name);
        assert_int_equal(npi_decoder_open(&d, &c, odd.v, odd.n, 256, 256, &e), NP_EMODEL);
        outs_free(&odd);
    }
    assert_null(d);
    outs_free(&o);
}

/* uint8 outputs with scale and zero point read as real numbers. */
static void test_quantized(void **state) {
    static uint8_t y[10 * 6];
    static const float scale = .5f;
    static const int32_t zero = 10;
    const struct npi_view v = { .dtype = NP_U8, .rank = 3, .d = { 1, 10, 6 }, .q = { 1, 0, &scale, &zero } };
    const void *data[1] = { y };
    struct npi_decoder *d = NULL;
    struct np_error e;
    memset(y, 10, sizeof y);
    const uint8_t r[6] = { 30, 40, 90, 110, 12, 10 }; /* 10 15 40 50, score 1, class 0 */
    memcpy(y, r, sizeof r);
    assert_int_equal(npi_decoder_open(&d, npi_card_builtin("yolov8"), &v, 1, 64, 64, &e), 0);
    npi_decode_detect(d, data, .5f, .5f, &dets);
    assert_int_equal(dets.n, 1);
    expect_box(&dets.det[0], 10, 15, 40, 50, 1);
    npi_decoder_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_efficientdet), cmocka_unit_test(test_yolox), cmocka_unit_test(test_yolov8_forms), cmocka_unit_test(test_yolov8_pose),
        cmocka_unit_test(test_ssd_oidv4), cmocka_unit_test(test_blazepose_det), cmocka_unit_test(test_tflite_postprocess),
        cmocka_unit_test(test_movenet_multi), cmocka_unit_test(test_crowded), cmocka_unit_test(test_bad_models), cmocka_unit_test(test_quantized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
