/* SPDX-License-Identifier: Apache-2.0 */
/* bf16 product on a processor that has no bf16: each value is widened to f32 (16 zero bits) and multiplied by FMA. Half as fast as gemm_f32 at
 * best: it is here so that the accuracy of bf16 can be studied on whole data sets without the hardware. */
#include <string.h>

#include "kernel/gemm_bf16.h"
#include "kernel/x86/simd_avx2.h"

#define V f32x8
#define VN(op) f32x8_##op
#define VL 8
#define TN(name) name##_8
#include "kernel/x86/gemm_bf16_put.h"

NPI_INLINE __m256 even(__m256i v) { return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16)); }
NPI_INLINE __m256 odd(__m256i v) { return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000u))); }

/* 4 rows by 16 columns of one product of parts, along k. */
NPI_INLINE void product(__m256 acc[4][2], const uint16_t *a, const uint16_t *w, int kt, size_t a_step, size_t w_step) {
    for (; kt > 0; kt--, a += a_step, w += w_step)
        for (int r = 0; r < 16; r++) {
            const __m256i w0 = _mm256_loadu_si256((const void *)(w + r * 32)), w1 = _mm256_loadu_si256((const void *)(w + r * 32 + 16));
            const __m256 e0 = even(w0), o0 = odd(w0), e1 = even(w1), o1 = odd(w1);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                int32_t pair;
                memcpy(&pair, a + i * NPI_BF16_K + 2 * r, 4);
                const __m256i x = _mm256_set1_epi32(pair);
                acc[i][0] = _mm256_fmadd_ps(odd(x), o0, _mm256_fmadd_ps(even(x), e0, acc[i][0]));
                acc[i][1] = _mm256_fmadd_ps(odd(x), o1, _mm256_fmadd_ps(even(x), e1, acc[i][1]));
            }
        }
}

static void run(const struct npi_gemm_bf16_job *j) {
    const size_t part = NPI_BF16_TILE / 2, a_step = (size_t)j->parts * part;
    const uint16_t *panel = j->w;
    float buf[16], s[4 * 16];
    for (int n0 = 0; n0 < j->n; n0 += NPI_BF16_COLS) {
        const int tiles = npi_gemm_bf16_tiles(j->n - n0);
        const size_t w_step = (size_t)tiles * a_step;
        for (int t = 0; t < tiles; t++) {
            const int n = n0 + 16 * t, cols = j->n - n < 16 ? j->n - n : 16;
            const float *const bias = bias_at_8(j, n, buf);
            const __m256 b0 = _mm256_loadu_ps(bias), b1 = _mm256_loadu_ps(bias + 8);
            for (int m = 0; m < j->m; m += 4) {
                __m256 acc[4][2] = { { b0, b1 }, { b0, b1 }, { b0, b1 }, { b0, b1 } };
                const uint16_t *const a = j->a + (size_t)(m / NPI_BF16_ROWS) * (size_t)j->kt * a_step + (size_t)(m % NPI_BF16_ROWS * NPI_BF16_K);
                for (int p = 0; p < j->parts; p++)
                    for (int q = 0; p + q < j->parts; q++) product(acc, a + (size_t)p * part, panel + (size_t)(q * tiles + t) * part, j->kt, a_step, w_step);
                for (int i = 0; i < 4; i++) {
                    _mm256_storeu_ps(s + i * 16, acc[i][0]);
                    _mm256_storeu_ps(s + i * 16 + 8, acc[i][1]);
                }
                put_8(j, s, m, j->m - m < 4 ? j->m - m : 4, n, cols);
            }
        }
        panel += (size_t)j->kt * w_step;
    }
}

/* The upper 16 bits of each lane, rounded to nearest even; NaN stays NaN. */
NPI_INLINE __m256i round_bf16(__m256 x) {
    const __m256i u = _mm256_castps_si256(x), nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i up = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1)));
    return _mm256_srli_epi32(_mm256_blendv_epi8(_mm256_add_epi32(u, up), _mm256_or_si256(u, _mm256_set1_epi32(0x400000)), nan), 16);
}

NPI_INLINE void convert(uint16_t *dst, const float *src, int n, int parts) {
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 x = _mm256_loadu_ps(src + i);
        for (int p = 0; p < parts; p++) {
            const __m256i h = round_bf16(x);
            const __m256 got = _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
            const __m256i two = _mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 8);
            _mm_storeu_si128((void *)(dst + p * (NPI_BF16_TILE / 2) + i), _mm256_castsi256_si128(two));
            const __m256 finite = _mm256_cmp_ps(_mm256_sub_ps(got, got), _mm256_setzero_ps(), _CMP_EQ_OQ);
            x = _mm256_and_ps(_mm256_sub_ps(x, got), finite);
        }
    }
    for (; i < n; i++) {
        uint16_t x[NPI_BF16_MAX_PARTS];
        npi_bf16_split(src[i], parts, x);
        for (int p = 0; p < parts; p++) dst[p * (NPI_BF16_TILE / 2) + i] = x[p];
    }
}
#define CONVERT convert
#include "kernel/x86/gemm_bf16_rows.h"

void npi_gemm_bf16_init_avx2(struct npi_gemm_bf16 *g) {
    *g = (struct npi_gemm_bf16){ { "gemm_bf16_emulated_avx2", "gemm_bf16x3_emulated_avx2", "gemm_bf16x6_emulated_avx2" }, run, rows, 0 };
}
