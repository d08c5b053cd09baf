/* SPDX-License-Identifier: Apache-2.0 */
/* Chains (plan/chain.c), and slices of a Concat that are made where they belong, give the bytes of the single steps, at every ISA level and precision, in any order of tasks; and they are made where they should be.
 * The same graph with the convolution's result as an output of its own has no chain: that is the comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/cpu.h"
#include "ops/build.h"
#include "plan/plan.h"

static uint32_t seed;
static int range(int lo, int hi) {
    seed = seed * 1664525u + 1013904223u;
    return lo + (int)((seed >> 8) % (uint32_t)(hi - lo + 1));
}

static struct npi_arena mem;
static struct npi_graph g;
static struct np_error err;

static int fail_if(int t) {
    if (t < 0) fail_msg("%s", err.message);
    return t;
}

static struct npi_quant quant(float scale, int32_t zero) {
    float *s = npi_arena_array(&mem, float, 1);
    int32_t *z = npi_arena_array(&mem, int32_t, 1);
    *s = scale;
    *z = zero;
    return (struct npi_quant){ 1, 0, s, z };
}

/* What stands behind the convolution (op by op). */
enum tail { BINS, TURN, REAL_BINS, REAL_TURN, TURN_REAL, TURN_BYTES, TAILS };
static const char *const tails[] = { "bins", "turn", "dequantize, bins", "dequantize, turn", "turn, dequantize", "turn bytes" };
static int is_q8(enum tail t) { return t >= REAL_BINS; }

static int one(enum npi_op op, int x) {
    struct npi_node n = { .op = op, .name = "tail" };
    const int perm[4] = { 0, 3, 1, 2 };
    if (op == NPI_OP_TRANSPOSE) memcpy(n.a.transpose.perm, perm, sizeof perm);
    return fail_if(npi_build1(&g, &n, &x, 1, &err));
}

static int bins_of(int x, int bins) {
    const struct npi_node n = { .op = NPI_OP_SOFT_BINS, .name = "bins", .a.bins.bins = bins };
    return fail_if(npi_build1(&g, &n, &x, 1, &err));
}

struct shape { int h, w, ci, joints, bins, kernel; };

/* Input of the graph; *conv: its result. */
static int build(const struct shape *s, enum tail what, int *conv, int *y) {
    const int q8 = is_q8(what), co = s->joints * s->bins, k = s->kernel;
    npi_arena_init(&mem, 0);
    assert_int_equal(npi_graph_init(&g, &mem, "test"), 0);
    struct npi_view xv = { .dtype = q8 ? NP_U8 : NP_F32, .rank = 4, .d = { 2, s->h, s->w, s->ci } };
    struct npi_view wv = { .dtype = q8 ? NP_I8 : NP_F32, .rank = 4, .d = { co, k, k, s->ci } }, bv = { .dtype = q8 ? NP_I32 : NP_F32, .rank = 1, .d = { co } };
    struct npi_view hint = { .dtype = NP_F32 };
    if (q8) {
        xv.q = quant(.02f, 120);
        wv.q = quant(.01f, 0);
        hint = (struct npi_view){ .dtype = range(0, 1) ? NP_U8 : NP_I8, .q = quant(.05f, 3) };
    }
    const int x = npi_graph_tensor(&g, "x", &xv), w = npi_graph_const(&g, "w", &wv), b = npi_graph_const(&g, "b", &bv);
    for (int i = 0; i < npi_view_count(&wv); i++)
        if (q8) ((int8_t *)g.tensor[w].v.data)[i] = (int8_t)range(-127, 127);
        else ((float *)g.tensor[w].v.data)[i] = (float)range(-1000, 1000) / 2000;
    for (int i = 0; i < co; i++)
        if (q8) ((int32_t *)g.tensor[b].v.data)[i] = range(-2000, 2000);
        else ((float *)g.tensor[b].v.data)[i] = (float)range(-1000, 1000) / 1000;
    const struct npi_node n = { .op = NPI_OP_CONV2D, .name = "conv", .a.conv = { .win = { k, k, 1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2 }, .groups = 1 } };
    fail_if(npi_build(&g, &n, (int[]){ x, w, b }, 3, conv, 1, NULL, &hint, &err));
    if (what == BINS) *y = bins_of(*conv, s->bins);
    else if (what == REAL_BINS) *y = bins_of(one(NPI_OP_DEQUANTIZE, *conv), s->bins);
    else if (what == REAL_TURN) *y = one(NPI_OP_TRANSPOSE, one(NPI_OP_DEQUANTIZE, *conv));
    else if (what == TURN_REAL) *y = one(NPI_OP_DEQUANTIZE, one(NPI_OP_TRANSPOSE, *conv));
    else *y = one(NPI_OP_TRANSPOSE, *conv);
    return x;
}

