/* SPDX-License-Identifier: Apache-2.0 */
/* Float pools over channels-last images (bytes: elem_q8.h). A pooling kernel makes one output pixel from pointers to the input pixels under the
 * window ("taps"), so padding, stride and dilation are the caller's business:
 *
 *   tap[0] -> | c values |   tap[1] -> | c values |  …     ==>   y | c values |
 *
 * mean sums `rows` rows of c values, `stride` values apart (global average pool). */
#ifndef NPI_KERNEL_POOL_H
#define NPI_KERNEL_POOL_H
#include <stddef.h>
#include <stdint.h>

struct npi_pool {
    void (*max_f32)(float *y, const float *const *tap, int n, size_t c, float lo, float hi);   /* n >= 1; clamped to lo..hi */
    void (*avg_f32)(float *y, const float *const *tap, int n, size_t c, float scale);          /* sum * scale */
    void (*mean_f32)(float *y, const float *x, size_t rows, size_t stride, size_t c, float scale);
};
void npi_pool_init(struct npi_pool *k, unsigned cpu);
void npi_pool_init_avx2(struct npi_pool *k);
void npi_pool_init_avx512(struct npi_pool *k);
/* Rows of `mean` that are summed in one go before their sum is added to the total: keeps the rounding of long sums small. */
#define NPI_MEAN_BLOCK 64
#endif
