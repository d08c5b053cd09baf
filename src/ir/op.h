/* SPDX-License-Identifier: Apache-2.0 */
/* The op vocabulary of the IR: one X-macro line an op, and what an op carries besides its tensors.
 *
 * Images are channels-last everywhere: [n][h][w][c]. Importers of NCHW formats put Transpose nodes around spatial ops;
 * the layout pass takes them out again. Shape rules and C references are in src/ops/. */
#ifndef NPI_IR_OP_H
#define NPI_IR_OP_H
#include <stdint.h>
#include "nextpose/engine.h"

/*        enum suffix        name              min/max inputs, min/max outputs, inputs that must be constants (bit mask) */
#define NPI_OP_LIST(X)                                                                                                   \
    /* convolution family: x, weights, bias?, residual? */                                                               \
    X(CONV2D,          "Conv2D",          2, 4, 1, 1, 0x0)   /* w [co][kh][kw][ci/groups] */                             \
    X(DWCONV2D,        "DepthwiseConv2D", 2, 4, 1, 1, 0x0)   /* w [kh][kw][c*multiplier], output channel c*mult+m */     \
    X(CONVT2D,         "ConvTranspose2D", 2, 3, 1, 1, 0x0)   /* w [co][kh][kw][ci/groups]: see ops/convt.c */            \
    X(FULLY_CONNECTED, "FullyConnected",  2, 4, 1, 1, 0x0)   /* x [...,k], w [n][k], bias [n] -> [...,n] */              \
    X(MATMUL,          "MatMul",          2, 2, 1, 1, 0x0)   /* numpy batched matmul; a.matmul.ta/tb swap last two dims */ \
    X(MAXPOOL2D,       "MaxPool2D",       1, 1, 1, 2, 0x0)                                                               \
    X(AVGPOOL2D,       "AveragePool2D",   1, 1, 1, 1, 0x0)                                                               \
    X(LPPOOL2D,        "LpPool2D",        1, 1, 1, 1, 0x0)                                                               \
    X(RESIZE,          "Resize",          1, 1, 1, 1, 0x0)   /* any rank; sizes and scales in attr */                    \
    X(GRID_SAMPLE,     "GridSample",      2, 2, 1, 1, 0x0)                                                               \
    /* normalisation */                                                                                                  \
    X(SOFTMAX,         "Softmax",         1, 1, 1, 1, 0x0)                                                               \
    X(LOG_SOFTMAX,     "LogSoftmax",      1, 1, 1, 1, 0x0)                                                               \
    X(HARDMAX,         "Hardmax",         1, 1, 1, 1, 0x0)                                                               \
    X(SOFT_BINS,       "SoftBins",        1, 1, 1, 1, 0x0)   /* ours: what a soft-argmax needs of a.bins.bins channels */ \
    X(LAYER_NORM,      "LayerNorm",       1, 3, 1, 3, 0x0)   /* axes from a.norm.axis to the end; x, scale?, bias? */    \
    X(RMS_NORM,        "RMSNorm",         1, 2, 1, 1, 0x0)                                                               \
    X(GROUP_NORM,      "GroupNorm",       1, 3, 1, 1, 0x0)   /* channels-FIRST [n][c][...], a.norm.groups; instance norm: groups = c */ \
    X(LP_NORM,         "LpNorm",          1, 1, 1, 1, 0x0)   /* over a.norm.axis, p = a.norm.groups (1 or 2) */          \
    X(LRN,             "LRN",             1, 1, 1, 1, 0x0)   /* channel axis 1 */                                        \
    X(CUMSUM,          "CumSum",          1, 1, 1, 1, 0x0)                                                               \
    /* unary, same shape */                                                                                              \
    X(RELU, "Relu", 1, 1, 1, 1, 0x0)           X(LEAKY_RELU, "LeakyRelu", 1, 1, 1, 1, 0x0)                               \
    X(CLAMP, "Clamp", 1, 1, 1, 1, 0x0)         X(SIGMOID, "Sigmoid", 1, 1, 1, 1, 0x0)                                    \
    X(SILU, "Silu", 1, 1, 1, 1, 0x0)           X(TANH, "Tanh", 1, 1, 1, 1, 0x0)                                          \
    X(HARD_SIGMOID, "HardSigmoid", 1, 1, 1, 1, 0x0) X(HARD_SWISH, "HardSwish", 1, 1, 1, 1, 0x0)                          \
    X(ELU, "Elu", 1, 1, 1, 1, 0x0)             X(SELU, "Selu", 1, 1, 1, 1, 0x0)                                          \
    X(CELU, "Celu", 1, 1, 1, 1, 0x0)           X(GELU, "Gelu", 1, 1, 1, 1, 0x0)                                          \
    X(ERF, "Erf", 1, 1, 1, 1, 0x0)             X(EXP, "Exp", 1, 1, 1, 1, 0x0)                                            \
    X(LOG, "Log", 1, 1, 1, 1, 0x0)             X(SQRT, "Sqrt", 1, 1, 1, 1, 0x0)                                          \
    X(RSQRT, "Rsqrt", 1, 1, 1, 1, 0x0)         X(SQUARE, "Square", 1, 1, 1, 1, 0x0)                                      \
    X(ABS, "Abs", 1, 1, 1, 1, 0x0)             X(NEG, "Neg", 1, 1, 1, 1, 0x0)                                            \
    X(SIGN, "Sign", 1, 1, 1, 1, 0x0)           X(FLOOR, "Floor", 1, 1, 1, 1, 0x0)                                        \
    X(CEIL, "Ceil", 1, 1, 1, 1, 0x0)           X(ROUND, "Round", 1, 1, 1, 1, 0x0)                                        \
    X(RECIPROCAL, "Reciprocal", 1, 1, 1, 1, 0x0) X(SOFTPLUS, "Softplus", 1, 1, 1, 1, 0x0)                                \
    X(SOFTSIGN, "Softsign", 1, 1, 1, 1, 0x0)   X(MISH, "Mish", 1, 1, 1, 1, 0x0)                                          \
    X(THRESHOLDED_RELU, "ThresholdedRelu", 1, 1, 1, 1, 0x0) X(SHRINK, "Shrink", 1, 1, 1, 1, 0x0)                         \
    X(SIN, "Sin", 1, 1, 1, 1, 0x0)  X(COS, "Cos", 1, 1, 1, 1, 0x0)  X(TAN, "Tan", 1, 1, 1, 1, 0x0)                       \
    X(ASIN, "Asin", 1, 1, 1, 1, 0x0) X(ACOS, "Acos", 1, 1, 1, 1, 0x0) X(ATAN, "Atan", 1, 1, 1, 1, 0x0)                   \
    X(SINH, "Sinh", 1, 1, 1, 1, 0x0) X(COSH, "Cosh", 1, 1, 1, 1, 0x0)                                                    \
    X(ASINH, "Asinh", 1, 1, 1, 1, 0x0) X(ACOSH, "Acosh", 1, 1, 1, 1, 0x0) X(ATANH, "Atanh", 1, 1, 1, 1, 0x0)             \
    X(NOT, "Not", 1, 1, 1, 1, 0x0)  X(BITWISE_NOT, "BitwiseNot", 1, 1, 1, 1, 0x0)                                        \
    X(ISNAN, "IsNaN", 1, 1, 1, 1, 0x0) X(ISINF, "IsInf", 1, 1, 1, 1, 0x0)                                                \
    X(CAST, "Cast", 1, 1, 1, 1, 0x0) X(QUANTIZE, "Quantize", 1, 1, 1, 1, 0x0)                                            \
    X(DEQUANTIZE, "Dequantize", 1, 1, 1, 1, 0x0)                                                                         \
    /* binary with numpy broadcasting */                                                                                 \
    X(ADD, "Add", 2, 2, 1, 1, 0x0) X(SUB, "Sub", 2, 2, 1, 1, 0x0) X(MUL, "Mul", 2, 2, 1, 1, 0x0)                         \
    X(DIV, "Div", 2, 2, 1, 1, 0x0) X(FLOOR_DIV, "FloorDiv", 2, 2, 1, 1, 0x0) X(MOD, "Mod", 2, 2, 1, 1, 0x0)              \
    X(POW, "Pow", 2, 2, 1, 1, 0x0) X(MIN, "Min", 2, 2, 1, 1, 0x0) X(MAX, "Max", 2, 2, 1, 1, 0x0)                         \
    X(SQUARED_DIFF, "SquaredDifference", 2, 2, 1, 1, 0x0) X(ATAN2, "Atan2", 2, 2, 1, 1, 0x0)                             \
    X(PRELU, "PRelu", 2, 2, 1, 1, 0x0)                                                                                   \
    X(EQUAL, "Equal", 2, 2, 1, 1, 0x0) X(NOT_EQUAL, "NotEqual", 2, 2, 1, 1, 0x0) X(LESS, "Less", 2, 2, 1, 1, 0x0)        \
    X(LESS_EQUAL, "LessEqual", 2, 2, 1, 1, 0x0) X(GREATER, "Greater", 2, 2, 1, 1, 0x0)                                   \
    X(GREATER_EQUAL, "GreaterEqual", 2, 2, 1, 1, 0x0)                                                                    \
    X(AND, "And", 2, 2, 1, 1, 0x0) X(OR, "Or", 2, 2, 1, 1, 0x0) X(XOR, "Xor", 2, 2, 1, 1, 0x0)                           \
    X(BITWISE_AND, "BitwiseAnd", 2, 2, 1, 1, 0x0) X(BITWISE_OR, "BitwiseOr", 2, 2, 1, 1, 0x0)                            \
    X(BITWISE_XOR, "BitwiseXor", 2, 2, 1, 1, 0x0) X(BIT_SHIFT, "BitShift", 2, 2, 1, 1, 0x0)                              \
    X(WHERE, "Where", 3, 3, 1, 1, 0x0)                                                                                   \
    /* reductions */                                                                                                     \
    X(REDUCE, "Reduce", 1, 1, 1, 1, 0x0) X(ARGMAX, "ArgMax", 1, 1, 1, 1, 0x0) X(ARGMIN, "ArgMin", 1, 1, 1, 1, 0x0)       \
    X(TOPK, "TopK", 1, 1, 2, 2, 0x0)                                                                                     \
    /* moving data */                                                                                                    \
    X(RESHAPE, "Reshape", 1, 1, 1, 1, 0x0)      /* also Squeeze, Unsqueeze, Flatten, Identity: never copies */           \
    X(TRANSPOSE, "Transpose", 1, 1, 1, 1, 0x0) X(CONCAT, "Concat", 1, 4096, 1, 1, 0x0)                                   \
    X(SLICE, "Slice", 1, 1, 1, 1, 0x0) X(PAD, "Pad", 1, 2, 1, 1, 0x0)   /* x, pad value? (scalar tensor) */              \
    X(TILE, "Tile", 1, 1, 1, 1, 0x0) X(EXPAND, "Expand", 1, 1, 1, 1, 0x0)                                                \
    X(GATHER, "Gather", 2, 2, 1, 1, 0x0) X(GATHER_ND, "GatherND", 2, 2, 1, 1, 0x0)                                       \
    X(GATHER_ELEMENTS, "GatherElements", 2, 2, 1, 1, 0x0) X(SCATTER_ND, "ScatterND", 3, 3, 1, 1, 0x0)                    \
    X(SCATTER_ELEMENTS, "ScatterElements", 3, 3, 1, 1, 0x0) X(REVERSE, "Reverse", 1, 1, 1, 1, 0x0)                       \
    X(DEPTH_TO_SPACE, "DepthToSpace", 1, 1, 1, 1, 0x0)   /* NHWC; a.block.dcr: 1 = DCR order (TFLite, ONNX default) */   \
    X(SPACE_TO_DEPTH, "SpaceToDepth", 1, 1, 1, 1, 0x0) X(TRILU, "Trilu", 1, 1, 1, 1, 0x0)                                \
    X(ONE_HOT, "OneHot", 3, 3, 1, 1, 0x2) X(RANGE, "Range", 3, 3, 1, 1, 0x7)                                             \
    X(NMS, "NonMaxSuppression", 2, 5, 1, 1, 0x1c)                                                                        \
    X(DETECTION_POSTPROCESS, "DetectionPostProcess", 3, 3, 4, 4, 0x4) /* TFLite_Detection_PostProcess */

