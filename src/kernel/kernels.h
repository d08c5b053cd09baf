/* SPDX-License-Identifier: Apache-2.0 */
/* All kernel families in one table. A family is a struct of pointers: init puts the C functions in, then each ISA level
 * overwrites what it does better. Hot code calls through the table, never through flags.
 *
 * A kernel is dumb: pointers, sizes, strides; no allocation, no threads, no graph types, cannot fail. It may over-read
 * NPI_TAIL bytes behind a tensor and never over-writes. */
#ifndef NPI_KERNEL_KERNELS_H
#define NPI_KERNEL_KERNELS_H
#include "kernel/add_q8.h"
#include "kernel/dwconv_q8.h"
#include "kernel/elem_f32.h"
#include "kernel/elem_q8.h"
#include "kernel/dwconv_f16.h"
#include "kernel/dwconv_f32.h"
#include "kernel/gemm_bf16.h"
#include "kernel/gemm_f32.h"
#include "kernel/gemm_q8.h"
#include "kernel/pixel.h"
#include "kernel/move.h"
#include "kernel/pool.h"
#include "kernel/resize.h"

struct npi_kernels {
    unsigned cpu; /* the flags it was made with */
    int product_parts; /* f32 products of a net go through gemm_bf16 with so many parts; 0: through gemm_f32. Set by plan/compute.h */
    int half_depthwise; /* 1: f32 depthwise convolutions that dwconv_f16 takes go through it. Likewise */
    struct npi_add_q8 add_q8;
    struct npi_elem_q8 elem_q8;
    struct npi_elem_f32 elem_f32;
    struct npi_move move;
    struct npi_gemm_f32 gemm_f32;
    struct npi_gemm_bf16 gemm_bf16;
    struct npi_dwconv_f32 dwconv_f32;
    struct npi_dwconv_f16 dwconv_f16;
    struct npi_gemm_q8 gemm_q8, gemm_q8_wide; /* wide: for weights that would need too many exceptions */
    struct npi_dwconv_q8 dwconv_q8, dwconv_q8_wide; /* wide: for weights that do not fit int8 */
    struct npi_pool pool;
    struct npi_resize resize;
    struct npi_pixel pixel;
};
void npi_kernels_init(struct npi_kernels *k, unsigned cpu);
#endif
