/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work on floats. Arithmetic gives the bits of C; functions with exp in them stay within the bounds below. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

typedef void (*vec_fn)(float *, const float *, const float *, size_t, float, float);
typedef void (*rows_fn)(float *, const float *, const float *, size_t, size_t, float, float);

static void fill(struct ck *c, float *p, size_t n, int i) { ck_fill_f32(c, p, n, i % 3 == 2 ? CK_SPECIAL : CK_ANY); }

static void binary(struct ck *c, vec_fn fn, vec_fn ref, int scalar) {
    for (int n = 0; n < 100; n++) {
        const int in_place = n % 4, clamp = n % 5 == 1;
        const size_t count = (size_t)n;
        ck_case(c, "n=%d%s%s", n, in_place == 1 ? " y=x" : in_place == 2 && !scalar ? " y=z" : "", clamp ? " clamp" : "");
        float *x = ck_in(c, count * 4, 4), *z = ck_in(c, scalar ? 4 : count * 4, 4), *got = ck_out(c, count * 4, 4), *want = ck_out(c, count * 4, 4);
        fill(c, x, count, n);
        fill(c, z, scalar ? 1 : count, n + 1);
        const float lo = clamp ? 0 : -INFINITY, hi = clamp ? 6 : INFINITY;
        ref(want, x, z, count, lo, hi);
        if (in_place == 1 && n) memcpy(got, x, count * 4);
        if (in_place == 2 && !scalar && n) memcpy(got, z, count * 4);
        fn(got, in_place == 1 ? got : x, in_place == 2 && !scalar ? got : z, count, lo, hi);
        ck_near_f32(c, got, want, count, NULL, 0);
    }
}

static void per_channel(struct ck *c, rows_fn fn, rows_fn ref) {
    for (int i = 0; i < 60; i++) {
        const size_t rows = (size_t)ck_range(c, 1, i % 3 ? 7 : 100), n = (size_t)(i < 40 ? i + 1 : ck_range(c, 1, 200));
        ck_case(c, "rows=%zu n=%zu", rows, n);
        float *x = ck_in(c, rows * n * 4, 4), *z = ck_in(c, n * 4, 4), *got = ck_out(c, rows * n * 4, 4), *want = ck_out(c, rows * n * 4, 4);
        fill(c, x, rows * n, i);
        fill(c, z, n, i + 1);
        ref(want, x, z, rows, n, -1, 1);
        fn(got, x, z, rows, n, -1, 1);
        ck_near_f32(c, got, want, rows * n, NULL, 0);
    }
}

/* Allowed distance to C, in ulps of the result and in 2^-24 |x|: what C and the kernel may each be off, added up. Gelu's 1 + erf
 * cancels for negative x, so its error is relative to x. */
static const struct { int ulps; float of_x; } bound[NPI_MAP_COUNT] = {
    [NPI_MAP_EXP] = { 2, 0 }, [NPI_MAP_SIGMOID] = { 4, 0 }, [NPI_MAP_SILU] = { 4, 0 }, [NPI_MAP_TANH] = { 4, 0 }, [NPI_MAP_ERF] = { 4, 0 },
    [NPI_MAP_GELU] = { 2, 3 }, [NPI_MAP_GELU_TANH] = { 2, 8 }, [NPI_MAP_MISH] = { 6, 0 }, [NPI_MAP_ELU] = { 6, 0 },
};

static void map(struct ck *c, int op, void (*fn)(float *, const float *, size_t, float, float), void (*ref)(float *, const float *, size_t, float, float)) {
    for (int i = 0; i < 140; i++) {
        const size_t n = (size_t)(i < 100 ? i : 512);
        const int in_place = i % 2;
        ck_case(c, "n=%zu i=%d", n, i);
        float *x = ck_in(c, n * 4, 4), *got = ck_out(c, n * 4, 4), *want = ck_out(c, n * 4, 4), *tol = ck_out(c, n * 4, 4);
        ck_fill_f32(c, x, n, i % 4 == 3 ? CK_SPECIAL : CK_ANY);
        for (size_t k = 0; i % 4 == 1 && k < n; k++) x[k] = 100 * ck_randf(c); /* over the whole range of exp */
        for (size_t k = 0; i % 4 == 2 && k < n; k++) x[k] = 5 * ck_randf(c);
        for (size_t k = 0; k < n; k++)
            if (isinf(x[k]) && x[k] < 0 && (op == NPI_MAP_SILU || op >= NPI_MAP_GELU)) x[k] = -FLT_MAX; /* -inf * 0: not defined there */
        const float a = op == NPI_MAP_CLAMP ? -.5f : .25f, b = .75f;
        ref(want, x, n, a, b);
        if (in_place && n) memcpy(got, x, n * 4);
        fn(got, in_place ? got : x, n, a, b);
        for (size_t k = 0; k < n; k++) {
            const float w = fabsf(want[k]);
            tol[k] = (isfinite(w) ? w * (float)bound[op].ulps * FLT_EPSILON : 0) + (isfinite(x[k]) ? fabsf(x[k]) * bound[op].of_x * 0x1p-24f : 0);
        }
        ck_near_f32(c, got, want, n, tol, bound[op].ulps ? FLT_MIN : 0); /* where C gives a denormal the kernel may round once more */
    }
}

