/* SPDX-License-Identifier: Apache-2.0 */
/* Resize of height and width of a rank-4 channels-last tensor: nearest as copies of pixels (any type), bilinear of f32 and
 * of bytes whose quantization does not change. Which pixels and weights is looked up once, in the tables that the reference
 * uses too; a task is some output rows. */
#include <limits.h>
#include <string.h>

#include "ops/quantize.h"
#include "ops/resize_taps.h"
#include "plan/bind_spatial.h"

enum { TASK_BYTES = 131072 };

struct params {
    struct npi_resize k;
    int x_id, y_id;
    int64_t h, wd, c, oh, ow, rows;
    size_t size;               /* bytes of a pixel (nearest) or of a value */
    size_t step_x, step_y;     /* nearest: bytes from pixel to pixel */
    int rows_per_task;
    int dtype;
    int32_t *y0, *y1;          /* [oh] input rows */
    int32_t *x0, *x1;          /* [ow] offsets in a row, in values; nearest: in pixels */
    float *fy, *fx;            /* weight of the lower tap [oh]; of the left and right tap [ow][2] */
    int16_t *fyi, *fxi;        /* weight of the lower, right tap in 1/1024 */
};

static void run_nearest(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t first = (int64_t)task * p->rows_per_task, last = first + p->rows_per_task < p->rows ? first + p->rows_per_task : p->rows;
    const size_t px = p->size, step = p->step_y, row = (size_t)p->ow * step;
    for (int64_t r = first; r < last; r++) {
        const int64_t n = r / p->oh, oy = r % p->oh;
        char *y = (char *)e->ptr[p->y_id] + (size_t)r * row;
        if (step == px && r > first && oy > 0 && p->y0[oy] == p->y0[oy - 1]) {
            memcpy(y, y - row, row);
            continue;
        }
        const char *const x = (const char *)e->ptr[p->x_id] + (size_t)((n * p->h + p->y0[oy]) * p->wd) * p->step_x;
        for (int64_t ox = 0; ox < p->ow; ox++, y += step) memcpy(y, x + (size_t)p->x0[ox] * p->step_x, px);
    }
}

static void run_f32(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t first = (int64_t)task * p->rows_per_task, last = first + p->rows_per_task < p->rows ? first + p->rows_per_task : p->rows;
    const size_t in_row = (size_t)(p->wd * p->c), out_row = (size_t)(p->ow * p->c);
    float *const both = npi_exec_scratch(e, worker);
    for (int64_t r = first; r < last; r++) {
        const int64_t oy = r % p->oh;
        const float *const image = (const float *)e->ptr[p->x_id] + (size_t)(r / p->oh * p->h) * in_row, *const a = image + (size_t)p->y0[oy] * in_row;
        const float *row = a;
        if (p->y0[oy] != p->y1[oy] && p->fy[oy] != 0) {
            row = p->fy[oy] == 1 ? image + (size_t)p->y1[oy] * in_row : both;
            if (row == both) p->k.blend_f32(both, a, image + (size_t)p->y1[oy] * in_row, p->fy[oy], in_row);
        }
        p->k.lerp_f32((float *)e->ptr[p->y_id] + (size_t)r * out_row, row, p->x0, p->x1, p->fx, (size_t)p->ow, (size_t)p->c);
    }
}

static void run_q8(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t first = (int64_t)task * p->rows_per_task, last = first + p->rows_per_task < p->rows ? first + p->rows_per_task : p->rows;
    const size_t in_row = (size_t)(p->wd * p->c), out_row = (size_t)(p->ow * p->c), ow = (size_t)p->ow, c = (size_t)p->c;
    for (int64_t r = first; r < last; r++) {
        const int64_t oy = r % p->oh;
        const size_t image = (size_t)(r / p->oh * p->h) * in_row;
        const uint8_t *const x = (const uint8_t *)e->ptr[p->x_id] + image, *const a = x + (size_t)p->y0[oy] * in_row, *const b = x + (size_t)p->y1[oy] * in_row;
        uint8_t *const y = (uint8_t *)e->ptr[p->y_id] + (size_t)r * out_row;
        if (p->dtype == NP_I8) p->k.lerp_i8((int8_t *)y, (const int8_t *)a, (const int8_t *)b, p->x0, p->x1, p->fxi, p->fyi[oy], ow, c);
        else p->k.lerp_u8(y, a, b, p->x0, p->x1, p->fxi, p->fyi[oy], ow, c);
    }
}

