/* SPDX-License-Identifier: Apache-2.0 */
/* Data movement: shapes, values, quantization that passes through, refusals. */
#include "ops_fixture.h"

static struct npi_node with_dims(enum npi_op op, const int64_t *d, int rank) {
    struct npi_node n = { .op = op, .name = "n" };
    n.a.shape.rank = rank;
    for (int i = 0; i < rank; i++) n.a.shape.dims[i] = d[i];
    return n;
}
#define COUNT6 VALUES(0, 1, 2, 3, 4, 5)

static void reshape(void **s) {
    (void)s;
    const int x = fx_const(NP_I16, DIMS(2, 3), COUNT6), y = fx_input(NP_I8, DIMS(2, 3));
    fx_set_q(y, .5f, 3);
    struct npi_node n = with_dims(NPI_OP_RESHAPE, DIMS(3, 1, 2)), bad = with_dims(NPI_OP_RESHAPE, DIMS(4, 2));
    EXPECT(RUN(n, x), NP_I16, DIMS(3, 1, 2), COUNT6);
    const struct npi_view *v = RUN(n, y);
    assert_int_equal(v->q.n, 1);
    assert_int_equal(v->q.zero[0], 3);
    REFUSE(bad, NP_ESHAPE, "cannot reshape [2,3] to [4,2]: 6 elements are not 8", x);
}

static void transpose(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(1, 2, 3), COUNT6), p = fx_input(NP_I8, DIMS(1, 2, 3));
    float scale[3] = { 1, 2, 3 };
    fx_g.tensor[p].v.q = (struct npi_quant){ 3, 2, scale, NULL };
    struct npi_node n = { .op = NPI_OP_TRANSPOSE, .name = "n", .a.transpose.perm = { 2, 0, 1 } };
    EXPECT(RUN(n, x), NP_F32, DIMS(3, 1, 2), VALUES(0, 3, 1, 4, 2, 5));
    const struct npi_view *v = RUN(n, p);
    assert_int_equal(v->q.n, 3);
    assert_int_equal(v->q.axis, 0);
    n.a.transpose.perm[1] = 2;
    REFUSE(n, NP_ESHAPE, "entry 1 is 2", x);
    struct npi_node flat = with_dims(NPI_OP_RESHAPE, DIMS(6));
    REFUSE(flat, NP_EUNSUPPORTED, "quantized along axis 2", p);
}

static void concat(void **s) {
    (void)s;
    const int x = fx_const(NP_U8, DIMS(2, 1), VALUES(1, 2)), y = fx_const(NP_U8, DIMS(2, 2), VALUES(3, 4, 5, 6)), none = fx_const(NP_U8, DIMS(2, 0), VALUES(0));
    struct npi_node n = { .op = NPI_OP_CONCAT, .name = "n", .a.concat.axis = -1 };
    EXPECT(RUN(n, x, y, none, x), NP_U8, DIMS(2, 4), VALUES(1, 3, 4, 1, 2, 5, 6, 2));
    const int z = fx_const(NP_U8, DIMS(1, 2), VALUES(0));
    REFUSE(n, NP_ESHAPE, "input 1 [1,2] does not fit [2,1] along axis 1", x, z);
}

static void concat_requantizes(void **s) {
    (void)s;
    const int x = fx_const(NP_U8, DIMS(2), VALUES(10, 20)), y = fx_const(NP_U8, DIMS(3), VALUES(4, 130, 3));
    fx_set_q(x, .5f, 10);
    fx_set_q(y, 1, 4); /* real 0, 126, -1 -> 10, 262 (saturates), 8 */
    struct npi_node n = { .op = NPI_OP_CONCAT, .name = "n" };
    EXPECT(RUN(n, x, y), NP_U8, DIMS(5), VALUES(10, 20, 10, 255, 8));
}

static void slice_and_reverse(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(2, 3), COUNT6);
    struct npi_node n = { .op = NPI_OP_SLICE, .name = "n", .a.slice = { .start = { 0, 2 }, .step = { 1, -2 }, .size = { 2, 2 } } };
    EXPECT(RUN(n, x), NP_F32, DIMS(2, 2), VALUES(2, 0, 5, 3));
    n.a.slice.size[1] = 3;
    REFUSE(n, NP_ESHAPE, "slice of dimension 1 (3 elements): start 2, step -2, size 3 leads outside", x);
    n.a.slice.step[1] = INT64_MIN;
    REFUSE(n, NP_ESHAPE, "leads outside", x);
    n.a.slice.size[1] = 0;
    assert_int_equal(npi_view_count(RUN(n, x)), 0);
    struct npi_node r = { .op = NPI_OP_REVERSE, .name = "n", .a.reduce.axes = 2 };
    EXPECT(RUN(r, x), NP_F32, DIMS(2, 3), VALUES(2, 1, 0, 5, 4, 3));
    r.a.reduce.axes = 3;
    EXPECT(RUN(r, x), NP_F32, DIMS(2, 3), VALUES(5, 4, 3, 2, 1, 0));
    r.a.reduce.axes = 4;
    REFUSE(r, NP_ESHAPE, "axis 2 does not exist", x);
}

