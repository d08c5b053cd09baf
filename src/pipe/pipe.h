/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in, results out, in order. Docs: docs/pipeline.md.
 *
 *   send ─> slot ring ─> detect ─> associate ─> crop + pose ─> smooth ─> done ─> get
 *           queue.c      boxes.c   associate.c  work.c        emit.c         queue.c
 *                        any lane  in order     any lane      in order
 *
 * A lane is a thread, or a few of them with a pool (work.c). File mode: a lane a thread; poses of the oldest frame first, then
 * whole-frame detections, so that several frames are in flight. Live mode: one lane of all threads (more of them from 6 threads up), the
 * newest frame wins. Sync mode: the lane is the caller. All decisions depend on frame numbers and time stamps, so file and sync mode give the
 * same bytes with any number of threads. */
#ifndef NPI_PIPE_PIPE_H
#define NPI_PIPE_PIPE_H
#include "nextpose/settings.h"
#include "nextpose/stats.h"
#include "nextpose/types.h"
#include "pipe/infer.h"
#include "track/smooth.h"
#include "tune/controller.h"

#define NPI_MAX_PERSONS 64
#define NPI_MAX_THREADS 64

/* Lets a test make the n-th call of a stage (DETECT, CROP, POSE) fail, or take its time, which counts as the net's: 1 fails it. Only tests that link the library's objects can
 * reach it (npi_context_set_fault, api/hooks.h). */
struct npi_fault_hook { int (*fail)(void *opaque, int stage); void *opaque; };

/* open: while the pipe runs, the detector with another input side (side > 0) or a cheaper pose net (variant > 0). Called on a thread of its own.
 * name: of a pose net, as for --model; NULL: there is none. Any thread. */
struct npi_net_source {
    int (*open)(void *opaque, int side, int variant, struct npi_net *out, struct np_error *err);
    const char *(*name)(void *opaque, int variant);
    void *opaque;
};

/* What can change while running: from a preset and what was asked for. */
struct npi_tuning {
    struct npi_controller_params c;        /* start: the knobs where nothing adapts; bounds, targets, sizes and variants for the controller */
    int adapt;                             /* 1: the controller moves the knobs (live mode) */
    int64_t detection_timeout_ns, pose_timeout_ns;
    int threads;                           /* that work, of those that the pipe was opened with */
    int pose_passes;
    struct npi_smooth_spec smooth;
};

struct npi_pipe;
struct npi_pipe_params {
    const struct npi_net *det, *pose;      /* borrowed; det NULL: the whole frame is one person; pose NULL: boxes only */
    const struct np_keypoint_set *set;     /* of the joints that come out; NULL: none */
    unsigned cpu;
    int threads, mode;                     /* threads: memory is made for so many; tuning.threads of them work */
    int persons_room;                      /* people a frame at most, whatever the knobs say; memory is made for them */
    float bbox_thr, nms_thr;
    struct npi_tuning tuning;
    struct npi_net_source nets;            /* open NULL: only those above */
    int keep_frames;                       /* 1: pixels live until the result is released */
    struct np_logger log;
    struct npi_strike *strike;             /* of strict: what the caller gets as an error is not told a second time; NULL: none */
    struct npi_fault_hook fault;           /* see above; zero */
};
int npi_pipe_open(struct npi_pipe **out, const struct npi_pipe_params *p, struct np_error *err);
void npi_pipe_close(struct npi_pipe **p);
/* As np_send_frame, np_wait_result (timeout_ms 0: np_get_result), np_result_release. borrowed: pixels may not be looked at once the result is out. */
int npi_pipe_send(struct npi_pipe *p, const struct np_frame *f, int borrowed, struct np_error *err);
int npi_pipe_get(struct npi_pipe *p, int timeout_ms, const struct np_result **out, struct np_error *err);
void npi_pipe_release(struct npi_pipe *p, const struct np_result *r);
/* As np_context_stats, _report, _dropped. */
void npi_pipe_stats(struct npi_pipe *p, struct np_stats *out);
void npi_pipe_report(struct npi_pipe *p, int stage, double ms, double wait_ms);
void npi_pipe_dropped(struct npi_pipe *p, int64_t n);
/* New targets, bounds and knobs for the frames that are taken in from now on. Any thread. */
void npi_pipe_retune(struct npi_pipe *p, const struct npi_tuning *t);
void npi_pipe_knobs(struct npi_pipe *p, struct np_knobs *out); /* in use */
void npi_pipe_set_fault(struct npi_pipe *p, const struct npi_fault_hook *h); /* before the first frame */
size_t npi_pipe_arena_bytes(const struct npi_pipe *p);
#endif
