/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX writer: ops along axes: products of matrices, norms, sums, the largest. */
#include "export/onnx_write_ops.h"

/* [m][k] x [n][k]: Gemm; more dimensions: MatMul with the weights turned round. */
NPI_OW_HANDLER(fully_connected) {
    const int gemm = npi_ow_view(w, n->in[0])->rank == 2;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *k = gemm ? npi_ow_in(w, n->in[1], NPI_OW_PLAIN) : npi_ow_weights(w, n->in[1], 'F');
    const char *b = n->n_in > 2 && n->in[2] >= 0 ? npi_ow_in(w, n->in[2], NPI_OW_PLAIN) : "";
    if (!x || !k || !b) return npi_ow_bad_input(w, n, !x ? 0 : !k ? 1 : 2);
    const size_t m = npi_ow_begin(w, gemm ? "Gemm" : "MatMul", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, k);
    if (*b) npi_ow_arg(w, b);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    if (gemm) npi_ow_int(w, "transB", 1);
    npi_ow_end(w, m);
    return 0;
}

/* One operand and an axis. */
NPI_OW_HANDLER(along) {
    const int follows = npi_ow_wants(w->g, n) == NPI_OW_FOLLOWS, form = follows ? npi_ow_follow(w, n) : NPI_OW_PLAIN, rank = npi_ow_view(w, n->in[0])->rank;
    const char *x[3] = { "", "", "" };
    for (int i = 0; i < n->n_in && i < 3; i++)
        if (n->in[i] >= 0 && !(x[i] = npi_ow_in(w, n->in[i], i ? NPI_OW_PLAIN : form))) return npi_ow_bad_input(w, n, i);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    for (int i = 0; i < n->n_in && i < 3; i++) npi_ow_arg(w, x[i]);
    for (int i = 0; i < n->n_out; i++) npi_ow_result(w, npi_ow_out(w, n->out[i], form));
    const int axis = n->a.norm.axis < 0 ? n->a.norm.axis + rank : n->a.norm.axis;
    if (n->op != NPI_OP_LRN && n->op != NPI_OP_GROUP_NORM) npi_ow_int(w, "axis", npi_ow_axis(form, axis));
    if (n->op == NPI_OP_LAYER_NORM || n->op == NPI_OP_GROUP_NORM) npi_ow_float(w, "epsilon", n->a.norm.eps);
    if (n->op == NPI_OP_LP_NORM) npi_ow_int(w, "p", n->a.norm.groups);
    if (n->op == NPI_OP_LRN) {
        npi_ow_int(w, "size", n->a.norm.groups);
        npi_ow_float(w, "alpha", n->a.norm.alpha);
        npi_ow_float(w, "beta", n->a.norm.beta);
        npi_ow_float(w, "bias", n->a.norm.bias);
    }
    npi_ow_end(w, m);
    return 0;
}

/* LayerNormalization wants a scale. */
NPI_OW_HANDLER(layer_norm) {
    if (n->n_in > 1 && n->in[1] >= 0) return npi_ow_op_along(w, n, row);
    const struct npi_view *v = npi_ow_view(w, n->in[0]);
    struct npi_view ones = { .dtype = NP_F32 };
    for (int i = n->a.norm.axis < 0 ? n->a.norm.axis + v->rank : n->a.norm.axis; i < v->rank; i++) ones.d[ones.rank++] = v->d[i];
    const int64_t count = npi_view_count(&ones);
    float *one = npi_arena_array(&w->tmp, float, count);
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *b = n->n_in > 2 && n->in[2] >= 0 ? npi_ow_in(w, n->in[2], NPI_OW_PLAIN) : "";
    if (!one) return npi_ow_nomem(w);
    if (!x || !b) return npi_ow_bad_input(w, n, x ? 2 : 0);
    for (int64_t i = 0; i < count; i++) one[i] = 1;
    const char *s = npi_ow_const(w, npi_ow_fresh(w, "ones"), NP_F32, ones.rank, ones.d, one, NULL);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, s);
    if (*b) npi_ow_arg(w, b);
    for (int i = 0; i < n->n_out; i++) npi_ow_result(w, npi_ow_out(w, n->out[i], NPI_OW_PLAIN));
    npi_ow_int(w, "axis", n->a.norm.axis);
    npi_ow_float(w, "epsilon", n->a.norm.eps);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(cumsum) {
    const int64_t axis = n->a.gather.axis;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *a = npi_ow_const(w, npi_ow_fresh(w, "axis"), NP_I64, 0, NULL, &axis, NULL);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, "CumSum", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, a);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_int(w, "exclusive", n->a.gather.exclusive);
    npi_ow_int(w, "reverse", n->a.gather.reverse);
    npi_ow_end(w, m);
    return 0;
}

