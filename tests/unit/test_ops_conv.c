/* SPDX-License-Identifier: Apache-2.0 */
/* Conv2D, DepthwiseConv2D, ConvTranspose2D, FullyConnected, MatMul: answers by hand. */
#include "ops_run.h"

static const float ones[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const float count[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static struct npi_node conv_node(int k, int s, int d, int p, int groups) {
    struct npi_node n = { .op = NPI_OP_CONV2D, .name = "" };
    n.a.conv.win = (struct npi_window){ k, k, s, s, d, d, p, p, p, p };
    n.a.conv.groups = groups;
    return n;
}

/* 3x3 image 1..9, 2x2 kernel of ones: sums of squares; with padding 1 the corner is 1 alone. */
static void conv_plain(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = conv_node(2, 1, 1, 0, 1);
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 3, 3, 1)), V(NP_F32, ones, DIMS(1, 2, 2, 1)));
    WANT_DIMS(&o.out[0], 1, 2, 2, 1);
    WANT_F32(&o.out[0], 0, 12, 16, 24, 28);
    done(&o);
    n = conv_node(2, 2, 1, 1, 1); /* windows start at -1 and 1 */
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 3, 3, 1)), V(NP_F32, ones, DIMS(1, 2, 2, 1)), V(NP_F32, count, DIMS(1)));
    WANT_F32(&o.out[0], 0, 1 + 1, 2 + 3 + 1, 4 + 7 + 1, 5 + 6 + 8 + 9 + 1);
    done(&o);
    n = conv_node(2, 1, 2, 0, 1); /* dilation 2: the four corners */
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 3, 3, 1)), V(NP_F32, ones, DIMS(1, 2, 2, 1)));
    WANT_F32(&o.out[0], 0, 1 + 3 + 7 + 9);
    done(&o);
}

/* Two groups of two channels, two outputs each: output c sums its group times c+1. */
static void conv_groups(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const struct npi_node n = conv_node(1, 1, 1, 0, 2);
    const float w[8] = { 1, 1, 2, 2, 3, 3, 4, 4 };
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 1, 1, 4)), V(NP_F32, w, DIMS(4, 1, 1, 2)));
    WANT_F32(&o.out[0], 0, 3, 6, 21, 28);
    done(&o);
}

/* act(conv + residual) and act(conv) + residual differ where the clamp bites. */
static void conv_residual(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = conv_node(1, 1, 1, 0, 1);
    n.act = (struct npi_act){ NPI_ACT_CLAMP, 0, 6 };
    const float x[2] = { 5, -3 }, res[2] = { 4, 1 };
    n.res_before_act = 1;
    RUN(o, n, 1, V(NP_F32, x, DIMS(1, 1, 2, 1)), V(NP_F32, ones, DIMS(1, 1, 1, 1)), NULL, V(NP_F32, res, DIMS(1, 1, 2, 1)));
    WANT_F32(&o.out[0], 0, 6, 0);
    done(&o);
    n.res_before_act = 0;
    RUN(o, n, 1, V(NP_F32, x, DIMS(1, 1, 2, 1)), V(NP_F32, ones, DIMS(1, 1, 1, 1)), NULL, V(NP_F32, res, DIMS(1, 1, 2, 1)));
    WANT_F32(&o.out[0], 0, 9, 1);
    done(&o);
}

/* Multiplier 2: output channel c*2+m is channel c times w[c*2+m]. */
static void depthwise(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = conv_node(1, 1, 1, 0, 1);
    n.op = NPI_OP_DWCONV2D;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 1, 2, 2)), V(NP_F32, count, DIMS(1, 1, 4)));
    WANT_F32(&o.out[0], 0, 1, 2, 6, 8, 3, 6, 12, 16);
    done(&o);
}

/* Real values 1, 2 at scale 0.5 and zero 3 are 5, 7; weight 0.25 * (8 - 0) = 2; bias 4 * 0.125 = 0.5.
 * y = 2.5, 4.5 at scale 0.5, zero -10: 5 - 10, 9 - 10. With uint8 weights, zero 128, the same. */
