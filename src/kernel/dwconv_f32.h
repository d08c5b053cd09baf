/* SPDX-License-Identifier: Apache-2.0 */
/* f32 depthwise convolution, channels-last, one filter a channel.
 *
 *   y[oy][ox][c] = act( bias[c] + sum over ky, kx of x[oy*sh - pt + ky*dh][ox*sw - pl + kx*dw][c] * w[ky][kx][c] (+ res) ) (+ res)
 *
 * Pixels outside the picture are left out of the sum. A job is a rectangle of rows and channels of one picture. Weights
 * are packed by blocks of `vl` channels, the taps of one block together, because a block stays in the loop over pixels:
 *
 *   [c / vl][kh][kw][vl]        (the last block filled up with zeros; so is the bias) */
#ifndef NPI_KERNEL_DWCONV_F32_H
#define NPI_KERNEL_DWCONV_F32_H
#include <stddef.h>

#include "kernel/act.h"

struct npi_dwconv_f32_job {
    const float *x; int h, w, c;        /* [h][w][ldx], of which c count */
    int ldx;                            /* floats from pixel to pixel of x, at least c */
    float *y; int oh, ow;               /* [oh][ow][c] */
    const float *wgt, *bias;            /* packed; bias [c rounded up to vl] */
    int kh, kw, sh, sw, dh, dw, pt, pl;
    int y0, y1, c0, c1;                 /* output rows and channels of this job; c0 a multiple of vl, c1 too or c */
    const float *res; int res_before_act; /* [oh][ow][c] or NULL */
    struct npi_kact_f32 act;
};

struct npi_dwconv_f32 {
    const char *name;
    int vl;
    void (*run)(const struct npi_dwconv_f32_job *j);
};

/* dst: taps * (c rounded up to vl) floats; w: [taps][c]. A bias is packed the same way with taps = 1. */
void npi_dwconv_f32_pack(const struct npi_dwconv_f32 *d, float *dst, const float *w, int taps, int c);
void npi_dwconv_f32_init(struct npi_dwconv_f32 *d, unsigned cpu);
void npi_dwconv_f32_init_avx2(struct npi_dwconv_f32 *d);
void npi_dwconv_f32_init_avx512(struct npi_dwconv_f32 *d);
#endif
