/* SPDX-License-Identifier: Apache-2.0 */
/* See lineup.h. All state is under `lock`; opening a runtime again happens outside it, on a thread that exists only once
 * something has failed. */
#include "backend/lineup.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum entry_state { CLOSED, GOOD, BAD };

struct entry {
    char runtime[32];
    struct npi_engine *engine;
    enum entry_state state;
    int failures;               /* in a row; forgotten when it has worked for retry_max_ms */
    int64_t retry_ns, good_since_ns;
    char why[256];
};

struct npi_lineup {
    struct npi_lineup_params p;
    char asked[32], what[32];
    struct entry on[NPI_LINEUP_MAX];
    int n, now;
    atomic_uint generation;
    int n_switches;
    char reason[256];
    pthread_mutex_t lock;
    pthread_cond_t cond;
    pthread_t thread; int has_thread, quit;
};

int npi_lineup_open(struct npi_lineup **out, const struct npi_lineup_params *p, struct np_error *err) {
    struct npi_lineup *l = npi_alloc(sizeof *l);
    if (!l) return npi_fail(err, NP_ENOMEM, "out of memory");
    l->p = *p;
    if (l->p.retry_first_ms <= 0) l->p.retry_first_ms = 1000;
    if (l->p.retry_max_ms <= 0) l->p.retry_max_ms = 60000;
    snprintf(l->asked, sizeof l->asked, "%s", p->asked);
    snprintf(l->what, sizeof l->what, "%s", p->what);
    snprintf(l->reason, sizeof l->reason, "%s", p->reason);
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&l->cond, &a);
    pthread_condattr_destroy(&a);
    *out = l;
    return 0;
}

int npi_lineup_add(struct npi_lineup *l, const char *runtime, struct npi_engine **e) {
    if (l->n == NPI_LINEUP_MAX) return NP_ELIMIT;
    struct entry *const x = &l->on[l->n++];
    snprintf(x->runtime, sizeof x->runtime, "%s", runtime);
    x->engine = *e;
    x->state = *e ? GOOD : CLOSED;
    x->good_since_ns = npi_now_ns();
    *e = NULL;
    return 0;
}

void npi_lineup_close(struct npi_lineup **lp) {
    struct npi_lineup *const l = *lp;
    if (!l) return;
    *lp = NULL;
    pthread_mutex_lock(&l->lock);
    l->quit = 1;
    pthread_cond_broadcast(&l->cond);
    pthread_mutex_unlock(&l->lock);
    if (l->has_thread) pthread_join(l->thread, NULL);
    for (int i = 0; i < l->n; i++) {
        if (l->on[i].engine) npi_engine_mute(l->on[i].engine);
        npi_engine_unref(&l->on[i].engine);
    }
    pthread_cond_destroy(&l->cond);
    pthread_mutex_destroy(&l->lock);
    npi_free(l);
}

unsigned npi_lineup_generation(const struct npi_lineup *l) { return atomic_load_explicit(&l->generation, memory_order_acquire); }

struct npi_engine *npi_lineup_now(struct npi_lineup *l, unsigned *generation) {
    pthread_mutex_lock(&l->lock);
    const struct entry *const x = &l->on[l->now];
    struct npi_engine *const e = x->state == GOOD ? npi_engine_ref(x->engine) : NULL;
    if (generation) *generation = npi_lineup_generation(l);
    pthread_mutex_unlock(&l->lock);
    return e;
}

struct npi_engine *npi_lineup_at(struct npi_lineup *l, int i) {
    pthread_mutex_lock(&l->lock);
    struct npi_engine *const e = i >= 0 && i < l->n && l->on[i].engine ? npi_engine_ref(l->on[i].engine) : NULL;
    pthread_mutex_unlock(&l->lock);
    return e;
}

/* Under the lock. First usable entry behind i; one that was never opened is opened now: frames wait for it in any case. */
static int next_good(struct npi_lineup *l, int i) {
    for (int k = i + 1; k < l->n; k++) {
        struct entry *const x = &l->on[k];
        struct np_error e = { 0 };
        if (x->state == CLOSED && l->p.reopen) {
            const int r = l->p.reopen(l->p.opaque, k, &x->engine, &e);
            x->state = r < 0 ? BAD : GOOD;
            x->good_since_ns = npi_now_ns();
            if (r < 0) {
                snprintf(x->why, sizeof x->why, "%.255s", e.message);
                x->retry_ns = INT64_MAX;
                npi_log(&l->p.logger, NP_LOG_WARN, "%s: %s cannot take over: %s", l->what, x->runtime, x->why);
            }
        }
        if (x->state == GOOD) return k;
    }
    return -1;
}

struct npi_engine *npi_lineup_spare(struct npi_lineup *l) {
    pthread_mutex_lock(&l->lock);
    const int k = next_good(l, l->now);
    struct npi_engine *const e = k >= 0 ? npi_engine_ref(l->on[k].engine) : NULL;
    pthread_mutex_unlock(&l->lock);
    return e;
}

static int64_t back_off_ns(const struct npi_lineup *l, int failures) {
    int64_t ms = l->p.retry_first_ms;
    for (int i = 1; i < failures && ms < l->p.retry_max_ms; i++) ms *= 2;
    return (ms < l->p.retry_max_ms ? ms : l->p.retry_max_ms) * 1000000;
}

/* Under the lock. */
static void move_to(struct npi_lineup *l, int i) {
    l->now = i;
    l->n_switches++;
    atomic_fetch_add_explicit(&l->generation, 1, memory_order_release);
}

