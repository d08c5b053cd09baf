/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that move elements and never look at them: any dtype, by element size. Almost all are one strided copy.
 *
 *   Reshape     a.shape.{rank, dims}: the new shape, all dims known (0 means an empty dimension, not "copy")
 *   Transpose   a.transpose.perm: out dim i = in dim perm[i]
 *   Concat      a.concat.axis (negative: from the end); inputs of any number
 *   Slice       a.slice.{start, step, size}, one an input dimension, already normalised: out[i] = in[start + i * step], size = out dims
 *   Pad         a.pad.{mode, before, after, value}; negative pads crop first. The fill is input 1 (a scalar of the same dtype)
 *               where given, else value; `value` is a real number, so in a quantized tensor 0 fills with the zero point
 *   Tile        a.shape.dims: repeats, one a dimension
 *   Expand      a.shape.{rank, dims}: broadcast with this shape in both directions, as ONNX Expand
 *   Reverse     a.reduce.axes: bit mask of the axes that are turned around
 *
 * Quantization passes through; outputs that the file gives other parameters are requantized. */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"

static int64_t esize(const struct npi_view *v) { return (int64_t)np_dtype_size(v->dtype); }

static int check_in(const struct npi_op_args *a, struct np_error *err) {
    const int r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0) return r;
    a->out[0]->dtype = a->in[0]->dtype;
    return npi_infer_check(a->in[0], err);
}

/* Per-axis quantization stays when the dimension keeps its extent and everything in front of it keeps its count. */
static int reshape_q_axis(const struct npi_view *in, const struct npi_view *out) {
    if (in->q.n <= 1) return 0;
    int64_t front = 1, f = 1;
    for (int i = 0; i < in->q.axis && i < in->rank; i++) front *= in->d[i];
    for (int i = 0; i < out->rank; i++) {
        if (f == front && out->d[i] == in->q.n && in->q.n == in->d[in->q.axis]) return i;
        f *= out->d[i];
    }
    return -1;
}

static int infer_reshape(const struct npi_op_args *a, struct np_error *err) {
    struct npi_view *out = a->out[0];
    int r = check_in(a, err);
    if (r < 0) return r;
    out->rank = a->node->a.shape.rank;
    if (out->rank < 0 || out->rank > NP_MAX_RANK) return npi_infer_check(out, err);
    memcpy(out->d, a->node->a.shape.dims, sizeof out->d);
    if ((r = npi_infer_check(out, err)) < 0) return r;
    if (npi_view_count(out) != npi_view_count(a->in[0]))
        return npi_fail(err, NP_ESHAPE, "cannot reshape %s to %s: %lld elements are not %lld", npi_dims_text(a->in[0]).s, npi_dims_text(out).s,
                        (long long)npi_view_count(a->in[0]), (long long)npi_view_count(out));
    return npi_infer_move_q(out, a->in[0], reshape_q_axis(a->in[0], out), err);
}

static void eval_reshape(const struct npi_op_args *a) {
    const size_t bytes = npi_view_bytes(a->out[0]);
    if (bytes && a->out[0]->data != a->in[0]->data) memmove(a->out[0]->data, a->in[0]->data, bytes);
}

static int infer_transpose(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    struct npi_view *out = a->out[0];
    const int r = check_in(a, err);
    if (r < 0) return r;
    unsigned seen = 0;
    int axis = -1;
    out->rank = in->rank;
    for (int i = 0; i < in->rank; i++) {
        const int p = a->node->a.transpose.perm[i];
        if (p < 0 || p >= in->rank || seen >> p & 1) return npi_fail(err, NP_ESHAPE, "the permutation is wrong: entry %d is %d, for %d dimensions", i, p, in->rank);
        seen |= 1u << p;
        out->d[i] = in->d[p];
        if (p == in->q.axis) axis = i;
    }
    return npi_infer_move_q(out, in, axis, err);
}

static void eval_transpose(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    int64_t is[NP_MAX_RANK], ss[NP_MAX_RANK], ds[NP_MAX_RANK];
    npi_view_strides(in, is);
    npi_view_strides(out, ds);
    for (int i = 0; i < in->rank; i++) ss[i] = is[a->node->a.transpose.perm[i]];
    npi_copy_nd(out->data, ds, in->data, ss, out->d, out->rank, np_dtype_size(out->dtype));
    npi_requant_moved(out, in);
}

