/* SPDX-License-Identifier: Apache-2.0 */
/* Our ops in the words of TFLite. Layouts agree; what differs:
 *
 *   pads         TFLite knows SAME and VALID: other pads become a PAD before the op
 *   activations  Relu, Relu6 and -1..1 ride on an op, the others stand behind it
 *   8 bits       int8 with weights around 0: unsigned activations are moved by 128, which changes no value. Ops whose integer kernels ask
 *                for certain scales get them by a QUANTIZE, or run on real numbers between DEQUANTIZE and QUANTIZE
 *
 * lower_tflite_elem.c: elementwise ops    lower_tflite_window.c: windows    lower_tflite_move.c: moves */
#include <math.h>
#include <string.h>

#include "export/lower_tflite.h"
#include "ops/quantize.h"
#include "pass/pass.h"
#include "pass/passes.h"

#define NOT_OURS NPI_LT_NOT_OURS

int npi_lt_act(const struct npi_act *a) {
    if (a->kind == NPI_ACT_NONE) return 0;
    if (a->kind != NPI_ACT_CLAMP) return -1;
    if (a->lo == 0 && a->hi == INFINITY) return 1;
    if (a->lo == -1 && a->hi == 1) return 2;
    return a->lo == 0 && a->hi == 6 ? 3 : -1;
}

static int is_product(enum npi_op op) { return op == NPI_OP_CONV2D || op == NPI_OP_DWCONV2D || op == NPI_OP_FULLY_CONNECTED; }

/* Ops whose options have a place for an activation. */
static int carries_act(enum npi_op op) {
    return is_product(op) || op == NPI_OP_ADD || op == NPI_OP_SUB || op == NPI_OP_MUL || op == NPI_OP_DIV || op == NPI_OP_MAXPOOL2D || op == NPI_OP_AVGPOOL2D;
}

static int real_op(struct npi_lower *l, const struct npi_node *n, const int *in) {
    int r = npi_lt_window(l, n, in);
    if (r == NOT_OURS) r = npi_lt_move(l, n, in);
    return r == NOT_OURS ? npi_lt_elem(l, n, in) : r;
}

/* ---- quantized ---- */

static const struct npi_view *old(const struct npi_lower *l, int t) { return &l->from->tensor[t].v; }

static int same_q(const struct npi_view *a, const struct npi_view *b) { return npi_q_same(a, b); }

static int has_q(const struct npi_view *v, double scale, int zero) { return v->dtype == NP_I8 && v->q.n == 1 && v->q.scale[0] == (float)scale && npi_q_zero(v, 0) == zero; }

static int is_act8(const struct npi_view *v) { return (v->dtype == NP_I8 || v->dtype == NP_U8) && v->q.n == 1; }

/* Weights as the integer kernels take them: int8 around 0, one scale or one an output channel; or all of it the old unsigned way. */
static int weights_fit(const struct npi_node *n, const struct npi_view *x, const struct npi_view *w) {
    if (!w->data || w->q.n < 1) return 0;
    if (x->dtype == NP_U8) return w->dtype == NP_U8 && w->q.n == 1;
    if (w->dtype != NP_I8) return 0;
    for (int i = 0; i < w->q.n; i++)
        if (npi_q_zero(w, i) != 0) return 0;
    return w->q.n == 1 || w->q.axis == (n->op == NPI_OP_DWCONV2D ? w->rank - 1 : 0);
}

/* Bias with its scale, int32. */
static int bias(struct npi_lower *l, const struct npi_node *n, int *out) {
    *out = -1;
    if (n->n_in < 3 || n->in[2] < 0) return 1;
    const struct npi_view *x = old(l, n->in[0]), *w = old(l, n->in[1]);
    struct npi_view v = *old(l, n->in[2]);
    if (v.dtype != NP_I32 || !v.data) return 0;
    float *scale = npi_arena_array(l->g->mem, float, w->q.n);
    if (!scale) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    for (int i = 0; i < w->q.n; i++) scale[i] = x->q.scale[0] * w->q.scale[i];
    v.q = (struct npi_quant){ .n = w->q.n, .axis = 0, .scale = scale };
    *out = npi_graph_tensor(l->g, l->from->tensor[n->in[2]].name, &v);
    return *out < 0 ? npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path) : 1;
}

/* Moves keep the integers; where scales differ, a QUANTIZE comes in between. */
static int moves(enum npi_op op) {
    return op == NPI_OP_RESHAPE || op == NPI_OP_TRANSPOSE || op == NPI_OP_SLICE || op == NPI_OP_GATHER || op == NPI_OP_CONCAT || op == NPI_OP_MAXPOOL2D || op == NPI_OP_RESIZE ||
           op == NPI_OP_DEPTH_TO_SPACE || op == NPI_OP_SPACE_TO_DEPTH || op == NPI_OP_PAD || op == NPI_OP_AVGPOOL2D || op == NPI_OP_TILE;
}

