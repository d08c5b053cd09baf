/* SPDX-License-Identifier: Apache-2.0 */
/* The x86 levels of the quantized depthwise convolution. */
#ifndef NPI_KERNEL_X86_DWCONV_Q8_H
#define NPI_KERNEL_X86_DWCONV_Q8_H
#include "kernel/dwconv_q8.h"
void npi_dwconv_q8_init_avx2(struct npi_dwconv_q8 *d);
void npi_dwconv_q8_init_avx_vnni(struct npi_dwconv_q8 *d);
void npi_dwconv_q8_init_avx512(struct npi_dwconv_q8 *d);
void npi_dwconv_q8_init_avx512_vnni(struct npi_dwconv_q8 *d);
#endif
