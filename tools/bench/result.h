/* SPDX-License-Identifier: Apache-2.0 */
/* A benchmark's result file: who was measured on which machine, and per run the values of each metric, one a repetition.
 * docs/bench-result.schema.json is the published schema; peers' results come in the same form (bench/peers writes it).
 *
 *   { "schema": "nextpose-bench-1", "subject": "nextpose", "version": "0.1.0", "date": "2026-11-25T20:10:00Z",
 *     "machine": { "cpu": "…", "cores": 2, "isa": "avx2", "category": "cpu_low_end", "os": "Linux 6.1" },
 *     "input": { "name": "cam01.mp4", … },
 *     "runs": [ { "name": "preset balanced", "settings": { … },
 *                 "metrics": { "processed_fps": { "unit": "frames/s", "better": "higher", "values": [ 51.2, 50.8 ] } } } ] } */
#ifndef NPI_BENCH_RESULT_H
#define NPI_BENCH_RESULT_H
#include "io/io.h"
#include "samples.h"

struct bench_metric {
    char name[40], unit[24];
    int better;                /* 1 higher, -1 lower, 0 says nothing */
    double *value; int n;      /* finite */
};
struct bench_run {
    char name[160];
    char *settings;            /* JSON object as text; never NULL */
    struct bench_metric *metric; int n_metrics;
};
struct bench_result {
    char subject[64], version[48], date[32];
    char cpu[128], isa[32], category[32], os[96];
    int cores;
    char input_name[160];
    char *input;               /* the whole "input" object as text; never NULL */
    struct bench_run *run; int n_runs;
};

/* Fills in version, date and machine of this process; category may be NULL. */
void bench_result_here(struct bench_result *r, const char *subject, const char *category);
/* Adds an empty run, or one value to a metric of the newest run (made when it is not there). NP_ENOMEM. A value that is not finite is left out. */
int bench_result_add_run(struct bench_result *r, const char *name, const char *settings_json);
int bench_result_add(struct bench_result *r, const char *metric, const char *unit, int better, double value);
const struct bench_run *bench_result_find(const struct bench_result *r, const char *run);
const struct bench_metric *bench_run_find(const struct bench_run *r, const char *metric);
/* What is not a result file, or a damaged one: one line with the place. *r is then empty. */
int bench_result_load(struct bench_result *r, const char *path, struct np_error *err);
int bench_result_parse(struct bench_result *r, const char *text, size_t size, const char *path, struct np_error *err);
/* Whole or not at all: written beside and renamed. "-": standard output. */
int bench_result_save(const struct bench_result *r, const char *path, struct np_error *err);
/* Whether a file can be made there, asked before minutes are spent on what goes into it. NULL and "-" are fine. */
int bench_can_write(const char *path, struct np_error *err);
void bench_result_free(struct bench_result *r);
#endif
