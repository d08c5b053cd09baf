/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions of floats over neighbouring axes, [outer][k][inner] -> [outer][inner]: Sum, Mean, Max, Min.
 *
 * With an inner part (the mean of an image, channels last) whole rows are combined by the binary kernels; sums go through
 * a partial sum every 64 rows, so that the rounding error grows with 64 + k / 64 and not with k. Without one, lanes of a row. */
#include <math.h>
#include <string.h>

#include "plan/bind_elem.h"

enum { COLUMNS = 1024, LANES = 16, PARTIAL = 64 };

struct params {
    void (*combine)(float *y, const float *x, const float *z, size_t n, float lo, float hi);
    int kind, x, y;
    int64_t outer, k, inner, pieces, rows_per_task;
};

static void run_columns(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t o = task / p->pieces, from = task % p->pieces * COLUMNS;
    const size_t m = (size_t)(p->inner - from < COLUMNS ? p->inner - from : COLUMNS);
    const float *x = (const float *)e->ptr[p->x] + o * p->k * p->inner + from;
    float *const y = (float *)e->ptr[p->y] + o * p->inner + from, *const part = npi_exec_scratch(e, worker);
    for (int64_t i = 0; i < p->k; i += PARTIAL) {
        const int64_t end = i + PARTIAL < p->k ? i + PARTIAL : p->k;
        memcpy(part, x + i * p->inner, m * sizeof *part);
        for (int64_t r = i + 1; r < end; r++) p->combine(part, part, x + r * p->inner, m, -INFINITY, INFINITY);
        if (i == 0) memcpy(y, part, m * sizeof *y);
        else p->combine(y, y, part, m, -INFINITY, INFINITY);
    }
    if (p->kind == NPI_REDUCE_MEAN)
        for (size_t i = 0; i < m; i++) y[i] /= (float)p->k;
}

/* Each lane takes every 16th value; then the lanes are joined pairwise. NaN spreads. */
#define ROW(name, join)                                                                                       \
    static float row_##name(const float *x, int64_t n, float start) {                                         \
        float t[LANES];                                                                                       \
        for (int l = 0; l < LANES; l++) t[l] = start;                                                         \
        int64_t i = 0;                                                                                        \
        for (; i + LANES <= n; i += LANES)                                                                    \
            for (int l = 0; l < LANES; l++) { const float a = t[l], z = x[i + l]; t[l] = join; }              \
        for (int l = 0; i < n; i++, l++) { const float a = t[l], z = x[i]; t[l] = join; }                     \
        for (int w = LANES / 2; w; w /= 2)                                                                    \
            for (int l = 0; l < w; l++) { const float a = t[l], z = t[l + w]; t[l] = join; }                  \
        return t[0];                                                                                          \
    }
ROW(sum, a + z)
ROW(max, a != a || a > z ? a : z)
ROW(min, a != a || a < z ? a : z)

static void run_rows(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t first = task * p->rows_per_task, last = first + p->rows_per_task < p->outer ? first + p->rows_per_task : p->outer;
    float *const y = e->ptr[p->y];
    for (int64_t r = first; r < last; r++) {
        const float *const x = (const float *)e->ptr[p->x] + r * p->k;
        if (p->kind == NPI_REDUCE_MAX) {
            y[r] = row_max(x, p->k, -INFINITY);
        } else if (p->kind == NPI_REDUCE_MIN) {
            y[r] = row_min(x, p->k, INFINITY);
        } else {
            y[r] = row_sum(x, p->k, 0);
            if (p->kind == NPI_REDUCE_MEAN) y[r] /= (float)p->k;
        }
    }
}

int npi_bind_reduce_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    static const int bin[] = { [NPI_REDUCE_SUM] = NPI_BIN_ADD, [NPI_REDUCE_MEAN] = NPI_BIN_ADD, [NPI_REDUCE_MAX] = NPI_BIN_MAX, [NPI_REDUCE_MIN] = NPI_BIN_MIN };
    const int kind = n->a.reduce.kind;
    if (n->op != NPI_OP_REDUCE || kind < NPI_REDUCE_SUM || kind > NPI_REDUCE_MIN || n->act.kind) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]);
    if (!npi_plain_f32(x) || !npi_plain_f32(npi_bind_view(b, n->out[0])) || x->data || npi_view_count(x) < 1) return 0;
    struct params q = { .combine = b->k->elem_f32.bin[bin[kind]].vv, .kind = kind, .x = n->in[0], .y = n->out[0], .outer = 1, .k = 1, .inner = 1 };
    int state = 0; /* 0: in front of the reduced axes, 1: in them, 2: behind */
    for (int i = 0; i < x->rank; i++) {
        if (x->d[i] == 1) continue;
        const int reduced = n->a.reduce.axes >> i & 1;
        if (reduced && state == 2) return 0; /* two groups: left to the reference */
        if (reduced) state = 1;
        else if (state == 1) state = 2;
        *(reduced ? &q.k : state ? &q.inner : &q.outer) *= x->d[i];
    }
    int64_t tasks;
    if (q.inner == 1) {
        q.rows_per_task = q.k < 16384 ? 16384 / q.k : 1;
        tasks = (q.outer + q.rows_per_task - 1) / q.rows_per_task;
    } else {
        q.pieces = (q.inner + COLUMNS - 1) / COLUMNS;
        tasks = q.outer * q.pieces;
        s->scratch_bytes = COLUMNS * sizeof(float) + NPI_TAIL;
    }
    if (tasks > 1 << 30) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = q;
    s->kernel = q.inner == 1 ? "reduce_f32_rows" : "reduce_f32_columns";
    s->run = q.inner == 1 ? run_rows : run_columns;
    s->n_tasks = (int)tasks;
    s->params = p;
    return 1;
}
