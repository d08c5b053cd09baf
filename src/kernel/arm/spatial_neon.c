/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, bilinear rows, transposed copies and sums of pixel rows for NEON. Sums run in the order of the C versions. */
#include "kernel/arm/arm.h"
#include "kernel/arm/q8_neon.h"
#include "kernel/arm/simd_neon.h"

/* --- pools: four channels a step, the last ones read whole (NPI_TAIL) and stored in part --- */

INLINE void put(float *y, f32x4 v, size_t left) { f32x4_store_n(y, v, left < 4 ? (int)left : 4); }

static void max_f32_neon(float *y, const float *const *tap, int n, size_t c, float lo, float hi) {
    const f32x4 vlo = vdupq_n_f32(lo), vhi = vdupq_n_f32(hi);
    for (size_t i = 0; i < c; i += 4) {
        f32x4 m = vld1q_f32(tap[0] + i);
        for (int t = 1; t < n; t++) m = f32x4_max(vld1q_f32(tap[t] + i), m);
        m = vbslq_f32(vcgtq_f32(m, vlo), m, vlo);
        put(y + i, vbslq_f32(vcltq_f32(m, vhi), m, vhi), c - i);
    }
}

static void avg_f32_neon(float *y, const float *const *tap, int n, size_t c, float scale) {
    for (size_t i = 0; i < c; i += 4) {
        f32x4 s = vdupq_n_f32(0);
        for (int t = 0; t < n; t++) s = vaddq_f32(s, vld1q_f32(tap[t] + i));
        put(y + i, vmulq_n_f32(s, scale), c - i);
    }
}

static void mean_f32_neon(float *y, const float *x, size_t rows, size_t stride, size_t c, float scale) {
    for (size_t i = 0; i < c; i += 4) {
        f32x4 total = vdupq_n_f32(0);
        for (size_t r = 0; r < rows;) {
            const size_t end = rows - r > NPI_MEAN_BLOCK ? r + NPI_MEAN_BLOCK : rows;
            f32x4 s = vdupq_n_f32(0);
            for (; r < end; r++) s = vaddq_f32(s, vld1q_f32(x + r * stride + i));
            total = vaddq_f32(total, s);
        }
        put(y + i, vmulq_n_f32(total, scale), c - i);
    }
}

void npi_pool_init_neon(struct npi_pool *k) { *k = (struct npi_pool){ max_f32_neon, avg_f32_neon, mean_f32_neon }; }

/* --- bilinear rows --- */

/* u * a + v * b for n values. */
INLINE void mix(float *y, const float *a, const float *b, float u, float v, size_t n) {
    for (size_t i = 0; i < n; i += 4) put(y + i, vfmaq_n_f32(vmulq_n_f32(vld1q_f32(a + i), u), vld1q_f32(b + i), v), n - i);
}

static void blend_f32_neon(float *y, const float *r0, const float *r1, float w, size_t n) { mix(y, r0, r1, 1 - w, w, n); }

static void lerp_f32_neon(float *y, const float *row, const int32_t *x0, const int32_t *x1, const float *w, size_t ow, size_t c) {
    for (size_t o = 0; o < ow; o++, y += c) mix(y, row + x0[o], row + x1[o], w[2 * o], w[2 * o + 1], c);
}

INLINE int16x8_t widen(const uint8_t *p, int is_signed) {
    const uint8x8_t b = vld1_u8(p);
    return is_signed ? vmovl_s8(vreinterpret_s8_u8(b)) : vreinterpretq_s16_u16(vmovl_u8(b));
}

