/* SPDX-License-Identifier: Apache-2.0 */
/* See hub.h. One lock, held for pointer work only: people are copied into a shot before it is shown to anybody. */
#define _GNU_SOURCE
#include "hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* More than this are held only when viewers hang; then publishing leaves shots out instead of eating memory. */
#define MAX_SHOTS 48

struct cell {
    struct npi_shot shot;
    struct np_person *room;
    int cap, refs;
    struct cell *next; /* in the free list */
};

struct npi_hub {
    struct npi_hub_params p;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct cell *newest, *free_list;
    int n_cells, ended;
    uint64_t seq;
    struct npi_stats_extra extra;
};

static const char *first_preset(const struct npi_hub_params *p) {
    const char *const name = p->preset_file ? p->preset_file : np_preset_name(p->preset);
    return name ? name : "";
}

int npi_hub_open(struct npi_hub **out, const struct npi_hub_params *p, struct np_error *err) {
    struct npi_hub *const h = calloc(1, sizeof *h);
    if (!h) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    h->p = *p;
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&h->changed, &a);
    pthread_condattr_destroy(&a);
    h->extra = (struct npi_stats_extra){ .input = p->input, .detector = p->detector, .model = p->model };
    snprintf(h->extra.preset, sizeof h->extra.preset, "%s", first_preset(p));
    *out = h;
    return 0;
}

const struct npi_hub_params *npi_hub_about(const struct npi_hub *h) { return &h->p; }

/* Under the lock. The picture to be let go comes back, to be unreferenced outside. */
static struct npi_pic *drop(struct npi_hub *h, struct cell *c) {
    if (!c || --c->refs > 0) return NULL;
    struct npi_pic *const pic = c->shot.pic;
    c->shot.pic = NULL;
    c->next = h->free_list;
    h->free_list = c;
    return pic;
}

void npi_hub_close(struct npi_hub **ph) {
    struct npi_hub *const h = *ph;
    if (!h) return;
    *ph = NULL;
    npi_pic_unref(drop(h, h->newest));
    while (h->free_list) {
        struct cell *const c = h->free_list;
        h->free_list = c->next;
        free(c->room);
        free(c);
    }
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static struct cell *take_cell(struct npi_hub *h, int n_persons) {
    pthread_mutex_lock(&h->lock);
    struct cell *c = h->free_list;
    if (c) h->free_list = c->next;
    const int may_grow = !c && h->n_cells < MAX_SHOTS;
    h->n_cells += may_grow;
    pthread_mutex_unlock(&h->lock);
    if (may_grow && !(c = calloc(1, sizeof *c))) {
        pthread_mutex_lock(&h->lock);
        h->n_cells--;
        pthread_mutex_unlock(&h->lock);
    }
    if (!c || c->cap >= n_persons) return c;
    const int cap = n_persons < 8 ? 8 : n_persons + 8;
    struct np_person *const room = realloc(c->room, (size_t)cap * sizeof *room);
    if (room) {
        c->room = room;
        c->cap = cap;
    }
    return c;
}

void npi_hub_publish(struct npi_hub *h, const struct np_result *r, struct npi_pic *pic) {
    struct cell *const c = take_cell(h, r->n_persons);
    if (!c) return;
    struct npi_shot *const s = &c->shot;
    s->n = r->n_persons < c->cap ? r->n_persons : c->cap;
    for (int i = 0; i < s->n; i++) { /* without the joints that the set does not have: they are most of it */
        const struct np_person *const p = &r->persons[i];
        memcpy(&c->room[i], p, offsetof(struct np_person, keypoint) + (size_t)p->n_keypoints * sizeof p->keypoint[0]);
    }
    npi_pic_ref(pic);
    s->pic = pic;
    s->index = r->index;
    s->pts_ns = r->pts_ns;
    s->width = r->width;
    s->height = r->height;
    s->inferred = r->inferred;
    s->detected = r->detected;
    s->delay_ms = r->delay_ms;
    s->set = r->set;
    s->person = c->room;
    c->refs = 1;
    pthread_mutex_lock(&h->lock);
    s->seq = ++h->seq;
    struct npi_pic *const old = drop(h, h->newest);
    h->newest = c;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    npi_pic_unref(old);
}

void npi_hub_end(struct npi_hub *h) {
    pthread_mutex_lock(&h->lock);
    h->ended = h->extra.ended = 1;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

int npi_hub_ended(struct npi_hub *h) {
    pthread_mutex_lock(&h->lock);
    const int ended = h->ended;
    pthread_mutex_unlock(&h->lock);
    return ended;
}

struct npi_shot *npi_hub_wait(struct npi_hub *h, uint64_t after, int timeout_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    struct npi_shot *s = NULL;
    pthread_mutex_lock(&h->lock);
    while (!h->ended && h->seq <= after && timeout_ms > 0) {
        if (pthread_cond_timedwait(&h->changed, &h->lock, &until) == ETIMEDOUT) break;
    }
    if (h->newest && h->newest->shot.seq > after) {
        h->newest->refs++;
        s = &h->newest->shot;
    }
    pthread_mutex_unlock(&h->lock);
    return s;
}

void npi_shot_unref(struct npi_hub *h, struct npi_shot *s) {
    if (!s) return;
    struct cell *const c = (struct cell *)(void *)((char *)s - offsetof(struct cell, shot));
    pthread_mutex_lock(&h->lock);
    struct npi_pic *const pic = drop(h, c);
    pthread_mutex_unlock(&h->lock);
    npi_pic_unref(pic);
}

void npi_hub_stats(struct npi_hub *h, struct np_stats *s, struct npi_stats_extra *x) {
    h->p.stats(h->p.opaque, s);
    pthread_mutex_lock(&h->lock);
    *x = h->extra;
    pthread_mutex_unlock(&h->lock);
    if (h->p.extra) h->p.extra(h->p.opaque, x);
}

int npi_hub_adjust(struct npi_hub *h, const char *name, const char *value, struct np_error *err) {
    const int r = h->p.adjust(h->p.opaque, name, value, err);
    if (r == 0 && !strcmp(name, "preset")) {
        const char *const builtin = np_preset_name(np_preset_from_name(value)); /* an alias becomes our own name */
        const char *const preset = strcmp(value, "auto") ? builtin : first_preset(&h->p);
        pthread_mutex_lock(&h->lock);
        snprintf(h->extra.preset, sizeof h->extra.preset, "%s", preset ? preset : value);
        pthread_mutex_unlock(&h->lock);
    }
    return r;
}

void npi_hub_viewers(struct npi_hub *h, int delta) {
    pthread_mutex_lock(&h->lock);
    h->extra.n_viewers += delta;
    pthread_mutex_unlock(&h->lock);
}
