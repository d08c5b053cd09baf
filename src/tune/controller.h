/* SPDX-License-Identifier: Apache-2.0 */
/* The controller of live mode: measurements in, knobs out. Pure: no clock, no allocation, no threads; the same calls give the same moves.
 *
 *   pipe, 4 to 10 times a second:  struct npi_load (sums since open) ──> npi_controller_tick ──> struct np_knobs, one line why
 *
 * It gives up, when the target rate or the delay bound does not hold, in this order: drawing rate, detector rate, detector size, pose
 * rate of the least important people, pose rate of all, pose net, number of people; and takes back in reverse (docs/presets.md). */
#ifndef NPI_TUNE_CONTROLLER_H
#define NPI_TUNE_CONTROLLER_H
#include "tune/model.h"
#include "tune/preset.h"

#define NPI_TUNE_MAX_SIZES 8

struct npi_range { int lo, hi; };   /* lo == hi: pinned */

struct npi_controller_params {
    double target_fps;              /* the floor; 0: none */
    /* detector and drawing give way up to this rate, poses and people only at the floor; below the floor: the floor */
    double comfort_fps;
    double max_delay_ms;            /* 0: none */
    double detection_timeout_s, pose_timeout_s; /* nothing and nobody's pose may get older than this for want of inference; 0: none */
    struct np_knobs start;
    struct npi_range frame_skip, detection_freq, detector_size, batch_size, max_persons, draw_every, variant;
    int n_sizes, sizes[NPI_TUNE_MAX_SIZES]; /* detector sides that can be switched to, ascending; 0: none but the start */
    int n_variants;                 /* pose nets that can be switched to, at least 1 */
    double variant_cost[NPI_TUNE_MAX_VARIANTS]; /* each one's cost beside variant 0 (by its products, or measured) */
    int threads;
    int has_detector, has_pose;
    double detect_ms, crop_ms;      /* measured before the first frame (warm-up); 0: not known */
};
/* Targets, bounds and start of a resolved preset; one thread per NPI_KEY_THREADS, one size, one variant: the caller adds what it can switch. */
void npi_controller_params_from(struct npi_controller_params *out, const struct npi_preset *p);

/* Sums since the context was opened; the controller takes differences. */
struct npi_load {
    int64_t n_offered;              /* frames of the source, dropped ones included */
    int64_t n_processed;            /* frames that came out */
    int64_t n_inferences;           /* crops that went through the pose net */
    int64_t n_persons;              /* over the processed frames: people in view, max_persons of them at most */
    double stage_ms[NP_STAGE_COUNT];
    int64_t stage_runs[NP_STAGE_COUNT];
    double busy_ms;                 /* time with at least one frame inside; 0: not measured (then stages are taken as one after another) */
    double delay_max_ms;            /* the largest of the results given out since the last tick; 0: none */
    /* 1: the next two say what the runs since the last tick were of, which may not yet be what the controller wanted */
    int told_in_use;
    int detector_size, variant;
};

#define NPI_TUNE_RING 5
struct npi_ring { double v[NPI_TUNE_RING]; int n, at; };

struct npi_mark { int64_t ns, n_offered, n_processed; };
#define NPI_TUNE_MARKS 24

struct npi_controller {
    struct npi_controller_params p;
    struct np_knobs k;              /* in force */
    struct npi_cost cost;
    struct npi_load last;
    int started, fresh_detect, fresh_crop; /* fresh: measured since the size or the variant changed */
    /* -1: not so, or never */
    int64_t last_ns, first_ns, late_since_ns, tight_since_ns, room_since_ns, moved_ns, taken_ns, given_ns, batch_since_ns, cut_ns, net_ns;
    double room_wait_s;             /* how long there must be room; grows when taking back was in vain */
    double crop_detect_ms;          /* a detection when `crop` was last measured */
    double derate;                  /* 0..1: what the forecast is worth, learned where it was too good */
    double share;                   /* of the people whose pose is inferred on a pose frame: 1, 3/4, 1/2, 1/4 */
    int budget_cut;                 /* 1: the delay bound holds the budget below the share */
    struct npi_ring detect, crop, single, frame, read, draw, emit, parallel, persons, unplanned, delay, cap;
    struct npi_mark mark[NPI_TUNE_MARKS]; int n_marks, at_mark;
    double fps, fps_window_s;       /* measured since the last move, over a second or so */
    int64_t n_moves;
};

void npi_controller_init(struct npi_controller *c, const struct npi_controller_params *p);
/* New targets and bounds while running (np_context_adjust, another preset); what was measured stays. Knobs go into the new bounds. */
void npi_controller_rebound(struct npi_controller *c, const struct npi_controller_params *p);
/* Writes the knobs for the frames from now on. 1: a decision was made, *reason has it in one line; 0: nothing to tell (pose_budget and batch_size
 * may follow the number of people all the same). now_ns: monotonic, any zero. */
int npi_controller_tick(struct npi_controller *c, int64_t now_ns, const struct npi_load *l, struct np_knobs *knobs, char reason[160]);
#endif
