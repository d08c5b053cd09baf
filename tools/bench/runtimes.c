/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench model --backend all: the same net on several runtimes, side by side.
 *
 * Each runtime is first tried in a process of its own: so its memory is its own, and one that crashes costs its line only. Those that came
 * through are then opened together and take turns, run by run. "differs" is the root mean square against our own engine, relative. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "samples.h"
#include "io/outfile.h"
#include "tools/bench/bench.h"

#define MAX_LINES 48

struct line {
    char runtime[64];
    int threads;
    struct np_runtime_net *net;
    struct np_runtime_net_about about;
    double memory_mb, differs; /* differs < 0: not comparable */
    double *ms;
    char why[400];             /* it could not; "" */
};

struct trial { int ok; double memory_mb; struct np_runtime_net_about about; char why[400]; };

static double resident_mb(void) {
    long pages = 0, kept = 0;
    FILE *const f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &pages, &kept) != 2) kept = 0;
    if (f) fclose(f);
    return (double)kept * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

/* A ramp over 0..1, bytes over their range: numbers that occur. */
static void fill(struct np_runtime_net *n) {
    struct np_tensor_info t;
    for (int i = 0; np_runtime_net_info(n, 0, i, &t) == 0; i++) {
        uint8_t *const p = np_runtime_net_input(n, i);
        const size_t size = np_dtype_size(t.dtype), count = size ? t.bytes / size : 0;
        for (size_t k = 0; k < count; k++) {
            const unsigned v = (unsigned)(k * 2654435761u >> 24);
            const float f = (float)v / 255;
            const int32_t i32 = (int32_t)v;
            if (t.dtype == NP_F32) memcpy(p + k * 4, &f, 4);
            else if (t.dtype == NP_I32) memcpy(p + k * 4, &i32, 4);
            else if (size == 1) p[k] = (uint8_t)v;
            else memset(p + k * size, 0, size);
        }
    }
}

static int open_net(struct line *l, const char *path, const struct np_runtime_net_params *base, struct np_error *err) {
    struct np_runtime_net_params p = *base;
    p.runtime = l->runtime;
    p.threads = l->threads;
    int r = np_runtime_net_open(&l->net, path, &p, err);
    if (r < 0) return r;
    fill(l->net);
    if ((r = np_runtime_net_run(l->net, err)) >= 0) np_runtime_net_about(l->net, &l->about);
    return r;
}

/* In a child: open, run once, report. */
static void try_alone(struct line *l, const char *path, const struct np_runtime_net_params *p) {
    int fd[2], status = 0;
    struct trial t = { 0 };
    if (pipe(fd) < 0) return;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        struct np_error e = { 0 };
        const double before = resident_mb();
        struct np_runtime_net_params here = *p;
        here.isolate = 0; /* this is a process of its own, and its memory is what is asked */
        t.ok = open_net(l, path, &here, &e) >= 0;
        t.memory_mb = resident_mb() - before;
        t.about = l->about;
        snprintf(t.why, sizeof t.why, "%.399s", e.message);
        const ssize_t n = write(fd[1], &t, sizeof t);
        _exit(n == (ssize_t)sizeof t ? 0 : 1);
    }
    close(fd[1]);
    size_t got = 0;
    for (ssize_t n; pid > 0 && got < sizeof t && (n = read(fd[0], (char *)&t + got, sizeof t - got)) > 0;) got += (size_t)n;
    close(fd[0]);
    if (pid > 0) waitpid(pid, &status, 0);
    if (got < sizeof t) snprintf(l->why, sizeof l->why, "it crashed (%s)", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "without a word");
    else if (!t.ok) snprintf(l->why, sizeof l->why, "%s", t.why);
    else {
        l->memory_mb = t.memory_mb;
        l->about = t.about;
    }
}

