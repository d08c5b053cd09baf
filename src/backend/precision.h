/* SPDX-License-Identifier: Apache-2.0 */
/* What a loaded model computes in, in words, and what to say when that is not what was asked for. plan/compute.h decides. */
#ifndef NPI_BACKEND_PRECISION_H
#define NPI_BACKEND_PRECISION_H
#include "backend/model.h"
#include "plan/compute.h"

/* Is `precision` (np_settings) one that we know? NP_EINVAL with a line if not. */
int npi_precision_check(const char *precision, struct np_error *err);
/* 1: `precision` leaves the choice to us, and bf16 pays on what `isa` leaves of this processor. *want: what to load with then. */
int npi_precision_may_be_bf16(const char *precision, const char *isa, const char **want);
/* Fills in m->precision from the plan. */
void npi_precision_describe(struct np_model *m, int emulated);
/* A warning when m does not compute in what was asked for; `instead` as npi_compute_choose gave it. */
void npi_precision_tell(const struct np_model *m, const struct npi_compute *c, const char *instead, const struct np_logger *log);
#endif
