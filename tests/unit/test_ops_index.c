/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions, gather and scatter (also with hostile indices), running sums, the k best. */
#include "ops_fixture.h"

static struct npi_node reduce(int kind, unsigned axes, int keep) {
    struct npi_node n = { .op = NPI_OP_REDUCE, .name = "n" };
    n.a.reduce.kind = kind;
    n.a.reduce.axes = axes;
    n.a.reduce.keepdims = keep;
    return n;
}
#define GATHER(o, ax) { .op = NPI_OP_##o, .name = "n", .a.gather.axis = ax }

static void reduce_values(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(2, 3, 2), VALUES(1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6));
    struct npi_node n = reduce(NPI_REDUCE_SUM, 2, 0);
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 2), VALUES(9, 12, -9, -12));
    n = reduce(NPI_REDUCE_MEAN, 6, 1);
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 1, 1), VALUES(3.5, -3.5));
    n = reduce(NPI_REDUCE_MAX, 5, 0);
    EXPECT(RUN(n, x), NP_F32, DIMS(3), VALUES(2, 4, 6));
    n = reduce(NPI_REDUCE_L1, 7, 0);
    EXPECT(RUN(n, x), NP_F32, SCALAR, VALUES(42));
    n = reduce(NPI_REDUCE_L2, 4, 0);
    EXPECT_TOL(1e-6, RUN(n, x), NP_F32, DIMS(2, 3), VALUES(2.23606798, 5, 7.81024968, 2.23606798, 5, 7.81024968));
    n = reduce(NPI_REDUCE_SUM, 0, 0);
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 3, 2), VALUES(1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6));
    n = reduce(NPI_REDUCE_LOG_SUM_EXP, 1, 0);
    const int big = fx_const(NP_F32, DIMS(3), VALUES(1000, 1000, -INFINITY)), nan = fx_const(NP_F32, DIMS(3), VALUES(1, NAN, 5));
    EXPECT_TOL(1e-6, RUN(n, big), NP_F32, SCALAR, VALUES(1000.6931472));
    EXPECT(RUN(n, nan), NP_F32, SCALAR, VALUES(NAN));
    n = reduce(NPI_REDUCE_MAX, 1, 0);
    EXPECT(RUN(n, nan), NP_F32, SCALAR, VALUES(NAN));
    n = reduce(NPI_REDUCE_SUM, 8, 0);
    REFUSE(n, NP_ESHAPE, "axis 3 does not exist", x);
}

static void reduce_integers_and_nothing(void **s) {
    (void)s;
    const int i = fx_const_i64(NP_I64, DIMS(3), (const int64_t[]){ INT64_MAX, 2, -3 }), b = fx_const(NP_BOOL, DIMS(2, 2), VALUES(0, 1, 1, 1));
    struct npi_node n = reduce(NPI_REDUCE_MIN, 1, 0);
    EXPECT(RUN(n, i), NP_I64, SCALAR, VALUES(-3));
    n = reduce(NPI_REDUCE_SUM, 1, 0); /* wraps: MAX - 1 stays in range after 2 - 3 */
    EXPECT(RUN(n, i), NP_I64, SCALAR, VALUES((double)(INT64_MAX - 1)));
    n = reduce(NPI_REDUCE_ALL, 2, 0);
    EXPECT(RUN(n, b), NP_BOOL, DIMS(2), VALUES(0, 1));
    n = reduce(NPI_REDUCE_ANY, 2, 0);
    EXPECT(RUN(n, b), NP_BOOL, DIMS(2), VALUES(1, 1));
    static const struct { int kind; double f, i; } t[] = {
        { NPI_REDUCE_SUM, 0, 0 }, { NPI_REDUCE_PROD, 1, 1 }, { NPI_REDUCE_MAX, -INFINITY, -128 }, { NPI_REDUCE_MIN, INFINITY, 127 },
        { NPI_REDUCE_MEAN, NAN, 0 }, { NPI_REDUCE_LOG_SUM_EXP, -INFINITY, -128 },
    };
    const int f0 = fx_const(NP_F32, DIMS(2, 0), VALUES(0)), i0 = fx_const(NP_I8, DIMS(2, 0), VALUES(0));
    for (size_t k = 0; k < sizeof t / sizeof *t; k++) {
        n = reduce(t[k].kind, 2, 1);
        EXPECT(RUN(n, f0), NP_F32, DIMS(2, 1), VALUES(t[k].f, t[k].f));
        EXPECT(RUN(n, i0), NP_I8, DIMS(2, 1), VALUES(t[k].i, t[k].i));
    }
}

