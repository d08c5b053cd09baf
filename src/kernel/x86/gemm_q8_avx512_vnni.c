/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM with vpdpbusd: four products of u8 and s8 added to 32 bits at once, without saturation. */
#define DOT(acc, a, b) _mm512_dpbusd_epi32((acc), (a), (b))
#define NAME(x) x##_avx512_vnni
#include "kernel/x86/gemm_q8_zmm.h"

/* u8 of both types: int8 gets its top bit flipped, which adds 128. */
static void copy_a_avx512_vnni(const struct npi_gemm_q8_copy *c) {
    const __m512i flip = _mm512_set1_epi8(c->is_u8 ? 0 : (char)0x80);
    for (int i = 0; i < c->pixels; i++) {
        const uint8_t *s = c->src + (size_t)i * c->pixel_step;
        uint8_t *d = (uint8_t *)c->dst + (size_t)i * c->lda;
        for (int r = 0; r < c->rows; r++, s += c->row_step, d += c->n) {
            if (c->n <= 16) {
                _mm_storeu_si128((void *)d, _mm_xor_si128(_mm_loadu_si128((const void *)s), _mm512_castsi512_si128(flip)));
                continue;
            }
            for (size_t j = 0; j < c->n; j += 64) _mm512_storeu_si512(d + j, _mm512_xor_si512(_mm512_loadu_si512(s + j), flip));
        }
    }
}

void npi_gemm_q8_init_avx512_vnni(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x64_avx512_vnni", .tile = tile_avx512_vnni, .copy_a = copy_a_avx512_vnni,
                               .nr = 64, .granule = 16, .kr = 4, .a_bytes = 1 };
}
