/* SPDX-License-Identifier: Apache-2.0 */
/* The file: model table, operator codes, one subgraph, a signature, metadata, and the buffers last (they are nearly all of it). */
#include "export/tflite_write.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "nextpose/version.h"
#include "ops/quantize.h"

enum { M_VERSION = 0, M_CODES = 1, M_SUBGRAPHS = 2, M_DESCRIPTION = 3, M_BUFFERS = 4, M_META = 6, M_SIGNATURES = 7 };
enum { T_SHAPE = 0, T_TYPE = 1, T_BUFFER = 2, T_NAME = 3, T_QUANT = 4, T_HAS_RANK = 8 };
enum { Q_SCALE = 2, Q_ZERO = 3, Q_AXIS = 6 };
enum { O_CODE = 0, O_IN = 1, O_OUT = 2, O_OPT_TYPE = 3, O_OPT = 4, O_CUSTOM = 5, OP_CUSTOM = 32, OP_PLACEHOLDER = 127 };

int npi_tw_nomem(struct npi_tw *w) { return npi_fail(w->err, NP_ENOMEM, "%s: out of memory while writing", w->g->path); }

int npi_tw_type(int dtype) {
    static const int8_t types[NP_DTYPE_COUNT] = { [NP_F32] = 0, [NP_F16] = 1, [NP_I32] = 2, [NP_U8] = 3, [NP_I64] = 4, [NP_BOOL] = 6, [NP_I16] = 7, [NP_I8] = 9,
                                                  [NP_F64] = 10, [NP_U64] = 12, [NP_U32] = 15, [NP_U16] = 16, [NP_BF16] = 18 };
    return dtype >= 0 && dtype < NP_DTYPE_COUNT ? types[dtype] : -1;
}

static int grow(struct npi_tw *w, void **p, int *cap, int n, size_t size) {
    if (n < *cap) return 1;
    const int want = *cap ? *cap * 2 : 256;
    void *q = npi_arena_calloc(&w->tmp, (size_t)want, size);
    if (!q) {
        w->failed = 1;
        return 0;
    }
    if (n) memcpy(q, *p, (size_t)n * size);
    *p = q;
    *cap = want;
    return 1;
}

int npi_tw_rec(struct npi_tw *w, const char *name, const struct npi_view *v) {
    if (!grow(w, (void **)&w->rec, &w->cap_rec, w->n_rec, sizeof *w->rec)) return -1;
    if (!name || !*name) { /* OpenVINO's reader tells tensors apart by their names */
        char *const made = npi_arena_alloc(&w->tmp, 16);
        if (!made) return w->failed = 1, -1;
        snprintf(made, 16, "#%d", w->n_rec);
        name = made;
    }
    w->rec[w->n_rec] = (struct npi_tw_rec){ *v, name };
    return w->n_rec++;
}

int npi_tw_tensor(struct npi_tw *w, int t) {
    if (t < 0) return -1;
    if (w->of[t] < 0) w->of[t] = npi_tw_rec(w, w->g->tensor[t].name, npi_tw_view(w, t));
    return w->of[t];
}

int npi_tw_ints(struct npi_tw *w, const int64_t *v, int n, int rank) {
    struct npi_view c = { .dtype = NP_I32, .rank = rank, .d = { n } };
    int32_t *p = npi_arena_array(&w->tmp, int32_t, n + 1);
    if (!p) return w->failed = 1, -1;
    for (int i = 0; i < n; i++) p[i] = (int32_t)(v[i] > INT32_MAX ? INT32_MAX : v[i] < INT32_MIN ? INT32_MIN : v[i]);
    c.data = p;
    return npi_tw_rec(w, "", &c);
}

struct npi_tw_op *npi_tw_push(struct npi_tw *w, int code, int options, int version, int n_in, const struct npi_node *n) {
    static struct npi_tw_op nowhere;
    static int sink[8];
    if (!grow(w, (void **)&w->op, &w->cap_ops, w->n_ops, sizeof *w->op)) goto fail;
    struct npi_tw_op *op = &w->op[w->n_ops];
    *op = (struct npi_tw_op){ .code = code, .version = version, .options = options, .n_in = n_in, .n_out = n->n_out };
    op->in = npi_arena_array(&w->tmp, int, n_in + 1);
    op->out = npi_arena_array(&w->tmp, int, n->n_out + 1);
    if (!op->in || !op->out) goto fail;
    for (int i = 0; i < n_in; i++) op->in[i] = -1;
    for (int i = 0; i < n->n_out; i++) op->out[i] = npi_tw_tensor(w, n->out[i]);
    w->n_ops++;
    return op;
fail: /* what is written there is never looked at: `failed` is */
    w->failed = 1;
    nowhere = (struct npi_tw_op){ .in = sink, .out = sink };
    return n_in <= 8 ? &nowhere : NULL;
}

