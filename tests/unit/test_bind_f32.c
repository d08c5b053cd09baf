/* SPDX-License-Identifier: Apache-2.0 */
/* The f32 steps of convolutions and products against the C references, at every ISA level of the machine: one random node
 * a graph, planned twice. The bound comes from a third plan, the reference over absolute values: it gives the sum of
 * |a||b| that rounding errors are relative to. Constants that a step says it has packed are taken away before it runs. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/cpu.h"
#include "nextpose/engine.h"
#include "ops/build.h"
#include "plan/plan.h"

static uint32_t seed = 1;
static int product_parts; /* of npi_kernels, for the level under test; with 1, as for bf16, depthwise convolutions in halves */
static int n_halves;
static int range(int lo, int hi) {
    seed = seed * 1664525u + 1013904223u;
    return lo + (int)((seed >> 8) % (uint32_t)(hi - lo + 1));
}
static float value(void) { return (float)range(-1000, 1000) / 500; }

struct shape { int rank; int64_t d[4]; };
#define S(...) { sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), { __VA_ARGS__ } }

/* What is tested: a node and its four operands; in[i].rank 0: absent. `variable`: bit i set: input i is no constant. */
struct example {
    struct npi_node node;
    struct shape in[4];
    unsigned variable;
    int add_self;            /* the residual is the input itself (1), or a Reshape of it and back (2) */
    int64_t terms;           /* products in one sum */
};

/* Runs the node as level `cpu` would; abs_values: on magnitudes and without activation. The result has *n values, malloc'd. */
static float *evaluate(const struct example *e, unsigned cpu, int reference, int abs_values, uint32_t data_seed, size_t *n, int *fast) {
    struct npi_arena mem;
    struct npi_graph g;
    struct np_error err = { 0 };
    struct npi_kernels k;
    struct npi_plan p;
    const uint32_t saved = seed;
    seed = data_seed;
    npi_arena_init(&mem, 0);
    npi_kernels_init(&k, cpu);
    k.product_parts = product_parts;
    k.half_depthwise = product_parts == 1;
    assert_int_equal(npi_graph_init(&g, &mem, "test"), 0);
    int in[4], inputs[4], n_in = 0, n_inputs = 0;
    const float *data[4] = { NULL };
    for (int i = 0; i < 4; i++) {
        in[i] = -1;
        if (!e->in[i].rank) continue;
        n_in = i + 1;
        struct npi_view v = { .dtype = NP_F32, .rank = e->in[i].rank };
        memcpy(v.d, e->in[i].d, sizeof e->in[i].d);
        const int t = npi_graph_const(&g, "t", &v);
        float *x = g.tensor[t].v.data;
        for (int64_t q = 0; q < npi_view_count(&v); q++) x[q] = abs_values ? fabsf(value()) : value();
        in[i] = t;
        if (!(e->variable >> i & 1)) continue;
        data[n_inputs] = x;
        g.tensor[t].v.data = NULL;
        inputs[n_inputs++] = t;
    }
    if (e->add_self) {
        in[3] = in[0];
        n_in = 4;
        if (e->add_self == 2) {
            const struct npi_view *v = &g.tensor[in[0]].v;
            const int flat = npi_build_reshape(&g, "flat", in[0], 1, (int64_t[]){ npi_view_count(v) }, &err);
            in[3] = npi_build_reshape(&g, "back", flat, v->rank, g.tensor[in[0]].v.d, &err);
        }
    }
    struct npi_node node = e->node;
    if (abs_values) node.act.kind = NPI_ACT_NONE;
    const int y = npi_build1(&g, &node, in, n_in, &err);
    if (y < 0) fail_msg("%s: %s", node.name, err.message);
    assert_int_equal(npi_graph_set_io(&g, inputs, n_inputs, &y, 1), 0);
    for (int i = 0; i < g.n_nodes; i++) /* npi_build copies what it knows; these two are set by passes */
        if (g.node[i].op == node.op) g.node[i].act = node.act, g.node[i].res_before_act = node.res_before_act;
    assert_int_equal(npi_plan_make(&p, &g, &k, &mem, &(struct npi_plan_opts){ .reference_only = reference }, &err), 0);
    char *arena = npi_alloc(p.arena_bytes + NPI_TAIL), *scratch = npi_alloc(p.scratch_bytes * 2 + 64);
    memset(scratch, 0xff, p.scratch_bytes * 2 + 64); /* NaN: scratch has no contents */
    void **ptr = npi_arena_array(&mem, void *, g.n_tensors);
    for (int t = 0; t < g.n_tensors; t++) ptr[t] = p.offset[t] >= 0 ? arena + p.offset[t] : g.tensor[t].v.data;
    for (int i = 0; i < n_inputs; i++) memcpy(ptr[inputs[i]], data[i], npi_view_bytes(&g.tensor[inputs[i]].v));
    const struct npi_exec x = { ptr, scratch, p.scratch_bytes, 2 };
    for (int s = 0; s < p.n_steps; s++) {
        const struct npi_step *st = &p.step[s];
        const struct npi_node *sn = &g.node[st->node];
        for (int i = 0; i < sn->n_in && !reference; i++)
            if (st->packed_in >> i & 1) ptr[sn->in[i]] = NULL;
        if (fast) *fast = strcmp(st->kernel, "reference") != 0;
        n_halves += !strncmp(st->kernel, "dwconv_f16", 10);
        for (int t = st->n_tasks - 1; t >= 0; t--) st->run(st, &x, t, t & 1); /* in an unusual order, two workers */
    }
    *n = (size_t)npi_view_count(&g.tensor[y].v);
    float *out = malloc(*n * sizeof *out + 1);
    assert_non_null(out);
    memcpy(out, ptr[y], *n * sizeof *out);
    npi_free(arena);
    npi_free(scratch);
    npi_arena_free(&mem);
    seed = saved;
    return out;
}

