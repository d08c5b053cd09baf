/* SPDX-License-Identifier: Apache-2.0 */
/* All passes, one line each. Returns as struct npi_pass: > 0 changed, 0 nothing to do, < 0 error. */
#ifndef NPI_PASS_PASSES_H
#define NPI_PASS_PASSES_H
#include "ir/graph.h"
int npi_pass_dce(struct npi_graph *g, struct np_error *err);
int npi_pass_idiom(struct npi_graph *g, struct np_error *err);   /* Gelu, Mish, LayerNorm that are spelled out */
int npi_pass_layout(struct npi_graph *g, struct np_error *err);  /* channels-last: sinks and cancels transposes */
int npi_pass_affine(struct npi_graph *g, struct np_error *err);  /* per-channel Mul/Add (batch norm) into convolutions */
int npi_pass_fuse_act(struct npi_graph *g, struct np_error *err);/* x*sigmoid(x), hard-swish; activations behind convolutions */
int npi_pass_fuse_add(struct npi_graph *g, struct np_error *err);/* residual adds, zero pads, MatMul + bias */
int npi_pass_slice(struct npi_graph *g, struct np_error *err);   /* what a Slice throws away is not computed */
int npi_pass_focus(struct npi_graph *g, struct np_error *err);   /* slices + concat + convolution: one strided convolution */
int npi_pass_maxpool(struct npi_graph *g, struct np_error *err); /* max pools of several sizes: the larger reads the smaller */
int npi_pass_qdq(struct npi_graph *g, struct np_error *err);     /* Dequantize -> op -> Quantize: the op on integers */
#endif
