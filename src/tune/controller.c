/* SPDX-License-Identifier: Apache-2.0 */
/* See controller.h. One tick:
 *
 *   measure   costs of one run of each stage: the median of the last ticks, so that a spike is not believed; people: the most of them
 *   late?     the cost model's forecast, the measured rate, or the delay, for LATE_WAIT_S ──> choose() from what is in force on, with a little
 *             margin, go there
 *   room?     choose() from the best on, with a larger margin, is better than what is in force, for room_wait_s ──> go there
 *   budget    how many poses fit into one frame without breaking the delay bound; follows at once, no dwell time
 *
 * choose() gives up one step after another, in the order of the table `order`, only steps that help, until the forecast holds: so a move goes to the
 * right place, not in its direction. Between the two margins nothing moves.
 *
 * Two kinds of move, and they do not mix. A late one only gives up: no setting is better after it than before, whatever the forecast says.
 * What was measured when load has just come is the worst there is to plan with, and what it takes back wrongly is given up again a second later.
 * A move into room goes to what is better by what matters most (the reverse of `order`) and may pay for that with what matters less: every
 * person's pose back for a slower detector. So both keep the order.
 *
 * One move is neither: when a run begins late, nothing was given up yet, the start is the preset's guess at an unknown machine. The first look puts
 * all settings where they belong, some of them up, once, within FIRST_LOOK_S, and says that it does. */
#include "tune/measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_WAIT_S 0.4    /* shorter than this is a spike, */
#define LATE_FRAMES 5      /* and so is less than this many frames (to a second) */
#define ROOM_WAIT_S 1.2
#define ROOM_WAIT_MAX_S 60
#define FIRST_LOOK_S 2     /* the start is a guess: what is late so soon is placed anew */
#define SETTLE_S 0.5       /* after a move, before the next one */
#define IN_VAIN_S 20       /* taken back and given up again within this: wait longer next time */
#define LATE_MARGIN 1.08   /* where to go when late */
#define ROOM_MARGIN 1.25   /* what must be possible to take something back */
#define PLENTY_MARGIN 1.4  /* with less than this a refinement may be noise: */
#define NARROW_WAIT_S 4    /* look longer before it is made */
#define NET_ROOM_S 3       /* another pose net changes every joint and starts all caches anew: longer room for it, */
#define NET_DWELL_S 10     /* and none comes back so soon after a change of net */
#define COMFORT_DELAY 0.6  /* of the bound */
#define COMFORT_WAIT_S 1.2
#define LATE_SLACK 0.97    /* late when it would not hold at this part of the costs either */
#define HELPS_COMFORT 0.96
#define HELPS 0.985        /* a step is worth it when it takes off 1.5 % */

static int clamp(int v, struct npi_range r) { return v < r.lo ? r.lo : v > r.hi ? r.hi : v; }

/* --- parameters --- */

static struct npi_range range(const struct npi_preset *p, int key) { return (struct npi_range){ (int)p->v[key].lo, (int)p->v[key].hi }; }

void npi_controller_params_from(struct npi_controller_params *out, const struct npi_preset *p) {
    *out = (struct npi_controller_params){
        .target_fps = p->v[NPI_KEY_TARGET_FPS].start, .comfort_fps = p->v[NPI_KEY_COMFORT_FPS].start, .max_delay_ms =
            p->v[NPI_KEY_MAX_DELAY_MS].start, 
        .detection_timeout_s = p->v[NPI_KEY_DETECTION_TIMEOUT_S].start, .pose_timeout_s = p->v[NPI_KEY_POSE_TIMEOUT_S].start,
        .start = { .frame_skip = npi_preset_int(p, NPI_KEY_FRAME_SKIP), .detection_freq = npi_preset_int(p, NPI_KEY_DETECTION_FREQ),
                   .detector_size = npi_preset_int(p, NPI_KEY_DETECTOR_SIZE), .batch_size = npi_preset_int(p, NPI_KEY_BATCH_SIZE),
                   .max_persons = npi_preset_int(p, NPI_KEY_MAX_PERSONS), .draw_every = npi_preset_int(p, NPI_KEY_DRAW_EVERY),
                   .variant = npi_preset_int(p, NPI_KEY_VARIANT) },
        .frame_skip = range(p, NPI_KEY_FRAME_SKIP), .detection_freq = range(p, NPI_KEY_DETECTION_FREQ),
        .detector_size = range(p, NPI_KEY_DETECTOR_SIZE),
        .batch_size = range(p, NPI_KEY_BATCH_SIZE), .max_persons = range(p, NPI_KEY_MAX_PERSONS), .draw_every = range(p, NPI_KEY_DRAW_EVERY),
        .variant = range(p, NPI_KEY_VARIANT),
        .n_variants = 1, .variant_cost = { 1 }, .threads = npi_preset_int(p, NPI_KEY_THREADS), .has_detector = 1, .has_pose = 1,
    };
}

