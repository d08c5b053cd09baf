/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution for AVX-512 VNNI: 64 channels, bytes of four taps interleaved so that one vpdpbusd adds up
 * four products of 16 channels.
 *
 * 3x3 and 5x5 run along the row column by column: the rows of a column are interleaved once and serve all outputs that see the column.
 *   column u:   d = rows 0..3 of the column, interleaved
 *               acc[output that starts here] += d * w[0],  acc[output before] += d * w[1],  …
 * The accumulators of the outputs in flight stay in registers; loops are unrolled over one turn of them. */
#include "kernel/x86/dwconv_q8.h"
#include "kernel/x86/q8_avx512.h"

/* 4 x 64 bytes to 64 quads. */
INLINE void interleave(__m512i *d, __m512i a, __m512i b, __m512i c, __m512i e) {
    const __m512i ab = _mm512_unpacklo_epi8(a, b), AB = _mm512_unpackhi_epi8(a, b), ce = _mm512_unpacklo_epi8(c, e), CE = _mm512_unpackhi_epi8(c, e);
    d[0] = _mm512_unpacklo_epi16(ab, ce);
    d[1] = _mm512_unpackhi_epi16(ab, ce);
    d[2] = _mm512_unpacklo_epi16(AB, CE);
    d[3] = _mm512_unpackhi_epi16(AB, CE);
}

INLINE __m512i bytes(const uint8_t *p, __m512i flip) { return _mm512_xor_si512(_mm512_loadu_si512(p), flip); }

INLINE void dot4(__m512i *acc, const __m512i *d, const char *w) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) acc[j] = _mm512_dpbusd_epi32(acc[j], d[j], _mm512_loadu_si512(w + j * 64));
}

INLINE void put64(const struct q8_put *o, const __m512i *acc, const char *block, int nc, uint8_t *y) {
    const __m512 scale[4] = { _mm512_loadu_ps(block + 256), _mm512_loadu_ps(block + 320), _mm512_loadu_ps(block + 384), _mm512_loadu_ps(block + 448) };
    q8_put(o, acc, scale, 4, nc, y);
}

/* One block of channels of a row; k and s are constants here. */
INLINE void columns(const struct npi_dwconv_q8_row *r, const char *block, int c, int nc, int k, int s) {
    const struct q8_put o = q8_put_init(&r->out);
    const __m512i flip = _mm512_set1_epi8(r->x_u8 ? 0 : (char)0x80);
    const int live = (k + s - 1) / s, turn = live * s; /* outputs in flight; columns until the slots repeat */
    const int n_cols = (r->n - 1) * s + k;
    const char *const w = block + 512;
    __m512i acc[5][4];
#pragma GCC unroll 5
    for (int i = 0; i < live; i++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) acc[i][j] = _mm512_loadu_si512(block + j * 64);
    for (int base = 0; base < n_cols; base += turn) {
#pragma GCC unroll 6
        for (int u = 0; u < turn; u++) {
            const int col = base + u;
            if (col >= n_cols) return;
            const uint8_t *const *const p = r->px + (size_t)col * (size_t)k;
            __m512i d[4];
            if (k == 3) {
                const __m512i last = bytes(p[2] + c, flip);
                interleave(d, bytes(p[0] + c, flip), bytes(p[1] + c, flip), last, last);
            } else {
                interleave(d, bytes(p[0] + c, flip), bytes(p[1] + c, flip), bytes(p[2] + c, flip), bytes(p[3] + c, flip));
            }
#pragma GCC unroll 5
            for (int i = 0; i < live; i++) {
                const int kx = u >= i * s ? u - i * s : u - i * s + turn;
                if (kx < k) dot4(acc[i], d, w + kx * 256);
            }
            if (k == 5 && u % s == 0) {
                interleave(d, bytes(p[4] + c, flip), bytes(p[9] + c, flip), bytes(p[14] + c, flip), bytes(p[19] + c, flip));
#pragma GCC unroll 5
                for (int i = 0; i < live; i++) {
                    const int kx = u >= i * s ? u - i * s : u - i * s + turn;
                    if (kx == 0) dot4(acc[i], d, w + 5 * 256);
                    if (kx == 4) dot4(acc[i], d, w + 6 * 256);
                }
            }
#pragma GCC unroll 5
            for (int i = 0; i < live; i++) {
                const int kx = u >= i * s ? u - i * s : u - i * s + turn;
                if (kx != k - 1) continue;
                if (col >= k - 1) put64(&o, acc[i], block, nc, r->y + (size_t)((col - k + 1) / s) * (size_t)r->c + (size_t)c);
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++) acc[i][j] = _mm512_loadu_si512(block + j * 64);
            }
        }
    }
}

#define COLUMNS(name, k, s)                                                                                      \
    static __attribute__((noinline)) void name(const struct npi_dwconv_q8_row *r, const char *block, int c, int nc) { \
        columns(r, block, c, nc, k, s);                                                                          \
    }
COLUMNS(k3s1, 3, 1)
COLUMNS(k3s2, 3, 2)
COLUMNS(k5s1, 5, 1)
COLUMNS(k5s2, 5, 2)

/* Any window: four taps at a time, no sharing between outputs. */
static __attribute__((noinline)) void flat(const struct npi_dwconv_q8_row *r, const char *block, int c, int nc) {
    int off[NPI_DW_Q8_TAPS + 3];
    const int taps = npi_dwconv_q8_offsets(r, off), step = r->sw * r->kh;
    const struct q8_put o = q8_put_init(&r->out);
    const __m512i flip = _mm512_set1_epi8(r->x_u8 ? 0 : (char)0x80);
    const uint8_t *const *px = r->px;
    for (int i = 0; i < r->n; i++, px += step) {
        __m512i acc[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) acc[j] = _mm512_loadu_si512(block + j * 64);
        const char *w = block + 512;
        for (int t = 0; t < taps; t += 4, w += 256) {
            __m512i d[4];
            interleave(d, bytes(px[off[t]] + c, flip), bytes(px[off[t + 1]] + c, flip), bytes(px[off[t + 2]] + c, flip), bytes(px[off[t + 3]] + c, flip));
            dot4(acc, d, w);
        }
        put64(&o, acc, block, nc, r->y + (size_t)i * (size_t)r->c + (size_t)c);
    }
}

static void row_avx512_vnni(const struct npi_dwconv_q8_row *r) {
    const int cols = r->kh == r->kw && r->dw == 1 && (r->sw == 1 || r->sw == 2) ? r->kh : 0;
    for (int c = 0; c < r->c; c += 64) {
        const char *const block = (const char *)r->w + (size_t)(c / 64) * r->w_block;
        const int nc = r->c - c < 64 ? r->c - c : 64;
        if (cols == 3) (r->sw == 1 ? k3s1 : k3s2)(r, block, c, nc);
        else if (cols == 5) (r->sw == 1 ? k5s1 : k5s2)(r, block, c, nc);
        else flat(r, block, c, nc);
    }
}

void npi_dwconv_q8_init_avx512_vnni(struct npi_dwconv_q8 *d) {
    *d = (struct npi_dwconv_q8){ .name = "dwconv_q8_avx512_vnni", .row = row_avx512_vnni, .block = 64, .order = NPI_DW_Q8_QUADS, .lanes = 4, .columns = 1 };
}
