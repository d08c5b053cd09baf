/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: map the file, import, run the passes, plan, then settle: what the steps still need is copied into the model's
 * own arena, the load arena and the mapping are dropped.
 *
 *   file ──import──> graph (load arena) ──passes──> graph ──plan──> steps + packed weights (model arena)
 *                                                     └──settle──> small graph without packed constants (model arena) */
#include "backend/model.h"
#include "backend/precision.h"
#include "base/log.h"
#include "cpu/cpu.h"
#include "kernel/selftest.h"
#include "pass/pass.h"

#include <string.h>

#define LOAD_LIMIT_BYTES ((size_t)4 << 30)

void np_model_params_default(struct np_model_params *p) {
    *p = (struct np_model_params){ 0 };
}

static void *dup_mem(struct npi_arena *mem, const void *p, size_t n) {
    void *q = npi_arena_alloc(mem, n);
    if (q && n) memcpy(q, p, n);
    return q;
}

/* One index of the last axis of an output; pass/slice.c carries the choice up to where the numbers are made. */
static int take_column(struct npi_graph *g, int output, int column, struct np_error *err) {
    const int t = g->output[output];
    const struct npi_view v = g->tensor[t].v;
    struct npi_node s = { .op = NPI_OP_SLICE, .name = g->tensor[t].name };
    for (int i = 0; i < v.rank; i++) {
        s.a.slice.step[i] = 1;
        s.a.slice.size[i] = v.d[i];
    }
    s.a.slice.start[v.rank - 1] = column;
    s.a.slice.size[v.rank - 1] = 1;
    const int y = npi_build1(g, &s, &t, 1, err);
    if (y < 0) return y;
    g->tensor[y].name = g->tensor[t].name;
    g->output[output] = y;
    return 0;
}

/* The volume of a soft-argmax as what the head needs of it; the planner then makes no volume (plan/chain.c). */
static int take_bins(struct npi_graph *g, int output, const struct npi_want *w, struct np_error *err) {
    static const int nhwc[4] = { 0, 2, 3, 1 };
    const int volume = g->output[output];
    const char *const name = g->tensor[volume].name;
    const struct npi_view v = g->tensor[volume].v;
    const struct npi_node n = { .op = NPI_OP_SOFT_BINS, .name = name, .a.bins.bins = w->bins };
    int t = volume;
    if (v.rank == 5) t = npi_build_reshape(g, name, t, 4, (const int64_t[]){ v.d[0], v.d[1] * v.d[2], v.d[3], v.d[4] }, err);
    if (t >= 0 && !w->channels_last) t = npi_build_transpose(g, name, t, nhwc, err);
    if (t >= 0) t = npi_build1(g, &n, &t, 1, err);
    if (t < 0) return t;
    g->tensor[t].name = name;
    g->output[output] = t;
    return 0;
}

/* Drops what nobody wants of the outputs; the passes then drop what led to it (BlazePose's segmentation, 89 of EfficientDet's 90 classes). */
static int prune(struct npi_graph *g, const struct npi_load_hooks *hooks, struct np_error *err) {
    struct npi_want *want = npi_arena_array(g->mem, struct npi_want, g->n_outputs + 1);
    int n = 0;
    if (!want) return NP_ENOMEM;
    for (int i = 0; i < g->n_outputs; i++) want[i] = (struct npi_want){ .keep = 1, .column = -1 };
    hooks->prune(hooks->opaque, g, want);
    for (int i = 0; i < g->n_outputs; i++) {
        const struct npi_view *v = &g->tensor[g->output[i]].v;
        int r = 0;
        if (!want[i].keep) continue;
        if (want[i].bins > 0) r = take_bins(g, i, &want[i], err);
        else if (want[i].column >= 0 && v->rank > 0 && v->q.n <= 1 && want[i].column < v->d[v->rank - 1]) r = take_column(g, i, want[i].column, err);
        if (r < 0) return r;
        g->output[n++] = g->output[i];
    }
    if (n) g->n_outputs = n;
    return 0;
}

/* Marks the constants that some step reads at run time. */
static void mark_kept(const struct npi_graph *g, const struct npi_plan *p, char *keep) {
    for (int s = 0; s < p->n_steps; s++) {
        const struct npi_node *n = &g->node[p->step[s].node];
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i] >= 0 && !(i < 32 && p->step[s].packed_in >> i & 1)) keep[n->in[i]] = 1;
    }
    for (int i = 0; i < g->n_outputs; i++) keep[g->output[i]] = 1;
}

/* Who owns the constants of a graph that is being planned: the load arena, a mapped file, or somebody who still needs them. */
struct sources { const struct npi_arena *load; const char *file; size_t file_size; };

