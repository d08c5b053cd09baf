/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: a flat list of steps over one arena.
 *
 *   graph node ── binder (plan/bind_*.c, first that fits) ──> step { run, n_tasks, params, scratch }
 *   tensor     ── live range ── arena offset
 *
 * A binder looks at a node and either fills in a step (packing weights into the model arena) or leaves it to the next
 * binder; the last one runs the C reference of the op. plan/choose.c has the ordered list. */
#ifndef NPI_PLAN_PLAN_H
#define NPI_PLAN_PLAN_H
#include "base/thread.h"
#include "ir/graph.h"
#include "kernel/kernels.h"
#include "ops/ops.h"

/* What a running step sees. */
struct npi_exec {
    void *const *ptr;          /* [n_tensors]: where each tensor lies (arena, constant or alias) */
    char *scratch;             /* scratch of this session */
    size_t scratch_stride;     /* bytes for one worker; worker w has scratch + w * scratch_stride (64-byte aligned) */
    int n_workers;
};
static inline void *npi_exec_scratch(const struct npi_exec *x, int worker) { return x->scratch + (size_t)worker * x->scratch_stride; }

enum { NPI_PARTS_F16 = 4 };
struct npi_step {
    const char *kernel;        /* "igemm_f32_8x48_avx512", for dumps and profiles; static string */
    /* Does part `task` of 0..n_tasks-1. Tasks of a step may run in any order and at the same time. */
    void (*run)(const struct npi_step *s, const struct npi_exec *x, int task, int worker);
    int n_tasks;               /* at least 1; enough to share among threads, each at least some ten microseconds */
    const void *params;        /* of the binder, in the model arena; read-only while running */
    size_t scratch_bytes;      /* a worker */
    int node;                  /* index in graph; of the last one when there are several */
    const int *also; int n_also; /* earlier nodes that this step does as well (plan/chain.c): their constants are packed, what they make has no memory */
    int64_t macs;              /* 0 when not a product */
    int parts;                 /* of a float product: bf16 parts that its operands are split into; 0: f32; NPI_PARTS_F16: halves */
    /* set by a binder that can work in place: output 0 takes the memory of input `inplace_of` if that one dies here; -1 none */
    int inplace_of;
    int strided;               /* 1: the binder has heeded npi_binder.ld */
    /* bit i: input i is a constant that the binder has packed; run() never reads it, so its original is dropped after planning */
    unsigned packed_in;
};
/* The nodes of a step, in their order: 0 … n_also; the last is the one it is named after. */
static inline const struct npi_node *npi_step_node(const struct npi_graph *g, const struct npi_step *s, int i) { return &g->node[i < s->n_also ? s->also[i] : s->node]; }

struct npi_sink;
/* What a binder gets. */
struct npi_binder {
    const struct npi_graph *g;
    const struct npi_kernels *k;
    struct npi_arena *mem;     /* model arena: packed weights, params */
    const int *n_users;        /* [n_tensors] */
    struct np_error *err;
    int64_t ld;                /* channels from pixel to pixel of output 0 when it is to be a slice of a wider tensor; 0: it stands alone. Who heeds it sets strided */
    int64_t ldx;               /* the same of input 0; only set where npi_reads_slice said yes */
    const char *placed;        /* of a Concat: [n_in] 1: the input is made where it belongs in the output, nothing to copy; NULL: none */
    const struct npi_sink *sink; /* plan/sink.h; NULL: the node's output is stored */
};
/* 1: bound, step filled in (zeroed before the call; inplace_of = -1). 0: not mine. Negative: error. */
typedef int (*npi_bind_fn)(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);

static inline const struct npi_view *npi_bind_view(const struct npi_binder *b, int tensor) { return tensor < 0 ? NULL : &b->g->tensor[tensor].v; }

/* The binders, in order of preference; plan/choose.c. */
int npi_bind_generic(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* C reference, one task, never 0 */

struct npi_plan {
    struct npi_step *step; int n_steps;
    int64_t *offset;           /* [n_tensors]: arena offset, -1: a constant, or unused */
    int *root;                 /* [n_tensors]: tensor whose memory it shares (Reshape, in-place steps, inputs of a Concat); itself if none */
    int n_placed;              /* inputs of Concats that are made in place, and are never copied */
    size_t arena_bytes, scratch_bytes; /* scratch: of one worker */
    int64_t macs;
};
struct npi_plan_opts {
    int reference_only;        /* the C references only */
    /* Told of each constant that is packed and that no later step reads: its memory may go at once, so that a model is in memory once and not twice
     * while it is planned. NULL: they stay. */
    void (*spent)(void *opaque, const void *data, size_t bytes);
    void *opaque;
};
/* o: NULL for defaults. */
int npi_plan_make(struct npi_plan *out, const struct npi_graph *g, const struct npi_kernels *k, struct npi_arena *mem, const struct npi_plan_opts *o, struct np_error *err);
#endif
