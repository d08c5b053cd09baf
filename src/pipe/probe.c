/* SPDX-License-Identifier: Apache-2.0 */
/* See probe.h. */
#include "pipe/probe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nextpose/engine.h"

#define LOOK_NS 200000000

static int64_t cpu_ns(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0) return -1;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Not fopen: it allocates. */
static size_t slurp(const char *path, char *buf, size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    if (fd < 0) return 0;
    for (ssize_t r; n < size - 1 && (r = read(fd, buf + n, size - 1 - n)) > 0;) n += (size_t)r;
    close(fd);
    buf[n] = 0;
    return n;
}

void npi_probe_init(struct npi_probe *p) {
    memset(p, 0, sizeof *p);
    p->n_cpus = np_cpu_count();
    for (int i = 0; i < NPI_PROBE_CORES; i++) {
        p->core[i] = -1;
        p->total[i] = -1;
    }
    p->share = p->memory_mb = -1;
}

/* "cpu3 user nice system idle iowait irq softirq steal …" */
static void look_at_cores(struct npi_probe *p) {
    char buf[16384];
    if (!slurp("/proc/stat", buf, sizeof buf)) return;
    p->n_cores = 0;
    for (char *line = buf; line && *line;) {
        char *const end = strchr(line, '\n');
        if (!strncmp(line, "cpu", 3) && line[3] >= '0' && line[3] <= '9') {
            char *s;
            const long core = strtol(line + 3, &s, 10);
            int64_t total = 0, idle = 0;
            for (int k = 0; k < 8; k++) {
                const int64_t v = strtoll(s, &s, 10);
                total += v;
                if (k == 3 || k == 4) idle += v;
            }
            if (core >= 0 && core < NPI_PROBE_CORES) {
                if (p->total[core] >= 0 && total > p->total[core])
                    p->core[core] = (double)(total - idle - p->busy[core]) / (double)(total - p->total[core]);
                p->total[core] = total;
                p->busy[core] = total - idle;
                if (core >= p->n_cores) p->n_cores = (int)core + 1;
            }
        }
        line = end ? end + 1 : NULL;
    }
}

void npi_probe_look(struct npi_probe *p, int64_t now_ns) {
    char buf[256];
    if (p->last_ns && now_ns - p->last_ns < LOOK_NS) return;
    const int64_t cpu = cpu_ns();
    if (p->last_ns && cpu >= 0 && p->last_cpu_ns >= 0) p->share = (double)(cpu - p->last_cpu_ns) / (double)(now_ns - p->last_ns) / p->n_cpus;
    p->last_ns = now_ns;
    p->last_cpu_ns = cpu;
    look_at_cores(p);
    if (slurp("/proc/self/statm", buf, sizeof buf)) {
        char *s = buf;
        strtoll(s, &s, 10);
        p->memory_mb = (double)strtoll(s, NULL, 10) * (double)sysconf(_SC_PAGESIZE) / 1048576;
    }
}
