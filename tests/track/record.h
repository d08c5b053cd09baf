/* SPDX-License-Identifier: Apache-2.0 */
/* What the nets say about a clip, frame by frame: every box, and the joints inside the strong ones. Everything that is tested
 * and measured on real clips (ids, propagation, smoothing, flips) runs on such a record, so that the nets run once.
 *
 *   clip ─ io ─> frame ─ detector (from `low_thr`) ─> boxes ─ pose net (from the card's threshold) ─> joints
 *
 * NEXTPOSE_TRACK_CACHE names a folder where records are kept, for work on the tracker; tests do without. */
#ifndef TESTS_TRACK_RECORD_H
#define TESTS_TRACK_RECORD_H
#include "nextpose/types.h"

#define REC_MAX 32 /* boxes a frame, best first */

struct rec_det {
    struct np_box box;
    float score;
    int n_kpt;                                /* 0: no pose net was run, or it saw nobody */
    struct np_keypoint kpt[33];
};
struct rec_frame { int64_t t_ns; int n; struct rec_det det[REC_MAX]; };
struct record {
    const struct np_keypoint_set *set;
    int width, height, n;
    float det_thr;                            /* the detector card's threshold */
    struct rec_frame *frame;                  /* [n] */
};

/* models: folder of the models; side: of the detector, 0 its own; every: every so-manieth frame is taken. Exits with a message on an error. */
void record_clip(struct record *r, const char *clip, const char *models, int side, int every, int with_pose);
void record_free(struct record *r);
#endif
