/* SPDX-License-Identifier: Apache-2.0 */
/* Where each number is looked for:
 *   processors   sys/devices/system/cpu/online, the affinity mask
 *   cores        …/cpuN/topology/core_cpus_list (older: thread_siblings_list): the first allowed sibling stands for the core
 *   P and E      sys/devices/cpu_core/cpus and cpu_atom/cpus (Intel), else …/cpuN/cpu_capacity (Arm, and x86 since 6.12)
 *   quota        cgroup v2 cpu.max, v1 cpu.cfs_quota_us, of the group in proc/self/cgroup and those above it
 *   memory       proc/meminfo, memory.max, memory.limit_in_bytes */
#define _GNU_SOURCE
#include "cpu/topo.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* First line of root + path (printf style) into out, without the newline: 0 or -1. */
__attribute__((format(printf, 4, 5)))
static int first_line(char *out, size_t cap, const char *root, const char *fmt, ...) {
    char path[1024];
    va_list ap;
    const int n = snprintf(path, sizeof path, "%s/", root);
    va_start(ap, fmt);
    const int m = n >= 0 && n < (int)sizeof path ? vsnprintf(path + n, sizeof path - (size_t)n, fmt, ap) : -1;
    va_end(ap);
    if (m < 0 || n + m >= (int)sizeof path) return -1;
    FILE *const f = fopen(path, "re");
    if (!f) return -1;
    const char *const ok = fgets(out, (int)cap, f);
    fclose(f);
    if (!ok) return -1;
    out[strcspn(out, "\n")] = '\0';
    return 0;
}

/* "0-3,8,10-11" into set; how many, -1 when it is no such list. */
static int read_list(unsigned char set[NPI_TOPO_MAX], const char *s) {
    int n = 0;
    memset(set, 0, NPI_TOPO_MAX);
    while (*s) {
        char *end;
        long a = strtol(s, &end, 10), b = a;
        if (end == s) return -1;
        if (*end == '-') {
            s = end + 1;
            b = strtol(s, &end, 10);
            if (end == s) return -1;
        }
        if (a < 0 || b < a || b >= NPI_TOPO_MAX) return -1;
        for (; a <= b; a++) {
            n += !set[a];
            set[a] = 1;
        }
        if (*end && *end != ',') return -1;
        s = *end ? end + 1 : end;
    }
    return n;
}

/* --- cgroups --- */

static double least(double a, double b) { return b <= 0 ? a : a <= 0 || b < a ? b : a; }

static double quota_at(const char *root, const char *base, const char *group) {
    char s[128];
    long long q = -1, period = 100000;
    if (first_line(s, sizeof s, root, "%s%s/cpu.max", base, group) == 0) {
        if (sscanf(s, "%lld %lld", &q, &period) < 1) q = -1; /* "max 100000" */
    } else if (first_line(s, sizeof s, root, "%s%s/cpu.cfs_quota_us", base, group) == 0) {
        q = atoll(s);
        if (first_line(s, sizeof s, root, "%s%s/cpu.cfs_period_us", base, group) == 0) period = atoll(s);
    }
    return q > 0 && period > 0 ? (double)q / (double)period : 0;
}

static double memory_at(const char *root, const char *base, const char *group) {
    char s[128];
    double v = 0;
    if (first_line(s, sizeof s, root, "%s%s/memory.max", base, group) < 0 &&
        first_line(s, sizeof s, root, "%s%s/memory.limit_in_bytes", base, group) < 0) return 0;
    return sscanf(s, "%lf", &v) == 1 && v > 0 && v < 1e17 ? v / 1048576 : 0; /* v1 says "none" with 2^63 - 4096 */
}

/* The least of what the group and all above it grant. Inside a container the group's path may not exist below the mount: then its root counts. */
static double walk(const char *root, const char *base, const char *group, double (*at)(const char *, const char *, const char *)) {
    char g[512];
    double v = 0;
    snprintf(g, sizeof g, "%s", strcmp(group, "/") ? group : "");
    for (;;) {
        v = least(v, at(root, base, g));
        char *const slash = strrchr(g, '/');
        if (!slash) return v;
        *slash = '\0';
    }
}

static int has(const char *controllers, const char *name) {
    const size_t n = strlen(name);
    for (const char *c = controllers; (c = strstr(c, name)); c += n)
        if ((c == controllers || c[-1] == ',') && (c[n] == ',' || !c[n])) return 1;
    return 0;
}

static double limit(const char *root, const char *controller, double (*at)(const char *, const char *, const char *)) {
    char path[1024], line[640];
    double v = 0;
    int known = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *const f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) { /* "4:cpu,cpuacct:/docker/…" (v1), "0::/user.slice/…" (v2) */
        line[strcspn(line, "\n")] = '\0';
        char *const names = strchr(line, ':'), *const group = names ? strchr(names + 1, ':') : NULL;
        if (!group || group[1] != '/') continue;
        *group = '\0';
        if (!names[1]) {
            v = least(v, walk(root, "sys/fs/cgroup", group + 1, at));
            v = least(v, walk(root, "sys/fs/cgroup/unified", group + 1, at));
            known = 1;
        } else if (has(names + 1, controller)) {
            char base[128];
            snprintf(base, sizeof base, "sys/fs/cgroup/%.100s", controller);
            v = least(v, walk(root, base, group + 1, at));
            snprintf(base, sizeof base, "sys/fs/cgroup/%.100s", names + 1); /* mounted under all its names */
            v = least(v, walk(root, base, group + 1, at));
            known = 1;
        }
    }
    if (f) fclose(f);
    if (!known) v = least(walk(root, "sys/fs/cgroup", "/", at), v);
    return v;
}

