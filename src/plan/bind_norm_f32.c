/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax, LayerNorm, RMSNorm and SoftBins of floats along the last axis: a kernel over rows. Softmax along another axis: down the columns,
 * many side by side, with the binary kernels (as heads do that take a softmax over 16 bins of 8400 boxes). */
#include <math.h>
#include <string.h>

#include "plan/bind_elem.h"

enum { ROWS_BLOCK = 16384, COLUMNS = 512 };

struct params {
    const struct npi_elem_f32 *k;
    int x, y;
    int64_t outer, n, inner;    /* [outer][n][inner], softmax over n */
    int64_t rows_per_task, pieces;
};

static void run_rows(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t first = task * p->rows_per_task, m = p->outer - first < p->rows_per_task ? p->outer - first : p->rows_per_task;
    p->k->softmax((float *)e->ptr[p->y] + first * p->n, (const float *)e->ptr[p->x] + first * p->n, (size_t)m, (size_t)p->n);
}

static void run_columns(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t from = task % p->pieces * COLUMNS, at = task / p->pieces * p->n * p->inner + from;
    const size_t m = (size_t)(p->inner - from < COLUMNS ? p->inner - from : COLUMNS);
    const float *const x = (const float *)e->ptr[p->x] + at;
    float *const y = (float *)e->ptr[p->y] + at, *const top = npi_exec_scratch(e, worker), *const sum = top + COLUMNS + NPI_TAIL / sizeof(float);
    memcpy(top, x, m * sizeof *top);
    for (int64_t i = 1; i < p->n; i++) p->k->bin[NPI_BIN_MAX].vv(top, top, x + i * p->inner, m, -INFINITY, INFINITY);
    memset(sum, 0, m * sizeof *sum);
    for (int64_t i = 0; i < p->n; i++) {
        float *const row = y + i * p->inner;
        p->k->bin[NPI_BIN_SUB].vv(row, x + i * p->inner, top, m, -INFINITY, INFINITY);
        p->k->map[NPI_MAP_EXP](row, row, m, 0, 0);
        p->k->bin[NPI_BIN_ADD].vv(sum, sum, row, m, -INFINITY, INFINITY);
    }
    p->k->map[NPI_MAP_RECIPROCAL](sum, sum, m, 0, 0);
    for (int64_t i = 0; i < p->n; i++) p->k->bin[NPI_BIN_MUL].vv(y + i * p->inner, y + i * p->inner, sum, m, -INFINITY, INFINITY);
}

int npi_bind_softmax_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    const struct npi_view *const x = npi_bind_view(b, n->in[0]);
    if (n->op != NPI_OP_SOFTMAX || !npi_plain_f32(x) || !npi_plain_f32(npi_bind_view(b, n->out[0])) || n->act.kind || x->data || npi_view_count(x) < 1) return 0;
    const int axis = n->a.norm.axis < 0 ? n->a.norm.axis + x->rank : n->a.norm.axis;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .k = &b->k->elem_f32, .x = n->in[0], .y = n->out[0], .outer = 1, .n = x->d[axis], .inner = 1 };
    for (int i = 0; i < axis; i++) p->outer *= x->d[i];
    for (int i = axis + 1; i < x->rank; i++) p->inner *= x->d[i];
    int64_t tasks;
    if (p->inner == 1) {
        p->rows_per_task = p->n < ROWS_BLOCK ? ROWS_BLOCK / p->n : 1;
        tasks = (p->outer + p->rows_per_task - 1) / p->rows_per_task;
    } else {
        p->pieces = (p->inner + COLUMNS - 1) / COLUMNS;
        tasks = p->outer * p->pieces;
        s->scratch_bytes = 2 * (COLUMNS * sizeof(float) + NPI_TAIL);
    }
    if (tasks > 1 << 30) return 0;
    s->kernel = p->inner == 1 ? "softmax_f32" : "softmax_f32_columns";
    s->run = p->inner == 1 ? run_rows : run_columns;
    s->n_tasks = (int)tasks;
    s->params = p;
    s->inplace_of = 0;
    return 1;
}

