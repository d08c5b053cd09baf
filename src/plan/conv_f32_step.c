/* SPDX-License-Identifier: Apache-2.0 */
/* See conv_f32_step.h. Tasks are tiles of m_tile pixels times blocks of panels, blocks fastest, so that a thread keeps
 * its tile of A in cache while it walks over the weights. */
#include "plan/conv_bf16_step.h"

#include <limits.h>
#include <string.h>

enum {
    TASK_MACS = 500000,       /* about 10 us at AVX-512 or AVX2 speed */
    MAX_TASKS = 64,
    TILE_BYTES = 192 * 1024,  /* of A: stays in the L2 of any processor we care for */
    RUN_MAX_COPY = 1024       /* floats of one window that may be copied at the edges in RUNS */
};

_Static_assert(NPI_KACT_CLAMP == (int)NPI_ACT_CLAMP && NPI_KACT_SILU == (int)NPI_ACT_SILU && NPI_KACT_SIGMOID == (int)NPI_ACT_SIGMOID &&
               NPI_KACT_HARD_SWISH == (int)NPI_ACT_HARD_SWISH && NPI_KACT_LEAKY == (int)NPI_ACT_LEAKY && NPI_KACT_TANH == (int)NPI_ACT_TANH &&
               NPI_KACT_GELU == (int)NPI_ACT_GELU, "kernel/act.h and ir/op.h number the activations alike");

struct npi_kact_f32 npi_bind_act(const struct npi_act *a) { return (struct npi_kact_f32){ a->kind, a->lo, a->hi }; }

static int memory_of(const struct npi_binder *b, int t) {
    for (int i = b->g->n_nodes - 1; i >= 0; i--) { /* nodes are in topological order: one sweep back follows the chain */
        const struct npi_node *n = &b->g->node[i];
        if (!n->dead && n->n_out == 1 && n->out[0] == t && n->op == NPI_OP_RESHAPE) t = n->in[0];
    }
    return t;
}
int npi_bind_same_memory(const struct npi_binder *b, int t, int u) { return t == u || memory_of(b, t) == memory_of(b, u); }

const float *npi_bind_const_f32(const struct npi_binder *b, int t) {
    const struct npi_view *v = npi_bind_view(b, t);
    return v && v->dtype == NP_F32 && v->q.n == 0 ? v->data : NULL;
}

int npi_bind_dims_ok(const struct npi_view *v) {
    size_t n = sizeof(float);
    for (int i = 0; i < v->rank; i++)
        if (v->d[i] < 1 || v->d[i] > INT_MAX / 8 || npi_mul_overflow(n, (size_t)v->d[i], &n) || n > SIZE_MAX / 8) return 0;
    return 1;
}

/* A stretch of output pixels of one picture row, in a tile: what the row builders work on. */
struct stretch { size_t picture; int oy, ox, n; };

static int next_stretch(const struct npi_conv_f32 *c, size_t m, size_t end, struct stretch *s) {
    if (m >= end) return 0;
    const size_t px = (size_t)c->oh * (size_t)c->ow, rest = m % px;
    *s = (struct stretch){ m / px, (int)(rest / (size_t)c->ow), (int)(rest % (size_t)c->ow), 0 };
    s->n = c->ow - s->ox;
    if ((size_t)s->n > end - m) s->n = (int)(end - m);
    return 1;
}

/* The part [lo, hi) of 0..n-1 for which 0 <= x + i * step < width (the last start that still fits is width - 1). */
static void inside(int x, int step, int width, int n, int *lo, int *hi) {
    const int first = x < 0 ? (-x + step - 1) / step : 0, end = x >= width ? 0 : (width - 1 - x) / step + 1;
    *lo = first < n ? first : n;
    *hi = end < n ? end : n;
    if (*hi < *lo) *hi = *lo;
}

