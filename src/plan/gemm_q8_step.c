/* SPDX-License-Identifier: Apache-2.0 */
/* See gemm_q8_step.h. */
#include "plan/gemm_q8_step.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "ops/quantize.h"

struct params {
    struct npi_gemm_q8 g;
    struct npi_q8_out out;
    struct npi_window win;
    int x_id, y_id;
    int x_u8, zx, fill;        /* fill: byte that stands for zero in the A tile */
    int row_factor, zx_u8;
    int k, n, groups, n_panels;
    size_t lda;
    int64_t h, wd, ci, oh, ow, rows;
    int dense;                 /* windows are pixels: 1x1, stride 1, no padding */
    int direct;                /* and x is as the kernel wants A: nothing to copy for a whole tile */
    int tiles_per_task, panels_per_task, m_tasks;
    size_t ldy;                /* bytes from pixel to pixel of y */
    const char **panel;        /* [n_panels] */
    const struct npi_sink *sink; int tile_cols; size_t tile_at; /* NULL: none; where the tile [48][tile_cols] lies in scratch, behind it what the sink needs */
};

int npi_q8_takes(const struct npi_view *x, const struct npi_view *w, const struct npi_view *b, const struct npi_view *y, const struct npi_act *act, int64_t channels) {
    const struct npi_view *const all[] = { x, w, y };
    for (int i = 0; i < 3; i++) {
        if (all[i]->dtype != NP_I8 && all[i]->dtype != NP_U8) return 0;
        if (all[i]->q.n < 1 || (i != 1 && all[i]->q.n != 1)) return 0;
    }
    if (!w->data || (w->q.n != 1 && w->q.n != channels)) return 0;
    if (b && (!b->data || (b->dtype != NP_I32 && b->dtype != NP_I64))) return 0;
    return act->kind == NPI_ACT_NONE || act->kind == NPI_ACT_CLAMP;
}

int npi_q8_factors(struct npi_binder *b, const struct npi_view *x, const struct npi_view *w, const struct npi_view *bias, const struct npi_view *y, int64_t n, int64_t k,
                   int32_t **bias_out, float **scale_out) {
    int32_t *const bi = npi_arena_array(b->mem, int32_t, n);
    float *const sc = npi_arena_array(b->mem, float, n);
    if (!bi || !sc) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    for (int64_t c = 0; c < n; c++) {
        const int64_t bv = bias ? npi_get_int(bias->data, bias->dtype, c) : 0;
        const double most = 255. * 255 * (double)k + fabs((double)bv);
        sc[c] = npi_requant_scale(npi_q_scale(x, 0), npi_q_scale(w, c), npi_q_scale(y, 0));
        if (!(most < 2147483000.) || !(most * (double)sc[c] < 2147483000.)) return 0;
        bi[c] = (int32_t)bv;
    }
    *bias_out = bi;
    *scale_out = sc;
    return 1;
}

struct npi_q8_out npi_q8_out_of(const struct npi_act *act, const struct npi_view *y) {
    int32_t lo, hi;
    const int32_t shift = y->dtype == NP_U8 ? 128 : 0;
    npi_requant_bounds(act, y, &lo, &hi);
    return (struct npi_q8_out){ npi_q_zero(y, 0) - shift, lo - shift, hi - shift, shift ? 0x80 : 0 };
}

/* `pixels` windows next to each other, all taps inside x: pieces of `n` elements. */
static void copy(const struct params *p, char *dst, const uint8_t *src, int pixels, int rows, size_t n) {
    const struct npi_gemm_q8_copy c = { .dst = dst, .lda = p->lda, .src = src, .pixel_step = (size_t)p->win.sw * (size_t)p->ci,
                                        .row_step = (size_t)p->win.dh * (size_t)(p->wd * p->ci), .pixels = pixels, .rows = rows, .n = n, .is_u8 = p->x_u8, .zx = p->zx };
    p->g.copy_a(&c);
}

/* One window that may hang over the border, as a row of the tile. */
static void window(const struct params *p, char *dst, const uint8_t *image, int64_t iy0, int64_t ix) {
    const size_t tap = (size_t)p->ci * (size_t)p->g.a_bytes;
    for (int ky = 0; ky < p->win.kh; ky++) {
        const int64_t iy = iy0 + (int64_t)ky * p->win.dh;
        for (int kx = 0; kx < p->win.kw; kx++, dst += tap) {
            const int64_t at = ix + (int64_t)kx * p->win.dw;
            if (iy < 0 || iy >= p->h || at < 0 || at >= p->wd) memset(dst, p->fill, tap);
            else copy(p, dst, image + (size_t)((iy * p->wd + at) * p->ci), 1, 1, (size_t)p->ci);
        }
    }
}

