/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, Resize, GridSample: answers by hand. */
#include <math.h>

#include "ops_run.h"

static const float count[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static struct npi_node pool_node(int op, int k, int s, int p) {
    struct npi_node n = { .op = op, .name = "" };
    n.a.pool.win = (struct npi_window){ k, k, s, s, 1, 1, p, p, p, p };
    n.a.pool.p = 2;
    return n;
}

static void max_pool(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = pool_node(NPI_OP_MAXPOOL2D, 2, 2, 0);
    RUN(o, n, 2, V(NP_F32, count, DIMS(1, 4, 4, 1)));
    WANT_F32(&o.out[0], 0, 6, 8, 14, 16);
    WANT_INT(&o.out[1], NP_I64, 5, 7, 13, 15);
    done(&o);
    n.a.pool.storage_order = 1; /* x * H + y */
    RUN(o, n, 2, V(NP_F32, count, DIMS(1, 4, 4, 1)));
    WANT_INT(&o.out[1], NP_I64, 5, 13, 7, 15);
    done(&o);
    /* 3x3 by windows of 2 with stride 2: ceil adds a row and a column. */
    n = pool_node(NPI_OP_MAXPOOL2D, 2, 2, 0);
    n.a.pool.ceil_mode = 1;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 3, 3, 1)));
    WANT_F32(&o.out[0], 0, 5, 6, 8, 9);
    done(&o);
    /* 2x1 with kernel 1, stride 2, one row of padding below: the second window would start in the padding. */
    n = pool_node(NPI_OP_MAXPOOL2D, 1, 2, 0);
    n.a.pool.ceil_mode = 1;
    n.a.pool.win.pb = 1;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 1, 1)));
    WANT_F32(&o.out[0], 0, 1);
    done(&o);
    const float s = 0.1f;
    const int8_t q[4] = { -5, -7, -100, -6 };
    n = pool_node(NPI_OP_MAXPOOL2D, 2, 1, 0);
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 2, 2, 1)));
    WANT_INT(&o.out[0], NP_I8, -5);
    done(&o);
}

static void average_pool(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = pool_node(NPI_OP_AVGPOOL2D, 2, 1, 1);
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)));
    WANT_F32(&o.out[0], 0, 1, 1.5f, 2, 2, 2.5f, 3, 3, 3.5f, 4);
    done(&o);
    n.a.pool.count_include_pad = 1;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)));
    WANT_F32(&o.out[0], 0, .25f, .75f, .5f, 1, 2.5f, 1.5f, .75f, 1.75f, 1);
    done(&o);
    /* Integers: (1+2+3+5)/4 = 2.75 -> 3. Twice the scale on the output: 1.375 + 10 -> 11. */
    const float s = 1, s2 = 2;
    const int32_t z = 10;
    const int8_t q[4] = { 1, 2, 3, 5 };
    n = pool_node(NPI_OP_AVGPOOL2D, 2, 1, 0);
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 2, 2, 1)));
    WANT_INT(&o.out[0], NP_I8, 3);
    done(&o);
    o.out[0] = (struct npi_view){ .dtype = NP_U8, .q = { 1, 0, &s2, &z } };
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 2, 2, 1)));
    WANT_INT(&o.out[0], NP_U8, 11);
    done(&o);
    const float lp[2] = { 3, -4 };
    n = pool_node(NPI_OP_LPPOOL2D, 1, 1, 0);
    n.a.pool.win.kw = 2;
    RUN(o, n, 1, V(NP_F32, lp, DIMS(1, 1, 2, 1)));
    WANT_F32(&o.out[0], 0, 5);
    done(&o);
}

static struct npi_node resize_node(int mode, int coord, int64_t h, int64_t w) {
    struct npi_node n = { .op = NPI_OP_RESIZE, .name = "" };
    n.a.resize.mode = mode;
    n.a.resize.coord = coord;
    n.a.resize.cubic_a = -0.75f;
    n.a.resize.size[0] = 1;
    n.a.resize.size[1] = h;
    n.a.resize.size[2] = w;
    n.a.resize.size[3] = 1;
    return n;
}

/* [1 2; 3 4] to a row of four columns and two rows. */
static void resize_coords(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const struct { int mode, coord; float want[8]; } t[] = {
        { NPI_RESIZE_NEAREST, NPI_COORD_ASYMMETRIC, { 1, 1, 2, 2, 3, 3, 4, 4 } }, /* 0.5 and 1.5 go down */
        { NPI_RESIZE_NEAREST, NPI_COORD_HALF_PIXEL, { 1, 1, 2, 2, 3, 3, 4, 4 } },
        { NPI_RESIZE_LINEAR, NPI_COORD_HALF_PIXEL, { 1, 1.25f, 1.75f, 2, 3, 3.25f, 3.75f, 4 } },
        { NPI_RESIZE_LINEAR, NPI_COORD_ASYMMETRIC, { 1, 1.5f, 2, 2, 3, 3.5f, 4, 4 } },
        { NPI_RESIZE_LINEAR, NPI_COORD_ALIGN_CORNERS, { 1, 4.f / 3, 5.f / 3, 2, 3, 10.f / 3, 11.f / 3, 4 } },
        { NPI_RESIZE_LINEAR, NPI_COORD_PYTORCH_HALF_PIXEL, { 1, 1.25f, 1.75f, 2, 3, 3.25f, 3.75f, 4 } },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const struct npi_node n = resize_node(t[i].mode, t[i].coord, 2, 4);
        RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)));
        WANT_DIMS(&o.out[0], 1, 2, 4, 1);
        want_f32(&o.out[0], t[i].want, 8, 1e-6f);
        done(&o);
    }
}

