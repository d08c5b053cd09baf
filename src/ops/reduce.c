/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions over a set of axes, and ArgMax / ArgMin over one.
 *
 *   Reduce    a.reduce.kind, axes (bit mask, bit i = axis i; 0: every element by itself), keepdims. Sums in double, or in
 *             64-bit integers that wrap. Over nothing: Sum, L1, L2, SumSquare 0; Prod 1; LogSum, LogSumExp -inf; Mean NaN
 *             (integers 0); Max the lowest value of the dtype (-inf), Min the highest; Any 0, All 1. NaN spreads.
 *   ArgMax    a.reduce.axis (negative: from the end), keepdims, select_last (last of equals instead of the first), out_dtype:
 *             NP_I32, NP_U32 or NP_I64; anything else means NP_I64. The first NaN wins, as in numpy. Quantized inputs are
 *             compared by their integers, which is the same order. */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"

struct acc { double f, m; uint64_t i; int64_t n; }; /* m: the largest, for LogSumExp */

static double lowest(int dtype, int high) {
    switch (dtype) {
    case NP_I8: return high ? INT8_MAX : INT8_MIN;
    case NP_I16: return high ? INT16_MAX : INT16_MIN;
    case NP_I32: return high ? INT32_MAX : INT32_MIN;
    case NP_U8: return high ? UINT8_MAX : 0;
    case NP_U16: return high ? UINT16_MAX : 0;
    case NP_U32: return high ? UINT32_MAX : 0;
    case NP_BOOL: return high;
    default: return high ? (double)INFINITY : (double)-INFINITY;
    }
}

static void start_float(struct acc *a, int kind) {
    *a = (struct acc){ .m = -INFINITY };
    if (kind == NPI_REDUCE_PROD || kind == NPI_REDUCE_ALL) a->f = 1;
    if (kind == NPI_REDUCE_MAX) a->f = -INFINITY;
    if (kind == NPI_REDUCE_MIN) a->f = INFINITY;
}

static void add_float(struct acc *a, int kind, const double *v, size_t n) {
    a->n += (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        const double x = v[i];
        switch (kind) {
        case NPI_REDUCE_MAX: a->f = isnan(x) || x > a->f ? x : a->f; if (isnan(x)) return; break;
        case NPI_REDUCE_MIN: a->f = isnan(x) || x < a->f ? x : a->f; if (isnan(x)) return; break;
        case NPI_REDUCE_PROD: a->f *= x; break;
        case NPI_REDUCE_L1: a->f += fabs(x); break;
        case NPI_REDUCE_L2: case NPI_REDUCE_SUM_SQUARE: a->f += x * x; break;
        case NPI_REDUCE_ANY: if (x != 0) a->f = 1; break;
        case NPI_REDUCE_ALL: if (x == 0) a->f = 0; break;
        case NPI_REDUCE_LOG_SUM_EXP: /* scaled by the largest so far, so that exp does not overflow */
            if (x > a->m) {
                a->f = a->m == -INFINITY ? 0 : a->f * exp(a->m - x);
                a->m = x;
            }
            if (isnan(x)) a->f = x;
            else if (x != -INFINITY) a->f += x == INFINITY ? 1 : exp(x - a->m);
            break;
        default: a->f += x;
        }
    }
}

static double end_float(const struct acc *a, int kind) {
    switch (kind) {
    case NPI_REDUCE_MEAN: return a->f / (double)a->n;
    case NPI_REDUCE_L2: return sqrt(a->f);
    case NPI_REDUCE_LOG_SUM: return log(a->f);
    case NPI_REDUCE_LOG_SUM_EXP: return a->m == -INFINITY ? (isnan(a->f) ? a->f : (double)-INFINITY) : a->m + log(a->f);
    default: return a->f;
    }
}

/* Integers: everything that stays an integer. is_u: the 64-bit unsigned order. */
static void start_int(struct acc *a, int kind, int dtype) {
    *a = (struct acc){ 0 };
    if (kind == NPI_REDUCE_PROD || kind == NPI_REDUCE_ALL) a->i = 1;
    if (kind == NPI_REDUCE_MAX) a->i = dtype == NP_I64 ? (uint64_t)INT64_MIN : dtype == NP_U64 ? 0 : (uint64_t)(int64_t)lowest(dtype, 0);
    if (kind == NPI_REDUCE_MIN) a->i = dtype == NP_I64 ? (uint64_t)INT64_MAX : dtype == NP_U64 ? UINT64_MAX : (uint64_t)(int64_t)lowest(dtype, 1);
}

