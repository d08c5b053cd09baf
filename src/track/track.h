/* SPDX-License-Identifier: Apache-2.0 */
/* Which box is whom: stable ids over frames.
 *
 *   predict (Kalman filter a track) ── match strong boxes ── match weak ones ── who came back? ── births, deaths
 *
 * How a pipeline uses it, and its sisters in this folder (docs/tracking.md has the reasons):
 *   1. detect with the threshold npi_track_params.low_thr, not the user's: weak boxes keep tracks alive. params.high_thr is the user's.
 *   2. frame with detection:    npi_tracker_update(t, all boxes, n, pts, ids); people to serve: npi_tracker_at(i)->selected, in view: missing == 0
 *   3. frame without detection: npi_tracker_predict(t, pts); boxes for the crops: npi_tracker_at(i)->box of those with missing == 0
 *   4. next detection due? every k-th frame, and at once when npi_tracker_wants_detection(t): a new or a lost person costs a detection, no wait
 *   5. pose inferred:           npi_flip_repair (flip.h) in place, then npi_tracker_set_pose(t, id, joints, n, pts); n 0: the net saw nobody there
 *   6. then                     npi_smoother_apply (smooth.h) in place, npi_propagator_observe (propagate.h) with what was shown
 *   7. frame without inference: npi_propagator_at(id, pts) -> joints marked NP_POSE_PROPAGATED with their age; 0: too old, show none
 *   8. before a result goes out: npi_same_person over the people of the frame: of two on one body the younger id is not shown
 *   9. a cut or a seek:         npi_tracker_reset, npi_flip_forget(-1), npi_smoother_forget(-1), npi_propagator_forget(-1)
 *  10. all of it in the order of the frames, one thread at a time; nothing allocates after create.
 *
 * Two-stage association after the idea of ByteTrack (Zhang et al. 2022): weak detections may keep a track alive but never start one.
 * Matching is optimal (Hungarian; at most 128 x 128). Deterministic. */
#ifndef NPI_TRACK_TRACK_H
#define NPI_TRACK_TRACK_H
#include "base/err.h"
#include "nextpose/types.h"

#define NPI_TRACK_MAX_DETS 128
#define NPI_TRACK_MAX 128

struct npi_track_params {
    float high_thr;      /* detections from here up are strong; default .4 */
    float low_thr;       /* weaker ones are ignored; default .1 */
    float new_thr;       /* score that starts a track at its second hit; default .45. Between high_thr and this one it takes slow_birth_s */
    float min_sim, min_sim_weak; /* similarity needed for strong and for weak detections; defaults .25, .4 */
    float min_return;    /* likeness needed to give a lost person the old id back; default .3 */
    float oks_weight;    /* 0..1 share of OKS when joints are there; default .5 */
    int birth_hits;      /* matched on that many updates before an id is given out; default 2, which drops one-frame ghosts. The first
                            update, and updates whose time does not advance (pictures), give ids at once: nothing may ever follow */
    float slow_birth_s;  /* doubtful newcomers (weak, or inside somebody's box) must be there for so long; default .5 */
    int max_missing;     /* updates without a match before a track dies; default 0: no limit */
    float max_missing_s; /* and at most so many seconds; default 2; 0: no limit */
    int max_persons;     /* selected at most; default 8 */
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
    int missing;         /* updates since the last match, 0: in view */
    int det;             /* index of the matched detection of the last update, -1 */
    int selected;        /* 1: among the max_persons to be served */
    int returned;        /* 1: on the last update it came back after having been lost */
    int64_t born_ns, seen_ns; /* on the tracker's clock: the frames' until time goes back, then on from there */
};

