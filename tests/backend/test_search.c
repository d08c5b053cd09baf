/* SPDX-License-Identifier: Apache-2.0 */
/* Where plug-ins and runtimes are looked for, on a file tree of its own: virtual environments, pyenv, paths, what is never looked at.
 * Then loading: a module of another ABI, one that lies about its name, one without a table, the example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/dl.h"
#include "backend/engine.h"
#include "backend/tiny.h"

static char root[256];

static const char *at(const char *fmt, ...) {
    static char path[8][1024];
    static int turn;
    char *const p = path[turn++ % 8];
    va_list ap;
    const int n = snprintf(p, sizeof path[0], "%s/", root);
    va_start(ap, fmt);
    vsnprintf(p + n, sizeof path[0] - (size_t)n, fmt, ap);
    va_end(ap);
    return p;
}

static void put(const char *path, const char *text) {
    char dir[1024];
    for (const char *p = path + 1; (p = strchr(p, '/')); p++) {
        snprintf(dir, sizeof dir, "%.*s", (int)(p - path), path);
        mkdir(dir, 0777);
    }
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_tree(void **state) {
    snprintf(root, sizeof root, "/tmp/np-search-XXXXXX");
    if (!mkdtemp(root)) return -1;
    char *real = realpath(root, NULL);
    snprintf(root, sizeof root, "%s", real);
    free(real);
    put(at("venv/pyvenv.cfg"), "home = /nonexistent/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n");
    put(at("venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.9.0"), "x");
    put(at("venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.20.0"), "x");
    put(at("venv/lib/python3.9/site-packages/stale"), "x");
    put(at("base/bin/python3"), "x");
    put(at("base/lib/python3.12/site-packages/a"), "x");
    char cfg[600];
    snprintf(cfg, sizeof cfg, "home = %s\ninclude-system-site-packages = true\nversion_info = 3.12.1\n", at("base/bin"));
    put(at("open/pyvenv.cfg"), cfg);
    put(at("open/lib/python3.12/site-packages/b"), "x");
    put(at("pyenv/shims/python3"), "#!/bin/sh\n");
    put(at("pyenv/version"), "3.10.4\n");
    put(at("pyenv/versions/3.10.4/lib/python3.10/site-packages/c"), "x");
    put(at("pyenv/versions/3.8.1/lib/python3.8/site-packages/d"), "x");
    put(at("home/.local/lib/python3.11/site-packages/e"), "x");
    put(at("libs/libonnxruntime.so.1"), "x");
    put(at("given/libonnxruntime.so"), "x");
    put(at("cwd/libonnxruntime.so.1"), "x");
    put(at("cwd/np_backend_evil.so"), "x");
    return 0;
}

static int drop_tree(void **state) {
    char cmd[400];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", root);
    return system(cmd);
}

static struct np_runtime_search s;
static void from_env(const char *a, const char *b, const char *c) {
    const char *env[4] = { a, b, c, NULL };
    char copy[3][1100];
    for (int i = 0; i < 3 && env[i]; i++) { /* at() goes round */
        snprintf(copy[i], sizeof copy[i], "%s", env[i]);
        env[i] = copy[i];
    }
    np_runtime_search_env(&s, env);
}

static const char *var(const char *name, const char *value) {
    static char text[4][1100];
    static int turn;
    char *const p = text[turn++ % 4];
    snprintf(p, sizeof text[0], "%s=%s", name, value);
    return p;
}

static void python_packages(void **state) {
    from_env(var("VIRTUAL_ENV", at("venv")), NULL, NULL);
    assert_string_equal(s.site_packages, at("venv/lib/python3.11/site-packages")); /* not the stale 3.9 */
    from_env(var("VIRTUAL_ENV", at("open")), NULL, NULL);
    char two[2100];
    snprintf(two, sizeof two, "%s:%s", at("open/lib/python3.12/site-packages"), at("base/lib/python3.12/site-packages"));
    assert_string_equal(s.site_packages, two);
    from_env(var("PATH", at("pyenv/shims")), NULL, NULL);
    assert_string_equal(s.site_packages, at("pyenv/versions/3.10.4/lib/python3.10/site-packages"));
    from_env(var("PATH", at("pyenv/shims")), "PYENV_VERSION=3.8.1", NULL);
    assert_string_equal(s.site_packages, at("pyenv/versions/3.8.1/lib/python3.8/site-packages"));
    from_env(var("PATH", at("base/bin")), NULL, NULL);
    assert_string_equal(s.site_packages, at("base/lib/python3.12/site-packages"));
    from_env(var("HOME", at("home")), NULL, NULL);
    assert_string_equal(s.site_packages, at("home/.local/lib/python3.11/site-packages"));
    from_env(var("HOME", at("home")), "PYTHONNOUSERSITE=1", NULL);
    assert_string_equal(s.site_packages, "");
    from_env(var("VIRTUAL_ENV", at("venv")), var("HOME", at("home")), NULL);
    assert_true(strstr(s.site_packages, "venv/") < strstr(s.site_packages, ".local/")); /* the active one first */
    np_runtime_search_env(&s, NULL);
    assert_string_equal(s.site_packages, "");
}

