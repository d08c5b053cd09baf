/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM in 256-bit registers, for AVX2 and AVX-VNNI. The file that includes it defines
 *   DOT(acc, a, b)   acc + products of the kr elements in each 32-bit lane (a: A, broadcast; b: weights)
 *   NAME(x)          x with the level behind it
 * A panel has 1 or 2 vectors of 8 channels; 12 accumulators, 6x16 or 12x8. */
#include <immintrin.h>

#include "kernel/gemm_q8.h"

#define INLINE static inline __attribute__((always_inline))

INLINE void put_bytes(uint8_t *y, __m128i b, int n) {
    uint64_t v = (uint64_t)_mm_cvtsi128_si64(b);
    if (n >= 16) {
        _mm_storeu_si128((void *)y, b);
        return;
    }
    if (n >= 8) {
        __builtin_memcpy(y, &v, 8);
        v = (uint64_t)_mm_extract_epi64(b, 1);
        y += 8;
    }
    if (n & 4) {
        __builtin_memcpy(y, &v, 4);
        v >>= 32;
        y += 4;
    }
    if (n & 2) {
        __builtin_memcpy(y, &v, 2);
        v >>= 16;
        y += 2;
    }
    if (n & 1) *y = (uint8_t)v;
}

/* One row of accumulators to bytes. Packing works in 128-bit lanes; npi_gemm_q8_slot has put the channels so that they come out in order. */
INLINE void put(const __m256i *acc, const __m256 *scale, int nv, const struct npi_gemm_q8_tile *t, uint8_t *y) {
    const __m256 top = _mm256_set1_ps((float)(t->out.hi - t->out.zy));
    const __m128i zy = _mm_set1_epi16((short)t->out.zy), lo = _mm_set1_epi8((char)t->out.lo), flip = _mm_set1_epi8((char)t->out.flip);
    __m256i v[2];
#pragma GCC unroll 2
    for (int j = 0; j < nv; j++) v[j] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(acc[j]), scale[j]), top));
    __m128i p, q;
    if (nv == 2) {
        const __m256i w = _mm256_packs_epi32(v[0], v[1]);
        p = _mm_adds_epi16(_mm256_castsi256_si128(w), zy);
        q = _mm_adds_epi16(_mm256_extracti128_si256(w, 1), zy);
    } else {
        p = _mm_adds_epi16(_mm_packs_epi32(_mm256_castsi256_si128(v[0]), _mm256_extracti128_si256(v[0], 1)), zy);
        q = p;
    }
    put_bytes(y, _mm_xor_si128(_mm_max_epi8(_mm_packs_epi16(p, q), lo), flip), t->nc);
}

INLINE void rows(const struct npi_gemm_q8_tile *t, int r0, int n, int mr, int nv) {
    const char *const a = (const char *)t->a + (size_t)r0 * t->lda;
    const char *w = (const char *)t->panel + nv * 64;
    __m256i acc[12][2];
#pragma GCC unroll 12
    for (int i = 0; i < mr; i++) {
        const __m256i add = _mm256_set1_epi32(t->row ? t->row[r0 + i] : 0);
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) acc[i][j] = _mm256_add_epi32(_mm256_loadu_si256((const void *)((const char *)t->panel + j * 32)), add);
    }
    const size_t lda = t->lda;
    for (int g = 0; g < t->groups; g++, w += nv * 32) {
        __m256i b[2];
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++) b[j] = _mm256_loadu_si256((const void *)(w + j * 32));
#pragma GCC unroll 12
        for (int i = 0; i < mr; i++) {
            int32_t x;
            __builtin_memcpy(&x, a + (size_t)i * lda + (size_t)g * 4, 4);
            const __m256i v = _mm256_set1_epi32(x);
#pragma GCC unroll 2
            for (int j = 0; j < nv; j++) acc[i][j] = DOT(acc[i][j], v, b[j]);
        }
    }
    __m256 scale[2];
#pragma GCC unroll 2
    for (int j = 0; j < nv; j++) scale[j] = _mm256_loadu_ps((const float *)(const void *)((const char *)t->panel + nv * 32 + j * 32));
    uint8_t *const y = t->y + (size_t)r0 * t->ldy;
#pragma GCC unroll 12
    for (int i = 0; i < mr; i++)
        if (i < n) put(acc[i], scale, nv, t, y + (size_t)i * t->ldy);
}

#define STEPS(fn, nv, mr, m2, m1)                                                                                              \
    static __attribute__((noinline)) void fn##_##mr(const struct npi_gemm_q8_tile *t, int r, int n) { rows(t, r, n, mr, nv); }  \
    static __attribute__((noinline)) void fn##_##m2(const struct npi_gemm_q8_tile *t, int r, int n) { rows(t, r, n, m2, nv); }  \
    static __attribute__((noinline)) void fn##_##m1(const struct npi_gemm_q8_tile *t, int r, int n) { rows(t, r, n, m1, nv); }  \
    static void fn(const struct npi_gemm_q8_tile *t) {                                                                         \
        int r = 0;                                                                                                             \
        for (; t->rows - r > m2; r += mr) fn##_##mr(t, r, t->rows - r);                                                         \
        if (t->rows - r > m1) fn##_##m2(t, r, t->rows - r);                                                                     \
        else if (t->rows - r > 0) fn##_##m1(t, r, t->rows - r);                                                                 \
    }
STEPS(v2, 2, 6, 3, 1)
STEPS(v1, 1, 12, 4, 1)

static void NAME(tile)(const struct npi_gemm_q8_tile *t) {
    if (t->nc > 8) v2(t);
    else v1(t);
}
