/* SPDX-License-Identifier: Apache-2.0 */
/* DepthwiseConv2D of f32 maps, one filter a channel, constant weights; in halves where half_depthwise says so. Tasks are rectangles of output rows and channels of one
 * picture: few channels and many rows in early layers, the other way round in late ones. */
#include "plan/bind_f32.h"
#include "plan/conv_f32_step.h"

#include <limits.h>
#include <string.h>

enum { TASK_MACS = 150000, MAX_TASKS = 32, MIN_CHANNELS = 64, MAX_VL = 32 /* of all levels */ };

struct dw {
    void (*run)(const struct npi_dwconv_f32_job *j);
    void (*run_f16)(const struct npi_dwconv_f16_job *j); /* instead, if not NULL */
    int x, y, res;
    size_t x_picture, y_picture;     /* floats */
    struct npi_dwconv_f32_job job;   /* all but the pointers and the rectangle */
    const uint16_t *wgt_f16; const float *scale;
    int rows, row_blocks, channels, channel_blocks;
};

static void run(const struct npi_step *s, const struct npi_exec *x, int task, int worker) {
    const struct dw *const p = s->params;
    struct npi_dwconv_f32_job j = p->job;
    const int cb = task % p->channel_blocks, rb = task / p->channel_blocks % p->row_blocks;
    const size_t picture = (size_t)(task / p->channel_blocks / p->row_blocks);
    j.x = (const float *)x->ptr[p->x] + picture * p->x_picture;
    j.y = (float *)x->ptr[p->y] + picture * p->y_picture;
    j.res = p->res < 0 ? NULL : (const float *)x->ptr[p->res] + picture * p->y_picture;
    j.y0 = rb * p->rows;
    j.y1 = j.oh - j.y0 < p->rows ? j.oh : j.y0 + p->rows;
    j.c0 = cb * p->channels;
    j.c1 = j.c - j.c0 < p->channels ? j.c : j.c0 + p->channels;
    if (p->run_f16) p->run_f16(&(struct npi_dwconv_f16_job){ .f = j, .wgt = p->wgt_f16, .scale = p->scale, .rows = (uint16_t *)(void *)npi_exec_scratch(x, worker) });
    else p->run(&j);
}

/* Row blocks first, channel blocks when there are too few rows for them. A block reads (and converts to halves) kh - s rows that its neighbour does, too. */
static void choose_grid(struct dw *p, int vl) {
    const struct npi_dwconv_f32_job *j = &p->job;
    int want = (int)((double)j->oh * j->ow * j->c * j->kh * j->kw / TASK_MACS);
    want = want < 1 ? 1 : want > MAX_TASKS ? MAX_TASKS : want;
    const int least = p->run_f16 ? 8 : 4, most = j->oh / least < 1 ? 1 : j->oh / least;
    p->row_blocks = want < most ? want : most;
    p->rows = (j->oh + p->row_blocks - 1) / p->row_blocks;
    p->row_blocks = (j->oh + p->rows - 1) / p->rows;
    int blocks = (want + p->row_blocks - 1) / p->row_blocks;
    if (blocks > j->c / MIN_CHANNELS) blocks = j->c / MIN_CHANNELS;
    if (blocks < 1) blocks = 1;
    p->channels = (int)npi_align_up((size_t)((j->c + blocks - 1) / blocks), (size_t)vl);
    p->channel_blocks = (j->c + p->channels - 1) / p->channels;
}

static int pack_f32(struct npi_binder *b, struct dw *p, const float *w, int taps) {
    const struct npi_dwconv_f32 *const d = &b->k->dwconv_f32;
    float *const wgt = npi_arena_array(b->mem, float, (size_t)taps * npi_align_up((size_t)p->job.c, (size_t)d->vl));
    if (!wgt) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
    npi_dwconv_f32_pack(d, wgt, w, taps, p->job.c);
    p->job.wgt = wgt;
    p->run = d->run;
    return 0;
}

