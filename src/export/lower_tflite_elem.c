/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise ops, reductions and norms that TFLite lacks, in ops that it has. */
#include <math.h>
#include <string.h>

#include "export/lower_tflite.h"

#define NOT_OURS NPI_LT_NOT_OURS
#define X in[0]

static int sc(struct npi_lower *l, const int *in, double v) { return npi_lo_scalar(l, X, v); }
static int bin(struct npi_lower *l, enum npi_op op, int x, int y) { return npi_lo_bin(l, op, x, y); }
static int un(struct npi_lower *l, enum npi_op op, int x) { return npi_lo_un(l, op, x); }
static int where(struct npi_lower *l, int c, int x, int y) { return c < 0 ? c : x < 0 ? x : y < 0 ? y : npi_lo_build(l, NPI_OP_WHERE, NULL, (int[]){ c, x, y }, 3); }
static int is_float(const struct npi_lower *l, int t) { return npi_lo_view(l, t)->dtype == NP_F32 || npi_lo_view(l, t)->dtype == NP_F64; }

/* TFLite's ELU has alpha 1: relu(x) + scale * elu(min(x, 0) / by). */
static int elu(struct npi_lower *l, const int *in, double scale, double by, double outer) {
    int neg = bin(l, NPI_OP_MIN, X, sc(l, in, 0));
    if (by != 1) neg = bin(l, NPI_OP_DIV, neg, sc(l, in, by));
    int y = npi_lo_un_ab(l, NPI_OP_ELU, neg, 1, 0);
    if (scale != 1) y = bin(l, NPI_OP_MUL, y, sc(l, in, scale));
    y = bin(l, NPI_OP_ADD, un(l, NPI_OP_RELU, X), y);
    return outer == 1 ? y : bin(l, NPI_OP_MUL, y, sc(l, in, outer));
}

/* 0, 6 and their kind are operators of their own; others are a maximum and a minimum. */
static int clamp(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const float lo = n->a.unary.a, hi = n->a.unary.b;
    if (npi_lt_act(&(struct npi_act){ NPI_ACT_CLAMP, lo, hi }) > 0) return NOT_OURS;
    int y = X;
    if (lo != -INFINITY) y = bin(l, NPI_OP_MAX, y, sc(l, in, (double)lo));
    if (hi != INFINITY) y = bin(l, NPI_OP_MIN, y, sc(l, in, (double)hi));
    return y == X ? npi_lo_reshape(l, X, npi_lo_view(l, X)->rank, npi_lo_view(l, X)->d) : y;
}

static int reduce(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const unsigned axes = n->a.reduce.axes;
    const int keep = n->a.reduce.keepdims;
    switch (n->a.reduce.kind) {
    case NPI_REDUCE_L1: return npi_lo_reduce(l, un(l, NPI_OP_ABS, X), NPI_REDUCE_SUM, axes, keep);
    case NPI_REDUCE_L2: return un(l, NPI_OP_SQRT, npi_lo_reduce(l, bin(l, NPI_OP_MUL, X, X), NPI_REDUCE_SUM, axes, keep));
    case NPI_REDUCE_SUM_SQUARE: return npi_lo_reduce(l, bin(l, NPI_OP_MUL, X, X), NPI_REDUCE_SUM, axes, keep);
    case NPI_REDUCE_LOG_SUM: return un(l, NPI_OP_LOG, npi_lo_reduce(l, X, NPI_REDUCE_SUM, axes, keep));
    case NPI_REDUCE_LOG_SUM_EXP: { /* the largest is taken out, so that nothing overflows */
        const int m = npi_lo_reduce(l, X, NPI_REDUCE_MAX, axes, 1), e = un(l, NPI_OP_EXP, bin(l, NPI_OP_SUB, X, m));
        const int y = un(l, NPI_OP_LOG, npi_lo_reduce(l, e, NPI_REDUCE_SUM, axes, keep));
        return bin(l, NPI_OP_ADD, y, keep ? m : npi_lo_reduce(l, X, NPI_REDUCE_MAX, axes, 0));
    }
    default: return NOT_OURS;
    }
}

/* TFLite drops the axis, and has no say about ties. */
static int argminmax(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_view y = l->from->tensor[n->out[0]].v;
    if (n->a.reduce.select_last) return npi_lo_refuse(l, "the last of equal values is asked for");
    if (!n->a.reduce.keepdims) return NOT_OURS;
    union npi_attr a = n->a;
    a.reduce.keepdims = 0;
    return npi_lo_reshape(l, npi_lo_build(l, n->op, &a, &X, 1), y.rank, y.d);
}

