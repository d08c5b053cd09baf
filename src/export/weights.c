/* SPDX-License-Identifier: Apache-2.0 */
#include "export/weights.h"

#include <math.h>
#include <string.h>

#include "base/half.h"

enum { F16_LEAST = 256, I8_LEAST = 1024 };

int npi_pattern_matches(const char *p, const char *s) {
    const char *star = NULL, *from = NULL;
    while (*s) {
        if (*p == '*') {
            star = ++p;
            from = s;
        } else if (*p == *s || *p == '?') {
            p++;
            s++;
        } else if (star) {
            p = star;
            s = ++from;
        } else return 0;
    }
    while (*p == '*') p++;
    return !*p;
}

static int is_layer(const struct npi_node *n) {
    return n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_CONVT2D || n->op == NPI_OP_FULLY_CONNECTED;
}

static const struct npi_weights_rule *rule_for(const struct npi_weights_opts *o, const char *node, const char *weights) {
    for (int i = o->n_rules - 1; i >= 0; i--)
        if (npi_pattern_matches(o->rule[i].pattern, node) || npi_pattern_matches(o->rule[i].pattern, weights)) return &o->rule[i];
    return NULL;
}

static int fits_f16(const struct npi_view *v) {
    const float *p = v->data;
    const int64_t n = npi_view_count(v);
    float most = 0;
    for (int64_t i = 0; i < n; i++) most = fabsf(p[i]) > most ? fabsf(p[i]) : most; /* NaN and infinities stay what they are */
    return !(most > 65504);
}

static int nomem(const struct npi_graph *g, struct np_error *err) { return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path); }

static int to_f16(struct npi_graph *g, int t, struct np_error *err) {
    struct npi_view v = g->tensor[t].v;
    const float *src = v.data;
    v.dtype = NP_F16;
    const int h = npi_graph_const(g, g->tensor[t].name, &v);
    if (h < 0) return nomem(g, err);
    uint16_t *p = g->tensor[h].v.data;
    const int64_t n = npi_view_count(&v);
    for (int64_t i = 0; i < n; i++) p[i] = npi_f32_to_f16(src[i]);
    return h;
}

/* Output channel of weight i. Depthwise: the last axis; others: the first. */
static int to_i8(struct npi_graph *g, const struct npi_node *n, int t, int per_tensor, struct np_error *err) {
    struct npi_view v = g->tensor[t].v;
    const float *src = v.data;
    const int last = n->op == NPI_OP_DWCONV2D;
    const int64_t co = v.d[last ? v.rank - 1 : 0], count = npi_view_count(&v), per = count / co, channels = per_tensor ? 1 : co;
    float *scale = npi_arena_array(g->mem, float, channels);
    v.dtype = NP_I8;
    const int q = npi_graph_const(g, g->tensor[t].name, &v);
    if (q < 0 || !scale) return nomem(g, err);
    for (int64_t i = 0; i < count; i++) {
        const int64_t c = per_tensor ? 0 : last ? i % co : i / per;
        scale[c] = fabsf(src[i]) > scale[c] ? fabsf(src[i]) : scale[c];
    }
    for (int64_t c = 0; c < channels; c++) scale[c] = scale[c] > 0x1p-100f ? scale[c] / 127 : 1; /* all zeros: any scale */
    int8_t *p = g->tensor[q].v.data;
    for (int64_t i = 0; i < count; i++) {
        const float r = rintf(src[i] / scale[per_tensor ? 0 : last ? i % co : i / per]);
        p[i] = (int8_t)(r > 127 ? 127 : r < -127 ? -127 : r);
    }
    g->tensor[q].v.q = (struct npi_quant){ .n = (int)channels, .axis = last ? v.rank - 1 : 0, .scale = scale };
    return q;
}

static int usable(const struct npi_view *v, int64_t least) {
    if (!v->data || v->dtype != NP_F32 || v->q.n || npi_view_count(v) < least) return 0;
    const float *p = v->data;
    for (int64_t i = 0, n = npi_view_count(v); i < n; i++)
        if (!isfinite(p[i])) return 0;
    return 1;
}

/* Readers of constant t read the Dequantize of `small` instead. */
static int put(struct npi_graph *g, int t, int small, struct np_error *err) {
    const int k = npi_graph_node(g, NPI_OP_DEQUANTIZE, g->tensor[t].name, &small, 1, 1);
    if (k < 0) return nomem(g, err);
    const int y = g->node[k].out[0];
    g->tensor[y].v = g->tensor[t].v;
    g->tensor[y].v.data = NULL;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < g->node[i].n_in; j++)
            if (g->node[i].in[j] == t) g->node[i].in[j] = y;
    return 0;
}

