/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and fully connected layers as steps over kernel/gemm_bf16.h; the geometry and the rows are those of conv_f32_step.h.
 *
 *   task = (tile of pixels) x (run of panels) x group:   scratch <- row pointers <- x;   scratch <- their values in bf16;   y <- product, bias, residual, activation */
#ifndef NPI_PLAN_CONV_BF16_STEP_H
#define NPI_PLAN_CONV_BF16_STEP_H
#include "plan/conv_f32_step.h"

/* Is this product one for bf16, by the table's product_parts and its shape? c: after choose_rows. */
int npi_conv_bf16_takes(const struct npi_binder *b, const struct npi_conv_f32 *c);
/* Returns 1 (the step is filled in) or NP_ENOMEM. c is copied. */
int npi_conv_bf16_step(struct npi_binder *b, const struct npi_conv_f32 *c, struct npi_step *s);
#endif
