/* SPDX-License-Identifier: Apache-2.0 */
/* bf16 product with vdpbf16ps: two products a lane are added to f32. 8 rows by 32 columns keep 16 accumulators busy, which hides the latency
 * on Zen 4 (one a cycle) and Zen 5 (two). Intel does one in two cycles, half the speed of f32 FMA: there only AMX pays (NPI_CPU_BF16_PAYS). */
#include "kernel/x86/bf16_avx512.h"

/* s: [NT][8 rows][16] */
#define BLOCK(NT)                                                                                                                        \
    static __attribute__((noinline)) void block_##NT(const struct npi_gemm_bf16_job *j, const char *a, const char *w, const float *b0,    \
                                                     const float *b1, float *s) {                                                         \
        const size_t a_step = (size_t)j->parts * NPI_BF16_TILE, w_step = a_step * NT;                                                     \
        __m512 acc[8][NT];                                                                                                                \
        _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++)                                                                               \
            _Pragma("GCC unroll 2") for (int t = 0; t < NT; t++) acc[i][t] = _mm512_loadu_ps(t ? b1 : b0);                                \
        for (int k = j->kt; k > 0; k--, a += a_step, w += w_step)                                                                         \
            for (int p = 0; p < j->parts; p++)                                                                                            \
                for (int q = 0; p + q < j->parts; q++) {                                                                                  \
                    const char *const ap = a + p * NPI_BF16_TILE, *const wq = w + q * NT * NPI_BF16_TILE;                                  \
                    for (int r = 0; r < 16; r++) {                                                                                        \
                        __m512bh b[NT];                                                                                                   \
                        _Pragma("GCC unroll 2") for (int t = 0; t < NT; t++) b[t] = (__m512bh)_mm512_loadu_si512(wq + t * NPI_BF16_TILE + r * 64); \
                        _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) {                                                             \
                            int32_t pair;                                                                                                 \
                            memcpy(&pair, ap + i * 64 + r * 4, 4);                                                                        \
                            const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);                                                         \
                            _Pragma("GCC unroll 2") for (int t = 0; t < NT; t++) acc[i][t] = _mm512_dpbf16_ps(acc[i][t], x, b[t]);         \
                        }                                                                                                                 \
                    }                                                                                                                     \
                }                                                                                                                         \
        _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++)                                                                               \
            _Pragma("GCC unroll 2") for (int t = 0; t < NT; t++) _mm512_storeu_ps(s + t * 128 + i * 16, acc[i][t]);                        \
    }
BLOCK(2)
BLOCK(1)

static void run(const struct npi_gemm_bf16_job *j) {
    const size_t a_step = (size_t)j->parts * NPI_BF16_TILE;
    const char *panel = (const char *)j->w;
    float buf[2][16], s[2 * 128];
    for (int n0 = 0; n0 < j->n; n0 += NPI_BF16_COLS) {
        const int tiles = npi_gemm_bf16_tiles(j->n - n0);
        const float *const b0 = bias_at_16(j, n0, buf[0]), *const b1 = tiles > 1 ? bias_at_16(j, n0 + 16, buf[1]) : b0;
        for (int m = 0; m < j->m; m += 8) {
            const char *const a = (const char *)j->a + (size_t)(m / NPI_BF16_ROWS) * (size_t)j->kt * a_step + (size_t)(m % NPI_BF16_ROWS * 64);
            if (tiles > 1) block_2(j, a, panel, b0, b1, s);
            else block_1(j, a, panel, b0, b0, s);
            for (int t = 0; t < tiles; t++) {
                const int n = n0 + 16 * t;
                put_16(j, s + t * 128, m, j->m - m < 8 ? j->m - m : 8, n, j->n - n < 16 ? j->n - n : 16);
            }
        }
        panel += (size_t)j->kt * a_step * (size_t)tiles;
    }
}

void npi_gemm_bf16_init_avx512_bf16(struct npi_gemm_bf16 *g) {
    *g = (struct npi_gemm_bf16){ { "gemm_bf16_8x32_avx512_bf16", "gemm_bf16x3_8x32_avx512_bf16", "gemm_bf16x6_8x32_avx512_bf16" }, run, rows, 1 };
}
