/* SPDX-License-Identifier: Apache-2.0 */
/* Every op that the lowered graph may hold, as ONNX: opset 19, or 21 with 16-bit quantization. Here: the table, who wants which order, and ops that work
 * element by element; onnx_write_image.c, _axis.c and _move.c have the others. */
#include "export/onnx_write_ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/quantize.h"

int npi_ow_refuse(struct npi_ow *w, const struct npi_node *n, const char *fmt, ...) {
    char text[300], where[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return npi_fail(w->err, NP_EUNSUPPORTED, "%s: cannot be written as ONNX: %s", npi_node_where(w->g, n, where, sizeof where), text);
}

/* ---- which order ---- */

int npi_ow_wants_image(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *x = &g->tensor[n->in[0]].v;
    return x->rank == 4 && n->a.resize.size[0] == x->d[0] && n->a.resize.size[3] == x->d[3];
}

/* Rows of an axis by a constant list: image in, image out. */
int npi_ow_picks_rows(const struct npi_graph *g, const struct npi_node *n) {
    return g->tensor[n->in[0]].v.rank == 4 && g->tensor[n->in[1]].v.rank == 1 && g->tensor[n->in[1]].v.data && !n->a.gather.batch_dims;
}

int npi_ow_wants(const struct npi_graph *g, const struct npi_node *n) {
    if (n->op >= NPI_OP_RELU && n->op <= NPI_OP_SQUARED_DIFF) return NPI_OW_FOLLOWS;
    switch ((int)n->op) {
    case NPI_OP_CONV2D: case NPI_OP_DWCONV2D: case NPI_OP_CONVT2D: case NPI_OP_MAXPOOL2D: case NPI_OP_AVGPOOL2D: case NPI_OP_LPPOOL2D: case NPI_OP_GRID_SAMPLE:
    case NPI_OP_DEPTH_TO_SPACE: case NPI_OP_SPACE_TO_DEPTH: return NPI_OW_WANTS_FIRST;
    case NPI_OP_GATHER: return npi_ow_picks_rows(g, n) ? NPI_OW_FOLLOWS : NPI_OW_WANTS_PLAIN;
    case NPI_OP_RESIZE: return npi_ow_wants_image(g, n) ? NPI_OW_WANTS_FIRST : NPI_OW_WANTS_PLAIN;
    case NPI_OP_ATAN2: case NPI_OP_PRELU: case NPI_OP_EQUAL: case NPI_OP_NOT_EQUAL: case NPI_OP_LESS: case NPI_OP_LESS_EQUAL: case NPI_OP_GREATER:
    case NPI_OP_GREATER_EQUAL: case NPI_OP_AND: case NPI_OP_OR: case NPI_OP_XOR: case NPI_OP_BITWISE_AND: case NPI_OP_BITWISE_OR: case NPI_OP_BITWISE_XOR:
    case NPI_OP_BIT_SHIFT: case NPI_OP_WHERE: case NPI_OP_REDUCE: case NPI_OP_SOFTMAX: case NPI_OP_LOG_SOFTMAX: case NPI_OP_LP_NORM: case NPI_OP_CONCAT: case NPI_OP_SLICE:
    case NPI_OP_PAD: case NPI_OP_TILE: case NPI_OP_EXPAND: case NPI_OP_REVERSE: return NPI_OW_FOLLOWS;
    default: return NPI_OW_WANTS_PLAIN;
    }
}

/* An op that does not mind goes where most of its operands are; with operands of lower rank that are no constants, plain is the only way. */
int npi_ow_follow(const struct npi_ow *w, const struct npi_node *n) {
    int lack_plain = 0, lack_first = 0;
    for (int i = 0; i < n->n_in; i++) {
        const struct npi_view *v = n->in[i] < 0 ? NULL : npi_ow_view(w, n->in[i]);
        if (!v || v->data) continue;
        if (v->rank != 4 && npi_view_count(v) > 1) return NPI_OW_PLAIN;
        if (v->rank != 4) continue;
        lack_plain += !npi_ow_has(w, n->in[i], NPI_OW_PLAIN);
        lack_first += !npi_ow_has(w, n->in[i], NPI_OW_FIRST);
    }
    if (npi_ow_view(w, n->in[0])->rank != 4 && n->op != NPI_OP_WHERE && n->n_in == 1) return NPI_OW_PLAIN;
    return lack_plain > 0 && lack_first <= lack_plain ? NPI_OW_FIRST : NPI_OW_PLAIN;
}

/* ---- pieces ---- */

int npi_ow_bad_input(struct npi_ow *w, const struct npi_node *n, int i) {
    char where[256];
    return npi_fail(w->err, NP_EINTERNAL, "%s: input %d was never written", npi_node_where(w->g, n, where, sizeof where), i);
}

/* Inputs of node n in this form, written before the node begins (a Transpose may come first). */
static int fetch(struct npi_ow *w, const struct npi_node *n, int form, const char **x) {
    for (int i = 0; i < n->n_in; i++) {
        x[i] = n->in[i] < 0 ? "" : npi_ow_in(w, n->in[i], form);
        if (!x[i]) return npi_ow_bad_input(w, n, i);
    }
    return 0;
}

size_t npi_ow_begin1(struct npi_ow *w, const char *type, const struct npi_node *n, const char *x, const char *y) {
    const size_t m = npi_ow_begin(w, type, n->name);
    npi_ow_arg(w, x);
    if (y) npi_ow_result(w, y);
    return m;
}

void npi_ow_quant(struct npi_ow *w, const char *type, const char *name, const char *x, const struct npi_view *v, int axis, const char *y) {
    const int n = v->q.n, rank = n > 1;
    const char *scale = npi_ow_floats(w, "scale", v->q.scale, n, rank), *zero = NULL;
    const size_t elem = np_dtype_size(v->dtype);
    if (v->dtype != NP_I32) { /* int32 has no zero point; the others say their type with it */
        uint8_t *z = npi_arena_alloc(&w->tmp, (size_t)n * elem);
        for (int i = 0; z && i < n; i++) npi_set_int(z, v->dtype, i, npi_q_zero(v, i));
        if (z) zero = npi_ow_const(w, npi_ow_fresh(w, "zero"), v->dtype, rank, (const int64_t[]){ n }, z, NULL);
    }
    const size_t m = npi_ow_begin(w, type, name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, scale);
    if (zero) npi_ow_arg(w, zero);
    npi_ow_result(w, y);
    if (n > 1) npi_ow_int(w, "axis", axis);
    npi_ow_end(w, m);
}

/* ---- handlers ---- */

#define HANDLER(name) static int name(struct npi_ow *w, const struct npi_node *n, const struct npi_ow_row *row)

/* Same shape or broadcasting, no attributes. */
HANDLER(plain) {
    const int form = npi_ow_follow(w, n);
    const char **x = npi_arena_array(&w->tmp, const char *, n->n_in + 1);
    if (!x) return npi_ow_nomem(w);
    const int r = fetch(w, n, form, x);
    if (r < 0) return r;
    const size_t m = npi_ow_begin(w, row->type, n->name);
    for (int i = 0; i < n->n_in; i++) npi_ow_arg(w, x[i]);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    if (n->op == NPI_OP_MOD && n->a.misc.mode_fmod) npi_ow_int(w, "fmod", 1);
    if (n->op == NPI_OP_BIT_SHIFT) npi_ow_str(w, "direction", n->a.misc.direction_right ? "RIGHT" : "LEFT");
    if (n->op == NPI_OP_ISINF) {
        npi_ow_int(w, "detect_negative", n->a.misc.detect_negative);
        npi_ow_int(w, "detect_positive", n->a.misc.detect_positive);
    }
    if (n->op == NPI_OP_CONCAT) npi_ow_int(w, "axis", npi_ow_axis(form, n->a.concat.axis));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(unary_ab) {
    static const struct { enum npi_op op; const char *a, *b; } names[] = {
        { NPI_OP_LEAKY_RELU, "alpha", NULL }, { NPI_OP_ELU, "alpha", NULL }, { NPI_OP_CELU, "alpha", NULL }, { NPI_OP_SELU, "alpha", "gamma" },
        { NPI_OP_HARD_SIGMOID, "alpha", "beta" }, { NPI_OP_THRESHOLDED_RELU, "alpha", NULL }, { NPI_OP_SHRINK, "lambd", "bias" },
    };
    const int form = npi_ow_follow(w, n);
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin1(w, row->type, n, x, npi_ow_out(w, n->out[0], form));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].op != n->op) continue;
        npi_ow_float(w, names[i].a, n->a.unary.a);
        if (names[i].b) npi_ow_float(w, names[i].b, n->a.unary.b);
    }
    npi_ow_end(w, m);
    return 0;
}

