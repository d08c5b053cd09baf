/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the ONNX importer: one pass over the nodes, each handled by a row of the op table (onnx_table.c).
 *
 *   names ── hash map ──> tensor numbers of the IR
 *   node  ── row->fn ───> npi_ox_build… calls, which infer and fold at once; results in n->out
 *
 * ONNX images are [n][c][h][w] and ours [n][h][w][c]: spatial handlers work on npi_ox_nhwc(x) and give back npi_ox_nchw(y).
 * Both remember their partner, so two convolutions in a row meet without transposes in between; what is then unused is
 * dropped at the end. f16 and bf16 values are widened to f32 where they enter and narrowed again at graph outputs, so no
 * handler sees them. Helpers take a negative tensor number as an error that was reported already and hand it on. */
#ifndef NPI_IMPORT_ONNX_H
#define NPI_IMPORT_ONNX_H
#include "base/mmap.h"
#include "import/import.h"
#include "import/pb.h"
#include "ops/build.h"

struct npi_ox_name { struct npi_pb key; int tensor; }; /* tensor + 1; 0: free slot */
struct npi_ox_side { int nhwc, dq_of; };               /* per tensor, number + 1: its channels-last twin; the integers it was dequantized from */

struct npi_ox {
    struct npi_graph *g;
    const struct npi_import_opts *opt;
    struct np_error *err;
    struct npi_arena tmp;      /* dropped after the import */
    const uint8_t *file; size_t file_size;
    int64_t opset;             /* of the default domain */
    struct npi_ox_name *map; size_t map_cap, map_n;
    struct npi_ox_side *side; int side_cap;
    int *input; int n_input, cap_input; /* graph inputs that are still run-time values */
    struct npi_file ext; char *ext_name; /* last external data file */
    int depth;                 /* of If branches */
    int64_t own_dims[NP_MAX_RANK], given_dims[NP_MAX_RANK]; /* of the input whose shape was given: in the file, and now */
    int other_shape;           /* they differ */
    struct npi_ox_note *note; int n_notes, cap_notes, looked; /* onnx_resized.c */
    struct npi_arena *note_mem; /* not NULL: this is the import that takes the notes */
    int poison;                /* tensor that stands for what nodes in trouble would have made; 0 (an input or constant) never is it: -1 none */
};

struct npi_ox_node;
typedef int (*npi_ox_fn)(struct npi_ox_node *n);
struct npi_ox_row { const char *name; npi_ox_fn fn; int arg, min_in, max_in; };

struct npi_ox_node {
    struct npi_ox *o;
    struct npi_graph *g;
    const struct npi_ox_row *row;
    struct npi_pb body;        /* NodeProto */
    const char *name, *type;
    int n_in, n_out;
    int *in;                   /* tensor numbers, -1: absent */
    int *out;                  /* the handler fills it in; -1 stays for outputs it doesn't make */
    char *wanted;              /* [n_out] 0: the file leaves this output unnamed */
};

/* onnx_table.c */
const struct npi_ox_row *npi_ox_row(const struct npi_pb *type);

/* onnx.c */
int npi_ox_run_graph(struct npi_ox *o, struct npi_pb graph, int *out, int max_out); /* nodes of a (sub)graph; returns the number of outputs */

int npi_ox_read_model(struct npi_ox *o);
/* onnx_resized.c: the sizes that a Resize and a Reshape ask for, brought to the input shape given. size: [rank of the input], want of axes that it names not:
 * their dims. 0 or negative. */
int npi_ox_refit_resize(struct npi_ox_node *n, int64_t *size);
int npi_ox_refit_reshape(struct npi_ox_node *n, int64_t *d, int rank);

/* onnx_util.c: errors, attributes, known values, building */
struct npi_ox_quote { char s[81]; };
struct npi_ox_quote npi_ox_quote(const struct npi_pb *s); /* a string of the file for a message: cut, control characters replaced */
int npi_ox_fail(const struct npi_ox_node *n, int code, const char *fmt, ...) NPI_PRINTF(3, 4);
int npi_ox_attr(const struct npi_ox_node *n, const char *name, struct npi_pb *attr); /* 1: there */
int64_t npi_ox_int(const struct npi_ox_node *n, const char *name, int64_t def);
float npi_ox_float(const struct npi_ox_node *n, const char *name, float def);
int npi_ox_ints(const struct npi_ox_node *n, const char *name, int64_t *out, int max);   /* how many the file has (may exceed max), -1: absent */
int npi_ox_is(const struct npi_ox_node *n, const char *name, const char *def, const char *value); /* string attribute (or its default) equals value */
const struct npi_view *npi_ox_view(const struct npi_ox_node *n, int tensor);
static inline int npi_ox_in(const struct npi_ox_node *n, int i) { return i < n->n_in ? n->in[i] : -1; }
/* Makes the value of a tensor known (constant, or asked from opts->bind); negative: error. */
int npi_ox_known(const struct npi_ox_node *n, int tensor);
/* Values of integer input i; how many, or negative. Absent input: 0 with *present = 0 (present may be NULL: then an error). */
int npi_ox_known_ints(const struct npi_ox_node *n, int i, int64_t *out, int max, int *present);
int npi_ox_known_floats(const struct npi_ox_node *n, int i, float *out, int max, int *present);
/* Axis from -rank..rank-1 to 0..rank-1, or an error. */
int npi_ox_axis(const struct npi_ox_node *n, int64_t axis, int rank);

