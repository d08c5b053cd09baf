/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add and Mul of two vectors:
 *
 *   add   y = clamp(zy + rint((a * ka + b * kb) + k0), lo, hi)      ka = sa / sy, kb = sb / sy, k0 = -(ka * za + kb * zb)
 *   mul   y = clamp(zy + rint((a - za) * (b - zb) * ka), lo, hi)    ka = sa * sb / sy
 *
 * in float without contraction, so that all levels agree. Bytes are turned into signed ones by flipping their top bit when the type is uint8; zero
 * points are those of the signed bytes. */
#ifndef NPI_KERNEL_ADD_Q8_H
#define NPI_KERNEL_ADD_Q8_H
#include "kernel/gemm_q8.h"

struct npi_add_q8_args {
    const uint8_t *a, *b;
    uint8_t *y;
    size_t n;
    uint8_t flip_a, flip_b;       /* 0 or 0x80 */
    int b_scalar;                 /* b is one byte */
    float ka, kb, k0;
    int za, zb;                   /* mul only */
    struct npi_q8_out out;
};

struct npi_add_q8 {
    void (*add)(const struct npi_add_q8_args *p);
    void (*mul)(const struct npi_add_q8_args *p);
};
void npi_add_q8_init(struct npi_add_q8 *k, unsigned cpu);
#endif
