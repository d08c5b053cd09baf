/* SPDX-License-Identifier: Apache-2.0 */
/* See http_priv.h. A socket is shut down, not closed: its number stays taken until libmicrohttpd closes it, so that nobody else's can be hit. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "http_priv.h"

#define N_ROWS 64

struct row { int fd, used, busy; int64_t since_ns; };
struct npi_http_watch {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    int quit, limit_s;
    struct row row[N_ROWS];
};

static void *watch_main(void *arg) {
    struct npi_http_watch *const w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->quit) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&w->wake, &w->lock, &until);
        const int64_t now = npi_io_now_ns();
        for (int i = 0; i < N_ROWS; i++) {
            struct row *const r = &w->row[i];
            if (r->used && !r->busy && now - r->since_ns > (int64_t)w->limit_s * 1000000000) shutdown(r->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int npi_http_watch_open(struct npi_http_watch **out, int limit_s, struct np_error *err) {
    struct npi_http_watch *const w = calloc(1, sizeof *w);
    if (!w) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    w->limit_s = limit_s;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &a);
    pthread_condattr_destroy(&a);
    if (pthread_create(&w->thread, NULL, watch_main, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
    }
    *out = w;
    return 0;
}

void npi_http_watch_close(struct npi_http_watch **pw) {
    struct npi_http_watch *const w = *pw;
    if (!w) return;
    *pw = NULL;
    pthread_mutex_lock(&w->lock);
    w->quit = 1;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void *npi_http_watch_add(struct npi_http_watch *w, int fd) {
    struct row *r = NULL;
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < N_ROWS && !r; i++) {
        if (!w->row[i].used) r = &w->row[i];
    }
    if (r) *r = (struct row){ .fd = fd, .used = 1, .since_ns = npi_io_now_ns() };
    pthread_mutex_unlock(&w->lock);
    return r;
}

void npi_http_watch_busy(struct npi_http_watch *w, void *who, int busy) {
    struct row *const r = who;
    if (!r) return;
    pthread_mutex_lock(&w->lock);
    r->busy = busy;
    r->since_ns = npi_io_now_ns();
    pthread_mutex_unlock(&w->lock);
}

void npi_http_watch_remove(struct npi_http_watch *w, void *who) {
    struct row *const r = who;
    if (!r) return;
    pthread_mutex_lock(&w->lock);
    r->used = 0;
    pthread_mutex_unlock(&w->lock);
}
