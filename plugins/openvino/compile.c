/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a model to a compiled model: device, fixed shapes, properties. See openvino.c for threads and precision. */
#define _GNU_SOURCE
#include "api.h"
#include "compile.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_STREAMS 8    /* a graph and its activations exist for each */
#define MAX_PROPERTIES 24 /* KV6 four times */

static struct ov_core *core; /* one a process, made by the first who needs it and never freed: the threads of its devices would outlive it */

int ov_start(const struct ov_api **ov, const char *library, struct np_error *err) {
    int r = ov_load(ov, library, err), status;
    if (r >= 0 && !core && (status = (*ov)->ov_core_create(&core)) != OV_OK) r = ov_fail(*ov, err, NP_EBACKEND, status, "cannot start");
    return r;
}

/* --- devices --- */

/* "cpu", "gpu", "gpu.1", "auto", "npu", or OpenVINO's own "HETERO:GPU,CPU": all upper-case there. */
int ov_device_name(char *out, size_t size, const char *asked) {
    if (!asked) asked = "cpu";
    if (strlen(asked) >= size) return 0;
    for (size_t i = 0; i <= strlen(asked); i++) out[i] = asked[i] >= 'a' && asked[i] <= 'z' ? (char)(asked[i] - 'a' + 'A') : asked[i];
    return 1;
}

/* here: comma-separated, "CPU,GPU.0"; 1 if `want` is among them, also "GPU" for "GPU.0". */
int ov_devices(const struct ov_api *ov, char *here, size_t size, const char *want) {
    struct ov_available_devices list = { NULL, 0 };
    int found = 0;
    size_t used = 0;
    here[0] = 0;
    if (ov->ov_core_get_available_devices(core, &list) != OV_OK) return 0;
    for (size_t i = 0; i < list.size; i++) {
        const char *const d = list.devices[i];
        const size_t n = want ? strlen(want) : 0;
        found |= want && !strncmp(d, want, n) && (!d[n] || d[n] == '.');
        const int k = snprintf(here + used, size - used, "%s%s", used ? "," : "", d);
        if (k > 0 && (size_t)k < size - used) used += (size_t)k;
        else here[used] = 0;
    }
    ov->ov_available_devices_free(&list);
    return found;
}

int ov_check_device(const struct ov_api *ov, const char *device, struct np_error *err) {
    char here[200];
    if (!strncmp(device, "AUTO", 4) || strchr(device, ':')) return 0; /* OpenVINO itself looks what it is made of */
    if (ov_devices(ov, here, sizeof here, device)) return 0;
    return fail(err, NP_EBACKEND, "openvino: there is no device %s here, only %s", device, here[0] ? here : "none");
}

/* --- reading a model --- */