/* Part of an output row: the windows inside x together, the others one by one. */
static void fill_row(const struct params *p, char *a, const uint8_t *image, int64_t oy, int64_t ox, int pixels) {
    const struct npi_window *const w = &p->win;
    const int64_t iy = oy * w->sh - w->pt;
    const int inside = iy >= 0 && iy + (int64_t)(w->kh - 1) * w->dh < p->h && (w->dw == 1 || w->kw == 1);
    for (int i = 0; i < pixels;) {
        const int64_t ix = (ox + i) * w->sw - w->pl, room = p->wd - w->kw - ix;
        char *const dst = a + (size_t)i * p->lda;
        if (!inside || ix < 0 || room < 0) {
            window(p, dst, image, iy, ix);
            i++;
            continue;
        }
        const int n = room / w->sw + 1 < pixels - i ? (int)(room / w->sw + 1) : pixels - i;
        copy(p, dst, image + (size_t)((iy * p->wd + ix) * p->ci), n, w->kh, (size_t)w->kw * (size_t)p->ci);
        i += n;
    }
}

static void fill_tile(const struct params *p, char *a, const uint8_t *x, int64_t m0, int rows) {
    if (p->dense) {
        const uint8_t *const src = x + (size_t)(m0 * p->ci);
        if ((size_t)p->k * (size_t)p->g.a_bytes == p->lda) copy(p, a, src, 1, 1, (size_t)rows * (size_t)p->k);
        else copy(p, a, src, rows, 1, (size_t)p->k);
        return;
    }
    int64_t ox = m0 % p->ow, oy = m0 / p->ow % p->oh, n = m0 / p->ow / p->oh;
    for (int r = 0; r < rows;) {
        const int pixels = p->ow - ox < rows - r ? (int)(p->ow - ox) : rows - r;
        fill_row(p, a + (size_t)r * p->lda, x + (size_t)(n * p->h * p->wd * p->ci), oy, ox, pixels);
        r += pixels;
        ox = 0;
        if (++oy < p->oh) continue;
        oy = 0;
        n++;
    }
}

static size_t tile_bytes(size_t lda) { return npi_align_up(lda * NPI_Q8_ROWS + 64, 64); }

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    char *const a = npi_exec_scratch(e, worker);
    int32_t *const row = (int32_t *)(void *)(a + tile_bytes(p->lda));
    const int m_task = task % p->m_tasks, first = task / p->m_tasks * p->panels_per_task;
    const int last = first + p->panels_per_task < p->n_panels ? first + p->panels_per_task : p->n_panels;
    const int64_t m_step = (int64_t)p->tiles_per_task * NPI_Q8_ROWS, m_begin = m_task * m_step;
    const int64_t m_end = m_begin + m_step < p->rows ? m_begin + m_step : p->rows;
    for (int64_t m0 = m_begin; m0 < m_end; m0 += NPI_Q8_ROWS) {
        const int rows = m_end - m0 < NPI_Q8_ROWS ? (int)(m_end - m0) : NPI_Q8_ROWS;
        const char *from = a;
        if (p->direct && rows == NPI_Q8_ROWS) from = (const char *)e->ptr[p->x_id] + (size_t)m0 * p->lda;
        else fill_tile(p, a, e->ptr[p->x_id], m0, rows);
        if (p->row_factor) npi_gemm_q8_row_sums(row, from, p->lda, rows, p->k, p->row_factor, p->zx_u8);
        uint8_t *const y = p->sink ? (uint8_t *)a + p->tile_at : (uint8_t *)e->ptr[p->y_id] + (size_t)m0 * p->ldy + (size_t)(first * p->g.nr);
        struct npi_gemm_q8_tile t = { .a = from, .lda = p->lda, .row = p->row_factor ? row : NULL, .rows = rows, .groups = p->groups, .out = p->out,
                                      .ldy = p->sink ? (size_t)p->tile_cols : p->ldy };
        if (p->g.enter) p->g.enter(); /* not around it all: a sink may multiply, too */
        for (int i = first; i < last; i++) {
            const int c0 = i * p->g.nr;
            t.panel = p->panel[i];
            t.nc = p->n - c0 < p->g.nr ? p->n - c0 : p->g.nr;
            t.y = y + c0 - first * p->g.nr;
            p->g.tile(&t);
        }
        if (p->g.leave) p->g.leave();
        const int n0 = first * p->g.nr, n = (last * p->g.nr < p->n ? last * p->g.nr : p->n) - n0;
        if (p->sink) p->sink->put(p->sink, e, y, (size_t)p->tile_cols, (size_t)m0, rows, n0, n, y + NPI_Q8_ROWS * p->tile_cols + NPI_TAIL);
    }
}

/* Tasks of some ten microseconds: tiles together while there are many, panels apart while there are few. */
static void split(struct params *p) {
    const int64_t tiles = (p->rows + NPI_Q8_ROWS - 1) / NPI_Q8_ROWS;
    const int64_t cost = p->rows * p->n * (p->k + 96); /* products, and what an output costs besides */
    int64_t want = cost / 2000000;                     /* about 10 us with AVX-512 VNNI */
    if (want < 1) want = 1;
    const int64_t per_task = want < tiles ? (tiles + want - 1) / want : 1;
    p->tiles_per_task = (int)(want == 1 ? tiles : per_task);
    p->m_tasks = (int)((tiles + p->tiles_per_task - 1) / p->tiles_per_task);
    int64_t blocks = want / p->m_tasks < 8 ? want / p->m_tasks : 8;
    if (blocks > p->n_panels) blocks = p->n_panels;
    if (blocks < 1) blocks = 1;
    p->panels_per_task = (int)((p->n_panels + blocks - 1) / blocks);
    while (p->sink && p->panels_per_task < p->n_panels && p->panels_per_task * p->g.nr % p->sink->granule) p->panels_per_task++;
    p->tile_cols = (int)npi_align_up((size_t)(p->panels_per_task * p->g.nr), 64);
}