static void *picture(int x) {
    const struct npi_view *const v = &g.tensor[x].v;
    void *const p = npi_arena_alloc(&mem, npi_view_bytes(v));
    for (int64_t i = 0; i < npi_view_count(v); i++)
        if (v->dtype == NP_F32) ((float *)p)[i] = (float)range(-1000, 1000) / 500;
        else ((uint8_t *)p)[i] = (uint8_t)range(0, 255);
    return p;
}

/* What becomes of y; *steps: of the plan. Every stride-th task first, then the ones behind them, on two workers. */
static void *run(const struct npi_kernels *k, int x, const void *data, int y, int stride, int *steps) {
    struct npi_plan p;
    fail_if(npi_plan_make(&p, &g, k, &mem, NULL, &err));
    *steps = p.n_steps;
    char *const arena = npi_alloc(p.arena_bytes + NPI_TAIL), *const scratch = npi_alloc(2 * p.scratch_bytes + NPI_TAIL), *const out = npi_alloc(npi_view_bytes(&g.tensor[y].v));
    memset(arena, 0xff, p.arena_bytes); /* NaN */
    memset(scratch, 0xff, 2 * p.scratch_bytes);
    void **const ptr = npi_arena_array(&mem, void *, g.n_tensors);
    for (int t = 0; t < g.n_tensors; t++) ptr[t] = p.offset[t] >= 0 ? arena + p.offset[t] : NULL; /* constants are packed */
    memcpy(ptr[x], data, npi_view_bytes(&g.tensor[x].v));
    const struct npi_exec e = { ptr, scratch, p.scratch_bytes, 2 };
    for (int s = 0; s < p.n_steps; s++)
        for (int from = 0; from < stride; from++)
            for (int t = from; t < p.step[s].n_tasks; t += stride) p.step[s].run(&p.step[s], &e, t, t & 1);
    memcpy(out, ptr[y], npi_view_bytes(&g.tensor[y].v));
    npi_free(arena);
    npi_free(scratch);
    return out;
}

/* Chained and single; the chain is one step, and must not leave a byte out or write one twice differently. */
static void same(const struct npi_kernels *k, const char *level, const struct shape *s, enum tail what) {
    int conv, y, chained, single;
    const int x = build(s, what, &conv, &y);
    const void *const data = picture(x);
    const size_t bytes = npi_view_bytes(&g.tensor[y].v);
    assert_int_equal(npi_graph_set_io(&g, &x, 1, &y, 1), 0);
    void *const a = run(k, x, data, y, 1, &chained), *const b = run(k, x, data, y, 3, &chained);
    assert_int_equal(npi_graph_set_io(&g, &x, 1, (int[]){ y, conv }, 2), 0);
    void *const want = run(k, x, data, y, 1, &single);
    if (chained != 1 || single < 2) fail_msg("%s at %s, %d parts: %d steps, alone %d", tails[what], level, k->product_parts, chained, single);
    if (memcmp(a, want, bytes) || memcmp(b, want, bytes))
        fail_msg("%s at %s, %d parts, %dx%d %d -> %d x %d: not the bytes of the single steps", tails[what], level, k->product_parts, s->h, s->w, s->ci, s->joints, s->bins);
    npi_free(a);
    npi_free(b);
    npi_free(want);
    npi_arena_free(&mem);
}

static void chains(void **state) {
    (void)state;
    static const struct shape fixed[] = { { 32, 32, 64, 18, 32, 1 }, { 9, 7, 20, 3, 32, 1 }, { 16, 16, 32, 4, 5, 1 }, { 5, 5, 8, 24, 32, 3 }, { 1, 1, 8, 1, 4, 1 }, { 13, 11, 40, 2, 64, 1 } };
    const char *level;
    unsigned flags;
    for (int l = 0; npi_cpu_level_at(l, &level, &flags); l++) {
        if ((flags & npi_cpu_flags()) != flags) continue;
        for (int what = 0; what < TAILS; what++)
            for (int i = 0; i < 10; i++) {
                const struct shape s = i < 6 ? fixed[i] : (struct shape){ range(1, 20), range(1, 20), range(1, 70), range(1, 8), range(2, 40), range(0, 3) ? 1 : 3 };
                for (int parts = 0; parts <= (is_q8((enum tail)what) || i == 0 ? 0 : 3); parts++) {
                    struct npi_kernels k;
                    npi_kernels_init(&k, flags);
                    k.product_parts = parts;
                    same(&k, level, &s, (enum tail)what);
                }
            }
    }
}

