/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite operators that work element by element, along an axis, or that change the type. */
#include "import/tflite.h"

#define TRY(call) do { const int try_r = (call); if (try_r < 0) return try_r; } while (0)

int npi_tfl_unary(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, (enum npi_op)arg);
    int x;
    if (arg == NPI_OP_ELU) n.a.unary.a = 1;
    TRY(npi_tfl_in(op, 0, &x));
    return npi_tfl_emit(op, &n, &x, 1);
}

/* arg numbers 1 to 3 are those of fused activations; 4: 0..1. */
int npi_tfl_relu(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, arg == 1 ? NPI_OP_RELU : NPI_OP_CLAMP);
    n.a.unary.a = arg == 2 ? -1 : 0;
    n.a.unary.b = arg == 3 ? 6 : 1;
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_leaky(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_LEAKY_RELU);
    n.a.unary.a = npi_fb_f32(&op->opt, 0, 0);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_gelu(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_GELU);
    n.a.unary.tanh_approx = npi_fb_u8(&op->opt, 0, 0) != 0;
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    return npi_tfl_emit(op, &n, &x, 1);
}

static int binary(struct npi_tfl_op *op, int arg, int act) {
    struct npi_node n = npi_tfl_node(op, (enum npi_op)arg);
    int x[2];
    TRY(npi_tfl_in(op, 0, &x[0]));
    TRY(npi_tfl_in(op, 1, &x[1]));
    TRY(npi_tfl_act(op, act, &n.act));
    if (arg == NPI_OP_BIT_SHIFT) n.a.misc.direction_right = 1;
    return npi_tfl_emit(op, &n, x, 2);
}

int npi_tfl_binary(struct npi_tfl_op *op, int arg) { return binary(op, arg, 0); }
int npi_tfl_binary_act(struct npi_tfl_op *op, int arg) { return binary(op, arg, npi_fb_i8(&op->opt, 0, 0)); }

int npi_tfl_add_n(struct npi_tfl_op *op, int arg) {
    const struct npi_node n = npi_tfl_node(op, NPI_OP_ADD);
    int x[2];
    TRY(npi_tfl_in(op, 0, &x[0]));
    if (op->in.n < 2) return npi_tfl_same(op, 0, x[0]);
    for (int i = 1; i < (int)op->in.n; i++) {
        TRY(npi_tfl_in(op, i, &x[1]));
        if (i + 1 == (int)op->in.n) break;
        TRY(npi_tfl_mid(op, &n, x, 2, &x[0]));
    }
    return npi_tfl_emit(op, &n, x, 2);
}

/* SELECT (arg 1) takes a vector condition that chooses whole rows; SELECT_V2 broadcasts like everybody. */
int npi_tfl_select(struct npi_tfl_op *op, int arg) {
    const struct npi_node n = npi_tfl_node(op, NPI_OP_WHERE);
    int x[3];
    for (int i = 0; i < 3; i++) TRY(npi_tfl_in(op, i, &x[i]));
    const struct npi_view *c = npi_tfl_view(op, x[0]), *v = npi_tfl_view(op, x[1]);
    if (arg == 1 && c->rank == 1 && v->rank > 1) {
        int64_t d[NP_MAX_RANK] = { c->d[0], 1, 1, 1, 1, 1, 1, 1 };
        TRY(npi_tfl_mid_reshape(op, x[0], v->rank, d, &x[0]));
    }
    return npi_tfl_emit(op, &n, x, 3);
}