void npi_tw_opt(struct npi_tw_op *op, unsigned id, unsigned size, uint64_t value) {
    if (op->n_opt < 8) op->opt[op->n_opt++] = (struct npi_fbw_field){ id, size, value };
}

/* ---- writing ---- */

static void quantization(struct npi_bytes *b, size_t ref, const struct npi_quant *q) {
    size_t at[3];
    const struct npi_fbw_field f[] = { { Q_SCALE, 4, 0 }, { Q_ZERO, 4, 0 }, { Q_AXIS, q->n > 1 ? 4 : 0, (uint64_t)q->axis } };
    npi_fbw_point(b, ref, npi_fbw_table(b, f, 3, at));
    npi_fbw_here(b, at[0], 4);
    npi_fbw_floats(b, q->scale, q->n);
    npi_fbw_here(b, at[1], 8);
    const uint32_t n = (uint32_t)q->n;
    npi_bytes_put(b, &n, 4);
    for (int i = 0; i < q->n; i++) {
        const int64_t z = q->zero ? q->zero[i] : 0;
        npi_bytes_put(b, &z, 8);
    }
}

static void tensor(struct npi_bytes *b, size_t ref, const struct npi_tw_rec *r, uint32_t buffer) {
    size_t at[6];
    int32_t d[NP_MAX_RANK];
    const struct npi_fbw_field f[] = { { T_SHAPE, 4, 0 }, { T_TYPE, 1, (uint64_t)npi_tw_type(r->v.dtype) }, { T_BUFFER, 4, buffer }, { T_NAME, 4, 0 },
                                       { T_QUANT, r->v.q.n > 0 ? 4 : 0, 0 }, { T_HAS_RANK, 1, 1 } };
    npi_fbw_point(b, ref, npi_fbw_table(b, f, 6, at));
    for (int i = 0; i < r->v.rank; i++) d[i] = (int32_t)r->v.d[i];
    npi_fbw_here(b, at[0], 4);
    npi_fbw_ints(b, d, r->v.rank);
    npi_fbw_here(b, at[3], 4);
    npi_fbw_str(b, r->name);
    if (r->v.q.n > 0) quantization(b, at[4], &r->v.q);
}

static void operator(struct npi_bytes *b, size_t ref, const struct npi_tw_op *op, int code_index) {
    size_t at[6];
    const struct npi_fbw_field f[] = { { O_CODE, 4, (uint64_t)code_index }, { O_IN, 4, 0 }, { O_OUT, 4, 0 }, { O_OPT_TYPE, op->options ? 1 : 0, (uint64_t)op->options },
                                       { O_OPT, op->options ? 4 : 0, 0 }, { O_CUSTOM, op->custom ? 4 : 0, 0 } };
    npi_fbw_point(b, ref, npi_fbw_table(b, f, 6, at));
    npi_fbw_here(b, at[1], 4);
    npi_fbw_ints(b, (const int32_t *)op->in, op->n_in);
    npi_fbw_here(b, at[2], 4);
    npi_fbw_ints(b, (const int32_t *)op->out, op->n_out);
    if (op->options) npi_fbw_point(b, at[4], npi_fbw_table(b, op->opt, op->n_opt, NULL));
    if (!op->custom) return;
    npi_fbw_here(b, at[5], 4);
    npi_fbw_bytes(b, op->custom, op->custom_bytes);
}

struct codes { int code[256], version[256], n; };

static int code_index(struct codes *c, const struct npi_tw_op *op) {
    for (int i = 0; i < c->n; i++)
        if (c->code[i] == op->code && c->version[i] == op->version) return i;
    if (c->n == 256) return -1;
    c->code[c->n] = op->code;
    c->version[c->n] = op->version;
    return c->n++;
}

static void codes_out(struct npi_bytes *b, size_t ref, const struct codes *c) {
    npi_fbw_here(b, ref, 4);
    const size_t refs = npi_fbw_refs(b, c->n);
    for (int i = 0; i < c->n; i++) {
        size_t at[4];
        const int custom = c->code[i] == OP_CUSTOM;
        const struct npi_fbw_field f[] = { { 0, 1, (uint64_t)(c->code[i] < OP_PLACEHOLDER ? c->code[i] : OP_PLACEHOLDER) }, { 1, custom ? 4 : 0, 0 },
                                           { 2, 4, (uint64_t)c->version[i] }, { 3, 4, (uint64_t)c->code[i] } };
        npi_fbw_point(b, refs + 4 * (size_t)i, npi_fbw_table(b, f, 4, at));
        if (!custom) continue;
        npi_fbw_here(b, at[1], 4);
        npi_fbw_str(b, "TFLite_Detection_PostProcess");
    }
}

