/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the tracker share: the state of a track and of all of them. */
#ifndef NPI_TRACK_TRACKER_PRIV_H
#define NPI_TRACK_TRACKER_PRIV_H
#include "track/assign.h"
#include "track/kalman.h"
#include "track/track.h"

#define NPI_TRACK_DETS_KEPT 8

struct npi_track_slot {
    struct npi_track t;
    struct npi_kf kf;
    float slow_vx, slow_vy;    /* mean speed of the last half second in view: where to look for somebody who vanished */
    struct np_box det_box[NPI_TRACK_DETS_KEPT]; /* the last matched detections as they came, a ring, and when: poses come later */
    int64_t det_ns[NPI_TRACK_DETS_KEPT];
    unsigned n_det;            /* how many there were; the last one is [(n_det - 1) % NPI_TRACK_DETS_KEPT] */
    float seen_x, seen_y, seen_h; /* centre and height when last in view */
    int n_kpt;                 /* joints of the last pose, about the box centre of then */
    struct np_keypoint kpt[NP_MAX_KEYPOINTS];
    int64_t pose_ns;
    float joints_x, joints_y, joints_vx, joints_vy; /* centre of the last pose's joints at joints_ns, and its speed */
    int64_t joints_ns;
    struct npi_shape shape;
    float margin[4]; int n_margin; /* detection beyond the box of the joints: left, top, right, bottom, in its heights; poses in the mean */
    int sure_hits;             /* matches that were neither weak nor inside somebody's box */
    int crowded;               /* on the last update its box was largely shared with somebody's: see crowd() */
    int left;                  /* went out of view at the edge of the picture, moving outwards */
    int nobody;                /* times in a row that the pose net saw nobody, while it never saw somebody */
    float rank;
    int was_selected;
};

struct npi_tracker {
    struct npi_track_params p;
    const struct np_keypoint_set *set;
    struct npi_track_slot *slot[NPI_TRACK_MAX]; /* living ones first, oldest first; the rest is free */
    int n, next_id, started, at_once;
    int width, height;
    int64_t now_ns, ahead_ns;         /* own clock = frame time + ahead */
    int order[NPI_TRACK_MAX];         /* for npi_tracker_at */
    int rows[NPI_TRACK_MAX], cols[NPI_TRACK_MAX_DETS];
    int det_slot[NPI_TRACK_MAX_DETS]; /* slot matched to detection, -1 */
    int det_index[NPI_TRACK_MAX_DETS];
    struct npi_assign assign;
    struct npi_track_slot store[NPI_TRACK_MAX];
};

/* Seconds since the track was last in view. */
float npi_track_gap_s(const struct npi_tracker *t, const struct npi_track_slot *s);
/* How well a detection continues a track, 0..1: boxes, and joints where both have them. */
float npi_track_continues(const struct npi_tracker *t, const struct npi_track_slot *s, const struct npi_track_det *d);
/* How likely a person who was lost is back in this box, 0..1: place, size, speed before, build of the body (shape NULL: unknown). */
float npi_track_returns(const struct npi_tracker *t, const struct npi_track_slot *s, const struct np_box *box, const struct npi_shape *shape);
/* Is this box, of track `self`, doubtful because of somebody in view? 1: most of it lies in another's box (standing behind one another, or a
 * second box on one body). 2: it is also cut out of the other like the upper or lower half of the body. */
int npi_track_inside_other(const struct npi_tracker *t, const struct npi_track_slot *self, const struct np_box *box);
/* Remembers joints that are late_s old, relative to the box. */
void npi_track_keep_pose(struct npi_track_slot *s, const struct np_keypoint *kpt, int n, float late_s);
/* Did the pose net say again and again that nobody is there? */
int npi_track_ghost(const struct npi_track_slot *s);
#endif