static void run_bins(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t first = task * p->rows_per_task, m = p->outer - first < p->rows_per_task ? p->outer - first : p->rows_per_task;
    p->k->bins((float *)e->ptr[p->y] + first * 3, (const float *)e->ptr[p->x] + first * p->n, (size_t)m, (size_t)p->n);
}

static int bind_bins(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    const struct npi_view *const x = npi_bind_view(b, n->in[0]);
    if (!npi_plain_f32(x) || x->data || npi_view_count(x) < 1) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .k = &b->k->elem_f32, .x = n->in[0], .y = n->out[0], .n = n->a.bins.bins, .outer = npi_view_count(x) / n->a.bins.bins };
    p->rows_per_task = p->n < ROWS_BLOCK ? ROWS_BLOCK / p->n : 1;
    const int64_t tasks = (p->outer + p->rows_per_task - 1) / p->rows_per_task;
    if (tasks > 1 << 30) return 0;
    s->kernel = "soft_bins_f32";
    s->run = run_bins;
    s->n_tasks = (int)tasks;
    s->params = p;
    return 1;
}

struct norm {
    const struct npi_elem_f32 *k;
    int x, y, rms;
    int64_t rows, n, rows_per_task;
    const float *scale, *bias;
    float eps;
};

static void run_norm(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct norm *const p = s->params;
    const int64_t first = task * p->rows_per_task, m = p->rows - first < p->rows_per_task ? p->rows - first : p->rows_per_task;
    p->k->layer_norm((float *)e->ptr[p->y] + first * p->n, (const float *)e->ptr[p->x] + first * p->n, (size_t)m, (size_t)p->n, p->scale, p->bias, p->eps, p->rms);
}

/* The n values of constant input i, `none` where it is absent; NULL: not a constant, or out of memory. */
static const float *norm_param(struct npi_binder *b, const struct npi_node *n, int i, int64_t count, float none) {
    const struct npi_view *const v = i < n->n_in ? npi_bind_view(b, n->in[i]) : NULL;
    if (v && !v->data) return NULL;
    float *const p = npi_arena_array(b->mem, float, count + NPI_TAIL / (int64_t)sizeof(float));
    const int64_t have = v ? npi_view_count(v) : 0;
    for (int64_t k = 0; p && k < count; k++) p[k] = none;
    for (int64_t k = 0; p && v && k < count; k++) memcpy(&p[k], (const char *)v->data + (have == 1 ? 0 : k) * (int64_t)sizeof *p, sizeof *p);
    return p;
}

int npi_bind_norm_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    const struct npi_view *const x = npi_bind_view(b, n->in[0]);
    if (n->op == NPI_OP_SOFT_BINS) return bind_bins(b, n, s);
    if ((n->op != NPI_OP_LAYER_NORM && n->op != NPI_OP_RMS_NORM) || n->n_out != 1 || n->act.kind || x->data || npi_view_count(x) < 1) return 0;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !npi_plain_f32(npi_bind_view(b, n->in[i]))) return 0;
    if (!npi_plain_f32(npi_bind_view(b, n->out[0]))) return 0;
    struct norm q = { .k = &b->k->elem_f32, .x = n->in[0], .y = n->out[0], .rms = n->op == NPI_OP_RMS_NORM, .n = 1, .eps = n->a.norm.eps };
    for (int i = n->a.norm.axis < 0 ? n->a.norm.axis + x->rank : n->a.norm.axis; i < x->rank; i++) q.n *= x->d[i];
    q.rows = npi_view_count(x) / q.n;
    q.rows_per_task = q.n < ROWS_BLOCK ? ROWS_BLOCK / q.n : 1;
    const int64_t tasks = (q.rows + q.rows_per_task - 1) / q.rows_per_task;
    if (tasks > 1 << 30 || !(q.scale = norm_param(b, n, 1, q.n, 1)) || !(q.bias = norm_param(b, n, 2, q.n, 0))) return 0;
    struct norm *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = q;
    s->kernel = q.rms ? "rms_norm_f32" : "layer_norm_f32";
    s->run = run_norm;
    s->n_tasks = (int)tasks;
    s->params = p;
    s->inplace_of = 0;
    return 1;
}
