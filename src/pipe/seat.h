/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's place at a net: a run on the runtime that is in use, and the decoder of its outputs. Follows the net when that changes runtime.
 *
 *   do {
 *       if ((r = npi_seat_follow(s, err)) < 0) return r;     the runtime in use now; s->face->in says how its input looks
 *       fill in npi_seat_input(s);
 *   } while ((r = npi_seat_run(s, pool, err)) == NP_EAGAIN);  another runtime took over: the same picture again
 *   decode npi_seat_outputs(s) with s->dec */
#ifndef NPI_PIPE_SEAT_H
#define NPI_PIPE_SEAT_H
#include "pipe/models.h"

struct npi_seat {
    const struct npi_net *net;
    const struct npi_face *face;   /* of the runtime in use */
    struct npi_decoder *dec;
    struct npi_run *run;
    struct npi_engine *engine;
    unsigned generation;
    void *block; size_t block_bytes; /* the worker's, shared with its other seat */
    struct np_pool *pool;          /* that runs are opened for */
    int trial, n_nan;              /* a frame on the spare because of a NaN; frames on which all runtimes agreed on one */
};

int npi_seat_open(struct npi_seat *s, const struct npi_net *net, struct np_pool *pool, void *block, size_t block_bytes, struct np_error *err);
void npi_seat_close(struct npi_seat *s);
int npi_seat_follow(struct npi_seat *s, struct np_error *err);
static inline void *npi_seat_input(struct npi_seat *s) { return npi_run_input(s->run, 0); }
/* 0; NP_EAGAIN: follow, fill in and run again; below: the frame fails. */
int npi_seat_run(struct npi_seat *s, struct np_pool *pool, struct np_error *err);
void npi_seat_outputs(const struct npi_seat *s, const void **out); /* [NPI_MAX_OUTPUTS] */
#endif
