/* SPDX-License-Identifier: Apache-2.0 */
/* Transposed copies: the C versions, and the choice of a level. */
#include "kernel/move.h"

#include <string.h>

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"
#include "kernel/x86/move.h"

/* Squares of 16 by 16, so that lines of both sides stay in the cache while they are used. */
#define TRANSPOSE(bits)                                                                                                              \
    static void t##bits##_c(void *dst, ptrdiff_t ds, const void *src, ptrdiff_t ss, size_t rows, size_t cols) {                      \
        for (size_t r0 = 0; r0 < rows; r0 += 16)                                                                                     \
            for (size_t c0 = 0; c0 < cols; c0 += 16)                                                                                 \
                for (size_t c = c0; c < cols && c < c0 + 16; c++)                                                                    \
                    for (size_t r = r0; r < rows && r < r0 + 16; r++)                                                                \
                        memcpy((char *)dst + (ptrdiff_t)c * ds + r * (bits / 8), (const char *)src + (ptrdiff_t)r * ss + c * (bits / 8), bits / 8); \
    }
TRANSPOSE(8)
TRANSPOSE(16)
TRANSPOSE(32)
TRANSPOSE(64)

void npi_move_init(struct npi_move *k, unsigned cpu) {
    *k = (struct npi_move){ t8_c, t16_c, t32_c, t64_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_move_init_avx2(k);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_move_init_neon(k);
#endif
}