double npi_topo_quota(const char *root) { return limit(root, "cpu", quota_at); }

/* --- memory, name --- */

static void read_names(struct npi_topo *t, const char *root) {
    char path[1024], line[256];
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *f = fopen(path, "re");
    while (f && !t->name[0] && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        const char *v = strchr(line, ':');
        if (!v || (strncmp(line, "model name", 10) && strncmp(line, "Model", 5))) continue;
        for (v++; *v == ' ' || *v == '\t'; v++) {}
        snprintf(t->name, sizeof t->name, "%.63s", v);
    }
    if (f) fclose(f);
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    double kb = 0;
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemTotal: %lf", &kb) == 1) break;
    if (f) fclose(f);
    t->memory_mb = least(kb > 0 ? kb / 1024 : 0, limit(root, "memory", memory_at));
}

/* --- processors --- */

/* Efficiency cores, as far as the machine tells; 0 when all are of one kind. */
static int read_kinds(unsigned char slow[NPI_TOPO_MAX], const char *root, const unsigned char *online) {
    char s[512];
    unsigned char fast[NPI_TOPO_MAX];
    memset(slow, 0, NPI_TOPO_MAX);
    if (first_line(s, sizeof s, root, "sys/devices/cpu_core/cpus") == 0 && read_list(fast, s) > 0 &&
        first_line(s, sizeof s, root, "sys/devices/cpu_atom/cpus") == 0 && read_list(slow, s) > 0) return 1;
    long capacity[NPI_TOPO_MAX] = { 0 }, most = 0;
    int any = 0;
    memset(slow, 0, NPI_TOPO_MAX);
    for (int i = 0; i < NPI_TOPO_MAX; i++) {
        if (!online[i] || first_line(s, sizeof s, root, "sys/devices/system/cpu/cpu%d/cpu_capacity", i) < 0) continue;
        capacity[i] = atol(s);
        if (capacity[i] < 0 || capacity[i] > 1 << 20) capacity[i] = 0; /* the kernel's scale ends at 1024 */
        if (capacity[i] > most) most = capacity[i];
    }
    for (int i = 0; i < NPI_TOPO_MAX; i++) any |= slow[i] = capacity[i] > 0 && capacity[i] * 4 < most * 3; /* under three quarters of the best */
    return any;
}

void npi_topo_read(struct npi_topo *out, const char *root, const unsigned char *allowed) {
    struct npi_topo t = { .name = "" };
    unsigned char online[NPI_TOPO_MAX], mine[NPI_TOPO_MAX], slow[NPI_TOPO_MAX], siblings[NPI_TOPO_MAX];
    char s[512];
    if (allowed) memcpy(mine, allowed, sizeof mine);
    else {
        cpu_set_t set;
        memset(mine, 1, sizeof mine);
        if (sched_getaffinity(0, sizeof set, &set) == 0)
            for (int i = 0; i < NPI_TOPO_MAX; i++) mine[i] = i < CPU_SETSIZE && CPU_ISSET(i, &set);
    }
    if (first_line(s, sizeof s, root, "sys/devices/system/cpu/online") < 0 || read_list(online, s) < 1) {
        long n = *root ? 0 : sysconf(_SC_NPROCESSORS_ONLN);
        memset(online, 0, sizeof online);
        for (int i = 0; i < NPI_TOPO_MAX && n > 0; i++) n -= online[i] = allowed || mine[i];
    }
    read_kinds(slow, root, online);
    for (int i = 0; i < NPI_TOPO_MAX; i++) {
        if (!online[i]) continue;
        t.n_logical++;
        if (!mine[i]) continue;
        t.n_allowed++;
        int first = 1; /* of its core's allowed processors? */
        if ((first_line(s, sizeof s, root, "sys/devices/system/cpu/cpu%d/topology/core_cpus_list", i) == 0 ||
             first_line(s, sizeof s, root, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i) == 0) && read_list(siblings, s) > 0)
            for (int k = 0; k < i; k++)
                if (siblings[k] && online[k] && mine[k]) first = 0;
        if (!first) continue;
        t.n_cores++;
        if (slow[i]) t.n_efficiency++;
        else t.n_performance++;
    }
    if (!t.n_logical) t.n_logical = 1;
    if (!t.n_allowed) t.n_allowed = 1;
    if (!t.n_cores) t.n_cores = t.n_performance = 1;
    t.quota = npi_topo_quota(root);
    read_names(&t, root);
    *out = t;
}
