/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM in 512-bit registers, for AVX-512 with and without VNNI. The file that includes it defines
 *   DOT(acc, a, b)   acc + products of the kr elements in each 32-bit lane (a: A, broadcast; b: weights)
 *   NAME(x)          x with the level behind it
 * A panel has 1 to 4 vectors of 16 channels; rows are taken 16, 12, 8 or 6 at a time so that 16 to 24 accumulators hide the
 * latency. Measured on a Zen 4: see the table in gemm_q8_avx512_vnni.c. */
#include "kernel/x86/gemm_q8.h"
#include "kernel/x86/q8_avx512.h"

/* One step of MR rows and NV vectors, n of the rows valid. A macro, not an inline function: with literal bounds gcc unrolls before it decides which
 * arrays live in registers; with arguments (even constant ones) it keeps the accumulators in memory, at half the speed. */
#define STEP(name, MR, NV)                                                                                                     \
    static __attribute__((noinline)) void name(const struct npi_gemm_q8_tile *t, int r0, int n) {                              \
        const size_t lda = t->lda;                                                                                             \
        const char *a = (const char *)t->a + (size_t)r0 * lda, *w = (const char *)t->panel + NV * 128;                         \
        __m512i acc[MR][NV];                                                                                                   \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                                  \
            _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++)                                                               \
                acc[i][j] = _mm512_loadu_si512((const char *)t->panel + j * 64);                                               \
        if (t->row)                                                                                                            \
            _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                              \
                _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++)                                                           \
                    acc[i][j] = _mm512_add_epi32(acc[i][j], _mm512_set1_epi32(t->row[r0 + i]));                                \
        for (int g = t->groups; g > 0; g--) {                                                                                  \
            __m512i b[NV];                                                                                                     \
            _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) b[j] = _mm512_loadu_si512(w + j * 64);                        \
            _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                            \
                const __m512i v = broadcast(a + (size_t)i * lda);                                                              \
                _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) acc[i][j] = DOT(acc[i][j], v, b[j]);                      \
            }                                                                                                                  \
            a += 4;                                                                                                            \
            w += NV * 64;                                                                                                      \
        }                                                                                                                      \
        const struct q8_put o = q8_put_init(&t->out);                                                                          \
        __m512 scale[NV];                                                                                                      \
        _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) scale[j] = _mm512_loadu_ps((const char *)t->panel + (NV + j) * 64); \
        uint8_t *const y = t->y + (size_t)r0 * t->ldy;                                                                         \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                                \
            if (i >= n) break;                                                                                                 \
            q8_put(&o, acc[i], scale, NV, t->nc, y + (size_t)i * t->ldy);                                                      \
        }                                                                                                                      \
    }

INLINE __m512i broadcast(const char *p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return _mm512_set1_epi32(x);
}

STEPS(v4, 4, 6, 4, 1)
STEPS(v3, 3, 8, 4, 1)
STEPS(v2, 2, 12, 4, 1)
STEPS(v1, 1, 16, 4, 1)

static void NAME(tile)(const struct npi_gemm_q8_tile *t) {
    if (t->nc > 48) v4(t);
    else if (t->nc > 32) v3(t);
    else if (t->nc > 16) v2(t);
    else v1(t);
}
