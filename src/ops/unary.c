/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise ops of one input. Parameters are node->a.unary.a and .b; importers fill them, also with the defaults of
 * their format. Computed in double (floats) or int64 (integers), then rounded once to the dtype of the tensor.
 *
 *   op                 a              b           result                                              dtypes
 *   Relu               -              -           max(x, 0)                                           float, int
 *   LeakyRelu          slope          -           x < 0 ? a*x : x                                     float
 *   Clamp              lo             hi          x < lo ? lo : x > hi ? hi : x; NaN stays            float, int (lo, hi truncated to the integer range)
 *   Sigmoid            -              -           1 / (1 + e^-x)                                      float
 *   Silu               beta (0: 1)    -           x * sigmoid(beta * x); Swish                        float
 *   HardSigmoid        alpha          beta        clamp(a*x + b, 0, 1)                                float
 *   HardSwish          -              -           x * clamp(x/6 + 1/2, 0, 1)                          float
 *   Elu                alpha          -           x < 0 ? a*(e^x - 1) : x                             float
 *   Selu               alpha          gamma       x > 0 ? b*x : b*a*(e^x - 1)                         float
 *   Celu               alpha          -           max(0,x) + min(0, a*(e^(x/a) - 1))                  float
 *   Gelu               -              -           x/2 * (1 + erf(x/sqrt 2)); with a.unary.tanh_approx
 *                                                 x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))   float
 *   Softplus           -              -           log(1 + e^x)                                        float
 *   Mish               -              -           x * tanh(softplus(x))                               float
 *   ThresholdedRelu    alpha          -           x > a ? x : 0                                       float
 *   Shrink             lambd          bias        x < -a ? x + b : x > a ? x - b : 0                  float, int
 *   Round              -              -           half to even                                        float
 *   Sign               -              -           -1, 0, 1; NaN stays                                 float, int
 *   Abs Neg Square     -              -           integers wrap                                       float, int
 *   Not                -              -           !x                                                  bool
 *   BitwiseNot         -              -           ~x                                                  int, bool as Not
 *   IsNaN              -              -           -> bool                                             float
 *   IsInf              a.misc.detect_negative, detect_positive: which infinities count -> bool        float
 *   Tanh Erf Exp Log Sqrt Rsqrt Floor Ceil Reciprocal Softsign, trigonometric and hyperbolic: as named  float */
#include <math.h>

#include "ops/convert.h"
#include "ops/walk.h"

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double clamp(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }
static double gelu(double x, int approx) {
    return approx ? .5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))) : .5 * x * (1 + erf(x * 0.70710678118654752440));
}

/* One case a op; the loop inside, so that the switch is taken once a block. */
#define F(id, expr) case NPI_OP_##id: for (size_t i = 0; i < n; i++) { const double x = v[i]; v[i] = expr; } break
static void eval_float(const struct npi_node *nd, double *v, size_t n) {
    const double a = nd->a.unary.a, b = nd->a.unary.b;
    switch ((int)nd->op) {
    F(RELU, x < 0 ? 0 : x);
    F(LEAKY_RELU, x < 0 ? a * x : x);
    F(CLAMP, clamp(x, a, b));
    F(SIGMOID, sigmoid(x));
    F(SILU, x == -INFINITY ? 0 : x * sigmoid(a == 0 ? x : a * x));
    F(TANH, tanh(x));
    F(HARD_SIGMOID, clamp(a * x + b, 0, 1));
    F(HARD_SWISH, x == -INFINITY ? 0 : x * clamp(x / 6 + .5, 0, 1));
    F(ELU, x < 0 ? a * expm1(x) : x);
    F(SELU, x > 0 ? b * x : b * a * expm1(x));
    F(CELU, a == 0 ? (x < 0 ? 0 : x) : (x > 0 ? x : 0) + fmin(0, a * expm1(x / a)) + (isnan(x) ? x : 0));
    F(GELU, x == -INFINITY ? 0 : gelu(x, nd->a.unary.tanh_approx));
    F(ERF, erf(x));
    F(EXP, exp(x));
    F(LOG, log(x));
    F(SQRT, sqrt(x));
    F(RSQRT, 1 / sqrt(x));
    F(SQUARE, x * x);
    F(ABS, fabs(x));
    F(NEG, -x);
    F(SIGN, x > 0 ? 1 : x < 0 ? -1 : isnan(x) ? x : 0);
    F(FLOOR, floor(x));
    F(CEIL, ceil(x));
    F(ROUND, nearbyint(x));
    F(RECIPROCAL, 1 / x);
    F(SOFTPLUS, softplus(x));
    F(SOFTSIGN, x / (1 + fabs(x)));
    F(MISH, x == -INFINITY ? 0 : x * tanh(softplus(x)));
    F(THRESHOLDED_RELU, x > a || isnan(x) ? x : 0);
    F(SHRINK, x < -a ? x + b : x > a ? x - b : isnan(x) ? x : 0);
    F(SIN, sin(x));
    F(COS, cos(x));
    F(TAN, tan(x));
    F(ASIN, asin(x));
    F(ACOS, acos(x));
    F(ATAN, atan(x));
    F(SINH, sinh(x));
    F(COSH, cosh(x));
    F(ASINH, asinh(x));
    F(ACOSH, acosh(x));
    F(ATANH, atanh(x));
    default: break;
    }
}
#undef F

