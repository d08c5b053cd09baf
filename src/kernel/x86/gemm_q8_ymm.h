/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM in 256-bit registers, for AVX2 and AVX-VNNI. The file that includes it defines
 *   DOT(acc, a, b)   acc + products of the kr elements in each 32-bit lane (a: A, broadcast; b: weights)
 *   NAME(x)          x with the level behind it
 * A panel has 1 or 2 vectors of 8 channels; 12 accumulators, 6x16 or 12x8. */
#include "kernel/x86/q8_avx2.h"

INLINE __m256i broadcast(const char *p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}

/* One step of MR rows and NV vectors, n of the rows valid. A macro for the reason given in gemm_q8_zmm.h. */
#define STEP(name, MR, NV)                                                                                                     \
    static __attribute__((noinline)) void name(const struct npi_gemm_q8_tile *t, int r0, int n) {                              \
        const size_t lda = t->lda;                                                                                             \
        const char *a = (const char *)t->a + (size_t)r0 * lda, *w = (const char *)t->panel + NV * 64;                          \
        __m256i acc[MR][NV];                                                                                                   \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                                  \
            _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++)                                                               \
                acc[i][j] = _mm256_loadu_si256((const void *)((const char *)t->panel + j * 32));                               \
        if (t->row)                                                                                                            \
            _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                              \
                _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++)                                                           \
                    acc[i][j] = _mm256_add_epi32(acc[i][j], _mm256_set1_epi32(t->row[r0 + i]));                                \
        for (int g = t->groups; g > 0; g--) {                                                                                  \
            __m256i b[NV];                                                                                                     \
            _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) b[j] = _mm256_loadu_si256((const void *)(w + j * 32));        \
            _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                            \
                const __m256i v = broadcast(a + (size_t)i * lda);                                                              \
                _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) acc[i][j] = DOT(acc[i][j], v, b[j]);                      \
            }                                                                                                                  \
            a += 4;                                                                                                            \
            w += NV * 32;                                                                                                      \
        }                                                                                                                      \
        const struct q8_put o = q8_put_init(&t->out);                                                                          \
        __m256 scale[NV];                                                                                                      \
        _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) scale[j] = _mm256_loadu_ps((const void *)((const char *)t->panel + (NV + j) * 32)); \
        uint8_t *const y = t->y + (size_t)r0 * t->ldy;                                                                         \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                                \
            if (i >= n) break;                                                                                                 \
            q8_put(&o, acc[i], scale, NV, t->nc, y + (size_t)i * t->ldy);                                                      \
        }                                                                                                                      \
    }

/* All rows in steps of mr, the rest in the smallest step that holds it (the rows behind the last are readable). */
#define STEPS(fn, nv, mr, m2, m1)                                                 \
    STEP(fn##_##mr, mr, nv)                                                       \
    STEP(fn##_##m2, m2, nv)                                                       \
    STEP(fn##_##m1, m1, nv)                                                       \
    static void fn(const struct npi_gemm_q8_tile *t) {                            \
        int r = 0;                                                                \
        for (; t->rows - r > m2; r += mr) fn##_##mr(t, r, t->rows - r);           \
        if (t->rows - r > m1) fn##_##m2(t, r, t->rows - r);                       \
        else if (t->rows - r > 0) fn##_##m1(t, r, t->rows - r);                   \
    }
STEPS(v2, 2, 6, 3, 1)
STEPS(v1, 1, 12, 4, 1)

static void NAME(tile)(const struct npi_gemm_q8_tile *t) {
    if (t->nc > 8) v2(t);
    else v1(t);
}
