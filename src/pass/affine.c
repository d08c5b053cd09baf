/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm is y = x*s + t a channel; importers write it as Mul and Add with constants. Folded here
 *   behind a convolution:  s*(w*x + b) + t       = (s*w)*x + (s*b + t)
 *   before a convolution:  w*(s*x + t) + b       = (w*s)*x + (b + sum w*t)     (t only without padding: a padded 0 gets no t)
 * so that nothing of it is left at run time, except where a shift meets zero padding. */
#include "pass/passes.h"
#include "pass/util.h"

#include <string.h>

enum { MUL_BY, ADD_TO };
struct affine { int kind, sign, x, c; }; /* x: data operand; c: constant; sign -1: divide or subtract */

static int out_channels(const struct npi_graph *g, const struct npi_node *n, int64_t *c) {
    const struct npi_view *y = &g->tensor[n->out[0]].v;
    if (y->rank < 1) return 0;
    *c = y->d[y->rank - 1];
    return 1;
}

/* Is node n x*c, x+c, x-c or x/c with a constant c a channel of the last axis? */
static int as_affine(const struct npi_graph *g, const struct npi_node *n, struct affine *a) {
    int64_t c;
    if (n->dead || n->act.kind || !(n->op == NPI_OP_MUL || n->op == NPI_OP_ADD || n->op == NPI_OP_SUB || n->op == NPI_OP_DIV)) return 0;
    if (g->tensor[n->out[0]].v.dtype != NP_F32 || g->tensor[n->out[0]].v.q.n || !out_channels(g, n, &c)) return 0;
    for (int k = 1; k >= 0; k--) {
        const int x = n->in[!k], t = n->in[k];
        if (!npi_const_per_channel(g, t, c) || npi_is_const(g, x) || !npi_view_same_shape(&g->tensor[x].v, &g->tensor[n->out[0]].v)) continue;
        if (k == 0 && (n->op == NPI_OP_SUB || n->op == NPI_OP_DIV)) continue; /* c - x, c / x */
        int zero = 0; /* x / 0 is infinite, but a weight of 0 times infinity would be NaN */
        for (int64_t i = 0; n->op == NPI_OP_DIV && i < c; i++) zero |= npi_const_at(g, t, i) == 0;
        if (zero) continue;
        *a = (struct affine){ n->op == NPI_OP_MUL || n->op == NPI_OP_DIV ? MUL_BY : ADD_TO, n->op == NPI_OP_SUB || n->op == NPI_OP_DIV ? -1 : 1, x, t };
        return 1;
    }
    return 0;
}

static float factor(const struct npi_graph *g, const struct affine *a, int64_t i) {
    const float v = npi_const_at(g, a->c, i);
    return a->sign > 0 ? v : a->kind == MUL_BY ? 1 / v : -v;
}

/* [n] factors, one after the other: looking each up again for every weight was a seventh of the time to load ConvNeXtPose-S. NULL: out of memory. */
static const float *factors(struct npi_graph *g, const struct affine *a, int64_t n) {
    float *const f = npi_arena_array(g->mem, float, n);
    for (int64_t i = 0; f && i < n; i++) f[i] = factor(g, a, i);
    return f;
}

static int foldable(const struct npi_graph *g, const struct npi_node *n) {
    if (!n || n->dead || !(n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_FULLY_CONNECTED)) return 0;
    if (!npi_is_const(g, n->in[1]) || g->tensor[n->in[1]].v.dtype != NP_F32 || g->tensor[n->out[0]].v.dtype != NP_F32) return 0;
    return n->n_in < 3 || n->in[2] < 0 || (npi_is_const(g, n->in[2]) && g->tensor[n->in[2]].v.dtype == NP_F32);
}

/* Gives the node weights and a bias of its own (constants may be shared); writes their tensor numbers. */
static int own_constants(struct npi_graph *g, int node, int64_t co, int *w, int *b) {
    struct npi_node *n = &g->node[node];
    const struct npi_view wv = g->tensor[n->in[1]].v;
    if ((*w = npi_graph_const(g, g->tensor[n->in[1]].name, &wv)) < 0) return NP_ENOMEM;
    memcpy(g->tensor[*w].v.data, wv.data, npi_view_bytes(&wv));
    const int old = n->n_in > 2 ? n->in[2] : -1;
    const struct npi_view bv = { .dtype = NP_F32, .rank = 1, .d = { co } };
    if ((*b = npi_graph_const(g, old >= 0 ? g->tensor[old].name : "bias", &bv)) < 0) return NP_ENOMEM;
    for (int64_t i = 0; old >= 0 && i < co; i++) ((float *)g->tensor[*b].v.data)[i] = npi_const_at(g, old, i);
    int *in = npi_arena_array(g->mem, int, n->n_in > 3 ? n->n_in : 3);
    if (!in) return NP_ENOMEM;
    memcpy(in, n->in, sizeof *in * (size_t)n->n_in);
    in[1] = *w;
    in[2] = *b;
    n->in = in;
    if (n->n_in < 3) n->n_in = 3;
    return 0;
}

