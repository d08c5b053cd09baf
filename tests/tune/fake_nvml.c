/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for NVIDIA's libnvidia-ml.so.1: FAKE_NVML is the memory of its two cards in MB, "dead" for a driver that does not answer, or "old" for
 * cards that do not tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory { unsigned long long total, free, used; };
int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out);
int nvmlDeviceGetName(void *d, char *name, unsigned size);
int nvmlDeviceGetMemoryInfo(void *d, struct memory *m);
struct use { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(void *d, struct use *u);

static const char *mode(void) { return getenv("FAKE_NVML") ? getenv("FAKE_NVML") : "8192"; }
int nvmlInit_v2(void) { return strcmp(mode(), "dead") ? 0 : 9; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { return *n = 2, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out) {
    static int device[2];
    *out = &device[i];
    return i < 2 ? 0 : 2;
}
int nvmlDeviceGetName(void *d, char *name, unsigned size) { return snprintf(name, size, "NVIDIA GeForce RTX 3070") > 0 ? 0 : 7; }
int nvmlDeviceGetMemoryInfo(void *d, struct memory *m) {
    if (!strcmp(mode(), "old")) return 3;
    m->total = strtoull(mode(), NULL, 10) << 20;
    m->used = m->total / 4;
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *d, struct use *u) {
    u->gpu = 42;
    return strcmp(mode(), "old") ? 0 : 3;
}
