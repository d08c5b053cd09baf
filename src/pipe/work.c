/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: who does what when. A lane takes the poses of the oldest frame first, then a detection behind a frame that is out, then the detection of
 * the oldest frame that waits for one.
 *
 * Batches of crops: a net loaded for n pictures is no faster here than n runs of the net for one (BlazePose full, AVX2, one thread: 16.3 ms a
 * crop alone, 16.5 in twos, 18.9 in fours, where activations leave the cache; `nextpose bench model pose_landmark_full.tflite --batch 4`),
 * and it cannot spread over threads without splitting each step. So a batch is crops at once, one a thread of the lane, each in a
 * session of its own; a batch of one splits the net over the threads. Alone in its lane, a thread takes up to batch_size crops of a frame at a time.
 *
 * In-order stages (association, emission) belong to nobody: whoever makes a frame ready does them for all that are, outside the lock. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipe/priv.h"

#define LIVE_RESULTS 2 /* kept for a slow caller in live mode */
#define MAX_FREQ 30
#define ENDLESS_NS 2000000000 /* an inference that takes longer counts as a failure of its net, though its joints are good */

int npi_pipe_fault(const struct npi_pipe *p, int stage) { return p->p.fault.fail && p->p.fault.fail(p->p.fault.opaque, stage); }

void npi_pipe_complain(struct npi_pipe *p, int stage, const struct np_error *e) {
    const int64_t now = npi_now_ns();
    if (p->p.strike && e->code == NP_EBACKEND && npi_strike_check(p->p.strike, NULL) < 0) return; /* the caller gets it as the error that ends the run */
    pthread_mutex_lock(&p->lock);
    const int quiet = p->complaint[stage].last_ns && now - p->complaint[stage].last_ns < 1000000000;
    const int kept = p->complaint[stage].kept_back;
    if (!quiet) p->complaint[stage].last_ns = now;
    p->complaint[stage].kept_back = quiet ? kept + 1 : 0;
    pthread_mutex_unlock(&p->lock);
    if (quiet) return;
    if (kept) npi_log(&p->p.log, NP_LOG_ERROR, "%s: %s (and %d times since the last such line)", np_stage_name(stage), e->message, kept);
    else npi_log(&p->p.log, NP_LOG_ERROR, "%s: %s", np_stage_name(stage), e->message);
}

/* --- in-order stages --- */

/* May the frame be associated? See NPI_POSE_LAG. */
static int may_associate(struct npi_pipe *p) {
    if (p->planned >= p->sent || npi_slot_at(p, p->planned)->state != NPI_DETECTED) return 0;
    return p->p.mode == NP_MODE_LIVE || p->planned < NPI_POSE_LAG || p->emitted + NPI_POSE_LAG > p->planned;
}

/* Live mode: results that nobody fetches give way. Called under the lock, by the thread that advances. */
static void drop_oldest(struct npi_pipe *p) {
    struct npi_slot *const s = npi_slot_at(p, p->got++);
    const int counted = s->passed_over, in_use = s->given_back = s->behind;
    s->state = NPI_TAKEN; /* by us: the frame is given back outside the lock */
    pthread_mutex_unlock(&p->lock);
    if (!in_use) npi_slot_drop_frame(s);
    if (!counted) npi_meter_dropped(&p->meter, 1);
    pthread_mutex_lock(&p->lock);
    if (!in_use) s->state = NPI_FREE;
}

static void drop_old_results(struct npi_pipe *p) {
    while (p->emitted - p->got > LIVE_RESULTS && npi_slot_at(p, p->got)->state == NPI_DONE) drop_oldest(p);
}

int npi_drop_passed_over(struct npi_pipe *p) {
    int n = 0;
    for (; p->got < p->emitted && npi_slot_at(p, p->got)->state == NPI_DONE && npi_slot_at(p, p->got)->passed_over; n++) drop_oldest(p);
    return n;
}

static void associate_next(struct npi_pipe *p) {
    const uint64_t seq = p->planned;
    struct npi_slot *const s = npi_slot_at(p, seq);
    pthread_mutex_unlock(&p->lock);
    const int64_t t0 = npi_now_ns();
    const int ok = npi_associate(p, seq, s);
    const int64_t t1 = npi_now_ns();
    npi_meter_stage(&p->meter, NP_STAGE_TRACK, t1 - t0, t1 - t0, 0, 1);
    if (ok && !s->open && !p->p.keep_frames && !s->behind) npi_slot_drop_frame(s);
    pthread_mutex_lock(&p->lock);
    s->ready_ns = t1;
    if (ok) p->n_followed = s->result.n_persons;
    s->state = !ok ? NPI_QUEUED : s->open ? NPI_POSING : NPI_POSED;
    if (ok) p->planned++;
    pthread_cond_broadcast(&p->work);
}

