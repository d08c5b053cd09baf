/* SPDX-License-Identifier: Apache-2.0 */
/* Planned pools, resizes and reductions against the C references, at every level of this machine: one node a graph, planned
 * once with the binders and once with references only. Nodes that must get a fast step are checked for having one. */
#include <math.h>

#include "cpu/cpu.h"
#include "ops/build.h"
#include "ops_run.h"
#include "plan/plan.h"

static uint32_t seed = 1;
static int rnd(int lo, int hi) {
    seed = seed * 1664525u + 1013904223u;
    return lo + (int)((seed >> 8) % (uint32_t)(hi - lo + 1));
}

/* Runs the plan of g's only node on `x`; returns output 0 (npi_free it). *kernel: name of the step. */
static void *run_plan(const struct npi_graph *g, const struct npi_kernels *k, int reference, const void *x, const char **kernel) {
    struct npi_arena mem;
    struct npi_plan p;
    struct np_error err;
    npi_arena_init(&mem, 0);
    assert_int_equal(npi_plan_make(&p, g, k, &mem, &(struct npi_plan_opts){ .reference_only = reference }, &err), 0);
    assert_int_equal(p.n_steps, 1);
    char *scratch = npi_alloc(p.scratch_bytes + 1);
    void **ptr = calloc((size_t)g->n_tensors, sizeof *ptr), *y = npi_alloc(npi_view_bytes(&g->tensor[g->output[0]].v));
    assert_true(scratch && ptr && y);
    ptr[g->input[0]] = (void *)x;
    ptr[g->output[0]] = y;
    const struct npi_exec e = { ptr, scratch, p.scratch_bytes, 1 };
    for (int t = p.step[0].n_tasks; t-- > 0;) p.step[0].run(&p.step[0], &e, t, 0);
    *kernel = p.step[0].kernel;
    free(ptr);
    npi_free(scratch);
    npi_arena_free(&mem);
    return y;
}

/* tol: largest distance; must: a fast step is expected. */
static void compare(const struct npi_node *node, const struct npi_view *x, float tol, int must) {
    struct npi_arena mem;
    struct npi_graph g;
    struct np_error err;
    npi_arena_init(&mem, 0);
    assert_int_equal(npi_graph_init(&g, &mem, "test"), 0);
    const int in = npi_graph_tensor(&g, "x", x), out = npi_build1(&g, node, &in, 1, &err);
    if (out < 0) fail_msg("%s", err.message);
    assert_int_equal(npi_graph_set_io(&g, &in, 1, &out, 1), 0);
    const struct npi_view *y = &g.tensor[out].v;
    void *data = npi_alloc(npi_view_bytes(x));
    const int64_t n = npi_view_count(x), m = npi_view_count(y);
    for (int64_t i = 0; i < n; i++) {
        if (x->dtype == NP_F32) ((float *)data)[i] = (float)rnd(-1000, 1000) / 256;
        else ((uint8_t *)data)[i] = (uint8_t)rnd(0, 255);
    }
    const char *name, *kernel;
    unsigned flags;
    for (int l = 0; npi_cpu_level_at(l, &name, &flags); l++) {
        if ((flags & npi_cpu_flags()) != flags) continue;
        struct npi_kernels k;
        npi_kernels_init(&k, flags);
        void *want = run_plan(&g, &k, 1, data, &kernel), *got = run_plan(&g, &k, 0, data, &kernel);
        if (must && !strcmp(kernel, "reference")) fail_msg("%s got no fast step", npi_op_info[node->op].name);
        for (int64_t i = 0; i < m; i++) {
            const float u = y->dtype == NP_F32 ? ((float *)got)[i] : (float)((int8_t *)got)[i], v = y->dtype == NP_F32 ? ((float *)want)[i] : (float)((int8_t *)want)[i];
            if (!(fabsf(u - v) <= tol)) fail_msg("%s at %s: value %d is %g, reference %g", kernel, name, (int)i, (double)u, (double)v);
        }
        npi_free(want);
        npi_free(got);
    }
    npi_free(data);
    npi_arena_free(&mem);
}

static const float scale = .1f;
static const int32_t zero = 3;
static struct npi_view image(int type, int64_t h, int64_t w, int64_t c) {
    struct npi_view v = { .dtype = type, .rank = 4, .d = { rnd(1, 2), h, w, c } };
    if (type != NP_F32) v.q = (struct npi_quant){ 1, 0, &scale, &zero };
    return v;
}

