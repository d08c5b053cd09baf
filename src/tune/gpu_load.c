/* SPDX-License-Identifier: Apache-2.0 */
/* See gpu_load.h. gpu.c says which GPUs there are; this one asks a single one again and again, so all that can be kept open is. */
#define _GNU_SOURCE
#include "tune/gpu_load.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS 200000000

/* --- NVML --- */

static int open_nvml(struct npi_gpu_load *g, const char *library) {
    void *const lib = library ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!lib) return 0;
    int (*init)(void), (*count)(unsigned *), (*handle)(unsigned, void **);
    *(void **)&init = dlsym(lib, "nvmlInit_v2");
    *(void **)&count = dlsym(lib, "nvmlDeviceGetCount_v2");
    *(void **)&handle = dlsym(lib, "nvmlDeviceGetHandleByIndex_v2");
    *(void **)&g->shutdown = dlsym(lib, "nvmlShutdown");
    *(void **)&g->memory = dlsym(lib, "nvmlDeviceGetMemoryInfo");
    *(void **)&g->use = dlsym(lib, "nvmlDeviceGetUtilizationRates"); /* may be missing: then memory alone is told */
    if (init && count && handle && g->shutdown && g->memory && init() == 0) {
        unsigned n = 0;
        unsigned long long most = 0;
        if (count(&n) != 0) n = 0;
        for (unsigned i = 0; i < n; i++) {
            void *d = NULL;
            struct npi_nvml_memory m = { 0 };
            if (handle(i, &d) != 0 || g->memory(d, &m) != 0 || m.total <= most) continue;
            most = m.total;
            g->device = d;
        }
        if (most) {
            g->lib = lib;
            return 1;
        }
        g->shutdown();
    }
    dlclose(lib);
    return 0;
}

/* --- amdgpu --- */

/* A number from the beginning of an open sysfs file; -1: none. */
static double number(int fd) {
    char s[32];
    const ssize_t n = fd >= 0 ? pread(fd, s, sizeof s - 1, 0) : -1;
    if (n < 1) return -1;
    s[n] = '\0';
    char *end;
    const double v = strtod(s, &end);
    return end != s && v >= 0 && v < 1e15 ? v : -1;
}

static int open_at(int card, const char *file) { return openat(card, file, O_RDONLY | O_CLOEXEC); }

static void shut(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void open_drm(struct npi_gpu_load *g, const char *root) {
    char dir[512];
    double most = -2; /* a card that does not tell how much it has (-1) is better than none */
    if ((size_t)snprintf(dir, sizeof dir, "%s/sys/class/drm", root) >= sizeof dir) return;
    DIR *const d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "card", 4) || !isdigit((unsigned char)e->d_name[4]) || strchr(e->d_name, '-')) continue; /* "card0-HDMI-A-1" is a connector */
        int card = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (card < 0) continue;
        int busy = open_at(card, "device/gpu_busy_percent"), used = open_at(card, "device/mem_info_vram_used");
        int total = open_at(card, "device/mem_info_vram_total");
        const double bytes = number(total);
        if ((busy >= 0 || used >= 0) && bytes > most) {
            most = bytes;
            shut(&g->busy_fd);
            shut(&g->used_fd);
            g->busy_fd = busy;
            g->used_fd = used;
            busy = used = -1;
        }
        shut(&busy);
        shut(&used);
        shut(&total);
        shut(&card);
    }
    closedir(d);
}

void npi_gpu_load_open(struct npi_gpu_load *g, const char *root, const char *nvml) {
    *g = (struct npi_gpu_load){ .share = -1, .memory_mb = -1, .busy_fd = -1, .used_fd = -1 };
    if (!open_nvml(g, nvml)) open_drm(g, root);
}

void npi_gpu_load_look(struct npi_gpu_load *g, int64_t now_ns) {
    if (g->last_ns && now_ns - g->last_ns < LOOK_NS) return;
    g->last_ns = now_ns;
    g->share = g->memory_mb = -1;
    double percent = number(g->busy_fd), bytes = number(g->used_fd);
    if (g->device) {
        struct npi_nvml_use u = { 0 };
        struct npi_nvml_memory m = { 0 };
        if (g->use && g->use(g->device, &u) == 0) percent = u.gpu;
        if (g->memory(g->device, &m) == 0) bytes = (double)m.used;
    }
    if (percent >= 0) g->share = percent < 100 ? percent / 100 : 1;
    if (bytes >= 0) g->memory_mb = bytes / 1048576;
}

void npi_gpu_load_close(struct npi_gpu_load *g) {
    shut(&g->busy_fd);
    shut(&g->used_fd);
    if (g->lib) {
        g->shutdown();
        dlclose(g->lib);
    }
    *g = (struct npi_gpu_load){ .share = -1, .memory_mb = -1, .busy_fd = -1, .used_fd = -1 };
}
