/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a pipe: lanes, workers, memory. Nothing is allocated afterwards, but for a larger picture than before and
 * for nets that the controller opens. */
#include "pipe/pipe.h"

#include <string.h>
#include <time.h>

#include "pipe/priv.h"
#include "tune/advice.h"

/* Live mode: frames in flight that keep a lane busy. One until threads are many: a frame alone on all threads comes out soonest, but nets split over
 * more than about four threads gain little, so that several frames at once are then the better use. */
static int live_lanes(int threads) { return threads < 6 ? 1 : (threads + 2) / 4; }

static int open_lane(struct npi_pipe *p, struct npi_lane *l, int threads, struct np_error *err) {
    int r = 0;
    l->pipe = p;
    l->worker = &p->worker[p->n_workers];
    if (threads > 1 && (r = np_pool_create(&l->pool, threads, err)) < 0) return r;
    for (int i = 0; r >= 0 && i < threads; i++) {
        r = npi_worker_open(&l->worker[i], i == 0 ? p->p.det : NULL, p->p.pose, p->p.cpu, i == 0 ? l->pool : NULL, err);
        if (r >= 0) p->n_workers++;
    }
    l->n = threads;
    return r;
}

static int lanes_of(int mode, int threads) { return mode == NP_MODE_FILE ? threads : mode == NP_MODE_LIVE ? live_lanes(threads) : 1; }

void npi_lanes_share(struct npi_pipe *p) {
    int threads = p->tuning.threads;
    if (threads > p->p.threads) threads = p->p.threads;
    if (threads < 1) threads = 1;
    const int n = lanes_of(p->p.mode, threads);
    p->n_lanes_now = n < p->n_lanes ? n : p->n_lanes;
    for (int i = 0; i < p->n_lanes; i++) {
        const int share = i < p->n_lanes_now ? threads * (i + 1) / p->n_lanes_now - threads * i / p->n_lanes_now : 0;
        p->lane[i].n_now = share < p->lane[i].n ? share : p->lane[i].n;
    }
    npi_meter_lanes(&p->meter, p->n_lanes_now);
    pthread_cond_broadcast(&p->work);
}

static int open_lanes(struct npi_pipe *p, int threads, struct np_error *err) {
    int r = 0;
    p->n_lanes = lanes_of(p->p.mode, threads);
    for (int i = 0, left = threads; r >= 0 && i < p->n_lanes; i++) {
        const int n = left / (p->n_lanes - i);
        r = open_lane(p, &p->lane[i], n, err);
        left -= n;
    }
    if (r >= 0) npi_lanes_share(p);
    return r;
}

static int open_memory(struct npi_pipe *p, struct np_error *err) {
    const int room = p->p.persons_room;
    /* File mode: a frame a lane, one being taken out, one being filled. Live mode: a few cheap frames beside those of the lanes, and results. */
    p->n_slots = p->p.mode == NP_MODE_FILE ? p->n_lanes + 2 : p->p.mode == NP_MODE_LIVE ? 5 * p->n_lanes + 4 : 2;
    p->n_memos = 2 * room + 8;
    p->n_feeds = p->n_slots + NPI_POSE_LAG + 1;
    p->slot = npi_alloc(sizeof *p->slot * (size_t)p->n_slots);
    p->memo = npi_alloc(sizeof *p->memo * (size_t)p->n_memos);
    p->feed = npi_alloc(sizeof *p->feed * (size_t)p->n_feeds);
    int ok = p->slot && p->memo && p->feed;
    for (int i = 0; ok && i < p->n_slots; i++) ok = (p->slot[i].person = npi_alloc(sizeof *p->slot[i].person * NPI_MAX_PERSONS)) != NULL;
    ok = ok && (p->behind.person = npi_alloc(sizeof *p->behind.person * NPI_MAX_PERSONS)) != NULL;
    for (int i = 0; ok && i < p->n_feeds; i++) ok = (p->feed[i].kpt = npi_alloc(sizeof *p->feed[i].kpt * NP_MAX_KEYPOINTS * (size_t)room)) != NULL;
    if (!ok) return npi_fail(err, NP_ENOMEM, "out of memory for %d frames of %d people", p->n_slots, room);
    struct npi_track_params t;
    npi_track_params_default(&t);
    t.max_persons = p->tuning.c.start.max_persons;
    t.high_thr = p->p.bbox_thr;
    t.new_thr = p->p.bbox_thr + .1f;
    if (t.low_thr > t.high_thr) t.low_thr = t.high_thr;
    p->low_thr = t.low_thr;
    const float timeout_s = (float)((double)p->tuning.pose_timeout_ns * 1e-9);
    if (npi_tracker_create(&p->tracker, &t, p->p.set) < 0 || npi_flip_create(&p->flip, p->p.set, p->n_memos) < 0 ||
        npi_smoother_create(&p->smoother, &p->tuning.smooth, p->n_memos) < 0 || npi_propagator_create(&p->propagator, p->n_memos, timeout_s) < 0)
        return npi_fail(err, NP_ENOMEM, "out of memory for the tracker");
    return 0;
}

static int start_threads(struct npi_pipe *p, struct np_error *err) {
    for (int i = 0; i < p->n_lanes && p->p.mode != NP_MODE_SYNC; i++) {
        if (pthread_create(&p->lane[i].thread, NULL, npi_lane_main, &p->lane[i]))
            return npi_fail(err, NP_ENOMEM, "cannot start thread %d of %d", i + 1, p->n_lanes);
        p->n_threads = i + 1;
    }
    return 0;
}

