/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench: statistics with answers worked out elsewhere, result files there and back, damaged ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/bench/result.h"

#define NEAR(a, b, tol) do { if (!(fabs((a) - (b)) <= (tol))) fail_msg("%.9g is not %.9g", (double)(a), (double)(b)); } while (0)

static void medians(void **state) {
    const double v[] = { 5, 1, 4, 2 }, w[] = { 3, 1, 2 };
    NEAR(bench_median(v, 4), 3, 0);
    NEAR(bench_median(w, 3), 2, 0);
    NEAR(bench_quantile(v, 4, 1), 5, 0);
    /* n = 10: P(B < 2) = 11 / 1024 = 1.1 %, P(B < 3) = 5.5 %: second and ninth value. */
    const double t[] = { 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 };
    const struct bench_interval i = bench_median_interval(t, 10);
    NEAR(i.low, 2, 0);
    NEAR(i.mid, 5.5, 0);
    NEAR(i.high, 9, 0);
    const struct bench_interval few = bench_median_interval(w, 3); /* no 95 % interval exists: the range */
    NEAR(few.low, 1, 0);
    NEAR(few.high, 3, 0);
}

static void rank_test(void **state) {
    const double a[] = { 1, 2, 3, 4 }, b[] = { 5, 6, 7, 8 };
    NEAR(bench_rank_test(a, 3, b, 3), 2. / 20, 1e-12);  /* 1 of C(6,3) orders on either side */
    NEAR(bench_rank_test(a, 4, b, 4), 2. / 70, 1e-12);
    NEAR(bench_rank_test(a, 4, a, 4), 1, 1e-12);
    NEAR(bench_rank_test(a, 0, b, 4), 1, 0);
    /* Ties: {1,2} against {2,3}, midranks 1, 2.5 | 2.5, 4: sums of 2 of {1,2.5,2.5,4} <= 3.5: 2 of 6 */
    const double t[] = { 1, 2 }, u[] = { 2, 3 };
    NEAR(bench_rank_test(t, 2, u, 2), 4. / 6, 1e-12);
    double x[50], y[50]; /* above 64 values: the normal approximation, near the exact one */
    for (int i = 0; i < 50; i++) {
        x[i] = i;
        y[i] = i + 12.3;
    }
    /* x > y in the 37 * 38 / 2 = 703 pairs 13 and more apart; mean 1250, sd sqrt(2500 * 101 / 12) = 145.06: z = 546.5 / 145.06 = 3.767 */
    NEAR(bench_rank_test(x, 50, y, 50), 1.65e-4, 2e-6);
    NEAR(bench_rank_test(x, 50, x, 50), 1, 1e-9);
}

static void ratios(void **state) {
    const double a[] = { 10, 10.1, 9.9, 10, 10.05 }, b[] = { 20, 20.2, 19.8, 20, 20.1 };
    const struct bench_interval r = bench_ratio(a, 5, b, 5);
    NEAR(r.mid, 2, 1e-12);
    assert_true(r.low > 1.95 && r.low <= 2 && r.high >= 2 && r.high < 2.05);
}

static void changes(void **state) {
    double v[24];
    int at[4];
    for (int i = 0; i < 24; i++) v[i] = (i < 9 ? 100 : i < 16 ? 120 : 90) + (i * 7 % 5) * .4;
    assert_int_equal(bench_change_points(v, 24, .05, .03, at, 4), 2);
    assert_int_equal(at[0], 9);
    assert_int_equal(at[1], 16);
    assert_int_equal(bench_change_points(v, 7, .05, .03, at, 4), 0);
    for (int i = 0; i < 24; i++) v[i] = 100 + (i * 7 % 5) * .4;
    assert_int_equal(bench_change_points(v, 24, .05, .03, at, 4), 0);
    for (int i = 0; i < 24; i++) v[i] = (i < 12 ? 100 : 101) + (i * 7 % 5) * .01; /* sure, but too small to matter */
    assert_int_equal(bench_change_points(v, 24, .05, .03, at, 4), 0);
}

static void there_and_back(void **state) {
    struct bench_result r, s;
    struct np_error e = { 0 };
    char path[] = "/tmp/nextpose-bench-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    bench_result_here(&r, "nextpose", "cpu_low_end");
    assert_int_equal(bench_result_add_run(&r, "preset \"balanced\"", "{\"preset\":\"balanced\"}"), 0);
    assert_int_equal(bench_result_add(&r, "fps", "frames/s", 1, 51.25), 0);
    assert_int_equal(bench_result_add(&r, "fps", "frames/s", 1, 50.5), 0);
    assert_int_equal(bench_result_add(&r, "fps", "frames/s", 1, NAN), 0);
    assert_int_equal(bench_result_add(&r, "delay_p99", "ms", -1, 33.125), 0);
    if (bench_result_save(&r, path, &e) < 0 || bench_result_load(&s, path, &e) < 0) {
        if (e.code == NP_EUNSUPPORTED) skip();
        fail_msg("%s", e.message);
    }
    assert_string_equal(s.cpu, r.cpu);
    assert_string_equal(s.date, r.date);
    assert_string_equal(s.category, "cpu_low_end");
    assert_int_equal(s.n_runs, 1);
    const struct bench_metric *const m = bench_run_find(bench_result_find(&s, "preset \"balanced\""), "fps");
    assert_int_equal(m->n, 2);
    NEAR(m->value[1], 50.5, 0);
    assert_int_equal(m->better, 1);
    assert_int_equal(bench_run_find(&s.run[0], "delay_p99")->better, -1);
    bench_result_free(&r);
    bench_result_free(&s);
    unlink(path);
}

static void damaged(void **state) {
    static const struct { const char *text, *says; } bad[] = {
        { "", "line 1" },
        { "{}", "is no result" },
        { "{\"schema\":\"nextpose-bench-2\",\"runs\":[]}", "is no result" },
        { "{\"schema\":\"nextpose-bench-1\"}", "no list" },
        { "{\"schema\":\"nextpose-bench-1\",\"runs\":[{}]}", "run 0 has no name" },
        { "{\"schema\":\"nextpose-bench-1\",\"runs\":[{\"name\":\"a\",\"metrics\":{}},{\"name\":\"a\",\"metrics\":{}}]}", "two runs" },
        { "{\"schema\":\"nextpose-bench-1\",\"runs\":[{\"name\":\"a\",\"metrics\":{\"m\":{\"better\":\"higher\",\"values\":[\"1\"]}}}]}", "value 0 is no number" },
        { "{\"schema\":\"nextpose-bench-1\",\"runs\":[{\"name\":\"a\",\"metrics\":{\"m\":{\"better\":\"up\",\"values\":[1]}}}]}", "better must be" },
        { "{\"schema\":\"nextpose-bench-1\",\"runs\":[{\"name\":\"a\",\"metrics\":{\"m\":7}}]}", "no list of" },
    };
    struct bench_result r;
    struct np_error e = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int code = bench_result_parse(&r, bad[i].text, strlen(bad[i].text), "x.json", &e);
        if (code == NP_EUNSUPPORTED) skip();
        assert_int_equal(code, NP_EFORMAT);
        if (!strstr(e.message, bad[i].says)) fail_msg("'%s' is not in '%s'", bad[i].says, e.message);
        assert_null(r.run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(medians), cmocka_unit_test(rank_test), cmocka_unit_test(ratios), cmocka_unit_test(changes),
                                        cmocka_unit_test(there_and_back), cmocka_unit_test(damaged) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
