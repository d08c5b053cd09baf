/* SPDX-License-Identifier: Apache-2.0 */
/* Holds one plug-in against include/nextpose/backend.h, and its numbers against our own engine.
 *
 *   contract [--one-processor] [--device=D] [--precision=P] [--shape=N,N,…] PLUGIN.so LIBRARY|- MODEL FORMAT BOUND [REFERENCE]      REFERENCE: the same net as .onnx or .tflite where MODEL is neither
 *
 * Checks: score fills what it must; tensors have sizes that fit; a run writes all of its outputs and nothing else (guard bytes), leaves its inputs
 * alone and gives the same again; shared nets give the same numbers, also at once from two threads; a wrong device, an unknown option, a wrong shape
 * and broken bytes are errors with a line, never a crash; threads keep to the processors that were given; nobody works when nothing runs. BOUND: of
 * |a - b| / (1 + |b|) over all elements. Prints one line a check. Exit 77: the plug-in says that it cannot work here. */
#define _GNU_SOURCE
#include <nextpose/backend.h>
#include <nextpose/nextpose.h>

#include <dirent.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX 32
#define GUARD 0xa5

static int failures;

static void check(int ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void check(int ok, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    printf("%s  ", ok ? "ok  " : "FAIL");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    failures += !ok;
}

static void say(void *opaque, int level, const char *line) {
    (void)opaque;
    printf("      log %d: %s\n", level, line);
}

static double now_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void *slurp(const char *path, size_t *size) {
    FILE *const f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *const p = malloc(*size + 1);
    const int ok = p && fread(p, 1, *size, f) == *size;
    fclose(f);
    return ok ? p : NULL;
}

/* --- buffers as the host makes them: 64-byte aligned, 64 bytes behind, which are watched --- */

struct side { int n; struct np_tensor_info info[MAX]; void *p[MAX]; };

static size_t room(size_t bytes) { return (bytes + 64 + 63) / 64 * 64; }

static int make_side(struct side *s, const struct np_backend *b, const struct np_backend_net *n, int output) {
    for (s->n = 0; s->n < MAX && b->tensor(n, output, s->n, &s->info[s->n]) == 0; s->n++) {
        const struct np_tensor_info *t = &s->info[s->n];
        size_t bytes = np_dtype_size(t->dtype);
        for (int k = 0; k < t->rank; k++) bytes *= (size_t)t->dims[k];
        if (bytes != t->bytes || !t->name) return 0;
        s->p[s->n] = aligned_alloc(64, room(bytes));
        memset(s->p[s->n], GUARD, room(bytes));
    }
    return s->n > 0;
}

static int guards_hold(const struct side *s) {
    for (int i = 0; i < s->n; i++)
        for (size_t k = s->info[i].bytes; k < room(s->info[i].bytes); k++)
            if (((unsigned char *)s->p[i])[k] != GUARD) return 0;
    return 1;
}

static void free_side(struct side *s) {
    for (int i = 0; i < s->n; i++) free(s->p[i]);
    s->n = 0;
}

/* A picture-like input: smooth, then noise, the same for everybody. */
static void fill(struct side *s) {
    uint32_t x = 1;
    for (int i = 0; i < s->n; i++) {
        const struct np_tensor_info *t = &s->info[i];
        const size_t n = t->bytes / np_dtype_size(t->dtype);
        for (size_t k = 0; k < n; k++) {
            x = x * 1664525u + 1013904223u;
            const double v = 0.5 + 0.4 * sin((double)k * 0.001) + 0.1 * ((x >> 8) / 16777216.0 - 0.5);
            if (t->dtype == NP_F32) ((float *)s->p[i])[k] = (float)v;
            else if (t->dtype == NP_U8) ((uint8_t *)s->p[i])[k] = (uint8_t)(v * 200);
            else if (t->dtype == NP_I8) ((int8_t *)s->p[i])[k] = (int8_t)(v * 200 - 100);
            else if (t->dtype == NP_I32) ((int32_t *)s->p[i])[k] = (int32_t)(v * 200);
            else memset((char *)s->p[i] + k * np_dtype_size(t->dtype), 0, np_dtype_size(t->dtype));
        }
    }
}

static double difference(const struct side *a, const struct side *b, int *nan) {
    double worst = 0;
    for (int i = 0; i < a->n; i++) {
        const size_t n = a->info[i].bytes / np_dtype_size(a->info[i].dtype);
        for (size_t k = 0; k < n; k++) {
            double x, y;
            if (a->info[i].dtype == NP_F32) x = ((float *)a->p[i])[k], y = ((float *)b->p[i])[k];
            else if (np_dtype_size(a->info[i].dtype) == 1) x = ((uint8_t *)a->p[i])[k], y = ((uint8_t *)b->p[i])[k];
            else continue;
            const double d = fabs(x - y) / (1 + fabs(y));
            if (!(d == d)) ++*nan;
            else if (d > worst) worst = d;
        }
    }
    return worst;
}

static int same_shapes(const struct side *a, const struct side *b) {
    if (a->n != b->n) return 0;
    for (int i = 0; i < a->n; i++)
        if (a->info[i].bytes != b->info[i].bytes || a->info[i].dtype != b->info[i].dtype) return 0;
    return 1;
}

/* --- our own engine on the same input; the outputs in the order of the plug-in's, told by size where they differ --- */

static int native(const char *path, const struct side *in, const struct side *out, double *worst, double *ms) {
    struct np_model_params mp;
    struct np_error e = { 0 };
    struct np_model *m = NULL;
    struct np_session *s = NULL;
    int taken[MAX] = { 0 }, ok = 1, nan = 0;
    np_model_params_default(&mp);
    *worst = 0;
    if (np_model_load(&m, path, &mp, &e) < 0 || np_session_open(&s, m, NULL, &e) < 0) {
        printf("      native: %s\n", e.message);
        np_model_free(&m);
        return 0;
    }
    for (int k = 0; k < 5; k++) {
        for (int i = 0; i < in->n; i++) memcpy(np_session_input(s, i), in->p[i], in->info[i].bytes);
        const double t = now_ms(CLOCK_MONOTONIC);
        np_session_run(s, &e);
        const double d = now_ms(CLOCK_MONOTONIC) - t;
        if (!k || d < *ms) *ms = d;
    }
    for (int i = 0; i < out->n; i++) {
        int best = -1;
        double at = 0;
        for (int j = 0; j < np_model_n_outputs(m); j++) {
            struct np_tensor_info t;
            np_model_output_info(m, j, &t);
            if (taken[j] || t.bytes != out->info[i].bytes || t.dtype != out->info[i].dtype) continue;
            const struct side a = { 1, { out->info[i] }, { out->p[i] } }, b = { 1, { t }, { (void *)(uintptr_t)np_session_output(s, j) } };
            const double d = difference(&a, &b, &nan);
            if (best < 0 || d < at) best = j, at = d;
        }
        if (best < 0) {
            printf("      native has no output like '%s' (%s, %zu bytes)\n", out->info[i].name, np_dtype_name(out->info[i].dtype),
                   out->info[i].bytes);
            ok = 0;
        } else {
            taken[best] = 1;
            if (at > *worst) *worst = at;
        }
    }
    np_session_free(&s);
    np_model_free(&m);
    return ok && !nan;
}

/* --- the process seen from outside --- */

/* Threads whose allowed processors are not a subset of `mine`. */
static int strays(const cpu_set_t *mine, int *all) {
    DIR *const d = opendir("/proc/self/task");
    int bad = 0;
    *all = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        cpu_set_t set, both;
        if (sched_getaffinity(atoi(e->d_name), sizeof set, &set) != 0) continue;
        CPU_AND(&both, &set, mine);
        bad += !CPU_EQUAL(&both, &set);
        ++*all;
    }
    if (d) closedir(d);
    return bad;
}

