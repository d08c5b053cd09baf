/* SPDX-License-Identifier: Apache-2.0 */
/* From probes to a category, and the line that says why. */
#include "tune/hardware.h"
#include "cpu/topo.h"
#include "tune/preset.h"

#include <stdio.h>
#include <string.h>

const char *np_hardware_category_name(int category) {
    static const char *const names[NP_HW_COUNT] = { "cpu_low_end", "cpu_mid_range", "cpu_high_end", "gpu_entry_level", "gpu_mid_range",
                                                    "gpu_high_end" };
    return category >= 0 && category < NP_HW_COUNT ? names[category] : NULL;
}

/* A "6 GB" card tells some megabytes more or less than 6144, so the borders have slack. */
static int gpu_category(double mb) {
    return mb > 6 * 1024 * 1.02 ? NP_HW_GPU_HIGH_END : mb >= 3 * 1024 * .95 ? NP_HW_GPU_MID_RANGE : NP_HW_GPU_ENTRY_LEVEL;
}

static int cpu_category(double cores) { return cores >= 8 ? NP_HW_CPU_HIGH_END : cores >= 4 ? NP_HW_CPU_MID_RANGE : NP_HW_CPU_LOW_END; }

void npi_hardware_probe(struct np_hardware *out, const struct npi_hardware_probe *p) {
    struct np_hardware h = { .category = NP_HW_CPU_LOW_END };
    struct npi_topo t;
    npi_topo_read(&t, p->root, p->allowed);
    snprintf(h.cpu_name, sizeof h.cpu_name, "%s", t.name);
    h.n_logical = t.n_logical;
    h.n_allowed = t.n_allowed;
    h.n_cores = t.n_cores;
    h.n_performance = t.n_performance;
    h.n_efficiency = t.n_efficiency;
    h.quota = t.quota;
    h.memory_mb = t.memory_mb;
    h.usable_cores = t.n_performance + .5 * t.n_efficiency;
    const int cut = t.quota > 0 && t.quota < h.usable_cores;
    if (cut) h.usable_cores = t.quota;
    if (!p->skip_gpus) h.n_gpus = npi_gpu_probe(h.gpu, p->root, p->nvml);
    const struct np_gpu *best = NULL;
    for (int i = 0; i < h.n_gpus; i++)
        if (!best || h.gpu[i].memory_mb > best->memory_mb) best = &h.gpu[i];
    h.gpu_counts = best && best->memory_mb > 0 && p->gpu_runtime;
    h.category = h.gpu_counts ? gpu_category(best->memory_mb) : cpu_category(h.usable_cores);
    npi_hardware_floor(h.category, &h.floor_fps[0], &h.floor_fps[1]);

    char *s = h.reason;
    size_t left = sizeof h.reason;
    int n;
#define SAY(...) (n = snprintf(s, left, __VA_ARGS__), n = n < (int)left ? n : (int)left - 1, s += n, left -= (size_t)n)
    if (h.gpu_counts) SAY("%s with %.1f GB, used through %s; ", best->name, best->memory_mb / 1024, p->gpu_runtime);
    if (h.n_efficiency) SAY("%d performance + %d efficiency cores (these count half)", h.n_performance, h.n_efficiency);
    else SAY("%d core%s", h.n_cores, h.n_cores == 1 ? "" : "s");
    if (t.n_allowed < t.n_logical) SAY(", %d of %d processors allowed", t.n_allowed, t.n_logical);
    if (cut) SAY(", the group's quota is %.3g", t.quota);
    if (best && !h.gpu_counts) {
        if (best->memory_mb > 0) SAY("; %s with %.1f GB does not count: no runtime here can use it", best->name, best->memory_mb / 1024);
        else SAY("; %s does not count: %s", best->name, !strcmp(best->probe, "nvidia-proc") ? "its driver's library does not tell its memory"
                 : "it has no memory of its own");
    }
#undef SAY
    *out = h;
}

void np_hardware_info(struct np_hardware *out, const char *gpu_runtime) {
    npi_hardware_probe(out, &(struct npi_hardware_probe){ .root = "", .nvml = "libnvidia-ml.so.1", .gpu_runtime = gpu_runtime });
}
