/* SPDX-License-Identifier: Apache-2.0 */
/* Bilinear rows. Bytes are exact. Floats: two roundings a term on either side, so |error| <= 4 * eps * (sum of |weight * value|). */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

enum { MAX_OW = 40 };

struct problem {
    int iw, ow, c, fyi;
    float fy, w[2 * MAX_OW];
    int16_t fxi[MAX_OW];
    int32_t x0[MAX_OW], x1[MAX_OW];
};

static void make(struct ck *c, struct problem *p, int i) {
    p->iw = ck_range(c, 1, 20);
    p->ow = ck_range(c, 1, MAX_OW);
    p->c = i < 70 ? i + 1 : ck_range(c, 1, 150);
    p->fyi = i % 5 == 0 ? 0 : i % 5 == 1 ? 1024 : ck_range(c, 0, 1024);
    p->fy = (float)p->fyi / 1024;
    for (int o = 0; o < p->ow; o++) {
        p->fxi[o] = (int16_t)(o % 7 == 0 ? 1024 : ck_range(c, 0, 1024));
        p->w[2 * o + 1] = fabsf(ck_randf(c));
        p->w[2 * o] = 1 - p->w[2 * o + 1];
        const int a = ck_range(c, 0, p->iw - 1);
        p->x0[o] = a * p->c;
        p->x1[o] = (a + 1 < p->iw ? a + 1 : a) * p->c;
    }
    ck_case(c, "iw=%d ow=%d c=%d fy=%d", p->iw, p->ow, p->c, p->fyi);
}

static void floats(struct ck *c) {
    for (int i = 0; i < 150; i++) {
        struct problem p;
        make(c, &p, i);
        const size_t n = (size_t)(p.iw * p.c), m = (size_t)(p.ow * p.c);
        float *row = ck_in(c, n * 4, 4), *got = ck_out(c, m * 4, 4), *want = ck_out(c, m * 4, 4), *bound = ck_out(c, m * 4, 4);
        ck_fill_f32(c, row, n, i % 3 ? CK_NORMAL : CK_ANY);
        c->k->resize.lerp_f32(got, row, p.x0, p.x1, p.w, (size_t)p.ow, (size_t)p.c);
        c->ref->resize.lerp_f32(want, row, p.x0, p.x1, p.w, (size_t)p.ow, (size_t)p.c);
        for (int o = 0; o < p.ow; o++)
            for (int k = 0; k < p.c; k++)
                bound[o * p.c + k] = 4 * FLT_EPSILON * (p.w[2 * o] * fabsf(row[p.x0[o] + k]) + p.w[2 * o + 1] * fabsf(row[p.x1[o] + k]));
        ck_near_f32(c, got, want, m, bound, 4 * FLT_MIN * FLT_EPSILON);
    }
}

static void blends(struct ck *c) {
    for (int i = 0; i < 150; i++) {
        const size_t n = (size_t)(i < 70 ? i + 1 : ck_range(c, 1, 500));
        const float w = i % 5 ? fabsf(ck_randf(c)) : (float)(i % 2);
        ck_case(c, "n=%zu w=%g", n, (double)w);
        float *a = ck_in(c, n * 4, 4), *b = ck_in(c, n * 4, 4), *got = ck_out(c, n * 4, 4), *want = ck_out(c, n * 4, 4), *bound = ck_out(c, n * 4, 4);
        ck_fill_f32(c, a, n, CK_ANY);
        ck_fill_f32(c, b, n, CK_ANY);
        c->k->resize.blend_f32(got, a, b, w, n);
        c->ref->resize.blend_f32(want, a, b, w, n);
        for (size_t k = 0; k < n; k++) bound[k] = 4 * FLT_EPSILON * ((1 - w) * fabsf(a[k]) + w * fabsf(b[k]));
        ck_near_f32(c, got, want, n, bound, 4 * FLT_MIN * FLT_EPSILON);
    }
}

