/* SPDX-License-Identifier: Apache-2.0 */
/* MaxPool2D and AveragePool2D of f32. A task is some output rows; for each output pixel the taps inside the input are listed
 * and the kernel takes their maximum or sum over all channels. An average over the whole image is one sum of rows instead. A large maximum goes down the
 * columns into scratch first and then along them: 5 + 5 taps instead of 25 (and what a NaN hides is another set of values). */
#include <limits.h>
#include <math.h>

#include "ops/window.h"
#include "plan/bind_spatial.h"

enum { TAPS = 256, TASK_VALUES = 200000 };

struct params {
    struct npi_pool k;
    struct npi_window win;
    int x_id, y_id, average, include_pad;
    int64_t h, wd, c, oh, ow, rows;
    int64_t ldx, ldy;          /* values from pixel to pixel */
    int rows_per_task;
    float lo, hi;
};

/* Taps of an average's divisor along one dim: those inside input and padding, or inside the input. */
static int64_t counted(const struct params *p, int64_t pos, int k, int d, int64_t in, int p0, int p1) {
    int k0, k1;
    if (p->include_pad) npi_window_taps(pos + p0, k, d, in + p0 + p1, &k0, &k1);
    else npi_window_taps(pos, k, d, in, &k0, &k1);
    return k1 - k0;
}

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const struct npi_window *const w = &p->win;
    const float *tap[TAPS];
    const int64_t first = (int64_t)task * p->rows_per_task, last = first + p->rows_per_task < p->rows ? first + p->rows_per_task : p->rows;
    for (int64_t r = first; r < last; r++) {
        const int64_t iy = r % p->oh * w->sh - w->pt;
        const float *const image = (const float *)e->ptr[p->x_id] + r / p->oh * p->h * p->wd * p->ldx;
        float *y = (float *)e->ptr[p->y_id] + r * p->ow * p->ldy;
        int ky0, ky1, kx0, kx1;
        npi_window_taps(iy, w->kh, w->dh, p->h, &ky0, &ky1);
        for (int64_t ox = 0; ox < p->ow; ox++, y += p->ldy) {
            const int64_t ix = ox * w->sw - w->pl;
            int n = 0;
            npi_window_taps(ix, w->kw, w->dw, p->wd, &kx0, &kx1);
            for (int ky = ky0; ky < ky1; ky++)
                for (int kx = kx0; kx < kx1; kx++) tap[n++] = image + ((iy + (int64_t)ky * w->dh) * p->wd + ix + (int64_t)kx * w->dw) * p->ldx;
            if (!p->average) {
                p->k.max_f32(y, tap, n, (size_t)p->c, p->lo, p->hi);
            } else {
                const int64_t by = counted(p, iy, w->kh, w->dh, p->h, w->pt, w->pb) * counted(p, ix, w->kw, w->dw, p->wd, w->pl, w->pr);
                p->k.avg_f32(y, tap, n, (size_t)p->c, 1.f / (float)by);
            }
        }
    }
}

static void run_apart(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const struct npi_window *const w = &p->win;
    const float *tap[TAPS];
    float *const column = npi_exec_scratch(e, worker);
    const int64_t first = (int64_t)task * p->rows_per_task, last = first + p->rows_per_task < p->rows ? first + p->rows_per_task : p->rows;
    for (int64_t r = first; r < last; r++) {
        const int64_t iy = r % p->oh * w->sh - w->pt;
        const float *const image = (const float *)e->ptr[p->x_id] + r / p->oh * p->h * p->wd * p->ldx;
        float *y = (float *)e->ptr[p->y_id] + r * p->ow * p->ldy;
        int k0, k1;
        npi_window_taps(iy, w->kh, w->dh, p->h, &k0, &k1);
        for (int64_t x = 0; x < p->wd; x++) {
            for (int k = k0; k < k1; k++) tap[k - k0] = image + ((iy + (int64_t)k * w->dh) * p->wd + x) * p->ldx;
            p->k.max_f32(column + x * p->c, tap, k1 - k0, (size_t)p->c, -INFINITY, INFINITY);
        }
        for (int64_t ox = 0; ox < p->ow; ox++, y += p->ldy) {
            const int64_t ix = ox * w->sw - w->pl;
            npi_window_taps(ix, w->kw, w->dw, p->wd, &k0, &k1);
            for (int k = k0; k < k1; k++) tap[k - k0] = column + (ix + (int64_t)k * w->dw) * p->c;
            p->k.max_f32(y, tap, k1 - k0, (size_t)p->c, p->lo, p->hi);
        }
    }
}