static int fold_behind(struct npi_graph *g, int conv, const struct affine *a, int64_t co) {
    int w, b;
    if (own_constants(g, conv, co, &w, &b) < 0) return NP_ENOMEM;
    float *bias = g->tensor[b].v.data, *wd = g->tensor[w].v.data;
    const float *const f = factors(g, a, co);
    if (!f) return NP_ENOMEM;
    if (a->kind == MUL_BY) {
        const int64_t n = npi_view_count(&g->tensor[w].v), per = n / co;
        if (g->node[conv].op == NPI_OP_DWCONV2D) /* channels last */
            for (int64_t i = 0; i < n; i += co)
                for (int64_t o = 0; o < co; o++) wd[i + o] *= f[o];
        else
            for (int64_t o = 0; o < co; o++)
                for (int64_t i = 0; i < per; i++) wd[o * per + i] *= f[o];
    }
    for (int64_t i = 0; i < co; i++) bias[i] = a->kind == MUL_BY ? bias[i] * f[i] : bias[i] + f[i];
    return 0;
}

static int padded(const struct npi_node *n) {
    return n->op != NPI_OP_FULLY_CONNECTED && (n->a.conv.win.pt || n->a.conv.win.pl || n->a.conv.win.pb || n->a.conv.win.pr);
}

static int fold_before(struct npi_graph *g, int conv, const struct affine *a, int64_t co) {
    int w, b;
    if (own_constants(g, conv, co, &w, &b) < 0) return NP_ENOMEM;
    const struct npi_view *wv = &g->tensor[w].v;
    float *bias = g->tensor[b].v.data, *wd = wv->data;
    const int64_t n = npi_view_count(wv), ci_all = g->tensor[a->x].v.d[g->tensor[a->x].v.rank - 1];
    const float *const f = factors(g, a, ci_all);
    if (!f) return NP_ENOMEM;
    if (g->node[conv].op == NPI_OP_DWCONV2D) {
        for (int64_t i = 0; i < n; i += co)
            for (int64_t o = 0; o < co; o++) {
                const float v = f[o / (co / ci_all)];
                if (a->kind == MUL_BY) wd[i + o] *= v;
                else bias[o] += wd[i + o] * v;
            }
        return 0;
    }
    const int64_t cg = wv->d[wv->rank - 1], per = n / co, co_group = co / (ci_all / cg);
    for (int64_t o = 0; o < co; o++) {
        const float *const fo = f + o / co_group * cg;
        float *const row = wd + o * per;
        for (int64_t i = 0; i < per; i += cg)
            for (int64_t k = 0; k < cg; k++) {
                if (a->kind == MUL_BY) row[i + k] *= fo[k];
                else bias[o] += row[i + k] * fo[k];
            }
    }
    return 0;
}

int npi_pass_affine(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    for (int i = 0; i < g->n_nodes && r >= 0; i++) {
        struct affine a;
        if (!as_affine(g, &g->node[i], &a)) continue;
        int64_t co;
        const struct npi_node *up = npi_producer(&w, a.x);
        if (foldable(g, up) && !up->act.kind && (up->n_in < 4 || up->in[3] < 0) && w.ix.n_users[a.x] == 1 && out_channels(g, up, &co)) {
            if ((r = fold_behind(g, w.ix.producer[a.x], &a, co)) < 0) break;
            npi_bypass(g, &g->node[i], a.x);
        } else {
            const int user = w.ix.only_user[g->node[i].out[0]];
            const struct npi_node *down = user >= 0 ? &g->node[user] : NULL;
            if (!foldable(g, down) || down->in[0] != g->node[i].out[0] || (down->n_in > 3 && down->in[3] == down->in[0])) continue;
            if ((a.kind == ADD_TO && padded(down)) || !out_channels(g, down, &co)) continue;
            if ((r = fold_before(g, user, &a, co)) < 0) break;
            npi_bypass(g, &g->node[i], a.x);
        }
        w.changed = 1;
        if ((r = npi_rewrite_index(&w)) < 0) break;
    }
    if (r == NP_ENOMEM) npi_fail(err, r, "%s: out of memory", g->path);
    return npi_rewrite_end(&w, r);
}
