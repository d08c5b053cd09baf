/* SPDX-License-Identifier: Apache-2.0 */
/* See seat.h. A NaN in an output may be the runtime's fault or the net's own: the same picture goes through the next runtime,
 * and only when that one has numbers is the first one blamed. */
#include "pipe/seat.h"

#include <stdio.h>
#include <string.h>

/* After so many pictures on which the other runtime had a NaN, too, nobody looks any more: the net makes them. */
#define NAN_OF_NET 3

static void leave(struct npi_seat *s) {
    npi_decoder_free(&s->dec);
    npi_run_close(&s->run);
    npi_engine_unref(&s->engine);
    s->face = NULL;
}

/* Takes over the reference. */
static int sit(struct npi_seat *s, struct npi_engine *e, struct np_error *err) {
    leave(s);
    s->engine = e;
    s->face = npi_engine_face(e);
    int r = npi_run_open(&s->run, e, s->pool, s->block, s->block_bytes, err);
    if (r >= 0) r = npi_decoder_open(&s->dec, &s->face->card, s->face->out, s->face->n_out, s->face->in.width, s->face->in.height, err);
    return r;
}

int npi_seat_follow(struct npi_seat *s, struct np_error *err) {
    while (!s->run || (!s->trial && s->generation != npi_lineup_generation(s->net->lineup))) {
        struct np_error e = { 0 };
        struct npi_engine *const now = npi_lineup_now(s->net->lineup, &s->generation);
        int r = now ? sit(s, now, &e) : NP_EBACKEND;
        if (r >= 0) break;
        /* native: out of memory, nothing that another runtime would help */
        if (now && npi_engine_model(now)) return npi_fail(err, r, "%s", e.message);
        r = npi_lineup_failed(s->net->lineup, s->engine, e.message, err);
        leave(s);
        if (r < 0) return r;
    }
    return 0;
}

int npi_seat_open(struct npi_seat *s, const struct npi_net *net, struct np_pool *pool, void *block, size_t block_bytes, struct np_error *err) {
    *s = (struct npi_seat){ .net = net, .block = block, .block_bytes = block_bytes, .pool = pool };
    return npi_seat_follow(s, err);
}

void npi_seat_close(struct npi_seat *s) { leave(s); }

/* The run gave numbers: were they any? */
static int judge(struct npi_seat *s, struct np_error *err) {
    const char *name = "?";
    const int native = npi_engine_model(s->engine) != NULL;
    if (s->trial) { /* this is the spare: does it have numbers where the first one had none? */
        struct npi_engine *blamed = npi_lineup_now(s->net->lineup, NULL);
        s->trial = 0;
        int r = 0;
        if (npi_run_finite(s->run, NULL)) {
            char why[96];
            snprintf(why, sizeof why, "an output had NaN where %s had numbers", npi_engine_runtime(s->engine));
            s->n_nan = 0;
            r = npi_lineup_failed(s->net->lineup, blamed, why, err);
        } else s->n_nan++;
        npi_engine_unref(&blamed);
        s->generation = npi_lineup_generation(s->net->lineup) - 1; /* whoever is in use now gets the next picture */
        return r;
    }
    if (native || s->n_nan >= NAN_OF_NET || npi_run_finite(s->run, &name)) return 0;
    struct npi_engine *const spare = npi_lineup_spare(s->net->lineup);
    if (!spare) { /* nobody to ask; rule 1 sees to it that a NaN becomes no joint */
        s->n_nan++;
        return 0;
    }
    struct np_error e = { 0 };
    s->trial = 1;
    if (sit(s, spare, &e) >= 0) return NP_EAGAIN;
    s->trial = 0;
    leave(s);
    return npi_fail(err, NP_EBACKEND, "output '%s' holds NaN, and %s", name, e.message);
}

int npi_seat_run(struct npi_seat *s, struct np_pool *pool, struct np_error *err) {
    struct np_error e = { 0 };
    int r = npi_run_go(s->run, pool, &e);
    if (r >= 0) return judge(s, err);
    if (s->trial) { /* the spare failed: back to the one in use, with what it has */
        s->trial = 0;
        s->n_nan = NAN_OF_NET;
    } else if ((r = npi_lineup_failed(s->net->lineup, s->engine, e.message, err)) < 0) {
        leave(s);
        return r;
    }
    leave(s);
    return NP_EAGAIN;
}

void npi_seat_outputs(const struct npi_seat *s, const void **out) {
    for (int i = 0; i < s->face->n_out; i++) out[i] = npi_run_output(s->run, i);
}
