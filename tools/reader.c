/* SPDX-License-Identifier: Apache-2.0 */
/* See reader.h. */
#include "reader.h"

#include <string.h>
#include <time.h>

#define BEHIND_NS 200000000 /* later than this, the clip's clock is put back: a decoder that cannot keep up slows the clip down, as a slow camera would */

/* A file in live mode stands for a camera: its frames come when their time stamps say, not as fast as they decode. */
static void wait_for_time(struct reader *r, int64_t pts_ns) {
    if (pts_ns < 0) return;
    const int64_t now = npi_io_now_ns();
    if (r->first_pts_ns < 0) {
        r->first_pts_ns = pts_ns;
        r->first_ns = now;
    }
    if (now > r->first_ns + pts_ns - r->first_pts_ns + BEHIND_NS) r->first_ns = now - (pts_ns - r->first_pts_ns);
    for (int64_t left; (left = r->first_ns + pts_ns - r->first_pts_ns - npi_io_now_ns()) > 0 && !(r->stop && atomic_load(r->stop));) {
        const long nap = left < 20000000 ? (long)left : 20000000; /* short naps, so that Ctrl-C is heard */
        nanosleep(&(struct timespec){ 0, nap }, NULL);
    }
}

/* 0, or below: nobody wants more. */
static int hand_on(struct reader *r, struct npi_pic *pic, int64_t read_ns) {
    if (r->live) {
        if (!r->source->info.live) wait_for_time(r, r->sink.rate > 0 ? (int64_t)((double)r->n_handed++ * 1e9 / r->sink.rate) : pic->f.pts_ns);
        pic->f.captured_ns = npi_io_now_ns();
        return r->sink.send(r->sink.opaque, pic, read_ns, &r->err);
    }
    pic->read_ns = read_ns;
    if (queue_push(&r->q, pic) == 0) return 0;
    npi_pic_unref(pic);
    return NP_EINTR;
}

static void *reader_main(void *arg) {
    struct reader *const r = arg;
    for (;;) {
        struct npi_pic *pic = NULL;
        const int64_t t0 = npi_io_now_ns();
        r->end = npi_source_read(r->source, &pic, &r->err);
        if (r->end >= 0) r->end = hand_on(r, pic, npi_io_now_ns() - t0);
        if (r->end < 0) break;
    }
    if (r->live) r->sink.send(r->sink.opaque, NULL, 0, NULL);
    else queue_close(&r->q);
    return NULL;
}

int reader_start(struct reader *r, struct npi_source *s, const struct reader_sink *sink, const atomic_int *stop, struct np_error *err) {
    memset(r, 0, sizeof *r);
    r->stop = stop;
    r->first_pts_ns = -1;
    r->source = s;
    r->live = sink != NULL;
    if (sink) r->sink = *sink;
    queue_init(&r->q, 1);
    if (pthread_create(&r->thread, NULL, reader_main, r) == 0) return 0;
    queue_destroy(&r->q);
    return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
}

struct npi_pic *reader_next(struct reader *r, int ms, int64_t *read_ns, int *late) {
    struct npi_pic *const pic = queue_pop_within(&r->q, ms, late);
    if (pic) *read_ns = pic->read_ns;
    return pic;
}

void reader_stop(struct reader *r) {
    queue_close(&r->q);
    for (struct npi_pic *p; (p = queue_pop(&r->q));) npi_pic_unref(p);
    pthread_join(r->thread, NULL);
    queue_destroy(&r->q);
}
