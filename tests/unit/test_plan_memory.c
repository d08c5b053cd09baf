/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan does to memory: which constants it is done with, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(spent_once) };
    return cmocka_run_group_tests_name("plan_memory", tests, NULL, NULL);
}
