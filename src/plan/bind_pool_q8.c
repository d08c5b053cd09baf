/* SPDX-License-Identifier: Apache-2.0 */
/* MaxPool2D of 8-bit tensors whose quantization does not change: a maximum of bytes. A task is some output rows. */
#include <limits.h>

#include "ops/quantize.h"
#include "ops/window.h"
#include "plan/bind_q8.h"

enum { TAPS = 256 };

struct params {
    struct npi_elem_q8 k;
    struct npi_window win;
    int x_id, y_id;
    int64_t h, wd, c, oh, ow, rows;
    int rows_per_task;
    uint8_t flip;
};

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const struct npi_window *const w = &p->win;
    const uint8_t *px[TAPS];
    const int64_t first = (int64_t)task * p->rows_per_task, last = first + p->rows_per_task < p->rows ? first + p->rows_per_task : p->rows;
    for (int64_t r = first; r < last; r++) {
        const int64_t iy = r % p->oh * w->sh - w->pt;
        const uint8_t *const image = (const uint8_t *)e->ptr[p->x_id] + (size_t)(r / p->oh * p->h * p->wd * p->c);
        uint8_t *y = (uint8_t *)e->ptr[p->y_id] + (size_t)(r * p->ow * p->c);
        int ky0, ky1, kx0, kx1;
        npi_window_taps(iy, w->kh, w->dh, p->h, &ky0, &ky1);
        for (int64_t ox = 0; ox < p->ow; ox++, y += p->c) {
            const int64_t ix = ox * w->sw - w->pl;
            int taps = 0;
            npi_window_taps(ix, w->kw, w->dw, p->wd, &kx0, &kx1);
            for (int ky = ky0; ky < ky1; ky++)
                for (int kx = kx0; kx < kx1; kx++) px[taps++] = image + (size_t)(((iy + (int64_t)ky * w->dh) * p->wd + ix + (int64_t)kx * w->dw) * p->c);
            p->k.max(y, px, taps, (size_t)p->c, p->flip);
        }
    }
}

int npi_bind_pool_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->op != NPI_OP_MAXPOOL2D || (n->n_out > 1 && n->out[1] >= 0) || n->act.kind) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const y = npi_bind_view(b, n->out[0]);
    const struct npi_window *const w = &n->a.pool.win;
    if ((x->dtype != NP_I8 && x->dtype != NP_U8) || !npi_q_same(x, y) || (int64_t)w->kh * w->kw > TAPS) return 0;
    const int64_t rows = y->d[0] * y->d[1];
    if (rows < 1 || rows > INT_MAX || !npi_window_covers(x->d[1], y->d[1], w->kh, w->sh, w->dh, w->pt) || !npi_window_covers(x->d[2], y->d[2], w->kw, w->sw, w->dw, w->pl)) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .k = b->k->elem_q8, .win = *w, .x_id = n->in[0], .y_id = n->out[0], .h = x->d[1], .wd = x->d[2], .c = x->d[3], .oh = y->d[1], .ow = y->d[2],
                          .rows = rows, .flip = x->dtype == NP_U8 ? 0x80 : 0 };
    const int64_t per_task = 200000 / (y->d[2] * p->c * w->kh * w->kw + 1);
    p->rows_per_task = per_task < 1 ? 1 : per_task > rows ? (int)rows : (int)per_task;
    s->kernel = "maxpool_q8";
    s->run = run;
    s->n_tasks = (int)((rows + p->rows_per_task - 1) / p->rows_per_task);
    s->params = p;
    return 1;
}
