/* SPDX-License-Identifier: Apache-2.0 */
#include "export/onnx_write.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "nextpose/version.h"

/* ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto, ValueInfoProto: field numbers of onnx.proto. */
enum { M_IR = 1, M_PRODUCER = 2, M_PRODUCER_VERSION = 3, M_GRAPH = 7, M_OPSET = 8, M_META = 14 };
enum { G_NODE = 1, G_NAME = 2, G_INIT = 5, G_INPUT = 11, G_OUTPUT = 12 };
enum { N_IN = 1, N_OUT = 2, N_NAME = 3, N_TYPE = 4, N_ATTR = 5 };
enum { A_NAME = 1, A_FLOAT = 2, A_INT = 3, A_STR = 4, A_INTS = 8, A_TYPE = 20, T_FLOAT = 1, T_INT = 2, T_STRING = 3, T_INTS = 7 };
enum { P_DIMS = 1, P_TYPE = 2, P_NAME = 8, P_RAW = 9 };

int npi_ow_nomem(struct npi_ow *w) { return npi_fail(w->err, NP_ENOMEM, "%s: out of memory while writing", w->g->path); }

int npi_ow_type(int dtype) {
    static const int types[NP_DTYPE_COUNT] = { [NP_F32] = 1, [NP_U8] = 2, [NP_I8] = 3, [NP_U16] = 4, [NP_I16] = 5, [NP_I32] = 6, [NP_I64] = 7, [NP_BOOL] = 9,
                                               [NP_F16] = 10, [NP_F64] = 11, [NP_U32] = 12, [NP_U64] = 13, [NP_BF16] = 16 };
    return dtype >= 0 && dtype < NP_DTYPE_COUNT ? types[dtype] : 0;
}

void npi_ow_dims(const struct npi_view *v, int form, int64_t *d) {
    for (int i = 0; i < v->rank; i++) d[i] = v->d[npi_ow_source(form, i)];
}

/* ---- names ---- */

static size_t slot(const struct npi_ow_names *k, const char *s) {
    uint64_t h = 1469598103934665603u;
    for (const char *p = s; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
    size_t i = (size_t)(h ^ h >> 32) & (k->cap - 1);
    while (k->set[i] && strcmp(k->set[i], s)) i = (i + 1) & (k->cap - 1);
    return i;
}

/* 1: taken now, 0: was taken before, negative: out of memory. */
static int take(struct npi_ow *w, struct npi_ow_names *k, const char *s) {
    if (k->n * 2 >= k->cap) {
        const struct npi_ow_names old = *k;
        const size_t cap = old.cap ? old.cap * 2 : 1024;
        const char **set = npi_arena_array(&w->tmp, const char *, cap);
        if (!set) return npi_ow_nomem(w);
        *k = (struct npi_ow_names){ .set = set, .cap = cap, .n = old.n };
        for (size_t i = 0; i < old.cap; i++)
            if (old.set[i]) k->set[slot(k, old.set[i])] = old.set[i];
    }
    const size_t i = slot(k, s);
    if (k->set[i]) return 0;
    k->set[i] = s;
    k->n++;
    return 1;
}

/* base, or base with a number behind it. */
static const char *unique(struct npi_ow *w, struct npi_ow_names *k, const char *base) {
    const size_t n = strlen(base);
    char *s = npi_arena_alloc(&w->tmp, n + 24);
    if (!s) return npi_ow_nomem(w), NULL;
    memcpy(s, base, n + 1);
    int r = 0;
    while (!*s || (r = take(w, k, s)) == 0) snprintf(s, n + 24, "%s_%d", *base ? base : "t", w->serial++);
    return r < 0 ? NULL : s;
}

const char *npi_ow_fresh(struct npi_ow *w, const char *base) { return unique(w, &w->tensors, base); }

static const char *own(struct npi_ow *w, int t) {
    if (!w->own[t]) w->own[t] = npi_ow_fresh(w, w->g->tensor[t].name);
    return w->own[t];
}

/* The file's name of an input or output belongs to the form in which it is one. */
static const char *name_of(struct npi_ow *w, int t, int form) {
    if (form == NPI_OW_FIRST && w->first_name[t]) return w->first_name[t];
    const int primary = w->io[t] ? (w->first_io[t] ? NPI_OW_FIRST : NPI_OW_PLAIN) : npi_ow_has(w, t, !form) ? -1 : form;
    if (form == primary) return own(w, t);
    const char *base = own(w, t);
    if (!base) return NULL;
    char *s = npi_arena_alloc(&w->tmp, strlen(base) + 8);
    if (!s) return npi_ow_nomem(w), NULL;
    sprintf(s, "%s/%s", base, form == NPI_OW_FIRST ? "nchw" : form == NPI_OW_PLAIN ? "nhwc" : "w");
    return npi_ow_fresh(w, s);
}

const char *npi_ow_out(struct npi_ow *w, int t, int form) {
    if (form == NPI_OW_FIRST && w->io[t] == 2 && !w->o->keep_io_layout && !npi_ow_has(w, t, NPI_OW_PLAIN)) w->first_io[t] = 1;
    if (!w->t[t].name[form]) w->t[t].name[form] = name_of(w, t, form);
    return w->t[t].name[form] ? w->t[t].name[form] : "";
}

/* ---- constants ---- */

/* Row-major copy of src with axes permuted: file axis i is source axis perm[i]. */
static void permute(uint8_t *out, const uint8_t *src, size_t elem, int rank, const int64_t *d, const int *perm) {
    int64_t stride[NP_MAX_RANK], step[NP_MAX_RANK], at[NP_MAX_RANK] = { 0 }, n = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= d[i];
    }
    for (int i = 0; i < rank; i++) step[i] = stride[perm[i]];
    for (int64_t k = 0, from = 0; k < n; k++) {
        memcpy(out + (size_t)k * elem, src + (size_t)from * elem, elem);
        for (int i = rank - 1; i >= 0; i--) {
            from += step[i];
            if (++at[i] < d[perm[i]]) break;
            from -= step[i] * d[perm[i]];
            at[i] = 0;
        }
    }
}

