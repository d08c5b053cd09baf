/* SPDX-License-Identifier: Apache-2.0 */
/* See feed.h. */
#define _GNU_SOURCE
#include "feed.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "jpeg.h"
#include "writer.h"

#define MAX_SIDE 960             /* of the pictures in the page: half the work and bytes of 1280 */
#define QUALITY 5
#define MIN_GAP_NS 30000000      /* 33 pictures a second at most, however fast a file plays */

struct cell {
    struct npi_packet packet;
    struct npi_outfile text;
    char *text_bytes; size_t text_size;
    uint8_t *jpeg; size_t jpeg_cap;
    int refs;
    struct cell *next;
};

struct npi_feed {
    struct npi_hub *hub;
    struct npi_jpeg *jpeg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct cell *newest, *free_list;
    int n_watch, n_pictures, stop, over;
    int restart;                 /* a first viewer after a time without any: the packet at hand is old */
};

static void cell_free(struct cell *c) {
    if (!c) return;
    npi_out_close(&c->text, NULL);
    free(c->text_bytes);
    free(c->jpeg);
    free(c);
}

static void put_shot(struct npi_outfile *o, const struct npi_shot *s) {
    npi_out_str(o, "{\"seq\":");
    npi_out_int(o, (int64_t)s->seq);
    npi_out_str(o, ",\"frame\":");
    npi_out_int(o, s->index);
    npi_out_str(o, ",\"time_s\":");
    npi_out_fixed(o, s->pts_ns >= 0 ? (double)s->pts_ns * 1e-9 : NAN, 6, "null");
    npi_out_str(o, ",\"width\":");
    npi_out_int(o, s->width);
    npi_out_str(o, ",\"height\":");
    npi_out_int(o, s->height);
    npi_out_str(o, s->inferred ? ",\"inferred\":true" : ",\"inferred\":false");
    npi_out_str(o, s->detected ? ",\"detected\":true" : ",\"detected\":false");
    npi_out_str(o, ",\"delay_ms\":");
    npi_out_fixed(o, s->delay_ms > 0 ? s->delay_ms : NAN, 2, "null");
    npi_out_str(o, ",\"persons\":[");
    for (int i = 0; i < s->n; i++) {
        if (i) npi_out_str(o, ",");
        npi_put_person(o, &s->person[i]);
    }
    npi_out_str(o, "]}");
}

static int fill(struct npi_feed *f, struct cell *c, const struct npi_shot *s, int pictures) {
    struct np_error e = { 0 };
    if (!c->text.f && npi_out_open_memory(&c->text, &c->text_bytes, &c->text_size, &e) < 0) return NP_ENOMEM;
    npi_out_rewind(&c->text);
    put_shot(&c->text, s);
    if (npi_out_flush(&c->text, &e) < 0) return NP_ENOMEM;
    c->packet = (struct npi_packet){ .seq = s->seq, .json = c->text_bytes, .n_json = c->text_size };
    if (!pictures) return 0;
    const uint8_t *bytes = NULL;
    size_t n = 0;
    const int r = npi_jpeg_encode(f->jpeg, &s->pic->f, &bytes, &n, &e);
    if (r < 0) return r;
    if (n > c->jpeg_cap) {
        uint8_t *const p = realloc(c->jpeg, n + n / 4);
        if (!p) return NP_ENOMEM;
        c->jpeg = p;
        c->jpeg_cap = n + n / 4;
    }
    memcpy(c->jpeg, bytes, n);
    c->packet.jpeg = c->jpeg;
    c->packet.n_jpeg = n;
    return 0;
}

/* Under the lock. */
static void drop(struct npi_feed *f, struct cell *c) {
    if (!c || --c->refs > 0) return;
    c->next = f->free_list;
    f->free_list = c;
}

