/* SPDX-License-Identifier: Apache-2.0 */
/* io/picture.c and io/draw.c: rotation and formats to upright I420, colours, what is drawn and what is not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/draw.h"

static struct npi_picture pic;

static int luma(int x, int y) { return pic.plane[0][y * pic.stride[0] + x]; }

/* A 3 x 2 grey picture: 1 2 3 / 4 5 6, turned each way. */
static void rotation(void **state) {
    static const uint8_t px[6] = { 1, 2, 3, 4, 5, 6 };
    static const struct { int rotation, w, h; uint8_t want[6]; } c[] = {
        { 0, 3, 2, { 1, 2, 3, 4, 5, 6 } }, { 90, 2, 3, { 4, 1, 5, 2, 6, 3 } }, { 180, 3, 2, { 6, 5, 4, 3, 2, 1 } },
        { 270, 2, 3, { 3, 6, 2, 5, 1, 4 } },
    };
    for (size_t k = 0; k < sizeof c / sizeof c[0]; k++) {
        const struct np_frame f = { .format = NP_PIX_GRAY8, .width = 3, .height = 2, .plane = { px }, .stride_bytes = { 3 },
                                    .rotation = c[k].rotation };
        assert_int_equal(npi_picture_from_frame(&pic, &f), 0);
        assert_int_equal(pic.shown_width, c[k].w);
        assert_int_equal(pic.shown_height, c[k].h);
        assert_int_equal(pic.width % 2 + pic.height % 2, 0);
        for (int i = 0; i < 6; i++) {
            const int x = i % c[k].w, y = i / c[k].w;
            if (luma(x, y) != c[k].want[i]) fail_msg("turned %d at %d,%d: %d, not %d", c[k].rotation, x, y, luma(x, y), c[k].want[i]);
        }
        assert_int_equal(luma(pic.width - 1, 0), luma(c[k].w - 1, 0)); /* the added column repeats its neighbour */
    }
}

/* Chroma of all YUV layouts comes out in the right place: U is 10 on the left half and 20 on the right, V 30 above and 40 below. */
static void layouts(void **state) {
    static uint8_t y[8 * 8], u[8 * 8], v[8 * 8], uv[8 * 4];
    for (int f = NP_PIX_I420; f <= NP_PIX_I444; f++) {
        const int cw = f == NP_PIX_I444 ? 8 : 4, ch = f == NP_PIX_I420 || f == NP_PIX_NV12 ? 4 : 8;
        for (int i = 0; i < ch; i++) {
            for (int k = 0; k < cw; k++) {
                u[i * cw + k] = k < cw / 2 ? 10 : 20;
                v[i * cw + k] = i < ch / 2 ? 30 : 40;
                if (f == NP_PIX_NV12) uv[i * 8 + 2 * k] = u[i * cw + k], uv[i * 8 + 2 * k + 1] = v[i * cw + k];
            }
        }
        for (int rot = 0; rot < 360; rot += 90) {
            struct np_frame fr = { .format = f, .width = 8, .height = 8, .plane = { y, u, v }, .stride_bytes = { 8, cw, cw }, .rotation = rot };
            if (f == NP_PIX_NV12) fr.plane[1] = uv, fr.stride_bytes[1] = 8;
            assert_int_equal(npi_picture_from_frame(&pic, &fr), 0);
            for (int i = 0; i < 16; i++) { /* where this upright chroma sample lay in the stored picture */
                const int px = i % 4, py = i / 4;
                const int sx = rot == 0 ? px : rot == 90 ? py : rot == 180 ? 3 - px : 3 - py;
                const int sy = rot == 0 ? py : rot == 90 ? 3 - px : rot == 180 ? 3 - py : px;
                const int gu = pic.plane[1][py * pic.stride[1] + px], gv = pic.plane[2][py * pic.stride[2] + px];
                if (gu != (sx < 2 ? 10 : 20) || gv != (sy < 2 ? 30 : 40)) fail_msg("format %d turned %d at %d,%d: u %d v %d", f, rot, px, py, gu, gv);
            }
        }
    }
}

/* Known corners of BT.601 and BT.709, limited range. */
static void colours(void **state) {
    static const struct { uint8_t rgb[3], yuv601[3], yuv709[3]; } c[] = {
        { { 255, 255, 255 }, { 235, 128, 128 }, { 235, 128, 128 } }, { { 0, 0, 0 }, { 16, 128, 128 }, { 16, 128, 128 } },
        { { 255, 0, 0 }, { 81, 90, 240 }, { 63, 102, 240 } },        { { 0, 255, 0 }, { 145, 54, 34 }, { 173, 42, 26 } },
        { { 0, 0, 255 }, { 41, 240, 110 }, { 32, 240, 118 } },
    };
    for (size_t k = 0; k < sizeof c / sizeof c[0]; k++) {
        uint8_t got[3];
        for (int m = 0; m < 2; m++) {
            const uint8_t *const want = m ? c[k].yuv709 : c[k].yuv601;
            pic.yuv_matrix = m ? NP_YUV_BT709 : NP_YUV_BT601;
            pic.full_range = 0;
            npi_picture_color(&pic, c[k].rgb, got);
            for (int i = 0; i < 3; i++)
                if (abs(got[i] - want[i]) > 1) fail_msg("colour %zu, matrix %d, part %d: %d, not %d", k, m, i, got[i], want[i]);
        }
        static uint8_t px[4 * 3];
        for (int i = 0; i < 4; i++) memcpy(px + 3 * i, c[k].rgb, 3);
        const struct np_frame f = { .format = NP_PIX_RGB24, .width = 2, .height = 2, .plane = { px }, .stride_bytes = { 6 } };
        assert_int_equal(npi_picture_from_frame(&pic, &f), 0);
        assert_in_range(luma(1, 1), c[k].yuv601[0] - 1, c[k].yuv601[0] + 1);
        assert_in_range(pic.plane[2][0], c[k].yuv601[2] - 1, c[k].yuv601[2] + 1);
    }
}

