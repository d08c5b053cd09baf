/* SPDX-License-Identifier: Apache-2.0 */
/* The binders of pooling and resizing. */
#ifndef NPI_PLAN_BIND_SPATIAL_H
#define NPI_PLAN_BIND_SPATIAL_H
#include "plan/plan.h"
int npi_bind_pool(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);   /* MaxPool2D, AveragePool2D, f32 */
int npi_pool_takes(const struct npi_binder *b, const struct npi_node *n);
int npi_bind_resize(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* nearest of any type; bilinear f32 and 8-bit */
int npi_resize_takes_nearest(const struct npi_binder *b, const struct npi_node *n);
#endif
