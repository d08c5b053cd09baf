/* SPDX-License-Identifier: Apache-2.0 */
/* The x86 levels of quantized Add and Mul. */
#ifndef NPI_KERNEL_X86_ADD_Q8_H
#define NPI_KERNEL_X86_ADD_Q8_H
#include "kernel/add_q8.h"
void npi_add_q8_init_avx2(struct npi_add_q8 *k);
void npi_add_q8_init_avx512(struct npi_add_q8 *k);
#endif
