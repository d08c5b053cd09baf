/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add and Mul: equal to C byte for byte, also in place. */
#include <string.h>

#include "check.h"

static void sizes(struct ck *c, void (*fn)(const struct npi_add_q8_args *), void (*ref)(const struct npi_add_q8_args *)) {
    for (int i = 0; i < 400; i++) {
        const int n = i < 200 ? i + 1 : ck_range(c, 1, 500), scalar = i % 5 == 0, in_place = i % 3 == 0;
        struct npi_add_q8_args p = { .n = (size_t)n, .b_scalar = scalar, .flip_a = i & 1 ? 0x80 : 0, .flip_b = i & 2 ? 0x80 : 0, .za = ck_range(c, -128, 127),
                                     .zb = ck_range(c, -128, 127) };
        p.ka = i % 11 ? .02f * (1.01f + ck_randf(c)) : 1e20f;
        p.shift = ck_range(c, 14, 30);
        p.am = i % 11 ? ck_range(c, 0, 1 << 21) : 1 << 21;
        p.bm = ck_range(c, -(1 << 21), 1 << 21);
        p.bias = (1 << (p.shift - 1)) - p.am * p.za - p.bm * p.zb;
        p.out = (struct npi_q8_out){ .zy = ck_range(c, -128, 127), .lo = -128, .hi = 127, .flip = i & 4 ? 0x80 : 0 };
        if (i % 4 == 0) p.out.lo = ck_range(c, -128, 127), p.out.hi = ck_range(c, p.out.lo, 127);
        ck_case(c, "n=%d%s%s ka=%g", n, scalar ? " scalar" : "", in_place ? " in place" : "", (double)p.ka);
        uint8_t *a = ck_in(c, p.n, 1), *b = ck_in(c, scalar ? 1 : p.n, 1), *got = ck_out(c, p.n, 1), *want = ck_out(c, p.n, 1);
        ck_fill_bytes(c, a, p.n);
        ck_fill_bytes(c, b, scalar ? 1 : p.n);
        p.a = a;
        p.b = b;
        p.y = want;
        ref(&p);
        if (in_place) memcpy(got, a, p.n), p.a = got;
        p.y = got;
        fn(&p);
        ck_equal_u8(c, got, want, p.n);
    }
}

static void check(struct ck *c) {
    if (ck_fn(c, "add_q8 add", c->k->add_q8.add, c->ref->add_q8.add)) sizes(c, c->k->add_q8.add, c->ref->add_q8.add);
    if (ck_fn(c, "add_q8 mul", c->k->add_q8.mul, c->ref->add_q8.mul)) sizes(c, c->k->add_q8.mul, c->ref->add_q8.mul);
}

struct job { void (*fn)(const struct npi_add_q8_args *p); struct npi_add_q8_args a; };
static void call(void *arg) {
    const struct job *const j = arg;
    j->fn(&j->a);
}

static void bench(struct ck *c) {
    enum { N = 8192 };
    const struct { const char *name; void (*fn)(const struct npi_add_q8_args *); } rows[] = { { "add", c->k->add_q8.add }, { "mul", c->k->add_q8.mul } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!ck_bench_fn(c, rows[i].fn)) continue;
        ck_case(c, "%s", rows[i].name);
        uint8_t *const a = ck_in(c, N, 64), *const b = ck_in(c, N, 64);
        ck_fill_bytes(c, a, N);
        ck_fill_bytes(c, b, N);
        struct job j = { rows[i].fn, { .a = a, .b = b, .y = ck_out(c, N, 64), .n = N, .am = 1 << 20, .bm = 700000, .bias = 1 << 20, .shift = 21, .ka = .01f, .za = 3, .zb = -5,
                                       .out = { .zy = 2, .lo = -128, .hi = 127 } } };
        ck_bench(c, rows[i].name, "n=8192", call, &j, N);
    }
}

const struct ck_family ck_add_q8 = { "add_q8", check, bench };