static void add_int(struct acc *a, int kind, int is_u, const int64_t *v, size_t n) {
    a->n += (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        const uint64_t x = (uint64_t)v[i];
        const int above = is_u ? x > a->i : v[i] > (int64_t)a->i, below = is_u ? x < a->i : v[i] < (int64_t)a->i;
        switch (kind) {
        case NPI_REDUCE_MAX: if (above) a->i = x; break;
        case NPI_REDUCE_MIN: if (below) a->i = x; break;
        case NPI_REDUCE_PROD: a->i *= x; break;
        case NPI_REDUCE_L1: a->i += v[i] < 0 && !is_u ? 0 - x : x; break;
        case NPI_REDUCE_SUM_SQUARE: a->i += x * x; break;
        case NPI_REDUCE_ANY: if (x) a->i = 1; break;
        case NPI_REDUCE_ALL: if (!x) a->i = 0; break;
        default: a->i += x;
        }
    }
}

static int64_t end_int(const struct acc *a, int kind, int is_u) {
    if (kind != NPI_REDUCE_MEAN) return (int64_t)a->i;
    if (a->n == 0) return 0;
    return is_u ? (int64_t)(a->i / (uint64_t)a->n) : (int64_t)a->i / a->n;
}

/* Kinds whose result over integers passes through real numbers. */
static int needs_float(int kind) { return kind == NPI_REDUCE_L2 || kind == NPI_REDUCE_LOG_SUM || kind == NPI_REDUCE_LOG_SUM_EXP; }

/* The reduced dimensions seen from one output element: strides in elements, inner run last. */
struct inner { int rank; int64_t d[NP_MAX_RANK], s[NP_MAX_RANK]; };

static void reduce_one(const struct npi_view *in, int64_t base, const struct inner *r, int kind, int as_float, struct acc *acc) {
    int64_t at[NP_MAX_RANK] = { 0 };
    const int last = r->rank - 1;
    for (int i = 0; i < r->rank; i++)
        if (r->d[i] == 0) return;
    for (;;) {
        for (int64_t k = 0; k < r->d[last]; k += NPI_BLOCK) {
            const size_t m = r->d[last] - k < NPI_BLOCK ? (size_t)(r->d[last] - k) : NPI_BLOCK;
            if (as_float) {
                double v[NPI_BLOCK];
                npi_load_f64(v, in->dtype, in->data, base + k * r->s[last], r->s[last], m);
                add_float(acc, kind, v, m);
            } else {
                int64_t v[NPI_BLOCK];
                npi_load_i64(v, in->dtype, in->data, base + k * r->s[last], r->s[last], m);
                add_int(acc, kind, in->dtype == NP_U64, v, m);
            }
        }
        int i = last - 1;
        for (; i >= 0; i--) {
            base += r->s[i];
            if (++at[i] < r->d[i]) break;
            base -= r->s[i] * r->d[i];
            at[i] = 0;
        }
        if (i < 0) return;
    }
}

