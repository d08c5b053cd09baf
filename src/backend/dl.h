/* SPDX-License-Identifier: Apache-2.0 */
/* Plug-in modules and the foreign libraries that they need: where they are looked for, and loading. Everything comes from the
 * caller's np_runtime_search and from files; the environment is not read here, and a relative path or the current directory is never searched.
 *
 *   module   np_backend_NAME.so    search.plugins, then the install folder (nextpose/ beside libnextpose.so)
 *   library  as the module's table says    search.libs (by path), search.site_packages (wheels), the system's library folders */
#ifndef NPI_BACKEND_DL_H
#define NPI_BACKEND_DL_H
#include "nextpose/backend.h"
#include "nextpose/runtimes.h"

#define NPI_PATH_MAX 1024

struct npi_plugin {
    char path[NPI_PATH_MAX];        /* of the module */
    const struct np_backend *table;
    char library[NPI_PATH_MAX];     /* ""; none needed or none found */
    char where[32];                 /* "given", "wheel", "system" */
    struct np_backend_info info;
    int asked, score;               /* of table->score; < 0: error code, `why` says why */
    struct np_error why;
};

/* "ort" and "onnxruntime" are "onnx", "litert" is "tflite", "pytorch" is "torch"; others as they are. */
const char *npi_runtime_name(const char *name);
/* The module of that name (or path), loaded; its library not yet looked for. NP_ENOENT: there is none; NP_EBACKEND: it is none of ours (wrong ABI,
 * wrong name); NP_EINVAL: that is no name. *err says. */
int npi_plugin_find_module(struct npi_plugin *out, const char *name, const struct np_runtime_search *s, struct np_error *err);
/* Loads the library and asks for the score: out->score, < 0 with out->why when it cannot work here. Once; later calls give the same. */
int npi_plugin_ask(struct npi_plugin *p, const struct np_logger *log);
/* All three. out->score < 0 when the module is there but cannot work. */
int npi_plugin_find(struct npi_plugin *out, const char *name, const struct np_runtime_search *s, const struct np_logger *log, struct np_error *err);
/* Only the module, without looking for its library. path: absolute, or as the user gave it. */
int npi_plugin_load(struct npi_plugin *out, const char *path, struct np_error *err);
/* The foreign library of a loaded module into out->library, ""; where->"". NP_ENOENT with the list of what was tried. */
int npi_plugin_find_library(struct npi_plugin *out, const struct np_runtime_search *s, struct np_error *err);
/* Names of the modules that lie in the folders, one by one, without loading them: 0 past the end. */
int npi_plugin_name_at(int i, const struct np_runtime_search *s, char *name, size_t size);
#endif
