/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution, one row of output pixels at a time. Column kernels (npi_dwconv_q8_by_columns) get pointers to rows, all others
 * a pointer for each pixel:
 *
 *   px[col * kh + ky]   the input pixel under tap row ky at column col, col counted from -pad_left; pixels outside point at a
 *                       vector full of zx. Output pixel i, tap (ky, kx): px[(i * sw + kx * dw) * kh + ky]
 *   packed weights      blocks of `block` channels: bias[block] scale[block] weights, in the order the kernel wants
 *
 * Arithmetic as in gemm_q8.h, the same bytes at all levels. VNNI kernels hold w - zw as int8; where that does not fit (uint8
 * weights), the binder takes the `wide` table, whose weights are int16. */
#ifndef NPI_KERNEL_DWCONV_Q8_H
#define NPI_KERNEL_DWCONV_Q8_H
#include "kernel/gemm_q8.h"

struct npi_dwconv_q8_row {
    const uint8_t *const *px;     /* taps may reach 3 places further, all readable. Not looked at by column kernels */
    const uint8_t *line[5];       /* column kernels: pixel 0 of the rows under the taps; rows outside are a whole row of zx */
    const uint8_t *border;        /* column kernels: one pixel of zx */
    int wd, pl;                   /* column kernels: pixels of a row, columns of padding on the left */
    int kh, kw, sw, dw;
    int n, c;                     /* output pixels, channels */
    int x_u8, zx;                 /* zx in x's own type */
    const void *w;                /* packed; blocks follow each other */
    size_t w_block;               /* bytes of a block */
    uint8_t *y;                   /* [n][c] */
    struct npi_q8_out out;
};
#define NPI_DW_Q8_TAPS 128 /* largest kh * kw */

enum npi_dw_q8_order {
    NPI_DW_Q8_C,                  /* [tap][block] int16 */
    NPI_DW_Q8_PAIRS,              /* [tap / 2][block][2] int16 */
    NPI_DW_Q8_ROW_PAIRS,          /* [ky / 2][kx][block][2] int16 */
    NPI_DW_Q8_QUADS               /* [tap / 4][block][4] int8, or columns of taps for 3x3 and 5x5: see dwconv_q8.c */
};

struct npi_dwconv_q8 {
    const char *name;
    void (*row)(const struct npi_dwconv_q8_row *r);
    int block, order, lanes;      /* channels of a block; enum npi_dw_q8_order; 128-bit lanes of a vector */
    int columns;                  /* 3x3 and 5x5 without dilation use the column order */
};

struct npi_dwconv_q8_layer {
    const void *w; int w_u8;      /* [kh][kw][c] */
    const int32_t *zw;            /* one, or one a channel when zw_each */
    int zw_each;
    int kh, kw, sw, dw, c;
    int zx, x_u8;
    const int32_t *bias;          /* [c] or NULL */
    const float *scale;           /* [c] */
};

void npi_dwconv_q8_init(struct npi_dwconv_q8 *d, struct npi_dwconv_q8 *wide, unsigned cpu);
void npi_dwconv_q8_init_x86(struct npi_dwconv_q8 *d, struct npi_dwconv_q8 *wide, unsigned cpu);
int npi_dwconv_q8_fits(const struct npi_dwconv_q8 *d, const struct npi_dwconv_q8_layer *l); /* 0: take the wide table */
size_t npi_dwconv_q8_block_bytes(const struct npi_dwconv_q8 *d, int kh, int kw, int sw, int dw); /* a multiple of 64 */
void npi_dwconv_q8_pack(const struct npi_dwconv_q8 *d, void *dst, const struct npi_dwconv_q8_layer *l); /* all blocks; dst zeroed */

/* Offsets into px of the taps in order, the last one repeated to a multiple of 4 (those weights are 0). Returns how many there are. */
static inline int npi_dwconv_q8_offsets(const struct npi_dwconv_q8_row *r, int *off) {
    const int taps = r->kh * r->kw;
    for (int t = 0; t < taps; t++) off[t] = t % r->kw * r->dw * r->kh + t / r->kw;
    for (int t = taps; t < taps + 3; t++) off[t] = off[taps - 1];
    return taps;
}
/* Do the column kernels take this window? */
static inline int npi_dwconv_q8_by_columns(const struct npi_dwconv_q8 *d, int kh, int kw, int sw, int dw) {
    return d->columns && kh == kw && (kh == 3 || kh == 5) && (sw == 1 || sw == 2) && dw == 1;
}
#endif
