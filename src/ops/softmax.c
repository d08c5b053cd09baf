/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax, LogSoftmax, Hardmax along one axis (a.norm.axis, negative counts from the end); SoftBins. f32; sums in double. */
#include <math.h>

#include "ops/families.h"
#include "ops/quantize.h"

static int axis_of(const struct npi_op_args *a) {
    const int axis = a->node->a.norm.axis;
    return axis < 0 ? axis + a->in[0]->rank : axis;
}

static int infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    struct npi_view *y = a->out[0];
    const int axis = axis_of(a);
    if (x->dtype != NP_F32) return npi_fail(err, NP_EUNSUPPORTED, "input of type %s, f32 is supported", np_dtype_name(x->dtype));
    if (axis < 0 || axis >= x->rank) return npi_fail(err, NP_ESHAPE, "axis %d of an input of rank %d", a->node->a.norm.axis, x->rank);
    y->dtype = NP_F32;
    y->rank = x->rank;
    for (int i = 0; i < x->rank; i++) y->d[i] = x->d[i];
    return 0;
}

static void row(int op, const float *x, float *y, int64_t n, int64_t step) {
    float top = -INFINITY;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++)
        if (x[i * step] > top) top = x[i * step], at = i;
    if (op == NPI_OP_HARDMAX) {
        for (int64_t i = 0; i < n; i++) y[i * step] = i == at;
        return;
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i * step] - top);
    const double inv = 1 / sum, log_sum = log(sum);
    for (int64_t i = 0; i < n; i++) {
        const double v = (double)x[i * step] - top;
        y[i * step] = (float)(op == NPI_OP_SOFTMAX ? exp(v) * inv : v - log_sum);
    }
}

static void eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0];
    const int axis = axis_of(a);
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < axis; i++) outer *= x->d[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= x->d[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const int64_t at = o * x->d[axis] * inner + i;
            row(a->node->op, (const float *)x->data + at, (float *)a->out[0]->data + at, x->d[axis], inner);
        }
}

/* SoftBins: [b][h][w][joints * bins] -> [b][h][w][joints][3], what a soft-argmax needs of the bins of a joint: the maximum, the sum of e^(x - max),
 * the sum of bin * e^(x - max). The loader puts it where the head of the card takes no more of the volume than this (backend/model.c). */
static int infer_bins(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    struct npi_view *y = a->out[0];
    const int bins = a->node->a.bins.bins;
    if (x->dtype != NP_F32 && !npi_q_is(x)) return npi_fail(err, NP_EUNSUPPORTED, "input of type %s", np_dtype_name(x->dtype));
    if (x->q.n > 1) return npi_fail(err, NP_EUNSUPPORTED, "input quantized per channel");
    if (x->rank != 4 || bins < 1 || x->d[3] % bins) return npi_fail(err, NP_ESHAPE, "%lld channels are not joints of %d bins", (long long)(x->rank ? x->d[x->rank - 1] : 0), bins);
    *y = (struct npi_view){ .dtype = NP_F32, .rank = 5, .d = { x->d[0], x->d[1], x->d[2], x->d[3] / bins, 3 } };
    return 0;
}

static void eval_bins(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0];
    const int64_t bins = a->node->a.bins.bins, n = npi_view_count(x) / bins;
    float *y = a->out[0]->data;
    for (int64_t r = 0; r < n; r++, y += 3) {
        double top = -INFINITY, sum = 0, sum_i = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t i = 0; i < bins; i++) {
                const double v = x->dtype == NP_F32 ? (double)((const float *)x->data)[r * bins + i]
                                                    : (double)npi_dequantize(npi_get_int(x->data, x->dtype, r * bins + i), npi_q_scale(x, 0), npi_q_zero(x, 0));
                if (pass) sum += exp(v - top), sum_i += (double)i * exp(v - top);
                else if (v > top) top = v;
            }
        y[0] = (float)top;
        y[1] = (float)sum;
        y[2] = (float)sum_i;
    }
}

static const struct npi_op_def defs[] = {
    { NPI_OP_SOFTMAX, infer, eval, NULL, NPI_OPF_INPLACE },
    { NPI_OP_LOG_SOFTMAX, infer, eval, NULL, NPI_OPF_INPLACE },
    { NPI_OP_HARDMAX, infer, eval, NULL, NPI_OPF_INPLACE },
    { NPI_OP_SOFT_BINS, infer_bins, eval_bins, NULL, NPI_OPF_QUANT },
};
const struct npi_op_family npi_ops_softmax = { defs, sizeof defs / sizeof *defs };
