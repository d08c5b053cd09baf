/* SPDX-License-Identifier: Apache-2.0 */
/* The integer steps against the C references: one-node graphs of random windows, types and zero points, planned twice. Products must be
 * equal to the bit, Add and its kin to one step. Every ISA level of the machine. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "ops/build.h"
#include "plan/plan.h"

static uint32_t seed;
static int range(int lo, int hi) {
    seed = seed * 1664525u + 1013904223u;
    return lo + (int)((seed >> 8) % (uint32_t)(hi - lo + 1));
}

struct net { struct npi_arena mem; struct npi_graph g; struct np_error err; char what[160]; };

/* An 8-bit tensor with random quantization; constant = with random data. w: per channel along `axis` with zero point 0 when int8. */
static int tensor(struct net *t, int constant, int rank, const int64_t *d, int axis) {
    struct npi_view v = { .dtype = range(0, 1) ? NP_I8 : NP_U8, .rank = rank };
    memcpy(v.d, d, sizeof *d * (size_t)rank);
    const int n = axis >= 0 && v.dtype == NP_I8 ? (int)d[axis] : 1;
    float *scale = npi_arena_array(&t->mem, float, n);
    int32_t *zero = npi_arena_array(&t->mem, int32_t, n);
    for (int i = 0; i < n; i++) {
        scale[i] = .01f + .001f * (float)range(0, 30);
        zero[i] = v.dtype == NP_U8 ? range(0, 255) : axis >= 0 ? 0 : range(-128, 127);
    }
    v.q = (struct npi_quant){ n, axis < 0 ? 0 : axis, scale, zero };
    const int id = constant ? npi_graph_const(&t->g, "", &v) : npi_graph_tensor(&t->g, "", &v);
    assert_true(id >= 0);
    if (constant) for (size_t i = 0; i < npi_view_bytes(&v); i++) ((uint8_t *)t->g.tensor[id].v.data)[i] = (uint8_t)range(0, 255);
    return id;
}

static int bias(struct net *t, int64_t n) {
    struct npi_view v = { .dtype = NP_I32, .rank = 1, .d = { n } };
    const int id = npi_graph_const(&t->g, "", &v);
    for (int64_t i = 0; i < n; i++) ((int32_t *)t->g.tensor[id].v.data)[i] = range(-3000, 3000);
    return id;
}

static void add_node(struct net *t, const struct npi_node *proto, const int *in, int n_in) {
    float *scale = npi_arena_array(&t->mem, float, 1);
    int32_t *zero = npi_arena_array(&t->mem, int32_t, 1);
    struct npi_view hint = { .dtype = range(0, 1) ? NP_I8 : NP_U8 };
    *scale = .02f + .01f * (float)range(0, 50);
    *zero = hint.dtype == NP_U8 ? range(0, 255) : range(-128, 127);
    hint.q = (struct npi_quant){ 1, 0, scale, zero };
    int out;
    const int r = npi_build(&t->g, proto, in, n_in, &out, 1, NULL, &hint, &t->err);
    if (r < 0) fail_msg("%s: %s", t->what, t->err.message);
    assert_int_equal(npi_graph_set_io(&t->g, in, 1, &out, 1), 0);
}

/* Runs the plan; every tensor gets its own memory. Returns the output's bytes. */
static uint8_t *run(struct net *t, const struct npi_kernels *k, int reference, const uint8_t *const *input, char *kernel) {
    struct npi_arena mem;
    struct npi_plan p;
    npi_arena_init(&mem, 0);
    const int r = npi_plan_make(&p, &t->g, k, &mem, &(struct npi_plan_opts){ .reference_only = reference }, &t->err);
    if (r < 0) fail_msg("%s: %s", t->what, t->err.message);
    void **ptr = calloc((size_t)t->g.n_tensors, sizeof *ptr);
    for (int i = 0; i < t->g.n_tensors; i++) {
        const struct npi_view *v = &t->g.tensor[i].v;
        ptr[i] = v->data;
        if (v->data) continue;
        ptr[i] = npi_alloc(npi_view_bytes(v));
        if (input[i]) memcpy(ptr[i], input[i], npi_view_bytes(v));
    }
    const struct npi_exec x = { .ptr = ptr, .scratch = npi_alloc(p.scratch_bytes + 64), .scratch_stride = p.scratch_bytes, .n_workers = 1 };
    for (int s = 0; s < p.n_steps; s++)
        for (int task = p.step[s].n_tasks - 1; task >= 0; task--) p.step[s].run(&p.step[s], &x, task, 0);
    snprintf(kernel, 48, "%s", p.n_steps ? p.step[0].kernel : "none");
    uint8_t *const y = ptr[t->g.output[0]];
    for (int i = 0; i < t->g.n_tensors; i++)
        if (!t->g.tensor[i].v.data && i != t->g.output[0]) npi_free(ptr[i]);
    free(ptr);
    npi_free(x.scratch);
    npi_arena_free(&mem);
    return y;
}