static void black(int w, int h) {
    assert_int_equal(npi_picture_resize(&pic, w, h), 0);
    pic.yuv_matrix = NP_YUV_BT601;
    pic.full_range = 0;
    memset(pic.plane[0], 16, (size_t)pic.stride[0] * (size_t)pic.height);
    memset(pic.plane[1], 128, (size_t)pic.stride[1] * (size_t)pic.height); /* both chroma planes: half height each */
}

static int touched(void) {
    int n = 0;
    for (int y = 0; y < pic.height; y++)
        for (int x = 0; x < pic.width; x++) n += luma(x, y) != 16;
    return n;
}

/* A horizontal line of thickness 4 over 40 pixels with round ends covers 4 * 40 + pi * 4 of luma, full in the middle. */
static void lines(void **state) {
    static const uint8_t white[3] = { 255, 255, 255 };
    black(100, 50);
    npi_draw_line(&pic, 20, 25, 60, 25, 4, white);
    double area = 0;
    for (int y = 0; y < 50; y++)
        for (int x = 0; x < 100; x++) area += (luma(x, y) - 16) / 219.0;
    if (fabs(area - (160 + 12.57)) > 6) fail_msg("area %.1f, not about 172.6", area);
    assert_in_range(luma(40, 25), 233, 235);
    assert_int_equal(luma(40, 29), 16);
    black(100, 50);
    npi_draw_line(&pic, -1e30f, 25, 1e30f, 25, 4, white); /* far outside is cut, not looped over */
    assert_in_range(luma(50, 25), 233, 235);
    black(100, 50);
    npi_draw_line(&pic, NAN, 1, 2, 3, 4, white);
    npi_draw_disc(&pic, INFINITY, 1, 4, white);
    npi_draw_line(&pic, -50, -50, -10, -10, 4, white);
    assert_int_equal(touched(), 0);
}

static void persons(void **state) {
    static const char *const names[] = { "nose", "left_hand", "right_hand" };
    static const uint8_t edges[][2] = { { 0, 1 }, { 0, 2 } }, flip[] = { 0, 2, 1 };
    const struct np_keypoint_set set = { .name = "t", .n = 3, .names = names, .n_edges = 2, .edges = edges, .flip = flip };
    static struct np_person p[2];
    const struct npi_draw_params d = { .kpt_thr = 0.5f };
    p[0] = (struct np_person){ .id = 1, .pose_source = NP_POSE_INFERRED, .n_keypoints = 3, .box = { 10, 10, 80, 80 } };
    p[0].keypoint[0] = (struct np_keypoint){ .x = 50, .y = 50, .conf = 0.9f };
    p[0].keypoint[1] = (struct np_keypoint){ .x = 80, .y = 50, .conf = 0.9f };
    p[0].keypoint[2] = (struct np_keypoint){ .x = 20, .y = 50, .conf = 0.1f }; /* below the threshold */
    black(100, 100);
    npi_draw_persons(&pic, &set, p, 1, &d);
    assert_true(luma(65, 50) > 60);
    assert_int_equal(luma(35, 50), 16);  /* the limb that ends in it is not drawn */
    assert_int_equal(luma(20, 50), 16);  /* nor is the joint */
    assert_int_equal(luma(10, 10), 16);  /* no box asked for */
    p[0].keypoint[1].conf = NAN;         /* unknown is not confident */
    black(100, 100);
    npi_draw_persons(&pic, &set, p, 1, &d);
    assert_int_equal(luma(65, 50), 16);
    p[0].pose_source = NP_POSE_NONE;     /* no pose: nothing invented */
    black(100, 100);
    npi_draw_persons(&pic, &set, p, 1, &d);
    assert_int_equal(touched(), 0);
    const struct npi_draw_params all = { .kpt_thr = 0.5f, .boxes = 1, .ids = 1, .text = "12.5 FPS" };
    npi_draw_persons(&pic, &set, p, 1, &all);
    assert_true(luma(50, 10) > 30 && luma(10, 50) > 30 && luma(90, 50) > 30 && luma(50, 90) > 30);
    p[0].box = (struct np_box){ NAN, 5, -1e30f, 1e30f };
    p[0].id = 2000000000;
    npi_draw_persons(&pic, &set, p, 1, &all);
    npi_draw_persons(&pic, NULL, p, 1, &all); /* boxes only */
}

static int leave(void **state) {
    npi_picture_free(&pic);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(rotation), cmocka_unit_test(layouts), cmocka_unit_test(colours), cmocka_unit_test(lines),
                                        cmocka_unit_test(persons) };
    return cmocka_run_group_tests(tests, NULL, leave);
}
