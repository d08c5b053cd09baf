/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool. One job at a time; all that threads agree on about it is one word, changed only by atomic operations:
 *
 *   state = generation << 32 | OPEN | number of workers in the job
 *
 *   caller                                   worker
 *   job's fields, then generation + 1, OPEN  sees another generation
 *   claim tasks ...                          joins by compare-and-swap while OPEN is set; claims tasks ...
 *   clears OPEN, waits for 0 workers         one worker less
 *
 * Who has joined keeps the job's fields alive; a worker that comes late finds the job closed and is not waited for: on a busy machine
 * it may come milliseconds after the caller has done all the work itself. Each thread has a share of the tasks, a run
 * of neighbours, and claims from the front of it; when it is empty it goes on with those of the others. So the same thread does the same part of a picture in step after step and finds
 * what it has written in its own cache (two cores without a common cache: ConvNeXtPose-S on 2 threads 23.6 -> 20.8 ms), and a slow core
 * ends up with fewer tasks.
 *
 * Spinning: between the steps of a net there are only microseconds, a futex wake costs 5 of them on hardware and 50 in a virtual
 * machine; SPIN_NS bounds what a worker burns after its last task. Who sleeps says so in `sleepers` before it looks at the state
 * for the last time, and the caller looks at `sleepers` after it has changed the state: one of the two sees the other. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "nextpose/engine.h"

#include <pthread.h>
#include <stdatomic.h>

#define SPIN_NS 100000
#define MAX_THREADS 64
#define OPEN ((uint64_t)1 << 16)
#define WORKERS (OPEN - 1)
#define GENERATION(s) ((uint32_t)((s) >> 32))

/* What is left of a thread's share: first task that nobody has claimed. May run past `end`. */
struct share { atomic_int next; int end; char apart[64 - sizeof(int) - sizeof(atomic_int)]; };

struct np_pool {
    int threads;      /* made */
    atomic_int limit; /* that may work; see npi_pool_limit */
    int started;
    pthread_t tid[MAX_THREADS];
    pthread_mutex_t lock;
    pthread_cond_t work, done, more; /* more: the limit has grown */
    npi_task_fn fn;
    void *arg;
    int sharers;      /* of the job: threads with a share */
    atomic_int ids, quit, sleepers, caller_sleeps;
    char apart_1[64]; /* what all threads write has cache lines of its own */
    _Atomic uint64_t state;
    char apart_2[64 - sizeof(uint64_t)];
    struct share share[MAX_THREADS];
};

static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void drain(struct np_pool *p, npi_task_fn fn, void *arg, int worker) {
    for (int i = 0, from = worker; i < p->sharers; i++, from = from + 1 < p->sharers ? from + 1 : 0) {
        struct share *const s = &p->share[from];
        for (int t; (t = atomic_load_explicit(&s->next, memory_order_relaxed)) < s->end;)
            if ((t = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed)) < s->end) fn(arg, t, worker);
    }
}

/* Waits for a generation other than `seen`: spins, then sleeps. */
static uint64_t next_state(struct np_pool *p, uint32_t seen) {
    uint64_t s;
    const int64_t until = npi_now_ns() + SPIN_NS;
    for (int spins = 1; GENERATION(s = atomic_load_explicit(&p->state, memory_order_acquire)) == seen; spins++) {
        cpu_relax();
        if ((spins & 63) == 0 && npi_now_ns() > until) break;
    }
    if (GENERATION(s) != seen) return s;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (GENERATION(s = atomic_load(&p->state)) == seen) pthread_cond_wait(&p->work, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return s;
}

static void *worker_main(void *opaque) {
    struct np_pool *const p = opaque;
    const int id = atomic_fetch_add(&p->ids, 1) + 1;
    uint32_t seen = 0;
    for (;;) {
        if (id >= atomic_load(&p->limit) && !atomic_load(&p->quit)) {
            pthread_mutex_lock(&p->lock);
            while (id >= atomic_load(&p->limit) && !atomic_load(&p->quit)) pthread_cond_wait(&p->more, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        uint64_t s = next_state(p, seen);
        if (atomic_load(&p->quit)) return NULL;
        while (s & OPEN && !atomic_compare_exchange_weak(&p->state, &s, s + 1)) {}
        seen = GENERATION(s);
        if (!(s & OPEN)) continue;
        if (id < p->sharers) drain(p, p->fn, p->arg, id);
        s = atomic_fetch_sub(&p->state, 1);
        if (s & OPEN || (s & WORKERS) != 1 || !atomic_load(&p->caller_sleeps)) continue;
        pthread_mutex_lock(&p->lock);
        pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

int npi_pool_threads(const struct np_pool *p) { return p ? p->threads : 1; }

void npi_pool_limit(struct np_pool *p, int threads) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->limit, threads < 1 ? 1 : threads > p->threads ? p->threads : threads);
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
}

static void open_job(struct np_pool *p, uint64_t open) {
    atomic_store(&p->state, (uint64_t)(GENERATION(atomic_load(&p->state)) + 1u) << 32 | open);
    if (!atomic_load(&p->sleepers)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

static void wait_for_workers(struct np_pool *p) {
    const int64_t until = npi_now_ns() + SPIN_NS;
    for (int spins = 1; atomic_load_explicit(&p->state, memory_order_acquire) & WORKERS; spins++) {
        cpu_relax();
        if ((spins & 63) || npi_now_ns() <= until) continue;
        pthread_mutex_lock(&p->lock);
        atomic_store(&p->caller_sleeps, 1);
        while (atomic_load(&p->state) & WORKERS) pthread_cond_wait(&p->done, &p->lock);
        atomic_store(&p->caller_sleeps, 0);
        pthread_mutex_unlock(&p->lock);
    }
}

void npi_pool_run(struct np_pool *p, npi_task_fn fn, void *arg, int n_tasks) {
    const int sharers = p ? atomic_load(&p->limit) : 1;
    if (sharers == 1 || n_tasks < 2) {
        for (int t = 0; t < n_tasks; t++) fn(arg, t, 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->sharers = sharers;
    for (int i = 0; i < sharers; i++) {
        atomic_store_explicit(&p->share[i].next, (int)((int64_t)n_tasks * i / sharers), memory_order_relaxed);
        p->share[i].end = (int)((int64_t)n_tasks * (i + 1) / sharers);
    }
    open_job(p, OPEN);
    drain(p, fn, arg, 0);
    if (atomic_fetch_and(&p->state, ~OPEN) & WORKERS) wait_for_workers(p);
}

int np_pool_create(struct np_pool **out, int threads, struct np_error *err) {
    if (threads < 1 || threads > MAX_THREADS) return npi_fail(err, NP_EINVAL, "threads: %d is not in 1..%d", threads, MAX_THREADS);
    struct np_pool *p = npi_alloc(sizeof *p);
    if (!p) return npi_fail(err, NP_ENOMEM, "out of memory for the thread pool");
    p->threads = threads;
    atomic_init(&p->limit, threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    pthread_cond_init(&p->more, NULL);
    for (int i = 1; i < threads; i++) {
        if (pthread_create(&p->tid[i], NULL, worker_main, p)) {
            np_pool_free(&p);
            return npi_fail(err, NP_ENOMEM, "cannot start thread %d of %d", i + 1, threads);
        }
        p->started = i;
    }
    *out = p;
    return 0;
}

void np_pool_free(struct np_pool **pp) {
    if (!pp || !*pp) return;
    struct np_pool *p = *pp;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->quit, 1);
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    open_job(p, 0);
    for (int i = 1; i <= p->started; i++) pthread_join(p->tid[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    npi_free(p);
    *pp = NULL;
}
