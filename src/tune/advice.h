/* SPDX-License-Identifier: Apache-2.0 */
/* What limits a run, by name, and what would help, in plain words with the flag that does it and an estimate from the cost model. Never says what is
 * already so, what the controller does by itself, or a value that the flag would refuse. For the status line, the windows, doctor and benchmarks. */
#ifndef NPI_TUNE_ADVICE_H
#define NPI_TUNE_ADVICE_H
#include "tune/controller.h"

struct npi_advice_params {
    int mode;                       /* enum np_mode */
    int adapting;                   /* 1: the controller moves what has bounds in `c` */
    const struct npi_controller_params *c; /* targets, bounds, sizes, variants, threads */
    const char *variant_id[NPI_TUNE_MAX_VARIANTS]; /* of the pose nets, for --model; NULL: not known */
    int processors;                 /* that the process may use */
    int draws;                      /* 1: pictures are drawn for --save-video, --save-images or a view */
};

/* Fills s->bottleneck and s->suggestion[] from the rest of s. `bottleneck`: the stage that takes most of the time of what limits the rate; -1 when
 * every frame of a live source is handled (nothing to gain), -2 while less than a second or three frames were seen. */
void npi_advise(struct np_stats *s, const struct npi_advice_params *p);
/* The next smaller pose net of the family ("convnextpose_s" -> "convnextpose_xs"); NULL: there is none. Quantized siblings are found by npi_net_quantized. */
const char *npi_smaller_net(const char *id);
#endif