static void softmax(struct ck *c, void (*fn)(float *, const float *, size_t, size_t), void (*ref)(float *, const float *, size_t, size_t)) {
    for (int i = 1; i < 80; i++) {
        const size_t rows = (size_t)ck_range(c, 1, 3), n = (size_t)(i < 60 ? i : ck_range(c, 60, 1000));
        ck_case(c, "rows=%zu n=%zu", rows, n);
        float *x = ck_in(c, rows * n * 4, 4), *got = ck_out(c, rows * n * 4, 4), *want = ck_out(c, rows * n * 4, 4), *tol = ck_out(c, rows * n * 4, 4);
        for (size_t k = 0; k < rows * n; k++) x[k] = (i % 3 ? 4 : 80) * ck_randf(c);
        if (i % 7 == 0) x[0] = -INFINITY;
        ref(want, x, rows, n);
        if (i % 2) memcpy(got, x, rows * n * 4);
        fn(got, i % 2 ? got : x, rows, n);
        for (size_t k = 0; k < rows * n; k++) tol[k] = want[k] * (4 + (float)n / 8) * FLT_EPSILON; /* n / 8 additions a lane */
        ck_near_f32(c, got, want, rows * n, tol, FLT_MIN);
    }
}

static void bins(struct ck *c, void (*fn)(float *, const float *, size_t, size_t), void (*ref)(float *, const float *, size_t, size_t)) {
    for (int i = 1; i < 80; i++) {
        const size_t rows = (size_t)ck_range(c, 1, 3), n = (size_t)(i < 60 ? i : ck_range(c, 60, 1000));
        ck_case(c, "rows=%zu n=%zu", rows, n);
        float *x = ck_in(c, rows * n * 4, 4), *got = ck_out(c, rows * 12, 4), *want = ck_out(c, rows * 12, 4), *tol = ck_out(c, rows * 12, 4);
        for (size_t k = 0; k < rows * n; k++) x[k] = (i % 3 ? 4 : 80) * ck_randf(c);
        if (i % 7 == 0 && n > 1) x[0] = -INFINITY;
        if (i % 11 == 0) x[n / 2] = NAN;
        ref(want, x, rows, n);
        fn(got, x, rows, n);
        if (i % 11 == 0) { /* the maximum may be any then */
            if (!isnan(got[1]) || !isnan(got[2])) ck_fail(c, "a NaN is lost");
            got[0] = want[0];
            memcpy(got + 1, want + 1, 2 * sizeof *got);
        }
        /* All terms are positive: e^x 1.2 ulp, and each lane adds n / 8 of them; relative to the sum. */
        for (size_t k = 0; k < rows * 3; k++) tol[k] = k % 3 ? want[k] * (4 + (float)n / 8) * FLT_EPSILON : 0;
        ck_near_f32(c, got, want, rows * 3, tol, FLT_MIN);
    }
}

typedef void (*layer_norm_fn)(float *, const float *, size_t, size_t, const float *, const float *, float, int);
static void layer_norm(struct ck *c, layer_norm_fn fn, layer_norm_fn ref) {
    for (int i = 1; i < 80; i++) {
        const size_t rows = (size_t)ck_range(c, 1, 3), n = (size_t)(i < 60 ? i : ck_range(c, 60, 1000));
        ck_case(c, "rows=%zu n=%zu%s", rows, n, i % 4 ? "" : " rms");
        float *x = ck_in(c, rows * n * 4, 4), *scale = ck_in(c, n * 4, 4), *bias = ck_in(c, n * 4, 4), *got = ck_out(c, rows * n * 4, 4), *want = ck_out(c, rows * n * 4, 4);
        for (size_t k = 0; k < rows * n; k++) x[k] = 2 + 3 * ck_randf(c);
        ck_fill_f32(c, scale, n, CK_NORMAL);
        ck_fill_f32(c, bias, n, CK_NORMAL);
        ref(want, x, rows, n, scale, bias, 1e-3f, i % 4 == 0);
        if (i % 2) memcpy(got, x, rows * n * 4);
        fn(got, i % 2 ? got : x, rows, n, scale, bias, 1e-3f, i % 4 == 0);
        /* The mean of n values up to 5 is off by (n / 8 + 4) roundings of 5, and 1 / sqrt(eps) = 32 at most makes it larger. */
        ck_near_f32(c, got, want, rows * n, NULL, 32 * 5 * (4 + (float)n / 8) * FLT_EPSILON);
    }
}

