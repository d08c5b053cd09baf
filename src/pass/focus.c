/* SPDX-License-Identifier: Apache-2.0 */
/* The "focus" stem of YOLO: every second pixel four times, as channels, then a convolution. That is one convolution of twice the size and
 * twice the stride on the picture itself, with the weights put in their places; seven passes over the picture are saved.
 *
 *   concat(x[0::2, 0::2], x[1::2, 0::2], …) -> conv 3x3        =>     conv 6x6 stride 2 */
#include "pass/passes.h"
#include "pass/util.h"

enum { MAX_PARTS = 16 };

struct part { int x, y0, x0; }; /* x[:, :, y0::2, x0::2] */

/* Follows slices of a channels-first picture upwards while each takes every pixel or every second one along height and width. */
static int part_of(const struct npi_rewrite *w, int t, struct part *p) {
    int step[2] = { 1, 1 };
    *p = (struct part){ t, 0, 0 };
    for (const struct npi_node *n; (n = npi_producer(w, p->x)) && n->op == NPI_OP_SLICE;) {
        const struct npi_view *v = npi_view_of(w->g, n->in[0]);
        if (v->rank != 4) return 0;
        for (int i = 0; i < 4; i++) {
            const int64_t start = n->a.slice.start[i], by = n->a.slice.step[i];
            if (i < 2 && (start != 0 || by != 1 || n->a.slice.size[i] != v->d[i])) return 0;
            if (i < 2) continue;
            if ((by != 1 && by != 2) || v->d[i] % by || start >= by || n->a.slice.size[i] != v->d[i] / by) return 0;
            if (by == 2 && step[i - 2]++ != 1) return 0;
            if (by == 2) *(i == 2 ? &p->y0 : &p->x0) = (int)start;
        }
        p->x = n->in[0];
    }
    return step[0] == 2 && step[1] == 2;
}

static int rewrite(struct npi_rewrite *w, int at) {
    struct npi_graph *const g = w->g;
    const struct npi_node c = g->node[at];
    if (c.op != NPI_OP_CONV2D || c.a.conv.groups != 1 || c.a.conv.win.dh != 1 || c.a.conv.win.dw != 1 || (c.n_in > 3 && c.in[3] >= 0)) return 0;
    if (!npi_is_const(g, c.in[1]) || g->tensor[c.in[1]].v.dtype != NP_F32 || g->tensor[c.in[0]].v.dtype != NP_F32) return 0;
    const struct npi_node *const tr = npi_producer(w, c.in[0]);
    static const int nhwc[] = { 0, 2, 3, 1 };
    if (!tr || tr->op != NPI_OP_TRANSPOSE || g->tensor[tr->out[0]].v.rank != 4 || w->ix.n_users[tr->out[0]] != 1) return 0;
    for (int i = 0; i < 4; i++)
        if (tr->a.transpose.perm[i] != nhwc[i]) return 0;
    const struct npi_node *const cat = npi_producer(w, tr->in[0]);
    if (!cat || cat->op != NPI_OP_CONCAT || cat->a.concat.axis != 1 || cat->act.kind || cat->n_in > MAX_PARTS) return 0;
    if (w->ix.n_users[cat->out[0]] != 1) return 0;
    struct part part[MAX_PARTS];
    const int parts = cat->n_in;
    for (int i = 0; i < parts; i++)
        if (!part_of(w, cat->in[i], &part[i]) || part[i].x != part[0].x) return 0;
    const struct npi_view old = g->tensor[c.in[1]].v;
    const int64_t co = old.d[0], kh = old.d[1], kw = old.d[2], ci = g->tensor[part[0].x].v.d[1];
    if (ci * parts != old.d[3]) return 0;
    const struct npi_view shape = { .dtype = NP_F32, .rank = 4, .d = { co, 2 * kh, 2 * kw, ci } };
    const int wt = npi_graph_const(g, g->tensor[c.in[1]].name, &shape);
    if (wt < 0) return wt;
    float *const to = g->tensor[wt].v.data;
    const float *from = old.data;
    for (int64_t o = 0; o < co; o++)
        for (int64_t y = 0; y < kh; y++)
            for (int64_t x = 0; x < kw; x++)
                for (int i = 0; i < parts; i++)
                    for (int64_t k = 0; k < ci; k++) /* parts may be the same pixels twice: their weights add up */
                        to[((o * 2 * kh + 2 * y + part[i].y0) * 2 * kw + 2 * x + part[i].x0) * ci + k] += *from++;
    struct npi_node n = { .op = NPI_OP_CONV2D, .name = c.name, .a = c.a };
    struct npi_window *const win = &n.a.conv.win;
    win->kh *= 2, win->kw *= 2, win->sh *= 2, win->sw *= 2;
    win->pt *= 2, win->pl *= 2, win->pb *= 2, win->pr *= 2;
    const int x = npi_build_transpose(g, c.name, part[0].x, nhwc, w->err);
    if (x < 0) return x;
    const int y = npi_build1(g, &n, (int[]){ x, wt, c.n_in > 2 ? c.in[2] : -1 }, c.n_in > 2 ? 3 : 2, w->err);
    if (y < 0) return y;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].n_out == 1 && g->node[i].out[0] == y) g->node[i].act = c.act;
    npi_bypass(g, &g->node[at], y);
    return w->changed = 1;
}

int npi_pass_focus(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    const int n_nodes = g->n_nodes;
    for (int i = 0; i < n_nodes && r >= 0; i++) {
        if (g->node[i].dead) continue;
        r = rewrite(&w, i);
        if (r > 0) r = npi_rewrite_index(&w);
    }
    if (r == NP_ENOMEM) npi_fail(err, r, "%s: out of memory", g->path);
    if (r >= 0 && w.changed && (r = npi_graph_sort(g, err)) >= 0) r = npi_pass_dce(g, err);
    return npi_rewrite_end(&w, r);
}