enum npi_op {
#define NPI_OP_ENUM(id, name, i0, i1, o0, o1, cmask) NPI_OP_##id,
    NPI_OP_LIST(NPI_OP_ENUM)
#undef NPI_OP_ENUM
    NPI_OP_COUNT
};

struct npi_op_info { const char *name; int min_in, max_in, min_out, max_out; unsigned const_in; };
extern const struct npi_op_info npi_op_info[NPI_OP_COUNT];

/* Activation fused behind an op. CLAMP covers Relu (0, inf), Relu6 (0, 6), Relu-1..1. */
enum npi_act_kind { NPI_ACT_NONE = 0, NPI_ACT_CLAMP, NPI_ACT_SILU, NPI_ACT_SIGMOID, NPI_ACT_HARD_SWISH, NPI_ACT_LEAKY, NPI_ACT_TANH, NPI_ACT_GELU };
struct npi_act { int kind; float lo, hi; }; /* lo, hi: clamp bounds; lo: slope of LEAKY */

enum npi_resize_mode { NPI_RESIZE_NEAREST, NPI_RESIZE_LINEAR, NPI_RESIZE_CUBIC };
enum npi_resize_coord { NPI_COORD_HALF_PIXEL, NPI_COORD_ASYMMETRIC, NPI_COORD_ALIGN_CORNERS, NPI_COORD_PYTORCH_HALF_PIXEL,
                        NPI_COORD_TF_CROP_AND_RESIZE, NPI_COORD_HALF_PIXEL_SYMMETRIC };
