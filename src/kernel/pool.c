/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: the C versions, and the choice of a level. */
#include "kernel/pool.h"

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"

static void max_f32_c(float *y, const float *const *tap, int n, size_t c, float lo, float hi) {
    for (size_t i = 0; i < c; i++) {
        float m = tap[0][i];
        for (int t = 1; t < n; t++) m = tap[t][i] > m ? tap[t][i] : m;
        m = m > lo ? m : lo;
        y[i] = m < hi ? m : hi;
    }
}

static void avg_f32_c(float *y, const float *const *tap, int n, size_t c, float scale) {
    for (size_t i = 0; i < c; i++) {
        float s = 0;
        for (int t = 0; t < n; t++) s += tap[t][i];
        y[i] = s * scale;
    }
}

static void mean_f32_c(float *y, const float *x, size_t rows, size_t stride, size_t c, float scale) {
    for (size_t i = 0; i < c; i++) {
        float total = 0;
        for (size_t r = 0; r < rows;) {
            const size_t end = rows - r > NPI_MEAN_BLOCK ? r + NPI_MEAN_BLOCK : rows;
            float s = 0;
            for (; r < end; r++) s += x[r * stride + i];
            total += s;
        }
        y[i] = total * scale;
    }
}

void npi_pool_init(struct npi_pool *k, unsigned cpu) {
    *k = (struct npi_pool){ max_f32_c, avg_f32_c, mean_f32_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_pool_init_avx2(k);
    if (cpu & NPI_CPU_AVX512) npi_pool_init_avx512(k);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_pool_init_neon(k);
#endif
}
