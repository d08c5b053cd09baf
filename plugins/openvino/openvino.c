/* SPDX-License-Identifier: Apache-2.0 */
/* OpenVINO behind our plug-in interface, through its C API (api.h).
 *
 *   model bytes ─ read ─> ov_model ─ fix shapes ─> compile (device, threads, precision) ─> struct compiled ─ one a net ─> infer request
 *
 * Threads. A compiled model on the CPU has streams: threads of its own that sleep until a request comes, each with an arena of
 * INFERENCE_NUM_THREADS / streams TBB workers that sleep likewise (no spinning: tests/backend/contract.c looks). A request runs on one stream. Nets
 * that share a model share one compiled model with as many streams as nets can run at once on these processors, so the packed weights exist once.
 * Processors. Pinning is off. OpenVINO and its TBB keep the processors that they see when they are loaded, and their threads inherit those of the
 * thread that makes them: so score() and open() narrow their own thread to what was asked for while they are inside. A later net that asks for
 * other processors than the first one of the process does not get all of its threads there (a process of its own does: --isolate).
 *
 * Precision. OpenVINO takes bf16 by itself where the processor has it, and f16 on a GPU; we ask for f32 unless told otherwise, and a precision that was
 * asked for and not given is an error. */
#define _GNU_SOURCE
#include "../narrow.h"
#include "compile.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All compiled models of nets that share. */
struct family { struct compiled *list; int nets; };

struct port { char name[64]; unsigned type; void *at; struct ov_shape shape; struct np_tensor_info info; };

struct np_backend_net {
    const struct ov_api *ov;
    struct family *family;
    struct compiled *on;
    struct ov_infer_request *request;
    int n[2];                           /* inputs, outputs */
    struct port port[2][MAX_TENSORS];
    int run_timeout_ms;
    char device[128];                   /* that really runs: "CPU", "GPU.0" */
    _Atomic int cancelled;
};

