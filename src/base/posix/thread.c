/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool. One job at a time, published under `lock` as a new generation; tasks are claimed from `next`.
 *
 *   caller                          worker
 *   publish job, wake               wait for generation (short spin, then condition variable)
 *   claim tasks ...                 join: active++ if the job is still open; claim tasks ...
 *   close job, wait until           active--, last one wakes the caller
 *   active == 0
 *
 * A worker that wakes late finds the job closed and is not waited for: on a busy machine it may come milliseconds after
 * the caller has done all the work itself.
 *
 * Spinning: between the steps of a net there are only microseconds, a futex wake costs about 5 of them; SPIN_NS bounds
 * what a worker burns after its last task. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "nextpose/engine.h"

#include <pthread.h>
#include <stdatomic.h>

#define SPIN_NS 50000
#define MAX_THREADS 64

struct np_pool {
    int threads, limit;    /* limit: of them that work */
    int started;
    pthread_t tid[MAX_THREADS];
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    atomic_int generation; /* changed under lock; read without while spinning */
    atomic_int active;     /* workers in the current job; grows only under lock while it is open */
    atomic_int next;
    int n_tasks;
    npi_task_fn fn;
    void *arg;
    int open, quit, caller_waits;
    atomic_int ids;
};

static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void drain(struct np_pool *p, npi_task_fn fn, void *arg, int n_tasks, int worker) {
    int t;
    while ((t = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < n_tasks) fn(arg, t, worker);
}

static void *worker_main(void *opaque) {
    struct np_pool *const p = opaque;
    const int id = atomic_fetch_add(&p->ids, 1) + 1;
    int seen = 0;
    for (;;) {
        const int64_t until = npi_now_ns() + SPIN_NS;
        int spins = 0;
        while (atomic_load_explicit(&p->generation, memory_order_acquire) == seen) {
            cpu_relax();
            if ((++spins & 63) == 0 && npi_now_ns() > until) break;
        }
        pthread_mutex_lock(&p->lock);
        while (atomic_load_explicit(&p->generation, memory_order_relaxed) == seen && !p->quit) pthread_cond_wait(&p->work, &p->lock);
        seen = atomic_load_explicit(&p->generation, memory_order_relaxed);
        const int quit = p->quit, joined = p->open && id < p->limit, n_tasks = p->n_tasks;
        const npi_task_fn fn = p->fn;
        void *const arg = p->arg;
        if (joined) atomic_fetch_add_explicit(&p->active, 1, memory_order_relaxed);
        pthread_mutex_unlock(&p->lock);
        if (quit) return NULL;
        if (!joined) continue;
        drain(p, fn, arg, n_tasks, id);
        if (atomic_fetch_sub_explicit(&p->active, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            if (p->caller_waits) pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

int npi_pool_threads(const struct np_pool *p) { return p ? p->threads : 1; }

void npi_pool_limit(struct np_pool *p, int threads) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->limit = threads < 1 ? 1 : threads > p->threads ? p->threads : threads;
    pthread_mutex_unlock(&p->lock);
}

void npi_pool_run(struct np_pool *p, npi_task_fn fn, void *arg, int n_tasks) {
    if (!p || p->limit == 1 || n_tasks < 2) {
        for (int t = 0; t < n_tasks; t++) fn(arg, t, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->arg = arg;
    p->n_tasks = n_tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    p->open = 1;
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    drain(p, fn, arg, n_tasks, 0);
    pthread_mutex_lock(&p->lock);
    p->open = 0;
    pthread_mutex_unlock(&p->lock);
    const int64_t until = npi_now_ns() + SPIN_NS;
    int spins = 0;
    while (atomic_load_explicit(&p->active, memory_order_acquire)) {
        cpu_relax();
        if ((++spins & 63) == 0 && npi_now_ns() > until) {
            pthread_mutex_lock(&p->lock);
            p->caller_waits = 1;
            while (atomic_load_explicit(&p->active, memory_order_acquire)) pthread_cond_wait(&p->done, &p->lock);
            p->caller_waits = 0;
            pthread_mutex_unlock(&p->lock);
        }
    }
}

int np_pool_create(struct np_pool **out, int threads, struct np_error *err) {
    if (threads < 1 || threads > MAX_THREADS) return npi_fail(err, NP_EINVAL, "threads: %d is not in 1..%d", threads, MAX_THREADS);
    struct np_pool *p = npi_alloc(sizeof *p);
    if (!p) return npi_fail(err, NP_ENOMEM, "out of memory for the thread pool");
    p->threads = p->limit = threads;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
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
    p->quit = 1;
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i <= p->started; i++) pthread_join(p->tid[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    npi_free(p);
    *pp = NULL;
}
