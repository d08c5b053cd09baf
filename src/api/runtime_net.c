/* SPDX-License-Identifier: Apache-2.0 */
/* np_runtime_net: a net on a runtime without card, line-up and fallback. A thin cover over backend/engine.h. */
#include "backend/isolate.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/mmap.h"
#include "import/import.h"
#include "nextpose/engine.h"
#include "nextpose/runtimes.h"
#include "pipe/choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct np_runtime_net {
    struct npi_engine *engine;
    struct npi_run *run;
    struct np_pool *pool;
    struct npi_plugin plugin;
    struct np_runtime_net_about about;
};

static int with_batch(const struct np_tensor_info *t, int batch, int *rank, int64_t *dims) {
    if (batch < 1 || t->rank < 1 || t->dims[0] == batch) return 0;
    *rank = t->rank;
    for (int i = 0; i < t->rank; i++) dims[i] = i ? t->dims[i] : batch;
    return 1;
}

static int open_native(struct np_runtime_net *n, const struct np_runtime_net_params *p, struct np_error *err) {
    struct np_model_params mp;
    struct np_model *m = NULL;
    struct np_tensor_info t;
    np_model_params_default(&mp);
    mp.isa = p->isa;
    mp.precision = p->precision;
    int r = np_model_load(&m, n->about.file, &mp, err);
    if (r >= 0 && np_model_input_info(m, 0, &t) >= 0 && with_batch(&t, p->batch, &mp.rank, mp.dims)) {
        np_model_free(&m);
        r = np_model_load(&m, n->about.file, &mp, err);
    }
    if (r >= 0 && p->threads > 1) r = np_pool_create(&n->pool, p->threads, err);
    if (r >= 0) r = npi_engine_native(&n->engine, m, err);
    if (r < 0) np_model_free(&m);
    return r;
}

static int open_foreign(struct np_runtime_net *n, const struct np_runtime_net_params *p, const char *format, struct np_error *err) {
    char text[512] = "", *save = NULL;
    struct np_backend_option option[16];
    struct np_backend_params q = { .size = sizeof q, .library = *n->plugin.library ? n->plugin.library : NULL, .model_path = n->about.file,
                                   .format = format, .device = p->device,
                                   .threads = p->threads > 0 ? p->threads : 1, .options = option, .cache_dir = p->cache_dir };
    static const struct { const char *ours, *theirs; } precision[] = { { "fp32", "f32" }, { "fp16", "f16" }, { "bf16", "bf16" } };
    for (size_t i = 0; p->precision && i < sizeof precision / sizeof *precision; i++)
        if (!strcmp(p->precision, precision[i].ours)) q.precision = precision[i].theirs;
    if (p->options) snprintf(text, sizeof text, "%s", p->options);
    for (char *w = strtok_r(text, ",", &save); w && q.n_options < 16; w = strtok_r(NULL, ",", &save)) {
        char *const eq = strchr(w, '=');
        if (!eq) return npi_fail(err, NP_EINVAL, "backend options: '%s' is not key=value", w);
        *eq = 0;
        option[q.n_options++] = (struct np_backend_option){ w, eq + 1 };
    }
    int r = npi_engine_foreign(&n->engine, n->plugin.table, &q, n->plugin.info.version, err);
    struct np_tensor_info t;
    if (r >= 0 && npi_engine_info(n->engine, 0, 0, &t) >= 0 && with_batch(&t, p->batch, &q.rank, q.dims)) {
        npi_engine_unref(&n->engine);
        r = npi_engine_foreign(&n->engine, n->plugin.table, &q, n->plugin.info.version, err);
    }
    return r;
}

/* Module, isolation, library, score. */
static int find(struct npi_plugin *x, const char *name, const struct np_runtime_net_params *p, struct np_error *err) {
    const struct npi_isolate_params alone = { .memory_limit = (size_t)p->isolate_memory_mb << 20 };
    int r = npi_plugin_find_module(x, name, p->search, err);
    if (r >= 0 && p->isolate) r = npi_isolate(&x->table, x->path, x->table, &alone, err);
    if (r >= 0) r = npi_plugin_find_library(x, p->search, err);
    if (r >= 0 && npi_plugin_ask(x, NULL) < 0) r = npi_fail(err, NP_EBACKEND, "%s", x->why.message);
    return r;
}

static int in_list(const char *list, const char *word) {
    const size_t k = strlen(word);
    for (size_t n; *list; list += n + (list[n] == ','))
        if ((n = strcspn(list, ",")) == k && !memcmp(list, word, k)) return 1;
    return 0;
}

