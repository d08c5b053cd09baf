/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the level of the 8-bit GEMM. */
#include "cpu/cpu.h"
#include "kernel/x86/gemm_q8.h"

void npi_gemm_q8_init_x86(struct npi_gemm_q8 *g, struct npi_gemm_q8 *wide, unsigned cpu) {
    if (cpu & NPI_CPU_AVX2) npi_gemm_q8_init_avx2(g);
    if (cpu & NPI_CPU_AVX_VNNI) npi_gemm_q8_init_avx_vnni(g);
    if (cpu & NPI_CPU_AVX512 && !(cpu & NPI_CPU_AVX_VNNI)) npi_gemm_q8_init_avx512(g);
    if (cpu & NPI_CPU_AVX512_VNNI) npi_gemm_q8_init_avx512_vnni(g);
    if (cpu & NPI_CPU_AVX512_VNNI && cpu & NPI_CPU_AMX_INT8 && npi_cpu_amx_permit()) npi_gemm_q8_init_amx(g);
    *wide = *g;
    /* vpmaddubsw without saturation; not measured against AVX-512's vpmaddwd, and nothing for processors that have VNNI */
    if (cpu & NPI_CPU_AVX2 && !(cpu & (NPI_CPU_AVX_VNNI | NPI_CPU_AVX512))) npi_gemm_q8_init_avx2_pairs(g);
}
