/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution for AVX-512 without VNNI: 32 channels widened to int16, two taps interleaved and multiplied with vpmaddwd. */
#include "kernel/x86/dwconv_q8.h"
#include "kernel/x86/q8_avx512.h"

INLINE __m512i widen(const uint8_t *p, int u8) {
    const __m256i b = _mm256_loadu_si256((const void *)p);
    return u8 ? _mm512_cvtepu8_epi16(b) : _mm512_cvtepi8_epi16(b);
}

INLINE void row(const struct npi_dwconv_q8_row *r, int u8) {
    int off[NPI_DW_Q8_TAPS + 3];
    const int taps = npi_dwconv_q8_offsets(r, off), step = r->sw * r->kh;
    const struct q8_put o = q8_put_init(&r->out);
    for (int c = 0; c < r->c; c += 32) {
        const char *const block = (const char *)r->w + (size_t)(c / 32) * r->w_block;
        const int nc = r->c - c < 32 ? r->c - c : 32;
        const __m512 scale[2] = { _mm512_loadu_ps(block + 128), _mm512_loadu_ps(block + 192) };
        const uint8_t *const *px = r->px;
        for (int i = 0; i < r->n; i++, px += step) {
            __m512i acc[2] = { _mm512_loadu_si512(block), _mm512_loadu_si512(block + 64) };
            const char *w = block + 256;
            for (int t = 0; t < taps; t += 2, w += 128) {
                const __m512i a = widen(px[off[t]] + c, u8), b = widen(px[off[t + 1]] + c, u8);
                acc[0] = _mm512_add_epi32(acc[0], _mm512_madd_epi16(_mm512_unpacklo_epi16(a, b), _mm512_loadu_si512(w)));
                acc[1] = _mm512_add_epi32(acc[1], _mm512_madd_epi16(_mm512_unpackhi_epi16(a, b), _mm512_loadu_si512(w + 64)));
            }
            q8_put(&o, acc, scale, 2, nc, r->y + (size_t)i * (size_t)r->c + (size_t)c);
        }
    }
}

static void row_avx512(const struct npi_dwconv_q8_row *r) {
    if (r->x_u8) row(r, 1);
    else row(r, 0);
}

void npi_dwconv_q8_init_avx512(struct npi_dwconv_q8 *d) {
    *d = (struct npi_dwconv_q8){ .name = "dwconv_q8_avx512", .row = row_avx512, .block = 32, .order = NPI_DW_Q8_PAIRS, .lanes = 4 };
}
