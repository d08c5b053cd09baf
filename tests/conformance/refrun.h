/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a graph with the C references, node by node: no passes, no plan. For the conformance tests. */
#ifndef TESTS_REFRUN_H
#define TESTS_REFRUN_H
#include "ops/ops.h"

/* input[i]: bytes of graph input i. Afterwards the data of output i is g->tensor[g->output[i]].v.data; everything lives in
 * `mem`. The graph is spoilt for other uses (every tensor looks like a constant). */
int refrun(struct npi_graph *g, struct npi_arena *mem, const void *const *input, struct np_error *err);
#endif
