/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: element-wise ops, reductions and what is computed along an axis. */
#include "import/onnx.h"

#include <math.h>
#include <string.h>

int npi_ox_do_unary(struct npi_ox_node *n) {
    n->out[0] = npi_ox_un(n, (enum npi_op)n->row->arg, NULL, n->in[0]);
    return n->out[0];
}

/* Unary ops with one or two numbers; ONNX defaults differ by op. */
int npi_ox_do_unary_ab(struct npi_ox_node *n) {
    static const struct { enum npi_op op; const char *a, *b; float def_a, def_b; } rows[] = {
        { NPI_OP_LEAKY_RELU, "alpha", NULL, .01f, 0 },
        { NPI_OP_ELU, "alpha", NULL, 1, 0 },
        { NPI_OP_CELU, "alpha", NULL, 1, 0 },
        { NPI_OP_SELU, "alpha", "gamma", 1.67326319217681884765625f, 1.05070102214813232421875f },
        { NPI_OP_HARD_SIGMOID, "alpha", "beta", .2f, .5f },
        { NPI_OP_THRESHOLDED_RELU, "alpha", NULL, 1, 0 },
        { NPI_OP_SHRINK, "lambd", "bias", .5f, 0 },
    };
    union npi_attr a = { .unary = { 0 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((int)rows[i].op != n->row->arg) continue;
        a.unary.a = npi_ox_float(n, rows[i].a, rows[i].def_a);
        if (rows[i].b) a.unary.b = npi_ox_float(n, rows[i].b, rows[i].def_b);
    }
    n->out[0] = npi_ox_un(n, (enum npi_op)n->row->arg, &a, n->in[0]);
    return n->out[0];
}

int npi_ox_do_binary(struct npi_ox_node *n) {
    n->out[0] = npi_ox_bin(n, (enum npi_op)n->row->arg, n->in[0], n->in[1]);
    return n->out[0];
}

/* Sum, Mean, Max, Min of any number of tensors. */
int npi_ox_do_variadic(struct npi_ox_node *n) {
    const int mean = !strcmp(n->row->name, "Mean");
    int y = n->in[0];
    for (int i = 1; i < n->n_in; i++) {
        if (n->in[i] < 0) return npi_ox_fail(n, NP_EFORMAT, "input %d is missing", i);
        y = npi_ox_bin(n, (enum npi_op)n->row->arg, y, n->in[i]);
        if (y < 0) return y;
    }
    if (mean && n->n_in > 1) y = npi_ox_bin(n, NPI_OP_DIV, y, npi_ox_scalar(n, npi_ox_view(n, y)->dtype, n->n_in));
    n->out[0] = y;
    return y;
}

/* Bounds known at load and float data: Clamp. Otherwise min(max(x, lo), hi), which is also what lo > hi means. */
int npi_ox_do_clip(struct npi_ox_node *n) {
    const int x = n->in[0], is_float = npi_ox_view(n, x)->dtype == NP_F32;
    int bound[2] = { npi_ox_in(n, 1), npi_ox_in(n, 2) };
    union npi_attr a = { .unary = { .a = npi_ox_float(n, "min", -INFINITY), .b = npi_ox_float(n, "max", INFINITY) } };
    int simple = is_float;
    for (int i = 0; i < 2; i++) {
        if (bound[i] < 0) continue;
        const struct npi_view *v = npi_ox_view(n, bound[i]);
        if (npi_view_count(v) != 1) return npi_ox_fail(n, NP_ESHAPE, "a bound must be one number");
        if (!v->data || v->dtype != NP_F32) simple = 0;
        else *(i ? &a.unary.b : &a.unary.a) = *(const float *)v->data;
        if (v->rank && (bound[i] = npi_ox_reshape(n, bound[i], 0, NULL)) < 0) return bound[i];
    }
    if (simple && a.unary.a <= a.unary.b) return n->out[0] = npi_ox_un(n, NPI_OP_CLAMP, &a, x);
    if (n->o->opset < 11 && !is_float) return npi_ox_fail(n, NP_EUNSUPPORTED, "bounds of an integer tensor before opset 11");
    int y = x;
    for (int i = 0; i < 2; i++) {
        if (bound[i] < 0 && n->o->opset < 11) bound[i] = npi_ox_scalar(n, NP_F32, i ? (double)a.unary.b : (double)a.unary.a);
        if (bound[i] >= 0) y = npi_ox_bin(n, i ? NPI_OP_MIN : NPI_OP_MAX, y, bound[i]);
        if (y < 0) return y;
    }
    return n->out[0] = y;
}

/* Half-precision values live as f32 here, so a cast to f16 is one to f32; the graph output narrows it. */
int npi_ox_do_cast(struct npi_ox_node *n) {
    const int64_t type = npi_ox_int(n, "to", 0);
    int to = npi_ox_dtype(type);
    if (to < 0) return npi_ox_fail(n, NP_EUNSUPPORTED, "the type %s", npi_ox_type_name(type));
    if (to == NP_F16 || to == NP_BF16) to = NP_F32;
    return n->out[0] = npi_ox_cast(n, n->in[0], to);
}

int npi_ox_do_cast_like(struct npi_ox_node *n) { return n->out[0] = npi_ox_cast(n, n->in[0], npi_ox_view(n, n->in[1])->dtype); }
int npi_ox_do_where(struct npi_ox_node *n) { return n->out[0] = npi_ox_build(n, NPI_OP_WHERE, NULL, n->in, 3); }

/* The exponent may be of another type than the base, whose type the result has. */
int npi_ox_do_pow(struct npi_ox_node *n) {
    const int t = npi_ox_view(n, n->in[0])->dtype, e = npi_ox_view(n, n->in[1])->dtype;
    if (t == e) return npi_ox_do_binary(n);
    const int is_float = t == NP_F32 || t == NP_F64, work = is_float ? t : e == NP_F32 || e == NP_F64 ? NP_F64 : NP_I64;
    const int y = npi_ox_bin(n, NPI_OP_POW, npi_ox_cast(n, n->in[0], work), npi_ox_cast(n, n->in[1], work));
    return n->out[0] = npi_ox_cast(n, y, t);
}

int npi_ox_do_gelu(struct npi_ox_node *n) {
    union npi_attr a = { .unary = { .tanh_approx = npi_ox_is(n, "approximate", "none", "tanh") } };
    return n->out[0] = npi_ox_un(n, NPI_OP_GELU, &a, n->in[0]);
}

int npi_ox_do_swish(struct npi_ox_node *n) {
    const float alpha = npi_ox_float(n, "alpha", 1);
    if (alpha == 1) return n->out[0] = npi_ox_un(n, NPI_OP_SILU, NULL, n->in[0]);
    const int s = npi_ox_bin(n, NPI_OP_MUL, n->in[0], npi_ox_scalar(n, npi_ox_view(n, n->in[0])->dtype, (double)alpha));
    return n->out[0] = npi_ox_bin(n, NPI_OP_MUL, n->in[0], npi_ox_un(n, NPI_OP_SIGMOID, NULL, s));
}

int npi_ox_do_mod(struct npi_ox_node *n) {
    union npi_attr a = { .misc = { .mode_fmod = npi_ox_int(n, "fmod", 0) != 0 } };
    return n->out[0] = npi_ox_build(n, NPI_OP_MOD, &a, n->in, 2);
}

int npi_ox_do_bitshift(struct npi_ox_node *n) {
    union npi_attr a = { .misc = { .direction_right = npi_ox_is(n, "direction", "", "RIGHT") } };
    return n->out[0] = npi_ox_build(n, NPI_OP_BIT_SHIFT, &a, n->in, 2);
}

int npi_ox_do_isinf(struct npi_ox_node *n) {
    union npi_attr a = { .misc = { .detect_negative = npi_ox_int(n, "detect_negative", 1) != 0, .detect_positive = npi_ox_int(n, "detect_positive", 1) != 0 } };
    return n->out[0] = npi_ox_un(n, NPI_OP_ISINF, &a, n->in[0]);
}

/* Axes came as an attribute until opset 12 (ReduceSum) or 17 (the others), then as an input. */
int npi_ox_do_reduce(struct npi_ox_node *n) {
    const int rank = npi_ox_view(n, n->in[0])->rank;
    int64_t axis[NP_MAX_RANK];
    int present = 0, count;
    if (n->n_in > 1) {
        count = npi_ox_known_ints(n, 1, axis, NP_MAX_RANK, &present);
        if (count < 0) return count;
    } else count = npi_ox_ints(n, "axes", axis, NP_MAX_RANK);
    if (count > NP_MAX_RANK) return npi_ox_fail(n, NP_ELIMIT, "%d axes", count);
    unsigned axes = 0;
    for (int i = 0; i < count; i++) {
        const int k = npi_ox_axis(n, axis[i], rank);
        if (k < 0) return k;
        axes |= 1u << k;
    }
    if (count <= 0) {
        const int noop = npi_ox_int(n, "noop_with_empty_axes", 0) != 0, kind = n->row->arg;
        if (!noop) axes = (1u << rank) - 1;
        else if (kind == NPI_REDUCE_SUM || kind == NPI_REDUCE_MEAN || kind == NPI_REDUCE_MAX || kind == NPI_REDUCE_MIN || kind == NPI_REDUCE_PROD)
            return n->out[0] = n->in[0];
    }
    if (rank == 0) { /* a number alone: give it an axis to work on */
        const int y = npi_ox_reduce(n, npi_ox_reshape(n, n->in[0], 1, (const int64_t[]){ 1 }), n->row->arg, 1, 1);
        return n->out[0] = npi_ox_reshape(n, y, 0, NULL);
    }
    return n->out[0] = npi_ox_reduce(n, n->in[0], n->row->arg, axes, npi_ox_int(n, "keepdims", 1) != 0);
}

int npi_ox_do_argminmax(struct npi_ox_node *n) {
    const int axis = npi_ox_axis(n, npi_ox_int(n, "axis", 0), npi_ox_view(n, n->in[0])->rank);
    if (axis < 0) return axis;
    union npi_attr a = { .reduce = { .axis = axis, .axes = 1u << axis, .keepdims = npi_ox_int(n, "keepdims", 1) != 0,
                                     .select_last = npi_ox_int(n, "select_last_index", 0) != 0, .out_dtype = NP_I64 } };
    return n->out[0] = npi_ox_un(n, (enum npi_op)n->row->arg, &a, n->in[0]);
}

int npi_ox_do_topk(struct npi_ox_node *n) {
    int64_t k = npi_ox_int(n, "k", 1);
    if (n->n_in > 1) {
        const int r = npi_ox_known_ints(n, 1, &k, 1, NULL);
        if (r != 1) return r < 0 ? r : npi_ox_fail(n, NP_ESHAPE, "k must be one number");
    }
    const int axis = npi_ox_axis(n, npi_ox_int(n, "axis", -1), npi_ox_view(n, n->in[0])->rank);
    if (axis < 0) return axis;
    const struct npi_node p = { .op = NPI_OP_TOPK, .name = n->name,
        .a.topk = { .k = k, .axis = axis, .largest = npi_ox_int(n, "largest", 1) != 0, .sorted = npi_ox_int(n, "sorted", 1) != 0 } };
    int out[2];
    const int r = npi_build(n->g, &p, n->in, 1, out, 2, NULL, NULL, n->o->err);
    for (int i = 0; r >= 0 && i < 2 && i < n->n_out; i++) n->out[i] = out[i];
    return r;
}

int npi_ox_do_cumsum(struct npi_ox_node *n) {
    int64_t axis;
    const int r = npi_ox_known_ints(n, 1, &axis, 1, NULL);
    if (r != 1) return r < 0 ? r : npi_ox_fail(n, NP_ESHAPE, "the axis must be one number");
    const int k = npi_ox_axis(n, axis, npi_ox_view(n, n->in[0])->rank);
    if (k < 0) return k;
    union npi_attr a = { .gather = { .axis = k, .exclusive = npi_ox_int(n, "exclusive", 0) != 0, .reverse = npi_ox_int(n, "reverse", 0) != 0 } };
    return n->out[0] = npi_ox_un(n, NPI_OP_CUMSUM, &a, n->in[0]);
}
