/* SPDX-License-Identifier: Apache-2.0 */
/* See build.h. */
#include "ops/build.h"

#include <string.h>

#define FOLD_LIMIT_BYTES ((size_t)16 << 20)
#define FOLD_LIMIT_WORK ((size_t)4 << 30) /* a model: a hostile file of many small nodes must not keep us busy for long */

/* Times that the references go over their output: the products and windows do so once a tap. */
static size_t passes_over_output(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *x = &g->tensor[n->in[0]].v, *w = n->n_in > 1 && n->in[1] >= 0 ? &g->tensor[n->in[1]].v : NULL;
    switch (n->op) {
    case NPI_OP_CONV2D: case NPI_OP_CONVT2D: case NPI_OP_FULLY_CONNECTED: return w && w->rank && w->d[0] > 0 ? (size_t)(npi_view_count(w) / w->d[0]) : 1;
    case NPI_OP_DWCONV2D: return (size_t)n->a.conv.win.kh * (size_t)n->a.conv.win.kw;
    case NPI_OP_MATMUL: return x->rank ? (size_t)x->d[x->rank - 1 - (n->a.matmul.ta && x->rank > 1)] : 1;
    case NPI_OP_MAXPOOL2D: case NPI_OP_AVGPOOL2D: case NPI_OP_LPPOOL2D: return (size_t)n->a.pool.win.kh * (size_t)n->a.pool.win.kw;
    case NPI_OP_LRN: return (size_t)n->a.norm.groups;
    case NPI_OP_NMS: case NPI_OP_DETECTION_POSTPROCESS: case NPI_OP_RESIZE: return 1 << 10;
    default: return 1;
    }
}

static int may_fold(struct npi_graph *g, const struct npi_node *n) {
    size_t in_bytes = 0, out_bytes = 0;
    if (n->n_in == 0) return 0;
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        const struct npi_view *v = &g->tensor[n->in[i]].v;
        if (!v->data) return 0;
        in_bytes += npi_view_bytes(v);
    }
    for (int i = 0; i < n->n_out; i++) out_bytes += npi_view_bytes(&g->tensor[n->out[i]].v);
    if (out_bytes > FOLD_LIMIT_BYTES && out_bytes > in_bytes * 8) return 0;
    if (n->op == NPI_OP_DEQUANTIZE) {
        const int t = g->tensor[n->in[0]].v.dtype;
        return t == NP_F16 || t == NP_BF16 || t == NP_F32;
    }
    size_t work;
    if (n->op == NPI_OP_RESHAPE) return 1;
    if (npi_mul_overflow(out_bytes, passes_over_output(g, n), &work) || npi_add_overflow(work, in_bytes, &work) || work > FOLD_LIMIT_WORK - g->fold_work) return 0;
    g->fold_work += work;
    return 1;
}

/* Does the result lie in memory as the input does? A Reshape, and a Transpose that only moves dims of 1 (the weights of every 1x1 convolution). */
static int same_bytes(const struct npi_graph *g, const struct npi_node *n) {
    if (n->op != NPI_OP_TRANSPOSE) return n->op == NPI_OP_RESHAPE;
    const struct npi_view *const x = &g->tensor[n->in[0]].v;
    for (int i = 0, last = -1; i < x->rank; i++) {
        const int from = n->a.transpose.perm[i];
        if (x->d[from] == 1) continue;
        if (from < last) return 0;
        last = from;
    }
    return 1;
}

static int fold(struct npi_graph *g, int node, const struct npi_op_args *args) {
    struct npi_node *n = &g->node[node];
    struct npi_op_args a = *args;
    void *scratch = NULL;
    const int alias = same_bytes(g, n);
    const size_t bytes = alias ? 0 : npi_op_scratch(&a);
    if (bytes && !(scratch = npi_alloc(bytes))) return NP_ENOMEM;
    a.scratch = scratch;
    int r = 0;
    for (int i = 0; i < n->n_out; i++) {
        struct npi_view *v = &g->tensor[n->out[i]].v;
        if (alias) v->data = g->tensor[n->in[0]].v.data;
        else if (!(v->data = npi_arena_alloc(g->mem, npi_view_bytes(v)))) r = NP_ENOMEM;
    }
    if (!r && !alias) npi_op_eval(&a);
    npi_free(scratch);
    if (!r) g->n_nodes--; /* it was the last one */
    return r;
}

