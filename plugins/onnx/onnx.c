/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX Runtime behind our plug-in interface.
 *
 *   model bytes ─> OrtSession (weights, counted) ─ one a net ─> OrtValues over the host's buffers ─ Run ─> outputs in place
 *
 * A session may run on several threads at once, so nets that share have one session. With one thread it runs on the caller's; with more
 * it has a pool of its own, whose workers sleep between runs (allow_spinning = 0): measured idle cost in tests/backend/idle.sh. */
#define _GNU_SOURCE
#include "../narrow.h"
#include "ort.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS 32

struct shared { struct OrtSession *session; int users, threads; }; /* users: under the host's one-call-at-a-time */

struct np_backend_net {
    const ort_fn *api;
    struct shared *s;
    struct OrtRunOptions *run_options;
    struct OrtMemoryInfo *cpu;
    const char *provider;
    int n[2];
    char *name[2][MAX_TENSORS];          /* of inputs, outputs */
    struct np_tensor_info info[2][MAX_TENSORS];
    struct OrtValue *value[2][MAX_TENSORS];
    const void *at[2][MAX_TENSORS];      /* the buffer that value stands over */
};

/* One of each a process: ORT has one environment, and a library is never unloaded. */
static struct { char path[1024]; const ort_fn *api; struct OrtEnv *env; char version[64]; } lib;

int ort_check(const ort_fn *api, struct OrtStatus *s, struct np_error *err, int code, const char *what) {
    if (!s) return 0;
    fail(err, code, "%s: %s", what, ((const char *(*)(const struct OrtStatus *))api[GetErrorMessage])(s));
    VOID(api, ReleaseStatus, s);
    return code;
}

/* ORT's own lines: what matters comes back as a status; the rest would be printed on stderr. */
static void quiet(void *param, int severity, const char *category, const char *id, const char *where, const char *message) {
    (void)param; (void)severity; (void)category; (void)id; (void)where; (void)message;
}

static int load(const struct np_backend_params *p, struct np_error *err) {
    if (!p->library) return fail(err, NP_EBACKEND, "no libonnxruntime was found: pip install onnxruntime, or give its path");
    if (lib.env && !strcmp(lib.path, p->library)) return 0;
    if (lib.env) return fail(err, NP_EBACKEND, "%s: this process already runs %s", p->library, lib.path);
    void *const so = dlopen(p->library, RTLD_NOW | RTLD_LOCAL);
    if (!so) return fail(err, NP_EBACKEND, "%s", dlerror());
    const struct OrtApiBase *(*base)(void) = (const struct OrtApiBase *(*)(void))(uintptr_t)dlsym(so, "OrtGetApiBase");
    if (!base) return fail(err, NP_EBACKEND, "%s: no OrtGetApiBase in it; is it an ONNX Runtime?", p->library);
    int major = 0, minor = 0;
    const char *const version = base()->GetVersionString();
    if (sscanf(version, "%d.%d", &major, &minor) != 2 || major != 1 || minor < ORT_MINOR_MIN)
        return fail(err, NP_EBACKEND, "ONNX Runtime %s: this plug-in knows 1.%d and later 1.x", version, ORT_MINOR_MIN);
    const ort_fn *const api = base()->GetApi((uint32_t)(minor < ORT_API_WANTED ? minor : ORT_API_WANTED));
    if (!api) return fail(err, NP_EBACKEND, "ONNX Runtime %s does not give API %d", version, ORT_API_WANTED);
    const int r = ort_check(api, CALL(api, CreateEnvWithCustomLogger, (void (*)(void *, int, const char *, const char *, const char *, const char *),
                                                                       void *, int,
                            const char *, struct OrtEnv **), quiet, NULL, 3, "nextpose", &lib.env), err, NP_EBACKEND, "cannot start");
    if (r < 0) return r;
    lib.api = api;
    snprintf(lib.path, sizeof lib.path, "%s", p->library);
    snprintf(lib.version, sizeof lib.version, "%s", version);
    return 0;
}

