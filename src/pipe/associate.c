/* SPDX-License-Identifier: Apache-2.0 */
/* In the order of the frames: who is whom, and what happens to each person's pose. Microseconds for a handful of people.
 *
 *   boxes of an earlier frame's detection, which came behind its poses ──> tracker
 *   poses that came out ──> tracker
 *   boxes of the detector ── tracker update ── ids ──┐
 *   no detection: tracks, moved to now ──────────────┴── each person: infer, or propagate from the pose cache
 *
 * Somebody who came or got lost: the frame is detected after all, once between two turns of the detector.
 * A person is inferred when it is the frame's turn, when there is no pose of it yet (somebody new costs no stall: the rest goes on being
 * propagated), or when the last one would be older than pose_timeout. */
#include <string.h>

#include "base/clock.h"
#include "pipe/priv.h"

/* Poses of frames that have come out, up to the same ones in every run: see NPI_POSE_LAG. */
static void feed_tracker(struct npi_pipe *p, uint64_t seq) {
    const uint64_t to = p->p.mode == NP_MODE_LIVE ? p->emitted : seq < NPI_POSE_LAG ? 0 : seq - NPI_POSE_LAG + 1;
    for (; p->fed < to; p->fed++) {
        const struct npi_feed *const f = &p->feed[p->fed % (uint64_t)p->n_feeds];
        if (f->seq != p->fed) continue; /* overwritten: live mode, long ago */
        for (int i = 0; i < f->n; i++)
            npi_tracker_set_pose(p->tracker, f->who[i].id, f->kpt + (size_t)i * NP_MAX_KEYPOINTS, f->who[i].n_kpt, f->t_ns);
    }
}

/* How many. */
static int for_tracker(struct npi_track_det d[NPI_TRACK_MAX_DETS], const struct np_person *person, int n) {
    const int found = n < NPI_TRACK_MAX_DETS ? n : NPI_TRACK_MAX_DETS;
    for (int i = 0; i < found; i++) {
        const struct np_person *const q = &person[i];
        d[i] = (struct npi_track_det){ q->box, q->score, q->n_keypoints ? q->keypoint : NULL, q->n_keypoints };
    }
    return found;
}

/* The detection that came behind the poses of an earlier frame, if it is there. 1: it went into the tracks; -1: it had failed. */
static int take_behind(struct npi_pipe *p, struct npi_slot *s) {
    struct npi_behind *const b = &p->behind;
    struct npi_track_det d[NPI_TRACK_MAX_DETS] = { 0 };
    pthread_mutex_lock(&p->lock);
    const int ready = b->state == NPI_BEHIND_READY;
    pthread_mutex_unlock(&p->lock);
    if (!ready) return 0;
    const int failed = b->failed;
    if (!failed) npi_tracker_update_late(p->tracker, d, for_tracker(d, b->person, b->n_found), b->t_ns);
    s->detect_ns = b->took_ns;
    pthread_mutex_lock(&p->lock);
    b->state = NPI_BEHIND_NONE;
    pthread_mutex_unlock(&p->lock);
    return failed ? -1 : 1;
}

static int by_detection(struct npi_pipe *p, struct npi_slot *s) {
    struct npi_track_det d[NPI_TRACK_MAX_DETS] = { 0 };
    int ids[NPI_TRACK_MAX_DETS] = { 0 }, n = 0;
    const int found = for_tracker(d, s->person, s->n_found);
    /* The tracker is to know when pictures have no time, or the same: then they are no stream. */
    npi_tracker_update(p->tracker, d, found, p->p.mode == NP_MODE_LIVE ? s->t_ns : s->frame.pts_ns, ids);
    for (int i = 0; i < found; i++) { /* a box that no track took is not shown */
        if (ids[i] <= 0) continue;
        if (n != i) s->person[n] = s->person[i];
        s->person[n++].id = ids[i];
    }
    return n;
}

static int by_tracks(struct npi_pipe *p, struct npi_slot *s) {
    int n = 0;
    npi_tracker_predict(p->tracker, s->t_ns);
    for (int i = 0; i < npi_tracker_count(p->tracker) && n < p->p.persons_room; i++) {
        const struct npi_track *const t = npi_tracker_at(p->tracker, i);
        if (t->id <= 0 || t->missing || !t->selected) continue;
        const struct np_box box = npi_clip_box(t->box, (float)s->result.width, (float)s->result.height);
        if (!(box.w >= 1 && box.h >= 1)) continue;
        struct np_person *const q = &s->person[n++];
        memset(q, 0, offsetof(struct np_person, keypoint));
        q->id = t->id;
        q->score = t->score;
        q->box = box;
    }
    return n;
}

