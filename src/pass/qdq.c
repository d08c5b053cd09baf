/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized ONNX says Dequantize -> op in float -> Quantize around every op. Here the op is put on the integers:
 *
 *   q -> Dequantize -> conv(w = Dequantize(int8), bias) -> Quantize -> q'     =>   q -> conv(int8 w, int32 bias) -> q'
 *   q -> Dequantize -> transpose / reshape / slice -> …                       =>   q -> transpose … -> Dequantize
 *   q -> Dequantize -> Quantize (same parameters)                             =>   q
 *
 * The arithmetic then is that of ops/conv.c and its relatives: exact int32 sums, one rounding. */
#include "pass/passes.h"
#include "pass/util.h"

#include <math.h>
#include <string.h>

static int is_q8(const struct npi_view *v) { return (v->dtype == NP_I8 || v->dtype == NP_U8) && v->q.n == 1; }

/* The quantized tensor behind t, when t is made by a Dequantize of one; -1 otherwise. */
static int behind(const struct npi_rewrite *w, int t) {
    const struct npi_node *d = npi_producer(w, t);
    return d && d->op == NPI_OP_DEQUANTIZE && is_q8(&w->g->tensor[d->in[0]].v) ? d->in[0] : -1;
}

/* The Quantize that is the only reader of t; its output is an 8-bit tensor. */
static int ahead(const struct npi_rewrite *w, int t) {
    const int u = w->ix.only_user[t];
    const struct npi_node *q = u >= 0 ? &w->g->node[u] : NULL;
    return q && !q->dead && q->op == NPI_OP_QUANTIZE && is_q8(&w->g->tensor[q->out[0]].v) && w->g->tensor[q->in[0]].v.q.n == 0 ? u : -1;
}

static int same_q(const struct npi_view *a, const struct npi_view *b) {
    if (a->dtype != b->dtype || a->q.n != 1 || b->q.n != 1 || a->q.scale[0] != b->q.scale[0]) return 0;
    return (a->q.zero ? a->q.zero[0] : 0) == (b->q.zero ? b->q.zero[0] : 0);
}

/* int8 weights with one scale an output channel (or one for all), straight or behind a Dequantize. */
static int weights_of(const struct npi_rewrite *w, int t) {
    const struct npi_node *d = npi_producer(w, t);
    if (!d || d->op != NPI_OP_DEQUANTIZE || !npi_is_const(w->g, d->in[0])) return -1;
    const struct npi_view *v = &w->g->tensor[d->in[0]].v;
    return (v->dtype == NP_I8 || v->dtype == NP_U8) && v->q.n >= 1 ? d->in[0] : -1;
}

/* Bias as int32 in units of sx * sw[c]; made from a float constant or from int32 behind a Dequantize. */
static int bias_of(struct npi_rewrite *w, int t, const struct npi_view *x, const struct npi_view *wt, int64_t co) {
    struct npi_graph *const g = w->g;
    const struct npi_node *d = npi_producer(w, t);
    const int src = d && d->op == NPI_OP_DEQUANTIZE ? d->in[0] : t;
    if (!npi_is_const(g, src)) return -1;
    const struct npi_view s = g->tensor[src].v, xv = *x, wv = *wt;
    if (npi_view_count(&s) != co || (s.dtype != NP_F32 && !(s.dtype == NP_I32 && (s.q.n == 1 || s.q.n == co)))) return -1;
    const struct npi_view v = { .dtype = NP_I32, .rank = 1, .d = { co } };
    const int b = npi_graph_const(g, g->tensor[src].name, &v);
    if (b < 0) return NP_ENOMEM;
    for (int64_t i = 0; i < co; i++) {
        const double unit = (double)xv.q.scale[0] * wv.q.scale[wv.q.n == 1 ? 0 : i];
        const double real = s.dtype == NP_F32 ? ((const float *)s.data)[i]
                                              : ((double)((const int32_t *)s.data)[i] - (s.q.zero ? s.q.zero[s.q.n == 1 ? 0 : i] : 0)) * s.q.scale[s.q.n == 1 ? 0 : i];
        const double n = unit > 0 ? nearbyint(real / unit) : 0;
        ((int32_t *)g->tensor[b].v.data)[i] = n > 2147483647. ? INT32_MAX : n < -2147483648. ? INT32_MIN : (int32_t)n;
    }
    return b;
}

