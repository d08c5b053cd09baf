/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add and Mul of two vectors:
 *
 *   add   y = clamp(zy + ((bias + a * am + b * bm) >> shift), lo, hi)    am = lrint(sa / sy * 2^shift), bm = lrint(sb / sy * 2^shift),
 *                                                                        shift = 20 - exponent of the larger, bias = 2^(shift-1) - am * za - bm * zb
 *   mul   y = clamp(zy + rint((a - za) * (b - zb) * ka), lo, hi)         ka = sa * sb / sy, in float
 *
 * Fixed point for the sum, because that is what XNNPACK does: with the same rounding everywhere a quantized net gives
 * LiteRT's bytes exactly, and not only something as good (one step more or less in an early layer moves the boxes of an 8-bit detector by several). Bytes are turned into signed ones by flipping their top bit when the type is uint8; zero
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
    int32_t am, bm, bias;         /* add: |am|, |bm| <= 2^21 */
    int shift;                    /* add: 13..30 */
    float ka;                     /* mul */
    int za, zb;                   /* mul */
    struct npi_q8_out out;
};

struct npi_add_q8 {
    void (*add)(const struct npi_add_q8_args *p);
    void (*mul)(const struct npi_add_q8_args *p);
};
void npi_add_q8_init(struct npi_add_q8 *k, unsigned cpu);
#endif
