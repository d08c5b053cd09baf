/* SPDX-License-Identifier: Apache-2.0 */
/* What a context was asked for, kept so that single values can change while it runs: each change resolves the preset anew, with what is pinned. */
#ifndef NPI_API_TUNER_H
#define NPI_API_TUNER_H
#include <pthread.h>

#include "pipe/choose.h"
#include "pipe/pipe.h"
#include "tune/preset.h"

struct npi_tuner {
    pthread_mutex_t lock;
    struct npi_strike strike;        /* strict: what failed in mid run */
    struct np_settings s;            /* strings are ours; preset_file: first_preset_file or NULL */
    const char *first_preset_file; int first_preset; /* what the run began with */
    struct np_runtime_search search; /* s.runtime_search points here */
    struct np_hardware hw;
    struct npi_preset preset;        /* resolved */
    const struct npi_net *det, *pose; /* of the context, NULL: none */
    /* Pose nets, [0] the one asked for: ids, or files of quantized siblings; what each costs beside [0] */
    char variant[NPI_TUNE_MAX_VARIANTS][512]; double variant_cost[NPI_TUNE_MAX_VARIANTS]; int n_variants;
    int persons_room, threads_room;  /* that memory is made for */
    struct npi_smooth_spec smooth; int has_smooth; /* in force; its kind zero-lag is for good: the caller looks ahead, or does not */
};
/* Copies the settings, looks at the machine, resolves the preset. */
int npi_tuner_open(struct npi_tuner *t, const struct np_settings *s, struct np_error *err);
void npi_tuner_close(struct npi_tuner *t);
/* Which runtime is to run nets; points into the tuner. */
void npi_tuner_wish(const struct npi_tuner *t, struct npi_wish *out);
/* After the nets are open: people that there must be room for, and what the pipe starts with. */
void npi_tuner_nets(struct npi_tuner *t, const struct npi_net *det, const struct npi_net *pose);
/* The preset's smoothing, read. NP_EINVAL. */
int npi_tuner_smooth(struct npi_tuner *t, struct np_error *err);
void npi_tuner_tuning(const struct npi_tuner *t, struct npi_tuning *out);
/* For npi_pipe_params.nets. */
int npi_tuner_open_net(void *tuner, int side, int variant, struct npi_net *out, struct np_error *err);
const char *npi_tuner_net_name(void *tuner, int variant); /* as for --model; NULL: there is none */
/* np_context_adjust. */
int npi_tuner_adjust(struct npi_tuner *t, struct npi_pipe *p, const char *name, const char *value, struct np_error *err);
#endif
