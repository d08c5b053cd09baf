/* SPDX-License-Identifier: Apache-2.0 */
/* One measured run of the whole pipeline in this process: a clip is decoded, goes through a context with given settings, and
 * what came out is counted. What `bench quick`, `bench pipeline` and `recommend` are made of. Decoding is part of it, as in life. */
#ifndef NPI_BENCH_RUNNER_H
#define NPI_BENCH_RUNNER_H
#include "io/source.h"
#include "result.h"

struct bench_setup {
    const char *input;          /* as for run -i; files are looped until the time is over */
    struct np_settings s;       /* s.mode: NP_MODE_FILE (every frame, as fast as it goes) or NP_MODE_LIVE */
    double rate;                /* live: frames offered a second; 0: the clip's own rate */
    double seconds;             /* 0: one pass over the clip, no loop */
    double warmup_s;            /* not counted; 0: from the first result on */
    const atomic_int *stop;     /* ends early when it becomes nonzero; may be NULL */
    /* Each result that is counted, in order, on the caller's thread; may be NULL. */
    void (*on_result)(void *opaque, const struct np_result *r);
    void *opaque;
};

struct bench_outcome {
    double seconds;
    int64_t n_displayed, n_inferred, n_propagated_only, n_offered, n_dropped;
    double displayed_fps, inferred_fps, processed_fps;
    double persons_per_frame;
    double delay_p50, delay_p95, delay_p99;  /* ms */
    double open_ms;                          /* np_open */
    struct np_stats stats;                   /* just before the end */
    struct np_context_info info;             /* strings are not kept: only numbers are valid */
    char isa[32], backend[32], detector[64], model[64], precision[64];
    struct npi_source_info source;
    double *delay; int n_delay;              /* [n_delay] ms of each result; the caller frees with bench_outcome_free */
};
int bench_run(struct bench_outcome *out, const struct bench_setup *setup, struct np_error *err);
void bench_outcome_free(struct bench_outcome *o);

/* Adds the usual metrics of an outcome to the newest run of a result. */
int bench_outcome_add(struct bench_result *r, const struct bench_outcome *o);
#endif
