/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing by index. Indices are i32 or i64 and known only at run time, so they are not trusted: negative ones
 * count from the end; what is out of range then is clamped where it reads, and skipped where it writes.
 *
 *   Gather           a.gather.{axis, batch_dims}: out = in[:axis] x index[batch_dims:] x in[axis+1:]
 *   GatherND         a.gather.batch_dims; last dim of the index = how many dimensions it picks
 *   GatherElements   a.gather.axis; out has the shape of the index
 *   ScatterND        inputs data, index, updates; a.gather.reduction 0 replace, 1 add, 2 mul, 3 max, 4 min
 *   ScatterElements  a.gather.axis, reduction; likewise */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"

enum { SCATTER_SET, SCATTER_ADD, SCATTER_MUL, SCATTER_MAX, SCATTER_MIN };
#define M_INDEX (NPI_M(NP_I32) | NPI_M(NP_I64))

static int64_t prod(const int64_t *d, int from, int to) {
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= d[i];
    return n;
}

/* Index i of v for a dimension of n elements: wrapped, then clamped (read) or -1 (write). */
static int64_t index_at(const struct npi_view *v, int64_t i, int64_t n, int for_write) {
    int64_t k = npi_get_i64(v->dtype, v->data, i);
    if (k < 0) k += n;
    if (k >= 0 && k < n) return k;
    return for_write ? -1 : k < 0 ? 0 : n - 1;
}

static int check_in(const struct npi_op_args *a, struct np_error *err) {
    int r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0 || (r = npi_infer_dtype(a, 1, M_INDEX, err)) < 0) return r;
    a->out[0]->dtype = a->in[0]->dtype;
    return 0;
}

static int check_batch(const struct npi_op_args *a, int limit, struct np_error *err) {
    const int b = a->node->a.gather.batch_dims;
    if (b < 0 || b > limit || b > a->in[0]->rank || b > a->in[1]->rank) return npi_fail(err, NP_ESHAPE, "batch_dims %d is out of range", b);
    for (int i = 0; i < b; i++)
        if (a->in[0]->d[i] != a->in[1]->d[i])
            return npi_fail(err, NP_ESHAPE, "batch dimension %d differs: data %s, index %s", i, npi_dims_text(a->in[0]).s, npi_dims_text(a->in[1]).s);
    return 0;
}

static int infer_gather(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0], *idx = a->in[1];
    struct npi_view *out = a->out[0];
    int axis, r = check_in(a, err);
    if (r < 0 || (r = npi_infer_axis(a->node->a.gather.axis, in->rank, &axis, err)) < 0 || (r = check_batch(a, axis, err)) < 0) return r;
    const int b = a->node->a.gather.batch_dims, rank = in->rank - 1 + idx->rank - b;
    if (rank > NP_MAX_RANK) return npi_fail(err, NP_EUNSUPPORTED, "the output would have %d dimensions; at most %d", rank, NP_MAX_RANK);
    int n = 0, q_axis = -1;
    for (int i = 0; i < axis; i++) { if (i == in->q.axis) q_axis = n; out->d[n++] = in->d[i]; }
    for (int i = b; i < idx->rank; i++) out->d[n++] = idx->d[i];
    for (int i = axis + 1; i < in->rank; i++) { if (i == in->q.axis) q_axis = n; out->d[n++] = in->d[i]; }
    out->rank = n;
    if ((r = npi_infer_check(out, err)) < 0) return r;
    if (in->d[axis] == 0 && npi_view_count(out) > 0) return npi_fail(err, NP_ESHAPE, "dimension %d of %s is empty: nothing to gather", axis, npi_dims_text(in).s);
    return npi_infer_move_q(out, in, q_axis, err);
}

static void eval_gather(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *idx = a->in[1], *out = a->out[0];
    const int axis = npi_axis(a->node->a.gather.axis, in->rank), b = a->node->a.gather.batch_dims;
    if (npi_view_count(out) == 0) return;
    const int64_t batch = prod(in->d, 0, b), outer = prod(in->d, b, axis), dim = in->d[axis], picks = prod(idx->d, b, idx->rank);
    const int64_t run = prod(in->d, axis + 1, in->rank) * (int64_t)np_dtype_size(in->dtype);
    char *o = out->data;
    for (int64_t i = 0; i < batch; i++)
        for (int64_t k = 0; k < outer; k++)
            for (int64_t p = 0; p < picks; p++, o += run) {
                const int64_t at = index_at(idx, i * picks + p, dim, 0);
                memcpy(o, (const char *)in->data + ((i * outer + k) * dim + at) * run, (size_t)run);
            }
    npi_requant_moved(out, in);
}

