/* SPDX-License-Identifier: Apache-2.0 */
/* Which inference runtimes there are, where they are looked for, and what becomes of them. docs/runtimes.md tells it for users. */
#ifndef NEXTPOSE_RUNTIMES_H
#define NEXTPOSE_RUNTIMES_H

#include <stddef.h>

#include "nextpose/error.h"
#include "nextpose/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where plug-ins and the libraries behind them are looked for. Lists are separated by ':', best first; only absolute paths count, and the current
 * directory is never searched. Empty lists are fine: then it is the install folder and the system's libraries. */
struct np_runtime_search {
    char plugins[2048];        /* folders of np_backend_*.so, before the install folder */
    char libs[4096];           /* libraries by path: "onnx=/opt/lib/libonnxruntime.so:tflite=/x/libLiteRt.so"; names as in --backend */
    char site_packages[8192];  /* folders of Python packages: the wheels onnxruntime, ai-edge-litert, openvino, torch */
    char lib_dirs[2048];       /* library folders, before the system's */
};
/* Fills it from an environment that the caller hands over (environ, or NULL: empty search): NEXTPOSE_PLUGINS, NEXTPOSE_ORT_LIB, NEXTPOSE_LITERT_LIB,
 * NEXTPOSE_OPENVINO_LIB, NEXTPOSE_TORCH_LIB, LD_LIBRARY_PATH, and the Python packages of VIRTUAL_ENV, CONDA_PREFIX, PYTHONPATH, the python3 on PATH and the user:
 * found by looking at files, no Python is started. The library never reads the environment by itself. Any thread. */
NP_API void np_runtime_search_env(struct np_runtime_search *out, const char *const *env);
/* Adds or replaces the library of a runtime ("onnx", "ort", …). NP_ELIMIT when the list is full, NP_ENOENT when there is no such file. */
NP_API int np_runtime_search_lib(struct np_runtime_search *s, const char *runtime, const char *path, struct np_error *err);

/* Is that a backend to ask for: auto, native, one of the four that we know (there or not), or a plug-in that is there? NP_EINVAL: no; NP_EBACKEND: it is
 * there, but none of ours. */
NP_API int np_runtime_check(const struct np_runtime_search *s, const char *name, struct np_error *err);

struct np_runtime_info {
    char name[32], title[64];      /* "onnx", "ONNX Runtime" */
    char plugin[1024], library[1024]; /* paths; "" : none */
    char found[32];                /* "built in", "given", "wheel", "system" */
    char version[64], devices[256], missing[256];
    char problem[512];             /* why it does not work; "" : it does, as far as was tried */
    int works;                     /* 1: a tiny model ran and gave the right numbers; 0: it did not; -1: not tried */
    double load_ms, run_ms;        /* loading the library; opening and running the tiny model */
};
/* What to do with each: nothing but look; load it and run a tiny model, here or in a process of its own, so that a library that crashes is a line and not the end. */
enum np_runtime_test { NP_RUNTIME_LOOK, NP_RUNTIME_TEST, NP_RUNTIME_TEST_ISOLATED };
/* Tells of each runtime in turn: native, tflite, onnx, openvino, torch, then other plug-ins in the search. test: enum np_runtime_test. The pointer given to `each` is good for that call. Slow (loads libraries). */
NP_API void np_runtime_list(const struct np_runtime_search *s, int test, void (*each)(void *opaque, const struct np_runtime_info *info), void *opaque);

/* Would that runtime take the ONNX or TFLite file? 0: its plug-in and library are here, it reads the format, and its quick look (np_backend.supports) finds nothing
 * against it; opening may still fail. NP_EBACKEND: it is not here; NP_EUNSUPPORTED: it does not take it; *err says why. Loads the plug-in, not the library. */
NP_API int np_runtime_takes(const struct np_runtime_search *s, const char *runtime, const char *path, struct np_error *err);

/* One net on one runtime, by itself: what `nextpose bench model --backend` times. No fallback: what cannot be is an error. */
struct np_tensor_info;
struct np_runtime_net;
struct np_runtime_net_params {
    const char *runtime;           /* "native" (NULL), "onnx", … */
    const char *device, *precision, *options, *isa; /* as in np_settings; isa is native's */
    int threads;                   /* of a run; 0: 1 */
    int batch;                     /* first dimension of the first input; 0: as in the file */
    const char *cache_dir;
    const struct np_runtime_search *search;
    int isolate, isolate_memory_mb; /* as in np_settings */
    uint64_t reserved[7];
};
struct np_runtime_net_about { char runtime[32], version[64], device[64], file[1024]; double library_ms, open_ms; }; /* loading the library; opening the net */
/* path: a model file, or one of a set of the same stem; a missing format is converted (cache_dir). *out belongs to the caller. */
NP_API int np_runtime_net_open(struct np_runtime_net **out, const char *path, const struct np_runtime_net_params *p, struct np_error *err);
NP_API void np_runtime_net_close(struct np_runtime_net **n);
NP_API void np_runtime_net_about(const struct np_runtime_net *n, struct np_runtime_net_about *out);
/* Input (output 0) or output (output 1) i; NP_EINVAL past the end. */
NP_API int np_runtime_net_info(const struct np_runtime_net *n, int output, int i, struct np_tensor_info *out);
/* Inputs keep their bytes until the next run only. One thread at a time. */
NP_API void *np_runtime_net_input(struct np_runtime_net *n, int i);
NP_API const void *np_runtime_net_output(const struct np_runtime_net *n, int i);
NP_API int np_runtime_net_run(struct np_runtime_net *n, struct np_error *err);

#ifdef __cplusplus
}
#endif
#endif