static void rows_taps(const struct npi_conv_f32 *c, const float *x, size_t m0, int m, const float **rows) {
    const struct npi_window *win = &c->win;
    const size_t picture = (size_t)c->h * (size_t)c->w * (size_t)c->ci, step = (size_t)win->sw * (size_t)c->ci;
    struct stretch s;
    for (size_t at = 0; next_stretch(c, m0 + at, m0 + (size_t)m, &s); at += (size_t)s.n) {
        const float **r = rows + at;
        for (int ky = 0; ky < win->kh; ky++) {
            const int y = s.oy * win->sh - win->pt + ky * win->dh;
            for (int kx = 0; kx < win->kw; kx++, r += c->m_tile) {
                const int x0 = s.ox * win->sw - win->pl + kx * win->dw;
                int lo = s.n, hi = s.n;
                if (y >= 0 && y < c->h) inside(x0, win->sw, c->w, s.n, &lo, &hi);
                for (int i = 0; i < lo; i++) r[i] = c->zero;
                if (lo < hi) {
                    const float *p = x + s.picture * picture + ((size_t)y * (size_t)c->w + (size_t)(x0 + lo * win->sw)) * (size_t)c->ci;
                    for (int i = lo; i < hi; i++, p += step) r[i] = p;
                }
                for (int i = hi; i < s.n; i++) r[i] = c->zero;
            }
        }
    }
}

/* A window row that sticks out: its inside part between zeros. */
static void copy_run(const struct npi_conv_f32 *c, const float *row, int x, float *dst) {
    const int ci = c->ci, left = x < 0 ? (-x < c->win.kw ? -x : c->win.kw) : 0;
    int n = c->w - (x + left);
    if (n > c->win.kw - left) n = c->win.kw - left;
    if (n < 0) n = 0;
    memset(dst, 0, (size_t)c->k * sizeof *dst);
    if (n) memcpy(dst + left * ci, row + (ptrdiff_t)(x + left) * ci, (size_t)(n * ci) * sizeof *dst);
}

static void rows_runs(const struct npi_conv_f32 *c, const float *x, size_t m0, int m, const float **rows, float *copies) {
    const struct npi_window *win = &c->win;
    const size_t picture = (size_t)c->h * (size_t)c->w * (size_t)c->ci, step = (size_t)win->sw * (size_t)c->ci;
    struct stretch s;
    for (size_t at = 0; next_stretch(c, m0 + at, m0 + (size_t)m, &s); at += (size_t)s.n) {
        const float **r = rows + at;
        const int x0 = s.ox * win->sw - win->pl;
        int lo, hi;
        inside(x0, win->sw, c->w - win->kw + 1, s.n, &lo, &hi); /* windows that lie inside as a whole */
        for (int ky = 0; ky < win->kh; ky++, r += c->m_tile) {
            const int y = s.oy * win->sh - win->pt + ky * win->dh;
            if (y < 0 || y >= c->h) {
                for (int i = 0; i < s.n; i++) r[i] = c->zero;
                continue;
            }
            const float *row = x + s.picture * picture + (size_t)y * (size_t)c->w * (size_t)c->ci;
            for (int i = 0; i < s.n; i++) {
                if (i == lo) {
                    const float *p = row + (size_t)(x0 + lo * win->sw) * (size_t)c->ci;
                    for (; i < hi; i++, p += step) r[i] = p;
                    if (i == s.n) break;
                }
                copy_run(c, row, x0 + i * win->sw, copies);
                r[i] = copies;
                copies += c->k;
            }
        }
    }
}

void npi_conv_f32_rows(const struct npi_conv_f32 *c, const float *in, size_t m0, int m, const float **rows, float *copies) {
    if (c->rows == NPI_ROWS_DENSE)
        for (int i = 0; i < m; i++) rows[i] = in + (m0 + (size_t)i) * (size_t)c->ci;
    else if (c->rows == NPI_ROWS_TAPS)
        rows_taps(c, in, m0, m, rows);
    else
        rows_runs(c, in, m0, m, rows, copies);
}

