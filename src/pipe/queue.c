/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of slots: frames in, results out. File and sync mode refuse a frame when the ring is full. Live mode never does: one frame
 * waits, a newer one takes its place, and results that nobody fetches give way to newer ones, so that neither a slow net nor
 * a slow caller makes anybody look at old pictures. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "pipe/priv.h"

#define EARLY 4                /* frames in the time that a detection may be used for: from there on the next one is asked for before it is over */
#define PERIOD_FRAMES 8        /* in the mean of the source's interval */
#define FRAME_STEP_NS 33333333 /* between pictures without time stamps, as the tracker has it */

void npi_slot_drop_frame(struct npi_slot *s) {
    const int had = s->has_frame;
    s->has_frame = 0;
    if (had && s->frame.release) s->frame.release(s->frame.opaque);
}

/* May detections come behind poses at all? Nobody is followed: somebody would be shown later. Detection on every frame was asked for: then it is to
 * be of this frame. */
static int may_be_behind(const struct npi_pipe *p, const struct np_knobs *k) {
    return p->p.mode == NP_MODE_LIVE && p->p.det && p->p.pose && p->n_followed && k->detection_freq > 1;
}

/* The detector's turn? Every detection_freq-th frame, and earlier when the last detection would be older than it may be: on the next frame, where it
 * can come behind the poses of this one. */
static int detector_due(struct npi_pipe *p, int64_t t_ns) {
    if (!p->started || p->since_detect + 1 >= p->knobs.detection_freq) return 1;
    const int64_t step = t_ns - p->last_t_ns, most = p->tuning.detection_timeout_ns;
    const int early = may_be_behind(p, &p->knobs) && step * EARLY <= most;
    if (t_ns - p->last_detect_ns + (early ? step : 0) <= most) return 0;
    npi_meter_caches(&p->meter, 0, 0, 0, 0, 1);
    return 1;
}

static int64_t picture_time(const struct npi_pipe *p, const struct np_frame *f, int64_t now) {
    int64_t t = f->pts_ns;
    if (t < 0 && p->p.mode == NP_MODE_LIVE) t = f->captured_ns > 0 ? f->captured_ns : now;
    if (!p->started) return t < 0 ? 0 : t;
    return t > p->last_t_ns ? t : p->last_t_ns + FRAME_STEP_NS;
}

int npi_put_behind(struct npi_pipe *p, struct npi_slot *s) {
    if (!may_be_behind(p, &s->knobs) || !s->infer_all || s->borrowed || p->behind.state != NPI_BEHIND_NONE) return 0; /* no pose would wait: it costs nobody anything */
    p->behind = (struct npi_behind){ .state = NPI_BEHIND_DUE, .s = s, .t_ns = s->t_ns, .person = p->behind.person };
    s->behind = 1;
    return 1;
}