static int infer_gather_nd(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0], *idx = a->in[1];
    struct npi_view *out = a->out[0];
    int r = check_in(a, err);
    if (r < 0) return r;
    if (idx->rank < 1) return npi_fail(err, NP_ESHAPE, "the index must have at least one dimension");
    if ((r = check_batch(a, idx->rank - 1, err)) < 0) return r;
    const int b = a->node->a.gather.batch_dims;
    const int64_t k = idx->d[idx->rank - 1];
    if (k < 0 || k > in->rank - b) return npi_fail(err, NP_ESHAPE, "the index %s picks %lld dimensions of %s", npi_dims_text(idx).s, (long long)k, npi_dims_text(in).s);
    const int rank = idx->rank - 1 + in->rank - b - (int)k;
    if (rank > NP_MAX_RANK) return npi_fail(err, NP_EUNSUPPORTED, "the output would have %d dimensions; at most %d", rank, NP_MAX_RANK);
    int n = 0;
    for (int i = 0; i < idx->rank - 1; i++) out->d[n++] = idx->d[i];
    for (int i = b + (int)k; i < in->rank; i++) out->d[n++] = in->d[i];
    out->rank = n;
    if ((r = npi_infer_check(out, err)) < 0) return r;
    for (int i = b; i < b + k; i++)
        if (in->d[i] == 0 && npi_view_count(out) > 0) return npi_fail(err, NP_ESHAPE, "dimension %d of %s is empty: nothing to gather", i, npi_dims_text(in).s);
    return npi_infer_move_q(out, in, -1, err);
}

/* Element offset that k indices from `at` on pick in d[]; -1: outside (writes only). */
static int64_t nd_offset(const struct npi_view *idx, int64_t at, int k, const int64_t *d, int64_t run, int for_write) {
    int64_t off = 0, bad = 0;
    for (int i = 0; i < k; i++) {
        const int64_t j = index_at(idx, at + i, d[i], for_write);
        bad |= j < 0;
        off = off * d[i] + j;
    }
    return bad ? -1 : off * run;
}

static void eval_gather_nd(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *idx = a->in[1], *out = a->out[0];
    if (npi_view_count(out) == 0) return;
    const int b = a->node->a.gather.batch_dims, k = (int)idx->d[idx->rank - 1];
    const int64_t size = (int64_t)np_dtype_size(in->dtype), batch = prod(in->d, 0, b), picks = prod(idx->d, b, idx->rank - 1);
    const int64_t run = prod(in->d, b + k, in->rank), whole = prod(in->d, b, in->rank);
    char *o = out->data;
    for (int64_t i = 0; i < batch; i++)
        for (int64_t p = 0; p < picks; p++, o += run * size) {
            const int64_t off = i * whole + nd_offset(idx, (i * picks + p) * k, k, in->d + b, run, 0);
            memcpy(o, (const char *)in->data + off * size, (size_t)(run * size));
        }
    npi_requant_moved(out, in);
}

/* Index and data of the *Elements ops: same rank, and no dimension but the axis of the index exceeds the data. */
static int check_elements(const struct npi_op_args *a, int *axis, struct np_error *err) {
    const struct npi_view *in = a->in[0], *idx = a->in[1];
    int r = check_in(a, err);
    if (r < 0 || (r = npi_infer_axis(a->node->a.gather.axis, in->rank, axis, err)) < 0) return r;
    int fits = idx->rank == in->rank;
    for (int i = 0; i < in->rank && fits; i++) fits = i == *axis || idx->d[i] <= in->d[i];
    if (!fits) return npi_fail(err, NP_ESHAPE, "the index %s does not fit %s along axis %d", npi_dims_text(idx).s, npi_dims_text(in).s, *axis);
    if (in->d[*axis] == 0 && npi_view_count(idx) > 0) return npi_fail(err, NP_ESHAPE, "dimension %d of %s is empty", *axis, npi_dims_text(in).s);
    return 0;
}

static int infer_gather_elements(const struct npi_op_args *a, struct np_error *err) {
    struct npi_view *out = a->out[0];
    int axis, r = check_elements(a, &axis, err);
    if (r < 0) return r;
    out->rank = a->in[1]->rank;
    memcpy(out->d, a->in[1]->d, sizeof out->d);
    if ((r = npi_infer_check(out, err)) < 0) return r;
    return npi_infer_move_q(out, a->in[0], -1, err);
}

/* Offset of the data element that position p (flat, in the index) names. */
static int64_t elements_offset(const struct npi_view *in, const struct npi_view *idx, int axis, int64_t p, int for_write) {
    int64_t off = 0, stride = 1, rest = p;
    for (int i = in->rank - 1; i >= 0; i--) {
        int64_t c = rest % idx->d[i];
        rest /= idx->d[i];
        if (i == axis && (c = index_at(idx, p, in->d[i], for_write)) < 0) return -1;
        off += c * stride;
        stride *= in->d[i];
    }
    return off;
}

static void eval_gather_elements(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *idx = a->in[1], *out = a->out[0];
    const int axis = npi_axis(a->node->a.gather.axis, in->rank);
    const int64_t n = npi_view_count(out);
    const size_t size = np_dtype_size(out->dtype);
    for (int64_t p = 0; p < n; p++)
        memcpy((char *)out->data + p * (int64_t)size, (const char *)in->data + elements_offset(in, idx, axis, p, 0) * (int64_t)size, size);
    npi_requant_moved(out, in);
}

