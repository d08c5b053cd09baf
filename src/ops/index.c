/* SPDX-License-Identifier: Apache-2.0 */
/* Ops about positions: filling, masking, running sums, the k best.
 *
 *   OneHot   inputs indices (any number type), depth (constant), values [off, on]; a.gather.axis = where the new dimension goes in
 *            the output (-1: last). Indices in [-depth, depth) count; others give a row of `off`
 *   Range    inputs start, limit, delta: constants of one dtype
 *   Trilu    a.gather.axis = k (diagonal), a.gather.upper; the last two dimensions
 *   CumSum   a.gather.{axis, exclusive, reverse}
 *   TopK     a.topk.{k, axis, largest}; values, and indices as i64 (i32 when the importer set that dtype in the output hint); always
 *            sorted; of equal values the lower index first */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"

static int infer_one_hot(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *idx = a->in[0], *values = a->in[2];
    struct npi_view *out = a->out[0];
    int axis, r = npi_infer_dtype(a, 0, NPI_M_NUM, err);
    if (r < 0 || (r = npi_infer_dtype(a, 1, NPI_M_NUM, err)) < 0 || (r = npi_infer_dtype(a, 2, NPI_M_ANY, err)) < 0) return r;
    if (npi_view_count(a->in[1]) != 1) return npi_fail(err, NP_ESHAPE, "the depth must be one number, not %s", npi_dims_text(a->in[1]).s);
    if (npi_view_count(values) != 2) return npi_fail(err, NP_ESHAPE, "the values must be two, off and on, not %s", npi_dims_text(values).s);
    if (idx->rank + 1 > NP_MAX_RANK) return npi_fail(err, NP_EUNSUPPORTED, "the output would have %d dimensions; at most %d", idx->rank + 1, NP_MAX_RANK);
    if ((r = npi_infer_axis(a->node->a.gather.axis, idx->rank + 1, &axis, err)) < 0) return r;
    const int64_t depth = npi_get_i64(a->in[1]->dtype, a->in[1]->data, 0);
    if (depth < 0) return npi_fail(err, NP_ESHAPE, "the depth %lld is negative", (long long)depth);
    out->dtype = values->dtype;
    out->rank = idx->rank + 1;
    for (int i = 0, k = 0; i < out->rank; i++) out->d[i] = i == axis ? depth : idx->d[k++];
    if ((r = npi_infer_move_q(out, values, 0, err)) < 0) return r;
    return npi_infer_check(out, err);
}

static void eval_one_hot(const struct npi_op_args *a) {
    const struct npi_view *idx = a->in[0], *values = a->in[2], *out = a->out[0];
    const int axis = npi_axis(a->node->a.gather.axis, out->rank);
    const int64_t depth = out->d[axis], size = (int64_t)np_dtype_size(out->dtype), n = npi_view_count(out), picks = npi_view_count(idx);
    int64_t inner = 1;
    char *o = out->data;
    for (int i = axis + 1; i < out->rank; i++) inner *= out->d[i];
    for (int64_t i = 0; i < n; i++) memcpy(o + i * size, values->data, (size_t)size);
    for (int64_t p = 0; p < picks; p++) {
        int64_t k = npi_get_i64(idx->dtype, idx->data, p);
        if (k < 0) k += depth;
        if (k >= 0 && k < depth) memcpy(o + ((p / inner * depth + k) * inner + p % inner) * size, (const char *)values->data + size, (size_t)size);
    }
}

