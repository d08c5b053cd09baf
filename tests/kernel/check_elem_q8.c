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

const struct ck_family ck_elem_q8 = { "elem_q8", check, NULL };
