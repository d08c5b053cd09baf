/* SPDX-License-Identifier: Apache-2.0 */
/* Graph to plan: bind a step for each node, let Reshape, in-place steps and the inputs of a Concat share memory, lay the rest out in one arena.
 *
 *   a ──┐                                       [   a   |   b   ]  c
 *   b ──┴─ Concat ── c                          a and b are made inside c, where c is their parent and `sub` their place: nothing is copied.
 *                                               Where they lie in one piece (no axis in front of the Concat's is longer than 1) whatever makes them; else,
 *                                               of channels, what a convolution makes for nobody else: it stores pixels as far apart as c has channels */
#include "plan/plan.h"
#include "plan/arena.h"
#include "plan/chain.h"
#include "plan/choose.h"
#include "ops/walk.h"

#include <stdlib.h>
#include <string.h>

/* Follows the chain of shared memory to its owner. */
static int root_of(const int *root, int t) {
    while (root[t] != t) t = root[t];
    return t;
}

/* Shared memory: tensor t begins sub[t] bytes into that of root[t]. */
struct share { int *root; int64_t *sub; };

static int64_t place_of(const struct share *m, int t) {
    int64_t at = 0;
    for (; m->root[t] != t; t = m->root[t]) at += m->sub[t];
    return at;
}

static int is_port(const struct npi_graph *g, int t) {
    for (int i = 0; i < g->n_inputs; i++)
        if (g->input[i] == t) return 1;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i] == t) return 1;
    return 0;
}

/* Inputs of a Concat that may be made inside its output; how many. An input of the graph is written by the caller, and an output read by him: they keep their own
 * memory, and so does what lies in another Concat already, or is there twice. */
static int place_inputs(const struct npi_graph *g, const struct npi_node *n, const char *is_const, const struct share *m, char *placed) {
    const struct npi_view *const y = &g->tensor[n->out[0]].v;
    const int axis = n->a.concat.axis < 0 ? n->a.concat.axis + y->rank : n->a.concat.axis;
    int count = 0;
    int64_t at = 0;
    for (int i = 0; i < n->n_in; i++) count += placed[i] = m->root[n->in[i]] == n->out[0]; /* slices */
    for (int i = 0; i < axis; i++)
        if (y->d[i] != 1) return count;
    for (int i = 0; i < n->n_in; i++) {
        const int r = root_of(m->root, n->in[i]);
        const struct npi_view *const x = &g->tensor[n->in[i]].v;
        const int64_t bytes = (int64_t)npi_view_bytes(x);
        if (bytes && !is_const[r] && r != n->out[0] && x->dtype == y->dtype && npi_same_q(&x->q, &y->q) && (int64_t)npi_view_bytes(&g->tensor[r].v) == bytes && !is_port(g, r)) {
            m->root[r] = n->out[0];
            m->sub[r] = at;
            placed[i] = 1;
            count++;
        }
        at += bytes;
    }
    return count;
}

/* Does the step of a Concat (bind_move.c) take it, whatever is left to copy? Its C reference would read a slice as if it were dense. */
static int copies_slices(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *const y = &g->tensor[n->out[0]].v;
    for (int i = 0; i < n->n_in; i++) {
        const struct npi_view *const x = &g->tensor[n->in[i]].v;
        if (npi_view_count(x) < 1 || x->dtype != y->dtype) return 0;
        if (!npi_same_q(&x->q, &y->q) && (np_dtype_size(y->dtype) != 1 || x->q.n != 1 || y->q.n != 1)) return 0;
    }
    return 1;
}

/* A chain, at the node it ends with. */
struct chained { int n; struct npi_step step; };

/* May everybody but Concat i read t as a slice? Chained nodes are not asked. */
static int read_as_slice(const struct npi_binder *b, const struct chained *chain, const char *inner, int t, int cat) {
    const struct npi_graph *const g = b->g;
    int in_cat = 0;
    for (int u = 0; u < g->n_nodes; u++) {
        const struct npi_node *const n = &g->node[u];
        int reads = 0;
        for (int k = 0; k < n->n_in && !n->dead; k++) reads += n->in[k] == t;
        if (!reads) continue;
        if (u == cat) in_cat = reads;
        else if (reads > 1 || n->in[0] != t || inner[u] || chain[u].n || !npi_reads_slice(b, n)) return 0;
    }
    return in_cat == 1 && !is_port(g, t);
}

