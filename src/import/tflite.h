/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the TFLite importer; nobody else includes it.
 *
 *   tflite.c         model, subgraphs, the operator loop, inputs and outputs
 *   tflite_tensor.c  tensor records: type, shape, quantization, constant data      tflite_sparse.c  sparse constants
 *   tflite_table.c   names of all builtin operators, and which handler reads which
 *   tflite_elem.c    elementwise, reductions, softmax    tflite_conv.c   windows, matrix products, resize
 *   tflite_shape.c   reshape-like ops                    tflite_move.c   slices, joins, gathers, pads
 *   tflite_flex.c    FlexBuffer options of the custom detection op
 *
 * A handler reads its options table, looks up its inputs (IR tensor numbers), and emits IR nodes; the last one takes the
 * names and quantization of the operator's outputs. */
#ifndef NPI_IMPORT_TFLITE_H
#define NPI_IMPORT_TFLITE_H
#include "import/fb.h"
#include "import/import.h"
#include "ops/build.h"

struct npi_tfl_tensor {
    int state;                       /* 0: not read yet, 1: read */
    int id;                          /* IR tensor number, -1: not made yet */
    const char *name;
    int dtype, bits;                 /* bits 2 or 4: packed in the file, dtype is what it unpacks to */
    int rank; int64_t d[NP_MAX_RANK]; /* as in the file: the actual shape may differ after an override of the input */
    struct npi_quant q;
    const char *trouble;             /* why it can't be used, NULL: it can */
    int poison;                      /* made by an operator that could not be read */
    const uint8_t *data; size_t bytes; /* constant, NULL: none */
    struct npi_fb_table sparsity;
};

struct npi_tfl_graph {               /* a subgraph being read */
    struct npi_fb_vec tensors, ops;
    struct npi_tfl_tensor *t;        /* [tensors.n], read on first use */
    int depth;                       /* of composites */
};

struct npi_tfl {
    struct npi_fb fb;
    struct npi_graph *g;
    const struct npi_import_opts *o;
    struct np_error *err;
    struct npi_fb_vec codes, subgraphs, buffers;
    int named;                       /* the input whose shape is overridden was found */
    int resized;                     /* input shape overridden: constants that hold sizes are adapted */
    int64_t old_size[2], new_size[2]; /* of the overridden input: height, width */
    size_t dense_bytes;              /* made from sparse constants so far */
};

struct npi_tfl_op {
    struct npi_tfl *m;
    struct npi_tfl_graph *s;
    const struct npi_tfl_handler *h;
    int index, code;
    const char *kind, *name;         /* "CONV_2D"; name of the first output */
    struct npi_fb_table self, opt;
    struct npi_fb_vec in, out;
};

/* arg: what a handler shared by several operators needs to know, mostly the IR op. */
struct npi_tfl_handler { int code, options; int (*run)(struct npi_tfl_op *op, int arg); int arg; };
const struct npi_tfl_handler *npi_tfl_handler(int code);
const char *npi_tfl_name(int code);  /* never NULL */

/* "path: operator 12 CONV_2D 'name': …" */
int npi_tfl_fail(const struct npi_tfl_op *op, int code, const char *fmt, ...) NPI_PRINTF(3, 4);
int npi_tfl_nomem(struct npi_tfl *m);
/* Record i of a subgraph, NULL with an error when it isn't there or is broken. */
struct npi_tfl_tensor *npi_tfl_tensor(struct npi_tfl *m, struct npi_tfl_graph *s, int64_t i);
/* Makes the constant of a record, or fails when it has none. */
int npi_tfl_constant(struct npi_tfl *m, struct npi_tfl_tensor *t);
int npi_tfl_unfold(struct npi_tfl *m, const struct npi_tfl_tensor *t, struct npi_view *v);
int npi_tfl_subgraph(struct npi_tfl *m, struct npi_tfl_graph *s, int64_t index, int depth, struct npi_fb_vec *in, struct npi_fb_vec *out);
int npi_tfl_run(struct npi_tfl *m, struct npi_tfl_graph *s);

