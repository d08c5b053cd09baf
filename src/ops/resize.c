/* SPDX-License-Identifier: Apache-2.0 */
/* Resize, any rank: nearest, linear, cubic (ONNX Resize-19; the tables of ops/resize_taps.c).
 *
 * Linear and cubic are products of the axes' weights, summed in double over all taps. Nearest moves elements of any type.
 * 8-bit bilinear over axes 1, 2 of rank 4 is integer arithmetic, the specification of the SIMD kernels:
 *   fy, fx = weight of the lower / right tap in 1/1024
 *   v = (1024-fy) * ((1024-fx)*x00 + fx*x01) + fy * ((1024-fx)*x10 + fx*x11)                    in 2^-20 units
 *   y = (v + 2^19) >> 20, or when input and output differ in scale or zero: requant(v - (zx << 20), sx/sy * 2^-20) */
#include "ops/families.h"
#include "ops/quantize.h"
#include "ops/resize_taps.h"

static int infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    struct npi_view *y = a->out[0];
    const struct npi_node *node = a->node;
    if (node->a.resize.mode != NPI_RESIZE_NEAREST && x->dtype != NP_F32 && x->dtype != NP_I8 && x->dtype != NP_U8 && x->dtype != NP_I16 && x->dtype != NP_I32)
        return npi_fail(err, NP_EUNSUPPORTED, "interpolation of %s", np_dtype_name(x->dtype));
    for (int i = 0; i < x->rank; i++)
        if (x->d[i] < 1 || node->a.resize.size[i] < 1)
            return npi_fail(err, NP_ESHAPE, "axis %d from %lld to %lld", i, (long long)x->d[i], (long long)node->a.resize.size[i]);
    y->rank = x->rank;
    for (int i = 0; i < x->rank; i++) y->d[i] = node->a.resize.size[i];
    if (npi_q_is(x)) {
        const int e = npi_q_check(x, 1, "input", err);
        if (e < 0) return e;
        if (x->q.n != 1) return npi_fail(err, NP_EUNSUPPORTED, "input quantized per channel");
        if (!npi_q_is(y)) y->q = x->q, y->dtype = x->dtype;
        if (y->q.n != 1) return npi_fail(err, NP_EUNSUPPORTED, "output quantized per channel");
        const int f = npi_q_check(y, 1, "output", err);
        if (f < 0) return f;
    } else y->dtype = x->dtype;
    for (int i = 0; i < x->rank; i++) {
        size_t n;
        if (npi_mul_overflow((size_t)y->d[i], (size_t)npi_resize_n_taps(node, x, y, i), &n) || n > (size_t)1 << 24)
            return npi_fail(err, NP_ELIMIT, "axis %d from %lld to %lld takes too large a table", i, (long long)x->d[i], (long long)y->d[i]);
    }
    return 0;
}

/* Dims behind the last axis that changes: moved as one block. Integer bilinear always takes axes 0..2 by table. */
static int inner_axis(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    if (npi_resize_is_bilinear_int(a->node, x, y)) return 3;
    int k = x->rank;
    while (k > 0 && npi_resize_stays(a->node, x, y, k - 1)) k--;
    return k;
}
static int64_t inner_count(const struct npi_op_args *a) {
    int64_t n = 1;
    for (int i = inner_axis(a); i < a->in[0]->rank; i++) n *= a->in[0]->d[i];
    return n;
}

/* Tables of every axis that is not inner, then one row of sums. */
static size_t scratch(const struct npi_op_args *a) {
    size_t n = (size_t)inner_count(a) * sizeof(double);
    for (int i = 0; i < inner_axis(a); i++)
        n += (size_t)a->out[0]->d[i] * (size_t)npi_resize_n_taps(a->node, a->in[0], a->out[0], i) * (sizeof(int64_t) + sizeof(double));
    return n;
}

int npi_resize_is_bilinear_int(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y) {
    const int shrinks = node->a.resize.antialias && (y->d[1] < x->d[1] || y->d[2] < x->d[2]);
    return npi_q_is(x) && npi_q_is(y) && (x->dtype == NP_I8 || x->dtype == NP_U8) && y->dtype == x->dtype && x->rank == 4 && node->a.resize.mode == NPI_RESIZE_LINEAR &&
           !shrinks && !node->a.resize.exclude_outside && node->a.resize.coord != NPI_COORD_TF_CROP_AND_RESIZE && npi_resize_stays(node, x, y, 0) && npi_resize_stays(node, x, y, 3);
}

static double load(const struct npi_view *v, int64_t i) {
    return v->dtype == NP_F32 ? (double)((const float *)v->data)[i] : (double)npi_get_int(v->data, v->dtype, i);
}

/* s: a value in units of the input. */
static void store(const struct npi_op_args *a, int64_t i, double s) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    if (y->dtype == NP_F32) {
        ((float *)y->data)[i] = (float)s;
        return;
    }
    int32_t lo, hi;
    npi_q_range(y->dtype, &lo, &hi);
    const int q = npi_q_is(x) && npi_q_is(y);
    const double m = q ? npi_requant_scale_wide(npi_q_scale(x, 0), 1, npi_q_scale(y, 0)) : 1;
    npi_set_int(y->data, y->dtype, i, npi_requant_wide((s - (q ? npi_q_zero(x, 0) : 0)) * m, q ? npi_q_zero(y, 0) : 0, lo, hi));
}

