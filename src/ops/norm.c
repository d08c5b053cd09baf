/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisations over f32; sums in double, variances in two passes.
 *
 *   LayerNorm  over the axes from `axis` to the end: (x - mean) / sqrt(var + eps) * scale + bias; outputs 1, 2: mean, 1/sqrt(var + eps),
 *              with the normalised dims as 1.  RMSNorm: x / sqrt(mean(x^2) + eps) * scale. scale, bias: the normalised dims, or one value.
 *   GroupNorm  [n][c][...], groups of c/groups channels; scale, bias [c]. Instance norm: groups = c.
 *   LpNorm     x / |x|_p over `axis`, p = groups; where the norm is 0 the result is 0
 *   LRN        [n][c][...]: x / (bias + alpha/size * sum over the channel window of x^2)^beta, size = groups */
#include <math.h>

#include "ops/families.h"

static int norm_axis(const struct npi_op_args *a) {
    const int axis = a->node->a.norm.axis;
    return axis < 0 ? axis + a->in[0]->rank : axis;
}

static int same(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    struct npi_view *y = a->out[0];
    for (int i = 0; i < a->n_in && i < 3; i++)
        if (a->in[i] && a->in[i]->dtype != NP_F32) return npi_fail(err, NP_EUNSUPPORTED, "input %d is %s, f32 is supported", i, np_dtype_name(a->in[i]->dtype));
    y->dtype = NP_F32;
    y->rank = x->rank;
    for (int i = 0; i < x->rank; i++) y->d[i] = x->d[i];
    return 0;
}

static int64_t tail(const struct npi_view *x, int axis) {
    int64_t n = 1;
    for (int i = axis; i < x->rank; i++) n *= x->d[i];
    return n;
}

static int layer_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    const int axis = norm_axis(a), r = same(a, err);
    if (r < 0) return r;
    if (axis < 0 || axis >= x->rank) return npi_fail(err, NP_ESHAPE, "axis %d of an input of rank %d", a->node->a.norm.axis, x->rank);
    const int64_t n = tail(x, axis);
    for (int i = 1; i < a->n_in && i < 3; i++) {
        if (!a->in[i]) continue;
        const int64_t m = npi_view_count(a->in[i]);
        if (m != n && m != 1) return npi_fail(err, NP_ESHAPE, "%s has %lld values, %lld are normalised together", i == 1 ? "scale" : "bias", (long long)m, (long long)n);
    }
    for (int i = 1; i < a->n_out && i < 4; i++) {
        if (!a->out[i]) continue;
        a->out[i]->dtype = NP_F32;
        a->out[i]->rank = x->rank;
        for (int k = 0; k < x->rank; k++) a->out[i]->d[k] = k < axis ? x->d[k] : 1;
    }
    return 0;
}

static float param(const struct npi_op_args *a, int i, int64_t at, float none) {
    const struct npi_view *v = i < a->n_in ? a->in[i] : NULL;
    return !v ? none : ((const float *)v->data)[npi_view_count(v) == 1 ? 0 : at];
}

static void layer_eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0];
    const int64_t n = tail(x, norm_axis(a)), rows = n ? npi_view_count(x) / n : 0;
    const int rms = a->node->op == NPI_OP_RMS_NORM;
    for (int64_t r = 0; r < rows; r++) {
        const float *p = (const float *)x->data + r * n;
        float *y = (float *)a->out[0]->data + r * n;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < n && !rms; i++) mean += p[i];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++) var += (p[i] - mean) * (p[i] - mean);
        const double inv = 1 / sqrt(var / (double)n + a->node->a.norm.eps);
        for (int64_t i = 0; i < n; i++) y[i] = (float)((p[i] - mean) * inv * param(a, 1, i, 1) + (rms ? 0 : param(a, 2, i, 0)));
        if (a->n_out > 1 && a->out[1]) ((float *)a->out[1]->data)[r] = (float)mean;
        if (a->n_out > 2 && a->out[2]) ((float *)a->out[2]->data)[r] = (float)inv;
    }
}

static int group_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    const int g = a->node->a.norm.groups, r = same(a, err);
    if (r < 0) return r;
    if (x->rank < 2 || g < 1 || x->d[1] % g) return npi_fail(err, NP_ESHAPE, "%lld channels in %d groups, rank %d", x->rank < 2 ? 0ll : (long long)x->d[1], g, x->rank);
    for (int i = 1; i < a->n_in && i < 3; i++)
        if (a->in[i] && npi_view_count(a->in[i]) != x->d[1])
            return npi_fail(err, NP_ESHAPE, "%s has %lld values for %lld channels", i == 1 ? "scale" : "bias", (long long)npi_view_count(a->in[i]), (long long)x->d[1]);
    return 0;
}

