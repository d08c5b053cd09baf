/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise rows in halves. A template: beside V, VN(op), VL and TN(name) as for dwconv_f32_tmpl.h the includer defines H, a vector of HL halves (a multiple of VL), NP, the
 * pixels of the widest tile, and HN(op):
 *
 *   zero()    load(p)    fma(x, w, acc)    convert(dst, src, n): n floats, bounded, to HL halves, zeros behind    widen(acc, i): floats i * VL and up
 *
 * The input rows of a window stay in scratch as halves of HL channels, kh of them, each converted once a job and with zeros where the picture ends: the tiles have no edges.
 * Row iy lies in slot iy % kh. */
#include <string.h>

#include "kernel/x86/dwconv_post_tmpl.h"

struct TN(dwh_at) {
    const uint16_t *row[NPI_DWCONV_F16_MAX_KH]; /* of the window, first column of the tile */
    const uint16_t *w;                          /* of the channel block and its first row inside the picture */
    const float *scale, *bias;
    int n_ky, np, lanes;
    float *y; size_t ldy;
    int act; float lo, hi;                      /* of what is done in registers: NONE, CLAMP or SILU */
};

NPI_INLINE void TN(dwh_tile)(const int kw, const int s, const int np, const struct TN(dwh_at) * at) {
    H acc[NP];
    NPI_UNROLL for (int i = 0; i < np; i++) acc[i] = HN(zero)();
    const uint16_t *w = at->w;
    for (int ky = 0; ky < at->n_ky; ky++, w += kw * HL) {
        const uint16_t *const row = at->row[ky];
        H wk[7];
        NPI_UNROLL for (int i = 0; i < kw; i++) wk[i] = HN(load)(w + i * HL);
        NPI_UNROLL for (int j = 0; j < (np - 1) * s + kw; j++) {
            const H x = HN(load)(row + j * HL);
            NPI_UNROLL for (int i = 0; i < np; i++)
                if (j - i * s >= 0 && j - i * s < kw) acc[i] = HN(fma)(x, wk[j - i * s], acc[i]);
        }
    }
    const V lo = VN(set1)(at->lo), hi = VN(set1)(at->hi);
    NPI_UNROLL for (int part = 0; part < HL / VL; part++) {
        const int left = at->lanes - part * VL;
        if (left <= 0) break;
        const V scale = VN(load)(at->scale + part * VL), bias = VN(load)(at->bias + part * VL);
        float *y = at->y + part * VL;
        NPI_UNROLL for (int i = 0; i < np; i++, y += at->ldy) {
            if (i >= at->np) break;
            V v = VN(fma)(HN(widen)(acc[i], part), scale, bias);
            if (at->act == NPI_KACT_CLAMP) v = VN(max)(lo, VN(min)(hi, v));
            else if (at->act == NPI_KACT_SILU) v = VN(silu_fast)(v);
            VN(store_n)(y, v, left < VL ? left : VL);
        }
    }
}

typedef void (*TN(dwh_fn))(const struct TN(dwh_at) * at);
#define TILE(K, S)                                                                                                          \
    static __attribute__((noinline)) void TN(dwh_##K##s##S##_half)(const struct TN(dwh_at) * at) { TN(dwh_tile)(K, S, NP / 2, at); } \
    static __attribute__((noinline)) void TN(dwh_##K##s##S)(const struct TN(dwh_at) * at) { TN(dwh_tile)(K, S, NP, at); }
TILE(5, 1) TILE(7, 1) TILE(5, 2) TILE(7, 2)
#define ENTRY(K, S) { TN(dwh_##K##s##S##_half), TN(dwh_##K##s##S) }
static const TN(dwh_fn) TN(dwh_fns)[2][2][2] = { { ENTRY(5, 1), ENTRY(5, 2) }, { ENTRY(7, 1), ENTRY(7, 2) } }; /* [kernel width][stride][half or all of NP] */

/* The output rows y0 .. y1 for the `lanes` channels from c on. */
static void TN(dwh_block)(const struct npi_dwconv_f16_job *p, int c, int lanes, int columns) {
    const struct npi_dwconv_f32_job *const j = &p->f;
    const size_t row = (size_t)columns * HL;
    const int inside = columns - j->pl < j->w ? columns - j->pl : j->w; /* columns of the picture that somebody reads */
    struct TN(dwh_at) at = { .scale = p->scale + c, .bias = j->bias + c, .lanes = lanes, .ldy = (size_t)j->c,
                             .act = j->res || j->act.kind > NPI_KACT_SILU ? NPI_KACT_NONE : j->act.kind, .lo = j->act.lo, .hi = j->act.hi };
    const uint16_t *const w = p->wgt + (size_t)c * (size_t)(j->kh * j->kw);
    int next = 0; /* input row to convert */
    for (int oy = j->y0; oy < j->y1; oy++) {
        const int iy = oy * j->sh - j->pt, k0 = iy < 0 ? -iy : 0, end = iy + j->kh < j->h ? iy + j->kh : j->h;
        if (next < iy + k0) next = iy + k0;
        for (; next < end; next++) {
            const float *const x = j->x + ((ptrdiff_t)next * j->w) * j->ldx + c;
            uint16_t *const to = p->rows + (size_t)(next % j->kh) * row + j->pl * HL;
            for (int i = 0; i < inside; i++) HN(convert)(to + i * HL, x + (ptrdiff_t)i * j->ldx, lanes);
        }
        at.n_ky = end - iy > k0 ? end - iy - k0 : 0;
        at.w = w + k0 * j->kw * HL;
        for (int ox = 0; ox < j->ow; ox += at.np) {
            const int left = j->ow - ox, whole = left > NP / 2, np = whole ? NP : NP / 2;
            for (int k = 0; k < at.n_ky; k++) at.row[k] = p->rows + (size_t)((iy + k0 + k) % j->kh) * row + ox * j->sw * HL;
            at.np = left < np ? left : np;
            const size_t out = ((size_t)oy * (size_t)j->ow + (size_t)ox) * (size_t)j->c + (size_t)c;
            at.y = j->y + out;
            TN(dwh_fns)[j->kw / 2 - 2][j->sw - 1][whole](&at);
            if (j->res || j->act.kind > NPI_KACT_SILU)
                for (int i = 0; i < lanes; i += VL) TN(dw_post)(j, at.y + i, j->res ? j->res + out + i : NULL, at.np, lanes - i < VL ? lanes - i : VL);
        }
    }
}

static void TN(dwh_run)(const struct npi_dwconv_f16_job *p) {
    const struct npi_dwconv_f32_job *const j = &p->f;
    const struct npi_dwconv_f16 d = { .vl = HL, .tile = NP };
    const int columns = npi_dwconv_f16_columns(&d, j), right = j->pl + j->w;
    for (int k = 0; k < j->kh; k++) { /* what no row of the picture writes */
        uint16_t *const row = p->rows + (size_t)k * (size_t)columns * HL;
        memset(row, 0, (size_t)j->pl * HL * sizeof *row);
        if (right < columns) memset(row + right * HL, 0, (size_t)(columns - right) * HL * sizeof *row);
    }
    for (int c = j->c0; c < j->c1; c += HL) TN(dwh_block)(p, c, j->c1 - c < HL ? j->c1 - c : HL, columns);
}