static int infer_concat(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *first = a->in[0];
    struct npi_view *out = a->out[0];
    int axis, r = check_in(a, err);
    if (r < 0) return r;
    if (first->rank == 0) return npi_fail(err, NP_ESHAPE, "scalars cannot be joined");
    if ((r = npi_infer_axis(a->node->a.concat.axis, first->rank, &axis, err)) < 0) return r;
    npi_infer_same(out, first);
    for (int k = 1; k < a->n_in; k++) {
        const struct npi_view *v = a->inv[k];
        if (!v) return npi_fail(err, NP_ESHAPE, "input %d is missing", k);
        if (v->dtype != first->dtype) return npi_fail(err, NP_EUNSUPPORTED, "input %d is %s, the first is %s", k, np_dtype_name(v->dtype), np_dtype_name(first->dtype));
        int fits = v->rank == first->rank;
        for (int i = 0; i < first->rank && fits; i++) fits = i == axis || v->d[i] == first->d[i];
        if (!fits) return npi_fail(err, NP_ESHAPE, "input %d %s does not fit %s along axis %d", k, npi_dims_text(v).s, npi_dims_text(first).s, axis);
        if (__builtin_add_overflow(out->d[axis], v->d[axis], &out->d[axis])) return npi_fail(err, NP_ELIMIT, "the output is too large");
        if ((v->q.n > 1 || first->q.n > 1) && !npi_same_q(&v->q, &first->q)) return npi_fail(err, NP_EUNSUPPORTED, "inputs 0 and %d are quantized along an axis in different ways", k);
        if ((v->q.n > 0) != (first->q.n > 0))
            return npi_fail(err, NP_EUNSUPPORTED, "input %d is %squantized, the first is%s", k, v->q.n ? "" : "not ", v->q.n ? " not" : "");
    }
    if ((r = npi_infer_move_q(out, first, first->q.axis == axis ? -1 : first->q.axis, err)) < 0) return r;
    return npi_infer_check(out, err);
}

static void eval_concat(const struct npi_op_args *a) {
    const struct npi_view *out = a->out[0];
    const int axis = npi_axis(a->node->a.concat.axis, out->rank);
    const int64_t size = esize(out);
    int64_t outer = 1, inner = 1, at = 0;
    for (int i = 0; i < axis; i++) outer *= out->d[i];
    for (int i = axis + 1; i < out->rank; i++) inner *= out->d[i];
    const int64_t out_row = out->d[axis] * inner;
    for (int k = 0; k < a->n_in; k++) {
        const struct npi_view *v = a->inv[k];
        const int64_t row = v->d[axis] * inner;
        const int requant = v->q.n == 1 && out->q.n == 1 && !npi_same_q(&v->q, &out->q);
        for (int64_t o = 0; o < outer && row; o++) {
            memcpy((char *)out->data + (o * out_row + at) * size, (const char *)v->data + o * row * size, (size_t)(row * size));
            if (requant) npi_requant(out->dtype, out->data, o * out_row + at, row, &v->q, &out->q);
        }
        at += row;
    }
}

static int infer_slice(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    struct npi_view *out = a->out[0];
    int r = check_in(a, err);
    if (r < 0) return r;
    out->rank = in->rank;
    for (int i = 0; i < in->rank; i++) {
        const int64_t start = a->node->a.slice.start[i], step = a->node->a.slice.step[i], n = a->node->a.slice.size[i];
        int64_t last = start;
        const int ok = n >= 0 && (n == 0 || (start >= 0 && start < in->d[i] && (n == 1 || (step != 0 && !__builtin_mul_overflow(n - 1, step, &last) &&
                       !__builtin_add_overflow(start, last, &last) && last >= 0 && last < in->d[i]))));
        if (!ok)
            return npi_fail(err, NP_ESHAPE, "slice of dimension %d (%lld elements): start %lld, step %lld, size %lld leads outside", i, (long long)in->d[i],
                            (long long)start, (long long)step, (long long)n);
        out->d[i] = n;
    }
    const int ax = in->q.axis, whole = in->q.n > 1 && ax < in->rank && out->d[ax] == in->d[ax] && a->node->a.slice.start[ax] == 0;
    if ((r = npi_infer_move_q(out, in, whole ? ax : -1, err)) < 0) return r;
    return npi_infer_check(out, err);
}

static void eval_slice(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    int64_t is[NP_MAX_RANK], ds[NP_MAX_RANK], off = 0;
    if (npi_view_count(out) == 0) return;
    npi_view_strides(in, is);
    npi_view_strides(out, ds);
    for (int i = 0; i < in->rank; i++) {
        off += a->node->a.slice.start[i] * is[i];
        is[i] = out->d[i] == 1 ? 0 : is[i] * a->node->a.slice.step[i];
    }
    npi_copy_nd(out->data, ds, (const char *)in->data + off, is, out->d, out->rank, np_dtype_size(out->dtype));
    npi_requant_moved(out, in);
}