/* Leaves run_f16 as it is where halves can't hold the weights. */
static int pack_f16(struct npi_binder *b, struct dw *p, const float *w, int taps) {
    const struct npi_dwconv_f16 *const d = &b->k->dwconv_f16;
    const size_t cp = npi_align_up((size_t)p->job.c, (size_t)d->vl);
    uint16_t *const wgt = npi_arena_array(b->mem, uint16_t, (size_t)taps * cp);
    float *const scale = npi_arena_array(b->mem, float, cp);
    if (!wgt || !scale) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
    if (!npi_dwconv_f16_pack(d, wgt, scale, w, taps, p->job.c)) return 0;
    p->wgt_f16 = wgt;
    p->scale = scale;
    p->run_f16 = d->run;
    return 0;
}

int npi_dw_f32_takes(const struct npi_binder *b, const struct npi_node *n) {
    if (n->op != NPI_OP_DWCONV2D) return 0;
    const struct npi_view *x = npi_bind_view(b, n->in[0]), *w = npi_bind_view(b, n->in[1]), *y = npi_bind_view(b, n->out[0]);
    const int bias = n->n_in > 2 ? n->in[2] : -1, res = n->n_in > 3 ? n->in[3] : -1;
    if (x->dtype != NP_F32 || y->dtype != NP_F32 || x->q.n || y->q.n || !npi_bind_const_f32(b, n->in[1]) || (bias >= 0 && !npi_bind_const_f32(b, bias)) || w->d[2] != x->d[3]) return 0;
    if (res >= 0 && (npi_bind_view(b, res)->dtype != NP_F32 || !npi_view_same_shape(npi_bind_view(b, res), y))) return 0;
    return npi_bind_dims_ok(x) && npi_bind_dims_ok(w) && npi_bind_dims_ok(y) && w->d[0] * w->d[1] <= INT_MAX / 64 && x->d[0] <= INT_MAX / (MAX_TASKS * MAX_TASKS);
}

int npi_bind_dw_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (!npi_dw_f32_takes(b, n)) return 0;
    const struct npi_view *x = npi_bind_view(b, n->in[0]), *y = npi_bind_view(b, n->out[0]);
    const int bias = n->n_in > 2 ? n->in[2] : -1, res = n->n_in > 3 ? n->in[3] : -1;
    const float *const weights = npi_bind_const_f32(b, n->in[1]), *const bias_in = npi_bind_const_f32(b, bias);
    const struct npi_window *win = &n->a.conv.win;
    const size_t c = (size_t)x->d[3], ldx = b->ldx ? (size_t)b->ldx : c;
    struct dw *p = npi_arena_alloc(b->mem, sizeof *p);
    float *pb = npi_arena_array(b->mem, float, npi_align_up(c, MAX_VL));
    if (!p || !pb) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    if (bias_in) memcpy(pb, bias_in, c * sizeof *pb);
    *p = (struct dw){ .x = n->in[0], .y = n->out[0], .res = res, .x_picture = (size_t)x->d[1] * (size_t)x->d[2] * ldx,
                      .y_picture = (size_t)y->d[1] * (size_t)y->d[2] * c,
                      .job = { .h = (int)x->d[1], .w = (int)x->d[2], .c = (int)c, .ldx = (int)ldx, .oh = (int)y->d[1], .ow = (int)y->d[2], .bias = pb,
                               .kh = win->kh, .kw = win->kw, .sh = win->sh, .sw = win->sw, .dh = win->dh, .dw = win->dw, .pt = win->pt, .pl = win->pl,
                               .res_before_act = n->res_before_act, .act = npi_bind_act(&n->act) } };
    int r = 0;
    if (b->k->half_depthwise && npi_dwconv_f16_takes(&p->job)) r = pack_f16(b, p, weights, win->kh * win->kw);
    if (r >= 0 && !p->run_f16) r = pack_f32(b, p, weights, win->kh * win->kw);
    if (r < 0) return r;
    choose_grid(p, p->run_f16 ? b->k->dwconv_f16.vl : b->k->dwconv_f32.vl);
    s->kernel = p->run_f16 ? b->k->dwconv_f16.name : b->k->dwconv_f32.name;
    s->scratch_bytes = p->run_f16 ? npi_dwconv_f16_scratch(&b->k->dwconv_f16, &p->job) : 0;
    s->parts = p->run_f16 ? NPI_PARTS_F16 : 0;
    s->run = run;
    s->params = p;
    s->n_tasks = p->row_blocks * p->channel_blocks * (int)x->d[0];
    s->packed_in = bias_in ? 6 : 2;
    return 1;
}
