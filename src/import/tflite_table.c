/* SPDX-License-Identifier: Apache-2.0 */
/* The builtin operators of TFLite: the names of all, by number, so that an unsupported one is named; and for those we read the
 * number of their options table in the schema's union (negative: in the second union) and the handler. */
#include "import/tflite.h"

static const char *const names[] = {
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "EMBEDDING_LOOKUP", "FLOOR",
    "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D", "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM",
    "MAX_POOL_2D", "MUL", "RELU", "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD", "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER",
    "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB", "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE",
    "BIDIRECTIONAL_SEQUENCE_RNN", "EXP", "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM",
    "ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE", "SIN", "TRANSPOSE_CONV",
    "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT",
    "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT", "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY",
    "SQUARE", "ZEROS_LIKE", "FILL", "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS",
    "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU", "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE",
    "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2",
    "DENSIFY", "SEGMENT_SUM", "BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D",
    "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL", "CONV_3D_TRANSPOSE",
    "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS", "RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL",
    "GELU", "DYNAMIC_UPDATE_SLICE", "RELU_0_TO_1", "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_SUM", "ATAN2",
    "UNSORTED_SEGMENT_MIN", "SIGN", "BITCAST", "BITWISE_XOR", "RIGHT_SHIFT", "STABLEHLO_LOGISTIC", "STABLEHLO_ADD", "STABLEHLO_DIVIDE",
    "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM", "STABLEHLO_RESHAPE", "STABLEHLO_CLAMP", "STABLEHLO_CONCATENATE", "STABLEHLO_BROADCAST_IN_DIM",
    "STABLEHLO_CONVOLUTION", "STABLEHLO_SLICE", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_REDUCE", "STABLEHLO_ABS", "STABLEHLO_AND", "STABLEHLO_COSINE",
    "STABLEHLO_EXPONENTIAL", "STABLEHLO_FLOOR", "STABLEHLO_LOG", "STABLEHLO_MINIMUM", "STABLEHLO_NEGATE", "STABLEHLO_OR", "STABLEHLO_POWER",
    "STABLEHLO_REMAINDER", "STABLEHLO_RSQRT", "STABLEHLO_SELECT", "STABLEHLO_SUBTRACT", "STABLEHLO_TANH", "STABLEHLO_SCATTER",
    "STABLEHLO_COMPARE", "STABLEHLO_CONVERT", "STABLEHLO_DYNAMIC_SLICE", "STABLEHLO_DYNAMIC_UPDATE_SLICE", "STABLEHLO_PAD", "STABLEHLO_IOTA",
    "STABLEHLO_DOT_GENERAL", "STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SORT", "STABLEHLO_WHILE", "STABLEHLO_GATHER", "STABLEHLO_TRANSPOSE", "DILATE",
    "STABLEHLO_RNG_BIT_GENERATOR", "REDUCE_WINDOW", "STABLEHLO_COMPOSITE", "STABLEHLO_SHIFT_LEFT", "STABLEHLO_CBRT", "STABLEHLO_CASE",
};