struct racer { const struct np_backend *b; struct np_backend_net *n; struct side in, out; int r; };

static void *race(void *arg) {
    struct racer *const a = arg;
    for (int i = 0; i < 5 && a->r >= 0; i++) a->r = a->b->run(a->n, (const void *const *)a->in.p, a->out.p, NULL);
    return NULL;
}

static void expect_error(const struct np_backend *b, const struct np_backend_params *p, int code, const char *what) {
    struct np_backend_net *n = NULL;
    struct np_error e = { 0 };
    const int r = b->open(&n, p, &e);
    check(r < 0 && (!code || r == code) && e.code == r && e.message[0] && !strchr(e.message, '\n') && !n, "%s: %s: %s", what, np_error_name(r),
          e.message);
    if (r >= 0) b->close(n);
}

static void check_errors(const struct np_backend *b, const struct np_backend_params *base) {
    struct np_backend_params p = *base;
    p.device = "nosuchdevice";
    expect_error(b, &p, NP_EBACKEND, "a device that is not there");
    p = *base;
    p.options = &(struct np_backend_option){ "no_such_option", "1" };
    p.n_options = 1;
    expect_error(b, &p, NP_EINVAL, "an option that is not known");
    p = *base;
    p.input_name = "no such input";
    p.rank = 4;
    memcpy(p.dims, (int64_t[]){ 1, 1, 1, 1 }, 4 * sizeof(int64_t));
    if (strcmp(base->format, "torch")) expect_error(b, &p, 0, "an input that is not there"); /* TorchScript inputs have no names */
    p = *base;
    p.rank = 2;
    p.dims[0] = p.dims[1] = -1;
    expect_error(b, &p, 0, "a shape of another rank");
    p = *base;
    p.precision = "f7";
    expect_error(b, &p, 0, "a precision that is not known");
    p = *base;
    p.model_path = "/no/such/file";
    p.model_size = base->model_size / 2;
    expect_error(b, &p, 0, "half a model");
    p.model = "this is no model of any kind, and never was one";
    p.model_size = 47;
    expect_error(b, &p, 0, "bytes that are no model");
    p = *base;
    p.library = "/no/such/library.so";
    if (b->wheels || b->sonames) expect_error(b, &p, NP_EBACKEND, "a library that is not there");
}

