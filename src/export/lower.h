/* SPDX-License-Identifier: Apache-2.0 */
/* Brings a graph into the words of a target format: every node is built anew, in order, and a rule of the target may build something
 * else in its place. What a target lacks is written out in ops that it has and that mean the same; what cannot be is refused by name.
 *
 *   old graph ── for each node: rule(node, its inputs in the new graph) ──> new graph (same arena, constants shared)
 *
 * The references in ops/ run the new graph as well as the old one, so a test can hold one against the other. */
#ifndef NPI_EXPORT_LOWER_H
#define NPI_EXPORT_LOWER_H
#include "ops/build.h"

struct npi_lower {
    const struct npi_graph *from;
    struct npi_graph *g;             /* the new one */
    struct np_error *err;
    int *map;                        /* [from->n_tensors] number in the new graph, -1: not made yet */
    int *dq;                         /* [from->n_tensors] its dequantized twin in the new graph, -1 */
    int real;                        /* inside of npi_lo_real_op: operands are real numbers by now */
    struct npi_act act;              /* what the target fuses into the op at work */
    const char *target;              /* "ONNX", for messages */
    const struct npi_node *node;     /* the node at work: new ones get its name */
    const int *in;                   /* its inputs in the new graph, -1: absent */
};

/* 1: `out` (n->n_out numbers) is filled in. 0: no opinion, the node is copied. Negative: error, told. */
typedef int (*npi_lower_rule)(struct npi_lower *l, const struct npi_node *n, const int *in, int *out);

/* Replaces *g. Names and order of inputs and outputs stay. */
int npi_lower(struct npi_graph *g, npi_lower_rule rule, const char *target, struct np_error *err);
int npi_lower_onnx(struct npi_graph *g, struct np_error *err);
int npi_lower_tflite(struct npi_graph *g, struct np_error *err);

/* For rules; all return a tensor number of the new graph, or negative. A negative operand is an error told before and is handed on. */
int npi_lo_refuse(struct npi_lower *l, const char *fmt, ...) NPI_PRINTF(2, 3); /* NP_EUNSUPPORTED with node and op */
int npi_lo_build(struct npi_lower *l, enum npi_op op, const union npi_attr *a, const int *in, int n_in);
int npi_lo_un(struct npi_lower *l, enum npi_op op, int x);
int npi_lo_un_ab(struct npi_lower *l, enum npi_op op, int x, float a, float b);
int npi_lo_bin(struct npi_lower *l, enum npi_op op, int x, int y);
int npi_lo_scalar(struct npi_lower *l, int like, double v);           /* constant of rank 0 with the type of tensor `like` */
int npi_lo_cast(struct npi_lower *l, int x, int dtype);
int npi_lo_reshape(struct npi_lower *l, int x, int rank, const int64_t *d);
int npi_lo_reduce(struct npi_lower *l, int x, int kind, unsigned axes, int keepdims);
/* The node's op on other operands; attributes and fused activation of the node. Output 0 keeps dtype and quantization of the old one. */
int npi_lo_same(struct npi_lower *l, const int *in, int n_in, struct npi_act act);
/* Fused activation as nodes behind x. */
int npi_lo_act(struct npi_lower *l, const struct npi_act *act, int x);
/* The real numbers of tensor t of the OLD graph (its twin, made on first use); t itself when it is not quantized. */
int npi_lo_real(struct npi_lower *l, int t);
/* A Reshape that gives integers a meaning (scale and zero point), or takes it from them. */
int npi_lo_reinterprets(const struct npi_lower *l, const struct npi_node *n);
/* Quantizes x with type and parameters of v. */
int npi_lo_quantize(struct npi_lower *l, int x, const struct npi_view *v);
static inline const struct npi_view *npi_lo_view(const struct npi_lower *l, int t) { return &l->g->tensor[t].v; }
/* conv(x) + residual, act: one after the other. in: as the node's. Conv family only. */
int npi_lo_residual(struct npi_lower *l, const struct npi_node *n, const int *in);
/* An op of quantized operands becomes Dequantize, the op, Quantize. 1: done (out filled), 0: nothing of it is quantized. */
int npi_lo_real_op(struct npi_lower *l, const struct npi_node *n, npi_lower_rule rule, int *out);
const struct npi_node *npi_lo_maker(const struct npi_lower *l, int t); /* the new node that makes t, NULL: none. Valid until the next one is built */
/* x with positions index[0..n) of an axis, in that order; exact for every type. */
int npi_lo_pick(struct npi_lower *l, int x, int axis, const int64_t *index, int64_t n);
int npi_lo_transpose(struct npi_lower *l, int x, const int *perm);
int npi_lo_floats(struct npi_lower *l, int rank, const int64_t *d, const float *v); /* a constant */
/* Resize axis by axis, by picking rows and weighting them: for what no target's own resize means. */
int npi_lo_resize(struct npi_lower *l, const struct npi_node *n, int x);
/* Padding that repeats what is there, by picking rows. */
int npi_lo_pad_repeat(struct npi_lower *l, const struct npi_node *n, int x);
/* Decompositions that several targets share, each exact in real arithmetic; the result, or negative. */
int npi_lo_softplus(struct npi_lower *l, int x);
int npi_lo_layer_norm(struct npi_lower *l, const struct npi_node *n, const int *in);
int npi_lo_rms_norm(struct npi_lower *l, const struct npi_node *n, const int *in);
/* TFLite's detection post-processing, for ONNX: 1 with out[0..3], or negative. */
int npi_lo_detection(struct npi_lower *l, const struct npi_node *n, const int *in, int *out);
int npi_lo_gelu(struct npi_lower *l, int x, int tanh_approx);
#endif
