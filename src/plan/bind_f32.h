/* SPDX-License-Identifier: Apache-2.0 */
/* The f32 binders of convolutions and products (plan.h says what a binder is). */
#ifndef NPI_PLAN_BIND_F32_H
#define NPI_PLAN_BIND_F32_H
#include "plan/plan.h"

int npi_bind_conv_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* CONV2D */
int npi_bind_dw_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);   /* DWCONV2D */
int npi_dw_f32_takes(const struct npi_binder *b, const struct npi_node *n);
int npi_bind_fc_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);   /* FULLY_CONNECTED, MATMUL */
#endif
