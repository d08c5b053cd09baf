/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to bytes one by one: functions of a byte by table, maxima, and the way from and to float.
 *
 *   map        y[i] = table[x[i]]
 *   max        y[i] = the largest of px[0..taps-1][i], bytes compared as signed after the flip of their top bit (0x80: uint8, 0: int8)
 *   to_f32     y[i] = (float)(x[i] - zero) * scale
 *   from_f32   y[i] = zero + rint(clamp(x[i] / scale, lo - zero, hi - zero)), NaN gives lo */
#ifndef NPI_KERNEL_ELEM_Q8_H
#define NPI_KERNEL_ELEM_Q8_H
#include <stddef.h>
#include <stdint.h>

struct npi_elem_q8 {
    void (*map)(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table /* [256] */);
    void (*max)(uint8_t *y, const uint8_t *const *px, int taps, size_t n, uint8_t flip);
    void (*to_f32)(float *y, const uint8_t *x, size_t n, int is_u8, int zero, float scale);
    void (*from_f32)(uint8_t *y, const float *x, size_t n, int is_u8, int zero, float scale);
};
void npi_elem_q8_init(struct npi_elem_q8 *k, unsigned cpu);
#endif
