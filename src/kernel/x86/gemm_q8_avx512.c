/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM for AVX-512 without VNNI: differences to the zero points in int16, pairs of products with vpmaddwd, exact. */
#define DOT(acc, a, b) _mm512_add_epi32((acc), _mm512_madd_epi16((a), (b)))
#define NAME(x) x##_avx512
#include "kernel/x86/gemm_q8_zmm.h"

#include "kernel/x86/gemm_q8.h"

static void copy_a_avx512(void *dst, const uint8_t *src, size_t n, int is_u8, int zx) {
    const __m512i z = _mm512_set1_epi16((short)zx);
    int16_t *const d = dst;
    for (size_t i = 0; i < n; i += 32) {
        const __mmask32 m = n - i >= 32 ? ~0u : _bzhi_u32(~0u, (unsigned)(n - i));
        const __m256i b = _mm256_maskz_loadu_epi8(m, src + i);
        _mm512_mask_storeu_epi16(d + i, m, _mm512_sub_epi16(is_u8 ? _mm512_cvtepu8_epi16(b) : _mm512_cvtepi8_epi16(b), z));
    }
}

void npi_gemm_q8_init_avx512(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x64_avx512", .tile = tile_avx512, .copy_a = copy_a_avx512,
                               .nr = 64, .granule = 16, .kr = 2, .a_bytes = 2 };
}
