/* SPDX-License-Identifier: Apache-2.0 */
/* The FlatBuffer reader on a buffer written by hand, whole and damaged in every byte; numbers out of a FlexBuffer map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "import/fb.h"
#include "import/tflite.h"

/* A root table with: 0 i32 -7, 1 absent, 2 vector of u16 { 1, 2, 3 }, 3 text "pose", 4 vector of one table { 0: i8 5 }. */
static const uint8_t good[] = {
    /*  0 */ 24, 0, 0, 0, 'T', 'E', 'S', 'T',
    /*  8 vtable: 14 bytes, table of 20 bytes, fields at 4, -, 8, 12, 16 */ 14, 0, 20, 0, 4, 0, 0, 0, 8, 0, 12, 0, 16, 0, 0, 0,
    /* 24 table, vtable 16 bytes before */ 16, 0, 0, 0, 0xf9, 0xff, 0xff, 0xff, /* 32 -> 44 */ 12, 0, 0, 0, /* 36 -> 56 */ 20, 0, 0, 0, /* 40 -> 68 */ 28, 0, 0, 0,
    /* 44 */ 3, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0,
    /* 56 */ 4, 0, 0, 0, 'p', 'o', 's', 'e', 0, 0, 0, 0,
    /* 68 one table, at 84 */ 1, 0, 0, 0, 12, 0, 0, 0,
    /* 76 vtable of it */ 6, 0, 8, 0, 4, 0, 0, 0,
    /* 84 */ 8, 0, 0, 0, 5, 0, 0, 0,
};

static int read_all(const uint8_t *p, size_t n, int64_t *sum) {
    struct npi_fb b;
    struct npi_fb_table root;
    size_t len;
    *sum = 0;
    if (npi_fb_open(&b, p, n, "TEST", &root) < 0) return -1;
    *sum = (int64_t)npi_fb_i32(&root, 0, 100) + npi_fb_i32(&root, 1, 1000) + npi_fb_i32(&root, 9, 10000);
    const struct npi_fb_vec v = npi_fb_vec(&root, 2, 2), tables = npi_fb_vec(&root, 4, 4);
    for (uint32_t i = 0; i < v.n; i++) *sum += npi_fb_uint(&v, i);
    const char *s = npi_fb_str(&root, 3, &len);
    for (size_t i = 0; i < len; i++) *sum += s[i];
    for (uint32_t i = 0; i < tables.n; i++) {
        const struct npi_fb_table t = npi_fb_at(&tables, i);
        *sum += npi_fb_i8(&t, 0, 50);
    }
    return b.bad ? -1 : 0;
}

static void reads_what_was_written(void **state) {
    (void)state;
    int64_t sum;
    assert_int_equal(read_all(good, sizeof good, &sum), 0);
    /* -7 + the two defaults + 1 + 2 + 3 + "pose" + 5 */
    assert_int_equal(sum, -7 + 1000 + 10000 + 6 + ('p' + 'o' + 's' + 'e') + 5);
}

static void absent_tables_give_defaults(void **state) {
    (void)state;
    const struct npi_fb_table none = { 0 };
    size_t len = 9;
    assert_int_equal(npi_fb_i32(&none, 0, 3), 3);
    assert_int_equal(npi_fb_vec(&none, 0, 4).n, 0);
    assert_string_equal(npi_fb_str(&none, 0, &len), "");
    assert_int_equal(len, 0);
}

/* Cut off anywhere, or any byte changed: refused or read, never beyond the block, which is exactly as long as the data. */
static void damage_stays_inside(void **state) {
    (void)state;
    int64_t sum;
    for (size_t n = 0; n < sizeof good; n++) {
        uint8_t *cut = test_malloc(n ? n : 1);
        memcpy(cut, good, n);
        read_all(cut, n, &sum);
        test_free(cut);
    }
    uint8_t *p = test_malloc(sizeof good);
    for (size_t i = 0; i < sizeof good; i++)
        for (int v = 0; v < 256; v++) {
            memcpy(p, good, sizeof good);
            p[i] = (uint8_t)v;
            read_all(p, sizeof good, &sum);
        }
    /* The offset of the vector points behind the end: bad, and everything after it reads as missing. */
    memcpy(p, good, sizeof good);
    p[33] = 1;
    assert_int_equal(read_all(p, sizeof good, &sum), -1);
    assert_int_equal(sum, -7 + 1000 + 10000);
    /* A vector that claims 2^32 - 1 elements. */
    memcpy(p, good, sizeof good);
    memset(p + 44, 0xff, 4);
    assert_int_equal(read_all(p, sizeof good, &sum), -1);
    test_free(p);
}

/* The same vector asked for a million times: more work than any honest file of this size. */
static void repeated_work_is_refused(void **state) {
    (void)state;
    struct npi_fb b;
    struct npi_fb_table root;
    assert_int_equal(npi_fb_open(&b, good, sizeof good, "TEST", &root), 0);
    for (int i = 0; i < 1000000; i++) npi_fb_vec(&root, 2, 2);
    assert_int_equal(b.bad, 1);
}

/* { "a": 3, "b": 0.5f, "n": -2 } */
static const uint8_t flex[] = {
    /*  0 */ 'a', 0, 'b', 0, 'n', 0, 0, 0,
    /*  8 keys: count, then offsets back */ 3, 9, 8, 7, /* 12: float */ 0, 0, 0, 0x3f,
    /* 16 map: keys 7 back, width 1, 3 values */ 7, 1, 3, /* 19 */ 3, 8, 0xfe, /* types: int, indirect float of 4 bytes, int */ 1 << 2, 8 << 2 | 2, 1 << 2,
    /* 25 root: 6 back, map of width 1 */ 6, 9 << 2, 1,
};

static void flexbuffer_numbers(void **state) {
    (void)state;
    double v = 0;
    assert_int_equal(npi_flex_number(flex, sizeof flex, "a", &v), 1);
    assert_true(v == 3);
    assert_int_equal(npi_flex_number(flex, sizeof flex, "b", &v), 1);
    assert_true(v == .5);
    assert_int_equal(npi_flex_number(flex, sizeof flex, "n", &v), 1);
    assert_true(v == -2);
    assert_int_equal(npi_flex_number(flex, sizeof flex, "c", &v), 0);
    for (size_t n = 0; n < sizeof flex; n++) npi_flex_number(flex, n, "b", &v);
    uint8_t p[sizeof flex];
    for (size_t i = 0; i < sizeof flex; i++)
        for (int x = 0; x < 256; x++) {
            memcpy(p, flex, sizeof flex);
            p[i] = (uint8_t)x;
            npi_flex_number(p, sizeof flex, "b", &v);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written), cmocka_unit_test(absent_tables_give_defaults), cmocka_unit_test(damage_stays_inside),
        cmocka_unit_test(repeated_work_is_refused), cmocka_unit_test(flexbuffer_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
