/* SPDX-License-Identifier: Apache-2.0 */
/* The cost model: what one run of each stage takes, and from that the rate and the delay of any setting of the knobs.
 *
 *   frame j:  frame_ms + [j % detection_freq == 0] detect_ms(size) + [j % frame_skip == 0] crops * crop_ms(variant)
 *             all / parallel, + (read + emit + draw / draw_every) / threads for the caller's side on the same processors
 *
 * In live mode reading is left out: it goes on at the source's rate whatever is done with the frames, and what it takes from the stages is in their
 * times.
 *
 * The controller asks it before each move, so that it goes to the right place at once; advice asks it for its estimates. */
#ifndef NPI_TUNE_MODEL_H
#define NPI_TUNE_MODEL_H
#include "nextpose/stats.h"

#define NPI_TUNE_MAX_VARIANTS 4
#define NPI_TUNE_REF_SIZE 320 /* detector side that detect_ms is about */

struct npi_cost {
    double detect_ms;       /* one run at NPI_TUNE_REF_SIZE; grows with the square of the side; 0: no detector or not known */
    double crop_ms;         /* one person, cutting out included, with the pose net of variant 0; 0: not known */
    double frame_ms;        /* what every frame costs: association, smoothing */
    double read_ms, draw_ms, emit_ms; /* of the caller, one run */
    double parallel;        /* milliseconds of work done in a millisecond of busy time: to the number of threads; below 1 where frames wait inside for
                             * a processor that others have */
    double persons;         /* in view */
    double unplanned;       /* 0..1: part of the frames between two planned detections that need one all the same (somebody came or got lost) */
    double detection_timeout_s, pose_timeout_s; /* what is older has to be done anew, whatever the knobs say; 0: none */
    double source_fps;      /* 0: not known */
    int threads;
    int n_variants;         /* of the pose net, 1..; each one's cost beside variant 0 */
    double variant[NPI_TUNE_MAX_VARIANTS];
};

struct npi_forecast {
    double fps;             /* processed frames a second that the machine could do, not cut down to the source's rate */
    double inferred_fps;    /* likewise, frames with every person inferred */
    double mean_ms;         /* busy time a frame */
    double worst_ms;        /* of the frame that has detection and poses */
    double delay_ms;        /* largest from capture to result in live mode: worst_ms, and a source interval when it is longer than one */
    double pose_gap_s;      /* between two inferences of the least important person */
};
void npi_cost_forecast(const struct npi_cost *c, const struct np_knobs *k, struct npi_forecast *out);
/* People whose pose is inferred on a pose frame with these knobs. */
double npi_cost_crops(const struct npi_cost *c, const struct np_knobs *k);
/* From a snapshot, for advice. n_variants and variant stay as they are. */
void npi_cost_from_stats(struct npi_cost *c, const struct np_stats *s, int threads);
#endif