static void emit_next(struct npi_pipe *p) {
    const uint64_t seq = p->emitted;
    struct npi_slot *const s = npi_slot_at(p, seq);
    pthread_mutex_unlock(&p->lock);
    const int64_t t0 = npi_now_ns();
    npi_emit(p, seq, s);
    npi_adapt_tick(p);
    const int64_t t1 = npi_now_ns();
    npi_meter_stage(&p->meter, NP_STAGE_SMOOTH, t1 - t0, t1 - t0, 0, 1);
    pthread_mutex_lock(&p->lock);
    s->state = NPI_DONE;
    p->emitted++;
    npi_meter_inside(&p->meter, t1 - p->busy_since_ns); /* also when the next one is inside already: a machine that is late is never empty */
    p->busy_since_ns = t1;
    if (p->p.mode == NP_MODE_LIVE) {
        npi_drop_passed_over(p);
        drop_old_results(p);
    }
    pthread_cond_broadcast(&p->done);
}

void npi_advance(struct npi_pipe *p) {
    if (p->advancing) return; /* the thread that does it looks again under the lock before it stops */
    p->advancing = 1;
    while (!p->quit) {
        if (p->p.mode == NP_MODE_LIVE) npi_queue_admit(p);
        if (p->emitted < p->planned && npi_slot_at(p, p->emitted)->state == NPI_POSED) emit_next(p);
        else if (may_associate(p)) associate_next(p);
        else break;
    }
    p->advancing = 0;
}

/* --- lanes --- */

struct task { struct npi_slot *s; int detect, behind, first, n; /* people todo[first .. first + n) */ };

static int share_of(const struct npi_lane *l, int left, int batch) {
    const int lanes = l->pipe->n_lanes_now;
    if (l->n > 1 || lanes == 1) return left;
    const int even = (left + lanes - 1) / lanes;
    return batch < even ? batch : even;
}

static int pick(struct npi_lane *l, struct task *t) {
    struct npi_pipe *const p = l->pipe;
    if (!l->n_now) return 0; /* it rests */
    for (uint64_t q = p->emitted; q < p->planned; q++) {
        struct npi_slot *const s = npi_slot_at(p, q);
        const int left = s->n_todo - s->next_todo;
        if (s->state != NPI_POSING || !left) continue;
        *t = (struct task){ .s = s, .first = s->next_todo, .n = share_of(l, left, s->knobs.batch_size) };
        s->next_todo += t->n;
        return 1;
    }
    if (p->behind.state == NPI_BEHIND_DUE && p->behind.s->state >= NPI_POSED) {
        p->behind.state = NPI_BEHIND_RUNNING;
        *t = (struct task){ .s = p->behind.s, .behind = 1 };
        return 1;
    }
    for (uint64_t q = p->planned; q < p->sent; q++) {
        struct npi_slot *const s = npi_slot_at(p, q);
        if (s->state != NPI_QUEUED) continue;
        s->state = NPI_DETECTING;
        *t = (struct task){ .s = s, .detect = 1 };
        return 1;
    }
    return 0;
}

struct pose_run { struct npi_lane *l; const struct task *t; int first; struct npi_pace pace; int64_t crop_ns[NPI_MAX_PERSONS], net_ns[NPI_MAX_PERSONS]; };

/* What a test's hook holds the net for counts as the net's own time. */
static int pose_fault(const struct npi_pipe *p, int64_t *held_ns) {
    if (!p->p.fault.fail) return 0;
    const int64_t t0 = npi_now_ns();
    const int r = npi_pipe_fault(p, NP_STAGE_POSE);
    *held_ns = npi_now_ns() - t0;
    return r;
}

