/* SPDX-License-Identifier: Apache-2.0 */
/* Pools for AVX2: 8 channels a step, tails masked.
 * Sums run in the order of the C version, so that floats agree to the bit. */
#include <immintrin.h>

#include "kernel/pool.h"

static inline __m256i mask_of(size_t n) { /* the first n of 8 lanes */
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > 8 ? 8 : (int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static void max_f32_avx2(float *y, const float *const *tap, int n, size_t c, float lo, float hi) {
    const __m256 vlo = _mm256_set1_ps(lo), vhi = _mm256_set1_ps(hi);
    for (size_t i = 0; i < c; i += 8) {
        const __m256i mask = mask_of(c - i);
        __m256 m = _mm256_maskload_ps(tap[0] + i, mask);
        for (int t = 1; t < n; t++) m = _mm256_max_ps(_mm256_maskload_ps(tap[t] + i, mask), m);
        _mm256_maskstore_ps(y + i, mask, _mm256_min_ps(_mm256_max_ps(m, vlo), vhi));
    }
}

static void avg_f32_avx2(float *y, const float *const *tap, int n, size_t c, float scale) {
    const __m256 vs = _mm256_set1_ps(scale);
    for (size_t i = 0; i < c; i += 8) {
        const __m256i mask = mask_of(c - i);
        __m256 s = _mm256_setzero_ps();
        for (int t = 0; t < n; t++) s = _mm256_add_ps(s, _mm256_maskload_ps(tap[t] + i, mask));
        _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(s, vs));
    }
}

static void mean_f32_avx2(float *y, const float *x, size_t rows, size_t stride, size_t c, float scale) {
    const __m256 vs = _mm256_set1_ps(scale);
    for (size_t i = 0; i < c; i += 8) {
        const __m256i mask = mask_of(c - i);
        __m256 total = _mm256_setzero_ps();
        for (size_t r = 0; r < rows;) {
            const size_t end = rows - r > NPI_MEAN_BLOCK ? r + NPI_MEAN_BLOCK : rows;
            __m256 s = _mm256_setzero_ps();
            for (; r < end; r++) s = _mm256_add_ps(s, _mm256_maskload_ps(x + r * stride + i, mask));
            total = _mm256_add_ps(total, s);
        }
        _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(total, vs));
    }
}

void npi_pool_init_avx2(struct npi_pool *k) { *k = (struct npi_pool){ max_f32_avx2, avg_f32_avx2, mean_f32_avx2 }; }
