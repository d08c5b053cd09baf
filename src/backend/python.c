/* SPDX-License-Identifier: Apache-2.0 */
/* Where an environment's Python keeps its packages, found by looking at files: starting an interpreter takes 20 ms and runs whatever its
 * start-up hooks say.
 *
 *   VIRTUAL_ENV, CONDA_PREFIX, PYTHONPATH, the python3 on PATH (a venv's, pyenv's, the system's), the user's own */
#define _GNU_SOURCE
#include "backend/dl.h"
#include "base/err.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *get(const char *const *env, const char *name) {
    const size_t n = strlen(name);
    for (; env && *env; env++)
        if (!strncmp(*env, name, n) && (*env)[n] == '=' && (*env)[n + 1]) return *env + n + 1;
    return NULL;
}

static int is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Adds a word to a ':' list, once; a path with ':' in it cannot be named there. */
static void add(char *list, size_t size, const char *word) {
    const size_t n = strlen(list), k = strlen(word);
    for (const char *p = list; *p;) {
        const size_t w = strcspn(p, ":");
        if (w == k && !strncmp(p, word, k)) return;
        p += w + (p[w] == ':');
    }
    if (*word == '/' && !strchr(word, ':') && n + k + 2 < size) snprintf(list + n, size - n, "%s%s", n ? ":" : "", word);
}

/* prefix/lib*\/python3.*\/(site|dist)-packages, the highest version first: `version` ("3.11") if it is known and there. */
static void add_prefix(char *list, size_t size, const char *prefix, const char *version) {
    static const char *const shape[] = { "lib/python%s/site-packages", "lib64/python%s/site-packages", "lib/python%s/dist-packages",
                                         "lib/python3/dist-packages" };
    char path[NPI_PATH_MAX], pattern[64];
    if (*prefix != '/') return;
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        glob_t g;
        snprintf(pattern, sizeof pattern, shape[i], version && *version ? version : "3.*");
        if ((size_t)snprintf(path, sizeof path, "%s/%s", prefix, pattern) >= sizeof path || glob(path, 0, NULL, &g) != 0) continue;
        const char *best = NULL;
        for (size_t k = 0; k < g.gl_pathc; k++)
            if (is_dir(g.gl_pathv[k]) && (!best || strverscmp(g.gl_pathv[k], best) > 0)) best = g.gl_pathv[k];
        if (best) add(list, size, best);
        globfree(&g);
    }
}

/* A value of pyvenv.cfg ("home = /usr/bin"): 1 if it is there. */
static int cfg_value(const char *path, const char *key, char *out, size_t size) {
    char line[NPI_PATH_MAX];
    FILE *const f = fopen(path, "r");
    int found = 0;
    while (f && !found && fgets(line, sizeof line, f)) {
        const size_t k = strcspn(line, " \t=");
        if (k != strlen(key) || strncmp(line, key, k)) continue;
        const char *v = line + k;
        v += strspn(v, " \t=");
        snprintf(out, size, "%.*s", (int)strcspn(v, "\r\n"), v);
        found = 1;
    }
    if (f) fclose(f);
    return found;
}

static void two_numbers(char *v) { /* "3.11.7" -> "3.11" */
    char *dot = strchr(v, '.');
    dot = dot ? strchr(dot + 1, '.') : NULL;
    if (dot) *dot = 0;
}

static void add_interpreter(char *list, size_t size, const char *python, const char *const *env, int depth);

/* A prefix with a pyvenv.cfg is a virtual environment: its own packages, and those of the Python it was made from if it says so. */
static int add_venv(char *list, size_t size, const char *prefix, const char *const *env, int depth) {
    char cfg[NPI_PATH_MAX], version[32] = "", system[16] = "", home[NPI_PATH_MAX];
    if ((size_t)snprintf(cfg, sizeof cfg, "%s/pyvenv.cfg", prefix) >= sizeof cfg || !is_file(cfg)) return 0;
    if (!cfg_value(cfg, "version", version, sizeof version)) cfg_value(cfg, "version_info", version, sizeof version);
    two_numbers(version);
    add_prefix(list, size, prefix, version);
    if (cfg_value(cfg, "include-system-site-packages", system, sizeof system) && !strcmp(system, "true") &&
        cfg_value(cfg, "home", home, sizeof home) && depth < 4) {
        char python[NPI_PATH_MAX + 16];
        snprintf(python, sizeof python, "%s/python3", home);
        add_interpreter(list, size, python, env, depth + 1);
    }
    return 1;
}

/* .../shims/python3 of pyenv is a script; which version it starts is in PYENV_VERSION or in the file `version` (one in the current
 * directory is not looked at). */
static int add_pyenv(char *list, size_t size, const char *shims, const char *const *env) {
    char root[NPI_PATH_MAX], path[NPI_PATH_MAX + 64], line[64] = "";
    snprintf(root, sizeof root, "%.*s", (int)(strlen(shims) - strlen("/shims")), shims);
    const char *version = get(env, "PYENV_VERSION");
    if (!version) {
        snprintf(path, sizeof path, "%s/version", root);
        FILE *const f = fopen(path, "r");
        if (f && fgets(line, sizeof line, f)) line[strcspn(line, "\r\n")] = 0;
        if (f) fclose(f);
        version = line;
    }
    if (!*version || strchr(version, '/')) return 0;
    snprintf(path, sizeof path, "%s/versions/%.*s", root, (int)strcspn(version, ":"), version);
    if (!is_dir(path)) return 0;
    if (!add_venv(list, size, path, env, 0)) add_prefix(list, size, path, NULL);
    return 1;
}

