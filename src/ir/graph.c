/* SPDX-License-Identifier: Apache-2.0 */
/* Building and editing graphs. Arrays double in the graph's arena; the old copies are dropped with it. */
#include "ir/graph.h"

#include <stdio.h>
#include <string.h>

/* Dimensions of 0 do not hide an overflow of the others: strides multiply those too. */
size_t npi_view_bytes(const struct npi_view *v) {
    size_t n = np_dtype_size(v->dtype);
    int empty = 0;
    for (int i = 0; i < v->rank; i++) {
        empty |= v->d[i] == 0;
        if (v->d[i] < 0 || npi_mul_overflow(n, v->d[i] ? (size_t)v->d[i] : 1, &n) || n > SIZE_MAX / 4) return SIZE_MAX / 4;
    }
    return empty ? 0 : n;
}

int npi_view_same_shape(const struct npi_view *a, const struct npi_view *b) {
    if (a->rank != b->rank) return 0;
    for (int i = 0; i < a->rank; i++)
        if (a->d[i] != b->d[i]) return 0;
    return 1;
}

int npi_graph_init(struct npi_graph *g, struct npi_arena *mem, const char *path) {
    *g = (struct npi_graph){ .mem = mem };
    g->path = npi_arena_strndup(mem, path ? path : "", path ? strlen(path) : 0);
    return g->path ? 0 : NP_ENOMEM;
}

static int grow(struct npi_arena *mem, void **p, int *cap, int n, size_t size) {
    if (n < *cap) return 0;
    const int want = *cap ? *cap * 2 : 64;
    void *q = npi_arena_calloc(mem, (size_t)want, size);
    if (!q) return NP_ENOMEM;
    if (n) memcpy(q, *p, (size_t)n * size);
    *p = q;
    *cap = want;
    return 0;
}

int npi_graph_tensor(struct npi_graph *g, const char *name, const struct npi_view *v) {
    if (grow(g->mem, (void **)&g->tensor, &g->cap_tensors, g->n_tensors, sizeof *g->tensor) < 0) return NP_ENOMEM;
    struct npi_tensor *t = &g->tensor[g->n_tensors];
    t->name = name && *name ? npi_arena_strndup(g->mem, name, strlen(name)) : "";
    if (!t->name) return NP_ENOMEM;
    t->v = v ? *v : (struct npi_view){ 0 };
    return g->n_tensors++;
}

int npi_graph_const(struct npi_graph *g, const char *name, const struct npi_view *v) {
    struct npi_view c = *v;
    c.data = npi_arena_alloc(g->mem, npi_view_bytes(v));
    return c.data ? npi_graph_tensor(g, name, &c) : NP_ENOMEM;
}

static int const_of(struct npi_graph *g, const char *name, int dtype, int rank, const int64_t *dims, const void *data) {
    struct npi_view v = { .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank; i++) v.d[i] = dims[i];
    const int t = npi_graph_const(g, name, &v);
    if (t >= 0 && npi_view_bytes(&v)) memcpy(g->tensor[t].v.data, data, npi_view_bytes(&v));
    return t;
}

int npi_graph_const_f32(struct npi_graph *g, const char *name, int rank, const int64_t *dims, const float *data) {
    return const_of(g, name, NP_F32, rank, dims, data);
}

int npi_graph_const_i64(struct npi_graph *g, const char *name, int rank, const int64_t *dims, const int64_t *data) {
    return const_of(g, name, NP_I64, rank, dims, data);
}

int npi_graph_node(struct npi_graph *g, enum npi_op op, const char *name, const int *in, int n_in, int n_out) {
    if (grow(g->mem, (void **)&g->node, &g->cap_nodes, g->n_nodes, sizeof *g->node) < 0) return NP_ENOMEM;
    struct npi_node *n = &g->node[g->n_nodes];
    *n = (struct npi_node){ .op = op, .n_in = n_in, .n_out = n_out };
    n->name = name && *name ? npi_arena_strndup(g->mem, name, strlen(name)) : "";
    n->in = npi_arena_array(g->mem, int, n_in ? n_in : 1);
    n->out = npi_arena_array(g->mem, int, n_out);
    if (!n->name || !n->in || !n->out) return NP_ENOMEM;
    if (n_in) memcpy(n->in, in, (size_t)n_in * sizeof *in);
    for (int i = 0; i < n_out; i++) {
        const int t = npi_graph_tensor(g, NULL, NULL);
        if (t < 0) return t;
        n->out[i] = t;
    }
    return g->n_nodes++;
}

int npi_graph_set_io(struct npi_graph *g, const int *in, int n_in, const int *out, int n_out) {
    g->input = npi_arena_array(g->mem, int, n_in + 1);
    g->output = npi_arena_array(g->mem, int, n_out + 1);
    if (!g->input || !g->output) return NP_ENOMEM;
    if (n_in) memcpy(g->input, in, (size_t)n_in * sizeof *in);
    if (n_out) memcpy(g->output, out, (size_t)n_out * sizeof *out);
    g->n_inputs = n_in;
    g->n_outputs = n_out;
    return 0;
}

int npi_graph_index(const struct npi_graph *g, struct npi_arena *mem, struct npi_graph_index *x) {
    x->producer = npi_arena_array(mem, int, g->n_tensors + 1);
    x->n_users = npi_arena_array(mem, int, g->n_tensors + 1);
    x->only_user = npi_arena_array(mem, int, g->n_tensors + 1);
    if (!x->producer || !x->n_users || !x->only_user) return NP_ENOMEM;
    for (int i = 0; i < g->n_tensors; i++) x->producer[i] = x->only_user[i] = -1;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (n->dead) continue;
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] >= 0) x->producer[n->out[k]] = i;
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] >= 0) x->only_user[n->in[k]] = x->n_users[n->in[k]]++ ? -1 : i;
    }
    for (int i = 0; i < g->n_outputs; i++) {
        x->n_users[g->output[i]]++;
        x->only_user[g->output[i]] = -1;
    }
    return 0;
}