/* One axis: fills lo, hi (times `step`) and weights; f gets one weight a tap when `pairs`. 0 when out of memory. */
static int table(const struct npi_node *n, const struct npi_view *x, const struct npi_view *y, int axis, int64_t step, int pairs, int32_t *lo, int32_t *hi,
                 float *f, int16_t *fi) {
    struct npi_resize_axis t = { .n = npi_resize_n_taps(n, x, y, axis) };
    const size_t count = (size_t)y->d[axis] * (size_t)t.n;
    t.index = npi_alloc(count * sizeof *t.index);
    t.weight = npi_alloc(count * sizeof *t.weight);
    const int ok = t.index && t.weight;
    if (ok) npi_resize_fill(n, x, y, axis, &t);
    for (int64_t o = 0; ok && o < y->d[axis]; o++) {
        lo[o] = (int32_t)(t.index[o * t.n] * step);
        hi[o] = (int32_t)(t.index[o * t.n + t.n - 1] * step);
        const double w = t.n > 1 ? t.weight[o * 2 + 1] : 0;
        if (pairs) f[2 * o] = (float)(1 - w), f[2 * o + 1] = (float)w;
        else f[o] = (float)w;
        fi[o] = (int16_t)npi_resize_frac(w);
    }
    npi_free(t.index);
    npi_free(t.weight);
    return ok;
}

static int takes(const struct npi_binder *b, const struct npi_node *n) {
    if (n->op != NPI_OP_RESIZE || n->act.kind) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const y = npi_bind_view(b, n->out[0]);
    if (x->rank != 4 || x->dtype != y->dtype || n->a.resize.coord == NPI_COORD_TF_CROP_AND_RESIZE) return 0;
    const int linear = n->a.resize.mode == NPI_RESIZE_LINEAR, quant = npi_q_is(x);
    if (n->a.resize.mode == NPI_RESIZE_CUBIC || (quant && !npi_q_same(x, y))) return 0;
    if (linear && !(quant ? npi_resize_is_bilinear_int(n, x, y) : x->dtype == NP_F32)) return 0;
    if (linear && (n->a.resize.exclude_outside || npi_resize_n_taps(n, x, y, 1) > 2 || npi_resize_n_taps(n, x, y, 2) > 2)) return 0;
    const int64_t rows = y->d[0] * y->d[1], line = x->d[2] * x->d[3];
    if (rows < 1 || rows > INT_MAX || y->d[1] > INT_MAX || y->d[2] > INT_MAX || line > INT_MAX || x->d[1] > INT_MAX) return 0;
    return npi_resize_stays(n, x, y, 0) && npi_resize_stays(n, x, y, 3);
}

int npi_resize_takes_nearest(const struct npi_binder *b, const struct npi_node *n) { return takes(b, n) && n->a.resize.mode != NPI_RESIZE_LINEAR; }

int npi_bind_resize(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (!takes(b, n)) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const y = npi_bind_view(b, n->out[0]);
    const int linear = n->a.resize.mode == NPI_RESIZE_LINEAR, quant = npi_q_is(x);
    const int64_t rows = y->d[0] * y->d[1], line = x->d[2] * x->d[3];
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    const size_t oh = (size_t)y->d[1], ow = (size_t)y->d[2];
    int32_t *const at = npi_arena_array(b->mem, int32_t, 2 * (oh + ow));
    float *const f = npi_arena_array(b->mem, float, oh + 2 * ow);
    int16_t *const fi = npi_arena_array(b->mem, int16_t, oh + ow);
    if (!p || !at || !f || !fi) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .k = b->k->resize, .x_id = n->in[0], .y_id = n->out[0], .h = x->d[1], .wd = x->d[2], .c = x->d[3], .oh = y->d[1], .ow = y->d[2], .rows = rows,
                          .size = np_dtype_size(x->dtype) * (size_t)x->d[3], .dtype = x->dtype, .y0 = at, .y1 = at + oh, .x0 = at + 2 * oh, .x1 = at + 2 * oh + ow, .fy = f,
                          .fx = f + oh, .fyi = fi, .fxi = fi + oh };
    p->step_x = p->size / (size_t)p->c * (size_t)(b->ldx ? b->ldx : p->c);
    p->step_y = p->size / (size_t)p->c * (size_t)(b->ld && !linear ? b->ld : p->c);
    s->strided = !linear;
    if (!table(n, x, y, 1, 1, 0, p->y0, p->y1, p->fy, p->fyi) || !table(n, x, y, 2, linear ? x->d[3] : 1, 1, p->x0, p->x1, p->fx, p->fxi))
        return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    const int64_t per_task = TASK_BYTES / ((int64_t)p->size * p->ow + 1);
    p->rows_per_task = per_task < 1 ? 1 : per_task > rows ? (int)rows : (int)per_task;
    s->kernel = !linear ? "resize_nearest" : quant ? "resize_bilinear_q8" : "resize_bilinear_f32";
    s->run = !linear ? run_nearest : quant ? run_q8 : run_f32;
    s->scratch_bytes = linear && !quant ? (size_t)line * sizeof(float) + NPI_TAIL : 0;
    s->n_tasks = (int)((rows + p->rows_per_task - 1) / p->rows_per_task);
    s->params = p;
    return 1;
}