static int look(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {
    static const char *const known[] = { "CPU", "GPU", "NPU" };
    const struct ov_api *ov;
    char here[200];
    int r = ov_start(&ov, p->library, why);
    if (r < 0) return r;
    snprintf(out->version, sizeof out->version, "%s", ov->version);
    ov_devices(ov, here, sizeof here, NULL);
    if (!here[0]) return fail(why, NP_EBACKEND, "openvino: version %s finds no device, not even CPU: are its plug-ins beside it?", ov->version);
    size_t n = (size_t)snprintf(out->devices, sizeof out->devices, "%s,auto", here);
    for (size_t i = 0; i < n && i < sizeof out->devices; i++)
        if (out->devices[i] >= 'A' && out->devices[i] <= 'Z') out->devices[i] = (char)(out->devices[i] - 'A' + 'a');
    out->missing[0] = 0;
    for (size_t i = 0; i < 3; i++)
        if (!strstr(here, known[i])) {
            n = strlen(out->missing);
            snprintf(out->missing + n, sizeof out->missing - n, "%s%c%c%c", n ? "," : "", known[i][0] | 32, known[i][1] | 32, known[i][2] | 32);
        }
    return 40;
}

static int supports(const struct np_backend_params *p, struct np_error *why) {
    const unsigned char *const m = p->model;
    if (!p->format || !m) return 0;
    if (!strcmp(p->format, "tflite") && (p->model_size < 8 || memcmp(m + 4, "TFL3", 4)))
        return fail(why, NP_EUNSUPPORTED, "%s: is no TFLite model", p->model_path);
    if (!strcmp(p->format, "openvino") && (p->model_size < 5 || (memcmp(m, "<?xml", 5) && memcmp(m, "<net", 4))))
        return fail(why, NP_EUNSUPPORTED, "%s: is no OpenVINO model: it does not begin with <?xml or <net", p->model_path);
    return 0;
}

/* --- a net --- */

static size_t size_of(int dtype) {
    static const unsigned char bytes[NP_DTYPE_COUNT] = {
        [NP_F32] = 4, [NP_F16] = 2, [NP_F64] = 8, [NP_I8] = 1,  [NP_U8] = 1,   [NP_I16] = 2,  [NP_U16] = 2,
        [NP_I32] = 4, [NP_U32] = 4, [NP_I64] = 8, [NP_U64] = 8, [NP_BOOL] = 1, [NP_BF16] = 2,
    };
    return bytes[dtype];
}

static int describe_port(const struct ov_api *ov, struct port *t, const struct ov_output_const_port *port, struct np_error *err) {
    struct ov_partial_shape s = { { 0, 0 }, NULL };
    char *name = NULL;
    int r = 0, status = ov->ov_port_get_element_type(port, &t->type);
    if (status == OV_OK) status = ov->ov_port_get_partial_shape(port, &s);
    if (status != OV_OK) return ov_fail(ov, err, NP_EUNSUPPORTED, status, "a tensor");
    if (ov->ov_port_get_any_name(port, &name) == OV_OK && name) { /* not every output has one */
        snprintf(t->name, sizeof t->name, "%s", name);
        ov->ov_free(name);
    }
    t->info = (struct np_tensor_info){ .name = t->name, .dtype = ov_dtype(ov, t->type), .rank = (int)s.rank.max };
    if (t->info.dtype < 0) r = fail(err, NP_EUNSUPPORTED, "openvino: '%s' has a type that we do not have (number %u)", t->name, t->type);
    else if (s.rank.min != s.rank.max || s.rank.max < 0 || s.rank.max > NP_MAX_RANK)
        r = fail(err, NP_EUNSUPPORTED, "openvino: '%s' has no fixed rank up to %d", t->name, NP_MAX_RANK);
    size_t bytes = r >= 0 ? size_of(t->info.dtype) : 0;
    for (int k = 0; r >= 0 && k < t->info.rank; k++) {
        if (s.dims[k].min != s.dims[k].max || s.dims[k].max < 1)
            r = fail(err, NP_EUNSUPPORTED, "openvino: the shape of '%s' depends on what is in the picture", t->name);
        else if (__builtin_mul_overflow(bytes, (size_t)s.dims[k].max, &bytes)) r = fail(err, NP_ELIMIT, "openvino: '%s' is too large", t->name);
        else t->info.dims[k] = s.dims[k].max;
    }
    t->info.bytes = bytes;
    t->shape = (struct ov_shape){ t->info.rank, t->info.dims };
    ov->ov_partial_shape_free(&s);
    return r;
}

static int describe(struct np_backend_net *n, int output, struct np_error *err) {
    const struct ov_api *const ov = n->ov;
    const struct ov_compiled_model *const m = n->on->model;
    size_t count = 0;
    int status = output ? ov->ov_compiled_model_outputs_size(m, &count) : ov->ov_compiled_model_inputs_size(m, &count), r = 0;
    if (status != OV_OK) return ov_fail(ov, err, NP_EUNSUPPORTED, status, "the tensors");
    if (count < 1 || count > MAX_TENSORS)
        return fail(err, NP_EUNSUPPORTED, "openvino: the model has %zu %s, 1 to %d are handled", count, output ? "outputs" : "inputs", MAX_TENSORS);
    n->n[output] = (int)count;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        struct ov_output_const_port *port = NULL;
        snprintf(n->port[output][i].name, sizeof n->port[output][i].name, "%s%zu", output ? "output" : "input", i);
        status = output ? ov->ov_compiled_model_output_by_index(m, i, &port) : ov->ov_compiled_model_input_by_index(m, i, &port);
        if (status != OV_OK) return ov_fail(ov, err, NP_EUNSUPPORTED, status, "a tensor");
        r = describe_port(ov, &n->port[output][i], port, err);
        ov->ov_output_const_port_free(port);
    }
    return r;
}

static int point_at(struct np_backend_net *n, int output, int i, void *at, struct np_error *err) {
    struct port *const t = &n->port[output][i];
    const struct ov_api *const ov = n->ov;
    struct ov_tensor *tensor = NULL;
    if (t->at == at) return 0;
    int status = ov->ov_tensor_create_from_host_ptr(t->type, t->shape, at, &tensor);
    if (status == OV_OK) {
        status = output ? ov->ov_infer_request_set_output_tensor_by_index(n->request, (size_t)i, tensor)
                : ov->ov_infer_request_set_input_tensor_by_index(n->request, (size_t)i, tensor);
        ov->ov_tensor_free(tensor); /* the request holds it */
    }
    if (status != OV_OK) return ov_fail(ov, err, NP_EINTERNAL, status, t->name);
    t->at = at;
    return 0;
}

static int run_for(struct np_backend_net *n, const void *const *in, void *const *out, int timeout_ms, struct np_error *err) {
    const struct ov_api *const ov = n->ov;
    int r = 0, late = 0;
    atomic_store(&n->cancelled, 0);
    for (int i = 0; r >= 0 && i < n->n[0]; i++) r = point_at(n, 0, i, (void *)(uintptr_t)in[i], err);
    for (int i = 0; r >= 0 && i < n->n[1]; i++) r = point_at(n, 1, i, out[i], err);
    if (r < 0) return r;
    int status = ov->ov_infer_request_start_async(n->request);
    if (status != OV_OK) return ov_fail(ov, err, NP_EBACKEND, status, "run");
    if (timeout_ms > 0) status = ov->ov_infer_request_wait_for(n->request, timeout_ms);
    if (timeout_ms > 0 && status == OV_RESULT_NOT_READY) {
        late = 1;
        ov->ov_infer_request_cancel(n->request);
    }
    if (timeout_ms <= 0 || late) status = ov->ov_infer_request_wait(n->request);
    if (late) return fail(err, NP_EINTR, "openvino: the run took more than %d ms", timeout_ms);
    if (status == OV_INFER_CANCELLED || atomic_load(&n->cancelled)) return fail(err, NP_EINTR, "openvino: the run was cancelled");
    return status == OV_OK ? 0 : ov_fail(ov, err, NP_EBACKEND, status, "run");
}

