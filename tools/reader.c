/* SPDX-License-Identifier: Apache-2.0 */
/* See reader.h. */
#include "reader.h"

#include <string.h>
#include <time.h>

/* A file in live mode stands for a camera: its frames come when their time stamps say, not as fast as they decode. */
static void wait_for_time(struct reader *r, int64_t pts_ns) {
    if (pts_ns < 0) return;
    const int64_t now = npi_io_now_ns();
    if (r->first_pts_ns < 0) {
        r->first_pts_ns = pts_ns;
        r->first_ns = now;
    }
    for (int64_t left; (left = r->first_ns + pts_ns - r->first_pts_ns - npi_io_now_ns()) > 0 && !(r->stop && atomic_load(r->stop));) {
        const long nap = left < 20000000 ? (long)left : 20000000; /* short naps, so that Ctrl-C is heard */
        nanosleep(&(struct timespec){ 0, nap }, NULL);
    }
}

static void *reader_main(void *arg) {
    struct reader *const r = arg;
    for (;;) {
        struct npi_pic *pic = NULL;
        r->end = npi_source_read(r->source, &pic, &r->err);
        if (r->end < 0) break;
        atomic_fetch_add(&r->n_read, 1);
        int closed = 0;
        if (r->live) {
            if (!r->source->info.live) wait_for_time(r, pic->f.pts_ns);
            struct npi_pic *const old = queue_push_newest(&r->q, pic, &closed);
            if (old) atomic_fetch_add(&r->n_dropped, 1);
            npi_pic_unref(old);
        } else closed = queue_push(&r->q, pic) < 0;
        if (closed) {
            npi_pic_unref(pic);
            r->end = NP_EINTR;
            break;
        }
    }
    queue_close(&r->q);
    return NULL;
}

int reader_start(struct reader *r, struct npi_source *s, int live, const atomic_int *stop, struct np_error *err) {
    memset(r, 0, sizeof *r);
    r->stop = stop;
    r->first_pts_ns = -1;
    r->source = s;
    r->live = live;
    queue_init(&r->q, 1);
    if (pthread_create(&r->thread, NULL, reader_main, r) == 0) return 0;
    queue_destroy(&r->q);
    return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
}

struct npi_pic *reader_next(struct reader *r) { return queue_pop(&r->q); }

void reader_stop(struct reader *r) {
    queue_close(&r->q);
    for (struct npi_pic *p; (p = queue_pop(&r->q));) npi_pic_unref(p);
    pthread_join(r->thread, NULL);
    queue_destroy(&r->q);
}
