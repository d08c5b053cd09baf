/* SPDX-License-Identifier: Apache-2.0 */
/* f32 matrix product with row pointers ("implicit GEMM"): convolutions, fully connected layers and matmul are all this.
 *
 *   c[m][n] = act( bias[n] + sum over t < taps, i < k of a[t][m][i] * w[t * k + i][n]  (+ res[m][n]) )  (+ res[m][n])
 *
 * A is taps x m pointers to k floats each: for a 3x3 convolution nine pixels (or three runs of three neighbouring
 * pixels), for a plain product one row. A row may be shared, and padding points to zeros, so nothing is copied.
 *
 * W is packed in panels as wide as the kernel's register block, the k-th row of a panel after the (k-1)-th:
 *
 *   n = 90, AVX-512:   [K][48] [K][32] [K][16: 10 used]     K = taps * k
 *
 * Panels of one or two columns are packed column after column instead: the kernels do dot products along k for them.
 * A job may be any run of whole panels, so threads can split n as well as m. */
#ifndef NPI_KERNEL_GEMM_F32_H
#define NPI_KERNEL_GEMM_F32_H
#include <stddef.h>

#include "kernel/act.h"

enum { NPI_GEMM_F32_NARROW = 2 };

struct npi_gemm_f32_job {
    const float *const *a;     /* [taps][a_stride], m of them used */
    size_t a_stride;
    int m, taps, k;
    const float *w;            /* first panel of this job */
    const float *bias;         /* [n], for the columns of this job; NULL: none */
    int n, n_behind;           /* columns of this job, and of the matrix behind it (they decide on panel widths) */
    float *c; size_t ldc;      /* [m][ldc] */
    const float *res; size_t ldres; /* NULL: none */
    int res_before_act;        /* 1: act(sum + res), 0: act(sum) + res */
    struct npi_kact_f32 act;
};

struct npi_gemm_f32 {
    const char *name;          /* "gemm_f32_8x48_avx512" */
    int (*panel)(int left);    /* width of the panel when `left` columns are to be done; may be more than left */
    void (*run)(const struct npi_gemm_f32_job *j);
};

/* Columns of packed storage: the sum of the panel widths. */
size_t npi_gemm_f32_packed_cols(const struct npi_gemm_f32 *g, int n);
/* Packs k rows of n columns: element (i, j) is w[i * stride_k + j * stride_n]. dst: k * packed_cols floats, columns that
 * are not there become zero. */
void npi_gemm_f32_pack(const struct npi_gemm_f32 *g, float *dst, const float *w, int k, int n, size_t stride_k, size_t stride_n);
void npi_gemm_f32_init(struct npi_gemm_f32 *g, unsigned cpu);
void npi_gemm_f32_init_avx2(struct npi_gemm_f32 *g);
void npi_gemm_f32_init_avx512(struct npi_gemm_f32 *g);
#endif
