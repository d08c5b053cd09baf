/* SPDX-License-Identifier: Apache-2.0 */
/* The graph: tensors (by number), nodes in topological order, inputs, outputs. All shapes are known once a node is in.
 *
 *   tensor 0 "image" [1,256,256,3] ─┐
 *   tensor 1 weights (constant)  ───┴─ node 0 Conv2D ── tensor 2 ── node 1 …
 *
 * Memory: everything hangs on `mem`, an arena that is dropped whole. Constants may point into the mapped model file. */
#ifndef NPI_IR_GRAPH_H
#define NPI_IR_GRAPH_H
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "ir/op.h"

/* Affine quantization: real = scale[i] * (q - zero[i]); n = 1: a tensor, n > 1: along `axis`. */
struct npi_quant { int n, axis; const float *scale; const int32_t *zero; };

/* A typed, shaped, row-major block of memory: what op references work on. */
struct npi_view {
    int dtype;                 /* enum np_dtype */
    int rank;                  /* 0: scalar */
    int64_t d[NP_MAX_RANK];
    struct npi_quant q;
    void *data;
};

static inline int64_t npi_view_count(const struct npi_view *v) { int64_t n = 1; for (int i = 0; i < v->rank; i++) n *= v->d[i]; return n; }
size_t npi_view_bytes(const struct npi_view *v);
int npi_view_same_shape(const struct npi_view *a, const struct npi_view *b);

struct npi_tensor {
    const char *name;          /* never NULL; "" when the file has none */
    struct npi_view v;         /* v.data != NULL: a constant */
};

struct npi_node {
    enum npi_op op;
    const char *name;          /* of the file's node, for messages */
    int n_in, n_out;
    int *in, *out;             /* tensor numbers; in[i] = -1: absent optional input */
    union npi_attr a;
    struct npi_act act;        /* fused activation */
    int res_before_act;        /* conv family with in[3]: 1 = act(conv + residual), 0 = act(conv) + residual */
    int dead;                  /* taken out by a pass; npi_graph_compact removes it */
};

struct npi_graph {
    struct npi_arena *mem;
    struct npi_tensor *tensor; int n_tensors, cap_tensors;
    struct npi_node *node; int n_nodes, cap_nodes;
    int *input; int n_inputs;
    int *output; int n_outputs;
    const char *path;          /* for messages */
    size_t fold_work;          /* what folding has cost so far, about in bytes touched: ops/build.c stops at a limit */
};

int npi_graph_init(struct npi_graph *g, struct npi_arena *mem, const char *path);
/* New tensor; returns its number or NP_ENOMEM. Name is copied (NULL: ""). */
int npi_graph_tensor(struct npi_graph *g, const char *name, const struct npi_view *v);
/* Constant with its own zeroed memory of v's size; returns its number. */
int npi_graph_const(struct npi_graph *g, const char *name, const struct npi_view *v);
/* Small helpers for constants made by importers and passes; return the tensor number. */
int npi_graph_const_f32(struct npi_graph *g, const char *name, int rank, const int64_t *dims, const float *data);
int npi_graph_const_i64(struct npi_graph *g, const char *name, int rank, const int64_t *dims, const int64_t *data);
/* Raw append: copies `in`, makes n_out new tensors without shape. Returns the node number. Use npi_build (ops/build.h),
 * which also infers shapes and folds. */
int npi_graph_node(struct npi_graph *g, enum npi_op op, const char *name, const int *in, int n_in, int n_out);
/* A graph of its own in `mem`: same numbers, names copied; constants still lie where they are. */
int npi_graph_copy(struct npi_graph *to, const struct npi_graph *from, struct npi_arena *mem);
int npi_graph_set_io(struct npi_graph *g, const int *in, int n_in, const int *out, int n_out);

/* For passes. producer: node number that makes tensor t, -1 for inputs and constants. users: how many (live) nodes and
 * graph outputs read it. Both are O(nodes): passes that need them often build their own tables with npi_graph_index. */
struct npi_graph_index { int *producer, *n_users, *only_user; }; /* [n_tensors]; only_user: node number if n_users == 1 and it is a node, else -1 */
int npi_graph_index(const struct npi_graph *g, struct npi_arena *mem, struct npi_graph_index *out);
void npi_graph_replace_uses(struct npi_graph *g, int from, int to); /* in nodes and outputs */
int npi_graph_sort(struct npi_graph *g, struct np_error *err);      /* topological order again; NP_EFORMAT on a cycle */
void npi_graph_compact(struct npi_graph *g);                        /* removes dead nodes */
int npi_graph_verify(const struct npi_graph *g, struct np_error *err); /* arities, ranges, order, single producer */
void npi_graph_dump(const struct npi_graph *g, void (*line)(void *opaque, const char *text), void *opaque);
/* "Conv2D 'backbone/conv1' in model.onnx" for messages. */
const char *npi_node_where(const struct npi_graph *g, const struct npi_node *n, char *buf, size_t size);
#endif
