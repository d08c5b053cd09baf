/* SPDX-License-Identifier: Apache-2.0 */
#include "pass/util.h"

int npi_rewrite_index(struct npi_rewrite *w) {
    npi_arena_reset(&w->tmp);
    return npi_graph_index(w->g, &w->tmp, &w->ix) < 0 ? npi_fail(w->err, NP_ENOMEM, "%s: out of memory", w->g->path) : 0;
}

int npi_rewrite_begin(struct npi_rewrite *w, struct npi_graph *g, struct np_error *err) {
    *w = (struct npi_rewrite){ .g = g, .err = err };
    npi_arena_init(&w->tmp, 0);
    return npi_rewrite_index(w);
}

int npi_rewrite_end(struct npi_rewrite *w, int r) {
    npi_arena_free(&w->tmp);
    return r < 0 ? r : w->changed;
}

int npi_const_scalar_f32(const struct npi_graph *g, int t, float *value) {
    if (!npi_is_const(g, t)) return 0;
    const struct npi_view *v = &g->tensor[t].v;
    if (v->dtype != NP_F32 || npi_view_count(v) != 1) return 0;
    *value = *(const float *)v->data;
    return 1;
}

int npi_const_per_channel(const struct npi_graph *g, int t, int64_t c) {
    if (!npi_is_const(g, t)) return 0;
    const struct npi_view *v = &g->tensor[t].v;
    const int64_t n = npi_view_count(v);
    if (v->dtype != NP_F32) return 0;
    return n == 1 || (n == c && v->rank >= 1 && v->d[v->rank - 1] == c);
}

void npi_bypass(struct npi_graph *g, struct npi_node *n, int t) {
    n->dead = 1;
    const int from = n->out[0];
    int shown = !*g->tensor[from].name, is_output = 0; /* shown: t has a name that the user knows already */
    for (int i = 0; i < g->n_inputs; i++) shown |= g->input[i] == t;
    for (int i = 0; i < g->n_outputs; i++) {
        shown |= g->output[i] == t;
        is_output |= g->output[i] == from;
    }
    if (is_output && !shown) g->tensor[t].name = g->tensor[from].name;
    npi_graph_replace_uses(g, from, t);
}
