/* SPDX-License-Identifier: Apache-2.0 */
/* np_track_smoother: a sliding window must give what the whole track gives, change nothing but joints, hold little, and never trail. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "nextpose/smooth.h"
#include "track/zero_lag.h"

#define N 600
#define K 5
static struct np_person people[N][3];
static struct np_result result[N];
static unsigned seed;

static float noise(void) { seed = seed * 1664525u + 1013904223u; return (float)(seed >> 8) / 8388608.f - 1; }

/* Person 1 always, walking and waving; 2 comes at 50, is hidden 200..229 (a second) and goes at 400; 3 has boxes but never a pose. */
static float truth(int id, int k, int i) { return 100.f * (float)id + 3.f * (float)i + 40.f * sinf((float)i / 30.f * 6.2831853f * (.3f + .1f * (float)k)); }

static void make(int fps) {
    seed = 7;
    for (int i = 0; i < N; i++) {
        int n = 0;
        for (int id = 1; id <= 3; id++) {
            if (id == 2 && (i < 50 || i >= 400 || (i >= 200 && i < 230))) continue;
            struct np_person *const p = &people[i][n++];
            memset(p, 0, sizeof *p);
            p->id = id;
            p->score = .9f;
            p->box = (struct np_box){ 1.f * (float)i, 2, 3, 4 };
            p->pose_source = id == 3 ? NP_POSE_NONE : i % 4 == 3 ? NP_POSE_PROPAGATED : NP_POSE_INFERRED;
            p->n_keypoints = id == 3 ? 0 : K;
            for (int k = 0; k < p->n_keypoints; k++) p->keypoint[k] = (struct np_keypoint){ truth(id, k, i) + 4 * noise(), truth(id, k, i) + 4 * noise(), .1f * noise(), .8f, NAN, NAN, NAN };
            if (id == 1 && i == 77) p->keypoint[2].conf = 0;
        }
        result[i] = (struct np_result){ .index = i, .pts_ns = (int64_t)i * 1000000000 / fps, .width = 640, .height = 480, .n_persons = n, .persons = people[i] };
    }
}

static const struct np_person *find(const struct np_result *r, int id) {
    for (int i = 0; i < r->n_persons; i++)
        if (r->persons[i].id == id) return &r->persons[i];
    return NULL;
}

/* All through; out [N][3][K], NaN where there is nobody. Returns the most that was held. */
static int run(const char *smooth, struct np_keypoint (*out)[3][K]) {
    struct np_track_smoother *s = NULL;
    struct np_error e;
    const struct np_result *r;
    void *opaque;
    int n = 0, most = 0;
    assert_int_equal(np_track_smoother_create(&s, smooth, &e), 0);
    for (int i = 0; i <= N; i++) {
        if (i < N) assert_int_equal(np_track_smoother_add(s, &result[i], &result[i], &e), 0);
        int g;
        while ((g = np_track_smoother_get(s, i == N, &r, &opaque, &e)) == 0) {
            const struct np_result *const was = &result[n];
            assert_ptr_equal(opaque, was);
            assert_int_equal(r->index, n);
            assert_int_equal(r->n_persons, was->n_persons);
            for (int p = 0; p < r->n_persons; p++) {
                assert_memory_equal(&r->persons[p], &was->persons[p], offsetof(struct np_person, keypoint));
                for (int k = 0; k < r->persons[p].n_keypoints; k++) {
                    assert_true(r->persons[p].keypoint[k].conf == was->persons[p].keypoint[k].conf);
                    assert_true(isnan(r->persons[p].keypoint[k].wx));
                    out[n][r->persons[p].id - 1][k] = r->persons[p].keypoint[k];
                }
            }
            n++;
        }
        assert_int_equal(g, i == N ? NP_EEND : NP_EAGAIN);
        if (i < N && i + 1 - n > most) most = i + 1 - n;
    }
    assert_int_equal(n, N);
    np_track_smoother_free(&s);
    assert_null(s);
    return most;
}

static struct np_keypoint got[N][3][K];

static void test_window_is_whole_track(void **state) {
    static struct np_keypoint track[N * K];
    static int64_t t[N];
    static const struct { const char *smooth; int fps; float hz; } c[] = { { "zero-lag", 30, 6 }, { "zero-lag:2", 30, 2 }, { "zero-lag", 120, 6 }, { "zero-lag:6", 10, 6 } };
    for (size_t j = 0; j < sizeof c / sizeof *c; j++) {
        make(c[j].fps);
        const int held = run(c[j].smooth, got);
        const int want = (int)(3.75f / c[j].hz * (float)c[j].fps) + 2;
        if (held > want) fail_msg("%s at %d fps held %d results, not %d", c[j].smooth, c[j].fps, held, want);
        for (int id = 1; id <= 2; id++) {
            int n = 0;
            for (int i = 0; i < N; i++) {
                const struct np_person *const p = find(&result[i], id);
                if (!p) continue;
                t[n] = result[i].pts_ns;
                memcpy(track + n++ * K, p->keypoint, sizeof *track * K);
            }
            assert_int_equal(npi_zero_lag(t, track, n, K, c[j].hz, .5f, NULL), 0);
            n = 0;
            for (int i = 0; i < N; i++) {
                if (!find(&result[i], id)) continue;
                for (int k = 0; k < K; k++) {
                    const float d = fabsf(got[i][id - 1][k].x - track[n * K + k].x) + fabsf(got[i][id - 1][k].y - track[n * K + k].y);
                    if (!(d < .04f)) fail_msg("%s at %d fps: person %d joint %d of frame %d is %g px from the whole track's", c[j].smooth, c[j].fps, id, k, i, (double)d);
                }
                n++;
            }
        }
        assert_true(got[77][0][2].x == find(&result[77], 1)->keypoint[2].x); /* a joint that the net did not see is left alone */
    }
}

