/* SPDX-License-Identifier: Apache-2.0 */
/* Who can run a net, best first, and who does: fallback in mid run, and the way back.
 *
 *   on[0] onnx    failed: "a run did not end within 2000 ms", tried again in 4 s ──┐
 *   on[1] native  in use  <── now                                                  └── a thread opens and tests it, then `now` goes back to 0
 *
 * Workers look at `generation` before each frame; when it moved they open a run on the engine that is in use now. Nobody waits for a runtime that is
 * being tried. Each switch is told once (logger, info, count): rule 2. */
#ifndef NPI_BACKEND_LINEUP_H
#define NPI_BACKEND_LINEUP_H
#include <stdatomic.h>

#include "backend/engine.h"

#define NPI_LINEUP_MAX 6

struct npi_lineup;
struct npi_lineup_info {
    char asked[32], used[32];    /* "auto"; "native", or the plug-in's name */
    char device[64], version[64];
    char reason[256];            /* of the last choice or switch */
    int n_switches;
};
/* What strict is about: the first failure of any net, written once; the owner of the nets looks at it. */
struct npi_strike { atomic_int state; char message[508]; };   /* 0: none, 1: being written, 2: there */
/* NP_EBACKEND and the message when there was one, else 0. */
int npi_strike_check(struct npi_strike *s, struct np_error *err);

struct npi_lineup_params {
    const char *asked, *reason;  /* of the choice that was made at open */
    const char *what;            /* "detector", "model": for messages */
    int strict;                  /* no switch: a failure is NP_EBACKEND */
    struct npi_strike *strike;   /* with strict: gets the failure; NULL: only who runs into it is told */
    int retry_first_ms, retry_max_ms; /* back-off; 0: 1000 and 60000 */
    /* Opens and tests the runtime of entry i again; called on the thread that tries. NULL: what failed is not tried again. */
    int (*reopen)(void *opaque, int i, struct npi_engine **out, struct np_error *err);
    void *opaque;
    struct np_logger logger;
};
int npi_lineup_open(struct npi_lineup **out, const struct npi_lineup_params *p, struct np_error *err);
/* Adds an entry behind the others; takes the engine. NULL: not open yet, but `reopen` can open it when those before have failed. */
int npi_lineup_add(struct npi_lineup *l, const char *runtime, struct npi_engine **e);
/* All runs must be closed. */
void npi_lineup_close(struct npi_lineup **l);

/* Grows with each switch. Cheap, any thread. */
unsigned npi_lineup_generation(const struct npi_lineup *l);
/* The engine in use, with a reference for the caller, and the generation it belongs to. */
struct npi_engine *npi_lineup_now(struct npi_lineup *l, unsigned *generation);
/* Entry i, likewise; NULL: not open. Of tests and statistics. */
struct npi_engine *npi_lineup_at(struct npi_lineup *l, int i);
/* The next engine that works behind the one in use, with a reference; NULL: none. Opens it when it must. */
struct npi_engine *npi_lineup_spare(struct npi_lineup *l);
/* `failed` (which the caller took from npi_lineup_now) did not do its work, for the reason in `why`. 0: another one is in use now (or was already); NP_EBACKEND: there is none, or
 * strict; *err says so. */
int npi_lineup_failed(struct npi_lineup *l, const struct npi_engine *failed, const char *why, struct np_error *err);
void npi_lineup_info(struct npi_lineup *l, struct npi_lineup_info *out);
#endif
