/* SPDX-License-Identifier: Apache-2.0 */
/* The C loops, for machines without a level of ours, and the list. */
#include "kernel/peak.h"

/* 4 x 4 accumulators: what a compiler makes of plain code. */
static void fma_c(const void *data, void *sink, long passes) {
    float acc[4][4] = { { 0 } };
    float *const out = sink;
    while (passes-- > 0) {
        const float *a = data, *b = a + NPI_PEAK_STEPS * 4;
        for (int s = 0; s < NPI_PEAK_STEPS; s++, a += 4, b += 4)
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) acc[i][j] += a[i] * b[j];
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) out[i * 4 + j] = acc[i][j];
}

static uint64_t read_c(const void *p, size_t bytes) {
    const uint64_t *const x = p;
    uint64_t s[8] = { 0 };
    for (size_t i = 0; i < bytes / 8; i += 8)
        for (int k = 0; k < 8; k++) s[k] ^= x[i + (size_t)k];
    return s[0] ^ s[1] ^ s[2] ^ s[3] ^ s[4] ^ s[5] ^ s[6] ^ s[7];
}

static const struct npi_peak_kernel scalar = { "scalar", "fp32", "C", 0, NPI_PEAK_F32, 2. * 16 * NPI_PEAK_STEPS, fma_c };

const struct npi_peak_kernel *npi_peak_kernel(int i) { return i == 0 ? &scalar : npi_peak_kernel_arch(i - 1); }

npi_peak_read_fn npi_peak_read(unsigned cpu) {
    const npi_peak_read_fn best = npi_peak_read_arch(cpu);
    return best ? best : read_c;
}

#if !defined(__x86_64__) && !defined(__aarch64__)
const struct npi_peak_kernel *npi_peak_kernel_arch(int i) { return NULL; }
npi_peak_read_fn npi_peak_read_arch(unsigned cpu) { return NULL; }
#endif