static void run(const struct npi_step *s, const struct npi_exec *x, int task, int worker) {
    const struct npi_conv_f32 *const c = s->params;
    const struct npi_conv_f32_block *const blk = &c->block[task % c->n_blocks];
    const int tile = task / c->n_blocks % c->m_tiles, group = task / c->n_blocks / c->m_tiles;
    const size_t m0 = (size_t)tile * (size_t)c->m_tile;
    const int m = c->m - m0 < (size_t)c->m_tile ? (int)(c->m - m0) : c->m_tile;
    const int cog = c->co / c->groups, cig = c->ci / c->groups;
    const size_t col = (size_t)(group * cog + blk->n0);
    const float *in = (const float *)x->ptr[c->x] + group * cig, **rows = npi_exec_scratch(x, worker);
    npi_conv_f32_rows(c, in, m0, m, rows, (float *)(void *)((char *)rows + npi_align_up((size_t)(c->taps * c->m_tile) * sizeof *rows, NPI_ALIGN)));
    float *const tile_at = c->sink ? (float *)(void *)((char *)rows + c->tile_at) : (float *)x->ptr[c->y] + m0 * c->ldc + col;
    const struct npi_gemm_f32_job j = {
        .a = rows, .a_stride = (size_t)c->m_tile, .m = m, .taps = c->taps, .k = c->k,
        .w = c->packed + (size_t)group * c->group_floats + blk->at, .bias = c->bias + col, .n = blk->n, .n_behind = cog - blk->n0 - blk->n,
        .c = tile_at, .ldc = c->sink ? (size_t)c->tile_cols : c->ldc,
        .res = c->res < 0 ? NULL : (const float *)x->ptr[c->res] + m0 * (size_t)c->co + col, .ldres = (size_t)c->co,
        .res_before_act = c->res_before_act, .act = c->act
    };
    c->gemm(&j);
    if (c->sink) c->sink->put(c->sink, x, tile_at, j.ldc, m0, m, (int)col, blk->n, tile_at + (size_t)c->m_tile * j.ldc + NPI_TAIL / sizeof(float));
}

static void choose_rows(struct npi_conv_f32 *c) {
    const struct npi_window *w = &c->win;
    const int cig = c->ci / c->groups, window = w->kh * w->kw * cig;
    const int unpadded = w->pl <= 0 && (c->ow - 1) * w->sw - w->pl + w->kw <= c->w;
    c->rows = NPI_ROWS_TAPS;
    c->taps = w->kh * w->kw;
    c->k = cig;
    if (w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 && !w->pt && !w->pl && c->oh == c->h && c->ow == c->w) {
        c->rows = NPI_ROWS_DENSE;
    } else if (w->dw == 1 && w->kw > 1 && c->groups == 1 && (unpadded || (cig < 16 && window <= RUN_MAX_COPY))) {
        c->rows = NPI_ROWS_RUNS;
        c->taps = w->kh;
        c->k = w->kw * cig;
    }
}

/* Tiles and blocks: enough tasks for threads, tiles of A that stay in L2. */
static void choose_grid(struct npi_conv_f32 *c, const struct npi_gemm_f32 *g, struct npi_conv_f32_block *block, int panels) {
    const size_t window = (size_t)c->taps * (size_t)c->k;
    const int cog = c->co / c->groups;
    int64_t want = (int64_t)((double)c->m * (double)window * c->co / TASK_MACS);
    want = want < 1 ? 1 : want > MAX_TASKS ? MAX_TASKS : want;
    size_t tile = 128;
    while (tile > 32 && c->m < 2 * tile) tile /= 2; /* two threads share pixels rather than columns: each finds its rows in its own cache */
    while (tile > 32 && tile * window * sizeof(float) > TILE_BYTES) tile /= 2;
    while (tile < 512 && c->m / tile > (size_t)want * 2) tile *= 2;
    while (tile > 32 && c->sink && !c->sink->piece && tile * (size_t)cog * sizeof(float) > TILE_BYTES) tile /= 2; /* as much of the result is in scratch */
    const size_t tiles = (c->m + tile - 1) / tile;
    c->m_tile = (int)npi_align_up((c->m + tiles - 1) / tiles, 8);
    c->m_tiles = (int)((c->m + (size_t)c->m_tile - 1) / (size_t)c->m_tile);
    const int64_t per_group = (int64_t)c->m_tiles * c->groups;
    const int granule = c->sink ? c->sink->granule : 1;
    int blocks = per_group >= want ? 1 : (int)((want + per_group - 1) / per_group);
    if (c->sink && c->sink->piece && blocks < cog / c->sink->piece) blocks = cog / c->sink->piece;
    if (blocks > panels) blocks = panels;
    c->n_blocks = 0;
    c->tile_cols = 0;
    size_t at = 0;
    for (int n0 = 0, p = 0, i = 0; i < blocks; i++) { /* panels as evenly as they go */
        const int until = (int)((int64_t)panels * (i + 1) / blocks);
        struct npi_conv_f32_block k = { n0, 0, at };
        for (; p < until || (p < panels && n0 % granule); p++) {
            const int width = g->panel(cog - n0);
            k.n += cog - n0 < width ? cog - n0 : width;
            at += window * (size_t)width;
            n0 += width;
        }
        if (k.n) block[c->n_blocks++] = k;
        if (k.n > c->tile_cols) c->tile_cols = k.n;
    }
}