/* The curve that lies nearest to the smoothed one is the true one, not the true one of a frame ago; and it is nearer than the raw one. */
static void test_no_lag(void **state) {
    make(30);
    run("zero-lag", got);
    double err[5] = { 0 }, raw = 0, jit[2] = { 0 };
    for (int i = 10; i < N - 10; i++)
        for (int k = 0; k < K; k++) {
            for (int lag = -2; lag <= 2; lag++) err[lag + 2] += fabs((double)got[i][0][k].x - (double)truth(1, k, i - lag));
            raw += fabs((double)find(&result[i], 1)->keypoint[k].x - (double)truth(1, k, i));
            for (int s = 0; s < 2; s++) {
                double v[3];
                for (int d = -1; d <= 1; d++) v[d + 1] = s ? (double)got[i + d][0][k].x : (double)find(&result[i + d], 1)->keypoint[k].x;
                jit[s] += fabs(v[0] - 2 * v[1] + v[2]);
            }
        }
    for (int lag = 0; lag < 5; lag++)
        if (lag != 2) assert_true(err[2] < .8 * err[lag]);
    if (!(err[2] < .8 * raw)) fail_msg("error %g of raw %g", err[2], raw);
    if (!(jit[1] < .35 * jit[0])) fail_msg("jitter %g of raw %g", jit[1], jit[0]);
}

/* A jump: half way exactly between the last frame before and the first after it, as far before as behind. */
static void test_step(void **state) {
    make(30);
    for (int i = 0; i < N; i++) for (int k = 0; k < K; k++) people[i][0].keypoint[k].x = i < 300 ? 0 : 100;
    run("zero-lag", got);
    for (int d = 0; d < 10; d++) {
        const float before = got[299 - d][0][0].x, after = got[300 + d][0][0].x;
        if (!(fabsf(before + after - 100) < .02f)) fail_msg("%d frames off the step: %g and %g", d, (double)before, (double)after);
    }
    assert_true(got[290][0][0].x < 3 && got[309][0][0].x > 97);
}

static void test_cuts(void **state) {
    make(30);
    for (int i = 300; i < N; i++) result[i].pts_ns -= 300 * 1000000000LL / 30; /* the clip begins anew */
    for (int i = 0; i < N; i++) for (int k = 0; k < K; k++) people[i][0].keypoint[k].x = i < 300 ? 0 : 100;
    run("zero-lag", got);
    for (int i = 0; i < N; i++) assert_true(fabsf(got[i][0][0].x - (i < 300 ? 0 : 100)) < 1e-3f);
}

static void test_errors(void **state) {
    struct np_track_smoother *s = NULL;
    struct np_error e;
    const struct np_result *r;
    void *opaque = NULL;
    static const char *const bad[] = { "one-euro", "none", "zero-lag:.05", "zero-lag:-1", "lag" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(np_track_smoother_create(&s, bad[i], &e), NP_EINVAL);
    assert_null(s);
    assert_int_equal(np_track_smoother_create(&s, NULL, &e), 0);
    assert_true(fabs(np_track_smoother_delay_s(s) - .625) < 1e-6);
    assert_int_equal(np_track_smoother_get(s, 0, &r, NULL, &e), NP_EAGAIN);
    assert_int_equal(np_track_smoother_get(s, 1, &r, NULL, &e), NP_EEND);
    make(30);
    result[0].pts_ns = -1;
    assert_int_equal(np_track_smoother_add(s, &result[0], NULL, &e), NP_EINVAL);
    for (int i = 1; i < 40; i++) assert_int_equal(np_track_smoother_add(s, &result[i], &result[i], &e), 0);
    for (int i = 1; i < 40; i++) {
        assert_int_equal(np_track_smoother_get(s, 0, NULL, &opaque, &e), 0);
        assert_ptr_equal(opaque, &result[i]);
    }
    assert_int_equal(np_track_smoother_get(s, 0, NULL, &opaque, &e), NP_EEND);
    assert_int_equal(np_track_smoother_get(s, 1, &r, &opaque, &e), NP_EEND);
    np_track_smoother_free(&s);
    np_track_smoother_free(&s);
    np_track_smoother_free(NULL);
}

/* Hours: what is held does not grow. */
static void test_steady(void **state) {
    struct np_track_smoother *s = NULL;
    const struct np_result *r;
    size_t before = 0;
    make(30);
    assert_int_equal(np_track_smoother_create(&s, "zero-lag", NULL), 0);
    for (int i = 0; i < 4 * N; i++) {
        struct np_result in = result[100 + i % 80];
        in.pts_ns = (int64_t)i * 33333333;
        if (i == N) before = npi_alloc_calls();
        assert_int_equal(np_track_smoother_add(s, &in, NULL, NULL), 0);
        while (np_track_smoother_get(s, 0, &r, NULL, NULL) == 0) {}
    }
    const size_t calls = npi_alloc_calls() - before; /* the smoother's scratch: one block a person and window */
    if (calls > 3 * N * 2) fail_msg("%zu allocations for %d results", calls, 3 * N);
    np_track_smoother_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_window_is_whole_track), cmocka_unit_test(test_no_lag), cmocka_unit_test(test_step), cmocka_unit_test(test_cuts),
                                        cmocka_unit_test(test_errors), cmocka_unit_test(test_steady) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
