/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and reading a source, and getting a live one back that went away: a camera that was unplugged, a server that restarts.
 *
 *   frames ── lost ── nap, try, nap twice as long, try … ── first frame: the gap is noted ── frames
 *
 * One message at the loss and one at the return. Numbers of frames go on without a hole; time stamps go on by the clock, whatever the source
 * starts to count at when it is back, so that the tracker knows how long nobody was seen. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "source.h"

static int stopped(const struct npi_source *s) { return s->p.stop && atomic_load(s->p.stop); }

/* In short pieces, so that Ctrl-C is heard. */
static void nap(const struct npi_source *s, int64_t ms) {
    const int64_t until = npi_io_now_ns() + ms * 1000000;
    for (int64_t left; (left = until - npi_io_now_ns()) > 0 && !stopped(s);) nanosleep(&(struct timespec){ 0, left < 50000000 ? (long)left : 50000000 }, NULL);
}

static int open_once(struct npi_source *s, struct np_error *err) {
    struct npi_source_info info = { .kind = s->ops->name, .rate_den = 1, .n_frames = -1 };
    const int r = s->ops->open(&s->priv, s->spec, &s->p, &info, err);
    if (r < 0) {
        s->priv = NULL;
        return r;
    }
    s->info = info;
    return 0;
}

static void leave(struct npi_source *s) {
    if (s->priv) s->ops->close(s->priv);
    s->priv = NULL;
}

/* What may be better the next time: not there, not answering, or only half of it up yet. */
static int worth_it(int r) { return r == NP_EIO || r == NP_ENOENT || r == NP_EFORMAT; }

/* Tries until a frame comes. *err holds why it is away, and on failure why it stays away. */
static int get_back(struct npi_source *s, struct npi_pic **out, struct np_error *err) {
    const int64_t from = npi_io_now_ns();
    const int first = s->p.backoff_ms > 0 ? s->p.backoff_ms : 500;
    const struct np_error why = *err;
    struct np_error e = why;
    int tries = 0;
    atomic_store(&s->lost, 1);
    npi_io_log(&s->p.logger, NP_LOG_WARN, "%s; trying again%s", err->message, s->p.reconnect < 0 ? " until it is there (Ctrl-C ends)" : "");
    leave(s);
    for (int64_t wait = first; s->p.reconnect < 0 || tries < s->p.reconnect; wait = wait * 2 < 16 * (int64_t)first ? wait * 2 : 16 * (int64_t)first) {
        nap(s, wait);
        if (stopped(s)) break;
        tries++;
        int r = open_once(s, &e);
        if (r == 0 && !out) break; /* at the start nobody waits for a frame yet */
        if (r == 0 && (r = s->ops->read(s->priv, out, &e)) == 0) break;
        if (r == NP_EINTR) break;
        leave(s);
        if (!worth_it(r)) { /* it is there, but not what it was, or we are out of memory */
            *err = e;
            return r;
        }
    }
    if (stopped(s)) {
        if (out && s->priv && *out) {
            npi_pic_unref(*out);
            *out = NULL;
        }
        return npi_io_fail(err, NP_EINTR, "interrupted");
    }
    const double secs = (double)(npi_io_now_ns() - from) * 1e-9;
    if (!s->priv) return npi_io_fail(err, why.code, "%.380s; not back after %d %s in %.0f s", why.message, tries, tries == 1 ? "try" : "tries", secs);
    atomic_store(&s->lost, 0);
    npi_io_log(&s->p.logger, NP_LOG_WARN, "'%s' is there%s after %.1f s (%d %s)", s->spec, out ? " again" : "", secs, tries, tries == 1 ? "try" : "tries");
    return 0;
}

int npi_source_open_as(struct npi_source **out, const struct npi_source_ops *ops, const char *spec, const struct npi_source_params *p, struct np_error *err) {
    struct np_error e = { 0 };
    struct npi_source *s = calloc(1, sizeof *s);
    if (!s || !(s->spec = strdup(spec))) {
        free(s);
        return npi_io_fail(err, NP_ENOMEM, "'%s': out of memory", spec);
    }
    s->ops = ops;
    s->p = *p;
    s->last_pts_ns = -1;
    pthread_mutex_init(&s->lock, NULL);
    int r = open_once(s, &e);
    if ((r == NP_EIO || r == NP_ENOENT) && p->wait_for_it && p->reconnect && ops->is_live && ops->is_live(spec)) r = get_back(s, NULL, &e);
    if (r < 0) {
        npi_source_close(&s);
        if (err) *err = e;
        return r;
    }
    *out = s;
    return 0;
}

static void note_gap(struct npi_source *s, const struct npi_pic *pic, double seconds, const char *reason) {
    pthread_mutex_lock(&s->lock);
    s->gap = (struct npi_gap){ .index = pic->f.index, .pts_ns = pic->f.pts_ns, .seconds = seconds + (s->has_gap ? s->gap.seconds : 0) };
    snprintf(s->gap.reason, sizeof s->gap.reason, "%.159s", reason);
    s->has_gap = 1;
    pthread_mutex_unlock(&s->lock);
}

int npi_source_gap(struct npi_source *s, int64_t index, struct npi_gap *out) {
    pthread_mutex_lock(&s->lock);
    const int there = s->has_gap && index >= s->gap.index;
    if (there) {
        *out = s->gap;
        s->has_gap = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return there;
}

/* Number and time stamp as if nothing had happened but time. */
static void set_place(struct npi_source *s, struct npi_pic *pic, int returned) {
    const int64_t now = npi_io_now_ns();
    if (pic->f.pts_ns >= 0) {
        if (returned) s->shift_ns = s->last_pts_ns >= 0 ? s->last_pts_ns + (now - s->last_ns) - pic->f.pts_ns : 0;
        pic->f.pts_ns += s->shift_ns;
        if (pic->f.pts_ns <= s->last_pts_ns) pic->f.pts_ns = s->last_pts_ns + 1;
        s->last_pts_ns = pic->f.pts_ns;
    }
    pic->f.index = s->n_out++;
    s->last_ns = now;
}

int npi_source_read(struct npi_source *s, struct npi_pic **out, struct np_error *err) {
    struct np_error e = { 0 };
    int r = s->priv ? s->ops->read(s->priv, out, &e) : npi_io_fail(&e, NP_EIO, "'%s' is lost", s->spec);
    if (r == NP_EIO && s->info.live && s->p.reconnect && !stopped(s)) {
        const struct np_error why = e;
        const int64_t last = s->last_ns;
        if ((r = get_back(s, out, &e)) == 0) {
            atomic_fetch_add(&s->n_reconnects, 1);
            set_place(s, *out, 1);
            if (last) note_gap(s, *out, (double)(s->last_ns - last) * 1e-9, why.message);
            return 0;
        }
    }
    if (r == 0) set_place(s, *out, 0);
    else if (err) *err = e;
    return r;
}

void npi_source_close(struct npi_source **ps) {
    struct npi_source *const s = ps ? *ps : NULL;
    if (!s) return;
    *ps = NULL;
    leave(s);
    pthread_mutex_destroy(&s->lock);
    free(s->spec);
    free(s);
}
