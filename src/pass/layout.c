/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the transposes out that importers of channels-first formats put around spatial ops. Each rule moves a Transpose
 * from the input of an op to its output ("sinks" it); two in a row become one or none:
 *
 *   conv -> T -> relu -> T' -> conv      =>  conv -> relu -> T -> T' -> conv   =>  conv -> relu -> conv
 *
 * What is left sits in front of ops that really mean another order (Reshape of mixed dims, MatMul) and at outputs.
 * Terminates: each step moves a transpose nearer to the outputs or removes one. */
#include "ops/walk.h"
#include "pass/passes.h"
#include "pass/util.h"

#include <string.h>

#define NOT_OURS (-1000) /* no NP_E code */
#define MAX_SWEEPS 400 /* a transpose sinks by one op a sweep; deeper nets keep what is left, which is slower but right */

static int is_identity(const int *p, int rank) {
    for (int i = 0; i < rank; i++)
        if (p[i] != i) return 0;
    return 1;
}

/* Does the permutation leave the order of all dims larger than 1 alone? Then it is a reshape. */
static int only_moves_ones(const struct npi_view *x, const int *p) {
    int last = -1;
    for (int i = 0; i < x->rank; i++) {
        if (x->d[p[i]] == 1) continue;
        if (p[i] < last) return 0;
        last = p[i];
    }
    return 1;
}

static struct npi_node *transpose_of(const struct npi_rewrite *w, int t) {
    struct npi_node *p = npi_producer(w, t);
    return p && p->op == NPI_OP_TRANSPOSE ? p : NULL;
}

/* New node with op, attr and act of n on `in`; then T(perm) on its output; the result replaces n's output. */
static int emit_below(struct npi_rewrite *w, int node, const union npi_attr *a, const int *in, int n_in, const int *perm) {
    struct npi_graph *const g = w->g;
    const struct npi_node old = g->node[node];
    struct npi_node proto = { .op = old.op, .name = old.name, .a = *a, .act = old.act, .res_before_act = old.res_before_act };
    struct npi_view hint = { .dtype = g->tensor[old.out[0]].v.dtype, .q = g->tensor[old.out[0]].v.q };
    if (hint.q.n > 1) return 0;
    int y;
    int r = npi_build(g, &proto, in, n_in, &y, 1, NULL, &hint, w->err);
    if (r < 0) return r;
    const int t = npi_build_transpose(g, old.name, y, perm, w->err);
    if (t < 0) return t;
    npi_bypass(g, &g->node[node], t);
    w->changed = 1;
    return 1;
}

static int is_unary(enum npi_op op) { return (op >= NPI_OP_RELU && op <= NPI_OP_DEQUANTIZE); }
static int is_binary(enum npi_op op) { return op >= NPI_OP_ADD && op <= NPI_OP_BIT_SHIFT; }

/* A tensor that broadcasts against rank-r data, brought into the order before the transpose `perm` (out dim i = in dim
 * perm[i]): made full rank, then permuted back. Constants fold. */
static int before_perm(struct npi_rewrite *w, int t, const int *perm, int rank) {
    const struct npi_view v = w->g->tensor[t].v;
    if (v.rank > rank || v.q.n > 1) return NOT_OURS;
    if (npi_view_count(&v) == 1) return t;
    int64_t d[NP_MAX_RANK];
    int inv[NP_MAX_RANK];
    for (int i = 0; i < rank; i++) d[i] = i < rank - v.rank ? 1 : v.d[i - (rank - v.rank)];
    for (int i = 0; i < rank; i++) inv[perm[i]] = i;
    if (v.rank < rank && (t = npi_build_reshape(w->g, "", t, rank, d, w->err)) < 0) return t;
    return npi_build_transpose(w->g, "", t, inv, w->err);
}

