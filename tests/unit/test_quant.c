/* SPDX-License-Identifier: Apache-2.0 */
/* The quantizer's parts on small made-up nets: ranges by each method, equalization that preserves the function, bias correction that lowers the
 * error, a scan that finds the layer that was spoiled on purpose, integer steps in the engine. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant/priv.h"

static uint32_t seed = 1;
static float noise(void) { /* about normal */
    float s = 0;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525 + 1013904223;
        s += (float)(seed >> 8) / (1 << 24) - .5f;
    }
    return s * 1.7f;
}

/* --- ranges --- */

static void see(struct npi_seen *s, const float *x, int n) {
    npi_seen_init(s);
    s->hist = calloc(NPI_QUANT_BINS, sizeof *s->hist);
    npi_seen_extremes(s, x, n);
    npi_seen_count(s, x, n);
}

static void observers(void **state) {
    enum { N = 100000 };
    float *x = malloc(N * sizeof *x);
    struct npi_seen s;
    double lo, hi, e[5];
    for (int i = 0; i < N; i++) x[i] = noise();
    x[17] = 100; /* one outlier */
    x[18] = NAN;
    x[19] = -INFINITY;
    see(&s, x, N);
    assert_int_equal(s.n_bad, 2);
    assert_int_equal(s.n, N - 2);
    npi_range_choose(&s, NPI_RANGE_MINMAX, 0, NULL, &lo, &hi);
    assert_float_equal(hi, 100, 1e-4);
    assert_true(lo < -2 && lo > -4);
    for (int m = NPI_RANGE_MINMAX; m <= NPI_RANGE_ENTROPY; m++) {
        npi_range_choose(&s, m, 99.9, NULL, &lo, &hi);
        assert_true(lo <= 0 && hi > 1);
        e[m] = npi_range_mse(&s, lo, hi, NULL);
        if (m == NPI_RANGE_PERCENTILE) assert_true(hi < 10);
    }
    for (int m = NPI_RANGE_MINMAX; m <= NPI_RANGE_ENTROPY; m++) assert_true(e[NPI_RANGE_MSE] <= e[m] * (1 + 1e-9)); /* that is what it minimises */
    free(s.hist);
    /* nothing seen, or a constant */
    npi_seen_init(&s);
    npi_range_choose(&s, NPI_RANGE_MSE, 0, NULL, &lo, &hi);
    assert_true(lo == 0 && hi == 0);
    for (int i = 0; i < 9; i++) x[i] = 3;
    see(&s, x, 9);
    npi_range_choose(&s, NPI_RANGE_ENTROPY, 0, NULL, &lo, &hi);
    assert_true(lo == 0 && hi == 3);
    free(s.hist);
    free(x);
}

static void parameters(void **state) {
    float scale;
    int32_t zero;
    npi_range_params(0, 255, &scale, &zero); /* pictures: exactly their bytes */
    assert_true(scale == 1 && zero == -128);
    npi_range_params(0, 255. / 256, &scale, &zero); /* TFLite's sigmoid */
    assert_true(scale == 1.f / 256 && zero == -128);
    npi_range_params(-1, 1, &scale, &zero);
    assert_true(zero == 0 || zero == -1);
    npi_range_params(0, 0, &scale, &zero);
    assert_true(scale > 0);
}

static void names(void **state) {
    assert_true(npi_quant_name_matches("a*c", "abbc") && npi_quant_name_matches("*", "") && npi_quant_name_matches("x", "x"));
    assert_false(npi_quant_name_matches("a*c", "abb") || npi_quant_name_matches("", "x") || npi_quant_name_matches("x", "xy"));
}

/* --- a net: 8x8x3 -> conv 16 (relu) -> depthwise (relu) -> conv 16 + residual -> silu -> conv 4 -> sigmoid --- */

enum { SIDE = 8 };
struct net { struct npi_arena mem; struct npi_graph g; };

static int constant(struct npi_graph *g, int rank, const int64_t *d, float size) {
    struct npi_view v = { .dtype = NP_F32, .rank = rank };
    for (int i = 0; i < rank; i++) v.d[i] = d[i];
    const int t = npi_graph_const(g, "w", &v);
    for (int64_t i = 0, n = npi_view_count(&v); i < n; i++) ((float *)g->tensor[t].v.data)[i] = noise() * size;
    return t;
}

