/* SPDX-License-Identifier: Apache-2.0 */
/* How busy the GPU is and how much of its memory is taken, by everybody: NVML (loaded when it is there, never linked), else amdgpu's files in
 * sys/class/drm. Of several GPUs the one with most memory of its own. What does not tell is -1 and stops nothing. */
#ifndef NPI_TUNE_GPU_LOAD_H
#define NPI_TUNE_GPU_LOAD_H
#include <stdint.h>

struct npi_nvml_use { unsigned gpu, memory; };                    /* per cent, as in nvml.h */
struct npi_nvml_memory { unsigned long long total, free, used; }; /* bytes */
struct npi_gpu_load {
    double share, memory_mb;   /* at the last look: 0..1; -1: unknown */
    int64_t last_ns;
    int busy_fd, used_fd;      /* amdgpu: kept open, read again from their beginning; -1 */
    void *lib, *device;        /* NVML; NULL */
    int (*use)(void *, struct npi_nvml_use *), (*memory)(void *, struct npi_nvml_memory *), (*shutdown)(void);
};
/* root: "" or the folder of a copied tree; nvml: its library, NULL: none. Costs a driver's start where there is one (tens of ms). */
void npi_gpu_load_open(struct npi_gpu_load *g, const char *root, const char *nvml);
/* Looks again when the last look is at least 200 ms old. Opens and allocates nothing. */
void npi_gpu_load_look(struct npi_gpu_load *g, int64_t now_ns);
void npi_gpu_load_close(struct npi_gpu_load *g);
#endif
