/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise, reducing, moving and indexing ops with senseless attributes, shapes and indices: each node is either refused with a
 * message or runs without touching memory that is not its own (guard bytes here; the sanitizer builds see the rest). */
#include "ops_fixture.h"

static uint64_t rng = 99;
static int64_t rnd(int64_t lo, int64_t hi) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return lo + (int64_t)((rng >> 33) % (uint64_t)(hi - lo + 1));
}
/* Mostly small, now and then extreme. */
static int64_t wild(void) {
    static const int64_t extreme[] = { INT64_MAX, INT64_MIN, INT64_MAX / 2, INT32_MAX, INT32_MIN, (int64_t)1 << 40, -((int64_t)1 << 40), 1 << 20 };
    return rnd(0, 19) ? rnd(-3, 6) : extreme[rnd(0, 7)];
}
static int wild_int(void) {
    const int64_t v = wild();
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int)v;
}

/* like: a tensor whose shape it takes, -1: any. */
static int random_const(int op, int input, int like) {
    static const int types[] = { NP_F32, NP_I64, NP_I32, NP_U8, NP_BOOL, NP_F16, NP_I8, NP_U64, NP_F64, NP_BF16, NP_I16, NP_U32 };
    const int index = input == 1 && op >= NPI_OP_GATHER && op <= NPI_OP_SCATTER_ELEMENTS;
    const int type = op == NPI_OP_WHERE && input == 0 ? NP_BOOL : index ? (int)(rnd(0, 1) ? NP_I64 : NP_I32) : types[rnd(0, 3) ? 0 : rnd(0, 11)];
    const int rank = like >= 0 ? fx_g.tensor[like].v.rank : (int)rnd(0, rnd(0, 9) ? 3 : NP_MAX_RANK);
    int64_t d[NP_MAX_RANK];
    for (int i = 0; i < rank; i++) d[i] = like >= 0 ? fx_g.tensor[like].v.d[i] : rnd(0, 12) ? rnd(1, 3) : 0;
    struct npi_view v = fx_shape(type, d, rank);
    const int t = npi_graph_const(&fx_g, "c", &v);
    assert_true(t >= 0);
    for (int64_t i = 0; i < npi_view_count(&v); i++) {
        if (index || npi_dtype_kind(type) != NPI_KIND_FLOAT) npi_put_i64(type, fx_g.tensor[t].v.data, i, wild());
        else npi_put_f64(type, fx_g.tensor[t].v.data, i, rnd(0, 9) ? (double)wild() / 4 : rnd(0, 1) ? (double)NAN : (double)INFINITY);
    }
    return t;
}

static void random_attr(struct npi_node *n) {
    union npi_attr *a = &n->a;
    const int op = (int)n->op;
    if (op == NPI_OP_SLICE) {
        for (int i = 0; i < NP_MAX_RANK; i++) a->slice.start[i] = wild(), a->slice.step[i] = wild(), a->slice.size[i] = wild();
    } else if (op == NPI_OP_PAD) {
        a->pad.mode = (int)rnd(-1, 5);
        a->pad.value = (double)wild();
        for (int i = 0; i < NP_MAX_RANK; i++) a->pad.before[i] = rnd(0, 2) ? 0 : wild(), a->pad.after[i] = rnd(0, 2) ? 0 : wild();
    } else if (op == NPI_OP_RESHAPE || op == NPI_OP_EXPAND || op == NPI_OP_TILE) {
        a->shape.rank = rnd(0, 9) ? (int)rnd(0, 4) : wild_int();
        for (int i = 0; i < NP_MAX_RANK; i++) a->shape.dims[i] = rnd(0, 1) ? rnd(1, 3) : wild();
    } else if (op == NPI_OP_TRANSPOSE) {
        for (int i = 0; i < NP_MAX_RANK; i++) a->transpose.perm[i] = rnd(0, 9) ? (int)rnd(0, 2) : wild_int();
    } else if (op == NPI_OP_REDUCE || op == NPI_OP_ARGMAX || op == NPI_OP_ARGMIN || op == NPI_OP_REVERSE) {
        a->reduce.kind = (int)rnd(-1, NPI_REDUCE_ALL + 1);
        a->reduce.axes = rnd(0, 9) ? (unsigned)rnd(0, 7) : (unsigned)rng;
        a->reduce.keepdims = (int)rnd(0, 1);
        a->reduce.axis = wild_int();
        a->reduce.out_dtype = wild_int();
        a->reduce.select_last = (int)rnd(0, 1);
    } else if (op == NPI_OP_TOPK) {
        a->topk.k = wild();
        a->topk.axis = wild_int();
        a->topk.largest = (int)rnd(0, 1);
    } else if (op == NPI_OP_CAST) {
        a->cast.to = rnd(0, 9) ? (int)rnd(0, NP_DTYPE_COUNT - 1) : wild_int();
        a->cast.round_saturate = (int)rnd(0, 1);
    } else if (op == NPI_OP_DEPTH_TO_SPACE || op == NPI_OP_SPACE_TO_DEPTH) {
        a->block.block = rnd(0, 1) ? (int)rnd(1, 3) : wild_int(); /* now and then one that divides a small shape */
        a->block.dcr = (int)rnd(0, 1);
    } else if (op >= NPI_OP_ADD && op <= NPI_OP_BIT_SHIFT) {
        a->misc.mode_fmod = (int)rnd(0, 1);
        a->misc.direction_right = (int)rnd(0, 1);
    } else if (op == NPI_OP_GATHER || op == NPI_OP_GATHER_ND || op == NPI_OP_GATHER_ELEMENTS || op == NPI_OP_SCATTER_ND || op == NPI_OP_SCATTER_ELEMENTS ||
               op == NPI_OP_CUMSUM || op == NPI_OP_TRILU || op == NPI_OP_ONE_HOT || op == NPI_OP_CONCAT) {
        a->gather.axis = wild_int();
        if (op != NPI_OP_CONCAT) {
            a->gather.batch_dims = rnd(0, 4) ? 0 : wild_int();
            a->gather.reduction = rnd(0, 9) ? (int)rnd(0, 4) : wild_int();
            a->gather.upper = a->gather.exclusive = (int)rnd(0, 1);
        }
    } else {
        a->unary.a = (float)wild();
        a->unary.b = (float)wild();
    }
}

