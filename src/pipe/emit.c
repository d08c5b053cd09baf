/* SPDX-License-Identifier: Apache-2.0 */
/* In the order of the frames: inferred poses go into the pose cache and to the tracker, the others come out of the cache, marked as
 * propagated and with their age, or not at all when they are too old. Then the result is complete. */
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
        m->asked_ns = -1;
        m->has_pose = 0;
    }
    m->used = ++p->memo_uses;
    return m;
}

static void remember(struct npi_memo *m, uint64_t seq, const struct npi_slot *s, const struct np_person *q) {
    m->has_pose = q->pose_source == NP_POSE_INFERRED; /* a net that saw nobody ends what was known */
    if (!m->has_pose) return;
    m->seq = seq;
    m->t_ns = s->t_ns;
    memcpy(&m->pose, q, offsetof(struct np_person, keypoint) + sizeof *q->keypoint * (size_t)q->n_keypoints);
}

/* The last pose, moved along with the box. 0: there is none that may still be shown. */
static int propagate(struct npi_pipe *p, const struct npi_memo *m, uint64_t seq, const struct npi_slot *s, struct np_person *q) {
    const int64_t age = s->t_ns - m->t_ns;
    q->pose_source = NP_POSE_NONE;
    q->n_keypoints = 0;
    if (!m->has_pose || age > p->tuning.pose_timeout_ns) return 0;
    const float dx = q->box.x + q->box.w / 2 - m->pose.box.x - m->pose.box.w / 2, dy = q->box.y + q->box.h / 2 - m->pose.box.y - m->pose.box.h / 2;
    q->pose_source = NP_POSE_PROPAGATED;
    q->pose_score = m->pose.pose_score;
    q->n_keypoints = m->pose.n_keypoints;
    q->age_frames = (int)(seq - m->seq);
    q->age_ms = (float)age * 1e-6f;
    for (int k = 0; k < q->n_keypoints; k++) {
        q->keypoint[k] = m->pose.keypoint[k];
        q->keypoint[k].x += dx;
        q->keypoint[k].y += dy;
    }
    return 1;
}

static void feed(struct npi_pipe *p, uint64_t seq, const struct npi_slot *s) {
    struct npi_feed *const f = &p->feed[seq % (uint64_t)p->n_feeds];
    f->seq = seq;
    f->t_ns = s->t_ns;
    f->n = 0;
    for (int i = 0; i < s->result.n_persons; i++) {
        const struct np_person *const q = &s->person[i];
        if (s->fate[i] != NPI_FATE_INFER || !p->p.pose) continue; /* joints of a one-stage net came in with the boxes */
        f->who[f->n].id = q->id;
        f->who[f->n].n_kpt = q->n_keypoints;
        memcpy(f->kpt + (size_t)f->n * NP_MAX_KEYPOINTS, q->keypoint, sizeof *q->keypoint * (size_t)q->n_keypoints);
        f->n++;
    }
}

void npi_emit(struct npi_pipe *p, uint64_t seq, struct npi_slot *s) {
    struct np_result *const r = &s->result;
    const int has_joints = p->p.set && (p->p.pose || p->p.det);
    int inferred = 0, propagated = 0, failed = s->detect_failed;
    feed(p, seq, s);
    for (int i = 0; i < r->n_persons; i++) {
        struct np_person *const q = &s->person[i];
        if (s->fate[i] == NPI_FATE_NONE) continue;
        struct npi_memo *const m = npi_memo(p, q->id);
        if (s->fate[i] == NPI_FATE_INFER) {
            remember(m, seq, s, q);
            inferred++;
        } else if (s->fate[i] == NPI_FATE_PROPAGATE) propagated += propagate(p, m, seq, s, q);
        else {
            m->asked_ns = -1; /* the next frame tries again */
            failed = 1;
        }
    }
    r->inferred = has_joints && !failed && inferred == r->n_persons && (s->infer_all || r->n_persons > 0);
    const int64_t now = npi_now_ns();
    r->detect_ms = (float)s->detect_ns / 1e6f;
    r->pose_ms = (float)s->pose_ns / 1e6f;
    r->total_ms = (float)(now - s->sent_ns) / 1e6f;
    r->delay_ms = (float)(now - s->frame.captured_ns) / 1e6f;
    const struct npi_meter_frame note = { .delay_ms = r->delay_ms, .max_delay_ms = p->p.mode == NP_MODE_LIVE ? (float)p->tuning.c.max_delay_ms : 0, .persons = r->n_persons, .inferred = r->inferred,
                                          .propagated = propagated > 0, .failed = failed };
    npi_meter_emitted(&p->meter, &note);
}
