/* SPDX-License-Identifier: Apache-2.0 */
/* Panels of the 8-bit GEMM for vpmaddubsw, which multiplies unsigned by signed bytes and adds two products in 16 bits, with saturation. Exact all the same: the
 * weights are known while packing, so it is known which sums can leave 16 bits.
 *
 *   quad     four elements of k for all channels of the panel: one vpmaddubsw a vector, two products a lane. Fits 16 bits when in each lane the positive
 *            weights add up to at most 128, and the negative ones: 255 * 128 < 32768. True for all weights of 7 bits. A quad in which a pair
 *            is too large becomes two: half of that pair moves to a second quad on the same elements.
 *   couple   two quads whose lanes fit 16 bits together: they are added in 16 bits and widened (vpmaddwd with ones) once. Which quads go together is
 *            free, each has the offset of its elements.
 *
 *   panel:   int32 couples, singles, 0...   64 bytes
 *            bias[width] scale[width]       as in gemm_q8.h
 *            int32 at[2 * couples + singles], to a multiple of 64 bytes: where in a row of A the elements are
 *            weights [quad][width][4], couples first */
#ifndef NPI_KERNEL_GEMM_Q8_PAIRS_H
#define NPI_KERNEL_GEMM_Q8_PAIRS_H
#include "kernel/gemm_q8.h"

#define NPI_PAIRS_HEAD 64 /* bytes */

static inline size_t npi_gemm_q8_pairs_at_bytes(int quads) { return ((size_t)quads * 4 + 63) / 64 * 64; }

size_t npi_gemm_q8_pairs_room(int k, int width);
size_t npi_gemm_q8_pairs_pack(const struct npi_gemm_q8 *g, void *dst, const struct npi_gemm_q8_layer *l, int c0, int width);
/* Is this panel faster than vpmaddwd on 16-bit weights? */
int npi_gemm_q8_pairs_pay(const void *panel, int k);
#endif
