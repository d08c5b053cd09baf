/* SPDX-License-Identifier: Apache-2.0 */
/* Which box is whom: stable ids over frames.
 *
 *   predict (constant-velocity Kalman filter a track) ── match strong detections ── match weak ones with the rest ── births, deaths
 *
 * Two-stage association after the idea of ByteTrack: weak detections may keep a track alive but never start one. The cost is
 * 1 - similarity, where similarity is IoU, mixed with OKS of the joints when both sides have them. Matching is optimal
 * (Hungarian; at most 128 x 128). Deterministic, no allocation after create. One thread at a time. */
#ifndef NPI_TRACK_TRACK_H
#define NPI_TRACK_TRACK_H
#include "base/err.h"
#include "nextpose/types.h"

#define NPI_TRACK_MAX_DETS 128
#define NPI_TRACK_MAX 128

struct npi_track_params {
    float high_thr;      /* detections from here up are strong; default .4 */
    float low_thr;       /* weaker ones are ignored; default .1 */
    float new_thr;       /* score that may start a track; default .4 */
    float min_sim, min_sim_weak; /* similarity needed in stage one and two; defaults .15, .4 */
    float oks_weight;    /* 0..1 share of OKS when joints are there; default .5 */
    int birth_hits;      /* matched on that many updates before an id is given out; default 1 (at once), 2 drops one-frame ghosts */
    int max_missing;     /* updates without a match before a track dies; default 10 */
    int max_persons;     /* selected at most; default 8 */
    float max_missing_s; /* and at most so many seconds; default 1.0; 0: no limit */
};
void npi_track_params_default(struct npi_track_params *p);

struct npi_track_det {
    struct np_box box;   /* picture pixels */
    float score;
    const struct np_keypoint *kpt; int n_kpt; /* may be NULL, 0: no OKS term */
};

struct npi_track {
    int id;              /* from 1; 0: not confirmed yet */
    struct np_box box;   /* filtered, at the time of the last predict or update */
    float vx, vy;        /* px per second, of the box centre */
    float score;         /* of the last matched detection */
    int hits;            /* updates with a match */
    int missing;         /* updates since the last match, 0: seen now */
    int det;             /* index of the matched detection of the last update, -1 */
    int selected;        /* 1: among the max_persons to be served */
    int64_t born_ns, seen_ns;
};

struct npi_tracker;
/* set: for OKS sigmas; may be NULL (no OKS). */
int npi_tracker_create(struct npi_tracker **out, const struct npi_track_params *p, const struct np_keypoint_set *set);
void npi_tracker_free(struct npi_tracker **t);
void npi_tracker_reset(struct npi_tracker *t); /* forgets the tracks; ids go on */
/* Moves all tracks to time t_ns (frames without detector). */
void npi_tracker_predict(struct npi_tracker *t, int64_t t_ns);
/* Detections of a frame at t_ns (must not go back; equal or unknown steps count as 1/30 s). ids[i] (may be NULL): id of detection i, 0 none.
 * More than NPI_TRACK_MAX_DETS: the best scores are used. */
void npi_tracker_update(struct npi_tracker *t, const struct npi_track_det *dets, int n, int64_t t_ns, int *ids);
/* Gives track `id` the joints of its pose (for the OKS term of the next update) and a box measured from them (may be NULL). */
void npi_tracker_set_pose(struct npi_tracker *t, int id, const struct np_keypoint *kpt, int n_kpt, const struct np_box *box);
/* Living tracks, confirmed ones first, selected before the others (largest and longest-tracked first), ids breaking ties. */
int npi_tracker_count(const struct npi_tracker *t);
const struct npi_track *npi_tracker_at(const struct npi_tracker *t, int i);
const struct npi_track *npi_tracker_find(const struct npi_tracker *t, int id);

/* OKS between two poses of n joints; joints with conf below thr on either side are left out; -1 when fewer than 3 are left. */
float npi_oks(const struct np_keypoint *a, const struct np_keypoint *b, int n, const float *sigma, float area, float thr);
float npi_iou(const struct np_box *a, const struct np_box *b);
#endif
