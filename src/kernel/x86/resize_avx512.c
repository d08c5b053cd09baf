/* SPDX-License-Identifier: Apache-2.0 */
/* Bilinear rows for AVX-512: 16 floats or 32 bytes of channels a step, tails masked. */
#include <immintrin.h>

#include "kernel/resize.h"

/* u * a + v * b for n values. */
static inline void mix(float *y, const float *a, const float *b, __m512 u, __m512 v, size_t n) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) _mm512_storeu_ps(y + i, _mm512_fmadd_ps(v, _mm512_loadu_ps(b + i), _mm512_mul_ps(u, _mm512_loadu_ps(a + i))));
    if (i == n) return;
    const __mmask16 k = (__mmask16)((1u << (n - i)) - 1);
    _mm512_mask_storeu_ps(y + i, k, _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(k, b + i), _mm512_mul_ps(u, _mm512_maskz_loadu_ps(k, a + i))));
}

static void blend_f32_avx512(float *y, const float *r0, const float *r1, float w, size_t n) { mix(y, r0, r1, _mm512_set1_ps(1 - w), _mm512_set1_ps(w), n); }

static void lerp_f32_avx512(float *y, const float *row, const int32_t *x0, const int32_t *x1, const float *w, size_t ow, size_t c) {
    if (c == 8) { /* few channels on a large map: half a register, but neither masks nor an inner loop */
        for (size_t o = 0; o < ow; o++, y += 8)
            _mm256_storeu_ps(y, _mm256_fmadd_ps(_mm256_broadcast_ss(w + 2 * o + 1), _mm256_loadu_ps(row + x1[o]), _mm256_mul_ps(_mm256_broadcast_ss(w + 2 * o), _mm256_loadu_ps(row + x0[o]))));
        return;
    }
    for (size_t o = 0; o < ow; o++, y += c) mix(y, row + x0[o], row + x1[o], _mm512_set1_ps(w[2 * o]), _mm512_set1_ps(w[2 * o + 1]), c);
}

static inline __m512i widen(const void *p, __mmask32 k, int is_signed) {
    const __m256i v = _mm256_maskz_loadu_epi8(k, p);
    return is_signed ? _mm512_cvtepi8_epi16(v) : _mm512_cvtepu8_epi16(v);
}

static inline void lerp8(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c, int is_signed) {
    const __m512i u0 = _mm512_set1_epi32(1024 - fy), u1 = _mm512_set1_epi32(fy), half = _mm512_set1_epi32(1 << 19);
    for (size_t o = 0; o < ow; o++, y += c) {
        const uint8_t *a = r0 + x0[o], *b = r0 + x1[o], *d = r1 + x0[o], *e = r1 + x1[o];
        const __m512i w = _mm512_set1_epi32((int)((uint32_t)(uint16_t)fx[o] << 16 | (uint32_t)(1024 - fx[o])));
        for (size_t i = 0; i < c; i += 32) {
            const __mmask32 k = c - i >= 32 ? 0xffffffffu : (1u << (c - i)) - 1;
            const __m512i va = widen(a + i, k, is_signed), vb = widen(b + i, k, is_signed), vd = widen(d + i, k, is_signed), ve = widen(e + i, k, is_signed);
            const __m512i tl = _mm512_madd_epi16(_mm512_unpacklo_epi16(va, vb), w), th = _mm512_madd_epi16(_mm512_unpackhi_epi16(va, vb), w);
            const __m512i ll = _mm512_madd_epi16(_mm512_unpacklo_epi16(vd, ve), w), lh = _mm512_madd_epi16(_mm512_unpackhi_epi16(vd, ve), w);
            const __m512i lo = _mm512_add_epi32(_mm512_add_epi32(_mm512_mullo_epi32(tl, u0), _mm512_mullo_epi32(ll, u1)), half);
            const __m512i hi = _mm512_add_epi32(_mm512_add_epi32(_mm512_mullo_epi32(th, u0), _mm512_mullo_epi32(lh, u1)), half);
            const __m512i s = _mm512_packs_epi32(_mm512_srai_epi32(lo, 20), _mm512_srai_epi32(hi, 20)); /* lanes undo the unpack; values fit a byte */
            _mm256_mask_storeu_epi8(y + i, k, _mm512_cvtepi16_epi8(s));
        }
    }
}

static void lerp_i8_avx512(int8_t *y, const int8_t *r0, const int8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c) {
    lerp8((uint8_t *)y, (const uint8_t *)r0, (const uint8_t *)r1, x0, x1, fx, fy, ow, c, 1);
}
static void lerp_u8_avx512(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c) {
    lerp8(y, r0, r1, x0, x1, fx, fy, ow, c, 0);
}

void npi_resize_init_avx512(struct npi_resize *k) { *k = (struct npi_resize){ blend_f32_avx512, lerp_f32_avx512, lerp_i8_avx512, lerp_u8_avx512 }; }