enum npi_round { NPI_ROUND_PREFER_FLOOR, NPI_ROUND_PREFER_CEIL, NPI_ROUND_FLOOR, NPI_ROUND_CEIL };
enum npi_reduce { NPI_REDUCE_SUM, NPI_REDUCE_MEAN, NPI_REDUCE_MAX, NPI_REDUCE_MIN, NPI_REDUCE_PROD, NPI_REDUCE_L1, NPI_REDUCE_L2,
                  NPI_REDUCE_LOG_SUM, NPI_REDUCE_LOG_SUM_EXP, NPI_REDUCE_SUM_SQUARE, NPI_REDUCE_ANY, NPI_REDUCE_ALL };
enum npi_pad_mode { NPI_PAD_CONSTANT, NPI_PAD_REFLECT, NPI_PAD_EDGE, NPI_PAD_WRAP, NPI_PAD_SYMMETRIC };

/* Spatial window: order top, left, bottom, right. Pads are explicit by the time a node is built (SAME is resolved by importers). */
struct npi_window { int kh, kw, sh, sw, dh, dw, pt, pl, pb, pr; };
/* 1x1, stride 1, no padding: output pixel i is made of input pixel i. */
static inline int npi_window_is_pixel(const struct npi_window *w) {
    return w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1 && !w->pt && !w->pl && !w->pb && !w->pr;
}