/* Without the reduced dims the others must be in the same order in both layouts. */
static int reduce_form(const struct npi_ow *w, const struct npi_node *n) {
    const int form = npi_ow_follow(w, n);
    if (form == NPI_OW_PLAIN || n->a.reduce.keepdims) return form;
    const unsigned kept = ~n->a.reduce.axes & 15u; /* channels (3) move in front of rows and columns (1, 2) */
    return kept & 8u && kept & 6u ? NPI_OW_PLAIN : NPI_OW_FIRST;
}

NPI_OW_HANDLER(reduce) {
    static const char *const names[] = { "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
                                         "ReduceLogSumExp", "ReduceSumSquare" };
    const int form = reduce_form(w, n), rank = npi_ow_view(w, n->in[0])->rank;
    int64_t axes[NP_MAX_RANK];
    int k = 0;
    if (n->a.reduce.kind > NPI_REDUCE_SUM_SQUARE) return npi_ow_refuse(w, n, "reduction %d", n->a.reduce.kind);
    for (int i = 0; i < rank; i++)
        if (n->a.reduce.axes >> npi_ow_source(form, i) & 1) axes[k++] = i;
    const char *x = npi_ow_in(w, n->in[0], form), *a = npi_ow_ints(w, "axes", axes, k);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, names[n->a.reduce.kind], n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, a);
    npi_ow_result(w, npi_ow_out(w, n->out[0], n->a.reduce.keepdims ? form : NPI_OW_PLAIN));
    npi_ow_int(w, "keepdims", n->a.reduce.keepdims);
    if (!k) npi_ow_int(w, "noop_with_empty_axes", 1);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(argminmax) {
    const int narrow = npi_ow_view(w, n->out[0])->dtype != NP_I64;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *y = narrow ? npi_ow_fresh(w, "index") : npi_ow_out(w, n->out[0], NPI_OW_PLAIN);
    if (!x || !y) return npi_ow_bad_input(w, n, 0);
    size_t m = npi_ow_begin1(w, row->type, n, x, y);
    npi_ow_int(w, "axis", n->a.reduce.axis);
    npi_ow_int(w, "keepdims", n->a.reduce.keepdims);
    if (n->a.reduce.select_last) npi_ow_int(w, "select_last_index", 1);
    npi_ow_end(w, m);
    if (!narrow) return 0;
    m = npi_ow_begin1(w, "Cast", n, y, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_int(w, "to", npi_ow_type(npi_ow_view(w, n->out[0])->dtype));
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(topk) {
    const int narrow = npi_ow_view(w, n->out[1])->dtype != NP_I64;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *k = npi_ow_ints(w, "k", &n->a.topk.k, 1);
    const char *y = npi_ow_out(w, n->out[0], NPI_OW_PLAIN), *i = narrow ? npi_ow_fresh(w, "index") : npi_ow_out(w, n->out[1], NPI_OW_PLAIN);
    if (!x || !i) return npi_ow_bad_input(w, n, 0);
    size_t m = npi_ow_begin(w, "TopK", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, k);
    npi_ow_result(w, y);
    npi_ow_result(w, i);
    npi_ow_int(w, "axis", n->a.topk.axis);
    npi_ow_int(w, "largest", n->a.topk.largest);
    npi_ow_int(w, "sorted", n->a.topk.sorted);
    npi_ow_end(w, m);
    if (!narrow) return 0;
    m = npi_ow_begin1(w, "Cast", n, i, npi_ow_out(w, n->out[1], NPI_OW_PLAIN));
    npi_ow_int(w, "to", npi_ow_type(npi_ow_view(w, n->out[1])->dtype));
    npi_ow_end(w, m);
    return 0;
}
