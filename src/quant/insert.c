/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the quantized graph: node after node into a new one, activations through Quantize/Dequantize pairs where the choice says so.
 *
 *   x ─┬─ Quantize ─ Dequantize ─ conv (w, b behind Dequantize) ─ y ─ Quantize ─ Dequantize ─ readers of y
 *      └─ readers of x that stay in float, when x itself is made in float */
#include "quant/priv.h"

#include <string.h>

struct insert {
    const struct npi_quantizer *q;
    const struct npi_quant_config *cfg;
    const struct npi_choice *c;
    struct npi_graph *to;
    int *real, *pair;      /* [n_tensors] in the new graph: as made; behind its Q/DQ pair, -1: none yet */
    struct npi_quant_counts n;
    struct np_error *err;
};

/* x through Quantize and Dequantize with the parameters of tensor `like` of the float graph. */
static int pair(struct insert *s, int x, int like, const char *name) {
    const int root = npi_quant_root(s->c, like);
    const struct npi_view hint = { .dtype = s->cfg->u8 ? NP_U8 : NP_I8, .q = { .n = 1, .scale = &s->c->scale[root], .zero = &s->c->zero[root] } };
    const struct npi_node q = { .op = NPI_OP_QUANTIZE, .name = name }, d = { .op = NPI_OP_DEQUANTIZE, .name = name };
    int t;
    const int r = npi_build(s->to, &q, &x, 1, &t, 1, NULL, &hint, s->err);
    return r < 0 ? r : npi_build1(s->to, &d, &t, 1, s->err);
}

static const char *name_of(const struct insert *s, int t) {
    const struct npi_graph *g = &s->q->g;
    return *g->tensor[t].name ? g->tensor[t].name : s->q->ix.producer[t] >= 0 ? g->node[s->q->ix.producer[t]].name : "";
}

/* What an int8 reader of t gets. */
static int rounded(struct insert *s, int t) {
    if (s->pair[t] >= 0) return s->pair[t];
    s->n.pairs++;
    return s->pair[t] = pair(s, s->real[t], t, name_of(s, t));
}

/* What any reader of t gets: a tensor made in int8 exists rounded only. */
static int read_tensor(struct insert *s, int t, int by_int) {
    const int p = s->q->ix.producer[t];
    if (t < 0 || s->q->g.tensor[t].v.data) return t < 0 ? -1 : s->real[t];
    return by_int || (p >= 0 && s->c->is_int[p]) ? rounded(s, t) : s->real[t];
}

static int copy_const(struct insert *s, int t) {
    const struct npi_tensor *x = &s->q->g.tensor[t];
    return npi_graph_tensor(s->to, x->name, &x->v);
}

static int inputs_of(struct insert *s, const struct npi_node *n, int is_int, int *in) {
    for (int k = 0; k < n->n_in; k++) {
        const int t = n->in[k];
        if (t >= 0 && s->q->g.tensor[t].v.data && s->real[t] < 0 && (s->real[t] = copy_const(s, t)) < 0) return NP_ENOMEM;
        in[k] = t < 0 ? -1 : read_tensor(s, t, is_int);
        if (t >= 0 && in[k] < 0) return in[k];
        if (is_int && n->op == NPI_OP_CONCAT && s->c->requant[t] && npi_quant_root(s->c, t) != npi_quant_root(s->c, n->out[0])) {
            if ((in[k] = pair(s, in[k], n->out[0], n->name)) < 0) return in[k];
            s->n.requants++;
        }
    }
    return 0;
}

