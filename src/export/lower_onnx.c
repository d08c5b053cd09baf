/* SPDX-License-Identifier: Apache-2.0 */
/* Our ops in the words of ONNX. Quantized ops become the standard form that ONNX Runtime and OpenVINO recognise: DequantizeLinear on
 * each operand, the op on real numbers, QuantizeLinear behind it. */
#include "export/lower.h"
#include "ops/quantize.h"

#define NOT_OURS (-1000) /* no NP_E code */

static int is_int(int dtype) { return dtype != NP_F32 && dtype != NP_F64 && dtype != NP_F16 && dtype != NP_BF16; }

/* [n][c][…] in groups: instance norm over [n][groups][rest], then scale and bias a channel. */
static int group_norm(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_view v = *npi_lo_view(l, in[0]);
    const int64_t c = v.d[1], g = n->a.norm.groups;
    int64_t folded[3] = { v.d[0], g, 1 }, chan[NP_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    if (g == c && v.rank >= 3 && n->n_in == 3 && in[1] >= 0 && in[2] >= 0) return NOT_OURS; /* InstanceNormalization as it is */
    folded[2] = npi_view_count(&v) / (v.d[0] * g > 0 ? v.d[0] * g : 1);
    const struct npi_view param = { .dtype = NP_F32, .rank = 1, .d = { g } };
    const int one = npi_graph_const(l->g, NULL, &param), zero = npi_graph_const(l->g, NULL, &param);
    if (one < 0 || zero < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    for (int64_t i = 0; i < g; i++) ((float *)npi_lo_view(l, one)->data)[i] = 1;
    const int x = npi_lo_reshape(l, in[0], 3, folded);
    int y = x < 0 ? x : npi_lo_build(l, NPI_OP_GROUP_NORM, &n->a, (int[]){ x, one, zero }, 3);
    y = npi_lo_reshape(l, y, v.rank, v.d);
    chan[1] = c;
    if (n->n_in > 1 && in[1] >= 0) y = npi_lo_bin(l, NPI_OP_MUL, y, npi_lo_reshape(l, in[1], v.rank, chan));
    return n->n_in > 2 && in[2] >= 0 ? npi_lo_bin(l, NPI_OP_ADD, y, npi_lo_reshape(l, in[2], v.rank, chan)) : y;
}

/* Integers round towards zero in ONNX' Div; what is left over is taken off before, so that nothing is rounded. */
static int floor_div(struct npi_lower *l, const int *in) {
    if (!is_int(npi_lo_view(l, in[0])->dtype)) return npi_lo_un(l, NPI_OP_FLOOR, npi_lo_bin(l, NPI_OP_DIV, in[0], in[1]));
    return npi_lo_bin(l, NPI_OP_DIV, npi_lo_bin(l, NPI_OP_SUB, in[0], npi_lo_bin(l, NPI_OP_MOD, in[0], in[1])), in[1]);
}

/* ReduceMin and ReduceMax of truth values go through integers. */
static int any_all(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const int kind = n->a.reduce.kind == NPI_REDUCE_ANY ? NPI_REDUCE_MAX : NPI_REDUCE_MIN;
    return npi_lo_cast(l, npi_lo_reduce(l, npi_lo_cast(l, in[0], NP_I32), kind, n->a.reduce.axes, n->a.reduce.keepdims), NP_BOOL);
}

static int matmul(struct npi_lower *l, const struct npi_node *n, const int *in) {
    int x[2] = { in[0], in[1] };
    if (!n->a.matmul.ta && !n->a.matmul.tb && (n->a.matmul.alpha == 0 || n->a.matmul.alpha == 1)) return NOT_OURS;
    for (int k = 0; k < 2; k++) {
        const int rank = npi_lo_view(l, x[k])->rank;
        int perm[NP_MAX_RANK];
        if (!(k ? n->a.matmul.tb : n->a.matmul.ta)) continue;
        for (int i = 0; i < rank; i++) perm[i] = i;
        perm[rank - 1] = rank - 2;
        perm[rank - 2] = rank - 1;
        if ((x[k] = npi_build_transpose(l->g, n->name, x[k], perm, l->err)) < 0) return x[k];
    }
    const int y = npi_lo_bin(l, NPI_OP_MATMUL, x[0], x[1]);
    return n->a.matmul.alpha == 0 || n->a.matmul.alpha == 1 ? y : npi_lo_bin(l, NPI_OP_MUL, y, npi_lo_scalar(l, in[0], (double)n->a.matmul.alpha));
}

/* Rank 2 becomes Gemm with its bias; more dimensions become MatMul and Add, whose weights the writer turns round. */
static int fully_connected(struct npi_lower *l, const struct npi_node *n, const int *in) {
    if (npi_lo_view(l, in[0])->rank == 2 || n->n_in < 3 || in[2] < 0) return NOT_OURS;
    return npi_lo_bin(l, NPI_OP_ADD, npi_lo_same(l, in, 2, (struct npi_act){ 0 }), in[2]);
}

static int real_op(struct npi_lower *l, const struct npi_node *n, const int *in) {
    switch (n->op) {
    case NPI_OP_FULLY_CONNECTED: return fully_connected(l, n, in);
    case NPI_OP_MATMUL: return matmul(l, n, in);
    case NPI_OP_SILU: return npi_lo_bin(l, NPI_OP_MUL, in[0], npi_lo_un(l, NPI_OP_SIGMOID, in[0]));
    case NPI_OP_GELU: return npi_lo_gelu(l, in[0], n->a.unary.tanh_approx);
    case NPI_OP_SQUARE: return npi_lo_bin(l, NPI_OP_MUL, in[0], in[0]);
    case NPI_OP_RSQRT: return npi_lo_un(l, NPI_OP_RECIPROCAL, npi_lo_un(l, NPI_OP_SQRT, in[0]));
    case NPI_OP_SQUARED_DIFF: {
        const int d = npi_lo_bin(l, NPI_OP_SUB, in[0], in[1]);
        return npi_lo_bin(l, NPI_OP_MUL, d, d);
    }
    case NPI_OP_FLOOR_DIV: return floor_div(l, in);
    case NPI_OP_MOD:
        if (n->a.misc.mode_fmod || is_int(npi_lo_view(l, in[0])->dtype)) return NOT_OURS;
        /* a - floor(a / b) * b would not be exact for large quotients: fmod, moved to the sign of b */
        return npi_lo_refuse(l, "the remainder of real numbers with the sign of the divisor has no counterpart");
    case NPI_OP_NOT_EQUAL: return npi_lo_un(l, NPI_OP_NOT, npi_lo_bin(l, NPI_OP_EQUAL, in[0], in[1]));
    case NPI_OP_GATHER_ND: case NPI_OP_SCATTER_ND: { /* take no other indices than 64-bit ones */
        if (npi_lo_view(l, in[1])->dtype == NP_I64) return NOT_OURS;
        const int x[3] = { in[0], npi_lo_cast(l, in[1], NP_I64), n->n_in > 2 ? in[2] : -1 };
        return npi_lo_same(l, x, n->n_in, (struct npi_act){ 0 });
    }
    case NPI_OP_RMS_NORM: return npi_lo_rms_norm(l, n, in);
    case NPI_OP_GROUP_NORM: return group_norm(l, n, in);
    case NPI_OP_REDUCE: return n->a.reduce.kind == NPI_REDUCE_ANY || n->a.reduce.kind == NPI_REDUCE_ALL ? any_all(l, n, in) : NOT_OURS;
    default: return NOT_OURS;
    }
}

static int rule(struct npi_lower *l, const struct npi_node *n, const int *in, int *out) {
    const struct npi_view *y = &l->from->tensor[n->out[0]].v;
    if (n->op == NPI_OP_DEQUANTIZE || n->op == NPI_OP_CAST || npi_lo_reinterprets(l, n)) return 0;
    if (n->op == NPI_OP_QUANTIZE) {
        if (!npi_q_is(&l->from->tensor[n->in[0]].v)) return 0;
        out[0] = npi_lo_quantize(l, npi_lo_real(l, n->in[0]), y);
        return out[0] < 0 ? out[0] : 1;
    }
    int r = npi_lo_real_op(l, n, rule, out);
    if (r) return r;
    if (n->op == NPI_OP_DETECTION_POSTPROCESS) return npi_lo_detection(l, n, in, out);
    if ((n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_FULLY_CONNECTED) && n->n_in > 3 && in[3] >= 0)
        r = npi_lo_residual(l, n, in);
    else {
        r = real_op(l, n, in);
        if (r == NOT_OURS && !n->act.kind) return 0;
        if (r == NOT_OURS) r = npi_lo_same(l, in, n->n_in, (struct npi_act){ 0 });
        if (r >= 0) r = npi_lo_act(l, &n->act, r);
    }
    out[0] = r;
    return r < 0 ? r : 1;
}

/* Shapes behind a NonMaxSuppression of the model are as large as they may be here, and as many as there are in ONNX. */
static int first_rule(struct npi_lower *l, const struct npi_node *n, const int *in, int *out) {
    return n->op == NPI_OP_NMS ? npi_lo_refuse(l, "NonMaxSuppression finds a number of boxes that is not known before") : rule(l, n, in, out);
}

/* What unfused activations and decompositions leave behind (Silu of an activation) is taken up by a second round. */
int npi_lower_onnx(struct npi_graph *g, struct np_error *err) {
    const int r = npi_lower(g, first_rule, "ONNX", err);
    return r < 0 ? r : npi_lower(g, rule, "ONNX", err);
}
