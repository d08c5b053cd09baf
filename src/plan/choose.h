/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_PLAN_CHOOSE_H
#define NPI_PLAN_CHOOSE_H
#include "plan/plan.h"
/* Binds one node: 1, or a negative error. reference_only skips all but the generic binder. */
int npi_choose(struct npi_binder *b, const struct npi_node *n, int reference_only, struct npi_step *s);
/* May input 0 of n be a slice of a wider tensor (npi_binder.ldx)? Then one of the binders takes n as it is. */
int npi_reads_slice(const struct npi_binder *b, const struct npi_node *n);
/* May the step of n write its output as a slice (npi_binder.ld)? */
int npi_writes_slice(const struct npi_binder *b, const struct npi_node *n);
#endif