/* Which table, and with it the shape of the A tile. `room` holds a panel of either. */
static void choose(const struct npi_kernels *k, struct params *p, const struct npi_gemm_q8_layer *l, void *room) {
    p->g = npi_gemm_q8_fits(&k->gemm_q8, l, room) ? k->gemm_q8 : k->gemm_q8_wide;
    p->fill = p->g.a_bytes == 1 ? p->zx_u8 : 0;
    p->groups = npi_gemm_q8_groups(&p->g, p->k);
    p->n_panels = npi_gemm_q8_panels(&p->g, p->n);
    p->lda = npi_align_up((size_t)p->groups * (size_t)(p->g.kr * p->g.a_bytes), 4);
    p->row_factor = npi_gemm_q8_row_factor(&p->g, l);
    p->direct = p->dense && p->g.a_bytes == 1 && p->x_u8 && p->lda == (size_t)p->k;
}

static int pack_into(struct npi_binder *b, struct params *p, const struct npi_gemm_q8_layer *l, void *room) {
    p->panel = npi_arena_array(b->mem, const char *, p->n_panels);
    if (!p->panel) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    for (int i = 0; i < p->n_panels; i++) {
        const size_t bytes = npi_gemm_q8_pack(&p->g, room, l, i);
        char *const panel = npi_arena_alloc(b->mem, bytes);
        if (!panel) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
        memcpy(panel, room, bytes);
        p->panel[i] = panel;
    }
    return 1;
}

static int pack(struct npi_binder *b, const struct npi_gemm_q8_job *j, struct params *p) {
    struct npi_gemm_q8_layer l = { .w = j->w->data, .w_u8 = j->w->dtype == NP_U8, .zw = npi_q_zero(j->w, 0), .n = p->n, .k = p->k, .zx = p->zx, .x_u8 = p->x_u8 };
    int32_t *bias;
    float *scale;
    const int r = npi_q8_factors(b, j->x, j->w, j->b, j->y, j->n, j->k, &bias, &scale);
    if (r != 1) return r;
    l.bias = bias;
    l.scale = scale;
    const size_t one = npi_gemm_q8_panel_room(&b->k->gemm_q8, p->n, p->k, 0), other = npi_gemm_q8_panel_room(&b->k->gemm_q8_wide, p->n, p->k, 0);
    void *const room = npi_alloc(one > other ? one : other);
    if (!room) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
    choose(b->k, p, &l, room);
    const int packed = pack_into(b, p, &l, room);
    npi_free(room);
    return packed;
}

int npi_gemm_q8_step(struct npi_binder *b, const struct npi_gemm_q8_job *j, struct npi_step *s) {
    if (!npi_q8_takes(j->x, j->w, j->b, j->y, j->act, j->n)) return 0;
    for (int64_t c = 1; c < j->w->q.n; c++)
        if (npi_q_zero(j->w, c) != npi_q_zero(j->w, 0)) return 0;
    if (j->n < 1 || j->k < 1 || j->n > INT_MAX / 64 || j->k > INT_MAX / 64 || j->batch * j->oh * j->ow > INT_MAX || j->batch * j->oh * j->ow < 1) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .out = npi_q8_out_of(j->act, j->y), .win = j->win, .x_id = j->x_id, .y_id = j->y_id, .x_u8 = j->x->dtype == NP_U8, .sink = b->sink, .ldy = (size_t)(b->ld ? b->ld : j->n),
                          .zx = npi_q_zero(j->x, 0), .k = (int)j->k, .n = (int)j->n, .h = j->h, .wd = j->wd, .ci = j->ci, .oh = j->oh, .ow = j->ow, .rows = j->batch * j->oh * j->ow };
    p->zx_u8 = p->x_u8 ? p->zx : p->zx + 128;
    p->dense = npi_window_is_pixel(&p->win);
    const int r = pack(b, j, p);
    if (r != 1) return r;
    split(p);
    s->strided = 1;
    s->kernel = p->g.name;
    s->run = run;
    s->n_tasks = p->m_tasks * ((p->n_panels + p->panels_per_task - 1) / p->panels_per_task);
    s->params = p;
    s->scratch_bytes = tile_bytes(p->lda) + NPI_Q8_ROWS * sizeof(int32_t);
    p->tile_at = npi_align_up(s->scratch_bytes, NPI_ALIGN);
    if (p->sink) s->scratch_bytes = p->tile_at + (size_t)(NPI_Q8_ROWS * p->tile_cols) + NPI_TAIL + npi_sink_scratch(p->sink, NPI_Q8_ROWS, p->tile_cols);
    s->macs = p->rows * j->n * j->k;
    s->packed_in = 1u << 1 | 1u << 2;
    return 1;
}