const char *npi_ow_const(struct npi_ow *w, const char *name, int dtype, int rank, const int64_t *d, const void *data, const int *perm) {
    struct npi_view v = { .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank; i++) v.d[i] = d[i];
    const size_t bytes = npi_view_bytes(&v);
    if (!name || bytes > INT_MAX) return NULL;
    const size_t m = npi_pbw_begin(&w->consts, G_INIT);
    for (int i = 0; i < rank; i++) npi_pbw_int(&w->consts, P_DIMS, perm ? d[perm[i]] : d[i]);
    npi_pbw_int(&w->consts, P_TYPE, npi_ow_type(dtype));
    npi_pbw_str(&w->consts, P_NAME, name);
    npi_pbw_head(&w->consts, P_RAW, bytes);
    uint8_t *p = bytes ? npi_bytes_add(&w->consts, bytes) : NULL;
    if (p && perm) permute(p, data, np_dtype_size(dtype), rank, d, perm);
    else if (p) memcpy(p, data, bytes);
    npi_pbw_end(&w->consts, m);
    return name;
}

const char *npi_ow_ints(struct npi_ow *w, const char *base, const int64_t *v, int n) {
    return npi_ow_const(w, npi_ow_fresh(w, base), NP_I64, 1, (const int64_t[]){ n }, v, NULL);
}

const char *npi_ow_floats(struct npi_ow *w, const char *base, const float *v, int n, int rank) {
    return npi_ow_const(w, npi_ow_fresh(w, base), NP_F32, rank, (const int64_t[]){ n }, v, NULL);
}

/* ---- nodes ---- */

size_t npi_ow_begin(struct npi_ow *w, const char *type, const char *name) {
    const size_t m = npi_pbw_begin(&w->nodes, G_NODE);
    npi_pbw_str(&w->nodes, N_TYPE, type);
    const char *own_name = name && *name ? unique(w, &w->node_names, name) : NULL;
    if (own_name) npi_pbw_str(&w->nodes, N_NAME, own_name);
    w->n_nodes++;
    return m;
}
void npi_ow_arg(struct npi_ow *w, const char *name) { npi_pbw_str(&w->nodes, N_IN, name ? name : ""); }
void npi_ow_result(struct npi_ow *w, const char *name) { npi_pbw_str(&w->nodes, N_OUT, name ? name : ""); }
void npi_ow_end(struct npi_ow *w, size_t mark) { npi_pbw_end(&w->nodes, mark); }