/* Person todo[k] of the task's frame on worker w. A failure costs this person the joints of this frame, and says so. */
static void pose_one(struct pose_run *run, struct npi_worker *w, struct np_pool *pool, int k) {
    struct npi_pipe *const p = run->l->pipe;
    struct npi_slot *const s = run->t->s;
    const int i = s->todo[k];
    struct np_error e = { 0 };
    int64_t held = 0;
    int r = 0;
    if (npi_pipe_fault(p, NP_STAGE_CROP)) r = npi_fail(&e, NP_EINTERNAL, "the crop failed");
    else if (pose_fault(p, &held)) r = npi_fail(&e, NP_EINTERNAL, "the pose net failed");
    w->crop_ns = w->net_ns = 0;
    if (r >= 0) r = npi_worker_pose(w, s->pose, &s->frame, s->pose_passes, pool, &s->person[i], &e);
    w->net_ns += held;
    run->crop_ns[k] = w->crop_ns;
    run->net_ns[k] = w->net_ns;
    if (r >= 0 && w->net_ns > ENDLESS_NS) {
        npi_fail(&e, NP_EBACKEND, "one person took %.1f s", (double)w->net_ns * 1e-9);
        npi_adapt_judge(p, 1, e.message);
        return;
    }
    npi_adapt_judge(p, r < 0, e.message);
    if (r >= 0) return;
    s->person[i].pose_source = NP_POSE_NONE;
    s->person[i].n_keypoints = 0;
    s->fate[i] = NPI_FATE_FAILED;
    npi_pipe_complain(p, NP_STAGE_POSE, &e);
}

static void pose_task(void *arg, int task, int worker) {
    struct pose_run *const run = arg;
    pose_one(run, &run->l->worker[worker], NULL, run->first + task);
}

/* How many of the task's people were worked on: all of them, unless the frame would come too late. */
static int pose_people(struct npi_lane *l, const struct task *t, struct pose_run *run) {
    const int batch = t->s->knobs.batch_size, end = t->first + t->n;
    for (int k = t->first; k < end;) {
        const int n = end - k < batch ? end - k : batch;
        const int64_t t0 = npi_now_ns();
        if (k > t->first && !npi_pace_fits(&run->pace, t0, t->s->deadline_ns)) return k - t->first;
        run->first = k;
        k += n;
        if (n > 1 && l->pool) npi_pool_run(l->pool, pose_task, run, n);
        else while (run->first < k) pose_one(run, &l->worker[0], l->pool, run->first++);
        const int64_t now = npi_now_ns();
        npi_pace_note(&run->pace, now, now - t0);
    }
    return t->n;
}

/* Under the lock: nobody will look at the next n people of the frame. The pose cache has to do for them. */
static void leave_out(struct npi_pipe *p, struct npi_slot *s, int first, int n) {
    for (int k = first; k < first + n; k++) s->fate[s->todo[k]] = NPI_FATE_LATE;
    npi_meter_left_out(&p->meter, n);
}

/* Under the lock, which is let go on the way: n people of the frame are done with. */
static void close_people(struct npi_pipe *p, struct npi_slot *s, int n) {
    s->open -= n;
    if (s->open) return;
    if (!p->p.keep_frames && !s->behind) {
        pthread_mutex_unlock(&p->lock);
        npi_slot_drop_frame(s);
        pthread_mutex_lock(&p->lock);
    }
    s->state = NPI_POSED;
}

static void do_poses(struct npi_lane *l, const struct task *t) {
    struct npi_pipe *const p = l->pipe;
    struct npi_slot *const s = t->s;
    struct pose_run run = { .l = l, .t = t, .pace = p->pose_pace };
    const int64_t t0 = npi_now_ns();
    int64_t crop = 0, net = 0, max_crop = 0, max_net = 0;
    pthread_mutex_unlock(&p->lock);
    const int n = pose_people(l, t, &run);
    for (int k = t->first; k < t->first + n; k++) {
        crop += run.crop_ns[k];
        net += run.net_ns[k];
        if (run.crop_ns[k] > max_crop) max_crop = run.crop_ns[k];
        if (run.net_ns[k] > max_net) max_net = run.net_ns[k];
    }
    const int64_t took = npi_now_ns() - t0;
    npi_meter_stage(&p->meter, NP_STAGE_CROP, crop, max_crop, 0, n);
    npi_meter_stage(&p->meter, NP_STAGE_POSE, net, max_net, (t0 - s->ready_ns) * n, n);
    npi_meter_busy(&p->meter, took);
    pthread_mutex_lock(&p->lock);
    p->pose_pace = run.pace; /* of two lanes the one that was ready last */
    s->pose_ns += took;
    leave_out(p, s, t->first + n, t->n - n);
    close_people(p, s, t->n);
}

