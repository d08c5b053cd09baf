/* SPDX-License-Identifier: Apache-2.0 */
/* Net inputs from frames, against a plain double-precision reference that follows the rule of vision.h pixel by pixel, and
 * against values worked out by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cpu/cpu.h"
#include "vision/vision.h"

static unsigned seed = 1;
static int rnd(void) { seed = seed * 1664525u + 1013904223u; return (int)(seed >> 24); }

#define NEAR(got, want, tol)                                                                      \
    do {                                                                                          \
        const double g_ = (got), w_ = (want);                                                     \
        if (!(fabs(g_ - w_) <= (tol))) fail_msg("%s: got %g, want %g +- %g", #got, g_, w_, (double)(tol)); \
    } while (0)

/* A smooth picture with some noise, so that a misplaced sample shows and phases cut to 1/256 do not. */
struct pic { struct np_frame f; uint8_t *mem; };

static struct pic make(int format, int w, int h, int rotation, int flip) {
    const int cw = (w + 1) / 2, ch = (h + 1) / 2;
    const int bytes[7][3] = { { 3 * w, 0, 0 }, { 3 * w, 0, 0 }, { w, cw, cw }, { w, 2 * cw, 0 }, { w, cw, cw }, { w, w, w }, { w, 0, 0 } };
    const int rows[7] = { h, h, ch, ch, h, h, h };
    struct pic p = { .f = { .format = format, .width = w, .height = h, .rotation = rotation, .pts_ns = -1 } };
    size_t total = 0;
    for (int k = 0; k < 3; k++) total += (size_t)(bytes[format][k] + 5) * (size_t)h;
    uint8_t *q = p.mem = malloc(total);
    assert_non_null(q);
    for (int k = 0; k < 3; k++) {
        const int n = bytes[format][k], m = k ? rows[format] : h, stride = n + 5;
        if (!n) continue;
        for (int y = 0; y < m; y++)
            for (int x = 0; x < n; x++) q[y * stride + x] = (uint8_t)(128 + 90 * sin(x * .11 + k) * cos(y * .07 - k) + rnd() % 20);
        p.f.plane[k] = flip ? q + (m - 1) * stride : q;
        p.f.stride_bytes[k] = flip ? -stride : stride;
        q += stride * m;
    }
    return p;
}

/* One plane at (u, v) of its own pixels by the rule; su, sv: source pixels a net pixel. */
static double plane_at(const uint8_t *p, ptrdiff_t stride, int step, int w, int h, double u, double v, double su, double sv) {
    double sum = 0, weight = 0;
    const double wu = su <= 2 ? 1 : su / 2, wv = sv <= 2 ? 1 : sv / 2;
    for (int y = (int)floor(v - wv) - 1; y <= (int)ceil(v + wv) + 1; y++)
        for (int x = (int)floor(u - wu) - 1; x <= (int)ceil(u + wu) + 1; x++) {
            const double ox = su <= 2 ? fmax(0, 1 - fabs(x + .5 - u)) : fmax(0, fmin(x + 1, u + su / 2) - fmax(x, u - su / 2));
            const double oy = sv <= 2 ? fmax(0, 1 - fabs(y + .5 - v)) : fmax(0, fmin(y + 1, v + sv / 2) - fmax(y, v - sv / 2));
            const int cx = x < 0 ? 0 : x >= w ? w - 1 : x, cy = y < 0 ? 0 : y >= h ? h - 1 : y;
            sum += ox * oy * p[cy * stride + cx * step];
            weight += ox * oy;
        }
    return sum / weight;
}

