/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the source on a thread of its own, so that decoding goes on while frames are worked on. */
#ifndef NPI_TOOLS_READER_H
#define NPI_TOOLS_READER_H
#include "io/source.h"
#include "queue.h"

/* Live mode: each picture is handed on as it comes, on the reader's thread; pic NULL: that was the last one. Takes the reference. Below 0 ends the reading. */
struct reader_sink { int (*send)(void *opaque, struct npi_pic *pic, int64_t read_ns, struct np_error *err); void *opaque;
                     double rate; /* a file's frames a second instead of its own time stamps; 0: its own */ };

struct reader {
    struct npi_source *source;
    struct queue q;           /* without a sink */
    pthread_t thread;
    struct reader_sink sink;
    int live;
    const atomic_int *stop;
    int64_t first_pts_ns, first_ns, n_handed;
    int end;                  /* after the last frame: NP_EEND, NP_EINTR, or the error in err */
    struct np_error err;
};
/* sink: live mode (a file is then played at its own rate); NULL: every picture waits for reader_next. */
int reader_start(struct reader *r, struct npi_source *s, const struct reader_sink *sink, const atomic_int *stop, struct np_error *err);
/* NULL: the end, see r->end; or nothing came in `ms` milliseconds (below 0: waits), and *late is 1. read_ns: what reading it took. */
struct npi_pic *reader_next(struct reader *r, int ms, int64_t *read_ns, int *late);
void reader_stop(struct reader *r);            /* joins; the source may need its stop flag first */
#endif
