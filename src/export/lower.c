/* SPDX-License-Identifier: Apache-2.0 */
#include "export/lower.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/quantize.h"

int npi_lo_refuse(struct npi_lower *l, const char *fmt, ...) {
    char text[300], where[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return npi_fail(l->err, NP_EUNSUPPORTED, "%s: cannot be written as %s: %s", npi_node_where(l->from, l->node, where, sizeof where), l->target, text);
}

int npi_lo_build(struct npi_lower *l, enum npi_op op, const union npi_attr *a, const int *in, int n_in) {
    for (int i = 0; i < n_in; i++)
        if (in[i] < -1) return in[i]; /* an error that was told before; -1 is "absent" */
    struct npi_node n = { .op = op, .name = l->node->name };
    if (a) n.a = *a;
    return npi_build1(l->g, &n, in, n_in, l->err);
}

int npi_lo_un(struct npi_lower *l, enum npi_op op, int x) { return x < 0 ? x : npi_lo_build(l, op, NULL, &x, 1); }

int npi_lo_un_ab(struct npi_lower *l, enum npi_op op, int x, float a, float b) {
    const union npi_attr at = { .unary = { .a = a, .b = b } };
    return x < 0 ? x : npi_lo_build(l, op, &at, &x, 1);
}

int npi_lo_bin(struct npi_lower *l, enum npi_op op, int x, int y) { return x < 0 ? x : y < 0 ? y : npi_lo_build(l, op, NULL, (int[]){ x, y }, 2); }

int npi_lo_scalar(struct npi_lower *l, int like, double v) {
    if (like < 0) return like;
    const struct npi_view c = { .dtype = npi_lo_view(l, like)->dtype };
    const int t = npi_graph_const(l->g, NULL, &c);
    if (t < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    npi_store_f64(c.dtype, l->g->tensor[t].v.data, 0, &v, 1);
    return t;
}

int npi_lo_cast(struct npi_lower *l, int x, int dtype) {
    const union npi_attr a = { .cast = { .to = dtype } };
    return x < 0 || npi_lo_view(l, x)->dtype == dtype ? x : npi_lo_build(l, NPI_OP_CAST, &a, &x, 1);
}

int npi_lo_reshape(struct npi_lower *l, int x, int rank, const int64_t *d) { return x < 0 ? x : npi_build_reshape(l->g, l->node->name, x, rank, d, l->err); }

int npi_lo_reduce(struct npi_lower *l, int x, int kind, unsigned axes, int keepdims) {
    const union npi_attr a = { .reduce = { .kind = kind, .axes = axes, .keepdims = keepdims } };
    return x < 0 ? x : npi_lo_build(l, NPI_OP_REDUCE, &a, &x, 1);
}

int npi_lo_same(struct npi_lower *l, const int *in, int n_in, struct npi_act act) {
    const struct npi_node *n = l->node;
    const struct npi_view *old = &l->from->tensor[n->out[0]].v;
    const struct npi_node p = { .op = n->op, .name = n->name, .a = n->a, .act = act };
    const struct npi_view hint = { .dtype = old->dtype, .q = old->q };
    int y;
    for (int i = 0; i < n_in; i++)
        if (in[i] < -1) return in[i];
    const int r = npi_build(l->g, &p, in, n_in, &y, 1, NULL, &hint, l->err);
    return r < 0 ? r : y;
}

const struct npi_node *npi_lo_maker(const struct npi_lower *l, int t) {
    for (int i = l->g->n_nodes - 1; i >= 0; i--)
        for (int k = 0; k < l->g->node[i].n_out; k++)
            if (l->g->node[i].out[k] == t) return &l->g->node[i];
    return NULL;
}

int npi_lo_act(struct npi_lower *l, const struct npi_act *a, int x) {
    switch (a->kind) {
    case NPI_ACT_NONE: return x;
    case NPI_ACT_CLAMP: return a->lo == 0 && a->hi == INFINITY ? npi_lo_un(l, NPI_OP_RELU, x) : npi_lo_un_ab(l, NPI_OP_CLAMP, x, a->lo, a->hi);
    case NPI_ACT_SILU: return npi_lo_un(l, NPI_OP_SILU, x);
    case NPI_ACT_SIGMOID: return npi_lo_un(l, NPI_OP_SIGMOID, x);
    case NPI_ACT_HARD_SWISH: return npi_lo_un(l, NPI_OP_HARD_SWISH, x);
    case NPI_ACT_LEAKY: return npi_lo_un_ab(l, NPI_OP_LEAKY_RELU, x, a->lo, 0);
    case NPI_ACT_TANH: return npi_lo_un(l, NPI_OP_TANH, x);
    case NPI_ACT_GELU: return npi_lo_un(l, NPI_OP_GELU, x);
    default: return npi_lo_refuse(l, "fused activation %d", a->kind);
    }
}

int npi_lo_real(struct npi_lower *l, int t) {
    if (t < 0) return t;
    if (!npi_q_is(&l->from->tensor[t].v)) return l->map[t];
    if (l->dq[t] < 0) {
        l->dq[t] = npi_lo_un(l, NPI_OP_DEQUANTIZE, l->map[t]);
        if (l->dq[t] < 0) {
            const int r = l->dq[t];
            l->dq[t] = -1;
            return r;
        }
    }
    return l->dq[t];
}

int npi_lo_reinterprets(const struct npi_lower *l, const struct npi_node *n) {
    return n->op == NPI_OP_RESHAPE && npi_q_is(&l->from->tensor[n->in[0]].v) != npi_q_is(&l->from->tensor[n->out[0]].v);
}

int npi_lo_quantize(struct npi_lower *l, int x, const struct npi_view *v) {
    if (x < 0) return x;
    const struct npi_node p = { .op = NPI_OP_QUANTIZE, .name = l->node->name };
    const struct npi_view hint = { .dtype = v->dtype, .q = v->q };
    int y;
    const int r = npi_build(l->g, &p, &x, 1, &y, 1, NULL, &hint, l->err);
    return r < 0 ? r : y;
}

int npi_lo_residual(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_act none = { 0 };
    int y = npi_lo_same(l, in, n->n_in > 2 && in[2] >= 0 ? 3 : 2, none);
    if (!n->res_before_act) y = npi_lo_act(l, &n->act, y);
    y = npi_lo_bin(l, NPI_OP_ADD, y, in[3]);
    return n->res_before_act ? npi_lo_act(l, &n->act, y) : y;
}

/* int32 biases of quantized products count in units of input scale times weight scale, which the file need not say. */
static int real_bias(struct npi_lower *l, const struct npi_node *n) {
    const int t = n->in[2];
    const struct npi_view *b = &l->from->tensor[t].v, *x = &l->from->tensor[n->in[0]].v, *w = &l->from->tensor[n->in[1]].v;
    if (b->dtype != NP_I32 || b->q.n > 0 || x->q.n != 1 || w->q.n < 1) return npi_lo_real(l, t);
    if (l->dq[t] >= 0) return l->dq[t];
    struct npi_view v = *b;
    float *scale = npi_arena_array(l->g->mem, float, w->q.n);
    if (!scale || v.rank != 1 || !v.data || (w->q.n > 1 && w->q.n != v.d[0])) return npi_lo_refuse(l, "its bias has no constant int32 values a channel");
    for (int i = 0; i < w->q.n; i++) scale[i] = x->q.scale[0] * w->q.scale[i];
    v.q = (struct npi_quant){ .n = w->q.n, .axis = 0, .scale = scale };
    const int own = npi_graph_tensor(l->g, l->from->tensor[t].name, &v);
    return own < 0 ? npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path) : npi_lo_un(l, NPI_OP_DEQUANTIZE, own);
}

int npi_lo_real_op(struct npi_lower *l, const struct npi_node *n, npi_lower_rule rule, int *out) {
    int any = 0;
    if (l->real) return 0;
    for (int i = 0; i < n->n_in; i++) any |= n->in[i] >= 0 && npi_q_is(&l->from->tensor[n->in[i]].v);
    for (int i = 0; i < n->n_out; i++) any |= n->out[i] >= 0 && npi_q_is(&l->from->tensor[n->out[i]].v);
    if (!any) return 0;
    int *in = npi_arena_array(l->g->mem, int, n->n_in + 1);
    if (!in) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    const int product = n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_CONVT2D || n->op == NPI_OP_FULLY_CONNECTED;
    for (int i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] < 0 ? -1 : product && i == 2 ? real_bias(l, n) : npi_lo_real(l, n->in[i]);
        if (in[i] < -1) return in[i];
    }
    /* The op on real numbers, by the target's own rule: its old outputs are taken for f32 meanwhile. */
    struct npi_view save[4];
    struct npi_tensor *const ft = l->from->tensor;
    for (int i = 0; i < n->n_out && i < 4; i++) {
        save[i] = ft[n->out[i]].v;
        if (npi_q_is(&save[i])) ft[n->out[i]].v.dtype = NP_F32, ft[n->out[i]].v.q = (struct npi_quant){ 0 };
    }
    l->real = 1;
    int r = rule(l, n, in, out);
    l->real = 0;
    if (r == 0) {
        const struct npi_node p = { .op = n->op, .name = n->name, .a = n->a, .act = n->act, .res_before_act = n->res_before_act };
        struct npi_view hint[4] = { { 0 } };
        for (int i = 0; i < n->n_out && i < 4; i++) hint[i].dtype = ft[n->out[i]].v.dtype;
        r = n->n_out > 4 ? npi_lo_refuse(l, "it has %d outputs", n->n_out) : npi_build(l->g, &p, in, n->n_in, out, n->n_out, NULL, hint, l->err);
    }
    for (int i = 0; i < n->n_out && i < 4; i++) ft[n->out[i]].v = save[i];
    for (int i = 0; i < n->n_out && i < 4 && r >= 0; i++)
        if (npi_q_is(&save[i])) r = out[i] = npi_lo_quantize(l, out[i], &save[i]);
    return r < 0 ? r : 1;
}