/* Softmax and its kind work on the last axis: others are brought there and back. */
static int last_axis(struct npi_lower *l, const struct npi_node *n, const int *in, int axis) {
    const int rank = npi_lo_view(l, X)->rank;
    int perm[NP_MAX_RANK], back[NP_MAX_RANK];
    if (axis < 0) axis += rank;
    if (axis == rank - 1) return NOT_OURS;
    for (int i = 0; i < rank; i++) perm[i] = i == rank - 1 ? axis : i < axis ? i : i + 1;
    for (int i = 0; i < rank; i++) back[perm[i]] = i;
    union npi_attr a = n->a;
    a.norm.axis = rank - 1;
    const int t = npi_lo_transpose(l, X, perm);
    return t < 0 ? t : npi_lo_transpose(l, npi_lo_build(l, n->op, &a, &t, 1), back);
}

/* The same on [n][h][w][c], where the image comes from: [n][hw][groups][c / groups], over the second and the last; one channel a group needs
 * no other shape. */
static int group_norm_last(struct npi_lower *l, const struct npi_node *n, const int *in, int x) {
    static const int first[4] = { 0, 3, 1, 2 };
    const struct npi_view v = *npi_lo_view(l, x);
    const int64_t g = n->a.norm.groups;
    const unsigned axes = g == v.d[3] ? 6 : 10;
    const int y = g == v.d[3] ? x : npi_lo_reshape(l, x, 4, (const int64_t[]){ v.d[0], v.d[1] * v.d[2], g, v.d[3] / g });
    const int d = bin(l, NPI_OP_SUB, y, npi_lo_reduce(l, y, NPI_REDUCE_MEAN, axes, 1));
    const int var = npi_lo_reduce(l, bin(l, NPI_OP_MUL, d, d), NPI_REDUCE_MEAN, axes, 1);
    int z = bin(l, NPI_OP_DIV, d, un(l, NPI_OP_SQRT, bin(l, NPI_OP_ADD, var, sc(l, in, (double)n->a.norm.eps))));
    if (g != v.d[3]) z = npi_lo_reshape(l, z, 4, v.d);
    if (n->n_in > 1 && in[1] >= 0) z = bin(l, NPI_OP_MUL, z, in[1]);
    if (n->n_in > 2 && in[2] >= 0) z = bin(l, NPI_OP_ADD, z, in[2]);
    return npi_lo_transpose(l, z, first);
}

static int group_norm(struct npi_lower *l, const struct npi_node *n, const int *in) {
    static const int first[4] = { 0, 3, 1, 2 };
    const struct npi_node *t = npi_lo_maker(l, X);
    if (t && t->op == NPI_OP_TRANSPOSE && npi_lo_view(l, X)->rank == 4 && !memcmp(t->a.transpose.perm, first, sizeof first)) return group_norm_last(l, n, in, t->in[0]);
    const struct npi_view v = *npi_lo_view(l, X);
    const int64_t g = n->a.norm.groups, rest = v.d[0] * g > 0 ? npi_view_count(&v) / (v.d[0] * g) : 0;
    int64_t chan[NP_MAX_RANK] = { 1, v.d[1], 1, 1, 1, 1, 1, 1 };
    const int x = npi_lo_reshape(l, X, 3, (const int64_t[]){ v.d[0], g, rest });
    const int d = bin(l, NPI_OP_SUB, x, npi_lo_reduce(l, x, NPI_REDUCE_MEAN, 4, 1));
    const int var = npi_lo_reduce(l, bin(l, NPI_OP_MUL, d, d), NPI_REDUCE_MEAN, 4, 1);
    int y = bin(l, NPI_OP_DIV, d, un(l, NPI_OP_SQRT, bin(l, NPI_OP_ADD, var, sc(l, in, (double)n->a.norm.eps))));
    y = npi_lo_reshape(l, y, v.rank, v.d);
    if (n->n_in > 1 && in[1] >= 0) y = bin(l, NPI_OP_MUL, y, npi_lo_reshape(l, in[1], v.rank, chan));
    return n->n_in > 2 && in[2] >= 0 ? bin(l, NPI_OP_ADD, y, npi_lo_reshape(l, in[2], v.rank, chan)) : y;
}

