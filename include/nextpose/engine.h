/* SPDX-License-Identifier: Apache-2.0 */
/* The inference engine by itself: a model file in, tensors out. What `nextpose bench model` and `inspect` are made of.
 *
 * A model is immutable once loaded and may be shared by any number of sessions in any threads; a session holds the
 * activations of one inference and belongs to one thread at a time. */
#ifndef NEXTPOSE_ENGINE_H
#define NEXTPOSE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "nextpose/error.h"
#include "nextpose/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NP_MAX_RANK 8

/* The values are ours; the importers translate. */
enum np_dtype {
    NP_F32 = 0, NP_F16, NP_F64, NP_I8, NP_U8, NP_I16, NP_U16, NP_I32, NP_U32, NP_I64, NP_U64, NP_BOOL, NP_BF16, NP_DTYPE_COUNT
};
NP_API const char *np_dtype_name(int dtype);   /* "f32", … */
NP_API size_t np_dtype_size(int dtype);        /* bytes of one element, 0 if unknown */

struct np_tensor_info {
    const char *name;
    int dtype;                   /* enum np_dtype */
    int rank;                    /* 0..NP_MAX_RANK */
    int64_t dims[NP_MAX_RANK];
    float scale;                 /* quantization: real = scale * (q - zero_point); scale 0: none */
    int32_t zero_point;
    size_t bytes;
};

struct np_model;
struct np_session;
struct np_pool;                  /* threads, shared by sessions */

struct np_model_params {
    const char *isa;             /* as in np_settings */
    const char *input_name;      /* input whose shape is set by `dims`; NULL: the first */
    int rank;                    /* 0: shapes as in the file, unknown batch = 1 */
    int64_t dims[NP_MAX_RANK];   /* -1: as in the file */
    int no_optimize;             /* 1: no passes, C reference for every op (a debugging aid) */
    struct np_logger logger;     /* also gets a warning when what runs is not the precision that was asked for */
    const char *precision;       /* as in np_settings; "auto" here is fp32 for float nets: whether a net tolerates bf16 is for the caller to know */
    uint64_t reserved[7];
};
NP_API void np_model_params_default(struct np_model_params *p);

/* Reads .onnx or .tflite (told by content), runs the passes, packs the weights. *out belongs to the caller. */
NP_API int np_model_load(struct np_model **out, const char *path, const struct np_model_params *p, struct np_error *err);
NP_API int np_model_load_memory(struct np_model **out, const void *data, size_t size, const struct np_model_params *p, struct np_error *err);
/* Every session must be closed before. Pointer to NULL is fine. */
NP_API void np_model_free(struct np_model **m);
NP_API int np_model_n_inputs(const struct np_model *m);
NP_API int np_model_n_outputs(const struct np_model *m);
NP_API int np_model_input_info(const struct np_model *m, int i, struct np_tensor_info *out);   /* strings live as long as the model */
NP_API int np_model_output_info(const struct np_model *m, int i, struct np_tensor_info *out);
/* Human-readable listing of the plan (one line a step) or, with `graph` = 1, of the graph after the passes. The callback gets lines. */
NP_API void np_model_dump(const struct np_model *m, int graph, void (*line)(void *opaque, const char *text), void *opaque);

/* threads: 1 runs on the caller's thread only. NULL pool in np_session_open means the same. */
NP_API int np_pool_create(struct np_pool **out, int threads, struct np_error *err);
NP_API void np_pool_free(struct np_pool **p);

NP_API int np_session_open(struct np_session **out, const struct np_model *m, struct np_pool *pool, struct np_error *err);
NP_API void np_session_free(struct np_session **s);
/* Where to write input i and where output i lies after a run. Row-major, dims of the info call. Owned by the session;
 * inputs keep their bytes over runs only until the next run (the arena may reuse them). */
NP_API void *np_session_input(struct np_session *s, int i);
NP_API const void *np_session_output(const struct np_session *s, int i);
NP_API int np_session_run(struct np_session *s, struct np_error *err);
/* Nanoseconds a step of the last run when profiling is on: line gets "ns kernel op name shape". */
NP_API void np_session_profile(struct np_session *s, int on);
NP_API void np_session_profile_dump(const struct np_session *s, void (*line)(void *opaque, const char *text), void *opaque);

/* What the model's products are computed in, most first: "fp32", "fp32 (bf16 x6)", "bf16", "int8 + fp32", "bf16, emulated"; "none" without products.
 * A static string, or the model's. */
NP_API const char *np_model_precision(const struct np_model *m);

/* What this machine can compute in, one line for people ("float nets in fp32 or bf16, …"). isa as in np_model_params. NP_EINVAL: not a level. */
NP_API int np_precision_here(const char *isa, char *out, size_t size);

struct np_model_stats { size_t weights_bytes, arena_bytes; int64_t macs; int n_nodes, n_steps; };
NP_API void np_model_stats(const struct np_model *m, struct np_model_stats *out);

/* The ISA level names this machine has, best last; NULL past the end. "scalar" is always there. */
NP_API const char *np_isa_level(int i);
/* Processors this process may use: affinity mask and cgroup quota, at least 1. */
NP_API int np_cpu_count(void);

/* What this machine can do at most: rates of its multiply-add instructions on dense random numbers from L1, and of reads from each level of memory.
 * Percentages in benchmarks are of these. */
struct np_peak {
    int memory;                  /* 1: a level of memory, 0: arithmetic */
    char precision[8];           /* "fp32", "int8", "int16", "bf16", "fp16"; of memory "L1", "L2", "L3", "DRAM" */
    char isa[16];                /* the level whose instruction it is */
    char how[48];                /* the instruction, or what was read */
    char unit[12];               /* "GFLOP/s" or "GOP/s" (a multiply-add is two), "GB/s" */
    double value;                /* of all threads together; 0: skipped */
    char skipped[64];            /* why; "": measured */
};
/* Measures the i-th for about `seconds` on `threads` threads (1 to 64). NP_EEND past the last. Any thread; nothing else should run meanwhile. */
NP_API int np_peak_measure(struct np_peak *out, int i, int threads, double seconds, struct np_error *err);

/* Ops the engine implements, for `nextpose inspect --ops`: name at index i, NULL past the end. */
NP_API const char *np_op_name(int i);

#ifdef __cplusplus
}
#endif
#endif
