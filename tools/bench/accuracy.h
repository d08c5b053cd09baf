/* SPDX-License-Identifier: Apache-2.0 */
/* What a setting costs in accuracy: the joints it shows, frame by frame, against those of a reference run of the same clip in which
 * every frame was inferred for every person and nothing was smoothed. */
#ifndef NPI_BENCH_ACCURACY_H
#define NPI_BENCH_ACCURACY_H
#include "io/io.h"

struct bench_reference;        /* the results of one pass over a clip */

struct bench_accuracy {
    int64_t n_frames;          /* compared */
    int64_t n_people, n_found; /* of the reference, with a pose; of these shown with a pose by the other run (same place: IoU >= .3) */
    int64_t n_extra;           /* people shown that the reference has not */
    int64_t id_switches;       /* the same person of the reference under another id than on the frame where it was last found */
    int64_t n_joints;
    double median, p95;        /* distance of joints in percent of the person's height */
    double inferred_median, propagated_median; /* of joints inferred on the frame, of propagated ones; NaN: none */
};

int bench_reference_new(struct bench_reference **out);
void bench_reference_free(struct bench_reference **r);
/* For bench_setup.on_result: stores results by frame number. */
void bench_reference_add(void *reference, const struct np_result *r);
int64_t bench_reference_frames(const struct bench_reference *r);
/* Compares results with the reference; frames that it has not are ignored. One comparison at a time a reference. */
void bench_accuracy_begin(struct bench_reference *r);
void bench_accuracy_add(void *reference, const struct np_result *r);
void bench_accuracy_end(struct bench_reference *r, struct bench_accuracy *out);
#endif
