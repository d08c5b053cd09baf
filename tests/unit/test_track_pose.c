/* SPDX-License-Identifier: Apache-2.0 */
/* Poses over time: propagation, smoothing while they come in and afterwards, left and right. Answers worked out by hand, then properties and nonsense. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "card/card.h"
#include "track/flip.h"
#include "track/propagate.h"
#include "track/smooth.h"
#include "track/zero_lag.h"

#define NEAR(got, want, tol)                                                                               \
    do {                                                                                                   \
        const double g_ = (double)(got), w_ = (double)(want);                                              \
        if (!(fabs(g_ - w_) <= (tol))) fail_msg("%s: got %.7g, want %.7g +- %g", #got, g_, w_, (double)(tol)); \
    } while (0)
#define MS(x) ((int64_t)(x) * 1000000)
#define PI 3.14159265358979

static uint32_t seed = 5;
static float uniform(float lo, float hi) {
    seed = seed * 1664525u + 1013904223u;
    return lo + (hi - lo) * (float)(seed >> 8) / 16777216.f;
}

/* --- propagation --- */

static void test_propagate(void **state) {
    struct npi_propagator *p = NULL;
    struct np_keypoint k[3] = { { .conf = 1 }, { .conf = 1 }, { .conf = 1 } }, out[NP_MAX_KEYPOINTS];
    int64_t age = 0;
    assert_int_equal(npi_propagator_create(&p, 2, .2f), 0);
    assert_int_equal(npi_propagator_at(p, 1, 0, out, &age), 0); /* nobody yet */
    /* joint 0 stands, 1 goes 500 px/s, 2 jumps about; every 40 ms, body 1000 px tall */
    for (int f = 0; f < 50; f++) {
        k[1].x = 20 * (float)f;
        k[2].x = f % 2 ? 30.f : 0.f;
        npi_propagator_observe(p, 1, k, 3, 1000, MS(40 * f));
    }
    assert_int_equal(npi_propagator_at(p, 1, MS(40 * 49), out, &age), 3);
    assert_int_equal(age, 0);
    NEAR(out[1].x, 980, 1e-4); NEAR(out[1].conf, 1, 0);
    assert_int_equal(npi_propagator_at(p, 1, MS(40 * 49 + 80), out, &age), 3);
    assert_int_equal(age, MS(80));
    NEAR(out[0].x, 0, 2);
    if (!(out[1].x > 992 && out[1].x < 1020)) fail_msg("%g", (double)out[1].x); /* on its way, less than the 40 px it would make */
    NEAR(out[2].x, 30, 4); /* its speed never came true: it is not believed */
    NEAR(out[1].conf, exp2(-.8), 1e-5); /* half after 100 ms */
    assert_int_equal(npi_propagator_at(p, 1, MS(40 * 49 + 201), out, &age), 0); /* too old */
    assert_int_equal(npi_propagator_at(p, 1, MS(40 * 49 - 1), out, &age), 0);   /* before it was inferred */
    npi_propagator_set_timeout(p, .05f);
    assert_int_equal(npi_propagator_at(p, 1, MS(40 * 49 + 80), out, &age), 0);
    /* a third person pushes out the one not observed for longest */
    npi_propagator_observe(p, 2, k, 3, 1000, MS(2000));
    npi_propagator_observe(p, 3, k, 3, 1000, MS(2000));
    assert_int_equal(npi_propagator_at(p, 1, MS(2000), out, NULL), 0);
    assert_int_equal(npi_propagator_at(p, 2, MS(2000), out, NULL), 3);
    npi_propagator_forget(p, -1);
    assert_int_equal(npi_propagator_at(p, 2, MS(2000), out, NULL), 0);
    npi_propagator_free(&p);
    assert_null(p);
}