#define I(id, expr) case NPI_OP_##id: for (size_t i = 0; i < n; i++) { const int64_t x = v[i]; v[i] = expr; } break
static void eval_int(const struct npi_node *nd, int dtype, int64_t *v, size_t n) {
    const double a = nd->a.unary.a, b = nd->a.unary.b;
    const int64_t lo = npi_f64_to_i64(a), hi = npi_f64_to_i64(b);
    const int is_u64 = npi_dtype_kind(dtype) == NPI_KIND_UINT;
    switch ((int)nd->op) {
    I(RELU, x < 0 && !is_u64 ? 0 : x);
    I(CLAMP, is_u64 && x < 0 ? (b < 0x1p63 ? hi : x) : x < lo ? lo : x > hi ? hi : x); /* u64 above 2^63 reads as negative */
    I(SQUARE, (int64_t)((uint64_t)x * (uint64_t)x));
    I(ABS, x < 0 && !is_u64 ? (int64_t)(0 - (uint64_t)x) : x);
    I(NEG, (int64_t)(0 - (uint64_t)x));
    I(SIGN, is_u64 ? x != 0 : (x > 0) - (x < 0));
    I(SHRINK, npi_f64_to_i64((double)x < -a ? (double)x + b : (double)x > a ? (double)x - b : 0));
    I(NOT, !x);
    I(BITWISE_NOT, dtype == NP_BOOL ? !x : ~x);
    default: break;
    }
}
#undef I

static void eval_unary(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int64_t n = npi_view_count(out);
    for (int64_t at = 0; at < n; at += NPI_BLOCK) {
        const size_t m = n - at < NPI_BLOCK ? (size_t)(n - at) : NPI_BLOCK;
        if (npi_dtype_kind(in->dtype) == NPI_KIND_FLOAT) {
            double v[NPI_BLOCK];
            npi_load_f64(v, in->dtype, in->data, at, 1, m);
            eval_float(a->node, v, m);
            npi_store_f64(out->dtype, out->data, at, v, m);
        } else {
            int64_t v[NPI_BLOCK];
            npi_load_i64(v, in->dtype, in->data, at, 1, m);
            eval_int(a->node, in->dtype, v, m);
            npi_store_i64(out->dtype, out->data, at, v, m);
        }
    }
}

static void eval_classify(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int64_t n = npi_view_count(out);
    uint8_t *o = out->data;
    const int neg = a->node->a.misc.detect_negative, pos = a->node->a.misc.detect_positive;
    for (int64_t i = 0; i < n; i++) {
        const double x = npi_get_f64(in->dtype, in->data, i);
        o[i] = a->node->op == NPI_OP_ISNAN ? isnan(x) != 0 : isinf(x) && (x > 0 ? pos : neg);
    }
}

static int infer_masked(const struct npi_op_args *a, unsigned mask, struct np_error *err) {
    const int r = npi_infer_dtype(a, 0, mask, err);
    if (r < 0) return r;
    npi_infer_same(a->out[0], a->in[0]);
    return npi_infer_check(a->out[0], err);
}
static int infer_float(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_FLOAT, err); }
static int infer_num(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_NUM, err); }
static int infer_bool(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_BOOL, err); }
static int infer_int(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_INT | NPI_M_BOOL, err); }
static int infer_classify(const struct npi_op_args *a, struct np_error *err) {
    const int r = infer_masked(a, NPI_M_FLOAT, err);
    a->out[0]->dtype = NP_BOOL;
    return r;
}

#define ROW(id, infer) { NPI_OP_##id, infer, eval_unary, NULL, NPI_OPF_INPLACE }
static const struct npi_op_def defs[] = {
    ROW(RELU, infer_num), ROW(LEAKY_RELU, infer_float), ROW(CLAMP, infer_num), ROW(SIGMOID, infer_float), ROW(SILU, infer_float),
    ROW(TANH, infer_float), ROW(HARD_SIGMOID, infer_float), ROW(HARD_SWISH, infer_float), ROW(ELU, infer_float), ROW(SELU, infer_float),
    ROW(CELU, infer_float), ROW(GELU, infer_float), ROW(ERF, infer_float), ROW(EXP, infer_float), ROW(LOG, infer_float),
    ROW(SQRT, infer_float), ROW(RSQRT, infer_float), ROW(SQUARE, infer_num), ROW(ABS, infer_num), ROW(NEG, infer_num),
    ROW(SIGN, infer_num), ROW(FLOOR, infer_float), ROW(CEIL, infer_float), ROW(ROUND, infer_float), ROW(RECIPROCAL, infer_float),
    ROW(SOFTPLUS, infer_float), ROW(SOFTSIGN, infer_float), ROW(MISH, infer_float), ROW(THRESHOLDED_RELU, infer_float),
    ROW(SHRINK, infer_num), ROW(SIN, infer_float), ROW(COS, infer_float), ROW(TAN, infer_float), ROW(ASIN, infer_float),
    ROW(ACOS, infer_float), ROW(ATAN, infer_float), ROW(SINH, infer_float), ROW(COSH, infer_float), ROW(ASINH, infer_float),
    ROW(ACOSH, infer_float), ROW(ATANH, infer_float), ROW(NOT, infer_bool), ROW(BITWISE_NOT, infer_int),
    { NPI_OP_ISNAN, infer_classify, eval_classify, NULL, 0 },
    { NPI_OP_ISINF, infer_classify, eval_classify, NULL, 0 },
};
const struct npi_op_family npi_ops_unary = { defs, sizeof defs / sizeof *defs };