static int quantized_move(struct npi_lower *l, const struct npi_node *n, const int *in, int *out) {
    const struct npi_view *y = old(l, n->out[0]);
    int *x = npi_arena_array(l->g->mem, int, n->n_in + 1);
    if (!x) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    if (n->act.kind || n->n_out != 1 || !is_act8(y) || (n->op == NPI_OP_PAD && (n->n_in > 1 || n->a.pad.value != 0 || n->a.pad.mode != NPI_PAD_CONSTANT))) return 0;
    for (int i = 0; i < n->n_in; i++) {
        x[i] = in[i];
        if (n->op == NPI_OP_GATHER && i == 1) continue;
        if (!is_act8(old(l, n->in[i]))) return 0;
        if (!same_q(old(l, n->in[i]), y) && (x[i] = npi_lo_quantize(l, in[i], y)) < 0) return x[i];
    }
    l->act = (struct npi_act){ 0 };
    const int r = real_op(l, n, x);
    if (r != NOT_OURS) out[0] = r;
    else {
        const struct npi_node p = { .op = n->op, .name = n->name, .a = n->a };
        const struct npi_view hint = { .dtype = y->dtype, .q = y->q };
        const int e = npi_build(l->g, &p, x, n->n_in, out, 1, NULL, &hint, l->err);
        if (e < 0) return e;
    }
    return out[0] < 0 ? out[0] : 1;
}

/* The integer op itself where TFLite has it: 1, 0 no, negative error. */
static int quantized(struct npi_lower *l, const struct npi_node *n, const int *in, int *out) {
    const struct npi_view *x = old(l, n->in[0]), *y = old(l, n->out[0]);
    if (n->n_out != 1 || !is_act8(y) || !is_act8(x) || x->dtype != y->dtype) return 0;
    if (moves(n->op)) return quantized_move(l, n, in, out);
    const int fused = npi_lt_act(&n->act);
    if (is_product(n->op)) {
        int b, w[3] = { in[0], in[1], -1 };
        if ((n->n_in > 3 && n->in[3] >= 0) || fused < 0 || !weights_fit(n, x, old(l, n->in[1]))) return 0;
        const int r = bias(l, n, &b);
        if (r <= 0) return r;
        w[2] = b;
        if (n->op != NPI_OP_FULLY_CONNECTED && npi_lt_padding(&n->a.conv.win, x->d[1], x->d[2]) < 0) {
            l->act = n->act;
            const int y8 = npi_lt_window(l, n, w);
            out[0] = y8;
            return y8 < 0 ? y8 : 1;
        }
        out[0] = npi_lo_same(l, w, b < 0 ? 2 : 3, n->act);
        return out[0] < 0 ? out[0] : 1;
    }
    const struct npi_view *second = n->n_in > 1 && n->in[1] >= 0 ? old(l, n->in[1]) : NULL;
    switch (n->op) {
    case NPI_OP_ADD: case NPI_OP_SUB: case NPI_OP_MUL:
        return fused >= 0 && second && is_act8(second) && second->dtype == x->dtype ? (out[0] = npi_lo_same(l, in, 2, n->act)) < 0 ? out[0] : 1 : 0;
    case NPI_OP_SIGMOID: if (n->act.kind || !has_q(y, 1. / 256, -128)) return 0; break;
    case NPI_OP_TANH: if (n->act.kind || !has_q(y, 1. / 128, 0)) return 0; break;
    case NPI_OP_SOFTMAX: if (n->act.kind || !has_q(y, 1. / 256, -128) || n->a.norm.axis != x->rank - 1) return 0; break;
    case NPI_OP_RELU: case NPI_OP_LEAKY_RELU: case NPI_OP_HARD_SWISH: if (n->act.kind) return 0; break;
    case NPI_OP_CLAMP: if (n->act.kind || npi_lt_act(&(struct npi_act){ NPI_ACT_CLAMP, n->a.unary.a, n->a.unary.b }) < 1) return 0; break;
    case NPI_OP_REDUCE: if (n->act.kind || n->a.reduce.kind != NPI_REDUCE_MEAN) return 0; break;
    default: return 0;
    }
    out[0] = npi_lo_same(l, in, n->n_in, n->act);
    return out[0] < 0 ? out[0] : 1;
}

/* ---- the rule ---- */

