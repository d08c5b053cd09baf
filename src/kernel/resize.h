/* SPDX-License-Identifier: Apache-2.0 */
/* Bilinear interpolation of one output row of a channels-last image, from the two input rows above and below:
 *
 *   h_k  = (1 - fx[o]) * r_k[x0[o] + i] + fx[o] * r_k[x1[o] + i]        k = 0, 1;  i = 0..c-1
 *   y[o*c + i] = (1 - fy) * h_0 + fy * h_1
 *
 * x0, x1 count elements from the row's start. Which rows, columns and weights: tables made by ops/resize_taps.c.
 * 8 bits: weights in 1/1024, int32 sums, (v + 2^19) >> 20: all levels agree to the bit. */
#ifndef NPI_KERNEL_RESIZE_H
#define NPI_KERNEL_RESIZE_H
#include <stddef.h>
#include <stdint.h>

struct npi_resize {
    void (*lerp_f32)(float *y, const float *r0, const float *r1, const int32_t *x0, const int32_t *x1, const float *fx, float fy, size_t ow, size_t c);
    void (*lerp_i8)(int8_t *y, const int8_t *r0, const int8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c);
    void (*lerp_u8)(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c);
};
void npi_resize_init(struct npi_resize *k, unsigned cpu);
void npi_resize_init_avx2(struct npi_resize *k);
void npi_resize_init_avx512(struct npi_resize *k);
#endif
