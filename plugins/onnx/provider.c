/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of ONNX Runtime are "execution providers", compiled in or not. What is compiled in may still lack its libraries or its
 * hardware: then appending it fails, and the message of that goes to the user. CUDA and TensorRT have options of their own, the others take the
 * generic call.
 * UNTESTED ON HARDWARE: cuda, tensorrt, openvino, coreml were run up to "provider not available" only. */
#include "ort.h"

#include <stdio.h>
#include <string.h>

static const struct { const char *device, *provider, *generic; } table[] = { /* best first, for "gpu" and "auto" */
    { "cuda", "CUDAExecutionProvider", NULL },
    { "tensorrt", "TensorrtExecutionProvider", NULL },
    { "coreml", "CoreMLExecutionProvider", "CoreML" },
    { "openvino", "OpenVINOExecutionProvider", "OpenVINO" },
    { "cpu", "CPUExecutionProvider", NULL },
};
#define N_DEVICES (int)(sizeof table / sizeof table[0])
#define N_GPU 3 /* the first three are what "gpu" means */

static int in_list(char *const *list, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i], name)) return 1;
    return 0;
}

static void append(char *out, size_t size, const char *word) {
    const size_t n = strlen(out);
    snprintf(out + n, size - n, "%s%s", n ? "," : "", word);
}

/* Bit i: table[i] is compiled in. */
static unsigned available(const ort_fn *api) {
    char **list = NULL;
    int n = 0;
    unsigned have = 0;
    struct OrtStatus *s = CALL(api, GetAvailableProviders, (char ***, int *), &list, &n);
    if (s) {
        VOID(api, ReleaseStatus, s);
        return 1u << (N_DEVICES - 1);
    }
    for (int i = 0; i < N_DEVICES; i++)
        if (in_list(list, n, table[i].provider)) have |= 1u << i;
    s = CALL(api, ReleaseAvailableProviders, (char **, int), list, n);
    if (s) VOID(api, ReleaseStatus, s);
    return have;
}

void ort_devices(const ort_fn *api, char *have, size_t have_size, char *missing, size_t missing_size) {
    const unsigned a = available(api);
    for (int i = 0; i < N_DEVICES; i++) append(a >> i & 1 ? have : missing, a >> i & 1 ? have_size : missing_size, table[i].device);
}

/* Options of the user that are not of the session: "session.*" and the like have a dot. */
static int provider_options(const struct np_backend_params *p, const char **keys, const char **values, int max) {
    int n = 0;
    for (int i = 0; i < p->n_options && n < max; i++)
        if (!strchr(p->options[i].key, '.')) {
            keys[n] = p->options[i].key;
            values[n++] = p->options[i].value;
        }
    return n;
}

static int append_own(const ort_fn *api, struct OrtSessionOptions *o, int create, int update, int add, int release, const char *const *keys,
                      const char *const *values, int n, struct np_error *err, const char *device) {
    struct OrtProviderOptions *po = NULL;
    int r = ort_check(api, CALL(api, create, (struct OrtProviderOptions **), &po), err, NP_EBACKEND, device);
    if (r >= 0 && n)
        r = ort_check(api, CALL(api, update, (struct OrtProviderOptions *, const char *const *, const char *const *, size_t), po, keys, values,
                                (size_t)n), err,
                      NP_EINVAL, device);
    if (r >= 0)
        r = ort_check(api, CALL(api, add, (struct OrtSessionOptions *, const struct OrtProviderOptions *), o, po), err, NP_EBACKEND, device);
    if (po) VOID(api, release, po);
    return r;
}

int ort_append_device(const ort_fn *api, struct OrtSessionOptions *o, const struct np_backend_params *p, const char **provider,
                      struct np_error *err) {
    const char *const want = p->device ? p->device : "cpu";
    const unsigned have = available(api);
    const char *keys[34], *values[34];
    int n = provider_options(p, keys, values, 32), i = 0;
    if (!strcmp(want, "auto")) while (i < N_DEVICES - 1 && !(have >> i & 1)) i++;
    else if (!strcmp(want, "gpu")) {
        while (i < N_GPU && !(have >> i & 1)) i++;
        if (i == N_GPU) return fail(err, NP_EBACKEND, "provider not available: this ONNX Runtime was built without cuda, tensorrt and coreml");
    } else while (i < N_DEVICES && strcmp(table[i].device, want)) i++;
    if (i == N_DEVICES) return fail(err, NP_EBACKEND, "has no device '%s'; it knows cpu, gpu, auto, cuda, tensorrt, openvino, coreml", want);
    if (!(have >> i & 1)) return fail(err, NP_EBACKEND, "provider not available: this ONNX Runtime was built without %s (%s)", want,
                                      table[i].provider);
    *provider = table[i].provider;
    const char *const device = table[i].device;
    const int half = p->precision && !strcmp(p->precision, "f16"), trt = !strcmp(device, "tensorrt");
    if (p->precision && strcmp(p->precision, "f32") && !(half && trt))
        return fail(err, NP_EUNSUPPORTED, "precision %s: %s computes as the model says; give it a converted model", p->precision, device);
    if (half) {
        keys[n] = "trt_fp16_enable";
        values[n++] = "1";
    }
    if (trt && p->cache_dir) {
        keys[n] = "trt_engine_cache_path";
        values[n++] = p->cache_dir;
    }
    if (!strcmp(device, "cpu")) return n ? fail(err, NP_EINVAL, "cpu has no option '%s'; those of a session have a dot (session.…)", keys[0]) : 0;
    if (!strcmp(device, "cuda"))
        return append_own(api, o, CreateCUDAProviderOptions, UpdateCUDAProviderOptions, AppendCUDA_V2, ReleaseCUDAProviderOptions, keys, values, n,
                          err, device);
    if (trt)
        return append_own(api, o, CreateTensorRTProviderOptions, UpdateTensorRTProviderOptions, AppendTensorRT_V2, ReleaseTensorRTProviderOptions,
                          keys, values, n,
                          err, device);
    return ort_check(api, CALL(api, AppendExecutionProvider, (struct OrtSessionOptions *, const char *, const char *const *, const char *const *,
                                                              size_t), o,
                               table[i].generic, keys, values, (size_t)n), err, NP_EBACKEND, device);
}
