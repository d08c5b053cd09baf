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
    int score;                      /* of table->score; < 0: error code, `why` says why */
    struct np_error why;
};

/* "ort" and "onnxruntime" are "onnx", "litert" is "tflite", "pytorch" is "torch"; others as they are. */
const char *npi_runtime_name(const char *name);
/* Loads the module of that name, finds its library and asks for its score. out->score < 0 when it is there but cannot work. NP_ENOENT: there is no such module;
 * NP_EBACKEND: it is none of ours (wrong ABI, wrong name). *err says. */
int npi_plugin_find(struct npi_plugin *out, const char *name, const struct np_runtime_search *s, const struct np_logger *log, struct np_error *err);
/* Only the module, without looking for its library. path: absolute, or as the user gave it. */
int npi_plugin_load(struct npi_plugin *out, const char *path, struct np_error *err);
/* The foreign library of a loaded module into out->library, ""; where->"". NP_ENOENT with the list of what was tried. */
int npi_plugin_find_library(struct npi_plugin *out, const struct np_runtime_search *s, struct np_error *err);
/* Names of the modules that lie in the folders, one by one, without loading them: 0 past the end. */
int npi_plugin_name_at(int i, const struct np_runtime_search *s, char *name, size_t size);
#endif
