/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes int8, and which tensors share a scale.
 *
 *   conv ── silu ── concat ── conv ── sigmoid ── output        conv, silu, concat, conv: int8; the sigmoid is behind the last conv: float
 *
 * Moves keep their operand's parameters (TFLite demands it). Concat's operands take the result's where that costs them nothing; where an
 * operand is read by others too and its own range is much smaller, it gets a second rounding of its own at the Concat. */
#include "quant/priv.h"

#include <math.h>
#include <string.h>

/* An operand keeps its own parameters in front of a Concat when the shared step would be this much coarser. */
#define OWN_RANGE_RATIO 1.5

static int is_f32(const struct npi_graph *g, int t) { return t >= 0 && g->tensor[t].v.dtype == NP_F32 && g->tensor[t].v.q.n == 0; }
static int is_const_f32(const struct npi_graph *g, int t) { return is_f32(g, t) && g->tensor[t].v.data; }
static int is_act(const struct npi_graph *g, int t) { return is_f32(g, t) && !g->tensor[t].v.data; }

int npi_quant_conv_ok(const struct npi_graph *g, const struct npi_node *n) {
    if (!npi_is_conv(n) || !is_act(g, n->in[0]) || !is_const_f32(g, n->in[1]) || !is_f32(g, n->out[0])) return 0;
    if (n->n_in > 3 && n->in[3] >= 0) return 0;
    const struct npi_view *w = &g->tensor[n->in[1]].v, *y = &g->tensor[n->out[0]].v;
    if (w->rank < 2 || y->rank < 1 || npi_view_count(w) < 1) return 0;
    const int64_t co = y->d[y->rank - 1];
    if (w->d[n->op == NPI_OP_DWCONV2D ? w->rank - 1 : 0] != co) return 0;
    if (n->n_in > 2 && n->in[2] >= 0 && (!is_const_f32(g, n->in[2]) || npi_view_count(&g->tensor[n->in[2]].v) != co)) return 0;
    return n->act.kind == NPI_ACT_NONE || n->act.kind == NPI_ACT_CLAMP;
}

/* Same numbers, other places: result and operand have the same parameters. */
static int is_move(const struct npi_node *n) {
    switch (n->op) {
    case NPI_OP_TRANSPOSE: case NPI_OP_RESHAPE: case NPI_OP_SLICE: case NPI_OP_DEPTH_TO_SPACE: case NPI_OP_SPACE_TO_DEPTH: return 1;
    case NPI_OP_MAXPOOL2D: return n->n_out == 1;
    case NPI_OP_PAD: return n->n_in == 1 && n->a.pad.mode == NPI_PAD_CONSTANT && n->a.pad.value == 0;
    case NPI_OP_AVGPOOL2D: return 1;
    case NPI_OP_RESIZE: return n->a.resize.mode == NPI_RESIZE_NEAREST || n->a.resize.mode == NPI_RESIZE_LINEAR;
    default: return 0;
    }
}

static int is_arithmetic(const struct npi_node *n) {
    switch (n->op) {
    case NPI_OP_ADD: case NPI_OP_SUB: case NPI_OP_MUL: return n->act.kind == NPI_ACT_NONE || n->act.kind == NPI_ACT_CLAMP;
    case NPI_OP_RELU: case NPI_OP_CLAMP: case NPI_OP_LEAKY_RELU: case NPI_OP_SILU: case NPI_OP_HARD_SWISH: case NPI_OP_SIGMOID: return 1;
    case NPI_OP_REDUCE: return n->a.reduce.kind == NPI_REDUCE_MEAN;
    default: return 0;
    }
}

/* All operands are activations: constants in arithmetic are left to float. */
static int operands_ok(const struct npi_graph *g, const struct npi_node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (!is_act(g, n->in[i])) return 0;
    return is_act(g, n->out[0]);
}

int npi_quant_name_matches(const char *p, const char *s) {
    if (!*p) return !*s;
    if (*p == '*') return npi_quant_name_matches(p + 1, s) || (*s && npi_quant_name_matches(p, s + 1));
    return *p == *s && npi_quant_name_matches(p + 1, s + 1);
}

static int is_kept(const struct npi_quant_config *c, const struct npi_node *n) {
    for (int i = 0; i < c->n_keep; i++)
        if (npi_quant_name_matches(c->keep[i], n->name)) return 1;
    return 0;
}