static void compare(struct net *t, int tolerance) {
    const uint8_t **const input = calloc((size_t)t->g.n_tensors, sizeof *input);
    uint8_t *made[8];
    int n_made = 0;
    char kernel[48];
    for (int i = 0; i < t->g.n_tensors; i++) {
        if (t->g.tensor[i].v.data || i == t->g.output[0]) continue;
        const size_t n = npi_view_bytes(&t->g.tensor[i].v);
        uint8_t *const x = made[n_made++] = malloc(n);
        for (size_t j = 0; j < n; j++) x[j] = (uint8_t)range(0, 255);
        input[i] = x;
    }
    const struct npi_view *const y = &t->g.tensor[t->g.output[0]].v;
    struct npi_kernels k;
    npi_kernels_init(&k, 0);
    uint8_t *const want = run(t, &k, 1, input, kernel);
    const char *level;
    unsigned flags;
    for (int l = 0; npi_cpu_level_at(l, &level, &flags); l++) {
        npi_kernels_init(&k, flags & npi_cpu_flags());
        uint8_t *const got = run(t, &k, 0, input, kernel);
        if (!strcmp(kernel, "reference")) fail_msg("%s: no fast step at %s", t->what, level);
        for (size_t i = 0; i < npi_view_bytes(y); i++) {
            const int a = y->dtype == NP_U8 ? got[i] : (int8_t)got[i], b = y->dtype == NP_U8 ? want[i] : (int8_t)want[i];
            if (abs(a - b) > tolerance) fail_msg("%s: %s gives %d at %zu, the reference %d", t->what, kernel, a, i, b);
        }
        npi_free(got);
    }
    npi_free(want);
    while (n_made > 0) free(made[--n_made]);
    free(input);
}

static void open_net(struct net *t) {
    memset(t, 0, sizeof *t);
    npi_arena_init(&t->mem, 0);
    assert_int_equal(npi_graph_init(&t->g, &t->mem, "test"), 0);
}

static struct npi_act any_act(void) {
    return range(0, 1) ? (struct npi_act){ NPI_ACT_CLAMP, 0, 6 } : (struct npi_act){ 0 };
}

static struct npi_window any_window(void) {
    static const int sizes[] = { 1, 1, 2, 3, 3, 5, 7 };
    struct npi_window w = { .kh = sizes[range(0, 6)], .sh = range(1, 2), .sw = range(1, 2), .dh = 1, .dw = 1 };
    w.kw = range(0, 2) ? w.kh : sizes[range(0, 6)];
    if (!range(0, 3)) w.dh = 2, w.dw = range(1, 2);
    w.pt = range(0, (w.kh - 1) * w.dh);
    w.pb = range(0, (w.kh - 1) * w.dh);
    w.pl = range(0, (w.kw - 1) * w.dw);
    w.pr = range(0, (w.kw - 1) * w.dw);
    return w;
}

