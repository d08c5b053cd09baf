/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_PLAN_CHOOSE_H
#define NPI_PLAN_CHOOSE_H
#include "plan/plan.h"
/* Binds one node: 1, or a negative error. reference_only skips all but the generic binder. */
int npi_choose(struct npi_binder *b, const struct npi_node *n, int reference_only, struct npi_step *s);
#endif
