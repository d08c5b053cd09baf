/* SPDX-License-Identifier: Apache-2.0 */
/* LiteRT (TensorFlow Lite) behind our plug-in interface.
 *
 *   model bytes ─> LiteRtModel ─ one a net ─> LiteRtCompiledModel (XNNPACK, its own threads) over the host's buffers
 *
 * The wheels of today have no TfLite C API any more (their interpreter hides in a Python module); what libLiteRt.so exports is the LiteRT C API. We
 * declare
 * the part that we call, as in litert/c of v2.2.0. It came to this form in 2.1.6 (the environment became an argument of
 * LiteRtCreateModelFromBuffer); LiteRtCreateModelFromFd appeared in the same version and tells it from older ones.
 * Threads go in as the options block "xnnpack", TOML text. XNNPACK's threads wait on a futex between runs: no spinning to switch off. */
#define _GNU_SOURCE
#include "../narrow.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS 32
#define FORCE_FP16 4          /* TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16 */
enum { ACCEL_CPU = 1, ACCEL_GPU = 2 };
enum { ENV_AUTO_REGISTER = 24, ENV_MIN_SEVERITY = 25 }; /* LiteRtEnvOptionTag */
enum { ANY_INT = 2, SILENT = 4, CANCELLED = 100 };

struct env; struct model; struct options; struct opaque; struct compiled; struct buffer; struct subgraph; struct signature; struct lrtensor;
struct any { int type; union { bool b; int64_t i; double r; const void *p; } v; };
struct env_option { int tag; struct any value; };
struct layout { unsigned rank : 7, has_strides : 1; int32_t dims[8]; uint32_t strides[8]; };
struct ranked { int element; struct layout layout; };
struct per_tensor { float scale; int64_t zero_point; };

/* name, result, arguments */
#define API(X)                                                                                                            \
    X(LiteRtCreateEnvironment, int, (int, const struct env_option *, struct env **))                                       \
    X(LiteRtCreateModelFromBuffer, int, (struct env *, const void *, size_t, struct model **))                             \
    X(LiteRtDestroyModel, void, (struct model *))                                                                          \
    X(LiteRtGetModelSignature, int, (struct model *, size_t, struct signature **))                                         \
    X(LiteRtGetNumSignatureInputs, int, (struct signature *, size_t *))                                                    \
    X(LiteRtGetNumSignatureOutputs, int, (struct signature *, size_t *))                                                   \
    X(LiteRtGetSignatureInputTensorByIndex, int, (struct signature *, size_t, struct lrtensor **))                         \
    X(LiteRtGetSignatureOutputTensorByIndex, int, (struct signature *, size_t, struct lrtensor **))                        \
    X(LiteRtGetTensorName, int, (struct lrtensor *, const char **))                                                        \
    X(LiteRtGetRankedTensorType, int, (struct lrtensor *, struct ranked *))                                                \
    X(LiteRtGetQuantizationTypeId, int, (struct lrtensor *, int *))                                                        \
    X(LiteRtGetPerTensorQuantization, int, (struct lrtensor *, struct per_tensor *))                                       \
    X(LiteRtCreateOptions, int, (struct options **))                                                                       \
    X(LiteRtDestroyOptions, void, (struct options *))                                                                      \
    X(LiteRtSetOptionsHardwareAccelerators, int, (struct options *, int))                                                  \
    X(LiteRtCreateOpaqueOptions, int, (const char *, void *, void (*)(void *), struct opaque **))                          \
    X(LiteRtAddOpaqueOptions, int, (struct options *, struct opaque *))                                                    \
    X(LiteRtCreateCompiledModel, int, (struct env *, struct model *, struct options *, struct compiled **))                \
    X(LiteRtDestroyCompiledModel, void, (struct compiled *))                                                               \
    X(LiteRtCompiledModelResizeInputTensorNonStrict, int, (struct compiled *, size_t, size_t, const int *, size_t))        \
    X(LiteRtGetCompiledModelOutputTensorLayouts, int, (struct compiled *, size_t, size_t, struct layout *, bool))          \
    X(LiteRtCompiledModelIsNonCpuFullyAccelerated, int, (struct compiled *, bool *))                                       \
    X(LiteRtSetCompiledModelCancellationFunction, int, (struct compiled *, void *, bool (*)(void *)))                      \
    X(LiteRtCreateTensorBufferFromHostMemory, int, (const struct ranked *, void *, size_t, void (*)(void *), struct buffer **)) \
    X(LiteRtDestroyTensorBuffer, void, (struct buffer *))                                                                  \
    X(LiteRtRunCompiledModel, int, (struct compiled *, size_t, size_t, struct buffer **, size_t, struct buffer **))
