/* SPDX-License-Identifier: Apache-2.0 */
/* Bilinear rows: the C versions, and the choice of a level. */
#include "kernel/resize.h"

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"

static void blend_f32_c(float *y, const float *r0, const float *r1, float w, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (1 - w) * r0[i] + w * r1[i];
}

static void lerp_f32_c(float *y, const float *row, const int32_t *x0, const int32_t *x1, const float *w, size_t ow, size_t c) {
    for (size_t o = 0; o < ow; o++)
        for (size_t i = 0; i < c; i++) y[o * c + i] = w[2 * o] * row[x0[o] + (ptrdiff_t)i] + w[2 * o + 1] * row[x1[o] + (ptrdiff_t)i];
}

#define LERP8(name, type)                                                                                                                        \
    static void name(type *y, const type *r0, const type *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c) { \
        for (size_t o = 0; o < ow; o++)                                                                                                          \
            for (size_t i = 0; i < c; i++) {                                                                                                     \
                const int w = fx[o];                                                                                                             \
                const int h0 = (1024 - w) * r0[x0[o] + (ptrdiff_t)i] + w * r0[x1[o] + (ptrdiff_t)i];                                             \
                const int h1 = (1024 - w) * r1[x0[o] + (ptrdiff_t)i] + w * r1[x1[o] + (ptrdiff_t)i];                                             \
                y[o * c + i] = (type)(((1024 - fy) * h0 + fy * h1 + (1 << 19)) >> 20);                                                           \
            }                                                                                                                                    \
    }
LERP8(lerp_i8_c, int8_t)
LERP8(lerp_u8_c, uint8_t)

void npi_resize_init(struct npi_resize *k, unsigned cpu) {
    *k = (struct npi_resize){ blend_f32_c, lerp_f32_c, lerp_i8_c, lerp_u8_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_resize_init_avx2(k);
    if (cpu & NPI_CPU_AVX512) npi_resize_init_avx512(k);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_resize_init_neon(k);
#endif
}
