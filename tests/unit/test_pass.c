/* SPDX-License-Identifier: Apache-2.0 */
/* Passes: small graphs before and after give the same numbers, and end with the nodes that we expect. Graphs are built the
 * way an importer of a channels-first format builds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/build.h"
#include "pass/pass.h"

static struct npi_arena mem;
static struct npi_graph g;
static struct np_error err;
static uint32_t seed = 7;

static float rnd(void) {
    seed = seed * 1664525u + 1013904223u;
    return (float)(int)(seed >> 8) / 8388608.f - 1.f;
}

static int setup(void **state) {
    (void)state;
    npi_arena_init(&mem, 0);
    return npi_graph_init(&g, &mem, "test");
}

static int teardown(void **state) {
    (void)state;
    npi_arena_free(&mem);
    return 0;
}

static int ok(int t) {
    if (t < 0) print_error("%s\n", err.message);
    assert_true(t >= 0);
    return t;
}

static int input(int rank, const int64_t *d) {
    struct npi_view v = { .dtype = NP_F32, .rank = rank };
    memcpy(v.d, d, sizeof *d * (size_t)rank);
    return ok(npi_graph_tensor(&g, "x", &v));
}

static int constant(int rank, const int64_t *d) {
    struct npi_view v = { .dtype = NP_F32, .rank = rank };
    memcpy(v.d, d, sizeof *d * (size_t)rank);
    const int t = ok(npi_graph_const(&g, "c", &v));
    for (int64_t i = 0; i < npi_view_count(&v); i++) ((float *)g.tensor[t].v.data)[i] = rnd() + 1.5f;
    return t;
}

static int op2(enum npi_op op, int a, int b) { return ok(npi_build1(&g, &(struct npi_node){ .op = op, .name = "n" }, (int[]){ a, b }, 2, &err)); }
static int op1(enum npi_op op, int a) { return ok(npi_build1(&g, &(struct npi_node){ .op = op, .name = "n" }, &a, 1, &err)); }
static int nhwc(int t) { return ok(npi_build_transpose(&g, "t", t, (int[]){ 0, 2, 3, 1 }, &err)); }
static int nchw(int t) { return ok(npi_build_transpose(&g, "t", t, (int[]){ 0, 3, 1, 2 }, &err)); }

/* k x k convolution of a channels-first tensor, transposes around it, same size out. */
static int conv(int x, int64_t ci, int64_t co, int k, int pad) {
    struct npi_node n = { .op = NPI_OP_CONV2D, .name = "conv" };
    n.a.conv.groups = 1;
    n.a.conv.win = (struct npi_window){ k, k, 1, 1, 1, 1, pad, pad, pad, pad };
    const int w = constant(4, (int64_t[]){ co, k, k, ci }), b = constant(1, (int64_t[]){ co });
    return nchw(ok(npi_build1(&g, &n, (int[]){ nhwc(x), w, b }, 3, &err)));
}

/* Runs the graph node by node; the output's numbers are malloc'd. */
static float *run(const float *x, int64_t *count) {
    void **data = calloc((size_t)g.n_tensors, sizeof *data);
    for (int t = 0; t < g.n_tensors; t++) data[t] = g.tensor[t].v.data;
    struct npi_view *in = &g.tensor[g.input[0]].v;
    in->data = malloc(npi_view_bytes(in));
    memcpy(in->data, x, npi_view_bytes(in));
    for (int i = 0; i < g.n_nodes; i++) {
        const struct npi_view *store[16];
        struct npi_op_args a;
        const struct npi_node *n = &g.node[i];
        for (int k = 0; k < n->n_out; k++) g.tensor[n->out[k]].v.data = calloc(1, npi_view_bytes(&g.tensor[n->out[k]].v) + 64);
        npi_op_args_init(&a, &g, n, store);
        a.scratch = malloc(npi_op_scratch(&a) + 1);
        npi_op_eval(&a);
        free(a.scratch);
    }
    struct npi_view *out = &g.tensor[g.output[0]].v;
    *count = npi_view_count(out);
    float *y = malloc(npi_view_bytes(out));
    memcpy(y, out->data, npi_view_bytes(out));
    for (int t = 0; t < g.n_tensors; t++) {
        if (g.tensor[t].v.data != data[t]) free(g.tensor[t].v.data);
        g.tensor[t].v.data = data[t];
    }
    free(data);
    return y;
}

static int count(enum npi_op op) {
    int n = 0;
    for (int i = 0; i < g.n_nodes; i++) n += g.node[i].op == op;
    return n;
}

