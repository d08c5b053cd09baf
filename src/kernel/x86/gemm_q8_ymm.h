/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM in 256-bit registers, for AVX2 and AVX-VNNI: how a step of rows begins and ends, and how A is copied where it is bytes. A file whose step
 * is one DOT for each group of kr elements defines, before it includes this,
 *   DOT(acc, a, b)   acc + products of the kr elements in each 32-bit lane (a: A, broadcast; b: weights)
 *   NAME(x)          x with the level behind it
 * and has NAME(tile). A panel has 1 or 2 vectors of 8 channels; 12 accumulators, 6x16 or 12x8. */
#include "kernel/x86/gemm_q8.h"
#include "kernel/x86/q8_avx2.h"

INLINE __m256i broadcast(const void *p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}

/* u8 of both types: int8 gets its top bit flipped, which adds 128. */
INLINE void copy_a_u8(const struct npi_gemm_q8_copy *c) {
    const __m256i flip = _mm256_set1_epi8(c->is_u8 ? 0 : (char)0x80);
    for (int i = 0; i < c->pixels; i++) {
        const uint8_t *s = c->src + (size_t)i * c->pixel_step;
        uint8_t *d = (uint8_t *)c->dst + (size_t)i * c->lda;
        for (int r = 0; r < c->rows; r++, s += c->row_step, d += c->n)
            for (size_t j = 0; j < c->n; j += 32)
                _mm256_storeu_si256((void *)(d + j), _mm256_xor_si256(_mm256_loadu_si256((const void *)(s + j)), flip));
    }
}

/* The accumulators of MR rows and NV vectors from row r0 on, with what the panel and the rows add. Macros for the reason given in gemm_q8_zmm.h. */
#define STEP_BEGIN(MR, NV, panel)                                                                                              \
    __m256i acc[MR][NV];                                                                                                       \
    _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                                      \
        _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) acc[i][j] = _mm256_loadu_si256((const void *)((panel) + j * 32)); \
    if (t->row)                                                                                                                \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                                  \
            _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++)                                                               \
                acc[i][j] = _mm256_add_epi32(acc[i][j], _mm256_set1_epi32(t->row[r0 + i]));

/* To bytes, n of the rows. */
#define STEP_END(MR, NV, panel)                                                                                                \
    const struct q8_put o = q8_put_init(&t->out);                                                                              \
    __m256 scale[NV];                                                                                                          \
    _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) scale[j] = _mm256_loadu_ps((const void *)((panel) + (NV + j) * 32));  \
    uint8_t *const y = t->y + (size_t)r0 * t->ldy;                                                                             \
    _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                                    \
        if (i >= n) break;                                                                                                     \
        q8_put(&o, acc[i], scale, NV, t->nc, y + (size_t)i * t->ldy);                                                          \
    }

#ifdef DOT
#define STEP(name, MR, NV)                                                                                                     \
    static __attribute__((noinline)) void name(const struct npi_gemm_q8_tile *t, int r0, int n) {                              \
        const size_t lda = t->lda;                                                                                             \
        const char *const panel = t->panel, *a = (const char *)t->a + (size_t)r0 * lda, *w = panel + NV * 64;                  \
        STEP_BEGIN(MR, NV, panel)                                                                                              \
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
        STEP_END(MR, NV, panel)                                                                                                \
    }
STEPS(v2, 2, 6, 3, 1)
STEPS(v1, 1, 12, 4, 1)

static void NAME(tile)(const struct npi_gemm_q8_tile *t) {
    if (t->nc > 8) v2(t);
    else v1(t);
}
#endif
