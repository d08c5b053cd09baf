/* SPDX-License-Identifier: Apache-2.0 */
/* Pools for AVX2: 8 channels a step. Loads may go past a row's end (NPI_TAIL), stores do not: by pieces, since a masked store is slow on AMD before Zen 5.
 * Sums run in the order of the C version, so that floats agree to the bit. */
#include "kernel/pool.h"
#include "kernel/x86/simd_avx2.h"

#define STORE(y, v) f32x8_store_n((y) + i, (v), c - i < 8 ? (int)(c - i) : 8)

static void max_f32_avx2(float *y, const float *const *tap, int n, size_t c, float lo, float hi) {
    const f32x8 vlo = f32x8_set1(lo), vhi = f32x8_set1(hi);
    for (size_t i = 0; i < c; i += 8) {
        f32x8 m = f32x8_load(tap[0] + i);
        for (int t = 1; t < n; t++) m = _mm256_max_ps(f32x8_load(tap[t] + i), m);
        STORE(y, _mm256_min_ps(_mm256_max_ps(m, vlo), vhi));
    }
}

static void avg_f32_avx2(float *y, const float *const *tap, int n, size_t c, float scale) {
    const f32x8 vs = f32x8_set1(scale);
    for (size_t i = 0; i < c; i += 8) {
        f32x8 s = _mm256_setzero_ps();
        for (int t = 0; t < n; t++) s = f32x8_add(s, f32x8_load(tap[t] + i));
        STORE(y, f32x8_mul(s, vs));
    }
}

static void mean_f32_avx2(float *y, const float *x, size_t rows, size_t stride, size_t c, float scale) {
    const f32x8 vs = f32x8_set1(scale);
    for (size_t i = 0; i < c; i += 8) {
        f32x8 total = _mm256_setzero_ps();
        for (size_t r = 0; r < rows;) {
            const size_t end = rows - r > NPI_MEAN_BLOCK ? r + NPI_MEAN_BLOCK : rows;
            f32x8 s = _mm256_setzero_ps();
            for (; r < end; r++) s = f32x8_add(s, f32x8_load(x + r * stride + i));
            total = f32x8_add(total, s);
        }
        STORE(y, f32x8_mul(total, vs));
    }
}

void npi_pool_init_avx2(struct npi_pool *k) { *k = (struct npi_pool){ max_f32_avx2, avg_f32_avx2, mean_f32_avx2 }; }
