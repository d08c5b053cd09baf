/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM with the VEX form of vpdpbusd: client processors that have VNNI without AVX-512. */
#define DOT(acc, a, b) _mm256_dpbusd_avx_epi32((acc), (a), (b))
#define NAME(x) x##_avx_vnni
#include "kernel/x86/gemm_q8_ymm.h"

#include "kernel/x86/gemm_q8.h"

/* u8 of both types: int8 gets its top bit flipped, which adds 128. */
static void copy_a_avx_vnni(void *dst, const uint8_t *src, size_t n, int is_u8, int zx) {
    const __m256i flip = _mm256_set1_epi8(is_u8 ? 0 : (char)0x80);
    uint8_t *const d = dst;
    for (size_t i = 0; i < n; i += 32)
        _mm256_storeu_si256((void *)(d + i), _mm256_xor_si256(_mm256_loadu_si256((const void *)(src + i)), flip));
}

void npi_gemm_q8_init_avx_vnni(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x16_avx_vnni", .tile = tile_avx_vnni, .copy_a = copy_a_avx_vnni,
                               .nr = 16, .granule = 8, .kr = 4, .a_bytes = 1 };
}
