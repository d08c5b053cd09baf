/* SPDX-License-Identifier: Apache-2.0 */
/* The probes behind np_hardware_info, with everything that they look at passed in. */
#ifndef NPI_TUNE_HARDWARE_H
#define NPI_TUNE_HARDWARE_H
#include "nextpose/hardware.h"

struct npi_hardware_probe {
    const char *root;               /* before /sys and /proc; "": this machine */
    const char *nvml;               /* library to load; NULL: none */
    const unsigned char *allowed;   /* [NPI_TOPO_MAX]; NULL: this process's affinity */
    const char *gpu_runtime;        /* as in np_hardware_info */
    int skip_gpus;                  /* 1: do not look for any (the driver's library takes its time) */
};
void npi_hardware_probe(struct np_hardware *out, const struct npi_hardware_probe *p);
/* GPUs into gpu[]: how many. */
int npi_gpu_probe(struct np_gpu gpu[NP_MAX_GPUS], const char *root, const char *nvml);
#endif