int np_runtime_takes(const struct np_runtime_search *s, const char *runtime, const char *path, struct np_error *err) {
    struct npi_file f = { 0 };
    if (!runtime || !path) return npi_fail(err, NP_EINVAL, "np_runtime_takes: NULL argument");
    struct npi_plugin *const x = npi_alloc(sizeof *x);
    if (!x) return npi_fail(err, NP_ENOMEM, "out of memory");
    int r = npi_file_map(&f, path, err);
    if (r >= 0) {
        const char *const format = npi_is_tflite(f.data, f.size) ? "tflite" : "onnx";
        const struct np_backend *t = NULL;
        if (npi_plugin_find_module(x, runtime, s, err) < 0 || npi_plugin_find_library(x, s, err) < 0) r = NP_EBACKEND;
        else t = x->table;
        struct np_backend_params p = { .size = sizeof p, .library = *x->library ? x->library : NULL, .model_path = path, .format = format, .threads = 1,
                                       .model = f.data, .model_size = f.size };
        if (t && !in_list(t->formats, format)) r = npi_fail(err, NP_EUNSUPPORTED, "reads %s, and this is %s", t->formats, format);
        else if (t && t->supports) r = t->supports(&p, err);
    }
    npi_file_unmap(&f);
    npi_free(x);
    return r < 0 ? r : 0;
}

int np_runtime_net_open(struct np_runtime_net **out, const char *path, const struct np_runtime_net_params *p, struct np_error *err) {
    if (!out || !path || !p) return npi_fail(err, NP_EINVAL, "np_runtime_net_open: NULL argument");
    const char *const name = npi_runtime_name(p->runtime && *p->runtime ? p->runtime : "native");
    const int native = !strcmp(name, "native");
    char format[32];
    struct np_runtime_net *n = npi_alloc(sizeof *n);
    if (!n) return npi_fail(err, NP_ENOMEM, "out of memory");
    int r = 0;
    const int64_t t0 = npi_now_ns();
    if (!native) r = find(&n->plugin, name, p, err);
    const int64_t t1 = npi_now_ns();
    n->about.library_ms = native ? 0 : (double)(t1 - t0) * 1e-6;
    const char *const formats = native ? "tflite,onnx" : r >= 0 ? n->plugin.table->formats : "";
    if (r >= 0 && !npi_model_file(path, formats, native ? NULL : p->cache_dir, NULL, format, sizeof format, n->about.file, sizeof n->about.file))
        r = npi_fail(err, NP_EUNSUPPORTED, "%s: %s reads %s, and there is no such file of this model", path, name, formats);
    const int64_t t2 = npi_now_ns();
    if (r >= 0) r = native ? open_native(n, p, err) : open_foreign(n, p, format, err);
    if (r >= 0) r = npi_run_open(&n->run, n->engine, n->pool, NULL, 0, err);
    n->about.open_ms = (double)(npi_now_ns() - t2) * 1e-6;
    if (r >= 0) {
        snprintf(n->about.runtime, sizeof n->about.runtime, "%s", npi_engine_runtime(n->engine));
        snprintf(n->about.version, sizeof n->about.version, "%s", native ? NP_VERSION_STRING : npi_engine_version(n->engine));
        snprintf(n->about.device, sizeof n->about.device, "%s", npi_engine_device(n->engine));
        *out = n;
    } else np_runtime_net_close(&n);
    return r;
}

void np_runtime_net_close(struct np_runtime_net **n) {
    if (!n || !*n) return;
    npi_run_close(&(*n)->run);
    npi_engine_unref(&(*n)->engine);
    np_pool_free(&(*n)->pool);
    npi_free(*n);
    *n = NULL;
}

void np_runtime_net_about(const struct np_runtime_net *n, struct np_runtime_net_about *out) { *out = n->about; }
int np_runtime_net_info(const struct np_runtime_net *n, int output, int i, struct np_tensor_info *out) { return npi_engine_info(n->engine, !!output,
        i, out); }
void *np_runtime_net_input(struct np_runtime_net *n, int i) { return npi_run_input(n->run, i); }
const void *np_runtime_net_output(const struct np_runtime_net *n, int i) { return npi_run_output(n->run, i); }
int np_runtime_net_run(struct np_runtime_net *n, struct np_error *err) { return npi_run_go(n->run, n->pool, err); }
