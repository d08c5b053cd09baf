/* SPDX-License-Identifier: Apache-2.0 */
/* Every step of the elementwise, reduction and data-moving binders against the C reference: random shapes, broadcasting,
 * dtypes, attributes, constants and fused activations, at every ISA level. Tasks run in a shuffled order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/cpu.h"
#include "nextpose/engine.h"
#include "ops/build.h"
#include "ops/convert.h"
#include "plan/choose.h"

static uint64_t rng;
static int rnd(int lo, int hi) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return lo + (int)((rng >> 33) % (uint64_t)(hi - lo + 1));
}
static double rndf(void) { return rnd(-1000, 1000) / 250.0; }

struct trial {
    struct npi_arena mem;
    struct npi_graph g;
    struct npi_node node;
    int in[6], n_in;
    int fast;                  /* bound by something else than the generic step */
    const char *kernel;
};

static int tensor(struct trial *t, int dtype, int rank, const int64_t *d, int constant, int quantized) {
    struct npi_view v = { .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank; i++) v.d[i] = d[i];
    if (quantized) {
        float *s = npi_arena_array(&t->mem, float, 1);
        int32_t *z = npi_arena_array(&t->mem, int32_t, 1);
        *s = (float)rnd(1, 8) / 32;
        *z = dtype == NP_U8 ? rnd(0, 255) : rnd(-128, 127);
        v.q = (struct npi_quant){ 1, 0, s, z };
    }
    const int id = constant ? npi_graph_const(&t->g, "c", &v) : npi_graph_tensor(&t->g, "x", &v);
    assert_true(id >= 0);
    for (int64_t i = 0; constant && i < npi_view_count(&v); i++) npi_put_f64(dtype, t->g.tensor[id].v.data, i, quantized ? rnd(-128, 255) : rndf());
    return id;
}

static void dims(int64_t *d, int rank, int most) {
    for (int i = 0; i < rank; i++) d[i] = rnd(0, 9) == 0 ? 1 : rnd(1, i == rank - 1 ? most * 2 : most);
}

static void *run_step(const struct npi_step *s, const struct npi_graph *g, void **ptr, int y) {
    const size_t bytes = npi_view_bytes(&g->tensor[y].v);
    ptr[y] = npi_alloc(bytes);
    memset(ptr[y], 0x5a, bytes);
    char *scratch = npi_alloc(s->scratch_bytes + 64);
    const struct npi_exec e = { .ptr = ptr, .scratch = scratch, .scratch_stride = s->scratch_bytes, .n_workers = 1 };
    const int odd = s->n_tasks > 1 ? rnd(0, s->n_tasks - 1) : 0;
    for (int i = 0; i < s->n_tasks; i++) s->run(s, &e, (i + odd) % s->n_tasks, 0);
    npi_free(scratch);
    return ptr[y];
}

/* Sums are rounded in another order, functions have other last digits: relative to the size of values here (up to 4, sums 64 times). */
static void compare(const struct trial *t, const char *level, const struct npi_step *s, const struct npi_view *v, const void *got, const void *want, double tol) {
    for (int64_t i = 0; i < npi_view_count(v); i++) {
        const double a = npi_get_f64(v->dtype, got, i), b = npi_get_f64(v->dtype, want, i);
        const double allowed = v->q.n ? 1 : v->dtype == NP_F32 ? tol * fmax(1, fabs(b)) : 0;
        if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= allowed) continue;
        fail_msg("%s by %s at %s: element %lld is %.9g, the reference says %.9g", npi_op_info[t->node.op].name, s->kernel, level, (long long)i, a, b);
    }
}

