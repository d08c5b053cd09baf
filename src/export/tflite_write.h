/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the TFLite writer: the nodes become operator records (tflite_write_ops.c), then everything is written in one go
 * (tflite_write.c). Our layouts and fused activations are TFLite's own, so that nearly every node is one operator. */
#ifndef NPI_EXPORT_TFLITE_WRITE_H
#define NPI_EXPORT_TFLITE_WRITE_H
#include "export/export.h"
#include "export/fbw.h"
#include "ops/ops.h"

struct npi_tw_op {
    int code, version, options;       /* numbers of the schema; options 0: none */
    struct npi_fbw_field opt[8]; int n_opt;
    int *in, *out, n_in, n_out;       /* numbers in npi_tw.rec, -1: absent */
    const uint8_t *custom; size_t custom_bytes; /* of the detection op */
};

struct npi_tw_rec { struct npi_view v; const char *name; }; /* a tensor of the file */

struct npi_tw {
    const struct npi_graph *g;
    const struct npi_export_opts *o;
    struct np_error *err;
    struct npi_arena tmp;
    struct npi_tw_rec *rec; int n_rec, cap_rec;
    int *of;                          /* [n_tensors of g] -> rec, -1 */
    const struct npi_node **made;     /* [n_tensors] */
    int *n_users;                     /* [n_tensors] */
    struct npi_tw_op *op; int n_ops, cap_ops;
    int failed;                       /* out of memory */
};

int npi_tw_nomem(struct npi_tw *w);
int npi_tw_type(int dtype);                                   /* -1: none */
int npi_tw_tensor(struct npi_tw *w, int t);                   /* record of a graph tensor; -1 for -1 */
int npi_tw_rec(struct npi_tw *w, const char *name, const struct npi_view *v);
int npi_tw_ints(struct npi_tw *w, const int64_t *v, int n, int rank); /* int32 constant [n], or a scalar with rank 0 */
/* Operator record with n_in inputs (all -1) and the node's outputs. Valid until the next one. */
struct npi_tw_op *npi_tw_push(struct npi_tw *w, int code, int options, int version, int n_in, const struct npi_node *n);
void npi_tw_opt(struct npi_tw_op *op, unsigned id, unsigned size, uint64_t value);
static inline const struct npi_view *npi_tw_view(const struct npi_tw *w, int t) { return &w->g->tensor[t].v; }

/* tflite_write_detect.c: TFLite_Detection_PostProcess. */
int npi_tw_detection(struct npi_tw *w, const struct npi_node *n);
/* tflite_write_ops.c: 0 or negative. */
int npi_tw_node(struct npi_tw *w, const struct npi_node *n);
#endif