static void tile_and_expand(void **s) {
    (void)s;
    const int x = fx_const(NP_BOOL, DIMS(2, 1), VALUES(0, 1)), y = fx_const(NP_I32, DIMS(2, 2), VALUES(1, 2, 3, 4));
    struct npi_node t = with_dims(NPI_OP_TILE, DIMS(2, 2)), e = with_dims(NPI_OP_EXPAND, DIMS(2, 1, 3)), bad = with_dims(NPI_OP_EXPAND, DIMS(3, 3));
    EXPECT(RUN(t, y), NP_I32, DIMS(4, 4), VALUES(1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4));
    EXPECT(RUN(e, x), NP_BOOL, DIMS(2, 2, 3), VALUES(0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1));
    REFUSE(bad, NP_ESHAPE, "do not broadcast", x);
    struct npi_node huge = with_dims(NPI_OP_EXPAND, DIMS((int64_t)1 << 40, (int64_t)1 << 40, 2, 3));
    REFUSE(huge, NP_ELIMIT, "too large", x);
}

static void pad(void **s) {
    (void)s;
    const int x = fx_const(NP_F32, DIMS(3), VALUES(1, 2, 3)), v = fx_const(NP_F32, SCALAR, VALUES(9));
    static const struct { int mode; double y[7]; } t[] = {
        { NPI_PAD_CONSTANT, { 7, 7, 1, 2, 3, 7, 7 } }, { NPI_PAD_REFLECT, { 3, 2, 1, 2, 3, 2, 1 } }, { NPI_PAD_EDGE, { 1, 1, 1, 2, 3, 3, 3 } },
        { NPI_PAD_WRAP, { 2, 3, 1, 2, 3, 1, 2 } }, { NPI_PAD_SYMMETRIC, { 2, 1, 1, 2, 3, 3, 2 } },
    };
    struct npi_node n = { .op = NPI_OP_PAD, .name = "n", .a.pad = { .before = { 2 }, .after = { 2 }, .value = 7 } };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        n.a.pad.mode = t[i].mode;
        fx_expect_at(__LINE__, RUN(n, x), NP_F32, DIMS(7), t[i].y, 7, 0);
    }
    n.a.pad.mode = NPI_PAD_CONSTANT;
    n.a.pad.before[0] = -1;
    EXPECT(RUN(n, x, v), NP_F32, DIMS(4), VALUES(2, 3, 9, 9));
    n.a.pad.mode = NPI_PAD_REFLECT;
    n.a.pad.after[0] = 4; /* longer than what is left: 2 3 | 2 3 2 3 */
    EXPECT(RUN(n, x), NP_F32, DIMS(6), VALUES(2, 3, 2, 3, 2, 3));
    n.a.pad.before[0] = -4;
    REFUSE(n, NP_ESHAPE, "crop more than dimension 0 of [3] has", x);
    n.a.pad.before[0] = INT64_MIN;
    REFUSE(n, NP_ELIMIT, "too large", x);
    n.a.pad.before[0] = -3;
    REFUSE(n, NP_ESHAPE, "nothing to repeat", x);
    n.a.pad.mode = NPI_PAD_CONSTANT;
    EXPECT(RUN(n, x), NP_F32, DIMS(4), VALUES(7, 7, 7, 7));
}

static void pad_2d_and_quantized(void **s) {
    (void)s;
    const int x = fx_const(NP_I8, DIMS(2, 2), VALUES(1, 2, 3, 4));
    fx_set_q(x, .5f, -7);
    struct npi_node n = { .op = NPI_OP_PAD, .name = "n", .a.pad = { .before = { 1, 0 }, .after = { 0, 1 } } };
    EXPECT(RUN(n, x), NP_I8, DIMS(3, 3), VALUES(-7, -7, -7, 1, 2, -7, 3, 4, -7));
    n.a.pad.value = 2;
    EXPECT(RUN(n, x), NP_I8, DIMS(3, 3), VALUES(-3, -3, -3, 1, 2, -3, 3, 4, -3));
    n.a.pad.mode = NPI_PAD_EDGE;
    EXPECT(RUN(n, x), NP_I8, DIMS(3, 3), VALUES(1, 2, 2, 1, 2, 2, 3, 4, 4));
}

static void block(void **s) {
    (void)s;
    /* one pixel of 8 channels; block 2 -> 2 x 2 pixels of 2 channels */
    const int x = fx_const(NP_F32, DIMS(1, 1, 1, 8), VALUES(0, 1, 2, 3, 4, 5, 6, 7));
    struct npi_node n = { .op = NPI_OP_DEPTH_TO_SPACE, .name = "n", .a.block = { 2, 1 } };
    const struct npi_view *dcr = RUN(n, x);
    EXPECT(dcr, NP_F32, DIMS(1, 2, 2, 2), VALUES(0, 1, 2, 3, 4, 5, 6, 7));
    n.a.block.dcr = 0;
    EXPECT(RUN(n, x), NP_F32, DIMS(1, 2, 2, 2), VALUES(0, 4, 1, 5, 2, 6, 3, 7));
    const int y = fx_const(NP_F32, DIMS(1, 2, 4, 1), VALUES(0, 1, 2, 3, 4, 5, 6, 7));
    n = (struct npi_node){ .op = NPI_OP_SPACE_TO_DEPTH, .name = "n", .a.block = { 2, 0 } };
    EXPECT(RUN(n, y), NP_F32, DIMS(1, 1, 2, 4), VALUES(0, 1, 4, 5, 2, 3, 6, 7));
    n.a.block.block = 3;
    REFUSE(n, NP_ESHAPE, "cannot be split in blocks of 3 x 3", y);
    n.a.block.block = 0;
    REFUSE(n, NP_EINVAL, "block size 0", y);
}

int main(void) {
    const struct CMUnitTest tests[] = { TEST(reshape), TEST(transpose), TEST(concat), TEST(concat_requantizes), TEST(slice_and_reverse), TEST(tile_and_expand),
                                        TEST(pad), TEST(pad_2d_and_quantized), TEST(block) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