/* Sizes that can be switched to and lie within the bounds; the start's own when there is none. */
static void take_params(struct npi_controller *c, const struct npi_controller_params *p) {
    c->p = *p;
    struct npi_controller_params *const q = &c->p;
    int n = 0;
    for (int i = 0; i < p->n_sizes && i < NPI_TUNE_MAX_SIZES; i++)
        if (p->sizes[i] >= p->detector_size.lo && p->sizes[i] <= p->detector_size.hi) q->sizes[n++] = p->sizes[i];
    if (!n) q->sizes[n++] = p->start.detector_size;
    q->n_sizes = n;
    if (q->n_variants < 1) q->n_variants = 1;
    if (q->n_variants > NPI_TUNE_MAX_VARIANTS) q->n_variants = NPI_TUNE_MAX_VARIANTS;
    if (q->variant.hi > q->n_variants - 1) q->variant.hi = q->n_variants - 1;
    if (q->variant.lo > q->variant.hi) q->variant.lo = q->variant.hi;
    c->cost.threads = q->threads;
    c->cost.detection_timeout_s = q->detection_timeout_s;
    c->cost.pose_timeout_s = q->pose_timeout_s;
    c->cost.n_variants = q->n_variants;
    memcpy(c->cost.variant, q->variant_cost, sizeof c->cost.variant);
}

static void into_bounds(struct npi_controller *c, struct np_knobs *k) {
    const struct npi_controller_params *const p = &c->p;
    k->frame_skip = clamp(k->frame_skip, p->frame_skip);
    k->detection_freq = clamp(k->detection_freq, p->detection_freq);
    k->batch_size = clamp(k->batch_size, p->batch_size);
    k->max_persons = clamp(k->max_persons, p->max_persons);
    k->draw_every = clamp(k->draw_every, p->draw_every);
    k->variant = clamp(k->variant, p->variant);
    int size = p->sizes[0];
    for (int i = 0; i < p->n_sizes; i++)
        if (abs(p->sizes[i] - k->detector_size) < abs(size - k->detector_size)) size = p->sizes[i];
    k->detector_size = p->has_detector ? size : 0;
}

void npi_controller_init(struct npi_controller *c, const struct npi_controller_params *p) {
    *c = (struct npi_controller){ .last_ns = -1, .late_since_ns = -1, .room_since_ns = -1, .tight_since_ns = -1, .moved_ns = -1, .taken_ns = -1,
                                  .given_ns = -1,
                                  .batch_since_ns = -1, .cut_ns = -1, .net_ns = -1, .first_ns = -1,
                                  .room_wait_s = ROOM_WAIT_S, .derate = 1, .share = 1, .fresh_detect = 1, .fresh_crop = 1 };
    take_params(c, p);
    c->k = p->start;
    c->k.pose_budget = 0;
    into_bounds(c, &c->k);
    c->cost.parallel = 1;
    if (p->detect_ms > 0) npi_ring_push(&c->detect, p->detect_ms);
    if (p->crop_ms > 0) npi_ring_push(&c->crop, p->crop_ms);
}