int npi_lo_softplus(struct npi_lower *l, int x) { /* max(x, 0) + log(1 + e^-|x|): never overflows */
    const int e = npi_lo_un(l, NPI_OP_EXP, npi_lo_un(l, NPI_OP_NEG, npi_lo_un(l, NPI_OP_ABS, x)));
    return npi_lo_bin(l, NPI_OP_ADD, npi_lo_un(l, NPI_OP_RELU, x), npi_lo_un(l, NPI_OP_LOG, npi_lo_bin(l, NPI_OP_ADD, e, npi_lo_scalar(l, x, 1))));
}

static unsigned axes_from(int axis, int rank) { return ((1u << rank) - 1) & ~((1u << axis) - 1); }

int npi_lo_layer_norm(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const int rank = npi_lo_view(l, in[0])->rank;
    const unsigned axes = axes_from(n->a.norm.axis < 0 ? n->a.norm.axis + rank : n->a.norm.axis, rank);
    if (n->n_out > 1) return npi_lo_refuse(l, "its mean and deviation are outputs");
    const int d = npi_lo_bin(l, NPI_OP_SUB, in[0], npi_lo_reduce(l, in[0], NPI_REDUCE_MEAN, axes, 1));
    const int var = npi_lo_reduce(l, npi_lo_bin(l, NPI_OP_MUL, d, d), NPI_REDUCE_MEAN, axes, 1);
    int y = npi_lo_un(l, NPI_OP_SQRT, npi_lo_bin(l, NPI_OP_ADD, var, npi_lo_scalar(l, in[0], (double)n->a.norm.eps)));
    y = npi_lo_bin(l, NPI_OP_DIV, d, y);
    if (n->n_in > 1 && in[1] >= 0) y = npi_lo_bin(l, NPI_OP_MUL, y, in[1]);
    return n->n_in > 2 && in[2] >= 0 ? npi_lo_bin(l, NPI_OP_ADD, y, in[2]) : y;
}

