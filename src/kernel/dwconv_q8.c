/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution: the C kernel and the packing of weights for any level.
 *
 * Orders of taps for quads (four taps that one vpdpbusd adds up):
 *   flat      tap t = ky * kw + kx in group t / 4
 *   columns   3x3: group kx = rows 0, 1, 2 of column kx. 5x5: group kx = rows 0-3 of column kx, group 5 = row 4 of columns 0-3, group 6 = row 4
 *             of column 4. Neighbouring output pixels share the interleaved columns. */
#include "kernel/dwconv_q8.h"

#include <string.h>

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"

enum { C_BLOCK = 16 };

static void row_c(const struct npi_dwconv_q8_row *r) {
    const int taps = r->kh * r->kw;
    for (int c0 = 0; c0 < r->c; c0 += C_BLOCK) {
        const char *const block = (const char *)r->w + (size_t)(c0 / C_BLOCK) * r->w_block;
        const int32_t *const bias = (const void *)block;
        const float *const scale = (const void *)(block + C_BLOCK * 4);
        const int16_t *const w = (const void *)(block + C_BLOCK * 8);
        const int nc = r->c - c0 < C_BLOCK ? r->c - c0 : C_BLOCK;
        for (int i = 0; i < r->n; i++) {
            uint32_t acc[C_BLOCK];
            memcpy(acc, bias, sizeof acc);
            for (int t = 0; t < taps; t++) {
                const uint8_t *const x = r->px[(i * r->sw + t % r->kw * r->dw) * r->kh + t / r->kw] + c0;
                for (int c = 0; c < nc; c++) acc[c] += (uint32_t)(((r->x_u8 ? x[c] : (int8_t)x[c]) - r->zx) * w[t * C_BLOCK + c]);
            }
            for (int c = 0; c < nc; c++) {
                r->y[(size_t)i * (size_t)r->c + (size_t)(c0 + c)] = npi_q8_byte(&r->out, (int32_t)acc[c], scale[c]);
            }
        }
    }
}

void npi_dwconv_q8_init(struct npi_dwconv_q8 *d, struct npi_dwconv_q8 *wide, unsigned cpu) {
    *d = *wide = (struct npi_dwconv_q8){ .name = "dwconv_q8_c", .row = row_c, .block = C_BLOCK, .order = NPI_DW_Q8_C };
#if defined(__x86_64__)
    npi_dwconv_q8_init_x86(d, wide, cpu);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_dwconv_q8_init_neon(wide);
    *d = *wide;
#endif
}

static int zero_of(const struct npi_dwconv_q8_layer *l, int c) { return l->zw[l->zw_each ? c : 0]; }
static int weight(const struct npi_dwconv_q8_layer *l, int tap, int c) {
    const uint8_t v = ((const uint8_t *)l->w)[(size_t)tap * (size_t)l->c + (size_t)c];
    return (l->w_u8 ? v : (int8_t)v) - zero_of(l, c);
}

int npi_dwconv_q8_fits(const struct npi_dwconv_q8 *d, const struct npi_dwconv_q8_layer *l) {
    if (d->order != NPI_DW_Q8_QUADS) return 1;
    for (int t = 0; t < l->kh * l->kw; t++)
        for (int c = 0; c < l->c; c++)
            if (weight(l, t, c) != (int8_t)weight(l, t, c)) return 0;
    return 1;
}

static int groups(const struct npi_dwconv_q8 *d, int kh, int kw, int sw, int dw) {
    if (d->order == NPI_DW_Q8_C) return kh * kw;
    if (d->order == NPI_DW_Q8_PAIRS) return (kh * kw + 1) / 2;
    if (d->order == NPI_DW_Q8_ROW_PAIRS) return (kh + 1) / 2 * kw;
    return npi_dwconv_q8_by_columns(d, kh, kw, sw, dw) ? kh == 3 ? 3 : 7 : (kh * kw + 3) / 4;
}

/* Where tap (ky, kx) lies: group and place in it. */
static void place(const struct npi_dwconv_q8 *d, const struct npi_dwconv_q8_layer *l, int ky, int kx, int *group, int *at) {
    const int t = ky * l->kw + kx, n = d->order == NPI_DW_Q8_C ? 1 : d->order == NPI_DW_Q8_PAIRS ? 2 : 4;
    *group = t / n;
    *at = t % n;
    if (d->order == NPI_DW_Q8_ROW_PAIRS) {
        *group = ky / 2 * l->kw + kx;
        *at = ky % 2;
    }
    if (d->order != NPI_DW_Q8_QUADS || !npi_dwconv_q8_by_columns(d, l->kh, l->kw, l->sw, l->dw)) return;
    *group = ky < 4 ? kx : kx < 4 ? 5 : 6;
    *at = ky < 4 ? ky : kx % 4;
}

/* Channels lie in the order in which unpacking within 128-bit lanes leaves them; packing within lanes turns it round. */
static int slot(const struct npi_dwconv_q8 *d, int c) {
    if (!d->lanes) return c;
    const int in_lane = d->block / d->lanes;
    return c % in_lane / 4 * d->lanes * 4 + c / in_lane * 4 + c % 4;
}

size_t npi_dwconv_q8_block_bytes(const struct npi_dwconv_q8 *d, int kh, int kw, int sw, int dw) {
    const int group_bytes = d->order == NPI_DW_Q8_C ? 2 : 4;
    return ((size_t)d->block * (8 + (size_t)groups(d, kh, kw, sw, dw) * (size_t)group_bytes) + 63) / 64 * 64;
}

void npi_dwconv_q8_pack(const struct npi_dwconv_q8 *d, void *dst, const struct npi_dwconv_q8_layer *l) {
    const size_t bytes = npi_dwconv_q8_block_bytes(d, l->kh, l->kw, l->sw, l->dw);
    /* what the kernel's x is larger by than x - zx */
    const int offset = d->order == NPI_DW_Q8_C ? 0 : d->order != NPI_DW_Q8_QUADS || l->x_u8 ? l->zx : l->zx + 128;
    for (int c = 0; c < l->c; c++) {
        char *const block = (char *)dst + (size_t)(c / d->block) * bytes, *const w = block + d->block * 8;
        const int s = slot(d, c % d->block);
        uint32_t sum = 0;
        for (int ky = 0; ky < l->kh; ky++)
            for (int kx = 0; kx < l->kw; kx++) {
                const int v = weight(l, ky * l->kw + kx, c);
                int group, at;
                place(d, l, ky, kx, &group, &at);
                sum += (uint32_t)v;
                if (d->order == NPI_DW_Q8_QUADS) {
                    w[((size_t)group * (size_t)d->block + (size_t)s) * 4 + (size_t)at] = (char)v;
                } else {
                    const int16_t v16 = (int16_t)v;
                    const int n = d->order == NPI_DW_Q8_C ? 1 : 2;
                    memcpy(w + ((group * d->block + s) * n + at) * 2, &v16, 2);
                }
            }
        const int32_t bias = (int32_t)((l->bias ? (uint32_t)l->bias[c] : 0) - sum * (uint32_t)offset);
        memcpy(block + s * 4, &bias, 4);
        memcpy(block + (d->block + s) * 4, &l->scale[c], 4);
    }
}
