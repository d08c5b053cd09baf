/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that exporters spell out become the op they mean, so that they run in one step or inside a convolution:
 *
 *   Gelu       .5 * x * (1 + erf(x / sqrt 2)), the three factors in any grouping; likewise with
 *              tanh(sqrt(2/pi) * (x + .044715 x^3))
 *   Mish       x * tanh(softplus(x))
 *   LayerNorm  d / sqrt(mean(d^2) + eps), d = x - mean(x), over the last axes; then * scale and + bias behind it
 *
 * Values that have other users as well stay where they are; dead code goes afterwards. */
#include <math.h>
#include <string.h>

#include "pass/passes.h"
#include "pass/util.h"

static int scalar(const struct npi_graph *g, int t, float want) {
    float v;
    return npi_const_scalar_f32(g, t, &v) && fabsf(v - want) <= 2e-6f * fabsf(want);
}

/* t = op(x, c) with a scalar constant near `want`: x (either side when the op commutes), else -1. */
static int of_scalar(const struct npi_rewrite *w, int t, enum npi_op op, float want) {
    const struct npi_node *n = npi_producer(w, t);
    if (!n || n->op != op || n->act.kind || n->n_in != 2) return -1;
    if (scalar(w->g, n->in[1], want)) return n->in[0];
    return op != NPI_OP_DIV && scalar(w->g, n->in[0], want) ? n->in[1] : -1;
}

/* The argument of unary op t, -1: it is none. */
static int of_unary(const struct npi_rewrite *w, int t, enum npi_op op) {
    const struct npi_node *n = npi_producer(w, t);
    return n && n->op == op && !n->act.kind ? n->in[0] : -1;
}

static int is_cube(const struct npi_rewrite *w, int t, int x) {
    const struct npi_node *n = npi_producer(w, t);
    if (n && n->op == NPI_OP_POW) return n->in[0] == x && scalar(w->g, n->in[1], 3);
    for (int k = 0; n && n->op == NPI_OP_MUL && k < 2; k++) {
        const struct npi_node *s = npi_producer(w, n->in[!k]);
        if (n->in[k] == x && s && ((s->op == NPI_OP_MUL && s->in[0] == x && s->in[1] == x) || (s->op == NPI_OP_POW && s->in[0] == x && scalar(w->g, s->in[1], 2)))) return 1;
    }
    return 0;
}

/* t = 1 + erf(x / sqrt 2): 1;  t = 1 + tanh(...): 2;  neither: 0. */
static int gelu_factor(const struct npi_rewrite *w, int t, int x) {
    const int f = of_scalar(w, t, NPI_OP_ADD, 1);
    if (f < 0) return 0;
    const int e = of_unary(w, f, NPI_OP_ERF);
    if (e >= 0) return of_scalar(w, e, NPI_OP_DIV, 1.41421356f) == x || of_scalar(w, e, NPI_OP_MUL, .70710678f) == x;
    const int u = of_unary(w, f, NPI_OP_TANH), s = u < 0 ? -1 : of_scalar(w, u, NPI_OP_MUL, .79788456f);
    const struct npi_node *sum = s < 0 ? NULL : npi_producer(w, s);
    for (int k = 0; sum && sum->op == NPI_OP_ADD && sum->n_in == 2 && k < 2; k++) {
        const int cube = of_scalar(w, sum->in[!k], NPI_OP_MUL, .044715f);
        if (sum->in[k] == x && cube >= 0 && is_cube(w, cube, x)) return 2;
    }
    return 0;
}

/* The product n as factors; a factor that is a product itself is opened. Returns how many, at most 3; 0: more. */
static int factors(const struct npi_rewrite *w, const struct npi_node *n, int *f) {
    int count = 0;
    for (int k = 0; k < 2; k++) {
        const struct npi_node *m = npi_producer(w, n->in[k]);
        const int open = m && m->op == NPI_OP_MUL && !m->act.kind && (npi_is_const(w->g, m->in[0]) || npi_is_const(w->g, m->in[1]) || npi_is_const(w->g, n->in[!k]));
        if (count + 1 + open > 3) return 0;
        f[count++] = open ? m->in[0] : n->in[k];
        if (open) f[count++] = m->in[1];
    }
    return count;
}

static int replace(struct npi_rewrite *w, int at, struct npi_node *p, const int *in, int n_in) {
    struct npi_graph *const g = w->g;
    if (!npi_view_same_shape(npi_view_of(g, in[0]), npi_view_of(g, g->node[at].out[0]))) return 0;
    p->name = g->node[at].name;
    const int y = npi_build1(g, p, in, n_in, w->err);
    if (y < 0) return y;
    npi_bypass(g, &g->node[at], y);
    return w->changed = 1;
}

static int gelu(struct npi_rewrite *w, int at) {
    int f[4];
    const int count = factors(w, &w->g->node[at], f);
    if (count != 3) return 0;
    for (int h = 0; h < 3; h++) {
        if (!scalar(w->g, f[h], .5f)) continue;
        for (int k = 0; k < 3; k++) {
            if (k == h) continue;
            const int x = f[k], kind = gelu_factor(w, f[3 - h - k], x);
            if (!kind) continue;
            struct npi_node p = { .op = NPI_OP_GELU, .a.unary.tanh_approx = kind == 2 };
            return replace(w, at, &p, &x, 1);
        }
    }
    return 0;
}

