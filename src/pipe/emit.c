/* SPDX-License-Identifier: Apache-2.0 */
/* In the order of the frames: what happens to poses over time. Then the result is complete.
 *
 *   inferred     left and right put right ──> tracker's feed ── smoothed ──> pose cache (propagator)
 *   others       out of the cache, moved on with the speed they had, marked as propagated and with their age; too old: no joints
 *   all          two on one body: the younger one is not shown */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "pipe/priv.h"

/* The memo of a person; somebody new takes the place of whoever was not seen for longest. */
struct npi_memo *npi_memo(struct npi_pipe *p, int id) {
    struct npi_memo *m = &p->memo[0], *oldest = m;
    const struct npi_memo *const end = p->memo + p->n_memos;
    for (; m < end && m->id != id; m++)
        if (m->used < oldest->used) oldest = m;
    if (m == end) {
        m = oldest;
        m->id = id;
        m->asked_ns = m->posed_ns = -1;
    }
    m->used = ++p->memo_uses;
    return m;
}

/* Repaired and smoothed in place; a net that saw nobody ends what was known. */
static void take_pose(struct npi_pipe *p, struct npi_memo *m, uint64_t seq, const struct npi_slot *s, struct np_person *q) {
    if (q->pose_source != NP_POSE_INFERRED) {
        npi_propagator_forget(p->propagator, q->id);
        m->posed_ns = s->t_ns; /* an answer all the same */
        return;
    }
    m->seq = seq;
    m->posed_ns = s->t_ns;
    m->pose_score = q->pose_score;
    npi_smoother_apply(p->smoother, q->id, q->keypoint, q->n_keypoints, q->box.h, s->t_ns);
    npi_propagator_observe(p->propagator, q->id, q->keypoint, q->n_keypoints, q->box.h, s->t_ns);
}

/* 0: there is no pose that may still be shown. */
static int propagate(struct npi_pipe *p, const struct npi_memo *m, uint64_t seq, const struct npi_slot *s, struct np_person *q) {
    int64_t age = 0;
    q->n_keypoints = npi_propagator_at(p->propagator, q->id, s->t_ns, q->keypoint, &age);
    q->pose_source = q->n_keypoints ? NP_POSE_PROPAGATED : NP_POSE_NONE;
    q->pose_score = q->n_keypoints ? m->pose_score : 0;
    if (!q->n_keypoints) return 0;
    q->age_frames = (int)(seq - m->seq);
    q->age_ms = (float)age * 1e-6f;
    return 1;
}

/* Two tracks on one body: the younger is not shown. */
static void drop_doubles(struct npi_pipe *p, struct npi_slot *s) {
    unsigned char dup[NPI_MAX_PERSONS];
    struct np_result *const r = &s->result;
    int n = 0;
    if (r->n_persons < 2 || !npi_mark_doubles(s->person, r->n_persons, p->p.set, dup)) return;
    for (int i = 0; i < r->n_persons; i++) {
        if (dup[i]) continue;
        if (n != i) s->person[n] = s->person[i];
        n++;
    }
    r->n_persons = n;
}

static void feed(struct npi_pipe *p, uint64_t seq, struct npi_slot *s) {
    struct npi_feed *const f = &p->feed[seq % (uint64_t)p->n_feeds];
    f->seq = seq;
    f->t_ns = s->t_ns;
    f->n = 0;
    for (int i = 0; i < s->result.n_persons; i++) {
        struct np_person *const q = &s->person[i];
        if (s->fate[i] != NPI_FATE_INFER) continue;
        if (q->n_keypoints) npi_flip_repair(p->flip, q->id, q->keypoint, q->n_keypoints, q->box.h, s->t_ns);
        if (!p->p.pose) continue; /* joints of a one-stage net came in with the boxes */
        f->who[f->n].id = q->id;
        f->who[f->n].n_kpt = q->n_keypoints;
        memcpy(f->kpt + (size_t)f->n * NP_MAX_KEYPOINTS, q->keypoint, sizeof *q->keypoint * (size_t)q->n_keypoints);
        f->n++;
    }
}

/* The newest frame is never passed over: its caller may wait for it before it sends another one. */
static int newer_comes(struct npi_pipe *p, uint64_t seq) {
    pthread_mutex_lock(&p->lock);
    const int newer = p->sent > seq + 1 || p->has_waiting;
    pthread_mutex_unlock(&p->lock);
    return newer;
}

void npi_emit(struct npi_pipe *p, uint64_t seq, struct npi_slot *s) {
    struct np_result *const r = &s->result;
    const int has_joints = p->p.set && (p->p.pose || p->p.det);
    int inferred = 0, propagated = 0, failed = s->detect_failed;
    npi_propagator_set_timeout(p->propagator, (float)((double)s->pose_timeout_ns * 1e-9));
    npi_smoother_set(p->smoother, &s->smooth);
    feed(p, seq, s);
    for (int i = 0; i < r->n_persons; i++) {
        struct np_person *const q = &s->person[i];
        if (s->fate[i] == NPI_FATE_NONE) continue;
        struct npi_memo *const m = npi_memo(p, q->id);
        if (s->fate[i] == NPI_FATE_INFER) {
            take_pose(p, m, seq, s, q);
            inferred++;
        } else if (s->fate[i] == NPI_FATE_PROPAGATE) propagated += propagate(p, m, seq, s, q);
        else if (s->fate[i] == NPI_FATE_LATE) {
            if (m->asked_ns == s->t_ns) m->asked_ns = m->posed_ns; /* the next frame tries again when that is too old */
            propagated += propagate(p, m, seq, s, q);
        }
        else {
            m->asked_ns = -1; /* the next frame tries again */
            failed = 1;
        }
    }
    r->inferred = has_joints && !failed && inferred == r->n_persons && (s->infer_all || r->n_persons > 0);
    drop_doubles(p, s);
    const int64_t now = npi_now_ns();
    r->detect_ms = (float)s->detect_ns / 1e6f;
    r->pose_ms = (float)s->pose_ns / 1e6f;
    r->total_ms = (float)(now - s->sent_ns) / 1e6f;
    r->backend_switches = (int)((p->p.det ? npi_lineup_generation(p->p.det->lineup) : 0) + (p->p.pose ? npi_lineup_generation(p->p.pose->lineup) : 0));
    r->delay_ms = (float)(now - s->frame.captured_ns) / 1e6f;
    if (s->max_delay_ms > 0) s->passed_over = npi_credit_pass_over(&p->credit, r->delay_ms > s->max_delay_ms && newer_comes(p, seq));
    const struct npi_meter_frame note = { .delay_ms = r->delay_ms, .max_delay_ms = s->max_delay_ms, .persons = r->n_persons, .inferred = r->inferred,
                                          .propagated = propagated > 0, .failed = failed, .passed_over = s->passed_over };
    npi_meter_emitted(&p->meter, &note);
}
