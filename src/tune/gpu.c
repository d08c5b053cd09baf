/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs there are and how much memory of their own they have: NVIDIA through NVML (loaded when it is there, never linked),
 * the others through sys/class/drm: amdgpu's mem_info_vram_total, i915's lmem_total_bytes, xe's tile0/physical_vram_size_bytes. */
#define _GNU_SOURCE
#include "tune/hardware.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int first_line(char *out, size_t cap, const char *dir, const char *file) {
    char path[1024];
    const int n = snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *const f = n > 0 && n < (int)sizeof path ? fopen(path, "re") : NULL;
    if (!f) return -1;
    const char *const ok = fgets(out, (int)cap, f);
    fclose(f);
    if (!ok) return -1;
    out[strcspn(out, "\n")] = '\0';
    return 0;
}

/* --- NVML: the part of its ABI that we use --- */

struct nvml_memory { unsigned long long total, free, used; };

static int probe_nvml(struct np_gpu *gpu, int cap, const char *library) {
    void *const lib = library ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!lib) return 0;
    int (*init)(void), (*shutdown)(void), (*count)(unsigned *), (*handle)(unsigned, void **), (*name)(void *, char *, unsigned),
        (*memory)(void *, struct nvml_memory *);
    *(void **)&init = dlsym(lib, "nvmlInit_v2");
    *(void **)&shutdown = dlsym(lib, "nvmlShutdown");
    *(void **)&count = dlsym(lib, "nvmlDeviceGetCount_v2");
    *(void **)&handle = dlsym(lib, "nvmlDeviceGetHandleByIndex_v2");
    *(void **)&name = dlsym(lib, "nvmlDeviceGetName");
    *(void **)&memory = dlsym(lib, "nvmlDeviceGetMemoryInfo");
    int n = 0;
    unsigned devices = 0;
    if (init && shutdown && count && handle && name && memory && init() == 0) {
        if (count(&devices) != 0) devices = 0;
        for (unsigned i = 0; i < devices && n < cap; i++) {
            void *d = NULL;
            struct nvml_memory m = { 0 };
            char text[96] = ""; /* NVML_DEVICE_NAME_V2_BUFFER_SIZE */
            if (handle(i, &d) != 0 || memory(d, &m) != 0) continue;
            if (name(d, text, sizeof text) != 0) text[0] = '\0';
            gpu[n] = (struct np_gpu){ .probe = "nvml", .memory_mb = (double)m.total / 1048576 };
            snprintf(gpu[n++].name, sizeof gpu->name, "%.63s", text[0] ? text : "NVIDIA GPU");
        }
        shutdown();
    }
    dlclose(lib);
    return n;
}

/* The kernel driver's own word, when NVML does not speak (a container without the library). */
static int probe_nvidia_proc(struct np_gpu *gpu, int cap, const char *root) {
    char dir[512], path[900], line[256];
    int n = 0;
    snprintf(dir, sizeof dir, "%.400s/proc/driver/nvidia/gpus", root);
    DIR *const d = opendir(dir);
    if (!d) return 0;
    for (struct dirent *e; n < cap && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%.200s", dir, e->d_name);
        if (first_line(line, sizeof line, path, "information") < 0) continue;
        const char *v = !strncmp(line, "Model:", 6) ? line + 6 : "NVIDIA GPU";
        while (isspace((unsigned char)*v)) v++;
        gpu[n] = (struct np_gpu){ .probe = "nvidia-proc" };
        snprintf(gpu[n++].name, sizeof gpu->name, "%.63s", v);
    }
    closedir(d);
    return n;
}

/* --- DRM --- */

static double vram_mb(const char *card) {
    static const char *const files[] = { "device/mem_info_vram_total", "lmem_total_bytes", "device/tile0/physical_vram_size_bytes" };
    char s[64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (first_line(s, sizeof s, card, files[i]) == 0) {
            const double bytes = strtod(s, NULL); /* also hexadecimal, as xe writes it */
            if (bytes > 0 && bytes < 1e15) return bytes / 1048576;
        }
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int is_card(const struct dirent *e) { /* "card0", not "card0-HDMI-A-1" or "renderD128" */
    if (strncmp(e->d_name, "card", 4) || !isdigit((unsigned char)e->d_name[4])) return 0;
    return e->d_name[4 + strspn(e->d_name + 4, "0123456789")] == '\0';
}

static int probe_drm(struct np_gpu *gpu, int cap, const char *root, int skip_nvidia) {
    char dir[512], card[800], vendor[32], device[32], path[900], line[128];
    struct dirent **e = NULL;
    int n = 0;
    snprintf(dir, sizeof dir, "%.400s/sys/class/drm", root);
    const int cards = scandir(dir, &e, is_card, by_name);
    for (int i = 0; i < cards; i++) {
        snprintf(card, sizeof card, "%s/%.200s", dir, e[i]->d_name);
        free(e[i]);
        if (n == cap || first_line(vendor, sizeof vendor, card, "device/vendor") < 0) continue; /* virtual ones (vkms, simpledrm) have none */
        if (first_line(device, sizeof device, card, "device/device") < 0) snprintf(device, sizeof device, "?");
        if (skip_nvidia && !strcmp(vendor, "0x10de")) continue; /* NVML has told more */
        char driver[32] = "gpu";
        snprintf(path, sizeof path, "%s/device/uevent", card);
        FILE *const f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "DRIVER=%31[^\n]", driver) == 1) break;
        if (f) fclose(f);
        gpu[n] = (struct np_gpu){ .probe = "drm", .memory_mb = vram_mb(card) };
        snprintf(gpu[n++].name, sizeof gpu->name, "%s %s:%s", driver, vendor + (strncmp(vendor, "0x", 2) ? 0 : 2),
                 device + (strncmp(device, "0x", 2) ? 0 : 2));
    }
    free(e);
    return n;
}

int npi_gpu_probe(struct np_gpu gpu[NP_MAX_GPUS], const char *root, const char *nvml) {
    int n = probe_nvml(gpu, NP_MAX_GPUS, nvml);
    if (!n) n = probe_nvidia_proc(gpu, NP_MAX_GPUS, root);
    return n + probe_drm(gpu + n, NP_MAX_GPUS - n, root, n > 0);
}