HANDLER(clamp) {
    const int form = npi_ow_follow(w, n);
    const float lo = n->a.unary.a, hi = n->a.unary.b;
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const char *a = lo == -INFINITY ? "" : npi_ow_floats(w, "min", &lo, 1, 0), *b = hi == INFINITY ? NULL : npi_ow_floats(w, "max", &hi, 1, 0);
    const size_t m = npi_ow_begin(w, "Clip", n->name);
    npi_ow_arg(w, x);
    if (*a || b) npi_ow_arg(w, a);
    if (b) npi_ow_arg(w, b);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(cast) {
    const int form = npi_ow_follow(w, n), to = n->op == NPI_OP_CAST ? n->a.cast.to : NP_F32;
    if (n->op == NPI_OP_CAST && n->a.cast.round_saturate) return npi_ow_refuse(w, n, "a cast that rounds");
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin1(w, "Cast", n, x, npi_ow_out(w, n->out[0], form));
    npi_ow_int(w, "to", npi_ow_type(to));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(quantize) {
    const int dq = n->op == NPI_OP_DEQUANTIZE, form = npi_ow_follow(w, n);
    const struct npi_view *v = npi_ow_view(w, dq ? n->in[0] : n->out[0]);
    if (dq && v->q.n == 0) return cast(w, n, row); /* f16, bf16 */
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return npi_ow_bad_input(w, n, 0);
    if (!dq && v->dtype == NP_I32) return npi_ow_refuse(w, n, "quantization to 32 bits");
    npi_ow_quant(w, row->type, n->name, x, v, v->q.n > 1 && form == NPI_OW_FIRST ? npi_ow_axis(form, v->q.axis) : v->q.axis, npi_ow_out(w, n->out[0], form));
    return 0;
}

#define UN(id, name) { NPI_OP_##id, name, plain }
static const struct npi_ow_row rows[] = {
    { NPI_OP_CONV2D, "Conv", npi_ow_op_conv }, { NPI_OP_DWCONV2D, "Conv", npi_ow_op_conv }, { NPI_OP_CONVT2D, "ConvTranspose", npi_ow_op_conv },
    { NPI_OP_FULLY_CONNECTED, "Gemm", npi_ow_op_fully_connected }, UN(MATMUL, "MatMul"),
    { NPI_OP_MAXPOOL2D, "MaxPool", npi_ow_op_pool }, { NPI_OP_AVGPOOL2D, "AveragePool", npi_ow_op_pool }, { NPI_OP_LPPOOL2D, "LpPool", npi_ow_op_pool },
    { NPI_OP_RESIZE, "Resize", npi_ow_op_resize }, { NPI_OP_GRID_SAMPLE, "GridSample", npi_ow_op_grid_sample },
    { NPI_OP_SOFTMAX, "Softmax", npi_ow_op_along }, { NPI_OP_LOG_SOFTMAX, "LogSoftmax", npi_ow_op_along }, { NPI_OP_HARDMAX, "Hardmax", npi_ow_op_along },
    { NPI_OP_LAYER_NORM, "LayerNormalization", npi_ow_op_layer_norm }, { NPI_OP_GROUP_NORM, "InstanceNormalization", npi_ow_op_along },
    { NPI_OP_LP_NORM, "LpNormalization", npi_ow_op_along }, { NPI_OP_LRN, "LRN", npi_ow_op_along }, { NPI_OP_CUMSUM, "CumSum", npi_ow_op_cumsum },
    UN(RELU, "Relu"), { NPI_OP_LEAKY_RELU, "LeakyRelu", unary_ab }, { NPI_OP_CLAMP, "Clip", clamp }, UN(SIGMOID, "Sigmoid"), UN(TANH, "Tanh"),
    { NPI_OP_HARD_SIGMOID, "HardSigmoid", unary_ab }, UN(HARD_SWISH, "HardSwish"), { NPI_OP_ELU, "Elu", unary_ab }, { NPI_OP_SELU, "Selu", unary_ab },
    { NPI_OP_CELU, "Celu", unary_ab }, UN(ERF, "Erf"), UN(EXP, "Exp"), UN(LOG, "Log"), UN(SQRT, "Sqrt"), UN(ABS, "Abs"), UN(NEG, "Neg"), UN(SIGN, "Sign"),
    UN(FLOOR, "Floor"), UN(CEIL, "Ceil"), UN(ROUND, "Round"), UN(RECIPROCAL, "Reciprocal"), UN(SOFTPLUS, "Softplus"), UN(SOFTSIGN, "Softsign"), UN(MISH, "Mish"),
    { NPI_OP_THRESHOLDED_RELU, "ThresholdedRelu", unary_ab }, { NPI_OP_SHRINK, "Shrink", unary_ab },
    UN(SIN, "Sin"), UN(COS, "Cos"), UN(TAN, "Tan"), UN(ASIN, "Asin"), UN(ACOS, "Acos"), UN(ATAN, "Atan"), UN(SINH, "Sinh"), UN(COSH, "Cosh"), UN(ASINH, "Asinh"),
    UN(ACOSH, "Acosh"), UN(ATANH, "Atanh"), UN(NOT, "Not"), UN(BITWISE_NOT, "BitwiseNot"), UN(ISNAN, "IsNaN"), UN(ISINF, "IsInf"),
    { NPI_OP_CAST, "Cast", cast }, { NPI_OP_QUANTIZE, "QuantizeLinear", quantize }, { NPI_OP_DEQUANTIZE, "DequantizeLinear", quantize },
    UN(ADD, "Add"), UN(SUB, "Sub"), UN(MUL, "Mul"), UN(DIV, "Div"), UN(MOD, "Mod"), UN(POW, "Pow"), UN(MIN, "Min"), UN(MAX, "Max"), UN(PRELU, "PRelu"),
    UN(EQUAL, "Equal"), UN(LESS, "Less"), UN(LESS_EQUAL, "LessOrEqual"), UN(GREATER, "Greater"), UN(GREATER_EQUAL, "GreaterOrEqual"),
    UN(AND, "And"), UN(OR, "Or"), UN(XOR, "Xor"), UN(BITWISE_AND, "BitwiseAnd"), UN(BITWISE_OR, "BitwiseOr"), UN(BITWISE_XOR, "BitwiseXor"), UN(BIT_SHIFT, "BitShift"),
    UN(WHERE, "Where"), { NPI_OP_REDUCE, "Reduce", npi_ow_op_reduce }, { NPI_OP_ARGMAX, "ArgMax", npi_ow_op_argminmax }, { NPI_OP_ARGMIN, "ArgMin", npi_ow_op_argminmax },
    { NPI_OP_TOPK, "TopK", npi_ow_op_topk }, UN(NMS, "NonMaxSuppression"),
    { NPI_OP_RESHAPE, "Reshape", npi_ow_op_shaped }, { NPI_OP_TRANSPOSE, "Transpose", npi_ow_op_transpose }, UN(CONCAT, "Concat"), { NPI_OP_SLICE, "Slice", npi_ow_op_slice },
    { NPI_OP_PAD, "Pad", npi_ow_op_pad }, { NPI_OP_TILE, "Tile", npi_ow_op_shaped }, { NPI_OP_EXPAND, "Expand", npi_ow_op_shaped },
    { NPI_OP_GATHER, "Gather", npi_ow_op_gather }, { NPI_OP_GATHER_ND, "GatherND", npi_ow_op_gather }, { NPI_OP_GATHER_ELEMENTS, "GatherElements", npi_ow_op_gather },
    { NPI_OP_SCATTER_ND, "ScatterND", npi_ow_op_gather }, { NPI_OP_SCATTER_ELEMENTS, "ScatterElements", npi_ow_op_gather }, { NPI_OP_REVERSE, "Slice", npi_ow_op_reverse },
    { NPI_OP_DEPTH_TO_SPACE, "DepthToSpace", npi_ow_op_depth_space }, { NPI_OP_SPACE_TO_DEPTH, "SpaceToDepth", npi_ow_op_depth_space }, { NPI_OP_TRILU, "Trilu", npi_ow_op_trilu },
    { NPI_OP_ONE_HOT, "OneHot", npi_ow_op_along },
};

int npi_ow_node(struct npi_ow *w, const struct npi_node *n) {
    /* Dequantized weights: their reader says in which order. */
    if (n->op == NPI_OP_DEQUANTIZE && npi_ow_view(w, n->in[0])->data && w->only_weights[n->out[0]] && !w->io[n->out[0]]) return 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].op == n->op) return rows[i].fn(w, n, &rows[i]);
    return npi_ow_refuse(w, n, "there is no such operator");
}
