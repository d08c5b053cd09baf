/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one op on small literal tensors: T(...) makes a view, run() infers, evaluates and leaves the outputs in `out`. */
#ifndef NPI_TESTS_UNIT_OPS_RUN_H
#define NPI_TESTS_UNIT_OPS_RUN_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/ops.h"

struct ops_run {
    struct npi_view out[4];
    struct np_error err;
    int r;                     /* of infer */
};

#define DIMS(...) (sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ }
/* V(NP_F32, data, DIMS(1, 2, 2, 1)), VQ(NP_I8, data, scale, zero, DIMS(...)); scale and zero are addresses of one value */
#define V(type, ptr, ...) &(struct npi_view){ type, __VA_ARGS__, { 0 }, (void *)(ptr) }
#define VQ(type, ptr, sc, ze, ...) &(struct npi_view){ type, __VA_ARGS__, { 1, 0, sc, ze }, (void *)(ptr) }

static inline void run(struct ops_run *o, const struct npi_node *node, int n_in, const struct npi_view *const *in, int n_out) {
    struct npi_op_args a = { .node = node, .inv = in, .n_in = n_in, .n_out = n_out };
    for (int i = 0; i < n_in && i < 8; i++) a.in[i] = in[i];
    for (int i = 0; i < n_out; i++) a.out[i] = &o->out[i];
    if ((o->r = npi_op_infer(&a, &o->err)) < 0) return;
    for (int i = 0; i < n_out; i++) assert_non_null(o->out[i].data = npi_alloc(npi_view_bytes(&o->out[i])));
    const size_t n = npi_op_scratch(&a);
    a.scratch = n ? npi_alloc(n) : NULL;
    npi_op_eval(&a);
    npi_free(a.scratch);
}
#define RUN(o, node, n_out, ...) \
    run(&(o), &(node), sizeof((const struct npi_view *[]){ __VA_ARGS__ }) / sizeof(void *), (const struct npi_view *[]){ __VA_ARGS__ }, n_out)

static inline void done(struct ops_run *o) {
    for (int i = 0; i < 4; i++) npi_free(o->out[i].data);
    *o = (struct ops_run){ 0 };
}

static inline void want_dims(const struct npi_view *v, int rank, const int64_t *d) {
    assert_int_equal(v->rank, rank);
    for (int i = 0; i < rank; i++) assert_int_equal(v->d[i], d[i]);
}
#define WANT_DIMS(v, ...) want_dims(v, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ })

static inline void want_f32(const struct npi_view *v, const float *w, int64_t n, float tol) {
    assert_int_equal(v->dtype, NP_F32);
    assert_int_equal(npi_view_count(v), n);
    for (int64_t i = 0; i < n; i++) {
        const float g = ((const float *)v->data)[i];
        if (!(g - w[i] <= tol && w[i] - g <= tol)) fail_msg("value %d is %.9g, expected %.9g", (int)i, (double)g, (double)w[i]);
    }
}
#define WANT_F32(v, tol, ...) want_f32(v, (const float[]){ __VA_ARGS__ }, sizeof((float[]){ __VA_ARGS__ }) / sizeof(float), tol)

static inline int64_t int_at(const struct npi_view *v, int64_t i) {
    switch (v->dtype) {
    case NP_I8: return ((const int8_t *)v->data)[i];
    case NP_U8: return ((const uint8_t *)v->data)[i];
    case NP_I16: return ((const int16_t *)v->data)[i];
    case NP_I32: return ((const int32_t *)v->data)[i];
    case NP_I64: return ((const int64_t *)v->data)[i];
    default: fail_msg("type %s is no integer", np_dtype_name(v->dtype)); return 0;
    }
}
static inline void want_int(const struct npi_view *v, int dtype, const int64_t *w, int64_t n) {
    assert_int_equal(v->dtype, dtype);
    assert_int_equal(npi_view_count(v), n);
    for (int64_t i = 0; i < n; i++)
        if (int_at(v, i) != w[i]) fail_msg("value %d is %lld, expected %lld", (int)i, (long long)int_at(v, i), (long long)w[i]);
}
#define WANT_INT(v, type, ...) want_int(v, type, (const int64_t[]){ __VA_ARGS__ }, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#endif
