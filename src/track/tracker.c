/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker of track.h. One update:
 *
 *   1. confirmed tracks, seen or lost  <->  strong detections      (similarity >= min_sim)
 *   2. confirmed tracks seen last time <->  weak detections        (similarity >= min_sim_weak: a weak box must fit well)
 *   3. tracks not confirmed yet        <->  strong ones left over
 *   4. strong ones left over start tracks; tracks unseen for too long die
 *   5. who is served: people in view first, then by size and by how long they have been followed */
#include "track/track.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "track/assign.h"
#include "track/kalman.h"

#define KPT_THR .3f
#define UNSEEN_DAMPING .1f /* share of the speed left after a second unseen: people who vanish seldom keep going straight */

struct slot {
    struct npi_track t;
    struct npi_kf kf;
    int n_kpt;                 /* joints of the last pose, about the box centre of then */
    struct np_keypoint kpt[NP_MAX_KEYPOINTS];
    float rank;
    int was_selected;
};

struct npi_tracker {
    struct npi_track_params p;
    const struct np_keypoint_set *set;
    struct slot *slot[NPI_TRACK_MAX]; /* living ones first, oldest first; the rest is free */
    int n, next_id, started;
    int64_t now_ns;
    int order[NPI_TRACK_MAX];         /* for npi_tracker_at */
    int rows[NPI_TRACK_MAX], cols[NPI_TRACK_MAX_DETS];
    int det_slot[NPI_TRACK_MAX_DETS]; /* slot matched to detection, -1 */
    int det_index[NPI_TRACK_MAX_DETS];
    struct npi_assign assign;
    struct slot store[NPI_TRACK_MAX];
};

void npi_track_params_default(struct npi_track_params *p) {
    *p = (struct npi_track_params){ .high_thr = .4f, .low_thr = .1f, .new_thr = .4f, .min_sim = .15f, .min_sim_weak = .4f, .oks_weight = .5f,
                                    .birth_hits = 1, .max_missing = 10, .max_persons = 8, .max_missing_s = 1.f };
}

int npi_tracker_create(struct npi_tracker **out, const struct npi_track_params *p, const struct np_keypoint_set *set) {
    struct npi_tracker *t = npi_alloc(sizeof *t);
    if (!t) return NP_ENOMEM;
    t->p = *p;
    t->set = set;
    for (int i = 0; i < NPI_TRACK_MAX; i++) t->slot[i] = &t->store[i];
    t->next_id = 1;
    *out = t;
    return 0;
}

void npi_tracker_free(struct npi_tracker **t) {
    if (!t || !*t) return;
    npi_free(*t);
    *t = NULL;
}

void npi_tracker_reset(struct npi_tracker *t) { t->n = t->started = 0; }

/* --- time --- */

static float step_to(struct npi_tracker *t, int64_t t_ns) {
    const int64_t step = t_ns - t->now_ns;
    const int first = !t->started;
    t->started = 1;
    if (first && t_ns >= 0) t->now_ns = t_ns;
    if (first) return 0;
    if (t_ns < 0 || step <= 0) { /* unknown, or standing still */
        t->now_ns += 33333333;
        return 1.f / 30;
    }
    t->now_ns = t_ns;
    return step > 5000000000 ? 5.f : (float)((double)step * 1e-9);
}

static void predict(struct npi_tracker *t, float dt) {
    for (int i = 0; i < t->n && dt > 0; i++) {
        struct slot *s = t->slot[i];
        npi_kf_predict(&s->kf, dt, s->t.missing ? UNSEEN_DAMPING : 1);
        s->t.box = npi_kf_box(&s->kf);
        s->t.vx = s->kf.cx.v;
        s->t.vy = s->kf.cy.v;
    }
}

void npi_tracker_predict(struct npi_tracker *t, int64_t t_ns) {
    if (t->started && t_ns > t->now_ns) predict(t, step_to(t, t_ns));
}

/* --- matching --- */

static float similarity(const struct npi_tracker *t, const struct slot *s, const struct npi_track_det *d) {
    const float iou = npi_iou(&s->t.box, &d->box);
    if (!t->set || !s->n_kpt || !d->kpt || d->n_kpt != s->n_kpt || s->n_kpt != t->set->n || !(t->p.oks_weight > 0)) return iou;
    struct np_keypoint here[NP_MAX_KEYPOINTS]; /* the last pose, moved along with the box */
    const float cx = s->t.box.x + s->t.box.w / 2, cy = s->t.box.y + s->t.box.h / 2;
    for (int i = 0; i < s->n_kpt; i++) {
        here[i] = s->kpt[i];
        here[i].x += cx;
        here[i].y += cy;
    }
    const float oks = npi_oks(here, d->kpt, s->n_kpt, t->set->sigma, s->t.box.w * s->t.box.h, KPT_THR);
    return oks < 0 ? iou : iou + t->p.oks_weight * (oks - iou);
}

