/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM in 512-bit registers, for AVX-512 with and without VNNI. The file that includes it defines
 *   DOT(acc, a, b)   acc + products of the kr elements in each 32-bit lane (a: A, broadcast; b: weights)
 *   NAME(x)          x with the level behind it
 * A panel has 1 to 4 vectors of 16 channels; rows are taken 16, 12, 8 or 6 at a time so that 16 to 24 accumulators hide the
 * latency. Measured on a Zen 4: see the table in gemm_q8_avx512_vnni.c. */
#include "kernel/x86/q8_avx512.h"

INLINE void rows(const struct npi_gemm_q8_tile *t, int r0, int n, int mr, int nv) {
    const char *const a = (const char *)t->a + (size_t)r0 * t->lda;
    const char *w = (const char *)t->panel + nv * 128;
    __m512i acc[16][4];
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++) acc[i][j] = _mm512_loadu_si512((const char *)t->panel + j * 64);
    if (t->row) {
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            const __m512i add = _mm512_set1_epi32(t->row[r0 + i]);
#pragma GCC unroll 4
            for (int j = 0; j < nv; j++) acc[i][j] = _mm512_add_epi32(acc[i][j], add);
        }
    }
    const size_t lda = t->lda;
    for (int g = 0; g < t->groups; g++, w += nv * 64) {
        __m512i b[4];
#pragma GCC unroll 4
        for (int j = 0; j < nv; j++) b[j] = _mm512_loadu_si512(w + j * 64);
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            int32_t x;
            __builtin_memcpy(&x, a + (size_t)i * lda + (size_t)g * 4, 4);
            const __m512i v = _mm512_set1_epi32(x);
#pragma GCC unroll 4
            for (int j = 0; j < nv; j++) acc[i][j] = DOT(acc[i][j], v, b[j]);
        }
    }
    __m512 scale[4];
#pragma GCC unroll 4
    for (int j = 0; j < nv; j++) scale[j] = _mm512_loadu_ps((const char *)t->panel + nv * 64 + j * 64);
    const struct q8_put o = q8_put_init(&t->out);
    uint8_t *const y = t->y + (size_t)r0 * t->ldy;
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
        if (i < n) q8_put(&o, acc[i], scale, nv, t->nc, y + (size_t)i * t->ldy);
}

/* All rows in steps of mr, the rest in the smallest step that holds it (the rows behind the last are readable). */
#define STEPS(fn, nv, mr, m2, m1)                                                                                              \
    static __attribute__((noinline)) void fn##_##mr(const struct npi_gemm_q8_tile *t, int r) { rows(t, r, mr, mr, nv); }        \
    static __attribute__((noinline)) void fn##_tail(const struct npi_gemm_q8_tile *t, int r, int n) { rows(t, r, n, mr, nv); }  \
    static __attribute__((noinline)) void fn##_##m2(const struct npi_gemm_q8_tile *t, int r, int n) { rows(t, r, n, m2, nv); }  \
    static __attribute__((noinline)) void fn##_##m1(const struct npi_gemm_q8_tile *t, int r, int n) { rows(t, r, n, m1, nv); }  \
    static void fn(const struct npi_gemm_q8_tile *t) {                                                                         \
        int r = 0;                                                                                                             \
        for (; r + mr <= t->rows; r += mr) fn##_##mr(t, r);                                                                     \
        const int n = t->rows - r;                                                                                             \
        if (n > m2) fn##_tail(t, r, n);                                                                                         \
        else if (n > m1) fn##_##m2(t, r, n);                                                                                    \
        else if (n > 0) fn##_##m1(t, r, n);                                                                                     \
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
