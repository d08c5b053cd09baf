/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker of track.h. One update:
 *
 *   1. confirmed tracks, in view or lost just now <-> strong detections  (similar.c: continues >= min_sim)
 *   2. the same, still without a box              <-> weak detections    (>= min_sim_weak: a weak box must fit well)
 *   3. tracks not confirmed yet                   <-> strong ones left over
 *   4. lost tracks                                <-> strong ones left over (similar.c: returns >= min_return)
 *   5. strong ones left over start tracks; newcomers get ids, or turn out to be somebody who was lost; tracks unseen for too long die
 *   6. who is served: people in view first, then by size and by how long they have been followed */
#include "track/tracker_priv.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define UNSEEN_DAMPING .1f /* share of the speed left after a second unseen: people who vanish seldom keep going straight */
#define LATELY_S 1.f       /* lost for less: still matched as if in view */
#define WANTED_S .5f       /* who was lost for less is looked for at once */
#define WEAK_DOUBT 2.f     /* a weak box is measured so much worse, */
#define CROWD_DOUBT 4.f    /* one that is shared with somebody so much */
#define CROWD .5f          /* share of the smaller box in the other one */
#define SLOW_S .5f         /* time constant of the slow mean of the speed */
#define HALF_BODY 4.f      /* what looks like half of somebody waits so much longer for an id */
#define LEAVING .15f       /* heights a second towards the edge of the picture */
#define EDGE_LIMIT_S .2f   /* who left through the edge is not waited for longer */
#define FAR 1e6f           /* pixels: no picture reaches there */
#define STEP_NS 33333333   /* an unknown step */

typedef struct npi_track_slot slot;

