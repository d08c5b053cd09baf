/* SPDX-License-Identifier: Apache-2.0 */
/* See api.h. */
#define _GNU_SOURCE
#include "api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* OpenVINO writes a page: "Exception from src/…/x.cpp:12: Check 'a' failed at …: the reason". The last line says most. */
static void last_words(char *out, size_t size, const char *text) {
    const char *best = text;
    size_t n = strcspn(text, "\n");
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const size_t len = strcspn(line, "\n"), space = strspn(line, " \t");
        if (len <= space || !strncmp(line + space, "Exception from ", 15)) continue;
        best = line + space;
        n = len - space;
    }
    snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), best);
}

int ov_fail(const struct ov_api *api, struct np_error *err, int code, int status, const char *what) {
    char words[300] = "";
    const char *const text = api->ov_get_last_err_msg();
    if (text) {
        last_words(words, sizeof words, text);
        api->ov_free(text);
    }
    if (!words[0]) snprintf(words, sizeof words, "%s", api->ov_get_error_info(status));
    return fail(err, code, "openvino: %s: %s", what, words);
}

int ov_dtype(const struct ov_api *api, unsigned type) {
    for (int i = 0; i < NP_DTYPE_COUNT; i++)
        if (api->type_of[i] != ~0u && api->type_of[i] == type) return i;
    return -1;
}

/* Bytes of 64 elements of type 0, 1, 2, …: bool 64, bf16 128, f16 128, f32 256, f64 512, i4 32, i8 64, i16 128, i32 256, i64 512, u1 8, then some of
 * u2, u3, u4, u6 (all under 64), u8 64, u16 128, u32 256, u64 512. The first 512 is f64. */
static int read_types(struct ov_api *a) {
    enum { N = 32 };
    size_t bytes[N] = { 0 };
    unsigned f64 = 0, u8;
    int64_t dim = 64;
    for (unsigned i = 0; i < N; i++) {
        struct ov_tensor *t = NULL;
        if (a->ov_tensor_create(i, (struct ov_shape){ 1, &dim }, &t) != OV_OK || !t) continue;
        if (a->ov_tensor_get_byte_size(t, &bytes[i]) != OV_OK) bytes[i] = 0;
        a->ov_tensor_free(t);
        if (!f64 && bytes[i] == 512) f64 = i;
        if (i >= N - 1 || (f64 && i > f64 + 16)) break;
    }
    for (u8 = f64 + 6; u8 < N - 3 && bytes[u8] < 64; u8++) {}
    if (f64 < 4 || u8 >= N - 3) return 0;
    const struct { int dtype; unsigned type, bytes; } want[] = {
        { NP_BOOL, f64 - 4, 64 }, { NP_BF16, f64 - 3, 128 }, { NP_F16, f64 - 2, 128 }, { NP_F32, f64 - 1, 256 }, { NP_F64, f64, 512 },
                { NP_I8, f64 + 2, 64 },
        { NP_I16, f64 + 3, 128 }, { NP_I32, f64 + 4, 256 }, { NP_I64, f64 + 5, 512 }, { NP_U8, u8, 64 }, { NP_U16, u8 + 1, 128 },
                { NP_U32, u8 + 2, 256 },
        { NP_U64, u8 + 3, 512 },
    };
    for (int i = 0; i < NP_DTYPE_COUNT; i++) a->type_of[i] = ~0u;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        if (bytes[want[i].type] != want[i].bytes) return 0;
        a->type_of[want[i].dtype] = want[i].type;
    }
    return 1;
}

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

int ov_load(const struct ov_api **out, const char *path, struct np_error *err) {
    static struct ov_api api;
    static int loaded;
#ifdef WITH_ASAN /* OpenVINO's TBB loads a part of itself with RTLD_DEEPBIND, at which AddressSanitizer ends the program */
    return fail(err, NP_EBACKEND, "openvino: cannot be loaded into a build with AddressSanitizer");
#endif
    if (!path) return fail(err, NP_EBACKEND, "openvino: libopenvino_c.so was not found; pip install openvino, or say where it is");
    if (loaded) {
        if (strcmp(path, api.path)) return fail(err, NP_EBACKEND, "openvino: %s is loaded in this process, %s cannot be as well", api.path, path);
        *out = &api;
        return 0;
    }
    if (strlen(path) >= sizeof api.path) return fail(err, NP_EINVAL, "openvino: the path of the library is too long");
    /* Never closed: OpenVINO's threads and static objects do not survive it. */
    void *const lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) return fail(err, NP_EBACKEND, "openvino: cannot load the library: %s", dlerror());
#define OV_LOOK_UP(ret, name, args)                                                                                                             \
    *(void **)&api.name = dlsym(lib, #name);                                                                                                    \
    if (!api.name) return fail(err, NP_EBACKEND, "openvino: %s has no %s; OpenVINO 2024.0 or newer is needed", path, #name);
    OV_API_LIST(OV_LOOK_UP)
#undef OV_LOOK_UP
    /* "A plug-in never prints": newer libraries have a switch for their log (ov_util.h, 2026.0). */
    void (*silence)(void (*)(const char *));
    *(void **)&silence = dlsym(lib, "ov_util_set_log_callback");
    if (silence) silence(NULL);
    struct ov_version v = { NULL, NULL };
    const int r = api.ov_get_openvino_version(&v);
    if (r != OV_OK || !v.buildNumber || sscanf(v.buildNumber, "%d.%d", &api.year, &api.month) != 2) return fail(err, NP_EBACKEND,
            "openvino: %s does not tell its version", path);
    snprintf(api.version, sizeof api.version, "%.*s", (int)strcspn(v.buildNumber, "-"), v.buildNumber);
    api.ov_version_free(&v);
    if (api.year < 2024) return fail(err, NP_EBACKEND, "openvino: version %s is too old, 2024.0 or newer is needed", api.version);
    if (!read_types(&api)) return fail(err, NP_EBACKEND, "openvino: version %s numbers its element types in a way that this plug-in does not know",
                                       api.version);
    memcpy(api.path, path, strlen(path) + 1);
    loaded = 1;
    *out = &api;
    return 0;
}
