/* SPDX-License-Identifier: Apache-2.0 */
/* Nets over labelled pictures: what eval and quantize share. */
#ifndef NPI_TOOLS_EVALUATE_H
#define NPI_TOOLS_EVALUATE_H
#include "io/io.h"
#include "nextpose/eval.h"

struct evaluation {
    const char *images;           /* folder of the labels' pictures */
    struct np_eval *eval;
    struct np_eval_info info;     /* of it */
    int given;                    /* 1: the labels' boxes, 0: the detector's */
    int progress;                 /* 1: a line on a terminal */
    struct np_logger log;
    /* after a run */
    int64_t n_persons;
    double wall_s, nets_s;
};
/* Before minutes of work, not after: is every picture there? */
int evaluation_check(const struct evaluation *j, struct np_error *err);
/* All pictures through the context; what is found is added to j->eval. */
int evaluation_run(struct evaluation *j, struct np_context *ctx, struct np_error *err);
#endif