/* Builds the node and runs it both ways. 0: infer refused the random attributes. */
static int run_trial(struct trial *t, double tol) {
    struct np_error err;
    int all_const = 1;
    for (int i = 0; i < t->n_in; i++) all_const &= t->g.tensor[t->in[i]].v.data != NULL;
    if (all_const) return 0; /* would be folded */
    struct npi_view hint = { 0 };
    const struct npi_view *x = &t->g.tensor[t->in[0]].v;
    if (x->q.n && t->node.op >= NPI_OP_ADD && t->node.op <= NPI_OP_SQUARED_DIFF) {
        const int64_t none[1] = { 0 };
        hint = t->g.tensor[tensor(t, x->dtype, 0, none, 0, 1)].v;
    }
    int y;
    if (npi_build(&t->g, &t->node, t->in, t->n_in, &y, 1, NULL, hint.q.n ? &hint : NULL, &err) < 0) return 0;
    if (npi_view_count(&t->g.tensor[y].v) == 0) return 0;
    const int n = t->g.n_tensors;
    void **ptr = calloc((size_t)n, sizeof *ptr);
    int *users = calloc((size_t)n, sizeof *users);
    for (int i = 0; i < n; i++) {
        struct npi_view *v = &t->g.tensor[i].v;
        ptr[i] = v->data;
        if (v->data || i == y) continue;
        ptr[i] = npi_arena_alloc(&t->mem, npi_view_bytes(v));
        for (int64_t k = 0; k < npi_view_count(v); k++) npi_put_f64(v->dtype, ptr[i], k, v->q.n ? rnd(-128, 255) : rndf());
    }
    struct npi_step ref;
    struct npi_kernels k;
    struct npi_binder b = { .g = &t->g, .k = &k, .mem = &t->mem, .n_users = users, .err = &err };
    npi_kernels_init(&k, 0);
    assert_int_equal(npi_choose(&b, &t->g.node[0], 1, &ref), 1);
    void *want = run_step(&ref, &t->g, ptr, y);
    const char *level;
    unsigned flags;
    for (int l = 0; npi_cpu_level_at(l, &level, &flags); l++) {
        if ((flags & npi_cpu_flags()) != flags) continue;
        struct npi_step s;
        npi_kernels_init(&k, flags);
        if (npi_choose(&b, &t->g.node[0], 0, &s) != 1) fail_msg("not bound: %s", err.message);
        t->fast = s.run != ref.run;
        t->kernel = s.kernel;
        void *got = run_step(&s, &t->g, ptr, y);
        compare(t, level, &s, &t->g.tensor[y].v, got, want, tol);
        npi_free(got);
    }
    npi_free(want);
    free(ptr);
    free(users);
    return 1;
}

static void begin(struct trial *t, enum npi_op op) {
    memset(t, 0, sizeof *t);
    npi_arena_init(&t->mem, 0);
    assert_int_equal(npi_graph_init(&t->g, &t->mem, "test"), 0);
    t->node.op = op;
    t->node.name = "n";
}

/* Half the runs must have been taken by a fast step, or the test tests nothing. */
struct tally { int ran, fast; };
static void end(struct trial *t, struct tally *sum, double tol) {
    if (run_trial(t, tol)) {
        sum->ran++;
        sum->fast += t->fast;
    }
    npi_arena_free(&t->mem);
}
#define ENOUGH(sum, what) do { if ((sum).fast < 20 || (sum).fast * 2 < (sum).ran) fail_msg("%s: %d runs, %d by fast steps", what, (sum).ran, (sum).fast); } while (0)

static void random_act(struct npi_node *n) {
    if (rnd(0, 2)) return;
    n->act.kind = rnd(NPI_ACT_CLAMP, NPI_ACT_GELU);
    n->act.lo = n->act.kind == NPI_ACT_LEAKY ? .25f : -1;
    n->act.hi = 1;
}

static void binary(void **state) {
    (void)state;
    static const enum npi_op ops[] = { NPI_OP_ADD, NPI_OP_SUB, NPI_OP_MUL, NPI_OP_DIV, NPI_OP_MIN, NPI_OP_MAX, NPI_OP_PRELU, NPI_OP_SQUARED_DIFF };
    for (int q = 0; q < 2; q++) {
        struct tally sum = { 0, 0 };
        for (int i = 0; i < 600; i++) {
            struct trial t;
            begin(&t, ops[i % 8]);
            const int rank = rnd(1, 5), type = q ? (i & 8 ? NP_I8 : NP_U8) : NP_F32;
            int64_t d[5];
            dims(d, rank, 7);
            if (i % 50 == 0) d[rank - 1] = 20000; /* more than one piece a row */
            for (int k = 0; k < 2; k++) {
                int64_t e[5];
                const int less = rnd(0, 3) == 0 ? rnd(0, rank) : 0;
                for (int j = 0; j < rank; j++) e[j] = rnd(0, 3) == 0 ? 1 : d[j];
                t.in[t.n_in++] = tensor(&t, type, rank - less, e + less, rnd(0, 3) == 0, q);
            }
            if (!q) random_act(&t.node);
            end(&t, &sum, 4e-6);
        }
        ENOUGH(sum, q ? "binary q8" : "binary f32");
    }
}