INLINE void lerp8(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c, int is_signed) {
    const int32x4_t half = vdupq_n_s32(1 << 19);
    for (size_t o = 0; o < ow; o++, y += c) {
        const int16_t right = fx[o], left = (int16_t)(1024 - right);
        for (size_t i = 0; i < c; i += 8) {
            const int16x8_t a = widen(r0 + x0[o] + i, is_signed), b = widen(r0 + x1[o] + i, is_signed), d = widen(r1 + x0[o] + i, is_signed), e = widen(r1 + x1[o] + i, is_signed);
            const int32x4_t t0 = vmlal_n_s16(vmull_n_s16(vget_low_s16(a), left), vget_low_s16(b), right), t1 = vmlal_high_n_s16(vmull_high_n_s16(a, left), b, right);
            const int32x4_t l0 = vmlal_n_s16(vmull_n_s16(vget_low_s16(d), left), vget_low_s16(e), right), l1 = vmlal_high_n_s16(vmull_high_n_s16(d, left), e, right);
            const int32x4_t v0 = vshrq_n_s32(vmlaq_n_s32(vmlaq_n_s32(half, t0, 1024 - fy), l0, fy), 20), v1 = vshrq_n_s32(vmlaq_n_s32(vmlaq_n_s32(half, t1, 1024 - fy), l1, fy), 20);
            const int8x8_t s = vmovn_s16(vmovn_high_s32(vmovn_s32(v0), v1)); /* in range: a weighted mean */
            q8_store(y + i, vcombine_s8(s, s), c - i < 8 ? (int)(c - i) : 8);
        }
    }
}
static void lerp_i8_neon(int8_t *y, const int8_t *r0, const int8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c) {
    lerp8((uint8_t *)y, (const uint8_t *)r0, (const uint8_t *)r1, x0, x1, fx, fy, ow, c, 1);
}
static void lerp_u8_neon(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c) {
    lerp8(y, r0, r1, x0, x1, fx, fy, ow, c, 0);
}

void npi_resize_init_neon(struct npi_resize *k) { *k = (struct npi_resize){ blend_f32_neon, lerp_f32_neon, lerp_i8_neon, lerp_u8_neon }; }

/* --- transposed copies of 32-bit elements, 4 x 4 a step; the other sizes stay with C --- */

static void t32_neon(void *dst, ptrdiff_t ds, const void *src, ptrdiff_t ss, size_t rows, size_t cols) {
    const size_t r4 = rows / 4 * 4, c4 = cols / 4 * 4;
    for (size_t r = 0; r < r4; r += 4)
        for (size_t c = 0; c < c4; c += 4) {
            const char *const s = (const char *)src + (ptrdiff_t)r * ss + c * 4;
            char *const d = (char *)dst + (ptrdiff_t)c * ds + r * 4;
            uint32x4_t x[4];
            for (int i = 0; i < 4; i++) x[i] = vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)s + i * ss));
            const uint64x2_t lo0 = vreinterpretq_u64_u32(vtrn1q_u32(x[0], x[1])), lo1 = vreinterpretq_u64_u32(vtrn1q_u32(x[2], x[3]));
            const uint64x2_t hi0 = vreinterpretq_u64_u32(vtrn2q_u32(x[0], x[1])), hi1 = vreinterpretq_u64_u32(vtrn2q_u32(x[2], x[3]));
            vst1q_u8((uint8_t *)d, vreinterpretq_u8_u64(vtrn1q_u64(lo0, lo1)));
            vst1q_u8((uint8_t *)d + ds, vreinterpretq_u8_u64(vtrn1q_u64(hi0, hi1)));
            vst1q_u8((uint8_t *)d + 2 * ds, vreinterpretq_u8_u64(vtrn2q_u64(lo0, lo1)));
            vst1q_u8((uint8_t *)d + 3 * ds, vreinterpretq_u8_u64(vtrn2q_u64(hi0, hi1)));
        }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = r < r4 ? c4 : 0; c < cols; c++) memcpy((char *)dst + (ptrdiff_t)c * ds + r * 4, (const char *)src + (ptrdiff_t)r * ss + c * 4, 4);
}

void npi_move_init_neon(struct npi_move *k) { k->t32 = t32_neon; }

/* --- weighted sums of pixel rows; not a byte behind them is read --- */

static void vsum_u8_neon(uint16_t *acc, const uint8_t *src, ptrdiff_t stride, const uint16_t *w, int n_rows, int n) {
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        uint16x8_t a[4];
        for (int v = 0; v < 4; v++) a[v] = vdupq_n_u16(0);
        for (int r = 0; r < n_rows; r++)
            for (int v = 0; v < 4; v++) a[v] = vmlaq_n_u16(a[v], vmovl_u8(vld1_u8(src + r * stride + i + v * 8)), w[r]);
        for (int v = 0; v < 4; v++) vst1q_u16(acc + i + v * 8, a[v]);
    }
    for (; i < n; i++) {
        unsigned a = 0;
        for (int r = 0; r < n_rows; r++) a += (unsigned)w[r] * src[r * stride + i];
        acc[i] = (uint16_t)a;
    }
}

void npi_pixel_init_neon(struct npi_pixel *k) { k->vsum_u8 = vsum_u8_neon; }