void npi_track_params_default(struct npi_track_params *p) {
    *p = (struct npi_track_params){ .high_thr = .4f, .low_thr = .1f, .new_thr = .45f, .min_sim = .25f, .min_sim_weak = .4f, .min_return = .3f,
                                    .oks_weight = .5f,
                                    .birth_hits = 2, .slow_birth_s = .5f, .max_missing = 0, .max_missing_s = 2.f, .max_persons = 8 };
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
void npi_tracker_set_max_persons(struct npi_tracker *t, int max_persons) { t->p.max_persons = max_persons; }

void npi_tracker_set_picture(struct npi_tracker *t, int width, int height) {
    t->width = width;
    t->height = height;
}

/* --- time --- */

/* Sets the own clock to the frame's; seconds that have passed. at_once: nothing says that a frame will follow that could confirm somebody. */
static float step_to(struct npi_tracker *t, int64_t t_ns) {
    const int first = !t->started, known = t_ns >= 0 && t_ns < INT64_MAX / 4;
    const int64_t now = known ? t_ns + t->ahead_ns : t->now_ns;
    const int64_t step = now - t->now_ns;
    t->started = 1;
    t->at_once = first || !known || step == 0;
    if (first) {
        t->ahead_ns = 0;
        t->now_ns = known ? t_ns : t->now_ns + STEP_NS;
        return 0;
    }
    if (!known || step <= 0) { /* unknown, standing still, or a clip that starts again */
        t->now_ns += STEP_NS;
        if (known) t->ahead_ns = t->now_ns - t_ns;
        return 1.f / 30;
    }
    t->now_ns = now;
    return step > 5000000000 ? 5.f : (float)((double)step * 1e-9);
}

static void set_box(slot *s) {
    s->t.box = npi_kf_box(&s->kf);
    s->t.vx = s->kf.cx.v;
    s->t.vy = s->kf.cy.v;
}

static void predict(struct npi_tracker *t, float dt) {
    for (int i = 0; i < t->n && dt > 0; i++) {
        slot *s = t->slot[i];
        const int walks_on = s->t.missing == 0 || (s->crowded && npi_track_gap_s(t, s) < LATELY_S);
        npi_kf_predict(&s->kf, dt, walks_on ? 1 : UNSEEN_DAMPING);
        set_box(s);
    }
}

void npi_tracker_predict(struct npi_tracker *t, int64_t t_ns) {
    if (t->started && t_ns >= 0 && t_ns < INT64_MAX / 4 && t_ns + t->ahead_ns > t->now_ns) predict(t, step_to(t, t_ns));
}

/* --- matching --- */

static float comes_back(const struct npi_tracker *t, const slot *s, const struct npi_track_det *d) {
    struct npi_shape shape = { 0 };
    if (d->kpt) npi_shape_add(&shape, d->kpt, d->n_kpt, t->set);
    return npi_track_returns(t, s, &d->box, &shape);
}

/* Pairs the listed slots (t->rows) with the listed detections (t->cols). */
static void match(struct npi_tracker *t, const struct npi_track_det *dets, int n_rows, int n_cols, float least,
                  float (*alike)(const struct npi_tracker *, const slot *, const struct npi_track_det *)) {
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++) {
            const float s = alike(t, t->slot[t->rows[r]], &dets[t->cols[c]]);
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

/* Tracks without a detection so far: newcomers, or confirmed ones that were in view less than `lately_s` ago. */
static int free_tracks(struct npi_tracker *t, int confirmed, float lately_s) {
    int k = 0;
    for (int i = 0; i < t->n; i++) {
        const struct npi_track *s = &t->slot[i]->t;
        if (s->det < 0 && (s->id > 0) == confirmed && (s->missing == 0 || npi_track_gap_s(t, t->slot[i]) < lately_s)) t->rows[k++] = i;
    }
    return k;
}

static void match_all(struct npi_tracker *t, const struct npi_track_det *d, int n) {
    const struct npi_track_params *const p = &t->p;
    int rows = free_tracks(t, 1, LATELY_S);
    match(t, d, rows, free_dets(t, d, n, p->high_thr, INFINITY), p->min_sim, npi_track_continues);
    rows = free_tracks(t, 1, LATELY_S);
    match(t, d, rows, free_dets(t, d, n, p->low_thr, p->high_thr), p->min_sim_weak, npi_track_continues);
    rows = free_tracks(t, 0, INFINITY);
    match(t, d, rows, free_dets(t, d, n, p->high_thr, INFINITY), p->min_sim, npi_track_continues);
    rows = free_tracks(t, 1, INFINITY);
    match(t, d, rows, free_dets(t, d, n, p->high_thr, INFINITY), p->min_return, comes_back);
}

static int clear(const struct npi_tracker *t, const slot *s, const struct npi_track_det *d) {
    return s->t.det >= 0 && d[s->t.det].score >= t->p.high_thr;
}

/* When two people pass each other the detector first cuts one box short, then draws one about both, then the other one is cut short.
 * Whoever got such boxes as measurements would leave the crossing with the other's speed, and with the other's id. So while boxes are
 * shared both walk on as they did before (mean speed of the half second before), and boxes only correct that a little. */
static void crowd(struct npi_tracker *t, const struct npi_track_det *d) {
    for (int i = 0; i < t->n; i++) {
        slot *const s = t->slot[i];
        const struct np_box *const b = s->t.det >= 0 ? &d[s->t.det].box : &s->t.box;
        const int was = s->crowded;
        s->crowded = 0;
        for (int k = 0; k < t->n && s->t.id && !s->crowded; k++) {
            const slot *const o = t->slot[k];
            if (o == s || !o->t.id || (o->t.det < 0 && npi_track_gap_s(t, o) >= LATELY_S) || npi_inside(b, &o->t.box) <= CROWD) continue;
            s->crowded = !clear(t, s, d) || !clear(t, o, d); /* with a good box each there is nothing to doubt */
        }
        if (was || !s->crowded) continue;
        s->kf.cx.v = s->slow_vx;
        s->kf.cy.v = s->slow_vy;
    }
}

/* --- births, deaths, service --- */

static void take(struct npi_tracker *t, slot *s, const struct npi_track_det *d) {
    const float gap = npi_track_gap_s(t, s);
    const float share = s->t.hits ? fminf(fmaxf(gap / SLOW_S, 1.f / (float)s->t.hits), 1.f) : 0;
    const int jumped = s->t.missing > 0 && npi_track_continues(t, s, d) < t->p.min_sim;
    if (jumped) npi_kf_start(&s->kf, &d->box); /* back after a gap, away from where it was looked for */
    else npi_kf_update(&s->kf, &d->box, (d->score < t->p.high_thr ? WEAK_DOUBT : 1) * (s->crowded ? CROWD_DOUBT : 1));
    set_box(s);
    if (s->t.missing == 0 && !s->crowded) {
        s->slow_vx += share * (s->t.vx - s->slow_vx);
        s->slow_vy += share * (s->t.vy - s->slow_vy);
    }
    s->t.returned = s->t.missing > 0;
    s->t.score = d->score;
    s->t.hits++;
    s->t.missing = 0;
    s->t.seen_ns = s->det_ns[s->n_det % NPI_TRACK_DETS_KEPT] = t->now_ns;
    s->det_box[s->n_det++ % NPI_TRACK_DETS_KEPT] = d->box;
    s->seen_x = s->t.box.x + s->t.box.w / 2;
    s->seen_y = s->t.box.y + s->t.box.h / 2;
    s->seen_h = s->t.box.h;
    if (d->score >= t->p.new_thr) s->nobody = 0;
    if (d->kpt && d->n_kpt > 0) {
        npi_track_keep_pose(s, d->kpt, d->n_kpt, 0);
        npi_shape_add(&s->shape, d->kpt, d->n_kpt, t->set);
        s->pose_ns = t->now_ns;
    }
}

static void birth(struct npi_tracker *t, const struct npi_track_det *dets, int d) {
    if (t->n >= NPI_TRACK_MAX) return;
    slot *s = t->slot[t->n];
    memset(s, 0, sizeof *s);
    s->t.born_ns = s->t.seen_ns = t->now_ns;
    npi_kf_start(&s->kf, &dets[d].box);
    s->t.box = dets[d].box;
    s->t.det = d;
    t->det_slot[d] = t->n++;
    take(t, s, &dets[d]);
}

/* Somebody who was lost and now is this newcomer, whose build is known where the detector gives joints. */
static slot *lost_one(struct npi_tracker *t, const slot *s) {
    slot *best = NULL;
    float most = t->p.min_return;
    for (int i = 0; i < t->n; i++) {
        slot *const o = t->slot[i];
        const float p = o->t.id > 0 && o->t.missing > 0 ? npi_track_returns(t, o, &s->t.box, &s->shape) : 0;
        if (p >= most && p > 0) { most = p * 1.0001f; best = o; }
    }
    return best;
}

/* A newcomer gets an id: an own one, or that of somebody who was lost. */
static void confirm(struct npi_tracker *t, slot *s) {
    const int inside = npi_track_inside_other(t, s, &s->t.box);
    s->sure_hits += s->t.score >= t->p.new_thr && !inside;
    const int quick = s->t.hits >= t->p.birth_hits && s->sure_hits >= t->p.birth_hits;
    const double age_s = (double)(t->now_ns - s->t.born_ns) * 1e-9, wait_s = (double)(t->p.slow_birth_s * (inside == 2 ? HALF_BODY : 1));
    const int slow = s->t.hits >= t->p.birth_hits && age_s >= wait_s;
    if (!t->at_once && !quick && !slow) return;
    slot *const old = lost_one(t, s);
    if (!old) {
        s->t.id = t->next_id++;
        return;
    }
    s->t.id = old->t.id;
    s->t.hits += old->t.hits;
    s->t.born_ns = old->t.born_ns;
    s->t.returned = 1;
    s->was_selected = old->was_selected;
    if (!s->shape.weight) s->shape = old->shape;
    memcpy(s->margin, old->margin, sizeof s->margin);
    s->n_margin = old->n_margin;
    old->t.id = 0; /* and dies */
    old->t.hits = 0;
}

static int at_edge(const struct npi_tracker *t, const struct npi_track *s) {
    const float m = .02f * (float)(t->width + t->height), v = LEAVING * s->box.h;
    if (t->width < 1 || t->height < 1) return 0;
    return (s->box.x < m && s->vx < -v) || (s->box.y < m && s->vy < -v) || (s->box.x + s->box.w > (float)t->width - m && s->vx > v) ||
           (s->box.y + s->box.h > (float)t->height - m && s->vy > v);
}

static int dies(const struct npi_tracker *t, const slot *o) {
    const struct npi_track *const s = &o->t;
    if (s->missing == 0) return 0;
    if (!s->id) return s->missing >= s->hits || s->missing > 2; /* a newcomer of one frame at once */
    if (t->p.max_missing > 0 && s->missing > t->p.max_missing) return 1;
    const float gap = npi_track_gap_s(t, o);
    if (o->left && gap > EDGE_LIMIT_S) return 1;
    return t->p.max_missing_s > 0 && gap > t->p.max_missing_s;
}

static void bury(struct npi_tracker *t) {
    int k = 0;
    for (int i = 0; i < t->n; i++) {
        slot *s = t->slot[i];
        if (dies(t, s)) continue;
        t->slot[i] = t->slot[k]; /* the dead move behind the living, whose order stays */
        t->slot[k++] = s;
    }
    t->n = k;
}

/* Is slot a served before b? */
static int before(const slot *a, const slot *b) {
    if ((a->t.id > 0) != (b->t.id > 0)) return a->t.id > 0;
    if (npi_track_ghost(a) != npi_track_ghost(b)) return npi_track_ghost(b);
    if ((a->t.missing == 0) != (b->t.missing == 0)) return a->t.missing == 0;
    if (a->rank != b->rank) return a->rank > b->rank;
    return a->t.id < b->t.id;
}

static void choose(struct npi_tracker *t) {
    for (int i = 0; i < t->n; i++) {
        slot *s = t->slot[i];
        const float followed = fminf((float)s->t.hits / 30.f, 1.f);
        /* side of the box, half as much again for the long-followed; whoever is served keeps the place against slightly larger ones */
        s->rank = sqrtf(fmaxf(s->t.box.w * s->t.box.h, 0.f)) * (1 + .5f * followed) * (s->was_selected ? 1.2f : 1.f);
        int k = i;
        for (; k > 0 && before(s, t->slot[t->order[k - 1]]); k--) t->order[k] = t->order[k - 1];
        t->order[k] = i;
    }
    for (int k = 0; k < t->n; k++) {
        slot *s = t->slot[t->order[k]];
        s->t.selected = s->was_selected = k < t->p.max_persons && s->t.id > 0 && !npi_track_ghost(s);
    }
}

/* The best NPI_TRACK_MAX_DETS of n detections, in their order. */
static int best(struct npi_tracker *t, const struct npi_track_det *dets, int n) {
    int k = 0;
    for (int i = 0; i < n; i++) {
        const struct np_box *b = &dets[i].box;
        const int box = b->w > 0 && b->h > 0 && fabsf(b->x) < FAR && fabsf(b->y) < FAR && b->w < FAR && b->h < FAR;
        if (!box || !(dets[i].score >= t->p.low_thr)) continue;
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

/* At the tracker's own time. */
static void update(struct npi_tracker *t, const struct npi_track_det *dets, int n_all, int *ids) {
    struct npi_track_det d[NPI_TRACK_MAX_DETS];
    const int n = best(t, dets, n_all);
    for (int i = 0; i < n; i++) { d[i] = dets[t->det_index[i]]; t->det_slot[i] = -1; }
    for (int i = 0; i < t->n; i++) {
        t->slot[i]->t.det = -1;
        t->slot[i]->t.returned = 0;
    }
    match_all(t, d, n);
    crowd(t, d);
    for (int i = 0; i < t->n; i++) {
        slot *s = t->slot[i];
        if (s->t.det >= 0) take(t, s, &d[s->t.det]);
        else if (s->t.missing++ == 0) s->left = at_edge(t, &s->t);
    }
    for (int i = 0; i < n; i++)
        if (t->det_slot[i] < 0 && d[i].score >= t->p.high_thr) birth(t, d, i);
    for (int i = 0; i < t->n; i++)
        if (!t->slot[i]->t.id && t->slot[i]->t.missing == 0) confirm(t, t->slot[i]);
    for (int i = 0; ids && i < n_all; i++) ids[i] = 0;
    for (int i = 0; i < n; i++) {
        const slot *const s = t->det_slot[i] >= 0 ? t->slot[t->det_slot[i]] : NULL;
        if (ids && s && !npi_track_ghost(s)) ids[t->det_index[i]] = s->t.id;
    }
    bury(t);
    for (int i = 0; i < t->n; i++) /* back to the caller's numbers */
        if (t->slot[i]->t.det >= 0) t->slot[i]->t.det = t->det_index[t->slot[i]->t.det];
    choose(t);
}

void npi_tracker_update(struct npi_tracker *t, const struct npi_track_det *dets, int n, int64_t t_ns, int *ids) {
    predict(t, step_to(t, t_ns));
    update(t, dets, n, ids);
}

/* Places by the speed alone: how sure they are stays what it is now. */
static void shift(struct npi_tracker *t, float dt) {
    for (int i = 0; i < t->n && dt != 0; i++) {
        slot *const s = t->slot[i];
        s->kf.cx.x += s->kf.cx.v * dt;
        s->kf.cy.x += s->kf.cy.v * dt;
        s->kf.w.x = fmaxf(s->kf.w.x + s->kf.w.v * dt, 1.f);
        s->kf.h.x = fmaxf(s->kf.h.x + s->kf.h.v * dt, 1.f);
        set_box(s);
    }
}

void npi_tracker_update_late(struct npi_tracker *t, const struct npi_track_det *dets, int n, int64_t t_ns) {
    const int64_t now = t->now_ns, then = t_ns + t->ahead_ns;
    if (!t->started || then > now) {
        npi_tracker_update(t, dets, n, t_ns, NULL);
        return;
    }
    const float late = (float)((double)(now - then) * 1e-9);
    t->at_once = 0;
    t->now_ns = then;
    shift(t, -late);
    update(t, dets, n, NULL);
    shift(t, late);
    t->now_ns = now;
}

int npi_tracker_wants_detection(const struct npi_tracker *t) {
    for (int i = 0; i < t->n; i++) {
        const slot *const s = t->slot[i];
        if (!s->t.id || (s->t.missing > 0 && !s->left && npi_track_gap_s(t, s) < WANTED_S)) return 1;
    }
    return 0;
}

int npi_tracker_count(const struct npi_tracker *t) { return t->n; }
const struct npi_track *npi_tracker_at(const struct npi_tracker *t, int i) { return i >= 0 && i < t->n ? &t->slot[t->order[i]]->t : NULL; }

const struct npi_track *npi_tracker_find(const struct npi_tracker *t, int id) {
    for (int i = 0; i < t->n && id > 0; i++)
        if (t->slot[i]->t.id == id) return &t->slot[i]->t;
    return NULL;
}