static const struct npi_tfl_handler handlers[] = {
    { 0, 11, npi_tfl_binary_act, NPI_OP_ADD },              /* ADD */
    { 41, 28, npi_tfl_binary_act, NPI_OP_SUB },             /* SUB */
    { 18, 21, npi_tfl_binary_act, NPI_OP_MUL },             /* MUL */
    { 42, 29, npi_tfl_binary_act, NPI_OP_DIV },             /* DIV */
    { 78, 56, npi_tfl_binary, NPI_OP_POW },                 /* POW */
    { 55, 39, npi_tfl_binary, NPI_OP_MAX },                 /* MAXIMUM */
    { 57, 39, npi_tfl_binary, NPI_OP_MIN },                 /* MINIMUM */
    { 90, 65, npi_tfl_binary, NPI_OP_FLOOR_DIV },           /* FLOOR_DIV */
    { 95, 72, npi_tfl_binary, NPI_OP_MOD },                 /* FLOOR_MOD */
    { 99, 76, npi_tfl_binary, NPI_OP_SQUARED_DIFF },        /* SQUARED_DIFFERENCE */
    { 156, 122, npi_tfl_binary, NPI_OP_ATAN2 },             /* ATAN2 */
    { 54, 0, npi_tfl_binary, NPI_OP_PRELU },                /* PRELU */
    { 71, 53, npi_tfl_binary, NPI_OP_EQUAL },               /* EQUAL */
    { 72, 54, npi_tfl_binary, NPI_OP_NOT_EQUAL },           /* NOT_EQUAL */
    { 58, 41, npi_tfl_binary, NPI_OP_LESS },                /* LESS */
    { 63, 46, npi_tfl_binary, NPI_OP_LESS_EQUAL },          /* LESS_EQUAL */
    { 61, 44, npi_tfl_binary, NPI_OP_GREATER },             /* GREATER */
    { 62, 45, npi_tfl_binary, NPI_OP_GREATER_EQUAL },       /* GREATER_EQUAL */
    { 86, 62, npi_tfl_binary, NPI_OP_AND },                 /* LOGICAL_AND */
    { 84, 60, npi_tfl_binary, NPI_OP_OR },                  /* LOGICAL_OR */
    { 160, 125, npi_tfl_binary, NPI_OP_BITWISE_XOR },       /* BITWISE_XOR */
    { 161, 126, npi_tfl_binary, NPI_OP_BIT_SHIFT },         /* RIGHT_SHIFT */
    { 106, 82, npi_tfl_add_n, 0 },                          /* ADD_N */
    { 64, 47, npi_tfl_select, 1 },                          /* SELECT */
    { 123, 98, npi_tfl_select, 2 },                         /* SELECT_V2 */
    { 19, 0, npi_tfl_relu, 1 },                             /* RELU */
    { 20, 0, npi_tfl_relu, 2 },                             /* RELU_N1_TO_1 */
    { 21, 0, npi_tfl_relu, 3 },                             /* RELU6 */
    { 152, 0, npi_tfl_relu, 4 },                            /* RELU_0_TO_1 */
    { 98, 75, npi_tfl_leaky, 0 },                           /* LEAKY_RELU */
    { 150, 116, npi_tfl_gelu, 0 },                          /* GELU */
    { 14, 0, npi_tfl_unary, NPI_OP_SIGMOID },               /* LOGISTIC */
    { 28, 0, npi_tfl_unary, NPI_OP_TANH },                  /* TANH */
    { 117, 91, npi_tfl_unary, NPI_OP_HARD_SWISH },          /* HARD_SWISH */
    { 111, 0, npi_tfl_unary, NPI_OP_ELU },                  /* ELU */
    { 47, 33, npi_tfl_unary, NPI_OP_EXP },                  /* EXP */
    { 73, 0, npi_tfl_unary, NPI_OP_LOG },                   /* LOG */
    { 75, 0, npi_tfl_unary, NPI_OP_SQRT },                  /* SQRT */
    { 76, 0, npi_tfl_unary, NPI_OP_RSQRT },                 /* RSQRT */
    { 92, 66, npi_tfl_unary, NPI_OP_SQUARE },               /* SQUARE */
    { 101, 78, npi_tfl_unary, NPI_OP_ABS },                 /* ABS */
    { 59, 42, npi_tfl_unary, NPI_OP_NEG },                  /* NEG */
    { 158, 123, npi_tfl_unary, NPI_OP_SIGN },               /* SIGN */
    { 8, 0, npi_tfl_unary, NPI_OP_FLOOR },                  /* FLOOR */
    { 104, 0, npi_tfl_unary, NPI_OP_CEIL },                 /* CEIL */
    { 116, 0, npi_tfl_unary, NPI_OP_ROUND },                /* ROUND */
    { 66, 0, npi_tfl_unary, NPI_OP_SIN },                   /* SIN */
    { 108, 84, npi_tfl_unary, NPI_OP_COS },                 /* COS */
    { 87, 63, npi_tfl_unary, NPI_OP_NOT },                  /* LOGICAL_NOT */
    { 53, 37, npi_tfl_cast, 0 },                            /* CAST */
    { 114, 89, npi_tfl_quantize, NPI_OP_QUANTIZE },         /* QUANTIZE */
    { 6, 38, npi_tfl_quantize, NPI_OP_DEQUANTIZE },         /* DEQUANTIZE */
    { 40, 27, npi_tfl_reduce, NPI_REDUCE_MEAN },            /* MEAN */
    { 74, 27, npi_tfl_reduce, NPI_REDUCE_SUM },             /* SUM */
    { 81, 27, npi_tfl_reduce, NPI_REDUCE_PROD },            /* REDUCE_PROD */
    { 82, 27, npi_tfl_reduce, NPI_REDUCE_MAX },             /* REDUCE_MAX */
    { 89, 27, npi_tfl_reduce, NPI_REDUCE_MIN },             /* REDUCE_MIN */
    { 91, 27, npi_tfl_reduce, NPI_REDUCE_ANY },             /* REDUCE_ANY */
    { 140, 27, npi_tfl_reduce, NPI_REDUCE_ALL },            /* REDUCE_ALL */
    { 56, 40, npi_tfl_argminmax, NPI_OP_ARGMAX },           /* ARG_MAX */
    { 79, 57, npi_tfl_argminmax, NPI_OP_ARGMIN },           /* ARG_MIN */
    { 48, 34, npi_tfl_topk, 0 },                            /* TOPK_V2 */
    { 25, 9, npi_tfl_softmax, NPI_OP_SOFTMAX },             /* SOFTMAX */
    { 50, 36, npi_tfl_softmax, NPI_OP_LOG_SOFTMAX },        /* LOG_SOFTMAX */
    { 11, 12, npi_tfl_l2norm, 0 },                          /* L2_NORMALIZATION */
    { 13, 13, npi_tfl_lrn, 0 },                             /* LOCAL_RESPONSE_NORMALIZATION */
    { 128, 102, npi_tfl_cumsum, 0 },                        /* CUMSUM */
    { 3, 1, npi_tfl_conv, 0 },                              /* CONV_2D */
    { 4, 2, npi_tfl_dwconv, 0 },                            /* DEPTHWISE_CONV_2D */
    { 67, 49, npi_tfl_convt, 0 },                           /* TRANSPOSE_CONV */
    { 9, 8, npi_tfl_fully_connected, 0 },                   /* FULLY_CONNECTED */
    { 126, 101, npi_tfl_matmul, 0 },                        /* BATCH_MATMUL */
    { 17, 5, npi_tfl_pool, NPI_OP_MAXPOOL2D },              /* MAX_POOL_2D */
    { 1, 5, npi_tfl_pool, NPI_OP_AVGPOOL2D },               /* AVERAGE_POOL_2D */
    { 23, 15, npi_tfl_resize, NPI_RESIZE_LINEAR },          /* RESIZE_BILINEAR */
    { 97, 74, npi_tfl_resize, NPI_RESIZE_NEAREST },         /* RESIZE_NEAREST_NEIGHBOR */
    { 5, 94, npi_tfl_depth_space, NPI_OP_DEPTH_TO_SPACE },  /* DEPTH_TO_SPACE */
    { 26, 19, npi_tfl_depth_space, NPI_OP_SPACE_TO_DEPTH }, /* SPACE_TO_DEPTH */
    { 38, 25, npi_tfl_space_batch, 1 },                     /* SPACE_TO_BATCH_ND */
    { 37, 24, npi_tfl_space_batch, 0 },                     /* BATCH_TO_SPACE_ND */
    { 22, 17, npi_tfl_reshape, 0 },                         /* RESHAPE */
    { 43, 30, npi_tfl_squeeze, 0 },                         /* SQUEEZE */
    { 70, 52, npi_tfl_expand_dims, 0 },                     /* EXPAND_DIMS */
    { 77, 55, npi_tfl_shape, 0 },                           /* SHAPE */
    { 110, 86, npi_tfl_shape, 1 },                          /* RANK */
    { 39, 26, npi_tfl_transpose, 0 },                       /* TRANSPOSE */
    { 130, 104, npi_tfl_broadcast_to, 0 },                  /* BROADCAST_TO */
    { 69, 51, npi_tfl_tile, 0 },                            /* TILE */
    { 94, 68, npi_tfl_fill, 0 },                            /* FILL */
    { 93, 67, npi_tfl_zeros_like, 0 },                      /* ZEROS_LIKE */
    { 96, 73, npi_tfl_range, 0 },                           /* RANGE */
    { 124, 99, npi_tfl_densify, 0 },                        /* DENSIFY */
    { 206, -21, npi_tfl_composite, 0 },                     /* STABLEHLO_COMPOSITE */
    { 45, 32, npi_tfl_strided_slice, 0 },                   /* STRIDED_SLICE */
    { 65, 48, npi_tfl_slice, 0 },                           /* SLICE */
    { 49, 35, npi_tfl_split, 0 },                           /* SPLIT */
    { 102, 79, npi_tfl_split, 1 },                          /* SPLIT_V */
    { 83, 59, npi_tfl_pack, 0 },                            /* PACK */
    { 88, 64, npi_tfl_unpack, 0 },                          /* UNPACK */
    { 2, 10, npi_tfl_concat, 0 },                           /* CONCATENATION */
    { 36, 23, npi_tfl_gather, 0 },                          /* GATHER */
    { 107, 83, npi_tfl_gather_nd, 0 },                      /* GATHER_ND */
    { 7, 0, npi_tfl_embedding, 0 },                         /* EMBEDDING_LOOKUP */
    { 122, 97, npi_tfl_scatter_nd, 0 },                     /* SCATTER_ND */
    { 85, 61, npi_tfl_one_hot, 0 },                         /* ONE_HOT */
    { 105, 81, npi_tfl_reverse, 0 },                        /* REVERSE_V2 */
    { 34, 22, npi_tfl_pad, 0 },                             /* PAD */
    { 60, 43, npi_tfl_pad, 1 },                             /* PADV2 */
    { 100, 77, npi_tfl_pad, 2 },                            /* MIRROR_PAD */
};

enum { N_NAMES = sizeof names / sizeof *names, N_HANDLERS = sizeof handlers / sizeof *handlers };

const char *npi_tfl_name(int code) { return code >= 0 && code < N_NAMES ? names[code] : "of an unknown number"; }

const struct npi_tfl_handler *npi_tfl_handler(int code) {
    for (int i = 0; i < N_HANDLERS; i++)
        if (handlers[i].code == code) return &handlers[i];
    return NULL;
}

const char *npi_tflite_op_at(int i) {
    if (i < 0 || i > N_HANDLERS) return NULL;
    return i < N_HANDLERS ? names[handlers[i].code] : "TFLite_Detection_PostProcess";
}
