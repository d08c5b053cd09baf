/* SPDX-License-Identifier: Apache-2.0 */
/* Moves a Slice towards the inputs, so that what it throws away is never computed: through element-wise ops, a Concat of another
 * axis, a Reshape that splits the last axis, and into the rows of a convolution's weights.
 *
 *   conv(64 -> 9*90) -> reshape [n,90] -> concat -> sigmoid -> column 0     =>     conv(64 -> 9) -> reshape [n,1] -> concat -> sigmoid
 *
 * That is what the person column of an 90-class detector is: the loader asks for the column (backend/model.c), this pass does the rest. */
#include "ops/walk.h"
#include "pass/passes.h"
#include "pass/util.h"

#include <string.h>

/* Does the slice leave every axis but `axis` whole? */
static int only_axis(const struct npi_node *s, const struct npi_view *x, int axis) {
    for (int i = 0; i < x->rank; i++)
        if (i != axis && (s->a.slice.start[i] != 0 || s->a.slice.step[i] != 1 || s->a.slice.size[i] != x->d[i])) return 0;
    return s->a.slice.step[axis] > 0;
}

static int slice_of(struct npi_rewrite *w, const struct npi_node *like, int x) {
    struct npi_node p = { .op = NPI_OP_SLICE, .name = like->name, .a = like->a };
    return npi_build1(w->g, &p, &x, 1, w->err);
}

static int through_unary(struct npi_rewrite *w, int i, const struct npi_node *up) {
    struct npi_graph *const g = w->g;
    const struct npi_node s = g->node[i], u = *up;
    if (g->tensor[u.in[0]].v.q.n > 1 || g->tensor[u.out[0]].v.q.n > 1) return 0;
    const int x = slice_of(w, &s, u.in[0]);
    if (x < 0) return x;
    struct npi_node p = { .op = u.op, .name = u.name, .a = u.a, .act = u.act };
    const struct npi_view hint = { .dtype = g->tensor[u.out[0]].v.dtype, .q = g->tensor[u.out[0]].v.q };
    int y;
    const int r = npi_build(g, &p, &x, 1, &y, 1, NULL, &hint, w->err);
    if (r < 0) return r;
    npi_bypass(g, &g->node[i], y);
    return w->changed = 1;
}

static int through_concat(struct npi_rewrite *w, int i, const struct npi_node *up) {
    struct npi_graph *const g = w->g;
    const struct npi_node s = g->node[i], c = *up;
    const struct npi_view out = g->tensor[c.out[0]].v;
    const int axis = c.a.concat.axis;
    if (s.a.slice.start[axis] != 0 || s.a.slice.step[axis] != 1 || s.a.slice.size[axis] != out.d[axis] || c.act.kind) return 0;
    int *in = npi_arena_array(g->mem, int, c.n_in + 1);
    if (!in) return NP_ENOMEM;
    for (int k = 0; k < c.n_in; k++) {
        struct npi_node part = s;
        part.a.slice.size[axis] = g->tensor[c.in[k]].v.d[axis];
        if ((in[k] = slice_of(w, &part, c.in[k])) < 0) return in[k];
    }
    struct npi_node p = { .op = NPI_OP_CONCAT, .name = c.name, .a = c.a };
    const struct npi_view hint = { .dtype = out.dtype, .q = out.q };
    int y;
    const int r = npi_build(g, &p, in, c.n_in, &y, 1, NULL, &hint, w->err);
    if (r < 0) return r;
    npi_bypass(g, &g->node[i], y);
    return w->changed = 1;
}

/* [..., a*k] -> [..., a, k], one column c of k: columns c, c+k, c+2k … of the source. */
static int through_reshape(struct npi_rewrite *w, int i, const struct npi_node *up) {
    struct npi_graph *const g = w->g;
    const struct npi_node s = g->node[i];
    const int x = up->in[0], last = g->tensor[up->out[0]].v.rank - 1;
    const struct npi_view src = g->tensor[x].v, dst = g->tensor[up->out[0]].v;
    if (last < 0 || src.rank < 1 || !only_axis(&s, &dst, last) || s.a.slice.size[last] != 1 || src.q.n > 1) return 0;
    if (src.dtype != dst.dtype || !npi_same_q(&src.q, &dst.q)) return 0; /* a Reshape may give integers a scale */
    const int64_t k = dst.d[last], c = src.d[src.rank - 1];
    if (k < 1 || c % k) return 0;
    struct npi_node p = { .op = NPI_OP_SLICE, .name = s.name };
    for (int d = 0; d < src.rank; d++) {
        p.a.slice.step[d] = 1;
        p.a.slice.size[d] = src.d[d];
    }
    p.a.slice.start[src.rank - 1] = s.a.slice.start[last];
    p.a.slice.step[src.rank - 1] = k;
    p.a.slice.size[src.rank - 1] = c / k;
    int y = npi_build1(g, &p, &x, 1, w->err);
    if (y < 0) return y;
    y = npi_build_reshape(g, s.name, y, dst.rank, g->tensor[s.out[0]].v.d, w->err);
    if (y < 0) return y;
    npi_bypass(g, &g->node[i], y);
    return w->changed = 1;
}

