/* SPDX-License-Identifier: Apache-2.0 */
/* The detector's stage: a frame in, boxes of the shown picture in the slot, the largest first when there are too many. A
 * detector that fails leaves the frame without detection: its boxes are carried by the tracker, as on frames where it has no turn. */
#include <math.h>
#include <string.h>

#include "pipe/priv.h"

static float area(const struct npi_det *d) { return (d->x1 - d->x0) * (d->y1 - d->y0); }

static void largest_first(struct npi_dets *d) {
    for (int i = 1; i < d->n; i++) /* at most NPI_MAX_DETS */
        for (int k = i; k > 0 && area(&d->det[k]) > area(&d->det[k - 1]); k--) {
            const struct npi_det t = d->det[k];
            d->det[k] = d->det[k - 1];
            d->det[k - 1] = t;
        }
}

struct np_box npi_clip_box(struct np_box b, float width, float height) {
    const float x1 = fminf(b.x + b.w, width), y1 = fminf(b.y + b.h, height);
    b.x = fmaxf(b.x, 0);
    b.y = fmaxf(b.y, 0);
    b.w = x1 - b.x;
    b.h = y1 - b.y;
    return b;
}

/* Joints of a one-stage net. */
static void take_joints(struct np_person *q, const struct npi_det *b, const struct npi_affine *m) {
    float sum = 0;
    q->n_keypoints = b->n_joints < NP_MAX_KEYPOINTS ? b->n_joints : NP_MAX_KEYPOINTS;
    q->pose_source = NP_POSE_INFERRED;
    for (int k = 0; k < q->n_keypoints; k++) {
        const struct npi_joint *j = &b->joint[k];
        q->keypoint[k] = (struct np_keypoint){ .z = j->wz, .conf = j->conf, .wx = j->wx, .wy = j->wy, .wz = j->wz };
        npi_affine_apply(m, j->x, j->y, &q->keypoint[k].x, &q->keypoint[k].y);
        sum += j->conf + 0 * (q->keypoint[k].x + q->keypoint[k].y); /* NaN when a joint is nowhere */
    }
    q->pose_score = sum / (float)q->n_keypoints;
    if (isfinite(q->pose_score)) return;
    q->pose_score = 0; /* rule 1: a box without joints, as for a pose net that went NaN */
    q->pose_source = NP_POSE_NONE;
    q->n_keypoints = 0;
}

int npi_worker_persons(struct npi_worker *w, int i_net, const struct npi_affine *m, int width, int height, int max, struct np_person *person) {
    const struct npi_card *const card = &w->det[i_net].net->card;
    struct npi_dets *const d = &w->dets;
    int n = 0;
    if (d->n > max) largest_first(d);
    for (int i = 0; i < d->n && n < max; i++) {
        const struct npi_det *b = &d->det[i];
        struct np_box box = npi_affine_box(m, b->x0, b->y0, b->x1, b->y1);
        /* BlazePose's detector boxes faces; its points are the hips' centre and a circle about the body. */
        if (card->task == NPI_TASK_DETECT && b->n_joints >= 2) {
            const float dx = b->joint[1].x - b->joint[0].x, dy = b->joint[1].y - b->joint[0].y, r = sqrtf(dx * dx + dy * dy);
            box = npi_affine_box(m, b->joint[0].x - r, b->joint[0].y - r, b->joint[0].x + r, b->joint[0].y + r);
        }
        box = npi_clip_box(box, (float)width, (float)height);
        if (!(box.w >= 1 && box.h >= 1)) continue;
        struct np_person *q = &person[n++];
        memset(q, 0, offsetof(struct np_person, keypoint));
        q->score = b->score;
        q->box = box;
        if (b->n_joints && card->task == NPI_TASK_POSE_MULTI) take_joints(q, b, m);
    }
    return n;
}

int npi_detect(struct npi_pipe *p, struct npi_lane *l, struct npi_slot *s, struct np_person *person) {
    struct np_error e = { 0 };
    struct npi_affine m;
    struct npi_worker *const w = &l->worker[0];
    if (!p->p.det) { /* the whole picture is one person */
        memset(&person[0], 0, offsetof(struct np_person, keypoint));
        person[0].score = 1;
        person[0].box = (struct np_box){ 0, 0, (float)s->result.width, (float)s->result.height };
        return 1;
    }
    const int r = npi_pipe_fault(p, NP_STAGE_DETECT) ? npi_fail(&e, NP_EINTERNAL, "the detector failed")
                                                      : npi_worker_detect(w, s->det, &s->frame, p->low_thr, p->p.nms_thr, l->pool, &m, &e);
    if (r >= 0) return npi_worker_persons(w, s->det, &m, s->result.width, s->result.height, NPI_MAX_PERSONS, person);
    npi_pipe_complain(p, NP_STAGE_DETECT, &e);
    return r;
}