/* Two convolutions for a Concat of channels write their slices of its output themselves: two steps, and the bytes of three. */
static void slices(void **state) {
    (void)state;
    const char *level;
    unsigned flags;
    for (int l = 0; npi_cpu_level_at(l, &level, &flags); l++) {
        if ((flags & npi_cpu_flags()) != flags) continue;
        for (int i = 0; i < 24; i++) {
            const struct shape s = { range(1, 17), range(1, 17), range(1, 40), range(1, 4), range(1, 40), range(0, 1) ? 1 : 3 };
            const enum tail what = i & 1 ? TURN_BYTES : TURN;
            int first, y, two, three;
            const int x = build(&s, what, &first, &y);
            for (int k = 0; k < g.n_nodes; k++) g.node[k].dead = g.node[k].op == NPI_OP_TRANSPOSE;
            const struct npi_node n = g.node[0], cat = { .op = NPI_OP_CONCAT, .name = "cat", .a.concat.axis = 3 };
            const struct npi_view hint = { .dtype = g.tensor[first].v.dtype, .q = g.tensor[first].v.q };
            int second;
            fail_if(npi_build(&g, &n, n.in, 3, &second, 1, NULL, &hint, &err));
            fail_if(npi_build(&g, &cat, i & 2 ? (int[]){ second, first } : (int[]){ first, second }, 2, &y, 1, NULL, &hint, &err));
            npi_graph_compact(&g);
            const void *const data = picture(x);
            for (int parts = 0; parts <= (i & 1 ? 0 : 3); parts++) {
                struct npi_kernels k;
                npi_kernels_init(&k, flags);
                k.product_parts = parts;
                assert_int_equal(npi_graph_set_io(&g, &x, 1, &y, 1), 0);
                void *const got = run(&k, x, data, y, 3, &two);
                assert_int_equal(npi_graph_set_io(&g, &x, 1, (int[]){ y, first, second }, 3), 0);
                void *const want = run(&k, x, data, y, 1, &three);
                if (two != 2 || three != 3) fail_msg("%s, %d parts: %d steps, alone %d", level, parts, two, three);
                if (memcmp(got, want, npi_view_bytes(&g.tensor[y].v))) fail_msg("slices at %s, %d parts, %s: not the bytes of the copies", level, parts, tails[what]);
                npi_free(got);
                npi_free(want);
            }
            npi_arena_free(&mem);
        }
    }
}

static int conv_of(int x, int co, int kernel, enum npi_act_kind act, int res) {
    const struct npi_view wv = { .dtype = NP_F32, .rank = 4, .d = { co, kernel, kernel, g.tensor[x].v.d[3] } }, bv = { .dtype = NP_F32, .rank = 1, .d = { co } };
    const int w = npi_graph_const(&g, "w", &wv), b = npi_graph_const(&g, "b", &bv);
    for (int64_t i = 0; i < npi_view_count(&wv); i++) ((float *)g.tensor[w].v.data)[i] = (float)range(-1000, 1000) / 4000;
    for (int64_t i = 0; i < co; i++) ((float *)g.tensor[b].v.data)[i] = (float)range(-1000, 1000) / 1000;
    const int pad = kernel / 2;
    const struct npi_node n = { .op = NPI_OP_CONV2D, .name = "conv", .a.conv = { .win = { kernel, kernel, 1, 1, 1, 1, pad, pad, pad, pad }, .groups = 1 }, .act = { .kind = act, .hi = 6 } };
    const int in[4] = { x, w, b, res };
    int y;
    fail_if(npi_build(&g, &n, in, res < 0 ? 3 : 4, &y, 1, NULL, &(struct npi_view){ .dtype = NP_F32 }, &err));
    return y;
}

/* Expansion and projection of a ConvNeXt block, with the block's input added: one step with the bytes of two, in the memory of what is added, while 2 MB would
 * lie between; two below that, where the projection's result is turned (a chain of its own), and in bf16 parts. */
