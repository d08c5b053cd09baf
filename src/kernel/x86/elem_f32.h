/* SPDX-License-Identifier: Apache-2.0 */
/* The x86 levels of elementwise work on floats. */
#ifndef NPI_KERNEL_X86_ELEM_F32_H
#define NPI_KERNEL_X86_ELEM_F32_H
#include "kernel/elem_f32.h"
void npi_elem_f32_init_avx2(struct npi_elem_f32 *k);
void npi_elem_f32_init_avx512(struct npi_elem_f32 *k);
#endif