/* RGB 0..255 at a place of the shown picture; 0: outside. */
static int rgb_at(const struct np_frame *f, double X, double Y, double s, double rgb[3]) {
    double u = X, v = Y;
    if (f->rotation == 90) { u = Y; v = f->height - X; }
    if (f->rotation == 180) { u = f->width - X; v = f->height - Y; }
    if (f->rotation == 270) { u = f->width - Y; v = X; }
    if (u < 0 || v < 0 || u >= f->width || v >= f->height) return 0;
    const int fmt = f->format, w = f->width, h = f->height;
    if (fmt == NP_PIX_RGB24 || fmt == NP_PIX_BGR24) {
        for (int c = 0; c < 3; c++) rgb[fmt == NP_PIX_BGR24 ? 2 - c : c] = plane_at(f->plane[0] + c, f->stride_bytes[0], 3, w, h, u, v, s, s);
        return 1;
    }
    double y = plane_at(f->plane[0], f->stride_bytes[0], 1, w, h, u, v, s, s), cb = 128, cr = 128;
    if (fmt == NP_PIX_GRAY8) { rgb[0] = rgb[1] = rgb[2] = y; return 1; }
    const double kx = fmt == NP_PIX_I444 ? 1 : .5, ky = fmt == NP_PIX_I444 || fmt == NP_PIX_I422 ? 1 : .5;
    const int cw = kx < 1 ? (w + 1) / 2 : w, ch = ky < 1 ? (h + 1) / 2 : h;
    const int nv = fmt == NP_PIX_NV12;
    cb = plane_at(f->plane[1], f->stride_bytes[1], nv ? 2 : 1, cw, ch, u * kx, v * ky, s * kx, s * ky) - 128;
    cr = plane_at(nv ? f->plane[1] + 1 : f->plane[2], f->stride_bytes[nv ? 1 : 2], nv ? 2 : 1, cw, ch, u * kx, v * ky, s * kx, s * ky) - 128;
    /* BT.601, limited range: the well-known constants */
    y = (y - 16) * 1.164383;
    rgb[0] = y + 1.596027 * cr; rgb[1] = y - .391762 * cb - .812968 * cr; rgb[2] = y + 2.017232 * cb;
    for (int c = 0; c < 3; c++) rgb[c] = rgb[c] < 0 ? 0 : rgb[c] > 255 ? 255 : rgb[c];
    return 1;
}

static struct npi_net_in net(int dtype, int w, int h, int nchw, int bgr) {
    struct npi_net_in in = { .dtype = dtype, .nchw = nchw, .width = w, .height = h, .channels = 3, .bgr = bgr, .mul = { 1, 1, 1 }, .pad = 114 };
    if (dtype == NP_I8) for (int i = 0; i < 3; i++) in.add[i] = -128;
    in.item_bytes = (size_t)(w * h * 3) * (dtype == NP_U8 || dtype == NP_I8 ? 1 : 4);
    return in;
}

static double value(const struct npi_net_in *in, const void *d, int x, int y, int c) {
    const size_t i = in->nchw ? ((size_t)c * (size_t)in->height + (size_t)y) * (size_t)in->width + (size_t)x
        : ((size_t)y * (size_t)in->width + (size_t)x) * 3 + (size_t)c;
    switch (in->dtype) {
    case NP_U8: return ((const uint8_t *)d)[i];
    case NP_I8: return ((const int8_t *)d)[i] + 128;
    case NP_I32: return ((const int32_t *)d)[i];
    default: return (double)((const float *)d)[i];
    }
}

/* Every pixel against the reference. Turned crops of a scale above 2 average over a grid, not a box: `loose` for those. */
static void compare(const struct pic *p, const struct npi_net_in *in, const struct npi_affine *m, double tol, unsigned cpu) {
    struct npi_vision *v;
    struct np_error e = { 0 };
    assert_int_equal(npi_vision_create(&v, cpu), 0);
    void *dst = malloc(in->item_bytes);
    assert_non_null(dst);
    assert_int_equal(npi_vision_crop(v, &p->f, in, m, dst, &e), 0);
    const double s = (double)npi_affine_scale(m);
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++) {
            double rgb[3];
            const double X = m->a * (x + .5) + m->b * (y + .5) + m->c, Y = m->d * (x + .5) + m->e * (y + .5) + m->f;
            /* float maps and 16.16 steps may see a pixel on the very border on the other side */
            double probe[3];
            const int in0 = rgb_at(&p->f, X, Y, s, rgb);
            int edge = 0;
            for (int k = 0; k < 4; k++) edge |= rgb_at(&p->f, X + (k == 0 ? .01 : k == 1 ? -.01 : 0), Y + (k == 2 ? .01 : k == 3 ? -.01 : 0), s,
                                                       probe) != in0;
            if (edge) continue;
            for (int c = 0; c < 3; c++) {
                const double want = in0 ? rgb[in->bgr ? 2 - c : c] : 114, got = value(in, dst, x, y, c);
                if (!(fabs(got - want) <= tol))
                    fail_msg("format %d rotation %d scale %.2f dtype %d: pixel %d,%d channel %d: got %g, want %g", p->f.format, p->f.rotation, s,
                             in->dtype, x, y, c, got, want);
            }
        }
    free(dst);
    npi_vision_free(&v);
}