static int64_t range_count(const struct npi_op_args *a) {
    const int t = a->in[0]->dtype;
    if (npi_dtype_kind(t) == NPI_KIND_FLOAT) {
        const double from = npi_get_f64(t, a->in[0]->data, 0), to = npi_get_f64(t, a->in[1]->data, 0), step = npi_get_f64(t, a->in[2]->data, 0);
        const double n = ceil((to - from) / step);
        return step == 0 || isnan(n) ? -1 : n > 0 ? npi_f64_to_i64(n) : 0;
    }
    const int64_t from = npi_get_i64(t, a->in[0]->data, 0), to = npi_get_i64(t, a->in[1]->data, 0), step = npi_get_i64(t, a->in[2]->data, 0);
    if (step == 0) return -1;
    if (step > 0 ? to <= from : to >= from) return 0;
    const uint64_t span = step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to, d = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    const uint64_t n = span / d + (span % d != 0);
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static int infer_range(const struct npi_op_args *a, struct np_error *err) {
    struct npi_view *out = a->out[0];
    for (int i = 0; i < 3; i++) {
        const int r = npi_infer_dtype(a, i, NPI_M_NUM, err);
        if (r < 0) return r;
        if (a->in[i]->dtype != a->in[0]->dtype || npi_view_count(a->in[i]) != 1)
            return npi_fail(err, NP_ESHAPE, "input %d must be one %s, not %s %s", i, np_dtype_name(a->in[0]->dtype), np_dtype_name(a->in[i]->dtype), npi_dims_text(a->in[i]).s);
    }
    const int64_t n = range_count(a);
    if (n < 0) return npi_fail(err, NP_EINVAL, "the step is zero or not a number");
    out->dtype = a->in[0]->dtype;
    out->rank = 1;
    out->d[0] = n;
    return npi_infer_check(out, err);
}

static void eval_range(const struct npi_op_args *a) {
    const struct npi_view *out = a->out[0];
    const int t = out->dtype;
    if (npi_dtype_kind(t) == NPI_KIND_FLOAT) {
        const double from = npi_get_f64(t, a->in[0]->data, 0), step = npi_get_f64(t, a->in[2]->data, 0);
        for (int64_t i = 0; i < out->d[0]; i++) npi_put_f64(t, out->data, i, from + (double)i * step);
    } else {
        const uint64_t from = (uint64_t)npi_get_i64(t, a->in[0]->data, 0), step = (uint64_t)npi_get_i64(t, a->in[2]->data, 0);
        for (int64_t i = 0; i < out->d[0]; i++) npi_put_i64(t, out->data, i, (int64_t)(from + (uint64_t)i * step));
    }
}

static int infer_trilu(const struct npi_op_args *a, struct np_error *err) {
    const int r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0) return r;
    if (a->in[0]->rank < 2) return npi_fail(err, NP_ESHAPE, "%s has no last two dimensions", npi_dims_text(a->in[0]).s);
    npi_infer_same(a->out[0], a->in[0]);
    return npi_infer_check(a->out[0], err);
}

static void eval_trilu(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int64_t h = out->d[out->rank - 2], w = out->d[out->rank - 1], n = npi_view_count(out), k = a->node->a.gather.axis;
    const size_t size = np_dtype_size(out->dtype);
    for (int64_t i = 0; i < n; i++) {
        const int64_t x = i % w, y = i / w % h;
        const int keep = a->node->a.gather.upper ? x - y >= k : x - y <= k;
        char *o = (char *)out->data + i * (int64_t)size;
        if (keep) memcpy(o, (const char *)in->data + i * (int64_t)size, size);
        else memset(o, 0, size);
    }
}

static int infer_cumsum(const struct npi_op_args *a, struct np_error *err) {
    int axis;
    const int r = npi_infer_dtype(a, 0, NPI_M_NUM, err);
    if (r < 0) return r;
    npi_infer_same(a->out[0], a->in[0]);
    return npi_infer_axis(a->node->a.gather.axis, a->in[0]->rank, &axis, err);
}

static void eval_cumsum(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int axis = npi_axis(a->node->a.gather.axis, in->rank), t = in->dtype, as_float = npi_dtype_kind(t) == NPI_KIND_FLOAT;
    const int exclusive = a->node->a.gather.exclusive, reverse = a->node->a.gather.reverse;
    const int64_t dim = in->d[axis], n = npi_view_count(in);
    int64_t inner = 1;
    if (n == 0) return;
    for (int i = axis + 1; i < in->rank; i++) inner *= in->d[i];
    for (int64_t line = 0; line < n / dim; line++) {
        const int64_t base = line / inner * dim * inner + line % inner;
        double f = 0;
        uint64_t u = 0;
        for (int64_t i = 0; i < dim; i++) {
            const int64_t at = base + (reverse ? dim - 1 - i : i) * inner;
            if (as_float) {
                const double x = npi_get_f64(t, in->data, at);
                npi_put_f64(t, out->data, at, exclusive ? f : f + x);
                f += x;
            } else {
                const uint64_t x = (uint64_t)npi_get_i64(t, in->data, at);
                npi_put_i64(t, out->data, at, (int64_t)(exclusive ? u : u + x));
                u += x;
            }
        }
    }
}

