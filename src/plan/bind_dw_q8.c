/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized DepthwiseConv2D with one output a channel. A task is some output rows; for each row it lists the pixels that the
 * window passes over (padding points at a vector of zeros), and the kernel does all channels. */
#include <limits.h>
#include <string.h>

#include "ops/quantize.h"
#include "plan/bind_q8.h"
#include "plan/gemm_q8_step.h"

struct params {
    struct npi_dwconv_q8 d;
    struct npi_dwconv_q8_row row; /* all but px and y */
    struct npi_window win;
    int x_id, y_id;
    int64_t h, wd, oh, rows;      /* rows of all images */
    int columns, rows_per_task;   /* columns 0: the kernel works by columns and needs no list of pixels */
};

/* Rows under the taps; rows outside the image are the border's. */
static void list_rows(const struct params *p, const uint8_t **line, const uint8_t *x, int64_t image, int64_t oy) {
    for (int ky = 0; ky < p->win.kh; ky++) {
        const int64_t iy = oy * p->win.sh - p->win.pt + (int64_t)ky * p->win.dh;
        line[ky] = iy >= 0 && iy < p->h ? x + (size_t)((image * p->h + iy) * p->wd * p->row.c) : p->row.border;
    }
}

static void list_pixels(const struct params *p, const uint8_t **px, const uint8_t *x, int64_t image, int64_t oy) {
    const struct npi_window *const w = &p->win;
    const size_t c = (size_t)p->row.c;
    for (int ky = 0; ky < w->kh; ky++) {
        const int64_t iy = oy * w->sh - w->pt + (int64_t)ky * w->dh;
        const int inside = iy >= 0 && iy < p->h;
        const uint8_t *row = inside ? x + (size_t)((image * p->h + iy) * p->wd) * c : p->row.border;
        const int left = inside && w->pl < p->columns ? w->pl : p->columns, room = p->columns - left; /* border, pixels, border */
        const int n = inside ? p->wd < room ? (int)p->wd : room : 0;
        const uint8_t **at = px + ky;
        for (int i = 0; i < left; i++, at += w->kh) *at = p->row.border;
        for (int i = 0; i < n; i++, at += w->kh, row += c) *at = row;
        for (int i = left + n; i < p->columns; i++, at += w->kh) *at = p->row.border;
    }
}

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const uint8_t **const px = p->columns ? npi_exec_scratch(e, worker) : NULL;
    struct npi_dwconv_q8_row row = p->row;
    row.px = px;
    const int64_t first = (int64_t)task * p->rows_per_task, last = first + p->rows_per_task < p->rows ? first + p->rows_per_task : p->rows;
    for (int64_t r = first; r < last; r++) {
        if (p->columns) list_pixels(p, px, e->ptr[p->x_id], r / p->oh, r % p->oh);
        else list_rows(p, row.line, e->ptr[p->x_id], r / p->oh, r % p->oh);
        row.y = (uint8_t *)e->ptr[p->y_id] + (size_t)r * (size_t)row.n * (size_t)row.c;
        p->d.row(&row);
    }
}

static int pack(struct npi_binder *b, const struct npi_node *n, struct params *p) {
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const w = npi_bind_view(b, n->in[1]), *const y = npi_bind_view(b, n->out[0]);
    const struct npi_view *const bias = n->n_in > 2 ? npi_bind_view(b, n->in[2]) : NULL;
    const int32_t none = 0;
    struct npi_dwconv_q8_layer l = { .w = w->data, .w_u8 = w->dtype == NP_U8, .zw = w->q.zero ? w->q.zero : &none, .zw_each = w->q.zero && w->q.n > 1, .kh = p->win.kh,
                                     .kw = p->win.kw, .sw = p->win.sw, .dw = p->win.dw, .c = p->row.c, .zx = p->row.zx, .x_u8 = p->row.x_u8 };
    int32_t *bi;
    float *sc;
    const int r = npi_q8_factors(b, x, w, bias, y, p->row.c, (int64_t)p->win.kh * p->win.kw, &bi, &sc);
    if (r != 1) return r;
    l.bias = bi;
    l.scale = sc;
    p->d = npi_dwconv_q8_fits(&b->k->dwconv_q8, &l) ? b->k->dwconv_q8 : b->k->dwconv_q8_wide;
    p->row.w_block = npi_dwconv_q8_block_bytes(&p->d, l.kh, l.kw, l.sw, l.dw);
    void *const packed = npi_arena_calloc(b->mem, (size_t)((l.c + p->d.block - 1) / p->d.block), p->row.w_block);
    const int by_columns = npi_dwconv_q8_by_columns(&p->d, l.kh, l.kw, l.sw, l.dw);
    const size_t border_bytes = (size_t)l.c * (by_columns ? (size_t)p->wd : 1) + NPI_TAIL;
    uint8_t *const border = npi_arena_alloc(b->mem, border_bytes);
    if (!packed || !border) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
    npi_dwconv_q8_pack(&p->d, packed, &l);
    memset(border, p->row.zx, border_bytes);
    if (by_columns) p->columns = 0;
    p->row.w = packed;
    p->row.border = border;
    return 1;
}

int npi_bind_dw_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->op != NPI_OP_DWCONV2D || (n->n_in > 3 && n->in[3] >= 0)) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const w = npi_bind_view(b, n->in[1]), *const y = npi_bind_view(b, n->out[0]);
    const struct npi_window *const win = &n->a.conv.win;
    const int64_t c = x->d[3], columns = (y->d[2] - 1) * win->sw + (int64_t)(win->kw - 1) * win->dw + 1;
    if (!npi_q8_takes(x, w, n->n_in > 2 ? npi_bind_view(b, n->in[2]) : NULL, y, &n->act, c) || y->d[3] != c) return 0;
    if ((int64_t)win->kh * win->kw > NPI_DW_Q8_TAPS || columns * win->kh > INT_MAX / 16 || x->d[2] > INT_MAX / 64 || c > INT_MAX / 64 || y->d[0] * y->d[1] > INT_MAX || y->d[2] > INT_MAX / 64) return 0;
    if (y->d[0] * y->d[1] * y->d[2] < 1) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .win = *win, .x_id = n->in[0], .y_id = n->out[0], .h = x->d[1], .wd = x->d[2], .oh = y->d[1], .rows = y->d[0] * y->d[1], .columns = (int)columns };
    p->row = (struct npi_dwconv_q8_row){ .kh = win->kh, .kw = win->kw, .sw = win->sw, .dw = win->dw, .n = (int)y->d[2], .c = (int)c, .x_u8 = x->dtype == NP_U8,
                                         .zx = npi_q_zero(x, 0), .wd = (int)x->d[2], .pl = win->pl,
                                         .out = npi_q8_out_of(&n->act, y) };
    const int r = pack(b, n, p);
    if (r != 1) return r;
    const int64_t want = p->rows * y->d[2] * c * (win->kh * win->kw + 6) / 500000; /* about 10 us with AVX-512 VNNI */
    p->rows_per_task = want <= 1 ? (int)p->rows : want < p->rows ? (int)((p->rows + want - 1) / want) : 1;
    s->kernel = p->d.name;
    s->run = run;
    s->n_tasks = (int)((p->rows + p->rows_per_task - 1) / p->rows_per_task);
    s->params = p;
    s->packed_in = 6;
    s->scratch_bytes = (size_t)p->columns * (size_t)win->kh * sizeof(uint8_t *);
    s->macs = p->rows * y->d[2] * c * win->kh * win->kw;
    return 1;
}