static int check_scatter(const struct npi_op_args *a, struct np_error *err) {
    const int red = a->node->a.gather.reduction;
    if (a->in[2]->dtype != a->in[0]->dtype)
        return npi_fail(err, NP_EUNSUPPORTED, "the updates are %s, the data %s", np_dtype_name(a->in[2]->dtype), np_dtype_name(a->in[0]->dtype));
    if (red < SCATTER_SET || red > SCATTER_MIN) return npi_fail(err, NP_EUNSUPPORTED, "scatter reduction %d is not known", red);
    npi_infer_same(a->out[0], a->in[0]);
    return npi_infer_check(a->out[0], err);
}

static int infer_scatter_nd(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0], *idx = a->in[1], *up = a->in[2];
    const int r = check_in(a, err);
    if (r < 0) return r;
    const int64_t k = idx->rank ? idx->d[idx->rank - 1] : -1;
    if (k < 0 || k > in->rank) return npi_fail(err, NP_ESHAPE, "the index %s picks %lld dimensions of %s", npi_dims_text(idx).s, (long long)k, npi_dims_text(in).s);
    int fits = up->rank == idx->rank - 1 + in->rank - (int)k;
    for (int i = 0; i < up->rank && fits; i++) fits = up->d[i] == (i < idx->rank - 1 ? idx->d[i] : in->d[i - (idx->rank - 1) + k]);
    if (!fits) return npi_fail(err, NP_ESHAPE, "updates %s do not fit index %s and data %s", npi_dims_text(up).s, npi_dims_text(idx).s, npi_dims_text(in).s);
    return check_scatter(a, err);
}

static int infer_scatter_elements(const struct npi_op_args *a, struct np_error *err) {
    int axis;
    const int r = check_elements(a, &axis, err);
    if (r < 0) return r;
    if (!npi_view_same_shape(a->in[1], a->in[2]))
        return npi_fail(err, NP_ESHAPE, "updates %s and index %s have different shapes", npi_dims_text(a->in[2]).s, npi_dims_text(a->in[1]).s);
    return check_scatter(a, err);
}

/* out[at] = reduce(out[at], up[from]). */
static void combine(int red, const struct npi_view *out, int64_t at, const struct npi_view *up, int64_t from) {
    const int t = out->dtype;
    if (npi_dtype_kind(t) == NPI_KIND_FLOAT) {
        const double o = npi_get_f64(t, out->data, at), u = npi_get_f64(t, up->data, from);
        npi_put_f64(t, out->data, at, red == SCATTER_ADD ? o + u : red == SCATTER_MUL ? o * u : isnan(o) || isnan(u) ? (double)NAN
                                      : red == SCATTER_MAX ? fmax(o, u) : fmin(o, u));
    } else {
        const uint64_t o = (uint64_t)npi_get_i64(t, out->data, at), u = (uint64_t)npi_get_i64(t, up->data, from);
        const int above = npi_order_key(t, up->data, from, 0) > npi_order_key(t, out->data, at, 0);
        npi_put_i64(t, out->data, at, (int64_t)(red == SCATTER_ADD ? o + u : red == SCATTER_MUL ? o * u : (red == SCATTER_MAX) == above ? u : o));
    }
}

static void scatter_run(int red, const struct npi_view *out, int64_t at, const struct npi_view *up, int64_t from, int64_t n) {
    const int64_t size = (int64_t)np_dtype_size(out->dtype);
    if (red == SCATTER_SET) memcpy((char *)out->data + at * size, (const char *)up->data + from * size, (size_t)(n * size));
    else for (int64_t i = 0; i < n; i++) combine(red, out, at + i, up, from + i);
}

static void eval_scatter(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *idx = a->in[1], *up = a->in[2], *out = a->out[0];
    const int red = a->node->a.gather.reduction, nd = a->node->op == NPI_OP_SCATTER_ND;
    const size_t bytes = npi_view_bytes(out);
    if (bytes && out->data != in->data) memcpy(out->data, in->data, bytes);
    const int64_t n = npi_view_count(up);
    if (n == 0) return;
    const int k = nd ? (int)idx->d[idx->rank - 1] : 0, axis = nd ? 0 : npi_axis(a->node->a.gather.axis, in->rank);
    const int64_t run = nd ? prod(in->d, k, in->rank) : 1;
    for (int64_t p = 0; p < n / run; p++) {
        const int64_t at = nd ? nd_offset(idx, p * k, k, in->d, run, 1) : elements_offset(in, idx, axis, p, 1);
        if (at >= 0) scatter_run(red, out, at, up, p * run, run);
    }
}

static const struct npi_op_def defs[] = {
    { NPI_OP_GATHER, infer_gather, eval_gather, NULL, NPI_OPF_QUANT },
    { NPI_OP_GATHER_ND, infer_gather_nd, eval_gather_nd, NULL, NPI_OPF_QUANT },
    { NPI_OP_GATHER_ELEMENTS, infer_gather_elements, eval_gather_elements, NULL, NPI_OPF_QUANT },
    { NPI_OP_SCATTER_ND, infer_scatter_nd, eval_scatter, NULL, 0 },
    { NPI_OP_SCATTER_ELEMENTS, infer_scatter_elements, eval_scatter, NULL, 0 },
};
const struct npi_op_family npi_ops_gather = { defs, sizeof defs / sizeof *defs };