/* Slices: what is made for a Concat of channels, and for others that can read it so, is stored pixel by pixel between the other inputs. cat[t]: that Concat, + 1. */
static void find_slices(const struct npi_binder *b, const struct chained *chain, const char *inner, const int *producer, int *cat) {
    const struct npi_graph *const g = b->g;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *const n = &g->node[i];
        const struct npi_view *const y = n->n_out == 1 ? &g->tensor[n->out[0]].v : NULL;
        if (n->dead || n->op != NPI_OP_CONCAT || !y || n->act.kind || y->rank < 2 || (n->a.concat.axis != y->rank - 1 && n->a.concat.axis != -1) || !copies_slices(g, n)) continue;
        for (int k = 0; k < n->n_in; k++) {
            const int t = n->in[k], from = producer[t];
            const struct npi_view *const x = &g->tensor[t].v;
            if (from >= 0 && x->dtype == y->dtype && npi_same_q(&x->q, &y->q) && npi_writes_slice(b, &g->node[from]) && read_as_slice(b, chain, inner, t, i)) cat[t] = i + 1;
        }
    }
}

static int64_t channels_of(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *const y = &g->tensor[n->out[0]].v;
    return y->d[y->rank - 1];
}

/* Bytes of the channels in front of input t of a Concat. */
static int64_t channels_before(const struct npi_graph *g, const struct npi_node *n, int t) {
    int64_t c = 0;
    for (int i = 0; n->in[i] != t; i++) c += g->tensor[n->in[i]].v.d[g->tensor[n->in[i]].v.rank - 1];
    return c * (int64_t)np_dtype_size(g->tensor[t].v.dtype);
}

static int64_t node_macs(const struct npi_graph *g, const struct npi_node *n) {
    if (n->n_in < 2 || n->in[1] < 0) return 0;
    const struct npi_view *w = &g->tensor[n->in[1]].v, *y = &g->tensor[n->out[0]].v, *x = &g->tensor[n->in[0]].v;
    const int64_t out = npi_view_count(y);
    switch (n->op) {
    case NPI_OP_CONV2D: return w->rank == 4 ? out * w->d[1] * w->d[2] * w->d[3] : 0;
    case NPI_OP_DWCONV2D: return w->rank >= 2 ? out * w->d[0] * w->d[1] : 0;
    case NPI_OP_CONVT2D: return w->rank == 4 ? npi_view_count(x) * w->d[0] * w->d[1] * w->d[2] : 0;
    case NPI_OP_FULLY_CONNECTED: return w->rank >= 1 ? out * w->d[w->rank - 1] : 0;
    case NPI_OP_MATMUL: return x->rank ? out * x->d[n->a.matmul.ta && x->rank > 1 ? x->rank - 2 : x->rank - 1] : 0;
    default: return 0;
    }
}

/* Binds the chains; inner: nodes that one of them does before its end. */
static int bind_chains(struct npi_binder *b, const int *only_user, struct chained *at, char *inner) {
    for (int i = 0; i < b->g->n_nodes; i++) {
        int node[NPI_CHAIN_MAX], n;
        struct npi_step s;
        const int r = b->g->node[i].dead || inner[i] ? 0 : npi_chain_bind(b, i, only_user, node, &n, &s);
        if (r < 0) return r;
        if (!r) continue;
        at[node[n - 1]] = (struct chained){ n, s };
        for (int k = 0; k + 1 < n; k++) inner[node[k]] = 1;
    }
    return 0;
}

/* May out 0 of this step take the memory of input i? Only when that memory dies here, is not a constant, and no other input lies there: a piece of a Concat and
 * the Concat, which are not read pixel by pixel alike. (The same tensor twice is the binder's to judge.) */
static void try_inplace(const struct npi_graph *g, const struct npi_node *n, const struct npi_step *s, const struct share *m, const int *last_use, const char *is_const, int step) {
    if (s->inplace_of < 0 || s->inplace_of >= n->n_in) return;
    const int x = n->in[s->inplace_of], y = n->out[0];
    if (x < 0) return;
    const int rx = root_of(m->root, x);
    if (place_of(m, x) || is_const[rx] || last_use[rx] != step || npi_view_bytes(&g->tensor[y].v) > npi_view_bytes(&g->tensor[rx].v)) return;
    for (int i = 0; i <= s->n_also; i++) {
        const struct npi_node *const q = npi_step_node(g, s, i);
        for (int k = 0; k < q->n_in; k++)
            if (q->in[k] >= 0 && q->in[k] != x && root_of(m->root, q->in[k]) == rx) return;
    }
    m->root[y] = rx;
}

/* Constants may lie in the same memory (a Reshape of each other): `readers` of each tensor's memory, by the first tensor that lies there. */
struct shared { const void *data; int tensor; };
static int by_data(const void *a, const void *b) {
    const struct shared *x = a, *y = b;
    return x->data < y->data ? -1 : x->data > y->data ? 1 : x->tensor - y->tensor;
}

