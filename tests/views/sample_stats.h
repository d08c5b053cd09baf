/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot with every field set to something that cannot be mistaken for another one. */
#ifndef SAMPLE_STATS_H
#define SAMPLE_STATS_H
#include <stdio.h>
#include <string.h>

#include "io/stats.h"

static inline void sample_stats(struct np_stats *s) {
    memset(s, 0, sizeof *s);
    s->uptime_s = 12.5;
    s->window_s = 3;
    s->displayed_fps = 29.5;
    s->processed_fps = 24.25;
    s->inferred_fps = 12.125;
    s->source_fps = 30;
    s->n_read = 375;
    s->n_dropped = 70;
    s->n_displayed = 305;
    s->n_processed = 304;
    s->n_inferred = 152;
    s->n_propagated = 151;
    s->n_late = 3;
    s->n_failed = 1;
    s->n_inferences = 604;
    s->n_left_out = 5;
    s->threads = 4;
    s->pose_passes = 1;
    snprintf(s->smooth, sizeof s->smooth, "one-euro:1,0.03,1");
    s->persons_per_frame = 3.75;
    s->delay_p50_ms = 31.5;
    s->delay_p95_ms = 44;
    s->delay_p99_ms = 52.75;
    s->delay_max_ms = 61;
    s->max_delay_ms = 60;
    for (int i = 0; i < NP_STAGE_COUNT; i++)
        s->stage[i] = (struct np_stage_stats){ .mean_ms = 1 + i, .max_ms = 10 + i, .per_frame_ms = 0.5 * (1 + i), .wait_ms = 0.25 * i, .share = 0.03 * i,
                                               .runs = 1000 + i };
    s->stage[NP_STAGE_DETECT].share = 0.61;
    s->bottleneck = NP_STAGE_DETECT;
    s->knobs = (struct np_knobs){ .frame_skip = 2, .detection_freq = 3, .detector_size = 320, .batch_size = 4, .max_persons = 5, .draw_every = 1, .variant = 0 };
    s->detection_hits = 200;
    s->detection_misses = 100;
    s->pose_hits = 30;
    s->pose_misses = 10;
    s->cache_expired = 7;
    s->cpu_share = 0.875;
    s->n_cores = 3;
    s->cpu_core[0] = 0.5;
    s->cpu_core[1] = 1;
    s->cpu_core[2] = -1;
    s->memory_mb = 142.5;
    s->gpu_share = 0.25;
    s->gpu_memory_mb = 512;
    snprintf(s->backend_detector, sizeof s->backend_detector, "native");
    snprintf(s->backend_pose, sizeof s->backend_pose, "onnx");
    s->n_switches = 2;
    snprintf(s->last_move, sizeof s->last_move, "detection every 3rd frame: late by 12 ms");
    s->n_suggestions = 1;
    snprintf(s->suggestion[0].text, sizeof s->suggestion[0].text, "detect takes 61 %% of a frame: --detection-freq 4 would give about 28 FPS");
    snprintf(s->suggestion[0].flag, sizeof s->suggestion[0].flag, "--detection-freq 4");
    s->suggestion[0].gain = 1.25;
}

static inline struct npi_stats_extra sample_extra(void) {
    return (struct npi_stats_extra){ .input = "clip \"1\".mp4", .detector = "det\\lite\"0", .model = "pose\nfull", .preset = "balanced", .n_reconnects = 4,
                                     .n_out_dropped = 9, .n_viewers = 2 };
}
#endif
