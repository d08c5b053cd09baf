/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's first step: from counters of the pipeline to what one run of each stage costs. Of controller.c only; no locks, no allocations. */
#ifndef NPI_TUNE_MEASURE_H
#define NPI_TUNE_MEASURE_H
#include "tune/controller.h"

void npi_ring_push(struct npi_ring *r, double v);
double npi_ring_median(const struct npi_ring *r); /* 0 when there is nothing in it */
/* For what must not be exceeded: the median, or worse (sign 1: more is worse, -1: less is) when two ticks in a row say so. One tick is not believed. */
double npi_ring_cautious(const struct npi_ring *r, double sign);
double npi_ring_least_of_last(const struct npi_ring *r, int n);

/* What came since the last tick, into the rings, the costs and the rates of `c`. c->last is not moved on. */
void npi_controller_measure(struct npi_controller *c, int64_t now, const struct npi_load *l);
/* The rates alone: where counting begins, or begins anew. */
void npi_controller_measure_rate(struct npi_controller *c, int64_t now, const struct npi_load *l);

static inline double npi_since_s(int64_t now, int64_t then) { return then < 0 ? 1e9 : (double)(now - then) / 1e9; }
#endif