static void compare(const struct example *e, const char *what) {
    size_t n, n2;
    const uint32_t data_seed = seed;
    float *want = evaluate(e, 0, 1, 0, data_seed, &n, NULL), *mag = evaluate(e, 0, 1, 1, data_seed, &n2, NULL);
    const char *level;
    static const double cut[] = { 0, 2.01 * 0x1p-8, 3.01 * 0x1p-16, 4.01 * 0x1p-24 }; /* what bf16 parts lose of a product, as in tests/kernel/check_gemm_bf16.c */
    for (int l = 0; (level = np_isa_level(l / 4)); l++) {
        unsigned cpu = 0;
        product_parts = l % 4;
        int fast = 0;
        assert_int_equal(npi_cpu_limit(level, npi_cpu_flags(), &cpu), 0);
        float *got = evaluate(e, cpu, 0, 0, data_seed, &n2, &fast);
        assert_int_equal(n, n2);
        if (!fast) fail_msg("%s at %s: no fast step took it", what, level);
        for (size_t i = 0; i < n; i++) {
            /* activations are at most 1.13 steep; hard swish and gelu multiply by x once more */
            const double products = product_parts > 1 ? product_parts * (product_parts + 1) / 2 : 1;
            /* halves: kernel/dwconv_f16.h; weights are at most 2, so that a scale is at most 8 * terms */
            const double halves = product_parts == 1 && e->node.op == NPI_OP_DWCONV2D ? (double)e->terms * (0x1p-10 * mag[i] + 8 * (double)e->terms * 0x1p-25) : 0;
            const double bound = halves + (2 * (products * (double)e->terms + 6) * mag[i] + 4) * (double)FLT_EPSILON + 2 * cut[product_parts] * mag[i];
            if (!(fabs((double)got[i] - want[i]) <= bound))
                fail_msg("%s at %s: value %zu is %.9g, reference %.9g, bound %.3g", what, level, i, (double)got[i], (double)want[i], bound);
        }
        free(got);
    }
    free(want);
    free(mag);
}

