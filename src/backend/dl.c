/* SPDX-License-Identifier: Apache-2.0 */
/* See dl.h. dlopen() itself would search LD_LIBRARY_PATH, where an empty word means the current directory: so it only ever gets absolute
 * paths that we found. */
#define _GNU_SOURCE
#include "backend/dl.h"
#include "backend/engine.h"
#include "base/log.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODULE_PREFIX "np_backend_"

const char *npi_runtime_name(const char *name) {
    static const struct { const char *alias, *name; } alias[] = { { "ort", "onnx" }, { "onnxruntime", "onnx" }, { "litert", "tflite" },
                                                                  { "pytorch", "torch" } };
    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++)
        if (!strcmp(name, alias[i].alias)) return alias[i].name;
    return name;
}

/* Next absolute word of a ':' list: 0 at the end. Relative ones (an empty word is one) are passed over. */
static int next_dir(const char **list, char *out, size_t size) {
    while (**list) {
        const size_t n = strcspn(*list, ":");
        const char *const word = *list;
        *list += n + ((*list)[n] == ':');
        if (n && *word == '/' && n < size) {
            snprintf(out, size, "%.*s", (int)n, word);
            return 1;
        }
    }
    return 0;
}

static int is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- modules --- */

static int in_this_file; /* an address to ask dladdr about */

/* Folders of modules, in order; 0 past the end. A build tree (told by its build.ninja) has them in plugins/. */
static int module_dir(int i, const struct np_runtime_search *s, char *out, size_t size) {
    const char *list = s ? s->plugins : "";
    while (next_dir(&list, out, size))
        if (i-- == 0) return 1;
    Dl_info self;
    char here[NPI_PATH_MAX], probe[NPI_PATH_MAX + 32];
    if (!dladdr(&in_this_file, &self) || !self.dli_fname || !realpath(self.dli_fname, here)) return 0;
    char *const slash = strrchr(here, '/');
    if (!slash) return 0;
    *slash = 0;
    if (i-- == 0) return (size_t)snprintf(out, size, "%s/nextpose", here) < size;
    snprintf(probe, sizeof probe, "%s/../build.ninja", here);
    if (is_file(probe) && i-- == 0) return (size_t)snprintf(out, size, "%s/../plugins", here) < size;
    return 0;
}

static int good_name(const char *s) { return *s && strlen(s) < 32 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(s); }

/* What begins a module's table is the same in all ABIs; the rest is only looked at when that number is ours. */
static int check_table(const struct np_backend *t, const char *path, struct np_error *err) {
    if (!t) return npi_fail(err, NP_EBACKEND, "%s: its " NP_BACKEND_ENTRY " gives nothing", path);
    if (t->abi != NP_BACKEND_ABI)
        return npi_fail(err, NP_EBACKEND, "%s: made for plug-in ABI %d, this library has ABI %d; use the plug-in of this version", path, t->abi,
                        NP_BACKEND_ABI);
    if (t->size < offsetof(struct np_backend, cancel))
        return npi_fail(err, NP_EBACKEND, "%s: its table has %zu bytes, ABI %d has at least %zu", path, t->size, NP_BACKEND_ABI,
                        offsetof(struct np_backend, cancel));
    if (!t->name || !good_name(t->name) || !t->formats || !t->score || !t->open || !t->tensor || !t->run || !t->close)
        return npi_fail(err, NP_EBACKEND, "%s: its table lacks a name or a function that it must have", path);
    return 0;
}

