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

INLINE void dot4r(__m512i *acc, const __m512i *d, const __m512i *w) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) acc[j] = _mm512_dpbusd_epi32(acc[j], d[j], w[j]);
}

INLINE void put64(const struct q8_put *o, const __m512i *acc, const char *block, int nc, uint8_t *y) {
    const __m512 scale[4] = { _mm512_loadu_ps(block + 256), _mm512_loadu_ps(block + 320), _mm512_loadu_ps(block + 384), _mm512_loadu_ps(block + 448) };
    q8_put(o, acc, scale, 4, nc, y);
}

/* The pixel of row ky at column col of the padded row. */
INLINE const uint8_t *pixel(const struct npi_dwconv_q8_row *r, int ky, int col, int c) {
    const int x = col - r->pl;
    return ((unsigned)x < (unsigned)r->wd ? r->line[ky] + (ptrdiff_t)x * r->c : r->border) + c;
}

/* Column of output slot i under unrolled column u. */
#define KX(u, i, S, TURN) ((u) >= (i) * (S) ? (u) - (i) * (S) : (u) - (i) * (S) + (TURN))

/* One block of channels of a row. LIVE outputs are in flight, TURN columns later their slots repeat. A macro for the reason given in gemm_q8_zmm.h. */
#define COLUMNS(name, K, S, LIVE, TURN)                                                                                          \
    static __attribute__((noinline)) void name(const struct npi_dwconv_q8_row *r, const char *block, int c, int nc) {            \
        const struct q8_put o = q8_put_init(&r->out);                                                                            \
        const __m512i flip = _mm512_set1_epi8(r->x_u8 ? 0 : (char)0x80);                                                         \
        const int n_cols = (r->n - 1) * S + K;                                                                                   \
        const char *const w = block + 512;                                                                                       \
        __m512i wr[3][4]; /* 3x3: the weights in registers */                                                                    \
        _Pragma("GCC unroll 3") for (int i = 0; i < 3; i++)                                                                      \
            _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++) {                                                                \
                wr[i][j] = _mm512_loadu_si512(w + (i * 4 + j) * 64);                                                             \
                if (K == 3) __asm__("" : "+v"(wr[i][j])); /* else gcc loads them again each time */                              \
            }                                                                                                                    \
        __m512i acc[LIVE][4];                                                                                                    \
        _Pragma("GCC unroll 5") for (int i = 0; i < LIVE; i++)                                                                   \
            _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++) acc[i][j] = _mm512_loadu_si512(block + j * 64);                  \
        for (int base = 0; base < n_cols; base += TURN) {                                                                        \
            _Pragma("GCC unroll 6") for (int u = 0; u < TURN; u++) {                                                             \
                __m512i d[4];                                                                                                    \
                const int col = base + u;                                                                                        \
                if (col >= n_cols) return;                                                                                       \
                first_rows(d, r, col, c, flip, K);                                                                               \
                _Pragma("GCC unroll 5") for (int i = 0; i < LIVE; i++)                                                           \
                    if (KX(u, i, S, TURN) < K) {                                                                                 \
                        if (K == 3) dot4r(acc[i], d, wr[KX(u, i, S, TURN) % 3]);                                                 \
                        else dot4(acc[i], d, w + KX(u, i, S, TURN) * 256);                                                       \
                    }                                                                                                            \
                if (K == 5 && u % S == 0) {                                                                                      \
                    last_row(d, r, col, c, flip);                                                                                \
                    _Pragma("GCC unroll 5") for (int i = 0; i < LIVE; i++) {                                                     \
                        if (KX(u, i, S, TURN) == 0) dot4(acc[i], d, w + 5 * 256);                                                \
                        if (KX(u, i, S, TURN) == 4) dot4(acc[i], d, w + 6 * 256);                                                \
                    }                                                                                                            \
                }                                                                                                                \
                _Pragma("GCC unroll 5") for (int i = 0; i < LIVE; i++) {                                                         \
                    if (KX(u, i, S, TURN) != K - 1) continue;                                                                    \
                    if (col >= K - 1) put64(&o, acc[i], block, nc, r->y + (size_t)((col - K + 1) / S) * (size_t)r->c + (size_t)c); \
                    _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++) acc[i][j] = _mm512_loadu_si512(block + j * 64);          \
                }                                                                                                                \
            }                                                                                                                    \
        }                                                                                                                        \
    }

/* Rows 0-3 of a column, of three rows the last one twice. */
INLINE void first_rows(__m512i *d, const struct npi_dwconv_q8_row *r, int col, int c, __m512i flip, int k) {
    const int x = col - r->pl;
    __m512i v[4];
    if ((unsigned)x < (unsigned)r->wd) {
        const ptrdiff_t at = (ptrdiff_t)x * r->c + c;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) v[i] = i < k ? bytes(r->line[i] + at, flip) : v[i - 1];
    } else {
        v[0] = v[1] = v[2] = v[3] = bytes(r->border + c, flip);
    }
    interleave(d, v[0], v[1], v[2], v[3]);
}

/* Four columns of row 4. */
INLINE void last_row(__m512i *d, const struct npi_dwconv_q8_row *r, int col, int c, __m512i flip) {
    interleave(d, bytes(pixel(r, 4, col, c), flip), bytes(pixel(r, 4, col + 1, c), flip), bytes(pixel(r, 4, col + 2, c), flip), bytes(pixel(r, 4, col + 3, c), flip));
}
COLUMNS(k3s1, 3, 1, 3, 3)
COLUMNS(k3s2, 3, 2, 2, 4)
COLUMNS(k5s1, 5, 1, 5, 5)
COLUMNS(k5s2, 5, 2, 3, 6)

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
