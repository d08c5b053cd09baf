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

/* A tile of all rows by the includer's STEP: in steps of mr, the rest in the smallest step that holds it (the rows behind the last are readable). */
#define STEPS(fn, nv, mr, m2, m1)                                                 \
    STEP(fn##_##mr, mr, nv)                                                       \
    STEP(fn##_##m2, m2, nv)                                                       \
    STEP(fn##_##m1, m1, nv)                                                       \
    static void fn(const struct npi_gemm_q8_tile *t) {                            \
        int r = 0;                                                                \
        for (; t->rows - r > m2; r += mr) fn##_##mr(t, r, t->rows - r);           \
        if (t->rows - r > m1) fn##_##m2(t, r, t->rows - r);                       \
        else if (t->rows - r > 0) fn##_##m1(t, r, t->rows - r);                   \
    }
#endif