static void unary(void **state) {
    (void)state;
    struct tally sum = { 0, 0 };
    for (int i = 0; i < 300; i++) {
        struct trial t;
        begin(&t, NPI_OP_RELU + i % (NPI_OP_MISH - NPI_OP_RELU + 1));
        int64_t d[3];
        dims(d, 3, 9);
        if (i % 10 == 0) d[0] = 10000;
        t.in[t.n_in++] = tensor(&t, NP_F32, 3, d, 0, 0);
        t.node.a.unary.a = t.node.op == NPI_OP_SILU ? 1 : .25f;
        t.node.a.unary.b = .5f;
        if (t.node.op == NPI_OP_CLAMP) t.node.a.unary.a = -1;
        random_act(&t.node);
        end(&t, &sum, 4e-6);
    }
    ENOUGH(sum, "unary");
}

static void reductions(void **state) {
    (void)state;
    struct tally sum = { 0, 0 };
    for (int i = 0; i < 600; i++) {
        struct trial t;
        const int arg = i % 3 == 0, rank = rnd(1, 4), type = arg && i % 2 ? NP_I8 : NP_F32;
        begin(&t, arg ? i & 4 ? NPI_OP_ARGMAX : NPI_OP_ARGMIN : NPI_OP_REDUCE);
        int64_t d[4];
        dims(d, rank, 12);
        if (i % 20 == 0) d[rnd(0, rank - 1)] = 1500;
        t.in[t.n_in++] = tensor(&t, type, rank, d, 0, type == NP_I8);
        const int from = rnd(0, rank - 1), to = rnd(from, rank - 1);
        t.node.a.reduce.kind = rnd(NPI_REDUCE_SUM, NPI_REDUCE_MIN);
        t.node.a.reduce.axes = ((2u << to) - 1) & ~((1u << from) - 1);
        t.node.a.reduce.keepdims = i & 1;
        t.node.a.reduce.axis = from;
        t.node.a.reduce.select_last = i >> 1 & 1;
        t.node.a.reduce.out_dtype = i & 8 ? NP_I32 : NP_I64;
        end(&t, &sum, 2e-4);
    }
    ENOUGH(sum, "reductions");
}

static void softmax(void **state) {
    (void)state;
    struct tally sum = { 0, 0 };
    for (int i = 0; i < 120; i++) {
        struct trial t;
        begin(&t, NPI_OP_SOFTMAX);
        int64_t d[3];
        dims(d, 3, 20);
        if (i % 20 == 0) d[2] = 3000;
        t.in[t.n_in++] = tensor(&t, NP_F32, 3, d, 0, 0);
        t.node.a.norm.axis = rnd(-3, 2);
        end(&t, &sum, 4e-6);
    }
    ENOUGH(sum, "softmax");
}

static void norms(void **state) {
    (void)state;
    struct tally sum = { 0, 0 };
    for (int i = 0; i < 120; i++) {
        struct trial t;
        begin(&t, i % 3 ? NPI_OP_LAYER_NORM : NPI_OP_RMS_NORM);
        int64_t d[3];
        dims(d, 3, 20);
        t.in[t.n_in++] = tensor(&t, NP_F32, 3, d, 0, 0);
        t.node.a.norm.axis = rnd(1, 2);
        t.node.a.norm.eps = .01f;
        const int64_t n = (t.node.a.norm.axis == 1 ? d[1] : 1) * d[2], one = 1;
        if (rnd(0, 3)) t.in[t.n_in++] = tensor(&t, NP_F32, 1, rnd(0, 4) ? &n : &one, 1, 0);
        if (t.n_in == 2 && t.node.op == NPI_OP_LAYER_NORM) t.in[t.n_in++] = tensor(&t, NP_F32, 1, &n, 1, 0);
        end(&t, &sum, 4e-5);
    }
    ENOUGH(sum, "norms");
}