/* Phase error 1/512 px of a slope of at most 40 a pixel, weights rounded to 1/256 (255/512 a tap pass), YUV gain 2.02: 3 levels. */
static void test_all_formats(void **state) {
    const unsigned levels[2] = { 0, npi_cpu_flags() };
    for (int fmt = 0; fmt < 7; fmt++)
        for (int rot = 0; rot < 360; rot += 90)
            for (int k = 0; k < 2; k++) {
                struct pic p = make(fmt, 61, 47, rot, (fmt + rot / 90) & 1);
                struct npi_affine m;
                int sw, sh;
                npi_frame_shown_size(&p.f, &sw, &sh);
                const struct npi_net_in a = net(NP_F32, 40, 32, 0, 0), b = net(NP_U8, 10, 12, 1, 1), c = net(NP_I8, 23, 9, 0, 1), d = net(NP_I32,
                    16, 16, 0, 0);
                m = npi_affine_letterbox(sw, sh, 40, 32, NPI_FIT_LETTERBOX_CENTER);
                compare(&p, &a, &m, 3, levels[k]);
                m = npi_affine_letterbox(sw, sh, 10, 12, NPI_FIT_LETTERBOX_TOPLEFT);
                compare(&p, &b, &m, 3.5, levels[k]);
                m = npi_affine_crop(&(struct np_box){ -5, 10, 30, 25 }, 1.25f, 23, 9);
                compare(&p, &c, &m, 3.5, levels[k]);
                m = npi_affine_roi(30, 20, 25, .6f, 16, 16);
                compare(&p, &d, &m, 3.5, levels[k]);
                m = npi_affine_roi(35, 20, 20, -2.f, 40, 32);
                compare(&p, &a, &m, 3, levels[k]);
                free(p.mem);
            }
}

/* A turned crop that shrinks much: the mean of a flat picture is the picture, and a stripe pattern of one pixel averages out. */
static void test_turned_small(void **state) {
    struct pic p = make(NP_PIX_GRAY8, 300, 300, 0, 0);
    for (int y = 0; y < 300; y++)
        for (int x = 0; x < 300; x++) p.mem[y * 305 + x] = x & 1 ? 200 : 100;
    const struct npi_net_in in = net(NP_F32, 20, 20, 0, 0);
    const struct npi_affine m = npi_affine_roi(150, 150, 140, .5f, 20, 20);
    float dst[20 * 20 * 3];
    struct npi_vision *v;
    struct np_error e;
    assert_int_equal(npi_vision_create(&v, npi_cpu_flags()), 0);
    assert_int_equal(npi_vision_crop(v, &p.f, &in, &m, dst, &e), 0);
    for (int i = 0; i < 1200; i++) NEAR(dst[i], 150, 15);
    npi_vision_free(&v);
    free(p.mem);
}