/* Passes leave the numbers alone: to 1e-5 of the largest, since folded products round differently. */
static void check_same(int x, int y) {
    assert_int_equal(npi_graph_set_io(&g, &x, 1, &y, 1), 0);
    const int64_t n = npi_view_count(&g.tensor[x].v);
    float *in = malloc(sizeof *in * (size_t)n), big = 0;
    for (int64_t i = 0; i < n; i++) in[i] = rnd();
    int64_t c0, c1;
    float *before = run(in, &c0);
    ok(npi_pass_all(&g, NULL, &err));
    ok(npi_graph_verify(&g, &err));
    float *after = run(in, &c1);
    assert_int_equal(c0, c1);
    for (int64_t i = 0; i < c0; i++) big = before[i] > big ? before[i] : -before[i] > big ? -before[i] : big;
    for (int64_t i = 0; i < c0; i++) {
        const float d = before[i] - after[i];
        if (!(d < 1e-5f * big && d > -1e-5f * big)) print_error("element %lld: %g before, %g after\n", (long long)i, (double)before[i], (double)after[i]);
        assert_true(d < 1e-5f * big && d > -1e-5f * big);
    }
    free(in);
    free(before);
    free(after);
}

/* conv -> batch norm -> relu -> conv, channels first: two convolutions, one transpose at each end. */
static void conv_bn_relu_conv(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 3, 6, 5 });
    int t = conv(x, 3, 4, 3, 1);
    t = op2(NPI_OP_MUL, t, constant(4, (int64_t[]){ 1, 4, 1, 1 }));
    t = op2(NPI_OP_ADD, t, constant(3, (int64_t[]){ 4, 1, 1 }));
    t = conv(op1(NPI_OP_RELU, t), 4, 2, 1, 0);
    check_same(x, t);
    assert_int_equal(count(NPI_OP_CONV2D), 2);
    assert_int_equal(count(NPI_OP_TRANSPOSE), 2);
    assert_int_equal(g.n_nodes, 4);
}

/* A batch norm before a padded convolution: its scale folds into it, its shift may not. */
static void shift_before_padding_stays(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 3, 4, 4 });
    int t = op1(NPI_OP_RELU, conv(x, 3, 3, 1, 0));
    t = op2(NPI_OP_ADD, t, constant(4, (int64_t[]){ 1, 3, 1, 1 }));
    check_same(x, conv(t, 3, 2, 3, 1));
    assert_int_equal(count(NPI_OP_ADD), 1);
}

static void affine_before_unpadded_folds(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 3, 4, 4 });
    int t = op1(NPI_OP_RELU, conv(x, 3, 3, 1, 0));
    t = op2(NPI_OP_MUL, t, constant(4, (int64_t[]){ 1, 3, 1, 1 }));
    t = op2(NPI_OP_SUB, t, constant(4, (int64_t[]){ 1, 3, 1, 1 }));
    check_same(x, conv(t, 3, 2, 2, 0));
    assert_int_equal(count(NPI_OP_MUL) + count(NPI_OP_SUB), 0);
}

/* x + conv(silu(conv(x))): the add goes into the second convolution, the silu into the first. */
static void residual_and_silu(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 4, 3, 3 });
    const int a = op1(NPI_OP_RELU, conv(x, 4, 4, 1, 0)), c = conv(a, 4, 6, 1, 0);
    const int s = op2(NPI_OP_MUL, c, op1(NPI_OP_SIGMOID, c));
    check_same(x, op2(NPI_OP_ADD, a, conv(s, 6, 4, 3, 1)));
    assert_int_equal(count(NPI_OP_CONV2D), 3);
    assert_int_equal(count(NPI_OP_ADD) + count(NPI_OP_SIGMOID) + count(NPI_OP_MUL), 0);
}

/* A detector's tail: two maps, channels first, concatenated, flattened and turned. Nothing of it is left but a reshape and a concat. */
static void detector_tail(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 2, 4, 4 });
    const int c = conv(x, 2, 3, 1, 0), o = op1(NPI_OP_SIGMOID, conv(x, 2, 1, 1, 0));
    struct npi_node cat = { .op = NPI_OP_CONCAT, .name = "cat" };
    cat.a.concat.axis = 1;
    int t = ok(npi_build1(&g, &cat, (int[]){ c, o }, 2, &err));
    t = ok(npi_build_reshape(&g, "flat", t, 3, (int64_t[]){ 1, 4, 16 }, &err));
    check_same(x, ok(npi_build_transpose(&g, "turn", t, (int[]){ 0, 2, 1 }, &err)));
    assert_int_equal(count(NPI_OP_TRANSPOSE), 1); /* of the input */
}