static int infer_tile(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    struct npi_view *out = a->out[0];
    int r = check_in(a, err);
    if (r < 0) return r;
    out->rank = in->rank;
    for (int i = 0; i < in->rank; i++) {
        const int64_t k = a->node->a.shape.dims[i];
        if (k < 0 || __builtin_mul_overflow(in->d[i], k, &out->d[i])) return npi_fail(err, NP_ESHAPE, "dimension %d cannot be repeated %lld times", i, (long long)k);
    }
    const int ax = in->q.axis;
    if ((r = npi_infer_move_q(out, in, in->q.n > 1 && ax < in->rank && out->d[ax] == in->d[ax] ? ax : -1, err)) < 0) return r;
    return npi_infer_check(out, err);
}

static void eval_tile(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    int64_t is[NP_MAX_RANK], os[NP_MAX_RANK], d[NPI_COPY_RANK], ss[NPI_COPY_RANK], ds[NPI_COPY_RANK];
    npi_view_strides(in, is);
    npi_view_strides(out, os);
    for (int i = 0; i < in->rank; i++) {
        d[2 * i] = a->node->a.shape.dims[i];
        ss[2 * i] = 0;
        ds[2 * i] = os[i] * in->d[i];
        d[2 * i + 1] = in->d[i];
        ss[2 * i + 1] = is[i];
        ds[2 * i + 1] = os[i];
    }
    npi_copy_nd(out->data, ds, in->data, ss, d, 2 * in->rank, np_dtype_size(out->dtype));
    npi_requant_moved(out, in);
}

static int infer_expand(const struct npi_op_args *a, struct np_error *err) {
    struct npi_view *out = a->out[0], target = { .dtype = a->in[0]->dtype, .rank = a->node->a.shape.rank };
    int r = check_in(a, err);
    if (r < 0) return r;
    if (target.rank < 0 || target.rank > NP_MAX_RANK) return npi_infer_check(&target, err);
    memcpy(target.d, a->node->a.shape.dims, sizeof target.d);
    if ((r = npi_infer_check(&target, err)) < 0) return r;
    const struct npi_view *both[2] = { a->in[0], &target };
    if ((r = npi_infer_broadcast(out, both, 2, err)) < 0) return r;
    return npi_infer_move_q(out, a->in[0], a->in[0]->q.axis + out->rank - a->in[0]->rank, err);
}

static void eval_expand(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    int64_t is[NP_MAX_RANK], ss[NP_MAX_RANK], ds[NP_MAX_RANK];
    npi_view_strides(in, is);
    npi_view_strides(out, ds);
    for (int i = 0; i < out->rank; i++) {
        const int j = i - (out->rank - in->rank);
        ss[i] = j < 0 || in->d[j] == 1 ? 0 : is[j];
    }
    npi_copy_nd(out->data, ds, in->data, ss, out->d, out->rank, np_dtype_size(out->dtype));
    npi_requant_moved(out, in);
}

static int infer_reverse(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    const unsigned axes = a->node->a.reduce.axes;
    const int r = check_in(a, err);
    if (r < 0) return r;
    if (axes >> in->rank) return npi_fail(err, NP_ESHAPE, "axis %d does not exist: the tensor has %d dimensions", 31 - __builtin_clz(axes), in->rank);
    npi_infer_same(a->out[0], in);
    return npi_infer_move_q(a->out[0], in, in->q.n > 1 && axes >> in->q.axis & 1 ? -1 : in->q.axis, err);
}

static void eval_reverse(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    int64_t is[NP_MAX_RANK], ds[NP_MAX_RANK], off = 0;
    if (npi_view_count(out) == 0) return;
    npi_view_strides(in, is);
    npi_view_strides(out, ds);
    for (int i = 0; i < in->rank; i++)
        if (a->node->a.reduce.axes >> i & 1) {
            off += is[i] * (in->d[i] - 1);
            is[i] = -is[i];
        }
    npi_copy_nd(out->data, ds, (const char *)in->data + off, is, out->d, out->rank, np_dtype_size(out->dtype));
    npi_requant_moved(out, in);
}

static const struct npi_op_def defs[] = {
    { NPI_OP_RESHAPE, infer_reshape, eval_reshape, NULL, NPI_OPF_ALIAS | NPI_OPF_QUANT },
    { NPI_OP_TRANSPOSE, infer_transpose, eval_transpose, NULL, NPI_OPF_QUANT },
    { NPI_OP_CONCAT, infer_concat, eval_concat, NULL, NPI_OPF_QUANT },
    { NPI_OP_SLICE, infer_slice, eval_slice, NULL, NPI_OPF_QUANT },
    { NPI_OP_TILE, infer_tile, eval_tile, NULL, NPI_OPF_QUANT },
    { NPI_OP_EXPAND, infer_expand, eval_expand, NULL, NPI_OPF_QUANT },
    { NPI_OP_REVERSE, infer_reverse, eval_reverse, NULL, NPI_OPF_QUANT },
};
const struct npi_op_family npi_ops_move = { defs, sizeof defs / sizeof *defs };