/* Pairs the listed slots (t->rows) with the listed detections (t->cols). */
static void match(struct npi_tracker *t, const struct npi_track_det *dets, int n_rows, int n_cols, float least) {
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++) {
            const float s = similarity(t, t->slot[t->rows[r]], &dets[t->cols[c]]);
            t->assign.sim[r][c] = s >= least ? s : 0;
        }
    npi_assign(&t->assign, n_rows, n_cols);
    for (int r = 0; r < n_rows; r++) {
        const int c = t->assign.row_to_col[r];
        if (c < 0) continue;
        t->slot[t->rows[r]]->t.det = t->cols[c];
        t->det_slot[t->cols[c]] = t->rows[r];
    }
}

static int free_dets(struct npi_tracker *t, const struct npi_track_det *dets, int n, float lo, float hi) {
    int k = 0;
    for (int i = 0; i < n; i++)
        if (t->det_slot[i] < 0 && dets[i].score >= lo && dets[i].score < hi) t->cols[k++] = i;
    return k;
}

static int free_tracks(struct npi_tracker *t, int confirmed, int seen_only) {
    int k = 0;
    for (int i = 0; i < t->n; i++) {
        const struct npi_track *s = &t->slot[i]->t;
        if (s->det < 0 && (s->id > 0) == confirmed && (!seen_only || s->missing == 0)) t->rows[k++] = i;
    }
    return k;
}

/* --- births, deaths, service --- */

static void set_kpt(struct slot *s, const struct np_keypoint *kpt, int n) {
    const float cx = s->t.box.x + s->t.box.w / 2, cy = s->t.box.y + s->t.box.h / 2;
    s->n_kpt = n < NP_MAX_KEYPOINTS ? n : NP_MAX_KEYPOINTS;
    for (int i = 0; i < s->n_kpt; i++) {
        s->kpt[i] = kpt[i];
        s->kpt[i].x -= cx;
        s->kpt[i].y -= cy;
    }
}

static void take(struct npi_tracker *t, struct slot *s, const struct npi_track_det *d) {
    npi_kf_update(&s->kf, &d->box);
    s->t.box = npi_kf_box(&s->kf);
    s->t.vx = s->kf.cx.v;
    s->t.vy = s->kf.cy.v;
    s->t.score = d->score;
    s->t.hits++;
    s->t.missing = 0;
    s->t.seen_ns = t->now_ns;
    if (d->kpt && d->n_kpt > 0) set_kpt(s, d->kpt, d->n_kpt);
    if (!s->t.id && s->t.hits >= t->p.birth_hits) s->t.id = t->next_id++;
}

static void birth(struct npi_tracker *t, const struct npi_track_det *dets, int d) {
    if (t->n >= NPI_TRACK_MAX) return;
    struct slot *s = t->slot[t->n];
    memset(s, 0, sizeof *s);
    s->t.born_ns = t->now_ns;
    npi_kf_start(&s->kf, &dets[d].box);
    s->t.box = dets[d].box;
    s->t.det = d;
    t->det_slot[d] = t->n++;
    take(t, s, &dets[d]);
}

static int dies(const struct npi_tracker *t, const struct npi_track *s) {
    if (s->det >= 0) return 0;
    if (!s->id || s->missing > t->p.max_missing) return 1;
    return t->p.max_missing_s > 0 && (double)(t->now_ns - s->seen_ns) * 1e-9 > (double)t->p.max_missing_s;
}

static void bury(struct npi_tracker *t) {
    int k = 0;
    for (int i = 0; i < t->n; i++) {
        struct slot *s = t->slot[i];
        if (dies(t, &s->t)) continue;
        t->slot[i] = t->slot[k]; /* the dead move behind the living, whose order stays */
        t->slot[k++] = s;
    }
    t->n = k;
}

/* Is slot a served before b? */
static int before(const struct slot *a, const struct slot *b) {
    if ((a->t.id > 0) != (b->t.id > 0)) return a->t.id > 0;
    if ((a->t.missing == 0) != (b->t.missing == 0)) return a->t.missing == 0;
    if (a->rank != b->rank) return a->rank > b->rank;
    return a->t.id < b->t.id;
}