union npi_attr {
    struct { struct npi_window win; int groups; } conv;                       /* CONV2D, DWCONV2D (groups unused) */
    struct { struct npi_window win; int groups; int out_pad_h, out_pad_w; } convt;
    struct { struct npi_window win; int ceil_mode, count_include_pad, p, storage_order; } pool;
    struct { int ta, tb; float alpha; } matmul;                               /* alpha 0 means 1 */
    struct { int mode, coord, round, antialias, exclude_outside; float cubic_a, extrapolation; int64_t size[NP_MAX_RANK];
             float scale[NP_MAX_RANK]; float roi[2 * NP_MAX_RANK]; } resize;  /* scale = out / in as the format means it */
    struct { int axis; float eps; int groups; float alpha, beta, bias; } norm; /* softmax, norms, lrn (groups = size), concat-like axis ops */
    struct { float a, b; int tanh_approx; } unary;                            /* alpha/beta, lo/hi of CLAMP, GELU tanh */
    struct { int to; int round_saturate; } cast;                              /* enum np_dtype */
    struct { int kind; unsigned axes; int keepdims; int select_last; int axis; int out_dtype; } reduce; /* axes: bit mask; argmax uses axis */
    struct { int perm[NP_MAX_RANK]; } transpose;
    struct { int axis; } concat;                                              /* also GATHER, GATHER_ELEMENTS, SCATTER_ELEMENTS, TRILU (axis = k) */
    struct { int axis, batch_dims, reduction, upper; int exclusive, reverse; } gather; /* gather/scatter/cumsum/trilu */
    struct { int64_t start[NP_MAX_RANK], step[NP_MAX_RANK], size[NP_MAX_RANK]; } slice; /* normalised: in range, size = out dims */
    struct { int mode; int64_t before[NP_MAX_RANK], after[NP_MAX_RANK]; double value; } pad; /* negative = crop */
    struct { int64_t dims[NP_MAX_RANK]; int rank; } shape;                    /* RESHAPE, EXPAND, TILE (repeats) target, all known */
    struct { int64_t k; int axis, largest, sorted; } topk;
    struct { int block, dcr; } block;
    struct { int mode_fmod; int direction_right; int detect_negative, detect_positive; } misc;
    struct { int mode, padding, align_corners; } grid;
    struct { int max_detections, max_classes_per_detection, detections_per_class, num_classes, regular_nms; float score_thr, iou_thr, sy, sx, sh, sw; } detect;
    struct { int center_point_box; } nms;
    struct { int bins; } bins;
};
#endif