static void conv_quantized(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = conv_node(1, 1, 1, 0, 1);
    const float sx = 0.5f, sw = 0.25f, sy = 0.5f;
    const int32_t zx = 3, zw = 0, zu = 128, zy = -10, bias = 4;
    const int8_t x[2] = { 5, 7 }, w = 8;
    const uint8_t u = 136;
    const struct npi_view hint = { .dtype = NP_I8, .q = { 1, 0, &sy, &zy } };
    o.out[0] = hint;
    RUN(o, n, 1, VQ(NP_I8, x, &sx, &zx, DIMS(1, 1, 2, 1)), VQ(NP_I8, &w, &sw, &zw, DIMS(1, 1, 1, 1)), V(NP_I32, &bias, DIMS(1)));
    WANT_INT(&o.out[0], NP_I8, -5, -1);
    done(&o);
    o.out[0] = hint;
    n.act = (struct npi_act){ NPI_ACT_CLAMP, 3, 4 }; /* bounds 6 - 10 and 8 - 10 */
    RUN(o, n, 1, VQ(NP_I8, x, &sx, &zx, DIMS(1, 1, 2, 1)), VQ(NP_U8, &u, &sw, &zu, DIMS(1, 1, 1, 1)), V(NP_I32, &bias, DIMS(1)));
    WANT_INT(&o.out[0], NP_I8, -4, -2);
    done(&o);
    n.act.kind = NPI_ACT_NONE; /* no quantization on the output: real numbers */
    RUN(o, n, 1, VQ(NP_I8, x, &sx, &zx, DIMS(1, 1, 2, 1)), VQ(NP_I8, &w, &sw, &zw, DIMS(1, 1, 1, 1)), V(NP_I32, &bias, DIMS(1)));
    WANT_F32(&o.out[0], 0, 2.5f, 4.5f);
    done(&o);
    const int16_t xw[2] = { 300, -1000 }; /* int16: 150 * 2 and -500 * 2, at scale 0.5 */
    const int32_t z0 = 0;
    o.out[0] = (struct npi_view){ .dtype = NP_I16, .q = { 1, 0, &sy, &z0 } };
    RUN(o, n, 1, VQ(NP_I16, xw, &sx, &z0, DIMS(1, 1, 2, 1)), VQ(NP_I8, &w, &sw, &zw, DIMS(1, 1, 1, 1)));
    WANT_INT(&o.out[0], NP_I16, 600, -2000);
    done(&o);
}

/* Per-channel scales, and the tie: 5 * 0.5 = 2.5 goes to 2. A quantized residual adds before rounding. */
static void conv_per_channel(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const struct npi_node n = conv_node(1, 1, 1, 0, 1);
    const float s1 = 1, sw[2] = { 0.5f, 2 }, sr = 0.5f;
    const int32_t z0[2] = { 0, 0 };
    const int8_t x = 5, w[2] = { 1, 1 }, r[2] = { 2, -4 };
    struct npi_view wv = { NP_I8, DIMS(2, 1, 1, 1), { 2, 0, sw, z0 }, (void *)w };
    o.out[0] = (struct npi_view){ .dtype = NP_I8, .q = { 1, 0, &s1, z0 } };
    RUN(o, n, 1, VQ(NP_I8, &x, &s1, z0, DIMS(1, 1, 1, 1)), &wv);
    WANT_INT(&o.out[0], NP_I8, 2, 10);
    done(&o);
    o.out[0] = (struct npi_view){ .dtype = NP_I8, .q = { 1, 0, &s1, z0 } };
    RUN(o, n, 1, VQ(NP_I8, &x, &s1, z0, DIMS(1, 1, 1, 1)), &wv, NULL, VQ(NP_I8, r, &sr, z0, DIMS(1, 1, 1, 2)));
    WANT_INT(&o.out[0], NP_I8, 4, 8); /* 2.5 + 1 = 3.5 -> 4; 10 - 2 */
    done(&o);
}

