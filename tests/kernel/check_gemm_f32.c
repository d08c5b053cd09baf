/* SPDX-License-Identifier: Apache-2.0 */
/* The f32 product against a double sum over unpacked weights. Bound: each of the K products and sums rounds once, in any
 * order, so (K + 4) eps times the sum of magnitudes; activations have a Lipschitz constant below 1.13 and add a few ulp. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"

struct problem {
    int m, n, k, taps, act, res, before, split, bias;
    size_t ldc;
};

static const float *const *make_rows(struct ck *c, const struct problem *p, float *a) {
    /* rows overlap and repeat, as those of a convolution do */
    const float **rows = ck_in(c, (size_t)(p->taps * (p->m + 3)) * sizeof *rows, 8);
    for (int t = 0; t < p->taps; t++)
        for (int m = 0; m < p->m + 3; m++) rows[t * (p->m + 3) + m] = a + (t * 7 + m * p->k) % (p->m * p->k + 1);
    return rows;
}

static void reference(const struct problem *p, const struct npi_gemm_f32_job *j, const float *w, float *want, float *bound) {
    for (int m = 0; m < p->m; m++)
        for (int n = 0; n < p->n; n++) {
            double s = j->bias ? j->bias[n] : 0, mag = fabs(s);
            for (int t = 0; t < p->taps; t++)
                for (int i = 0; i < p->k; i++) {
                    const double x = (double)j->a[(size_t)t * j->a_stride + (size_t)m][i] * w[(t * p->k + i) * p->n + n];
                    s += x;
                    mag += fabs(x);
                }
            const float r = p->res ? j->res[(size_t)m * j->ldres + (size_t)n] : 0;
            if (p->res && p->before) s += r, mag += fabs(r);
            float y = npi_kact_c(&j->act, (float)s);
            double b = (p->k * p->taps + 4) * (double)FLT_EPSILON * mag * 1.13 + 4 * (double)FLT_EPSILON * fabs(y) + 2e-38;
            if (j->act.kind == NPI_KACT_GELU || j->act.kind == NPI_KACT_HARD_SWISH) b = 2 * b + 4 * (double)FLT_EPSILON * fabs(s);
            if (j->act.kind == NPI_KACT_SILU) b += 1e-34 * fabs(s); /* sigmoid stops at e^-80 */
            if (j->act.kind == NPI_KACT_TANH || j->act.kind == NPI_KACT_SIGMOID) b += 2 * (double)FLT_EPSILON;
            if (p->res && !p->before) y += r, b += (double)FLT_EPSILON * (fabs(r) + fabs(y));
            want[(size_t)m * p->ldc + (size_t)n] = y;
            bound[(size_t)m * p->ldc + (size_t)n] = (float)b;
        }
}

static void one(struct ck *c, const struct npi_gemm_f32 *g, const struct problem *p) {
    const int K = p->k * p->taps;
    ck_case(c, "m=%d n=%d k=%d taps=%d act=%d res=%d%s split=%d", p->m, p->n, p->k, p->taps, p->act, p->res, p->before ? " before" : "", p->split);
    const size_t cols = npi_gemm_f32_packed_cols(g, p->n), out = (size_t)p->m * p->ldc;
    float *a = ck_in_end(c, (size_t)(p->m * p->k + p->taps * 7 + p->m * p->k) * 4, 4);
    float *w = ck_in(c, (size_t)(K * p->n) * 4, 4), *packed = ck_in(c, (size_t)K * cols * 4, 64), *bias = ck_in(c, (size_t)p->n * 4, 4);
    float *res = ck_in(c, out * 4, 4), *y = ck_out(c, out * 4, 4), *want = ck_in(c, out * 4, 4), *bound = ck_in(c, out * 4, 4);
    ck_fill_f32(c, a, (size_t)(2 * p->m * p->k + p->taps * 7), p->k * p->taps < 40 ? CK_ANY : CK_NORMAL);
    ck_fill_f32(c, w, (size_t)(K * p->n), CK_NORMAL);
    ck_fill_f32(c, bias, (size_t)p->n, CK_NORMAL);
    ck_fill_f32(c, res, out, CK_NORMAL);
    npi_gemm_f32_pack(g, packed, w, K, p->n, (size_t)p->n, 1);
    struct npi_gemm_f32_job j = { .a = make_rows(c, p, a), .a_stride = (size_t)p->m + 3, .m = p->m, .taps = p->taps, .k = p->k, .w = packed, .bias = p->bias ? bias : NULL,
                                  .n = p->n, .c = y, .ldc = p->ldc, .res = p->res ? res : NULL, .ldres = p->ldc, .res_before_act = p->before,
                                  .act = { p->act, p->act == NPI_KACT_LEAKY ? .1f : -.25f, .5f } };
    memcpy(want, y, out * 4); /* what lies between the columns must stay */
    reference(p, &j, w, want, bound);
    if (p->split) { /* in two runs of panels, as threads would */
        int n0 = 0;
        size_t at = 0;
        while (n0 < p->n / 2) {
            const int width = g->panel(p->n - n0);
            at += (size_t)width * (size_t)K;
            n0 += width;
        }
        struct npi_gemm_f32_job h = j;
        h.n = n0 < p->n ? n0 : p->n;
        h.n_behind = p->n - h.n;
        g->run(&h);
        if (h.n_behind) {
            j.w += at;
            j.bias = j.bias ? j.bias + n0 : NULL;
            j.c += n0;
            j.res = j.res ? j.res + n0 : NULL;
            j.n = h.n_behind;
            g->run(&j);
        }
    } else {
        g->run(&j);
    }
    ck_near_f32(c, y, want, out, bound, 0);
}

