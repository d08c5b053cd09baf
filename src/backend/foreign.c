/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of a plug-in's net, and its calls one at a time. Foreign code may hang, and no thread can be stopped from outside: so it
 * runs on a thread of ours that the caller waits for, so long. A thread that does not come back is left behind with all that it
 * may still touch (net, buffers, engine) and cleans up when it does.
 *
 *   caller   fill in ── wake ── wait until `deadline` ──────────── outputs       or: cancel, wait CANCEL_MS, leave behind
 *   runner            run() ───────────────────────── wake */
#include "backend/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define CANCEL_MS 500
#define MAX_BUFFERS 32
#define MAX_TABLES 16

enum { IDLE, GO, DONE, QUIT };

struct npi_foreign_run {
    struct npi_engine *e;
    struct np_backend_net *net;
    void *in[MAX_BUFFERS], *out[MAX_BUFFERS];
    int timeout_ms;
    atomic_int refs;                /* its owner, its runner */
    pthread_t thread; int has_thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int state, result, abandoned;
    struct np_error err;
};

static struct timespec after_ms(clockid_t clock, int ms) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static void monotonic_cond(pthread_cond_t *c) {
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

/* --- one call at a time a plug-in: a lock for each table, of the process, as the module is --- */

static struct { const struct np_backend *table; pthread_mutex_t lock; } gate[MAX_TABLES];
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t *gate_of(const struct np_backend *table) {
    pthread_mutex_lock(&gate_lock);
    int i = 0;
    while (i < MAX_TABLES - 1 && gate[i].table && gate[i].table != table) i++; /* the last one is shared by all that are too many */
    if (!gate[i].table) {
        gate[i].table = table;
        pthread_mutex_init(&gate[i].lock, NULL);
    }
    pthread_mutex_unlock(&gate_lock);
    return &gate[i].lock;
}

int npi_plugin_enter(const struct np_backend *table, int ms, struct np_error *err) {
    pthread_mutex_t *const m = gate_of(table);
    if (ms <= 0) return pthread_mutex_lock(m) ? NP_EBACKEND : 0;
    const struct timespec t = after_ms(CLOCK_REALTIME, ms);
    return pthread_mutex_timedlock(m, &t) ? npi_fail(err, NP_EBACKEND, "%s: still inside an earlier call after %d ms", table->name, ms) : 0;
}

void npi_plugin_leave(const struct np_backend *table) { pthread_mutex_unlock(gate_of(table)); }

/* --- open, with a limit --- */

struct opening {
    struct npi_engine *e;
    struct np_backend_net *share, *net;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int done, abandoned, result;
    struct np_error err;
};

static int open_now(struct np_backend_net **out, struct npi_engine *e, struct np_backend_net *share, struct np_error *err) {
    const struct np_backend *const t = npi_engine_table(e);
    struct np_backend_params p = *npi_engine_params(e);
    p.share = share;
    int r = npi_plugin_enter(t, p.open_timeout_ms, err);
    if (r < 0) return r;
    struct np_error e2 = { 0 };
    r = t->open(out, &p, &e2);
    npi_plugin_leave(t);
    if (r < 0) return npi_fail(err, r, "%s", *e2.message ? e2.message : np_error_text(r));
    return *out ? 0 : npi_fail(err, NP_EBACKEND, "%s: opened nothing", t->name);
}

static void close_now(const struct np_backend *t, struct np_backend_net *net) {
    npi_plugin_enter(t, 0, NULL);
    t->close(net);
    npi_plugin_leave(t);
}

static void free_opening(struct opening *o) {
    npi_engine_unref(&o->e);
    pthread_cond_destroy(&o->cond);
    pthread_mutex_destroy(&o->lock);
    npi_free(o);
}

static void *opener_main(void *opaque) {
    struct opening *const o = opaque;
    struct np_backend_net *net = NULL;
    struct np_error err = { 0 };
    const int r = open_now(&net, o->e, o->share, &err);
    pthread_mutex_lock(&o->lock);
    o->net = net;
    o->result = r;
    o->err = err;
    o->done = 1;
    const int late = o->abandoned;
    pthread_cond_signal(&o->cond);
    pthread_mutex_unlock(&o->lock);
    if (late) {
        if (r >= 0) close_now(npi_engine_table(o->e), net);
        free_opening(o);
    }
    return NULL;
}

int npi_plugin_open(struct np_backend_net **out, struct npi_engine *e, struct np_backend_net *share, struct np_error *err) {
    const int ms = npi_engine_params(e)->open_timeout_ms;
    if (ms <= 0) return open_now(out, e, share, err);
    struct opening *o = npi_alloc(sizeof *o);
    if (!o) return npi_fail(err, NP_ENOMEM, "out of memory");
    *o = (struct opening){ .e = npi_engine_ref(e), .share = share };
    pthread_mutex_init(&o->lock, NULL);
    monotonic_cond(&o->cond);
    pthread_t tid;
    if (pthread_create(&tid, NULL, opener_main, o)) {
        free_opening(o);
        return npi_fail(err, NP_ENOMEM, "cannot start a thread");
    }
    const struct timespec until = after_ms(CLOCK_MONOTONIC, ms);
    pthread_mutex_lock(&o->lock);
    int late = 0;
    while (!o->done && !late) late = pthread_cond_timedwait(&o->cond, &o->lock, &until) == ETIMEDOUT;
    late = !o->done;
    o->abandoned = late;
    pthread_mutex_unlock(&o->lock);
    if (late) {
        pthread_detach(tid);
        return npi_fail(err, NP_EBACKEND, "%s: opening the model did not end within %d ms", npi_engine_table(e)->name, ms);
    }
    pthread_join(tid, NULL);
    const int r = o->result;
    if (r >= 0) *out = o->net;
    else npi_fail(err, r, "%s", o->err.message);
    free_opening(o);
    return r;
}

/* --- runs --- */

static void unref_run(struct npi_foreign_run *f) {
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1) return;
    for (int i = 0; i < MAX_BUFFERS; i++) {
        npi_free(f->in[i]);
        npi_free(f->out[i]);
    }
    npi_engine_unref(&f->e);
    pthread_cond_destroy(&f->cond);
    pthread_mutex_destroy(&f->lock);
    npi_free(f);
}

