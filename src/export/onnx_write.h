/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the ONNX writer. Our images are [n][h][w][c], those of ONNX [n][c][h][w]: a tensor of rank 4 may lie in the file either way,
 * or both ways, and a Transpose is written only where an op wants the order that is not there yet. Spatial ops want channels first;
 * ops without a preference take the order in which their operands are, with axes renamed. So convolutions meet without anything
 * between them. A constant is written in each order that somebody asks for.
 *
 *   onnx_write.c   tensors and their names, constants, the model        onnx_write_ops.c   one row an op */
#ifndef NPI_EXPORT_ONNX_WRITE_H
#define NPI_EXPORT_ONNX_WRITE_H
#include "export/export.h"
#include "export/pbw.h"
#include "ops/ops.h"

enum npi_ow_form { NPI_OW_PLAIN = 0, NPI_OW_FIRST = 1, NPI_OW_WEIGHTS = 2, NPI_OW_FORMS }; /* FIRST: channels first, rank 4 */
struct npi_ow_tensor { const char *name[NPI_OW_FORMS]; int weights_kind; };

struct npi_ow_names { const char **set; size_t cap, n; }; /* names in use: open hash */

struct npi_ow {
    const struct npi_graph *g;
    const struct npi_export_opts *o;
    struct np_error *err;
    struct npi_arena tmp;
    struct npi_bytes nodes, consts;
    struct npi_ow_tensor *t;       /* [n_tensors] */
    const char **own;              /* [n_tensors] the unique name of a tensor */
    char *io;                      /* [n_tensors] 1 input, 2 output */
    char *first_io;                /* [n_tensors] input or output that lies channels first in the file */
    const char **first_name;       /* [n_tensors] name that the channels-first side must have, because an output is just that */
    char *only_weights;            /* [n_tensors] read as the weights of convolutions, and as nothing else */
    const struct npi_node **made;  /* [n_tensors] the node that makes it */
    struct npi_ow_names tensors, node_names;
    int opset, n_nodes, n_transposes, serial;
};

int npi_ow_nomem(struct npi_ow *w);
/* Name of a tensor in a form; writes the Transpose or the constant when it isn't there yet. NULL: out of memory. */
const char *npi_ow_in(struct npi_ow *w, int t, int form);
/* Channels-first weights of a convolution: 'C' Conv2D, 'D' depthwise, 'T' transposed, 'F' fully connected as [k][n]. */
const char *npi_ow_weights(struct npi_ow *w, int t, int kind);
/* Declares that the node at work makes tensor t in this form, and gives the name to write. */
const char *npi_ow_out(struct npi_ow *w, int t, int form);
const char *npi_ow_fresh(struct npi_ow *w, const char *base);          /* a name that is not taken */
/* A constant in the file. perm may be NULL; d: shape of `data` as [rank]. Written permuted. */
const char *npi_ow_const(struct npi_ow *w, const char *name, int dtype, int rank, const int64_t *d, const void *data, const int *perm);
const char *npi_ow_ints(struct npi_ow *w, const char *base, const int64_t *v, int n);  /* i64 [n] */
const char *npi_ow_floats(struct npi_ow *w, const char *base, const float *v, int n, int rank);
/* A node: begin, inputs (NULL: absent), outputs, attributes, end. */
size_t npi_ow_begin(struct npi_ow *w, const char *type, const char *name);
void npi_ow_arg(struct npi_ow *w, const char *name);
void npi_ow_result(struct npi_ow *w, const char *name);
void npi_ow_int(struct npi_ow *w, const char *attr, int64_t v);
void npi_ow_float(struct npi_ow *w, const char *attr, float v);
void npi_ow_str(struct npi_ow *w, const char *attr, const char *v);
void npi_ow_ilist(struct npi_ow *w, const char *attr, const int64_t *v, int n);
void npi_ow_end(struct npi_ow *w, size_t mark);
/* QuantizeLinear or DequantizeLinear of x with the parameters of v, along file axis `axis`. */
void npi_ow_quant(struct npi_ow *w, const char *type, const char *name, const char *x, const struct npi_view *v, int axis, const char *y);
void npi_ow_widen(struct npi_ow *w, const char *name, const char *x, const char *y); /* 16-bit floats to 32 */
int npi_ow_type(int dtype); /* TensorProto.DataType, 0: none */
static inline const struct npi_view *npi_ow_view(const struct npi_ow *w, int t) { return &w->g->tensor[t].v; }
static inline int npi_ow_has(const struct npi_ow *w, int t, int form) { return w->t[t].name[form] != NULL; }
/* IR axis -> axis in the file. */
static inline int npi_ow_axis(int form, int axis) { return form == NPI_OW_FIRST ? (int[]){ 0, 2, 3, 1 }[axis] : axis; }
/* File axis i of a channels-first tensor is IR axis … */
static inline int npi_ow_source(int form, int i) { return form == NPI_OW_FIRST ? (int[]){ 0, 3, 1, 2 }[i] : i; }
/* The shape as it is in the file. */
void npi_ow_dims(const struct npi_view *v, int form, int64_t *d);

/* onnx_write_ops.c: 0 or negative. */
int npi_ow_node(struct npi_ow *w, const struct npi_node *n);
int npi_ow_refuse(struct npi_ow *w, const struct npi_node *n, const char *fmt, ...) NPI_PRINTF(3, 4);
/* Does op n want input i channels first, or does it not mind? */
enum { NPI_OW_WANTS_PLAIN, NPI_OW_WANTS_FIRST, NPI_OW_FOLLOWS };
int npi_ow_wants(const struct npi_graph *g, const struct npi_node *n);
#endif