int npi_pipe_open(struct npi_pipe **out, const struct npi_pipe_params *params, struct np_error *err) {
    struct npi_pipe *p = npi_alloc(sizeof *p);
    if (!p) return npi_fail(err, NP_ENOMEM, "out of memory");
    pthread_condattr_t monotonic;
    p->p = *params;
    if (p->p.persons_room > NPI_MAX_PERSONS) p->p.persons_room = NPI_MAX_PERSONS;
    p->tuning = p->p.tuning;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    npi_adapt_open(p);
    p->p.threads = p->p.threads < 1 ? 1 : p->p.threads > NPI_MAX_THREADS ? NPI_MAX_THREADS : p->p.threads;
    npi_meter_init(&p->meter, lanes_of(p->p.mode, p->p.threads));
    int r = open_lanes(p, p->p.threads, err);
    if (r >= 0) r = open_memory(p, err);
    if (r >= 0) r = start_threads(p, err);
    if (r < 0) npi_pipe_close(&p);
    else *out = p;
    return r;
}

void npi_pipe_close(struct npi_pipe **pp) {
    struct npi_pipe *const p = *pp;
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->quit = 1; /* what has been begun is finished; the rest is given back */
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++) pthread_join(p->lane[i].thread, NULL);
    npi_adapt_close(p);
    for (int i = 0; i < p->n_workers; i++) npi_worker_close(&p->worker[i]);
    for (int i = 0; i < p->n_lanes; i++) np_pool_free(&p->lane[i].pool);
    npi_adapt_free(p);
    for (int i = 0; p->slot && i < p->n_slots; i++) {
        npi_slot_drop_frame(&p->slot[i]);
        npi_free(p->slot[i].person);
    }
    if (p->has_waiting && p->waiting.release) p->waiting.release(p->waiting.opaque);
    for (int i = 0; p->feed && i < p->n_feeds; i++) npi_free(p->feed[i].kpt);
    npi_free(p->slot);
    npi_free(p->behind.person);
    npi_free(p->feed);
    npi_free(p->memo);
    npi_tracker_free(&p->tracker);
    npi_flip_free(&p->flip);
    npi_smoother_free(&p->smoother);
    npi_propagator_free(&p->propagator);
    npi_meter_free(&p->meter);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    npi_free(p);
    *pp = NULL;
}

size_t npi_pipe_arena_bytes(const struct npi_pipe *p) {
    size_t n = 0;
    for (int i = 0; i < p->n_workers; i++) n += p->worker[i].block_bytes;
    return n;
}

static void backend_of(const struct npi_net *net, char name[32], int64_t *switches) {
    struct npi_lineup_info i;
    if (!net) return;
    npi_lineup_info(net->lineup, &i);
    memcpy(name, i.used, 32);
    *switches += i.n_switches;
}

void npi_pipe_stats(struct npi_pipe *p, struct np_stats *out) {
    npi_meter_read(&p->meter, out);
    pthread_mutex_lock(&p->lock);
    const struct npi_tuning t = p->tuning;
    const int i_det = p->adapt.det_now, i_pose = p->adapt.pose_now;
    out->knobs = p->knobs;
    out->max_delay_ms = t.c.max_delay_ms;
    out->threads = p->n_lanes_now > 1 && p->p.mode == NP_MODE_FILE ? p->n_lanes_now : t.threads < p->p.threads ? t.threads : p->p.threads;
    out->pose_passes = t.pose_passes;
    npi_smooth_write(&t.smooth, out->smooth, sizeof out->smooth);
    memcpy(out->last_move, p->adapt.last_move, sizeof out->last_move);
    pthread_mutex_unlock(&p->lock);
    backend_of(i_det ? &p->adapt.det[i_det] : p->p.det, out->backend_detector, &out->n_switches);
    backend_of(i_pose ? &p->adapt.pose[i_pose] : p->p.pose, out->backend_pose, &out->n_switches);
    struct npi_advice_params a = { .mode = p->p.mode, .adapting = t.adapt, .c = &t.c, .processors = p->meter.probe.n_cpus,
                                         .draws = out->stage[NP_STAGE_DRAW].runs > 0 };
    for (int i = 0; i < NPI_TUNE_MAX_VARIANTS && p->p.nets.name; i++) a.variant_id[i] = p->p.nets.name(p->p.nets.opaque, i);
    npi_advise(out, &a);
}

void npi_pipe_report(struct npi_pipe *p, int stage, double ms, double wait_ms) {
    if (stage < 0 || stage >= NP_STAGE_COUNT || !(ms >= 0 && ms < 1e9)) return;
    npi_meter_stage(&p->meter, stage, (int64_t)(ms * 1e6), (int64_t)(ms * 1e6), wait_ms > 0 && wait_ms < 1e9 ? (int64_t)(wait_ms * 1e6) : 0, 1);
}

void npi_pipe_dropped(struct npi_pipe *p, int64_t n) {
    if (n > 0) npi_meter_dropped(&p->meter, n);
}

void npi_pipe_set_fault(struct npi_pipe *p, const struct npi_fault_hook *h) {
    pthread_mutex_lock(&p->lock);
    p->p.fault = *h;
    pthread_mutex_unlock(&p->lock);
}

void npi_pipe_knobs(struct npi_pipe *p, struct np_knobs *out) {
    pthread_mutex_lock(&p->lock);
    *out = p->knobs;
    pthread_mutex_unlock(&p->lock);
}