static int mish(struct npi_rewrite *w, int at) {
    const struct npi_node *n = &w->g->node[at];
    for (int k = 0; k < 2; k++) {
        const int x = n->in[k], t = of_unary(w, n->in[!k], NPI_OP_TANH);
        if (t < 0 || of_unary(w, t, NPI_OP_SOFTPLUS) != x) continue;
        struct npi_node p = { .op = NPI_OP_MISH };
        return replace(w, at, &p, &x, 1);
    }
    return 0;
}

/* t = mean of x over the axes from `axis` to the end, with the axes kept: returns the axis, else -1. */
static int mean_axis(const struct npi_rewrite *w, int t, int *x) {
    const struct npi_node *n = npi_producer(w, t);
    if (!n || n->op != NPI_OP_REDUCE || n->a.reduce.kind != NPI_REDUCE_MEAN || !n->a.reduce.keepdims || n->act.kind || !n->a.reduce.axes) return -1;
    const int rank = npi_view_of(w->g, n->in[0])->rank, axis = __builtin_ctz(n->a.reduce.axes);
    *x = n->in[0];
    return rank <= NP_MAX_RANK && n->a.reduce.axes == (1u << rank) - (1u << axis) ? axis : -1;
}

static int is_square(const struct npi_rewrite *w, int t, int d) {
    const struct npi_node *n = npi_producer(w, t);
    if (!n || n->act.kind) return 0;
    if (n->op == NPI_OP_POW) return n->in[0] == d && scalar(w->g, n->in[1], 2);
    return (n->op == NPI_OP_SQUARE && n->in[0] == d) || (n->op == NPI_OP_MUL && n->in[0] == d && n->in[1] == d);
}

static int layer_norm(struct npi_rewrite *w, int at) {
    const struct npi_graph *const g = w->g;
    const struct npi_node *n = &g->node[at], *sub = npi_producer(w, n->in[0]), *sum;
    const int d = n->in[0], root = of_unary(w, n->in[1], NPI_OP_SQRT);
    if (!sub || sub->op != NPI_OP_SUB || sub->act.kind || root < 0 || !(sum = npi_producer(w, root)) || sum->op != NPI_OP_ADD || sum->act.kind) return 0;
    for (int k = 0; k < 2; k++) {
        float eps;
        int x, squares;
        if (!npi_const_scalar_f32(g, sum->in[!k], &eps) || !(eps >= 0)) continue;
        const int axis = mean_axis(w, sub->in[1], &x), axis2 = mean_axis(w, sum->in[k], &squares);
        if (axis < 0 || axis2 != axis || sub->in[0] != x || !is_square(w, squares, d)) continue;
        struct npi_node p = { .op = NPI_OP_LAYER_NORM, .a.norm = { .axis = axis, .eps = eps } };
        return replace(w, at, &p, &x, 1);
    }
    return 0;
}

/* LayerNorm * scale, LayerNorm + bias: inputs 1 and 2 of it. */
static int norm_param(struct npi_rewrite *w, int at) {
    const struct npi_graph *const g = w->g;
    const struct npi_node *const n = &g->node[at];
    for (int k = 0; k < 2; k++) {
        const struct npi_node *const p = npi_producer(w, n->in[k]);
        if (!p || p->op != NPI_OP_LAYER_NORM || p->n_out != 1 || p->act.kind || p->n_in != (n->op == NPI_OP_MUL ? 1 : 2) || w->ix.n_users[n->in[k]] != 1) continue;
        const struct npi_view *const x = npi_view_of(g, p->in[0]);
        if (!npi_is_const(g, n->in[!k]) || p->a.norm.axis != x->rank - 1 || !npi_const_per_channel(g, n->in[!k], x->d[x->rank - 1])) continue;
        const int in[3] = { p->in[0], n->op == NPI_OP_MUL ? n->in[!k] : p->in[1], n->in[!k] };
        struct npi_node q = { .op = NPI_OP_LAYER_NORM, .a = p->a };
        return replace(w, at, &q, in, n->op == NPI_OP_MUL ? 2 : 3);
    }
    return 0;
}

int npi_pass_idiom(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    const int n_nodes = g->n_nodes;
    for (int i = 0; i < n_nodes && r >= 0; i++) {
        const struct npi_node *const n = &g->node[i];
        if (n->dead || n->act.kind || n->n_in != 2 || g->tensor[n->out[0]].v.dtype != NP_F32 || g->tensor[n->out[0]].v.q.n) continue;
        r = n->op == NPI_OP_MUL ? gelu(&w, i) : n->op == NPI_OP_DIV ? layer_norm(&w, i) : n->op == NPI_OP_ADD ? norm_param(&w, i) : 0;
        if (r == 0 && n->op == NPI_OP_MUL) r = mish(&w, i);
        if (r == 0 && g->node[i].op == NPI_OP_MUL) r = norm_param(&w, i);
        if (r > 0) r = npi_rewrite_index(&w);
    }
    if (r >= 0 && w.changed && (r = npi_graph_sort(g, err)) >= 0) r = npi_pass_dce(g, err);
    return npi_rewrite_end(&w, r);
}