void npi_graph_replace_uses(struct npi_graph *g, int from, int to) {
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] == from) g->node[i].in[k] = to;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i] == from) g->output[i] = to;
}

void npi_graph_compact(struct npi_graph *g) {
    int k = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (!g->node[i].dead) {
            if (k != i) g->node[k] = g->node[i];
            k++;
        }
    g->n_nodes = k;
}

/* Depth first from the outputs, so that a node comes right before its first user and branches stay together: short
 * lives, small arena. Nodes that no output needs come last. A graph that is in order already is left as it is. */
int npi_graph_sort(struct npi_graph *g, struct np_error *err) {
    npi_graph_compact(g);
    struct npi_arena tmp;
    npi_arena_init(&tmp, 0);
    struct npi_graph_index x;
    int r = NP_ENOMEM;
    struct frame { int node, next_in; } *stack = npi_arena_array(&tmp, struct frame, g->n_nodes + 1);
    char *state = npi_arena_array(&tmp, char, g->n_nodes + 1); /* 0 new, 1 on the stack, 2 placed */
    struct npi_node *sorted = npi_arena_array(&tmp, struct npi_node, g->n_nodes + 1);
    if (!stack || !state || !sorted || npi_graph_index(g, &tmp, &x) < 0) goto done;
    r = 0;
    int in_order = 1, n_sorted = 0;
    for (int i = 0; i < g->n_nodes && in_order; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0 && x.producer[g->node[i].in[k]] >= i) in_order = 0;
    if (in_order) goto done;
    for (int root = 0; root < g->n_outputs + g->n_nodes && !r; root++) {
        const int start = root < g->n_outputs ? x.producer[g->output[root]] : root - g->n_outputs;
        if (start < 0 || state[start]) continue;
        int depth = 0;
        stack[0] = (struct frame){ start, 0 };
        state[start] = 1;
        while (depth >= 0) {
            struct frame *const f = &stack[depth];
            const struct npi_node *n = &g->node[f->node];
            if (f->next_in == n->n_in) {
                state[f->node] = 2;
                sorted[n_sorted++] = *n;
                depth--;
                continue;
            }
            const int t = n->in[f->next_in++], p = t < 0 ? -1 : x.producer[t];
            if (p < 0 || state[p] == 2) continue;
            if (state[p] == 1) {
                r = npi_fail(err, NP_EFORMAT, "%s: the graph has a cycle", g->path);
                break;
            }
            state[p] = 1;
            stack[++depth] = (struct frame){ p, 0 };
        }
    }
    if (!r) memcpy(g->node, sorted, sizeof *sorted * (size_t)g->n_nodes);
done:
    npi_arena_free(&tmp);
    return r == NP_ENOMEM ? npi_fail(err, r, "%s: out of memory", g->path) : r;
}

static void *dup_mem(struct npi_arena *mem, const void *p, size_t n) {
    void *q = npi_arena_alloc(mem, n);
    if (q && n) memcpy(q, p, n);
    return q;
}

static int copy_quant(struct npi_arena *mem, struct npi_quant *q) {
    if (q->n <= 0) return 0;
    if (!(q->scale = dup_mem(mem, q->scale, (size_t)q->n * sizeof *q->scale))) return NP_ENOMEM;
    if (q->zero && !(q->zero = dup_mem(mem, q->zero, (size_t)q->n * sizeof *q->zero))) return NP_ENOMEM;
    return 0;
}

int npi_graph_copy(struct npi_graph *to, const struct npi_graph *from, struct npi_arena *mem) {
    *to = *from;
    to->mem = mem;
    to->path = npi_arena_strndup(mem, from->path, strlen(from->path));
    to->tensor = dup_mem(mem, from->tensor, sizeof *from->tensor * (size_t)from->n_tensors);
    to->node = dup_mem(mem, from->node, sizeof *from->node * (size_t)from->n_nodes);
    if (!to->path || !to->tensor || !to->node) return NP_ENOMEM;
    to->cap_tensors = to->n_tensors;
    to->cap_nodes = to->n_nodes;
    for (int t = 0; t < to->n_tensors; t++) {
        struct npi_tensor *x = &to->tensor[t];
        x->name = *x->name ? npi_arena_strndup(mem, x->name, strlen(x->name)) : "";
        if (!x->name || copy_quant(mem, &x->v.q) < 0) return NP_ENOMEM;
    }
    for (int i = 0; i < to->n_nodes; i++) {
        struct npi_node *n = &to->node[i];
        n->name = *n->name ? npi_arena_strndup(mem, n->name, strlen(n->name)) : "";
        n->in = dup_mem(mem, n->in, sizeof *n->in * (size_t)n->n_in);
        n->out = dup_mem(mem, n->out, sizeof *n->out * (size_t)n->n_out);
        if (!n->name || !n->in || !n->out) return NP_ENOMEM;
    }
    return npi_graph_set_io(to, from->input, from->n_inputs, from->output, from->n_outputs);
}

const char *npi_node_where(const struct npi_graph *g, const struct npi_node *n, char *buf, size_t size) {
    snprintf(buf, size, "%s '%s' in %s", npi_op_info[n->op].name, n->name, g->path);
    return buf;
}
