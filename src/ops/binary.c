/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise ops of two inputs with numpy broadcasting. Computed in double (floats) or 64-bit integers, a block at a
 * time, then rounded once (floats) or wrapped (integers); for Add, Sub, Mul and Div of f32 that equals float arithmetic.
 *
 *   Div, integers     towards zero; x / 0 = 0 and INT_MIN / -1 wraps: nothing traps
 *   FloorDiv          towards minus infinity
 *   Mod               a.misc.mode_fmod 1: sign of the first operand (C fmod, %); 0: sign of the second (Python); integer x mod 0 = 0
 *   Pow               dtype of the first input; the exponent may have another dtype
 *   Min, Max          NaN if either is NaN
 *   BitShift          a.misc.direction_right; by the width or more (or by a negative count): all bits are shifted out
 *   PRelu             x < 0 ? slope * x : x
 *   comparisons       -> bool;  And, Or, Xor: bool only;  Bitwise*: integers (and bool) */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"

static double py_mod(double a, double b) {
    const double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

#define F(id, expr) case NPI_OP_##id: for (size_t i = 0; i < n; i++) { const double a = x[i], b = y[i]; o[i] = expr; } break
static void eval_float(const struct npi_node *nd, const double *x, const double *y, double *o, size_t n) {
    const int fmod_flag = nd->a.misc.mode_fmod;
    switch ((int)nd->op) {
    F(ADD, a + b);
    F(SUB, a - b);
    F(MUL, a * b);
    F(DIV, a / b);
    F(FLOOR_DIV, floor(a / b));
    F(MOD, fmod_flag ? fmod(a, b) : py_mod(a, b));
    F(POW, pow(a, b));
    F(MIN, isnan(a) || a < b ? a : b);
    F(MAX, isnan(a) || a > b ? a : b);
    F(SQUARED_DIFF, (a - b) * (a - b));
    F(ATAN2, atan2(a, b));
    F(PRELU, a < 0 ? a * b : a);
    F(EQUAL, a == b);
    F(NOT_EQUAL, a != b);
    F(LESS, a < b);
    F(LESS_EQUAL, a <= b);
    F(GREATER, a > b);
    F(GREATER_EQUAL, a >= b);
    default: break;
    }
}
#undef F

static int64_t i_neg(int64_t a) { return (int64_t)(0 - (uint64_t)a); }
static int64_t i_div(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? i_neg(a) : a / b; }
static int64_t i_rem(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }
static int64_t i_floor_div(int64_t a, int64_t b) {
    const int64_t r = i_rem(a, b);
    return i_div(a, b) - (r != 0 && (r < 0) != (b < 0));
}
static int64_t i_py_mod(int64_t a, int64_t b) {
    const int64_t r = i_rem(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static int64_t i_pow(int64_t base, int64_t e, int is_unsigned) {
    if (e < 0 && !is_unsigned) return base == 1 ? 1 : base == -1 ? (e & 1 ? -1 : 1) : 0;
    uint64_t r = 1, b = (uint64_t)base;
    for (uint64_t k = (uint64_t)e; k; k >>= 1, b *= b)
        if (k & 1) r *= b;
    return (int64_t)r;
}
static int64_t i_shift(int64_t a, int64_t count, int bits, int right, int is_unsigned) {
    if (count < 0 || count >= bits) return right && a < 0 && !is_unsigned ? -1 : 0;
    if (!right) return (int64_t)((uint64_t)a << count);
    return is_unsigned ? (int64_t)((uint64_t)a >> count) : a >> count;
}

#define I(id, expr) case NPI_OP_##id: for (size_t i = 0; i < n; i++) { const int64_t a = x[i], b = y[i]; o[i] = expr; } break
#define U(a) ((uint64_t)(a))
/* What does not depend on the sign of 64-bit operands, or is signed; eval_u64 has the rest. */
static void eval_int(const struct npi_node *nd, int dtype, const int64_t *x, const int64_t *y, int64_t *o, size_t n) {
    const int bits = npi_dtype_bits(dtype), is_u = dtype == NP_U64, right = nd->a.misc.direction_right, trunc_mod = nd->a.misc.mode_fmod;
    switch ((int)nd->op) {
    I(ADD, (int64_t)(U(a) + U(b)));
    I(SUB, (int64_t)(U(a) - U(b)));
    I(MUL, (int64_t)(U(a) * U(b)));
    I(DIV, i_div(a, b));
    I(FLOOR_DIV, i_floor_div(a, b));
    I(MOD, trunc_mod ? i_rem(a, b) : i_py_mod(a, b));
    I(POW, i_pow(a, b, is_u));
    I(MIN, a < b ? a : b);
    I(MAX, a > b ? a : b);
    I(SQUARED_DIFF, (int64_t)((U(a) - U(b)) * (U(a) - U(b))));
    I(PRELU, a < 0 ? (int64_t)(U(a) * U(b)) : a);
    I(EQUAL, a == b);
    I(NOT_EQUAL, a != b);
    I(LESS, a < b);
    I(LESS_EQUAL, a <= b);
    I(GREATER, a > b);
    I(GREATER_EQUAL, a >= b);
    I(AND, a && b);
    I(OR, a || b);
    I(XOR, !a != !b);
    I(BITWISE_AND, a & b);
    I(BITWISE_OR, a | b);
    I(BITWISE_XOR, a ^ b);
    I(BIT_SHIFT, i_shift(a, b, bits, right, is_u));
    default: break;
    }
}

static void eval_u64(const struct npi_node *nd, const int64_t *x, const int64_t *y, int64_t *o, size_t n) {
    switch ((int)nd->op) {
    I(DIV, b ? (int64_t)(U(a) / U(b)) : 0);
    I(FLOOR_DIV, b ? (int64_t)(U(a) / U(b)) : 0);
    I(MOD, b ? (int64_t)(U(a) % U(b)) : 0);
    I(MIN, U(a) < U(b) ? a : b);
    I(MAX, U(a) > U(b) ? a : b);
    case NPI_OP_PRELU: memmove(o, x, n * sizeof *o); break; /* nothing is negative */
    I(LESS, U(a) < U(b));
    I(LESS_EQUAL, U(a) <= U(b));
    I(GREATER, U(a) > U(b));
    I(GREATER_EQUAL, U(a) >= U(b));
    default: eval_int(nd, NP_U64, x, y, o, n);
    }
}
#undef I
#undef U

/* Plain f32 arithmetic without the way through double: the bulk of what real models do here. 0: not such a case. */
#define FAST(id, expr)                                                                                                                       \
    case NPI_OP_##id:                                                                                                                        \
        if (sx == 1 && sy == 1) { for (int64_t i = 0; i < n; i++) { const float a = x[i], b = y[i]; o[i] = expr; } }                         \
        else if (sy == 0) { const float b = y[0]; for (int64_t i = 0; i < n; i++) { const float a = x[i * sx]; o[i] = expr; } }              \
        else { for (int64_t i = 0; i < n; i++) { const float a = x[i * sx], b = y[i * sy]; o[i] = expr; } }                                  \
        return 1
static int run_f32(enum npi_op op, const npi_f32u *x, int64_t sx, const npi_f32u *y, int64_t sy, npi_f32u *o, int64_t n) {
    switch ((int)op) {
    FAST(ADD, a + b);
    FAST(SUB, a - b);
    FAST(MUL, a * b);
    FAST(DIV, a / b);
    default: return 0;
    }
}
#undef FAST

static void run_blocks(const struct npi_node *nd, const struct npi_walk *w, const struct npi_view *x, const struct npi_view *y, const struct npi_view *out) {
    /* Mixed dtypes (Pow only) meet in double. */
    const int as_float = npi_dtype_kind(x->dtype) == NPI_KIND_FLOAT || npi_dtype_kind(y->dtype) == NPI_KIND_FLOAT;
    for (int64_t at = 0; at < w->len; at += NPI_BLOCK) {
        const size_t m = w->len - at < NPI_BLOCK ? (size_t)(w->len - at) : NPI_BLOCK;
        const int64_t ox = w->off[0] + at * w->step[0], oy = w->off[1] + at * w->step[1];
        if (as_float) {
            double a[NPI_BLOCK], b[NPI_BLOCK];
            npi_load_f64(a, x->dtype, x->data, ox, w->step[0], m);
            npi_load_f64(b, y->dtype, y->data, oy, w->step[1], m);
            eval_float(nd, a, b, a, m);
            npi_store_f64(out->dtype, out->data, w->off_out + at, a, m);
        } else {
            int64_t a[NPI_BLOCK], b[NPI_BLOCK];
            npi_load_i64(a, x->dtype, x->data, ox, w->step[0], m);
            npi_load_i64(b, y->dtype, y->data, oy, w->step[1], m);
            if (x->dtype == NP_U64) eval_u64(nd, a, b, a, m);
            else eval_int(nd, x->dtype, a, b, a, m);
            npi_store_i64(out->dtype, out->data, w->off_out + at, a, m);
        }
    }
}

static void eval_binary(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *y = a->in[1], *out = a->out[0];
    const int all_f32 = x->dtype == NP_F32 && y->dtype == NP_F32 && out->dtype == NP_F32;
    struct npi_walk w;
    for (int more = npi_walk_init(&w, out, a->in, 2); more; more = npi_walk_next(&w))
        if (!all_f32 || !run_f32(a->node->op, (const npi_f32u *)x->data + w.off[0], w.step[0], (const npi_f32u *)y->data + w.off[1], w.step[1],
                                 (npi_f32u *)out->data + w.off_out, w.len))
            run_blocks(a->node, &w, x, y, out);
}

static int infer_masked(const struct npi_op_args *a, unsigned mask, struct np_error *err) {
    int r = npi_infer_dtype(a, 0, mask, err);
    if (r < 0) return r;
    if (a->in[1]->dtype != a->in[0]->dtype)
        return npi_fail(err, NP_EUNSUPPORTED, "the inputs have different types, %s and %s", np_dtype_name(a->in[0]->dtype), np_dtype_name(a->in[1]->dtype));
    a->out[0]->dtype = a->in[0]->dtype;
    return npi_infer_broadcast(a->out[0], a->in, 2, err);
}
static int infer_num(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_NUM, err); }
static int infer_float(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_FLOAT, err); }
static int infer_bool(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_BOOL, err); }
static int infer_bits(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_INT | NPI_M_BOOL, err); }
static int infer_shift(const struct npi_op_args *a, struct np_error *err) { return infer_masked(a, NPI_M_INT, err); }
static int infer_compare(const struct npi_op_args *a, struct np_error *err) {
    const int r = infer_masked(a, NPI_M_ANY, err);
    a->out[0]->dtype = NP_BOOL;
    return r;
}
static int infer_pow(const struct npi_op_args *a, struct np_error *err) {
    int r = npi_infer_dtype(a, 0, NPI_M_NUM, err);
    if (r < 0 || (r = npi_infer_dtype(a, 1, NPI_M_NUM, err)) < 0) return r;
    a->out[0]->dtype = a->in[0]->dtype;
    return npi_infer_broadcast(a->out[0], a->in, 2, err);
}

