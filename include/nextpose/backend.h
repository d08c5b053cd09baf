/* SPDX-License-Identifier: Apache-2.0 */
/* The plug-in interface: what a foreign inference runtime (ONNX Runtime, LiteRT, OpenVINO, LibTorch, yours) looks like to NextPose.
 *
 * A plug-in is a shared module that exports one function, np_backend_entry, which returns one const table:
 *
 *   static const struct np_backend mine = { .abi = NP_BACKEND_ABI, .size = sizeof mine, .name = "mine", .title = "My runtime",
 *                                           .formats = "onnx", .score = score, .open = open, .tensor = tensor, .run = run, .close = close };
 *   const struct np_backend *np_backend_entry(void) { return &mine; }
 *
 * docs/how-to-add-a-backend.md walks through plugins/example, which is built and loaded in a test.
 *
 * Growing. Members are only appended, to the table and to every struct that has a `size`; whoever reads looks at `size` before it reads
 * a member that ABI 1 did not have. What cannot be done so raises NP_BACKEND_ABI, and a module of another number is refused with both
 * numbers in the message. struct np_tensor_info, np_logger and np_error and the NP_E… codes are part of this ABI.
 *
 * Ownership. All that `struct np_backend_params` points to is the host's and lives until the call returns; only `model` lives as long as
 * the net. Tensors of a run are the host's. What a plug-in allocates it frees in close(). Strings that it returns are its own and live as
 * long as the net (those in the table: for ever; a module is never unloaded, most runtimes cannot be).
 *
 * Threads. score(), supports(), open() and close() come from any thread, one call at a time a plug-in. A net belongs to one thread at a
 * time, not always the same one; two nets may run at once, also when they share. cancel() comes from another thread while run() is inside.
 *
 * Errors. 0 or a negative NP_E… code with one line in `err` that says what is wrong and what to do. A plug-in never exits, never prints
 * (there is a logger), never changes signal handlers, locale, environment or working directory, and never falls back by itself: a device
 * that is not there is NP_EBACKEND. Outputs of a failed run mean nothing; the host drops them and runs the frame elsewhere. */
#ifndef NEXTPOSE_BACKEND_H
#define NEXTPOSE_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "nextpose/engine.h"
#include "nextpose/error.h"
#include "nextpose/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NP_BACKEND_ABI 1
#define NP_BACKEND_ENTRY "np_backend_entry"

/* A net that a plug-in opened. Only the plug-in knows what is inside. */
struct np_backend_net;

struct np_backend_option { const char *key, *value; };

/* What the host asks for. Zero or NULL: the plug-in's own default, unless said otherwise. */
struct np_backend_params {
    size_t size;                 /* sizeof of this struct in the host */
    const char *library;         /* absolute path of the foreign shared library, found by the host as np_backend.wheels says; NULL: none */
    const char *model_path;      /* for messages, and for what lies beside the model; may name no file when `model` is set */
    const void *model;           /* its bytes; NULL in score() */
    size_t model_size;
    const char *format;          /* "onnx", "tflite", "torch", "openvino": one of np_backend.formats */
    const char *device;          /* "cpu", "gpu", "auto", or what the runtime calls it ("cuda", "tensorrt", "npu"); NULL: cpu */
    const char *precision;       /* "f32", "f16", "bf16", "i8": what to compute in; NULL: as the model says, f32 nets stay f32 */
    const char *hint;            /* "latency", "throughput"; NULL: latency */
    const struct np_backend_option *options; /* [n_options] the user's, by the runtime's own names; an unknown one is an error */
    int n_options;
    int threads;                 /* threads that a run of this net may use, its caller among them; >= 1 */
    const uint64_t *cpu_mask;    /* [n_cpu_mask] bit c % 64 of word c / 64: the net may run on processor c; NULL: as the calling thread may */
    int n_cpu_mask;
    const char *input_name;      /* input that gets the shape `dims`; NULL: the first */
    int rank;                    /* 0: shapes as in the file, an unknown dimension is 1 */
    int64_t dims[NP_MAX_RANK];   /* -1: as in the file. A batch of b is dims[0] = b */
    int open_timeout_ms;         /* how long the host waits for open() and for the first run; a plug-in that can stop itself does so; 0: no limit */
    int run_timeout_ms;          /* likewise for every further run */
    const char *cache_dir;       /* where compiled models may be kept; NULL: nowhere */
    struct np_backend_net *share; /* an open net of the same model and the same params but `threads`: share its weights if you can; NULL: none.
                                    The host may close it first: what is shared is counted. */
    struct np_logger logger;
};

