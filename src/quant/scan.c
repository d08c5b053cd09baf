/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a quantizer, the best range method, and the sensitivity scan: each convolution in turn stays in float, and the error says what its
 * eight bits cost. */
#include "quant/priv.h"

#include "base/log.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static int check(struct npi_quantizer *q, struct np_error *err) {
    const struct npi_graph *g = &q->g;
    int n = 0, quantized = 0;
    q->input = -1;
    for (int i = 0; i < g->n_nodes; i++) {
        n += npi_quant_conv_ok(g, &g->node[i]);
        quantized += g->node[i].op == NPI_OP_QUANTIZE || (npi_is_conv(&g->node[i]) && g->tensor[g->node[i].in[0]].v.q.n > 0);
    }
    if (quantized) return npi_fail(err, NP_EUNSUPPORTED, "%s: is quantized already (%d ops): give the float model that it was made from", g->path, quantized);
    if (!n) return npi_fail(err, NP_EUNSUPPORTED, "%s: has no float convolution or fully connected layer with known weights: nothing to quantize", g->path);
    for (int i = 0; i < g->n_inputs; i++) {
        if (g->tensor[g->input[i]].v.data) continue;
        if (q->input >= 0) return npi_fail(err, NP_EUNSUPPORTED, "%s: has several inputs; pictures go into one", g->path);
        q->input = g->input[i];
    }
    return q->input < 0 ? npi_fail(err, NP_EUNSUPPORTED, "%s: has no input", g->path) : 0;
}

/* Layers are called by name: each convolution gets one of its own. */
static int name_layers(struct npi_quantizer *q, struct np_error *err) {
    struct npi_graph *g = &q->g;
    char text[64];
    for (int i = 0; i < g->n_nodes; i++) {
        struct npi_node *n = &g->node[i];
        if (!npi_is_conv(n)) continue;
        int taken = !*n->name;
        for (int k = 0; k < i && !taken; k++) taken = npi_is_conv(&g->node[k]) && !strcmp(g->node[k].name, n->name);
        if (!taken) continue;
        if (*n->name) snprintf(text, sizeof text, "%.40s#%d", n->name, i);
        else snprintf(text, sizeof text, "%s#%d", npi_op_info[n->op].name, i);
        if (!(n->name = npi_arena_strndup(&q->mem, text, strlen(text)))) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    }
    return 0;
}

static int choose_points(struct npi_quantizer *q, struct np_error *err) {
    const struct npi_graph *g = &q->g;
    const struct npi_quant_config none = { 0 };
    struct npi_choice c;
    struct npi_arena tmp;
    int jumps = 0;
    for (int i = 0; i < g->n_outputs; i++) q->point[q->n_points++] = g->output[i];
    for (int i = 0; i < g->n_nodes; i++) jumps |= g->node[i].op == NPI_OP_ARGMAX || g->node[i].op == NPI_OP_TOPK || g->node[i].op == NPI_OP_NMS || g->node[i].op == NPI_OP_GATHER_ND;
    npi_arena_init(&tmp, 0);
    const int r = jumps ? npi_quant_select(q, &none, &c, &tmp, err) : 0;
    for (int i = 0; i < g->n_nodes && jumps && r == 0; i++) {
        const int t = g->node[i].out[0];
        int read = 0;
        if (!c.is_int[i]) continue;
        for (int k = 0; k < g->n_nodes; k++)
            for (int m = 0; m < g->node[k].n_in; m++) read |= c.is_int[k] && g->node[k].in[m] == t;
        if (!read) q->point[q->n_points++] = t;
    }
    npi_arena_free(&tmp);
    for (int i = 0; i < q->n_points; i++) q->want_n[i] = npi_view_count(&g->tensor[q->point[i]].v);
    return r;
}

int npi_quantizer_open(struct npi_quantizer **out, const struct npi_graph *from, const char *isa, const struct np_logger *log, struct np_error *err) {
    struct npi_quantizer *q = npi_alloc(sizeof *q);
    if (!q) return npi_fail(err, NP_ENOMEM, "%s: out of memory", from->path);
    npi_arena_init(&q->mem, 0);
    npi_arena_init(&q->held, 0);
    snprintf(q->isa, sizeof q->isa, "%s", isa ? isa : "auto");
    if (log) q->log = *log;
    q->out_mask = ~0u;
    int r = npi_graph_copy(&q->g, from, &q->mem);
    if (r == 0) r = npi_quant_take_apart(&q->g, err);
    if (r == 0) r = name_layers(q, err);
    if (r == 0) r = check(q, err);
    if (r == 0) {
        q->seen = npi_arena_array(&q->mem, struct npi_seen, q->g.n_tensors + 1);
        q->mean = npi_arena_array(&q->mem, float *, q->g.n_tensors + 1);
        q->want_n = npi_arena_array(&q->mem, int64_t, q->g.n_outputs + q->g.n_tensors + 1);
        q->point = npi_arena_array(&q->mem, int, q->g.n_outputs + q->g.n_tensors + 1);
        q->range = npi_arena_array(&q->mem, struct npi_known_range, (size_t)(q->g.n_tensors + 1) * (NPI_RANGE_ENTROPY + 1));
        r = q->seen && q->mean && q->want_n && q->point && q->range ? npi_graph_index(&q->g, &q->mem, &q->ix) : NP_ENOMEM;
    }
    if (r == 0) r = choose_points(q, err);
    if (r < 0) {
        npi_quantizer_close(&q);
        return r == NP_ENOMEM ? npi_fail(err, r, "%s: out of memory", from->path) : r;
    }
    *out = q;
    return 0;
}