static int conv(struct npi_graph *g, const char *name, enum npi_op op, int x, int co, int k, int relu) {
    const int64_t ci = g->tensor[x].v.d[3];
    struct npi_node n = { .op = op, .name = name };
    n.a.conv.win = (struct npi_window){ k, k, 1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2 };
    n.a.conv.groups = 1;
    if (relu) n.act = (struct npi_act){ NPI_ACT_CLAMP, 0, INFINITY };
    const int w = op == NPI_OP_DWCONV2D ? constant(g, 3, (int64_t[]){ k, k, ci }, .5f) : constant(g, 4, (int64_t[]){ co, k, k, ci }, 1 / sqrtf((float)(k * k * ci)));
    const int b = constant(g, 1, (int64_t[]){ op == NPI_OP_DWCONV2D ? ci : co }, .2f);
    struct np_error err = { 0 };
    const int y = npi_build1(g, &n, (int[]){ x, w, b }, 3, &err);
    if (y < 0) fail_msg("%s", err.message);
    return y;
}

static int node(struct npi_graph *g, enum npi_op op, int a, int b) {
    const int y = npi_build1(g, &(struct npi_node){ .op = op, .name = npi_op_info[op].name }, (int[]){ a, b }, b < 0 ? 1 : 2, NULL);
    assert_true(y >= 0);
    return y;
}

static void make(struct net *n) {
    seed = 7;
    npi_arena_init(&n->mem, 0);
    assert_int_equal(npi_graph_init(&n->g, &n->mem, "net"), 0);
    const struct npi_view in = { .dtype = NP_F32, .rank = 4, .d = { 1, SIDE, SIDE, 3 } };
    const int x = npi_graph_tensor(&n->g, "image", &in);
    const int a = conv(&n->g, "first", NPI_OP_CONV2D, x, 16, 3, 1), d = conv(&n->g, "depthwise", NPI_OP_DWCONV2D, a, 16, 3, 1), p = conv(&n->g, "point", NPI_OP_CONV2D, d, 16, 1, 0);
    const int s = node(&n->g, NPI_OP_SILU, node(&n->g, NPI_OP_ADD, p, a), -1), y = conv(&n->g, "head", NPI_OP_CONV2D, s, 4, 1, 0), z = node(&n->g, NPI_OP_SIGMOID, y, -1);
    assert_int_equal(npi_graph_set_io(&n->g, &x, 1, &z, 1), 0);
}

enum { SAMPLES = 20 };
static void *samples[SAMPLES];
static void make_samples(void) {
    for (int i = 0; i < SAMPLES; i++) {
        float *f = samples[i] = malloc(SIDE * SIDE * 3 * sizeof *f);
        for (int k = 0; k < SIDE * SIDE * 3; k++) f[k] = fabsf(noise()) * (1 + (float)(i % 3));
    }
}

static void open_net(struct net *n, struct npi_quantizer **q, int calibrated) {
    struct np_error err = { 0 };
    make(n);
    if (npi_quantizer_open(q, &n->g, NULL, NULL, &err) < 0) fail_msg("%s", err.message);
    if (calibrated && npi_quantizer_calibrate(*q, (const void *const *)samples, SAMPLES, &err) < 0) fail_msg("%s", err.message);
}

static void close_net(struct net *n, struct npi_quantizer **q) {
    npi_quantizer_close(q);
    assert_null(*q);
    npi_arena_free(&n->mem);
}

static double error_of(struct npi_quantizer *q, const struct npi_quant_config *c) {
    struct npi_quant_error e;
    struct np_error err = { 0 };
    if (npi_quantizer_error(q, c, &e, NULL, &err) < 0) fail_msg("%s", err.message);
    return e.relative;
}

/* Everything between the picture and the last convolution runs on integers, the sigmoid behind it does not. */
static void integers(void **state) {
    struct net n;
    struct npi_quantizer *q;
    for (int u8 = 0; u8 < 2; u8++) {
        open_net(&n, &q, 1);
        const struct npi_quant_config c = { .method = NPI_RANGE_MSE, .u8 = u8 };
        struct npi_arena mem;
        struct npi_graph g;
        struct npi_quant_counts counts;
        struct np_model *m = NULL;
        struct np_error err = { 0 };
        npi_arena_init(&mem, 0);
        if (npi_quantizer_build(q, &c, &g, &mem, &counts, &err) < 0 || npi_model_of_graph(&m, &g, NULL, 1, &err) < 0) fail_msg("%s", err.message);
        assert_int_equal(counts.convs, 4);
        assert_int_equal(counts.int_convs, 4);
        for (int i = 0; i < m->graph.n_nodes; i++) {
            const struct npi_node *x = &m->graph.node[i];
            const struct npi_view *v = &m->graph.tensor[x->in[0]].v;
            if (npi_is_conv(x) || x->op == NPI_OP_ADD || x->op == NPI_OP_SILU) assert_true(v->q.n == 1 && v->dtype == (u8 ? NP_U8 : NP_I8));
            if (x->op == NPI_OP_SIGMOID) assert_int_equal(v->q.n, 0);
        }
        assert_true(error_of(q, &c) < .02);
        np_model_free(&m);
        npi_arena_free(&mem);
        close_net(&n, &q);
    }
}