int npi_build(struct npi_graph *g, const struct npi_node *proto, const int *in, int n_in, int *out, int n_out, const char *const *out_name,
              const struct npi_view *out_hint, struct np_error *err) {
    const struct npi_op_info *info = &npi_op_info[proto->op];
    char where[256];
    for (int i = 0; i < n_in; i++)
        if (in[i] >= g->n_tensors || in[i] < -1)
            return npi_fail(err, NP_EFORMAT, "%s: input %d is not made by any node", npi_node_where(g, proto, where, sizeof where), i);
    if (n_in < info->min_in || n_in > info->max_in || n_out < info->min_out || n_out > info->max_out)
        return npi_fail(err, NP_EFORMAT, "%s: has %d inputs and %d outputs; takes %d to %d and gives %d to %d", npi_node_where(g, proto, where, sizeof where),
                        n_in, n_out, info->min_in, info->max_in, info->min_out, info->max_out);
    for (int i = 0; i < n_in; i++) {
        if (in[i] < 0 && i < info->min_in) return npi_fail(err, NP_EFORMAT, "%s: input %d is missing", npi_node_where(g, proto, where, sizeof where), i);
        if (i < 32 && info->const_in >> i & 1 && in[i] >= 0 && !g->tensor[in[i]].v.data)
            return npi_fail(err, NP_EUNSUPPORTED, "%s: input %d ('%s') must be known when the model is loaded", npi_node_where(g, proto, where, sizeof where), i, g->tensor[in[i]].name);
    }
    const int k = npi_graph_node(g, proto->op, proto->name, in, n_in, n_out);
    if (k < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    struct npi_node *n = &g->node[k];
    n->a = proto->a;
    n->act = proto->act;
    n->res_before_act = proto->res_before_act;
    for (int i = 0; i < n_out; i++) {
        out[i] = n->out[i];
        struct npi_tensor *t = &g->tensor[n->out[i]];
        if (out_hint) t->v = out_hint[i];
        if (out_name && out_name[i] && *out_name[i]) {
            t->name = npi_arena_strndup(g->mem, out_name[i], strlen(out_name[i]));
            if (!t->name) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
        }
    }
    const struct npi_view **store = npi_arena_array(g->mem, const struct npi_view *, n_in + 1);
    if (!store) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    struct npi_op_args a;
    npi_op_args_init(&a, g, n, store);
    const int r = npi_op_infer(&a, err);
    if (r < 0) return npi_fail_prefix(err, r, "%s", npi_node_where(g, n, where, sizeof where));
    for (int i = 0; i < n_out; i++)
        if (npi_view_bytes(&g->tensor[out[i]].v) > (size_t)1 << 34) /* 16 GiB: no pose net, but a hostile file */
            return npi_fail(err, NP_ELIMIT, "%s: output %d is larger than 16 GiB", npi_node_where(g, n, where, sizeof where), i);
    if (may_fold(g, n) && fold(g, k, &a) < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory while folding", g->path);
    return 0;
}

int npi_build1(struct npi_graph *g, const struct npi_node *proto, const int *in, int n_in, struct np_error *err) {
    int out = -1;
    const int r = npi_build(g, proto, in, n_in, &out, 1, NULL, NULL, err);
    return r < 0 ? r : out;
}

int npi_build_transpose(struct npi_graph *g, const char *name, int x, const int *perm, struct np_error *err) {
    struct npi_node n = { .op = NPI_OP_TRANSPOSE, .name = name };
    for (int i = 0; i < g->tensor[x].v.rank; i++) n.a.transpose.perm[i] = perm[i];
    return npi_build1(g, &n, &x, 1, err);
}

int npi_build_reshape(struct npi_graph *g, const char *name, int x, int rank, const int64_t *dims, struct np_error *err) {
    struct npi_node n = { .op = NPI_OP_RESHAPE, .name = name };
    n.a.shape.rank = rank;
    for (int i = 0; i < rank; i++) n.a.shape.dims[i] = dims[i];
    return npi_build1(g, &n, &x, 1, err);
}
