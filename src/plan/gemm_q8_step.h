/* SPDX-License-Identifier: Apache-2.0 */
/* The step that quantized Conv2D and FullyConnected share: an implicit GEMM over tiles of 48 output pixels.
 *
 *   task = (run of tiles) x (block of panels):   for each tile   scratch <- the pixels' windows, one row of k elements a pixel
 *                                                                for each panel of the block   kernel(tile, panel) -> y
 *
 * Copying windows costs about 1/n of the products and makes padding, odd channel counts and types the business of one place. */
#ifndef NPI_PLAN_GEMM_Q8_STEP_H
#define NPI_PLAN_GEMM_Q8_STEP_H
#include "plan/sink.h"

struct npi_gemm_q8_job {
    const struct npi_view *x, *w, *b, *y; /* b may be NULL; w [n][k] in memory */
    int x_id, y_id;
    int64_t n, k;              /* output channels, elements of a window */
    int64_t batch, h, wd, ci, oh, ow; /* x [batch][h][wd][ci], y [batch][oh][ow][n] */
    struct npi_window win;
    const struct npi_act *act;
};

/* Are the types, quantization and activation something the integer kernels do? (x, w, y 8-bit, x and y per tensor, constants constant) */
int npi_q8_takes(const struct npi_view *x, const struct npi_view *w, const struct npi_view *b, const struct npi_view *y, const struct npi_act *act, int64_t channels);
/* Bias as int32 and requantization factors, in arena memory. 1; 0 when sums of k products or what they are scaled to could leave int32 (the
 * kernels do not look); or NP_ENOMEM. */
int npi_q8_factors(struct npi_binder *b, const struct npi_view *x, const struct npi_view *w, const struct npi_view *bias, const struct npi_view *y, int64_t n, int64_t k,
                   int32_t **bias_out, float **scale_out);
/* Output side of the kernels, in signed bytes. */
struct npi_q8_out npi_q8_out_of(const struct npi_act *act, const struct npi_view *y);
/* 1, 0 (not mine) or negative, as a binder. */
int npi_gemm_q8_step(struct npi_binder *b, const struct npi_gemm_q8_job *j, struct npi_step *s);
#endif
