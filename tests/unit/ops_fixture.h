/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of op references: constants go in, npi_build infers and folds, the values come out. Every check prints both sides. */
#ifndef TEST_OPS_FIXTURE_H
#define TEST_OPS_FIXTURE_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/build.h"
#include "ops/convert.h"

static struct npi_arena fx_mem;
static struct npi_graph fx_g;
static struct np_error fx_err;

static inline int fx_setup(void **state) {
    (void)state;
    npi_arena_init(&fx_mem, 0);
    return npi_graph_init(&fx_g, &fx_mem, "test");
}
static inline int fx_teardown(void **state) {
    (void)state;
    npi_arena_free(&fx_mem);
    return 0;
}

#define DIMS(...) (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define SCALAR NULL, 0
#define VALUES(...) (const double[]){ __VA_ARGS__ }, (int)(sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))

static inline struct npi_view fx_shape(int dtype, const int64_t *d, int rank) {
    struct npi_view v = { .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank; i++) v.d[i] = d[i];
    return v;
}
/* Constant of the given dtype; values repeat when there are fewer than elements. */
static inline int fx_const(int dtype, const int64_t *d, int rank, const double *x, int n) {
    struct npi_view v = fx_shape(dtype, d, rank);
    const int t = npi_graph_const(&fx_g, "c", &v);
    assert_true(t >= 0);
    for (int64_t i = 0; i < npi_view_count(&v); i++) npi_put_f64(dtype, fx_g.tensor[t].v.data, i, x[i % n]);
    return t;
}
static inline int fx_const_i64(int dtype, const int64_t *d, int rank, const int64_t *x) {
    struct npi_view v = fx_shape(dtype, d, rank);
    const int t = npi_graph_const(&fx_g, "c", &v);
    assert_true(t >= 0);
    for (int64_t i = 0; i < npi_view_count(&v); i++) npi_put_i64(dtype, fx_g.tensor[t].v.data, i, x[i]);
    return t;
}
/* A tensor without data. */
static inline int fx_input(int dtype, const int64_t *d, int rank) {
    struct npi_view v = fx_shape(dtype, d, rank);
    return npi_graph_tensor(&fx_g, "x", &v);
}
static inline void fx_set_q(int t, float scale, int zero) {
    float *s = npi_arena_array(&fx_mem, float, 1);
    int32_t *z = npi_arena_array(&fx_mem, int32_t, 1);
    *s = scale;
    *z = zero;
    fx_g.tensor[t].v.q = (struct npi_quant){ 1, 0, s, z };
}
static inline const struct npi_view *fx_run(const struct npi_node *n, const int *in, int n_in) {
    const int t = npi_build1(&fx_g, n, in, n_in, &fx_err);
    if (t < 0) fail_msg("%s", fx_err.message);
    return &fx_g.tensor[t].v;
}
#define RUN(node, ...) fx_run(&(node), (const int[]){ __VA_ARGS__ }, (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)))
static inline void fx_refuse_at(int line, const struct npi_node *n, const int *in, int n_in, int code, const char *text) {
    const int t = npi_build1(&fx_g, n, in, n_in, &fx_err);
    if (t != code || !strstr(fx_err.message, text)) fail_msg("line %d: got %d '%s', want %d with '%s'", line, t, t < 0 ? fx_err.message : "", code, text);
}
#define REFUSE(node, code, text, ...) fx_refuse_at(__LINE__, &(node), (const int[]){ __VA_ARGS__ }, (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)), code, text)

static inline void fx_expect_at(int line, const struct npi_view *v, int dtype, const int64_t *d, int rank, const double *x, int n, double tol) {
    const struct npi_view want = fx_shape(dtype, d, rank);
    if (v->dtype != dtype || !npi_view_same_shape(v, &want)) {
        printf("got %s rank %d:", np_dtype_name(v->dtype), v->rank);
        for (int i = 0; i < v->rank; i++) printf(" %lld", (long long)v->d[i]);
        fail_msg("line %d: shape or dtype differs, want %s rank %d", line, np_dtype_name(dtype), rank);
    }
    if (npi_view_count(v) != n) fail_msg("line %d: %lld elements, %d expected values", line, (long long)npi_view_count(v), n);
    if (n && !v->data) fail_msg("line %d: the node was not folded", line);
    for (int i = 0; i < n; i++) {
        const double g = npi_get_f64(v->dtype, v->data, i), w = x[i];
        if (!(g == w || (isnan(g) && isnan(w)) || fabs(g - w) <= tol * fmax(1, fabs(w)))) fail_msg("line %d: element %d is %.9g, want %.9g", line, i, g, w);
    }
}
#define EXPECT_TOL(tol, view, dtype, dims, values) fx_expect_at(__LINE__, view, dtype, dims, values, tol)
#define EXPECT(view, dtype, dims, values) fx_expect_at(__LINE__, view, dtype, dims, values, 0)
#define TEST(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
#endif