static void bilinear_int(const struct npi_op_args *a, const struct npi_resize_axis *t) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    const int64_t ch = x->d[3], pixels = y->d[0] * y->d[1] * y->d[2];
    const int same = npi_q_same(x, y);
    const float m = (float)((double)npi_q_scale(x, 0) / npi_q_scale(y, 0) / (1 << 20));
    int32_t lo, hi;
    npi_q_range(y->dtype, &lo, &hi);
    for (int64_t p = 0; p < pixels; p++) {
        const int64_t n = p / (y->d[1] * y->d[2]), oy = p / y->d[2] % y->d[1], ox = p % y->d[2];
        const int64_t *iy = t[1].index + oy * t[1].n, *ix = t[2].index + ox * t[2].n;
        const int fy = t[1].n > 1 ? npi_resize_frac(t[1].weight[oy * 2 + 1]) : 0, fx = t[2].n > 1 ? npi_resize_frac(t[2].weight[ox * 2 + 1]) : 0;
        const int64_t r0 = (n * x->d[1] + iy[0]) * x->d[2], r1 = (n * x->d[1] + iy[t[1].n - 1]) * x->d[2], c0 = ix[0], c1 = ix[t[2].n - 1];
        for (int64_t c = 0; c < ch; c++) {
            const int v00 = (int)npi_get_int(x->data, x->dtype, (r0 + c0) * ch + c), v01 = (int)npi_get_int(x->data, x->dtype, (r0 + c1) * ch + c);
            const int v10 = (int)npi_get_int(x->data, x->dtype, (r1 + c0) * ch + c), v11 = (int)npi_get_int(x->data, x->dtype, (r1 + c1) * ch + c);
            const int32_t v = (1024 - fy) * ((1024 - fx) * v00 + fx * v01) + fy * ((1024 - fx) * v10 + fx * v11);
            const int32_t q = same ? (v + (1 << 19)) >> 20 : npi_requant(v - npi_q_zero(x, 0) * (1 << 20), m, npi_q_zero(y, 0), lo, hi);
            npi_set_int(y->data, y->dtype, p * ch + c, q);
        }
    }
}

/* Adds weight * row for every combination of taps at output coordinate `at` of the outer axes. */
static void blend(const struct npi_op_args *a, const struct npi_resize_axis *t, const int64_t *at, int outer, int64_t inner, double *sum) {
    const struct npi_view *x = a->in[0];
    int tap[NP_MAX_RANK] = { 0 };
    for (int64_t i = 0; i < inner; i++) sum[i] = 0;
    for (;;) {
        int64_t row = 0;
        double w = 1;
        for (int i = 0; i < outer; i++) {
            const int64_t k = at[i] * t[i].n + tap[i];
            row = row * x->d[i] + t[i].index[k];
            w *= t[i].weight[k];
        }
        if (w != 0)
            for (int64_t i = 0; i < inner; i++) sum[i] += w * load(x, row * inner + i);
        int i = outer - 1;
        while (i >= 0 && ++tap[i] == t[i].n) tap[i--] = 0;
        if (i < 0) return;
    }
}

/* Same type and parameters, one tap: the row moves as bytes. */
static int moves(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    return a->node->a.resize.mode == NPI_RESIZE_NEAREST && (!npi_q_is(x) || npi_q_same(x, y));
}

static void eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    const int outer = inner_axis(a), move = moves(a);
    const int64_t inner = inner_count(a), rows = npi_view_count(y) / inner;
    struct npi_resize_axis t[NP_MAX_RANK];
    char *p = a->scratch;
    for (int i = 0; i < outer; i++) {
        const size_t n = (size_t)y->d[i] * (size_t)npi_resize_n_taps(a->node, x, y, i);
        t[i] = (struct npi_resize_axis){ npi_resize_n_taps(a->node, x, y, i), (int64_t *)(void *)p, (double *)(void *)(p + n * sizeof(int64_t)) };
        npi_resize_fill(a->node, x, y, i, &t[i]);
        p += n * (sizeof(int64_t) + sizeof(double));
    }
    if (npi_resize_is_bilinear_int(a->node, x, y)) {
        bilinear_int(a, t);
        return;
    }
    const size_t size = np_dtype_size(x->dtype);
    for (int64_t r = 0; r < rows; r++) {
        int64_t at[NP_MAX_RANK], rest = r, row = 0;
        int out_of_range = 0;
        for (int i = outer - 1; i >= 0; i--) at[i] = rest % y->d[i], rest /= y->d[i];
        for (int i = 0; i < outer; i++) {
            const int64_t k = t[i].index[at[i] * t[i].n];
            if (k < 0) out_of_range = 1;
            row = row * x->d[i] + k;
        }
        if (out_of_range) {
            const float e = a->node->a.resize.extrapolation;
            for (int64_t i = 0; i < inner; i++) store(a, r * inner + i, npi_q_is(x) ? e / npi_q_scale(x, 0) + npi_q_zero(x, 0) : e);
        } else if (move) {
            memcpy((char *)y->data + (size_t)(r * inner) * size, (const char *)x->data + (size_t)(row * inner) * size, (size_t)inner * size);
        } else {
            double *sum = (double *)(void *)p;
            blend(a, t, at, outer, inner, sum);
            for (int64_t i = 0; i < inner; i++) store(a, r * inner + i, sum[i]);
        }
    }
}

static const struct npi_op_def defs[] = { { NPI_OP_RESIZE, infer, eval, scratch, NPI_OPF_QUANT } };
const struct npi_op_family npi_ops_resize = { defs, 1 };
