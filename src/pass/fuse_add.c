/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around a convolution: the residual Add behind it, the zero Pad before it; and MatMul with a constant
 * matrix, which is a fully connected layer. */
#include "pass/passes.h"
#include "pass/util.h"

#include <string.h>

static int is_conv(const struct npi_node *n) { return n && !n->dead && (n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_FULLY_CONNECTED); }

static int residual(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    struct npi_node *n = &g->node[i];
    const struct npi_view *y = &g->tensor[n->out[0]].v;
    if (y->dtype != NP_F32 || y->q.n) return 0;
    int best = -1;
    for (int k = 0; k < 2; k++) {
        struct npi_node *c = npi_producer(w, n->in[k]);
        if (!is_conv(c) || c->op == NPI_OP_FULLY_CONNECTED || n->in[0] == n->in[1] || w->ix.n_users[n->in[k]] != 1) continue;
        if (g->tensor[n->in[k]].v.dtype != NP_F32 || (c->n_in > 3 && c->in[3] >= 0) || (c->act.kind && n->act.kind)) continue;
        if (!npi_view_same_shape(&g->tensor[n->in[!k]].v, y) || !npi_view_same_shape(&g->tensor[n->in[k]].v, y) || npi_is_const(g, n->in[!k])) continue;
        if (best < 0 || w->ix.producer[n->in[k]] > w->ix.producer[n->in[best]]) best = k; /* the later one: the other operand is there by then */
    }
    if (best < 0) return 0;
    struct npi_node *c = npi_producer(w, n->in[best]);
    int *in = npi_arena_array(g->mem, int, 4);
    if (!in) return NP_ENOMEM;
    in[2] = -1;
    memcpy(in, c->in, sizeof *in * (size_t)(c->n_in < 3 ? c->n_in : 3));
    in[3] = n->in[!best];
    c->in = in;
    c->n_in = 4;
    c->res_before_act = !c->act.kind;
    if (n->act.kind) c->act = n->act;
    npi_bypass(g, n, n->in[best]);
    return w->changed = 1;
}

static int zero_pad(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    struct npi_node *n = &g->node[i];
    const struct npi_node *p = npi_producer(w, n->in[0]);
    if (!p || p->op != NPI_OP_PAD || p->a.pad.mode != NPI_PAD_CONSTANT || p->a.pad.value != 0) return 0;
    float v;
    if (p->n_in > 1 && p->in[1] >= 0 && !(npi_const_scalar_f32(g, p->in[1], &v) && v == 0)) return 0;
    if (g->tensor[p->in[0]].v.rank != 4 || (n->n_in > 3 && n->in[3] == n->in[0])) return 0;
    const int64_t *b = p->a.pad.before, *a = p->a.pad.after;
    if (b[0] || a[0] || b[3] || a[3] || b[1] < 0 || b[2] < 0 || a[1] < 0 || a[2] < 0) return 0;
    if (b[1] > 64 || b[2] > 64 || a[1] > 64 || a[2] > 64) return 0;
    const struct npi_quant *q0 = &g->tensor[p->in[0]].v.q, *q1 = &g->tensor[n->in[0]].v.q;
    if (q0->n != q1->n || (q0->n == 1 && (q0->scale[0] != q1->scale[0] || (q0->zero && q1->zero && q0->zero[0] != q1->zero[0])))) return 0;
    struct npi_window *win = &n->a.conv.win;
    win->pt += (int)b[1];
    win->pl += (int)b[2];
    win->pb += (int)a[1];
    win->pr += (int)a[2];
    n->in[0] = p->in[0];
    return w->changed = 1;
}

static int matmul(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    const struct npi_node n = g->node[i];
    const struct npi_view *x = &g->tensor[n.in[0]].v, *b = &g->tensor[n.in[1]].v;
    if (!b->data || b->rank != 2 || b->dtype != NP_F32 || x->dtype != NP_F32 || x->q.n || b->q.n || x->rank < 2 || n.a.matmul.ta) return 0;
    if (n.a.matmul.alpha != 0 && n.a.matmul.alpha != 1) return 0;
    int wt = n.in[1];
    if (!n.a.matmul.tb && (wt = npi_build_transpose(g, "", n.in[1], (int[]){ 1, 0 }, w->err)) < 0) return wt;
    if (!npi_is_const(g, wt)) return 0; /* too large to fold */
    struct npi_node p = { .op = NPI_OP_FULLY_CONNECTED, .name = n.name, .act = n.act };
    const int y = npi_build1(g, &p, (int[]){ n.in[0], wt }, 2, w->err);
    if (y < 0) return y;
    npi_bypass(g, &g->node[i], y);
    return w->changed = 1;
}

int npi_pass_fuse_add(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    const int n_nodes = g->n_nodes;
    for (int i = 0; i < n_nodes && r >= 0; i++) {
        const struct npi_node *n = &g->node[i];
        if (n->dead) continue;
        if (n->op == NPI_OP_ADD) r = residual(&w, i);
        else if (n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D) r = zero_pad(&w, i);
        else if (n->op == NPI_OP_MATMUL) r = matmul(&w, i);
        if (r > 0) r = npi_rewrite_index(&w);
    }
    if (r >= 0 && w.changed && (r = npi_graph_sort(g, err)) >= 0) r = npi_pass_dce(g, err);
    return npi_rewrite_end(&w, r);
}