static void eval_reduce(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int kind = a->node->a.reduce.kind;
    const int as_float = npi_dtype_kind(in->dtype) == NPI_KIND_FLOAT || needs_float(kind);
    struct inner red = { 0 }, keep = { 0 };
    int64_t s = 1, full[NP_MAX_RANK];
    for (int i = in->rank - 1; i >= 0; i--) {
        full[i] = s;
        s *= in->d[i];
    }
    for (int i = 0; i < in->rank; i++) {
        struct inner *t = a->node->a.reduce.axes >> i & 1 ? &red : &keep;
        const int merge = t->rank && t->s[t->rank - 1] == full[i] * in->d[i];
        if (merge) t->rank--;
        t->d[t->rank] = (merge ? t->d[t->rank] : 1) * in->d[i];
        t->s[t->rank++] = full[i];
    }
    if (red.rank == 0) red = (struct inner){ 1, { 1 }, { 0 } };
    const int64_t n = npi_view_count(out);
    int64_t at[NP_MAX_RANK] = { 0 }, base = 0;
    for (int64_t o = 0; o < n; o++) {
        struct acc acc;
        if (as_float) {
            start_float(&acc, kind);
            reduce_one(in, base, &red, kind, 1, &acc);
            npi_put_f64(out->dtype, out->data, o, end_float(&acc, kind));
        } else {
            start_int(&acc, kind, in->dtype);
            reduce_one(in, base, &red, kind, 0, &acc);
            npi_put_i64(out->dtype, out->data, o, end_int(&acc, kind, in->dtype == NP_U64));
        }
        for (int i = keep.rank - 1; i >= 0; i--) {
            base += keep.s[i];
            if (++at[i] < keep.d[i]) break;
            base -= keep.s[i] * keep.d[i];
            at[i] = 0;
        }
    }
}

static int infer_reduce(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    struct npi_view *out = a->out[0];
    const unsigned axes = a->node->a.reduce.axes;
    const int kind = a->node->a.reduce.kind;
    const int r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0) return r;
    if (kind < NPI_REDUCE_SUM || kind > NPI_REDUCE_ALL) return npi_fail(err, NP_EUNSUPPORTED, "reduction %d is not known", kind);
    if (axes >> in->rank) return npi_fail(err, NP_ESHAPE, "axis %d does not exist: the tensor has %d dimensions", 31 - __builtin_clz(axes), in->rank);
    int rank = 0;
    int64_t d[NP_MAX_RANK];
    for (int i = 0; i < in->rank; i++) {
        if (!(axes >> i & 1)) d[rank++] = in->d[i];
        else if (a->node->a.reduce.keepdims) d[rank++] = 1;
    }
    out->dtype = in->dtype;
    out->rank = rank;
    memcpy(out->d, d, sizeof *d * (size_t)rank);
    return npi_infer_check(out, err);
}

static int infer_arg(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    struct npi_view *out = a->out[0];
    int axis, r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0 || (r = npi_infer_axis(a->node->a.reduce.axis, in->rank, &axis, err)) < 0) return r;
    if (in->d[axis] == 0) return npi_fail(err, NP_ESHAPE, "dimension %d of %s is empty: there is no largest or smallest", axis, npi_dims_text(in).s);
    const int to = a->node->a.reduce.out_dtype;
    out->dtype = to == NP_I32 || to == NP_U32 ? to : NP_I64;
    int rank = 0;
    int64_t d[NP_MAX_RANK];
    for (int i = 0; i < in->rank; i++) {
        if (i != axis) d[rank++] = in->d[i];
        else if (a->node->a.reduce.keepdims) d[rank++] = 1;
    }
    out->rank = rank;
    memcpy(out->d, d, sizeof *d * (size_t)rank);
    return npi_infer_check(out, err);
}

static void eval_arg(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int axis = npi_axis(a->node->a.reduce.axis, in->rank), max = a->node->op == NPI_OP_ARGMAX, last = a->node->a.reduce.select_last;
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < axis; i++) outer *= in->d[i];
    for (int i = axis + 1; i < in->rank; i++) inner *= in->d[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < inner; k++) {
            int64_t best = 0, best_key = 0;
            for (int64_t i = 0; i < in->d[axis]; i++) {
                const int64_t key = npi_order_key(in->dtype, in->data, (o * in->d[axis] + i) * inner + k, max);
                const int better = max ? key > best_key : key < best_key;
                if (i == 0 || better || (last && key == best_key)) {
                    best = i;
                    best_key = key;
                }
            }
            npi_put_i64(out->dtype, out->data, o * inner + k, best);
        }
}

static const struct npi_op_def defs[] = {
    { NPI_OP_REDUCE, infer_reduce, eval_reduce, NULL, 0 },
    { NPI_OP_ARGMAX, infer_arg, eval_arg, NULL, NPI_OPF_QUANT },
    { NPI_OP_ARGMIN, infer_arg, eval_arg, NULL, NPI_OPF_QUANT },
};
const struct npi_op_family npi_ops_reduce = { defs, sizeof defs / sizeof *defs };
