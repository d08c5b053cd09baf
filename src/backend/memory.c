/* SPDX-License-Identifier: Apache-2.0 */
/* What the memory of a model and a session is made of, for `nextpose bench model --profile`: the step at which most is alive, and what that is. */
#include "backend/model.h"

#include <stdio.h>

enum { SHOWN = 5 };

static double mb(size_t bytes) { return (double)bytes / (1 << 20); }

/* Step s reads or writes the memory of tensor t. */
static void touch(const struct npi_plan *p, int t, int s, int *first, int *last) {
    if (t < 0 || p->offset[t] < 0) return;
    const int r = p->root[t];
    if (first[r] > s) first[r] = s;
    if (last[r] < s) last[r] = s;
}

static void lives(const struct np_model *m, int *first, int *last) {
    const struct npi_graph *const g = &m->graph;
    const struct npi_plan *const p = &m->plan;
    for (int t = 0; t < g->n_tensors; t++) first[t] = p->n_steps + 1, last[t] = -1;
    for (int i = 0; i < g->n_inputs; i++) touch(p, g->input[i], -1, first, last);
    for (int s = 0; s < p->n_steps; s++) {
        const struct npi_step *const st = &p->step[s];
        for (int k = 0; k <= st->n_also; k++) {
            const struct npi_node *const n = npi_step_node(g, st, k);
            for (int i = 0; i < n->n_in; i++) touch(p, n->in[i], s, first, last);
            for (int i = 0; i < n->n_out; i++) touch(p, n->out[i], s, first, last);
        }
    }
    for (int i = 0; i < g->n_outputs; i++) touch(p, g->output[i], p->n_steps, first, last);
}

static void show(const struct np_model *m, int at, size_t most, const int *first, const int *last, void (*line)(void *opaque, const char *text), void *opaque) {
    const struct npi_graph *const g = &m->graph;
    char buf[320];
    snprintf(buf, sizeof buf, "memory       weights %.2f MB, activations %.2f MB, scratch %.2f MB a thread; most is alive at step %d: %.2f MB", mb(m->mem.total_bytes), mb(m->plan.arena_bytes),
             mb(m->plan.scratch_bytes), at, mb(most));
    line(opaque, buf);
    size_t below = SIZE_MAX;
    for (int shown = 0, after = -1; shown < SHOWN; shown++) { /* the largest, one after the other */
        int best = -1;
        size_t size = 0;
        for (int t = 0; t < g->n_tensors; t++) {
            const size_t n = npi_view_bytes(&g->tensor[t].v);
            if (first[t] > at || last[t] < at || n > below || (n == below && t <= after) || n <= size) continue;
            best = t;
            size = n;
        }
        if (best < 0) return;
        const struct npi_view *const v = &g->tensor[best].v;
        int k = snprintf(buf, sizeof buf, "%10.2f MB  %-5s", mb(size), np_dtype_name(v->dtype));
        for (int i = 0; i < v->rank && k > 0 && (size_t)k < sizeof buf; i++) k += snprintf(buf + k, sizeof buf - (size_t)k, "%s%lld", i ? "x" : " ", (long long)v->d[i]);
        if (k > 0 && (size_t)k < sizeof buf) snprintf(buf + k, sizeof buf - (size_t)k, "  steps %d to %d  %s", first[best], last[best], g->tensor[best].name);
        line(opaque, buf);
        below = size;
        after = best;
    }
}

void npi_memory_dump(const struct np_model *m, void (*line)(void *opaque, const char *text), void *opaque) {
    const int n = m->graph.n_tensors;
    struct npi_arena tmp;
    npi_arena_init(&tmp, 0);
    int *const first = npi_arena_array(&tmp, int, n + 1), *const last = npi_arena_array(&tmp, int, n + 1);
    size_t most = 0;
    int at = 0;
    if (first && last) lives(m, first, last);
    for (int s = 0; first && last && s < m->plan.n_steps; s++) {
        size_t sum = 0;
        for (int t = 0; t < n; t++)
            if (first[t] <= s && last[t] >= s) sum += npi_view_bytes(&m->graph.tensor[t].v);
        if (sum > most) most = sum, at = s;
    }
    if (first && last && m->plan.n_steps) show(m, at, most, first, last, line, opaque);
    npi_arena_free(&tmp);
}
