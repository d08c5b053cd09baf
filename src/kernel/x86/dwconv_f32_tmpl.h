/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise rows. A template: the includer defines V, VN(op), VL as for gemm_f32_tmpl.h, WS (floats between the taps of
 * the packed weights: at least VL) and TN(name).
 *
 * np neighbouring output pixels of one channel block are kept in registers together with the kw weights of one kernel
 * row. Each input vector is loaded once and serves up to kw outputs:
 *
 *   column j of the input row feeds output i with weight j - i * s      (0 <= j - i * s < kw)
 *
 * At the edges of the picture the columns outside are skipped, which a branch a column decides (jlo..jhi); inside, the
 * same code is compiled without the branches. */

#include <stdint.h>

#include "kernel/x86/dwconv_post_tmpl.h"

/* Where a run of pixels lies: made once a row, used for every tile. */
struct TN(dw_at) {
    const float *x;         /* input row of ky0, column ox * s - pl (may lie left of the row), channel c */
    ptrdiff_t row, col;     /* floats to the next kernel row and input column */
    const float *w, *bias;  /* of the channel block; w of kernel row ky0 */
    int n_ky;               /* kernel rows inside the picture */
    int jlo, jhi;           /* input columns inside the picture, relative to x */
    float *y; size_t ldy;
    int np, lanes;
    int act; float lo, hi;  /* of what is done in registers: NONE, CLAMP or SILU */
};

NPI_INLINE void TN(dw_tile)(const int kw, const int s, const int np, const int edge, const struct TN(dw_at) * at) {
    V acc[16];
    const V bias = VN(load)(at->bias);
    NPI_UNROLL for (int i = 0; i < np; i++) acc[i] = bias;
    const float *row = at->x, *w = at->w;
    for (int ky = 0; ky < at->n_ky; ky++, row += at->row, w += kw * WS) {
        V wk[7];
        NPI_UNROLL for (int i = 0; i < kw; i++) wk[i] = VN(load)(w + i * WS);
        NPI_UNROLL for (int j = 0; j < (np - 1) * s + kw; j++) {
            if (edge && (j < at->jlo || j >= at->jhi)) continue;
            const V x = VN(load)(row + j * at->col);
            NPI_UNROLL for (int i = 0; i < np; i++)
                if (j - i * s >= 0 && j - i * s < kw) acc[i] = VN(fma)(x, wk[j - i * s], acc[i]);
        }
    }
    if (at->act == NPI_KACT_CLAMP) {
        const V lo = VN(set1)(at->lo), hi = VN(set1)(at->hi);
        NPI_UNROLL for (int i = 0; i < np; i++) acc[i] = VN(max)(lo, VN(min)(hi, acc[i]));
    } else if (at->act == NPI_KACT_SILU) {
        NPI_UNROLL for (int i = 0; i < np; i++) acc[i] = VN(silu_fast)(acc[i]);
    }
    if (at->lanes >= VL) {
        NPI_UNROLL for (int i = 0; i < np; i++) if (!edge || i < at->np) VN(store)(at->y + (size_t)i * at->ldy, acc[i]);
    } else {
        NPI_UNROLL for (int i = 0; i < np; i++) if (!edge || i < at->np) VN(store_n)(at->y + (size_t)i * at->ldy, acc[i], at->lanes);
    }
}