/* What constant t becomes: the wish of its layer's rule, else of the options. */
struct wish { int precision, per_tensor, node; };

int npi_weights_apply(struct npi_graph *g, const struct npi_weights_opts *o, struct npi_weights_report *rep, struct np_error *err) {
    const int n_tensors = g->n_tensors, n_nodes = g->n_nodes;
    struct wish *w = npi_arena_array(g->mem, struct wish, n_tensors + 1);
    struct npi_weights_report none;
    if (!rep) rep = &none;
    *rep = (struct npi_weights_report){ 0 };
    if (!w) return nomem(g, err);
    for (int t = 0; t < n_tensors; t++) w[t] = (struct wish){ o->precision == NPI_PRECISION_F16 ? NPI_PRECISION_F16 : NPI_PRECISION_F32, 0, -1 };
    for (int i = 0; i < n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (!is_layer(n) || !usable(&g->tensor[n->in[1]].v, 1)) continue;
        const int t = n->in[1];
        const struct npi_weights_rule *r = rule_for(o, n->name, g->tensor[t].name);
        w[t].node = i;
        w[t].precision = r && r->precision ? r->precision : o->precision ? o->precision : NPI_PRECISION_F32;
        w[t].per_tensor = r && r->per_tensor > 0;
        rep->n_layers++;
    }
    for (int i = 0; i < n_nodes; i++) /* a constant that is also read as something else is no mere weight */
        for (int k = 0; k < g->node[i].n_in; k++) {
            const int t = g->node[i].in[k];
            if (t >= 0 && t < n_tensors && w[t].node >= 0 && !(k == 1 && is_layer(&g->node[i])) && w[t].precision == NPI_PRECISION_I8) w[t].precision = NPI_PRECISION_F32;
        }
    for (int t = 0; t < n_tensors; t++) {
        const struct npi_view v = g->tensor[t].v;
        const int layer = w[t].node >= 0;
        int p = w[t].precision, small = -1;
        if (p == NPI_PRECISION_I8 && (!usable(&v, I8_LEAST) || g->node[w[t].node].op == NPI_OP_CONVT2D)) p = NPI_PRECISION_F32;
        if (p == NPI_PRECISION_F16 && !usable(&v, layer ? 1 : F16_LEAST)) p = NPI_PRECISION_F32;
        if (p == NPI_PRECISION_F16 && !fits_f16(&v)) {
            p = NPI_PRECISION_F32;
            rep->n_too_large++;
        }
        if (v.data) rep->bytes_before += npi_view_bytes(&v);
        if (p == NPI_PRECISION_F16) small = to_f16(g, t, err);
        else if (p == NPI_PRECISION_I8) small = to_i8(g, &g->node[w[t].node], t, w[t].per_tensor, err);
        if (p != NPI_PRECISION_F32 && (small < 0 || put(g, t, small, err) < 0)) return NP_ENOMEM;
        if (v.data) rep->bytes_after += npi_view_bytes(&g->tensor[small >= 0 ? small : t].v);
        if (layer) p == NPI_PRECISION_I8 ? rep->n_i8++ : p == NPI_PRECISION_F16 ? rep->n_f16++ : rep->n_f32++;
    }
    return npi_graph_sort(g, err);
}

double npi_weights_f16_error(const struct npi_graph *g, int *exact, int64_t *n) {
    double worst = 0;
    *exact = 1;
    *n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!is_layer(&g->node[i]) || !usable(&g->tensor[g->node[i].in[1]].v, 1)) continue;
        const struct npi_view *v = &g->tensor[g->node[i].in[1]].v;
        const float *p = v->data;
        float most = 0;
        for (int64_t k = 0; k < npi_view_count(v); k++) most = fabsf(p[k]) > most ? fabsf(p[k]) : most;
        for (int64_t k = 0; k < npi_view_count(v) && most > 0; k++) {
            const float e = fabsf(npi_f16_to_f32(npi_f32_to_f16(p[k])) - p[k]);
            *exact &= e == 0;
            if ((double)e / (double)most > worst) worst = (double)e / (double)most;
        }
        *n += npi_view_count(v);
    }
    return worst;
}