static void random_act(struct npi_node *n) {
    n->act = (struct npi_act){ range(0, 1) ? NPI_ACT_CLAMP : range(0, NPI_ACT_GELU), 0, 6 };
    if (n->act.kind == NPI_ACT_LEAKY) n->act.lo = .1f;
    n->res_before_act = range(0, 1);
}

static void random_window(struct npi_window *w, int k, int h, int wd) {
    *w = (struct npi_window){ .kh = k, .kw = range(0, 3) ? k : range(1, 4), .sh = range(1, 2), .dh = range(0, 5) ? 1 : 2, .dw = range(0, 5) ? 1 : 2 };
    w->sw = range(0, 3) ? w->sh : range(1, 3);
    w->pt = range(0, (w->kh - 1) * w->dh);
    w->pl = range(0, (w->kw - 1) * w->dw);
    w->pb = range(0, (w->kh - 1) * w->dh);
    w->pr = range(0, (w->kw - 1) * w->dw);
    const int need_h = (w->kh - 1) * w->dh + 1 - h - w->pt - w->pb, need_w = (w->kw - 1) * w->dw + 1 - wd - w->pl - w->pr;
    if (need_h > 0) w->pb += need_h;
    if (need_w > 0) w->pr += need_w;
}
static int64_t out_dim(int in, int k, int s, int d, int p0, int p1) { return (in + p0 + p1 - (k - 1) * d - 1) / s + 1; }