static int look(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {
    const int r = load(p, why);
    if (r < 0) return r;
    snprintf(out->version, sizeof out->version, "%s", lib.version);
    ort_devices(lib.api, out->devices, sizeof out->devices, out->missing, sizeof out->missing);
    return 60;
}

/* An ONNX file is a protobuf message whose first field is ir_version (1, varint) in all writers that we met. */
static int supports(const struct np_backend_params *p, struct np_error *why) {
    const unsigned char *const b = p->model;
    if (p->model_size > 8 && (b[0] == 0x08 || b[0] == 0x12 || b[0] == 0x3a)) return 0;
    return fail(why, NP_EUNSUPPORTED, "%s: not an ONNX file", p->model_path);
}

/* --- open --- */

static int config(const ort_fn *api, struct OrtSessionOptions *o, const char *key, const char *value, struct np_error *err) {
    return ort_check(api, CALL(api, AddSessionConfigEntry, (struct OrtSessionOptions *, const char *, const char *), o, key, value), err, NP_EINVAL,
                     key);
}

/* "1;3" for a pool of three: the caller is one of them. Processors of ours, counted from 1, one a thread, going round. */
static void affinity(const struct np_backend_params *p, char *out, size_t size) {
    int cpus[1024], n = 0;
    for (int c = 0; c < p->n_cpu_mask * 64 && n < 1024; c++)
        if (p->cpu_mask[c / 64] >> c % 64 & 1) cpus[n++] = c + 1;
    out[0] = 0;
    size_t used = 0;
    for (int t = 1; n && t < p->threads && used + 16 < size; t++) used += (size_t)snprintf(out + used, size - used, "%s%d", t > 1 ? ";" : "",
            cpus[t % n]);
}

static int make_options(const ort_fn *api, struct OrtSessionOptions **out, const struct np_backend_params *p, const char **provider,
                        struct np_error *err) {
    struct OrtSessionOptions *o = NULL;
    int r = ort_check(api, CALL(api, CreateSessionOptions, (struct OrtSessionOptions **), &o), err, NP_EBACKEND, "options");
    if (r < 0) return r;
    *out = o;
    static const struct { int slot, value; } set[] = { { SetSessionExecutionMode, 0 }, { SetInterOpNumThreads, 1 },
                                                       { SetSessionGraphOptimizationLevel, 99 },
                                                       { SetSessionLogSeverityLevel, 3 } };
    for (size_t i = 0; r >= 0 && i < sizeof set / sizeof set[0]; i++)
        r = ort_check(api, CALL(api, set[i].slot, (struct OrtSessionOptions *, int), o, set[i].value), err, NP_EBACKEND, "options");
    if (r >= 0) r = ort_check(api, CALL(api, SetIntraOpNumThreads, (struct OrtSessionOptions *, int), o, p->threads), err, NP_EBACKEND, "threads");
    if (r >= 0) r = config(api, o, "session.intra_op.allow_spinning", "0", err);
    if (r >= 0) r = config(api, o, "session.inter_op.allow_spinning", "0", err);
    if (r >= 0) r = config(api, o, "session.set_denormal_as_zero", "1", err); /* as our engine does */
    char cpus[4096];
    affinity(p, cpus, sizeof cpus);
    if (r >= 0 && *cpus) r = config(api, o, "session.intra_op_thread_affinities", cpus, err);
    for (int i = 0; r >= 0 && i < p->n_options; i++)
        if (strchr(p->options[i].key, '.')) r = config(api, o, p->options[i].key, p->options[i].value, err);
    return r < 0 ? r : ort_append_device(api, o, p, provider, err);
}

static int make_session(struct np_backend_net *n, const struct np_backend_params *p, struct np_error *err) {
    const ort_fn *const api = n->api;
    struct OrtSessionOptions *o = NULL;
    int r = make_options(api, &o, p, &n->provider, err);
    if (r >= 0 && p->share && p->share->s->threads == p->threads) {
        n->s = p->share->s;
        n->s->users++;
    } else if (r >= 0) {
        n->s = calloc(1, sizeof *n->s);
        if (!n->s) r = fail(err, NP_ENOMEM, "out of memory");
        else {
            n->s->users = 1;
            n->s->threads = p->threads;
            r = ort_check(api, CALL(api, CreateSessionFromArray, (struct OrtEnv *, const void *, size_t, struct OrtSessionOptions *,
                                                                  struct OrtSession **), lib.env,
                                    p->model, p->model_size, o, &n->s->session), err, NP_EUNSUPPORTED, p->model_path);
        }
    }
    if (o) VOID(api, ReleaseSessionOptions, o);
    return r;
}

/* Element types of ONNX (TensorProto.DataType) as ours; -1: we have none. */
static int dtype_of(int onnx) {
    static const signed char of[] = { -1, NP_F32, NP_U8, NP_I8, NP_U16, NP_I16, NP_I32, NP_I64, -1, NP_BOOL, NP_F16, NP_F64, NP_U32, NP_U64, -1, -1,
                                      NP_BF16 };
    return onnx >= 0 && onnx < (int)sizeof of ? of[onnx] : -1;
}

static int onnx_of(int dtype) {
    for (int i = 0; i < 17; i++)
        if (dtype_of(i) == dtype) return i;
    return 0;
}

/* Type and shape; unknown dimensions are -1. */
static int read_shape(const ort_fn *api, const struct OrtTensorInfo *t, struct np_tensor_info *out, struct np_error *err) {
    int type = 0;
    size_t rank = 0;
    int r = ort_check(api, CALL(api, GetTensorElementType, (const struct OrtTensorInfo *, int *), t, &type), err, NP_EBACKEND, "type");
    if (r >= 0) r = ort_check(api, CALL(api, GetDimensionsCount, (const struct OrtTensorInfo *, size_t *), t, &rank), err, NP_EBACKEND, "shape");
    if (r >= 0 && rank > NP_MAX_RANK) return fail(err, NP_EUNSUPPORTED, "'%s' has rank %zu", out->name, rank);
    if (r >= 0) r = ort_check(api, CALL(api, GetDimensions, (const struct OrtTensorInfo *, int64_t *, size_t), t, out->dims, rank), err, NP_EBACKEND,
                              "shape");
    out->dtype = dtype_of(type);
    out->rank = (int)rank;
    return r >= 0 && out->dtype < 0 ? fail(err, NP_EUNSUPPORTED, "'%s' has an element type (%d) that is no number", out->name, type) : r;
}

static int read_tensor(struct np_backend_net *n, int output, int i, struct OrtAllocator *mem, struct np_error *err) {
    const ort_fn *const api = n->api;
    struct OrtSession *const s = n->s->session;
    struct np_tensor_info *const x = &n->info[output][i];
    struct OrtTypeInfo *type = NULL;
    const struct OrtTensorInfo *t = NULL;
    char *name = NULL;
    int r = ort_check(api, CALL(api, output ? SessionGetOutputName : SessionGetInputName,
                                (struct OrtSession *, size_t, struct OrtAllocator *, char **), s, (size_t)i,
                                mem, &name), err, NP_EBACKEND, "names");
    if (r < 0) return r;
    x->name = n->name[output][i] = strdup(name);
    struct OrtStatus *const freed = CALL(api, AllocatorFree, (struct OrtAllocator *, void *), mem, name);
    if (freed) VOID(api, ReleaseStatus, freed);
    if (!x->name) return fail(err, NP_ENOMEM, "out of memory");
    r = ort_check(api, CALL(api, output ? SessionGetOutputTypeInfo : SessionGetInputTypeInfo, (struct OrtSession *, size_t, struct OrtTypeInfo **), s,
                            (size_t)i, &type),
                  err, NP_EBACKEND, x->name);
    if (r >= 0) r = ort_check(api, CALL(api, CastTypeInfoToTensorInfo, (const struct OrtTypeInfo *, const struct OrtTensorInfo **), type, &t), err,
                              NP_EBACKEND, x->name);
    if (r >= 0 && !t) r = fail(err, NP_EUNSUPPORTED, "'%s' is no tensor", x->name);
    if (r >= 0) r = read_shape(api, t, x, err);
    if (type) VOID(api, ReleaseTypeInfo, type);
    return r;
}

/* The shape that was asked for; what is still unknown becomes 1. A session refuses another size than a fixed one of the file. */
static int fix_inputs(struct np_backend_net *n, const struct np_backend_params *p, struct np_error *err) {
    const int r = check_asked(p, n->info[0], n->n[0], err);
    if (r < 0) return r;
    for (int i = 0; i < n->n[0]; i++) {
        struct np_tensor_info *const t = &n->info[0][i];
        const int wanted = is_asked(p, n->info[0], i);
        for (int k = 0; k < t->rank; k++) {
            const int64_t want = wanted ? p->dims[k] : -1;
            if (t->dims[k] > 0 && want > 0 && want != t->dims[k])
                return fail(err, NP_EUNSUPPORTED, "%s: dimension %d of '%s' is fixed at %lld in the file, %lld was asked for", p->model_path, k,
                            t->name,
                            (long long)t->dims[k], (long long)want);
            if (t->dims[k] <= 0) t->dims[k] = want > 0 ? want : 1;
        }
        t->bytes = bytes_of(t);
    }
    return 0;
}

static int stand_over(struct np_backend_net *n, int output, int i, const void *buffer, struct np_error *err) {
    if (n->at[output][i] == buffer && n->value[output][i]) return 0;
    const struct np_tensor_info *const t = &n->info[output][i];
    if (n->value[output][i]) VOID(n->api, ReleaseValue, n->value[output][i]);
    n->value[output][i] = NULL;
    n->at[output][i] = buffer;
    return ort_check(n->api, CALL(n->api, CreateTensorWithDataAsOrtValue, (const struct OrtMemoryInfo *, void *, size_t, const int64_t *, size_t, int,
                                                                           struct OrtValue **),
                                  n->cpu, (void *)(uintptr_t)buffer, t->bytes, t->dims, (size_t)t->rank, onnx_of(t->dtype), &n->value[output][i]),
                                      err, NP_EBACKEND,
                     t->name);
}

static int ort_run(struct np_backend_net *n, struct np_error *err) {
    return ort_check(n->api, CALL(n->api, Run, (struct OrtSession *, const struct OrtRunOptions *, const char *const *,
                                                const struct OrtValue *const *, size_t,
                                  const char *const *, size_t, struct OrtValue **), n->s->session, n->run_options, (const char *const *)n->name[0],
                                  (const struct OrtValue *const *)n->value[0], (size_t)n->n[0], (const char *const *)n->name[1], (size_t)n->n[1],
                                      n->value[1]),
                     err, NP_EBACKEND, "run");
}

/* One run on zeros: it warms up, and says the output shapes where the file leaves them open. */
static int first_run(struct np_backend_net *n, struct np_error *err) {
    void *zero[MAX_TENSORS] = { 0 };
    int r = 0;
    for (int i = 0; r >= 0 && i < n->n[0]; i++) {
        zero[i] = calloc(1, n->info[0][i].bytes + 64);
        r = zero[i] ? stand_over(n, 0, i, zero[i], err) : fail(err, NP_ENOMEM, "out of memory");
    }
    if (r >= 0 && (r = ort_run(n, err)) >= 0)
        for (int i = 0; r >= 0 && i < n->n[1]; i++) {
            struct OrtTensorInfo *t = NULL;
            r = ort_check(n->api, CALL(n->api, GetTensorTypeAndShape, (const struct OrtValue *, struct OrtTensorInfo **), n->value[1][i], &t), err,
                          NP_EUNSUPPORTED,
                          n->info[1][i].name);
            if (r >= 0) r = read_shape(n->api, t, &n->info[1][i], err);
            if (t) VOID(n->api, ReleaseTensorTypeAndShapeInfo, t);
            n->info[1][i].bytes = r >= 0 ? bytes_of(&n->info[1][i]) : 0;
        }
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < n->n[o]; i++) {
            if (n->value[o][i]) VOID(n->api, ReleaseValue, n->value[o][i]);
            n->value[o][i] = NULL;
            n->at[o][i] = NULL;
        }
    for (int i = 0; i < n->n[0]; i++) free(zero[i]);
    return r;
}