static void outputs(struct npi_quantizer *q, float *y) {
    struct np_model *m;
    struct np_session *s;
    assert_int_equal(npi_model_of_graph(&m, &q->g, NULL, 0, NULL), 0);
    assert_int_equal(np_session_open(&s, m, NULL, NULL), 0);
    memcpy(np_session_input(s, 0), samples[0], SIDE * SIDE * 3 * sizeof(float));
    np_session_run(s, NULL);
    memcpy(y, np_session_output(s, 0), SIDE * SIDE * 4 * sizeof(float));
    np_session_free(&s);
    np_model_free(&m);
}

/* Channels of the depthwise layer made a thousandfold different; "depthwise" -> "point" is a pair ("first" is read twice). */
static void spoil(struct npi_quantizer *q) {
    for (int i = 0; i < q->g.n_nodes; i++) {
        const struct npi_node *x = &q->g.node[i];
        if (strcmp(x->name, "depthwise") && strcmp(x->name, "point")) continue;
        float *w = q->g.tensor[x->in[1]].v.data, *b = q->g.tensor[x->in[2]].v.data;
        for (int64_t k = 0, count = npi_view_count(&q->g.tensor[x->in[1]].v); k < count; k++) {
            int64_t o, c;
            npi_quant_weight_at(&q->g, x, k, &o, &c);
            const int64_t ch = strcmp(x->name, "point") ? o : c;
            const float f = ch % 2 ? 30 : 1.f / 30;
            w[k] = strcmp(x->name, "point") ? w[k] * f : w[k] / f;
        }
        for (int k = 0; !strcmp(x->name, "depthwise") && k < 16; k++) b[k] /= k % 2 ? 30 : 1.f / 30;
    }
}

static void equalization(void **state) {
    struct net n;
    struct npi_quantizer *q;
    float a[SIDE * SIDE * 4], b[SIDE * SIDE * 4];
    const struct npi_quant_config c = { .method = NPI_RANGE_MINMAX };
    open_net(&n, &q, 0);
    spoil(q);
    outputs(q, a);
    assert_int_equal(npi_quantizer_calibrate(q, (const void *const *)samples, SAMPLES, NULL), 0);
    const double before = error_of(q, &c);
    assert_int_equal(npi_quantizer_equalize(q, samples[0], NULL), 1);
    outputs(q, b);
    for (int i = 0; i < SIDE * SIDE * 4; i++) assert_float_equal(a[i], b[i], 1e-4);
    assert_int_equal(npi_quantizer_calibrate(q, (const void *const *)samples, SAMPLES, NULL), 0);
    const double after = error_of(q, &c);
    if (!(after < before * .5)) fail_msg("error %g before, %g after", before, after);
    close_net(&n, &q);
}

/* Weights rounded coarsely: a mean error that the bias takes back. */
static void bias_correction(void **state) {
    struct net n;
    struct npi_quantizer *q;
    struct npi_quant_config c = { .method = NPI_RANGE_MINMAX, .weight_bits = 7 };
    open_net(&n, &q, 0);
    for (int i = 0; i < q->g.n_nodes; i++) { /* one huge weight a channel: the others get a few levels */
        const struct npi_node *x = &q->g.node[i];
        if (strcmp(x->name, "first")) continue;
        for (int64_t k = 0, count = npi_view_count(&q->g.tensor[x->in[1]].v); k < count; k++) {
            int64_t o, ch;
            npi_quant_weight_at(&q->g, x, k, &o, &ch);
            if (k % 27 == 0) ((float *)q->g.tensor[x->in[1]].v.data)[k] *= 20;
        }
    }
    assert_int_equal(npi_quantizer_calibrate(q, (const void *const *)samples, SAMPLES, NULL), 0);
    c.no_bias_correction = 1;
    const double without = error_of(q, &c);
    c.no_bias_correction = 0;
    const double with = error_of(q, &c);
    if (!(with < without)) fail_msg("error %g without, %g with", without, with);
    close_net(&n, &q);
}