/* Values up to 4: a sum of 121 of them rounds by at most 121 * 4 * eps * 121 / 121 in the mean, far under 1e-4. */
static void pools(void **st) {
    (void)st;
    for (int i = 0; i < 120; i++) {
        struct npi_node n = { .op = i % 2 ? NPI_OP_MAXPOOL2D : NPI_OP_AVGPOOL2D, .name = "" };
        const int kh = rnd(1, 4), kw = rnd(1, 4);
        n.a.pool.win = (struct npi_window){ kh, kw, rnd(1, 3), rnd(1, 3), rnd(1, 2), rnd(1, 2), rnd(0, kh - 1), rnd(0, kw - 1), rnd(0, kh - 1), rnd(0, kw - 1) };
        n.a.pool.ceil_mode = i & 1;
        n.a.pool.count_include_pad = i >> 1 & 1;
        if (i % 6 == 1) n.act = (struct npi_act){ NPI_ACT_CLAMP, -1, 1 };
        const struct npi_view x = image(NP_F32, rnd(8, 12), rnd(8, 12), rnd(1, 40));
        compare(&n, &x, n.op == NPI_OP_MAXPOOL2D ? 0 : 1e-5f, n.a.pool.win.dh == 1 && n.a.pool.win.dw == 1 && !n.a.pool.ceil_mode);
    }
    struct npi_node n = { .op = NPI_OP_AVGPOOL2D, .name = "" };
    n.a.pool.win = (struct npi_window){ 20, 20, 1, 1, 1, 1, 0, 0, 0, 0 };
    const struct npi_view x = image(NP_F32, 20, 20, 17);
    compare(&n, &x, 1e-5f, 1);
}

static void resizes(void **st) {
    (void)st;
    static const int coords[] = { NPI_COORD_HALF_PIXEL, NPI_COORD_ASYMMETRIC, NPI_COORD_ALIGN_CORNERS, NPI_COORD_PYTORCH_HALF_PIXEL, NPI_COORD_HALF_PIXEL_SYMMETRIC };
    static const int types[] = { NP_F32, NP_I8, NP_U8 };
    for (int i = 0; i < 150; i++) {
        struct npi_node n = { .op = NPI_OP_RESIZE, .name = "" };
        const struct npi_view x = image(types[i % 3], rnd(1, 9), rnd(1, 9), rnd(1, 40));
        n.a.resize.mode = i & 1 ? NPI_RESIZE_LINEAR : NPI_RESIZE_NEAREST;
        n.a.resize.coord = coords[i % 5];
        n.a.resize.round = i % 4;
        n.a.resize.antialias = i % 10 == 9;
        n.a.resize.size[0] = x.d[0];
        n.a.resize.size[1] = i % 7 ? rnd(1, 20) : x.d[1];
        n.a.resize.size[2] = rnd(1, 20);
        n.a.resize.size[3] = x.d[3];
        compare(&n, &x, x.dtype == NP_F32 ? 4e-6f : 0, !n.a.resize.antialias);
    }
    /* Not height and width: the reference does it. */
    struct npi_node n = { .op = NPI_OP_RESIZE, .name = "" };
    const struct npi_view x = image(NP_F32, 3, 4, 5);
    n.a.resize.mode = NPI_RESIZE_LINEAR;
    for (int i = 0; i < 4; i++) n.a.resize.size[i] = x.d[i] * (i == 3 ? 2 : 1);
    compare(&n, &x, 0, 0);
}

static void reductions(void **st) {
    (void)st;
    for (int i = 0; i < 40; i++) {
        struct npi_node n = { .op = NPI_OP_REDUCE, .name = "" };
        const struct npi_view x = image(NP_F32, rnd(1, 40), rnd(1, 40), rnd(4, 130));
        n.a.reduce.kind = i & 1 ? NPI_REDUCE_MEAN : NPI_REDUCE_SUM;
        n.a.reduce.axes = i % 3 == 0 ? 6 : i % 3 == 1 ? 2 : 4;
        n.a.reduce.keepdims = i >> 1 & 1;
        /* 1600 values of up to 4 in blocks of 64: about (64 + 25) * eps * 6400 at worst, a hundredth of it in practice */
        compare(&n, &x, i & 1 ? 1e-5f : 1e-2f, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(pools), cmocka_unit_test(resizes), cmocka_unit_test(reductions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