static size_t attr(struct npi_ow *w, const char *name, int type) {
    const size_t m = npi_pbw_begin(&w->nodes, N_ATTR);
    npi_pbw_str(&w->nodes, A_NAME, name);
    npi_pbw_int(&w->nodes, A_TYPE, type);
    return m;
}
void npi_ow_int(struct npi_ow *w, const char *name, int64_t v) {
    const size_t m = attr(w, name, T_INT);
    npi_pbw_int(&w->nodes, A_INT, v);
    npi_pbw_end(&w->nodes, m);
}
void npi_ow_float(struct npi_ow *w, const char *name, float v) {
    const size_t m = attr(w, name, T_FLOAT);
    npi_pbw_float(&w->nodes, A_FLOAT, v);
    npi_pbw_end(&w->nodes, m);
}
void npi_ow_str(struct npi_ow *w, const char *name, const char *v) {
    const size_t m = attr(w, name, T_STRING);
    npi_pbw_str(&w->nodes, A_STR, v);
    npi_pbw_end(&w->nodes, m);
}
void npi_ow_ilist(struct npi_ow *w, const char *name, const int64_t *v, int n) {
    const size_t m = attr(w, name, T_INTS);
    for (int i = 0; i < n; i++) npi_pbw_int(&w->nodes, A_INTS, v[i]);
    npi_pbw_end(&w->nodes, m);
}

void npi_ow_widen(struct npi_ow *w, const char *name, const char *x, const char *y) {
    const size_t m = npi_ow_begin(w, "Cast", name);
    npi_ow_arg(w, x);
    npi_ow_result(w, y);
    npi_ow_int(w, "to", npi_ow_type(NP_F32));
    npi_ow_end(w, m);
}

static void transpose(struct npi_ow *w, const char *x, const char *y, const int *perm, int rank) {
    int64_t p[NP_MAX_RANK];
    for (int i = 0; i < rank; i++) p[i] = perm[i];
    const size_t m = npi_ow_begin(w, "Transpose", y);
    npi_ow_arg(w, x);
    npi_ow_result(w, y);
    npi_ow_ilist(w, "perm", p, rank);
    npi_ow_end(w, m);
    w->n_transposes++;
}

static const int to_first[4] = { 0, 3, 1, 2 }, to_last[4] = { 0, 2, 3, 1 };

static void reshape(struct npi_ow *w, const char *x, const char *y, const struct npi_view *v, int form) {
    int64_t d[NP_MAX_RANK];
    npi_ow_dims(v, form, d);
    const char *shape = npi_ow_ints(w, "shape", d, v->rank);
    const size_t m = npi_ow_begin(w, "Reshape", y);
    npi_ow_arg(w, x);
    npi_ow_arg(w, shape);
    npi_ow_result(w, y);
    npi_ow_end(w, m);
}

/* Constants of lower rank that meet channels-first data are spread to rank 4 before they are turned. */
static const char *constant(struct npi_ow *w, int t, int form) {
    const struct npi_view *v = npi_ow_view(w, t);
    if (form == NPI_OW_PLAIN || npi_view_count(v) == 1) return npi_ow_const(w, name_of(w, t, form), v->dtype, v->rank, v->d, v->data, NULL);
    int64_t d[4];
    for (int i = 0; i < 4; i++) d[i] = i < 4 - v->rank ? 1 : v->d[i - (4 - v->rank)];
    return npi_ow_const(w, name_of(w, t, form), v->dtype, 4, d, v->data, to_first);
}

const char *npi_ow_in(struct npi_ow *w, int t, int form) {
    const struct npi_view *v = npi_ow_view(w, t);
    const char **have = w->t[t].name;
    if (!v->data && v->rank != 4) form = NPI_OW_PLAIN; /* one number, computed: it meets any order */
    if (have[form]) return have[form];
    if (v->data) return have[form] = constant(w, t, form);
    const int other = form == NPI_OW_FIRST ? NPI_OW_PLAIN : NPI_OW_FIRST;
    if (v->rank != 4 || !have[other]) return NULL; /* a mistake of ours: told by the caller */
    const char *x = have[other], *y = name_of(w, t, form);
    const int flat = (v->d[1] == 1 && v->d[2] == 1) || v->d[3] == 1; /* only ones change their place: no numbers move */
    if (y && flat) reshape(w, x, y, v, form);
    else if (y) transpose(w, x, y, form == NPI_OW_FIRST ? to_first : to_last, 4);
    return have[form] = y;
}