static int copy_node(struct insert *s, int i) {
    const struct npi_graph *g = &s->q->g;
    const struct npi_node *n = &g->node[i];
    const int is_int = s->c->is_int[i];
    int *in = npi_arena_array(s->to->mem, int, n->n_in + 3), *out = npi_arena_array(s->to->mem, int, n->n_out);
    const char **names = npi_arena_array(s->to->mem, const char *, n->n_out);
    struct npi_view *hint = npi_arena_array(s->to->mem, struct npi_view, n->n_out);
    int n_in = n->n_in, r = in && out && names && hint ? 0 : NP_ENOMEM;
    if (r < 0) return npi_fail(s->err, r, "%s: out of memory", g->path);
    if (is_int && npi_is_conv(n)) {
        const int t = n->in[0], root = npi_quant_root(s->c, t);
        if ((in[0] = rounded(s, t)) < 0) return in[0];
        r = npi_quant_weights(s->to, g, n, s->c->scale[root], s->cfg->no_bias_correction ? NULL : s->q->mean[t], s->cfg->weight_bits ? s->cfg->weight_bits : 8, &in[1], &in[2], s->err);
        n_in = 3;
        s->n.int_convs++;
    } else r = inputs_of(s, n, is_int, in);
    if (r < 0) return r == NP_ENOMEM ? npi_fail(s->err, r, "%s: out of memory", g->path) : r;
    s->n.convs += npi_is_conv(n);
    for (int k = 0; k < n->n_out; k++) {
        names[k] = g->tensor[n->out[k]].name;
        hint[k] = (struct npi_view){ .dtype = g->tensor[n->out[k]].v.dtype, .q = g->tensor[n->out[k]].v.q };
    }
    const struct npi_node p = { .op = n->op, .name = n->name, .a = n->a, .act = n->act, .res_before_act = n->res_before_act };
    if ((r = npi_build(s->to, &p, in, n_in, out, n->n_out, names, hint, s->err)) < 0) return r;
    for (int k = 0; k < n->n_out; k++) s->real[n->out[k]] = out[k];
    return 0;
}

static int all(struct insert *s, const int *output, int n_outputs, struct npi_arena *tmp) {
    const struct npi_graph *g = &s->q->g;
    int *io = npi_arena_array(tmp, int, g->n_inputs + n_outputs + 1), r = io ? 0 : NP_ENOMEM;
    for (int i = 0; r == 0 && i < g->n_inputs; i++) {
        const struct npi_tensor *x = &g->tensor[g->input[i]];
        r = s->real[g->input[i]] = io[i] = npi_graph_tensor(s->to, x->name, &x->v);
        if (r >= 0) r = 0;
    }
    for (int i = 0; r == 0 && i < g->n_nodes; i++) r = copy_node(s, i);
    for (int i = 0; r == 0 && i < n_outputs; i++) {
        const int t = output[i];
        if (g->tensor[t].v.data && s->real[t] < 0) s->real[t] = copy_const(s, t);
        const int y = read_tensor(s, t, 0);
        if (y < 0) return y;
        io[g->n_inputs + i] = y;
        if (!*s->to->tensor[y].name || y != s->real[t]) { /* the output keeps its name, whatever makes it now */
            s->to->tensor[y].name = g->tensor[t].name;
            if (y != s->real[t]) s->to->tensor[s->real[t]].name = "";
        }
    }
    return r < 0 ? r : npi_graph_set_io(s->to, io, g->n_inputs, io + g->n_inputs, n_outputs);
}

int npi_quantizer_build(struct npi_quantizer *q, const struct npi_quant_config *cfg, struct npi_graph *out, struct npi_arena *mem, struct npi_quant_counts *counts, struct np_error *err) {
    return npi_quant_build(q, cfg, 0, out, mem, counts, err);
}

int npi_quant_build(struct npi_quantizer *q, const struct npi_quant_config *cfg, int points, struct npi_graph *out, struct npi_arena *mem, struct npi_quant_counts *counts, struct np_error *err) {
    struct npi_choice c;
    struct insert s = { .q = q, .cfg = cfg, .c = &c, .to = out, .err = err };
    if (!q->n_calibrated) return npi_fail(err, NP_EINVAL, "%s: not calibrated yet", q->g.path);
    int r = npi_quant_select(q, cfg, &c, mem, err);
    if (r < 0) return r;
    s.real = npi_arena_array(mem, int, q->g.n_tensors + 1);
    s.pair = npi_arena_array(mem, int, q->g.n_tensors + 1);
    if (!s.real || !s.pair || npi_graph_init(out, mem, q->g.path) < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", q->g.path);
    for (int t = 0; t < q->g.n_tensors; t++) s.real[t] = s.pair[t] = -1;
    for (int t = 0; t < q->g.n_tensors && cfg->u8; t++) c.zero[t] += 128;
    if ((r = points ? all(&s, q->point, q->n_points, mem) : all(&s, q->g.output, q->g.n_outputs, mem)) < 0) return r == NP_ENOMEM ? npi_fail(err, r, "%s: out of memory", q->g.path) : r;
    if ((r = npi_graph_sort(out, err)) < 0 || (r = npi_graph_verify(out, err)) < 0) return r;
    if (counts) *counts = s.n;
    return 0;
}
