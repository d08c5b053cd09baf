/* SPDX-License-Identifier: Apache-2.0 */
/* Transposed copies of a matrix: dst[c][r] = src[r][c] for r < rows, c < cols; strides between rows in bytes. What a copy
 * of runs is not needs this: everything that makes the last dimension another one. Nothing is read or written outside. */
#ifndef NPI_KERNEL_MOVE_H
#define NPI_KERNEL_MOVE_H
#include <stddef.h>

typedef void (*npi_transpose_fn)(void *dst, ptrdiff_t dst_stride, const void *src, ptrdiff_t src_stride, size_t rows, size_t cols);
struct npi_move {
    npi_transpose_fn t8, t16, t32, t64; /* elements of so many bits */
};
void npi_move_init(struct npi_move *k, unsigned cpu);
#endif