/* Shape of our weights and the order in which ONNX wants them; axis: where per-channel scales end up. */
static void weights_order(int kind, const struct npi_view *v, int64_t d[4], int perm[4], int *rank, int *axis) {
    static const int c[4] = { 0, 3, 1, 2 }, dw[4] = { 3, 2, 0, 1 }, tr[4] = { 3, 0, 1, 2 }, f[4] = { 1, 0, 2, 3 };
    *rank = kind == 'F' ? 2 : 4;
    *axis = kind == 'T' || kind == 'F' ? 1 : 0;
    memcpy(perm, kind == 'C' ? c : kind == 'D' ? dw : kind == 'T' ? tr : f, 4 * sizeof *perm);
    for (int i = 0; i < v->rank && i < 4; i++) d[i] = v->d[i];
    if (kind == 'D') { /* [kh][kw][c] -> [kh][kw][1][c] */
        d[3] = v->d[2];
        d[2] = 1;
    }
}

const char *npi_ow_weights(struct npi_ow *w, int t, int kind) {
    struct npi_ow_tensor *s = &w->t[t];
    const struct npi_node *dq = w->made[t];
    const struct npi_view *v = npi_ow_view(w, t), *src = dq && dq->op == NPI_OP_DEQUANTIZE ? npi_ow_view(w, dq->in[0]) : NULL;
    int64_t d[4] = { 1, 1, 1, 1 };
    int perm[4], rank, axis;
    if (s->name[NPI_OW_WEIGHTS] && s->weights_kind == kind) return s->name[NPI_OW_WEIGHTS];
    weights_order(kind, v, d, perm, &rank, &axis);
    const char *name = npi_ow_fresh(w, w->g->tensor[src && src->data ? dq->in[0] : t].name);
    if (!name) return NULL;
    if (v->data) npi_ow_const(w, name, v->dtype, rank, d, v->data, perm);
    else if (src && src->data) { /* the integers are turned, and dequantized along the axis where the channels are then */
        npi_ow_const(w, name, src->dtype, rank, d, src->data, perm);
        const char *q = name;
        if (!(name = npi_ow_fresh(w, own(w, t)))) return NULL;
        if (src->q.n) npi_ow_quant(w, "DequantizeLinear", dq->name, q, src, axis, name);
        else npi_ow_widen(w, dq->name, q, name);
    } else {
        const char *x = npi_ow_in(w, t, NPI_OW_PLAIN);
        if (kind == 'D') {
            struct npi_view wide = { .rank = 4 };
            memcpy(wide.d, d, sizeof d);
            const char *r = npi_ow_fresh(w, "weights");
            reshape(w, x, r, &wide, NPI_OW_PLAIN);
            x = r;
        }
        transpose(w, x, name, perm, rank);
    }
    s->weights_kind = kind;
    return s->name[NPI_OW_WEIGHTS] = name;
}

/* ---- the model ---- */

static void value_info(struct npi_bytes *b, uint32_t field, const char *name, const struct npi_view *v, int form) {
    const size_t m = npi_pbw_begin(b, field);
    npi_pbw_str(b, 1, name);
    const size_t type = npi_pbw_begin(b, 2), tensor = npi_pbw_begin(b, 1);
    npi_pbw_int(b, 1, npi_ow_type(v->dtype));
    const size_t shape = npi_pbw_begin(b, 2);
    for (int i = 0; i < v->rank; i++) {
        const size_t dim = npi_pbw_begin(b, 1);
        npi_pbw_int(b, 1, v->d[npi_ow_source(form, i)]);
        npi_pbw_end(b, dim);
    }
    npi_pbw_end(b, shape);
    npi_pbw_end(b, tensor);
    npi_pbw_end(b, type);
    npi_pbw_end(b, m);
}

static int turns_weights(const struct npi_graph *g, const struct npi_node *n) {
    return n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_CONVT2D || (n->op == NPI_OP_FULLY_CONNECTED && g->tensor[n->in[0]].v.rank != 2);
}

