/* SPDX-License-Identifier: Apache-2.0 */
/* np_runtime_list: every runtime, where it was found, whether it works. What `nextpose doctor` prints. */
#include "backend/dl.h"
#include "backend/engine.h"
#include "backend/isolate.h"
#include "backend/tiny.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A model of one of the formats in `list` ("onnx,tflite"), and which. */
static size_t tiny_of(const char *list, char *format, size_t format_size, unsigned char *buf, size_t size) {
    while (*list) {
        const size_t n = strcspn(list, ",");
        snprintf(format, format_size, "%.*s", (int)n, list);
        const size_t bytes = npi_tiny_model(format, buf, size);
        if (bytes) return bytes;
        list += n + (list[n] == ',');
    }
    return 0;
}

static int right_numbers(struct npi_engine *e, struct np_error *err) {
    struct npi_run *r = NULL;
    static const float x[NPI_TINY_N] = { -3, -0.5f, 0.25f, 2 };
    int code = npi_run_open(&r, e, NULL, NULL, 0, err);
    if (code >= 0 && (npi_view_count(npi_engine_input(e, 0)) != NPI_TINY_N || npi_view_count(npi_engine_output(e, 0)) != NPI_TINY_N))
        code = npi_fail(err, NP_EBACKEND, "a tiny model came out with other shapes");
    if (code >= 0) {
        memcpy(npi_run_input(r, 0), x, sizeof x);
        code = npi_run_go(r, NULL, err);
    }
    const float *const y = code >= 0 ? npi_run_output(r, 0) : NULL;
    for (int i = 0; y && i < NPI_TINY_N && code >= 0; i++) {
        const float want = 1 / (1 + expf(-x[i]));
        if (!(fabsf(y[i] - want) < 1e-2f)) code = npi_fail(err, NP_EBACKEND, "a tiny model gives wrong numbers: sigmoid(%g) = %g", (double)x[i],
                                                           (double)y[i]);
    }
    npi_run_close(&r);
    return code;
}

static void try_tiny(struct np_runtime_info *info, const struct npi_plugin *p) {
    unsigned char model[512];
    char format[32];
    const size_t n = tiny_of(p ? p->table->formats : "onnx", format, sizeof format, model, sizeof model);
    struct npi_engine *e = NULL;
    struct np_model *m = NULL;
    struct np_error err = { 0 };
    const int64_t t0 = npi_now_ns();
    int r;
    if (!n) return; /* no tiny model of its formats: not tried */
    if (p) {
        const struct np_backend_params q = { .size = sizeof q, .library = *p->library ? p->library : NULL, .model_path = "(tiny model)",
                                             .model = model, .model_size = n,
                                             .format = format, .threads = 1, .open_timeout_ms = 30000, .run_timeout_ms = 10000 };
        r = npi_engine_foreign(&e, p->table, &q, p->info.version, &err);
    } else if ((r = npi_model_load(&m, model, n, "(tiny model)", NULL, NULL, &err)) >= 0 &&
               (r = npi_engine_native(&e, m, &err)) < 0) np_model_free(&m);
    if (r >= 0) r = right_numbers(e, &err);
    info->works = r >= 0;
    info->run_ms = (double)(npi_now_ns() - t0) * 1e-6;
    if (r < 0) snprintf(info->problem, sizeof info->problem, "%s", err.message);
    npi_engine_unref(&e);
}

/* npi_plugin_find with the table of a process of its own. untried: there can be none; nothing of the library was loaded. */
static int find_isolated(struct npi_plugin *p, const char *name, const struct np_runtime_search *s, int *untried, struct np_error *err) {
    const struct npi_isolate_params whole = { 0 };
    int r = npi_plugin_find_module(p, name, s, err);
    if (r >= 0 && (r = npi_isolate(&p->table, p->path, p->table, &whole, err)) < 0) *untried = 1;
    if (r >= 0 && (p->score = npi_plugin_find_library(p, s, &p->why)) >= 0) npi_plugin_ask(p, NULL);
    return r;
}

