/* SPDX-License-Identifier: Apache-2.0 */
/* What a pipe counts. A ring of quarter-second buckets makes the window; totals run since open.
 *
 *   workers, caller ── notes (a short lock each) ──> buckets, delays ── npi_meter_read ──> struct np_stats */
#ifndef NPI_PIPE_METER_H
#define NPI_PIPE_METER_H
#include <pthread.h>

#include "nextpose/stats.h"
#include "pipe/probe.h"
#include "tune/gpu_load.h"

#define NPI_METER_BUCKET_NS 250000000
#define NPI_METER_BUCKETS 12              /* 3 s */
#define NPI_METER_DELAYS 1024

struct npi_meter_bucket {
    int64_t start_ns;                     /* 0: never used */
    struct { int64_t ns, max_ns, wait_ns; int runs; } stage[NP_STAGE_COUNT];
    int64_t busy_ns;                      /* of all lanes */
    int read, processed, inferred, displayed, persons;
};

struct npi_meter {
    pthread_mutex_t lock, probe_lock;
    int64_t open_ns;
    int n_lanes;
    struct npi_meter_bucket bucket[NPI_METER_BUCKETS];
    int at;                               /* bucket of now */
    struct { int64_t t_ns; float ms; } delay[NPI_METER_DELAYS];
    unsigned n_delays;
    int64_t runs[NP_STAGE_COUNT], total_ns[NP_STAGE_COUNT], n_persons, inside_ns;
    float delay_max_ms;                   /* since npi_meter_load was last called */
    int64_t n_read, n_dropped, n_displayed, n_processed, n_inferred, n_propagated, n_late, n_failed, n_inferences, n_left_out;
    int64_t detection_hits, detection_misses, pose_hits, pose_misses, cache_expired;
    struct npi_probe probe;
    struct npi_gpu_load gpu; int gpu_open; /* opened by the first who reads: who never asks pays no start of a driver */
};

/* One frame that came through. */
struct npi_meter_frame {
    float delay_ms, max_delay_ms;
    int persons, inferred, propagated;    /* propagated: some pose of it was */
    int failed;
    int passed_over;                      /* nobody gets it: counts as dropped and late, its delay for the controller only */
};

void npi_meter_init(struct npi_meter *m, int n_lanes);
void npi_meter_free(struct npi_meter *m);
/* `runs` runs of a stage took `ns` together, the longest max_ns, and had waited wait_ns. */
void npi_meter_stage(struct npi_meter *m, int stage, int64_t ns, int64_t max_ns, int64_t wait_ns, int runs);
void npi_meter_busy(struct npi_meter *m, int64_t ns);
void npi_meter_sent(struct npi_meter *m);
void npi_meter_dropped(struct npi_meter *m, int64_t n);
void npi_meter_left_out(struct npi_meter *m, int64_t n); /* detections and poses, lest a frame come too late */
void npi_meter_lanes(struct npi_meter *m, int n_lanes);
void npi_meter_emitted(struct npi_meter *m, const struct npi_meter_frame *f);
void npi_meter_displayed(struct npi_meter *m);
/* Detection cache: hit 1 or 0; pose cache: people; expired: entries that were too old. */
void npi_meter_caches(struct npi_meter *m, int detection_hit, int detection_miss, int pose_hits, int pose_misses, int expired);
/* At least one frame was inside for so long. */
void npi_meter_inside(struct npi_meter *m, int64_t ns);
/* Sums since open, for the controller. */
struct npi_load;
void npi_meter_load(struct npi_meter *m, struct npi_load *out);
/* All of np_stats but knobs, suggestions, backends and moves. */
void npi_meter_read(struct npi_meter *m, struct np_stats *out);
#endif