static void choose(struct npi_tracker *t) {
    for (int i = 0; i < t->n; i++) {
        struct slot *s = t->slot[i];
        const float followed = fminf((float)s->t.hits / 30.f, 1.f);
        /* side of the box, half as much again for the long-followed; whoever is served keeps the place against slightly larger ones */
        s->rank = sqrtf(fmaxf(s->t.box.w * s->t.box.h, 0.f)) * (1 + .5f * followed) * (s->was_selected ? 1.2f : 1.f);
        int k = i;
        for (; k > 0 && before(s, t->slot[t->order[k - 1]]); k--) t->order[k] = t->order[k - 1];
        t->order[k] = i;
    }
    for (int k = 0; k < t->n; k++) {
        struct slot *s = t->slot[t->order[k]];
        s->t.selected = s->was_selected = k < t->p.max_persons && s->t.id > 0;
    }
}

/* The best NPI_TRACK_MAX_DETS of n detections, in their order. */
static int best(struct npi_tracker *t, const struct npi_track_det *dets, int n) {
    int k = 0;
    for (int i = 0; i < n; i++) {
        const struct np_box *b = &dets[i].box;
        if (!(b->w > 0 && b->h > 0 && isfinite(b->x) && isfinite(b->y) && isfinite(b->w) && isfinite(b->h) &&
              dets[i].score >= t->p.low_thr)) continue;
        if (k < NPI_TRACK_MAX_DETS) { t->det_index[k++] = i; continue; }
        int worst = 0;
        for (int j = 1; j < k; j++)
            if (dets[t->det_index[j]].score <= dets[t->det_index[worst]].score) worst = j;
        if (dets[i].score <= dets[t->det_index[worst]].score) continue;
        memmove(t->det_index + worst, t->det_index + worst + 1, (size_t)(k - worst - 1) * sizeof *t->det_index);
        t->det_index[k - 1] = i;
    }
    return k;
}

void npi_tracker_update(struct npi_tracker *t, const struct npi_track_det *dets, int n_all, int64_t t_ns, int *ids) {
    struct npi_track_det d[NPI_TRACK_MAX_DETS];
    predict(t, step_to(t, t_ns));
    const int n = best(t, dets, n_all);
    for (int i = 0; i < n; i++) { d[i] = dets[t->det_index[i]]; t->det_slot[i] = -1; }
    for (int i = 0; i < t->n; i++) t->slot[i]->t.det = -1;

    int rows = free_tracks(t, 1, 0);
    match(t, d, rows, free_dets(t, d, n, t->p.high_thr, INFINITY), t->p.min_sim);
    rows = free_tracks(t, 1, 1);
    match(t, d, rows, free_dets(t, d, n, t->p.low_thr, t->p.high_thr), t->p.min_sim_weak);
    rows = free_tracks(t, 0, 0);
    match(t, d, rows, free_dets(t, d, n, t->p.high_thr, INFINITY), t->p.min_sim);

    for (int i = 0; i < t->n; i++) {
        struct slot *s = t->slot[i];
        if (s->t.det >= 0) take(t, s, &d[s->t.det]);
        else s->t.missing++;
    }
    for (int i = 0; i < n; i++)
        if (t->det_slot[i] < 0 && d[i].score >= t->p.new_thr) birth(t, d, i);
    for (int i = 0; ids && i < n_all; i++) ids[i] = 0;
    for (int i = 0; i < n; i++)
        if (ids && t->det_slot[i] >= 0) ids[t->det_index[i]] = t->slot[t->det_slot[i]]->t.id;
    bury(t);
    for (int i = 0; i < t->n; i++) /* back to the caller's numbers */
        if (t->slot[i]->t.det >= 0) t->slot[i]->t.det = t->det_index[t->slot[i]->t.det];
    choose(t);
}

void npi_tracker_set_pose(struct npi_tracker *t, int id, const struct np_keypoint *kpt, int n_kpt, const struct np_box *box) {
    for (int i = 0; i < t->n && id > 0; i++) {
        struct slot *s = t->slot[i];
        if (s->t.id != id) continue;
        if (box && box->w > 0 && box->h > 0 && isfinite(box->x + box->y + box->w + box->h)) {
            npi_kf_update(&s->kf, box);
            s->t.box = npi_kf_box(&s->kf);
            s->t.vx = s->kf.cx.v;
            s->t.vy = s->kf.cy.v;
        }
        if (kpt && n_kpt > 0) set_kpt(s, kpt, n_kpt);
    }
}

int npi_tracker_count(const struct npi_tracker *t) { return t->n; }
const struct npi_track *npi_tracker_at(const struct npi_tracker *t, int i) { return i >= 0 && i < t->n ? &t->slot[t->order[i]]->t : NULL; }

const struct npi_track *npi_tracker_find(const struct npi_tracker *t, int id) {
    for (int i = 0; i < t->n && id > 0; i++)
        if (t->slot[i]->t.id == id) return &t->slot[i]->t;
    return NULL;
}
