/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of bytes: equal to C, bytes and floats alike. */
#include <string.h>

#include "check.h"

static void map(struct ck *c) {
    for (int n = 1; n < 300; n += n < 140 ? 1 : 17) {
        ck_case(c, "n=%d", n);
        uint8_t *x = ck_in(c, (size_t)n, 1), *t = ck_in(c, 256, 1), *got = ck_out(c, (size_t)n, 1), *want = ck_out(c, (size_t)n, 1);
        ck_fill_bytes(c, x, (size_t)n);
        ck_fill_bytes(c, t, 256);
        c->k->elem_q8.map(got, x, (size_t)n, t);
        c->ref->elem_q8.map(want, x, (size_t)n, t);
        ck_equal_u8(c, got, want, (size_t)n);
    }
}

static void max(struct ck *c) {
    for (int n = 1; n < 140; n++) {
        const int taps = ck_range(c, 1, 10);
        const uint8_t flip = n & 1 ? 0x80 : 0;
        ck_case(c, "n=%d taps=%d flip=%d", n, taps, flip);
        const uint8_t *px[10];
        for (int t = 0; t < taps; t++) {
            uint8_t *x = ck_in(c, (size_t)n, 1);
            ck_fill_bytes(c, x, (size_t)n);
            px[t] = x;
        }
        uint8_t *got = ck_out(c, (size_t)n, 1), *want = ck_out(c, (size_t)n, 1);
        c->k->elem_q8.max(got, px, taps, (size_t)n, flip);
        c->ref->elem_q8.max(want, px, taps, (size_t)n, flip);
        ck_equal_u8(c, got, want, (size_t)n);
    }
}

static void to_f32(struct ck *c) {
    for (int n = 1; n < 70; n++) {
        const int u8 = n & 1, zero = ck_range(c, 0, 255) - (u8 ? 0 : 128);
        ck_case(c, "n=%d %s", n, u8 ? "u8" : "i8");
        uint8_t *x = ck_in(c, (size_t)n, 1);
        float *got = ck_out(c, (size_t)n * 4, 4), *want = ck_out(c, (size_t)n * 4, 4);
        ck_fill_bytes(c, x, (size_t)n);
        c->k->elem_q8.to_f32(got, x, (size_t)n, u8, zero, .0371f);
        c->ref->elem_q8.to_f32(want, x, (size_t)n, u8, zero, .0371f);
        ck_ulp_f32(c, got, want, (size_t)n, 0);
    }
}

static void from_f32(struct ck *c) {
    for (int n = 1; n < 200; n++) {
        const int u8 = n & 1, zero = ck_range(c, 0, 255) - (u8 ? 0 : 128), kind = n % 3;
        ck_case(c, "n=%d %s values %d", n, u8 ? "u8" : "i8", kind);
        float *x = ck_in(c, (size_t)n * 4, 4);
        uint8_t *got = ck_out(c, (size_t)n, 1), *want = ck_out(c, (size_t)n, 1);
        ck_fill_f32(c, x, (size_t)n, kind == 0 ? CK_NORMAL : kind == 1 ? CK_WIDE : CK_SPECIAL);
        c->k->elem_q8.from_f32(got, x, (size_t)n, u8, zero, .0078125f);
        c->ref->elem_q8.from_f32(want, x, (size_t)n, u8, zero, .0078125f);
        ck_equal_u8(c, got, want, (size_t)n);
    }
}

static void check(struct ck *c) {
    if (ck_fn(c, "elem_q8 map", c->k->elem_q8.map, c->ref->elem_q8.map)) map(c);
    if (ck_fn(c, "elem_q8 max", c->k->elem_q8.max, c->ref->elem_q8.max)) max(c);
    if (ck_fn(c, "elem_q8 to_f32", c->k->elem_q8.to_f32, c->ref->elem_q8.to_f32)) to_f32(c);
    if (ck_fn(c, "elem_q8 from_f32", c->k->elem_q8.from_f32, c->ref->elem_q8.from_f32)) from_f32(c);
}

struct job { const struct npi_elem_q8 *k; size_t n; uint8_t *x, *y, *table; float *f; };
static void call_map(void *arg) {
    const struct job *const j = arg;
    j->k->map(j->y, j->x, j->n, j->table);
}
static void call_max(void *arg) { /* a window of 3x3 */
    const struct job *const j = arg;
    const uint8_t *px[9];
    for (int i = 0; i < 9; i++) px[i] = j->x + i;
    j->k->max(j->y, px, 9, j->n - 8, 0x80);
}
static void call_to_f32(void *arg) {
    const struct job *const j = arg;
    j->k->to_f32(j->f, j->x, j->n, 1, 128, .02f);
}
static void call_from_f32(void *arg) {
    const struct job *const j = arg;
    j->k->from_f32(j->y, j->f, j->n, 1, 128, .02f);
}

static void bench(struct ck *c) {
    struct job j = { .k = &c->k->elem_q8, .n = 8192 };
    const struct { const char *name; ck_any_fn fn; void (*call)(void *); } rows[] = {
        { "map", (ck_any_fn)j.k->map, call_map }, { "max9", (ck_any_fn)j.k->max, call_max },
        { "to_f32", (ck_any_fn)j.k->to_f32, call_to_f32 }, { "from_f32", (ck_any_fn)j.k->from_f32, call_from_f32 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!ck_bench_fn(c, rows[i].fn)) continue;
        ck_case(c, "%s", rows[i].name);
        j.x = ck_in(c, j.n, 64);
        j.table = ck_in(c, 256, 64);
        j.y = ck_out(c, j.n, 64);
        j.f = ck_out(c, j.n * 4, 64);
        ck_fill_bytes(c, j.x, j.n);
        ck_fill_bytes(c, j.table, 256);
        ck_fill_f32(c, j.f, j.n, CK_NORMAL);
        ck_bench(c, rows[i].name, "n=8192", rows[i].call, &j, (double)j.n);
    }
}

const struct ck_family ck_elem_q8 = { "elem_q8", check, bench };