static void pairs(void **state) {
    (void)state;
    static const struct { int h, w, ci, mid, co, kernel, act, late; } cases[] = {
        { 64, 66, 20, 128, 20, 1, NPI_ACT_CLAMP, NPI_ACT_NONE }, { 37, 57, 24, 250, 24, 1, NPI_ACT_CLAMP, NPI_ACT_CLAMP }, { 65, 33, 8, 256, 8, 3, NPI_ACT_GELU, NPI_ACT_SILU },
        { 80, 80, 5, 90, 5, 1, NPI_ACT_SILU, NPI_ACT_GELU }, { 60, 70, 48, 192, 10, 1, NPI_ACT_CLAMP, NPI_ACT_NONE } };
    const char *level;
    unsigned flags;
    for (int l = 0; npi_cpu_level_at(l, &level, &flags); l++) {
        if ((flags & npi_cpu_flags()) != flags) continue;
        for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
            npi_arena_init(&mem, 0);
            assert_int_equal(npi_graph_init(&g, &mem, "test"), 0);
            const struct npi_view xv = { .dtype = NP_F32, .rank = 4, .d = { 1, cases[i].h, cases[i].w, cases[i].ci } };
            const int x = npi_graph_tensor(&g, "x", &xv), relu = one(NPI_OP_RELU, x), with_res = cases[i].ci == cases[i].co;
            const int mid = conv_of(relu, cases[i].mid, cases[i].kernel, cases[i].act, -1), y = conv_of(mid, cases[i].co, 1, cases[i].late, with_res ? x : -1);
            const void *const data = picture(x);
            struct npi_kernels k;
            npi_kernels_init(&k, flags);
            int together, alone, parts;
            assert_int_equal(npi_graph_set_io(&g, &x, 1, &y, 1), 0);
            void *const a = run(&k, x, data, y, 1, &together), *const b = run(&k, x, data, y, 3, &together);
            k.product_parts = 2;
            npi_free(run(&k, x, data, y, 1, &parts));
            k.product_parts = 0;
            assert_int_equal(npi_graph_set_io(&g, &x, 1, (int[]){ y, mid }, 2), 0);
            void *const want = run(&k, x, data, y, 1, &alone);
            if (together != 2 || alone != 3 || parts != 3) fail_msg("pair %d at %s: %d steps, alone %d, in parts %d", i, level, together, alone, parts);
            if (memcmp(a, want, npi_view_bytes(&g.tensor[y].v)) || memcmp(b, want, npi_view_bytes(&g.tensor[y].v))) fail_msg("pair %d at %s: not the bytes of the single steps", i, level);
            npi_free(a);
            npi_free(b);
            npi_free(want);
            const int turned = one(NPI_OP_TRANSPOSE, y);
            assert_int_equal(npi_graph_set_io(&g, &x, 1, &turned, 1), 0);
            npi_free(run(&k, x, data, turned, 1, &together));
            if (together != 3) fail_msg("pair %d at %s, turned: %d steps", i, level, together); /* turned with a residual: relu, pair, turn; without: relu, first, second turned */
            npi_arena_free(&mem);
        }
    }
}

static int dw_of(int x, int kernel, int stride) {
    const int c = (int)g.tensor[x].v.d[3], pad = kernel / 2;
    const struct npi_view wv = { .dtype = NP_F32, .rank = 3, .d = { kernel, kernel, c } };
    const int w = npi_graph_const(&g, "w", &wv);
    for (int64_t i = 0; i < npi_view_count(&wv); i++) ((float *)g.tensor[w].v.data)[i] = (float)range(-1000, 1000) / 4000;
    const struct npi_node n = { .op = NPI_OP_DWCONV2D, .name = "dw", .a.conv.win = { kernel, kernel, stride, stride, 1, 1, pad, pad, pad, pad } };
    return fail_if(npi_build1(&g, &n, (int[]){ x, w }, 2, &err));
}
static int maxpool_of(int x, int kernel) {
    const int pad = kernel / 2;
    const struct npi_node n = { .op = NPI_OP_MAXPOOL2D, .name = "pool", .a.pool.win = { kernel, kernel, 1, 1, 1, 1, pad, pad, pad, pad } };
    return fail_if(npi_build1(&g, &n, &x, 1, &err));
}
static int twice(int x) {
    struct npi_node n = { .op = NPI_OP_RESIZE, .name = "up", .a.resize = { .mode = NPI_RESIZE_NEAREST, .coord = NPI_COORD_ASYMMETRIC, .round = NPI_ROUND_FLOOR } };
    for (int i = 0; i < 4; i++) n.a.resize.size[i] = g.tensor[x].v.d[i] * (i == 1 || i == 2 ? 2 : 1);
    return fail_if(npi_build1(&g, &n, &x, 1, &err));
}
static int joined(const int *in, int n_in) {
    const struct npi_node n = { .op = NPI_OP_CONCAT, .name = "cat", .a.concat.axis = 3 };
    return fail_if(npi_build1(&g, &n, in, n_in, &err));
}

/* As in a detector's neck: what is joined later is pooled, scaled up and convolved as a slice before. No copy is left, and the bytes are those of the copies;
 * a reader that cannot (the activation) keeps its tensor in one piece. */
