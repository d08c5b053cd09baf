/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench model: how fast one net runs here. All combinations of level and thread count take turns, run by run, so that
 * a noisy neighbour or a hot processor hits each of them alike; the minimum and the median of each are printed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "samples.h"
#include "io/outfile.h"
#include "tools/bench/bench.h"

static const struct opt_def bench_opts[] = {
    { "precision", 0, OPT_STRING, "auto", 0, 0, NULL, "NAME,…", TOOL_PRECISION_HELP, "Options" },
    { "threads", 't', OPT_STRING, "1", 0, 0, NULL, "N,…", "thread counts, e.g. 1,2,4", NULL },
    { "isa", 0, OPT_STRING, NULL, 0, 0, NULL, "LEVEL,…", "levels, e.g. scalar,avx2; all: every one of this machine (default: the best)", NULL },
    { "batch", 0, OPT_INT, NULL, 1, 64, NULL, "N", "first dimension of the input", NULL },
    { "runs", 'r', OPT_INT, "20", 1, 100000, NULL, "N", "timed runs each", NULL },
    { "warmup", 0, OPT_INT, "3", 0, 1000, NULL, "N", "runs before, not timed", NULL },
    { "profile", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "nanoseconds of every step, after the table", NULL },
    { "json", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "one JSON object a line instead of the table", NULL },
    { "backend", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME,…", "runtimes side by side: native, tflite, onnx, openvino, torch; all", "Other runtimes" },
    { "device", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME", "of other runtimes: cpu, gpu, auto, cuda, tensorrt, … [cpu]", NULL },
    { "backend-options", 0, OPT_STRING, NULL, 0, 0, NULL, "K=V,…", "settings of the runtime by its own names", NULL },
    { "isolate", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "time other runtimes in processes of their own, as run --isolate has them", NULL },
    TOOL_RUNTIME_OPTS,
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

#define MAX_CASES 64
struct bench_case {
    char isa[24], precision[24];
    int threads;
    struct np_model *model;     /* shared by the cases of one level and precision */
    int owns_model;
    double load_ms, load_again_ms; /* reading and packing: the first time in this process, the best of the next ones */
    struct np_pool *pool;
    struct np_session *session;
    double *ms;
};

static void free_case(struct bench_case *c) {
    np_session_free(&c->session);
    np_pool_free(&c->pool);
    if (c->owns_model) np_model_free(&c->model);
    free(c->ms);
}

/* The next word of "a,b,c" into buf; NULL at the end. */
static const char *word(const char *list, char *buf, size_t size) {
    if (!list || !*list) return NULL;
    const size_t n = strcspn(list, ",");
    snprintf(buf, size, "%.*s", (int)n, list);
    return list[n] ? list + n + 1 : list + n;
}

/* Inputs must be numbers that occur, or denormals and NaN would be timed: a ramp over 0..1, bytes over their range. */
static void fill_input(struct np_session *s, const struct np_model *m) {
    struct np_tensor_info t;
    for (int i = 0; i < np_model_n_inputs(m); i++) {
        if (np_model_input_info(m, i, &t) < 0) continue;
        uint8_t *const p = np_session_input(s, i);
        const size_t size = np_dtype_size(t.dtype), n = size ? t.bytes / size : 0;
        for (size_t k = 0; k < n; k++) {
            const unsigned v = (unsigned)(k * 2654435761u >> 24);
            const float f = (float)v / 255;
            const int32_t i32 = (int32_t)v;
            const int64_t i64 = (int64_t)v;
            if (t.dtype == NP_F32) memcpy(p + k * 4, &f, 4);
            else if (t.dtype == NP_I32) memcpy(p + k * 4, &i32, 4);
            else if (t.dtype == NP_I64) memcpy(p + k * 8, &i64, 8);
            else if (size == 1) p[k] = t.dtype == NP_BOOL ? (uint8_t)(v & 1) : (uint8_t)v;
            else memset(p + k * size, 0, size);
        }
    }
}

/* Opened LOADS times: the first one of a process touches new pages, which takes half as long again. The last one says when it is not what was asked for. */
static int load(struct bench_case *c, const char *path, struct np_model_params *p, struct np_error *err) {
    enum { LOADS = 4 };
    for (int i = 0; i < LOADS; i++) {
        np_model_free(&c->model);
        if (i == LOADS - 1) p->logger = tool_logger(NP_LOG_WARN);
        const int64_t t0 = npi_io_now_ns();
        const int r = np_model_load(&c->model, path, p, err);
        const double ms = (double)(npi_io_now_ns() - t0) * 1e-6;
        if (r < 0) return r;
        if (i == 0) c->load_ms = ms;
        else if (i == 1 || ms < c->load_again_ms) c->load_again_ms = ms;
    }
    return 0;
}

static int open_case(struct bench_case *c, const char *path, const struct opts *o, struct np_error *err) {
    int r = 0;
    if (!c->model) {
        struct np_model_params p;
        struct np_tensor_info t;
        np_model_params_default(&p);
        p.isa = *c->isa ? c->isa : NULL;
        p.precision = c->precision;
        if (opt_str(o, "batch")) {
            /* The rank has to be given with the dims: load once to learn it. */
            if ((r = np_model_load(&c->model, path, &p, err)) < 0) return r;
            c->owns_model = 1;
            if ((r = np_model_input_info(c->model, 0, &t)) < 0 || t.rank < 1)
                return npi_io_fail(err, NP_ESHAPE, "%s: input 0 has no batch dimension", path);
            np_model_free(&c->model);
            p.rank = t.rank;
            for (int i = 0; i < t.rank; i++) p.dims[i] = i ? t.dims[i] : opt_int(o, "batch");
        }
        if ((r = load(c, path, &p, err)) < 0) return r;
        c->owns_model = 1;
    }
    if (c->threads > 1 && (r = np_pool_create(&c->pool, c->threads, err)) < 0) return r;
    if ((r = np_session_open(&c->session, c->model, c->pool, err)) < 0) return r;
    c->ms = calloc((size_t)opt_int(o, "runs"), sizeof *c->ms);
    if (!c->ms) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    return 0;
}

static int measure(struct bench_case *c, int n, int runs, int warmup, struct np_error *err) {
    for (int k = -warmup; k < runs; k++) {
        for (int i = 0; i < n; i++) {
            fill_input(c[i].session, c[i].model); /* the arena may have reused the input's bytes */
            const int64_t t0 = npi_io_now_ns();
            const int r = np_session_run(c[i].session, err);
            if (r < 0) return r;
            if (k >= 0) c[i].ms[k] = (double)(npi_io_now_ns() - t0) * 1e-6;
        }
    }
    for (int i = 0; i < n; i++) bench_sort(c[i].ms, (size_t)runs);
    return 0;
}

static double median(const double *sorted, int n) { return n & 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2; }

static void report(const struct bench_case *c, int n, const char *path, const struct opts *o) {
    const int runs = opt_int(o, "runs"), json = opt_bool(o, "json");
    struct np_model_stats s;
    np_model_stats(c[0].model, &s);
    if (!json) {
        printf("%s on %s\n%.3f G multiply-adds, weights %.2f MB, activations %.2f MB; read and packed in %.1f ms, again in %.1f; %d runs each, interleaved\n\n", path, tool_cpu_name(),
               (double)s.macs * 1e-9, (double)s.weights_bytes / 1048576, (double)s.arena_bytes / 1048576, c[0].load_ms, c[0].load_again_ms, runs);
        printf("%-14s %7s %10s %10s %9s %8s  %s\n", "isa", "threads", "min ms", "median ms", "GFLOP/s", "speed", "computes in");
    }
    for (int i = 0; i < n; i++) {
        const double min = c[i].ms[0], med = median(c[i].ms, runs), gflops = min > 0 ? 2 * (double)s.macs * 1e-6 / min : 0;
        if (json) {
            struct npi_outfile out;
            if (npi_out_open(&out, "-", NULL, NULL) < 0) return;
            npi_out_str(&out, "{\"model\":");
            npi_out_json_str(&out, path);
            npi_out_str(&out, ",\"isa\":");
            npi_out_json_str(&out, c[i].isa);
            npi_out_str(&out, ",\"precision\":");
            npi_out_json_str(&out, np_model_precision(c[i].model));
            npi_out_str(&out, ",\"threads\":");
            npi_out_int(&out, c[i].threads);
            npi_out_str(&out, ",\"batch\":");
            npi_out_int(&out, opt_str(o, "batch") ? opt_int(o, "batch") : 1);
            npi_out_str(&out, ",\"runs\":");
            npi_out_int(&out, runs);
            npi_out_str(&out, ",\"min_ms\":");
            npi_out_fixed(&out, min, 4, "null");
            npi_out_str(&out, ",\"median_ms\":");
            npi_out_fixed(&out, med, 4, "null");
            npi_out_str(&out, ",\"gflops\":");
            npi_out_fixed(&out, gflops, 2, "null");
            npi_out_str(&out, ",\"load_ms\":");
            npi_out_fixed(&out, c[i].load_ms, 3, "null");
            npi_out_str(&out, ",\"load_again_ms\":");
            npi_out_fixed(&out, c[i].load_again_ms, 3, "null");
            npi_out_str(&out, ",\"cpu\":");
            npi_out_json_str(&out, tool_cpu_name());
            npi_out_str(&out, "}\n");
            npi_out_close(&out, NULL);
        } else printf("%-14s %7d %10.3f %10.3f %9.1f %7.2fx  %s\n", c[i].isa, c[i].threads, min, med, gflops, c[0].ms[0] / min, np_model_precision(c[i].model));
    }
}

static void print_line(void *opaque, const char *text) { puts(text); }

/* The combinations asked for. Count, or an error. */
static int make_cases(struct bench_case *c, const struct opts *o, struct np_error *err) {
    char all[256] = "", isa[24], threads[24], precision[24];
    const char *levels = opt_str(o, "isa");
    const char *best = "scalar";
    int n = 0;
    for (int i = 0; np_isa_level(i); i++) {
        best = np_isa_level(i);
        if (strlen(all) + strlen(best) + 2 < sizeof all) snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "," : "", best);
    }
    if (!levels) levels = best;
    else if (!strcmp(levels, "all")) levels = all;
    for (const char *l = levels; (l = word(l, isa, sizeof isa));)
        for (const char *p = opt_str(o, "precision"); (p = word(p, precision, sizeof precision));)
            for (const char *t = opt_str(o, "threads"); (t = word(t, threads, sizeof threads)); n++) {
                char *end = NULL;
                const long k = strtol(threads, &end, 10);
                if (end == threads || *end || k < 1 || k > 64) return npi_io_fail(err, NP_EINVAL, "--threads: '%s' is not a count from 1 to 64", threads);
                if (n == MAX_CASES) return npi_io_fail(err, NP_EINVAL, "more than %d combinations of --isa, --precision and --threads", MAX_CASES);
                c[n].threads = (int)k;
                snprintf(c[n].isa, sizeof c[n].isa, "%s", isa);
                snprintf(c[n].precision, sizeof c[n].precision, "%s", precision);
            }
    return n ? n : npi_io_fail(err, NP_EINVAL, "--isa, --precision or --threads is empty");
}

static int run_bench(const struct opts *o) {
    static struct bench_case c[MAX_CASES];
    struct np_error e = { 0 };
    const char *const path = o->rest[0];
    int r = make_cases(c, o, &e);
    const int n = r > 0 ? r : 0;
    if (r > 0) r = 0;
    for (int i = 0; r == 0 && i < n; i++) {
        if (i && !strcmp(c[i].isa, c[i - 1].isa) && !strcmp(c[i].precision, c[i - 1].precision)) {
            c[i].model = c[i - 1].model;
            c[i].load_ms = c[i - 1].load_ms;
            c[i].load_again_ms = c[i - 1].load_again_ms;
        }
        r = open_case(&c[i], path, o, &e);
    }
    if (r == 0) r = measure(c, n, opt_int(o, "runs"), opt_int(o, "warmup"), &e);
    if (r == 0) {
        report(c, n, path, o);
        for (int i = 0; opt_bool(o, "profile") && i < n; i++) {
            printf("\nprofile: %s, %d thread%s\n", c[i].isa, c[i].threads, c[i].threads == 1 ? "" : "s");
            np_session_profile(c[i].session, 1);
            fill_input(c[i].session, c[i].model);
            if (np_session_run(c[i].session, &e) == 0) np_session_profile_dump(c[i].session, print_line, NULL);
        }
    }
    for (int i = n - 1; i >= 0; i--) free_case(&c[i]); /* backwards: a level's first case owns the model */
    return r < 0 ? tool_fail(tool_exit_code(r), &e) : EXIT_OK;
}

int bench_model(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    int code = EXIT_OK;
    opts_init(&o, bench_opts, "bench");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose bench model MODEL [OPTIONS]\n");
        opts_print_help(&o, stdout);
    } else if (o.n_rest == 1) code = opt_str(&o, "backend") ? bench_runtimes(&o) : run_bench(&o);
    else {
        tool_say("usage: nextpose bench model MODEL [OPTIONS]");
        code = EXIT_USAGE;
    }
    opts_free(&o);
    return code;
}
