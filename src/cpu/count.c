/* SPDX-License-Identifier: Apache-2.0 */
/* How many processors we may use: the affinity mask, cut down by the cgroup's CPU quota (v2 cpu.max, v1 cfs_quota). */
#define _GNU_SOURCE
#include "nextpose/engine.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int quota(void) {
    long long q = -1, period = 100000;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f) {
        if (fscanf(f, "%lld %lld", &q, &period) < 1) q = -1; /* "max 100000" */
        fclose(f);
    } else {
        if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
            if (fscanf(f, "%lld", &q) != 1) q = -1;
            fclose(f);
        }
        if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
            if (fscanf(f, "%lld", &period) != 1) period = 100000;
            fclose(f);
        }
    }
    return q > 0 && period > 0 ? (int)((q + period - 1) / period) : 0;
}

int np_cpu_count(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    const int q = quota();
    if (q > 0 && q < n) n = q;
    return n < 1 ? 1 : n;
}
