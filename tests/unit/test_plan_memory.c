/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan does to memory: which constants it is done with and when, what is made where it belongs, what works in place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/cpu.h"
#include "ops/build.h"
#include "plan/plan.h"

static struct npi_arena mem;
static struct npi_graph g;
static struct np_error err;

static void begin(void) {
    npi_arena_init(&mem, 0);
    assert_int_equal(npi_graph_init(&g, &mem, "test"), 0);
}

static int input(int rank, const int64_t *d) {
    struct npi_view v = { .dtype = NP_F32, .rank = rank };
    memcpy(v.d, d, sizeof *d * (size_t)rank);
    return npi_graph_tensor(&g, "x", &v);
}

static int weights(int64_t co, int64_t ci) {
    const struct npi_view v = { .dtype = NP_F32, .rank = 4, .d = { co, 1, 1, ci } };
    const int t = npi_graph_const(&g, "w", &v);
    for (int64_t i = 0; i < co * ci; i++) ((float *)g.tensor[t].v.data)[i] = (float)(i % 7) - 3;
    return t;
}

static int conv(int x, int w) {
    const struct npi_node n = { .op = NPI_OP_CONV2D, .name = "conv", .a.conv = { .win = { .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1 }, .groups = 1 } };
    return npi_build1(&g, &n, (int[]){ x, w }, 2, &err);
}

struct spent { int n; const void *data[8]; };

static void note(void *opaque, const void *data, size_t bytes) {
    struct spent *const s = opaque;
    assert_in_range(s->n, 0, 7);
    s->data[s->n++] = data;
    memset((void *)(uintptr_t)data, 0xff, bytes); /* NaNs: whoever reads it later gives a wrong answer */
}

/* A constant is spent once, behind the last step that packs it, also when two tensors are the same memory; not when a step reads it while running. */
static void spent_once(void **state) {
    (void)state;
    struct npi_plan p;
    struct npi_kernels k;
    struct spent s = { 0 };
    begin();
    const int x = input(4, (const int64_t[]){ 1, 4, 4, 16 });
    const int w = weights(16, 16), again = npi_build_reshape(&g, "again", w, 4, (const int64_t[]){ 16, 1, 1, 16 }, &err), read = weights(16, 16);
    assert_ptr_equal(g.tensor[w].v.data, g.tensor[again].v.data);
    const int turned = npi_build_transpose(&g, "turned", w, (const int[]){ 0, 3, 1, 2 }, &err);
    assert_ptr_equal(g.tensor[w].v.data, g.tensor[turned].v.data); /* only dims of 1 move: no copy */
    const int square = npi_build_transpose(&g, "square", w, (const int[]){ 3, 1, 2, 0 }, &err);
    assert_ptr_not_equal(g.tensor[w].v.data, g.tensor[square].v.data);
    const int a = conv(x, w), b = conv(a, again), c = conv(b, read);
    const struct npi_node add = { .op = NPI_OP_ADD, .name = "add" };
    const int flat = npi_build_reshape(&g, "flat", c, 4, (const int64_t[]){ 1, 1, 16, 16 }, &err), row = npi_build_reshape(&g, "row", read, 4, (const int64_t[]){ 1, 1, 16, 16 }, &err);
    const int y = npi_build1(&g, &add, (int[]){ flat, row }, 2, &err);
    assert_true(y >= 0);
    assert_int_equal(npi_graph_set_io(&g, &x, 1, &y, 1), 0);
    npi_kernels_init(&k, 0);
    const struct npi_plan_opts o = { .spent = note, .opaque = &s };
    assert_int_equal(npi_plan_make(&p, &g, &k, &mem, &o, &err), 0);
    assert_int_equal(s.n, 1);
    assert_ptr_equal(s.data[0], g.tensor[w].v.data);
    npi_arena_free(&mem);
}

static int concat(int axis, const int *in, int n_in) {
    const struct npi_node n = { .op = NPI_OP_CONCAT, .name = "concat", .a.concat.axis = axis };
    return npi_build1(&g, &n, in, n_in, &err);
}

