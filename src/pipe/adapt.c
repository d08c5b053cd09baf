/* SPDX-License-Identifier: Apache-2.0 */
/* Moving while running: the controller's tick, the knobs it sets, and the nets they ask for.
 *
 *   emission of a frame ──(5 times a second)──> npi_controller_tick ──> knobs for the next frame that is taken in
 *                                                     └── a detector size or pose net that is not there: opened by a thread of its own,
 *                                                         while frames go on with what there is; published when every worker has a seat
 *
 * After the first frame that thread opens all that the controller may ever ask for within its bounds: so a run has its memory in the first second and not
 * when the machine becomes busy on the second day (the smaller pose net alone was a step of 9 MB), and who is late has not to wait for a net.
 * Nets that were opened stay until close: frames in flight use them, and the controller may come back. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipe/priv.h"

#define TICK_NS 200000000
#define FAILURES 3 /* in a row, before a pose net is left for a smaller one */

/* --- nets --- */

static int n_persons_room(const struct npi_pipe *p, int n) { return n < p->p.persons_room ? n : p->p.persons_room; }

static int find_side(const struct npi_adapt *a, int side) {
    for (int i = 0; i < a->n_det; i++)
        if (a->det_side[i] == side) return i;
    return -1;
}

/* Seats for every worker that runs such a net. */
static int seat_workers(struct npi_pipe *p, int is_pose, int i, const struct npi_net *net, struct np_error *err) {
    int r = 0;
    for (int w = 0; r >= 0 && w < p->n_workers; w++) {
        struct npi_worker *const k = &p->worker[w];
        if (is_pose) r = npi_worker_seat(k, &k->pose[i], net, err);
        else if (k->det[0].net) r = npi_worker_seat(k, &k->det[i], net, err);
    }
    for (int w = 0; r < 0 && w < p->n_workers; w++) npi_seat_close(is_pose ? &p->worker[w].pose[i] : &p->worker[w].det[i]);
    return r;
}

/* Without the lock. Nobody looks at seat i before it is published. */
static int open_one(struct npi_pipe *p, int is_pose, int i, int side, int variant, struct np_error *err) {
    struct npi_net *const net = is_pose ? &p->adapt.pose[i] : &p->adapt.det[i];
    int r = p->p.nets.open(p->p.nets.opaque, side, variant, net, err);
    if (r < 0) return r;
    if (is_pose && (strcmp(net->card.keypoint_set, p->p.pose->card.keypoint_set) || net->card.task != NPI_TASK_POSE))
        r = npi_fail(err, NP_EMODEL, "%s has other joints than %s", net->card.id, p->p.pose->card.id);
    if (r >= 0) r = seat_workers(p, is_pose, i, net, err);
    if (r < 0) npi_net_close(net);
    return r;
}

/* Under the lock: what could not be opened is not asked for again. */
static void give_up(struct npi_pipe *p, int side) {
    struct npi_controller_params *const c = &p->tuning.c;
    int n = 0;
    if (side) {
        for (int i = 0; i < c->n_sizes; i++)
            if (c->sizes[i] != side) c->sizes[n++] = c->sizes[i];
        c->n_sizes = n;
    } else c->n_variants = p->adapt.n_pose;
    p->adapt.rebound = 1;
}

/* Under the lock: what to open next, the side of a detector or the number of a pose net. First what is wanted now, then what may be. */
static void next_to_open(const struct npi_pipe *p, int *side, int *variant) {
    const struct npi_adapt *const a = &p->adapt;
    const struct npi_controller_params *const c = &p->tuning.c;
    *side = a->want_side && find_side(a, a->want_side) < 0 ? a->want_side : 0;
    *variant = !*side && a->want_variant >= a->n_pose ? a->n_pose : 0;
    if (*side || *variant || !a->provide) return;
    const int last = c->variant.hi < c->n_variants - 1 ? c->variant.hi : c->n_variants - 1;
    if (a->n_pose && a->n_pose <= last && a->n_pose < NPI_MAX_NETS) *variant = a->n_pose;
    for (int i = 0; !*variant && !*side && a->n_det && a->n_det < NPI_MAX_NETS && i < c->n_sizes; i++)
        if (c->sizes[i] >= c->detector_size.lo && c->sizes[i] <= c->detector_size.hi && find_side(a, c->sizes[i]) < 0) *side = c->sizes[i];
}