void npi_controller_rebound(struct npi_controller *c, const struct npi_controller_params *p) {
    take_params(c, p);
    into_bounds(c, &c->k);
    c->share = 1;
    c->late_since_ns = c->room_since_ns = c->tight_since_ns = c->moved_ns = c->taken_ns = c->first_ns = -1;
    c->room_wait_s = ROOM_WAIT_S;
}

/* --- choosing --- */

struct plan { struct np_knobs k; double share; };

enum { DRAW, FREQ, SIZE, SHARE, SKIP, VARIANT, PERSONS, N_STEPS };
static const struct { int what; int level; } order[N_STEPS] = {
    { DRAW, 1 }, { FREQ, 1 }, { SIZE, 1 }, { SHARE, 0 }, { SKIP, 0 }, { VARIANT, 0 }, { PERSONS, 0 } };

/* How many people to plan for: when all places are taken there may be more outside, and a place given back would be filled. */
static struct npi_cost planned_cost(const struct npi_controller *c, const struct np_knobs *k) {
    struct npi_cost cost = c->cost;
    if (cost.persons > c->k.max_persons - .5 && k->max_persons > c->k.max_persons) cost.persons = k->max_persons;
    if (cost.persons < 1) cost.persons = 1; /* somebody will come */
    return cost;
}

static void scale(struct npi_cost *m, double by) {
    m->detect_ms *= by;
    m->crop_ms *= by;
    m->single_ms *= by;
    m->frame_ms *= by;
    m->read_ms *= by;
    m->draw_ms *= by;
    m->emit_ms *= by;
}

static int share_budget(double persons, double share) {
    const int n = (int)ceil(persons * share - 1e-6);
    return share >= 1 ? 0 : n < 1 ? 1 : n;
}

/* With all costs `margin` times what was measured: what holds then, holds with the margin to spare. */
static struct npi_forecast forecast(const struct npi_controller *c, struct plan *p, double margin) {
    struct npi_cost cost = planned_cost(c, &p->k);
    struct npi_forecast f;
    p->k.pose_budget = share_budget(cost.persons < p->k.max_persons ? cost.persons : p->k.max_persons, p->share);
    scale(&cost, margin / c->derate);
    npi_cost_forecast(&cost, &p->k, &f);
    return f;
}

/* Two things to hold: the floor, for which everything is given up in its turn; and comfort, for which only the cheap things are. */
enum level { FLOOR, COMFORT };

/* No more than the source gives. */
static double goal_fps(const struct npi_controller *c, enum level level) {
    const double source = .97 * c->cost.source_fps, want = level == COMFORT && c->p.comfort_fps > c->p.target_fps ? c->p.comfort_fps
        : c->p.target_fps;
    return source > 0 && source < want ? source : want;
}

static int rate_holds(const struct npi_controller *c, const struct npi_forecast *f, enum level level) {
    return !(c->p.target_fps > 0) || f->fps >= goal_fps(c, level);
}

static int delay_holds(const struct npi_controller *c, const struct npi_forecast *f, enum level level) {
    return !(c->p.max_delay_ms > 0) || f->delay_ms <= c->p.max_delay_ms * (level == COMFORT ? COMFORT_DELAY : 1);
}

static int holds(const struct npi_controller *c, const struct npi_forecast *f, enum level level) { return rate_holds(c, f, level) &&
        delay_holds(c, f, level); }

/* One step of a knob towards less; 0 when it is at its bound. */
static int step(const struct npi_controller *c, struct plan *p, int what) {
    const struct npi_controller_params *const q = &c->p;
    struct np_knobs *const k = &p->k;
    switch (what) {
    case DRAW: return k->draw_every < q->draw_every.hi && ++k->draw_every;
    case FREQ: return q->has_detector && k->detection_freq < q->detection_freq.hi && ++k->detection_freq;
    case SIZE:
        for (int i = q->n_sizes - 1; i >= 0 && q->has_detector; i--)
            if (q->sizes[i] < k->detector_size) return k->detector_size = q->sizes[i];
        return 0;
    case SHARE: /* the least important people take turns: 3/4, 1/2, 1/4 of them a frame; a pinned frame skip pins this too */
        if (!q->has_pose || q->frame_skip.lo == q->frame_skip.hi || p->share <= .25) return 0;
        p->share -= .25;
        return 1;
    case SKIP: return q->has_pose && k->frame_skip < q->frame_skip.hi && ++k->frame_skip;
    case VARIANT: return q->has_pose && k->variant < q->variant.hi && ++k->variant;
    case PERSONS: return k->max_persons > q->max_persons.lo && --k->max_persons;
    default: return 0;
    }
}