struct readers { int *first, *left; }; /* [n_tensors]: who stands for the memory; reads of it that are still to come */

static int count_readers(const struct npi_graph *g, const int *n_users, struct npi_arena *tmp, struct readers *r) {
    struct shared *const s = npi_arena_array(tmp, struct shared, g->n_tensors + 1);
    r->first = npi_arena_array(tmp, int, g->n_tensors + 1);
    r->left = npi_arena_array(tmp, int, g->n_tensors + 1);
    if (!s || !r->first || !r->left) return NP_ENOMEM;
    int n = 0;
    for (int t = 0; t < g->n_tensors; t++)
        if (g->tensor[t].v.data) s[n++] = (struct shared){ g->tensor[t].v.data, t };
    qsort(s, (size_t)n, sizeof *s, by_data);
    for (int i = 0; i < n; i++) {
        r->first[s[i].tensor] = i && s[i].data == s[i - 1].data ? r->first[s[i - 1].tensor] : s[i].tensor;
        r->left[r->first[s[i].tensor]] += n_users[s[i].tensor];
    }
    return 0;
}

/* The step has packed what it reads. */
static void spend(const struct npi_graph *g, const struct npi_node *n, unsigned packed, const struct readers *r, const struct npi_plan_opts *o) {
    for (int i = 0; i < n->n_in && i < 32; i++) {
        const struct npi_view *const v = n->in[i] >= 0 ? &g->tensor[n->in[i]].v : NULL;
        if (v && v->data && packed >> i & 1 && --r->left[r->first[n->in[i]]] == 0) o->spent(o->opaque, v->data, npi_view_bytes(v));
    }
}

