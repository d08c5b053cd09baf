/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM with vpdpbusd: four products of u8 and s8 added to 32 bits at once, without saturation. */
#define DOT(acc, a, b) _mm512_dpbusd_epi32((acc), (a), (b))
#define NAME(x) x##_avx512_vnni
#include "kernel/x86/gemm_q8_zmm.h"

#include "kernel/x86/gemm_q8.h"

/* u8 of both types: int8 gets its top bit flipped, which adds 128. */
static void copy_a_avx512_vnni(void *dst, const uint8_t *src, size_t n, int is_u8, int zx) {
    const __m512i flip = _mm512_set1_epi8(is_u8 ? 0 : (char)0x80);
    uint8_t *const d = dst;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) _mm512_storeu_si512(d + i, _mm512_xor_si512(_mm512_loadu_si512(src + i), flip));
    if (i < n) {
        const __mmask64 m = _bzhi_u64(~0ull, (unsigned)(n - i));
        _mm512_mask_storeu_epi8(d + i, m, _mm512_xor_si512(_mm512_maskz_loadu_epi8(m, src + i), flip));
    }
}

void npi_gemm_q8_init_avx512_vnni(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x64_avx512_vnni", .tile = tile_avx512_vnni, .copy_a = copy_a_avx512_vnni,
                               .nr = 64, .granule = 16, .kr = 4, .a_bytes = 1 };
}