struct ranked { int64_t key, at; };

static int infer_topk(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    const int64_t k = a->node->a.topk.k;
    int axis, r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0 || (r = npi_infer_axis(a->node->a.topk.axis, in->rank, &axis, err)) < 0) return r;
    if (k < 0 || k > in->d[axis])
        return npi_fail(err, NP_ESHAPE, "k is %lld, but dimension %d of %s has %lld elements", (long long)k, axis, npi_dims_text(in).s, (long long)in->d[axis]);
    npi_infer_same(a->out[0], in);
    a->out[0]->d[axis] = k;
    const int hint = a->out[1]->dtype;
    npi_infer_same(a->out[1], a->out[0]);
    a->out[1]->dtype = hint == NP_I32 ? NP_I32 : NP_I64;
    if ((r = npi_infer_move_q(a->out[0], in, in->q.axis == axis ? -1 : in->q.axis, err)) < 0) return r;
    return npi_infer_check(a->out[1], err);
}

static size_t scratch_topk(const struct npi_op_args *a) { return (size_t)a->node->a.topk.k * sizeof(struct ranked); }

/* Does x come before y in the result? */
static int before(const struct ranked *x, const struct ranked *y, int largest) {
    if (x->key != y->key) return largest ? x->key > y->key : x->key < y->key;
    return x->at < y->at;
}

/* Heap with the one that comes last on top. */
static void sift(struct ranked *h, int64_t n, int64_t i, int largest) {
    const struct ranked v = h[i];
    for (int64_t c; (c = 2 * i + 1) < n; i = c) {
        if (c + 1 < n && before(&h[c], &h[c + 1], largest)) c++;
        if (!before(&v, &h[c], largest)) break;
        h[i] = h[c];
    }
    h[i] = v;
}

static void eval_topk(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0], *pos = a->out[1];
    const int axis = npi_axis(a->node->a.topk.axis, in->rank), largest = a->node->a.topk.largest;
    const int64_t dim = in->d[axis], k = out->d[axis], size = (int64_t)np_dtype_size(in->dtype), n = npi_view_count(out);
    struct ranked *h = a->scratch;
    int64_t inner = 1;
    if (n == 0) return;
    for (int i = axis + 1; i < in->rank; i++) inner *= in->d[i];
    for (int64_t line = 0; line < n / k; line++) {
        const int64_t src = line / inner * dim * inner + line % inner, dst = line / inner * k * inner + line % inner;
        for (int64_t i = 0; i < dim; i++) {
            const struct ranked v = { npi_order_key(in->dtype, in->data, src + i * inner, 1), i };
            if (i < k) h[i] = v;
            if (i == k - 1)
                for (int64_t j = k / 2 - 1; j >= 0; j--) sift(h, k, j, largest);
            if (i >= k && before(&v, &h[0], largest)) {
                h[0] = v;
                sift(h, k, 0, largest);
            }
        }
        for (int64_t m = k - 1; m > 0; m--) { /* heap sort: the last one moves behind the rest */
            const struct ranked v = h[0];
            h[0] = h[m];
            h[m] = v;
            sift(h, m, 0, largest);
        }
        for (int64_t i = 0; i < k; i++) {
            memcpy((char *)out->data + (dst + i * inner) * size, (const char *)in->data + (src + h[i].at * inner) * size, (size_t)size);
            npi_put_i64(pos->dtype, pos->data, dst + i * inner, h[i].at);
        }
    }
    npi_requant_moved(out, in);
}

static const struct npi_op_def defs[] = {
    { NPI_OP_ONE_HOT, infer_one_hot, eval_one_hot, NULL, NPI_OPF_QUANT },
    { NPI_OP_RANGE, infer_range, eval_range, NULL, 0 },
    { NPI_OP_TRILU, infer_trilu, eval_trilu, NULL, 0 },
    { NPI_OP_CUMSUM, infer_cumsum, eval_cumsum, NULL, 0 },
    { NPI_OP_TOPK, infer_topk, eval_topk, scratch_topk, NPI_OPF_QUANT },
};
const struct npi_op_family npi_ops_index = { defs, sizeof defs / sizeof *defs };