/* The path is better than the bytes where both are the same: OpenVINO maps it, and finds .bin and external data beside it. */
static int read_model(const struct ov_api *ov, struct ov_model **out, const struct np_backend_params *p, struct np_error *err) {
    struct stat st;
    const int same = p->model_path && stat(p->model_path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == p->model_size;
    int status;
    if (same) status = ov->ov_core_read_model(core, p->model_path, NULL, out);
    else if (p->format && !strcmp(p->format, "onnx")) status = ov->ov_core_read_model_from_memory_buffer(core, p->model, p->model_size, NULL, out);
    else return fail(err, NP_EUNSUPPORTED, "openvino: reads models of this format (%s) from a file only, and %s is none", p->format ? p->format
                     : "?", p->model_path ? p->model_path : "(memory)");
    return status == OV_OK ? 0 : ov_fail(ov, err, NP_EUNSUPPORTED, status, p->model_path ? p->model_path : "model");
}

static int is_named(const struct ov_api *ov, const struct ov_output_const_port *port, const char *name) {
    char *have = NULL;
    if (!name || ov->ov_port_get_any_name(port, &have) != OV_OK || !have) return 0;
    const int same = !strcmp(have, name);
    ov->ov_free(have);
    return same;
}

/* Every input gets a fixed shape: what the host asked for, else the file's with unknown dimensions 1. */
static int fix_shapes(const struct ov_api *ov, struct ov_model *m, const struct np_backend_params *p, struct np_error *err) {
    struct ov_dimension dims[MAX_TENSORS][NP_MAX_RANK];
    struct ov_partial_shape shape[MAX_TENSORS];
    size_t ports[MAX_TENSORS], n = 0;
    int status = ov->ov_model_inputs_size(m, &n), r = 0, found = !p->input_name, changed = 0;
    if (status != OV_OK) return ov_fail(ov, err, NP_EUNSUPPORTED, status, "inputs");
    if (n < 1 || n > MAX_TENSORS) return fail(err, NP_EUNSUPPORTED, "openvino: the model has %zu inputs, 1 to %d are read", n, MAX_TENSORS);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct ov_output_const_port *port = NULL;
        struct ov_partial_shape s = { { 0, 0 }, NULL };
        if ((status = ov->ov_model_const_input_by_index(m, i, &port)) != OV_OK || (status = ov->ov_port_get_partial_shape(port, &s)) != OV_OK) {
            r = ov_fail(ov, err, NP_EUNSUPPORTED, status, "shape of an input");
            if (port) ov->ov_output_const_port_free(port);
            break;
        }
        const int asked = p->rank > 0 && (p->input_name ? is_named(ov, port, p->input_name) : i == 0);
        found |= asked;
        const int known = s.rank.min == s.rank.max && s.rank.max >= 0 && s.rank.max <= NP_MAX_RANK;
        if (asked && known && s.rank.max != p->rank)
            r = fail(err, NP_ESHAPE, "openvino: input %zu has rank %d, %d was asked for", i, (int)s.rank.max, p->rank);
        else if (!known && !asked) r = fail(err, NP_EUNSUPPORTED, "openvino: the rank of input %zu is not fixed", i);
        const int rank = known ? (int)s.rank.max : p->rank;
        for (int k = 0; r >= 0 && k < rank; k++) {
            const int fixed = known && s.dims[k].min == s.dims[k].max && s.dims[k].max > 0;
            const int64_t d = asked && p->dims[k] > 0 ? p->dims[k] : fixed ? s.dims[k].max : 1;
            changed |= !fixed || d != s.dims[k].max;
            dims[i][k] = (struct ov_dimension){ d, d };
        }
        shape[i] = (struct ov_partial_shape){ { rank, rank }, dims[i] };
        ports[i] = i;
        ov->ov_partial_shape_free(&s);
        ov->ov_output_const_port_free(port);
    }
    if (r >= 0 && !found && p->rank > 0) return fail(err, NP_EINVAL, "openvino: the model has no input '%s'", p->input_name);
    if (r >= 0 && changed && (status = ov->ov_model_reshape_by_port_indexes(m, ports, shape, n)) != OV_OK)
        r = ov_fail(ov, err, NP_ESHAPE, status, "the model does not take this shape");
    return r;
}

/* --- compiling --- */

struct properties { const char *kv[2 * MAX_PROPERTIES]; int n; };

static void set(struct properties *q, const char *key, const char *value) {
    for (int i = 0; i < q->n; i++)
        if (!strcmp(q->kv[2 * i], key)) {
            q->kv[2 * i + 1] = value;
            return;
        }
    q->kv[2 * q->n] = key;
    q->kv[2 * q->n++ + 1] = value;
}

static int processors(const struct np_backend_params *p) {
    cpu_set_t now;
    int n = 0;
    if (p->cpu_mask)
        for (int i = 0; i < p->n_cpu_mask; i++) n += __builtin_popcountll(p->cpu_mask[i]);
    else if (sched_getaffinity(0, sizeof now, &now) == 0) n = CPU_COUNT(&now);
    return n < 1 ? 1 : n;
}

/* AUTO takes any property and drops what it does not know: so the names are looked up before. */
static int check_options(const struct ov_api *ov, const char *device, const struct np_backend_params *p, struct np_error *err) {
    char kind[32], *list = NULL;
    int r = 0;
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(device, ":."), device);
    if (!p->n_options || ov->ov_core_get_property(core, kind, "SUPPORTED_PROPERTIES", &list) != OV_OK || !list) return 0;
    for (int i = 0; r >= 0 && i < p->n_options; i++) {
        const char *const key = p->options[i].key;
        const size_t n = strlen(key);
        int found = 0;
        for (const char *at = list; n && !found && (at = strstr(at, key)); at += n) found = (at == list || at[-1] == ' ') && (!at[n] || at[n] == ' ');
        if (!found) r = fail(err, NP_EINVAL, "openvino: %s has no property '%s'; it has: %.300s", kind, key, list);
    }
    ov->ov_free(list);
    return r;
}

