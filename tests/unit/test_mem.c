/* SPDX-License-Identifier: Apache-2.0 */
/* The bump arena, small and large: every block aligned, zeroed, apart from the others, readable behind its end; limits; what a reset keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

enum { N = 400 };
struct piece { unsigned char *p; size_t n; };

static unsigned char mark(int i) { return (unsigned char)(i * 7 + 1); }

static void take(struct npi_arena *a, struct piece *piece, int i, size_t n) {
    unsigned char *const p = npi_arena_alloc(a, n);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % NPI_ALIGN, 0);
    for (size_t k = 0; k < n + NPI_TAIL; k += k + 97 < n ? 97 : 1) assert_int_equal(p[k], 0); /* the tail, too: it is read by kernels */
    memset(p, mark(i), n);
    piece[i] = (struct piece){ p, n };
}

static void check(const struct npi_arena *a, const struct piece *piece, int n) {
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < piece[i].n; k++) assert_int_equal(piece[i].p[k], mark(i));
        assert_true(npi_arena_owns(a, piece[i].p));
        assert_true(npi_arena_owns(a, piece[i].p + piece[i].n - 1));
    }
}

/* From bytes to megabytes in an order that goes up and down: blocks of malloc first, of pages later, heads that stay and heads that go. */
static void test_pieces(void **state) {
    (void)state;
    struct npi_arena a;
    static struct piece piece[N];
    uint32_t random = 1;
    size_t sum = 0;
    npi_arena_init(&a, 0);
    for (int i = 0; i < N; i++) {
        random = random * 1664525u + 1013904223u;
        const size_t n = 1 + (random >> 8) % ((size_t)1 << (i % 50 == 49 ? 21 : 4 + i % 14));
        take(&a, piece, i, n);
        sum += n;
    }
    check(&a, piece, N);
    assert_true(a.total_bytes >= sum && a.total_bytes <= sum + N * (NPI_TAIL + NPI_ALIGN));
    int outside = 0;
    assert_false(npi_arena_owns(&a, &outside));
    npi_arena_reset(&a);
    assert_int_equal(a.total_bytes, 0);
    for (int i = 0; i < N; i++) take(&a, piece, i, 1000 + (size_t)i); /* take() finds it zeroed */
    check(&a, piece, N);
    npi_arena_free(&a);
    assert_null(a.head);
}

static void test_first_is_large(void **state) {
    (void)state;
    struct npi_arena a;
    struct piece piece[3];
    npi_arena_init(&a, 0);
    take(&a, piece, 0, (size_t)5 << 20);
    take(&a, piece, 1, 100);
    take(&a, piece, 2, (size_t)3 << 20);
    check(&a, piece, 3);
    npi_arena_free(&a);
}

static void test_limit(void **state) {
    (void)state;
    struct npi_arena a;
    npi_arena_init(&a, (size_t)8 << 20);
    int n = 0;
    while (npi_arena_alloc(&a, (size_t)300 << 10)) n++;
    assert_int_equal(n, (8 << 20) / ((300 << 10) + NPI_ALIGN)); /* all of the limit, none beyond */
    assert_null(npi_arena_alloc(&a, (size_t)9 << 20));
    assert_non_null(npi_arena_alloc(&a, 100)); /* a small one still fits */
    npi_arena_free(&a);
    npi_arena_init(&a, 0);
    assert_null(npi_arena_alloc(&a, SIZE_MAX));
    assert_null(npi_arena_alloc(&a, SIZE_MAX - 200));
    assert_null(npi_arena_alloc(&a, SIZE_MAX / 2 + 1));
    assert_null(npi_arena_calloc(&a, SIZE_MAX / 4, 8));
    npi_arena_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_pieces), cmocka_unit_test(test_first_is_large), cmocka_unit_test(test_limit) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