/* What a plug-in found here. */
struct np_backend_info {
    size_t size;                 /* sizeof of this struct in the host */
    char version[64];            /* of the foreign library, as it calls itself */
    char devices[256];           /* that open() takes here, best first, comma-separated: "cuda,cpu" */
    char missing[256];           /* that the plug-in knows but this library or machine lacks, likewise: "tensorrt,openvino" */
};

/* np_backend.capabilities */
enum np_backend_capability {
    NP_BACKEND_BATCH = 1,        /* dims[0] > 1 works on models that allow it */
    NP_BACKEND_RESHAPE = 2,      /* other spatial sizes than those of the file */
    NP_BACKEND_SHARE = 4,        /* `share` saves memory */
    NP_BACKEND_THREADS = 8,      /* `threads` is obeyed */
    NP_BACKEND_HEAVY = 16        /* loads much foreign code: worth a process of its own (--isolate) */
};

struct np_backend {
    int abi;                     /* NP_BACKEND_ABI the plug-in was compiled with: the first member for ever */
    size_t size;                 /* sizeof of this struct in the plug-in */
    const char *name;            /* "onnx": what --backend takes */
    const char *title;           /* "ONNX Runtime" */
    const char *formats;         /* model formats that it reads, comma-separated, best first: "onnx" */
    unsigned capabilities;       /* or of enum np_backend_capability */

    /* Where the foreign library lies. The host looks in this order: the path that the user gave, `wheels` in the site-packages of the
     * active Python, `sonames` in the system's library directories. Shell patterns; of several files that match, the one of the highest
     * version. Lists end with NULL; both NULL: the plug-in needs no library. */
    const char *const *wheels;   /* "onnxruntime/capi/libonnxruntime.so.*" */
    const char *const *sonames;  /* "libonnxruntime.so.1" */

    /* Can it work here? Loads the foreign library (p->library), checks its version, looks which devices there are; no model is open.
     * 1..100: yes, more is better, *out is filled; negative: no, and why. */
    int (*score)(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why);
    /* A quick look at a model (p->model): 0, or NP_EUNSUPPORTED and why open() would fail. NULL: open() will tell. */
    int (*supports)(const struct np_backend_params *p, struct np_error *why);
    /* *out belongs to the host until close(); written only on success. Shapes are fixed afterwards: a model whose output shapes depend on
     * the values of its inputs is NP_EUNSUPPORTED. Everything slow is done here, nothing waits for the first run. */
    int (*open)(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err);
    /* Describes input (output 0) or output (output 1) i; NP_EEND past the last. dims are > 0, row-major, dense. */
    int (*tensor)(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out);
    /* One inference. in[i], out[i]: buffers of the host with the bytes that tensor() said, 64-byte aligned, without overlap, with 64 more
     * bytes behind them that may be read, never written; the same ones in every run of a net as a rule, not by promise. Inputs are not
     * changed. All of `out` is written before it returns 0. No thread of the runtime spins when it has returned. */
    int (*run)(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err);
    /* Makes a run() that is inside return soon, with NP_EINTR. NULL: it cannot; the host then leaves the net alone until it comes back. */
    void (*cancel)(struct np_backend_net *n);
    /* Frees everything. Not while run() is inside. */
    void (*close)(struct np_backend_net *n);
    /* The device in use, in the runtime's words ("CPUExecutionProvider", "GPU.0"). NULL: the one that was asked for. */
    const char *(*device)(const struct np_backend_net *n);
};

/* The one symbol that a plug-in exports. */
typedef const struct np_backend *(*np_backend_entry_fn)(void);
#define NP_BACKEND_EXPORT NP_API
NP_BACKEND_EXPORT const struct np_backend *np_backend_entry(void); /* defined by plug-ins; the library has none */

#ifdef __cplusplus
}
#endif
#endif