int npi_plugin_load(struct npi_plugin *out, const char *path, struct np_error *err) {
    char *const full = realpath(path, NULL);
    if (!full || strlen(full) >= sizeof out->path) {
        free(full);
        return npi_fail(err, NP_ENOENT, "%s: no such plug-in", path);
    }
    memset(out, 0, sizeof *out);
    snprintf(out->path, sizeof out->path, "%s", full);
    free(full);
    void *const so = dlopen(out->path, RTLD_NOW | RTLD_LOCAL);
    if (!so) return npi_fail(err, NP_EBACKEND, "%s", dlerror());
    const np_backend_entry_fn entry = (np_backend_entry_fn)(uintptr_t)dlsym(so, NP_BACKEND_ENTRY);
    if (!entry) return npi_fail(err, NP_EBACKEND, "%s: has no %s; it is no plug-in", out->path, NP_BACKEND_ENTRY);
    out->table = entry();
    return check_table(out->table, out->path, err);
}

int npi_plugin_name_at(int i, const struct np_runtime_search *s, char *name, size_t size) {
    char dir[NPI_PATH_MAX], pattern[NPI_PATH_MAX + 32];
    for (int d = 0; module_dir(d, s, dir, sizeof dir); d++) {
        glob_t g;
        snprintf(pattern, sizeof pattern, "%s/" MODULE_PREFIX "*.so", dir);
        if (glob(pattern, 0, NULL, &g) != 0) continue;
        const int n = (int)g.gl_pathc;
        if (i < n) {
            const char *const base = strrchr(g.gl_pathv[i], '/') + 1 + strlen(MODULE_PREFIX);
            snprintf(name, size, "%.*s", (int)(strlen(base) - strlen(".so")), base);
        }
        globfree(&g);
        if (i < n) return 1;
        i -= n;
    }
    return 0;
}

/* --- the library behind a module --- */

/* The file of the highest version among those that match: 1 if there is any. */
static int best_match(const char *dir, const char *pattern, char *out, size_t size) {
    char full[2 * NPI_PATH_MAX];
    glob_t g;
    if ((size_t)snprintf(full, sizeof full, "%s/%s", dir, pattern) >= sizeof full || glob(full, 0, NULL, &g) != 0) return 0;
    const char *best = NULL;
    for (size_t i = 0; i < g.gl_pathc; i++)
        if (is_file(g.gl_pathv[i]) && (!best || strverscmp(g.gl_pathv[i], best) > 0)) best = g.gl_pathv[i];
    char *const real = best ? realpath(best, NULL) : NULL;
    const int ok = real && strlen(real) < size;
    if (ok) snprintf(out, size, "%s", real);
    free(real);
    globfree(&g);
    return ok;
}

static int in_dirs(const char *list, const char *const *patterns, char *out, size_t size) {
    char dir[NPI_PATH_MAX];
    while (next_dir(&list, dir, sizeof dir))
        for (int i = 0; patterns && patterns[i]; i++)
            if (best_match(dir, patterns[i], out, size)) return 1;
    return 0;
}

/* Folders named in /etc/ld.so.conf.d, one a line, and the usual ones. */
static int in_system(const char *const *patterns, char *out, size_t size) {
    glob_t g;
    char line[NPI_PATH_MAX];
    int found = in_dirs("/usr/local/lib", patterns, out, size);
    if (!found && glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc && !found; i++) {
            FILE *const f = fopen(g.gl_pathv[i], "r");
            while (f && !found && fgets(line, sizeof line, f)) {
                line[strcspn(line, " \t\r\n#")] = 0;
                found = *line == '/' && in_dirs(line, patterns, out, size);
            }
            if (f) fclose(f);
        }
        globfree(&g);
    }
    return found || in_dirs("/usr/lib:/lib:/usr/lib64:/lib64", patterns, out, size);
}

/* "name=path" in s->libs; a path may have no ':'. */
static int given(const struct np_runtime_search *s, const char *name, char *out, size_t size) {
    for (const char *p = s->libs; *p;) {
        const size_t n = strcspn(p, ":"), k = strcspn(p, "=");
        if (k < n && k == strlen(name) && !strncmp(p, name, k) && n - k - 1 < size) {
            snprintf(out, size, "%.*s", (int)(n - k - 1), p + k + 1);
            return 1;
        }
        p += n + (p[n] == ':');
    }
    return 0;
}

