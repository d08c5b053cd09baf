/* SPDX-License-Identifier: Apache-2.0 */
/* What this process may use of the machine, and the category that follows from it: where a run starts before anything was
 * measured. Probes that fail leave their fields at 0 or empty; none of them stops a run. */
#ifndef NEXTPOSE_HARDWARE_H
#define NEXTPOSE_HARDWARE_H

#include "nextpose/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum np_hardware_category {
    NP_HW_CPU_LOW_END = 0,     /* 1 to 3 cores */
    NP_HW_CPU_MID_RANGE = 1,   /* 4 to 7 */
    NP_HW_CPU_HIGH_END = 2,    /* 8 and more */
    NP_HW_GPU_ENTRY_LEVEL = 3, /* less than 3 GB of GPU memory */
    NP_HW_GPU_MID_RANGE = 4,   /* 3 to 6 GB */
    NP_HW_GPU_HIGH_END = 5,    /* more than 6 GB */
    NP_HW_COUNT = 6
};

#define NP_MAX_GPUS 4
struct np_gpu {
    char name[64];             /* "NVIDIA GeForce RTX 3070", or driver and PCI id: "i915 8086:46a8" */
    char probe[16];            /* who told: "nvml", "drm", "nvidia-proc" */
    double memory_mb;          /* of its own; 0: none, or not told */
};

struct np_hardware {
    int category;              /* enum np_hardware_category */
    char reason[240];          /* one line: what counted and what did not */
    char cpu_name[64];         /* "" unknown */
    int n_logical;             /* processors that are on-line */
    int n_allowed;             /* of them in the affinity mask */
    int n_cores;               /* physical cores among the allowed */
    int n_performance, n_efficiency; /* of n_cores; on a CPU of one kind all are performance cores */
    double quota;              /* processors that the cgroup grants; 0: no limit */
    double usable_cores;       /* what the category counts: performance cores + half of the efficiency cores, at most the quota */
    double memory_mb;          /* of the machine or the cgroup, whichever is less; 0 unknown */
    int n_gpus;
    struct np_gpu gpu[NP_MAX_GPUS];
    int gpu_counts;            /* 1: the category is one of the gpu_ ones */
    double floor_fps[2];       /* rates to be expected of this category at the least: from, to */
};

/* Never fails. `gpu_runtime`: name of an installed runtime that can run nets on a GPU ("onnx with CUDA"), NULL: there is none, then
 * GPUs are listed but do not count. Reads /sys and /proc and asks the NVIDIA driver's library when it is there. Any thread. */
NP_API void np_hardware_info(struct np_hardware *out, const char *gpu_runtime);
/* "cpu_low_end", …; NULL past the end. */
NP_API const char *np_hardware_category_name(int category);

#ifdef __cplusplus
}
#endif
#endif
