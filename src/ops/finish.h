/* SPDX-License-Identifier: Apache-2.0 */
/* What the convolution family does behind the sum of products: bias, scale or requantization, residual, activation.
 * Each op fills `acc` (one output pixel, all channels) and calls npi_finish_pixel.
 *
 *   f32:        y = act(acc + bias) + residual, or act(acc + bias + residual) when node->res_before_act
 *   quantized:  see ops/quantize.h; a residual adds (r - zr) * (float)(sr / sy) before rounding
 *   quantized in, no quantization on the output: y = (float)acc * (float)(sx * sw[c]), then as f32 */
#ifndef NPI_OPS_FINISH_H
#define NPI_OPS_FINISH_H
#include "ops/ops.h"

struct npi_finish {
    const struct npi_op_args *a;
    int quant;                 /* operands are integers */
    int wide;                  /* int16 activations: int64 sums, double scales */
    int64_t co;
    double *acc;               /* [co], f32 operands */
    int64_t *iacc;             /* [co], the same memory, integers */
    double *m;                 /* [co] requantization factors; hold floats unless wide */
    int32_t lo, hi, zy;
    float res_scale;
};

/* Types of x, w, bias, residual and output of a product op with `co` output channels; out[0]'s dims are set. Sets out[0]->dtype.
 * waxis: the axis of w that runs over output channels. */
int npi_finish_infer(const struct npi_op_args *a, int64_t co, int waxis, struct np_error *err);
size_t npi_finish_scratch(int64_t co);
void npi_finish_init(struct npi_finish *f, const struct npi_op_args *a, int64_t co);
void npi_finish_pixel(const struct npi_finish *f, int64_t pixel);

/* Sum of (x[i] - zx) * (w[i] - zw): int32 that wraps for 8-bit x, int64 for 16-bit. */
typedef int64_t (*npi_dot_fn)(const void *x, int64_t x0, int32_t zx, const void *w, int64_t w0, int32_t zw, int64_t n);
npi_dot_fn npi_dot_for(int x_dtype, int w_dtype); /* NULL: no such pair */
/* Adds to an accumulator as the family does: wraps at 32 bits unless wide. */
static inline int64_t npi_finish_add(int wide, int64_t acc, int64_t v) {
    return wide ? (int64_t)((uint64_t)acc + (uint64_t)v) : (int32_t)((uint32_t)acc + (uint32_t)v);
}
#endif