int npi_tfl_reduce(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_REDUCE);
    int x, n_axes, a;
    int64_t axis[NP_MAX_RANK];
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the list of axes", axis, NP_MAX_RANK, &n_axes));
    const struct npi_view *v = npi_tfl_view(op, x);
    if (n_axes == 0 || v->rank == 0) return npi_tfl_emit_reshape(op, x, v->rank, v->d, 0);
    for (int i = 0; i < n_axes; i++) {
        TRY(npi_tfl_axis(op, axis[i], v->rank, &a));
        n.a.reduce.axes |= 1u << a;
    }
    n.a.reduce.kind = arg;
    n.a.reduce.keepdims = npi_fb_u8(&op->opt, 0, 0) != 0;
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_argminmax(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, (enum npi_op)arg);
    int x, n_axes;
    int64_t axis;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the axis", &axis, 1, &n_axes));
    const struct npi_tfl_tensor *out = npi_tfl_out_record(op, 0);
    if (!out) return NP_EFORMAT;
    TRY(npi_tfl_axis(op, n_axes ? axis : -1, npi_tfl_view(op, x)->rank, &n.a.reduce.axis));
    n.a.reduce.axes = 1u << n.a.reduce.axis;
    n.a.reduce.out_dtype = out->dtype;
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_topk(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_TOPK);
    int x, n_k;
    int64_t k = 0;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the number of best ones", &k, 1, &n_k));
    const struct npi_view *v = npi_tfl_view(op, x);
    if (v->rank < 1 || n_k != 1 || k < 0 || k > v->d[v->rank - 1]) return npi_tfl_fail(op, NP_EFORMAT, "%lld best ones are more than there are", (long long)k);
    n.a.topk.k = k;
    n.a.topk.axis = v->rank - 1;
    n.a.topk.largest = n.a.topk.sorted = 1;
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_softmax(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, (enum npi_op)arg), scale = npi_tfl_node(op, NPI_OP_MUL);
    const float beta = arg == NPI_OP_SOFTMAX ? npi_fb_f32(&op->opt, 0, 0) : 1;
    int x[2];
    TRY(npi_tfl_in(op, 0, &x[0]));
    const struct npi_view *v = npi_tfl_view(op, x[0]);
    if (v->rank < 1) return npi_tfl_fail(op, NP_EFORMAT, "softmax of a scalar");
    n.a.norm.axis = v->rank - 1;
    n.a.norm.beta = 1;
    if (beta != 1 && op->opt.b) {
        if (v->dtype != NP_F32) return npi_tfl_fail(op, NP_EUNSUPPORTED, "beta %g of a quantized softmax", (double)beta);
        if ((x[1] = npi_graph_const_f32(op->m->g, NULL, 0, NULL, &beta)) < 0) return npi_tfl_nomem(op->m);
        TRY(npi_tfl_mid(op, &scale, x, 2, &x[0]));
    }
    return npi_tfl_emit(op, &n, x, 1);
}

int npi_tfl_l2norm(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_LP_NORM);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_act(op, npi_fb_i8(&op->opt, 0, 0), &n.act));
    if (npi_tfl_view(op, x)->rank < 1) return npi_tfl_fail(op, NP_EFORMAT, "norm of a scalar");
    n.a.norm.axis = npi_tfl_view(op, x)->rank - 1;
    n.a.norm.groups = 2;
    return npi_tfl_emit(op, &n, &x, 1);
}

/* Ours has channels at axis 1 and divides alpha by the window, as ONNX does. */
int npi_tfl_lrn(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_LRN), to = npi_tfl_node(op, NPI_OP_TRANSPOSE), back = to;
    static const int first[4] = { 0, 3, 1, 2 }, last[4] = { 0, 2, 3, 1 };
    for (int i = 0; i < 4; i++) {
        to.a.transpose.perm[i] = first[i];
        back.a.transpose.perm[i] = last[i];
    }
    const int32_t radius = npi_fb_i32(&op->opt, 0, 0);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    if (npi_tfl_view(op, x)->rank != 4 || radius < 0 || radius > 1 << 20) return npi_tfl_fail(op, NP_EFORMAT, "radius %d or shape makes no sense", radius);
    n.a.norm.groups = 2 * radius + 1;
    n.a.norm.bias = npi_fb_f32(&op->opt, 1, 0);
    n.a.norm.alpha = npi_fb_f32(&op->opt, 2, 0) * (float)n.a.norm.groups;
    n.a.norm.beta = npi_fb_f32(&op->opt, 3, 0);
    TRY(npi_tfl_mid(op, &to, &x, 1, &x));
    TRY(npi_tfl_mid(op, &n, &x, 1, &x));
    return npi_tfl_emit(op, &back, &x, 1);
}

int npi_tfl_cumsum(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_CUMSUM);
    int x, k;
    int64_t axis = 0;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the axis", &axis, 1, &k));
    TRY(npi_tfl_axis(op, axis, npi_tfl_view(op, x)->rank, &n.a.gather.axis));
    n.a.gather.exclusive = npi_fb_u8(&op->opt, 0, 0) != 0;
    n.a.gather.reverse = npi_fb_u8(&op->opt, 1, 0) != 0;
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_cast(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_CAST);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    const struct npi_tfl_tensor *out = npi_tfl_out_record(op, 0);
    if (!out) return NP_EFORMAT;
    n.a.cast.to = out->dtype;
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_quantize(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, (enum npi_op)arg);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    const struct npi_tfl_tensor *out = npi_tfl_out_record(op, 0);
    if (!out) return NP_EFORMAT;
    const struct npi_view *v = npi_tfl_view(op, x);
    if (arg == NPI_OP_QUANTIZE && !out->q.n) return npi_tfl_fail(op, NP_EFORMAT, "its output has no quantization");
    if (arg == NPI_OP_DEQUANTIZE && v->dtype == NP_F32) return npi_tfl_same(op, 0, x);
    if (arg == NPI_OP_DEQUANTIZE && v->dtype != NP_F16 && v->dtype != NP_BF16 && !v->q.n) return npi_tfl_fail(op, NP_EFORMAT, "its input has no quantization");
    n.a.cast.to = out->dtype;
    return npi_tfl_emit(op, &n, &x, 1);
}
