/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM for AVX2: differences to the zero points in int16, pairs of products with vpmaddwd, exact. For weights of which too many
 * pairs would saturate with vpmaddubsw (gemm_q8_avx2_pairs.c). */
#define DOT(acc, a, b) _mm256_add_epi32((acc), _mm256_madd_epi16((a), (b)))
#define NAME(x) x##_avx2
#include "kernel/x86/gemm_q8_ymm.h"

static void copy_a_avx2(const struct npi_gemm_q8_copy *c) {
    const __m256i z = _mm256_set1_epi16((short)c->zx);
    for (int i = 0; i < c->pixels; i++) {
        const uint8_t *s = c->src + (size_t)i * c->pixel_step;
        int16_t *d = (int16_t *)(void *)((char *)c->dst + (size_t)i * c->lda);
        for (int r = 0; r < c->rows; r++, s += c->row_step, d += c->n)
            for (size_t j = 0; j < c->n; j += 16) {
                const __m128i b = _mm_loadu_si128((const void *)(s + j));
                _mm256_storeu_si256((void *)(d + j), _mm256_sub_epi16(c->is_u8 ? _mm256_cvtepu8_epi16(b) : _mm256_cvtepi8_epi16(b), z));
            }
    }
}

void npi_gemm_q8_init_avx2(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x16_avx2", .tile = tile_avx2, .copy_a = copy_a_avx2, .nr = 16, .granule = 8, .kr = 2, .a_bytes = 2 };
}