/* Ops with several operands of one shape rule (binary, Where, Concat): all transposed alike, or constants. */
static int sink_multi(struct npi_rewrite *w, int node) {
    struct npi_graph *const g = w->g;
    const struct npi_node n = g->node[node];
    const struct npi_node *first = NULL;
    const int rank = g->tensor[n.out[0]].v.rank;
    int *in = npi_arena_array(&w->tmp, int, n.n_in + 1);
    if (!in) return NP_ENOMEM;
    for (int i = 0; i < n.n_in; i++) {
        const struct npi_node *p = transpose_of(w, n.in[i]);
        if (p && g->tensor[n.in[i]].v.rank == rank && !first) first = p;
    }
    if (!first) return 0;
    int perm[NP_MAX_RANK];
    memcpy(perm, first->a.transpose.perm, sizeof perm);
    for (int i = 0; i < n.n_in; i++) {
        const struct npi_node *p = transpose_of(w, n.in[i]);
        const int like = p && g->tensor[n.in[i]].v.rank == rank && !memcmp(p->a.transpose.perm, perm, sizeof(int) * (size_t)rank);
        if (!like && !(npi_is_const(g, n.in[i]) || npi_view_count(&g->tensor[n.in[i]].v) == 1)) return 0;
    }
    for (int i = 0; i < n.n_in; i++) {
        const struct npi_node *p = transpose_of(w, n.in[i]);
        if (p && g->tensor[n.in[i]].v.rank == rank) in[i] = p->in[0];
        else if (n.op == NPI_OP_CONCAT && npi_view_count(&g->tensor[n.in[i]].v) == 1 && g->tensor[n.in[i]].v.rank != rank) return 0;
        else if ((in[i] = before_perm(w, n.in[i], perm, rank)) < 0) return in[i] == NOT_OURS ? 0 : in[i];
    }
    union npi_attr a = n.a;
    if (n.op == NPI_OP_CONCAT) a.concat.axis = perm[n.a.concat.axis];
    return emit_below(w, node, &a, in, n.n_in, perm);
}

/* One data operand: the attribute's axes are renamed. Returns 0 when the op is not of this kind. */
static int sink_one(struct npi_rewrite *w, int node) {
    struct npi_graph *const g = w->g;
    const struct npi_node n = g->node[node];
    const struct npi_node *t = transpose_of(w, n.in[0]);
    if (!t) return 0;
    const int rank = g->tensor[n.in[0]].v.rank, x = t->in[0];
    int perm[NP_MAX_RANK], in[2] = { x, n.n_in > 1 ? n.in[1] : -1 }, n_in = n.n_in;
    memcpy(perm, t->a.transpose.perm, sizeof perm);
    union npi_attr a = n.a;
    if (is_unary(n.op)) {
        if (g->tensor[n.out[0]].v.q.n > 1 || g->tensor[x].v.q.n > 1) return 0;
    } else switch (n.op) {
    case NPI_OP_SLICE:
        for (int i = 0; i < rank; i++) {
            a.slice.start[perm[i]] = n.a.slice.start[i];
            a.slice.step[perm[i]] = n.a.slice.step[i];
            a.slice.size[perm[i]] = n.a.slice.size[i];
        }
        break;
    case NPI_OP_PAD:
        for (int i = 0; i < rank; i++) {
            a.pad.before[perm[i]] = n.a.pad.before[i];
            a.pad.after[perm[i]] = n.a.pad.after[i];
        }
        break;
    case NPI_OP_RESIZE:
        for (int i = 0; i < rank; i++) {
            a.resize.size[perm[i]] = n.a.resize.size[i];
            a.resize.scale[perm[i]] = n.a.resize.scale[i];
            a.resize.roi[perm[i]] = n.a.resize.roi[i];
            a.resize.roi[rank + perm[i]] = n.a.resize.roi[rank + i];
        }
        break;
    case NPI_OP_GATHER: /* rows by a list */
        if (g->tensor[n.in[1]].v.rank != 1 || n.a.gather.batch_dims || n.a.gather.axis < 0) return 0;
        a.gather.axis = perm[n.a.gather.axis];
        break;
    case NPI_OP_SOFTMAX: case NPI_OP_LOG_SOFTMAX: case NPI_OP_LP_NORM:
        a.norm.axis = perm[n.a.norm.axis];
        break;
    case NPI_OP_TILE: case NPI_OP_EXPAND:
        if (n.a.shape.rank != rank) return 0;
        for (int i = 0; i < rank; i++) a.shape.dims[perm[i]] = n.a.shape.dims[i];
        break;
    case NPI_OP_REDUCE: {
        a.reduce.axes = 0;
        for (int i = 0; i < rank; i++)
            if (n.a.reduce.axes >> i & 1) a.reduce.axes |= 1u << perm[i];
        if (n.a.reduce.keepdims) break;
        /* Without the reduced dims the rest keeps its relative order: rank the surviving source axes. */
        int left[NP_MAX_RANK], m = 0;
        for (int i = 0; i < rank; i++) {
            if (n.a.reduce.axes >> i & 1) continue;
            int before = 0;
            for (int k = 0; k < perm[i]; k++) before += !(a.reduce.axes >> k & 1);
            left[m++] = before;
        }
        memcpy(perm, left, sizeof(int) * (size_t)m);
        break;
    }
    default: return 0;
    }
    return emit_below(w, node, &a, in, n_in, perm);
}