static const char *const bin_names[] = {
#define NAME(name, expr) #name,
    NPI_BIN_F32_LIST(NAME)
};
static const char *const map_names[] = { NPI_MAP_F32_LIST(NAME) };

static void check(struct ck *c) {
    const struct npi_elem_f32 *k = &c->k->elem_f32, *ref = &c->ref->elem_f32;
    char name[64];
    for (int i = 0; i < NPI_BIN_COUNT; i++) {
        snprintf(name, sizeof name, "%s_vv", bin_names[i]);
        if (ck_fn(c, name, k->bin[i].vv, ref->bin[i].vv)) binary(c, k->bin[i].vv, ref->bin[i].vv, 0);
        snprintf(name, sizeof name, "%s_vs", bin_names[i]);
        if (ck_fn(c, name, k->bin[i].vs, ref->bin[i].vs)) binary(c, k->bin[i].vs, ref->bin[i].vs, 1);
        snprintf(name, sizeof name, "%s_vc", bin_names[i]);
        if (ck_fn(c, name, k->bin[i].vc, ref->bin[i].vc)) per_channel(c, k->bin[i].vc, ref->bin[i].vc);
    }
    for (int i = 0; i < NPI_MAP_COUNT; i++)
        if (ck_fn(c, map_names[i], k->map[i], ref->map[i])) map(c, i, k->map[i], ref->map[i]);
    if (ck_fn(c, "softmax", k->softmax, ref->softmax)) softmax(c, k->softmax, ref->softmax);
    if (ck_fn(c, "bins", k->bins, ref->bins)) bins(c, k->bins, ref->bins);
    if (ck_fn(c, "layer_norm", k->layer_norm, ref->layer_norm)) layer_norm(c, k->layer_norm, ref->layer_norm);
}

struct job { const struct npi_elem_f32 *k; float *y, *x, *z; size_t n; };
static void call_add(void *p) { const struct job *j = p; j->k->bin[NPI_BIN_ADD].vv(j->y, j->x, j->z, j->n, -INFINITY, INFINITY); }
static void call_mul_c(void *p) { const struct job *j = p; j->k->bin[NPI_BIN_MUL].vc(j->y, j->x, j->z, j->n / 64, 64, -INFINITY, INFINITY); }
static void call_silu(void *p) { const struct job *j = p; j->k->map[NPI_MAP_SILU](j->y, j->x, j->n, 0, 0); }
static void call_gelu(void *p) { const struct job *j = p; j->k->map[NPI_MAP_GELU](j->y, j->x, j->n, 0, 0); }
static void call_tanh(void *p) { const struct job *j = p; j->k->map[NPI_MAP_TANH](j->y, j->x, j->n, 0, 0); }
static void call_softmax(void *p) { const struct job *j = p; j->k->softmax(j->y, j->x, j->n / 64, 64); }

static void call_bins(void *p) { const struct job *j = p; j->k->bins(j->y, j->x, j->n / 32, 32); }

static void bench(struct ck *c) {
    struct job j = { .k = &c->k->elem_f32, .n = 8192 };
    const struct { const char *name; ck_any_fn fn; void (*call)(void *); } rows[] = {
        { "add_vv", (ck_any_fn)j.k->bin[NPI_BIN_ADD].vv, call_add },   { "mul_vc", (ck_any_fn)j.k->bin[NPI_BIN_MUL].vc, call_mul_c },
        { "silu", (ck_any_fn)j.k->map[NPI_MAP_SILU], call_silu },     { "gelu", (ck_any_fn)j.k->map[NPI_MAP_GELU], call_gelu },
        { "tanh", (ck_any_fn)j.k->map[NPI_MAP_TANH], call_tanh },     { "softmax64", (ck_any_fn)j.k->softmax, call_softmax },
        { "bins32", (ck_any_fn)j.k->bins, call_bins },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!ck_bench_fn(c, rows[i].fn)) continue;
        ck_case(c, "%s", rows[i].name);
        j.x = ck_in(c, j.n * 4, 64);
        j.z = ck_in(c, j.n * 4, 64);
        j.y = ck_out(c, j.n * 4, 64);
        ck_fill_f32(c, j.x, j.n, CK_NORMAL);
        ck_fill_f32(c, j.z, j.n, CK_NORMAL);
        ck_bench(c, rows[i].name, "n=8192", rows[i].call, &j, (double)j.n);
    }
}

const struct ck_family ck_elem_f32 = { "elem_f32", check, bench };