static void close_net(struct np_backend_net *n) {
    const ort_fn *const api = n->api;
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < n->n[o]; i++) {
            if (n->value[o][i]) VOID(api, ReleaseValue, n->value[o][i]);
            free(n->name[o][i]);
        }
    if (n->run_options) VOID(api, ReleaseRunOptions, n->run_options);
    if (n->cpu) VOID(api, ReleaseMemoryInfo, n->cpu);
    if (n->s && --n->s->users == 0) {
        if (n->s->session) VOID(api, ReleaseSession, n->s->session);
        free(n->s);
    }
    free(n);
}

static int open_here(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    int r = load(p, err);
    if (r < 0 || (r = supports(p, err)) < 0) return r;
    struct np_backend_net *n = calloc(1, sizeof *n);
    if (!n) return fail(err, NP_ENOMEM, "out of memory");
    n->api = lib.api;
    struct OrtAllocator *mem = NULL;
    size_t count[2] = { 0, 0 };
    if ((r = make_session(n, p, err)) < 0) goto failed;
    struct OrtSession *const s = n->s->session;
    for (int o = 0; r >= 0 && o < 2; o++)
        r = ort_check(n->api, CALL(n->api, o ? SessionGetOutputCount : SessionGetInputCount, (struct OrtSession *, size_t *), s, &count[o]), err,
                      NP_EBACKEND, "tensors");
    if (r >= 0 && (count[0] > MAX_TENSORS || count[1] > MAX_TENSORS)) r = fail(err, NP_EUNSUPPORTED, "%s: has more than %d inputs or outputs",
                                                                               p->model_path, MAX_TENSORS);
    if (r >= 0) r = ort_check(n->api, CALL(n->api, GetAllocatorWithDefaultOptions, (struct OrtAllocator **), &mem), err, NP_EBACKEND, "memory");
    if (r >= 0) r = ort_check(n->api, CALL(n->api, CreateCpuMemoryInfo, (int, int, struct OrtMemoryInfo **), 0, 0, &n->cpu), err, NP_EBACKEND,
                              "memory");
    if (r >= 0) r = ort_check(n->api, CALL(n->api, CreateRunOptions, (struct OrtRunOptions **), &n->run_options), err, NP_EBACKEND, "options");
    for (int o = 0; r >= 0 && o < 2; o++)
        for (size_t i = 0; r >= 0 && i < count[o]; i++) {
            n->n[o]++;
            r = read_tensor(n, o, (int)i, mem, err);
        }
    if (r >= 0 && (r = fix_inputs(n, p, err)) >= 0) r = first_run(n, err);
    if (r >= 0) {
        *out = n;
        return 0;
    }
failed:
    close_net(n);
    return r;
}