/* 4x2 RGB picture onto 2x1: each net pixel is the mean of 2x2 (bilinear at scale 2 samples the middle of four). By hand. */
static void test_by_hand(void **state) {
    const uint8_t px[2][12] = { { 0, 0, 0, 10, 20, 30, 100, 100, 100, 200, 0, 50 }, { 20, 40, 60, 30, 60, 90, 0, 0, 0, 100, 0, 250 } };
    const struct np_frame f = { .format = NP_PIX_RGB24, .width = 4, .height = 2, .plane = { px[0] }, .stride_bytes = { 12 } };
    struct npi_net_in in = net(NP_F32, 2, 1, 0, 0);
    for (int i = 0; i < 3; i++) { in.mul[i] = .5f; in.add[i] = -1; }
    float d[6];
    struct npi_affine m;
    struct npi_vision *v;
    struct np_error e;
    assert_int_equal(npi_vision_create(&v, 0), 0);
    assert_int_equal(npi_vision_letterbox(v, &f, &in, NPI_FIT_STRETCH, d, &m, &e), 0);
    const float want[6] = { 15 * .5f - 1, 30 * .5f - 1, 45 * .5f - 1, 100 * .5f - 1, 25 * .5f - 1, 100 * .5f - 1 };
    for (int i = 0; i < 6; i++) NEAR(d[i], want[i], 1e-5);
    /* white and black of both ranges */
    const uint8_t y[2] = { 235, 16 }, c[1] = { 128 };
    struct np_frame g = { .format = NP_PIX_I420, .width = 2, .height = 1, .plane = { y, c, c }, .stride_bytes = { 2, 1, 1 } };
    in = net(NP_U8, 2, 1, 0, 0);
    uint8_t b[6];
    assert_int_equal(npi_vision_letterbox(v, &g, &in, NPI_FIT_STRETCH, b, &m, &e), 0);
    assert_int_equal(b[0], 255); assert_int_equal(b[1], 255); assert_int_equal(b[5], 0);
    g.full_range = 1;
    assert_int_equal(npi_vision_letterbox(v, &g, &in, NPI_FIT_STRETCH, b, &m, &e), 0);
    assert_int_equal(b[0], 235); assert_int_equal(b[4], 16);
    npi_vision_free(&v);
}

static void test_geometry(void **state) {
    float x, y;
    /* 640x480 into 320x320 centre: half size, 40 rows of padding above */
    struct npi_affine m = npi_affine_letterbox(640, 480, 320, 320, NPI_FIT_LETTERBOX_CENTER), inv;
    npi_affine_apply(&m, 0, 40, &x, &y);
    NEAR(x, 0, 1e-4); NEAR(y, 0, 1e-4);
    npi_affine_apply(&m, 320, 280, &x, &y);
    NEAR(x, 640, 1e-3); NEAR(y, 480, 1e-3);
    assert_int_equal(npi_affine_invert(&inv, &m), 1);
    npi_affine_apply(&inv, 640, 480, &x, &y);
    NEAR(x, 320, 1e-3); NEAR(y, 280, 1e-3);
    /* box 100,200 40x80 x 1.25 for a square net: side 100 about (120, 240) */
    m = npi_affine_crop(&(struct np_box){ 100, 200, 40, 80 }, 1.25f, 256, 256);
    npi_affine_apply(&m, 0, 0, &x, &y);
    NEAR(x, 70, 1e-3); NEAR(y, 190, 1e-3);
    npi_affine_apply(&m, 256, 256, &x, &y);
    NEAR(x, 170, 1e-3); NEAR(y, 290, 1e-3);
    /* a quarter turn clockwise: the crop's up points right in the picture */
    m = npi_affine_roi(50, 60, 20, 1.5707963f, 10, 10);
    npi_affine_apply(&m, 5, 0, &x, &y);
    NEAR(x, 60, 1e-3); NEAR(y, 60, 1e-3);
    NEAR(npi_affine_scale(&m), 2, 1e-5);
    const struct np_box b = npi_affine_box(&m, 0, 0, 10, 10);
    NEAR(b.x, 40, 1e-3); NEAR(b.y, 50, 1e-3); NEAR(b.w, 20, 1e-3); NEAR(b.h, 20, 1e-3);
    m = (struct npi_affine){ 1, 2, 0, 2, 4, 0 };
    assert_int_equal(npi_affine_invert(&inv, &m), 0);
}

/* Rows in parts give the same bytes as all at once. */
static void test_row_ranges(void **state) {
    for (int rot = 0; rot < 180; rot += 90) {
        struct pic p = make(NP_PIX_NV12, 64, 50, rot, 0);
        const struct npi_net_in in = net(NP_F32, 24, 30, 1, 0);
        const struct npi_affine m = npi_affine_crop(&(struct np_box){ 10, -4, 30, 40 }, 1.2f, 24, 30);
        static _Alignas(64) char mem[1 << 17], rows[1 << 14];
        static float whole[24 * 30 * 3], parts[24 * 30 * 3];
        struct npi_warp *w;
        struct np_error e;
        assert_true(npi_warp_bytes(64, &in) <= sizeof mem && npi_warp_row_bytes(64, &in) <= sizeof rows);
        assert_int_equal(npi_warp_prepare(&w, mem, sizeof mem, &p.f, &m, &in, 0, &e), 0);
        npi_warp_rows(w, whole, 0, 30, rows);
        npi_warp_rows(w, parts, 11, 30, rows);
        npi_warp_rows(w, parts, 0, 4, rows);
        npi_warp_rows(w, parts, 4, 11, rows);
        assert_memory_equal(whole, parts, sizeof whole);
        free(p.mem);
    }
}

