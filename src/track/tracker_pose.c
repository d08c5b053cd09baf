/* SPDX-License-Identifier: Apache-2.0 */
/* What the pose net tells the tracker: joints for the next matching, a box for frames without detection, the build of the body,
 * and that there is nobody.
 *
 * Detectors draw their boxes wider than the joints reach (hair, hands, shoes), each in its own way. So each track learns the margin on
 * frames that have both, and a box made from joints alone is as large as the detector would have made it. */
#include <math.h>

#include "track/tracker_priv.h"

#define SEEN .3f
#define SAME_OKS .75f      /* two tracks with such poses sit on one body */
#define MARGIN_MEMORY 30   /* poses in the running mean of the margins */
#define MARGIN_LEAST -.1f  /* of the height; joints may be guessed outside of the box */
#define MARGIN_MOST .5f
#define NOBODY_LIMIT 3
#define STALE_NS 500000000 /* older poses say nothing about now */

static const float usual_margin[4] = { .06f, .08f, .06f, .04f }; /* until learnt: BlazePose in EfficientDet's boxes */

static struct npi_track_slot *find(struct npi_tracker *t, int id) {
    for (int i = 0; i < t->n && id > 0; i++)
        if (t->slot[i]->t.id == id) return t->slot[i];
    return NULL;
}

static void learn_margin(struct npi_track_slot *s, const struct np_box *joints) {
    const struct np_box *d = &s->det_box;
    const float m[4] = { joints->x - d->x, joints->y - d->y, d->x + d->w - joints->x - joints->w, d->y + d->h - joints->y - joints->h };
    if (!s->n_margin)
        for (int i = 0; i < 4; i++) s->margin[i] = usual_margin[i];
    if (s->n_margin < MARGIN_MEMORY) s->n_margin++;
    for (int i = 0; i < 4; i++) s->margin[i] += (fminf(fmaxf(m[i] / joints->h, MARGIN_LEAST), MARGIN_MOST) - s->margin[i]) / (float)(s->n_margin + 1);
}

/* The box of the joints at pose time as the detector would have drawn it, moved on to now. */
static void follow(struct npi_tracker *t, struct npi_track_slot *s, const struct np_box *joints, int64_t pose_ns) {
    const float *m = s->n_margin ? s->margin : usual_margin, h = joints->h, late = (float)((double)(t->now_ns - pose_ns) * 1e-9);
    const struct np_box b = { joints->x - m[0] * h + s->t.vx * late, joints->y - m[1] * h + s->t.vy * late,
                              fmaxf(joints->w + (m[0] + m[2]) * h, 1.f), fmaxf((1 + m[1] + m[3]) * h, 1.f) };
    npi_kf_update(&s->kf, &b, 1);
    s->t.box = npi_kf_box(&s->kf);
    s->t.vx = s->kf.cx.v;
    s->t.vy = s->kf.cy.v;
}

/* Somebody else's pose of the same frame is nearly this one: the net has slipped onto a neighbour. */
static int taken(const struct npi_tracker *t, const struct npi_track_slot *self, const struct np_keypoint *kpt, int n, int64_t pose_ns) {
    for (int i = 0; i < t->n && t->set && n == t->set->n; i++) {
        const struct npi_track_slot *s = t->slot[i];
        struct np_keypoint there[NP_MAX_KEYPOINTS];
        if (s == self || s->t.missing || s->n_kpt != n || s->pose_ns != pose_ns) continue;
        for (int k = 0; k < n; k++) {
            there[k] = s->kpt[k];
            there[k].x += s->t.box.x + s->t.box.w / 2;
            there[k].y += s->t.box.y + s->t.box.h / 2;
        }
        if (npi_oks(there, kpt, n, t->set->sigma, fminf(s->t.box.w * s->t.box.h, self->t.box.w * self->t.box.h), SEEN) >= SAME_OKS) return 1;
    }
    return 0;
}

void npi_tracker_set_pose(struct npi_tracker *t, int id, const struct np_keypoint *kpt, int n_kpt, int64_t t_ns) {
    struct npi_track_slot *const s = find(t, id);
    struct np_box joints;
    if (!s) return;
    if (!kpt || n_kpt < 1) {
        if (s->shape.weight == 0 && s->n_margin == 0 && s->nobody < NOBODY_LIMIT) s->nobody++;
        return;
    }
    int64_t pose_ns = t_ns < 0 || t_ns >= INT64_MAX / 4 ? t->now_ns : t_ns + t->ahead_ns;
    if (pose_ns > t->now_ns) pose_ns = t->now_ns;
    s->nobody = 0;
    if (t->now_ns - pose_ns > STALE_NS) return;
    if (taken(t, s, kpt, n_kpt, pose_ns)) return;
    if (npi_pose_box(&joints, kpt, n_kpt, SEEN)) {
        if (pose_ns == s->det_ns) learn_margin(s, &joints);
        else if (pose_ns > s->det_ns && s->t.missing == 0) follow(t, s, &joints, pose_ns);
    }
    npi_shape_add(&s->shape, kpt, n_kpt, t->set);
    npi_track_keep_pose(s, kpt, n_kpt, (float)((double)(t->now_ns - pose_ns) * 1e-9));
    s->pose_ns = pose_ns;
}

void npi_track_keep_pose(struct npi_track_slot *s, const struct np_keypoint *kpt, int n, float late_s) {
    const float cx = s->t.box.x + s->t.box.w / 2 - s->t.vx * late_s, cy = s->t.box.y + s->t.box.h / 2 - s->t.vy * late_s;
    s->n_kpt = n < NP_MAX_KEYPOINTS ? n : NP_MAX_KEYPOINTS;
    for (int i = 0; i < s->n_kpt; i++) {
        s->kpt[i] = kpt[i];
        s->kpt[i].x -= cx;
        s->kpt[i].y -= cy;
    }
}

int npi_track_ghost(const struct npi_track_slot *s) { return s->nobody >= NOBODY_LIMIT; }