/* Buffer 0 is empty by convention, buffer i + 1 holds tensor record i (empty unless a constant), then the metadata. */
static void buffers_out(struct npi_bytes *b, size_t ref, const struct npi_tw *w) {
    const int n = 1 + w->n_rec + w->o->n_meta;
    npi_fbw_here(b, ref, 4);
    const size_t refs = npi_fbw_refs(b, n);
    for (int i = 0; i < n; i++) {
        const int rec = i - 1, meta = i - 1 - w->n_rec;
        const void *p = meta >= 0 ? w->o->meta[meta].value : rec >= 0 ? w->rec[rec].v.data : NULL;
        const size_t bytes = meta >= 0 ? w->o->meta[meta].size : rec >= 0 && p ? npi_view_bytes(&w->rec[rec].v) : 0;
        size_t at[1];
        const struct npi_fbw_field f[] = { { 0, bytes ? 4 : 0, 0 } };
        npi_fbw_point(b, refs + 4 * (size_t)i, npi_fbw_table(b, f, 1, at));
        if (!bytes || b->n + bytes > INT_MAX) continue;
        npi_fbw_here(b, at[0], 16);
        npi_fbw_bytes(b, p, bytes);
    }
}

static void signature_map(struct npi_bytes *b, size_t ref, const struct npi_tw *w, const int *t, int n) {
    npi_fbw_here(b, ref, 4);
    const size_t refs = npi_fbw_refs(b, n);
    for (int i = 0; i < n; i++) {
        size_t at[2];
        const struct npi_fbw_field f[] = { { 0, 4, 0 }, { 1, 4, (uint64_t)w->of[t[i]] } };
        npi_fbw_point(b, refs + 4 * (size_t)i, npi_fbw_table(b, f, 2, at));
        npi_fbw_here(b, at[0], 4);
        npi_fbw_str(b, w->g->tensor[t[i]].name);
    }
}

/* One signature, "serving_default", as newer callers of LiteRT expect it. */
static void signatures_out(struct npi_bytes *b, size_t ref, const struct npi_tw *w) {
    size_t at[3];
    npi_fbw_here(b, ref, 4);
    const size_t refs = npi_fbw_refs(b, 1);
    const struct npi_fbw_field f[] = { { 0, 4, 0 }, { 1, 4, 0 }, { 2, 4, 0 } };
    npi_fbw_point(b, refs, npi_fbw_table(b, f, 3, at));
    signature_map(b, at[0], w, w->g->input, w->g->n_inputs);
    signature_map(b, at[1], w, w->g->output, w->g->n_outputs);
    npi_fbw_here(b, at[2], 4);
    npi_fbw_str(b, "serving_default");
}

static void meta_out(struct npi_bytes *b, size_t ref, const struct npi_tw *w) {
    npi_fbw_here(b, ref, 4);
    const size_t refs = npi_fbw_refs(b, w->o->n_meta);
    for (int i = 0; i < w->o->n_meta; i++) {
        size_t at[2];
        const struct npi_fbw_field f[] = { { 0, 4, 0 }, { 1, 4, (uint64_t)(1 + w->n_rec + i) } };
        npi_fbw_point(b, refs + 4 * (size_t)i, npi_fbw_table(b, f, 2, at));
        npi_fbw_here(b, at[0], 4);
        npi_fbw_str(b, w->o->meta[i].key);
    }
}

static void io_vector(struct npi_bytes *b, size_t ref, const struct npi_tw *w, const int *t, int n) {
    npi_fbw_here(b, ref, 4);
    const uint32_t count = (uint32_t)n;
    npi_bytes_put(b, &count, 4);
    for (int i = 0; i < n; i++) npi_bytes_put(b, &w->of[t[i]], 4);
}

static void subgraph_out(struct npi_bytes *b, size_t ref, const struct npi_tw *w, const int *index) {
    size_t at[5];
    const struct npi_fbw_field f[] = { { 0, 4, 0 }, { 1, 4, 0 }, { 2, 4, 0 }, { 3, 4, 0 }, { 4, 4, 0 } };
    npi_fbw_here(b, ref, 4);
    const size_t refs = npi_fbw_refs(b, 1);
    npi_fbw_point(b, refs, npi_fbw_table(b, f, 5, at));
    io_vector(b, at[1], w, w->g->input, w->g->n_inputs);
    io_vector(b, at[2], w, w->g->output, w->g->n_outputs);
    npi_fbw_here(b, at[4], 4);
    npi_fbw_str(b, w->o->graph_name && *w->o->graph_name ? w->o->graph_name : "main");
    npi_fbw_here(b, at[0], 4);
    const size_t tensors = npi_fbw_refs(b, w->n_rec);
    for (int i = 0; i < w->n_rec; i++) tensor(b, tensors + 4 * (size_t)i, &w->rec[i], (uint32_t)i + 1);
    npi_fbw_here(b, at[3], 4);
    const size_t ops = npi_fbw_refs(b, w->n_ops);
    for (int i = 0; i < w->n_ops; i++) operator(b, ops + 4 * (size_t)i, &w->op[i], index[i]);
}