/* Stride 2, 2x2 input, 2x2 kernel of 1..4: each input makes its own block. With 3x3 ones the middle overlaps. */
static void conv_transposed(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = { .op = NPI_OP_CONVT2D, .name = "" };
    n.a.convt.win = (struct npi_window){ 2, 2, 2, 2, 1, 1, 0, 0, 0, 0 };
    n.a.convt.groups = 1;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, count, DIMS(1, 2, 2, 1)));
    WANT_DIMS(&o.out[0], 1, 4, 4, 1);
    WANT_F32(&o.out[0], 0, 1, 2, 2, 4, 3, 4, 6, 8, 3, 6, 4, 8, 9, 12, 12, 16);
    done(&o);
    n.a.convt.win = (struct npi_window){ 3, 3, 2, 2, 1, 1, 1, 1, 1, 1 };
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, ones, DIMS(1, 3, 3, 1)));
    WANT_DIMS(&o.out[0], 1, 3, 3, 1);
    WANT_F32(&o.out[0], 0, 1, 3, 2, 4, 10, 6, 3, 7, 4);
    done(&o);
    n.a.convt.groups = 2; /* 1x1, two groups of one channel, two outputs each */
    n.a.convt.win = (struct npi_window){ 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 };
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 1, 1, 2)), V(NP_F32, count, DIMS(4, 1, 1, 1)));
    WANT_F32(&o.out[0], 0, 1, 2, 6, 8);
    done(&o);
}

static void products(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = { .op = NPI_OP_FULLY_CONNECTED, .name = "" };
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 3)), V(NP_F32, count, DIMS(2, 3)), V(NP_F32, ones, DIMS(2)));
    WANT_DIMS(&o.out[0], 1, 2, 2);
    WANT_F32(&o.out[0], 0, 15, 33, 33, 78);
    done(&o);
    n.op = NPI_OP_MATMUL; /* [2,1,2] x [2,2] broadcast: rows (1,2), (3,4) */
    RUN(o, n, 1, V(NP_F32, count, DIMS(2, 1, 2)), V(NP_F32, count, DIMS(2, 2)));
    WANT_DIMS(&o.out[0], 2, 1, 2);
    WANT_F32(&o.out[0], 0, 7, 10, 15, 22);
    done(&o);
    n.a.matmul.tb = 1;
    n.a.matmul.alpha = 2;
    RUN(o, n, 1, V(NP_F32, count, DIMS(2)), V(NP_F32, count, DIMS(2, 2)));
    WANT_DIMS(&o.out[0], 2);
    WANT_F32(&o.out[0], 0, 10, 22);
    done(&o);
}

static void refused(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = conv_node(2, 1, 1, 0, 3);
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 4)), V(NP_F32, count, DIMS(1, 2, 2, 1)));
    assert_int_equal(o.r, NP_ESHAPE);
    n = conv_node(3, 1, 1, 0, 1);
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, count, DIMS(1, 3, 3, 1)));
    assert_int_equal(o.r, NP_ESHAPE);
    assert_non_null(strstr(o.err.message, "smaller than the window"));
    const float s = 1;
    const int8_t w[4] = { 0 };
    n = conv_node(2, 1, 1, 0, 1);
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), VQ(NP_I8, w, &s, NULL, DIMS(1, 2, 2, 1)));
    assert_int_equal(o.r, NP_EUNSUPPORTED);
    struct npi_node t = { .op = NPI_OP_CONVT2D, .name = "" };
    t.a.convt.groups = 1;
    t.a.convt.win = (struct npi_window){ 2, 2, 1 << 30, 1, 1, 1, 0, 0, 0, 0 };
    RUN(o, t, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, count, DIMS(1, 2, 2, 1)));
    assert_int_equal(o.r, NP_ESHAPE);
    t.a.convt.win = (struct npi_window){ 2, 2, 1, 1, 1, 1, 2, 0, 2, 0 }; /* crops more than there is */
    RUN(o, t, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, count, DIMS(1, 2, 2, 1)));
    assert_int_equal(o.r, NP_ESHAPE);
    n.a.conv.win.sh = 0;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, count, DIMS(1, 2, 2, 1)));
    assert_int_equal(o.r, NP_ESHAPE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_plain), cmocka_unit_test(conv_groups), cmocka_unit_test(conv_residual), cmocka_unit_test(depthwise),
        cmocka_unit_test(conv_quantized), cmocka_unit_test(conv_per_channel), cmocka_unit_test(conv_transposed), cmocka_unit_test(products),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