/* For handlers. All return 0 or a negative error unless said otherwise. */
int npi_tfl_in(const struct npi_tfl_op *op, int i, int *id);          /* required input */
int npi_tfl_in_opt(const struct npi_tfl_op *op, int i, int *id);      /* -1 when absent */
const struct npi_view *npi_tfl_view(const struct npi_tfl_op *op, int id);
const struct npi_tfl_tensor *npi_tfl_in_record(const struct npi_tfl_op *op, int i);   /* NULL: none or broken */
const struct npi_tfl_tensor *npi_tfl_out_record(const struct npi_tfl_op *op, int i);
/* Integer constant: at most `max` values. `what` for the message. NP_EUNSUPPORTED when it isn't known at load. */
int npi_tfl_ints(const struct npi_tfl_op *op, int i, const char *what, int64_t *v, int max, int *n);
/* Input i is a constant of the file, and not folded from actual shapes: what an override must adapt. */
int npi_tfl_stored(const struct npi_tfl_op *op, int i);
int npi_tfl_axis(const struct npi_tfl_op *op, int64_t axis, int rank, int *out); /* negative counts from the end */
int npi_tfl_act(const struct npi_tfl_op *op, int code, struct npi_act *act);
struct npi_node npi_tfl_node(const struct npi_tfl_op *op, enum npi_op ir);
/* Last node of the operator: n_out outputs from `first` on get names, types and quantization of the file. */
int npi_tfl_emit(struct npi_tfl_op *op, const struct npi_node *n, const int *in, int n_in);
int npi_tfl_emit_to(struct npi_tfl_op *op, const struct npi_node *n, const int *in, int n_in, int first, int n_out);
/* A node in between: its tensor number in *id. q and dtype as inferred. */
int npi_tfl_mid(struct npi_tfl_op *op, const struct npi_node *n, const int *in, int n_in, int *id);
int npi_tfl_mid_reshape(struct npi_tfl_op *op, int x, int rank, const int64_t *d, int *id);
int npi_tfl_emit_reshape(struct npi_tfl_op *op, int x, int rank, const int64_t *d, int out);
/* Output i is tensor id itself. */
int npi_tfl_same(struct npi_tfl_op *op, int i, int id);

/* FlexBuffers: value of `key` in a root map. 1: found, 0: not there, -1: broken. */
int npi_flex_number(const uint8_t *p, size_t size, const char *key, double *out);
int npi_tfl_detection(struct npi_tfl_op *op, const uint8_t *options, size_t size);

/* Handlers, by file. */
#define NPI_TFL_HANDLER(name) int npi_tfl_##name(struct npi_tfl_op *op, int arg)
NPI_TFL_HANDLER(unary); NPI_TFL_HANDLER(relu); NPI_TFL_HANDLER(leaky); NPI_TFL_HANDLER(gelu); NPI_TFL_HANDLER(binary); NPI_TFL_HANDLER(binary_act);
NPI_TFL_HANDLER(add_n); NPI_TFL_HANDLER(select); NPI_TFL_HANDLER(reduce); NPI_TFL_HANDLER(argminmax); NPI_TFL_HANDLER(topk);
NPI_TFL_HANDLER(softmax); NPI_TFL_HANDLER(l2norm); NPI_TFL_HANDLER(lrn); NPI_TFL_HANDLER(cumsum); NPI_TFL_HANDLER(cast); NPI_TFL_HANDLER(quantize);
NPI_TFL_HANDLER(conv); NPI_TFL_HANDLER(dwconv); NPI_TFL_HANDLER(convt); NPI_TFL_HANDLER(fully_connected); NPI_TFL_HANDLER(matmul);
NPI_TFL_HANDLER(pool); NPI_TFL_HANDLER(resize); NPI_TFL_HANDLER(depth_space);
NPI_TFL_HANDLER(reshape); NPI_TFL_HANDLER(squeeze); NPI_TFL_HANDLER(expand_dims); NPI_TFL_HANDLER(shape); NPI_TFL_HANDLER(transpose);
NPI_TFL_HANDLER(broadcast_to); NPI_TFL_HANDLER(tile); NPI_TFL_HANDLER(fill); NPI_TFL_HANDLER(zeros_like); NPI_TFL_HANDLER(range);
NPI_TFL_HANDLER(space_batch); NPI_TFL_HANDLER(densify); NPI_TFL_HANDLER(composite);
NPI_TFL_HANDLER(strided_slice); NPI_TFL_HANDLER(slice); NPI_TFL_HANDLER(split); NPI_TFL_HANDLER(pack); NPI_TFL_HANDLER(unpack); NPI_TFL_HANDLER(concat);
NPI_TFL_HANDLER(gather); NPI_TFL_HANDLER(gather_nd); NPI_TFL_HANDLER(embedding); NPI_TFL_HANDLER(scatter_nd); NPI_TFL_HANDLER(one_hot);
NPI_TFL_HANDLER(reverse); NPI_TFL_HANDLER(pad);
#endif