/* Under the lock: the entry to try next, of those before the one in use (or the one in use, when that is bad); -1: none. */
static int next_retry(const struct npi_lineup *l) {
    int best = -1;
    for (int i = 0; i < l->n && i <= l->now; i++)
        if (l->on[i].state == BAD && l->on[i].retry_ns != INT64_MAX && (best < 0 || l->on[i].retry_ns < l->on[best].retry_ns)) best = i;
    return best;
}

static void try_again(struct npi_lineup *l, int i) {
    struct entry *const x = &l->on[i];
    struct npi_engine *e = NULL;
    struct np_error err = { 0 };
    pthread_mutex_unlock(&l->lock);
    const int r = l->p.reopen(l->p.opaque, i, &e, &err);
    pthread_mutex_lock(&l->lock);
    if (r < 0) {
        x->failures++;
        x->retry_ns = npi_now_ns() + back_off_ns(l, x->failures);
        npi_log(&l->p.logger, NP_LOG_INFO, "%s: %s still fails: %s", l->what, x->runtime, err.message);
        return;
    }
    npi_engine_mute(x->engine);
    npi_engine_unref(&x->engine);
    x->engine = e;
    x->state = GOOD;
    x->good_since_ns = npi_now_ns();
    if (i > l->now) return;
    snprintf(l->reason, sizeof l->reason, "%s works again (it had failed: %.180s)", x->runtime, x->why);
    npi_log(&l->p.logger, NP_LOG_WARN, "backend: %s: asked %s, used %s: %s", l->what, l->asked, x->runtime, l->reason);
    move_to(l, i);
}

static void *retry_main(void *opaque) {
    struct npi_lineup *const l = opaque;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        const int i = next_retry(l);
        if (i < 0) {
            pthread_cond_wait(&l->cond, &l->lock);
            continue;
        }
        const int64_t at = l->on[i].retry_ns;
        if (npi_now_ns() < at) {
            const struct timespec until = { at / 1000000000, at % 1000000000 };
            pthread_cond_timedwait(&l->cond, &l->lock, &until);
            continue;
        }
        try_again(l, i);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Under the lock. */
static void mark_bad(struct npi_lineup *l, struct entry *x, const char *why) {
    const int64_t now = npi_now_ns();
    if (now - x->good_since_ns > (int64_t)l->p.retry_max_ms * 1000000) x->failures = 0;
    x->failures++;
    x->state = BAD;
    x->retry_ns = l->p.reopen ? now + back_off_ns(l, x->failures) : INT64_MAX;
    snprintf(x->why, sizeof x->why, "%s", why);
    if (l->p.reopen && !l->has_thread && !l->quit) l->has_thread = !pthread_create(&l->thread, NULL, retry_main, l);
    pthread_cond_broadcast(&l->cond);
}

static void strike(struct npi_strike *s, const struct np_error *e) {
    int none = 0;
    if (!s || !atomic_compare_exchange_strong(&s->state, &none, 1)) return;
    memcpy(s->message, e->message, sizeof s->message);
    atomic_store(&s->state, 2);
}

int npi_strike_check(struct npi_strike *s, struct np_error *err) { return atomic_load(&s->state) == 2 ? npi_fail(err, NP_EBACKEND, "%s", s->message)
                                                                   : 0; }

int npi_lineup_failed(struct npi_lineup *l, const struct npi_engine *failed, const char *why, struct np_error *err) {
    pthread_mutex_lock(&l->lock);
    struct entry *const x = &l->on[l->now];
    int r = 0;
    if (x->engine == failed && x->state == GOOD) {
        char text[256];
        snprintf(text, sizeof text, "%.255s", why);
        if (l->p.strict) {
            struct np_error e = { 0 };
            r = npi_fail(&e, NP_EBACKEND, "%s: %s failed (%s); without --strict another runtime would go on", l->what, x->runtime, text);
            strike(l->p.strike, &e);
            if (err) *err = e;
        }
        else {
            mark_bad(l, x, text);
            const int k = next_good(l, l->now);
            if (k < 0) r = npi_fail(err, NP_EBACKEND, "%s: %s failed (%s), and no other runtime can run it", l->what, x->runtime, text);
            else {
                snprintf(l->reason, sizeof l->reason, "%s failed: %.200s", x->runtime, text);
                npi_log(&l->p.logger, NP_LOG_ERROR, "backend: %s: asked %s, used %s from now on: %s", l->what, l->asked, l->on[k].runtime, l->reason);
                move_to(l, k);
            }
        }
    } else if (x->state != GOOD) r = npi_fail(err, NP_EBACKEND, "%s: %s failed (%s), and no other runtime can run it", l->what, x->runtime, x->why);
    pthread_mutex_unlock(&l->lock);
    return r;
}

void npi_lineup_info(struct npi_lineup *l, struct npi_lineup_info *out) {
    pthread_mutex_lock(&l->lock);
    const struct entry *const x = &l->on[l->now];
    *out = (struct npi_lineup_info){ .n_switches = l->n_switches };
    memcpy(out->asked, l->asked, sizeof out->asked);
    memcpy(out->reason, l->reason, sizeof out->reason);
    memcpy(out->used, x->runtime, sizeof out->used);
    if (x->engine) {
        snprintf(out->device, sizeof out->device, "%s", npi_engine_device(x->engine));
        snprintf(out->version, sizeof out->version, "%s", npi_engine_version(x->engine));
    }
    pthread_mutex_unlock(&l->lock);
}
