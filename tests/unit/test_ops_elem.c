/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise references: values, dtypes, integer corner cases, broadcasting, casts, refusals. */
#include "ops_fixture.h"

static struct npi_node node(enum npi_op op, float a, float b) {
    struct npi_node n = { .op = op, .name = "n" };
    n.a.unary.a = a;
    n.a.unary.b = b;
    return n;
}

static void unary_values(void **s) {
    (void)s;
    /* at x = -2, 0.5, 3 */
    static const struct { enum npi_op op; float a, b; double y[3]; } t[] = {
        { NPI_OP_RELU, 0, 0, { 0, .5, 3 } }, { NPI_OP_LEAKY_RELU, .25f, 0, { -.5, .5, 3 } }, { NPI_OP_CLAMP, -1, 1, { -1, .5, 1 } },
        { NPI_OP_SIGMOID, 0, 0, { 0.11920292, 0.62245933, 0.95257413 } }, { NPI_OP_SILU, 0, 0, { -0.23840584, 0.31122967, 2.8577224 } },
        { NPI_OP_SILU, 2, 0, { -0.03597242, 0.36552929, 2.99258213 } }, /* x * sigmoid(2x) */
        { NPI_OP_TANH, 0, 0, { -0.96402758, 0.46211716, 0.99505475 } }, { NPI_OP_HARD_SIGMOID, .25f, .5f, { 0, .625, 1 } },
        { NPI_OP_HARD_SWISH, 0, 0, { -1. / 3, 0.29166667, 3 } }, { NPI_OP_ELU, 2, 0, { 2 * -0.86466472, .5, 3 } },
        { NPI_OP_SELU, 2, 3, { 6 * -0.86466472, 1.5, 9 } }, { NPI_OP_CELU, 2, 0, { 2 * -0.63212056, .5, 3 } },
        { NPI_OP_GELU, 0, 0, { -0.04550026, 0.34573123, 2.99595031 } }, { NPI_OP_ERF, 0, 0, { -0.99532227, 0.52049988, 0.99997791 } },
        { NPI_OP_SOFTPLUS, 0, 0, { 0.12692801, 0.97407698, 3.04858735 } }, { NPI_OP_MISH, 0, 0, { -0.25250148, 0.37524524, 2.98653500 } },
        { NPI_OP_SOFTSIGN, 0, 0, { -2. / 3, 1. / 3, .75 } }, { NPI_OP_THRESHOLDED_RELU, 1, 0, { 0, 0, 3 } },
        { NPI_OP_SHRINK, 1, .5f, { -1.5, 0, 2.5 } }, { NPI_OP_RECIPROCAL, 0, 0, { -.5, 2, 1. / 3 } }, { NPI_OP_SQUARE, 0, 0, { 4, .25, 9 } },
        { NPI_OP_ROUND, 0, 0, { -2, 0, 3 } }, { NPI_OP_SIGN, 0, 0, { -1, 1, 1 } }, { NPI_OP_EXP, 0, 0, { 0.13533528, 1.64872127, 20.0855369 } },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (int k = 0; k < 3; k++) {
            static const int types[] = { NP_F32, NP_F64, NP_F16 };
            const int x = fx_const(types[k], DIMS(3), VALUES(-2, .5, 3));
            struct npi_node n = node(t[i].op, t[i].a, t[i].b);
            fx_expect_at(1000 + (int)i, RUN(n, x), types[k], DIMS(3), t[i].y, 3, types[k] == NP_F16 ? 1e-3 : 1e-7);
        }
}

static void unary_specials(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(4), VALUES(NAN, -INFINITY, INFINITY, -1000));
    struct npi_node n = node(NPI_OP_CLAMP, 0, 6);
    EXPECT(RUN(n, x), NP_F32, DIMS(4), VALUES(NAN, 0, 6, 0));
    n.op = NPI_OP_SIGMOID;
    EXPECT(RUN(n, x), NP_F32, DIMS(4), VALUES(NAN, 0, 1, 0));
    n = node(NPI_OP_SILU, 0, 0);
    EXPECT(RUN(n, x), NP_F32, DIMS(4), VALUES(NAN, 0, INFINITY, 0));
    n.op = NPI_OP_MISH;
    EXPECT(RUN(n, x), NP_F32, DIMS(4), VALUES(NAN, 0, INFINITY, 0));
    n.op = NPI_OP_SOFTPLUS;
    EXPECT(RUN(n, x), NP_F32, DIMS(4), VALUES(NAN, 0, INFINITY, 0));
    n = node(NPI_OP_CELU, 1, 0);
    EXPECT(RUN(n, x), NP_F32, DIMS(4), VALUES(NAN, -1, INFINITY, -1));
    n.op = NPI_OP_ISNAN;
    EXPECT(RUN(n, x), NP_BOOL, DIMS(4), VALUES(1, 0, 0, 0));
    n = (struct npi_node){ .op = NPI_OP_ISINF, .name = "n" };
    n.a.misc.detect_negative = 1;
    EXPECT(RUN(n, x), NP_BOOL, DIMS(4), VALUES(0, 1, 0, 0));
    n.a.misc.detect_positive = 1;
    EXPECT(RUN(n, x), NP_BOOL, DIMS(4), VALUES(0, 1, 1, 0));
}