static struct plan in_force(const struct npi_controller *c) { return (struct plan){ .k = c->k, .share = c->share }; }

static struct plan best(const struct npi_controller *c) {
    const struct npi_controller_params *const q = &c->p;
    struct plan p = { .k = c->k, .share = 1 };
    p.k.draw_every = q->draw_every.lo;
    p.k.detection_freq = q->detection_freq.lo;
    p.k.detector_size = q->has_detector ? q->sizes[q->n_sizes - 1] : 0;
    p.k.frame_skip = q->frame_skip.lo;
    p.k.variant = q->variant.lo;
    p.k.max_persons = q->max_persons.hi;
    return p;
}

/* From p on, giving up only: no setting of the result is better than p's. */
static struct plan choose(const struct npi_controller *c, struct plan p, double margin) {
    const struct npi_controller_params *const q = &c->p;
    struct npi_forecast f = forecast(c, &p, margin);
    for (int i = 0; i < N_STEPS; i++) {
        struct plan from = p; /* steps that do not help at once may do so together: one person fewer of three does not, two do */
        for (struct plan n = p; !holds(c, &f, order[i].level) && step(c, &n, order[i].what);) {
            const struct npi_forecast g = forecast(c, &n, margin);
            const double worth = holds(c, &f, FLOOR) ? HELPS_COMFORT : HELPS;
            const int helps = (!rate_holds(c, &f, order[i].level) && g.mean_ms < worth * f.mean_ms) ||
                              (!delay_holds(c, &f, order[i].level) && g.delay_ms < worth * f.delay_ms);
            const int in_turns = n.k.frame_skip > q->frame_skip.lo || n.k.pose_budget > 0;
            /* nobody vanishes between two poses */
            if ((order[i].what == SKIP || order[i].what == SHARE) && in_turns && q->pose_timeout_s > 0 &&
                g.pose_gap_s > 1.05 * q->pose_timeout_s) break;
            if (!helps) {
                if (order[i].what == PERSONS) continue;
                break;
            }
            from = n;
            f = g;
        }
        p = from;
    }
    forecast(c, &p, margin);
    return p;
}

/* Is a better than b: by what matters most first, the reverse of the order of giving up. */
static int better(const struct plan *a, const struct plan *b) {
    const double d[] = { a->k.max_persons - b->k.max_persons, b->k.variant - a->k.variant, b->k.frame_skip - a->k.frame_skip, a->share - b->share,
                         a->k.detector_size - b->k.detector_size, b->k.detection_freq - a->k.detection_freq, b->k.draw_every - a->k.draw_every };
    for (size_t i = 0; i < sizeof d / sizeof *d; i++)
        if (d[i] != 0) return d[i] > 0;
    return 0;
}

/* No setting of a is better than b's. */
static int gives_up_only(const struct plan *a, const struct plan *b) {
    return a->k.draw_every >= b->k.draw_every && a->k.detection_freq >= b->k.detection_freq && a->k.detector_size <= b->k.detector_size &&
           a->share <= b->share && a->k.frame_skip >= b->k.frame_skip && a->k.variant >= b->k.variant && a->k.max_persons <= b->k.max_persons;
}

/* From a to b only the detector and the drawing change. */
static int is_cheap(const struct plan *a, const struct plan *b) {
    return a->share == b->share && a->k.frame_skip == b->k.frame_skip && a->k.variant == b->k.variant && a->k.max_persons == b->k.max_persons;
}

static int same(const struct plan *a, const struct plan *b) { return !better(a, b) && !better(b, a); }

/* --- moving --- */

__attribute__((format(printf, 2, 3)))
static void say(char reason[160], const char *fmt, ...) {
    const size_t n = strlen(reason);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason + n, 160 - n, fmt, ap);
    va_end(ap);
}