/* Cubic at 0.25 between 1 and 2, a = -0.75: weights -.105469 .878906 .261719 -.035156 over 1, 1, 2, 2.
 * Antialiased linear 4 -> 2 by half: centres 0.5 and 2.5, triangle of radius 2: 1/4 (.25*2 + .75*...) worked out below. */
static void resize_kernels(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = resize_node(NPI_RESIZE_CUBIC, NPI_COORD_HALF_PIXEL, 1, 4);
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 1, 2, 1)));
    const float a = -.10546875f * 1 + .87890625f * 1 + .26171875f * 2 - .03515625f * 2;
    WANT_F32(&o.out[0], 1e-6f, /* -0.25: taps 1,1,1,2 */ 1 - .10546875f, a, 3 - a, 2 + .10546875f);
    done(&o);
    n.a.resize.exclude_outside = 1; /* -0.25: taps 0, 1 with weights .878906, -.105469, normalised */
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 1, 2, 1)));
    const float e = (.87890625f - .10546875f * 2) / (.87890625f - .10546875f);
    assert_true(fabsf(((float *)o.out[0].data)[0] - e) < 1e-6f);
    done(&o);
    n = resize_node(NPI_RESIZE_LINEAR, NPI_COORD_HALF_PIXEL, 1, 2);
    n.a.resize.antialias = 1; /* centre 0.5, weights of -1, 0, 1, 2: .25 .75 .75 .25 over 1 1 2 3, sum 2 */
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 1, 4, 1)));
    WANT_F32(&o.out[0], 1e-6f, (.25f + .75f + 1.5f + .75f) / 2, (.5f + 2.25f + 3 + 1) / 2);
    done(&o);
    n = resize_node(NPI_RESIZE_LINEAR, NPI_COORD_TF_CROP_AND_RESIZE, 1, 3);
    n.a.resize.roi[2] = 0.5f; /* columns from 0.5 to 1.5 of the width: 1.5, 3, 4.5 on 0..3 */
    n.a.resize.roi[4 + 2] = 1.5f;
    n.a.resize.roi[4] = n.a.resize.roi[5] = n.a.resize.roi[7] = 1;
    n.a.resize.extrapolation = 9;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 1, 4, 1)));
    WANT_F32(&o.out[0], 1e-6f, 2.5f, 4, 9);
    done(&o);
}

/* Integer bilinear: 10, 20 half way at quarters: 12.5 -> 13 (half up), 17.5 -> 18. */
static void resize_int(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    const float s = 1, s2 = 2;
    const int8_t q[2] = { 10, 20 };
    struct npi_node n = resize_node(NPI_RESIZE_LINEAR, NPI_COORD_HALF_PIXEL, 1, 4);
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 1, 2, 1)));
    WANT_INT(&o.out[0], NP_I8, 10, 13, 18, 20);
    done(&o);
    o.out[0] = (struct npi_view){ .dtype = NP_I8, .q = { 1, 0, &s2, NULL } };
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 1, 2, 1)));
    WANT_INT(&o.out[0], NP_I8, 5, 6, 9, 10);
    done(&o);
    n.a.resize.mode = NPI_RESIZE_NEAREST;
    RUN(o, n, 1, VQ(NP_I8, q, &s, NULL, DIMS(1, 1, 2, 1)));
    WANT_INT(&o.out[0], NP_I8, 10, 10, 20, 20);
    done(&o);
}

static void grid_sample(void **st) {
    (void)st;
    struct ops_run o = { 0 };
    struct npi_node n = { .op = NPI_OP_GRID_SAMPLE, .name = "" };
    n.a.grid.mode = NPI_RESIZE_LINEAR;
    n.a.grid.align_corners = 1;
    const float g[6] = { -1, -1, 0, 0, 2, 1 }; /* a corner, the middle, half a pixel outside */
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, g, DIMS(1, 1, 3, 2)));
    WANT_F32(&o.out[0], 1e-6f, 1, 2.5f, 2);
    done(&o);
    n.a.grid.padding = 1;
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, g, DIMS(1, 1, 3, 2)));
    WANT_F32(&o.out[0], 1e-6f, 1, 2.5f, 4);
    done(&o);
    n.a.grid.padding = 2; /* 1.5 mirrors to 0.5 */
    RUN(o, n, 1, V(NP_F32, count, DIMS(1, 2, 2, 1)), V(NP_F32, g, DIMS(1, 1, 3, 2)));
    WANT_F32(&o.out[0], 1e-6f, 1, 2.5f, 3.5f);
    done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_pool), cmocka_unit_test(average_pool), cmocka_unit_test(resize_coords), cmocka_unit_test(resize_kernels),
        cmocka_unit_test(resize_int), cmocka_unit_test(grid_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
