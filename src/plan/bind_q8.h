/* SPDX-License-Identifier: Apache-2.0 */
/* The binders of 8-bit quantized ops. All give what the C references give, to the bit for products, to one step for Add and Mul. */
#ifndef NPI_PLAN_BIND_Q8_H
#define NPI_PLAN_BIND_Q8_H
#include "plan/plan.h"
int npi_bind_conv_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_dw_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_fc_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_add_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_map_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_pool_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
#endif