static void say_change(char reason[160], int *n, const char *what, int from, int to) {
    if (from != to) say(reason, "%s %s %d -> %d", (*n)++ ? "," : "", what, from, to);
}

static void move(struct npi_controller *c, int64_t now, const struct plan *to, int taking, char reason[160]) {
    const struct plan from = { .k = c->k, .share = c->share };
    int n = 0;
    say_change(reason, &n, "draw every", from.k.draw_every, to->k.draw_every);
    say_change(reason, &n, "detection every", from.k.detection_freq, to->k.detection_freq);
    say_change(reason, &n, "detector", from.k.detector_size, to->k.detector_size);
    say_change(reason, &n, "% of poses a frame", (int)(from.share * 100), (int)(to->share * 100));
    say_change(reason, &n, "frame skip", from.k.frame_skip, to->k.frame_skip);
    say_change(reason, &n, "pose net", from.k.variant, to->k.variant);
    say_change(reason, &n, "people", from.k.max_persons, to->k.max_persons);
    if (taking) c->taken_ns = now;
    else {
        if (npi_since_s(now, c->taken_ns) < IN_VAIN_S && c->room_wait_s < ROOM_WAIT_MAX_S) c->room_wait_s *= 2;
        c->given_ns = now;
    }
    c->fresh_detect = from.k.detector_size == to->k.detector_size;
    c->fresh_crop = from.k.variant == to->k.variant;
    c->k = to->k;
    c->share = to->share;
    c->moved_ns = now;
    if (!c->fresh_crop) c->net_ns = now;
    c->late_since_ns = c->room_since_ns = c->tight_since_ns = -1;
    c->delay.n = 0;
    c->cap.n = 0;
    c->n_moves++;
}

/* Poses that fit into one frame without breaking the delay bound, whoever walks in; and no more than the share of the people in view. */
static int budget(struct npi_controller *c, int64_t now, char reason[160]) {
    const struct npi_cost *const m = &c->cost;
    const double people_now = m->persons < c->k.max_persons ? m->persons : c->k.max_persons;
    const int by_share = share_budget(people_now, c->share);
    int b = by_share, cut = 0;
    if (c->p.max_delay_ms > 0 && m->crop_ms > 0) {
        const double allowed = .92 * c->derate * c->p.max_delay_ms, interval = m->source_fps > 0 ? 1000 / m->source_fps : allowed / 2;
        const double work = allowed - interval > interval ? allowed - interval : interval < allowed ? interval : allowed;
        struct np_knobs k = c->k;
        struct npi_cost worse = *m;
        if (c->crop.n) worse.crop_ms *= npi_ring_cautious(&c->crop, 1) / npi_ring_median(&c->crop);
        if (c->single.n) worse.single_ms = npi_ring_cautious(&c->single, 1);
        worse.detect_ms = npi_ring_cautious(&c->detect, 1);
        if (c->parallel.n) worse.parallel = npi_ring_cautious(&c->parallel, -1);
        k.pose_budget = 0;
        int fits = 1;
        for (struct npi_forecast f; fits < c->k.max_persons; fits++) {
            worse.persons = fits + 1;
            npi_cost_forecast(&worse, &k, &f);
            if (f.worst_ms > work) break;
        }
        npi_ring_push(&c->cap, fits);
        const int cap = (int)npi_ring_least_of_last(&c->cap, 3);
        if (cap < c->k.max_persons && (!b || cap < b)) {
            b = cap;
            cut = cap < (by_share ? by_share : people_now - .5);
        }
    }
    /* It is told when it lasts: a second of it, and ten seconds without; and not that all fit again while fewer than all have their turn anyway. */
    const int told = c->budget_cut;
    if (cut != told && c->cut_ns < 0) c->cut_ns = now;
    if (cut == told) c->cut_ns = -1;
    if (cut != told && npi_since_s(now, c->cut_ns) >= (cut ? 1 : 10)) {
        c->budget_cut = cut;
        c->cut_ns = -1;
    }
    c->k.pose_budget = b;
    if (told == c->budget_cut || *reason) return 0;
    if (!c->budget_cut && c->share < 1) return 0;
    if (c->budget_cut) say(reason, "delay bound of %.0f ms: poses of %d of %.0f people a frame, in turn", c->p.max_delay_ms, b, people_now);
    else say(reason, "delay bound of %.0f ms: poses of all people fit again", c->p.max_delay_ms);
    return 1;
}

