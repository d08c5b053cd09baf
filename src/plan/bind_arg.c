/* SPDX-License-Identifier: Apache-2.0 */
/* ArgMax and ArgMin of floats and bytes over one axis, [outer][k][inner] -> [outer][inner]. With an inner part many columns go
 * side by side, which compilers turn into vector code; without one, the best value of a row first and then its place.
 * The first NaN wins, as in the reference. Bytes are compared as stored: quantization keeps the order. */
#include <limits.h>

#include "plan/bind_elem.h"

enum { COLUMNS = 256, ROWS_BLOCK = 16384 };

typedef void (*columns_fn)(int32_t *at, const void *x, int64_t k, int64_t inner, int m);
typedef int64_t (*row_fn)(const void *x, int64_t k);

struct params {
    columns_fn columns;
    row_fn row;
    int x, y, out64, size;
    int64_t outer, k, inner, pieces, rows_per_task;
};

/* BETTER(x, b): x takes the place of b; with _first only when it is really better, with _last also when equal. */
#define IS_NAN(x) ((x) != (x))
#define MAX_FIRST(x, b) ((x) > (b) || (IS_NAN(x) && !IS_NAN(b)))
#define MAX_LAST(x, b) ((x) >= (b) || (IS_NAN(x) && !IS_NAN(b)))
#define MIN_FIRST(x, b) ((x) < (b) || (IS_NAN(x) && !IS_NAN(b)))
#define MIN_LAST(x, b) ((x) <= (b) || (IS_NAN(x) && !IS_NAN(b)))

#define ARG(type, name, BETTER)                                                                                        \
    static void columns_##name(int32_t *at, const void *px, int64_t k, int64_t inner, int m) {                         \
        const type *x = px;                                                                                            \
        type best[COLUMNS];                                                                                            \
        for (int i = 0; i < m; i++) best[i] = x[i], at[i] = 0;                                                         \
        for (int64_t r = 1; r < k; r++) {                                                                              \
            x += inner;                                                                                                \
            for (int i = 0; i < m; i++) {                                                                              \
                const int better = BETTER(x[i], best[i]);                                                              \
                best[i] = better ? x[i] : best[i];                                                                     \
                at[i] = better ? (int32_t)r : at[i];                                                                   \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static int64_t row_##name(const void *px, int64_t k) {                                                             \
        const type *const x = px;                                                                                      \
        int64_t at = 0;                                                                                                \
        type best = x[0];                                                                                              \
        for (int64_t r = 1; r < k; r++)                                                                                \
            if (BETTER(x[r], best)) best = x[r], at = r;                                                               \
        return at;                                                                                                     \
    }
#define ARGS(type, t) ARG(type, t##_max, MAX_FIRST) ARG(type, t##_max_last, MAX_LAST) ARG(type, t##_min, MIN_FIRST) ARG(type, t##_min_last, MIN_LAST)
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wtautological-compare" /* x != x of an integer */
#endif
ARGS(float, f32)
ARGS(int8_t, i8)
ARGS(uint8_t, u8)

#define FNS(t) { { columns_##t##_max, row_##t##_max }, { columns_##t##_max_last, row_##t##_max_last }, \
                 { columns_##t##_min, row_##t##_min }, { columns_##t##_min_last, row_##t##_min_last } }
static const struct { columns_fn columns; row_fn row; } fns[3][4] = { FNS(f32), FNS(i8), FNS(u8) };

static void put(const struct params *p, void *y, int64_t i, int64_t v) {
    if (p->out64) ((int64_t *)y)[i] = v;
    else ((int32_t *)y)[i] = (int32_t)v;
}

static void run_columns(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t o = task / p->pieces, from = task % p->pieces * COLUMNS;
    const int m = (int)(p->inner - from < COLUMNS ? p->inner - from : COLUMNS);
    int32_t at[COLUMNS];
    p->columns(at, (const char *)e->ptr[p->x] + (o * p->k * p->inner + from) * p->size, p->k, p->inner, m);
    for (int i = 0; i < m; i++) put(p, e->ptr[p->y], o * p->inner + from + i, at[i]);
}

static void run_rows(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t first = task * p->rows_per_task, last = first + p->rows_per_task < p->outer ? first + p->rows_per_task : p->outer;
    for (int64_t r = first; r < last; r++) put(p, e->ptr[p->y], r, p->row((const char *)e->ptr[p->x] + r * p->k * p->size, p->k));
}

int npi_bind_arg(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->op != NPI_OP_ARGMAX && n->op != NPI_OP_ARGMIN) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const y = npi_bind_view(b, n->out[0]);
    const int type = x->dtype == NP_F32 ? 0 : x->dtype == NP_I8 ? 1 : x->dtype == NP_U8 ? 2 : -1;
    if (type < 0 || x->data || npi_view_count(x) < 1) return 0;
    const int axis = n->a.reduce.axis < 0 ? n->a.reduce.axis + x->rank : n->a.reduce.axis;
    const int kind = (n->op == NPI_OP_ARGMIN ? 2 : 0) + (n->a.reduce.select_last != 0);
    struct params q = { .columns = fns[type][kind].columns, .row = fns[type][kind].row, .x = n->in[0], .y = n->out[0], .out64 = y->dtype == NP_I64,
                        .size = (int)np_dtype_size(x->dtype), .outer = 1, .k = x->d[axis], .inner = 1 };
    for (int i = 0; i < axis; i++) q.outer *= x->d[i];
    for (int i = axis + 1; i < x->rank; i++) q.inner *= x->d[i];
    q.pieces = (q.inner + COLUMNS - 1) / COLUMNS;
    q.rows_per_task = q.k < ROWS_BLOCK ? ROWS_BLOCK / q.k : 1;
    const int64_t tasks = q.inner > 1 ? q.outer * q.pieces : (q.outer + q.rows_per_task - 1) / q.rows_per_task;
    if (q.k > INT32_MAX || tasks > 1 << 30) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = q;
    s->kernel = q.inner > 1 ? "arg_columns" : "arg_rows";
    s->run = q.inner > 1 ? run_columns : run_rows;
    s->n_tasks = (int)tasks;
    s->params = p;
    return 1;
}