/* However wild the poses: nothing runs further than .12 heights from the last pose, and NaN stays where it was. */
static void test_propagate_bounded(void **state) {
    struct npi_propagator *p = NULL;
    struct np_keypoint k[17], out[NP_MAX_KEYPOINTS];
    assert_int_equal(npi_propagator_create(&p, 4, 10), 0);
    const size_t before = npi_alloc_calls();
    for (int f = 0; f < 2000; f++) {
        const int64_t t = MS(33 * f);
        for (int i = 0; i < 17; i++) {
            k[i] = (struct np_keypoint){ .x = 300 + uniform(-40, 40) * (float)(i % 4), .y = uniform(0, 400), .conf = uniform(0, 1) };
            if (uniform(0, 1) < .01f) k[i].x = NAN;
        }
        npi_propagator_observe(p, 1, k, 17, f % 100 == 7 ? NAN : 400, f % 100 == 8 ? t - MS(500) : t);
        if (f % 100 == 7 || f % 100 == 8) continue;
        for (int a = 0; a < 3; a++) {
            assert_int_equal(npi_propagator_at(p, 1, t + MS(100 * a * a * a), out, NULL), 17);
            for (int i = 0; i < 17; i++) {
                if (isnan(k[i].x)) { assert_true(isnan(out[i].x)); continue; }
                NEAR(hypotf(out[i].x - k[i].x, out[i].y - k[i].y), 0, .12 * 400 + .01);
                assert_true(out[i].conf <= k[i].conf);
            }
        }
    }
    assert_int_equal(npi_alloc_calls(), before);
    npi_propagator_free(&p);
}

/* --- smoothing --- */

static void test_spec(void **state) {
    struct npi_smooth_spec s;
    struct np_error e;
    char text[64];
    assert_int_equal(npi_smooth_parse(&s, NULL, &e), 0);
    assert_int_equal(s.kind, NPI_SMOOTH_ONE_EURO);
    const struct npi_smooth_spec def = s;
    assert_int_equal(npi_smooth_parse(&s, "one-euro", &e), 0);
    NEAR(s.one_euro.beta, def.one_euro.beta, 0);
    assert_int_equal(npi_smooth_parse(&s, "one-euro:2,0,3", &e), 0);
    NEAR(s.one_euro.min_cutoff_hz, 2, 0); NEAR(s.one_euro.beta, 0, 0); NEAR(s.one_euro.d_cutoff_hz, 3, 0);
    assert_int_equal((int)npi_smooth_write(&s, text, sizeof text), 14);
    assert_string_equal(text, "one-euro:2,0,3");
    assert_int_equal(npi_smooth_parse(&s, "one-euro:1.5", &e), 0);
    NEAR(s.one_euro.min_cutoff_hz, 1.5, 0); NEAR(s.one_euro.beta, def.one_euro.beta, 0);
    assert_int_equal(npi_smooth_parse(&s, "none", &e), 0);
    assert_int_equal(s.kind, NPI_SMOOTH_NONE);
    assert_int_equal(npi_smooth_parse(&s, "zero-lag:4", &e), 0);
    assert_int_equal(s.kind, NPI_SMOOTH_ZERO_LAG);
    NEAR(s.zero_lag_hz, 4, 0);
    npi_smooth_write(&s, text, sizeof text);
    assert_string_equal(text, "zero-lag:4");
    static const char *const bad[] = { "one", "one-euro:", "one-euro:0", "one-euro:1,-1", "one-euro:1,2,3,4", "one-euro:1;2", "zero-lag:nan", "zero-lag:-3", "none:1",
                                       "one-euros", "ONE-EURO", "zero-lag:1,2", "one-euro:inf" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct npi_smooth_spec was = s;
        if (npi_smooth_parse(&s, bad[i], &e) != NP_EINVAL) fail_msg("'%s' was taken", bad[i]);
        assert_memory_equal(&was, &s, sizeof s);
        assert_non_null(strstr(e.message, bad[i]));
    }
}