static int conv(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    const struct npi_node n = g->node[i];
    if (n.n_in > 3 && n.in[3] >= 0) return 0;
    if (n.act.kind != NPI_ACT_NONE && n.act.kind != NPI_ACT_CLAMP) return 0;
    const int x = behind(w, n.in[0]), wt = weights_of(w, n.in[1]), q = ahead(w, n.out[0]);
    if (x < 0 || wt < 0 || q < 0) return 0;
    const struct npi_view *y = &g->tensor[n.out[0]].v, *wv = &g->tensor[wt].v;
    const int64_t co = y->d[y->rank - 1];
    const int want_axis = n.op == NPI_OP_DWCONV2D ? wv->rank - 1 : 0;
    if (wv->q.n > 1 && (wv->q.n != co || wv->q.axis != want_axis)) return 0;
    int in[3] = { x, wt, -1 };
    if (n.n_in > 2 && n.in[2] >= 0) {
        in[2] = bias_of(w, n.in[2], &g->tensor[x].v, wv, co);
        if (in[2] == NP_ENOMEM) return npi_fail(w->err, NP_ENOMEM, "%s: out of memory", g->path);
        if (in[2] < 0) return 0;
    }
    struct npi_node p = { .op = n.op, .name = n.name, .a = n.a, .act = n.act };
    const struct npi_view hint = { .dtype = g->tensor[g->node[q].out[0]].v.dtype, .q = g->tensor[g->node[q].out[0]].v.q };
    int out;
    const int r = npi_build(g, &p, in, in[2] >= 0 ? 3 : 2, &out, 1, NULL, &hint, w->err);
    if (r < 0) return r;
    npi_bypass(g, &g->node[q], out);
    return w->changed = 1;
}

/* Ops whose references take any quantized operands (through ops/qwrap.c or by themselves). */
static int is_plain(enum npi_op op) {
    return op == NPI_OP_ADD || op == NPI_OP_MUL || op == NPI_OP_SUB || op == NPI_OP_CONCAT || op == NPI_OP_AVGPOOL2D || op == NPI_OP_SIGMOID || op == NPI_OP_HARD_SWISH ||
           op == NPI_OP_SILU || op == NPI_OP_RESIZE || op == NPI_OP_REDUCE || op == NPI_OP_SOFTMAX || op == NPI_OP_RELU || op == NPI_OP_CLAMP || op == NPI_OP_LEAKY_RELU;
}

static int plain(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    const struct npi_node n = g->node[i];
    const int q = ahead(w, n.out[0]);
    int *in = npi_arena_array(&w->tmp, int, n.n_in + 1);
    if (!in) return NP_ENOMEM;
    if (q < 0) return 0;
    for (int k = 0; k < n.n_in; k++)
        if (n.in[k] < 0 || (in[k] = behind(w, n.in[k])) < 0) return 0;
    struct npi_node p = { .op = n.op, .name = n.name, .a = n.a, .act = n.act };
    const struct npi_view hint = { .dtype = g->tensor[g->node[q].out[0]].v.dtype, .q = g->tensor[g->node[q].out[0]].v.q };
    int out;
    const int r = npi_build(g, &p, in, n.n_in, &out, 1, NULL, &hint, w->err);
    if (r < 0) return r;
    npi_bypass(g, &g->node[q], out);
    return w->changed = 1;
}

/* Moves keep values: they can be done on the integers, before the Dequantize. */
static int is_move(const struct npi_node *n) {
    return n->op == NPI_OP_TRANSPOSE || n->op == NPI_OP_RESHAPE || n->op == NPI_OP_SLICE || n->op == NPI_OP_MAXPOOL2D || n->op == NPI_OP_DEPTH_TO_SPACE ||
           n->op == NPI_OP_SPACE_TO_DEPTH || (n->op == NPI_OP_RESIZE && n->a.resize.mode == NPI_RESIZE_NEAREST) ||
           (n->op == NPI_OP_PAD && n->a.pad.mode == NPI_PAD_CONSTANT && n->a.pad.value == 0 && n->n_in == 1);
}

static int move(struct npi_rewrite *w, int i) {
    struct npi_graph *const g = w->g;
    const struct npi_node n = g->node[i];
    const int x = behind(w, n.in[0]);
    if (x < 0 || n.n_out != 1 || n.act.kind) return 0;
    struct npi_node p = { .op = n.op, .name = n.name, .a = n.a }, d = { .op = NPI_OP_DEQUANTIZE, .name = n.name };
    const int y = npi_build1(g, &p, &x, 1, w->err);
    if (y < 0) return y;
    const int z = npi_build1(g, &d, &y, 1, w->err);
    if (z < 0) return z;
    npi_bypass(g, &g->node[i], z);
    return w->changed = 1;
}

int npi_pass_qdq(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    const int n_nodes = g->n_nodes;
    for (int i = 0; i < n_nodes && r >= 0; i++) {
        struct npi_node *n = &g->node[i];
        if (n->dead || n->n_in < 1 || n->in[0] < 0) continue;
        if (n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_FULLY_CONNECTED) r = conv(&w, i);
        else if (n->op == NPI_OP_QUANTIZE) {
            const int x = behind(&w, n->in[0]);
            if (x >= 0 && same_q(&g->tensor[x].v, &g->tensor[n->out[0]].v)) {
                npi_bypass(g, n, x);
                r = w.changed = 1;
            } else if (x >= 0) { /* other parameters: from integer to integer */
                n->in = npi_arena_array(g->mem, int, 1);
                if (!n->in) r = npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
                else n->in[0] = x, r = w.changed = 1;
            }
        } else if (is_move(n)) r = move(&w, i);
        else if (is_plain(n->op)) r = plain(&w, i);
        if (r > 0) r = npi_rewrite_index(&w);
    }
    if (r >= 0 && w.changed && (r = npi_graph_sort(g, err)) >= 0) r = npi_pass_dce(g, err);
    return npi_rewrite_end(&w, r);
}