static void arg(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(2, 3), VALUES(1, 3, 3, -0.0, 0, -1)), nan = fx_const(NP_F32, DIMS(3), VALUES(1, NAN, NAN));
    struct npi_node n = { .op = NPI_OP_ARGMAX, .name = "n", .a.reduce = { .axis = -1 } };
    EXPECT(RUN(n, x), NP_I64, DIMS(2), VALUES(1, 0));
    n.a.reduce.select_last = 1;
    n.a.reduce.out_dtype = NP_I32;
    n.a.reduce.keepdims = 1;
    EXPECT(RUN(n, x), NP_I32, DIMS(2, 1), VALUES(2, 1));
    n = (struct npi_node){ .op = NPI_OP_ARGMIN, .name = "n", .a.reduce = { .axis = 0 } };
    EXPECT(RUN(n, x), NP_I64, DIMS(3), VALUES(1, 1, 1));
    EXPECT(RUN(n, nan), NP_I64, SCALAR, VALUES(1));
    n.a.reduce.axis = 2;
    REFUSE(n, NP_ESHAPE, "axis 2 does not exist: the tensor has 2 dimensions", x);
    const int none = fx_const(NP_F32, DIMS(0, 3), VALUES(0));
    n.a.reduce.axis = 0;
    REFUSE(n, NP_ESHAPE, "is empty", none);
}

static void gather(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(3, 2), VALUES(0, 1, 10, 11, 20, 21)), i = fx_const_i64(NP_I64, DIMS(2, 1), (const int64_t[]){ 2, -3 });
    struct npi_node n = GATHER(GATHER, 0);
    EXPECT(RUN(n, x, i), NP_F32, DIMS(2, 1, 2), VALUES(20, 21, 0, 1));
    const int wild = fx_const_i64(NP_I64, DIMS(3), (const int64_t[]){ INT64_MAX, INT64_MIN, 1 }), one = fx_const(NP_I32, SCALAR, VALUES(1));
    EXPECT(RUN(n, x, wild), NP_F32, DIMS(3, 2), VALUES(20, 21, 0, 1, 10, 11)); /* clamped */
    n.a.gather.axis = -1;
    EXPECT(RUN(n, x, one), NP_F32, DIMS(3), VALUES(1, 11, 21));
    const int bi = fx_const(NP_I32, DIMS(3, 1), VALUES(1, 0, 1));
    n.a.gather.batch_dims = 1;
    EXPECT(RUN(n, x, bi), NP_F32, DIMS(3, 1), VALUES(1, 10, 21));
    n.a.gather.batch_dims = 2;
    REFUSE(n, NP_ESHAPE, "batch_dims 2 is out of range", x, bi);
    n.a.gather.batch_dims = 0;
    REFUSE(n, NP_EUNSUPPORTED, "does not take f32 (input 1)", x, x);
}

static void gather_nd_and_elements(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(2, 2, 2), VALUES(0, 1, 2, 3, 4, 5, 6, 7)), i = fx_const_i64(NP_I64, DIMS(2, 2), (const int64_t[]){ 1, -2, 0, 1 });
    struct npi_node n = GATHER(GATHER_ND, 0);
    EXPECT(RUN(n, x, i), NP_F32, DIMS(2, 2), VALUES(4, 5, 2, 3));
    const int b = fx_const(NP_I64, DIMS(2, 1), VALUES(1, 0)), wild = fx_const_i64(NP_I32, DIMS(1, 3), (const int64_t[]){ INT32_MAX, INT32_MIN, 5 });
    EXPECT(RUN(n, x, wild), NP_F32, DIMS(1), VALUES(5));
    n.a.gather.batch_dims = 1;
    EXPECT(RUN(n, x, b), NP_F32, DIMS(2, 2), VALUES(2, 3, 4, 5));
    const int m = fx_const(NP_U8, DIMS(2, 2), VALUES(1, 2, 3, 4)), mi = fx_const_i64(NP_I64, DIMS(2, 2), (const int64_t[]){ 0, 0, -1, 99 });
    struct npi_node e = GATHER(GATHER_ELEMENTS, 1);
    EXPECT(RUN(e, m, mi), NP_U8, DIMS(2, 2), VALUES(1, 1, 4, 4));
    e.a.gather.axis = 0;
    EXPECT(RUN(e, m, mi), NP_U8, DIMS(2, 2), VALUES(1, 2, 3, 4));
}

static void scatter(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(4), VALUES(1, 2, 3, 4)), i = fx_const_i64(NP_I64, DIMS(3, 1), (const int64_t[]){ 1, -1, 77 });
    const int u = fx_const(NP_F32, DIMS(3), VALUES(10, 20, 30)), i2 = fx_const_i64(NP_I64, DIMS(3), (const int64_t[]){ 1, 1, -9 });
    struct npi_node n = GATHER(SCATTER_ND, 0);
    EXPECT(RUN(n, x, i, u), NP_F32, DIMS(4), VALUES(1, 10, 3, 20)); /* 77 is skipped */
    n.a.gather.reduction = 2;
    EXPECT(RUN(n, x, i, u), NP_F32, DIMS(4), VALUES(1, 20, 3, 80));
    struct npi_node e = GATHER(SCATTER_ELEMENTS, 0);
    e.a.gather.reduction = 1;
    EXPECT(RUN(e, x, i2, u), NP_F32, DIMS(4), VALUES(1, 32, 3, 4));
    const int xi = fx_const(NP_I8, DIMS(4), VALUES(1, -2, 3, 4)), ui = fx_const(NP_I8, DIMS(3), VALUES(-5, 7, 0));
    e.a.gather.reduction = 4;
    EXPECT(RUN(e, xi, i2, ui), NP_I8, DIMS(4), VALUES(1, -5, 3, 4));
    e.a.gather.reduction = 3;
    EXPECT(RUN(e, xi, i2, ui), NP_I8, DIMS(4), VALUES(1, 7, 3, 4));
    REFUSE(n, NP_ESHAPE, "do not fit index", x, i, x);
}