void npi_quantizer_close(struct npi_quantizer **q) {
    if (!q || !*q) return;
    npi_arena_free(&(*q)->held);
    npi_arena_free(&(*q)->mem);
    npi_free(*q);
    *q = NULL;
}

size_t npi_quantizer_input_bytes(const struct npi_quantizer *q) { return npi_view_bytes(&q->g.tensor[q->input].v); }
void npi_quantizer_outputs(struct npi_quantizer *q, unsigned mask) { q->out_mask = mask ? mask : ~0u; }
const char *npi_quantizer_output_name(const struct npi_quantizer *q, int i) { return i < 0 || i >= q->g.n_outputs ? NULL : q->g.tensor[q->g.output[i]].name; }

int npi_quantizer_best_method(struct npi_quantizer *q, const struct npi_quant_config *c, int *method, struct np_error *err) {
    struct npi_quant_config t = *c;
    double best = INFINITY;
    for (int m = NPI_RANGE_MINMAX; m <= NPI_RANGE_ENTROPY; m++) {
        struct npi_quant_error e;
        t.method = m;
        const int r = npi_quantizer_error(q, &t, &e, NULL, err);
        if (r < 0) return r;
        npi_log(&q->log, NP_LOG_INFO, "%s: ranges by %s: error %.4f, cosine %.6f", q->g.path, npi_range_method_name(m), e.relative, e.cosine);
        if (e.relative < best) {
            best = e.relative;
            *method = m;
        }
    }
    return 0;
}

int npi_quantizer_n_layers(const struct npi_quantizer *q) {
    int n = 0;
    for (int i = 0; i < q->g.n_nodes; i++) n += npi_quant_conv_ok(&q->g, &q->g.node[i]);
    return n;
}

int npi_quantizer_matches(const struct npi_quantizer *q, const char *pattern, int convs) {
    int n = 0;
    for (int i = 0; i < q->g.n_nodes; i++) {
        const struct npi_node *x = &q->g.node[i];
        if (convs && !npi_quant_conv_ok(&q->g, x)) continue;
        n += npi_quant_name_matches(pattern, x->name) || (!convs && npi_quant_name_matches(pattern, q->g.tensor[x->out[0]].name));
    }
    return n;
}

static int by_gain(const void *a, const void *b) {
    const struct npi_quant_layer *x = a, *y = b;
    const double gx = x->gain / (x->with ? 2 : 1), gy = y->gain / (y->with ? 2 : 1);
    return gx < gy ? 1 : gx > gy ? -1 : strcmp(x->name, y->name);
}

/* The only convolution that reads what this one makes, through whatever lies between; -1. A tensor between two int8 layers is rounded as long as either is
 * int8: where the rounding is what hurts, keeping one of them gains nothing. */
static int next_conv(const struct npi_quantizer *q, int i) {
    for (int hops = 0; hops < 4; hops++) {
        i = q->ix.only_user[q->g.node[i].out[0]];
        if (i < 0 || q->g.node[i].n_out != 1) return -1;
        if (npi_is_conv(&q->g.node[i])) return npi_quant_conv_ok(&q->g, &q->g.node[i]) ? i : -1;
    }
    return -1;
}

static int is_kept_already(const struct npi_quant_config *c, const char *name) {
    for (int i = 0; i < c->n_keep; i++)
        if (npi_quant_name_matches(c->keep[i], name)) return 1;
    return 0;
}

int npi_quantizer_scan(struct npi_quantizer *q, const struct npi_quant_config *c, struct npi_quant_layer *layers, int *n_layers, int (*progress)(void *opaque, int done, int all), void *opaque,
                       struct np_error *err) {
    struct npi_arena mem;
    struct npi_quant_error base, e;
    npi_arena_init(&mem, 0);
    struct npi_quant_config t = *c;
    const int all = npi_quantizer_n_layers(q);
    const char **keep = npi_arena_array(&mem, const char *, c->n_keep + 2);
    q->use_samples = 6; /* many measurements, each against the others only */
    int r = keep ? npi_quantizer_error(q, c, &base, NULL, err) : npi_fail(err, NP_ENOMEM, "%s: out of memory", q->g.path), n = 0, done = 0;
    if (r == 0 && c->n_keep) memcpy(keep, c->keep, sizeof *keep * (size_t)c->n_keep);
    t.keep = keep;
    for (int i = 0; r == 0 && i < q->g.n_nodes; i++) {
        const struct npi_node *x = &q->g.node[i];
        if (!npi_quant_conv_ok(&q->g, x)) continue;
        const struct npi_view *w = &q->g.tensor[x->in[1]].v, *y = &q->g.tensor[x->out[0]].v;
        const int next = next_conv(q, i);
        for (int pair = 0; pair < 2 && r == 0; pair++) {
            const char *with = pair ? next >= 0 ? q->g.node[next].name : NULL : "";
            if (!with || is_kept_already(c, x->name) || (pair && is_kept_already(c, with))) continue;
            layers[n] = (struct npi_quant_layer){ .name = x->name, .with = pair ? with : NULL, .op = x->op, .macs = npi_view_count(y) * (npi_view_count(w) / y->d[y->rank - 1]) };
            keep[c->n_keep] = x->name;
            keep[c->n_keep + 1] = with;
            t.n_keep = c->n_keep + 1 + pair;
            if ((r = npi_quantizer_error(q, &t, &e, NULL, err)) == 0) layers[n++].gain = base.relative - e.relative;
        }
        if (r == 0 && progress && (r = progress(opaque, ++done, all)) < 0) npi_fail(err, r, "interrupted");
    }
    if (r == 0) qsort(layers, (size_t)n, sizeof *layers, by_gain);
    *n_layers = n;
    q->use_samples = 0;
    npi_arena_free(&mem);
    return r;
}
