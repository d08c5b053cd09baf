/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work on floats: the C versions, made from the lists of the header, and the choice of a level. */
#include "kernel/elem_f32.h"

#include <math.h>

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"
#include "kernel/x86/elem_f32.h"

static inline float clampf(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

#define BIN(name, expr)                                                                                                                      \
    static float one_##name(float x, float z) { return expr; }                                                                               \
    static void vv_##name(float *y, const float *x, const float *z, size_t n, float lo, float hi) {                                          \
        for (size_t i = 0; i < n; i++) y[i] = clampf(one_##name(x[i], z[i]), lo, hi);                                                        \
    }                                                                                                                                        \
    static void vs_##name(float *y, const float *x, const float *z, size_t n, float lo, float hi) {                                          \
        for (size_t i = 0; i < n; i++) y[i] = clampf(one_##name(x[i], z[0]), lo, hi);                                                        \
    }                                                                                                                                        \
    static void vc_##name(float *y, const float *x, const float *z, size_t rows, size_t n, float lo, float hi) {                             \
        for (size_t r = 0; r < rows; r++)                                                                                                    \
            for (size_t i = 0; i < n; i++) y[r * n + i] = clampf(one_##name(x[r * n + i], z[i]), lo, hi);                                    \
    }
NPI_BIN_F32_LIST(BIN)

#define MAP(name, expr)                                                                                                                      \
    static float f_##name(float x, float a, float b) { return expr; }                                                                        \
    static void map_##name(float *y, const float *x, size_t n, float a, float b) {                                                           \
        for (size_t i = 0; i < n; i++) y[i] = f_##name(x[i], a, b);                                                                          \
    }
NPI_MAP_F32_LIST(MAP)

static void softmax_c(float *y, const float *x, size_t rows, size_t n) {
    for (; rows--; x += n, y += n) {
        float top = -INFINITY;
        double sum = 0;
        for (size_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
        for (size_t i = 0; i < n; i++) sum += y[i] = expf(x[i] - top);
        const float k = (float)(1 / sum);
        for (size_t i = 0; i < n; i++) y[i] *= k;
    }
}

static void bins_c(float *y, const float *x, size_t rows, size_t n) {
    for (; rows--; x += n, y += 3) {
        float top = -INFINITY;
        double sum = 0, sum_i = 0;
        for (size_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
        for (size_t i = 0; i < n; i++) {
            const float e = expf(x[i] - top);
            sum += e;
            sum_i += (double)i * e;
        }
        y[0] = top;
        y[1] = (float)sum;
        y[2] = (float)sum_i;
    }
}

static void layer_norm_c(float *y, const float *x, size_t rows, size_t n, const float *scale, const float *bias, float eps, int rms) {
    for (; rows--; x += n, y += n) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < n && !rms; i++) mean += x[i];
        mean /= (double)n;
        for (size_t i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean);
        const double inv = 1 / sqrt(var / (double)n + eps);
        for (size_t i = 0; i < n; i++) y[i] = (float)((x[i] - mean) * inv * scale[i] + bias[i]);
    }
}

void npi_elem_f32_init(struct npi_elem_f32 *k, unsigned cpu) {
    *k = (struct npi_elem_f32){
#define ROW(name, expr) .bin[NPI_BIN_##name] = { vv_##name, vs_##name, vc_##name },
        NPI_BIN_F32_LIST(ROW)
#undef ROW
#define ROW(name, expr) .map[NPI_MAP_##name] = map_##name,
        NPI_MAP_F32_LIST(ROW)
#undef ROW
        .softmax = softmax_c,
        .bins = bins_c,
        .layer_norm = layer_norm_c,
    };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_elem_f32_init_avx2(k);
    if (cpu & NPI_CPU_AVX512) npi_elem_f32_init_avx512(k);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_elem_f32_init_neon(k);
#endif
}
