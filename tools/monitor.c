/* SPDX-License-Identifier: Apache-2.0 */
/* See monitor.h. */
#define _GNU_SOURCE
#include "monitor.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

struct monitor {
    struct npi_hub *hub;
    struct monitor_params p;
    struct npi_outfile json;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int quit, failed;
    atomic_int give_up;          /* numbers of now are not worth waiting for: a pipe that nobody reads is given up at the end, in every mode */
};

static int columns(void) {
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1 : 79; /* the last column would wrap */
}

static void report(struct monitor *m) {
    struct np_stats s;
    struct npi_stats_extra x;
    struct np_error e = { 0 };
    npi_hub_stats(m->hub, &s, &x);
    if (m->p.line) {
        char line[512];
        npi_stats_line(line, sizeof line, &s, &x, m->p.tty ? columns() : 0);
        fprintf(stderr, m->p.tty ? "\r\033[K%s" : "%s\n", line);
        fflush(stderr);
    }
    if (m->json.f && !m->failed) {
        npi_stats_json(&m->json, &s, &x);
        npi_out_str(&m->json, "\n");
        if (npi_out_flush(&m->json, &e) < 0) {
            tool_say("%s; what was written before stays readable", e.message);
            m->failed = 1;
        }
    }
}

static void *monitor_main(void *arg) {
    struct monitor *const m = arg;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int quit = 0; !quit;) {
        next.tv_sec++;
        pthread_mutex_lock(&m->lock);
        while (!m->quit && pthread_cond_timedwait(&m->wake, &m->lock, &next) == 0) {}
        quit = m->quit;
        pthread_mutex_unlock(&m->lock);
        report(m); /* also at the end: a run shorter than a second has a line too */
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > next.tv_sec + 1) next = now; /* the disk hung: no burst of lines to catch up */
    }
    if (m->p.line && m->p.tty) fputc('\n', stderr);
    return NULL;
}

int monitor_start(struct monitor **out, struct npi_hub *hub, const struct monitor_params *p, struct np_error *err) {
    if (!p->json_path && !p->line) return 0;
    struct monitor *const m = calloc(1, sizeof *m);
    if (!m) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    m->hub = hub;
    m->p = *p;
    int r = p->json_path ? npi_out_open(&m->json, p->json_path, &m->give_up, err) : 0;
    if (r < 0) {
        free(m);
        return r;
    }
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&m->wake, &a);
    pthread_condattr_destroy(&a);
    if (pthread_create(&m->thread, NULL, monitor_main, m) != 0) {
        npi_out_close(&m->json, NULL);
        pthread_cond_destroy(&m->wake);
        pthread_mutex_destroy(&m->lock);
        free(m);
        return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
    }
    *out = m;
    return 0;
}

int monitor_stop(struct monitor **pm) {
    struct monitor *const m = *pm;
    struct np_error e = { 0 };
    if (!m) return 0;
    *pm = NULL;
    pthread_mutex_lock(&m->lock);
    m->quit = 1;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    if (pthread_timedjoin_np(m->thread, NULL, &until) != 0) {
        atomic_store(&m->give_up, 1);
        pthread_join(m->thread, NULL);
    }
    atomic_store(&m->give_up, 1);
    int failed = m->failed;
    if (npi_out_close(&m->json, &e) < 0 && !failed) {
        tool_say("%s", e.message);
        failed = 1;
    }
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->lock);
    free(m);
    return failed;
}
