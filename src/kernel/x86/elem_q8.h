/* SPDX-License-Identifier: Apache-2.0 */
/* The x86 levels of functions of bytes. */
#ifndef NPI_KERNEL_X86_ELEM_Q8_H
#define NPI_KERNEL_X86_ELEM_Q8_H
#include "kernel/elem_q8.h"
void npi_elem_q8_init_avx2(struct npi_elem_q8 *k);
void npi_elem_q8_init_avx512(struct npi_elem_q8 *k);
#endif
