/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the source on a thread of its own, so that decoding goes on while frames are worked on. */
#ifndef NPI_TOOLS_READER_H
#define NPI_TOOLS_READER_H
#include "io/source.h"
#include "queue.h"

struct reader {
    struct npi_source *source;
    struct queue q;
    pthread_t thread;
    int live;                 /* 1: a frame that nobody fetched in time makes room for the newest */
    atomic_llong n_read, n_dropped;
    const atomic_int *stop;
    int64_t first_pts_ns, first_ns;
    int end;                  /* after the last frame: NP_EEND, NP_EINTR, or the error in err */
    struct np_error err;
};
int reader_start(struct reader *r, struct npi_source *s, int live, const atomic_int *stop, struct np_error *err);
struct npi_pic *reader_next(struct reader *r); /* NULL: the end, see r->end */
void reader_stop(struct reader *r);            /* joins; the source may need its stop flag first */
#endif
