/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM for AVX-512 without VNNI: differences to the zero points in int16, pairs of products with vpmaddwd, exact. */
#define DOT(acc, a, b) _mm512_add_epi32((acc), _mm512_madd_epi16((a), (b)))
#define NAME(x) x##_avx512
#include "kernel/x86/gemm_q8_zmm.h"

static void copy_a_avx512(const struct npi_gemm_q8_copy *c) {
    const __m512i z = _mm512_set1_epi16((short)c->zx);
    for (int i = 0; i < c->pixels; i++) {
        const uint8_t *s = c->src + (size_t)i * c->pixel_step;
        int16_t *d = (int16_t *)(void *)((char *)c->dst + (size_t)i * c->lda);
        for (int r = 0; r < c->rows; r++, s += c->row_step, d += c->n)
            for (size_t j = 0; j < c->n; j += 32) {
                const __m256i b = _mm256_loadu_si256((const void *)(s + j));
                _mm512_storeu_si512(d + j, _mm512_sub_epi16(c->is_u8 ? _mm512_cvtepu8_epi16(b) : _mm512_cvtepi8_epi16(b), z));
            }
    }
}

void npi_gemm_q8_init_avx512(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x64_avx512", .tile = tile_avx512, .copy_a = copy_a_avx512,
                               .nr = 64, .granule = 16, .kr = 2, .a_bytes = 2 };
}