static void group_eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0];
    const int64_t area = tail(x, 2), per = x->d[1] / a->node->a.norm.groups, n = per * area, blocks = n ? npi_view_count(x) / n : 0;
    for (int64_t b = 0; b < blocks; b++) {
        const float *p = (const float *)x->data + b * n;
        float *y = (float *)a->out[0]->data + b * n;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < n; i++) mean += p[i];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++) var += (p[i] - mean) * (p[i] - mean);
        const double inv = 1 / sqrt(var / (double)n + a->node->a.norm.eps);
        for (int64_t i = 0; i < n; i++) {
            const int64_t c = (b * per + i / area) % x->d[1];
            y[i] = (float)((p[i] - mean) * inv * param(a, 1, c, 1) + param(a, 2, c, 0));
        }
    }
}

static int lp_infer(const struct npi_op_args *a, struct np_error *err) {
    const int axis = norm_axis(a), p = a->node->a.norm.groups, r = same(a, err);
    if (r < 0) return r;
    if (axis < 0 || axis >= a->in[0]->rank) return npi_fail(err, NP_ESHAPE, "axis %d of an input of rank %d", a->node->a.norm.axis, a->in[0]->rank);
    return p == 1 || p == 2 ? 0 : npi_fail(err, NP_EUNSUPPORTED, "p is %d; 1 and 2 are supported", p);
}

static void lp_eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0];
    const int axis = norm_axis(a), p = a->node->a.norm.groups;
    const int64_t inner = tail(x, axis + 1), n = x->d[axis], outer = inner && n ? npi_view_count(x) / (inner * n) : 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const float *q = (const float *)x->data + o * n * inner + i;
            float *y = (float *)a->out[0]->data + o * n * inner + i;
            double s = 0;
            for (int64_t k = 0; k < n; k++) s += p == 1 ? fabs((double)q[k * inner]) : (double)q[k * inner] * q[k * inner];
            if (p == 2) s = sqrt(s);
            for (int64_t k = 0; k < n; k++) y[k * inner] = s > 0 ? (float)(q[k * inner] / s) : 0;
        }
}

static int lrn_infer(const struct npi_op_args *a, struct np_error *err) {
    const int r = same(a, err);
    if (r < 0) return r;
    if (a->in[0]->rank < 2) return npi_fail(err, NP_ESHAPE, "input of rank %d, at least 2 is needed", a->in[0]->rank);
    return a->node->a.norm.groups < 1 ? npi_fail(err, NP_EINVAL, "size is %d, must be positive", a->node->a.norm.groups) : 0;
}

static void lrn_eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0];
    const float alpha = a->node->a.norm.alpha, beta = a->node->a.norm.beta, bias = a->node->a.norm.bias;
    const int64_t size = a->node->a.norm.groups, ch = x->d[1], area = tail(x, 2);
    for (int64_t n = 0; n < x->d[0]; n++)
        for (int64_t c = 0; c < ch; c++) {
            const int64_t c0 = c - (size - 1) / 2 > 0 ? c - (size - 1) / 2 : 0, c1 = c + size / 2 < ch - 1 ? c + size / 2 : ch - 1;
            for (int64_t i = 0; i < area; i++) {
                const float *p = (const float *)x->data + n * ch * area + i;
                double s = 0;
                for (int64_t k = c0; k <= c1; k++) s += (double)p[k * area] * p[k * area];
                ((float *)a->out[0]->data)[(n * ch + c) * area + i] = (float)(p[c * area] / pow(bias + alpha / (double)size * s, beta));
            }
        }
}

static const struct npi_op_def defs[] = {
    { NPI_OP_LAYER_NORM, layer_infer, layer_eval, NULL, 0 }, { NPI_OP_RMS_NORM, layer_infer, layer_eval, NULL, 0 },
    { NPI_OP_GROUP_NORM, group_infer, group_eval, NULL, 0 }, { NPI_OP_LP_NORM, lp_infer, lp_eval, NULL, 0 },
    { NPI_OP_LRN, lrn_infer, lrn_eval, NULL, 0 },
};
const struct npi_op_family npi_ops_norm = { defs, sizeof defs / sizeof *defs };
