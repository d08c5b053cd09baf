/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in, results out, in order.
 *
 *   send ─> slot ring ─> detect (any worker) ─> associate (in order) ─> pose a person (any worker) ─> done ─> get (in order)
 *
 * File mode: workers take person tasks first (the oldest frame wins), then whole-frame detections, so that several frames
 * are in flight and results do not depend on the number of threads. Sync and live mode: one frame at a time, its work split over a pool. */
#ifndef NPI_PIPE_PIPE_H
#define NPI_PIPE_PIPE_H
#include "nextpose/settings.h"
#include "nextpose/types.h"
#include "pipe/infer.h"

struct npi_pipe;
struct npi_pipe_params {
    const struct npi_net *det, *pose;      /* borrowed; det NULL: the whole frame is one person; pose NULL: boxes only */
    const struct np_keypoint_set *set;     /* of the joints that come out; NULL: none */
    unsigned cpu;
    int threads, mode, max_persons, pose_passes;
    float bbox_thr, nms_thr;
};
int npi_pipe_open(struct npi_pipe **out, const struct npi_pipe_params *p, struct np_error *err);
void npi_pipe_close(struct npi_pipe **p);
/* As np_send_frame, np_get_result, np_result_release; `wait`: np_get_result blocks for a frame that is inside in any mode. */
int npi_pipe_send(struct npi_pipe *p, const struct np_frame *f, struct np_error *err);
int npi_pipe_get(struct npi_pipe *p, int wait, const struct np_result **out, struct np_error *err);
void npi_pipe_release(struct npi_pipe *p, const struct np_result *r);
size_t npi_pipe_arena_bytes(const struct npi_pipe *p);
#endif