/* Reshape behind a transpose: if every run of target dims comes from source dims that are neighbours in memory too, the
 * reshape can be done first. [n,h,w,c] -T-> [n,c,h,w] -R-> [n,c,hw]  =>  -R-> [n,hw,c] -T-> [n,c,hw] */
static int sink_reshape(struct npi_rewrite *w, int node) {
    struct npi_graph *const g = w->g;
    const struct npi_node n = g->node[node];
    const struct npi_node *t = transpose_of(w, n.in[0]);
    if (!t) return 0;
    const struct npi_view src = g->tensor[n.in[0]].v, dst = g->tensor[n.out[0]].v; /* src: after the transpose */
    const int *perm = t->a.transpose.perm;
    if (src.q.n > 1 || npi_view_count(&src) == 0 || !npi_same_q(&src.q, &dst.q)) return 0;
    struct block { int s0, s1, d0, d1; } blk[2 * NP_MAX_RANK];
    int nb = 0, i = 0, j = 0;
    while (i < src.rank || j < dst.rank) {
        struct block b = { i, i, j, j };
        int64_t ps = 1, pd = 1;
        if (i < src.rank) ps = src.d[i++];
        if (j < dst.rank) pd = dst.d[j++];
        while (ps != pd) {
            if (ps < pd) { if (i == src.rank) return 0; ps *= src.d[i++]; }
            else { if (j == dst.rank) return 0; pd *= dst.d[j++]; }
        }
        b.s1 = i;
        b.d1 = j;
        for (int k = b.s0 + 1; k < b.s1; k++) /* source dims of a block must be neighbours, in order, before the transpose */
            if (perm[k] != perm[k - 1] + 1) return 0;
        if (b.s0 == b.s1) return 0; /* a lone new 1 has no place; rare */
        blk[nb++] = b;
    }
    int order[2 * NP_MAX_RANK]; /* blocks in memory order */
    for (int k = 0; k < nb; k++) order[k] = k;
    for (int a = 0; a < nb; a++)
        for (int b = a + 1; b < nb; b++)
            if (perm[blk[order[b]].s0] < perm[blk[order[a]].s0]) { const int s = order[a]; order[a] = order[b]; order[b] = s; }
    int64_t dims[NP_MAX_RANK];
    int where[NP_MAX_RANK], rank = 0;
    for (int k = 0; k < nb; k++)
        for (int d = blk[order[k]].d0; d < blk[order[k]].d1; d++) {
            where[d] = rank;
            dims[rank++] = dst.d[d];
        }
    const int y = npi_build_reshape(g, n.name, t->in[0], rank, dims, w->err);
    if (y < 0) return y;
    const int z = npi_build_transpose(g, n.name, y, where, w->err);
    if (z < 0) return z;
    npi_bypass(g, &g->node[node], z);
    w->changed = 1;
    return 1;
}

/* T(T(x)), identity; in the last sweep also transposes that only move dims of size 1 (a Reshape; not before, because the
 * rules above know how to sink a Transpose only). */
