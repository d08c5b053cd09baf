/* SPDX-License-Identifier: Apache-2.0 */
/* A machine on a simulated clock, for the controller: a source, a live queue in which the newest frame wins, stages with costs, load that
 * changes. It gives the controller the load sums that the pipe would give it, and looks into it for one thing: the share of the people that is
 * inferred on a frame, a setting that no knob carries. */
#ifndef TESTS_TUNE_SIM_H
#define TESTS_TUNE_SIM_H
#include "tune/controller.h"

struct sim {
    /* the machine and the scene; time in seconds */
    double source_fps, detect_ms, crop_ms, frame_ms, draw_ms; /* detect_ms at NPI_TUNE_REF_SIZE, on all threads; a pose on one; on an idle machine */
    double parallel;                           /* poses at a time */
    double split;                              /* how much faster one pose is when all threads split it; 0: .9 * parallel */
    double unplanned;                          /* 0..1: frames that need a detection out of turn */
    double noise;                              /* 0..1: spread of each run's cost */
    unsigned seed;
    double (*slowness)(double t);              /* factor on all costs; NULL: 1 */
    double (*persons)(double t);               /* NULL: 1 */
    double tick_s;                             /* 0: .2 */
    int pace;                                  /* 1: with what the pipe does about frames that would come too late (tune/pace.h) */
    int no_control;                            /* 1: the start stays (to compare) */

    /* what came of it */
    int n_moves;
    /* what the log would show, all of it; before and after. kind: by how the reason begins */
    struct {
        double t;
        struct np_knobs was, k;
        double was_share, share;
        char reason[160];
        enum { FIRST_LOOK, LATE, COMFORT, ROOM, BOUND } kind;
    } move[400];
    int n_passed;                              /* results that came too late and that nobody got */
    double pose_gap;                           /* the longest time without an inference after 3 s */
    int n_frames;                              /* results */
    struct { double t, delay_ms; int crops, left, persons; } frame[20000]; /* left: poses that were due and left out */
    int n_ticks;
    struct { double t; struct np_knobs k; double share; int told; } tick[4000];
};

void sim_run(struct sim *s, const struct npi_controller_params *p, double seconds);
double sim_fps(const struct sim *s, double from, double to);          /* results a second */
int sim_moves(const struct sim *s, double from, double to);           /* decisions that were told, every one */
int sim_late(const struct sim *s, double from, double to);            /* of them those that gave something up because of the rate or the delay */
double sim_delay(const struct sim *s, double from, double to);        /* the largest */
int sim_over(const struct sim *s, double from, double to, double ms); /* results with a longer delay */
const struct np_knobs *sim_at(const struct sim *s, double t);
#endif
