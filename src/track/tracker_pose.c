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
#define JOINTS_SPEED_S .1f /* time constant of the speed of the joints' box */
#define LATE_SHARE .5f     /* of what a late pose says about the place that is believed at once */
#define NOBODY_LIMIT 3
#define STALE_NS 500000000 /* older poses say nothing about now */

static const float usual_margin[4] = { .06f, .08f, .06f, .04f }; /* until learnt: BlazePose in EfficientDet's boxes */

static struct npi_track_slot *find(struct npi_tracker *t, int id) {
    for (int i = 0; i < t->n && id > 0; i++)
        if (t->slot[i]->t.id == id) return t->slot[i];
    return NULL;
}

/* The detection of this track on the frame of that time, NULL: none that is still known. */
static const struct np_box *detection_at(const struct npi_track_slot *s, int64_t ns) {
    for (unsigned i = 0; i < NPI_TRACK_DETS_KEPT && i < s->n_det; i++)
        if (s->det_ns[i] == ns) return &s->det_box[i];
    return NULL;
}

static void learn_margin(struct npi_track_slot *s, const struct np_box *d, const struct np_box *joints) {
    const float m[4] = { joints->x - d->x, joints->y - d->y, d->x + d->w - joints->x - joints->w, d->y + d->h - joints->y - joints->h };
    if (!s->n_margin)
        for (int i = 0; i < 4; i++) s->margin[i] = usual_margin[i];
    if (s->n_margin < MARGIN_MEMORY) s->n_margin++;
    for (int i = 0; i < 4; i++) s->margin[i] += (fminf(fmaxf(m[i] / joints->h, MARGIN_LEAST), MARGIN_MOST) - s->margin[i]) / (float)(s->n_margin + 1);
}

/* How fast the joints' box moves, from poses alone. */
static void joints_speed(struct npi_track_slot *s, const struct np_box *joints, int64_t pose_ns) {
    const float x = joints->x + joints->w / 2, y = joints->y + joints->h / 2, dt = (float)((double)(pose_ns - s->joints_ns) * 1e-9);
    const int known = s->joints_ns > 0 && dt > 0 && dt < .5f;
    if (s->joints_ns > 0 && dt <= 0) return;
    const float share = known ? dt / (dt + JOINTS_SPEED_S) : 1;
    s->joints_vx += share * ((known ? (x - s->joints_x) / dt : s->t.vx) - s->joints_vx);
    s->joints_vy += share * ((known ? (y - s->joints_y) / dt : s->t.vy) - s->joints_vy);
    s->joints_x = x;
    s->joints_y = y;
    s->joints_ns = pose_ns;
}

/* The box of the joints at pose time as the detector would have drawn it, moved on to now. A late pose does not go through the filter:
 * the same error would be put right once for each frame until its correction shows in the poses, and the box would swing. */
static void follow(struct npi_tracker *t, struct npi_track_slot *s, const struct np_box *joints, int64_t pose_ns) {
    const float *m = s->n_margin ? s->margin : usual_margin, h = joints->h, late = (float)((double)(t->now_ns - pose_ns) * 1e-9);
    const struct np_box b = { joints->x - m[0] * h + s->joints_vx * late, joints->y - m[1] * h + s->joints_vy * late,
                              fmaxf(joints->w + (m[0] + m[2]) * h, 1.f), fmaxf((1 + m[1] + m[3]) * h, 1.f) };
    if (late > 0) {
        s->kf.cx.x += LATE_SHARE * (b.x + b.w / 2 - s->kf.cx.x);
        s->kf.cy.x += LATE_SHARE * (b.y + b.h / 2 - s->kf.cy.x);
        s->kf.w.x += LATE_SHARE * (b.w - s->kf.w.x);
        s->kf.h.x += LATE_SHARE * (b.h - s->kf.h.x);
        s->kf.cx.v = s->joints_vx;
        s->kf.cy.v = s->joints_vy;
        s->kf.w.v = s->kf.h.v = 0;
    } else npi_kf_update(&s->kf, &b, 1);
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
        joints_speed(s, &joints, pose_ns);
        const struct np_box *const d = detection_at(s, pose_ns);
        if (d) learn_margin(s, d, &joints);
        else if (s->n_det && pose_ns > s->det_ns[(s->n_det - 1) % NPI_TRACK_DETS_KEPT] && s->t.missing == 0) follow(t, s, &joints, pose_ns);
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
