/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution for AVX2: 16 channels widened to int16, two taps interleaved and multiplied with vpmaddwd. */
#include "kernel/x86/dwconv_q8.h"
#include "kernel/x86/q8_avx2.h"

INLINE __m256i widen(const uint8_t *p, int u8) {
    const __m128i b = _mm_loadu_si128((const void *)p);
    return u8 ? _mm256_cvtepu8_epi16(b) : _mm256_cvtepi8_epi16(b);
}

INLINE void row(const struct npi_dwconv_q8_row *r, int u8) {
    int off[NPI_DW_Q8_TAPS + 3];
    const int taps = npi_dwconv_q8_offsets(r, off), step = r->sw * r->kh;
    const struct q8_put o = q8_put_init(&r->out);
    for (int c = 0; c < r->c; c += 16) {
        const char *const block = (const char *)r->w + (size_t)(c / 16) * r->w_block;
        const int nc = r->c - c < 16 ? r->c - c : 16;
        const __m256 scale[2] = { _mm256_loadu_ps((const void *)(block + 64)), _mm256_loadu_ps((const void *)(block + 96)) };
        const uint8_t *const *px = r->px;
        for (int i = 0; i < r->n; i++, px += step) {
            __m256i acc[2] = { _mm256_loadu_si256((const void *)block), _mm256_loadu_si256((const void *)(block + 32)) };
            const char *w = block + 128;
            for (int t = 0; t < taps; t += 2, w += 64) {
                const __m256i a = widen(px[off[t]] + c, u8), b = widen(px[off[t + 1]] + c, u8);
                acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), _mm256_loadu_si256((const void *)w)));
                acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), _mm256_loadu_si256((const void *)(w + 32))));
            }
            q8_put(&o, acc, scale, 2, nc, r->y + (size_t)i * (size_t)r->c + (size_t)c);
        }
    }
}

static void row_avx2(const struct npi_dwconv_q8_row *r) {
    if (r->x_u8) row(r, 1);
    else row(r, 0);
}

void npi_dwconv_q8_init_avx2(struct npi_dwconv_q8 *d) {
    *d = (struct npi_dwconv_q8){ .name = "dwconv_q8_avx2", .row = row_avx2, .block = 16, .order = NPI_DW_Q8_PAIRS, .lanes = 2 };
}