typedef void (*TN(dw_fn))(const struct TN(dw_at) * at);
#define TILE(K, S, NP)                                                                                                             \
    static __attribute__((noinline)) void TN(dw_##K##s##S##_##NP)(const struct TN(dw_at) * at) { TN(dw_tile)(K, S, NP, 0, at); }    \
    static __attribute__((noinline)) void TN(dw_##K##s##S##_##NP##e)(const struct TN(dw_at) * at) { TN(dw_tile)(K, S, NP, 1, at); }
#define TILES(NP) TILE(3, 1, NP) TILE(5, 1, NP) TILE(7, 1, NP) TILE(3, 2, NP) TILE(5, 2, NP) TILE(7, 2, NP)
TILES(4)
TILES(8)
#ifdef DW_16
TILES(16)
#define DW_ENTRY(K, S) { { TN(dw_##K##s##S##_4), TN(dw_##K##s##S##_4e) }, { TN(dw_##K##s##S##_8), TN(dw_##K##s##S##_8e) }, \
                         { TN(dw_##K##s##S##_16), TN(dw_##K##s##S##_16e) } }
enum { TN(DW_SIZES) = 3 };
#else
#define DW_ENTRY(K, S) { { TN(dw_##K##s##S##_4), TN(dw_##K##s##S##_4e) }, { TN(dw_##K##s##S##_8), TN(dw_##K##s##S##_8e) } }
enum { TN(DW_SIZES) = 2 };
#endif
/* [kernel width 3, 5, 7][stride 1, 2][4, 8, 16 pixels][inside, edge] */
static const TN(dw_fn) TN(dw_fns)[3][2][TN(DW_SIZES)][2] = {
    { DW_ENTRY(3, 1), DW_ENTRY(3, 2) }, { DW_ENTRY(5, 1), DW_ENTRY(5, 2) }, { DW_ENTRY(7, 1), DW_ENTRY(7, 2) }
};

/* Any kernel, stride and dilation: pixel by pixel. */
static void TN(dw_any)(const struct npi_dwconv_f32_job *j, struct TN(dw_at) * at, int ox) {
    V acc = VN(load)(at->bias);
    const float *row = at->x, *w = at->w;
    const int x0 = ox * j->sw - j->pl;
    for (int ky = 0; ky < at->n_ky; ky++, row += at->row, w += j->kw * WS)
        for (int kx = 0; kx < j->kw; kx++)
            if (x0 + kx * j->dw >= 0 && x0 + kx * j->dw < j->w) acc = VN(fma)(VN(load)(row + kx * j->dw * at->col), VN(load)(w + kx * WS), acc);
    if (at->act == NPI_KACT_CLAMP) acc = VN(max)(VN(set1)(at->lo), VN(min)(VN(set1)(at->hi), acc));
    else if (at->act == NPI_KACT_SILU) acc = VN(silu_fast)(acc);
    VN(store_n)(at->y, acc, at->lanes);
}

/* A run of pixels of one row for one channel block; returns how many it did. x is the start of the input row. `at` is
 * filled in field by field: copying the struct would read several narrow stores by one wide load, which stalls. */
NPI_INLINE int TN(dw_step)(const struct npi_dwconv_f32_job *j, struct TN(dw_at) * at, const float *x, int ox, size_t out, int special) {
    const int left = j->ow - ox, x0 = ox * j->sw - j->pl;
    at->x = x + (ptrdiff_t)x0 * at->col;
    at->y = j->y + out + (size_t)ox * (size_t)j->c;
    if (special) {
        const int size = TN(DW_SIZES) > 2 && left > 12 ? 2 : left > 4 ? 1 : 0, np = 4 << size;
        at->np = left < np ? left : np;
        at->jlo = x0 < 0 ? -x0 : 0;
        at->jhi = j->w - x0;
        const int edge = at->jlo > 0 || at->jhi < (np - 1) * j->sw + j->kw || left < np;
        TN(dw_fns)[j->kw / 2 - 1][j->sw - 1][size][edge](at);
    } else {
        at->np = 1;
        TN(dw_any)(j, at, ox);
    }
    if (j->res || j->act.kind > NPI_KACT_SILU) TN(dw_post)(j, at->y, j->res ? j->res + out + (size_t)ox * (size_t)j->c : NULL, at->np, at->lanes);
    return at->np;
}

/* All rows of the job for the channels c .. c1, in blocks of VL: tiles outside, blocks inside, so that neighbouring
 * blocks find the cache lines of the tile in L1. w0, bias: packed, of channel c. */
static void TN(dw_blocks)(const struct npi_dwconv_f32_job *j, int c, int c1, const float *w0, const float *bias) {
    const int special = j->dw == 1 && (j->sw == 1 || j->sw == 2) && (j->kw == 3 || j->kw == 5 || j->kw == 7);
    const size_t block = (size_t)(j->kh * j->kw) * WS;
    struct TN(dw_at) at = { .row = (ptrdiff_t)j->dh * j->w * j->ldx, .col = j->ldx, .ldy = (size_t)j->c,
                            .act = j->res || j->act.kind > NPI_KACT_SILU ? NPI_KACT_NONE : j->act.kind, .lo = j->act.lo, .hi = j->act.hi };
    for (int oy = j->y0; oy < j->y1; oy++) {
        const int iy = oy * j->sh - j->pt;
        int k0 = 0, k1 = j->kh;
        while (k0 < k1 && iy + k0 * j->dh < 0) k0++;
        while (k1 > k0 && iy + (k1 - 1) * j->dh >= j->h) k1--;
        at.n_ky = k1 - k0;
        const float *x = j->x + (k1 > k0 ? (ptrdiff_t)(iy + k0 * j->dh) * j->w * j->ldx : 0);
        for (int ox = 0, done = 0; ox < j->ow; ox += done) {
            const float *w = w0 + (size_t)(k0 * j->kw) * WS, *b = bias;
            for (int cc = c; cc < c1; cc += VL, w += block, b += WS) {
                at.w = w;
                at.bias = b;
                at.lanes = c1 - cc < VL ? c1 - cc : VL;
                done = TN(dw_step)(j, &at, x + cc, ox, (size_t)oy * (size_t)j->ow * (size_t)j->c + (size_t)cc, special);
            }
        }
    }
}

#ifndef DW_NO_GROUP
/* How many channels go together. One block where the rows of a window stay in L1 from one output row to the next; all of them where they
 * would not anyway (powers of two between pixels leave few cache sets to a column of channels), or barely and what a tile of all channels
 * needs stays there: 48 channels of 64 columns 7x7 3 % faster, 16 of 128 3x3 18 %; 96 and more 7x7 would be 4 to 7 % slower. */
static int TN(dw_group)(const struct npi_dwconv_f32_job *j) {
    const int lines = (j->ldx * (int)sizeof(float) + 63) / 64, power = lines & -lines, sets = power < 64 ? 64 / power : 1;
    const int window = (j->kh + 1) * j->w, tile = j->kh * (8 * j->sw + j->kw - 1);
    return window > 8 * sets || (window > 3 * sets && (int64_t)tile * lines < 400) ? j->c1 - j->c0 : VL;
}
#endif