/* Under the lock: the frame becomes number `sent`. */
static void take_in(struct npi_pipe *p, const struct np_frame *f, int borrowed, int64_t sent_ns) {
    struct npi_slot *const s = npi_slot_at(p, p->sent);
    struct np_person *const person = s->person;
    const int one_net = p->p.det && p->p.det->card.task == NPI_TASK_POSE_MULTI && !p->p.pose; /* its boxes come with joints: the rarer turn counts */
    *s = (struct npi_slot){ .person = person, .frame = *f, .has_frame = 1, .borrowed = borrowed, .knobs = p->knobs, .sent_ns = sent_ns,
                            .pose_timeout_ns = p->tuning.pose_timeout_ns, .pose_passes = p->tuning.pose_passes, .smooth = p->tuning.smooth,
                            .max_delay_ms = p->p.mode == NP_MODE_LIVE ? (float)p->tuning.c.max_delay_ms : 0 };
    s->t_ns = picture_time(p, f, sent_ns);
    const int stale = s->t_ns - p->last_detect_ns > p->tuning.detection_timeout_ns; /* the boxes may not be carried any longer */
    s->detect = !p->p.det || detector_due(p, s->t_ns);
    if (s->detect && p->behind.state != NPI_BEHIND_NONE && !stale) s->detect = 0; /* one is under way already: the next frame has its turn */
    s->infer_all = !p->started || p->since_infer + 1 >= p->knobs.frame_skip;
    if (one_net) {
        if (s->detect && !s->infer_all && s->t_ns - p->last_detect_ns <= p->tuning.pose_timeout_ns) s->detect = 0;
        s->infer_all = s->detect;
    }
    if (s->detect) p->last_detect_ns = s->t_ns;
    p->since_detect = s->detect ? 0 : p->since_detect + 1;
    p->since_infer = s->infer_all ? 0 : p->since_infer + 1;
    p->last_t_ns = s->t_ns;
    p->started = 1;
    if (s->frame.captured_ns <= 0) s->frame.captured_ns = sent_ns;
    s->deadline_ns = npi_pace_deadline(s->frame.captured_ns, sent_ns, (double)s->max_delay_ms);
    s->result = (struct np_result){ .index = f->index, .pts_ns = f->pts_ns, .persons = s->person, .set = p->p.set,
                                    .frame = p->p.keep_frames ? &s->frame : NULL };
    npi_frame_shown_size(f, &s->result.width, &s->result.height);
    s->ready_ns = npi_now_ns();
    s->det = p->adapt.det_now;
    s->pose = p->adapt.pose_now;
    s->state = s->detect && (stale || !npi_put_behind(p, s)) ? NPI_QUEUED : NPI_DETECTED;
    if (p->sent == p->emitted && p->behind.state != NPI_BEHIND_RUNNING) p->busy_since_ns = s->ready_ns;
    p->sent++;
}

/* Frames inside that still keep a lane busy, and a detection behind one: but for that the newest frame waits only as long as it is the newest.
 * Where no newer one comes (the source stops for a moment, a clip begins anew) it goes first. */
static int n_heavy(struct npi_pipe *p) {
    int n = 0;
    for (uint64_t q = p->emitted; q < p->sent; q++) {
        const struct npi_slot *const s = npi_slot_at(p, q);
        n += s->state < NPI_POSED && (s->detect || s->infer_all || s->state == NPI_POSING);
    }
    const struct npi_behind *const b = &p->behind;
    const int due = b->state == NPI_BEHIND_DUE && b->s->state >= NPI_POSED && npi_now_ns() - p->waiting_ns <= p->period_ns;
    return n + (b->state == NPI_BEHIND_RUNNING || due);
}

/* Would the next frame keep a lane busy? (take_in decides the same way; somebody new or a pose that is too old may still add to it.) */
static int next_is_heavy(const struct npi_pipe *p) {
    if (!p->started || p->since_infer + 1 >= p->knobs.frame_skip || (p->p.det && p->since_detect + 1 >= p->knobs.detection_freq)) return 1;
    return p->p.det && picture_time(p, &p->waiting, p->waiting_ns) - p->last_detect_ns > p->tuning.detection_timeout_ns;
}

void npi_queue_admit(struct npi_pipe *p) {
    if (!p->has_waiting || npi_slot_at(p, p->sent)->state != NPI_FREE) return;
    if (next_is_heavy(p) && n_heavy(p) >= p->n_lanes_now) return;
    p->has_waiting = 0;
    take_in(p, &p->waiting, p->waiting_borrowed, p->waiting_ns);
    pthread_cond_signal(&p->work);
}

/* Live mode. The frame that it displaces is given back outside the lock. */
static int send_live(struct npi_pipe *p, const struct np_frame *f, int borrowed, int64_t now) {
    struct np_frame old = { 0 };
    pthread_mutex_lock(&p->lock);
    const int displaced = p->has_waiting;
    if (displaced) old = p->waiting;
    if (p->last_sent_ns) p->period_ns += (now - p->last_sent_ns - p->period_ns) / PERIOD_FRAMES;
    p->last_sent_ns = now;
    p->waiting = *f;
    p->waiting_ns = now;
    p->waiting_borrowed = borrowed;
    p->has_waiting = 1;
    p->flushed = 0;
    npi_advance(p);
    pthread_mutex_unlock(&p->lock);
    npi_meter_sent(&p->meter);
    if (!displaced) return 0;
    if (old.release) old.release(old.opaque);
    npi_meter_dropped(&p->meter, 1);
    return 0;
}