static void unary_integers(void **s) {
    (void)s;
    const int x = fx_const(NP_I8, DIMS(4), VALUES(-128, -1, 0, 127));
    struct npi_node n = node(NPI_OP_ABS, 0, 0);
    EXPECT(RUN(n, x), NP_I8, DIMS(4), VALUES(-128, 1, 0, 127)); /* wraps, as numpy does */
    n.op = NPI_OP_NEG;
    EXPECT(RUN(n, x), NP_I8, DIMS(4), VALUES(-128, 1, 0, -127));
    n.op = NPI_OP_BITWISE_NOT;
    EXPECT(RUN(n, x), NP_I8, DIMS(4), VALUES(127, 0, -1, -128));
    n = node(NPI_OP_CLAMP, -INFINITY, 5);
    EXPECT(RUN(n, x), NP_I8, DIMS(4), VALUES(-128, -1, 0, 5));
    const int b = fx_const(NP_BOOL, DIMS(2), VALUES(0, 1)), u = fx_const_i64(NP_U64, DIMS(2), (const int64_t[]){ -1, 3 });
    n = node(NPI_OP_NOT, 0, 0);
    EXPECT(RUN(n, b), NP_BOOL, DIMS(2), VALUES(1, 0));
    n = node(NPI_OP_RELU, 0, 0);
    EXPECT(RUN(n, u), NP_U64, DIMS(2), VALUES(0x1p64, 3));
    n = node(NPI_OP_EXP, 0, 0);
    REFUSE(n, NP_EUNSUPPORTED, "Exp does not take i8 (input 0)", x);
}

static void binary_broadcast(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(2, 3), VALUES(1, 2, 3, 4, 5, 6)), row = fx_const(NP_F32, DIMS(3), VALUES(10, 20, 30));
    const int col = fx_const(NP_F32, DIMS(2, 1), VALUES(100, 200)), one = fx_const(NP_F32, SCALAR, VALUES(7));
    const int deep = fx_const(NP_F32, DIMS(2, 1, 1, 1), VALUES(1, 2));
    struct npi_node n = node(NPI_OP_ADD, 0, 0);
    EXPECT(RUN(n, x, row), NP_F32, DIMS(2, 3), VALUES(11, 22, 33, 14, 25, 36));
    EXPECT(RUN(n, col, x), NP_F32, DIMS(2, 3), VALUES(101, 102, 103, 204, 205, 206));
    EXPECT(RUN(n, row, col), NP_F32, DIMS(2, 3), VALUES(110, 120, 130, 210, 220, 230));
    EXPECT(RUN(n, one, one), NP_F32, SCALAR, VALUES(14));
    n.op = NPI_OP_SUB;
    EXPECT(RUN(n, one, row), NP_F32, DIMS(3), VALUES(-3, -13, -23));
    n.op = NPI_OP_MUL;
    EXPECT(RUN(n, deep, x), NP_F32, DIMS(2, 1, 2, 3), VALUES(1, 2, 3, 4, 5, 6, 2, 4, 6, 8, 10, 12));
    const int bad = fx_const(NP_F32, DIMS(2), VALUES(1)), other = fx_const(NP_I32, DIMS(3), VALUES(1)), none = fx_const(NP_F32, DIMS(0, 3), VALUES(1));
    REFUSE(n, NP_ESHAPE, "shapes [2,3] and [2] do not broadcast: 3 against 2", x, bad);
    REFUSE(n, NP_EUNSUPPORTED, "different types, f32 and i32", x, other);
    const struct npi_view *v = RUN(n, none, row);
    assert_int_equal(npi_view_count(v), 0);
}