static int count_panels(const struct npi_gemm_f32 *g, int n) {
    int panels = 0;
    for (; n > 0; panels++) n -= g->panel(n);
    return panels;
}

/* Each element of the residual is read before y is written there, but the late activations store a bare sum first. */
int npi_conv_f32_over_residual(const struct npi_binder *b, const struct npi_kact_f32 *act, int res_before_act, int res, int x) {
    return (act->kind <= NPI_KACT_SIGMOID || res_before_act) && !npi_bind_same_memory(b, res, x);
}

int npi_conv_f32_step(struct npi_binder *b, struct npi_conv_f32 *c, struct npi_step *s) {
    const struct npi_gemm_f32 *g = &b->k->gemm_f32;
    const int cog = c->co / c->groups;
    choose_rows(c);
    if (b->sink && (c->res >= 0 || c->groups != 1)) return 0;
    c->sink = b->sink;
    c->ldc = b->ld ? (size_t)b->ld : (size_t)c->co;
    s->strided = 1;
    if (npi_conv_bf16_takes(b, c)) return npi_conv_bf16_step(b, c, s);
    const size_t window = (size_t)c->taps * (size_t)c->k, cols = npi_gemm_f32_packed_cols(g, cog);
    size_t bytes;
    if (npi_mul_overflow(window, cols, &c->group_floats) || npi_mul_overflow(c->group_floats, (size_t)c->groups * sizeof(float), &bytes)) return NP_ENOMEM;
    const int panels = count_panels(g, cog);
    float *packed = npi_arena_alloc(b->mem, bytes), *bias = npi_arena_array(b->mem, float, (size_t)c->co + 16);
    float *zero = npi_arena_array(b->mem, float, (size_t)c->k + 16);
    struct npi_conv_f32_block *block = npi_arena_array(b->mem, struct npi_conv_f32_block, panels);
    if (!packed || !bias || !zero || !block) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
    for (int i = 0; i < c->groups; i++)
        npi_gemm_f32_pack(g, packed + (size_t)i * c->group_floats, c->weights + (size_t)i * (size_t)cog * window, (int)window, cog, 1, window);
    if (c->bias_in) memcpy(bias, c->bias_in, (size_t)c->co * sizeof *bias);
    choose_grid(c, g, block, panels);
    c->gemm = g->run;
    c->packed = packed;
    c->bias = bias;
    c->zero = zero;
    c->block = block;
    s->kernel = g->name;
    s->run = run;
    s->params = c;
    s->n_tasks = c->m_tiles * c->n_blocks * c->groups;
    s->scratch_bytes = npi_align_up((size_t)c->taps * (size_t)c->m_tile * sizeof(float *), NPI_ALIGN);
    if (c->rows == NPI_ROWS_RUNS && (c->win.pl > 0 || c->win.pr > 0)) s->scratch_bytes += (size_t)c->m_tile * window * sizeof(float);
    s->packed_in = c->bias_in ? 6 : 2;
    c->tile_at = npi_align_up(s->scratch_bytes, NPI_ALIGN);
    if (c->sink) s->scratch_bytes = c->tile_at + (size_t)c->m_tile * (size_t)c->tile_cols * sizeof(float) + NPI_TAIL + npi_sink_scratch(c->sink, c->m_tile, c->tile_cols);
    if (c->res >= 0 && npi_conv_f32_over_residual(b, &c->act, c->res_before_act, c->res, c->x)) s->inplace_of = 3;
    return 1;
}

int npi_bind_is_product_f32(const struct npi_binder *b, const struct npi_node *n) {
    const struct npi_view *x = npi_bind_view(b, n->in[0]), *w = npi_bind_view(b, n->in[1]), *y = npi_bind_view(b, n->out[0]);
    const int bias = n->n_in > 2 ? n->in[2] : -1, res = n->n_in > 3 ? n->in[3] : -1;
    if (x->dtype != NP_F32 || y->dtype != NP_F32 || x->q.n || y->q.n || !npi_bind_const_f32(b, n->in[1]) || (bias >= 0 && !npi_bind_const_f32(b, bias))) return 0;
    if (res >= 0 && (npi_bind_view(b, res)->dtype != NP_F32 || !npi_view_same_shape(npi_bind_view(b, res), y))) return 0;
    return npi_bind_dims_ok(x) && npi_bind_dims_ok(w) && npi_bind_dims_ok(y);
}