static void check(struct ck *c) {
    const struct npi_gemm_f32 *g = &c->k->gemm_f32;
    static const int ns[] = { 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 18, 24, 25, 31, 32, 33, 40, 41, 47, 48, 49, 64, 72, 90, 96, 100, 145 };
    if (!ck_fn(c, g->name, g->run, c->ref->gemm_f32.run)) return;
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
        for (int m = 1; m < 20; m += ck_range(c, 1, 3)) {
            struct problem p = { .m = m, .n = ns[i], .k = ck_range(c, 1, 33), .taps = ck_range(c, 0, 2) ? 1 : ck_range(c, 2, 9), .split = ck_range(c, 0, 1),
                                 .bias = ck_range(c, 0, 3) > 0, .res = ck_range(c, 0, 1), .before = ck_range(c, 0, 1), .act = ck_range(c, 0, 1) ? ck_range(c, 0, 7) : 1 };
            p.ldc = (size_t)p.n + (size_t)ck_range(c, 0, 3);
            one(c, g, &p);
        }
    one(c, g, &(struct problem){ .m = 33, .n = 96, .k = 300, .taps = 1, .ldc = 96, .bias = 1 });
    ck_fn(c, "gemm_f32.panel", g->panel, c->ref->gemm_f32.panel);
    ck_case(c, "widths");
    for (int n = 1; n < 400; n++) { /* packed storage is at least n and the excess below one vector */
        const int32_t over = (int32_t)npi_gemm_f32_packed_cols(g, n) - n, most = 16, ok = over >= 0 && over < most, one_ = 1;
        ck_equal_i32(c, &ok, &one_, 1);
    }
}

struct bench { const struct npi_gemm_f32 *g; struct npi_gemm_f32_job j; };
static void call(void *arg) {
    const struct bench *b = arg;
    b->g->run(&b->j);
}

/* One shape: the whole matrix in jobs of 64 rows would be the engine's way; here one job, so the number is the kernel's. */
static void bench(struct ck *c) {
    const struct npi_gemm_f32 *g = &c->k->gemm_f32;
    struct ck_shape s;
    if (!ck_bench_fn(c, g->run)) return;
    for (int pos = 0; ck_shape(c, "gemm_f32", &s, &pos);) {
        ck_case(c, "%s", s.name);
        const int m = ck_get(&s, "m", 64), n = ck_get(&s, "n", 64), k = ck_get(&s, "k", 64), taps = ck_get(&s, "taps", 1);
        const size_t cols = npi_gemm_f32_packed_cols(g, n);
        float *a = ck_in(c, (size_t)m * (size_t)k * 4, 64), *w = ck_in(c, (size_t)(k * taps) * cols * 4, 64), *bias = ck_in(c, (size_t)n * 4, 64);
        float *y = ck_out(c, (size_t)m * (size_t)n * 4, 64);
        const float **rows = ck_in(c, (size_t)(taps * m) * sizeof *rows, 8);
        ck_fill_f32(c, a, (size_t)m * (size_t)k, CK_NORMAL);
        ck_fill_f32(c, w, (size_t)(k * taps) * cols, CK_NORMAL);
        for (int i = 0; i < taps * m; i++) rows[i] = a + (size_t)(i % m) * (size_t)k;
        struct bench b = { g, { .a = rows, .a_stride = (size_t)m, .m = m, .taps = taps, .k = k, .w = w, .bias = bias, .n = n, .c = y, .ldc = (size_t)n,
                                .act = { ck_get(&s, "act", NPI_KACT_CLAMP), 0, INFINITY } } };
        ck_bench(c, "gemm_f32", s.name, call, &b, 2. * m * n * k * taps);
    }
}

const struct ck_family ck_gemm_f32 = { "gemm_f32", check, bench };
