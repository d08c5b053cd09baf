/* SPDX-License-Identifier: Apache-2.0 */
/* See infer.h. */
#include "pipe/infer.h"
#include "base/clock.h"

#include <math.h>
#include <string.h>

/* Rows of a net input that one task fills: enough that a task is worth its start (about 50 us at 320 px). */
#define ROWS_A_TASK 32

int npi_worker_seat(struct npi_worker *w, struct npi_seat *seat, const struct npi_net *net, struct np_error *err) {
    return npi_seat_open(seat, net, w->pool, w->block, w->block_bytes, err);
}

int npi_worker_open(struct npi_worker *w, const struct npi_net *det, const struct npi_net *pose, unsigned cpu, struct np_pool *pool, struct np_error *err) {
    memset(w, 0, sizeof *w);
    w->cpu = cpu;
    w->pool = pool;
    w->row_threads = npi_pool_threads(pool);
    int r = 0;
    for (int i = 0; i < 2; i++) {
        const struct npi_net *n = i ? pose : det;
        struct npi_engine *e = n ? npi_lineup_now(n->lineup, NULL) : NULL;
        const size_t need = e ? npi_run_bytes(e, pool) : 0;
        if (need > w->block_bytes) w->block_bytes = need;
        npi_engine_unref(&e);
    }
    if (!(w->block = npi_alloc(w->block_bytes))) return npi_fail(err, NP_ENOMEM, "out of memory for %zu KiB of activations", w->block_bytes >> 10);
    if (det) r = npi_worker_seat(w, &w->det[0], det, err);
    if (r >= 0 && pose) r = npi_worker_seat(w, &w->pose[0], pose, err);
    if (r < 0) npi_worker_close(w);
    return r;
}

void npi_worker_close(struct npi_worker *w) {
    for (int i = 0; i < NPI_MAX_NETS; i++) {
        npi_seat_close(&w->det[i]);
        npi_seat_close(&w->pose[i]);
    }
    npi_free(w->block);
    npi_free(w->warp_mem);
    npi_free(w->row_mem);
    memset(w, 0, sizeof *w);
}

static int reserve(void **mem, size_t *have, size_t want) {
    if (*have >= want) return 0;
    void *p = npi_alloc(want);
    if (!p) return NP_ENOMEM;
    npi_free(*mem);
    *mem = p;
    *have = want;
    return 0;
}

/* Grows when a larger picture comes, or a net with a larger input than those before. */
static int reserve_warp(struct npi_worker *w, const struct np_frame *f, const struct npi_net_in *in, struct np_error *err) {
    const int side = f->width > f->height ? f->width : f->height;
    size_t rows = npi_align_up(npi_warp_row_bytes(side, in), NPI_ALIGN);
    if (rows < w->row_stride) rows = w->row_stride;
    if (reserve(&w->warp_mem, &w->warp_bytes, npi_warp_bytes(side, in)) < 0 || reserve(&w->row_mem, &w->row_bytes, rows * (size_t)w->row_threads) < 0)
        return npi_fail(err, NP_ENOMEM, "out of memory for a picture of %dx%d", f->width, f->height);
    w->row_stride = rows;
    return 0;
}

struct warp_job { const struct npi_warp *warp; struct npi_worker *w; void *dst; int height; };

static void warp_task(void *arg, int task, int worker) {
    const struct warp_job *const j = arg;
    const int y0 = task * ROWS_A_TASK, y1 = y0 + ROWS_A_TASK < j->height ? y0 + ROWS_A_TASK : j->height;
    npi_warp_rows(j->warp, j->dst, y0, y1, (char *)j->w->row_mem + (size_t)worker * j->w->row_stride);
}

static int fill_input(struct npi_worker *w, const struct np_frame *f, const struct npi_net_in *in, const struct npi_affine *m, void *dst, struct np_pool *pool, struct np_error *err) {
    struct warp_job j = { .w = w, .dst = dst, .height = in->height };
    struct npi_warp *warp;
    const int64_t t0 = npi_now_ns();
    int r = reserve_warp(w, f, in, err);
    if (r < 0 || (r = npi_warp_prepare(&warp, w->warp_mem, w->warp_bytes, f, m, in, w->cpu, err)) < 0) return r;
    j.warp = warp;
    npi_pool_run(pool, warp_task, &j, (in->height + ROWS_A_TASK - 1) / ROWS_A_TASK);
    w->crop_ns += npi_now_ns() - t0;
    return 0;
}

/* The picture through the net, on whatever runtime it is on; when that fails, the same picture on the next one. */
static int infer(struct npi_worker *w, struct npi_seat *s, const struct np_frame *f, const struct npi_affine *m, struct np_pool *pool, const void **out, struct np_error *err) {
    int64_t t0;
    int r;
    do {
        if ((r = npi_seat_follow(s, err)) < 0 || (r = fill_input(w, f, &s->face->in, m, npi_seat_input(s), pool, err)) < 0) return r;
        if (w->tap) w->tap(w->tap_opaque, s, npi_seat_input(s));
        t0 = npi_now_ns();
    } while ((r = npi_seat_run(s, pool, err)) == NP_EAGAIN);
    w->net_ns += npi_now_ns() - t0;
    if (r >= 0) npi_seat_outputs(s, out);
    return r;
}