/* All crops of a frame at once, so that every thread has one: alone, a net is split over the threads, which pays less the busier the machine is.
 * Nothing is given up or taken back by it and no result is another, so it follows the people without a word. */
static void batch(struct npi_controller *c, int64_t now) {
    const double crops = npi_cost_crops(&c->cost, &c->k);
    const int want = clamp((int)ceil(crops - 1e-6), c->p.batch_size);
    if (want == c->k.batch_size || !c->persons.n) c->batch_since_ns = -1;
    else if (c->batch_since_ns < 0) c->batch_since_ns = now;
    /* More at once is wanted soon; less is not urgent: an empty place in a batch costs nothing. */
    const double wait = want > c->k.batch_size ? 2 * LATE_WAIT_S : 4 * ROOM_WAIT_S;
    if (c->batch_since_ns < 0 || npi_since_s(now, c->batch_since_ns) < wait) return;
    c->k.batch_size = want;
    c->batch_since_ns = -1;
}

static int is_late(struct npi_controller *c, const struct npi_forecast *f, char why[96]) {
    const double want = goal_fps(c, FLOOR), delay = npi_ring_median(&c->delay);
    const int slow = c->p.target_fps > 0 && c->fps_window_s >= .8 && c->fps < .93 * want;
    const int long_ = c->p.max_delay_ms > 0 && c->delay.n >= 3 && delay > c->p.max_delay_ms;
    if (!rate_holds(c, f, FLOOR) || slow) snprintf(why, 96, "late, %.1f of %.4g frames/s:", slow ? c->fps : f->fps, want);
    else if (!delay_holds(c, f, FLOOR) || long_) snprintf(why, 96, "late, %.0f ms of %.0f:", long_ ? delay : f->delay_ms, c->p.max_delay_ms);
    else return 0;
    return 1;
}

/* The forecast said yes and the clock said no: believe it less, so that choose() goes further. */
static void learn(struct npi_controller *c, const struct npi_forecast *f) {
    const double want = goal_fps(c, FLOOR), delay = npi_ring_median(&c->delay);
    double d = 1;
    if (rate_holds(c, f, FLOOR) && c->p.target_fps > 0 && c->fps_window_s >= .8 && c->fps < .93 * want) d = c->fps / want;
    if (delay_holds(c, f, FLOOR) && c->p.max_delay_ms > 0 && delay > c->p.max_delay_ms && c->p.max_delay_ms / delay < d) d =
        c->p.max_delay_ms / delay;
    c->derate *= d < .7 ? .7 : d;
    if (c->derate < .5) c->derate = .5;
}

