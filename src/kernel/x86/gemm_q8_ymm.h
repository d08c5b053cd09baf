/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM in 256-bit registers, for AVX2 and AVX-VNNI. The file that includes it defines
 *   DOT(acc, a, b)   acc + products of the kr elements in each 32-bit lane (a: A, broadcast; b: weights)
 *   NAME(x)          x with the level behind it
 * A panel has 1 or 2 vectors of 8 channels; 12 accumulators, 6x16 or 12x8. */
#include "kernel/x86/q8_avx2.h"

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
    const struct q8_put o = q8_put_init(&t->out);
    uint8_t *const y = t->y + (size_t)r0 * t->ldy;
#pragma GCC unroll 12
    for (int i = 0; i < mr; i++)
        if (i < n) q8_put(&o, acc[i], scale, nv, t->nc, y + (size_t)i * t->ldy);
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