/* In place of a precision that was not asked for OpenVINO says what it took: no silent difference. */
static int check_precision(const struct ov_api *ov, struct ov_compiled_model *c, const char *asked, struct np_error *err) {
    char *got = NULL;
    if (ov->ov_compiled_model_get_property(c, "INFERENCE_PRECISION_HINT", &got) != OV_OK || !got) return 0; /* AUTO and others do not tell */
    const int same = !strcasecmp(got, asked);
    const int r = same ? 0 : fail(err, NP_EBACKEND, "openvino: this device computes in %s, not in %s", got, asked);
    ov->ov_free(got);
    return r;
}

static int compile(const struct ov_api *ov, struct compiled **out, const struct ov_model *m, const char *device,
                   const struct np_backend_params *p, struct np_error *err) {
    const int cpu = !strcmp(device, "CPU"), automatic = !strncmp(device, "AUTO", 4);
    const int threads = p->threads > 0 ? p->threads : 1;
    const char *const precision = p->precision ? p->precision : "f32";
    int streams = processors(p) / threads;
    char n_streams[16], n_threads[16], of_cpu[128];
    struct properties q = { .n = 0 };
    if (strcmp(precision, "f32") && strcmp(precision, "f16") && strcmp(precision, "bf16"))
        return fail(err, NP_EUNSUPPORTED, "openvino: cannot compute in %s (f32, f16, bf16; a quantized model runs in i8 as it is)", precision);
    streams = streams < 1 ? 1 : streams > MAX_STREAMS ? MAX_STREAMS : streams;
    snprintf(n_streams, sizeof n_streams, "%d", streams);
    snprintf(n_threads, sizeof n_threads, "%d", streams * threads);
    set(&q, "PERFORMANCE_HINT", p->hint && !strcmp(p->hint, "throughput") ? "THROUGHPUT" : "LATENCY");
    set(&q, "INFERENCE_PRECISION_HINT", precision);
    if (cpu) {
        set(&q, "NUM_STREAMS", n_streams);
        set(&q, "INFERENCE_NUM_THREADS", n_threads);
        set(&q, "ENABLE_CPU_PINNING", "NO");
    } else if (automatic) {
        snprintf(of_cpu, sizeof of_cpu, "{CPU:{NUM_STREAMS:%s,INFERENCE_NUM_THREADS:%s,ENABLE_CPU_PINNING:NO}}", n_streams, n_threads);
        set(&q, "DEVICE_PROPERTIES", of_cpu);
    }
    if (p->cache_dir) set(&q, "CACHE_DIR", p->cache_dir);
    for (int i = 0; i < p->n_options; i++) {
        if (q.n == MAX_PROPERTIES) return fail(err, NP_EINVAL, "openvino: too many options");
        set(&q, p->options[i].key, p->options[i].value);
    }
    int r = check_options(ov, device, p, err);
    if (r < 0) return r;
    struct compiled *const c = calloc(1, sizeof *c);
    if (!c) return fail(err, NP_ENOMEM, "out of memory");
    const char *const *const v = q.kv;
    /* A variadic call whose length is only known now: all places are passed, the library reads 2 n of them. */
#define KV(i) v[2 * (i)], v[2 * (i) + 1]
#define KV6(i) KV(i), KV(i + 1), KV(i + 2), KV(i + 3), KV(i + 4), KV(i + 5)
    const int status = ov->ov_core_compile_model(core, m, device, (size_t)q.n * 2, &c->model, KV6(0), KV6(6), KV6(12), KV6(18));
#undef KV6
#undef KV
    if (status != OV_OK) r = ov_fail(ov, err, NP_EUNSUPPORTED, status, device);
    if (r < 0 && p->n_options && err && strstr(err->message, "property")) r = err->code = NP_EINVAL; /* a value that it does not take */
    if (r >= 0 && p->precision && (r = check_precision(ov, c->model, precision, err)) < 0) ov->ov_compiled_model_free(c->model);
    if (r < 0) {
        free(c);
        return r;
    }
    c->streams = cpu ? streams : 1 << 30; /* others queue by themselves */
    *out = c;
    return 0;
}

int ov_compile(const struct ov_api *ov, struct compiled **out, const char *device, const struct np_backend_params *p, struct np_error *err) {
    struct ov_model *m = NULL;
    int r = read_model(ov, &m, p, err);
    if (r >= 0) r = fix_shapes(ov, m, p, err);
    if (r >= 0) r = compile(ov, out, m, device, p, err);
    if (m) ov->ov_model_free(m);
    return r;
}