/* More people than are to be served: the tracker's choice. */
static int chosen(struct npi_pipe *p, struct npi_slot *s, int n) {
    int k = 0;
    if (n <= s->knobs.max_persons) return n;
    for (int i = 0; i < npi_tracker_count(p->tracker) && k < s->knobs.max_persons; i++) {
        const int id = npi_tracker_at(p->tracker, i)->id;
        for (int j = k; j < n; j++) {
            if (s->person[j].id != id) continue;
            if (j != k) {
                struct np_person t = s->person[j];
                s->person[j] = s->person[k];
                s->person[k] = t;
            }
            k++;
            break;
        }
    }
    return k;
}

/* Who of n people has a turn on a frame where poses are inferred, when there are more than pose_budget: the less important share
 * what the others leave, whoever waited longest first, so that their rate halves before that of the important ones moves. */
static void share_budget(struct npi_pipe *p, const struct npi_slot *s, int n, unsigned char *turn) {
    int order[NPI_MAX_PERSONS], k = 0, left = s->knobs.pose_budget;
    const int fixed = 2 * left > n ? 2 * left - n : 0;
    for (int i = 0; i < npi_tracker_count(p->tracker) && k < n; i++) /* by importance */
        for (int j = 0; j < n; j++)
            if (s->person[j].id == npi_tracker_at(p->tracker, i)->id) order[k++] = j;
    for (int i = 0; i < k && left; i++) {
        int best = i;
        for (int j = i + 1; j < k && i >= fixed; j++)
            if (npi_memo(p, s->person[order[j]].id)->asked_ns < npi_memo(p, s->person[order[best]].id)->asked_ns) best = j;
        const int who = order[best];
        memmove(order + i + 1, order + i, (size_t)(best - i) * sizeof *order);
        order[i] = who;
        turn[who] = 1;
        left--;
    }
}

static void decide_fates(struct npi_pipe *p, struct npi_slot *s, int n, int *expired) {
    unsigned char turn[NPI_MAX_PERSONS];
    const int shared = s->infer_all && s->knobs.pose_budget > 0 && s->knobs.pose_budget < n;
    memset(turn, s->infer_all && !shared, sizeof turn);
    if (shared) share_budget(p, s, n, turn);
    for (int i = 0; i < n; i++) {
        struct npi_memo *const m = npi_memo(p, s->person[i].id);
        const int known = m->asked_ns >= 0, fresh = known && s->t_ns - m->asked_ns <= s->pose_timeout_ns;
        s->fate[i] = !turn[i] && fresh ? NPI_FATE_PROPAGATE : NPI_FATE_INFER;
        if (s->fate[i] == NPI_FATE_PROPAGATE) continue;
        *expired += !turn[i] && known;
        m->asked_ns = s->t_ns;
        s->todo[s->n_todo++] = i;
    }
}

/* Out of turn, because somebody came or got lost. 1: before anything else is done with the frame; 0: behind its poses, or one is under way. */
static int want_detection(struct npi_pipe *p, uint64_t seq, struct npi_slot *s) {
    pthread_mutex_lock(&p->lock);
    const int idle = p->behind.state == NPI_BEHIND_NONE, put = idle && npi_put_behind(p, s);
    if (idle) p->extra_spent = s->detect = s->extra = 1;
    if (idle && p->p.mode == NP_MODE_LIVE) { /* as good as a planned one, which may wait; in file mode frames behind this one were planned already */
        p->since_detect = (int)(p->sent - seq - 1);
        if (s->t_ns > p->last_detect_ns) p->last_detect_ns = s->t_ns;
    }
    pthread_mutex_unlock(&p->lock);
    return idle && !put;
}

int npi_associate(struct npi_pipe *p, uint64_t seq, struct npi_slot *s) {
    int expired = 0;
    const int before = take_behind(p, s);
    feed_tracker(p, seq);
    if (s->detect && !s->extra) p->extra_spent = 0;
    if (!s->detect && !s->no_detection && !p->extra_spent && npi_tracker_wants_detection(p->tracker) && want_detection(p, seq, s)) return 0;
    const int detected = s->detect && !s->behind && !s->detect_failed;
    if (before < 0) s->detect_failed = 1;
    npi_tracker_set_picture(p->tracker, s->result.width, s->result.height);
    npi_tracker_set_max_persons(p->tracker, s->knobs.max_persons);
    const int n = chosen(p, s, detected ? by_detection(p, s) : by_tracks(p, s));
    const int joints_came = p->p.det && p->p.det->card.task == NPI_TASK_POSE_MULTI && !p->p.pose;
    s->n_todo = s->next_todo = 0;
    memset(s->fate, joints_came ? detected ? NPI_FATE_INFER : NPI_FATE_PROPAGATE : NPI_FATE_NONE, (size_t)n);
    if (p->p.pose) decide_fates(p, s, n, &expired);
    s->open = s->n_todo;
    s->result.n_persons = n;
    s->result.detected = (detected || before > 0) && p->p.det != NULL;
    const int counts = p->p.det != NULL, ran = detected || s->behind;
    npi_meter_caches(&p->meter, counts && !ran, counts && ran, p->p.pose ? n - s->n_todo : 0, s->n_todo, expired);
    return 1;
}