static void binary_long_runs(void **s) {
    (void)s;
    /* more than one block, in the slow path (Max) and the fast one (Div) */
    const int x = fx_const(NP_F32, DIMS(3, 700), VALUES(1, 2, 3, 4, 5, 6, 7)), y = fx_const(NP_F32, DIMS(700), VALUES(4, 2));
    struct npi_node n = node(NPI_OP_MAX, 0, 0);
    const float *m = RUN(n, x, y)->data;
    n.op = NPI_OP_DIV;
    const float *d = RUN(n, x, y)->data;
    for (int i = 0; i < 2100; i++) {
        const float a = (float)(i % 7 + 1), b = i % 700 % 2 ? 2 : 4;
        if (m[i] != fmaxf(a, b) || d[i] != a / b) fail_msg("%d: max %g div %g for %g %g", i, (double)m[i], (double)d[i], (double)a, (double)b);
    }
}

static void binary_integers_never_trap(void **s) {
    (void)s;
    static const int types[] = { NP_I8, NP_I32, NP_I64 };
    for (int k = 0; k < 3; k++) {
        const int64_t lo = types[k] == NP_I8 ? INT8_MIN : types[k] == NP_I32 ? INT32_MIN : INT64_MIN;
        const int x = fx_const_i64(types[k], DIMS(4), (const int64_t[]){ lo, 7, -7, 5 }), y = fx_const_i64(types[k], DIMS(4), (const int64_t[]){ -1, -2, 2, 0 });
        struct npi_node n = node(NPI_OP_DIV, 0, 0);
        EXPECT(RUN(n, x, y), types[k], DIMS(4), VALUES((double)lo, -3, -3, 0));
        n.op = NPI_OP_FLOOR_DIV;
        EXPECT(RUN(n, x, y), types[k], DIMS(4), VALUES((double)lo, -4, -4, 0));
        n = (struct npi_node){ .op = NPI_OP_MOD, .name = "n" };
        EXPECT(RUN(n, x, y), types[k], DIMS(4), VALUES(0, -1, 1, 0));
        n.a.misc.mode_fmod = 1;
        EXPECT(RUN(n, x, y), types[k], DIMS(4), VALUES(0, 1, -1, 0));
    }
    const int u = fx_const_i64(NP_U64, DIMS(2), (const int64_t[]){ -1, 9 }), v = fx_const_i64(NP_U64, DIMS(2), (const int64_t[]){ 2, 4 });
    struct npi_node n = node(NPI_OP_DIV, 0, 0);
    EXPECT(RUN(n, u, v), NP_U64, DIMS(2), VALUES((double)INT64_MAX, 2));
    n.op = NPI_OP_MAX;
    EXPECT(RUN(n, u, v), NP_U64, DIMS(2), VALUES(0x1p64, 9));
    n.op = NPI_OP_LESS;
    EXPECT(RUN(n, u, v), NP_BOOL, DIMS(2), VALUES(0, 0));
}

static void binary_mod_pow_shift(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(3), VALUES(-4.3, 7.2, 5)), y = fx_const(NP_F32, DIMS(3), VALUES(2.1, -3.4, 8));
    struct npi_node n = { .op = NPI_OP_MOD, .name = "n" };
    EXPECT_TOL(1e-6, RUN(n, x, y), NP_F32, DIMS(3), VALUES(2.0, -3.0, 5));
    n.a.misc.mode_fmod = 1;
    EXPECT_TOL(1e-6, RUN(n, x, y), NP_F32, DIMS(3), VALUES(-0.1, 0.4, 5));
    const int base = fx_const(NP_I32, DIMS(4), VALUES(2, -3, 1, 2)), e = fx_const(NP_I64, DIMS(4), VALUES(10, 3, -5, -1)), fe = fx_const(NP_F32, SCALAR, VALUES(.5));
    n = (struct npi_node){ .op = NPI_OP_POW, .name = "n" };
    EXPECT(RUN(n, base, e), NP_I32, DIMS(4), VALUES(1024, -27, 1, 0));
    const int four = fx_const(NP_I32, DIMS(1), VALUES(9));
    EXPECT(RUN(n, four, fe), NP_I32, DIMS(1), VALUES(3));
    const int bits = fx_const(NP_U8, DIMS(4), VALUES(200, 200, 200, 3)), by = fx_const(NP_U8, DIMS(4), VALUES(1, 7, 8, 1));
    n = (struct npi_node){ .op = NPI_OP_BIT_SHIFT, .name = "n" };
    EXPECT(RUN(n, bits, by), NP_U8, DIMS(4), VALUES(144, 0, 0, 6));
    n.a.misc.direction_right = 1;
    EXPECT(RUN(n, bits, by), NP_U8, DIMS(4), VALUES(100, 1, 0, 1));
}

