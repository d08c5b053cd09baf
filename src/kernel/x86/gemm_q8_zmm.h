/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM in 512-bit registers, for AVX-512 with and without VNNI. The file that includes it defines
 *   DOT(acc, a, b)   acc + products of the kr elements in each 32-bit lane (a: A, broadcast; b: weights)
 *   NAME(x)          x with the level behind it
 * A panel has 1 to 4 vectors of 16 channels; rows are taken 16, 12, 8 or 6 at a time so that 16 to 24 accumulators hide the
 * latency. Measured on a Zen 4: see the table in gemm_q8_avx512_vnni.c. */
#include <immintrin.h>

#include "kernel/gemm_q8.h"

#define INLINE static inline __attribute__((always_inline))

/* One row of accumulators to bytes. Packing works in 128-bit lanes; npi_gemm_q8_slot has put the channels so that they come out in order. */
INLINE void put(const __m512i *acc, const __m512 *scale, int nv, const struct npi_gemm_q8_tile *t, uint8_t *y) {
    const __m512 top = _mm512_set1_ps((float)(t->out.hi - t->out.zy));
    const __m512i zy = _mm512_set1_epi16((short)t->out.zy), lo = _mm512_set1_epi8((char)t->out.lo), flip = _mm512_set1_epi8((char)t->out.flip);
    __m512i v[4];
#pragma GCC unroll 4
    for (int j = 0; j < nv; j++) v[j] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j]), scale[j]), top));
    if (nv == 4) {
        const __m512i p = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zy), q = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), zy);
        const __m512i b = _mm512_xor_si512(_mm512_max_epi8(_mm512_packs_epi16(p, q), lo), flip);
        if (t->nc == 64) _mm512_storeu_si512(y, b);
        else _mm512_mask_storeu_epi8(y, _bzhi_u64(~0ull, (unsigned)t->nc), b);
    } else if (nv >= 2) {
        const __m512i p = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zy);
        const __m256i b = _mm256_xor_si256(_mm256_max_epi8(_mm512_cvtsepi16_epi8(p), _mm512_castsi512_si256(lo)), _mm512_castsi512_si256(flip));
        if (t->nc >= 32) _mm256_storeu_si256((void *)y, b);
        else _mm256_mask_storeu_epi8(y, _bzhi_u32(~0u, (unsigned)t->nc), b);
    }
    if (nv & 1) {
        /* saturate to 16 bits before the zero point is added, as the wider paths do */
        const __m256i p = _mm256_adds_epi16(_mm512_cvtsepi32_epi16(v[nv - 1]), _mm512_castsi512_si256(zy));
        const __m128i b = _mm_xor_si128(_mm_max_epi8(_mm256_cvtsepi16_epi8(p), _mm512_castsi512_si128(lo)), _mm512_castsi512_si128(flip));
        const int nc = t->nc - (nv - 1) * 16;
        _mm_mask_storeu_epi8(y + (nv - 1) * 16, (__mmask16)_bzhi_u32(0xffff, (unsigned)nc), b);
    }
}

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
    uint8_t *const y = t->y + (size_t)r0 * t->ldy;
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
        if (i < n) put(acc[i], scale, nv, t, y + (size_t)i * t->ldy);
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