#define OPTIONAL "LiteRtCompiledModelIsNonCpuFullyAccelerated" /* after 2.1.6 */

static struct {
    char path[1024], version[64];
    struct env *env;
#define FIELD(name, ret, args) ret (*name) args;
    API(FIELD)
#undef FIELD
} lib; /* one a process: a library is never unloaded */

struct shared { struct model *model; int users; }; /* users: under the host's one-call-at-a-time */

struct np_backend_net {
    struct shared *s;
    struct compiled *compiled;
    const char *device;
    int n[2];
    struct np_tensor_info info[2][MAX_TENSORS];
    struct ranked type[2][MAX_TENSORS];
    struct buffer *buffer[2][MAX_TENSORS];
    const void *at[2][MAX_TENSORS];
    atomic_int cancelled;
};

static const char *status_text(int s) {
    static const char *const text[] = { "ok", "invalid argument", "out of memory", "run-time failure", "missing input tensor", "unsupported",
                                        "not found",
                                        "time-out", "wrong version", "unknown error", "already exists" };
    return s >= 0 && s < (int)(sizeof text / sizeof text[0]) ? text[s] : s == CANCELLED ? "cancelled" : s >= 1500 ? "a tensor buffer is wrong"
        : s >= 1000 ? "the graph is not supported" : "failure";
}

/* --- the library --- */

/* site-packages/ai_edge_litert/libLiteRt.so: the version is in the name of the folder ai_edge_litert-2.3.0.dist-info beside it. */
static void version_beside(const char *path, char *out, size_t size) {
    char pattern[1100];
    const char *const slash = strrchr(path, '/');
    glob_t g;
    snprintf(out, size, "2.x");
    if (!slash) return;
    snprintf(pattern, sizeof pattern, "%.*s/../ai_edge_litert-*.dist-info", (int)(slash - path), path);
    if (glob(pattern, 0, NULL, &g) != 0) return;
    const char *const base = strrchr(g.gl_pathv[0], '/') + 1 + strlen("ai_edge_litert-");
    snprintf(out, size, "%.*s", (int)(strlen(base) - strlen(".dist-info")), base);
    globfree(&g);
}