static void spent(void *opaque, const void *data, size_t bytes) {
    const struct sources *const s = opaque;
    const int in_file = s->file && (const char *)data >= s->file && (size_t)((const char *)data - s->file) < s->file_size;
    if (in_file || npi_arena_owns(s->load, data)) npi_pages_drop(data, bytes);
}

/* Plan and weights of a graph that is ready; afterwards it and its constants may go. */
static int finish(struct np_model *m, struct npi_graph *g, struct npi_arena *load, const void *file, size_t file_size, struct np_error *err) {
    struct sources from = { load, file, file_size };
    const struct npi_plan_opts o = { .reference_only = m->reference_only, .spent = spent, .opaque = &from };
    /* The generic steps point at nodes of the graph they were planned on: plan on the settled one. Its constants are
     * those of the load graph while planning and are cut down afterwards. */
    char *keep = npi_arena_array(load, char, g->n_tensors + 1);
    int r;
    if (!keep || npi_graph_copy(&m->graph, g, &m->mem) < 0) return NP_ENOMEM;
    if ((r = npi_plan_make(&m->plan, &m->graph, &m->kernels, &m->mem, &o, err)) < 0) return r;
    mark_kept(&m->graph, &m->plan, keep);
    for (int t = 0; t < g->n_tensors; t++) {
        struct npi_view *v = &m->graph.tensor[t].v;
        if (!v->data) continue;
        v->data = keep[t] ? dup_mem(&m->mem, v->data, npi_view_bytes(v)) : NULL;
        if (keep[t] && !v->data) return NP_ENOMEM;
    }
    return 0;
}

int npi_model_of_graph(struct np_model **out, const struct npi_graph *from, const char *isa, int passes, struct np_error *err) {
    unsigned cpu;
    if (npi_cpu_limit(isa, npi_cpu_flags(), &cpu) < 0) return npi_fail(err, NP_EINVAL, "isa: '%s' is not a level; see `nextpose doctor`", isa);
    struct np_model *m = npi_alloc(sizeof *m);
    if (!m) return npi_fail(err, NP_ENOMEM, "%s: out of memory", from->path);
    npi_arena_init(&m->mem, LOAD_LIMIT_BYTES);
    struct npi_arena load;
    struct npi_graph g;
    npi_arena_init(&load, LOAD_LIMIT_BYTES);
    npi_kernels_trusted(&m->kernels, cpu);
    int r = npi_graph_copy(&g, from, &load); /* float products in f32: what others are measured against */
    if (r == 0) r = npi_graph_verify(&g, err);
    if (r == 0 && passes) r = npi_pass_all(&g, NULL, err);
    if (r >= 0) r = finish(m, &g, &load, NULL, 0, err);
    if (r >= 0) npi_precision_describe(m, 0);
    npi_arena_free(&load);
    if (r < 0) {
        np_model_free(&m);
        return r == NP_ENOMEM ? npi_fail(err, r, "%s: out of memory while loading", from->path) : r;
    }
    *out = m;
    return 0;
}