int npi_lo_rms_norm(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const int rank = npi_lo_view(l, in[0])->rank;
    const int var = npi_lo_reduce(l, npi_lo_bin(l, NPI_OP_MUL, in[0], in[0]), NPI_REDUCE_MEAN, axes_from(n->a.norm.axis < 0 ? n->a.norm.axis + rank : n->a.norm.axis, rank), 1);
    const int y = npi_lo_bin(l, NPI_OP_DIV, in[0], npi_lo_un(l, NPI_OP_SQRT, npi_lo_bin(l, NPI_OP_ADD, var, npi_lo_scalar(l, in[0], (double)n->a.norm.eps))));
    return n->n_in > 1 && in[1] >= 0 ? npi_lo_bin(l, NPI_OP_MUL, y, in[1]) : y;
}

int npi_lo_gelu(struct npi_lower *l, int x, int tanh_approx) {
    int f;
    if (tanh_approx) {
        const int cube = npi_lo_bin(l, NPI_OP_MUL, npi_lo_bin(l, NPI_OP_MUL, npi_lo_bin(l, NPI_OP_MUL, x, x), x), npi_lo_scalar(l, x, .044715));
        f = npi_lo_un(l, NPI_OP_TANH, npi_lo_bin(l, NPI_OP_MUL, npi_lo_bin(l, NPI_OP_ADD, x, cube), npi_lo_scalar(l, x, .79788456080286536)));
    } else f = npi_lo_un(l, NPI_OP_ERF, npi_lo_bin(l, NPI_OP_MUL, x, npi_lo_scalar(l, x, .70710678118654752)));
    return npi_lo_bin(l, NPI_OP_MUL, npi_lo_bin(l, NPI_OP_MUL, x, npi_lo_bin(l, NPI_OP_ADD, f, npi_lo_scalar(l, x, 1))), npi_lo_scalar(l, x, .5));
}

static int copy_tensor(struct npi_lower *l, int t) {
    const struct npi_tensor *s = &l->from->tensor[t];
    return npi_graph_tensor(l->g, s->name, &s->v);
}