static int mine(int op) {
    return op == NPI_OP_CUMSUM || (op >= NPI_OP_RELU && op <= NPI_OP_CAST) || (op >= NPI_OP_ADD && op <= NPI_OP_RANGE);
}

/* Runs a node that has been inferred, with outputs in blocks of exactly their size. */
static void evaluate(const struct npi_node *n, const int *in, int n_in, const int *out, int n_out) {
    const struct npi_view *inv[8];
    struct npi_view y[2];
    struct npi_op_args a = { .node = n, .inv = inv, .n_in = n_in, .n_out = n_out };
    for (int i = 0; i < n_in; i++) a.in[i] = inv[i] = &fx_g.tensor[in[i]].v;
    for (int i = 0; i < n_out; i++) {
        y[i] = fx_g.tensor[out[i]].v;
        y[i].data = malloc(npi_view_bytes(&y[i]) + 16);
        assert_non_null(y[i].data);
        memset((char *)y[i].data + npi_view_bytes(&y[i]), 0x77, 16);
        a.out[i] = &y[i];
    }
    const size_t scratch = npi_op_scratch(&a);
    a.scratch = malloc(scratch + 1);
    npi_op_eval(&a);
    for (int i = 0; i < n_out; i++) {
        for (int k = 0; k < 16; k++)
            if (((char *)y[i].data)[npi_view_bytes(&y[i]) + (size_t)k] != 0x77) fail_msg("%s wrote behind output %d", npi_op_info[n->op].name, i);
        free(y[i].data);
    }
    free(a.scratch);
}

static void hostile(void **state) {
    (void)state;
    int ran[NPI_OP_COUNT] = { 0 }, refused = 0;
    for (int i = 0; i < 200000; i++) {
        const int op = (int)rnd(0, NPI_OP_COUNT - 1);
        if (!mine(op)) continue;
        if (fx_g.n_tensors > 2000) {
            fx_teardown(NULL);
            assert_int_equal(fx_setup(NULL), 0);
        }
        struct npi_node n = { .op = (enum npi_op)op, .name = "n" };
        const struct npi_op_info *o = &npi_op_info[op];
        const int n_in = (int)rnd(o->min_in, o->max_in < 4 ? o->max_in : 4), n_out = o->min_out;
        int in[4], out[2];
        for (int k = 0; k < n_in; k++) in[k] = random_const(op, k, k && rnd(0, 1) ? in[0] : -1);
        if (rnd(0, 2) && n_in > 1 && op < NPI_OP_GATHER && op != NPI_OP_WHERE) in[1] = in[0]; /* so that types and shapes fit now and then */
        if ((op == NPI_OP_SCATTER_ELEMENTS || op == NPI_OP_WHERE) && rnd(0, 1)) in[2] = in[op == NPI_OP_WHERE];
        random_attr(&n);
        memset(&fx_err, 0, sizeof fx_err);
        const int r = npi_build(&fx_g, &n, in, n_in, out, n_out, NULL, NULL, &fx_err);
        if (r < 0) {
            refused++;
            if (!fx_err.message[0]) fail_msg("%s refused without a message", o->name);
            continue;
        }
        size_t bytes = 0;
        for (int k = 0; k < n_out; k++) bytes += npi_view_bytes(&fx_g.tensor[out[k]].v);
        if (bytes > 1 << 24) continue; /* legal, but not for a test */
        if (op != NPI_OP_RESHAPE) evaluate(&n, in, n_in, out, n_out);
        ran[op]++;
    }
    for (int op = 0; op < NPI_OP_COUNT; op++)
        if (mine(op) && !ran[op]) fail_msg("%s never ran", npi_op_info[op].name);
    assert_true(refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = { TEST(hostile) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