/* A person twice as tall on the picture, moving alike: twice the numbers. And the plain filter on a body of 500 px. */
static void test_scale(void **state) {
    struct npi_smooth_spec s;
    struct npi_smoother *b = NULL;
    struct npi_one_euro plain = { 0 };
    assert_int_equal(npi_smooth_parse(&s, "one-euro:1,.05,1", NULL), 0);
    assert_int_equal(npi_smoother_create(&b, &s, 8), 0);
    for (int f = 0; f < 60; f++) {
        const float x = 100 + 40 * sinf((float)f * .2f) + uniform(-2, 2);
        struct np_keypoint near[1] = { { .x = 2 * x, .y = NAN, .z = .1f, .wx = NAN, .wy = NAN, .wz = NAN, .conf = 1 } }, far[1] = { { .x = x, .conf = 1 } };
        npi_smoother_apply(b, 1, near, 1, 1000, MS(33 * f));
        npi_smoother_apply(b, 2, far, 1, 500, MS(33 * f));
        NEAR(near[0].x, 2 * far[0].x, 1e-3);
        NEAR(far[0].x, npi_one_euro(&plain, &s.one_euro, x, MS(33 * f)), 1e-3);
        assert_true(isnan(near[0].y) && isnan(near[0].wz));
        NEAR(near[0].z, .1, 1e-6);
    }
    /* NaN for a frame does not spread; a gap starts anew; none changes nothing */
    struct np_keypoint k[1] = { { .x = NAN, .conf = 1 } };
    npi_smoother_apply(b, 2, k, 1, 500, MS(33 * 60));
    assert_true(isnan(k[0].x));
    k[0].x = 7;
    npi_smoother_apply(b, 2, k, 1, 500, MS(33 * 61));
    NEAR(k[0].x, 7, 1e-5);
    k[0].x = 900;
    npi_smoother_apply(b, 2, k, 1, 500, MS(33 * 61 + 501));
    NEAR(k[0].x, 900, 1e-3);
    npi_smoother_free(&b);
    assert_int_equal(npi_smooth_parse(&s, "none", NULL), 0);
    assert_int_equal(npi_smoother_create(&b, &s, 1), 0);
    for (int f = 0; f < 3; f++) {
        k[0].x = (float)f;
        npi_smoother_apply(b, 1, k, 1, 500, MS(f));
        NEAR(k[0].x, f, 0);
    }
    npi_smoother_free(&b);
}

static float amplitude(const float *y, int from, int to) {
    float lo = INFINITY, hi = -INFINITY;
    for (int i = from; i < to; i++) { lo = fminf(lo, y[i]); hi = fmaxf(hi, y[i]); }
    return (hi - lo) / 2;
}

/* The frequency response is 1 / (1 + (f / f0)^4), without delay: at f0 half, at f0 / 2 16/17, at 2 f0 1/17. Straight lines stay. Steps even, 100 Hz. */
static void test_zero_lag_response(void **state) {
    enum { N = 600 };
    static struct np_keypoint k[N];
    static int64_t t[N];
    static float y[N];
    const float f0 = 4, factor[] = { .5f, 1, 2 }, want[] = { 16.f / 17, .5f, 1.f / 17 };
    for (int q = 0; q < 3; q++) {
        for (int i = 0; i < N; i++) {
            t[i] = MS(10 * i);
            k[i] = (struct np_keypoint){ .x = sinf((float)(2 * PI) * f0 * factor[q] * (float)i * .01f), .y = 3 + .7f * (float)i, .z = NAN, .wx = NAN, .wy = NAN, .wz = NAN, .conf = 1 };
        }
        assert_int_equal(npi_zero_lag(t, k, N, 1, f0, .5f, NULL), 0);
        double lag = 0;
        for (int i = 0; i < N; i++) {
            y[i] = k[i].x;
            NEAR(k[i].y, 3 + .7f * (float)i, 1e-2);
            assert_true(isnan(k[i].z));
            if (i > 150 && i < 450) lag += (double)y[i] * cos(2 * PI * (double)(f0 * factor[q]) * i * .01);
        }
        NEAR(amplitude(y, 150, 450), want[q], .02);
        NEAR(lag / 300, 0, .005); /* no part is a quarter turn late */
    }
}