static void test_conv(void **state) {
    for (int i = 0; i < 150; i++) {
        struct net t;
        open_net(&t);
        const int depthwise = i % 3 == 0;
        struct npi_node n = { .op = depthwise ? NPI_OP_DWCONV2D : NPI_OP_CONV2D, .name = "c", .act = any_act() };
        n.a.conv.win = any_window();
        n.a.conv.groups = 1;
        const struct npi_window *const w = &n.a.conv.win;
        const int64_t ci = depthwise && i % 2 ? 1 : range(1, i % 7 ? 20 : 150), co = depthwise && ci > 1 ? ci : range(1, 90);
        const int64_t xd[] = { range(1, 2), range((w->kh - 1) * w->dh + 1, 18), range((w->kw - 1) * w->dw + 1, 18), ci };
        snprintf(t.what, sizeof t.what, "%s %dx%d stride %d,%d dilation %d,%d pad %d,%d,%d,%d x %dx%dx%dx%d -> %d", depthwise ? "depthwise" : "conv", w->kh, w->kw, w->sh, w->sw,
                 w->dh, w->dw, w->pt, w->pl, w->pb, w->pr, (int)xd[0], (int)xd[1], (int)xd[2], (int)ci, (int)co);
        const int x = tensor(&t, 0, 4, xd, -1);
        const int wt = depthwise ? tensor(&t, 1, 3, (int64_t[]){ w->kh, w->kw, co }, 2) : tensor(&t, 1, 4, (int64_t[]){ co, w->kh, w->kw, ci }, 0);
        add_node(&t, &n, (int[]){ x, wt, range(0, 3) ? bias(&t, co) : -1 }, 3);
        compare(&t, 0);
        npi_arena_free(&t.mem);
    }
}

static void test_fully_connected(void **state) {
    for (int i = 0; i < 30; i++) {
        struct net t;
        open_net(&t);
        const int64_t k = range(1, 300), n = range(1, 200), m = range(1, 60);
        snprintf(t.what, sizeof t.what, "fully connected %d x %d -> %d", (int)m, (int)k, (int)n);
        const struct npi_node node = { .op = NPI_OP_FULLY_CONNECTED, .name = "f", .act = any_act() };
        const int x = tensor(&t, 0, 2, (int64_t[]){ m, k }, -1), w = tensor(&t, 1, 2, (int64_t[]){ n, k }, 0);
        add_node(&t, &node, (int[]){ x, w, bias(&t, n) }, 3);
        compare(&t, 0);
        npi_arena_free(&t.mem);
    }
}

static void test_add(void **state) {
    static const enum npi_op ops[] = { NPI_OP_ADD, NPI_OP_SUB, NPI_OP_MUL };
    for (int i = 0; i < 90; i++) {
        struct net t;
        open_net(&t);
        const int64_t h = range(1, 40), w = range(1, 40), c = range(2, 60);
        const int kind = i % 5, swap = range(0, 1);
        snprintf(t.what, sizeof t.what, "op %d kind %d swapped %d %dx%dx%d", (int)ops[i % 3], kind, swap, (int)h, (int)w, (int)c);
        const struct npi_node node = { .op = ops[i % 3], .name = "a", .act = any_act() };
        const int64_t full[] = { 1, h, w, c }, last[] = { 1, 1, 1, c }, rows[] = { 1, h, w, 1 };
        int a = tensor(&t, 0, 4, kind == 4 ? rows : full, -1);
        int b = kind == 0 ? tensor(&t, 0, 4, full, -1) : kind == 1 ? tensor(&t, 1, 0, full, -1) : kind == 2 ? tensor(&t, 1, 4, last, -1) : kind == 3 ? tensor(&t, 1, 1, &c, -1)
                                                                                                                                   : tensor(&t, 0, 1, &c, -1);
        add_node(&t, &node, swap ? (int[]){ b, a } : (int[]){ a, b }, 2);
        compare(&t, 1);
        npi_arena_free(&t.mem);
    }
}

static void test_map(void **state) {
    static const enum npi_op ops[] = { NPI_OP_SIGMOID, NPI_OP_TANH, NPI_OP_RELU, NPI_OP_QUANTIZE, NPI_OP_HARD_SWISH };
    for (int i = 0; i < 25; i++) {
        struct net t;
        open_net(&t);
        snprintf(t.what, sizeof t.what, "%s", npi_op_info[ops[i % 5]].name);
        const struct npi_node node = { .op = ops[i % 5], .name = "m" };
        const int x = tensor(&t, 0, 2, (int64_t[]){ range(1, 9), range(1, 99) }, -1);
        add_node(&t, &node, &x, 1);
        compare(&t, 0);
        npi_arena_free(&t.mem);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_conv), cmocka_unit_test(test_fully_connected), cmocka_unit_test(test_add), cmocka_unit_test(test_map) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
