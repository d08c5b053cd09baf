/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-layer equalization (Nagel et al., 2019): conv A, an activation that scales (f(s x) = s f(x)), conv B.
 *
 *   A's channel i  / s_i,   B's weights on channel i  * s_i,   s_i = sqrt(r_A r_B) / r_B       r: largest |weight| of the channel
 *
 * The function stays the same, and both have the same range a channel: a tensor whose channels differ a hundredfold would leave the small ones two
 * of the 256 steps. Relu6 does not scale: such pairs are left alone. */
#include "quant/priv.h"

#include <math.h>
#include <string.h>

/* Does the value of f(s x) follow s? */
static int scales(const struct npi_act *a) { return a->kind == NPI_ACT_NONE || (a->kind == NPI_ACT_CLAMP && a->lo == 0 && a->hi == INFINITY) || (a->kind == NPI_ACT_CLAMP && a->lo == -INFINITY && a->hi == INFINITY); }

/* The only convolution that reads tensor t, through activations that scale; -1. */
static int follower(const struct npi_quantizer *q, int t) {
    for (int hops = 0; hops < 4; hops++) {
        const int u = q->ix.only_user[t];
        if (u < 0) return -1;
        const struct npi_node *n = &q->g.node[u];
        if (npi_is_conv(n)) return n->in[0] == t && npi_quant_conv_ok(&q->g, n) ? u : -1;
        if (n->op != NPI_OP_RELU && n->op != NPI_OP_LEAKY_RELU && n->op != NPI_OP_MAXPOOL2D) return -1;
        if (n->op == NPI_OP_LEAKY_RELU && n->a.unary.a < 0) return -1;
        if (n->n_out != 1) return -1;
        t = n->out[0];
    }
    return -1;
}

/* A copy of constant input k of the node: constants may be shared. */
static float *own(struct npi_graph *g, int node, int k) {
    struct npi_node *n = &g->node[node];
    const struct npi_view v = g->tensor[n->in[k]].v;
    const int t = npi_graph_const(g, g->tensor[n->in[k]].name, &v);
    if (t < 0) return NULL;
    memcpy(g->tensor[t].v.data, v.data, npi_view_bytes(&v));
    n->in[k] = t;
    return g->tensor[t].v.data;
}

static void ranges(const struct npi_graph *g, const struct npi_node *n, int of_input, float *r) {
    const struct npi_view *w = &g->tensor[n->in[1]].v;
    for (int64_t i = 0, count = npi_view_count(w); i < count; i++) {
        int64_t o, c;
        npi_quant_weight_at(g, n, i, &o, &c);
        r[of_input ? c : o] = fmaxf(r[of_input ? c : o], fabsf(((const float *)w->data)[i]));
    }
}

static void multiply(const struct npi_graph *g, const struct npi_node *n, float *w, int of_input, const float *s, int inverse) {
    for (int64_t i = 0, count = npi_view_count(&g->tensor[n->in[1]].v); i < count; i++) {
        int64_t o, c;
        npi_quant_weight_at(g, n, i, &o, &c);
        const float f = s[of_input ? c : o];
        w[i] = inverse ? w[i] / f : w[i] * f;
    }
}

/* 1 changed, 0 nothing to gain, below: error. */
static int equalize_pair(struct npi_quantizer *q, int a, int b) {
    struct npi_graph *g = &q->g;
    const struct npi_view *y = &g->tensor[g->node[a].out[0]].v;
    const int64_t co = y->d[y->rank - 1];
    float *ra = npi_arena_array(&q->mem, float, co), *rb = npi_arena_array(&q->mem, float, co), *s = npi_arena_array(&q->mem, float, co);
    int changed = 0;
    if (!ra || !rb || !s) return NP_ENOMEM;
    const struct npi_view *x = &g->tensor[g->node[b].in[0]].v;
    if (x->d[x->rank - 1] != co) return 0; /* reshaped in between */
    ranges(g, &g->node[a], 0, ra);
    ranges(g, &g->node[b], 1, rb);
    for (int64_t i = 0; i < co; i++) {
        s[i] = ra[i] > 1e-9f && rb[i] > 1e-9f ? sqrtf(ra[i] / rb[i]) : 1;
        s[i] = s[i] > 1e3f ? 1e3f : s[i] < 1e-3f ? 1e-3f : s[i];
        changed |= fabsf(s[i] - 1) > .01f;
    }
    if (!changed) return 0;
    float *wa = own(g, a, 1), *wb = own(g, b, 1), *bias = g->node[a].n_in > 2 && g->node[a].in[2] >= 0 ? own(g, a, 2) : NULL;
    if (!wa || !wb || (g->node[a].n_in > 2 && g->node[a].in[2] >= 0 && !bias)) return NP_ENOMEM;
    multiply(g, &g->node[a], wa, 0, s, 1);
    multiply(g, &g->node[b], wb, 1, s, 0);
    for (int64_t i = 0; bias && i < co; i++) bias[i] /= s[i];
    return 1;
}

