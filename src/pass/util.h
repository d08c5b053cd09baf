/* SPDX-License-Identifier: Apache-2.0 */
/* What several passes need: the use index of a graph kept in an arena of its own, and questions about nodes. */
#ifndef NPI_PASS_UTIL_H
#define NPI_PASS_UTIL_H
#include "pass/pass.h"

struct npi_rewrite { struct npi_graph *g; struct npi_arena tmp; struct npi_graph_index ix; struct np_error *err; int changed; };

int npi_rewrite_begin(struct npi_rewrite *w, struct npi_graph *g, struct np_error *err); /* 0 or negative */
int npi_rewrite_index(struct npi_rewrite *w);                                            /* after edits: index anew */
int npi_rewrite_end(struct npi_rewrite *w, int r);                                       /* frees; r < 0 ? r : changed */

/* Node that makes tensor t, NULL for inputs and constants. */
static inline struct npi_node *npi_producer(const struct npi_rewrite *w, int t) {
    return t < 0 || w->ix.producer[t] < 0 || w->g->node[w->ix.producer[t]].dead ? NULL : &w->g->node[w->ix.producer[t]];
}
static inline int npi_is_const(const struct npi_graph *g, int t) { return t >= 0 && g->tensor[t].v.data != NULL; }
static inline const struct npi_view *npi_view_of(const struct npi_graph *g, int t) { return &g->tensor[t].v; }
/* One value for all elements of an f32 constant? Writes it. */
int npi_const_scalar_f32(const struct npi_graph *g, int t, float *value);
/* f32 constant that broadcasts along the last axis only (shape [c], [1,…,1,c] or one element) of an image with c channels? */
int npi_const_per_channel(const struct npi_graph *g, int t, int64_t c);
static inline float npi_const_at(const struct npi_graph *g, int t, int64_t i) {
    const struct npi_view *v = &g->tensor[t].v;
    return ((const float *)v->data)[npi_view_count(v) == 1 ? 0 : i];
}
/* The node becomes `dead` and all uses of its output 0 read `t` instead. Names of graph outputs stay with the graph output. */
void npi_bypass(struct npi_graph *g, struct npi_node *n, int t);
#endif