/* A head of weights that eight bits cannot hold: the scan names it, and keeping it in float brings the error down. */
static void scan(void **state) {
    struct net n;
    struct npi_quantizer *q;
    struct npi_quant_config c = { .method = NPI_RANGE_MSE };
    struct npi_quant_layer layer[8];
    int n_layers;
    open_net(&n, &q, 0);
    for (int i = 0; i < q->g.n_nodes; i++) {
        const struct npi_node *x = &q->g.node[i];
        float *w = x->n_in > 1 && !strcmp(x->name, "head") ? q->g.tensor[x->in[1]].v.data : NULL;
        for (int k = 0; w && k < 4; k++) { /* two that cancel out on what the two channels have in common */
            w[16 * k] = 300;
            w[16 * k + 1] = w[16 * k] * .003f;
        }
    }
    assert_int_equal(npi_quantizer_calibrate(q, (const void *const *)samples, SAMPLES, NULL), 0);
    const double all = error_of(q, &c);
    assert_int_equal(npi_quantizer_n_layers(q), 4);
    assert_int_equal(npi_quantizer_scan(q, &c, layer, &n_layers, NULL, NULL, NULL), 0);
    assert_true(n_layers >= 4 && n_layers <= 8);
    for (int i = 1; i < n_layers; i++) assert_true(layer[i - 1].gain / (layer[i - 1].with ? 2 : 1) >= layer[i].gain / (layer[i].with ? 2 : 1));
    c.keep = (const char *const[]){ layer[0].name, layer[0].with };
    c.n_keep = layer[0].with ? 2 : 1;
    assert_true(error_of(q, &c) < all);
    close_net(&n, &q);
}

static void given_ranges(void **state) {
    struct net n;
    struct npi_quantizer *q;
    open_net(&n, &q, 1);
    const struct npi_quant_range r = { "SiLU*", 0, 0 }, tight = { "Silu", -.001f, .001f };
    const struct npi_quant_config plain = { .method = NPI_RANGE_MSE }, cut = { .method = NPI_RANGE_MSE, .range = &tight, .n_ranges = 1 }, other = { .method = NPI_RANGE_MSE, .range = &r, .n_ranges = 1 };
    assert_true(error_of(q, &cut) > 4 * error_of(q, &plain)); /* the user's word counts, also when it is foolish */
    assert_true(error_of(q, &other) == error_of(q, &plain));
    close_net(&n, &q);
}

static void refusals(void **state) {
    struct net n;
    struct npi_quantizer *q = NULL, *again = NULL;
    struct np_error err = { 0 };
    struct npi_arena mem;
    struct npi_graph g;
    const struct npi_quant_config c = { .method = NPI_RANGE_MINMAX };
    open_net(&n, &q, 0);
    npi_arena_init(&mem, 0);
    assert_int_equal(npi_quantizer_build(q, &c, &g, &mem, NULL, &err), NP_EINVAL); /* not calibrated */
    assert_int_equal(npi_quantizer_calibrate(q, (const void *const *)samples, 1, &err), NP_EINVAL);
    assert_non_null(strstr(err.message, "too few"));
    assert_int_equal(npi_quantizer_calibrate(q, (const void *const *)samples, SAMPLES, &err), 0);
    assert_int_equal(npi_quantizer_build(q, &c, &g, &mem, NULL, &err), 0);
    assert_int_equal(npi_quantizer_open(&again, &g, NULL, NULL, &err), NP_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "quantized already"));
    close_net(&n, &q);
    npi_arena_free(&mem);
    /* samples full of NaN: no crash, and numbers */
    float bad[SIDE * SIDE * 3];
    for (int i = 0; i < SIDE * SIDE * 3; i++) bad[i] = NAN;
    const void *two[2] = { bad, samples[0] };
    open_net(&n, &q, 0);
    assert_int_equal(npi_quantizer_calibrate(q, two, 2, &err), 0);
    assert_true(error_of(q, &c) >= 0);
    close_net(&n, &q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observers), cmocka_unit_test(parameters), cmocka_unit_test(names), cmocka_unit_test(integers), cmocka_unit_test(equalization),
        cmocka_unit_test(bias_correction), cmocka_unit_test(scan), cmocka_unit_test(given_ranges), cmocka_unit_test(refusals),
    };
    make_samples();
    const int r = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < SAMPLES; i++) free(samples[i]);
    return r;
}
