/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels of camera frames to lines of samples. Source rows belong to the caller: not a byte behind them is read.
 * All results are integers and equal at every ISA level. */
#ifndef NPI_KERNEL_PIXEL_H
#define NPI_KERNEL_PIXEL_H
#include <stddef.h>
#include <stdint.h>

struct npi_pixel {
    /* acc[i] = sum over r < n_rows of w[r] * src[r * stride + i], i < n. The weights sum to 256, so acc fits 16 bits. */
    void (*vsum_u8)(uint16_t *acc, const uint8_t *src, ptrdiff_t stride, const uint16_t *w, int n_rows, int n);
    /* Two taps from acc of vsum, which may be over-read as any tensor: with p = acc + at[i] * step,
     * out[i] = (p[0] * (256 - w[i]) + p[step] * w[i]) / 65536; w 0..256. */
    void (*hpair_u16)(float *out, const uint16_t *acc, const int32_t *at, const uint16_t *w, int step, int n);
    /* Bilinear samples along a straight line: sample i is at (u + i du, v + i dv), 16.16 fixed point, in units of pixels whose
     * centres are whole numbers; phases are cut to 8 bits. src points at component 0 of pixel (0, 0), `step` bytes a pixel.
     * All four taps lie inside. `last` is the offset of the last byte that may be read. out[i] = value 0..255. */
    void (*line_u8)(float *out, const uint8_t *src, ptrdiff_t stride, int step, ptrdiff_t last, int32_t u, int32_t v, int32_t du, int32_t dv, int n);
};
void npi_pixel_init(struct npi_pixel *k, unsigned cpu);
#endif
