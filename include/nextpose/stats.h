/* SPDX-License-Identifier: Apache-2.0 */
/* What a context is doing right now: rates, delays, where the time goes, what limits it, what would help. A plain snapshot,
 * cheap enough for ten a second; the status line, the windows, /metrics, the controller and the benchmarks all read this one.
 *
 * Three rates, never mixed (rule 3): displayed = results given out; processed = frames that were read and handled;
 * inferred = frames on which a pose net ran for every person in view. */
#ifndef NEXTPOSE_STATS_H
#define NEXTPOSE_STATS_H

#include "nextpose/error.h"
#include "nextpose/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct np_context;

/* In the order in which a frame passes them. DRAW and EMIT are the caller's: reported with np_context_report. */
enum np_stage { NP_STAGE_READ = 0, NP_STAGE_DETECT, NP_STAGE_TRACK, NP_STAGE_CROP, NP_STAGE_POSE, NP_STAGE_SMOOTH, NP_STAGE_DRAW, NP_STAGE_EMIT, NP_STAGE_COUNT };
NP_API const char *np_stage_name(int stage); /* "read", …; NULL past the end */

/* Over a rolling window of a few seconds. */
struct np_stage_stats {
    double mean_ms, max_ms;  /* of one run of the stage */
    double per_frame_ms;     /* summed over the window, divided by processed frames */
    double wait_ms;          /* mean wait in the queue before the stage */
    double share;            /* 0..1 of all work in the window */
    int64_t runs;            /* since open */
};

/* The settings that move while running. What a controller sets, what a preset bounds. */
struct np_knobs {
    int frame_skip;          /* pose net on every k-th frame, 1..5 */
    int detection_freq;      /* detector on every k-th frame, from 1 */
    int detector_size;       /* longer side of the detector's input in use; 0: no detector */
    int batch_size;          /* crops in one inference at most, 1..8 */
    int max_persons;
    int pose_budget;         /* people whose pose is inferred on one pose frame at most, the least important take turns; 0: all */
    int draw_every;          /* pictures are drawn for every k-th result, from 1 */
    int variant;             /* index of the pose net in use, 0: the one that was asked for, above: cheaper ones */
};

#define NP_MAX_SUGGESTIONS 4
struct np_suggestion {
    char text[160];          /* in plain words: "the detector takes 61 % of a frame: --detection-freq 3 would give about 24 FPS" */
    char flag[48];           /* the flag that does it, "--detection-freq 3"; empty: none */
    double gain;             /* estimated factor on the limiting rate, 1 = nothing */
};

struct np_stats {
    double uptime_s, window_s;
    double displayed_fps, processed_fps, inferred_fps;        /* over the window */
    double source_fps;                                        /* frames offered, dropped ones included */
    int64_t n_read, n_dropped, n_displayed, n_processed, n_inferred, n_propagated, n_late, n_failed; /* since open; frames */
    int64_t n_inferences;                                     /* runs of the pose net, crops */
    double persons_per_frame;                                 /* window */
    double delay_p50_ms, delay_p95_ms, delay_p99_ms, delay_max_ms; /* capture (np_frame.captured_ns) to result, window */
    double max_delay_ms;                                      /* bound in force; 0: none */
    struct np_stage_stats stage[NP_STAGE_COUNT];
    int bottleneck;                                           /* enum np_stage, -1: the source (nothing to gain), -2: not known yet */
    struct np_knobs knobs;
    int64_t detection_hits, detection_misses;                 /* detection cache: frames that used a detection made earlier / that needed a new one */
    int64_t pose_hits, pose_misses;                           /* pose cache, persons likewise */
    int64_t cache_expired;                                    /* entries dropped by their time-out */
    double cpu_share;                                         /* of this process over all processors it may use, 0..1, window */
    double cpu_core[64]; int n_cores;                         /* each core of the machine, 0..1, -1 unknown */
    double memory_mb;                                         /* resident */
    double gpu_share, gpu_memory_mb;                          /* -1: no GPU, or none that tells */
    char backend_detector[32], backend_pose[32];              /* that ran last */
    int64_t n_switches;                                       /* of runtime, since open */
    char last_move[160];                                      /* last decision of the controller with its reason; "" */
    struct np_suggestion suggestion[NP_MAX_SUGGESTIONS]; int n_suggestions;
    int64_t n_left_out;                                       /* detections and poses that were due and left out, lest their frame come too late */
    int threads, pose_passes;                                 /* in force: threads that work, looks at each person */
    char smooth[64];
};

/* Fills a snapshot. Any thread, while frames are on their way; never blocks on inference. */
NP_API void np_context_stats(struct np_context *c, struct np_stats *out);
/* Work of the caller that belongs to a frame: stage NP_STAGE_READ, _DRAW or _EMIT took `ms` and had waited `wait_ms`. Any thread. */
NP_API void np_context_report(struct np_context *c, int stage, double ms, double wait_ms);
/* Frames that the caller's reader had to pass over (n > 0 since the last call): counted as dropped. Any thread. */
NP_API void np_context_dropped(struct np_context *c, int64_t n);
/* Changes while running, by the names of the command's flags: "preset", "max-persons", "frame-skip", "detection-freq",
 * "batch-size", "threads", "smooth", "target-fps", "max-delay", "adapt"; value as text ("auto" gives it back to the preset and its controller; of
 * "preset": the one that the run began with. Of files only that one's path is taken).
 * Takes effect with the next frame. 0: done; what of it only a new context could do (more threads than this one was opened with, for instance) is
 * then named in err->message, which is empty otherwise. NP_EINVAL with a line for what cannot be changed or is out of range. Any thread. */
NP_API int np_context_adjust(struct np_context *c, const char *name, const char *value, struct np_error *err);

#ifdef __cplusplus
}
#endif
#endif
