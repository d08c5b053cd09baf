/* SPDX-License-Identifier: Apache-2.0 */
/* See infer.h. */
#include "pipe/infer.h"

#include <math.h>
#include <string.h>

/* Rows of a net input that one task fills: enough that a task is worth its start (about 50 us at 320 px). */
#define ROWS_A_TASK 32

int npi_worker_open(struct npi_worker *w, const struct npi_net *det, const struct npi_net *pose, unsigned cpu, struct np_pool *pool, struct np_error *err) {
    memset(w, 0, sizeof *w);
    w->det = det;
    w->pose = pose;
    w->cpu = cpu;
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
    if (det) r = npi_seat_open(&w->det_seat, det, pool, w->block, w->block_bytes, err);
    if (r >= 0 && pose) r = npi_seat_open(&w->pose_seat, pose, pool, w->block, w->block_bytes, err);
    if (r < 0) npi_worker_close(w);
    return r;
}

void npi_worker_close(struct npi_worker *w) {
    npi_seat_close(&w->det_seat);
    npi_seat_close(&w->pose_seat);
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

/* Memory for the larger of the two nets, once; again only when a larger picture comes. */
static int reserve_warp(struct npi_worker *w, const struct np_frame *f, struct np_error *err) {
    const int side = f->width > f->height ? f->width : f->height;
    size_t tables = 0, rows = 0;
    for (int i = 0; i < 2; i++) {
        const struct npi_seat *s = i ? &w->pose_seat : &w->det_seat;
        if (!s->face) continue;
        const size_t t = npi_warp_bytes(side, &s->face->in), b = npi_warp_row_bytes(side, &s->face->in);
        if (t > tables) tables = t;
        if (b > rows) rows = b;
    }
    rows = npi_align_up(rows, NPI_ALIGN);
    if (rows < w->row_stride) rows = w->row_stride;
    if (reserve(&w->warp_mem, &w->warp_bytes, tables) < 0 || reserve(&w->row_mem, &w->row_bytes, rows * (size_t)w->row_threads) < 0)
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
    int r = reserve_warp(w, f, err);
    if (r < 0 || (r = npi_warp_prepare(&warp, w->warp_mem, w->warp_bytes, f, m, in, w->cpu, err)) < 0) return r;
    j.warp = warp;
    npi_pool_run(pool, warp_task, &j, (in->height + ROWS_A_TASK - 1) / ROWS_A_TASK);
    return 0;
}

/* The picture through the net, on whatever runtime it is on; when that fails, the same picture on the next one. */
static int infer(struct npi_worker *w, struct npi_seat *s, const struct np_frame *f, const struct npi_affine *m, struct np_pool *pool, const void **out, struct np_error *err) {
    int r;
    do {
        if ((r = npi_seat_follow(s, err)) < 0 || (r = fill_input(w, f, &s->face->in, m, npi_seat_input(s), pool, err)) < 0) return r;
        if (w->tap) w->tap(w->tap_opaque, s, npi_seat_input(s));
    } while ((r = npi_seat_run(s, pool, err)) == NP_EAGAIN);
    if (r >= 0) npi_seat_outputs(s, out);
    return r;
}

int npi_worker_detect(struct npi_worker *w, const struct np_frame *f, float bbox_thr, float nms_thr, struct np_pool *pool, struct npi_affine *mp, struct np_error *err) {
    int W, H;
    npi_frame_shown_size(f, &W, &H);
    const struct npi_affine m = npi_affine_letterbox(W, H, w->det->in.width, w->det->in.height, w->det->card.in.fit);
    const void *out[NPI_MAX_OUTPUTS];
    const int r = infer(w, &w->det_seat, f, &m, pool, out, err);
    if (r < 0) return r;
    npi_decode_detect(w->det_seat.dec, out, bbox_thr, nms_thr, &w->dets);
    if (mp) *mp = m;
    return 0;
}

static float area(const struct npi_det *d) { return (d->x1 - d->x0) * (d->y1 - d->y0); }

/* Joints that a one-stage net found with the box. */
static void take_joints(struct np_person *q, const struct npi_det *b, const struct npi_affine *m) {
    q->n_keypoints = b->n_joints < NP_MAX_KEYPOINTS ? b->n_joints : NP_MAX_KEYPOINTS;
    q->pose_source = NP_POSE_INFERRED;
    float sum = 0;
    for (int k = 0; k < q->n_keypoints; k++) {
        const struct npi_joint *j = &b->joint[k];
        q->keypoint[k] = (struct np_keypoint){ .z = j->wz, .conf = j->conf, .wx = j->wx, .wy = j->wy, .wz = j->wz };
        npi_affine_apply(m, j->x, j->y, &q->keypoint[k].x, &q->keypoint[k].y);
        sum += j->conf + 0 * (q->keypoint[k].x + q->keypoint[k].y); /* NaN when a joint is nowhere */
    }
    q->pose_score = sum / (float)q->n_keypoints;
    if (!isfinite(q->pose_score)) { /* rule 1: a box without joints, as for a pose net that went NaN */
        q->pose_score = 0;
        q->pose_source = NP_POSE_NONE;
        q->n_keypoints = 0;
    }
}

int npi_worker_persons(struct npi_worker *w, const struct npi_affine *m, int width, int height, int max, struct np_person *person) {
    struct npi_dets *const d = &w->dets;
    int n = 0;
    const float W = (float)width, H = (float)height;
    for (int i = 1; i < d->n && d->n > max; i++) /* insertion sort by size; at most 256 */
        for (int k = i; k > 0 && area(&d->det[k]) > area(&d->det[k - 1]); k--) {
            const struct npi_det t = d->det[k];
            d->det[k] = d->det[k - 1];
            d->det[k - 1] = t;
        }
    for (int i = 0; i < d->n && n < max; i++) {
        const struct npi_det *b = &d->det[i];
        struct np_box box = npi_affine_box(m, b->x0, b->y0, b->x1, b->y1);
        if (w->det->card.task == NPI_TASK_DETECT && b->n_joints >= 2) { /* BlazePose's detector boxes faces; its points are the hips' centre and a circle about the body */
            const float dx = b->joint[1].x - b->joint[0].x, dy = b->joint[1].y - b->joint[0].y, r = sqrtf(dx * dx + dy * dy);
            box = npi_affine_box(m, b->joint[0].x - r, b->joint[0].y - r, b->joint[0].x + r, b->joint[0].y + r);
        }
        const float x1 = box.x + box.w < W ? box.x + box.w : W, y1 = box.y + box.h < H ? box.y + box.h : H;
        if (box.x < 0) box.x = 0;
        if (box.y < 0) box.y = 0;
        box.w = x1 - box.x;
        box.h = y1 - box.y;
        if (!(box.w >= 1 && box.h >= 1)) continue;
        struct np_person *q = &person[n++];
        memset(q, 0, offsetof(struct np_person, keypoint));
        q->score = b->score;
        q->box = box;
        if (b->n_joints && w->det->card.task == NPI_TASK_POSE_MULTI) take_joints(q, b, m);
    }
    return n;
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
static int pose_pass(struct npi_worker *w, const struct np_frame *f, const struct npi_affine *m, struct np_pool *pool, struct np_error *err) {
    const void *out[NPI_MAX_OUTPUTS];
    const int r = infer(w, &w->pose_seat, f, m, pool, out, err);
    if (r < 0) return r;
    npi_decode_pose(w->pose_seat.dec, out, 0, &w->result);
    return 0;
}

/* Where the net said to look next: a circle about the hips, upright along the body (MediaPipe's rule: twice the radius, x 1.25). */
static int next_crop(const struct npi_worker *w, const struct npi_affine *m, struct npi_affine *next, float *angle) {
    float cx, cy, px, py;
    if (!w->result.has_roi || !(w->result.score >= w->pose->card.bbox_thr)) return 0;
    npi_affine_apply(m, w->result.roi_cx, w->result.roi_cy, &cx, &cy);
    npi_affine_apply(m, w->result.roi_px, w->result.roi_py, &px, &py);
    const float size = 2 * 1.25f * hypotf(px - cx, py - cy);
    if (!(size >= 8 && size < 1e5f)) return 0;
    *angle = 1.57079633f - atan2f(cy - py, px - cx);
    *next = npi_affine_roi(cx, cy, size, *angle, w->pose->in.width, w->pose->in.height);
    return 1;
}

int npi_worker_pose(struct npi_worker *w, const struct np_frame *f, int passes, struct np_pool *pool, struct np_person *p, struct np_error *err) {
    const struct npi_net *const n = w->pose;
    struct npi_affine m = npi_affine_crop(&p->box, n->card.in.crop_factor, n->in.width, n->in.height);
    float angle = 0;
    int r = pose_pass(w, f, &m, pool, err);
    for (int i = 1; r >= 0 && i < passes && next_crop(w, &m, &m, &angle); i++) r = pose_pass(w, f, &m, pool, err);
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