static int tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) {
    if (i < 0 || i >= n->n[!!output]) return NP_EEND;
    *out = n->info[!!output][i];
    return 0;
}

static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    int r = 0;
    for (int i = 0; r >= 0 && i < n->n[0]; i++) r = stand_over(n, 0, i, in[i], err);
    for (int i = 0; r >= 0 && i < n->n[1]; i++) r = stand_over(n, 1, i, out[i], err);
    if (r < 0 || (r = ort_run(n, err)) >= 0) return r;
    struct OrtStatus *const s = CALL(n->api, RunOptionsUnsetTerminate, (struct OrtRunOptions *), n->run_options); /* it may have been cancelled */
    if (s) VOID(n->api, ReleaseStatus, s);
    return r;
}

static void cancel(struct np_backend_net *n) {
    struct OrtStatus *const s = CALL(n->api, RunOptionsSetTerminate, (struct OrtRunOptions *), n->run_options);
    if (s) VOID(n->api, ReleaseStatus, s);
}

static const char *device(const struct np_backend_net *n) { return n->provider; }

static const char *const wheels[] = { "onnxruntime/capi/libonnxruntime.so.*", "onnxruntime/capi/libonnxruntime.so", NULL };
static const char *const sonames[] = { "libonnxruntime.so.1", "libonnxruntime.so.1.*", "libonnxruntime.so", NULL };
NARROW_BACKEND(onnx, .title = "ONNX Runtime", .formats = "onnx", .cancel = cancel)