/* One class of many: the slice ends in the weights. conv(2 -> 2*5) -> [n,5] -> sigmoid -> column 3 */
static void class_column(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 3, 4, 2 });
    struct npi_node n = { .op = NPI_OP_CONV2D, .name = "cls" };
    n.a.conv.groups = 1;
    n.a.conv.win = (struct npi_window){ 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
    int t = ok(npi_build1(&g, &n, (int[]){ x, constant(4, (int64_t[]){ 10, 1, 1, 2 }), constant(1, (int64_t[]){ 10 }) }, 3, &err));
    t = op1(NPI_OP_SIGMOID, ok(npi_build_reshape(&g, "r", t, 3, (int64_t[]){ 1, 24, 5 }, &err)));
    struct npi_node s = { .op = NPI_OP_SLICE, .name = "col" };
    const int64_t size[] = { 1, 24, 1 };
    for (int i = 0; i < 3; i++) {
        s.a.slice.step[i] = 1;
        s.a.slice.size[i] = size[i];
    }
    s.a.slice.start[2] = 3;
    check_same(x, ok(npi_build1(&g, &s, &t, 1, &err)));
    assert_int_equal(count(NPI_OP_SLICE), 0);
    for (int i = 0; i < g.n_nodes; i++)
        if (g.node[i].op == NPI_OP_CONV2D) assert_int_equal(g.tensor[g.node[i].in[1]].v.d[0], 2);
}

/* (x * clamp(x + 3, 0, 6)) / 6 is hard-swish only while nothing else happens on the way: here the product is clamped too,
 * and the sum. */
static void clamped_on_the_way_is_no_hard_swish(void **state) {
    (void)state;
    for (int where = 0; where < 2; where++) {
        const int x = input(3, (int64_t[]){ 2, 3, 4 });
        const float three = 3, sixth = 1.f / 6;
        const struct npi_act cut = { NPI_ACT_CLAMP, 0, 3.1f };
        const int c3 = ok(npi_graph_const_f32(&g, "c", 0, NULL, &three)), c6 = ok(npi_graph_const_f32(&g, "c", 0, NULL, &sixth));
        struct npi_node add = { .op = NPI_OP_ADD, .name = "add" }, mul = { .op = NPI_OP_MUL, .name = "mul" }, clamp = { .op = NPI_OP_CLAMP, .name = "clamp" };
        *(where ? &add.act : &mul.act) = cut;
        clamp.a.unary.b = 6;
        int t = ok(npi_build1(&g, &add, (int[]){ x, c3 }, 2, &err));
        t = ok(npi_build1(&g, &clamp, &t, 1, &err));
        t = ok(npi_build1(&g, &mul, (int[]){ x, t }, 2, &err));
        check_same(x, op2(NPI_OP_MUL, t, c6));
        assert_int_equal(count(NPI_OP_HARD_SWISH), 0);
        g.n_nodes = 0;
    }
}

/* The same pattern with a 3 of shape [1,1,1,1]: the result has a dim more than x, hard-swish of x would not. */
static void hard_swish_keeps_the_shape(void **state) {
    (void)state;
    const int x = input(3, (int64_t[]){ 2, 3, 4 });
    const float three = 3, sixth = 1.f / 6;
    const int c3 = ok(npi_graph_const_f32(&g, "c", 4, (int64_t[]){ 1, 1, 1, 1 }, &three)), c6 = ok(npi_graph_const_f32(&g, "c", 0, NULL, &sixth));
    struct npi_node clamp = { .op = NPI_OP_CLAMP, .name = "clamp" };
    clamp.a.unary.b = 6;
    int t = op2(NPI_OP_ADD, x, c3);
    t = ok(npi_build1(&g, &clamp, &t, 1, &err));
    check_same(x, op2(NPI_OP_MUL, op2(NPI_OP_MUL, x, t), c6));
    assert_int_equal(g.tensor[g.output[0]].v.rank, 4);
}

/* An output keeps the name that the file gives it when the op in front takes its place. */
static void output_keeps_its_name(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 2, 3, 2 });
    struct npi_node n = { .op = NPI_OP_CONV2D, .name = "conv" }, relu = { .op = NPI_OP_RELU, .name = "relu" };
    const char *inner = "inner", *heat = "heat";
    int c, y;
    n.a.conv.groups = 1;
    n.a.conv.win = (struct npi_window){ 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
    ok(npi_build(&g, &n, (int[]){ x, constant(4, (int64_t[]){ 3, 1, 1, 2 }) }, 2, &c, 1, &inner, NULL, &err));
    ok(npi_build(&g, &relu, &c, 1, &y, 1, &heat, NULL, &err));
    check_same(x, y);
    assert_int_equal(g.n_nodes, 1);
    assert_string_equal(g.tensor[g.output[0]].name, "heat");
}