static int first_processor(cpu_set_t *mine) {
    int i = 0;
    sched_getaffinity(0, sizeof *mine, mine);
    while (!CPU_ISSET(i, mine)) i++;
    return i;
}

/* A net with two threads that may use one processor: before anything else in a process of its own, because threads that a runtime made for an
 * earlier net keep what they had. */
static int on_one_processor(const struct np_backend *b, const struct np_backend_params *base) {
    cpu_set_t mine, one, after;
    struct np_error e = { 0 };
    struct np_backend_net *n = NULL;
    struct np_backend_params p = *base;
    struct side in = { 0 }, out = { 0 };
    const int first = first_processor(&mine);
    int all = 0;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    p.threads = 2;
    const int r = b->open(&n, &p, &e);
    check(r == 0, "2 threads on processor %d %s", first, e.message);
    if (r < 0) return 1;
    sched_getaffinity(0, sizeof after, &after);
    check(CPU_EQUAL(&after, &mine), "the caller's processors are what they were");
    make_side(&in, b, n, 0);
    make_side(&out, b, n, 1);
    fill(&in);
    sched_setaffinity(0, sizeof one, &one); /* as the host does with its workers */
    for (int i = 0; i < 3; i++) check(b->run(n, (const void *const *)in.p, out.p, &e) == 0, "run %d", i);
    const int bad = strays(&one, &all);
    check(!(b->capabilities & NP_BACKEND_THREADS) || !bad, "%d threads, none of them may leave the processor (%d may)", all, bad);
    usleep(300000);
    const double c0 = now_ms(CLOCK_PROCESS_CPUTIME_ID);
    usleep(500000);
    const double c = now_ms(CLOCK_PROCESS_CPUTIME_ID) - c0;
    check(c < 10, "idle: %.2f ms of processor time in 500", c);
    b->close(n);
    free_side(&in);
    free_side(&out);
    return failures != 0;
}

