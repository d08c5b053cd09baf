/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of samples (RGB or YUV, 0..255 as floats) to the numbers a net wants, and where they go. */
#include <string.h>

#include "vision/warp_priv.h"

/* ITU-R BT.601, BT.709, BT.2020: share of red and blue in luma. */
void npi_warp_colour(struct npi_warp *w, const struct np_frame *f) {
    static const float kr[] = { 0, .299f, .2126f, .2627f }, kb[] = { 0, .114f, .0722f, .0593f };
    const int m = f->yuv_matrix != NP_YUV_AUTO ? f->yuv_matrix : f->height >= 720 ? NP_YUV_BT709 : NP_YUV_BT601;
    const float chroma = f->full_range ? 1.f : 255.f / 224, kg = 1 - kr[m] - kb[m];
    w->yuv[0] = f->full_range ? 1.f : 255.f / 219;
    w->yuv[1] = f->full_range ? 0.f : 16.f;
    w->yuv[2] = 2 * (1 - kr[m]) * chroma;
    w->yuv[3] = -2 * (1 - kb[m]) * kb[m] / kg * chroma;
    w->yuv[4] = -2 * (1 - kr[m]) * kr[m] / kg * chroma;
    w->yuv[5] = 2 * (1 - kb[m]) * chroma;
}

static inline float clamp255(float x) { return x < 0 ? 0 : x > 255 ? 255 : x; }

static void yuv_to_rgb(const float k[6], int n, float *restrict a, float *restrict b, float *restrict c) {
    for (int i = 0; i < n; i++) {
        const float y = (a[i] - k[1]) * k[0], u = b[i] - 128, v = c[i] - 128;
        a[i] = clamp255(y + k[2] * v);
        b[i] = clamp255(y + k[3] * u + k[4] * v);
        c[i] = clamp255(y + k[5] * u);
    }
}

static void luma_only(const struct npi_warp *w, int n, float *restrict a, const float *restrict b, const float *restrict c) {
    if (w->colour == NPI_FROM_YUV)
        for (int i = 0; i < n; i++) a[i] = clamp255((a[i] - w->yuv[1]) * w->yuv[0]);
    else if (w->colour == NPI_FROM_RGB) {
        const float r = w->bgr_source ? .114f : .299f, bl = w->bgr_source ? .299f : .114f;
        for (int i = 0; i < n; i++) a[i] = r * a[i] + .587f * b[i] + bl * c[i];
    }
}

struct span { size_t at, step, plane; }; /* elements: first, from pixel to pixel, from channel to channel */

static struct span span(const struct npi_warp *w, int x, int y) {
    const size_t W = (size_t)w->in.width, H = (size_t)w->in.height, C = (size_t)w->in.channels, p = (size_t)y * W + (size_t)x;
    if (w->in.nchw) return (struct span){ p, w->swap ? W : 1, W * H };
    return (struct span){ p * C, w->swap ? W * C : C, 1 };
}

static inline int32_t to_int(float v, float lo, float hi) { /* nearest; v is shifted to be positive, for truncation to round */
    v = v > lo ? (v < hi ? v : hi) : lo;
    return (int32_t)(v - lo + .5f) + (int32_t)lo;
}

static void store_f32_nhwc3(float *restrict d, int n, const float *restrict a, const float *restrict b, const float *restrict c,
                            const float m[3], const float s[3]) {
    const float m0 = m[0], m1 = m[1], m2 = m[2], s0 = s[0], s1 = s[1], s2 = s[2];
    for (int i = 0; i < n; i++) {
        d[3 * i] = a[i] * m0 + s0;
        d[3 * i + 1] = b[i] * m1 + s1;
        d[3 * i + 2] = c[i] * m2 + s2;
    }
}

static void store_u8_nhwc3(uint8_t *restrict d, int n, const float *restrict a, const float *restrict b, const float *restrict c,
                           const float m[3], const float s[3]) {
    const float m0 = m[0], m1 = m[1], m2 = m[2], s0 = s[0], s1 = s[1], s2 = s[2];
    for (int i = 0; i < n; i++) {
        d[3 * i] = (uint8_t)to_int(a[i] * m0 + s0, 0, 255);
        d[3 * i + 1] = (uint8_t)to_int(b[i] * m1 + s1, 0, 255);
        d[3 * i + 2] = (uint8_t)to_int(c[i] * m2 + s2, 0, 255);
    }
}

/* One channel, any type and step. */
static void store_channel(void *dst, int dtype, size_t at, size_t step, int n, const float *v, float m, float s) {
    switch (dtype) {
    case NP_F32: { float *d = (float *)dst + at; for (int i = 0; i < n; i++) d[(size_t)i * step] = v[i] * m + s; break; }
    case NP_U8: { uint8_t *d = (uint8_t *)dst + at; for (int i = 0; i < n; i++) d[(size_t)i * step] = (uint8_t)to_int(v[i] * m + s, 0, 255); break; }
    case NP_I8: { int8_t *d = (int8_t *)dst + at; for (int i = 0; i < n; i++) d[(size_t)i * step] = (int8_t)to_int(v[i] * m + s, -128, 127); break; }
    default: { int32_t *d = (int32_t *)dst + at; for (int i = 0; i < n; i++) d[(size_t)i * step] = to_int(v[i] * m + s, -65536, 65535); break; }
    }
}

void npi_warp_store(const struct npi_warp *w, void *dst, int x, int y, int n, float *const line[3]) {
    float *a = line[0], *b = line[1], *c = line[2];
    const float *mul = w->in.mul, *add = w->in.add;
    const struct span s = span(w, x, y);
    if (n < 1) return;
    if (w->in.channels == 1) {
        luma_only(w, n, a, b, c);
        store_channel(dst, w->in.dtype, s.at, s.step, n, a, mul[0], add[0]);
        return;
    }
    if (w->colour == NPI_FROM_YUV) yuv_to_rgb(w->yuv, n, a, b, c);
    if (w->colour == NPI_FROM_GRAY) b = c = a;
    float *ch[3] = { a, b, c };
    if ((w->in.bgr != 0) != (w->bgr_source != 0)) { ch[0] = c; ch[2] = a; }
    if (s.step == 3 && w->in.dtype == NP_F32) store_f32_nhwc3((float *)dst + s.at, n, ch[0], ch[1], ch[2], mul, add);
    else if (s.step == 3 && w->in.dtype == NP_U8) store_u8_nhwc3((uint8_t *)dst + s.at, n, ch[0], ch[1], ch[2], mul, add);
    else
        for (int k = 0; k < 3; k++) store_channel(dst, w->in.dtype, s.at + (size_t)k * s.plane, s.step, n, ch[k], mul[k], add[k]);
}

void npi_warp_pad(const struct npi_warp *w, void *dst, int x, int y, int n) {
    const struct span s = span(w, x, y);
    float v[64];
    for (int k = 0; k < w->in.channels; k++) {
        for (int i = 0; i < 64; i++) v[i] = w->in.pad;
        for (int i = 0; i < n; i += 64)
            store_channel(dst, w->in.dtype, s.at + (size_t)k * s.plane + (size_t)i * s.step, s.step, n - i < 64 ? n - i : 64, v,
                          w->in.mul[k], w->in.add[k]);
    }
}