int npi_model_load(struct np_model **out, const void *data, size_t size, const char *path, const struct np_model_params *params,
                   const struct npi_load_hooks *hooks, struct np_error *err) {
    static const struct npi_load_hooks none;
    struct np_model_params def;
    if (!hooks) hooks = &none;
    np_model_params_default(&def);
    if (!params) params = &def;
    unsigned cpu;
    if (npi_cpu_limit(params->isa, npi_cpu_flags(), &cpu) < 0) return npi_fail(err, NP_EINVAL, "isa: '%s' is not a level; see `nextpose doctor`", params->isa);
    struct npi_compute compute;
    const char *instead;
    if (npi_compute_parse(&compute, params->precision, err) < 0) return NP_EINVAL;
    if (params->rank < 0 || params->rank > NP_MAX_RANK) return npi_fail(err, NP_EINVAL, "shape override: rank %d is not in 0..%d", params->rank, NP_MAX_RANK);

    struct np_model *m = npi_alloc(sizeof *m);
    if (!m) return npi_fail(err, NP_ENOMEM, "%s: out of memory", path);
    npi_arena_init(&m->mem, LOAD_LIMIT_BYTES);
    struct npi_arena load;
    npi_arena_init(&load, LOAD_LIMIT_BYTES);
    struct npi_graph g;
    int r = npi_graph_init(&g, &load, path);
    struct npi_import_opts o = { .path = path, .input_name = params->input_name, .rank = params->rank, .bind = hooks->bind, .opaque = hooks->opaque, .logger = &params->logger,
                                 .mapped = hooks->mapped };
    memcpy(o.dims, params->dims, sizeof o.dims);
    m->reference_only = params->no_optimize;
    const char *const wrong = npi_kernels_trusted(&m->kernels, cpu);
    if (wrong) npi_log(&params->logger, NP_LOG_WARN, "%s: %s gave wrong results in its self-test on this processor: it is not used", path, wrong);
    npi_compute_choose(&compute, &m->kernels, &instead);

    if (r < 0 || (r = npi_import(&g, data, size, &o, err)) < 0) goto fail;
    if ((r = npi_graph_verify(&g, err)) < 0) goto fail;
    if (hooks->prune && (r = prune(&g, hooks, err)) < 0) goto fail;
    if (!m->reference_only && (r = npi_pass_all(&g, &params->logger, err)) < 0) goto fail;
    if ((r = finish(m, &g, &load, hooks->mapped ? data : NULL, size, err)) < 0) goto fail;
    npi_arena_free(&load);
    npi_precision_describe(m, compute.emulate && !m->kernels.gemm_bf16.fast);
    npi_precision_tell(m, &compute, instead, &params->logger);
    npi_log(&params->logger, NP_LOG_DEBUG, "%s: %d steps, %zu KiB of weights, %zu KiB of activations, isa %s, %s", path, m->plan.n_steps,
            m->mem.total_bytes >> 10, m->plan.arena_bytes >> 10, npi_cpu_level_name(m->kernels.cpu), m->precision);
    *out = m;
    return 0;
fail:
    npi_arena_free(&load);
    np_model_free(&m);
    return r == NP_ENOMEM ? npi_fail(err, r, "%s: out of memory while loading", path) : r;
}

int np_model_load_memory(struct np_model **out, const void *data, size_t size, const struct np_model_params *p, struct np_error *err) {
    if (!out || !data) return npi_fail(err, NP_EINVAL, "np_model_load_memory: NULL argument");
    return npi_model_load(out, data, size, "(memory)", p, NULL, err);
}

int np_model_load(struct np_model **out, const char *path, const struct np_model_params *p, struct np_error *err) {
    if (!out || !path) return npi_fail(err, NP_EINVAL, "np_model_load: NULL argument");
    struct npi_file f;
    int r = npi_file_map(&f, path, err);
    if (r < 0) return r;
    r = npi_model_load(out, f.data, f.size, path, p, &(struct npi_load_hooks){ .mapped = 1 }, err);
    npi_file_unmap(&f);
    return r;
}

void np_model_free(struct np_model **m) {
    if (!m || !*m) return;
    npi_arena_free(&(*m)->mem);
    npi_free(*m);
    *m = NULL;
}

const struct npi_view *npi_model_input(const struct np_model *m, int i) { return i >= 0 && i < m->graph.n_inputs ? &m->graph.tensor[m->graph.input[i]].v : NULL; }
const struct npi_view *npi_model_output(const struct np_model *m, int i) { return i >= 0 && i < m->graph.n_outputs ? &m->graph.tensor[m->graph.output[i]].v : NULL; }
int np_model_n_inputs(const struct np_model *m) { return m->graph.n_inputs; }
int np_model_n_outputs(const struct np_model *m) { return m->graph.n_outputs; }

static int tensor_info(const struct npi_graph *g, int t, struct np_tensor_info *out) {
    const struct npi_tensor *x = &g->tensor[t];
    *out = (struct np_tensor_info){ .name = x->name, .dtype = x->v.dtype, .rank = x->v.rank, .bytes = npi_view_bytes(&x->v) };
    memcpy(out->dims, x->v.d, sizeof out->dims);
    if (x->v.q.n == 1) {
        out->scale = x->v.q.scale[0];
        out->zero_point = x->v.q.zero ? x->v.q.zero[0] : 0;
    }
    return 0;
}

int np_model_input_info(const struct np_model *m, int i, struct np_tensor_info *out) {
    return i < 0 || i >= m->graph.n_inputs ? NP_EINVAL : tensor_info(&m->graph, m->graph.input[i], out);
}

int np_model_output_info(const struct np_model *m, int i, struct np_tensor_info *out) {
    return i < 0 || i >= m->graph.n_outputs ? NP_EINVAL : tensor_info(&m->graph, m->graph.output[i], out);
}

void np_model_stats(const struct np_model *m, struct np_model_stats *out) {
    *out = (struct np_model_stats){ .weights_bytes = m->mem.total_bytes, .arena_bytes = m->plan.arena_bytes, .macs = m->plan.macs,
                                    .n_nodes = m->graph.n_nodes, .n_steps = m->plan.n_steps };
}
