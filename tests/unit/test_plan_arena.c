/* SPDX-License-Identifier: Apache-2.0 */
/* The arena planner: no two blocks that live at the same time overlap, and easy cases reach the lower bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/arena.h"

static size_t peak(const struct npi_life *l, int n, int steps) {
    size_t best = 0;
    for (int s = -1; s <= steps; s++) {
        size_t sum = 0;
        for (int i = 0; i < n; i++)
            if (l[i].first <= s && s <= l[i].last) sum += l[i].bytes;
        if (sum > best) best = sum;
    }
    return best;
}

static void no_overlap(const struct npi_life *l, int n, size_t total) {
    for (int i = 0; i < n; i++) {
        if (!l[i].bytes) continue;
        assert_int_equal(l[i].offset % 64, 0);
        assert_true((size_t)l[i].offset + l[i].bytes <= total);
        for (int k = 0; k < i; k++) {
            if (!l[k].bytes || l[k].first > l[i].last || l[i].first > l[k].last) continue;
            const int apart = (size_t)l[k].offset + l[k].bytes <= (size_t)l[i].offset || (size_t)l[i].offset + l[i].bytes <= (size_t)l[k].offset;
            if (!apart) print_error("blocks %d and %d overlap\n", i, k);
            assert_true(apart);
        }
    }
}

/* a -> b -> c -> d, each needed by the next step only: two blocks are enough. */
static void chain(void **state) {
    (void)state;
    struct npi_life l[] = { { 640, -1, 0, 0 }, { 640, 0, 1, 0 }, { 640, 1, 2, 0 }, { 640, 2, 3, 0 } };
    const size_t total = npi_arena_plan(l, 4);
    no_overlap(l, 4, total);
    assert_int_equal(total, 1280);
}

static void empty_blocks_take_nothing(void **state) {
    (void)state;
    struct npi_life l[] = { { 0, 0, 9, 77 }, { 64, 0, 1, 0 } };
    assert_int_equal(npi_arena_plan(l, 2), 64);
    assert_int_equal(l[0].offset, 77);
}

static void random_lives(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        struct npi_life l[60];
        const int n = 1 + round % 60;
        for (int i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            const int first = (int)(seed >> 8) % 40;
            l[i] = (struct npi_life){ 64 * (1 + (seed >> 16) % 50), first, first + (int)(seed >> 24) % 12, 0 };
        }
        const size_t total = npi_arena_plan(l, n), bound = peak(l, n, 60);
        no_overlap(l, n, total);
        assert_true(total >= bound);
        assert_true(total <= 2 * bound); /* greedy by size stays within a small factor; 1.4 is the worst seen here */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(chain), cmocka_unit_test(empty_blocks_take_nothing), cmocka_unit_test(random_lives) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