/* good[t]: everything that reads t (through ops that do not mind) is a spatial op; then an input may as well be channels first. */
static int look_ahead(struct npi_ow *w, char **out) {
    const struct npi_graph *g = w->g;
    char *good = npi_arena_array(&w->tmp, char, g->n_tensors + 1), *read = npi_arena_array(&w->tmp, char, g->n_tensors + 1);
    w->only_weights = npi_arena_array(&w->tmp, char, g->n_tensors + 1);
    if (!good || !read || !w->only_weights) return npi_ow_nomem(w);
    memset(good, 1, (size_t)g->n_tensors);
    memset(w->only_weights, 1, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_outputs; i++) good[g->output[i]] = 0;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const struct npi_node *n = &g->node[i];
        const int wants = npi_ow_wants(g, n), y = n->out[0];
        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] < 0) continue;
            if (!(k == 1 && turns_weights(g, n))) w->only_weights[n->in[k]] = 0;
            read[n->in[k]] = 1;
            if (wants == NPI_OW_WANTS_FIRST ? k > 0 : !(wants == NPI_OW_FOLLOWS && n->n_out == 1 && g->tensor[y].v.rank == 4 && good[y] && read[y])) good[n->in[k]] = 0;
        }
    }
    for (int t = 0; t < g->n_tensors; t++) good[t] &= read[t];
    *out = good;
    return 0;
}

static void note(struct npi_export *x, const struct npi_ow *w, int t, const char *what) {
    const struct npi_view *v = npi_ow_view(w, t);
    const size_t n = strlen(x->io_note);
    snprintf(x->io_note + n, sizeof x->io_note - n, "%s%s '%.60s' is [%lld,%lld,%lld,%lld], channels first", n ? "; " : "", what, w->g->tensor[t].name,
             (long long)v->d[0], (long long)v->d[3], (long long)v->d[1], (long long)v->d[2]);
}

static int prepare(struct npi_ow *w, struct npi_export *x) {
    const struct npi_graph *g = w->g;
    const size_t n = (size_t)g->n_tensors + 1;
    w->t = npi_arena_array(&w->tmp, struct npi_ow_tensor, n);
    w->own = npi_arena_array(&w->tmp, const char *, n);
    w->io = npi_arena_array(&w->tmp, char, n);
    w->first_io = npi_arena_array(&w->tmp, char, n);
    w->first_name = npi_arena_array(&w->tmp, const char *, n);
    w->made = npi_arena_array(&w->tmp, const struct npi_node *, n);
    if (!w->t || !w->own || !w->io || !w->first_io || !w->first_name || !w->made) return npi_ow_nomem(w);
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_out; k++)
            if (g->node[i].out[k] >= 0) w->made[g->node[i].out[k]] = &g->node[i];
    char *good = NULL;
    const int r = look_ahead(w, &good);
    if (r < 0) return r;
    for (int i = 0; i < g->n_inputs; i++) {
        const int t = g->input[i];
        w->io[t] = 1;
        if (g->tensor[t].v.rank != 4 || w->o->keep_io_layout || !good[t]) continue;
        w->first_io[t] = 1;
        note(x, w, t, "input");
    }
    for (int i = 0; i < g->n_outputs; i++) {
        const int t = g->output[i];
        w->io[t] |= 2;
    }
    /* Names of inputs and outputs first: nobody else may take them. */
    for (int i = 0; i < g->n_inputs; i++)
        if (!own(w, g->input[i])) return NP_ENOMEM;
    for (int i = 0; i < g->n_outputs; i++)
        if (!own(w, g->output[i])) return NP_ENOMEM;
    for (int i = 0; i < g->n_inputs; i++) {
        const int t = g->input[i];
        w->t[t].name[w->first_io[t] ? NPI_OW_FIRST : NPI_OW_PLAIN] = own(w, t);
    }
    /* An output that is the channels-first side of a tensor: that side is made under the output's name at once. */
    for (int i = 0; i < g->n_outputs; i++) {
        const struct npi_node *m = w->made[g->output[i]];
        if (!m || m->op != NPI_OP_TRANSPOSE || npi_ow_view(w, m->in[0])->rank != 4 || memcmp(m->a.transpose.perm, to_first, sizeof to_first)) continue;
        if (!w->io[m->in[0]] && !npi_ow_view(w, m->in[0])->data && !w->first_name[m->in[0]]) w->first_name[m->in[0]] = own(w, g->output[i]);
    }
    return 0;
}

