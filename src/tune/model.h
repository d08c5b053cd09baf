/* SPDX-License-Identifier: Apache-2.0 */
/* The cost model: what one run of each stage takes, and from that the rate and the delay of any setting of the knobs.
 *
 *   frame j:  frame_ms + [j % detection_freq == 0] detect_ms(size) + [j % frame_skip == 0] crops * crop_ms(variant)
 *             poses / parallel (a detection has all threads to itself), + (read + emit + draw / draw_every) / threads for the caller's side
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
    double crop_ms;         /* one person of several, cutting out included, on one thread, with the pose net of variant 0; 0: not known */
    double single_ms;       /* one person alone, for whom all threads split the net; 0: as one of several */
    double frame_ms;        /* what every frame costs: association, smoothing */
    double read_ms, draw_ms, emit_ms; /* of the caller, one run */
    double parallel;        /* poses worked on at a time: to the number of threads; below 1 where they wait for a processor that others have */
    int whole_frames;       /* 1: several frames are worked on at a time, so that detection is divided by `parallel` as well (file mode) */
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
