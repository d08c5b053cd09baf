/* SPDX-License-Identifier: Apache-2.0 */
/* Bilinear rows for AVX2: 8 floats or 16 bytes of channels a step. */
#include <immintrin.h>
#include <string.h>

#include "kernel/resize.h"

static inline __m256i mask_of(size_t n) { /* the first n of 8 lanes */
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* u * a + v * b for n values. */
static inline void mix(float *y, const float *a, const float *b, __m256 u, __m256 v, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_fmadd_ps(v, _mm256_loadu_ps(b + i), _mm256_mul_ps(u, _mm256_loadu_ps(a + i))));
    if (i == n) return;
    const __m256i m = mask_of(n - i);
    _mm256_maskstore_ps(y + i, m, _mm256_fmadd_ps(v, _mm256_maskload_ps(b + i, m), _mm256_mul_ps(u, _mm256_maskload_ps(a + i, m))));
}

static void blend_f32_avx2(float *y, const float *r0, const float *r1, float w, size_t n) { mix(y, r0, r1, _mm256_set1_ps(1 - w), _mm256_set1_ps(w), n); }

static void lerp_f32_avx2(float *y, const float *row, const int32_t *x0, const int32_t *x1, const float *w, size_t ow, size_t c) {
    if (c == 8) { /* few channels on a large map: no inner loop */
        for (size_t o = 0; o < ow; o++, y += 8)
            _mm256_storeu_ps(y, _mm256_fmadd_ps(_mm256_broadcast_ss(w + 2 * o + 1), _mm256_loadu_ps(row + x1[o]), _mm256_mul_ps(_mm256_broadcast_ss(w + 2 * o), _mm256_loadu_ps(row + x0[o]))));
        return;
    }
    for (size_t o = 0; o < ow; o++, y += c) mix(y, row + x0[o], row + x1[o], _mm256_broadcast_ss(w + 2 * o), _mm256_broadcast_ss(w + 2 * o + 1), c);
}

static inline __m256i widen(const void *p, int is_signed) {
    const __m128i v = _mm_loadu_si128(p);
    return is_signed ? _mm256_cvtepi8_epi16(v) : _mm256_cvtepu8_epi16(v);
}

/* 16 channels of one output pixel. w: (1024 - fx, fx) in pairs. */
static inline __m128i lerp16(const uint8_t *a, const uint8_t *b, const uint8_t *d, const uint8_t *e, __m256i w, __m256i u0, __m256i u1, int is_signed) {
    const __m256i va = widen(a, is_signed), vb = widen(b, is_signed), vd = widen(d, is_signed), ve = widen(e, is_signed), half = _mm256_set1_epi32(1 << 19);
    const __m256i tl = _mm256_madd_epi16(_mm256_unpacklo_epi16(va, vb), w), th = _mm256_madd_epi16(_mm256_unpackhi_epi16(va, vb), w);
    const __m256i ll = _mm256_madd_epi16(_mm256_unpacklo_epi16(vd, ve), w), lh = _mm256_madd_epi16(_mm256_unpackhi_epi16(vd, ve), w);
    const __m256i lo = _mm256_add_epi32(_mm256_add_epi32(_mm256_mullo_epi32(tl, u0), _mm256_mullo_epi32(ll, u1)), half);
    const __m256i hi = _mm256_add_epi32(_mm256_add_epi32(_mm256_mullo_epi32(th, u0), _mm256_mullo_epi32(lh, u1)), half);
    const __m256i s = _mm256_packs_epi32(_mm256_srai_epi32(lo, 20), _mm256_srai_epi32(hi, 20)); /* lanes undo the unpack */
    const __m128i p = _mm256_castsi256_si128(s), q = _mm256_extracti128_si256(s, 1);
    return is_signed ? _mm_packs_epi16(p, q) : _mm_packus_epi16(p, q);
}

static inline void lerp8(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c, int is_signed) {
    const __m256i u0 = _mm256_set1_epi32(1024 - fy), u1 = _mm256_set1_epi32(fy);
    for (size_t o = 0; o < ow; o++, y += c) {
        const uint8_t *a = r0 + x0[o], *b = r0 + x1[o], *d = r1 + x0[o], *e = r1 + x1[o];
        const __m256i w = _mm256_set1_epi32((int)((uint32_t)(uint16_t)fx[o] << 16 | (uint32_t)(1024 - fx[o])));
        for (size_t i = 0; i < c; i += 16) {
            const __m128i v = lerp16(a + i, b + i, d + i, e + i, w, u0, u1, is_signed);
            if (c - i >= 16) {
                _mm_storeu_si128((void *)(y + i), v);
            } else {
                uint8_t t[16];
                _mm_storeu_si128((void *)t, v);
                memcpy(y + i, t, c - i);
            }
        }
    }
}

static void lerp_i8_avx2(int8_t *y, const int8_t *r0, const int8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c) {
    lerp8((uint8_t *)y, (const uint8_t *)r0, (const uint8_t *)r1, x0, x1, fx, fy, ow, c, 1);
}
static void lerp_u8_avx2(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c) {
    lerp8(y, r0, r1, x0, x1, fx, fy, ow, c, 0);
}

void npi_resize_init_avx2(struct npi_resize *k) { *k = (struct npi_resize){ blend_f32_avx2, lerp_f32_avx2, lerp_i8_avx2, lerp_u8_avx2 }; }