static void do_detection(struct npi_lane *l, struct npi_slot *s) {
    struct npi_pipe *const p = l->pipe;
    const int64_t t0 = npi_now_ns();
    pthread_mutex_unlock(&p->lock);
    const int n = npi_detect(p, l, s, s->person);
    s->n_found = n < 0 ? 0 : n;
    s->detect_failed = n < 0;
    s->detect_ns = npi_now_ns() - t0;
    if (p->p.det) npi_meter_stage(&p->meter, NP_STAGE_DETECT, s->detect_ns, s->detect_ns, t0 - s->ready_ns, 1);
    npi_meter_busy(&p->meter, s->detect_ns);
    pthread_mutex_lock(&p->lock);
    npi_pace_note(&p->detect_pace, t0 + s->detect_ns, s->detect_ns);
    s->state = NPI_DETECTED;
}

static void do_behind(struct npi_lane *l, struct npi_slot *s) {
    struct npi_pipe *const p = l->pipe;
    struct npi_behind *const b = &p->behind;
    const int64_t t0 = npi_now_ns();
    if (p->sent == p->emitted) p->busy_since_ns = t0;
    pthread_mutex_unlock(&p->lock);
    const int n = npi_detect(p, l, s, b->person);
    const int64_t t1 = npi_now_ns();
    npi_meter_stage(&p->meter, NP_STAGE_DETECT, t1 - t0, t1 - t0, 0, 1);
    npi_meter_busy(&p->meter, t1 - t0);
    pthread_mutex_lock(&p->lock);
    npi_pace_note(&p->detect_pace, t1, t1 - t0);
    b->n_found = n < 0 ? 0 : n;
    b->failed = n < 0;
    b->took_ns = t1 - t0;
    b->s = NULL;
    b->state = NPI_BEHIND_READY;
    if (p->sent == p->emitted) npi_meter_inside(&p->meter, t1 - p->busy_since_ns);
    if (s->given_back || !p->p.keep_frames) { /* otherwise the caller has the pixels, and gives them back */
        pthread_mutex_unlock(&p->lock);
        npi_slot_drop_frame(s);
        pthread_mutex_lock(&p->lock);
    }
    s->behind = 0;
    if (!s->given_back) return;
    s->state = NPI_FREE;
    pthread_cond_broadcast(&p->done);
}

/* Under the lock, live mode: what waits for a lane and would make its frame come too late is left out (tune/pace.h). 1: something was. */
static int shed(struct npi_pipe *p) {
    const int64_t now = npi_now_ns();
    for (uint64_t q = p->emitted; q < p->sent; q++) {
        struct npi_slot *const s = npi_slot_at(p, q);
        const int left = s->state == NPI_POSING ? s->n_todo - s->next_todo : 0; /* before that the slot is another thread's */
        if (left && !npi_pace_fits(&p->pose_pace, now, s->deadline_ns)) {
            leave_out(p, s, s->next_todo, left);
            s->next_todo = s->n_todo;
            close_people(p, s, left);
            return 1;
        }
        if (s->state == NPI_QUEUED && p->p.det && !npi_pace_fits(&p->detect_pace, now, s->deadline_ns)) {
            s->detect = 0;
            s->no_detection = 1;
            if (p->p.det->card.task == NPI_TASK_POSE_MULTI && !p->p.pose) s->infer_all = 0;
            p->since_detect = MAX_FREQ; /* the next frame tries again */
            s->state = NPI_DETECTED;
            npi_meter_left_out(&p->meter, 1);
            return 1;
        }
    }
    return 0;
}

void npi_lane_work(struct npi_lane *l) {
    struct task t;
    while (!l->pipe->quit) {
        npi_advance(l->pipe);
        if (l->n_now && l->pipe->p.mode == NP_MODE_LIVE && shed(l->pipe)) continue;
        if (!pick(l, &t)) return;
        npi_pool_limit(l->pool, l->n_now);
        if (t.behind) do_behind(l, t.s);
        else if (t.detect) do_detection(l, t.s);
        else do_poses(l, &t);
    }
}

void *npi_lane_main(void *lane) {
    struct npi_lane *const l = lane;
    struct npi_pipe *const p = l->pipe;
    pthread_mutex_lock(&p->lock);
    while (!p->quit) {
        npi_lane_work(l);
        if (!p->quit) pthread_cond_wait(&p->work, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}