int npi_controller_tick(struct npi_controller *c, int64_t now, const struct npi_load *l, struct np_knobs *knobs, char reason[160]) {
    char why[96] = "";
    int told = 0;
    *reason = '\0';
    if (!c->started || now <= c->last_ns || l->n_processed < c->last.n_processed) {
        if (!c->started || l->n_processed < c->last.n_processed) {
            c->n_marks = 0;
            npi_controller_measure_rate(c, now, l);
            c->last = *l;
            c->last_ns = now;
        }
        c->started = 1;
        *knobs = c->k;
        return 0;
    }
    const double dt = npi_since_s(now, c->last_ns);
    if (c->first_ns < 0) c->first_ns = now;
    npi_controller_measure(c, now, l);
    c->last = *l;
    c->last_ns = now;
    c->derate += (1 - c->derate) * (dt < 30 ? dt / 30 : 1);
    if (c->room_wait_s > ROOM_WAIT_S && npi_since_s(now, c->given_ns) > ROOM_WAIT_MAX_S) c->room_wait_s = ROOM_WAIT_S;

    struct plan current = in_force(c);
    const int known = (!c->p.has_detector || c->detect.n >= 2) && c->persons.n >= 2, pose_known = !c->p.has_pose || c->crop.n + c->single.n >= 2;
    if (known && (c->p.target_fps > 0 || c->p.max_delay_ms > 0)) {
        const struct npi_forecast f = forecast(c, &current, LATE_SLACK);
        if (!is_late(c, &f, why)) c->late_since_ns = -1;
        else if (c->late_since_ns < 0) c->late_since_ns = now;
        const double looks = c->fps > 0 ? LATE_FRAMES / c->fps : 0, late_wait = looks > LATE_WAIT_S ? looks : LATE_WAIT_S;
        if (c->late_since_ns >= 0 && npi_since_s(now, c->late_since_ns) >= (late_wait < 1 ? late_wait : 1) && npi_since_s(now, c->moved_ns) >= SETTLE_S) {
            learn(c, &f);
            const int first = c->moved_ns < 0 && npi_since_s(now, c->first_ns) < FIRST_LOOK_S;
            struct plan to = choose(c, first ? best(c) : current, LATE_MARGIN);
            const struct npi_forecast was = forecast(c, &current, LATE_SLACK), g = forecast(c, &to, LATE_SLACK);
            const int helps = (!rate_holds(c, &was, FLOOR) && g.fps > 1.02 * was.fps) ||
                (!delay_holds(c, &was, FLOOR) && g.delay_ms < .98 * was.delay_ms);
            if (!same(&to, &current) && helps) {
                say(reason, "%s%s", first ? "first look, " : "", why);
                move(c, now, &to, 0, reason);
                told = 1;
            }
        }
        /* The floor holds, but it could be more comfortable: the detector and the drawing give way, nothing else. */
        if (told || c->late_since_ns >= 0 || holds(c, &f, COMFORT)) c->tight_since_ns = -1;
        else if (c->tight_since_ns < 0) c->tight_since_ns = now;
        if (c->tight_since_ns >= 0 && npi_since_s(now, c->tight_since_ns) >= COMFORT_WAIT_S && npi_since_s(now, c->moved_ns) >= SETTLE_S) {
            struct plan to = choose(c, best(c), LATE_MARGIN);
            const struct npi_forecast g = forecast(c, &to, LATE_SLACK);
            const int pays = g.fps > 1.05 * f.fps || g.delay_ms < .95 * f.delay_ms;
            if (gives_up_only(&to, &current) && is_cheap(&to, &current) && !same(&to, &current) && better(&current, &to) && pays) {
                say(reason, "%.1f frames/s, %.0f ms:", f.fps, f.delay_ms);
                move(c, now, &to, 0, reason);
                told = 1;
            }
        }
        if (!told && c->late_since_ns < 0 && pose_known) {
            const struct plan to = choose(c, best(c), ROOM_MARGIN);
            struct plan t = to;
            const struct npi_forecast g = forecast(c, &t, ROOM_MARGIN);
            if (!better(&to, &current) || !holds(c, &g, is_cheap(&to, &current) ? COMFORT : FLOOR)) c->room_since_ns = -1;
            else if (c->room_since_ns < 0) c->room_since_ns = now;
            const struct plan plenty = choose(c, best(c), PLENTY_MARGIN);
            const int net = to.k.variant != current.k.variant;
            double wait = c->room_wait_s + (c->taken_ns >= 0 && !better(&plenty, &current) ? NARROW_WAIT_S : 0);
            if (net && wait < NET_ROOM_S) wait = NET_ROOM_S;
            if (c->room_since_ns >= 0 && npi_since_s(now, c->room_since_ns) >= wait && npi_since_s(now, c->moved_ns) >= SETTLE_S &&
                (!net || npi_since_s(now, c->net_ns) >= NET_DWELL_S)) {
                say(reason, "room for %.0f frames/s:", g.fps * ROOM_MARGIN);
                move(c, now, &to, 1, reason);
                told = 1;
            }
        }
    }
    told |= budget(c, now, reason);
    batch(c, now);
    *knobs = c->k;
    return told;
}
