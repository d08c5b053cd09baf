/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix product of f32 operands that are rounded to bfloat16, or split into two or three of them, with sums in f32.
 *
 *   c[m][n] = act( bias[n] + sum over i < k of a[m][i] * w[i][n]  (+ res[m][n]) )  (+ res[m][n])         as in gemm_f32.h
 *
 *   parts 1   a, w -> bf16                                 1 product     8 bits of fraction
 *   parts 2   x = x0 + x1, x0 = bf16(x), x1 = bf16(x - x0)  3 products    16 bits: about 1e-5 of the result
 *   parts 3   x = x0 + x1 + x2                              6 products    24 bits: the error of f32 itself
 *
 * The products are those x_i * w_j with i + j < parts; the others are smaller than what was cut off. Rounding is to nearest even. Values that
 * bf16 rounds to infinity (above 3.39e38), infinities and NaN have only a part 0. Denormals, also of parts, may count as zero.
 *
 * Both operands lie in tiles of one kilobyte, which is what AMX wants and no other level minds. A tile of A is 16 rows by 32 values, a tile of W 32 values by 16
 * columns, in pairs along k: its row r holds w[2r][c], w[2r + 1][c] for the 16 columns c.
 *
 *   A      [m / 16][k / 32][parts] tiles                    rows and values that are not there are zero
 *   W      [n / 32 panels][k / 32][parts][2] tiles          1 instead of 2 in a last panel of at most 16 columns; in order of use
 *
 * The packed bytes are the same at every level. A job may be any run of whole panels. */
#ifndef NPI_KERNEL_GEMM_BF16_H
#define NPI_KERNEL_GEMM_BF16_H
#include <stddef.h>
#include <stdint.h>

#include "kernel/act.h"

enum { NPI_BF16_ROWS = 16, NPI_BF16_K = 32, NPI_BF16_COLS = 32, NPI_BF16_TILE = 1024, NPI_BF16_MAX_PARTS = 3 };

struct npi_gemm_bf16_job {
    const uint16_t *a;         /* tiles, 64-byte aligned */
    int m, kt, parts;          /* rows; tiles along k; parts of both operands */
    const uint16_t *w;         /* first panel of this job */
    const float *bias;         /* [n], for the columns of this job; NULL: none */
    int n;                     /* columns of this job */
    float *c; size_t ldc;      /* [m][ldc] */
    const float *res; size_t ldres; /* NULL: none. May be c */
    int res_before_act;        /* 1: act(sum + res), 0: act(sum) + res */
    struct npi_kact_f32 act;
};

/* Rows of A from pointers, as gemm_f32 has them: row m is the k values at each of a[0][m], a[1][m] … a[taps - 1][m]. */
struct npi_gemm_bf16_rows {
    uint16_t *dst;             /* npi_gemm_bf16_a_bytes long */
    const float *const *a;     /* [taps][a_stride] */
    size_t a_stride;
    int m, taps, k, parts;
};

struct npi_gemm_bf16 {
    const char *name[NPI_BF16_MAX_PARTS]; /* by parts: "gemm_bf16_32x32_amx", "gemm_bf16x3_…", "gemm_bf16x6_…" */
    void (*run)(const struct npi_gemm_bf16_job *j);
    void (*rows)(const struct npi_gemm_bf16_rows *r);
    int fast;                  /* 1: the hardware multiplies bf16; 0: emulated, slower than gemm_f32 */
};

static inline int npi_gemm_bf16_kt(int k) { return (k + NPI_BF16_K - 1) / NPI_BF16_K; }
static inline int npi_gemm_bf16_panels(int n) { return (n + NPI_BF16_COLS - 1) / NPI_BF16_COLS; }
/* Tiles of a panel with `left` columns from its first one to the matrix's last. */
static inline int npi_gemm_bf16_tiles(int left) { return left > 16 ? 2 : 1; }
static inline size_t npi_gemm_bf16_a_bytes(int m, int k, int parts) {
    return (size_t)((m + NPI_BF16_ROWS - 1) / NPI_BF16_ROWS) * (size_t)npi_gemm_bf16_kt(k) * (size_t)parts * NPI_BF16_TILE;
}
/* Of the columns before n0, a multiple of 32: where that panel begins. */
static inline size_t npi_gemm_bf16_w_bytes(int k, int n0, int parts) {
    return (size_t)((n0 + 15) / 16) * (size_t)npi_gemm_bf16_kt(k) * (size_t)parts * NPI_BF16_TILE;
}
/* The parts of x; values beyond `parts` are not touched. */
void npi_bf16_split(float x, int parts, uint16_t *out);
/* dst: npi_gemm_bf16_w_bytes(k, n, parts). Element (i, j) is w[i * stride_k + j * stride_n]. */
void npi_gemm_bf16_pack(uint16_t *dst, const float *w, int k, int n, size_t stride_k, size_t stride_n, int parts);

void npi_gemm_bf16_init(struct npi_gemm_bf16 *g, unsigned cpu);
void npi_gemm_bf16_init_avx2(struct npi_gemm_bf16 *g);
void npi_gemm_bf16_init_avx512_bf16(struct npi_gemm_bf16 *g);
void npi_gemm_bf16_init_amx(struct npi_gemm_bf16 *g);
#endif