static void finish(struct npi_ow *w, struct npi_export *x) {
    const struct npi_graph *g = w->g;
    struct npi_bytes head = { 0 }, tail = { 0 };
    npi_pbw_str(&tail, G_NAME, w->o->graph_name && *w->o->graph_name ? w->o->graph_name : "graph");
    for (int i = 0; i < g->n_inputs; i++) value_info(&tail, G_INPUT, own(w, g->input[i]), npi_ow_view(w, g->input[i]), w->first_io[g->input[i]] ? NPI_OW_FIRST : NPI_OW_PLAIN);
    for (int i = 0; i < g->n_outputs; i++) value_info(&tail, G_OUTPUT, own(w, g->output[i]), npi_ow_view(w, g->output[i]), w->first_io[g->output[i]] ? NPI_OW_FIRST : NPI_OW_PLAIN);
    npi_pbw_int(&head, M_IR, w->opset >= 21 ? 10 : 9);
    npi_pbw_str(&head, M_PRODUCER, "nextpose");
    npi_pbw_str(&head, M_PRODUCER_VERSION, NP_VERSION_STRING);
    size_t m = npi_pbw_begin(&head, M_OPSET);
    npi_pbw_int(&head, 2, w->opset);
    npi_pbw_end(&head, m);
    for (int i = 0; i < w->o->n_meta; i++) {
        m = npi_pbw_begin(&head, M_META);
        npi_pbw_str(&head, 1, w->o->meta[i].key);
        npi_pbw_bytes(&head, 2, w->o->meta[i].value, w->o->meta[i].size);
        npi_pbw_end(&head, m);
    }
    npi_pbw_head(&head, M_GRAPH, w->nodes.n + tail.n + w->consts.n);
    npi_bytes_put(&head, w->nodes.p, w->nodes.n);
    npi_bytes_put(&head, tail.p, tail.n);
    npi_bytes_free(&tail);
    head.failed |= tail.failed | w->nodes.failed;
    x->part[0] = head;
    x->part[1] = w->consts;
    x->n_parts = 2;
    w->consts = (struct npi_bytes){ 0 };
    x->n_nodes = w->n_nodes;
    x->n_transposes = w->n_transposes;
}

/* Outputs that no op made under their name (constants, inputs handed through) get an Identity. */
static int outputs(struct npi_ow *w, struct npi_export *x) {
    for (int i = 0; i < w->g->n_outputs; i++) {
        const int t = w->g->output[i];
        const int form = w->first_io[t] ? NPI_OW_FIRST : NPI_OW_PLAIN;
        if (w->io[t] == 2 && form == NPI_OW_FIRST) note(x, w, t, "output");
        const char *have = npi_ow_in(w, t, form);
        if (!have) return npi_ow_nomem(w);
        if (!strcmp(have, own(w, t))) continue;
        const size_t m = npi_ow_begin(w, "Identity", own(w, t));
        npi_ow_arg(w, have);
        npi_ow_result(w, own(w, t));
        npi_ow_end(w, m);
    }
    return 0;
}

int npi_onnx_write(struct npi_export *out, const struct npi_graph *g, const struct npi_export_opts *o, struct np_error *err) {
    struct npi_ow w = { .g = g, .o = o, .err = err, .opset = 19 };
    struct npi_export x = { .n_parts = 0 };
    npi_arena_init(&w.tmp, 0);
    for (int t = 0; t < g->n_tensors; t++)
        if (g->tensor[t].v.q.n && (g->tensor[t].v.dtype == NP_I16 || g->tensor[t].v.dtype == NP_U16)) w.opset = 21; /* where 16-bit quantization came */
    int r = prepare(&w, &x);
    for (int i = 0; i < g->n_nodes && r >= 0; i++)
        if (!g->node[i].dead) r = npi_ow_node(&w, &g->node[i]);
    if (r >= 0) r = outputs(&w, &x);
    if (r >= 0) {
        finish(&w, &x);
        if (x.part[0].failed || x.part[1].failed) r = npi_ow_nomem(&w);
        else if (npi_export_bytes(&x) > INT_MAX) r = npi_fail(err, NP_ELIMIT, "%s: the ONNX file would have %zu MB; at most 2 GB can be read", g->path, npi_export_bytes(&x) >> 20);
    }
    npi_bytes_free(&w.nodes);
    npi_bytes_free(&w.consts);
    npi_arena_free(&w.tmp);
    if (r < 0) npi_export_free(&x);
    else *out = x;
    return r < 0 ? r : 0;
}