/* Runs the plan of g and gives the floats of tensor y. */
static float *run(const struct npi_plan *p, int x, int y) {
    const int64_t n = npi_view_count(&g.tensor[y].v);
    char *const arena = npi_alloc(p->arena_bytes + NPI_TAIL), *const scratch = npi_alloc(p->scratch_bytes + NPI_TAIL);
    float *const out = npi_alloc((size_t)n * sizeof *out);
    void **const ptr = npi_arena_array(&mem, void *, g.n_tensors);
    memset(arena, 0xff, p->arena_bytes);
    for (int t = 0; t < g.n_tensors; t++) ptr[t] = p->offset[t] >= 0 ? arena + p->offset[t] : g.tensor[t].v.data;
    for (int64_t i = 0; i < npi_view_count(&g.tensor[x].v); i++) ((float *)ptr[x])[i] = (float)(i % 13) - 6;
    const struct npi_exec e = { ptr, scratch, p->scratch_bytes, 1 };
    for (int s = 0; s < p->n_steps; s++)
        for (int t = 0; t < p->step[s].n_tasks; t++) p->step[s].run(&p->step[s], &e, t, 0);
    memcpy(out, ptr[y], (size_t)n * sizeof *out);
    npi_free(arena);
    npi_free(scratch);
    return out;
}

static int relu(int x) {
    const struct npi_node n = { .op = NPI_OP_RELU, .name = "relu" };
    return npi_build1(&g, &n, &x, 1, &err);
}

/* Detection heads: convolutions, reshaped, make their part of the output where it belongs; a Concat within a Concat, too. What may not lie there is copied: a constant,
 * an input of the graph, the same tensor again, and what an axis in front cuts into pieces. Steps that would work in place leave parts alone. */
static void made_in_place(void **state) {
    (void)state;
    for (int batch = 1; batch <= 2; batch++) {
        struct npi_plan p, q;
        struct npi_kernels k;
        begin();
        const int x = input(4, (const int64_t[]){ batch, 4, 4, 16 });
        const struct npi_view cv = { .dtype = NP_F32, .rank = 3, .d = { batch, 3, 16 } };
        const int c = npi_graph_const(&g, "c", &cv);
        int part[6];
        for (int i = 0; i < 3; i++) {
            const int y = conv(x, weights(16, 16)); /* read twice: by the Concat and by the Relu, which must not write over it */
            part[i] = npi_build_reshape(&g, "flat", y, 3, (const int64_t[]){ batch, 16, 16 }, &err);
        }
        const int inner = concat(1, part, 2), again = relu(part[0]);
        const int picture = npi_build_reshape(&g, "picture", x, 3, (const int64_t[]){ batch, 16, 16 }, &err);
        const int all[] = { again, inner, part[2], part[2], c, picture };
        const int y = concat(1, all, 6), z = relu(y);
        assert_true(z >= 0);
        assert_int_equal(npi_graph_set_io(&g, &x, 1, &z, 1), 0);
        npi_kernels_init(&k, 0);
        assert_int_equal(npi_plan_make(&p, &g, &k, &mem, NULL, &err), 0);
        assert_int_equal(p.n_placed, batch == 1 ? 5 : 0); /* of inner 2, of y: again, inner, part[2] once */
        int concats = 0;
        for (int s = 0; s < p.n_steps; s++) concats += g.node[p.step[s].node].op == NPI_OP_CONCAT;
        assert_int_equal(concats, batch == 1 ? 1 : 2);
        assert_int_equal(npi_plan_make(&q, &g, &k, &mem, &(struct npi_plan_opts){ .reference_only = 1 }, &err), 0);
        assert_int_equal(q.n_placed, 0);
        float *const got = run(&p, x, z), *const want = run(&q, x, z);
        assert_memory_equal(got, want, npi_view_bytes(&g.tensor[z].v));
        npi_free(got);
        npi_free(want);
        npi_arena_free(&mem);
    }
}