int npi_plan_make(struct npi_plan *out, const struct npi_graph *g, const struct npi_kernels *k, struct npi_arena *mem, const struct npi_plan_opts *o, struct np_error *err) {
    static const struct npi_plan_opts defaults;
    if (!o) o = &defaults;
    struct npi_plan p = { 0 };
    struct npi_arena tmp;
    npi_arena_init(&tmp, 0);
    int r = NP_ENOMEM;
    const size_t nt = (size_t)g->n_tensors + 1;
    struct npi_graph_index ix;
    struct readers readers;
    int *last_use = npi_arena_array(&tmp, int, nt);
    char *is_const = npi_arena_array(&tmp, char, nt);
    struct npi_life *life = npi_arena_array(&tmp, struct npi_life, nt);
    struct chained *chain = npi_arena_array(&tmp, struct chained, g->n_nodes + 1);
    char *inner = npi_arena_array(&tmp, char, g->n_nodes + 1);
    p.offset = npi_arena_array(mem, int64_t, nt);
    p.root = npi_arena_array(mem, int, nt);
    p.step = npi_arena_array(mem, struct npi_step, g->n_nodes + 1);
    const struct share share = { p.root, npi_arena_array(&tmp, int64_t, nt) };
    int most_in = 1;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].n_in > most_in) most_in = g->node[i].n_in;
    char *placed = npi_arena_array(&tmp, char, most_in);
    int *cat = npi_arena_array(&tmp, int, nt);
    if (!last_use || !is_const || !life || !chain || !inner || !share.sub || !placed || !cat || !p.offset || !p.root || !p.step || npi_graph_index(g, &tmp, &ix) < 0 || count_readers(g, ix.n_users, &tmp, &readers) < 0) goto done;
    for (int t = 0; t < g->n_tensors; t++) {
        p.root[t] = t;
        p.offset[t] = -1;
        last_use[t] = -1;
        is_const[t] = g->tensor[t].v.data != NULL;
    }
    struct npi_binder b = { .g = g, .k = k, .mem = mem, .n_users = ix.n_users, .err = err };

    if (!o->reference_only && (r = bind_chains(&b, ix.only_user, chain, inner)) < 0) goto done;
    if (!o->reference_only) find_slices(&b, chain, inner, ix.producer, cat);
    r = NP_ENOMEM;
    /* 1. Steps; Reshape becomes shared memory. Steps are numbered as they are made, nodes that vanish have none. */
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (inner[i]) continue;
        const struct npi_op_def *d = npi_op_def(n->op);
        if (d && d->flags & NPI_OPF_ALIAS && n->n_out == 1 && !is_const[n->in[0]]) {
            p.root[n->out[0]] = n->in[0];
            continue;
        }
        b.placed = NULL;
        if (n->op == NPI_OP_CONCAT && !o->reference_only && !n->act.kind) {
            const int k_placed = place_inputs(g, n, is_const, &share, placed);
            p.n_placed += k_placed;
            if (k_placed == n->n_in) continue; /* it has no step at all */
            b.placed = placed;
        }
        struct npi_step *s = &p.step[p.n_steps];
        const int slice = n->n_out == 1 && n->out[0] >= 0 && !chain[i].n ? cat[n->out[0]] : 0;
        const int x = n->n_in ? n->in[0] : -1, read = x >= 0 ? cat[x] : 0;
        b.ldx = read && p.root[x] == g->node[read - 1].out[0] && read - 1 != i ? channels_of(g, &g->node[read - 1]) : 0;
        b.ld = slice ? channels_of(g, &g->node[slice - 1]) : 0;
        if (chain[i].n) *s = chain[i].step;
        else if ((r = npi_choose(&b, n, o->reference_only, s)) < 0) goto done;
        if (slice && s->strided) {
            p.root[n->out[0]] = g->node[slice - 1].out[0];
            share.sub[n->out[0]] = channels_before(g, &g->node[slice - 1], n->out[0]);
        }
        r = NP_ENOMEM;
        s->node = i;
        s->macs = 0;
        for (int j = 0; j <= s->n_also; j++) {
            const struct npi_node *const q = npi_step_node(g, s, j);
            s->macs += node_macs(g, q);
            if (o->spent) spend(g, q, j < s->n_also ? ~0u : s->packed_in, &readers, o);
        }
        p.macs += s->macs;
        if (s->scratch_bytes > p.scratch_bytes) p.scratch_bytes = s->scratch_bytes;
        p.n_steps++;
    }
    /* 2. Last use of each block of memory, in steps; graph outputs live on. */
    for (int s = 0; s < p.n_steps; s++) {
        for (int j = 0; j <= p.step[s].n_also; j++) {
            const struct npi_node *n = npi_step_node(g, &p.step[s], j);
            for (int i = 0; i < n->n_in; i++)
                if (n->in[i] >= 0) last_use[root_of(p.root, n->in[i])] = s;
        }
    }
    for (int i = 0; i < g->n_outputs; i++) last_use[root_of(p.root, g->output[i])] = p.n_steps;
    /* 3. In-place steps, in order: a block that is taken over lives as long as its new content. */
    for (int s = 0; s < p.n_steps; s++) {
        const struct npi_node *n = &g->node[p.step[s].node];
        const int y = n->out[0];
        if (y < 0 || p.root[y] != y) continue;
        const int until = last_use[y];
        try_inplace(g, n, &p.step[s], &share, last_use, is_const, s);
        if (p.root[y] != y) last_use[p.root[y]] = until > s ? until : s;
    }
    /* 4. Live ranges and offsets. Graph inputs are written before step 0. */
    for (int t = 0; t < g->n_tensors; t++) life[t].first = p.n_steps + 1;
    for (int i = 0; i < g->n_inputs; i++) {
        const int t = g->input[i];
        if (!is_const[t]) life[t] = (struct npi_life){ npi_view_bytes(&g->tensor[t].v), -1, last_use[t], 0 };
    }
    for (int s = 0; s < p.n_steps; s++) {
        const struct npi_node *n = &g->node[p.step[s].node];
        for (int i = 0; i < n->n_out; i++) {
            const int t = n->out[i] < 0 ? -1 : root_of(p.root, n->out[i]);
            if (t < 0) continue;
            if (life[t].first > p.n_steps) life[t] = (struct npi_life){ npi_view_bytes(&g->tensor[t].v), s, s, 0 }; /* from the first thing that is made in it */
            if (life[t].last < last_use[t]) life[t].last = last_use[t];
            if (life[t].last < s) life[t].last = s;
        }
    }
    for (int t = 0; t < g->n_tensors; t++)
        if (life[t].first <= p.n_steps) life[t].bytes = npi_align_up(life[t].bytes, NPI_ALIGN) + NPI_TAIL;
    p.arena_bytes = npi_arena_plan(life, g->n_tensors);
    if (p.arena_bytes == SIZE_MAX) goto done;
    if (p.arena_bytes > (size_t)1 << 34) {
        r = npi_fail(err, NP_ELIMIT, "%s: needs %zu MiB for activations; give a smaller input", g->path, p.arena_bytes >> 20);
        goto done;
    }
    for (int t = 0; t < g->n_tensors; t++)
        if (life[p.root[t] == t ? t : root_of(p.root, t)].bytes) p.offset[t] = life[root_of(p.root, t)].offset + place_of(&share, t);
    for (int t = 0; t < g->n_tensors; t++) p.root[t] = root_of(p.root, t);
    p.scratch_bytes = npi_align_up(p.scratch_bytes, NPI_ALIGN);
    *out = p;
    r = 0;
done:
    npi_arena_free(&tmp);
    return r == NP_ENOMEM ? npi_fail(err, r, "%s: out of memory while planning", g->path) : r;
}