struct npi_tracker;
/* set: for OKS sigmas and bones; may be NULL (boxes alone). */
int npi_tracker_create(struct npi_tracker **out, const struct npi_track_params *p, const struct np_keypoint_set *set);
void npi_tracker_free(struct npi_tracker **t);
void npi_tracker_reset(struct npi_tracker *t); /* forgets the tracks; ids go on */
/* People served at most from the next update on. */
void npi_tracker_set_max_persons(struct npi_tracker *t, int max_persons);
/* Size of the picture: who left through its edge does not come back as somebody else. 0, 0 (as after create): unknown. */
void npi_tracker_set_picture(struct npi_tracker *t, int width, int height);
/* Moves all tracks to time t_ns (frames without detector). */
void npi_tracker_predict(struct npi_tracker *t, int64_t t_ns);
/* Detections of a frame at t_ns (steps that are unknown, 0 or back count as 1/30 s). ids[i] (may be NULL): id of detection i, 0 none.
 * More than NPI_TRACK_MAX_DETS: the best scores are used. */
void npi_tracker_update(struct npi_tracker *t, const struct npi_track_det *dets, int n, int64_t t_ns, int *ids);
/* Detections of a frame that the tracks were already moved to or past (npi_tracker_predict): matched where everybody was then, and moved on to now. */
void npi_tracker_update_late(struct npi_tracker *t, const struct npi_track_det *dets, int n, int64_t t_ns);
/* The joints inferred for track `id` on the frame at t_ns, which may be a little older than the last update. They serve the next
 * matching; on frames without detection the box follows them (box of the joints, with the margin that detections had about them).
 * n_kpt 0: the pose net saw nobody in this box; a newcomer of that kind gets no id. */
void npi_tracker_set_pose(struct npi_tracker *t, int id, const struct np_keypoint *kpt, int n_kpt, int64_t t_ns);
/* 1: somebody waits to be confirmed or was lost within the last half second, so that the next frame should be detected. */
int npi_tracker_wants_detection(const struct npi_tracker *t);
/* Living tracks, confirmed ones first, selected before the others (largest and longest-tracked first), ids breaking ties. */
int npi_tracker_count(const struct npi_tracker *t);
const struct npi_track *npi_tracker_at(const struct npi_tracker *t, int i);
const struct npi_track *npi_tracker_find(const struct npi_tracker *t, int id);

/* --- how alike (oks.c) --- */
/* OKS between two poses of n joints; joints with conf below thr on either side are left out; -1 when fewer than 3 are left. */
float npi_oks(const struct np_keypoint *a, const struct np_keypoint *b, int n, const float *sigma, float area, float thr);
float npi_iou(const struct np_box *a, const struct np_box *b);
/* IoU of boxes that were both enlarged by `pad` pixels on each side: still tells apart what is near when nothing overlaps. */
float npi_iou_padded(const struct np_box *a, const struct np_box *b, float pad);
/* Share of the smaller box that lies in the other one. */
float npi_inside(const struct np_box *a, const struct np_box *b);
/* Box of the joints with conf >= thr; 0 when fewer than 3. */
int npi_pose_box(struct np_box *out, const struct np_keypoint *kpt, int n, float thr);
/* Are these two the same body, seen twice? With joints on both sides: OKS >= .75 over the smaller of the two; without: IoU >= .8. */
int npi_same_person(const struct np_person *a, const struct np_person *b, const struct np_keypoint_set *set);
/* dup[i] = 1 for each of n people who is somebody else's double: of two the one with joints stays, then the older id. Returns how many. */
int npi_mark_doubles(const struct np_person *p, int n, const struct np_keypoint_set *set, unsigned char *dup);

/* --- pose shape (shape.c): bone lengths relative to each other, a weak but colour-blind mark of a person --- */
#define NPI_SHAPE_BONES 6
struct npi_shape { float len[NPI_SHAPE_BONES], weight; }; /* torso, shoulders, hips, upper arm + forearm, thigh, shin; sum 1 */
/* Adds a pose to a running mean. Poses without the joints are passed over. */
void npi_shape_add(struct npi_shape *s, const struct np_keypoint *kpt, int n, const struct np_keypoint_set *set);
/* 0..1, .5 when one of them is unknown. */
float npi_shape_like(const struct npi_shape *a, const struct npi_shape *b);
#endif