static int lower_node(struct npi_lower *l, const struct npi_node *n, npi_lower_rule rule) {
    int *in = npi_arena_array(l->g->mem, int, n->n_in + 1), *out = npi_arena_array(l->g->mem, int, n->n_out + 1);
    if (!in || !out) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    for (int i = 0; i < n->n_in; i++) {
        const int t = n->in[i];
        if (t >= 0 && l->map[t] < 0 && (l->map[t] = copy_tensor(l, t)) < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
        in[i] = t < 0 ? -1 : l->map[t];
    }
    l->node = n;
    l->in = in;
    int r = rule(l, n, in, out);
    if (r == 0) {
        const struct npi_node p = { .op = n->op, .name = n->name, .a = n->a, .act = n->act, .res_before_act = n->res_before_act };
        struct npi_view hint[4] = { { 0 } };
        if (n->n_out > 4) return npi_lo_refuse(l, "it has %d outputs", n->n_out);
        for (int i = 0; i < n->n_out; i++) hint[i] = (struct npi_view){ .dtype = l->from->tensor[n->out[i]].v.dtype, .q = l->from->tensor[n->out[i]].v.q };
        r = npi_build(l->g, &p, in, n->n_in, out, n->n_out, NULL, hint, l->err);
    }
    for (int i = 0; i < n->n_out && r >= 0; i++) {
        const struct npi_tensor *old = &l->from->tensor[n->out[i]];
        struct npi_tensor *made = &l->g->tensor[out[i]];
        if (!npi_view_same_shape(&old->v, &made->v) || old->v.dtype != made->v.dtype) {
            char where[256];
            return npi_fail(l->err, NP_ESHAPE, "%s: written out for %s, output %d changes its shape or type", npi_node_where(l->from, n, where, sizeof where), l->target, i);
        }
        l->map[n->out[i]] = out[i];
        if (!*made->name) made->name = old->name;
    }
    return r;
}

/* Outputs are told apart by their names and must be tensors of their own: an input or a constant that is one gets a Reshape. */
static int set_io(struct npi_lower *l) {
    const struct npi_graph *f = l->from;
    int *in = npi_arena_array(l->g->mem, int, f->n_inputs + 1), *out = npi_arena_array(l->g->mem, int, f->n_outputs + 1);
    if (!in || !out) return NP_ENOMEM;
    for (int i = 0; i < f->n_inputs; i++) in[i] = l->map[f->input[i]];
    for (int i = 0; i < f->n_outputs; i++) {
        const int t = f->output[i];
        struct npi_node p = { .op = NPI_OP_RESHAPE, .name = f->tensor[t].name, .a.shape.rank = f->tensor[t].v.rank };
        if (l->map[t] < 0 && (l->map[t] = copy_tensor(l, t)) < 0) return NP_ENOMEM;
        out[i] = l->map[t];
        int twice = npi_lo_view(l, out[i])->data != NULL;
        for (int k = 0; k < f->n_inputs; k++) twice |= in[k] == out[i];
        for (int k = 0; k < i; k++) twice |= out[k] == out[i];
        if (!twice) {
            l->g->tensor[out[i]].name = f->tensor[t].name;
            continue;
        }
        memcpy(p.a.shape.dims, f->tensor[t].v.d, sizeof p.a.shape.dims);
        struct npi_view hint = f->tensor[t].v;
        hint.data = NULL;
        const int k = npi_graph_node(l->g, NPI_OP_RESHAPE, p.name, &out[i], 1, 1); /* raw: npi_build would fold a constant */
        if (k < 0) return NP_ENOMEM;
        l->g->node[k].a = p.a;
        out[i] = l->g->node[k].out[0];
        l->g->tensor[out[i]].v = hint;
        l->g->tensor[out[i]].name = p.name;
    }
    return npi_graph_set_io(l->g, in, f->n_inputs, out, f->n_outputs);
}

int npi_lower(struct npi_graph *g, npi_lower_rule rule, const char *target, struct np_error *err) {
    struct npi_graph to;
    struct npi_lower l = { .from = g, .g = &to, .err = err, .target = target };
    int r = npi_graph_init(&to, g->mem, g->path);
    to.fold_work = g->fold_work;
    l.map = npi_arena_array(g->mem, int, g->n_tensors + 1);
    l.dq = npi_arena_array(g->mem, int, g->n_tensors + 1);
    if (r < 0 || !l.map || !l.dq) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    for (int i = 0; i < g->n_tensors; i++) l.map[i] = l.dq[i] = -1;
    for (int i = 0; i < g->n_inputs; i++)
        if ((l.map[g->input[i]] = copy_tensor(&l, g->input[i])) < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    for (int i = 0; i < g->n_nodes; i++)
        if (!g->node[i].dead && (r = lower_node(&l, &g->node[i], rule)) < 0) return r;
    if ((r = set_io(&l)) < 0) return npi_fail(err, r, "%s: out of memory", g->path);
    *g = to;
    return npi_graph_verify(g, err);
}
