/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM with the VEX form of vpdpbusd: client processors that have VNNI without AVX-512. */
#define DOT(acc, a, b) _mm256_dpbusd_avx_epi32((acc), (a), (b))
#define NAME(x) x##_avx_vnni
#include "kernel/x86/gemm_q8_ymm.h"

#include "kernel/x86/gemm_q8.h"

/* u8 of both types: int8 gets its top bit flipped, which adds 128. */
static void copy_a_avx_vnni(const struct npi_gemm_q8_copy *c) {
    const __m256i flip = _mm256_set1_epi8(c->is_u8 ? 0 : (char)0x80);
    for (int i = 0; i < c->pixels; i++) {
        const uint8_t *s = c->src + (size_t)i * c->pixel_step;
        uint8_t *d = (uint8_t *)c->dst + (size_t)i * c->lda;
        for (int r = 0; r < c->rows; r++, s += c->row_step, d += c->n)
            for (size_t j = 0; j < c->n; j += 32)
                _mm256_storeu_si256((void *)(d + j), _mm256_xor_si256(_mm256_loadu_si256((const void *)(s + j)), flip));
    }
}

void npi_gemm_q8_init_avx_vnni(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x16_avx_vnni", .tile = tile_avx_vnni, .copy_a = copy_a_avx_vnni,
                               .nr = 16, .granule = 8, .kr = 4, .a_bytes = 1 };
}
