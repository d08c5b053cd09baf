/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf wire reader on bytes written out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "import/pb.h"

static void test_fields(void **state) {
    (void)state;
    /* 1: varint 300 = 0xAC 0x02; 2: bytes "ab"; 3: fixed32 1.0f; 4: fixed64 1; 16: varint 1 (two-byte key 0x80 0x01) */
    static const uint8_t m[] = { 0x08, 0xac, 0x02, 0x12, 2, 'a', 'b', 0x1d, 0, 0, 0x80, 0x3f, 0x21, 1, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x01, 1 };
    struct npi_pb b = npi_pb(m, sizeof m);
    struct npi_pb_field f;
    assert_int_equal(npi_pb_next(&b, &f), 1);
    assert_int_equal(f.num, 1);
    assert_int_equal(f.v, 300);
    assert_int_equal(npi_pb_next(&b, &f), 1);
    assert_int_equal(f.wire, 2);
    assert_true(npi_pb_is(&f.sub, "ab"));
    assert_false(npi_pb_is(&f.sub, "abc"));
    assert_false(npi_pb_is(&f.sub, "a"));
    assert_int_equal(npi_pb_next(&b, &f), 1);
    assert_int_equal(f.v, 0x3f800000);
    assert_int_equal(npi_pb_next(&b, &f), 1);
    assert_int_equal(f.v, 1);
    assert_int_equal(npi_pb_size(&f.sub), 0); /* a number read as a message is empty */
    assert_int_equal(npi_pb_next(&b, &f), 1);
    assert_int_equal(f.num, 16);
    assert_int_equal(npi_pb_next(&b, &f), 0);
    assert_int_equal(b.bad, 0);
}

static void test_minus_one(void **state) { /* a negative int64 takes ten bytes */
    (void)state;
    static const uint8_t m[] = { 0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 };
    struct npi_pb b = npi_pb(m, sizeof m);
    struct npi_pb_field f;
    assert_int_equal(npi_pb_next(&b, &f), 1);
    assert_int_equal((int64_t)f.v, -1);
}

/* Every way to be cut off or malformed ends with `bad`, and with no further field. */
static void test_broken(void **state) {
    (void)state;
    static const struct { uint8_t m[12]; size_t n; const char *what; } cases[] = {
        { { 0x80 }, 1, "cut off key" },
        { { 0x08 }, 1, "no value" },
        { { 0x08, 0x80 }, 2, "cut off value" },
        { { 0x12, 5, 'a' }, 3, "length beyond the end" },
        { { 0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 }, 11, "length of 2^64 - 1" },
        { { 0x1d, 1, 2, 3 }, 4, "cut off fixed32" },
        { { 0x21, 1, 2, 3, 4, 5, 6, 7 }, 8, "cut off fixed64" },
        { { 0x0b }, 1, "group" },
        { { 0x0f }, 1, "wire type 7" },
        { { 0x00, 1 }, 2, "field 0" },
        { { 0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 }, 12, "varint of eleven bytes" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct npi_pb b = npi_pb(cases[i].m, cases[i].n);
        struct npi_pb_field f;
        if (npi_pb_next(&b, &f) != 0 || !b.bad || npi_pb_next(&b, &f) != 0) fail_msg("%s: next gave a field, or bad is %d", cases[i].what, b.bad);
    }
    struct npi_pb_field f;
    struct npi_pb empty = npi_pb(NULL, 0);
    assert_int_equal(npi_pb_next(&empty, &f), 0);
    assert_int_equal(empty.bad, 0);
}

static void test_find(void **state) {
    (void)state;
    static const uint8_t m[] = { 0x08, 9, 0x12, 1, 'x', 0x12, 1, 'y' };
    int found;
    struct npi_pb v = npi_pb_find(npi_pb(m, sizeof m), 2, &found);
    assert_int_equal(found, 1);
    assert_true(npi_pb_is(&v, "x"));
    v = npi_pb_find(npi_pb(m, sizeof m), 1, &found); /* there, but a varint */
    assert_int_equal(found, 0);
    assert_int_equal(npi_pb_size(&v), 0);
}

/* A repeated field, packed and not, in one message; more than fit are counted. */
static void test_numbers(void **state) {
    (void)state;
    static const uint8_t m[] = { 0x38, 7, 0x3a, 3, 1, 0x80, 0x01, 0x38, 5 };
    struct npi_pb b = npi_pb(m, sizeof m);
    struct npi_pb_field f;
    uint64_t v[3] = { 0 };
    size_t n = 0;
    int bad = 0;
    while (npi_pb_next(&b, &f)) npi_pb_numbers(&f, 0, v, 3, &n, &bad);
    assert_int_equal(n, 4);
    assert_int_equal(v[0], 7);
    assert_int_equal(v[1], 1);
    assert_int_equal(v[2], 128);
    assert_int_equal(bad, 0);
    static const uint8_t odd[] = { 0x3a, 3, 0, 0, 0 }; /* three bytes of packed fixed32 */
    b = npi_pb(odd, sizeof odd);
    n = 0;
    assert_int_equal(npi_pb_next(&b, &f), 1);
    npi_pb_numbers(&f, 5, v, 3, &n, &bad);
    assert_int_equal(n, 0);
    assert_int_equal(bad, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields), cmocka_unit_test(test_minus_one), cmocka_unit_test(test_broken), cmocka_unit_test(test_find),
                                        cmocka_unit_test(test_numbers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
