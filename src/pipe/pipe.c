/* SPDX-License-Identifier: Apache-2.0 */
/* See pipe.h. All state changes happen under `lock`; pixels and nets are worked on outside it. Nothing is allocated after
 * open, but for a larger picture than before. */
#include "pipe/pipe.h"
#include "base/clock.h"
#include "base/log.h"
#include "track/track.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define MAX_THREADS 64

enum state { FREE, QUEUED, DETECTING, DETECTED, POSING, DONE, TAKEN };

struct slot {
    enum state state;
    struct np_frame frame;
    int has_frame;
    struct np_result result;
    struct np_person *person;   /* [max_persons] */
    int next_person, open_persons; /* not yet given out; not yet finished */
    int n_found;                /* boxes in person[], before association */
    int64_t start_ns, detect_ns, pose_ns;
    int error;
    struct np_error err;
};

struct npi_pipe {
    struct npi_pipe_params p;
    struct npi_worker worker[MAX_THREADS];
    int n_workers;
    struct np_pool *pool;       /* sync and live mode */
    pthread_t thread[MAX_THREADS];
    int n_threads;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct slot *slot; int n_slots;
    uint64_t sent, associated, got; /* sequence numbers; slot of s is s % n_slots */
    int flushed, quit;
    struct npi_tracker *tracker;
};

static struct slot *at(struct npi_pipe *p, uint64_t seq) { return &p->slot[seq % (uint64_t)p->n_slots]; }

static void drop_frame(struct slot *s) {
    if (s->has_frame && s->frame.release) s->frame.release(s->frame.opaque);
    s->has_frame = 0;
}

/* --- the three pieces of work --- */

static void detect(struct npi_pipe *p, struct npi_worker *w, struct slot *s, struct np_pool *pool) {
    const int64_t t0 = npi_now_ns();
    if (p->p.det) {
        struct npi_affine m;
        s->error = npi_worker_detect(w, &s->frame, p->p.bbox_thr, p->p.nms_thr, pool, &m, &s->err);
        if (s->error >= 0) s->n_found = npi_worker_persons(w, &m, s->result.width, s->result.height, p->p.max_persons, s->person);
    } else {
        memset(&s->person[0], 0, offsetof(struct np_person, keypoint));
        s->person[0].score = 1;
        s->person[0].box = (struct np_box){ 0, 0, (float)s->result.width, (float)s->result.height };
        s->n_found = 1;
    }
    s->detect_ns = npi_now_ns() - t0;
}

/* In the order of the frames: who is whom. Under the lock: microseconds for a handful of people. */
static void associate(struct npi_pipe *p, struct slot *s) {
    struct npi_track_det d[NPI_TRACK_MAX_DETS];
    int ids[NPI_TRACK_MAX_DETS] = { 0 }, n = s->n_found < NPI_TRACK_MAX_DETS ? s->n_found : NPI_TRACK_MAX_DETS;
    for (int i = 0; i < n; i++)
        d[i] = (struct npi_track_det){ s->person[i].box, s->person[i].score, s->person[i].n_keypoints ? s->person[i].keypoint : NULL, s->person[i].n_keypoints };
    if (s->error >= 0) npi_tracker_update(p->tracker, d, n, s->frame.pts_ns, ids);
    for (int i = 0; i < n; i++) s->person[i].id = ids[i];
    s->result.n_persons = s->n_found;
    s->next_person = p->p.pose ? 0 : s->n_found;
    s->open_persons = p->p.pose ? s->n_found : 0;
    if (s->error < 0) s->next_person = s->n_found = s->open_persons = 0;
    s->state = POSING;
}

