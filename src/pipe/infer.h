/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker does to one frame: find the boxes, find the joints of one box. Owns sessions and decoders, so that
 * workers share nothing but the packed weights. */
#ifndef NPI_PIPE_INFER_H
#define NPI_PIPE_INFER_H
#include "pipe/seat.h"

/* Detector sizes, or pose nets, that a context can change among while it runs; [0] is the one it was opened with. */
#define NPI_MAX_NETS 6

struct npi_worker {
    struct npi_seat det[NPI_MAX_NETS], pose[NPI_MAX_NETS]; /* net NULL: none */
    struct np_pool *pool;                 /* that its sessions may run on; NULL: this worker is always alone */
    void *block; size_t block_bytes;      /* activations of all seats: they run in turn, and outputs are decoded before the next one starts */
    unsigned cpu;
    void *warp_mem; size_t warp_bytes;    /* tables of a warp, grown when a larger picture comes */
    void *row_mem; size_t row_bytes, row_stride; int row_threads;
    struct npi_dets dets;
    struct npi_pose result;
    /* Sees each net input as it is about to be run (calibration); NULL: none. */
    void (*tap)(void *opaque, const struct npi_seat *seat, const void *input);
    void *tap_opaque;
    int64_t crop_ns, net_ns;              /* of the last call: filling the input; running and decoding */
};

int npi_worker_open(struct npi_worker *w, const struct npi_net *det, const struct npi_net *pose, unsigned cpu, struct np_pool *pool, struct np_error *err);
/* One more net, as det[i] or pose[i]; the worker may be running others meanwhile. */
int npi_worker_seat(struct npi_worker *w, struct npi_seat *seat, const struct npi_net *net, struct np_error *err);
void npi_worker_close(struct npi_worker *w);

/* Boxes (and joints, for one-stage nets) of a frame by det[i] into w->dets, in pixels of the net; `m` gets the way to the shown picture.
 * pool: share the work, NULL: alone. */
int npi_worker_detect(struct npi_worker *w, int i, const struct np_frame *f, float bbox_thr, float nms_thr, struct np_pool *pool, struct npi_affine *m,
                      struct np_error *err);
/* The boxes of the last detection by det[i] as persons without ids: brought to the picture by `m`, clipped to it, the `max` largest; with joints
 * where the detector is a one-stage net. Returns how many. (boxes.c) */
int npi_worker_persons(struct npi_worker *w, int i, const struct npi_affine *m, int width, int height, int max, struct np_person *person);
/* Joints of the person in p->box by pose[i] into *p. passes 2: nets that say where the body lies (BlazePose) look again there, turned upright.
 * A net that says that there is nobody leaves pose_source NP_POSE_NONE. */
int npi_worker_pose(struct npi_worker *w, int i, const struct np_frame *f, int passes, struct np_pool *pool, struct np_person *p, struct np_error *err);
#endif