int npi_pipe_send(struct npi_pipe *p, const struct np_frame *f, int borrowed, struct np_error *err) {
    const int64_t now = npi_now_ns();
    if (!f) {
        pthread_mutex_lock(&p->lock);
        p->flushed = 1;
        pthread_cond_broadcast(&p->done);
        pthread_mutex_unlock(&p->lock);
        return 0;
    }
    const int r = npi_frame_check(f, err);
    if (r < 0) return r;
    if (p->p.mode == NP_MODE_LIVE) return send_live(p, f, borrowed, now);
    pthread_mutex_lock(&p->lock);
    if (npi_slot_at(p, p->sent)->state != NPI_FREE) {
        pthread_mutex_unlock(&p->lock);
        return npi_fail(err, NP_EAGAIN, "all frames in flight; get a result first");
    }
    p->flushed = 0;
    take_in(p, f, borrowed, now);
    if (p->p.mode == NP_MODE_SYNC) npi_lane_work(&p->lane[0]);
    else {
        npi_advance(p);
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    npi_meter_sent(&p->meter);
    return 0;
}

/* 0: woken; 1: the time is over. */
static int wait_done(struct npi_pipe *p, int64_t until_ns) {
    if (until_ns < 0) return pthread_cond_wait(&p->done, &p->lock) != 0;
    const struct timespec t = { until_ns / 1000000000, until_ns % 1000000000 };
    return pthread_cond_timedwait(&p->done, &p->lock, &t) == ETIMEDOUT;
}

int npi_pipe_get(struct npi_pipe *p, int timeout_ms, const struct np_result **out, struct np_error *err) {
    const int64_t until = timeout_ms < 0 ? -1 : npi_now_ns() + (int64_t)timeout_ms * 1000000;
    const int live = p->p.mode == NP_MODE_LIVE;
    int r;
    pthread_mutex_lock(&p->lock);
    for (int over = 0;;) {
        if (npi_drop_passed_over(p)) npi_advance(p); /* the waiting frame may want a slot */
        struct npi_slot *const s = npi_slot_at(p, p->got);
        if (p->got < p->sent && s->state == NPI_DONE) {
            p->got++;
            s->state = NPI_TAKEN;
            *out = &s->result;
            r = 0;
            break;
        }
        const int empty = p->got == p->sent && !p->has_waiting;
        if (empty && p->flushed) {
            r = NP_EEND;
            break;
        }
        /* Something will come: wait for it in file mode when the ring is full, and after the end was announced. */
        const int must = !empty && (p->flushed || (p->p.mode == NP_MODE_FILE && npi_slot_at(p, p->sent)->state != NPI_FREE));
        if (over || (empty && !live) || (!must && timeout_ms == 0)) {
            r = NP_EAGAIN;
            break;
        }
        over = wait_done(p, timeout_ms == 0 ? -1 : until);
    }
    pthread_mutex_unlock(&p->lock);
    if (r == 0) npi_meter_displayed(&p->meter);
    return r == NP_EEND ? npi_fail(err, r, "no more results") : r == NP_EAGAIN ? npi_fail(err, r, "no result yet; send a frame first") : r;
}

void npi_pipe_release(struct npi_pipe *p, const struct np_result *r) {
    struct npi_slot *const s = (struct npi_slot *)((char *)(uintptr_t)r - offsetof(struct npi_slot, result));
    pthread_mutex_lock(&p->lock);
    const int in_use = s->given_back = s->behind; /* by the detector, which gives them back */
    pthread_mutex_unlock(&p->lock);
    if (in_use) return;
    npi_slot_drop_frame(s);
    pthread_mutex_lock(&p->lock);
    s->state = NPI_FREE;
    if (p->p.mode == NP_MODE_LIVE) npi_advance(p); /* the waiting frame may want this slot */
    pthread_cond_broadcast(&p->done);
    pthread_mutex_unlock(&p->lock);
}