static void test_bad_frames(void **state) {
    uint8_t px[64] = { 0 };
    const struct np_frame ok = { .format = NP_PIX_I420, .width = 4, .height = 4, .plane = { px, px, px }, .stride_bytes = { 4, 2, 2 } };
    struct np_error e;
    assert_int_equal(npi_frame_check(&ok, &e), 0);
    struct np_frame f = ok;
    f.width = 0;
    assert_int_equal(npi_frame_check(&f, &e), NP_EINVAL);
    f = ok; f.plane[2] = NULL;
    assert_int_equal(npi_frame_check(&f, &e), NP_EINVAL);
    assert_non_null(strstr(e.message, "plane 2"));
    f = ok; f.stride_bytes[0] = -3;
    assert_int_equal(npi_frame_check(&f, &e), NP_EINVAL);
    f = ok; f.format = 99;
    assert_int_equal(npi_frame_check(&f, &e), NP_EINVAL);
    f = ok; f.rotation = 45;
    assert_int_equal(npi_frame_check(&f, &e), NP_EINVAL);
    struct npi_vision *v;
    const struct npi_net_in in = net(NP_U8, 4, 4, 0, 0);
    uint8_t dst[48];
    assert_int_equal(npi_vision_create(&v, 0), 0);
    const struct npi_affine bad[] = { { 0, 0, 0, 0, 0, 0 }, { NAN, 0, 0, 0, 1, 0 }, { 1, 0, 0, 0, 1, INFINITY } };
    for (int i = 0; i < 3; i++) assert_int_equal(npi_vision_crop(v, &ok, &in, &bad[i], dst, &e), NP_EINVAL);
    npi_vision_free(&v);
}

static void test_net_in(void **state) {
    struct npi_net_in in;
    struct np_error e;
    struct np_tensor_info t = { "image", NP_F32, 4, { 1, 3, 416, 320 } };
    assert_int_equal(npi_net_in_init(&in, &npi_card_builtin("yolox_nano")->in, &t, &e), 0);
    assert_int_equal(in.nchw, 1); assert_int_equal(in.width, 320); assert_int_equal(in.height, 416); assert_int_equal(in.bgr, 1);
    NEAR(in.mul[0], 1, 0);
    /* ImageNet: (p / 255 - .485) / .229 */
    t = (struct np_tensor_info){ "image", NP_F32, 4, { 1, 256, 192, 3 } };
    assert_int_equal(npi_net_in_init(&in, &npi_card_builtin("hrnet_coco17")->in, &t, &e), 0);
    NEAR(255 * in.mul[0] + in.add[0], (1 - .485) / .229, 1e-4);
    /* int8 of scale 1/128, zero point -1: real 1 -> 127 */
    struct npi_card c;
    npi_card_default(&c);
    t = (struct np_tensor_info){ "image", NP_I8, 4, { 1, 64, 64, 3 }, .scale = 1.f / 128, .zero_point = -1 };
    assert_int_equal(npi_net_in_init(&in, &c.in, &t, &e), 0);
    NEAR(255 * in.mul[1] + in.add[1], 127, 1e-4);
    t = (struct np_tensor_info){ "tokens", NP_I64, 2, { 1, 77 } };
    assert_int_equal(npi_net_in_init(&in, &c.in, &t, &e), NP_ESHAPE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_geometry), cmocka_unit_test(test_all_formats), cmocka_unit_test(test_turned_small),
        cmocka_unit_test(test_row_ranges), cmocka_unit_test(test_bad_frames), cmocka_unit_test(test_net_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