/* A piece of a Concat beside the Concat: both may die in the step that reads both, and neither's memory is free before its end. Whole numbers: sums are exact. */
static void piece_and_whole(void **state) {
    (void)state;
    for (int what = 0; what < 2; what++)
        for (int best = 0; best < 2; best++) {
            struct npi_plan p, q;
            struct npi_kernels k;
            begin();
            const int x = input(4, (const int64_t[]){ 1, what ? 1 : 8, 4, 16 });
            const int a = conv(x, weights(16, 16)), b = conv(x, weights(16, 16)), c = concat(1, (int[]){ a, b }, 2);
            const struct npi_view two = { .dtype = NP_F32, .rank = 4, .d = { 16, 2, 1, 16 } };
            const int w = npi_graph_const(&g, "w", &two);
            for (int i = 0; i < 512; i++) ((float *)g.tensor[w].v.data)[i] = (float)(i % 5) - 2;
            const struct npi_node fold = { .op = NPI_OP_CONV2D, .name = "fold", .a.conv = { .win = { .kh = 2, .kw = 1, .sh = 2, .sw = 1, .dh = 1, .dw = 1 }, .groups = 1 } };
            const struct npi_node mul = { .op = NPI_OP_MUL, .name = "mul" };
            const int y = what ? npi_build1(&g, &mul, (int[]){ c, a }, 2, &err) : npi_build1(&g, &fold, (int[]){ c, w, -1, a }, 4, &err), z = relu(y);
            assert_true(z >= 0);
            assert_int_equal(npi_graph_set_io(&g, &x, 1, &z, 1), 0);
            npi_kernels_init(&k, best ? npi_cpu_flags() & ~(NPI_CPU_AMX_BF16 | NPI_CPU_AMX_INT8) : 0);
            assert_int_equal(npi_plan_make(&p, &g, &k, &mem, NULL, &err), 0);
            assert_int_equal(p.n_placed, 2);
            assert_int_equal(npi_plan_make(&q, &g, &k, &mem, &(struct npi_plan_opts){ .reference_only = 1 }, &err), 0);
            float *const got = run(&p, x, z), *const want = run(&q, x, z);
            assert_memory_equal(got, want, npi_view_bytes(&g.tensor[z].v));
            npi_free(got);
            npi_free(want);
            npi_arena_free(&mem);
        }
}

/* A residual add, alone and inside a convolution, and an activation work on the memory of what dies there. */
static void works_in_place(void **state) {
    (void)state;
    struct npi_plan p;
    struct npi_kernels k;
    begin();
    const int x = input(4, (const int64_t[]){ 1, 4, 4, 16 }), a = conv(x, weights(16, 16)), b = conv(a, weights(16, 16));
    const struct npi_node add = { .op = NPI_OP_ADD, .name = "add" };
    const int c = npi_build1(&g, &add, (int[]){ a, b }, 2, &err), d = relu(c), h = conv(d, weights(16, 16));
    const struct npi_node with = { .op = NPI_OP_CONV2D, .name = "residual", .a.conv = { .win = { .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1 }, .groups = 1 } };
    const int y = npi_build1(&g, &with, (int[]){ h, weights(16, 16), -1, d }, 4, &err), e = conv(y, weights(16, 16));
    assert_true(e >= 0);
    assert_int_equal(npi_graph_set_io(&g, &x, 1, &e, 1), 0);
    npi_kernels_init(&k, 0);
    assert_int_equal(npi_plan_make(&p, &g, &k, &mem, NULL, &err), 0);
    assert_int_equal(p.root[c], p.root[a]); /* of a and b the one that the step names */
    assert_int_equal(p.root[d], p.root[a]);
    assert_int_equal(p.root[y], p.root[a]);
    assert_int_equal(p.offset[y], p.offset[a]);
    npi_arena_free(&mem);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(spent_once), cmocka_unit_test(made_in_place), cmocka_unit_test(piece_and_whole), cmocka_unit_test(works_in_place) };
    return cmocka_run_group_tests_name("plan_memory", tests, NULL, NULL);
}
