/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded model: graph after the passes, plan, packed weights. Immutable, shared by sessions. */
#ifndef NPI_BACKEND_MODEL_H
#define NPI_BACKEND_MODEL_H
#include "base/mmap.h"
#include "import/import.h"
#include "nextpose/engine.h"
#include "plan/plan.h"

struct np_model {
    struct npi_arena mem;       /* graph (without the constants that were packed), plan, packed weights */
    struct npi_graph graph;
    struct npi_plan plan;
    struct npi_kernels kernels;
    int reference_only;
    char precision[64];         /* np_model_precision */
};

struct np_session {
    const struct np_model *model;
    struct np_pool *pool;
    char *block;                /* arena + scratch of all workers, one allocation */
    int borrowed;               /* block belongs to somebody else */
    void **ptr;                 /* [n_tensors] */
    struct npi_exec exec;
    int profile;
    int64_t *step_ns;           /* [n_steps] */
};

/* Bytes of a session's block, and np_session_open in a block of at least as many that the caller owns (64-byte aligned). Sessions that share a block
 * must not run at the same time, and outputs of one are gone when the other runs. */
size_t npi_session_bytes(const struct np_model *m, const struct np_pool *pool);
int npi_session_open_in(struct np_session **out, const struct np_model *m, struct np_pool *pool, void *block, struct np_error *err);
/* np_session_run with another pool than the session's own (NULL: on the caller's thread only); it must not have more threads. */
int npi_session_run_on(struct np_session *s, struct np_pool *pool);
/* What is wanted of an output. */
struct npi_want {
    int keep;                   /* 0: drop it, and all that is only computed for it */
    int column;                 /* >= 0: of its last axis only that index, the axis becomes 1 */
    int bins, channels_last;    /* bins > 0: it is a volume of joints * bins channels, [b][c][h][w], [b][joints][bins][h][w] or (channels_last) [b][h][w][c], of which a
                                 * soft-argmax is taken: it becomes [b][h][w][joints][3] (op SoftBins) */
};
/* What a caller inside the library may add to loading. */
struct npi_load_hooks {
    /* Values for inputs that must be known at load; see npi_import_opts. May be NULL. */
    int (*bind)(void *opaque, const char *input, struct npi_view *v);
    /* What of the outputs is wanted. Called with all of everything (keep 1, column -1, bins 0) for each. May be NULL: that. */
    void (*prune)(void *opaque, const struct npi_graph *g, struct npi_want *want);
    int mapped;                 /* the bytes are a npi_file_map: what was read of them need not stay in memory */
    void *opaque;
};
/* Like np_model_load_memory; hooks may be NULL. */
int npi_model_load(struct np_model **out, const void *data, size_t size, const char *path, const struct np_model_params *p,
                   const struct npi_load_hooks *hooks, struct np_error *err);
/* A model of a graph in memory, which is copied. passes 1: optimised as a file is, 0: as it stands, with the fast kernels. */
int npi_model_of_graph(struct np_model **out, const struct npi_graph *g, const char *isa, int passes, struct np_error *err);
/* Lines that say what memory is made of (memory.c). */
void npi_memory_dump(const struct np_model *m, void (*line)(void *opaque, const char *text), void *opaque);
/* View of an input or output (shape, type, quantization; data NULL). */
const struct npi_view *npi_model_input(const struct np_model *m, int i);
const struct npi_view *npi_model_output(const struct np_model *m, int i);
#endif
