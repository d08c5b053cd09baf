/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM, the inner part of every quantized convolution and fully connected layer.
 *
 *   A tile (scratch, made by copy_a)         panel (packed once)                y: rows of channels
 *   rows x k, what the level wants:     x    bias[nr] scale[nr] weights   ->    int8 or uint8
 *   u8 (VNNI) or x - zx as int16 (else)      [k/kr][nr][kr]
 *
 *   acc = bias[c] + sum (x - zx)(w - zw)     exact in 32 bits
 *   y   = clamp(zy + rint((float)acc * scale[c]), lo, hi)       |acc * scale| below 2^31: the binder sees to it
 *
 * All levels give the same bytes. VNNI and the pairs of AVX2 (gemm_q8_pairs.h) multiply unsigned by signed bytes: x becomes u8 by flipping the top bit, w is kept
 * as int8 (w - 128 where the file has uint8), what that adds is taken out through the bias and, when the weights then still have
 * a zero point, through the sum of each row of A. The other levels work on differences in int16 and need neither. */
#ifndef NPI_KERNEL_GEMM_Q8_H
#define NPI_KERNEL_GEMM_Q8_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define NPI_Q8_ROWS 48 /* rows of an A tile: a multiple of what each kernel takes at a time */

/* What becomes of the accumulators. Everything is in signed bytes; `flip` (0 or 0x80) makes them the bytes of y's type. */
struct npi_q8_out { int32_t zy; int32_t lo, hi; uint32_t flip; };
/* Accumulator to byte, as all kernels do it. */
static inline uint8_t npi_q8_byte(const struct npi_q8_out *o, int32_t acc, float scale) {
    const int64_t v = (int64_t)o->zy + (int32_t)nearbyintf((float)acc * scale);
    return (uint8_t)((uint32_t)(v < o->lo ? o->lo : v > o->hi ? o->hi : v) ^ o->flip);
}

struct npi_gemm_q8_tile {
    const void *a; size_t lda;    /* A tile; bytes from row to row, a multiple of 4. Rows up to the next multiple of 48 are readable */
    const int32_t *row;           /* [rows]: what to add to a row's accumulators; NULL: nothing */
    const void *panel;            /* npi_gemm_q8_pack */
    int rows, groups, nc;         /* valid rows; groups of kr along k; valid channels of the panel, 1..nr */
    uint8_t *y; size_t ldy;       /* first channel of the panel in the first row; bytes from row to row */
    struct npi_q8_out out;
};

/* Windows of x into rows of the A tile, as the level wants its elements: pixel i, row r: n elements from src + i * pixel_step + r * row_step
 * to element r * n of tile row i. Works forward, and may write 64 bytes behind each piece: what lies there must come later. */
struct npi_gemm_q8_copy {
    void *dst; size_t lda;
    const uint8_t *src; size_t pixel_step, row_step;
    int pixels, rows; size_t n;
    int is_u8, zx;
};

struct npi_gemm_q8 {
    const char *name;
    void (*tile)(const struct npi_gemm_q8_tile *t);
    void (*copy_a)(const struct npi_gemm_q8_copy *c);
    int nr, granule;              /* channels of a panel; the last one is cut to a multiple of granule */
    int group_step;               /* groups of kr are filled up to a multiple of this (weights by zeros, A by anything); 0: 1 */
    void (*enter)(void), (*leave)(void); /* before and after a thread's run of tile() calls (AMX registers); NULL: nothing to do */
    int kr, a_bytes;              /* elements of k that lie together; bytes of an A element: 1 (VNNI) or 2 */
    int a_signed;                 /* the kernel turns A's unsigned bytes into signed ones before it multiplies (sdot) */
    int pairs;                    /* panels as gemm_q8_pairs.h has them; `groups` of a tile is not looked at */
};

/* What a layer looks like to the packer. */
struct npi_gemm_q8_layer {
    const void *w; int w_u8, zw;  /* [n][k] */
    int n, k;
    int zx;                       /* zero point of x in its own type; x_u8 says which */
    int x_u8;
    const int32_t *bias;          /* [n] or NULL */
    const float *scale;           /* [n]: sx * sw[c] / sy */
};

/* wide: what to take for a layer that does not fit `g` (npi_gemm_q8_fits); the same table at most levels. */
void npi_gemm_q8_init(struct npi_gemm_q8 *g, struct npi_gemm_q8 *wide, unsigned cpu);
void npi_gemm_q8_init_x86(struct npi_gemm_q8 *g, struct npi_gemm_q8 *wide, unsigned cpu);

static inline int npi_gemm_q8_groups(const struct npi_gemm_q8 *g, int k) {
    const int groups = (k + g->kr - 1) / g->kr, step = g->group_step ? g->group_step : 1;
    return (groups + step - 1) / step * step;
}
static inline int npi_gemm_q8_panels(const struct npi_gemm_q8 *g, int n) { return (n + g->nr - 1) / g->nr; }
/* Channels a panel is packed with: nr, less for the last one. */
int npi_gemm_q8_width(const struct npi_gemm_q8 *g, int n, int panel);
/* Room that packing a panel needs, and what it used of it at the front; both multiples of 64. */
size_t npi_gemm_q8_panel_room(const struct npi_gemm_q8 *g, int n, int k, int panel);
size_t npi_gemm_q8_pack(const struct npi_gemm_q8 *g, void *dst, const struct npi_gemm_q8_layer *l, int panel);
/* Is g the faster table for these weights? `room`: of a panel, overwritten. Every table is right for every layer. */
int npi_gemm_q8_fits(const struct npi_gemm_q8 *g, const struct npi_gemm_q8_layer *l, void *room);
/* 128 - zw when the kernel needs row sums, else 0: row[i] = that * (sum of A row i - k * zx as u8). */
int npi_gemm_q8_row_factor(const struct npi_gemm_q8 *g, const struct npi_gemm_q8_layer *l);
void npi_gemm_q8_row_sums(int32_t *row, const void *a, size_t lda, int rows, int k, int factor, int zx_u8);

/* Place of channel c in a panel of `width` channels. The pack instructions work in 128-bit lanes: the channels lie permuted
 * in the panel so that they come out in order. A vector has `granule` channels. */
int npi_gemm_q8_slot(const struct npi_gemm_q8 *g, int width, int c);
#endif