/* Gaps: a hole of a second parts the track; a joint that is NaN or unseen for a frame is left as it is, and its neighbours are still joined over it. */
static void test_zero_lag_gaps(void **state) {
    struct np_keypoint k[8];
    int64_t t[8];
    struct np_error e;
    memset(k, 0, sizeof k);
    for (int i = 0; i < 8; i++) {
        t[i] = MS(20 * i + (i >= 4 ? 1000 : 0));
        k[i].conf = 1;
        k[i].x = i < 4 ? 10.f : 500.f;
    }
    k[2].x = NAN;
    k[5].conf = 0; k[5].x = -77;
    assert_int_equal(npi_zero_lag(t, k, 8, 1, 6, .5f, &e), 0);
    for (int i = 0; i < 8; i++)
        if (i == 2) assert_true(isnan(k[i].x));
        else NEAR(k[i].x, i == 5 ? -77 : i < 4 ? 10 : 500, 1e-3); /* the step is not rounded */
    t[3] = t[2];
    assert_int_equal(npi_zero_lag(t, k, 8, 1, 6, .5f, &e), NP_EINVAL);
    assert_non_null(strstr(e.message, "sample 3"));
    assert_int_equal(npi_zero_lag(t, k, 2, 1, 0, .5f, &e), NP_EINVAL);
    assert_int_equal(npi_zero_lag(t, k, 1, 1, 6, .5f, &e), 0);
    assert_int_equal(npi_zero_lag(t, k, 0, 1, 6, .5f, &e), 0);
}

/* --- left and right --- */

#define TALL 400.f
/* A body seen from the front: right joints left of the picture's middle, left ones right. turn 0: front, PI: back. */
static void body(const struct np_keypoint_set *set, struct np_keypoint *k, float cx, float turn, float swing) {
    static const float half[17] = { 0, 10, 10, 18, 18, 50, 50, 60, 60, 65, 65, 30, 30, 32, 32, 34, 34 }; /* from the middle */
    static const float down[17] = { 20, 12, 12, 16, 16, 70, 70, 130, 130, 185, 185, 200, 200, 290, 290, 380, 380 };
    for (int i = 0; i < set->n; i++) {
        const int left = i > 0 && i % 2; /* coco17: odd ones are left */
        const float side = i == 0 ? 0 : left ? 1 : -1;
        k[i] = (struct np_keypoint){ .x = cx + side * half[i] * cosf(turn) + (i > 12 ? side * swing * 40 : 0) * sinf(turn), .y = 50 + down[i], .conf = .9f };
    }
}

static void swap_sides(const struct np_keypoint_set *set, struct np_keypoint *k, int from) {
    for (int i = from; i < set->n; i++) {
        const int r = set->flip[i];
        if (r <= i) continue;
        const struct np_keypoint t = k[i];
        k[i] = k[r];
        k[r] = t;
    }
}

static void test_flip(void **state) {
    const struct np_keypoint_set *const set = npi_keypoint_set_find("coco17");
    struct npi_flip *f = NULL;
    struct np_keypoint k[17], want[17];
    assert_int_equal(npi_flip_create(&f, set, 4), 0);
    const size_t before = npi_alloc_calls();
    for (int i = 0; i < 60; i++) {
        body(set, k, 300 + 3 * (float)i, 0, 0);
        memcpy(want, k, sizeof k);
        const int whole = i % 10 == 5, legs = i % 10 == 8;
        if (whole) swap_sides(set, k, 0);
        if (legs) swap_sides(set, k, 11);
        const int done = npi_flip_repair(f, 1, k, 17, TALL, MS(33 * i));
        assert_int_equal(done, whole || legs);
        if (memcmp(k, want, sizeof k)) fail_msg("frame %d: not as it was", i);
    }
    assert_int_equal(npi_alloc_calls(), before);
    /* swapped for good, from one frame to the next: put right for four frames, then believed, and left alone */
    int first_alone = -1;
    for (int i = 60; i < 90; i++) {
        body(set, k, 480, 0, 0);
        swap_sides(set, k, 0);
        memcpy(want, k, sizeof k);
        const int done = npi_flip_repair(f, 1, k, 17, TALL, MS(33 * i));
        if (!done && first_alone < 0) first_alone = i;
        if (first_alone >= 0) { assert_int_equal(done, 0); assert_memory_equal(k, want, sizeof k); }
    }
    assert_true(first_alone >= 61 && first_alone <= 66);
    npi_flip_free(&f);
}

