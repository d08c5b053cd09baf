/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that exporters spell out: the pass leaves one node, which gives the same numbers as the many. */
#include <stdlib.h>

#include "ops_fixture.h"
#include "pass/passes.h"

static int op2(enum npi_op op, int a, int b) {
    const struct npi_node n = { .op = op, .name = "n" };
    const int t = npi_build1(&fx_g, &n, (int[]){ a, b }, 2, &fx_err);
    if (t < 0) fail_msg("%s", fx_err.message);
    return t;
}
static int op1(enum npi_op op, int a) {
    const struct npi_node n = { .op = op, .name = "n" };
    return npi_build1(&fx_g, &n, &a, 1, &fx_err);
}
static int num(double v) { return fx_const(NP_F32, SCALAR, VALUES(v)); }
static int mean(int x) {
    struct npi_node n = { .op = NPI_OP_REDUCE, .name = "mean" };
    n.a.reduce.kind = NPI_REDUCE_MEAN;
    n.a.reduce.axes = 4;
    n.a.reduce.keepdims = 1;
    return npi_build1(&fx_g, &n, &x, 1, &fx_err);
}

/* The numbers of the graph's output for a fixed input, one node after another. */
static float *run(int x, int y) {
    for (int i = 0; i < fx_g.n_tensors; i++) {
        struct npi_view *v = &fx_g.tensor[i].v;
        if (v->data && v->q.axis != 77) continue;
        v->data = npi_arena_alloc(&fx_mem, npi_view_bytes(v));
        v->q.axis = 77; /* ours, not a constant: computed anew each time */
        for (int64_t k = 0; i == x && k < npi_view_count(v); k++) ((float *)v->data)[k] = (float)((k * 37 % 101) - 50) / 12;
    }
    for (int i = 0; i < fx_g.n_nodes; i++) {
        const struct npi_view *store[8];
        struct npi_op_args a;
        npi_op_args_init(&a, &fx_g, &fx_g.node[i], store);
        a.scratch = npi_arena_alloc(&fx_mem, npi_op_scratch(&a) + 1);
        npi_op_eval(&a);
    }
    float *copy = malloc(npi_view_bytes(&fx_g.tensor[y].v));
    memcpy(copy, fx_g.tensor[y].v.data, npi_view_bytes(&fx_g.tensor[y].v));
    for (int i = 0; i < fx_g.n_tensors; i++)
        if (fx_g.tensor[i].v.q.axis == 77) fx_g.tensor[i].v.data = NULL;
    return copy;
}

static void becomes_at(int line, int x, int y, enum npi_op op, int n_in) {
    assert_int_equal(npi_graph_set_io(&fx_g, &x, 1, &y, 1), 0);
    float *want = run(x, y);
    const int r = npi_pass_idiom(&fx_g, &fx_err);
    if (r != 1) fail_msg("line %d: the pass returned %d", line, r);
    npi_graph_compact(&fx_g);
    if (fx_g.n_nodes != 1 || fx_g.node[0].op != op || fx_g.node[0].n_in != n_in)
        fail_msg("line %d: %d nodes, the first %s with %d inputs", line, fx_g.n_nodes, npi_op_info[fx_g.node[0].op].name, fx_g.node[0].n_in);
    float *got = run(x, fx_g.output[0]);
    for (int64_t i = 0; i < npi_view_count(&fx_g.tensor[fx_g.output[0]].v); i++)
        if (fabsf(got[i] - want[i]) > 4e-6f) fail_msg("line %d: element %d is %g, was %g", line, (int)i, (double)got[i], (double)want[i]);
    free(want);
    free(got);
}
#define BECOMES(x, y, op, n_in) becomes_at(__LINE__, x, y, op, n_in)
static int image(void) { return fx_input(NP_F32, DIMS(2, 3, 8)); }

static void gelu_erf(void **s) {
    (void)s;
    const int x = image(), f = op2(NPI_OP_ADD, op1(NPI_OP_ERF, op2(NPI_OP_DIV, x, num(1.41421356))), num(1));
    BECOMES(x, op2(NPI_OP_MUL, op2(NPI_OP_MUL, x, f), num(.5)), NPI_OP_GELU, 1);
}

static void gelu_half_first(void **s) {
    (void)s;
    const int x = image(), half = op2(NPI_OP_MUL, num(.5), x);
    const int f = op2(NPI_OP_ADD, num(1), op1(NPI_OP_ERF, op2(NPI_OP_MUL, x, num(.70710678))));
    BECOMES(x, op2(NPI_OP_MUL, half, f), NPI_OP_GELU, 1);
}

static void gelu_tanh(void **s) {
    (void)s;
    const int x = image(), cube = op2(NPI_OP_MUL, op2(NPI_OP_MUL, x, x), x), sum = op2(NPI_OP_ADD, x, op2(NPI_OP_MUL, cube, num(.044715)));
    const int f = op2(NPI_OP_ADD, op1(NPI_OP_TANH, op2(NPI_OP_MUL, sum, num(.7978845608))), num(1));
    BECOMES(x, op2(NPI_OP_MUL, x, op2(NPI_OP_MUL, num(.5), f)), NPI_OP_GELU, 1);
    assert_true(fx_g.node[0].a.unary.tanh_approx);
}

static void mish(void **s) {
    (void)s;
    const int x = image();
    BECOMES(x, op2(NPI_OP_MUL, x, op1(NPI_OP_TANH, op1(NPI_OP_SOFTPLUS, x))), NPI_OP_MISH, 1);
}

static void layer_norm(void **s) {
    (void)s;
    const int x = image(), d = op2(NPI_OP_SUB, x, mean(x)), var = mean(op2(NPI_OP_POW, d, num(2)));
    const int y = op2(NPI_OP_DIV, d, op1(NPI_OP_SQRT, op2(NPI_OP_ADD, var, num(1e-5))));
    const int scale = fx_const(NP_F32, DIMS(8), VALUES(1, 2, .5)), bias = fx_const(NP_F32, DIMS(8), VALUES(.25, -1));
    BECOMES(x, op2(NPI_OP_ADD, op2(NPI_OP_MUL, y, scale), bias), NPI_OP_LAYER_NORM, 3);
}

static void near_misses_stay(void **s) {
    (void)s;
    const int x = image(), z = fx_input(NP_F32, DIMS(2, 3, 8));
    const int f = op2(NPI_OP_ADD, op1(NPI_OP_ERF, op2(NPI_OP_DIV, x, num(1.5))), num(1)); /* not sqrt 2 */
    const int g = op2(NPI_OP_ADD, op1(NPI_OP_ERF, op2(NPI_OP_DIV, x, num(1.41421356))), num(1));
    const int out[3] = { op2(NPI_OP_MUL, op2(NPI_OP_MUL, x, f), num(.5)), op2(NPI_OP_MUL, op2(NPI_OP_MUL, z, g), num(.5)),
                         op2(NPI_OP_MUL, z, op1(NPI_OP_TANH, op1(NPI_OP_SOFTPLUS, x))) };
    assert_int_equal(npi_graph_set_io(&fx_g, (int[]){ x, z }, 2, out, 3), 0);
    assert_int_equal(npi_pass_idiom(&fx_g, &fx_err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { TEST(gelu_erf), TEST(gelu_half_first), TEST(gelu_tanh), TEST(mish), TEST(layer_norm), TEST(near_misses_stay) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