int main(int argc, char **argv) {
    const char *device = NULL, *precision = NULL, *shape = NULL;
    int one = 0;
    for (; argc > 1 && !strncmp(argv[1], "--", 2); argv++, argc--) {
        if (!strcmp(argv[1], "--one-processor")) one = 1;
        else if (!strncmp(argv[1], "--device=", 9)) device = argv[1] + 9;
        else if (!strncmp(argv[1], "--precision=", 12)) precision = argv[1] + 12;
        else if (!strncmp(argv[1], "--shape=", 8)) shape = argv[1] + 8;
    }
    if (argc < 6) {
        fprintf(stderr, "usage: contract PLUGIN.so LIBRARY|- MODEL FORMAT BOUND [REFERENCE]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    void *const lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        fprintf(stderr, "contract: %s\n", dlerror());
        return 1;
    }
    np_backend_entry_fn entry;
    *(void **)&entry = dlsym(lib, NP_BACKEND_ENTRY);
    const struct np_backend *const b = entry ? entry() : NULL;
    check(b && b->abi == NP_BACKEND_ABI && b->size >= sizeof *b && b->name && b->title && b->formats && b->score && b->open && b->tensor && b->run
          && b->close, "table of %s", argv[1]);
    if (failures) return 1;

    struct np_error e = { 0 };
    struct np_backend_info info = { .size = sizeof info };
    size_t size = 0;
    void *const model = slurp(argv[3], &size);
    if (!model) {
        fprintf(stderr, "contract: cannot read %s\n", argv[3]);
        return 1;
    }
    struct np_backend_params p = { .size = sizeof p, .library = strcmp(argv[2], "-") ? argv[2] : NULL, .threads = 1, .logger = { say, NULL },
                                  .open_timeout_ms = 60000 };
    uint64_t mask[16] = { 0 };
    cpu_set_t mine;
    const int first = first_processor(&mine);
    mask[first / 64] = 1ull << (first % 64);
    if (one) {
        p.cpu_mask = mask;
        p.n_cpu_mask = 16;
    }
    double t0 = now_ms(CLOCK_MONOTONIC);
    const int s = b->score(&p, &info, &e);
    if (s == NP_EBACKEND) {
        printf("SKIP: %s\n", e.message);
        free(model);
        return 77;
    }
    check(s > 0 && s <= 100 && info.version[0] && info.devices[0], "score %d, version %s, devices %s, missing %s, %.0f ms", s, info.version,
          info.devices, info.missing, now_ms(CLOCK_MONOTONIC) - t0);

    p.model_path = argv[3];
    p.model = model;
    p.model_size = size;
    p.format = argv[4];
    p.device = device;
    p.precision = precision;
    for (const char *d = shape; d; d = strchr(d, ',') ? strchr(d, ',') + 1 : NULL)
        if (p.rank < NP_MAX_RANK) p.dims[p.rank++] = atoll(d);
    p.run_timeout_ms = 60000;
    check(!b->supports || b->supports(&p, &e) == 0, "supports %s", argv[3]);
    if (one) {
        const int bad = on_one_processor(b, &p);
        free(model);
        return bad;
    }

    struct np_backend_net *n = NULL, *second = NULL;
    t0 = now_ms(CLOCK_MONOTONIC);
    const int r = b->open(&n, &p, &e);
    check(r == 0, "open on %s in %.0f ms %s", n && b->device ? b->device(n) : "?", now_ms(CLOCK_MONOTONIC) - t0, r < 0 ? e.message : "");
    if (r < 0) return 1;
    struct side in = { 0 }, out = { 0 }, again = { 0 };
    check(make_side(&in, b, n, 0) && make_side(&out, b, n, 1) && make_side(&again, b, n, 1), "%d inputs, %d outputs, bytes fit shapes", in.n, out.n);
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < (o ? out.n : in.n); i++) {
            const struct np_tensor_info *t = o ? &out.info[i] : &in.info[i];
            printf("      %s '%s' %s", o ? "output" : "input", t->name, np_dtype_name(t->dtype));
            for (int k = 0; k < t->rank; k++) printf(" %lld", (long long)t->dims[k]);
            printf("\n");
        }
    fill(&in);
    struct side copy = { 0 };
    make_side(&copy, b, n, 0);
    for (int i = 0; i < in.n; i++) memcpy(copy.p[i], in.p[i], in.info[i].bytes);
    double best = 1e9, native_ms = 0, worst = 0;
    int ok = 0, nan = 0;
    for (int i = 0; i < 5; i++) {
        const double t = now_ms(CLOCK_MONOTONIC);
        ok |= b->run(n, (const void *const *)in.p, i & 1 ? again.p : out.p, &e);
        const double d = now_ms(CLOCK_MONOTONIC) - t;
        if (d < best) best = d;
    }
    check(ok == 0, "runs, best of 5 %.2f ms %s", best, ok ? e.message : "");
    check(guards_hold(&out) && guards_hold(&again) && guards_hold(&in), "nothing written behind a tensor");
    check(difference(&in, &copy, &nan) == 0, "inputs are unchanged");
    check(difference(&out, &again, &nan) <= 1e-6 && !nan, "the same input gives the same output");
    const double bound = atof(argv[5]);
    const int known = native(argc > 6 ? argv[6] : argv[3], &in, &out, &worst, &native_ms);
    check(known && worst <= bound, "native engine: worst difference %.3g of at most %.3g (native %.2f ms, %.2f times as long here)", worst, bound,
          native_ms, best / native_ms);

    /* Two nets of one model at once. */
    struct np_backend_params q = p;
    q.share = n;
    t0 = now_ms(CLOCK_MONOTONIC);
    check(b->open(&second, &q, &e) == 0, "a second net that shares, %.0f ms", now_ms(CLOCK_MONOTONIC) - t0);
    if (second) {
        struct racer two[2] = { { b, n, in, { 0 }, 0 }, { b, second, { 0 }, { 0 }, 0 } };
        pthread_t th[2];
        for (int i = 0; i < 2; i++) make_side(&two[i].out, b, two[i].n, 1);
        make_side(&two[1].in, b, second, 0);
        fill(&two[1].in);
        check(same_shapes(&two[0].out, &two[1].out), "it has the same tensors");
        for (int i = 0; i < 2; i++) pthread_create(&th[i], NULL, race, &two[i]);
        for (int i = 0; i < 2; i++) pthread_join(th[i], NULL);
        check(two[0].r == 0 && two[1].r == 0 && difference(&two[0].out, &out, &nan) <= 1e-6 && difference(&two[1].out, &out, &nan) <= 1e-6,
              "both at once give the same");
        b->close(n); /* the first one goes, the second stays */
        n = NULL;
        check(b->run(second, (const void *const *)two[1].in.p, two[1].out.p, &e) == 0 && difference(&two[1].out, &out, &nan) <= 1e-6,
              "the second lives without the first");
        free_side(&two[0].out);
        free_side(&two[1].out);
        free_side(&two[1].in);
        b->close(second);
    }
    if (n) b->close(n);

    check_errors(b, &p);
    free_side(&in);
    free_side(&copy);
    free_side(&out);
    free_side(&again);
    free(model);
    printf("%s: %s, %d failed\n", b->name, argv[3], failures);
    return failures != 0;
}