static int call(struct npi_foreign_run *f, struct np_error *err) {
    struct np_error e = { 0 };
    const int r = npi_engine_table(f->e)->run(f->net, (const void *const *)f->in, f->out, &e);
    return r < 0 ? npi_fail(err, r, "%s", *e.message ? e.message : np_error_text(r)) : 0;
}

static void *runner_main(void *opaque) {
    struct npi_foreign_run *const f = opaque;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (f->state != GO && f->state != QUIT) pthread_cond_wait(&f->cond, &f->lock);
        if (f->state == QUIT) break;
        pthread_mutex_unlock(&f->lock);
        struct np_error err = { 0 };
        const int r = call(f, &err);
        pthread_mutex_lock(&f->lock);
        f->result = r;
        f->err = err;
        f->state = DONE;
        pthread_cond_broadcast(&f->cond);
        if (f->abandoned) break;
    }
    const int left = f->abandoned;
    pthread_mutex_unlock(&f->lock);
    if (left) {
        npi_engine_forget_net(f->e, f->net);
        close_now(npi_engine_table(f->e), f->net);
    }
    unref_run(f);
    return NULL;
}

int npi_foreign_run_open(struct npi_foreign_run **out, struct npi_engine *e, struct np_error *err) {
    struct npi_foreign_run *f = npi_alloc(sizeof *f);
    if (!f) return npi_fail(err, NP_ENOMEM, "out of memory");
    f->e = npi_engine_ref(e);
    atomic_init(&f->refs, 1);
    pthread_mutex_init(&f->lock, NULL);
    monotonic_cond(&f->cond);
    f->timeout_ms = npi_engine_params(e)->run_timeout_ms;
    int r = 0;
    for (int i = 0; i < npi_engine_n_inputs(e); i++)
        if (!(f->in[i] = npi_alloc(npi_view_bytes(npi_engine_input(e, i))))) r = NP_ENOMEM;
    for (int i = 0; i < npi_engine_n_outputs(e); i++)
        if (!(f->out[i] = npi_alloc(npi_view_bytes(npi_engine_output(e, i))))) r = NP_ENOMEM;
    if (r < 0) npi_fail(err, r, "out of memory for the tensors of %s", npi_engine_runtime(e));
    if (r >= 0 && !(f->net = npi_engine_take_net(e))) r = npi_plugin_open(&f->net, e, npi_engine_share(e), err);
    if (r >= 0 && f->timeout_ms > 0) {
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
        if (!pthread_create(&f->thread, NULL, runner_main, f)) f->has_thread = 1;
        else {
            atomic_fetch_sub_explicit(&f->refs, 1, memory_order_relaxed);
            r = npi_fail(err, NP_ENOMEM, "cannot start a thread");
        }
    }
    if (r < 0) npi_foreign_run_close(&f);
    else *out = f;
    return r;
}

void npi_foreign_run_close(struct npi_foreign_run **fp) {
    struct npi_foreign_run *const f = *fp;
    *fp = NULL;
    if (!f) return;
    const int left = f->abandoned; /* written by this thread only; the net is the runner's then */
    if (f->has_thread && !left) {
        pthread_mutex_lock(&f->lock);
        f->state = QUIT;
        pthread_cond_broadcast(&f->cond);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, NULL);
    }
    if (f->net && !left) npi_engine_give_net(f->e, f->net);
    unref_run(f);
}

void *npi_foreign_buffer(const struct npi_foreign_run *f, int output, int i) { return i < 0 || i >= MAX_BUFFERS ? NULL : output ? f->out[i]
                                                                               : f->in[i]; }

/* Under the lock: waits for the runner until ms have passed; 0: it did not come. */
static int wait_done(struct npi_foreign_run *f, int ms) {
    const struct timespec until = after_ms(CLOCK_MONOTONIC, ms);
    while (f->state != DONE)
        if (pthread_cond_timedwait(&f->cond, &f->lock, &until) == ETIMEDOUT) break;
    return f->state == DONE;
}

int npi_foreign_go(struct npi_foreign_run *f, struct np_error *err) {
    const struct np_backend *const t = npi_engine_table(f->e);
    if (!f->has_thread) return call(f, err);
    pthread_mutex_lock(&f->lock);
    if (f->abandoned) {
        pthread_mutex_unlock(&f->lock);
        return npi_fail(err, NP_EBACKEND, "%s: an earlier run is still inside", t->name);
    }
    f->state = GO;
    pthread_cond_broadcast(&f->cond);
    int in_time = wait_done(f, f->timeout_ms), back = in_time;
    if (!in_time && t->cancel) {
        pthread_mutex_unlock(&f->lock);
        t->cancel(f->net);
        pthread_mutex_lock(&f->lock);
        back = wait_done(f, CANCEL_MS);
    }
    int r = f->result;
    if (!back) {
        f->abandoned = 1;
        pthread_detach(f->thread);
    }
    if (!in_time) r = npi_fail(err, NP_EBACKEND, "%s: a run did not end within %d ms", t->name, f->timeout_ms);
    else if (r < 0) npi_fail(err, r, "%s", f->err.message);
    if (back) f->state = IDLE;
    pthread_mutex_unlock(&f->lock);
    return r;
}