static void finish(struct npi_pipe *p, struct slot *s) {
    struct np_result *const r = &s->result;
    int inferred = s->error >= 0 && (p->p.pose || (p->p.set && p->p.det));
    int n = 0;
    for (int i = 0; i < r->n_persons; i++) /* a box that no track took (id 0) is not shown */
        if (s->person[i].id > 0) {
            if (n != i) s->person[n] = s->person[i];
            n++;
        }
    r->n_persons = n;
    r->inferred = inferred;
    r->detect_ms = (float)s->detect_ns / 1e6f;
    r->pose_ms = (float)s->pose_ns / 1e6f;
    r->total_ms = (float)(npi_now_ns() - s->start_ns) / 1e6f;
    s->state = DONE;
    pthread_cond_broadcast(&p->done);
}

/* --- file mode: workers --- */

/* Under the lock: moves detected frames on as far as their turn has come. */
static void advance(struct npi_pipe *p) {
    while (p->associated < p->sent && at(p, p->associated)->state == DETECTED) {
        struct slot *s = at(p, p->associated++);
        associate(p, s);
        if (!s->open_persons) {
            drop_frame(s);
            finish(p, s);
        }
    }
    pthread_cond_broadcast(&p->work);
}

static struct slot *find_task(struct npi_pipe *p, int *person) {
    for (uint64_t q = p->got; q < p->associated; q++) {
        struct slot *s = at(p, q);
        if (s->state == POSING && s->next_person < s->n_found) {
            *person = s->next_person++;
            return s;
        }
    }
    for (uint64_t q = p->associated; q < p->sent; q++)
        if (at(p, q)->state == QUEUED) {
            *person = -1;
            at(p, q)->state = DETECTING;
            return at(p, q);
        }
    return NULL;
}

struct thread_arg { struct npi_pipe *p; int index; };

