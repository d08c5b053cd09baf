/* SPDX-License-Identifier: Apache-2.0 */
/* Activations: patterns that exporters spell out become one op, then an activation behind an op that can carry one
 * becomes part of it (node->act). */
#include "pass/passes.h"
#include "pass/util.h"

#include <math.h>

/* The act that a node stands for, if any. */
static int as_act(const struct npi_node *n, struct npi_act *a) {
    switch (n->op) {
    case NPI_OP_RELU: *a = (struct npi_act){ NPI_ACT_CLAMP, 0, INFINITY }; return 1;
    case NPI_OP_CLAMP: *a = (struct npi_act){ NPI_ACT_CLAMP, n->a.unary.a, n->a.unary.b }; return 1;
    case NPI_OP_SILU: *a = (struct npi_act){ NPI_ACT_SILU, 0, 0 }; return 1;
    case NPI_OP_SIGMOID: *a = (struct npi_act){ NPI_ACT_SIGMOID, 0, 0 }; return 1;
    case NPI_OP_HARD_SWISH: *a = (struct npi_act){ NPI_ACT_HARD_SWISH, 0, 0 }; return 1;
    case NPI_OP_LEAKY_RELU: *a = (struct npi_act){ NPI_ACT_LEAKY, n->a.unary.a, 0 }; return 1;
    case NPI_OP_TANH: *a = (struct npi_act){ NPI_ACT_TANH, 0, 0 }; return 1;
    case NPI_OP_GELU: *a = (struct npi_act){ NPI_ACT_GELU, 0, 0 }; return !n->a.unary.tanh_approx;
    default: return 0;
    }
}

static int carries_act(const struct npi_node *n, const struct npi_act *a) {
    switch (n->op) {
    case NPI_OP_CONV2D: case NPI_OP_DWCONV2D: case NPI_OP_FULLY_CONNECTED: return 1;
    case NPI_OP_ADD: case NPI_OP_MUL: case NPI_OP_SUB: case NPI_OP_DIV: return a->kind == NPI_ACT_CLAMP;
    default: return 0;
    }
}

static int is_scalar(const struct npi_graph *g, int t, float want) {
    float v;
    return npi_const_scalar_f32(g, t, &v) && fabsf(v - want) <= 1e-6f * fabsf(want);
}

/* Replaces node `at` by one unary op on x; not where a constant of higher rank has added dims of 1. */
static int replace_unary(struct npi_rewrite *w, int at, enum npi_op op, int x) {
    if (!npi_view_same_shape(&w->g->tensor[x].v, &w->g->tensor[w->g->node[at].out[0]].v)) return 0;
    struct npi_node p = { .op = op, .name = w->g->node[at].name };
    const int y = npi_build1(w->g, &p, &x, 1, w->err);
    if (y < 0) return y;
    npi_bypass(w->g, &w->g->node[at], y);
    return w->changed = 1;
}

/* x * sigmoid(x), x * hard_sigmoid(x), x * clamp(x + 3, 0, 6) * (1/6) */
static int spelled_out(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    const struct npi_node *n = &g->node[i];
    if (n->op != NPI_OP_MUL && n->op != NPI_OP_DIV) return 0;
    if (g->tensor[n->out[0]].v.dtype != NP_F32 || n->act.kind) return 0;
    for (int k = 0; k < 2 && n->op == NPI_OP_MUL; k++) {
        const struct npi_node *s = npi_producer(w, n->in[k]);
        const int x = n->in[!k];
        if (!s || s->n_in < 1 || s->in[0] != x) continue;
        if (s->op == NPI_OP_SIGMOID) return replace_unary(w, i, NPI_OP_SILU, x);
        if (s->op == NPI_OP_HARD_SIGMOID && fabsf(s->a.unary.a - 1.f / 6) < 1e-4f && s->a.unary.b == .5f) return replace_unary(w, i, NPI_OP_HARD_SWISH, x);
    }
    for (int k = 0; k < 2; k++) { /* (x * clamp(x+3)) / 6 or * 1/6 */
        if (k == 1 && n->op == NPI_OP_DIV) break;
        if (!is_scalar(g, n->in[!k], n->op == NPI_OP_DIV ? 6.f : 1.f / 6)) continue;
        const struct npi_node *m = npi_producer(w, n->in[k]);
        for (int j = 0; m && m->op == NPI_OP_MUL && !m->act.kind && j < 2; j++) {
            const struct npi_node *c = npi_producer(w, m->in[j]), *p = c ? npi_producer(w, c->in[0]) : NULL;
            const int x = m->in[!j];
            if (!c || c->op != NPI_OP_CLAMP || c->a.unary.a != 0 || c->a.unary.b != 6 || !p || p->op != NPI_OP_ADD || p->act.kind) continue;
            if ((p->in[0] == x && is_scalar(g, p->in[1], 3)) || (p->in[1] == x && is_scalar(g, p->in[0], 3))) return replace_unary(w, i, NPI_OP_HARD_SWISH, x);
        }
    }
    return 0;
}

/* act behind its producer */
static int attach(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    struct npi_node *n = &g->node[i];
    struct npi_act a;
    if (!as_act(n, &a) || g->tensor[n->out[0]].v.dtype != NP_F32 || g->tensor[n->out[0]].v.q.n) return 0;
    struct npi_node *up = npi_producer(w, n->in[0]);
    if (!up || up->n_out != 1 || w->ix.n_users[n->in[0]] != 1 || !carries_act(up, &a) || g->tensor[n->in[0]].v.dtype != NP_F32) return 0;
    const int residual = up->n_in > 3 && up->in[3] >= 0 && up->op != NPI_OP_CONCAT;
    if (up->act.kind == NPI_ACT_CLAMP && a.kind == NPI_ACT_CLAMP && !residual) { /* clamp of a clamp */
        const float lo = fmaxf(up->act.lo, a.lo), hi = fminf(up->act.hi, a.hi);
        if (lo > hi) return 0;
        up->act.lo = lo;
        up->act.hi = hi;
    } else if (up->act.kind) return 0;
    else up->act = a;
    if (residual) up->res_before_act = 1;
    npi_bypass(g, n, n->in[0]);
    return w->changed = 1;
}

int npi_pass_fuse_act(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    const int n_nodes = g->n_nodes;
    for (int i = 0; i < n_nodes && r >= 0; i++) {
        if (g->node[i].dead) continue;
        r = spelled_out(&w, i);
        if (r == 0) r = attach(&w, i);
        if (r > 0) r = npi_rewrite_index(&w);
    }
    if (r >= 0 && w.changed && (r = npi_graph_sort(g, err)) >= 0) r = npi_pass_dce(g, err);
    return npi_rewrite_end(&w, r);
}
