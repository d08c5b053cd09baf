/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of bytes: the C versions, and the choice of a level. */
#include "kernel/elem_q8.h"

#include <math.h>

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"
#include "kernel/x86/elem_q8.h"

static void map_c(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table) {
    for (size_t i = 0; i < n; i++) y[i] = table[x[i]];
}

static void max_c(uint8_t *y, const uint8_t *const *px, int taps, size_t n, uint8_t flip) {
    for (size_t i = 0; i < n; i++) {
        int best = (int8_t)(px[0][i] ^ flip);
        for (int t = 1; t < taps; t++) {
            const int v = (int8_t)(px[t][i] ^ flip);
            best = v > best ? v : best;
        }
        y[i] = (uint8_t)((uint8_t)best ^ flip);
    }
}

static void to_f32_c(float *y, const uint8_t *x, size_t n, int is_u8, int zero, float scale) {
    for (size_t i = 0; i < n; i++) y[i] = (float)((is_u8 ? x[i] : (int8_t)x[i]) - zero) * scale;
}

static void from_f32_c(uint8_t *y, const float *x, size_t n, int is_u8, int zero, float scale) {
    const float lo = (float)((is_u8 ? 0 : -128) - zero), hi = (float)((is_u8 ? 255 : 127) - zero);
    for (size_t i = 0; i < n; i++) {
        float v = x[i] / scale;
        v = v > lo ? v : lo;
        v = v < hi ? v : hi;
        y[i] = (uint8_t)((int)nearbyintf(v) + zero);
    }
}

void npi_elem_q8_init(struct npi_elem_q8 *k, unsigned cpu) {
    *k = (struct npi_elem_q8){ map_c, max_c, to_f32_c, from_f32_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_elem_q8_init_avx2(k);
    if (cpu & NPI_CPU_AVX512) npi_elem_q8_init_avx512(k);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_elem_q8_init_neon(k);
#endif
}