static void read_slices(void **state) {
    (void)state;
    const char *level;
    unsigned flags;
    for (int l = 0; npi_cpu_level_at(l, &level, &flags); l++) {
        if ((flags & npi_cpu_flags()) != flags) continue;
        for (int i = 0; i < 24; i++) {
            npi_arena_init(&mem, 0);
            assert_int_equal(npi_graph_init(&g, &mem, "test"), 0);
            const struct npi_view xv = { .dtype = NP_F32, .rank = 4, .d = { range(1, 2), 2 * range(1, 9), 2 * range(1, 9), range(1, 20) } };
            const int x = npi_graph_tensor(&g, "x", &xv);
            const int a = conv_of(x, range(1, 40), 1, NPI_ACT_SILU, -1), p = maxpool_of(a, 5), q = maxpool_of(p, 3), spp = joined((int[]){ a, p, q }, 3);
            const int b = conv_of(spp, range(1, 40), 1, NPI_ACT_NONE, -1), d = dw_of(b, i & 1 ? 3 : 7, 2), e = conv_of(d, range(1, 40), 1, NPI_ACT_CLAMP, -1);
            const int up = twice(e), neck = joined((int[]){ up, b }, 2), top = joined((int[]){ conv_of(d, range(1, 40), 1, NPI_ACT_NONE, -1), e }, 2);
            const int late = i % 4 == 3 ? one(NPI_OP_RELU, b) : b; /* somebody who reads b whole */
            const int y = conv_of(neck, range(1, 20), 3, NPI_ACT_NONE, -1), z = conv_of(top, range(1, 20), 1, NPI_ACT_NONE, -1);
            const void *const data = picture(x);
            struct npi_kernels k;
            npi_kernels_init(&k, flags);
            k.product_parts = k.half_depthwise = i % 3 == 2;
            int few, many;
            const int out[] = { y, z, late }, all[] = { y, z, a, p, q, b, e, up, late };
            for (int which = 0; which < 2; which++) {
                assert_int_equal(npi_graph_set_io(&g, &x, 1, out, i % 4 == 3 ? 3 : 2), 0);
                void *const got = run(&k, x, data, out[which], 3, &few);
                assert_int_equal(npi_graph_set_io(&g, &x, 1, all, i % 4 == 3 ? 9 : 8), 0);
                void *const want = run(&k, x, data, out[which], 1, &many);
                /* b in one piece: neck is copied; with itself as an output every Concat is, but for the convolution's slice of top */
                if (many - few != (i % 4 == 3 ? 2 : 3)) fail_msg("%d at %s: %d steps, %d with every Concat", i, level, few, many);
                if (memcmp(got, want, npi_view_bytes(&g.tensor[out[which]].v))) fail_msg("slices that are read, %d at %s: not the bytes of the copies", i, level);
                npi_free(got);
                npi_free(want);
            }
            npi_arena_free(&mem);
        }
    }
}

/* No chain: somebody else reads what lies between, the convolution adds a residual, or it has groups. */
static void none(void **state) {
    (void)state;
    const struct shape s = { 8, 8, 16, 2, 8, 1 };
    struct npi_kernels k;
    struct npi_plan p;
    npi_kernels_init(&k, npi_cpu_flags());
    for (int how = 0; how < 3; how++) {
        int conv, y;
        const int x = build(&s, TURN, &conv, &y);
        struct npi_node *const n = &g.node[0];
        int outputs[2] = { y, 0 }, n_out = 1;
        if (how == 0) {
            const struct npi_node relu = { .op = NPI_OP_RELU, .name = "other" };
            outputs[n_out++] = fail_if(npi_build1(&g, &relu, &conv, 1, &err));
        } else if (how == 1) {
            int *const in = npi_arena_array(&mem, int, 4);
            memcpy(in, n->in, 3 * sizeof *in);
            in[3] = x;
            n->in = in;
            n->n_in = 4;
        } else {
            const struct npi_view w = { .dtype = NP_F32, .rank = 4, .d = { 16, 1, 1, 8 } };
            n->in[1] = npi_graph_const(&g, "w2", &w);
            n->a.conv.groups = 2;
        }
        assert_int_equal(npi_graph_set_io(&g, &x, 1, outputs, n_out), 0);
        fail_if(npi_plan_make(&p, &g, &k, &mem, NULL, &err));
        assert_int_equal(p.n_steps, 2 + (how == 0));
        npi_arena_free(&mem);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(chains), cmocka_unit_test(slices), cmocka_unit_test(read_slices), cmocka_unit_test(pairs), cmocka_unit_test(none) };
    return cmocka_run_group_tests_name("plan_chain", tests, NULL, NULL);
}
