/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM with the VEX form of vpdpbusd: client processors that have VNNI without AVX-512. */
#define DOT(acc, a, b) _mm256_dpbusd_avx_epi32((acc), (a), (b))
#define NAME(x) x##_avx_vnni
#include "kernel/x86/gemm_q8_ymm.h"

void npi_gemm_q8_init_avx_vnni(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_6x16_avx_vnni", .tile = tile_avx_vnni, .copy_a = copy_a_u8,
                               .nr = 16, .granule = 8, .kr = 4, .a_bytes = 1 };
}