static void one_hot_range_trilu(void **s) {
    (void)s;
    const int i = fx_const(NP_I64, DIMS(3), VALUES(1, -1, 5)), d = fx_const(NP_I32, SCALAR, VALUES(3)), v = fx_const(NP_F32, DIMS(2), VALUES(2, 9));
    struct npi_node n = GATHER(ONE_HOT, -1);
    EXPECT(RUN(n, i, d, v), NP_F32, DIMS(3, 3), VALUES(2, 9, 2, 2, 2, 9, 2, 2, 2));
    n.a.gather.axis = 0;
    EXPECT(RUN(n, i, d, v), NP_F32, DIMS(3, 3), VALUES(2, 2, 2, 9, 2, 2, 2, 9, 2));
    struct npi_node r = { .op = NPI_OP_RANGE, .name = "n" };
    const int a = fx_const(NP_I32, SCALAR, VALUES(10)), b = fx_const(NP_I32, SCALAR, VALUES(3)), c = fx_const(NP_I32, SCALAR, VALUES(-3));
    EXPECT(RUN(r, a, b, c), NP_I32, DIMS(3), VALUES(10, 7, 4));
    const int f0 = fx_const(NP_F32, SCALAR, VALUES(0)), f1 = fx_const(NP_F32, SCALAR, VALUES(1)), fs = fx_const(NP_F32, SCALAR, VALUES(.4));
    const int inf = fx_const(NP_F32, SCALAR, VALUES(INFINITY));
    EXPECT_TOL(1e-6, RUN(r, f0, f1, fs), NP_F32, DIMS(3), VALUES(0, .4, .8));
    REFUSE(r, NP_EINVAL, "step is zero", f0, f1, f0);
    REFUSE(r, NP_ELIMIT, "too large", f0, inf, f1);
    struct npi_node t = GATHER(TRILU, 1);
    const int x = fx_const(NP_I32, DIMS(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    t.a.gather.upper = 1;
    EXPECT(RUN(t, x), NP_I32, DIMS(2, 3), VALUES(0, 2, 3, 0, 0, 6));
    t.a.gather.upper = 0;
    EXPECT(RUN(t, x), NP_I32, DIMS(2, 3), VALUES(1, 2, 0, 4, 5, 6));
}

static void cumsum(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    struct npi_node n = GATHER(CUMSUM, 1);
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 3), VALUES(1, 3, 6, 4, 9, 15));
    n.a.gather.exclusive = 1;
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 3), VALUES(0, 1, 3, 0, 4, 9));
    n.a.gather.reverse = 1;
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 3), VALUES(5, 3, 0, 11, 6, 0));
    n.a.gather.axis = -2;
    n.a.gather.exclusive = 0;
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 3), VALUES(5, 7, 9, 4, 5, 6));
}

static void topk(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(2, 5), VALUES(1, 7, 3, 7, 5, -1, -1, 4, -1, -2));
    struct npi_node n = { .op = NPI_OP_TOPK, .name = "n", .a.topk = { .k = 3, .axis = 1, .largest = 1, .sorted = 1 } };
    int out[2];
    assert_int_equal(npi_build(&fx_g, &n, &x, 1, out, 2, NULL, NULL, &fx_err), 0);
    EXPECT(&fx_g.tensor[out[0]].v, NP_F32, DIMS(2, 3), VALUES(7, 7, 5, 4, -1, -1));
    EXPECT(&fx_g.tensor[out[1]].v, NP_I64, DIMS(2, 3), VALUES(1, 3, 4, 2, 0, 1));
    n.a.topk.largest = 0;
    assert_int_equal(npi_build(&fx_g, &n, &x, 1, out, 2, NULL, NULL, &fx_err), 0);
    EXPECT(&fx_g.tensor[out[0]].v, NP_F32, DIMS(2, 3), VALUES(1, 3, 5, -2, -1, -1));
    EXPECT(&fx_g.tensor[out[1]].v, NP_I64, DIMS(2, 3), VALUES(0, 2, 4, 4, 0, 1));
    n.a.topk.k = 6;
    assert_int_equal(npi_build(&fx_g, &n, &x, 1, out, 2, NULL, NULL, &fx_err), NP_ESHAPE);
}

int main(void) {
    const struct CMUnitTest tests[] = { TEST(reduce_values), TEST(reduce_integers_and_nothing), TEST(arg), TEST(gather), TEST(gather_nd_and_elements), TEST(scatter),
                                        TEST(one_hot_range_trilu), TEST(cumsum), TEST(topk) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
