/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that are measured in turns, and what is written about them. */
#ifndef NPI_BENCH_PIPELINE_H
#define NPI_BENCH_PIPELINE_H
#include <stdio.h>

#include "accuracy.h"
#include "runner.h"

enum { BENCH_MAX_CASES = 64, BENCH_MAX_ROUNDS = 100 };

struct bench_case {
    const char *axis;
    char name[96], flags[96];    /* name: the same in every file; flags: what a user would write */
    struct np_settings s;
    int live;
    int plain;                   /* the one that accuracy is measured against */
    int may_fail, no_accuracy, failed;
    struct bench_outcome taken[BENCH_MAX_ROUNDS]; int n_taken; /* without delays */
    struct bench_outcome last;   /* with delays */
    struct bench_accuracy accuracy; int has_accuracy;
};

struct bench_suite {
    const char *input;
    struct np_settings base;
    struct bench_case cases[BENCH_MAX_CASES]; int n; /* cases[0]: plain */
    struct bench_reference *reference;
    struct npi_source_info source;
    double persons;              /* a frame */
    const atomic_int *stop;      /* may be NULL */
    void (*progress)(const struct bench_suite *s, int round, int i); /* may be NULL */
};
/* Reference, accuracies, then `rounds` rounds of all cases in turns. A case that cannot run in the first round is left out with a line. */
int bench_suite_run(struct bench_suite *s, int rounds, double seconds, int with_accuracy, struct np_error *err);
void bench_case_take(struct bench_case *c, struct bench_outcome *o); /* takes o's memory */
int bench_suite_result(const struct bench_suite *s, struct bench_result *r);
void bench_suite_free(struct bench_suite *s);

/* Tables; "-" is standard output. */
void bench_report_text(const struct bench_result *r, FILE *f);
int bench_report_markdown(const struct bench_result *r, const char *path, struct np_error *err);
int bench_report_csv(const struct bench_result *r, const char *path, struct np_error *err);
/* The plots of the report as files of their own in a folder, which is made: front.svg, delay.svg, stages.svg, people.svg, threads.svg. */
int bench_report_svg(const struct bench_suite *s, const struct bench_result *r, const char *folder, struct np_error *err);
int bench_report_html(const struct bench_suite *s, const struct bench_result *r, const char *path, struct np_error *err);
#endif
