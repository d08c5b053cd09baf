/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and fully connected layers as steps over kernel/gemm_f32.h: bind_conv_f32.c and bind_fc_f32.c fill in the
 * geometry, npi_conv_f32_step packs the weights and cuts the work into tasks.
 *
 * How the rows of A come about (`rows`):
 *   DENSE  1x1, stride 1: pixel m is row m of x.
 *   TAPS   a pointer a tap: kh * kw rows of ci values; taps outside the picture point to zeros.
 *   RUNS   a pointer a kernel row: kh rows of kw * ci values, since neighbours in x are neighbours in memory. Only
 *          windows that stick out left or right are copied. For few channels (first layers) and windows without padding.
 * The packed weights are the same for all three: [kh][kw][ci] is the order of k. */
#ifndef NPI_PLAN_CONV_F32_STEP_H
#define NPI_PLAN_CONV_F32_STEP_H
#include "plan/sink.h"

enum npi_conv_rows { NPI_ROWS_DENSE, NPI_ROWS_TAPS, NPI_ROWS_RUNS };

struct npi_conv_f32_block { int n0, n; size_t at; }; /* run of whole panels: first column, columns, offset in the packed weights */

struct npi_conv_f32 {
    /* by the binder */
    int x, y, res;                   /* tensor numbers; res -1: none */
    int h, w, ci, oh, ow, co, groups; /* of one picture */
    struct npi_window win;
    size_t m;                        /* output pixels of all pictures */
    const float *weights, *bias_in;  /* [co][kh][kw][ci/groups], [co] or NULL; only read while binding */
    int res_before_act;
    struct npi_kact_f32 act;
    /* by npi_conv_f32_step */
    void (*gemm)(const struct npi_gemm_f32_job *j);
    int rows, taps, k;
    const float *packed, *bias, *zero; /* packed: [groups][taps * k * packed columns] */
    size_t group_floats;
    int m_tile, m_tiles, n_blocks;
    const struct npi_conv_f32_block *block; /* [n_blocks], the same for each group */
    size_t ldc;                      /* floats from pixel to pixel of y */
    const struct npi_sink *sink; int tile_cols; size_t tile_at; /* NULL: none; columns of the widest block; where the tile lies in scratch, behind it what the sink needs */
};

/* Returns 1 (the step is filled in) or NP_ENOMEM. c lies in b->mem. */
int npi_conv_f32_step(struct npi_binder *b, struct npi_conv_f32 *c, struct npi_step *s);
/* Pointers to the rows of A for m pixels from m0 on: rows[taps][m_tile]. in: x, from the first channel of the group on. copies: where windows that stick out go (m_tile windows; RUNS only). */
void npi_conv_f32_rows(const struct npi_conv_f32 *c, const float *in, size_t m0, int m, const float **rows, float *copies);
/* May y take the memory of residual `res` in a product of x? */
int npi_conv_f32_over_residual(const struct npi_binder *b, const struct npi_kact_f32 *act, int res_before_act, int res, int x);
struct npi_kact_f32 npi_bind_act(const struct npi_act *a);
/* 1 when the two tensors may share memory (one is a Reshape of the other, or they are the same). */
int npi_bind_same_memory(const struct npi_binder *b, int t, int u);
/* Is tensor t a constant of type f32? Data or NULL. */
const float *npi_bind_const_f32(const struct npi_binder *b, int t);
/* All dims positive, and small enough for int arithmetic on one of them and size_t on their product in bytes? */
int npi_bind_dims_ok(const struct npi_view *v);
/* Conv2D or FullyConnected in f32 with constant weights (and bias), a residual of the output's shape if any, dims that the steps can count? */
int npi_bind_is_product_f32(const struct npi_binder *b, const struct npi_node *n);
#endif
