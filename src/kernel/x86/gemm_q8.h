/* SPDX-License-Identifier: Apache-2.0 */
/* The x86 levels of the 8-bit GEMM; each fills in its table when its flag is set. */
#ifndef NPI_KERNEL_X86_GEMM_Q8_H
#define NPI_KERNEL_X86_GEMM_Q8_H
#include "kernel/gemm_q8.h"
void npi_gemm_q8_init_avx2(struct npi_gemm_q8 *g);
void npi_gemm_q8_init_avx2_pairs(struct npi_gemm_q8 *g);
void npi_gemm_q8_init_avx_vnni(struct npi_gemm_q8 *g);
void npi_gemm_q8_init_avx512(struct npi_gemm_q8 *g);
void npi_gemm_q8_init_avx512_vnni(struct npi_gemm_q8 *g);
void npi_gemm_q8_init_amx(struct npi_gemm_q8 *g); /* on top of avx512_vnni */
#endif
