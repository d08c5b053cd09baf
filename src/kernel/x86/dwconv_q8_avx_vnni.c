/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution with the VEX form of vpdpbusd: 32 channels, bytes of four taps interleaved. */
#include "kernel/x86/dwconv_q8.h"
#include "kernel/x86/q8_avx2.h"

#define DOT(acc, a, b) _mm256_dpbusd_avx_epi32((acc), (a), (b))

INLINE __m256i bytes(const uint8_t *p, __m256i flip) { return _mm256_xor_si256(_mm256_loadu_si256((const void *)p), flip); }

/* 32 accumulators, in the order of unpacked bytes, to nc bytes. */
INLINE void put32(const struct q8_put *o, const __m256i *acc, const char *scale, int nc, uint8_t *y) {
    __m256i v[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        v[j] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(acc[j]), _mm256_loadu_ps((const void *)(scale + j * 32))));
    const __m256i zy = _mm256_broadcastsi128_si256(o->zy);
    const __m256i p = _mm256_adds_epi16(_mm256_packs_epi32(v[0], v[1]), zy), q = _mm256_adds_epi16(_mm256_packs_epi32(v[2], v[3]), zy);
    const __m256i in = _mm256_min_epi8(_mm256_max_epi8(_mm256_packs_epi16(p, q), _mm256_broadcastsi128_si256(o->lo)), _mm256_broadcastsi128_si256(o->hi));
    const __m256i b = _mm256_xor_si256(in, _mm256_broadcastsi128_si256(o->flip));
    if (nc >= 32) {
        _mm256_storeu_si256((void *)y, b);
    } else {
        q8_store(y, _mm256_castsi256_si128(b), nc);
        if (nc > 16) q8_store(y + 16, _mm256_extracti128_si256(b, 1), nc - 16);
    }
}

static void row_avx_vnni(const struct npi_dwconv_q8_row *r) {
    int off[NPI_DW_Q8_TAPS + 3];
    const int taps = npi_dwconv_q8_offsets(r, off), step = r->sw * r->kh;
    const struct q8_put o = q8_put_init(&r->out);
    const __m256i flip = _mm256_set1_epi8(r->x_u8 ? 0 : (char)0x80);
    for (int c = 0; c < r->c; c += 32) {
        const char *const block = (const char *)r->w + (size_t)(c / 32) * r->w_block;
        const int nc = r->c - c < 32 ? r->c - c : 32;
        const uint8_t *const *px = r->px;
        for (int i = 0; i < r->n; i++, px += step) {
            __m256i acc[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) acc[j] = _mm256_loadu_si256((const void *)(block + j * 32));
            const char *w = block + 256;
            for (int t = 0; t < taps; t += 4, w += 128) {
                const __m256i x0 = bytes(px[off[t]] + c, flip), x1 = bytes(px[off[t + 1]] + c, flip), x2 = bytes(px[off[t + 2]] + c, flip),
                              x3 = bytes(px[off[t + 3]] + c, flip);
                const __m256i lo01 = _mm256_unpacklo_epi8(x0, x1), hi01 = _mm256_unpackhi_epi8(x0, x1), lo23 = _mm256_unpacklo_epi8(x2, x3),
                              hi23 = _mm256_unpackhi_epi8(x2, x3);
                acc[0] = DOT(acc[0], _mm256_unpacklo_epi16(lo01, lo23), _mm256_loadu_si256((const void *)w));
                acc[1] = DOT(acc[1], _mm256_unpackhi_epi16(lo01, lo23), _mm256_loadu_si256((const void *)(w + 32)));
                acc[2] = DOT(acc[2], _mm256_unpacklo_epi16(hi01, hi23), _mm256_loadu_si256((const void *)(w + 64)));
                acc[3] = DOT(acc[3], _mm256_unpackhi_epi16(hi01, hi23), _mm256_loadu_si256((const void *)(w + 96)));
            }
            put32(&o, acc, block + 128, nc, r->y + (size_t)i * (size_t)r->c + (size_t)c);
        }
    }
}

void npi_dwconv_q8_init_avx_vnni(struct npi_dwconv_q8 *d) {
    *d = (struct npi_dwconv_q8){ .name = "dwconv_q8_avx_vnni", .row = row_avx_vnni, .block = 32, .order = NPI_DW_Q8_QUADS, .lanes = 2 };
}