static int has_int_user(const struct npi_quantizer *q, const struct npi_choice *c, int t) {
    for (int i = 0; i < q->g.n_nodes; i++) {
        if (!c->is_int[i]) continue;
        for (int k = 0; k < q->g.node[i].n_in; k++)
            if (q->g.node[i].in[k] == t) return 1;
    }
    return 0;
}

static int int_producer(const struct npi_quantizer *q, const struct npi_choice *c, int t) { return q->ix.producer[t] >= 0 && c->is_int[q->ix.producer[t]]; }

static void mark_nodes(const struct npi_quantizer *q, const struct npi_quant_config *cfg, struct npi_choice *c) {
    const struct npi_graph *g = &q->g;
    for (int i = 0; i < g->n_nodes; i++) c->is_int[i] = npi_quant_conv_ok(g, &g->node[i]) && !is_kept(cfg, &g->node[i]);
    for (int i = g->n_nodes - 1; i >= 0; i--) { /* what leads to a convolution */
        const struct npi_node *n = &g->node[i];
        if ((is_move(n) || is_arithmetic(n) || n->op == NPI_OP_CONCAT) && operands_ok(g, n) && has_int_user(q, c, n->out[0])) c->is_int[i] = 1;
    }
    for (int i = 0; i < g->n_nodes; i++) { /* and comes from one */
        const struct npi_node *n = &g->node[i];
        int from = 0;
        if (!c->is_int[i] || npi_is_conv(n) || !is_arithmetic(n)) continue;
        for (int k = 0; k < n->n_in; k++) from |= int_producer(q, c, n->in[k]);
        if (!from) c->is_int[i] = 0;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        if (!c->is_int[i]) continue;
        c->has_q[g->node[i].in[0]] = c->has_q[g->node[i].out[0]] = 1;
        for (int k = 0; k < g->node[i].n_in && !npi_is_conv(&g->node[i]); k++) c->has_q[g->node[i].in[k]] = 1;
    }
}

/* Functions that a tensor goes through next, where it goes nowhere else. */
static double silu(double x) { return x / (1 + exp(-x)); }
static double hard_swish(double x) { return x * fmin(fmax(x + 3, 0), 6) / 6; }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static npi_range_fn behind(const struct npi_quantizer *q, int t) {
    const int u = q->ix.only_user[t];
    if (u < 0) return NULL;
    switch (q->g.node[u].op) {
    case NPI_OP_SILU: return silu;
    case NPI_OP_HARD_SWISH: return hard_swish;
    case NPI_OP_SIGMOID: return sigmoid;
    default: return NULL;
    }
}

struct range { double lo, hi; };

/* What the clamp behind cuts off anyway need not be told apart: for x + z clamped to lo..hi, x counts from lo - max z to hi - min z. */
static struct range used_of(const struct npi_quantizer *q, int t) {
    struct range all = { -INFINITY, INFINITY };
    const int u = q->ix.only_user[t];
    const struct npi_node *n = u < 0 ? NULL : &q->g.node[u];
    if (!n) return all;
    if (n->op == NPI_OP_RELU) all.lo = 0;
    else if (n->op == NPI_OP_CLAMP) all = (struct range){ fmin(n->a.unary.a, 0), fmax(n->a.unary.b, 0) };
    else if (n->op == NPI_OP_ADD && n->act.kind == NPI_ACT_CLAMP) {
        const int z = n->in[n->in[0] == t];
        if (z == t || z < 0 || !(q->seen[z].hi >= q->seen[z].lo) || q->g.tensor[z].v.data) return all;
        all = (struct range){ fmin(n->act.lo - q->seen[z].hi, 0), fmax(n->act.hi - q->seen[z].lo, 0) };
    }
    return all;
}