int npi_worker_detect(struct npi_worker *w, int i, const struct np_frame *f, float bbox_thr, float nms_thr, struct np_pool *pool, struct npi_affine *m,
                      struct np_error *err) {
    struct npi_seat *const s = &w->det[i];
    const void *out[NPI_MAX_OUTPUTS];
    int W, H;
    npi_frame_shown_size(f, &W, &H);
    *m = npi_affine_letterbox(W, H, s->net->in.width, s->net->in.height, s->net->card.in.fit);
    w->crop_ns = w->net_ns = 0;
    const int r = infer(w, s, f, m, pool, out, err);
    if (r < 0) return r;
    const int64_t t0 = npi_now_ns();
    npi_decode_detect(s->dec, out, bbox_thr, nms_thr, &w->dets);
    w->net_ns += npi_now_ns() - t0;
    return 0;
}

/* Joints of the net to joints of the picture. Depth: metres where the net has them, else NaN (pixels of a crop mean nothing outside). */
static void to_picture(struct np_keypoint *k, const struct npi_joint *j, const struct npi_affine *m, int z_metres) {
    npi_affine_apply(m, j->x, j->y, &k->x, &k->y);
    k->conf = j->conf;
    k->wx = j->wx;
    k->wy = j->wy;
    k->wz = j->wz;
    k->z = z_metres ? j->z : j->wz;
}

/* One pass of the pose net over the crop that `m` cuts; the result is in w->result, in net pixels. */
static int pose_pass(struct npi_worker *w, struct npi_seat *s, const struct np_frame *f, const struct npi_affine *m, struct np_pool *pool, struct np_error *err) {
    const void *out[NPI_MAX_OUTPUTS];
    const int r = infer(w, s, f, m, pool, out, err);
    if (r < 0) return r;
    const int64_t t0 = npi_now_ns();
    npi_decode_pose(s->dec, out, 0, &w->result);
    w->net_ns += npi_now_ns() - t0;
    return 0;
}

/* Where the net said to look next: a circle about the hips, upright along the body (MediaPipe's rule: twice the radius, x 1.25). */
static int next_crop(const struct npi_worker *w, const struct npi_net *n, const struct npi_affine *m, struct npi_affine *next, float *angle) {
    float cx, cy, px, py;
    if (!w->result.has_roi || !(w->result.score >= n->card.bbox_thr)) return 0;
    npi_affine_apply(m, w->result.roi_cx, w->result.roi_cy, &cx, &cy);
    npi_affine_apply(m, w->result.roi_px, w->result.roi_py, &px, &py);
    const float size = 2 * 1.25f * hypotf(px - cx, py - cy);
    if (!(size >= 8 && size < 1e5f)) return 0;
    *angle = 1.57079633f - atan2f(cy - py, px - cx);
    *next = npi_affine_roi(cx, cy, size, *angle, n->in.width, n->in.height);
    return 1;
}

int npi_worker_pose(struct npi_worker *w, int i_net, const struct np_frame *f, int passes, struct np_pool *pool, struct np_person *p, struct np_error *err) {
    struct npi_seat *const seat = &w->pose[i_net];
    const struct npi_net *const n = seat->net;
    struct npi_affine m = npi_affine_crop(&p->box, n->card.in.crop_factor, n->in.width, n->in.height);
    float angle = 0;
    w->crop_ns = w->net_ns = 0;
    int r = pose_pass(w, seat, f, &m, pool, err);
    for (int i = 1; r >= 0 && i < passes && next_crop(w, n, &m, &m, &angle); i++) r = pose_pass(w, seat, f, &m, pool, err);
    if (r < 0) return r;
    p->pose_score = w->result.score;
    p->pose_source = NP_POSE_NONE;
    p->n_keypoints = 0;
    /* Rule 1: a net that is not sure that somebody is there (or went NaN) gives no joints. */
    if (!(w->result.score >= n->card.bbox_thr)) return 0;
    const float c = cosf(angle), s = sinf(angle);
    for (int i = 0; i < w->result.n; i++) {
        struct np_keypoint *k = &p->keypoint[i];
        to_picture(k, &w->result.joint[i], &m, w->result.z_metres);
        if (!isfinite(k->x) || !isfinite(k->y)) return 0;
        const float x = k->wx, y = k->wy; /* the world turns with the crop */
        k->wx = c * x - s * y;
        k->wy = s * x + c * y;
    }
    p->n_keypoints = w->result.n;
    p->pose_source = NP_POSE_INFERRED;
    return 0;
}