static int load(const struct np_backend_params *p, struct np_error *err) {
    if (!p->library) return fail(err, NP_EBACKEND, "no libLiteRt was found: pip install ai-edge-litert, or give its path");
    if (lib.env && !strcmp(lib.path, p->library)) return 0;
    if (lib.env) return fail(err, NP_EBACKEND, "%s: this process already runs %s", p->library, lib.path);
    char version[64];
    int major = 2, minor = 0, patch = 0;
    version_beside(p->library, version, sizeof version);
    if (sscanf(version, "%d.%d.%d", &major, &minor, &patch) >= 2 && (major != 2 || minor < 1 || (minor == 1 && patch < 6)))
        return fail(err, NP_EBACKEND, "LiteRT %s: this plug-in knows 2.1.6 and later 2.x", version);
    void *const so = dlopen(p->library, RTLD_NOW | RTLD_LOCAL);
    if (!so) return fail(err, NP_EBACKEND, "%s", dlerror());
    if (!dlsym(so, "LiteRtCreateModelFromFd"))
        return fail(err, NP_EBACKEND, dlsym(so, "LiteRtCreateEnvironment") ? "%s: LiteRT older than 2.1.6" : "%s: does not export the LiteRT C API",
                    p->library);
#define LOOK_UP(name, ret, args)                                                                                            \
    lib.name = (ret (*) args)(uintptr_t)dlsym(so, #name);                                                                   \
    if (!lib.name && strcmp(#name, OPTIONAL)) return fail(err, NP_EBACKEND, "%s: has no %s", p->library, #name);
    API(LOOK_UP)
#undef LOOK_UP
    /* Only the CPU's kernels unless a GPU is asked for: looking for the others loads their libraries. */
    const int gpu = p->device && (!strcmp(p->device, "gpu") || !strcmp(p->device, "auto"));
    const struct env_option o[2] = { { ENV_MIN_SEVERITY, { ANY_INT, { .i = SILENT } } },
                                     { ENV_AUTO_REGISTER, { ANY_INT, { .i = ACCEL_CPU | (gpu ? ACCEL_GPU : 0) } } } };
    const int s = lib.LiteRtCreateEnvironment(2, o, &lib.env);
    if (s) return fail(err, NP_EBACKEND, "LiteRT %s cannot start: %s", version, status_text(s));
    snprintf(lib.path, sizeof lib.path, "%s", p->library);
    snprintf(lib.version, sizeof lib.version, "%s", version);
    return 0;
}

static int look(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {
    const int r = load(p, why);
    if (r < 0) return r;
    snprintf(out->version, sizeof out->version, "%s", lib.version);
    snprintf(out->devices, sizeof out->devices, "cpu");
    snprintf(out->missing, sizeof out->missing, "gpu"); /* only opening a model tells; untested on hardware */
    return 70;
}

static int supports(const struct np_backend_params *p, struct np_error *why) {
    if (p->model_size > 8 && !memcmp((const char *)p->model + 4, "TFL3", 4)) return 0;
    return fail(why, NP_EUNSUPPORTED, "%s: not a TensorFlow Lite file", p->model_path);
}

/* --- open --- */

static int dtype_of(int e) {
    static const signed char of[] = { -1, NP_F32, NP_I32, NP_U8, NP_I64, -1, NP_BOOL, NP_I16, -1, NP_I8, NP_F16, NP_F64, -1, NP_U64, -1, -1, NP_U32,
                                      NP_U16, -1, NP_BF16 };
    return e >= 0 && e < (int)sizeof of ? of[e] : -1;
}

static int set_shape(struct np_tensor_info *t, struct ranked *type, const struct layout *l, struct np_error *err) {
    t->rank = (int)l->rank;
    type->layout = *l;
    for (int k = 0; k < t->rank; k++) {
        if (l->dims[k] < 1) return fail(err, NP_EUNSUPPORTED, "'%s' has no fixed shape", t->name);
        t->dims[k] = l->dims[k];
    }
    t->bytes = bytes_of(t);
    return 0;
}

static int read_tensor(struct np_backend_net *n, int output, int i, struct signature *sig, struct np_error *err) {
    struct np_tensor_info *const t = &n->info[output][i];
    struct ranked *const type = &n->type[output][i];
    struct lrtensor *x = NULL;
    int quant = 0, s = (output ? lib.LiteRtGetSignatureOutputTensorByIndex : lib.LiteRtGetSignatureInputTensorByIndex)(sig, (size_t)i, &x);
    if (!s) s = lib.LiteRtGetTensorName(x, &t->name);
    if (!s) s = lib.LiteRtGetRankedTensorType(x, type);
    if (!s) s = lib.LiteRtGetQuantizationTypeId(x, &quant);
    if (s) return fail(err, NP_EUNSUPPORTED, "%s %d: %s", output ? "output" : "input", i, status_text(s));
    if ((t->dtype = dtype_of(type->element)) < 0) return fail(err, NP_EUNSUPPORTED, "'%s' has an element type (%d) that is no number", t->name,
                                                              type->element);
    struct per_tensor q = { 0 };
    if (quant == 1 && !lib.LiteRtGetPerTensorQuantization(x, &q)) {
        t->scale = q.scale;
        t->zero_point = (int32_t)q.zero_point;
    }
    if (output) return 0; /* its shape comes once the inputs' are settled */
    struct layout l = type->layout;
    for (unsigned k = 0; k < l.rank; k++)
        if (l.dims[k] < 1) l.dims[k] = 1;
    return set_shape(t, type, &l, err);
}

static void free_text(void *p) { free(p); }

static int make_options(struct options **out, const struct np_backend_params *p, int accelerators, struct np_error *err) {
    struct opaque *cpu = NULL;
    char text[128];
    const int half = p->precision && !strcmp(p->precision, "f16");
    if (p->precision && strcmp(p->precision, "f32") && !half) return fail(err, NP_EUNSUPPORTED,
                                                                          "precision %s: LiteRT computes in f32 or f16, or as an 8-bit model says",
                                                                              p->precision);
    if (p->n_options) return fail(err, NP_EINVAL, "tflite has no option '%s'", p->options[0].key);
    int n = snprintf(text, sizeof text, "num_threads = %d\n", p->threads);
    if (half) snprintf(text + n, sizeof text - (size_t)n, "flags = %d\n", FORCE_FP16);
    char *const copy = strdup(text);
    if (!copy) return fail(err, NP_ENOMEM, "out of memory");
    int s = lib.LiteRtCreateOptions(out);
    if (!s) s = lib.LiteRtSetOptionsHardwareAccelerators(*out, accelerators);
    if (!s) s = lib.LiteRtCreateOpaqueOptions("xnnpack", copy, free_text, &cpu);
    if (s || !cpu) free(copy);
    if (!s) s = lib.LiteRtAddOpaqueOptions(*out, cpu);
    return s ? fail(err, NP_EBACKEND, "options: %s", status_text(s)) : 0;
}

static bool is_cancelled(void *p) { return atomic_load_explicit(&((struct np_backend_net *)p)->cancelled, memory_order_relaxed); }

static int compile(struct np_backend_net *n, const struct np_backend_params *p, struct np_error *err) {
    const int gpu = p->device && !strcmp(p->device, "gpu");
    if (p->device && !gpu && strcmp(p->device, "cpu") && strcmp(p->device, "auto")) return fail(err, NP_EBACKEND,
            "LiteRT has no device '%s': cpu, gpu, auto", p->device);
    struct options *o = NULL;
    int r = make_options(&o, p, gpu ? ACCEL_GPU : ACCEL_CPU, err);
    if (r >= 0) {
        const int s = lib.LiteRtCreateCompiledModel(lib.env, n->s->model, o, &n->compiled);
        if (s) r = fail(err, gpu ? NP_EBACKEND : NP_EUNSUPPORTED, gpu ? "%s: provider not available: no GPU accelerator for LiteRT here (%s)"
                        : "%s: LiteRT cannot run it: %s", p->model_path, status_text(s));
    }
    if (o) lib.LiteRtDestroyOptions(o);
    bool all = false;
    if (r >= 0 && gpu && (!lib.LiteRtCompiledModelIsNonCpuFullyAccelerated || lib.LiteRtCompiledModelIsNonCpuFullyAccelerated(n->compiled, &all) ||
                          !all))
        return fail(err, NP_EBACKEND, "%s: provider not available: the GPU does not take the whole model", p->model_path);
    if (r >= 0) lib.LiteRtSetCompiledModelCancellationFunction(n->compiled, n, is_cancelled);
    n->device = gpu ? "gpu" : "cpu (XNNPACK)";
    return r;
}

/* An operator that makes its outputs itself (TFLite_Detection_PostProcess) leaves them without a shape in the file: rank 0 until memory is planned. A
 * buffer of
 * that size would be written past its end. */
static int any_unknown(const struct layout *l, int n) {
    for (int i = 0; i < n; i++) {
        if (!l[i].rank) return 1;
        for (unsigned k = 0; k < l[i].rank; k++)
            if (l[i].dims[k] < 1) return 1;
    }
    return 0;
}

/* The input size that was asked for, then the shapes of the outputs. */
static int fix_shapes(struct np_backend_net *n, const struct np_backend_params *p, struct np_error *err) {
    struct layout out[MAX_TENSORS];
    int changed = 0, r = check_asked(p, n->info[0], n->n[0], err);
    if (r < 0) return r;
    for (int i = 0; i < n->n[0]; i++) {
        struct np_tensor_info *const t = &n->info[0][i];
        int dims[8], differ = 0;
        const int wanted = is_asked(p, n->info[0], i);
        for (int k = 0; k < t->rank; k++) {
            dims[k] = wanted && p->dims[k] > 0 ? (int)p->dims[k] : (int)t->dims[k];
            differ |= dims[k] != (int)t->dims[k];
        }
        if (!differ) continue;
        const int s = lib.LiteRtCompiledModelResizeInputTensorNonStrict(n->compiled, 0, (size_t)i, dims, (size_t)t->rank);
        if (s) return fail(err, NP_EUNSUPPORTED, "%s: '%s' cannot be made another size: %s", p->model_path, t->name, status_text(s));
        struct layout l = n->type[0][i].layout;
        for (int k = 0; k < t->rank; k++) l.dims[k] = dims[k];
        if ((r = set_shape(t, &n->type[0][i], &l, err)) < 0) return r;
        changed = 1;
    }
    int s = lib.LiteRtGetCompiledModelOutputTensorLayouts(n->compiled, 0, (size_t)n->n[1], out, changed);
    if (!s && !changed && any_unknown(out, n->n[1])) s = lib.LiteRtGetCompiledModelOutputTensorLayouts(n->compiled, 0, (size_t)n->n[1], out, true);
    if (s) return fail(err, NP_EUNSUPPORTED, "%s: no output shapes: %s", p->model_path, status_text(s));
    if (any_unknown(out, n->n[1])) return fail(err, NP_EUNSUPPORTED, "%s: LiteRT does not tell the shapes of its outputs before it runs",
                                               p->model_path);
    for (int i = 0; r >= 0 && i < n->n[1]; i++) r = set_shape(&n->info[1][i], &n->type[1][i], &out[i], err);
    return r;
}

static void close_net(struct np_backend_net *n) {
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < n->n[o]; i++)
            if (n->buffer[o][i]) lib.LiteRtDestroyTensorBuffer(n->buffer[o][i]);
    if (n->compiled) lib.LiteRtDestroyCompiledModel(n->compiled);
    if (n->s && --n->s->users == 0) {
        if (n->s->model) lib.LiteRtDestroyModel(n->s->model);
        free(n->s);
    }
    free(n);
}

static int open_model(struct np_backend_net *n, const struct np_backend_params *p, struct np_error *err) {
    if (p->share) {
        n->s = p->share->s;
        n->s->users++;
        return 0;
    }
    if (!(n->s = calloc(1, sizeof *n->s))) return fail(err, NP_ENOMEM, "out of memory");
    n->s->users = 1;
    const int s = lib.LiteRtCreateModelFromBuffer(lib.env, p->model, p->model_size, &n->s->model);
    return s ? fail(err, NP_EUNSUPPORTED, "%s: LiteRT cannot read it: %s", p->model_path, status_text(s)) : 0;
}

static int over(struct np_backend_net *n, int output, int i, const void *at, struct np_error *err);

/* One run on zeros, so that nothing waits for the first picture. */
static int first_run(struct np_backend_net *n, struct np_error *err) {
    void *mem[2][MAX_TENSORS] = { { 0 } };
    int r = 0;
    for (int o = 0; o < 2; o++)
        for (int i = 0; r >= 0 && i < n->n[o]; i++) {
            const size_t bytes = (n->info[o][i].bytes + 64 + 63) / 64 * 64;
            if (!(mem[o][i] = aligned_alloc(64, bytes))) r = fail(err, NP_ENOMEM, "out of memory");
            else {
                memset(mem[o][i], 0, bytes);
                r = over(n, o, i, mem[o][i], err);
            }
        }
    if (r >= 0) {
        const int s = lib.LiteRtRunCompiledModel(n->compiled, 0, (size_t)n->n[0], n->buffer[0], (size_t)n->n[1], n->buffer[1]);
        if (s) r = fail(err, NP_EUNSUPPORTED, "the first run failed: %s", status_text(s));
    }
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < n->n[o]; i++) {
            if (n->buffer[o][i]) lib.LiteRtDestroyTensorBuffer(n->buffer[o][i]);
            n->buffer[o][i] = NULL;
            n->at[o][i] = NULL;
            free(mem[o][i]);
        }
    return r;
}

static int open_here(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    int r = load(p, err);
    if (r < 0 || (r = supports(p, err)) < 0) return r;
    struct np_backend_net *n = calloc(1, sizeof *n);
    if (!n) return fail(err, NP_ENOMEM, "out of memory");
    struct signature *sig = NULL;
    size_t count[2] = { 0, 0 };
    if ((r = open_model(n, p, err)) < 0) goto failed;
    int s = lib.LiteRtGetModelSignature(n->s->model, 0, &sig);
    if (!s) s = lib.LiteRtGetNumSignatureInputs(sig, &count[0]);
    if (!s) s = lib.LiteRtGetNumSignatureOutputs(sig, &count[1]);
    if (s) r = fail(err, NP_EUNSUPPORTED, "%s: no signature: %s", p->model_path, status_text(s));
    if (r >= 0 && (count[0] > MAX_TENSORS || count[1] > MAX_TENSORS)) r = fail(err, NP_EUNSUPPORTED, "%s: has more than %d inputs or outputs",
                                                                               p->model_path, MAX_TENSORS);
    for (int o = 0; r >= 0 && o < 2; o++)
        for (size_t i = 0; r >= 0 && i < count[o]; i++) {
            n->n[o]++;
            r = read_tensor(n, o, (int)i, sig, err);
        }
    if (r >= 0 && (r = compile(n, p, err)) >= 0 && (r = fix_shapes(n, p, err)) >= 0) r = first_run(n, err);
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

/* --- run --- */

static int over(struct np_backend_net *n, int output, int i, const void *at, struct np_error *err) {
    if (n->at[output][i] == at && n->buffer[output][i]) return 0;
    if (n->buffer[output][i]) lib.LiteRtDestroyTensorBuffer(n->buffer[output][i]);
    n->buffer[output][i] = NULL;
    n->at[output][i] = at;
    const int s = lib.LiteRtCreateTensorBufferFromHostMemory(&n->type[output][i], (void *)(uintptr_t)at, n->info[output][i].bytes, NULL,
                                                             &n->buffer[output][i]);
    return s ? fail(err, NP_EBACKEND, "'%s': no buffer: %s", n->info[output][i].name, status_text(s)) : 0;
}

static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    int r = 0;
    for (int i = 0; r >= 0 && i < n->n[0]; i++) r = over(n, 0, i, in[i], err);
    for (int i = 0; r >= 0 && i < n->n[1]; i++) r = over(n, 1, i, out[i], err);
    if (r < 0) return r;
    const int s = lib.LiteRtRunCompiledModel(n->compiled, 0, (size_t)n->n[0], n->buffer[0], (size_t)n->n[1], n->buffer[1]);
    if (!s) return 0;
    atomic_store_explicit(&n->cancelled, 0, memory_order_relaxed);
    return fail(err, s == CANCELLED ? NP_EINTR : NP_EBACKEND, "the run failed: %s", status_text(s));
}

static void cancel(struct np_backend_net *n) { atomic_store_explicit(&n->cancelled, 1, memory_order_relaxed); }
static const char *device(const struct np_backend_net *n) { return n->device; }

static const char *const wheels[] = { "ai_edge_litert/libLiteRt.so", NULL };
static const char *const sonames[] = { "libLiteRt.so", "libLiteRt.so.*", NULL };
NARROW_BACKEND(tflite, .title = "LiteRT", .formats = "tflite", .cancel = cancel)