static void *open_main(void *opaque) {
    struct npi_pipe *const p = opaque;
    struct npi_adapt *const a = &p->adapt;
    pthread_mutex_lock(&p->lock);
    while (!p->quit) {
        int side, variant;
        next_to_open(p, &side, &variant);
        const int i = side ? a->n_det : a->n_pose;
        if (!side && !variant) {
            pthread_cond_wait(&a->wake, &p->lock);
            continue;
        }
        struct np_error e = { 0 };
        int r = NP_ELIMIT;
        pthread_mutex_unlock(&p->lock);
        if (i < NPI_MAX_NETS) r = open_one(p, !side, i, side, variant, &e);
        else npi_fail(&e, r, "no room for more nets");
        if (r < 0 && side) npi_log(&p->p.log, NP_LOG_WARN, "detector size %d is not to be had: %s", side, e.message);
        if (r < 0 && !side) npi_log(&p->p.log, NP_LOG_WARN, "smaller pose net %d is not to be had: %s", variant, e.message);
        pthread_mutex_lock(&p->lock);
        if (r < 0) {
            give_up(p, side);
            if (side) a->want_side = 0;
            else a->want_variant = 0;
            continue;
        }
        if (side) {
            a->det_side[i] = side;
            a->n_det++;
        } else a->n_pose++;
        struct np_knobs k = p->knobs;
        if (side && a->want_side == side) k.detector_size = side;
        if (!side && a->want_variant >= i) k.variant = i;
        npi_adapt_turn(p, &k);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void ask_for(struct npi_pipe *p) {
    struct npi_adapt *const a = &p->adapt;
    if (!a->has_thread) a->has_thread = pthread_create(&a->thread, NULL, open_main, p) == 0;
    pthread_cond_signal(&a->wake);
}

void npi_adapt_turn(struct npi_pipe *p, const struct np_knobs *k) {
    struct npi_adapt *const a = &p->adapt;
    struct np_knobs n = *k;
    n.max_persons = n_persons_room(p, n.max_persons);
    const int i = n.detector_size ? find_side(a, n.detector_size) : 0;
    if (i >= 0) {
        a->det_now = i;
        a->want_side = 0;
    } else {
        a->want_side = n.detector_size;
        n.detector_size = a->det_side[a->det_now];
    }
    if (n.variant < a->n_pose || !a->n_pose) {
        a->pose_now = a->n_pose ? n.variant : 0;
        a->want_variant = 0;
    } else {
        a->want_variant = n.variant;
        n.variant = a->pose_now;
    }
    p->knobs = n;
    if ((a->want_side || a->want_variant) && p->p.nets.open) ask_for(p);
}

/* --- the controller --- */

void npi_adapt_open(struct npi_pipe *p) {
    struct npi_adapt *const a = &p->adapt;
    const struct npi_net_in *const in = p->p.det ? &p->p.det->in : NULL;
    pthread_cond_init(&a->wake, NULL);
    a->n_det = in != NULL;
    a->n_pose = p->p.pose != NULL;
    if (in) a->det_side[0] = in->width > in->height ? in->width : in->height;
    npi_controller_init(&a->c, &p->tuning.c);
    p->knobs = p->tuning.c.start;
    p->knobs.pose_budget = 0;
    p->knobs.detector_size = a->det_side[0];
    p->knobs.variant = 0;
}

void npi_adapt_close(struct npi_pipe *p) {
    if (!p->adapt.has_thread) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->adapt.wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->adapt.thread, NULL);
    p->adapt.has_thread = 0;
}

void npi_adapt_free(struct npi_pipe *p) {
    for (int i = 1; i < p->adapt.n_det; i++) npi_net_close(&p->adapt.det[i]);
    for (int i = 1; i < p->adapt.n_pose; i++) npi_net_close(&p->adapt.pose[i]);
    pthread_cond_destroy(&p->adapt.wake);
}

void npi_adapt_tick(struct npi_pipe *p) {
    struct npi_adapt *const a = &p->adapt;
    struct npi_load load;
    struct np_knobs k;
    char reason[160];
    if (p->p.mode != NP_MODE_LIVE) return;
    const int64_t now = npi_now_ns();
    pthread_mutex_lock(&p->lock);
    if (now - a->last_tick_ns < TICK_NS) {
        pthread_mutex_unlock(&p->lock);
        return;
    }
    a->last_tick_ns = now;
    const struct np_knobs in_use = p->knobs;
    const int on = p->tuning.adapt, rebound = a->rebound;
    if (rebound) npi_controller_rebound(&a->c, &p->tuning.c);
    a->rebound = 0;
    if (on && (rebound || !a->provide) && p->p.nets.open) {
        a->provide = 1;
        ask_for(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (!on) return;
    npi_meter_load(&p->meter, &load);
    load.told_in_use = 1;
    load.detector_size = in_use.detector_size;
    load.variant = in_use.variant;
    const int moved = npi_controller_tick(&a->c, now, &load, &k, reason);
    pthread_mutex_lock(&p->lock);
    npi_adapt_turn(p, &k);
    if (moved) {
        memcpy(a->last_move, reason, sizeof a->last_move);
        a->n_moves++;
    }
    pthread_mutex_unlock(&p->lock);
    if (moved) npi_log(&p->p.log, NP_LOG_INFO, "controller: %s", reason);
}

void npi_pipe_retune(struct npi_pipe *p, const struct npi_tuning *t) {
    pthread_mutex_lock(&p->lock);
    p->tuning = *t;
    p->adapt.rebound = 1;
    npi_lanes_share(p);
    if (!t->adapt || p->p.mode != NP_MODE_LIVE) {
        struct np_knobs k = t->c.start;
        if (!p->p.det) k.detector_size = 0;
        k.pose_budget = 0;
        npi_adapt_turn(p, &k);
    } else p->adapt.last_tick_ns = 0; /* the controller goes into its new bounds with the next frame */
    pthread_mutex_unlock(&p->lock);
}

/* --- failures --- */

void npi_adapt_judge(struct npi_pipe *p, int failed, const char *why) {
    struct npi_adapt *const a = &p->adapt;
    int next = 0, stay = 0;
    pthread_mutex_lock(&p->lock);
    a->n_bad_poses = failed ? a->n_bad_poses + 1 : 0;
    if (a->n_bad_poses >= FAILURES && a->pose_now + 1 < p->tuning.c.n_variants) {
        struct np_knobs k = p->knobs;
        a->n_bad_poses = 0;
        k.variant = next = a->pose_now + 1;
        p->tuning.c.variant.lo = next; /* the controller does not go back to it */
        if (p->tuning.c.variant.hi < next) p->tuning.c.variant.hi = next;
        a->rebound = 1;
        npi_adapt_turn(p, &k);
    } else if (a->n_bad_poses == FAILURES && !a->told_smallest && !(p->p.strike && npi_strike_check(p->p.strike, NULL) < 0)) {
        stay = a->told_smallest = 1; /* with strict, the failure of a runtime is the error that ends the run */
    }
    pthread_mutex_unlock(&p->lock);
    if (stay) npi_log(&p->p.log, NP_LOG_ERROR, "pose: %d failures in a row (%s), and there is no smaller net to go on to: choose another --model, or --backend", FAILURES, why);
    if (next) npi_log(&p->p.log, NP_LOG_ERROR, "pose: %d failures in a row (%s): on to smaller net %d, %s", FAILURES, why, next, p->p.nets.name ? p->p.nets.name(p->p.nets.opaque, next) : "?");
}
