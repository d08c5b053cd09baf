/* SPDX-License-Identifier: Apache-2.0 */
/* How importers and passes add a node: append, infer shapes at once, fold at once when all inputs are constants.
 *
 *   struct npi_node n = { .op = NPI_OP_CONV2D, .name = "stem" };  n.a.conv… = …;
 *   int y = npi_build1(g, &n, (int[]){ x, w, b }, 3, err);        // tensor number or negative NP_E…
 *
 * Messages name the node and the file. Never folded: Dequantize of 8, 16 and 32-bit integers (the q/dq pass wants the
 * integers), and results larger than 16 MiB that are bigger than all inputs together. */
#ifndef NPI_OPS_BUILD_H
#define NPI_OPS_BUILD_H
#include "ops/ops.h"

/* Adds node `proto` (op, name, a, act are read) with inputs `in` (-1 = absent). out_name / out_q may be NULL; out_q sets the quantization of out 0 before
 * inference. Writes n_out tensor numbers to `out`. Returns 0 or negative. */
int npi_build(struct npi_graph *g, const struct npi_node *proto, const int *in, int n_in, int *out, int n_out, const char *const *out_name,
              const struct npi_view *out_hint, struct np_error *err);
/* One output; returns its tensor number, or negative. */
int npi_build1(struct npi_graph *g, const struct npi_node *proto, const int *in, int n_in, struct np_error *err);
/* Transpose / Reshape in one line. */
int npi_build_transpose(struct npi_graph *g, const char *name, int x, const int *perm, struct np_error *err);
int npi_build_reshape(struct npi_graph *g, const char *name, int x, int rank, const int64_t *dims, struct np_error *err);
#endif