/* Largest relative difference of outputs of the same name or place and size, both float. */
static double differ(const struct line *ours, const struct line *l) {
    struct np_tensor_info a, b;
    double worst = -1;
    if (np_runtime_net_info(ours->net, 0, 0, &a) < 0 || np_runtime_net_info(l->net, 0, 0, &b) < 0 || a.rank != b.rank ||
        memcmp(a.dims, b.dims, sizeof a.dims[0] * (size_t)a.rank))
        return -1; /* a converted file may have its channels elsewhere: other numbers went in */
    for (int i = 0; np_runtime_net_info(ours->net, 1, i, &a) == 0; i++) {
        int k = 0, found = -1;
        for (; np_runtime_net_info(l->net, 1, k, &b) == 0; k++)
            if (!strcmp(a.name, b.name)) found = k;
        if (found < 0) found = i < k ? i : -1;
        if (found < 0 || np_runtime_net_info(l->net, 1, found, &b) < 0 || a.bytes != b.bytes || a.dtype != NP_F32 || b.dtype != NP_F32) continue;
        int same = a.rank == b.rank;
        for (int d = 0; same && d < a.rank; d++) same = a.dims[d] == b.dims[d];
        if (!same) continue;
        const float *const x = np_runtime_net_output(ours->net, i), *const y = np_runtime_net_output(l->net, found);
        double diff = 0, size = 0;
        for (size_t e = 0; e < a.bytes / 4; e++) {
            diff += ((double)x[e] - y[e]) * ((double)x[e] - y[e]);
            size += (double)x[e] * x[e];
        }
        const double d = sqrt(diff / (size + 1e-30));
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

static int add(struct line *l, int n, const char *runtime, const char *threads, struct np_error *err) {
    for (const char *t = threads; *t;) {
        char *end = NULL;
        const long k = strtol(t, &end, 10);
        if (end == t || (*end && *end != ',') || k < 1 || k > 64) return npi_io_fail(err, NP_EINVAL,
                                                                                     "--threads: '%s' is not a list of counts from 1 to 64", threads);
        if (n == MAX_LINES) return npi_io_fail(err, NP_EINVAL, "more than %d combinations", MAX_LINES);
        snprintf(l[n].runtime, sizeof l[n].runtime, "%s", runtime);
        l[n++].threads = (int)k;
        t = *end ? end + 1 : end;
    }
    return n;
}

static void report(const struct line *l, int n, const char *path, int runs, int json) {
    const double base = n && !*l[0].why ? l[0].ms[0] : NAN;
    if (!json) {
        printf("%s on %s; %d runs each, interleaved; memory: of a process of its own, library included\n\n", path, tool_cpu_name(), runs);
        printf("%-10s %7s %10s %10s %7s %9s %9s %10s %10s  %s\n", "runtime", "threads", "min ms", "median ms", "speed", "load ms", "open ms",
               "memory MB", "differs", "on");
    }
    for (int i = 0; i < n; i++) {
        const double med = *l[i].why ? NAN : l[i].ms[runs / 2];
        if (json) {
            struct npi_outfile o;
            if (npi_out_open(&o, "-", NULL, NULL) < 0) return;
            npi_out_str(&o, "{\"model\":");
            npi_out_json_str(&o, path);
            npi_out_str(&o, ",\"runtime\":");
            npi_out_json_str(&o, l[i].runtime);
            npi_out_str(&o, ",\"version\":");
            npi_out_json_str(&o, *l[i].why ? NULL : l[i].about.version);
            npi_out_str(&o, ",\"device\":");
            npi_out_json_str(&o, *l[i].why ? NULL : l[i].about.device);
            npi_out_str(&o, ",\"threads\":");
            npi_out_int(&o, l[i].threads);
            npi_out_str(&o, ",\"runs\":");
            npi_out_int(&o, runs);
            npi_out_str(&o, ",\"min_ms\":");
            npi_out_fixed(&o, *l[i].why ? NAN : l[i].ms[0], 4, "null");
            npi_out_str(&o, ",\"median_ms\":");
            npi_out_fixed(&o, med, 4, "null");
            npi_out_str(&o, ",\"load_ms\":");
            npi_out_fixed(&o, *l[i].why ? NAN : l[i].about.library_ms, 1, "null");
            npi_out_str(&o, ",\"open_ms\":");
            npi_out_fixed(&o, *l[i].why ? NAN : l[i].about.open_ms, 1, "null");
            npi_out_str(&o, ",\"memory_mb\":");
            npi_out_fixed(&o, *l[i].why ? NAN : l[i].memory_mb, 1, "null");
            npi_out_str(&o, ",\"differs\":");
            npi_out_fixed(&o, l[i].differs >= 0 ? l[i].differs : NAN, 8, "null");
            npi_out_str(&o, ",\"problem\":");
            npi_out_json_str(&o, *l[i].why ? l[i].why : NULL);
            npi_out_str(&o, ",\"cpu\":");
            npi_out_json_str(&o, tool_cpu_name());
            npi_out_str(&o, "}\n");
            npi_out_close(&o, NULL);
        } else if (*l[i].why) printf("%-10s %7d  no: %s\n", l[i].runtime, l[i].threads, l[i].why);
        else {
            char d[24] = "-";
            if (l[i].differs >= 0) snprintf(d, sizeof d, "%.1e", l[i].differs);
            printf("%-10s %7d %10.3f %10.3f %6.2fx %9.0f %9.0f %10.1f %10s  %s %s\n", l[i].runtime, l[i].threads, l[i].ms[0], med, base / l[i].ms[0],
                   l[i].about.library_ms,
                   l[i].about.open_ms, l[i].memory_mb, d, l[i].about.device, l[i].about.version);
        }
    }
}

int bench_runtimes(const struct opts *o) {
    static struct line l[MAX_LINES];
    static const char all[] = "native,tflite,onnx,openvino,torch";
    struct np_settings s;
    struct np_error e = { 0 };
    const char *const path = o->rest[0], *const list = opt_str(o, "backend");
    const int runs = opt_int(o, "runs"), warmup = opt_int(o, "warmup");
    int n = 0, r;
    np_settings_default(&s);
    if ((r = tool_runtimes(&s, o, &e)) < 0) return tool_fail(EXIT_USAGE, &e);
    for (const char *p = !strcmp(list, "all") ? all : list; *p && r >= 0;) {
        char name[64];
        const size_t k = strcspn(p, ",");
        snprintf(name, sizeof name, "%.*s", (int)(k < sizeof name ? k : sizeof name - 1), p);
        if ((r = np_runtime_check(s.runtime_search, name, &e)) >= 0 && !strcmp(name, "auto")) r = npi_io_fail(&e, NP_EINVAL,
                "--backend: auto is a choice, not a runtime; all: every one");
        if (r >= 0 && (r = add(l, n, name, opt_str(o, "threads"), &e)) >= 0) n = r;
        p += k + (p[k] == ',');
    }
    if (r < 0) return tool_fail(tool_exit_code(r), &e);
    const struct np_runtime_net_params base = { .device = opt_str(o, "device"), .precision = opt_str(o, "precision"),
                                                .options = opt_str(o, "backend-options"), .isa = opt_str(o, "isa"),
                                                .batch = opt_str(o, "batch") ? opt_int(o, "batch") : 0, .cache_dir = s.cache_dir, .isolate = opt_bool(o, "isolate"),
                                                    .search = s.runtime_search };
    int working = 0;
    for (int i = 0; i < n; i++) {
        l[i].differs = -1;
        try_alone(&l[i], path, &base);
        if (*l[i].why) continue;
        const struct np_runtime_net_about alone = l[i].about; /* here the library is loaded already when a second thread count comes */
        if (open_net(&l[i], path, &base, &e) < 0) snprintf(l[i].why, sizeof l[i].why, "%.399s", e.message);
        else if (!(l[i].ms = calloc((size_t)runs, sizeof *l[i].ms))) snprintf(l[i].why, sizeof l[i].why, "out of memory");
        else working++;
        const struct np_runtime_net_about timed = l[i].about;
        l[i].about = alone;
        if (base.isolate) memcpy(l[i].about.device, timed.device, sizeof timed.device); /* says so */
    }
    for (int i = 0; i < n; i++)
        if (!*l[0].why && !strcmp(l[0].runtime, "native") && !*l[i].why && i) l[i].differs = differ(&l[0], &l[i]);
    for (int k = -warmup; k < runs; k++)
        for (int i = 0; i < n; i++) {
            if (*l[i].why) continue;
            fill(l[i].net);
            const int64_t t0 = npi_io_now_ns();
            if (np_runtime_net_run(l[i].net, &e) < 0) snprintf(l[i].why, sizeof l[i].why, "%.399s", e.message);
            if (k >= 0) l[i].ms[k] = (double)(npi_io_now_ns() - t0) * 1e-6;
        }
    for (int i = 0; i < n; i++)
        if (l[i].ms) bench_sort(l[i].ms, (size_t)runs);
    report(l, n, path, runs, opt_bool(o, "json"));
    for (int i = 0; i < n; i++) {
        np_runtime_net_close(&l[i].net);
        free(l[i].ms);
    }
    return working ? EXIT_OK : EXIT_BACKEND;
}