static void binary_logic_and_nan(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(4), VALUES(1, NAN, 2, 3)), y = fx_const(NP_F32, DIMS(4), VALUES(2, 1, NAN, 3));
    struct npi_node n = node(NPI_OP_MIN, 0, 0);
    EXPECT(RUN(n, x, y), NP_F32, DIMS(4), VALUES(1, NAN, NAN, 3));
    n.op = NPI_OP_MAX;
    EXPECT(RUN(n, x, y), NP_F32, DIMS(4), VALUES(2, NAN, NAN, 3));
    n.op = NPI_OP_NOT_EQUAL;
    EXPECT(RUN(n, x, y), NP_BOOL, DIMS(4), VALUES(1, 1, 1, 0));
    n.op = NPI_OP_GREATER_EQUAL;
    EXPECT(RUN(n, x, y), NP_BOOL, DIMS(4), VALUES(0, 0, 0, 1));
    const int p = fx_const(NP_BOOL, DIMS(4), VALUES(0, 0, 1, 1)), q = fx_const(NP_BOOL, DIMS(4), VALUES(0, 1, 0, 1));
    n.op = NPI_OP_XOR;
    EXPECT(RUN(n, p, q), NP_BOOL, DIMS(4), VALUES(0, 1, 1, 0));
    n.op = NPI_OP_AND;
    EXPECT(RUN(n, p, q), NP_BOOL, DIMS(4), VALUES(0, 0, 0, 1));
    REFUSE(n, NP_EUNSUPPORTED, "And does not take f32", x, y);
    const int a = fx_const(NP_F32, DIMS(2, 2), VALUES(-1, -2, 3, -4)), slope = fx_const(NP_F32, DIMS(2), VALUES(.5, .25));
    n.op = NPI_OP_PRELU;
    EXPECT(RUN(n, a, slope), NP_F32, DIMS(2, 2), VALUES(-.5, -.5, 3, -1));
}

static void where_broadcasts(void **s) {
    (void)s;
    const int c = fx_const(NP_BOOL, DIMS(2, 1), VALUES(1, 0)), x = fx_const(NP_I64, DIMS(3), VALUES(1, 2, 3)), y = fx_const(NP_I64, SCALAR, VALUES(9));
    struct npi_node n = { .op = NPI_OP_WHERE, .name = "n" };
    EXPECT(RUN(n, c, x, y), NP_I64, DIMS(2, 3), VALUES(1, 2, 3, 9, 9, 9));
}

static int cast_to(int t, int x) {
    struct npi_node n = { .op = NPI_OP_CAST, .name = "n" };
    n.a.cast.to = t;
    return npi_build1(&fx_g, &n, &x, 1, &fx_err);
}
#define CAST(t, x) (&fx_g.tensor[cast_to(t, x)].v)

static void casts(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(6), VALUES(-1.9, 1.9, 300, -1e30, NAN, INFINITY));
    EXPECT(CAST(NP_I8, x), NP_I8, DIMS(6), VALUES(-1, 1, 127, -128, 0, 127));
    EXPECT(CAST(NP_U8, x), NP_U8, DIMS(6), VALUES(0, 1, 255, 0, 0, 255));
    EXPECT(CAST(NP_I32, x), NP_I32, DIMS(6), VALUES(-1, 1, 300, INT32_MIN, 0, INT32_MAX));
    EXPECT(CAST(NP_I64, x), NP_I64, DIMS(6), VALUES(-1, 1, 300, (double)INT64_MIN, 0, (double)INT64_MAX));
    EXPECT(CAST(NP_U64, x), NP_U64, DIMS(6), VALUES(0, 1, 300, 0, 0, (double)UINT64_MAX));
    EXPECT(CAST(NP_BOOL, x), NP_BOOL, DIMS(6), VALUES(1, 1, 1, 1, 1, 1));
    EXPECT(CAST(NP_F16, x), NP_F16, DIMS(6), VALUES(-1.900390625, 1.900390625, 300, -INFINITY, NAN, INFINITY));
    const int i = fx_const(NP_I32, DIMS(3), VALUES(-1, 257, 0));
    EXPECT(CAST(NP_U8, i), NP_U8, DIMS(3), VALUES(255, 1, 0));
    EXPECT(CAST(NP_BOOL, i), NP_BOOL, DIMS(3), VALUES(1, 1, 0));
    EXPECT(CAST(NP_F32, i), NP_F32, DIMS(3), VALUES(-1, 257, 0));
    assert_int_equal(cast_to(99, i), NP_EUNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = { TEST(unary_values), TEST(unary_specials), TEST(unary_integers), TEST(binary_broadcast), TEST(binary_long_runs),
                                        TEST(binary_integers_never_trap), TEST(binary_mod_pow_shift), TEST(binary_logic_and_nan), TEST(where_broadcasts),
                                        TEST(casts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