static const char *const wheels[] = { "onnxruntime/capi/libonnxruntime.so.*", NULL }, *const sonames[] = { "libonnxruntime.so.1", NULL };
static struct np_backend table = { .abi = NP_BACKEND_ABI, .size = sizeof table, .name = "onnx", .formats = "onnx", .wheels = wheels,
                                   .sonames = sonames };

static void library_order(void **state) {
    struct npi_plugin p = { .table = &table };
    struct np_error e;
    from_env(var("VIRTUAL_ENV", at("venv")), var("LD_LIBRARY_PATH", at("libs")), var("NEXTPOSE_ORT_LIB", at("given/libonnxruntime.so")));
    assert_int_equal(npi_plugin_find_library(&p, &s, &e), 0);
    assert_string_equal(p.library, at("given/libonnxruntime.so"));
    assert_string_equal(p.where, "given");
    from_env(var("VIRTUAL_ENV", at("venv")), var("LD_LIBRARY_PATH", at("libs")), NULL);
    assert_int_equal(npi_plugin_find_library(&p, &s, &e), 0);
    assert_string_equal(p.library, at("venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.20.0")); /* above 1.9.0 */
    assert_string_equal(p.where, "wheel");
    from_env(var("LD_LIBRARY_PATH", at("libs")), NULL, NULL);
    assert_int_equal(npi_plugin_find_library(&p, &s, &e), 0);
    assert_string_equal(p.library, at("libs/libonnxruntime.so.1"));
    assert_string_equal(p.where, "system");
    /* A path that was given and is not there is an error, not a reason to take another one. */
    from_env(var("VIRTUAL_ENV", at("venv")), "NEXTPOSE_ORT_LIB=/nonexistent/lib.so", NULL);
    assert_int_equal(npi_plugin_find_library(&p, &s, &e), NP_ENOENT);
    assert_non_null(strstr(e.message, "/nonexistent/lib.so"));
    assert_int_equal(np_runtime_search_lib(&s, "ort", at("libs/libonnxruntime.so.1"), &e), 0); /* replaces it */
    assert_int_equal(npi_plugin_find_library(&p, &s, &e), 0);
    assert_string_equal(p.library, at("libs/libonnxruntime.so.1"));
    assert_int_equal(np_runtime_search_lib(&s, "ort", at("none.so"), &e), NP_ENOENT);
}

static void never_the_current_directory(void **state) {
    static const char *const odd[] = { "libonnxruntime.so.1", NULL };
    static struct np_backend t = { .abi = NP_BACKEND_ABI, .size = sizeof t, .name = "nosuch", .formats = "onnx", .wheels = odd, .sonames = odd };
    struct npi_plugin p = { .table = &t };
    struct np_error e;
    char old[1024], name[64];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(at("cwd")), 0);
    /* Empty words, dots and relative folders mean the current directory elsewhere. */
    from_env("LD_LIBRARY_PATH=:.:./:cwd", "PYTHONPATH=:.", "NEXTPOSE_PLUGINS=:.:./");
    assert_string_equal(s.lib_dirs, "");
    assert_string_equal(s.site_packages, "");
    assert_string_equal(s.plugins, "");
    from_env("PATH=:.:bin", "VIRTUAL_ENV=venv", "HOME=");
    assert_string_equal(s.site_packages, "");
    snprintf(s.plugins, sizeof s.plugins, ":.:./:%s", "relative");
    snprintf(s.lib_dirs, sizeof s.lib_dirs, "::.");
    snprintf(s.site_packages, sizeof s.site_packages, ".:");
    const int r = npi_plugin_find_library(&p, &s, &e);
    assert_true(r == NP_ENOENT || strncmp(p.library, at("cwd"), strlen(at("cwd"))) != 0); /* the system may have one */
    for (int i = 0; npi_plugin_name_at(i, &s, name, sizeof name); i++) assert_string_not_equal(name, "evil");
    assert_int_equal(npi_plugin_find_module(&p, "evil", &s, &e), NP_ENOENT);
    assert_int_equal(chdir(old), 0);
}

static const char *module(const char *name) { /* of this test, built beside it */
    static char path[1024];
    snprintf(path, sizeof path, "%s/tests/backend/np_backend_%s.so", getenv("NEXTPOSE_BUILD"), name);
    return path;
}

