/* SPDX-License-Identifier: Apache-2.0 */
/* The ARM levels of all families: neon is in every 64-bit processor, dotprod (sdot) in most since 2018, i8mm (usmmla) since 2021. */
#ifndef NPI_KERNEL_ARM_ARM_H
#define NPI_KERNEL_ARM_ARM_H
#include "kernel/kernels.h"

void npi_add_q8_init_neon(struct npi_add_q8 *k);
void npi_dwconv_f32_init_neon(struct npi_dwconv_f32 *d);
void npi_dwconv_q8_init_neon(struct npi_dwconv_q8 *d);
void npi_elem_f32_init_neon(struct npi_elem_f32 *k);
void npi_elem_q8_init_neon(struct npi_elem_q8 *k);
void npi_gemm_f32_init_neon(struct npi_gemm_f32 *g);
void npi_gemm_q8_init_neon(struct npi_gemm_q8 *g);
void npi_gemm_q8_init_dotprod(struct npi_gemm_q8 *g);
void npi_gemm_q8_init_i8mm(struct npi_gemm_q8 *g);
void npi_move_init_neon(struct npi_move *k);
void npi_pixel_init_neon(struct npi_pixel *k);
void npi_pool_init_neon(struct npi_pool *k);
void npi_resize_init_neon(struct npi_resize *k);
#endif