static int sliced(int x, int axis, int start) {
    const struct npi_view v = g.tensor[x].v;
    struct npi_node n = { .op = NPI_OP_SLICE, .name = "slice" };
    for (int i = 0; i < v.rank; i++) {
        n.a.slice.step[i] = i == axis ? 2 : 1;
        n.a.slice.start[i] = i == axis ? start : 0;
        n.a.slice.size[i] = i == axis ? v.d[i] / 2 : v.d[i];
    }
    return ok(npi_build1(&g, &n, &x, 1, &err));
}

/* YOLO's focus: one 6x6 convolution on the picture. Odd sizes have no such convolution. */
static void focus(void **state) {
    (void)state;
    static const int order[4][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 1, 1 } };
    const int x = input(4, (int64_t[]){ 2, 3, 8, 12 });
    int part[4];
    for (int i = 0; i < 4; i++) part[i] = sliced(sliced(x, 2, order[i][0]), 3, order[i][1]);
    struct npi_node n = { .op = NPI_OP_CONCAT, .name = "cat", .a.concat.axis = 1 };
    check_same(x, op1(NPI_OP_SILU, conv(ok(npi_build1(&g, &n, part, 4, &err)), 12, 5, 3, 1)));
    assert_int_equal(count(NPI_OP_SLICE), 0);
    assert_int_equal(count(NPI_OP_CONCAT), 0);
    assert_int_equal(count(NPI_OP_CONV2D), 1);
    for (int i = 0; i < g.n_nodes; i++)
        if (g.node[i].op == NPI_OP_CONV2D) assert_int_equal(g.node[i].a.conv.win.kh, 6);
}

/* The same with every second row only: not a focus, stays as it is. */
static void half_a_focus_stays(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 3, 8, 12 });
    const int part[2] = { sliced(x, 2, 0), sliced(x, 2, 1) };
    struct npi_node n = { .op = NPI_OP_CONCAT, .name = "cat", .a.concat.axis = 1 };
    check_same(x, conv(ok(npi_build1(&g, &n, part, 2, &err)), 6, 5, 3, 1));
    assert_int_equal(count(NPI_OP_SLICE), 2);
}

static int pool(int x, int k, int stride, int pad) {
    struct npi_node n = { .op = NPI_OP_MAXPOOL2D, .name = "pool" };
    n.a.pool.win = (struct npi_window){ k, k, stride, stride, 1, 1, pad, pad, pad, pad };
    return ok(npi_build1(&g, &n, &x, 1, &err));
}

/* 13, 9, 5 and 3 over one tensor: each larger one works on the next smaller. */
static void pools_share_work(void **state) {
    (void)state;
    const int x = input(4, (int64_t[]){ 1, 7, 9, 3 });
    const int cat[4] = { pool(x, 13, 1, 6), pool(x, 5, 1, 2), pool(x, 9, 1, 4), pool(x, 3, 1, 1) };
    struct npi_node n = { .op = NPI_OP_CONCAT, .name = "cat", .a.concat.axis = 3 };
    check_same(x, ok(npi_build1(&g, &n, cat, 4, &err)));
    int sum = 0;
    for (int i = 0; i < g.n_nodes; i++)
        if (g.node[i].op == NPI_OP_MAXPOOL2D) sum += g.node[i].a.pool.win.kh;
    assert_int_equal(sum, 5 + 5 + 3 + 3); /* 13 of 9, 9 of 5, 5 of 3 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(conv_bn_relu_conv, setup, teardown),
        cmocka_unit_test_setup_teardown(shift_before_padding_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(affine_before_unpadded_folds, setup, teardown),
        cmocka_unit_test_setup_teardown(residual_and_silu, setup, teardown),
        cmocka_unit_test_setup_teardown(detector_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(class_column, setup, teardown),
        cmocka_unit_test_setup_teardown(clamped_on_the_way_is_no_hard_swish, setup, teardown),
        cmocka_unit_test_setup_teardown(hard_swish_keeps_the_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(output_keeps_its_name, setup, teardown),
        cmocka_unit_test_setup_teardown(focus, setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_focus_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(pools_share_work, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