static void bytes(struct ck *c, int is_signed) {
    for (int i = 0; i < 150; i++) {
        struct problem p;
        make(c, &p, i);
        const size_t n = (size_t)(p.iw * p.c), m = (size_t)(p.ow * p.c);
        uint8_t *r0 = ck_in(c, n, 1), *r1 = ck_in(c, n, 1), *got = ck_out(c, m, 1), *want = ck_out(c, m, 1);
        ck_fill_bytes(c, r0, n);
        ck_fill_bytes(c, r1, n);
        if (is_signed) {
            c->k->resize.lerp_i8((int8_t *)got, (int8_t *)r0, (int8_t *)r1, p.x0, p.x1, p.fxi, p.fyi, (size_t)p.ow, (size_t)p.c);
            c->ref->resize.lerp_i8((int8_t *)want, (int8_t *)r0, (int8_t *)r1, p.x0, p.x1, p.fxi, p.fyi, (size_t)p.ow, (size_t)p.c);
        } else {
            c->k->resize.lerp_u8(got, r0, r1, p.x0, p.x1, p.fxi, p.fyi, (size_t)p.ow, (size_t)p.c);
            c->ref->resize.lerp_u8(want, r0, r1, p.x0, p.x1, p.fxi, p.fyi, (size_t)p.ow, (size_t)p.c);
        }
        ck_equal_u8(c, got, want, m);
    }
}

static void check(struct ck *c) {
    if (ck_fn(c, "resize lerp_f32", c->k->resize.lerp_f32, c->ref->resize.lerp_f32)) floats(c);
    if (ck_fn(c, "resize blend_f32", c->k->resize.blend_f32, c->ref->resize.blend_f32)) blends(c);
    if (ck_fn(c, "resize lerp_i8", c->k->resize.lerp_i8, c->ref->resize.lerp_i8)) bytes(c, 1);
    if (ck_fn(c, "resize lerp_u8", c->k->resize.lerp_u8, c->ref->resize.lerp_u8)) bytes(c, 0);
}

struct call { const struct npi_resize *k; const void *r0, *r1; void *y, *tmp; const int32_t *x0, *x1; const float *w; const int16_t *fxi; int iw, ow, c; };
static void call_f32(void *arg) {
    const struct call *a = arg;
    a->k->blend_f32(a->tmp, a->r0, a->r1, .25f, (size_t)(a->iw * a->c));
    a->k->lerp_f32(a->y, a->tmp, a->x0, a->x1, a->w, (size_t)a->ow, (size_t)a->c);
}
static void call_i8(void *arg) {
    const struct call *a = arg;
    a->k->lerp_i8(a->y, a->r0, a->r1, a->x0, a->x1, a->fxi, 256, (size_t)a->ow, (size_t)a->c);
}

static void bench(struct ck *c) {
    struct ck_shape s;
    int pos = 0;
    if (!ck_bench_fn(c, c->k->resize.lerp_f32)) return;
    while (ck_shape(c, "resize", &s, &pos)) {
        const int iw = ck_get(&s, "iw", 16), ow = ck_get(&s, "ow", 32), ch = ck_get(&s, "c", 64);
        ck_case(c, "%s", s.name);
        int32_t *x0 = ck_in(c, (size_t)ow * 4, 4), *x1 = ck_in(c, (size_t)ow * 4, 4);
        float *w = ck_in(c, (size_t)ow * 8, 4);
        int16_t *fxi = ck_in(c, (size_t)ow * 2, 2);
        for (int o = 0; o < ow; o++) {
            const double v = o * (iw - 1.) / (ow - 1.);
            const int a = (int)v;
            x0[o] = a * ch;
            x1[o] = (a + 1 < iw ? a + 1 : a) * ch;
            w[2 * o + 1] = (float)(v - a);
            w[2 * o] = 1 - w[2 * o + 1];
            fxi[o] = (int16_t)(w[2 * o + 1] * 1024);
        }
        const size_t in = (size_t)(iw * ch * 4), out = (size_t)(ow * ch * 4);
        const struct call a = { &c->k->resize, ck_in(c, in, 64), ck_in(c, in, 64), ck_out(c, out, 64), ck_out(c, in, 64), x0, x1, w, fxi, iw, ow, ch };
        ck_bench(c, "blend+lerp_f32", s.name, call_f32, (void *)&a, 4. * ow * ch);
        ck_bench(c, "lerp_i8", s.name, call_i8, (void *)&a, 4. * ow * ch);
    }
}

const struct ck_family ck_resize = { "resize", check, bench };