static void shuffle(int *p, int n) {
    for (int i = 0; i < n; i++) p[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const int j = rnd(0, i), x = p[i];
        p[i] = p[j];
        p[j] = x;
    }
}

static void set_move(struct trial *t, int rank, const int64_t *d) {
    struct npi_node *n = &t->node;
    if (n->op == NPI_OP_TRANSPOSE) shuffle(n->a.transpose.perm, rank);
    n->a.shape.rank = 0;
    for (int i = 0; i < rank; i++) {
        switch ((int)n->op) {
        case NPI_OP_SLICE:
            n->a.slice.step[i] = rnd(0, 2) ? 1 : rnd(0, 1) ? rnd(1, 3) : -rnd(1, 3);
            n->a.slice.size[i] = rnd(1, (int)((d[i] - 1) / llabs(n->a.slice.step[i])) + 1);
            n->a.slice.start[i] = n->a.slice.step[i] > 0 ? d[i] - 1 - (n->a.slice.size[i] - 1) * n->a.slice.step[i] : (n->a.slice.size[i] - 1) * -n->a.slice.step[i];
            break;
        case NPI_OP_PAD:
            n->a.pad.before[i] = rnd(-1, 3);
            n->a.pad.after[i] = rnd(-1, 3);
            if (i == 0) n->a.pad.value = rnd(-2, 2);
            break;
        case NPI_OP_TILE: n->a.shape.dims[i] = rnd(1, 3); break;
        case NPI_OP_EXPAND:
            n->a.shape.rank = rank;
            n->a.shape.dims[i] = d[i] == 1 ? rnd(1, 9) : d[i];
            break;
        case NPI_OP_REVERSE: n->a.reduce.axes |= (unsigned)rnd(0, 1) << i; break;
        default: break;
        }
    }
    if (n->op == NPI_OP_DEPTH_TO_SPACE || n->op == NPI_OP_SPACE_TO_DEPTH) n->a.block.block = 2, n->a.block.dcr = rnd(0, 1);
    if (n->op == NPI_OP_CONCAT) n->a.concat.axis = rnd(0, rank - 1);
}

static void moves(void **state) {
    (void)state;
    static const enum npi_op ops[] = { NPI_OP_TRANSPOSE, NPI_OP_SLICE, NPI_OP_PAD, NPI_OP_TILE, NPI_OP_EXPAND, NPI_OP_REVERSE, NPI_OP_CONCAT,
                                       NPI_OP_DEPTH_TO_SPACE, NPI_OP_SPACE_TO_DEPTH };
    static const int types[] = { NP_F32, NP_U8, NP_F16, NP_I64, NP_I8 };
    struct tally sum = { 0, 0 };
    for (int i = 0; i < 2000; i++) {
        struct trial t;
        begin(&t, ops[i % 9]);
        const int type = types[rnd(0, 4)], q = type == NP_I8, is_block = i % 9 >= 7, rank = is_block ? 4 : rnd(1, 5);
        int64_t d[5];
        dims(d, rank, rank < 3 ? 40 : 9);
        if (i % 31 == 0) d[0] = 1200;
        if (is_block) d[1] *= 2, d[2] *= 2, d[3] *= 4;
        t.in[t.n_in++] = tensor(&t, type, rank, d, 0, q);
        set_move(&t, rank, d);
        while (t.node.op == NPI_OP_CONCAT && t.n_in < 5 && rnd(0, 3)) {
            d[t.node.a.concat.axis] = rnd(0, 12);
            t.in[t.n_in++] = tensor(&t, type, rank, d, rnd(0, 1), q);
        }
        end(&t, &sum, 0);
    }
    ENOUGH(sum, "moves");
}

static int seed(void **state) {
    (void)state;
    rng = 12345;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup(binary, seed), cmocka_unit_test_setup(unary, seed), cmocka_unit_test_setup(reductions, seed),
                                        cmocka_unit_test_setup(softmax, seed), cmocka_unit_test_setup(norms, seed), cmocka_unit_test_setup(moves, seed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