static int model_out(struct npi_bytes *b, struct npi_tw *w) {
    struct codes codes = { .n = 0 };
    size_t at[7];
    int *index = npi_arena_array(&w->tmp, int, w->n_ops + 1);
    if (!index) return npi_tw_nomem(w);
    for (int i = 0; i < w->n_ops; i++)
        if ((index[i] = code_index(&codes, &w->op[i])) < 0) return npi_fail(w->err, NP_ELIMIT, "%s: more than 256 kinds of operators", w->g->path);
    npi_bytes_put(b, "\0\0\0\0TFL3", 8);
    const struct npi_fbw_field f[] = { { M_VERSION, 4, 3 }, { M_CODES, 4, 0 }, { M_SUBGRAPHS, 4, 0 }, { M_DESCRIPTION, 4, 0 }, { M_BUFFERS, 4, 0 },
                                       { M_META, w->o->n_meta ? 4 : 0, 0 }, { M_SIGNATURES, 4, 0 } };
    npi_fbw_point(b, 0, npi_fbw_table(b, f, 7, at));
    codes_out(b, at[1], &codes);
    subgraph_out(b, at[2], w, index);
    npi_fbw_here(b, at[3], 4);
    npi_fbw_str(b, "NextPose " NP_VERSION_STRING);
    if (w->o->n_meta) meta_out(b, at[5], w);
    signatures_out(b, at[6], w);
    buffers_out(b, at[4], w);
    return 0;
}

static int prepare(struct npi_tw *w) {
    const struct npi_graph *g = w->g;
    w->of = npi_arena_array(&w->tmp, int, g->n_tensors + 1);
    w->made = npi_arena_array(&w->tmp, const struct npi_node *, g->n_tensors + 1);
    w->n_users = npi_arena_array(&w->tmp, int, g->n_tensors + 1);
    if (!w->of || !w->made || !w->n_users) return npi_tw_nomem(w);
    for (int t = 0; t < g->n_tensors; t++) w->of[t] = -1;
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_out; k++)
            if (g->node[i].out[k] >= 0) w->made[g->node[i].out[k]] = &g->node[i];
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0) w->n_users[g->node[i].in[k]]++;
    }
    for (int i = 0; i < g->n_outputs; i++) w->n_users[g->output[i]]++;
    for (int i = 0; i < g->n_inputs; i++) npi_tw_tensor(w, g->input[i]);
    return 0;
}

int npi_tflite_write(struct npi_export *out, const struct npi_graph *g, const struct npi_export_opts *o, struct np_error *err) {
    struct npi_tw w = { .g = g, .o = o, .err = err };
    struct npi_export x = { .n_parts = 1 };
    npi_arena_init(&w.tmp, 0);
    int r = prepare(&w);
    for (int i = 0; i < g->n_nodes && r >= 0; i++)
        if (!g->node[i].dead) r = npi_tw_node(&w, &g->node[i]);
    for (int i = 0; i < g->n_outputs && r >= 0; i++) npi_tw_tensor(&w, g->output[i]);
    for (int i = 0; i < w.n_rec && r >= 0; i++) /* sizes are 32 bits wide in the format */
        for (int k = 0; k < w.rec[i].v.rank; k++)
            if (w.rec[i].v.d[k] > INT32_MAX) r = npi_fail(err, NP_ELIMIT, "%s: tensor '%s' has a dimension over 2^31", g->path, w.rec[i].name);
    if (r >= 0 && w.failed) r = npi_tw_nomem(&w);
    if (r >= 0) r = model_out(&x.part[0], &w);
    if (r >= 0 && x.part[0].failed) r = npi_tw_nomem(&w);
    if (r >= 0 && x.part[0].n > INT_MAX - 64) r = npi_fail(err, NP_ELIMIT, "%s: the TFLite file would be larger than 2 GB", g->path);
    x.n_nodes = w.n_ops;
    for (int i = 0; i < w.n_ops; i++) x.n_transposes += w.op[i].code == 39;
    npi_arena_free(&w.tmp);
    if (r < 0) npi_export_free(&x);
    else *out = x;
    return r < 0 ? r : 0;
}