/* Somebody turns round in a second, walks in profile with crossing legs, jumps aside: nothing is relabelled. */
static void test_real_turns(void **state) {
    const struct np_keypoint_set *const set = npi_keypoint_set_find("coco17");
    for (int fps = 15; fps <= 60; fps *= 2) {
        struct npi_flip *f = NULL;
        struct np_keypoint k[17];
        assert_int_equal(npi_flip_create(&f, set, 4), 0);
        for (int i = 0; i < 6 * fps; i++) {
            const float s = (float)i / (float)fps;
            body(set, k, 300 + 60 * s, (float)PI * s, 0);
            if (npi_flip_repair(f, 1, k, 17, TALL, (int64_t)((double)s * 1e9))) fail_msg("turn, %d fps, frame %d", fps, i);
            body(set, k, 300 + 160 * s, (float)PI / 2, sinf(6 * s)); /* legs cross twice a second or so */
            if (npi_flip_repair(f, 2, k, 17, TALL, (int64_t)((double)s * 1e9))) fail_msg("walk, %d fps, frame %d", fps, i);
            body(set, k, s < 3 ? 300 : 420, 0, 0);
            if (npi_flip_repair(f, 3, k, 17, TALL, (int64_t)((double)s * 1e9))) fail_msg("jump, %d fps, frame %d", fps, i);
        }
        npi_flip_free(&f);
    }
}

/* Every keypoint set: whatever comes, joints are only relabelled. */
static void test_only_relabels(void **state) {
    const struct np_keypoint_set *set;
    for (int q = 0; (set = npi_keypoint_set_at(q)); q++) {
        struct npi_flip *f = NULL;
        static struct np_keypoint k[NP_MAX_KEYPOINTS], was[NP_MAX_KEYPOINTS];
        assert_int_equal(npi_flip_create(&f, set, 2), 0);
        for (int i = 0; i < 500; i++) {
            for (int j = 0; j < set->n; j++) {
                k[j] = (struct np_keypoint){ .x = uniform(0, 300), .y = uniform(0, 400), .conf = uniform(0, 1), .z = (float)j };
                if (uniform(0, 1) < .02f) k[j].y = NAN;
            }
            memcpy(was, k, sizeof k);
            npi_flip_repair(f, 1 + i % 3, k, set->n, TALL, i % 40 == 3 ? -MS(i) : MS(20 * i));
            for (int j = 0; j < set->n; j++) assert_true(!memcmp(&k[j], &was[j], sizeof *k) || !memcmp(&k[j], &was[set->flip[j]], sizeof *k));
        }
        assert_int_equal(npi_flip_repair(f, 1, k, set->n - 1, TALL, MS(99999)), 0); /* another set's pose */
        npi_flip_free(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_propagate), cmocka_unit_test(test_propagate_bounded), cmocka_unit_test(test_spec), cmocka_unit_test(test_scale),
        cmocka_unit_test(test_zero_lag_response), cmocka_unit_test(test_zero_lag_gaps), cmocka_unit_test(test_flip), cmocka_unit_test(test_real_turns),
        cmocka_unit_test(test_only_relabels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
