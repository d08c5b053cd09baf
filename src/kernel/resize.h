/* SPDX-License-Identifier: Apache-2.0 */
/* Bilinear interpolation of one output row of a channels-last image.
 *
 *   floats: first the two input rows are blended into one, then each output pixel is blended from two of its pixels
 *     blend_f32   y[i] = (1 - w) * r0[i] + w * r1[i]                                         i = 0..n-1
 *     lerp_f32    y[o*c + i] = w[2*o] * row[x0[o] + i] + w[2*o + 1] * row[x1[o] + i]         i = 0..c-1
 *   bytes: both at once, weights fx, fy of the right and lower tap in 1/1024, int32 sums:
 *     v = (1024-fy) * ((1024-fx)*r0[x0+i] + fx*r0[x1+i]) + fy * (the same of r1),  y = (v + 2^19) >> 20
 *
 * x0, x1 count elements from the row's start. Which rows, columns and weights: tables made by ops/resize_taps.c. */
#ifndef NPI_KERNEL_RESIZE_H
#define NPI_KERNEL_RESIZE_H
#include <stddef.h>
#include <stdint.h>

struct npi_resize {
    void (*blend_f32)(float *y, const float *r0, const float *r1, float w, size_t n);
    void (*lerp_f32)(float *y, const float *row, const int32_t *x0, const int32_t *x1, const float *w, size_t ow, size_t c);
    void (*lerp_i8)(int8_t *y, const int8_t *r0, const int8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c);
    void (*lerp_u8)(uint8_t *y, const uint8_t *r0, const uint8_t *r1, const int32_t *x0, const int32_t *x1, const int16_t *fx, int fy, size_t ow, size_t c);
};
void npi_resize_init(struct npi_resize *k, unsigned cpu);
void npi_resize_init_avx2(struct npi_resize *k);
void npi_resize_init_avx512(struct npi_resize *k);
#endif