/* Rows start, start+step, … of a constant whose axis 0 (or only axis) is the output channel, quantization included. */
static int rows(struct npi_graph *g, int t, int64_t start, int64_t step, int64_t n) {
    struct npi_view v = g->tensor[t].v;
    const int64_t all = v.d[0];
    const size_t row = all ? npi_view_bytes(&v) / (size_t)all : 0;
    const char *from = v.data;
    v.d[0] = n;
    if (v.q.n > 1) {
        float *scale = npi_arena_array(g->mem, float, n);
        int32_t *zero = v.q.zero ? npi_arena_array(g->mem, int32_t, n) : NULL;
        if (!scale || (v.q.zero && !zero)) return NP_ENOMEM;
        for (int64_t i = 0; i < n; i++) {
            scale[i] = v.q.scale[start + i * step];
            if (zero) zero[i] = v.q.zero[start + i * step];
        }
        v.q.scale = scale;
        v.q.zero = zero;
        v.q.n = (int)n;
    }
    const int c = npi_graph_const(g, g->tensor[t].name, &v);
    for (int64_t i = 0; c >= 0 && i < n; i++) memcpy((char *)g->tensor[c].v.data + (size_t)i * row, from + (size_t)(start + i * step) * row, row);
    return c;
}

static int into_conv(struct npi_rewrite *w, int i, const struct npi_node *up) {
    struct npi_graph *const g = w->g;
    const struct npi_node s = g->node[i], c = *up;
    const struct npi_view y = g->tensor[c.out[0]].v;
    const int last = y.rank - 1;
    if (!only_axis(&s, &y, last) || (c.op == NPI_OP_CONV2D && c.a.conv.groups > 1) || (c.n_in > 3 && c.in[3] >= 0)) return 0;
    for (int k = 1; k < c.n_in && k < 3; k++) {
        const struct npi_view *v = c.in[k] >= 0 ? &g->tensor[c.in[k]].v : NULL;
        if (v && (!v->data || v->rank < 1 || v->d[0] != y.d[last] || (v->q.n > 1 && (v->q.axis != 0 || v->q.n != v->d[0])))) return 0;
    }
    int in[3] = { c.in[0], -1, -1 };
    for (int k = 1; k < c.n_in && k < 3; k++)
        if (c.in[k] >= 0 && (in[k] = rows(g, c.in[k], s.a.slice.start[last], s.a.slice.step[last], s.a.slice.size[last])) < 0) return in[k];
    struct npi_node p = { .op = c.op, .name = c.name, .a = c.a, .act = c.act };
    const struct npi_view hint = { .dtype = y.dtype, .q = y.q };
    int out;
    const int r = npi_build(g, &p, in, in[2] >= 0 ? 3 : 2, &out, 1, NULL, &hint, w->err);
    if (r < 0) return r;
    npi_bypass(g, &g->node[i], out);
    return w->changed = 1;
}

int npi_pass_slice(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    for (int i = 0; i < g->n_nodes && r >= 0; i++) { /* nodes made on the way are visited too: the slice goes all the way up in one run */
        const struct npi_node *n = &g->node[i];
        if (n->dead || n->op != NPI_OP_SLICE || w.ix.n_users[n->in[0]] != 1) continue;
        const struct npi_node *up = npi_producer(&w, n->in[0]);
        if (!up || up->n_out != 1) continue;
        const int above = w.ix.producer[n->in[0]];
        if (up->op >= NPI_OP_RELU && up->op <= NPI_OP_DEQUANTIZE) r = through_unary(&w, i, up);
        else if (up->op == NPI_OP_CONCAT) r = through_concat(&w, i, up);
        else if (up->op == NPI_OP_RESHAPE) r = through_reshape(&w, i, up);
        else if (up->op == NPI_OP_CONV2D || up->op == NPI_OP_FULLY_CONNECTED) r = into_conv(&w, i, up);
        if (r > 0) {
            g->node[above].dead = 1; /* the slice was its only reader */
            r = npi_rewrite_index(&w);
        }
    }
    if (r == NP_ENOMEM) npi_fail(err, r, "%s: out of memory", g->path);
    if (r >= 0 && w.changed && (r = npi_graph_sort(g, err)) >= 0) r = npi_pass_dce(g, err);
    return npi_rewrite_end(&w, r);
}
