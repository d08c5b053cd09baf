/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM for AVX2 on panels whose sums of two or four products fit 16 bits (gemm_q8_pairs.h): exact with vpmaddubsw.
 *
 * Multiplications of a vector and 32 products: vpmaddwd on int16 2 and 2 additions, a single 2 and 1, a couple 1.5 and 1. Zen 3 multiplies on two of its four
 * vector ports, where additions may stand in the way: GOP/s on layers of ConvNeXtPose-S with 7-bit weights 145 to 153 with vpmaddwd, 184 to 205 where all
 * quads are single (weights of a uniform distribution), 200 to 230 where almost all go in couples (the net itself). More than four products in 16 bits, or
 * their sum kept around an offset so that it may span all 65,536 values, needs one more addition each: not tried.
 * Four rows: twelve accumulators would leave no register for the weights of a couple. */
#include "kernel/gemm_q8_pairs.h"
#include "kernel/x86/gemm_q8_ymm.h"

/* One step of MR rows and NV vectors, n of the rows valid. A macro for the reason given in gemm_q8_zmm.h. */
#define STEP(name, MR, NV)                                                                                                     \
    static __attribute__((noinline)) void name(const struct npi_gemm_q8_tile *t, int r0, int n) {                              \
        const size_t lda = t->lda;                                                                                             \
        const uint8_t *const a = (const uint8_t *)t->a + (size_t)r0 * lda;                                                     \
        const char *const panel = (const char *)t->panel + NPI_PAIRS_HEAD;                                                     \
        const int couples = ((const int32_t *)t->panel)[0], singles = ((const int32_t *)t->panel)[1];                          \
        const int32_t *at = (const int32_t *)(const void *)(panel + NV * 64);                                                  \
        const char *w = panel + NV * 64 + npi_gemm_q8_pairs_at_bytes(2 * couples + singles);                                   \
        const __m256i ones = _mm256_set1_epi16(1);                                                                             \
        STEP_BEGIN(MR, NV, panel)                                                                                              \
        for (int g = couples; g > 0; g--) {                                                                                    \
            const uint8_t *const a0 = a + at[0], *const a1 = a + at[1];                                                        \
            __m256i b0[NV], b1[NV];                                                                                            \
            _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) {                                                             \
                b0[j] = _mm256_loadu_si256((const void *)(w + j * 32));                                                        \
                b1[j] = _mm256_loadu_si256((const void *)(w + (NV + j) * 32));                                                 \
            }                                                                                                                  \
            _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                            \
                const __m256i v0 = broadcast(a0 + (size_t)i * lda), v1 = broadcast(a1 + (size_t)i * lda);                      \
                _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) {                                                         \
                    const __m256i s = _mm256_add_epi16(_mm256_maddubs_epi16(v0, b0[j]), _mm256_maddubs_epi16(v1, b1[j]));      \
                    acc[i][j] = _mm256_add_epi32(acc[i][j], _mm256_madd_epi16(s, ones));                                       \
                }                                                                                                              \
            }                                                                                                                  \
            at += 2;                                                                                                           \
            w += NV * 64;                                                                                                      \
        }                                                                                                                      \
        for (int g = singles; g > 0; g--) {                                                                                    \
            const uint8_t *const a0 = a + *at;                                                                                 \
            _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                            \
                const __m256i v0 = broadcast(a0 + (size_t)i * lda);                                                            \
                _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++)                                                           \
                    acc[i][j] = _mm256_add_epi32(acc[i][j], _mm256_madd_epi16(                                                 \
                        _mm256_maddubs_epi16(v0, _mm256_loadu_si256((const void *)(w + j * 32))), ones));                      \
            }                                                                                                                  \
            at++;                                                                                                              \
            w += NV * 32;                                                                                                      \
        }                                                                                                                      \
        STEP_END(MR, NV, panel)                                                                                                \
    }
STEPS(v2, 2, 4, 2, 1)
STEPS(v1, 1, 8, 4, 1)

static void tile_pairs(const struct npi_gemm_q8_tile *t) {
    if (t->nc > 8) v2(t);
    else v1(t);
}

void npi_gemm_q8_init_avx2_pairs(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_4x16_pairs_avx2", .tile = tile_pairs, .copy_a = copy_a_u8,
                               .nr = 16, .granule = 8, .kr = 4, .a_bytes = 1, .pairs = 1 };
}
