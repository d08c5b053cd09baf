/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the level of the quantized depthwise convolution. */
#include "cpu/cpu.h"
#include "kernel/x86/dwconv_q8.h"

void npi_dwconv_q8_init_x86(struct npi_dwconv_q8 *d, struct npi_dwconv_q8 *wide, unsigned cpu) {
    if (cpu & NPI_CPU_AVX2) npi_dwconv_q8_init_avx2(wide);
    if (cpu & NPI_CPU_AVX512) npi_dwconv_q8_init_avx512(wide);
    *d = *wide;
    if (cpu & NPI_CPU_AVX_VNNI) npi_dwconv_q8_init_avx_vnni(d);
    if (cpu & NPI_CPU_AVX512_VNNI) npi_dwconv_q8_init_avx512_vnni(d);
}