/* Outputs of the graph as it stands, on one sample; malloc'd by the arena. */
static int outputs_on(const struct npi_quantizer *q, const void *sample, float **out, struct npi_arena *mem, struct np_error *err) {
    struct np_model *m = NULL;
    struct np_session *s = NULL;
    int r = npi_model_of_graph(&m, &q->g, q->isa, 0, err);
    if (r == 0) r = np_session_open(&s, m, NULL, err);
    for (int i = 0; r == 0 && i < q->g.n_inputs; i++)
        if (q->g.input[i] == q->input) memcpy(np_session_input(s, i), sample, npi_view_bytes(&q->g.tensor[q->input].v));
    if (r == 0) r = np_session_run(s, err);
    for (int o = 0; r == 0 && o < q->g.n_outputs; o++) {
        const size_t bytes = npi_view_bytes(&q->g.tensor[q->g.output[o]].v);
        if (!(out[o] = npi_arena_alloc(mem, bytes))) r = npi_fail(err, NP_ENOMEM, "%s: out of memory", q->g.path);
        else memcpy(out[o], np_session_output(s, o), bytes);
    }
    np_session_free(&s);
    np_model_free(&m);
    return r;
}

/* Largest difference of f32 outputs, relative to the largest value. */
static double moved(const struct npi_quantizer *q, float *const *a, float *const *b) {
    double worst = 0;
    for (int o = 0; o < q->g.n_outputs; o++) {
        double d = 0, top = 1e-6;
        if (q->g.tensor[q->g.output[o]].v.dtype != NP_F32) continue;
        for (int64_t i = 0; i < q->want_n[o]; i++) {
            const double e = fabs((double)a[o][i] - b[o][i]), v = fabs((double)a[o][i]); /* two fmax in one loop: gcc 12 for aarch64 ends with an internal error */
            d = e > d ? e : d;
            top = v > top ? v : top;
        }
        worst = fmax(worst, d / top);
    }
    return worst;
}

int npi_quantizer_equalize(struct npi_quantizer *q, const void *sample, struct np_error *err) {
    struct npi_arena mem;
    npi_arena_init(&mem, 0);
    int n = 0, r = 0;
    float **before = npi_arena_array(&mem, float *, q->g.n_outputs + 1), **after = npi_arena_array(&mem, float *, q->g.n_outputs + 1);
    struct npi_node *old = npi_arena_array(&mem, struct npi_node, q->g.n_nodes + 1);
    int **old_in = npi_arena_array(&mem, int *, q->g.n_nodes + 1);
    if (!before || !after || !old || !old_in) r = npi_fail(err, NP_ENOMEM, "%s: out of memory", q->g.path);
    if (r == 0 && sample) r = outputs_on(q, sample, before, &mem, err);
    for (int i = 0; r == 0 && i < q->g.n_nodes; i++) {
        const struct npi_node *x = &q->g.node[i];
        if (!(old_in[i] = npi_arena_array(&mem, int, x->n_in + 1))) r = npi_fail(err, NP_ENOMEM, "%s: out of memory", q->g.path);
        else memcpy(old_in[i], x->in, sizeof *x->in * (size_t)x->n_in);
    }
    for (int round = 0; round < 2 && r == 0; round++) /* chains: what a pair gained, the next one moves */
        for (int i = 0; i < q->g.n_nodes && r >= 0; i++) {
            const struct npi_node *x = &q->g.node[i];
            if (!npi_quant_conv_ok(&q->g, x) || !scales(&x->act)) continue;
            const int f = follower(q, x->out[0]);
            if (f < 0) continue;
            if ((r = equalize_pair(q, i, f)) < 0) npi_fail(err, r, "%s: out of memory", q->g.path);
            else if (round == 0) n += r;
            if (r > 0) r = 0;
        }
    if (r == 0 && n && sample && (r = outputs_on(q, sample, after, &mem, err)) == 0 && moved(q, before, after) > 1e-3) {
        for (int i = 0; i < q->g.n_nodes; i++) memcpy(q->g.node[i].in, old_in[i], sizeof *old_in[i] * (size_t)q->g.node[i].n_in);
        n = 0;
    }
    npi_arena_free(&mem);
    return r < 0 ? r : n;
}
