/* SPDX-License-Identifier: Apache-2.0 */
/* The peak loop of all ARM levels; the includer says what a step is. Shape as in x86/peak_x86.c:
 *   a: [STEPS][MR] of 16 bytes (A), b: [STEPS][NV] vectors (B), acc[i][v] = OP(acc[i][v], a[i], b[v]) */
#ifndef NPI_KERNEL_ARM_PEAK_H
#define NPI_KERNEL_ARM_PEAK_H
#include <arm_neon.h>

#include "kernel/peak.h"

void npi_peak_sdot(const void *data, void *sink, long passes);
void npi_peak_usmmla(const void *data, void *sink, long passes);
enum { NPI_PEAK_SDOT_MR = 4, NPI_PEAK_SDOT_NV = 4, NPI_PEAK_MMLA_MR = 3, NPI_PEAK_MMLA_NV = 6 };

#define NPI_PEAK_LOOP(name, STEPS, MR, NV, ACC, OP)                                                                 \
    void name(const void *data, void *sink, long passes) {                                                          \
        ACC acc[MR][NV] = { { { 0 } } };                                                                            \
        while (passes-- > 0) {                                                                                      \
            const uint8_t *a = data, *b = a + (STEPS) * MR * 16;                                                    \
            for (int s = 0; s < (STEPS); s++, a += MR * 16, b += NV * 16) {                                         \
                uint8x16_t bv[NV];                                                                                  \
                _Pragma("GCC unroll 8") for (int v = 0; v < NV; v++) bv[v] = vld1q_u8(b + v * 16);                  \
                _Pragma("GCC unroll 8") for (int i = 0; i < MR; i++) {                                              \
                    const uint8x16_t av = vld1q_u8(a + i * 16);                                                     \
                    _Pragma("GCC unroll 8") for (int v = 0; v < NV; v++) acc[i][v] = OP(acc[i][v], av, bv[v]);      \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
        __builtin_memcpy(sink, acc, sizeof acc);                                                                    \
    }
#endif