static struct range range_of(const struct npi_quantizer *q, const struct npi_quant_config *c, int t) {
    const int p = q->ix.producer[t];
    for (int i = 0; i < c->n_ranges; i++) {
        const char *name = c->range[i].name;
        if (npi_quant_name_matches(name, q->g.tensor[t].name) || (p >= 0 && npi_quant_name_matches(name, q->g.node[p].name)))
            return (struct range){ fmin(c->range[i].lo, 0), fmax(c->range[i].hi, 0) };
    }
    if (p >= 0 && q->g.node[p].op == NPI_OP_SIGMOID) return (struct range){ 0, 255. / 256 }; /* TFLite's, and known without looking */
    /* Pictures come in 8 bits: their range is met exactly, so nothing is cut off. */
    const int method = t == q->input ? NPI_RANGE_MINMAX : c->method == NPI_RANGE_AUTO ? NPI_RANGE_MSE : c->method;
    const double percentile = c->percentile > 0 ? c->percentile : 99.99;
    const struct range useful = used_of(q, t);
    struct npi_known_range *const k = &q->range[(size_t)t * (NPI_RANGE_ENTROPY + 1) + (size_t)method];
    if (!k->known || k->percentile != percentile) {
        npi_range_choose(&q->seen[t], method, percentile, behind(q, t), &k->lo, &k->hi);
        k->percentile = percentile;
        k->known = 1;
    }
    return (struct range){ fmax(k->lo, useful.lo), fmin(k->hi, useful.hi) };
}

static void tie(struct npi_choice *c, struct range *r, int a, int b) {
    a = npi_quant_root(c, a);
    b = npi_quant_root(c, b);
    if (a == b) return;
    c->group[b] = a;
    r[a].lo = fmin(r[a].lo, r[b].lo);
    r[a].hi = fmax(r[a].hi, r[b].hi);
}

/* The operand gives up its parameters for the Concat's, or rounds again at the door. */
static int shares(const struct npi_quantizer *q, const struct npi_choice *c, const struct range *r, int u8, int operand, int result) {
    const int p = q->ix.producer[operand];
    const struct range a = r[npi_quant_root(c, operand)], b = r[npi_quant_root(c, result)];
    if (p >= 0 && q->g.node[p].op == NPI_OP_SIGMOID) return 0;
    /* A Relu whose zero is not the lowest integer: ONNX Runtime leaves its convolution in float. */
    if (u8 && a.lo >= 0 && b.lo < 0) return 0;
    if (q->ix.n_users[operand] == 1) return 1;
    return b.hi - b.lo <= OWN_RANGE_RATIO * (a.hi - a.lo);
}

int npi_quant_select(struct npi_quantizer *q, const struct npi_quant_config *cfg, struct npi_choice *out, struct npi_arena *mem, struct np_error *err) {
    const struct npi_graph *g = &q->g;
    struct npi_choice c;
    struct range *r = npi_arena_array(mem, struct range, g->n_tensors + 1);
    c.is_int = npi_arena_array(mem, char, g->n_nodes + 1);
    c.has_q = npi_arena_array(mem, char, g->n_tensors + 1);
    c.group = npi_arena_array(mem, int, g->n_tensors + 1);
    c.scale = npi_arena_array(mem, float, g->n_tensors + 1);
    c.zero = npi_arena_array(mem, int32_t, g->n_tensors + 1);
    c.requant = npi_arena_array(mem, char, g->n_tensors + 1);
    if (!r || !c.is_int || !c.has_q || !c.group || !c.scale || !c.zero || !c.requant) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    mark_nodes(q, cfg, &c);
    for (int t = 0; t < g->n_tensors; t++) {
        c.group[t] = t;
        if (c.has_q[t]) r[t] = range_of(q, cfg, t);
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (c.is_int[i] && is_move(&g->node[i])) tie(&c, r, g->node[i].in[0], g->node[i].out[0]);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (!c.is_int[i] || n->op != NPI_OP_CONCAT) continue;
        /* The result is as wide as its operands: its own range would be cut by what another method saw. */
        for (int k = 0; k < n->n_in; k++) {
            const struct range a = r[npi_quant_root(&c, n->in[k])];
            struct range *const y = &r[npi_quant_root(&c, n->out[0])];
            if (k == 0 && npi_quant_root(&c, n->out[0]) == n->out[0]) *y = a;
            y->lo = fmin(y->lo, a.lo);
            y->hi = fmax(y->hi, a.hi);
        }
        for (int k = 0; k < n->n_in; k++) {
            if (shares(q, &c, r, cfg->u8, n->in[k], n->out[0])) tie(&c, r, n->out[0], n->in[k]);
            else c.requant[n->in[k]] = 1;
        }
    }
    for (int t = 0; t < g->n_tensors; t++)
        if (c.has_q[t] && c.group[t] == t) npi_range_params(r[t].lo, r[t].hi, &c.scale[t], &c.zero[t]);
    *out = c;
    return 0;
}