static int lp_norm(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const int rank = npi_lo_view(l, X)->rank, axis = n->a.norm.axis < 0 ? n->a.norm.axis + rank : n->a.norm.axis;
    int s = n->a.norm.groups == 1 ? un(l, NPI_OP_ABS, X) : bin(l, NPI_OP_MUL, X, X);
    s = npi_lo_reduce(l, s, NPI_REDUCE_SUM, 1u << axis, 1);
    if (n->a.norm.groups != 1) s = un(l, NPI_OP_SQRT, s);
    return bin(l, NPI_OP_DIV, X, bin(l, NPI_OP_MAX, s, sc(l, in, 1e-37))); /* zeros stay zeros */
}

static int ones_like(struct npi_lower *l, int x) {
    const struct npi_view v = { .dtype = NP_F32, .rank = npi_lo_view(l, x)->rank };
    struct npi_view c = v;
    memcpy(c.d, npi_lo_view(l, x)->d, sizeof c.d);
    const int t = npi_graph_const(l->g, NULL, &c);
    if (t < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    for (int64_t i = 0; i < npi_view_count(&c); i++) ((float *)npi_lo_view(l, t)->data)[i] = 1;
    return t;
}

static int inverse_trig(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const int one = sc(l, in, 1);
    switch (n->op) {
    case NPI_OP_ATAN: return bin(l, NPI_OP_ATAN2, X, ones_like(l, X)); /* which does not broadcast */
    case NPI_OP_ASIN: case NPI_OP_ACOS: {
        const int other = un(l, NPI_OP_SQRT, bin(l, NPI_OP_MUL, bin(l, NPI_OP_SUB, one, X), bin(l, NPI_OP_ADD, one, X)));
        return n->op == NPI_OP_ASIN ? bin(l, NPI_OP_ATAN2, X, other) : bin(l, NPI_OP_ATAN2, other, X);
    }
    case NPI_OP_ASINH: {
        const int a = un(l, NPI_OP_ABS, X), r = un(l, NPI_OP_SQRT, bin(l, NPI_OP_ADD, bin(l, NPI_OP_MUL, X, X), one));
        return bin(l, NPI_OP_MUL, un(l, NPI_OP_SIGN, X), un(l, NPI_OP_LOG, bin(l, NPI_OP_ADD, a, r)));
    }
    case NPI_OP_ACOSH: return un(l, NPI_OP_LOG, bin(l, NPI_OP_ADD, X, un(l, NPI_OP_SQRT, bin(l, NPI_OP_MUL, bin(l, NPI_OP_SUB, X, one), bin(l, NPI_OP_ADD, X, one)))));
    default: /* atanh */
        return bin(l, NPI_OP_MUL, sc(l, in, .5), un(l, NPI_OP_LOG, bin(l, NPI_OP_DIV, bin(l, NPI_OP_ADD, one, X), bin(l, NPI_OP_SUB, one, X))));
    }
}

static int hyperbolic(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const int e = un(l, NPI_OP_EXP, X), f = un(l, NPI_OP_EXP, un(l, NPI_OP_NEG, X));
    return bin(l, NPI_OP_MUL, bin(l, n->op == NPI_OP_SINH ? NPI_OP_SUB : NPI_OP_ADD, e, f), sc(l, in, .5));
}

static int shrink(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const double at = (double)n->a.unary.a, bias = (double)n->a.unary.b;
    const int up = where(l, bin(l, NPI_OP_GREATER, X, sc(l, in, at)), bin(l, NPI_OP_SUB, X, sc(l, in, bias)), sc(l, in, 0));
    return where(l, bin(l, NPI_OP_LESS, X, sc(l, in, -at)), bin(l, NPI_OP_ADD, X, sc(l, in, bias)), up);
}

static int mod(struct npi_lower *l, const struct npi_node *n, const int *in) {
    if (!n->a.misc.mode_fmod) return NOT_OURS; /* FLOOR_MOD */
    if (is_float(l, X)) return npi_lo_refuse(l, "the remainder of real numbers with the sign of the dividend has no counterpart");
    return bin(l, NPI_OP_SUB, X, bin(l, NPI_OP_MUL, bin(l, NPI_OP_DIV, X, in[1]), in[1])); /* integers divide towards zero */
}

int npi_lt_elem(struct npi_lower *l, const struct npi_node *n, const int *in) {
    switch (n->op) {
    case NPI_OP_SILU: return bin(l, NPI_OP_MUL, X, un(l, NPI_OP_SIGMOID, X));
    case NPI_OP_CLAMP: return clamp(l, n, in);
    case NPI_OP_HARD_SIGMOID: {
        const int y = bin(l, NPI_OP_ADD, bin(l, NPI_OP_MUL, X, sc(l, in, (double)n->a.unary.a)), sc(l, in, (double)n->a.unary.b));
        return bin(l, NPI_OP_MIN, bin(l, NPI_OP_MAX, y, sc(l, in, 0)), sc(l, in, 1));
    }
    case NPI_OP_ELU: return n->a.unary.a == 1 ? NOT_OURS : elu(l, in, (double)n->a.unary.a, 1, 1);
    case NPI_OP_CELU: return elu(l, in, (double)n->a.unary.a, (double)n->a.unary.a, 1);
    case NPI_OP_SELU: return elu(l, in, (double)n->a.unary.a, 1, (double)n->a.unary.b);
    case NPI_OP_ERF: return npi_lo_refuse(l, "TFLite has no error function (it has Gelu, which this is not part of here)");
    case NPI_OP_RECIPROCAL: return bin(l, NPI_OP_DIV, sc(l, in, 1), X);
    case NPI_OP_SOFTPLUS: return npi_lo_softplus(l, X);
    case NPI_OP_SOFTSIGN: return bin(l, NPI_OP_DIV, X, bin(l, NPI_OP_ADD, un(l, NPI_OP_ABS, X), sc(l, in, 1)));
    case NPI_OP_MISH: return bin(l, NPI_OP_MUL, X, un(l, NPI_OP_TANH, npi_lo_softplus(l, X)));
    case NPI_OP_THRESHOLDED_RELU: return where(l, bin(l, NPI_OP_GREATER, X, sc(l, in, (double)n->a.unary.a)), X, sc(l, in, 0));
    case NPI_OP_SHRINK: return shrink(l, n, in);
    case NPI_OP_TAN: return bin(l, NPI_OP_DIV, un(l, NPI_OP_SIN, X), un(l, NPI_OP_COS, X));
    case NPI_OP_ASIN: case NPI_OP_ACOS: case NPI_OP_ATAN: case NPI_OP_ASINH: case NPI_OP_ACOSH: case NPI_OP_ATANH: return inverse_trig(l, n, in);
    case NPI_OP_SINH: case NPI_OP_COSH: return hyperbolic(l, n, in);
    case NPI_OP_BITWISE_NOT: return bin(l, NPI_OP_BITWISE_XOR, X, sc(l, in, -1));
    case NPI_OP_ISNAN: return bin(l, NPI_OP_NOT_EQUAL, X, X);
    case NPI_OP_ISINF: {
        const int p = n->a.misc.detect_positive, m = n->a.misc.detect_negative;
        return p || m ? bin(l, NPI_OP_EQUAL, p && m ? un(l, NPI_OP_ABS, X) : X, sc(l, in, p ? INFINITY : -INFINITY)) : bin(l, NPI_OP_LESS, un(l, NPI_OP_ABS, X), sc(l, in, -1));
    }
    case NPI_OP_MOD: return mod(l, n, in);
    case NPI_OP_XOR: return bin(l, NPI_OP_NOT_EQUAL, X, in[1]);
    case NPI_OP_BIT_SHIFT: return n->a.misc.direction_right ? NOT_OURS : npi_lo_refuse(l, "a shift to the left");
    case NPI_OP_BITWISE_AND: case NPI_OP_BITWISE_OR: return npi_lo_refuse(l, "TFLite has no bitwise and / or");
    case NPI_OP_REDUCE: return reduce(l, n, in);
    case NPI_OP_ARGMAX: case NPI_OP_ARGMIN: return argminmax(l, n, in);
    case NPI_OP_SOFTMAX: case NPI_OP_LOG_SOFTMAX: return last_axis(l, n, in, n->a.norm.axis);
    case NPI_OP_LAYER_NORM: return npi_lo_layer_norm(l, n, in);
    case NPI_OP_RMS_NORM: return npi_lo_rms_norm(l, n, in);
    case NPI_OP_GROUP_NORM: return group_norm(l, n, in);
    case NPI_OP_LP_NORM: return lp_norm(l, n, in);
    case NPI_OP_LRN: return npi_lo_refuse(l, "local response normalisation");
    case NPI_OP_HARDMAX: return npi_lo_refuse(l, "TFLite has no Hardmax");
    default: return NOT_OURS;
    }
}
