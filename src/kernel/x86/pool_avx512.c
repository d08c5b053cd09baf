/* SPDX-License-Identifier: Apache-2.0 */
/* Pools for AVX-512: 16 channels a step, tails masked. Sums run in the order of the C version. */
#include <immintrin.h>

#include "kernel/pool.h"

static inline __mmask16 mask16(size_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1); }

static void max_f32_avx512(float *y, const float *const *tap, int n, size_t c, float lo, float hi) {
    const __m512 vlo = _mm512_set1_ps(lo), vhi = _mm512_set1_ps(hi);
    for (size_t i = 0; i < c; i += 16) {
        const __mmask16 k = mask16(c - i);
        __m512 m = _mm512_maskz_loadu_ps(k, tap[0] + i);
        for (int t = 1; t < n; t++) m = _mm512_max_ps(_mm512_maskz_loadu_ps(k, tap[t] + i), m);
        _mm512_mask_storeu_ps(y + i, k, _mm512_min_ps(_mm512_max_ps(m, vlo), vhi));
    }
}

static void avg_f32_avx512(float *y, const float *const *tap, int n, size_t c, float scale) {
    const __m512 vs = _mm512_set1_ps(scale);
    for (size_t i = 0; i < c; i += 16) {
        const __mmask16 k = mask16(c - i);
        __m512 s = _mm512_setzero_ps();
        for (int t = 0; t < n; t++) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(k, tap[t] + i));
        _mm512_mask_storeu_ps(y + i, k, _mm512_mul_ps(s, vs));
    }
}

static void mean_f32_avx512(float *y, const float *x, size_t rows, size_t stride, size_t c, float scale) {
    const __m512 vs = _mm512_set1_ps(scale);
    for (size_t i = 0; i < c; i += 16) {
        const __mmask16 k = mask16(c - i);
        __m512 total = _mm512_setzero_ps();
        for (size_t r = 0; r < rows;) {
            const size_t end = rows - r > NPI_MEAN_BLOCK ? r + NPI_MEAN_BLOCK : rows;
            __m512 s = _mm512_setzero_ps();
            for (; r < end; r++) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(k, x + r * stride + i));
            total = _mm512_add_ps(total, s);
        }
        _mm512_mask_storeu_ps(y + i, k, _mm512_mul_ps(total, vs));
    }
}

void npi_pool_init_avx512(struct npi_pool *k) { *k = (struct npi_pool){ max_f32_avx512, avg_f32_avx512, mean_f32_avx512 }; }