static int rule(struct npi_lower *l, const struct npi_node *n, const int *in, int *out) {
    int r = 0;
    if (n->op == NPI_OP_QUANTIZE || n->op == NPI_OP_DEQUANTIZE || npi_lo_reinterprets(l, n)) return 0;
    if (n->op == NPI_OP_CAST) return n->a.cast.round_saturate ? npi_lo_refuse(l, "a cast that rounds") : 0;
    if (n->op == NPI_OP_DETECTION_POSTPROCESS) return 0;
    if (!l->real) {
        if ((r = quantized(l, n, in, out)) != 0) return r;
        if ((r = npi_lo_real_op(l, n, rule, out)) != 0) return r;
    }
    if (is_product(n->op) && n->n_in > 3 && in[3] >= 0) r = npi_lo_residual(l, n, in);
    else {
        const int fused = n->act.kind && carries_act(n->op) && npi_lt_act(&n->act) >= 0;
        l->act = fused ? n->act : (struct npi_act){ 0 };
        if (fused) { /* the op in one piece, or its pieces and the activation behind them */
            r = npi_lt_window(l, n, in);
            if (r == NOT_OURS) return 0;
            out[0] = r;
            return r < 0 ? r : 1;
        }
        r = real_op(l, n, in);
        if (r == NOT_OURS && !n->act.kind) return 0;
        if (r == NOT_OURS) r = npi_lo_same(l, in, n->n_in, (struct npi_act){ 0 });
        if (r >= 0) r = npi_lo_act(l, &n->act, r);
    }
    out[0] = r;
    return r < 0 ? r : 1;
}

/* Unsigned 8-bit activations become signed ones: the same numbers, 128 lower. Inputs and outputs keep their type. Nets from before int8,
 * whose weights are unsigned as well, stay as they are. */
static int to_signed(struct npi_graph *g, struct np_error *err) {
    int old_way = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (is_product(n->op)) old_way |= g->tensor[n->in[1]].v.dtype == NP_U8 && g->tensor[n->in[1]].v.q.n > 0;
    }
    if (old_way) return 0;
    const int n_tensors = g->n_tensors;
    for (int i = 0; i < g->n_inputs + g->n_outputs; i++) { /* the type of the interface behind, or in front of, a Quantize */
        const int is_in = i < g->n_inputs, t = is_in ? g->input[i] : g->output[i - g->n_inputs];
        const struct npi_tensor old_t = g->tensor[t];
        if (t >= n_tensors || old_t.v.dtype != NP_U8 || old_t.v.q.n != 1 || old_t.v.data) continue;
        const int twin = npi_graph_tensor(g, NULL, &old_t.v);
        if (twin < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
        const int k = npi_graph_node(g, NPI_OP_QUANTIZE, old_t.name, is_in ? &t : &twin, 1, 1);
        if (k < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
        if (is_in) {
            for (int m = 0; m < k; m++)
                for (int j = 0; j < g->node[m].n_in; j++)
                    if (g->node[m].in[j] == t) g->node[m].in[j] = twin;
        } else {
            for (int m = 0; m < k; m++) {
                for (int j = 0; j < g->node[m].n_in; j++)
                    if (g->node[m].in[j] == t) g->node[m].in[j] = twin;
                for (int j = 0; j < g->node[m].n_out; j++)
                    if (g->node[m].out[j] == t) g->node[m].out[j] = twin;
            }
        }
        g->node[k].out[0] = is_in ? twin : t;
    }
    for (int t = 0; t < g->n_tensors; t++) {
        struct npi_view *v = &g->tensor[t].v;
        int io = 0;
        if (v->dtype != NP_U8 || v->q.n != 1) continue;
        for (int i = 0; i < g->n_inputs; i++) io |= g->input[i] == t;
        for (int i = 0; i < g->n_outputs; i++) io |= g->output[i] == t;
        if (io && !v->data) continue;
        int32_t *zero = npi_arena_array(g->mem, int32_t, 1);
        if (!zero) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
        *zero = npi_q_zero(v, 0) - 128;
        v->q.zero = zero;
        v->dtype = NP_I8;
        if (!v->data) continue;
        const size_t bytes = npi_view_bytes(v);
        uint8_t *p = npi_arena_alloc(g->mem, bytes);
        if (!p) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
        for (size_t i = 0; i < bytes; i++) p[i] = ((const uint8_t *)v->data)[i] ^ 0x80;
        v->data = p;
    }
    return npi_graph_sort(g, err);
}

int npi_lower_tflite(struct npi_graph *g, struct np_error *err) {
    int r = to_signed(g, err);
    if (r >= 0) r = npi_lower(g, rule, "TFLite", err);
    if (r >= 0) r = npi_pass_layout(g, err); /* norms of groups changed sides */
    if (r >= 0) r = npi_pass_tidy(g, err);
    return r < 0 ? r : npi_lower(g, rule, "TFLite", err); /* what unfused activations and decompositions left behind */
}