static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    return run_for(n, in, out, n->run_timeout_ms, err);
}

static void cancel(struct np_backend_net *n) {
    atomic_store(&n->cancelled, 1);
    n->ov->ov_infer_request_cancel(n->request);
}

/* The first run makes threads and chooses kernels: here, not in front of somebody's camera. */
static int warm_up(struct np_backend_net *n, int timeout_ms, struct np_error *err) {
    void *at[2][MAX_TENSORS] = { { NULL } };
    int r = 0;
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < n->n[o]; i++) {
            const size_t bytes = (n->port[o][i].info.bytes + 127) / 64 * 64;
            if ((at[o][i] = aligned_alloc(64, bytes))) memset(at[o][i], 0, bytes);
            else r = fail(err, NP_ENOMEM, "out of memory");
        }
    if (r >= 0) r = run_for(n, (const void *const *)at[0], at[1], timeout_ms, err);
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < n->n[o]; i++) {
            free(at[o][i]);
            n->port[o][i].at = NULL;
        }
    return r;
}

static void close_net(struct np_backend_net *n) {
    if (n->request) n->ov->ov_infer_request_free(n->request);
    if (n->on) n->on->nets--;
    if (n->family && !--n->family->nets) {
        for (struct compiled *c = n->family->list, *next; c; c = next) {
            next = c->next;
            n->ov->ov_compiled_model_free(c->model);
            free(c);
        }
        free(n->family);
    }
    free(n);
}

/* On a compiled model with room, else on a new one. */
static int place(struct np_backend_net *n, const char *device, const struct np_backend_params *p, struct np_error *err) {
    const struct ov_api *const ov = n->ov;
    for (struct compiled *c = n->family->list; c && !n->on; c = c->next)
        if (c->nets < c->streams) n->on = c;
    if (!n->on) {
        struct compiled *c = NULL;
        const int r = ov_compile(ov, &c, device, p, err);
        if (r < 0) return r;
        c->next = n->family->list;
        n->family->list = n->on = c;
    }
    n->on->nets++;
    const int status = ov->ov_compiled_model_create_infer_request(n->on->model, &n->request);
    return status == OV_OK ? 0 : ov_fail(ov, err, NP_EBACKEND, status, "infer request");
}

static int build(struct np_backend_net *n, const char *device, const struct np_backend_params *p, struct np_error *err) {
    char *real = NULL;
    int r = place(n, device, p, err);
    for (int o = 0; r >= 0 && o < 2; o++) r = describe(n, o, err);
    if (r >= 0) r = warm_up(n, p->open_timeout_ms, err);
    if (r < 0) return r;
    snprintf(n->device, sizeof n->device, "%s", device);
    if (n->ov->ov_compiled_model_get_property(n->on->model, "EXECUTION_DEVICES", &real) == OV_OK && real) { /* AUTO is not a device */
        snprintf(n->device, sizeof n->device, "%s", real);
        n->ov->ov_free(real);
    }
    return 0;
}

static int open_here(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    const struct ov_api *ov;
    char device[128];
    int r = ov_start(&ov, p->library, err);
    if (r < 0 || (r = supports(p, err)) < 0) return r;
    if (!ov_device_name(device, sizeof device, p->device)) return fail(err, NP_EINVAL, "openvino: the name of the device is too long");
    if ((r = ov_check_device(ov, device, err)) < 0) return r;
    struct np_backend_net *const n = calloc(1, sizeof *n);
    if (!n) return fail(err, NP_ENOMEM, "out of memory");
    n->ov = ov;
    n->run_timeout_ms = p->run_timeout_ms;
    n->family = p->share ? p->share->family : calloc(1, sizeof *n->family);
    if (!n->family) {
        free(n);
        return fail(err, NP_ENOMEM, "out of memory");
    }
    n->family->nets++;
    if ((r = build(n, device, p, err)) < 0) close_net(n);
    else *out = n;
    return r;
}

static int tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) {
    if (i >= n->n[!!output]) return NP_EEND;
    *out = n->port[!!output][i].info;
    return 0;
}

static const char *device(const struct np_backend_net *n) { return n->device; }

static const char *const wheels[] = { "openvino/libs/libopenvino_c.so.*", NULL };
static const char *const sonames[] = { "libopenvino_c.so", NULL };
NARROW_BACKEND(openvino, .title = "OpenVINO", .formats = "openvino,onnx,tflite", .cancel = cancel)