int npi_plugin_find_library(struct npi_plugin *p, const struct np_runtime_search *s, struct np_error *err) {
    static const struct np_runtime_search none;
    if (!s) s = &none;
    p->library[0] = p->where[0] = 0;
    if (given(s, p->table->name, p->library, sizeof p->library)) {
        snprintf(p->where, sizeof p->where, "given");
        if (*p->library == '/' && is_file(p->library)) return 0;
        return npi_fail(err, NP_ENOENT, "%s: the library that was given is not there: %s", p->table->name, p->library);
    }
    if (!p->table->wheels && !p->table->sonames) return 0;
    if (in_dirs(s->site_packages, p->table->wheels, p->library, sizeof p->library)) snprintf(p->where, sizeof p->where, "wheel");
    else if (in_dirs(s->lib_dirs, p->table->sonames, p->library, sizeof p->library) || in_system(p->table->sonames, p->library, sizeof p->library))
        snprintf(p->where, sizeof p->where, "system");
    else
        return npi_fail(err, NP_ENOENT, "library missing: %s in none of the Python package folders%s%.300s, nor %s in the system's", p->table->wheels
                        ? p->table->wheels[0] : "a wheel",
                        *s->site_packages ? " " : "", s->site_packages, p->table->sonames ? p->table->sonames[0] : "a library");
    return 0;
}

int npi_plugin_ask(struct npi_plugin *p, const struct np_logger *log) {
    struct np_backend_params q = { .size = sizeof q, .library = *p->library ? p->library : NULL, .threads = 1 };
    if (p->asked) return p->score;
    p->asked = 1;
    if (log) q.logger = *log;
    p->info = (struct np_backend_info){ .size = sizeof p->info };
    if ((p->score = npi_plugin_enter(p->table, 10000, &p->why)) < 0) return p->score;
    p->score = p->table->score(&q, &p->info, &p->why);
    npi_plugin_leave(p->table);
    if (p->score <= 0) {
        if (p->score == 0) p->score = NP_EBACKEND;
        if (!*p->why.message) npi_fail(&p->why, p->score, "%s cannot work here", p->table->name);
    }
    return p->score;
}

int npi_plugin_find_module(struct npi_plugin *out, const char *name, const struct np_runtime_search *s, struct np_error *err) {
    char dir[NPI_PATH_MAX], path[NPI_PATH_MAX + 64], tried[2 * NPI_PATH_MAX] = "";
    int r = NP_ENOENT;
    if (strchr(name, '/')) return npi_plugin_load(out, name, err);
    name = npi_runtime_name(name);
    if (!good_name(name)) return npi_fail(err, NP_EINVAL, "backend: '%s' is no name", name);
    for (int i = 0; r == NP_ENOENT && module_dir(i, s, dir, sizeof dir); i++) {
        snprintf(path, sizeof path, "%s/" MODULE_PREFIX "%s.so", dir, name);
        const size_t n = strlen(tried);
        if (n + strlen(dir) + 3 < sizeof tried) sprintf(tried + n, "%s%s", n ? ", " : "", dir);
        if (is_file(path)) r = npi_plugin_load(out, path, err);
    }
    if (r == NP_ENOENT) return npi_fail(err, r, "no plug-in " MODULE_PREFIX "%s.so in %.300s", name, *tried ? tried : "any folder");
    if (r >= 0 && strcmp(out->table->name, name)) return npi_fail(err, NP_EBACKEND, "%s: calls itself '%s', not '%s'", out->path, out->table->name,
                                                                  name);
    return r;
}

int npi_plugin_find(struct npi_plugin *out, const char *name, const struct np_runtime_search *s, const struct np_logger *log, struct np_error *err) {
    const int r = npi_plugin_find_module(out, name, s, err);
    if (r < 0) return r;
    if ((out->score = npi_plugin_find_library(out, s, &out->why)) >= 0) npi_plugin_ask(out, log);
    return 0;
}