static void conv(void **state) {
    (void)state;
    for (int i = 0; i < 220; i++) {
        const int h = range(1, 14), w = range(1, 14), batch = range(1, 2), groups = i % 5 ? 1 : range(1, 4);
        const int ci = groups * range(1, i % 3 ? 20 : 5), co = groups * range(1, i % 4 ? 40 : 3);
        struct example e = { .node = { .op = NPI_OP_CONV2D, .name = "conv" }, .variable = 9 };
        struct npi_window *win = &e.node.a.conv.win;
        random_window(win, i % 4 == 0 ? 1 : range(1, 5), h, w);
        if (i % 8 == 0) *win = (struct npi_window){ 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
        e.node.a.conv.groups = groups;
        random_act(&e.node);
        e.in[0] = (struct shape)S(batch, h, w, ci);
        e.in[1] = (struct shape)S(co, win->kh, win->kw, ci / groups);
        if (range(0, 2)) e.in[2] = (struct shape)S(co);
        if (range(0, 1))
            e.in[3] = (struct shape)S(batch, out_dim(h, win->kh, win->sh, win->dh, win->pt, win->pb), out_dim(w, win->kw, win->sw, win->dw, win->pl, win->pr), co);
        e.terms = win->kh * win->kw * (ci / groups);
        char what[200];
        snprintf(what, sizeof what, "conv %d: %dx%dx%dx%d, %d out, groups %d, kernel %dx%d stride %d,%d dilation %d,%d pads %d %d %d %d act %d res %d%s", i, batch, h, w,
                 ci, co, groups, win->kh, win->kw, win->sh, win->sw, win->dh, win->dw, win->pt, win->pl, win->pb, win->pr, e.node.act.kind, e.in[3].rank > 0,
                 e.node.res_before_act ? " before" : "");
        compare(&e, what);
    }
}

/* Large enough for several tiles and blocks of columns. */
static void conv_large(void **state) {
    (void)state;
    struct example e = { .node = { .op = NPI_OP_CONV2D, .name = "conv" }, .in = { S(2, 20, 20, 32), S(130, 3, 3, 32), S(130) }, .variable = 1, .terms = 288 };
    e.node.a.conv.win = (struct npi_window){ 3, 3, 1, 1, 1, 1, 1, 1, 1, 1 };
    e.node.a.conv.groups = 1;
    compare(&e, "conv 3x3 of 32 to 130 channels");
    e = (struct example){ .node = { .op = NPI_OP_CONV2D, .name = "conv" }, .in = { S(1, 8, 8, 300), S(700, 1, 1, 300) }, .variable = 1, .terms = 300 };
    e.node.a.conv.win = (struct npi_window){ 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
    e.node.a.conv.groups = 1;
    compare(&e, "conv 1x1 of 300 to 700 channels");
}

/* x + conv(x) must not write over x while it is being read, whatever name x goes by. */
static void residual_is_input(void **state) {
    (void)state;
    for (int self = 1; self <= 2; self++) {
        struct example e = { .node = { .op = NPI_OP_CONV2D, .name = "conv" }, .in = { S(1, 12, 12, 96), S(96, 1, 1, 96) }, .variable = 1, .add_self = self, .terms = 96 };
        e.node.a.conv.win = (struct npi_window){ 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
        e.node.a.conv.groups = 1;
        compare(&e, self == 1 ? "x + conv(x)" : "reshaped x + conv(x)");
    }
}

static void dwconv(void **state) {
    (void)state;
    for (int i = 0; i < 150; i++) {
        const int h = range(1, 20), w = range(1, 24), c = range(1, i % 3 ? 40 : 150), batch = range(1, 2);
        struct example e = { .node = { .op = NPI_OP_DWCONV2D, .name = "dwconv" }, .variable = 9 };
        struct npi_window *win = &e.node.a.conv.win;
        random_window(win, (int[]){ 3, 5, 7, 2 }[range(0, 3)], h, w);
        random_act(&e.node);
        e.in[0] = (struct shape)S(batch, h, w, c);
        e.in[1] = (struct shape)S(win->kh, win->kw, c);
        if (range(0, 2)) e.in[2] = (struct shape)S(c);
        if (!range(0, 2))
            e.in[3] = (struct shape)S(batch, out_dim(h, win->kh, win->sh, win->dh, win->pt, win->pb), out_dim(w, win->kw, win->sw, win->dw, win->pl, win->pr), c);
        e.terms = win->kh * win->kw;
        char what[160];
        snprintf(what, sizeof what, "dwconv %d: %dx%dx%dx%d kernel %dx%d stride %d,%d pads %d %d %d %d act %d", i, batch, h, w, c, win->kh, win->kw, win->sh, win->sw,
                 win->pt, win->pl, win->pb, win->pr, e.node.act.kind);
        compare(&e, what);
    }
    if (n_halves < 20) fail_msg("%d depthwise convolutions in halves", n_halves);
}

static void fully_connected(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        const int m = range(1, 30), k = range(1, 70), n = range(1, 120);
        struct example e = { .node = { .op = NPI_OP_FULLY_CONNECTED, .name = "fc" }, .in = { S(2, m, k), S(n, k) }, .variable = 9, .terms = k };
        if (range(0, 1)) e.in[2] = (struct shape)S(n);
        if (range(0, 1)) e.in[3] = (struct shape)S(2, m, n);
        random_act(&e.node);
        compare(&e, "fully connected");
    }
}

static void matmul(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) {
        const int m = range(1, 20), k = range(1, 40), n = range(1, 220), b0 = range(1, 3), b1 = range(1, 2), ta = range(0, 1), tb = range(0, 1);
        struct example e = { .node = { .op = NPI_OP_MATMUL, .name = "matmul" }, .variable = 1u | (unsigned)range(0, 1) << 1, .terms = k };
        e.node.a.matmul.ta = ta;
        e.node.a.matmul.tb = tb;
        e.in[0] = (struct shape)S(b0, b1, ta ? k : m, ta ? m : k);
        e.in[1] = i % 3 == 0 ? (struct shape)S(tb ? n : k, tb ? k : n) : i % 3 == 1 ? (struct shape)S(1, b1, tb ? n : k, tb ? k : n) : (struct shape)S(b0, 1, tb ? n : k, tb ? k : n);
        char what[120];
        snprintf(what, sizeof what, "matmul %d: batch %dx%d, m %d k %d n %d, ta %d tb %d", i, b0, b1, m, k, n, ta, tb);
        compare(&e, what);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(conv),   cmocka_unit_test(conv_large),      cmocka_unit_test(residual_is_input),
                                        cmocka_unit_test(dwconv), cmocka_unit_test(fully_connected), cmocka_unit_test(matmul) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