/* /x/bin/python3: the prefix is /x. The link is followed only when /x is no virtual environment, as Python itself does. */
static void add_interpreter(char *list, size_t size, const char *python, const char *const *env, int depth) {
    char prefix[NPI_PATH_MAX];
    const char *const slash = strrchr(python, '/');
    if (!slash || depth > 4) return;
    snprintf(prefix, sizeof prefix, "%.*s", (int)(slash - python), python);
    if (strlen(prefix) > 6 && !strcmp(prefix + strlen(prefix) - 6, "/shims") && add_pyenv(list, size, prefix, env)) return;
    char *up = strrchr(prefix, '/');
    if (up) *up = 0;
    if (add_venv(list, size, prefix, env, depth)) return;
    char *const real = realpath(python, NULL);
    if (!real) return;
    char version[16] = "";
    const char *const name = strrchr(real, '/') + 1;
    if (!strncmp(name, "python3.", 8)) snprintf(version, sizeof version, "%.15s", name + 6);
    snprintf(prefix, sizeof prefix, "%.*s", (int)(name - 1 - real), real);
    free(real);
    up = strrchr(prefix, '/');
    if (up) *up = 0;
    if (!strcmp(prefix, "/usr")) add_prefix(list, size, "/usr/local", version); /* where Debian's pip puts things */
    if (!add_venv(list, size, prefix, env, depth)) add_prefix(list, size, prefix, version);
}

static void add_list(char *out, size_t size, const char *list) {
    char word[NPI_PATH_MAX];
    while (list && *list) {
        const size_t n = strcspn(list, ":");
        if (n && n < sizeof word && *list == '/') {
            snprintf(word, sizeof word, "%.*s", (int)n, list);
            add(out, size, word);
        }
        list += n + (list[n] == ':');
    }
}

int np_runtime_search_lib(struct np_runtime_search *s, const char *runtime, const char *path, struct np_error *err) {
    char kept[sizeof s->libs] = "";
    const char *const name = npi_runtime_name(runtime);
    char *const full = realpath(path, NULL);
    if (!full || !is_file(full) || strchr(full, ':')) {
        free(full);
        return npi_fail(err, NP_ENOENT, "%s: no such library (for the runtime %s)", path, name);
    }
    for (const char *p = s->libs; *p;) {
        const size_t n = strcspn(p, ":"), k = strcspn(p, "=");
        if (k != strlen(name) || strncmp(p, name, k)) {
            const size_t have = strlen(kept);
            snprintf(kept + have, sizeof kept - have, "%s%.*s", have ? ":" : "", (int)n, p);
        }
        p += n + (p[n] == ':');
    }
    const size_t have = strlen(kept);
    const int fits = (size_t)snprintf(kept + have, sizeof kept - have, "%s%s=%s", have ? ":" : "", name, full) < sizeof kept - have;
    free(full);
    if (!fits) return npi_fail(err, NP_ELIMIT, "the list of runtime libraries is full");
    memcpy(s->libs, kept, sizeof kept);
    return 0;
}

void np_runtime_search_env(struct np_runtime_search *out, const char *const *env) {
    static const struct { const char *variable, *runtime; } lib[] = {
        { "NEXTPOSE_ORT_LIB", "onnx" }, { "NEXTPOSE_ONNX_LIB", "onnx" }, { "NEXTPOSE_LITERT_LIB", "tflite" }, { "NEXTPOSE_TFLITE_LIB", "tflite" },
        { "NEXTPOSE_OPENVINO_LIB", "openvino" }, { "NEXTPOSE_TORCH_LIB", "torch" },
    };
    const char *v;
    char path[NPI_PATH_MAX];
    memset(out, 0, sizeof *out);
    add_list(out->plugins, sizeof out->plugins, get(env, "NEXTPOSE_PLUGINS"));
    for (size_t i = 0; i < sizeof lib / sizeof *lib; i++)
        if ((v = get(env, lib[i].variable)) && np_runtime_search_lib(out, lib[i].runtime, v, NULL) < 0 && strlen(v) < NPI_PATH_MAX) {
            const size_t n = strlen(out->libs); /* kept as it is: whoever asks for that runtime is told that it is not there */
            snprintf(out->libs + n, sizeof out->libs - n, "%s%s=%s", n ? ":" : "", lib[i].runtime, v);
        }
    add_list(out->lib_dirs, sizeof out->lib_dirs, get(env, "LD_LIBRARY_PATH"));

    char *const list = out->site_packages;
    const size_t size = sizeof out->site_packages;
    if ((v = get(env, "VIRTUAL_ENV")) && *v == '/' && !add_venv(list, size, v, env, 0)) add_prefix(list, size, v, NULL);
    if ((v = get(env, "CONDA_PREFIX"))) add_prefix(list, size, v, NULL);
    add_list(list, size, get(env, "PYTHONPATH"));
    v = get(env, "PATH");
    while (v && *v) {
        const size_t n = strcspn(v, ":");
        if (*v == '/' && n + 9 < sizeof path) {
            snprintf(path, sizeof path, "%.*s/python3", (int)n, v);
            if (is_file(path)) {
                add_interpreter(list, size, path, env, 0);
                break;
            }
        }
        v += n + (v[n] == ':');
    }
    if (get(env, "PYTHONNOUSERSITE")) return;
    if ((v = get(env, "PYTHONUSERBASE"))) add_prefix(list, size, v, NULL);
    else if ((v = get(env, "HOME")) && (size_t)snprintf(path, sizeof path, "%s/.local", v) < sizeof path) add_prefix(list, size, path, NULL);
}