static void describe(const char *name, const struct np_runtime_search *s, int test, void (*each)(void *, const struct np_runtime_info *),
                     void *opaque) {
    static const struct { const char *name, *title; } titles[] = { { "tflite", "LiteRT" }, { "onnx", "ONNX Runtime" }, { "openvino", "OpenVINO" },
                                                                   { "torch", "LibTorch" } };
    struct np_runtime_info info = { .works = -1 };
    struct npi_plugin *p = npi_alloc(sizeof *p);
    struct np_error err = { 0 };
    snprintf(info.name, sizeof info.name, "%s", name);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (!strcmp(name, titles[i].name)) snprintf(info.title, sizeof info.title, "%s", titles[i].title);
    const int64_t t0 = npi_now_ns();
    int untried = 0;
    const int r = !p ? NP_ENOMEM : test == NP_RUNTIME_TEST_ISOLATED ? find_isolated(p, name, s, &untried, &err) : npi_plugin_find(p, name, s, NULL, &err);
    info.load_ms = (double)(npi_now_ns() - t0) * 1e-6;
    if (r < 0) {
        info.works = untried ? -1 : 0;
        snprintf(info.problem, sizeof info.problem, "%s", err.message);
    } else {
        snprintf(info.title, sizeof info.title, "%s", p->table->title ? p->table->title : name);
        snprintf(info.plugin, sizeof info.plugin, "%s", p->path);
        snprintf(info.library, sizeof info.library, "%s", p->library);
        snprintf(info.found, sizeof info.found, "%s", *p->where ? p->where : "plug-in");
        memcpy(info.version, p->info.version, sizeof info.version - 1);
        memcpy(info.devices, p->info.devices, sizeof info.devices - 1);
        memcpy(info.missing, p->info.missing, sizeof info.missing - 1);
        if (p->score < 0) {
            info.works = 0;
            snprintf(info.problem, sizeof info.problem, "%s", p->why.message);
        } else if (test) try_tiny(&info, p);
    }
    each(opaque, &info);
    npi_free(p);
}

void np_runtime_list(const struct np_runtime_search *s, int test, void (*each)(void *opaque, const struct np_runtime_info *info), void *opaque) {
    static const char *const known[] = { "tflite", "onnx", "openvino", "torch" };
    char name[64], seen[64][32];
    int n_seen = 0;
    struct np_runtime_info native = { .name = "native", .title = "NextPose's own engine", .found = "built in", .devices = "cpu", .works = -1 };
    snprintf(native.version, sizeof native.version, "%s", NP_VERSION_STRING);
    if (test) try_tiny(&native, NULL);
    each(opaque, &native);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) describe(known[i], s, test, each, opaque);
    for (int i = 0; npi_plugin_name_at(i, s, name, sizeof name); i++) {
        int again = !strcmp(name, "native");
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) again |= !strcmp(name, known[k]);
        for (int k = 0; k < n_seen; k++) again |= !strcmp(name, seen[k]);
        if (again || n_seen == 64 || strlen(name) >= sizeof seen[0]) continue;
        memcpy(seen[n_seen++], name, strlen(name) + 1);
        describe(name, s, test, each, opaque);
    }
}

int np_runtime_check(const struct np_runtime_search *s, const char *name, struct np_error *err) {
    static const char *const known[] = { "auto", "native", "onnx", "tflite", "openvino", "torch" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(npi_runtime_name(name), known[i])) return 0;
    struct npi_plugin *const p = npi_alloc(sizeof *p);
    struct np_error e = { 0 };
    const int r = p ? npi_plugin_find_module(p, name, s, &e) : NP_ENOMEM;
    npi_free(p);
    if (r == NP_ENOENT || r == NP_EINVAL) return npi_fail(err, NP_EINVAL,
                                                          "backend: '%s' is not one of auto, native, onnx, tflite, openvino, torch; %s", name,
                                                              e.message);
    return r < 0 ? npi_fail(err, NP_EBACKEND, "%s", e.message) : 0;
}