static int simplify(struct npi_rewrite *w, int node, int last) {
    struct npi_graph *const g = w->g;
    struct npi_node *n = &g->node[node];
    const struct npi_view x = g->tensor[n->in[0]].v;
    if (is_identity(n->a.transpose.perm, x.rank)) {
        npi_bypass(g, n, n->in[0]);
        return w->changed = 1;
    }
    const struct npi_node *up = transpose_of(w, n->in[0]);
    if (up) {
        int perm[NP_MAX_RANK];
        for (int i = 0; i < x.rank; i++) perm[i] = up->a.transpose.perm[n->a.transpose.perm[i]];
        const int t = npi_build_transpose(g, n->name, up->in[0], perm, w->err);
        if (t < 0) return t;
        npi_bypass(g, &g->node[node], t);
        return w->changed = 1;
    }
    if (last && only_moves_ones(&x, n->a.transpose.perm) && x.q.n <= 1) {
        const int t = npi_build_reshape(g, n->name, n->in[0], x.rank, g->tensor[n->out[0]].v.d, w->err);
        if (t < 0) return t;
        npi_bypass(g, &g->node[node], t);
        return w->changed = 1;
    }
    /* The same transpose of the same tensor made earlier: use that one. */
    for (int k = 0; k < node; k++) {
        const struct npi_node *o = &g->node[k];
        if (!o->dead && o->op == NPI_OP_TRANSPOSE && o->in[0] == n->in[0] && !memcmp(o->a.transpose.perm, n->a.transpose.perm, sizeof(int) * (size_t)x.rank)) {
            npi_bypass(g, n, o->out[0]);
            return w->changed = 1;
        }
    }
    return 0;
}

static int reshape_of_reshape(struct npi_rewrite *w, int node) {
    struct npi_graph *const g = w->g;
    const struct npi_node *up = npi_producer(w, g->node[node].in[0]);
    const struct npi_view *in = &g->tensor[g->node[node].in[0]].v, *out = &g->tensor[g->node[node].out[0]].v;
    if (npi_view_same_shape(in, out) && in->q.n <= 1 && in->dtype == out->dtype && npi_same_q(&in->q, &out->q)) { /* a Reshape may give integers a scale */
        npi_bypass(g, &g->node[node], g->node[node].in[0]);
        return w->changed = 1;
    }
    if (!up || up->op != NPI_OP_RESHAPE || in->q.n > 1) return 0;
    g->node[node].in[0] = up->in[0];
    return w->changed = 1;
}

int npi_pass_layout(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err), any = 0, last = 0;
    for (int sweep = 0; r >= 0 && sweep < MAX_SWEEPS; sweep++) {
        w.changed = 0;
        const int n_nodes = g->n_nodes; /* nodes made in this sweep are looked at in the next */
        for (int i = 0; i < n_nodes && r >= 0; i++) {
            const struct npi_node *n = &g->node[i];
            if (n->dead || n->n_in == 0 || n->in[0] < 0) continue;
            if (n->op == NPI_OP_TRANSPOSE) r = simplify(&w, i, last);
            else if (n->op == NPI_OP_RESHAPE) { if ((r = reshape_of_reshape(&w, i)) == 0) r = sink_reshape(&w, i); }
            else if (is_binary(n->op) || n->op == NPI_OP_WHERE || n->op == NPI_OP_CONCAT) r = sink_multi(&w, i);
            else if (n->n_out == 1) r = sink_one(&w, i);
            if (r > 0 && g->n_tensors > 0) r = npi_rewrite_index(&w); /* producers of new tensors */
        }
        if (r < 0 || (!w.changed && last)) break;
        if (!w.changed) {
            last = 1;
            continue;
        }
        any = 1;
        if ((r = npi_graph_sort(g, err)) < 0 || (r = npi_pass_dce(g, err)) < 0) break;
        npi_graph_compact(g);
        r = npi_rewrite_index(&w);
    }
    w.changed = any;
    return npi_rewrite_end(&w, r);
}
