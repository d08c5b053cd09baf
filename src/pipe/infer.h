/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker does to one frame: find the boxes, find the joints of one box. Owns sessions and decoders, so that
 * workers share nothing but the packed weights. */
#ifndef NPI_PIPE_INFER_H
#define NPI_PIPE_INFER_H
#include "pipe/seat.h"

struct npi_worker {
    const struct npi_net *det, *pose;     /* NULL: none */
    void *block; size_t block_bytes;      /* activations of both seats: they run in turn, and outputs are decoded before the other one starts */
    struct npi_seat det_seat, pose_seat;
    unsigned cpu;
    void *warp_mem; size_t warp_bytes;    /* tables of a warp, grown when a larger picture comes */
    void *row_mem; size_t row_bytes, row_stride; int row_threads;
    struct npi_dets dets;
    struct npi_pose result;
    /* Sees each net input as it is about to be run (calibration); NULL: none. */
    void (*tap)(void *opaque, const struct npi_seat *seat, const void *input);
    void *tap_opaque;
};

/* pool: for sessions that may later run on it (NULL: this worker is always alone). */
int npi_worker_open(struct npi_worker *w, const struct npi_net *det, const struct npi_net *pose, unsigned cpu, struct np_pool *pool, struct np_error *err);
void npi_worker_close(struct npi_worker *w);

/* Boxes (and joints, for one-stage nets) of a frame into w->dets, in pixels of the shown picture; `m` (may be NULL) gets the
 * letterbox. pool: share the work, NULL: alone. */
int npi_worker_detect(struct npi_worker *w, const struct np_frame *f, float bbox_thr, float nms_thr, struct np_pool *pool, struct npi_affine *m, struct np_error *err);
/* The boxes of the last detection as persons without ids: brought to the picture by `m`, clipped to it, the `max` largest; with joints where the
 * detector is a one-stage net. Returns how many. */
int npi_worker_persons(struct npi_worker *w, const struct npi_affine *m, int width, int height, int max, struct np_person *person);
/* Joints of the person in p->box into *p. passes 2: nets that say where the body lies (BlazePose) look again there, turned upright. A net that says that there is nobody leaves pose_source NP_POSE_NONE. */
int npi_worker_pose(struct npi_worker *w, const struct np_frame *f, int passes, struct np_pool *pool, struct np_person *p, struct np_error *err);
#endif
