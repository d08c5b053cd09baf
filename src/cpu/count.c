/* SPDX-License-Identifier: Apache-2.0 */
/* How many processors we may use: the affinity mask, cut down by the cgroup's CPU quota (topo.c). */
#define _GNU_SOURCE
#include "cpu/topo.h"
#include "nextpose/engine.h"

#include <sched.h>
#include <unistd.h>

int np_cpu_count(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    const double quota = npi_topo_quota("");
    if (quota > 0 && quota < n) n = (int)(quota + .999);
    return n < 1 ? 1 : n;
}
