/* SPDX-License-Identifier: Apache-2.0 */
/* 16-bit floats: every bit pattern there and back, the rounding boundaries, and single rounding from double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/half.h"

static void f16_round_trip(void **s) {
    (void)s;
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = npi_f16_to_f32((uint16_t)h);
        const int nan = (h & 0x7c00) == 0x7c00 && h & 0x3ff;
        assert_int_equal(isnan(f) != 0, nan);
        if (npi_f32_to_f16(f) != (nan ? h | 0x200 : h)) fail_msg("%04x -> %g -> %04x", h, (double)f, npi_f32_to_f16(f));
    }
}

static void bf16_round_trip(void **s) {
    (void)s;
    for (uint32_t h = 0; h < 65536; h++) {
        const int nan = (h & 0x7f80) == 0x7f80 && h & 0x7f;
        const uint16_t back = npi_f32_to_bf16(npi_bf16_to_f32((uint16_t)h));
        if (back != (nan ? h | 0x40 : h)) fail_msg("%04x -> %04x", h, back);
    }
}

static void f16_rounds_to_even(void **s) {
    (void)s;
    static const struct { float f; uint16_t h; } t[] = {
        { 65504, 0x7bff }, { 65519.996f, 0x7bff }, { 65520, 0x7c00 }, { 1e30f, 0x7c00 }, { -65520, 0xfc00 },
        { 2049, 0x6800 }, { 2051, 0x6802 },                      /* ties at a step of 2 */
        { 0x1p-24f, 1 }, { 0x1p-25f, 0 }, { 0x1.000002p-25f, 1 }, { 0x1.8p-24f, 2 }, { 0x1p-26f, 0 }, /* 1.5 steps -> 2 */
        { 0x1.ff4p-15f, 0x3fe }, { 0x1.ff8p-15f, 0x3ff }, { 0x1.ffcp-15f, 0x400 }, { -0.0f, 0x8000 },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        if (npi_f32_to_f16(t[i].f) != t[i].h) fail_msg("%a -> %04x, want %04x", (double)t[i].f, npi_f32_to_f16(t[i].f), t[i].h);
}

static void double_is_rounded_once(void **s) {
    (void)s;
    /* 1 + 2^-11 is a tie (down to 1); a tail below the f32 step must still decide it upwards. */
    assert_int_equal(npi_f64_to_f16(1 + 0x1p-11), 0x3c00);
    assert_int_equal(npi_f64_to_f16(1 + 0x1p-11 + 0x1p-40), 0x3c01);
    assert_int_equal(npi_f64_to_f16(-(1 + 0x1p-11 + 0x1p-40)), 0xbc01);
    assert_int_equal(npi_f64_to_f16(1 + 0x1p-11 - 0x1p-40), 0x3c00);
    assert_int_equal(npi_f64_to_bf16(1 + 0x1p-8), 0x3f80);
    assert_int_equal(npi_f64_to_bf16(1 + 0x1p-8 + 0x1p-40), 0x3f81);
    assert_int_equal(npi_f64_to_f16(0x1p-25 + 0x1p-60), 1);
    assert_int_equal(npi_f64_to_f16(1e300), 0x7c00);
    assert_int_equal(npi_f64_to_bf16(-1e300), 0xff80);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(f16_round_trip), cmocka_unit_test(bf16_round_trip), cmocka_unit_test(f16_rounds_to_even),
                                        cmocka_unit_test(double_is_rounded_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