int npi_ox_build(const struct npi_ox_node *n, enum npi_op op, const union npi_attr *a, const int *in, int n_in);
int npi_ox_un(const struct npi_ox_node *n, enum npi_op op, const union npi_attr *a, int x);
int npi_ox_bin(const struct npi_ox_node *n, enum npi_op op, int x, int y);
int npi_ox_cast(const struct npi_ox_node *n, int x, int dtype);
int npi_ox_reshape(const struct npi_ox_node *n, int x, int rank, const int64_t *d);
int npi_ox_transpose(const struct npi_ox_node *n, int x, const int *perm);
int npi_ox_scalar(const struct npi_ox_node *n, int dtype, double v);                      /* constant of rank 0 */
int npi_ox_reduce(const struct npi_ox_node *n, int x, int kind, unsigned axes, int keepdims);
int npi_ox_slice(const struct npi_ox_node *n, int x, int axis, int64_t start, int64_t size);
int npi_ox_nhwc(const struct npi_ox_node *n, int x);
int npi_ox_nchw(const struct npi_ox_node *n, int y);
struct npi_ox_side *npi_ox_side_of(struct npi_ox *o, int tensor);                         /* NULL: out of memory */

/* onnx_tensor.c */
int npi_ox_dtype(int64_t elem_type);             /* enum np_dtype, or -1 */
const char *npi_ox_type_name(int64_t elem_type);
int npi_ox_read_tensor(struct npi_ox *o, struct npi_pb tensor, const char *what, struct npi_pb *name); /* TensorProto -> constant */
int npi_ox_tensor(struct npi_ox *o, struct npi_pb tensor, const char *what, struct npi_pb *name);      /* likewise, f16 widened */
int npi_ox_widen(struct npi_ox *o, int t);       /* f16, bf16 -> f32 */

/* onnx_quant.c */
int npi_ox_dequant(struct npi_ox_node *n, int x, int scale, int zero, int axis);
/* onnx_conv.c: windows and weights, also for pooling and the integer convolutions */
int npi_ox_conv(struct npi_ox_node *n, int x, int w, int bias);
int npi_ox_window(const struct npi_ox_node *n, const int64_t *in_hw, int nd, const int64_t *kernel, struct npi_window *w);
int npi_ox_image(const struct npi_ox_node *n, int x);                    /* [n][c][w] or [n][c][h][w] -> NHWC */
int npi_ox_unimage(const struct npi_ox_node *n, int y, int rank);        /* back to rank 3 or 4 */
int npi_ox_repack(const struct npi_ox_node *n, int w, int rank, const int64_t *d, const int *perm); /* Reshape + Transpose of weights */
/* onnx_matmul.c */
int npi_ox_matmul(const struct npi_ox_node *n, int a, int b);

/* The handlers, named after what they do; `row->arg` is usually an enum npi_op. */
#define NPI_OX_HANDLERS(X)                                                                                                  \
    X(unary) X(unary_ab) X(binary) X(variadic) X(clip) X(cast) X(cast_like) X(where) X(reduce) X(argminmax) X(topk) X(pow) X(gelu) X(swish) X(mod)   \
    X(bitshift) X(isinf) X(cumsum) X(shape) X(size) X(constant) X(constant_of_shape) X(identity) X(dropout) X(reshape) X(flatten) \
    X(squeeze) X(unsqueeze) X(transpose) X(concat) X(split) X(slice) X(gather) X(gather_nd) X(scatter) X(pad) X(tile) X(expand) \
    X(onehot) X(range) X(trilu) X(eyelike) X(conv) X(conv_transpose) X(pool) X(global_pool) X(resize) X(upsample) X(depth_space) X(grid_sample) \
    X(nms) X(gemm) X(matmul) X(einsum) X(batchnorm) X(groupnorm) X(layernorm) X(lpnorm) X(lrn) X(softmax) X(quantize) X(dequantize) \
    X(dynamic_quantize) X(qlinear_conv) X(qlinear_matmul) X(conv_integer) X(matmul_integer) X(if_known) X(attention)
#define NPI_OX_DECLARE(name) int npi_ox_do_##name(struct npi_ox_node *n);
NPI_OX_HANDLERS(NPI_OX_DECLARE)
#undef NPI_OX_DECLARE
#endif
