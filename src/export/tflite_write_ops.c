/* SPDX-License-Identifier: Apache-2.0 */
/* Every op that the lowered graph may hold, as TFLite operators. Versions are those at which the runtime learned what is asked for. */
#include "export/lower_tflite.h"
#include "export/tflite_write.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/quantize.h"

/* One row an op: operator and options table of the schema, and the version for 8-bit operands. */
struct row { enum npi_op op; int code, options, version8; int (*fn)(struct npi_tw *w, const struct npi_node *n, const struct row *row); };

#define HANDLER(name) static int name(struct npi_tw *w, const struct npi_node *n, const struct row *row)

static int refuse(struct npi_tw *w, const struct npi_node *n, const char *fmt, ...) NPI_PRINTF(3, 4);
static int refuse(struct npi_tw *w, const struct npi_node *n, const char *fmt, ...) {
    char text[300], where[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return npi_fail(w->err, NP_EUNSUPPORTED, "%s: cannot be written as TFLite: %s", npi_node_where(w->g, n, where, sizeof where), text);
}

static int is8(const struct npi_tw *w, const struct npi_node *n) {
    const int d = npi_tw_view(w, n->n_in ? n->in[0] : n->out[0])->dtype;
    return d == NP_I8 || d == NP_U8;
}

static struct npi_tw_op *push(struct npi_tw *w, const struct npi_node *n, const struct row *row, int n_in, int extra) {
    struct npi_tw_op *op = npi_tw_push(w, row->code, row->options, is8(w, n) ? row->version8 : 1, n_in + extra, n);
    for (int i = 0; op && !w->failed && i < n_in; i++) {
        const int r = npi_tw_tensor(w, n->in[i]);
        w->op[w->n_ops - 1].in[i] = r;
    }
    return op && !w->failed ? &w->op[w->n_ops - 1] : op;
}

static void act_option(struct npi_tw_op *op, const struct npi_node *n, unsigned id) {
    const int a = npi_lt_act(&n->act);
    if (a > 0) npi_tw_opt(op, id, 1, (uint64_t)a);
}

/* All inputs, no options but a fused activation in field 0. */
HANDLER(plain) {
    struct npi_tw_op *op = push(w, n, row, n->n_in, 0);
    if (!op) return npi_tw_nomem(w);
    act_option(op, n, 0);
    return 0;
}

HANDLER(clamp) {
    static const struct row rows[] = { { NPI_OP_RELU, 19, 0, 2, NULL }, { NPI_OP_CLAMP, 20, 0, 1, NULL }, { NPI_OP_CLAMP, 21, 0, 2, NULL } };
    const int a = npi_lt_act(&(struct npi_act){ NPI_ACT_CLAMP, n->a.unary.a, n->a.unary.b });
    if (a < 1) return refuse(w, n, "bounds %g and %g", (double)n->a.unary.a, (double)n->a.unary.b);
    return push(w, n, &rows[a - 1], 1, 0) ? 0 : npi_tw_nomem(w);
}

HANDLER(leaky) {
    struct npi_tw_op *op = push(w, n, row, 1, 0);
    if (!op) return npi_tw_nomem(w);
    if (n->op == NPI_OP_LEAKY_RELU) npi_tw_opt(op, 0, 4, npi_fbw_f32(n->a.unary.a));
    if (n->op == NPI_OP_GELU && n->a.unary.tanh_approx) npi_tw_opt(op, 0, 1, 1);
    return 0;
}

/* The tensor that an operator reads as weights: with o->hybrid the 8-bit constant itself, around its Dequantize. */
static int weights_tensor(const struct npi_tw *w, const struct npi_node *n) {
    const struct npi_node *dq = w->made[n->in[1]];
    const int grouped = n->op == NPI_OP_CONV2D && n->a.conv.groups > 1; /* those have no such kernel */
    if (!w->o->hybrid || !dq || dq->op != NPI_OP_DEQUANTIZE || grouped || npi_tw_view(w, n->in[0])->dtype != NP_F32) return n->in[1];
    const struct npi_view *v = npi_tw_view(w, dq->in[0]);
    return v->data && v->dtype == NP_I8 ? dq->in[0] : n->in[1];
}

/* [kh][kw][c] has a leading 1 in TFLite: constants (also behind a DEQUANTIZE) are shown that way, others are reshaped. */
static int depthwise_weights(struct npi_tw *w, int t) {
    const struct npi_node *dq = w->made[t];
    const int parts[2] = { t, dq && (dq->op == NPI_OP_DEQUANTIZE || dq->op == NPI_OP_CAST) ? dq->in[0] : -1 };
    struct npi_view v = *npi_tw_view(w, t);
    int constant = v.data != NULL || (parts[1] >= 0 && npi_tw_view(w, parts[1])->data && w->n_users[t] == 1);
    for (int i = 0; i < 2 && constant; i++) {
        if (parts[i] < 0) continue;
        const int r = npi_tw_tensor(w, parts[i]);
        if (r < 0) return r;
        struct npi_view *q = &w->rec[r].v;
        if (q->rank == 4) continue;
        for (int k = 3; k > 0; k--) q->d[k] = q->d[k - 1];
        q->d[0] = 1;
        q->rank = 4;
        if (q->q.n > 1) q->q.axis++;
    }
    if (constant) return npi_tw_tensor(w, t);
    const int64_t d[4] = { 1, v.d[0], v.d[1], v.d[2] };
    struct npi_view wide = { .dtype = v.dtype, .rank = 4, .d = { 1, v.d[0], v.d[1], v.d[2] }, .q = v.q };
    if (wide.q.n > 1) wide.q.axis++;
    const int shape = npi_tw_ints(w, d, 4, 1), y = npi_tw_rec(w, "", &wide), x = npi_tw_tensor(w, t);
    const struct npi_node reshape = { .n_out = 1, .out = (int[]){ t } };
    struct npi_tw_op *op = npi_tw_push(w, 22, 17, 1, 2, &reshape);
    if (!op) return -1;
    op->in[0] = x;
    op->in[1] = shape;
    op->out[0] = y;
    return y;
}

static void strides(struct npi_tw_op *op, const struct npi_window *a) {
    npi_tw_opt(op, 1, 4, (uint64_t)a->sw);
    npi_tw_opt(op, 2, 4, (uint64_t)a->sh);
}

/* LiteRT's quick depthwise kernel reads a bias whether there is one or not (2.3.0 crashed), so there always is one. */
static int zero_bias(struct npi_tw *w, const struct npi_node *n) {
    const struct npi_view *x = npi_tw_view(w, n->in[0]), *k = npi_tw_view(w, n->in[1]), *y = npi_tw_view(w, n->out[0]);
    const int64_t c = y->d[y->rank - 1];
    const int quant = x->q.n == 1 && k->q.n >= 1;
    struct npi_view v = { .dtype = quant ? NP_I32 : NP_F32, .rank = 1, .d = { c } };
    v.data = npi_arena_calloc(&w->tmp, (size_t)c, 4);
    float *scale = quant ? npi_arena_array(&w->tmp, float, k->q.n) : NULL;
    if (!v.data || (quant && !scale)) return w->failed = 1, -1;
    for (int i = 0; quant && i < k->q.n; i++) scale[i] = x->q.scale[0] * k->q.scale[i];
    if (quant) v.q = (struct npi_quant){ .n = k->q.n, .scale = scale };
    return npi_tw_rec(w, "", &v);
}

/* Weights in 8 bits behind a DEQUANTIZE of float data stay float arithmetic: the runtime's hybrid kernels would quantize the input, too. */
HANDLER(conv) {
    const struct npi_window *a = &n->a.conv.win;
    const int wt = weights_tensor(w, n);
    const struct npi_view *x = npi_tw_view(w, n->in[0]), *k = npi_tw_view(w, wt);
    const int dw = n->op == NPI_OP_DWCONV2D, padding = npi_lt_padding(a, x->d[1], x->d[2]), dilated = a->dh != 1 || a->dw != 1;
    if (padding < 0) return refuse(w, n, "pads %d,%d,%d,%d", a->pt, a->pl, a->pb, a->pr);
    const int weights = dw ? depthwise_weights(w, wt) : npi_tw_tensor(w, wt), hybrid = x->dtype == NP_F32 && k->dtype == NP_I8;
    const int version = hybrid ? (dw ? 6 : 5) : is8(w, n) ? 3 : dw && dilated ? 2 : !dw && n->a.conv.groups > 1 ? 6 : 1;
    struct npi_tw_op *op = npi_tw_push(w, row->code, row->options, version, 3, n);
    if (!op) return npi_tw_nomem(w);
    const int in0 = npi_tw_tensor(w, n->in[0]), in2 = n->n_in > 2 && n->in[2] >= 0 ? npi_tw_tensor(w, n->in[2]) : zero_bias(w, n);
    op->in[0] = in0;
    op->in[1] = weights;
    op->in[2] = in2;
    npi_tw_opt(op, 0, 1, (uint64_t)padding);
    strides(op, a);
    if (dw) npi_tw_opt(op, 3, 4, (uint64_t)(k->d[k->rank - 1] / x->d[3]));
    act_option(op, n, dw ? 4 : 3);
    npi_tw_opt(op, dw ? 5 : 4, 4, (uint64_t)a->dw);
    npi_tw_opt(op, dw ? 6 : 5, 4, (uint64_t)a->dh);
    return 0;
}

HANDLER(convt) {
    const struct npi_window *a = &n->a.convt.win;
    const struct npi_view *x = npi_tw_view(w, n->in[0]), *y = npi_tw_view(w, n->out[0]);
    const int padding = npi_lt_convt_padding(a, x->d[1], x->d[2], y->d[1], y->d[2]), bias = n->n_in > 2 && n->in[2] >= 0;
    if (padding < 0) return refuse(w, n, "pads %d,%d,%d,%d", a->pt, a->pl, a->pb, a->pr);
    const int shape = npi_tw_ints(w, y->d, 4, 1), k = npi_tw_tensor(w, n->in[1]), in = npi_tw_tensor(w, n->in[0]), b = bias ? npi_tw_tensor(w, n->in[2]) : -1;
    struct npi_tw_op *op = npi_tw_push(w, 67, 49, bias ? 3 : is8(w, n) ? 2 : 1, 3 + bias, n);
    if (!op) return npi_tw_nomem(w);
    op->in[0] = shape;
    op->in[1] = k;
    op->in[2] = in;
    if (bias) op->in[3] = b;
    npi_tw_opt(op, 0, 1, (uint64_t)padding);
    strides(op, a);
    return 0;
}

HANDLER(fully_connected) {
    const int rank = npi_tw_view(w, n->in[0])->rank, bias = n->n_in > 2 && n->in[2] >= 0;
    const int wt = weights_tensor(w, n), hybrid = npi_tw_view(w, n->in[0])->dtype == NP_F32 && npi_tw_view(w, wt)->dtype == NP_I8;
    const int k = npi_tw_tensor(w, wt), b = bias ? npi_tw_tensor(w, n->in[2]) : hybrid ? zero_bias(w, n) : -1, x = npi_tw_tensor(w, n->in[0]);
    struct npi_tw_op *op = npi_tw_push(w, row->code, row->options, 1, b >= 0 ? 3 : 2, n);
    if (!op) return npi_tw_nomem(w);
    op->in[0] = x;
    op->in[1] = k;
    if (b >= 0) op->in[2] = b;
    op->version = hybrid ? (npi_tw_view(w, wt)->q.n > 1 ? 12 : 3) : is8(w, n) ? 4 : rank > 2 ? 5 : bias ? 1 : 6;
    act_option(op, n, 0);
    if (rank != 2) npi_tw_opt(op, 2, 1, 1);
    return 0;
}

HANDLER(matmul) {
    struct npi_tw_op *op = push(w, n, row, 2, 0);
    if (!op) return npi_tw_nomem(w);
    npi_tw_opt(op, 0, 1, (uint64_t)n->a.matmul.ta);
    npi_tw_opt(op, 1, 1, (uint64_t)n->a.matmul.tb);
    return 0;
}

HANDLER(pool) {
    const struct npi_window *a = &n->a.pool.win;
    const struct npi_view *x = npi_tw_view(w, n->in[0]);
    const int padding = npi_lt_padding(a, x->d[1], x->d[2]);
    if (padding < 0) return refuse(w, n, "pads %d,%d,%d,%d", a->pt, a->pl, a->pb, a->pr);
    struct npi_tw_op *op = push(w, n, row, 1, 0);
    if (!op) return npi_tw_nomem(w);
    npi_tw_opt(op, 0, 1, (uint64_t)padding);
    strides(op, a);
    npi_tw_opt(op, 3, 4, (uint64_t)a->kw);
    npi_tw_opt(op, 4, 4, (uint64_t)a->kh);
    act_option(op, n, 5);
    return 0;
}

HANDLER(resize) {
    const struct npi_view *x = npi_tw_view(w, n->in[0]), *y = npi_tw_view(w, n->out[0]);
    const int linear = n->a.resize.mode == NPI_RESIZE_LINEAR, flags = npi_lt_resize_flags(n, x, y);
    if (flags < 0) return refuse(w, n, "its coordinates");
    const struct row own = { n->op, linear ? 23 : 97, linear ? 15 : 74, 2, NULL };
    const int size = npi_tw_ints(w, y->d + 1, 2, 1);
    struct npi_tw_op *op = push(w, n, &own, 1, 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = size;
    if (flags == 2) op->version = 3;
    if (flags == 1) npi_tw_opt(op, linear ? 2 : 0, 1, 1);
    if (flags == 2) npi_tw_opt(op, linear ? 3 : 1, 1, 1);
    return 0;
}

HANDLER(block) {
    struct npi_tw_op *op = push(w, n, row, 1, 0);
    if (!op) return npi_tw_nomem(w);
    npi_tw_opt(op, 0, 4, (uint64_t)n->a.block.block);
    return 0;
}

HANDLER(softmax) {
    struct npi_tw_op *op = push(w, n, row, 1, 0);
    if (!op) return npi_tw_nomem(w);
    if (n->op == NPI_OP_SOFTMAX) npi_tw_opt(op, 0, 4, npi_fbw_f32(1));
    return 0;
}

HANDLER(cast) {
    struct npi_tw_op *op = push(w, n, row, 1, 0);
    if (!op) return npi_tw_nomem(w);
    npi_tw_opt(op, 0, 1, (uint64_t)npi_tw_type(npi_tw_view(w, n->in[0])->dtype));
    npi_tw_opt(op, 1, 1, (uint64_t)npi_tw_type(npi_tw_view(w, n->out[0])->dtype));
    return 0;
}

HANDLER(quantize) {
    struct npi_tw_op *op = push(w, n, row, 1, 0);
    if (!op) return npi_tw_nomem(w);
    const int d = npi_tw_view(w, n->in[0])->dtype;
    op->version = n->op == NPI_OP_QUANTIZE ? (d == NP_F32 ? 1 : 2) : d == NP_F16 || d == NP_BF16 ? 3 : 2;
    return 0;
}

/* Data and a constant list of axes. */
static int axes_of(struct npi_tw *w, unsigned axes, int rank) {
    int64_t a[NP_MAX_RANK];
    int k = 0;
    for (int i = 0; i < rank; i++)
        if (axes >> i & 1) a[k++] = i;
    return npi_tw_ints(w, a, k, 1);
}

HANDLER(reduce) {
    static const int codes[NPI_REDUCE_ALL + 1] = { [NPI_REDUCE_SUM] = 74, [NPI_REDUCE_MEAN] = 40, [NPI_REDUCE_MAX] = 82, [NPI_REDUCE_MIN] = 89, [NPI_REDUCE_PROD] = 81,
                                                   [NPI_REDUCE_ANY] = 91, [NPI_REDUCE_ALL] = 140 };
    const struct row own = { n->op, codes[n->a.reduce.kind], 27, 2, NULL };
    if (!own.code) return refuse(w, n, "reduction %d", n->a.reduce.kind);
    const int axes = axes_of(w, n->a.reduce.axes, npi_tw_view(w, n->in[0])->rank);
    struct npi_tw_op *op = push(w, n, &own, 1, 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = axes;
    if (n->a.reduce.keepdims) npi_tw_opt(op, 0, 1, 1);
    return 0;
}

HANDLER(reverse) {
    const int axes = axes_of(w, n->a.reduce.axes, npi_tw_view(w, n->in[0])->rank);
    struct npi_tw_op *op = push(w, n, row, 1, 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = axes;
    return 0;
}

HANDLER(argminmax) {
    const int64_t axis = n->a.reduce.axis;
    const int a = npi_tw_ints(w, &axis, 1, 0);
    struct npi_tw_op *op = push(w, n, row, 1, 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = a;
    npi_tw_opt(op, 0, 1, (uint64_t)npi_tw_type(npi_tw_view(w, n->out[0])->dtype));
    return 0;
}

/* Positions are int32 there. */
HANDLER(topk) {
    const int wide = npi_tw_view(w, n->out[1])->dtype == NP_I64, k = npi_tw_ints(w, &n->a.topk.k, 1, 0);
    struct npi_view v = *npi_tw_view(w, n->out[1]);
    v.dtype = NP_I32;
    const int narrow = wide ? npi_tw_rec(w, "", &v) : -1;
    struct npi_tw_op *op = push(w, n, row, 1, 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = k;
    if (!wide) return 0;
    const int i64 = op->out[1];
    op->out[1] = narrow;
    const struct npi_node one = { .n_out = 1, .out = (int[]){ n->out[1] } };
    if (!(op = npi_tw_push(w, 53, 37, 1, 1, &one))) return npi_tw_nomem(w);
    op->in[0] = narrow;
    op->out[0] = i64;
    npi_tw_opt(op, 0, 1, (uint64_t)npi_tw_type(NP_I32));
    npi_tw_opt(op, 1, 1, (uint64_t)npi_tw_type(NP_I64));
    return 0;
}

/* Data and a list: the new shape, the repeats, the permutation. */
HANDLER(shaped) {
    const struct npi_view *y = npi_tw_view(w, n->out[0]);
    int64_t perm[NP_MAX_RANK];
    if (n->op == NPI_OP_TRANSPOSE && y->rank > 6) return refuse(w, n, "a transpose of %d dimensions", y->rank);
    for (int i = 0; i < y->rank; i++) perm[i] = n->a.transpose.perm[i];
    const int list = npi_tw_ints(w, n->op == NPI_OP_TRANSPOSE ? perm : n->op == NPI_OP_TILE ? n->a.shape.dims : y->d, y->rank, 1);
    struct npi_tw_op *op = push(w, n, row, 1, 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = list;
    if (n->op == NPI_OP_TRANSPOSE && y->rank > 4) op->version = y->rank > 5 ? 6 : 4;
    if (n->op == NPI_OP_EXPAND) op->version = 2;
    return 0;
}

HANDLER(concat) {
    struct npi_tw_op *op = push(w, n, row, n->n_in, 0);
    if (!op) return npi_tw_nomem(w);
    npi_tw_opt(op, 0, 4, (uint64_t)(uint32_t)n->a.concat.axis);
    return 0;
}

HANDLER(slice) {
    const int rank = npi_tw_view(w, n->in[0])->rank;
    int64_t end[NP_MAX_RANK];
    int strided = 0, end_mask = 0;
    for (int i = 0; i < rank; i++) {
        strided |= n->a.slice.step[i] != 1;
        end[i] = n->a.slice.start[i] + n->a.slice.step[i] * n->a.slice.size[i];
        if (end[i] < 0 && n->a.slice.size[i]) end_mask |= 1 << i; /* backwards past the first element: a number would count from the end */
    }
    const struct row own = { n->op, strided ? 45 : 65, strided ? 32 : 48, 2, NULL };
    const int a = npi_tw_ints(w, n->a.slice.start, rank, 1), b = npi_tw_ints(w, strided ? end : n->a.slice.size, rank, 1), c = strided ? npi_tw_ints(w, n->a.slice.step, rank, 1) : -1;
    struct npi_tw_op *op = push(w, n, &own, 1, strided ? 3 : 2);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = a;
    op->in[2] = b;
    if (strided) {
        op->in[3] = c;
        npi_tw_opt(op, 1, 4, (uint64_t)end_mask);
    }
    return 0;
}

HANDLER(pad) {
    const struct npi_view *x = npi_tw_view(w, n->in[0]);
    const int value_in = n->n_in > 1 && n->in[1] >= 0, mirror = n->a.pad.mode != NPI_PAD_CONSTANT;
    int64_t pads[2 * NP_MAX_RANK];
    int value = -1;
    for (int i = 0; i < x->rank; i++) {
        pads[2 * i] = n->a.pad.before[i];
        pads[2 * i + 1] = n->a.pad.after[i];
    }
    struct npi_view list = { .dtype = NP_I32, .rank = 2, .d = { x->rank, 2 } };
    int32_t *p = npi_arena_array(&w->tmp, int32_t, 2 * NP_MAX_RANK);
    if (!p) return npi_tw_nomem(w);
    for (int i = 0; i < 2 * x->rank; i++) {
        if (pads[i] < 0 || pads[i] > INT32_MAX) return refuse(w, n, "a pad of %lld", (long long)pads[i]);
        p[i] = (int32_t)pads[i];
    }
    list.data = p;
    const int pair = npi_tw_rec(w, "", &list);
    if (value_in) value = npi_tw_tensor(w, n->in[1]);
    else if (!mirror && n->a.pad.value != 0) {
        struct npi_view c = { .dtype = NP_F32 };
        float *f = npi_arena_alloc(&w->tmp, sizeof *f);
        if (!f) return npi_tw_nomem(w);
        if (x->dtype != NP_F32) return refuse(w, n, "a pad value of type %s", np_dtype_name(x->dtype));
        *f = (float)n->a.pad.value;
        c.data = f;
        value = npi_tw_rec(w, "", &c);
    }
    const struct row own = { n->op, mirror ? 100 : value >= 0 ? 60 : 34, mirror ? 77 : value >= 0 ? 43 : 22, 2, NULL };
    struct npi_tw_op *op = push(w, n, &own, 1, value >= 0 ? 2 : 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = pair;
    if (value >= 0) op->in[2] = value;
    if (n->a.pad.mode == NPI_PAD_SYMMETRIC) npi_tw_opt(op, 0, 1, 1);
    return 0;
}

HANDLER(gather) {
    struct npi_tw_op *op = push(w, n, row, 2, 0);
    if (!op) return npi_tw_nomem(w);
    if (n->op != NPI_OP_GATHER) return 0;
    npi_tw_opt(op, 0, 4, (uint64_t)(uint32_t)n->a.gather.axis);
    if (n->a.gather.batch_dims) npi_tw_opt(op, 1, 4, (uint64_t)n->a.gather.batch_dims);
    return 0;
}

HANDLER(scatter_nd) {
    const struct npi_view *y = npi_tw_view(w, n->out[0]);
    const int shape = npi_tw_ints(w, y->d, y->rank, 1), index = npi_tw_tensor(w, n->in[1]), updates = npi_tw_tensor(w, n->in[2]);
    struct npi_tw_op *op = npi_tw_push(w, row->code, row->options, 1, 3, n);
    if (!op) return npi_tw_nomem(w);
    op->in[0] = index;
    op->in[1] = updates;
    op->in[2] = shape;
    return 0;
}

/* Off and on value are one tensor with us. */
HANDLER(one_hot) {
    const struct npi_view *d = npi_tw_view(w, n->in[1]), *values = npi_tw_view(w, n->in[2]);
    if (!values->data) return refuse(w, n, "values that are computed");
    const int64_t depth = npi_get_int(d->data, d->dtype, 0);
    const size_t elem = np_dtype_size(values->dtype);
    const struct npi_view off = { .dtype = values->dtype, .data = values->data }, on = { .dtype = values->dtype, .data = (char *)values->data + elem };
    const int list[4] = { npi_tw_tensor(w, n->in[0]), npi_tw_ints(w, &depth, 1, 0), npi_tw_rec(w, "", &on), npi_tw_rec(w, "", &off) };
    struct npi_tw_op *op = npi_tw_push(w, 85, 61, 1, 4, n);
    if (!op) return npi_tw_nomem(w);
    for (int i = 0; i < 4; i++) op->in[i] = list[i];
    npi_tw_opt(op, 0, 4, (uint64_t)(uint32_t)n->a.gather.axis);
    return 0;
}

HANDLER(cumsum) {
    const int64_t axis = n->a.gather.axis;
    const int a = npi_tw_ints(w, &axis, 1, 0);
    struct npi_tw_op *op = push(w, n, row, 1, 1);
    if (!op) return npi_tw_nomem(w);
    op->in[1] = a;
    npi_tw_opt(op, 0, 1, (uint64_t)n->a.gather.exclusive);
    npi_tw_opt(op, 1, 1, (uint64_t)n->a.gather.reverse);
    return 0;
}

#define UN(id, code, options) { NPI_OP_##id, code, options, 1, plain }
static const struct row rows[] = {
    { NPI_OP_CONV2D, 3, 1, 3, conv }, { NPI_OP_DWCONV2D, 4, 2, 3, conv }, { NPI_OP_CONVT2D, 67, 49, 2, convt }, { NPI_OP_FULLY_CONNECTED, 9, 8, 4, fully_connected },
    { NPI_OP_MATMUL, 126, 101, 2, matmul }, { NPI_OP_MAXPOOL2D, 17, 5, 2, pool }, { NPI_OP_AVGPOOL2D, 1, 5, 2, pool }, { NPI_OP_RESIZE, 0, 0, 2, resize },
    { NPI_OP_DEPTH_TO_SPACE, 5, 94, 2, block }, { NPI_OP_SPACE_TO_DEPTH, 26, 19, 2, block },
    { NPI_OP_SOFTMAX, 25, 9, 2, softmax }, { NPI_OP_LOG_SOFTMAX, 50, 36, 2, softmax }, { NPI_OP_CUMSUM, 128, 102, 1, cumsum },
    { NPI_OP_RELU, 19, 0, 2, plain }, { NPI_OP_CLAMP, 0, 0, 2, clamp }, { NPI_OP_LEAKY_RELU, 98, 75, 2, leaky }, { NPI_OP_GELU, 150, 116, 2, leaky },
    { NPI_OP_SIGMOID, 14, 0, 2, plain }, { NPI_OP_TANH, 28, 0, 2, plain }, { NPI_OP_HARD_SWISH, 117, 91, 1, plain }, UN(ELU, 111, 0), UN(EXP, 47, 33), UN(LOG, 73, 0),
    UN(SQRT, 75, 0), UN(RSQRT, 76, 0), UN(SQUARE, 92, 66), UN(ABS, 101, 78), UN(NEG, 59, 42), UN(SIGN, 158, 123), UN(FLOOR, 8, 0), UN(CEIL, 104, 0), UN(ROUND, 116, 0),
    UN(SIN, 66, 0), UN(COS, 108, 84), UN(NOT, 87, 63), { NPI_OP_CAST, 53, 37, 1, cast },
    { NPI_OP_QUANTIZE, 114, 89, 1, quantize }, { NPI_OP_DEQUANTIZE, 6, 38, 2, quantize },
    { NPI_OP_ADD, 0, 11, 2, plain }, { NPI_OP_SUB, 41, 28, 2, plain }, { NPI_OP_MUL, 18, 21, 2, plain }, UN(DIV, 42, 29), UN(FLOOR_DIV, 90, 65), UN(MOD, 95, 72),
    UN(POW, 78, 56), UN(MIN, 57, 39), UN(MAX, 55, 39), UN(SQUARED_DIFF, 99, 76), UN(ATAN2, 156, 122), UN(PRELU, 54, 0),
    UN(EQUAL, 71, 53), UN(NOT_EQUAL, 72, 54), UN(LESS, 58, 41), UN(LESS_EQUAL, 63, 46), UN(GREATER, 61, 44), UN(GREATER_EQUAL, 62, 45), UN(AND, 86, 62), UN(OR, 84, 60),
    UN(BITWISE_XOR, 160, 125), UN(BIT_SHIFT, 161, 126), UN(WHERE, 123, 98),
    { NPI_OP_REDUCE, 0, 27, 2, reduce }, { NPI_OP_ARGMAX, 56, 40, 2, argminmax }, { NPI_OP_ARGMIN, 79, 57, 2, argminmax }, { NPI_OP_TOPK, 48, 34, 2, topk },
    { NPI_OP_RESHAPE, 22, 17, 1, shaped }, { NPI_OP_TRANSPOSE, 39, 26, 2, shaped }, { NPI_OP_CONCAT, 2, 10, 2, concat }, { NPI_OP_SLICE, 65, 48, 2, slice },
    { NPI_OP_PAD, 34, 22, 2, pad }, { NPI_OP_TILE, 69, 51, 1, shaped }, { NPI_OP_EXPAND, 130, 104, 2, shaped }, { NPI_OP_GATHER, 36, 23, 2, gather },
    { NPI_OP_GATHER_ND, 107, 83, 2, gather }, { NPI_OP_SCATTER_ND, 122, 97, 1, scatter_nd }, { NPI_OP_REVERSE, 105, 81, 1, reverse }, { NPI_OP_ONE_HOT, 85, 61, 1, one_hot },
};

/* Is the Dequantize n only there for weights that are read around it? */
static int bypassed(const struct npi_tw *w, const struct npi_node *n) {
    int readers = 0;
    for (int i = 0; i < w->g->n_nodes; i++)
        for (int k = 0; k < w->g->node[i].n_in; k++)
            if (w->g->node[i].in[k] == n->out[0]) {
                const struct npi_node *u = &w->g->node[i];
                const int layer = u->op == NPI_OP_CONV2D || u->op == NPI_OP_DWCONV2D || u->op == NPI_OP_FULLY_CONNECTED;
                if (k != 1 || !layer || weights_tensor(w, u) == n->out[0]) return 0;
                readers++;
            }
    return readers == w->n_users[n->out[0]];
}

int npi_tw_node(struct npi_tw *w, const struct npi_node *n) {
    if (w->o->hybrid && n->op == NPI_OP_DEQUANTIZE && npi_tw_view(w, n->in[0])->data && bypassed(w, n)) return 0;
    for (int i = 0; i < n->n_in + n->n_out; i++) {
        const int t = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        if (t >= 0 && npi_tw_type(npi_tw_view(w, t)->dtype) < 0) return refuse(w, n, "the type %s", np_dtype_name(npi_tw_view(w, t)->dtype));
    }
    if (n->op == NPI_OP_DETECTION_POSTPROCESS) return npi_tw_detection(w, n);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].op == n->op) return rows[i].fn(w, n, &rows[i]);
    return refuse(w, n, "there is no such operator");
}
