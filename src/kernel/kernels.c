/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/kernels.h"

void npi_kernels_init(struct npi_kernels *k, unsigned cpu) {
    *k = (struct npi_kernels){ .cpu = cpu };
    npi_add_q8_init(&k->add_q8, cpu);
    npi_elem_q8_init(&k->elem_q8, cpu);
    npi_elem_f32_init(&k->elem_f32, cpu);
    npi_move_init(&k->move, cpu);
    npi_gemm_f32_init(&k->gemm_f32, cpu);
    npi_gemm_bf16_init(&k->gemm_bf16, cpu);
    npi_dwconv_f32_init(&k->dwconv_f32, cpu);
    npi_dwconv_f16_init(&k->dwconv_f16, cpu);
    npi_gemm_q8_init(&k->gemm_q8, &k->gemm_q8_wide, cpu);
    npi_dwconv_q8_init(&k->dwconv_q8, &k->dwconv_q8_wide, cpu);
    npi_pool_init(&k->pool, cpu);
    npi_resize_init(&k->resize, cpu);
    npi_pixel_init(&k->pixel, cpu);
}