static void *worker_main(void *opaque) {
    struct npi_pipe *const p = ((struct thread_arg *)opaque)->p;
    struct npi_worker *const w = &p->worker[((struct thread_arg *)opaque)->index];
    npi_free(opaque);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        int person;
        struct slot *s = find_task(p, &person);
        if (!s) {
            if (p->quit) break;
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        if (person < 0) {
            detect(p, w, s, NULL);
            pthread_mutex_lock(&p->lock);
            s->state = DETECTED;
            advance(p);
            continue;
        }
        struct np_error e = { 0 };
        const int64_t t0 = npi_now_ns();
        const int r = npi_worker_pose(w, &s->frame, p->p.pose_passes, NULL, &s->person[person], &e);
        const int64_t ns = npi_now_ns() - t0;
        pthread_mutex_lock(&p->lock);
        s->pose_ns += ns;
        if (r < 0 && s->error >= 0) {
            s->error = r;
            s->err = e;
        }
        if (--s->open_persons == 0) {
            drop_frame(s);
            finish(p, s);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- sync and live mode: one frame, all threads --- */

struct pose_job { struct npi_pipe *p; struct slot *s; };

static void pose_task(void *arg, int task, int worker) {
    const struct pose_job *const j = arg;
    struct np_error e = { 0 };
    const int r = npi_worker_pose(&j->p->worker[worker], &j->s->frame, j->p->p.pose_passes, NULL, &j->s->person[task], &e);
    if (r >= 0) return;
    pthread_mutex_lock(&j->p->lock); /* out of memory for a larger picture: the frame fails, as in file mode */
    if (j->s->error >= 0) j->s->error = npi_fail(&j->s->err, r, "%s", e.message);
    pthread_mutex_unlock(&j->p->lock);
}

/* One person: the net is split over the pool; more: a person a thread. */
static void pose_all(struct npi_pipe *p, struct slot *s) {
    const int64_t t0 = npi_now_ns();
    if (s->open_persons == 1) s->error = npi_worker_pose(&p->worker[0], &s->frame, p->p.pose_passes, p->pool, &s->person[0], &s->err);
    else if (s->open_persons > 1) npi_pool_run(p->pool, pose_task, &(struct pose_job){ p, s }, s->open_persons);
    s->pose_ns = npi_now_ns() - t0;
    s->open_persons = 0;
    drop_frame(s);
}

static void run_frame(struct npi_pipe *p, struct slot *s) {
    detect(p, &p->worker[0], s, p->pool);
    pthread_mutex_lock(&p->lock); /* the state of the slot is looked at by a thread that gets */
    associate(p, s);
    p->associated++;
    pthread_mutex_unlock(&p->lock);
    pose_all(p, s);
}

static void *live_main(void *opaque) {
    struct npi_pipe *const p = opaque;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct slot *s = p->associated < p->sent ? at(p, p->associated) : NULL;
        if (!s) {
            if (p->quit) break;
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        s->state = DETECTING;
        pthread_mutex_unlock(&p->lock);
        run_frame(p, s);
        pthread_mutex_lock(&p->lock);
        finish(p, s);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- open, close, send, get --- */

static int start_threads(struct npi_pipe *p, struct np_error *err) {
    const int n = p->p.mode == NP_MODE_FILE ? p->n_workers : p->p.mode == NP_MODE_LIVE ? 1 : 0;
    for (int i = 0; i < n; i++) {
        struct thread_arg *a = NULL;
        int r;
        if (p->p.mode == NP_MODE_FILE) {
            if (!(a = npi_alloc(sizeof *a))) return npi_fail(err, NP_ENOMEM, "out of memory");
            *a = (struct thread_arg){ p, i };
            r = pthread_create(&p->thread[i], NULL, worker_main, a);
        } else r = pthread_create(&p->thread[i], NULL, live_main, p);
        if (r) {
            npi_free(a);
            return npi_fail(err, NP_ENOMEM, "cannot start thread %d of %d", i + 1, n);
        }
        p->n_threads = i + 1;
    }
    return 0;
}

int npi_pipe_open(struct npi_pipe **out, const struct npi_pipe_params *params, struct np_error *err) {
    struct npi_pipe *p = npi_alloc(sizeof *p);
    if (!p) return npi_fail(err, NP_ENOMEM, "out of memory");
    p->p = *params;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    int r = 0;
    const int threads = p->p.threads < 1 ? 1 : p->p.threads > MAX_THREADS ? MAX_THREADS : p->p.threads;
    p->n_slots = p->p.mode == NP_MODE_FILE ? threads + 2 : 2; /* a frame a worker, one being taken out, one being filled */
    p->slot = npi_alloc(sizeof *p->slot * (size_t)p->n_slots);
    if (!p->slot) r = npi_fail(err, NP_ENOMEM, "out of memory");
    for (int i = 0; r >= 0 && i < p->n_slots; i++)
        if (!(p->slot[i].person = npi_alloc(sizeof *p->slot[i].person * (size_t)p->p.max_persons))) r = npi_fail(err, NP_ENOMEM, "out of memory for %d people", p->p.max_persons);
    if (r >= 0 && p->p.mode != NP_MODE_FILE && threads > 1) r = np_pool_create(&p->pool, threads, err);
    for (int i = 0; r >= 0 && i < threads; i++) {
        const int file = p->p.mode == NP_MODE_FILE;
        r = npi_worker_open(&p->worker[i], file || i == 0 ? p->p.det : NULL, p->p.pose, p->p.cpu, i == 0 ? p->pool : NULL, err);
        if (r >= 0) p->n_workers = i + 1;
    }
    if (r >= 0) {
        struct npi_track_params t;
        npi_track_params_default(&t);
        t.max_persons = p->p.max_persons;
        t.high_thr = t.low_thr = p->p.bbox_thr;
        t.new_thr = p->p.bbox_thr + .1f;
        if (npi_tracker_create(&p->tracker, &t, p->p.set) < 0) r = npi_fail(err, NP_ENOMEM, "out of memory for the tracker");
    }
    if (r >= 0) r = start_threads(p, err);
    if (r < 0) npi_pipe_close(&p);
    else *out = p;
    return r;
}

void npi_pipe_close(struct npi_pipe **pp) {
    struct npi_pipe *const p = *pp;
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->quit = 1;
    for (int i = 0; i < p->n_slots && p->slot; i++)
        if (p->slot[i].state == QUEUED) p->slot[i].state = FREE; /* not begun: dropped; what is being worked on is finished */
    for (int i = 0; i < p->n_slots && p->slot; i++) p->slot[i].next_person = p->p.max_persons + 1;
    p->sent = p->associated;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++) pthread_join(p->thread[i], NULL);
    for (int i = 0; i < p->n_workers; i++) npi_worker_close(&p->worker[i]);
    for (int i = 0; p->slot && i < p->n_slots; i++) {
        drop_frame(&p->slot[i]);
        npi_free(p->slot[i].person);
    }
    npi_free(p->slot);
    npi_tracker_free(&p->tracker);
    np_pool_free(&p->pool);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    npi_free(p);
    *pp = NULL;
}

int npi_pipe_send(struct npi_pipe *p, const struct np_frame *f, struct np_error *err) {
    if (!f) {
        pthread_mutex_lock(&p->lock);
        p->flushed = 1;
        pthread_cond_broadcast(&p->done);
        pthread_mutex_unlock(&p->lock);
        return 0;
    }
    int r = npi_frame_check(f, err);
    if (r < 0) return r;
    pthread_mutex_lock(&p->lock);
    struct slot *const s = at(p, p->sent);
    const enum state last = p->sent ? at(p, p->sent - 1)->state : FREE;
    const int busy = p->p.mode == NP_MODE_LIVE && last >= QUEUED && last <= POSING;
    if (s->state != FREE || busy) {
        pthread_mutex_unlock(&p->lock);
        return npi_fail(err, NP_EAGAIN, "all frames in flight; get a result first");
    }
    s->frame = *f;
    s->has_frame = 1;
    s->n_found = s->next_person = s->open_persons = 0;
    s->detect_ns = s->pose_ns = 0;
    s->start_ns = npi_now_ns();
    s->error = 0;
    s->result = (struct np_result){ .index = f->index, .pts_ns = f->pts_ns, .persons = s->person, .set = p->p.set };
    npi_frame_shown_size(f, &s->result.width, &s->result.height);
    s->state = QUEUED;
    p->sent++;
    p->flushed = 0;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    if (p->p.mode == NP_MODE_SYNC) {
        run_frame(p, s);
        pthread_mutex_lock(&p->lock);
        finish(p, s);
        pthread_mutex_unlock(&p->lock);
    }
    return 0;
}

int npi_pipe_get(struct npi_pipe *p, int wait, const struct np_result **out, struct np_error *err) {
    pthread_mutex_lock(&p->lock);
    int r = 0;
    for (;;) {
        struct slot *const s = at(p, p->got);
        if (p->got == p->sent) {
            r = p->flushed ? NP_EEND : NP_EAGAIN;
            break;
        }
        if (s->state == DONE) {
            p->got++;
            if (s->error < 0) {
                s->state = FREE;
                if (err) *err = s->err;
                r = s->error;
                break;
            }
            s->state = TAKEN;
            *out = &s->result;
            break;
        }
        const int full = at(p, p->sent)->state != FREE;
        if (!(wait || p->flushed || (full && p->p.mode == NP_MODE_FILE))) {
            r = NP_EAGAIN;
            break;
        }
        pthread_cond_wait(&p->done, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return r == NP_EEND ? npi_fail(err, r, "no more results") : r == NP_EAGAIN ? npi_fail(err, r, "no result yet; send a frame first") : r;
}

void npi_pipe_release(struct npi_pipe *p, const struct np_result *r) {
    struct slot *const s = (struct slot *)((char *)(uintptr_t)r - offsetof(struct slot, result));
    pthread_mutex_lock(&p->lock);
    s->state = FREE;
    pthread_cond_broadcast(&p->done);
    pthread_mutex_unlock(&p->lock);
}

size_t npi_pipe_arena_bytes(const struct npi_pipe *p) {
    size_t n = 0;
    for (int i = 0; i < p->n_workers; i++) n += p->worker[i].block_bytes;
    return n;
}