static void publish(struct npi_feed *f, const struct npi_shot *s, int pictures) {
    pthread_mutex_lock(&f->lock);
    struct cell *c = f->free_list;
    if (c) f->free_list = c->next;
    pthread_mutex_unlock(&f->lock);
    if (!c && !(c = calloc(1, sizeof *c))) return;
    c->refs = 1;
    const int r = fill(f, c, s, pictures);
    pthread_mutex_lock(&f->lock);
    struct cell *const out = r < 0 ? c : f->newest;
    if (r == 0) f->newest = c;
    drop(f, out);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void *feed_main(void *arg) {
    struct npi_feed *const f = arg;
    uint64_t seq = 0;
    int had_pictures = 0;
#ifdef SYS_gettid
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10); /* on Linux of this thread alone: inference goes first */
#endif
    for (;;) {
        pthread_mutex_lock(&f->lock);
        while (!f->stop && f->n_watch == 0) pthread_cond_wait(&f->changed, &f->lock);
        const int stop = f->stop, pictures = f->n_pictures > 0;
        if (f->restart) seq = 0;
        f->restart = 0;
        pthread_mutex_unlock(&f->lock);
        if (stop) return NULL;
        /* The first who wants pictures gets the shot that others had without one. */
        struct npi_shot *const s = npi_hub_wait(f->hub, pictures && !had_pictures ? 0 : seq, 200);
        const int ended = !s && npi_hub_ended(f->hub);
        if (s) {
            const int64_t from = npi_io_now_ns();
            seq = s->seq;
            had_pictures = pictures;
            publish(f, s, pictures);
            npi_shot_unref(f->hub, s);
            const int64_t left = MIN_GAP_NS - (npi_io_now_ns() - from);
            if (left > 0) nanosleep(&(struct timespec){ 0, (long)left }, NULL);
        }
        if (ended) {
            pthread_mutex_lock(&f->lock);
            f->over = 1;
            pthread_cond_broadcast(&f->changed);
            while (!f->stop) pthread_cond_wait(&f->changed, &f->lock);
            pthread_mutex_unlock(&f->lock);
            return NULL;
        }
    }
}

int npi_feed_open(struct npi_feed **out, struct npi_hub *hub, struct np_error *err) {
    struct npi_feed *f = calloc(1, sizeof *f);
    if (!f) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    f->hub = hub;
    const int r = npi_jpeg_open(&f->jpeg, MAX_SIDE, QUALITY, err);
    if (r < 0) {
        free(f);
        return r;
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &a);
    pthread_condattr_destroy(&a);
    if (pthread_create(&f->thread, NULL, feed_main, f) != 0) {
        npi_jpeg_close(&f->jpeg);
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
        free(f);
        return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
    }
    *out = f;
    return 0;
}

void npi_feed_stop(struct npi_feed *f) {
    pthread_mutex_lock(&f->lock);
    f->stop = f->over = 1;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void npi_feed_close(struct npi_feed **pf) {
    struct npi_feed *const f = *pf;
    if (!f) return;
    *pf = NULL;
    npi_feed_stop(f);
    pthread_join(f->thread, NULL);
    drop(f, f->newest);
    while (f->free_list) {
        struct cell *const c = f->free_list;
        f->free_list = c->next;
        cell_free(c);
    }
    npi_jpeg_close(&f->jpeg);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void npi_feed_watch(struct npi_feed *f, int delta, int pictures) {
    pthread_mutex_lock(&f->lock);
    if (f->n_watch == 0) {
        drop(f, f->newest);
        f->newest = NULL;
        f->restart = 1;
    }
    f->n_watch += delta;
    if (pictures) f->n_pictures += delta;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    npi_hub_viewers(f->hub, delta);
}

static int fits(const struct npi_feed *f, uint64_t after, int pictures) {
    return f->newest && f->newest->packet.seq > after && (!pictures || f->newest->packet.n_jpeg > 0);
}

struct npi_packet *npi_feed_wait(struct npi_feed *f, uint64_t after, int pictures, int timeout_ms, int *over) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    struct npi_packet *p = NULL;
    pthread_mutex_lock(&f->lock);
    while (!f->over && !fits(f, after, pictures)) {
        if (pthread_cond_timedwait(&f->changed, &f->lock, &until) == ETIMEDOUT) break;
    }
    if (!f->stop && fits(f, after, pictures)) {
        f->newest->refs++;
        p = &f->newest->packet;
    }
    *over = !p && f->over;
    pthread_mutex_unlock(&f->lock);
    return p;
}

void npi_packet_unref(struct npi_feed *f, struct npi_packet *p) {
    if (!p) return;
    pthread_mutex_lock(&f->lock);
    drop(f, (struct cell *)(void *)((char *)p - offsetof(struct cell, packet)));
    pthread_mutex_unlock(&f->lock);
}
