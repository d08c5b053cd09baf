/* SPDX-License-Identifier: Apache-2.0 */
/* Float pools: maxima are exact; sums run in the same order at every level, so they are exact too. */
#include <math.h>

#include "check.h"

enum { MAX_TAPS = 30 };

struct problem { const float *tap[MAX_TAPS]; float *x, *got, *want; int n; size_t c; };

static void make(struct ck *c, struct problem *p, int i) {
    p->c = (size_t)(i < 70 ? i + 1 : ck_range(c, 1, 300));
    p->n = i % 7 == 0 ? 1 : ck_range(c, 1, MAX_TAPS);
    ck_case(c, "c=%zu taps=%d", p->c, p->n);
    p->x = ck_in(c, p->c * 4 * (size_t)p->n, 4);
    p->got = ck_out(c, p->c * 4, 4);
    p->want = ck_out(c, p->c * 4, 4);
    ck_fill_f32(c, p->x, p->c * (size_t)p->n, CK_ANY);
    for (int t = 0; t < p->n; t++) p->tap[t] = p->x + (size_t)t * p->c;
}

static void check(struct ck *c) {
    struct problem p;
    if (ck_fn(c, "pool max_f32", c->k->pool.max_f32, c->ref->pool.max_f32))
        for (int i = 0; i < 150; i++) {
            make(c, &p, i);
            const float lo = i & 1 ? -.3f : -INFINITY, hi = i & 1 ? .4f : INFINITY;
            c->k->pool.max_f32(p.got, p.tap, p.n, p.c, lo, hi);
            c->ref->pool.max_f32(p.want, p.tap, p.n, p.c, lo, hi);
            ck_near_f32(c, p.got, p.want, p.c, NULL, 0);
        }
    if (ck_fn(c, "pool avg_f32", c->k->pool.avg_f32, c->ref->pool.avg_f32))
        for (int i = 0; i < 150; i++) {
            make(c, &p, i);
            c->k->pool.avg_f32(p.got, p.tap, p.n, p.c, 1.f / (float)p.n);
            c->ref->pool.avg_f32(p.want, p.tap, p.n, p.c, 1.f / (float)p.n);
            ck_near_f32(c, p.got, p.want, p.c, NULL, 0);
        }
    if (ck_fn(c, "pool mean_f32", c->k->pool.mean_f32, c->ref->pool.mean_f32))
        for (int i = 0; i < 100; i++) {
            const size_t ch = (size_t)(i < 40 ? i + 1 : ck_range(c, 1, 200)), rows = (size_t)ck_range(c, 1, 300), stride = ch + (size_t)(i % 3);
            ck_case(c, "c=%zu rows=%zu stride=%zu", ch, rows, stride);
            float *x = ck_in(c, ((rows - 1) * stride + ch) * 4, 4), *got = ck_out(c, ch * 4, 4), *want = ck_out(c, ch * 4, 4);
            ck_fill_f32(c, x, (rows - 1) * stride + ch, CK_ANY);
            c->k->pool.mean_f32(got, x, rows, stride, ch, 1.f / (float)rows);
            c->ref->pool.mean_f32(want, x, rows, stride, ch, 1.f / (float)rows);
            ck_near_f32(c, got, want, ch, NULL, 0);
        }
}

struct call { void (*max)(float *, const float *const *, int, size_t, float, float); struct problem p; };
static void call_max(void *arg) {
    struct call *a = arg;
    a->max(a->p.got, a->p.tap, a->p.n, a->p.c, -INFINITY, INFINITY);
}
static void bench(struct ck *c) {
    struct ck_shape s;
    int pos = 0;
    if (!ck_bench_fn(c, c->k->pool.max_f32)) return;
    while (ck_shape(c, "pool", &s, &pos)) {
        struct call a = { .max = c->k->pool.max_f32 };
        a.p.c = (size_t)ck_get(&s, "c", 64);
        a.p.n = ck_get(&s, "n", 4);
        ck_case(c, "%s", s.name);
        a.p.x = ck_in(c, a.p.c * 4 * (size_t)a.p.n, 64);
        a.p.got = ck_out(c, a.p.c * 4, 64);
        for (int t = 0; t < a.p.n; t++) a.p.tap[t] = a.p.x + (size_t)t * a.p.c;
        ck_bench(c, "max_f32", s.name, call_max, &a, (double)a.p.c * a.p.n);
    }
}

const struct ck_family ck_pool = { "pool", check, bench };