#define ROW(id, infer) { NPI_OP_##id, infer, eval_binary, NULL, NPI_OPF_INPLACE }
#define ROW_CMP(id) { NPI_OP_##id, infer_compare, eval_binary, NULL, 0 }
static const struct npi_op_def defs[] = {
    ROW(ADD, infer_num), ROW(SUB, infer_num), ROW(MUL, infer_num), ROW(DIV, infer_num), ROW(FLOOR_DIV, infer_num), ROW(MOD, infer_num),
    ROW(POW, infer_pow), ROW(MIN, infer_num), ROW(MAX, infer_num), ROW(SQUARED_DIFF, infer_num), ROW(ATAN2, infer_float), ROW(PRELU, infer_num),
    ROW_CMP(EQUAL), ROW_CMP(NOT_EQUAL), ROW_CMP(LESS), ROW_CMP(LESS_EQUAL), ROW_CMP(GREATER), ROW_CMP(GREATER_EQUAL),
    ROW(AND, infer_bool), ROW(OR, infer_bool), ROW(XOR, infer_bool), ROW(BITWISE_AND, infer_bits), ROW(BITWISE_OR, infer_bits),
    ROW(BITWISE_XOR, infer_bits), ROW(BIT_SHIFT, infer_shift),
};
const struct npi_op_family npi_ops_binary = { defs, sizeof defs / sizeof *defs };