static void run_whole(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t area = p->h * p->wd;
    p->k.mean_f32((float *)e->ptr[p->y_id] + task * p->ldy, (const float *)e->ptr[p->x_id] + task * area * p->ldx, (size_t)area, (size_t)p->ldx, (size_t)p->c, 1.f / (float)area);
}

static int is_whole(const struct npi_binder *b, const struct npi_node *n) { /* one average of the whole picture */
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const y = npi_bind_view(b, n->out[0]);
    const struct npi_window *const w = &n->a.pool.win;
    return n->op == NPI_OP_AVGPOOL2D && y->d[1] == 1 && y->d[2] == 1 && w->kh == x->d[1] && w->kw == x->d[2] && !(w->pt | w->pl | w->pb | w->pr) && w->dh == 1 && w->dw == 1;
}

int npi_pool_takes(const struct npi_binder *b, const struct npi_node *n) {
    if ((n->op != NPI_OP_MAXPOOL2D && n->op != NPI_OP_AVGPOOL2D) || (n->n_out > 1 && n->out[1] >= 0)) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const y = npi_bind_view(b, n->out[0]);
    const struct npi_window *const w = &n->a.pool.win;
    const int average = n->op == NPI_OP_AVGPOOL2D;
    if (x->dtype != NP_F32 || y->dtype != NP_F32 || (n->act.kind && (average || n->act.kind != NPI_ACT_CLAMP))) return 0;
    const int64_t rows = y->d[0] * y->d[1];
    if (rows < 1 || rows > INT_MAX || !npi_window_covers(x->d[1], y->d[1], w->kh, w->sh, w->dh, w->pt) || !npi_window_covers(x->d[2], y->d[2], w->kw, w->sw, w->dw, w->pl)) return 0;
    return is_whole(b, n) || (int64_t)w->kh * w->kw <= TAPS;
}

int npi_bind_pool(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (!npi_pool_takes(b, n)) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const y = npi_bind_view(b, n->out[0]);
    const struct npi_window *const w = &n->a.pool.win;
    const int average = n->op == NPI_OP_AVGPOOL2D, whole = is_whole(b, n);
    const int64_t rows = y->d[0] * y->d[1];
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .k = b->k->pool, .win = *w, .x_id = n->in[0], .y_id = n->out[0], .average = average, .include_pad = n->a.pool.count_include_pad, .h = x->d[1],
                          .wd = x->d[2], .c = x->d[3], .oh = y->d[1], .ow = y->d[2], .rows = rows, .ldx = b->ldx ? b->ldx : x->d[3], .ldy = b->ld ? b->ld : x->d[3], .lo = -INFINITY, .hi = INFINITY };
    if (n->act.kind) p->lo = n->act.lo, p->hi = n->act.hi;
    const int64_t direct = y->d[2] * w->kh * w->kw, apart = x->d[2] * w->kh + y->d[2] * w->kw; /* taps of a row */
    const int in_two = !average && 4 * apart < 3 * direct;
    const int64_t per_task = TASK_VALUES / ((in_two ? apart : direct) * p->c + 1);
    p->rows_per_task = per_task < 1 ? 1 : per_task > rows ? (int)rows : (int)per_task;
    s->kernel = average ? "avgpool_f32" : "maxpool_f32";
    s->run = whole ? run_whole : in_two ? run_apart : run;
    s->scratch_bytes = in_two ? (size_t)(p->wd * p->c) * sizeof(float) + NPI_TAIL : 0;
    s->n_tasks = whole ? (int)rows : (int)((rows + p->rows_per_task - 1) / p->rows_per_task);
    s->params = p;
    s->strided = 1;
    return 1;
}