static void modules_that_are_refused(void **state) {
    struct npi_plugin p;
    struct np_error e = { 0 };
    char numbers[64];
    assert_int_equal(npi_plugin_load(&p, module("wrongabi"), &e), NP_EBACKEND);
    snprintf(numbers, sizeof numbers, "ABI 4242, this library has ABI %d", NP_BACKEND_ABI);
    assert_non_null(strstr(e.message, numbers));
    assert_int_equal(npi_plugin_load(&p, module("short"), &e), NP_EBACKEND);
    assert_non_null(strstr(e.message, "bytes"));
    assert_int_equal(npi_plugin_load(&p, module("empty"), &e), NP_EBACKEND);
    assert_non_null(strstr(e.message, "gives nothing"));
    assert_int_equal(npi_plugin_load(&p, at("libs/libonnxruntime.so.1"), &e), NP_EBACKEND); /* no shared object */
    assert_int_equal(npi_plugin_load(&p, at("none.so"), &e), NP_ENOENT);
    np_runtime_search_env(&s, NULL);
    snprintf(s.plugins, sizeof s.plugins, "%s/tests/backend", getenv("NEXTPOSE_BUILD"));
    assert_int_equal(npi_plugin_find_module(&p, "liar", &s, &e), NP_EBACKEND);
    assert_non_null(strstr(e.message, "calls itself 'onnx', not 'liar'"));
    assert_int_equal(npi_plugin_find_module(&p, "../../etc/x", &s, &e), NP_ENOENT); /* a path: only that file */
    assert_int_equal(npi_plugin_find_module(&p, "Bad Name", &s, &e), NP_EINVAL);
    assert_int_equal(np_runtime_check(&s, "litert", &e), 0);
    assert_int_equal(np_runtime_check(&s, "nosuch", &e), NP_EINVAL);
    assert_int_equal(np_runtime_check(&s, "wrongabi", &e), NP_EBACKEND);
}

static void the_example(void **state) {
    static const char model[] = "nextpose-example 1; shape 1 4 4 3; scale 2; shift 0.5";
    static struct npi_plugin p;
    struct np_error e = { 0 };
    struct npi_engine *eng = NULL;
    struct npi_run *run = NULL;
    np_runtime_search_env(&s, NULL);
    snprintf(s.plugins, sizeof s.plugins, "%s/plugins", getenv("NEXTPOSE_BUILD"));
    assert_int_equal(npi_plugin_find(&p, "example", &s, NULL, &e), 0);
    assert_true(p.score > 0);
    struct np_backend_params q = { .size = sizeof q, .model_path = "m", .model = model, .model_size = sizeof model - 1, .format = "example",
                                   .threads = 1,
                                   .open_timeout_ms = 5000, .run_timeout_ms = 5000 };
    assert_int_equal(npi_engine_foreign(&eng, p.table, &q, p.info.version, &e), 0);
    assert_string_equal(npi_engine_runtime(eng), "example");
    assert_int_equal(npi_view_count(npi_engine_input(eng, 0)), 48);
    assert_int_equal(npi_run_open(&run, eng, NULL, NULL, 0, &e), 0);
    float *const x = npi_run_input(run, 0);
    for (int i = 0; i < 48; i++) x[i] = (float)i;
    assert_int_equal(npi_run_go(run, NULL, &e), 0);
    for (int i = 0; i < 48; i++) assert_true(fabsf(((const float *)npi_run_output(run, 0))[i] - (2 * (float)i + 0.5f)) < 1e-6f);
    npi_run_close(&run);
    npi_engine_unref(&eng);
    q.device = "gpu"; /* never another device than the one that was asked for */
    assert_int_equal(npi_engine_foreign(&eng, p.table, &q, NULL, &e), NP_EBACKEND);
    q.device = NULL;
    static const char *const bad[] = { "nextpose-example 1; shape 1 0 3", "nextpose-example 1; shape 99999 99999",
                                       "nextpose-example 1; scale x; wobble 3",
                                       "nextpose-example 1; scale inf", "something else", "nextpose-example 1; shape" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad - 1; i++) {
        q.model = bad[i];
        q.model_size = strlen(bad[i]);
        assert_true(npi_engine_foreign(&eng, p.table, &q, NULL, &e) < 0);
    }
}

static void tiny_models(void **state) {
    static const char *const formats[] = { "onnx", "tflite" };
    for (int i = 0; i < 2; i++) {
        unsigned char buf[512];
        struct np_model *m;
        struct np_error e;
        const size_t n = npi_tiny_model(formats[i], buf, sizeof buf);
        assert_in_range(n, 40, sizeof buf);
        assert_int_equal(npi_model_load(&m, buf, n, formats[i], NULL, NULL, &e), 0); /* what our importers make of it */
        assert_int_equal(npi_view_count(npi_model_output(m, 0)), NPI_TINY_N);
        np_model_free(&m);
    }
    assert_int_equal(npi_tiny_model("torch", NULL, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_packages), cmocka_unit_test(library_order), cmocka_unit_test(never_the_current_directory),
            cmocka_unit_test(modules_that_are_refused),
        cmocka_unit_test(the_example), cmocka_unit_test(tiny_models),
    };
    return cmocka_run_group_tests(tests, make_tree, drop_tree);
}
