/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution of f32 maps in half precision (IEEE binary16), channels-last, one filter a channel: what `bf16` takes for large kernels where the
 * hardware multiplies halves at twice the rate of floats.
 *
 *   y[oy][ox][c] = act( bias[c] + scale[c] * S (+ res) ) (+ res)        S: sum over ky, kx of h(x[oy*sh - pt + ky][ox*sw - pl + kx][c]) * h(w[ky][kx][c] / scale[c])
 *
 * h rounds to nearest even and takes values beyond +-65504 as those. S starts at 0 and takes tap after tap, row after row, each product added with one rounding to
 * binary16 (levels that emulate it may round to binary32 first). scale[c] is the power of two that makes the magnitudes of a channel's weights add up to at most a half: no
 * sum overflows, and what is lost is relative to the channel. Inputs below 2^-14 lose digits. Its error and range: docs/numerics.md. Pixels outside the picture count as zeros.
 *
 * Taken: kw 5 or 7, kh up to 7, sw 1 or 2, no dilation. A 3x3 gains nothing: by instructions, 32 channels of a pixel take 9 cycles in floats, and 4.5 + 6 for converting
 * the row on its way in and the sum on its way out in halves; a 5x5 25 and 18, a 7x7 49 and 30 (two 512-bit units; counted, not timed). */
#ifndef NPI_KERNEL_DWCONV_F16_H
#define NPI_KERNEL_DWCONV_F16_H
#include <stdint.h>

#include "kernel/dwconv_f32.h"

enum { NPI_DWCONV_F16_MAX_KH = 7 };

struct npi_dwconv_f16_job {
    struct npi_dwconv_f32_job f;  /* all but its weights; bias [c rounded up to vl] */
    const uint16_t *wgt;          /* packed: [c / vl][kh][kw][vl] */
    const float *scale;           /* [c rounded up to vl] */
    uint16_t *rows;               /* scratch of npi_dwconv_f16_scratch bytes, 64-byte aligned; the input rows of a window, as halves */
};

struct npi_dwconv_f16 {
    const char *name;
    int vl, tile;                 /* channels of a block, a multiple of 8; output pixels of the widest tile, 0: needs no scratch */
    void (*run)(const struct npi_dwconv_f16_job *j);
    int fast;                     /* 1: the hardware multiplies halves; 0: emulated, slower than dwconv_f32 */
};

static inline int npi_dwconv_f16_takes(const struct npi_dwconv_f32_job *j) {
    return (j->kw == 5 || j->kw == 7) && j->kh <= NPI_DWCONV_F16_MAX_KH && j->kh * j->kw >= 25 && (j->sw == 1 || j->sw == 2) && j->dw == 1 && j->dh == 1;
}
/* Columns of a row of scratch: what the tiles of a row read, the pads among them. */
static inline int npi_dwconv_f16_columns(const struct npi_dwconv_f16 *d, const struct npi_dwconv_f32_job *j) {
    return d->tile ? ((j->ow + d->tile - 1) / d->tile * d->tile - 1) * j->sw + j->kw : 0;
}
static inline size_t npi_dwconv_f16_scratch(const struct npi_dwconv_f16 *d, const struct npi_dwconv_f32_job *j) {
    return (size_t)j->kh * (size_t)npi_dwconv_f16_columns(d, j) * (size_t)d->vl * sizeof(uint16_t);
}
/* w: [taps][c] -> dst: taps * (c rounded up to vl) halves, scale: c rounded up to vl. 0: a weight is infinite, NaN or too large for this. */
int npi_dwconv_f16_pack(const struct npi_dwconv_f16 *d, uint16_t *dst, float *scale, const float *w, int taps, int c);
void npi_dwconv_f16_init(struct npi_dwconv_f16 *d, unsigned cpu);
void npi_dwconv_f16_init_avx2(struct npi_dwconv_f16 *d);
void npi_dwconv_f16_init_avx512_fp16(struct npi_dwconv_f16 *d);
#endif
