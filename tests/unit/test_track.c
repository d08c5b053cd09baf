/* SPDX-License-Identifier: Apache-2.0 */
/* Matching, filtering, ids over frames, smoothing: small scenes whose outcome can be told in advance. */
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
#include "track/assign.h"
#include "track/kalman.h"
#include "track/smooth.h"
#include "track/track.h"

#define NEAR(got, want, tol)                                                                               \
    do {                                                                                                   \
        const double g_ = (double)(got), w_ = (double)(want);                                              \
        if (!(fabs(g_ - w_) <= (tol))) fail_msg("%s: got %.7g, want %.7g +- %g", #got, g_, w_, (double)(tol)); \
    } while (0)
#define STEP 33333333 /* ns a frame */

static void test_assign(void **state) {
    static struct npi_assign a;
    /* greedy would take .9 first and leave .1: total 1.0; the best is .8 + .7 */
    const float s[2][2] = { { .9f, .8f }, { .7f, .1f } };
    for (int r = 0; r < 2; r++) for (int c = 0; c < 2; c++) a.sim[r][c] = s[r][c];
    npi_assign(&a, 2, 2);
    assert_int_equal(a.row_to_col[0], 1);
    assert_int_equal(a.row_to_col[1], 0);
    /* one row, three columns; and three rows, one column; pairs of similarity 0 stay apart */
    a.sim[0][0] = .2f; a.sim[0][1] = .6f; a.sim[0][2] = .5f;
    npi_assign(&a, 1, 3);
    assert_int_equal(a.row_to_col[0], 1);
    a.sim[0][0] = 0; a.sim[1][0] = .3f; a.sim[2][0] = .4f;
    npi_assign(&a, 3, 1);
    assert_int_equal(a.row_to_col[0], -1);
    assert_int_equal(a.row_to_col[1], -1);
    assert_int_equal(a.row_to_col[2], 0);
    npi_assign(&a, 2, 0);
    assert_int_equal(a.row_to_col[1], -1);
    /* against all permutations of random 5 x 5 problems */
    unsigned seed = 7;
    for (int round = 0; round < 50; round++) {
        for (int r = 0; r < 5; r++)
            for (int c = 0; c < 5; c++) {
                seed = seed * 1664525u + 1013904223u;
                a.sim[r][c] = (seed >> 20 & 3) ? (float)(seed >> 8 & 0xfff) / 4096 : 0;
            }
        float best = 0, got = 0;
        for (int k = 0; k < 3125; k++) {
            int used = 0, q = k;
            float sum = 0;
            for (int r = 0; r < 5; r++, q /= 5) {
                if (used >> (q % 5) & 1) { sum = -1; break; }
                used |= 1 << (q % 5);
                sum += a.sim[r][q % 5];
            }
            best = fmaxf(best, sum);
        }
        npi_assign(&a, 5, 5);
        for (int r = 0; r < 5; r++) got += a.row_to_col[r] < 0 ? 0 : a.sim[r][a.row_to_col[r]];
        NEAR(got, best, 1e-5);
    }
}

/* A box that moves 60 px a second: after a second of noiseless updates the speed is known and a prediction lands on it. */
static void test_kalman(void **state) {
    struct npi_kf k;
    npi_kf_start(&k, &(struct np_box){ 0, 0, 50, 100 });
    for (int i = 1; i <= 30; i++) {
        npi_kf_predict(&k, 1.f / 30, 1);
        npi_kf_update(&k, &(struct np_box){ (float)(2 * i), 0, 50, 100 }, 1);
    }
    NEAR(k.cx.v, 60, 3); NEAR(k.cy.v, 0, .1);
    for (int i = 0; i < 10; i++) npi_kf_predict(&k, 1.f / 30, 1);
    const struct np_box b = npi_kf_box(&k);
    NEAR(b.x, 80, 2); NEAR(b.w, 50, .1); NEAR(b.h, 100, .1);
    assert_true(k.cx.pxx > 0 && k.cx.pvv > 0 && k.cx.pxx * k.cx.pvv >= k.cx.pxv * k.cx.pxv);
}

static void test_similarities(void **state) {
    const struct np_box a = { 0, 0, 10, 10 }, b = { 5, 0, 10, 10 }, c = { 20, 0, 5, 5 };
    NEAR(npi_iou(&a, &b), 50. / 150, 1e-6);
    NEAR(npi_iou(&a, &c), 0, 0);
    struct np_keypoint p[4] = { { .x = 0, .conf = 1 }, { .x = 1, .conf = 1 }, { .x = 2, .conf = 1 }, { .x = 9, .conf = .1f } }, q[4];
    memcpy(q, p, sizeof q);
    const float sigma[4] = { .05f, .05f, .05f, .05f };
    NEAR(npi_oks(p, q, 4, sigma, 100, .3f), 1, 1e-6);
    q[0].y = 1; /* d^2 = 1, 2 area (2 sigma)^2 = 200 * .01 = 2: e^-.5 */
    NEAR(npi_oks(p, q, 4, sigma, 100, .3f), (2 + exp(-.5)) / 3, 1e-5);
    q[1].conf = 0;
    NEAR(npi_oks(p, q, 4, sigma, 100, .3f), -1, 0); /* two joints tell nothing */
}

static struct npi_tracker *make(struct npi_track_params *p, const char *set) {
    struct npi_tracker *t = NULL;
    assert_int_equal(npi_tracker_create(&t, p, set ? npi_keypoint_set_find(set) : NULL), 0);
    return t;
}

static struct npi_track_det det(float x, float y, float w, float h, float score) {
    return (struct npi_track_det){ .box = { x, y, w, h }, .score = score };
}

/* Two people walk through each other at 120 px a second, boxes 60 wide: each keeps its id, because motion is predicted. */
static void test_crossing(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, NULL);
    int ids[2], first[2];
    for (int i = 0; i < 100; i++) {
        const struct npi_track_det d[2] = { det((float)(100 + 4 * i), 100, 60, 150, .9f), det((float)(500 - 4 * i), 104, 58, 148, .85f) };
        npi_tracker_update(t, d, 2, (int64_t)i * STEP, ids);
        if (i == 0) memcpy(first, ids, sizeof ids);
        if (ids[0] != first[0] || ids[1] != first[1]) fail_msg("frame %d: ids %d %d, were %d %d", i, ids[0], ids[1], first[0], first[1]);
    }
    assert_int_equal(first[0], 1);
    assert_int_equal(first[1], 2);
    NEAR(npi_tracker_find(t, 1)->vx, 120, 10);
    npi_tracker_free(&t);
    assert_null(t);
}

/* Seen, hidden for five frames while walking, seen again: same id. Hidden for longer than max_missing: a new one. */
static void test_hidden(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    p.max_missing = 6;
    struct npi_tracker *t = make(&p, NULL);
    int id = 0, i = 0;
    struct npi_track_det d;
    for (; i < 20; i++) { d = det((float)(3 * i), 0, 60, 150, .9f); npi_tracker_update(t, &d, 1, (int64_t)i * STEP, &id); }
    for (; i < 25; i++) npi_tracker_update(t, NULL, 0, (int64_t)i * STEP, NULL);
    assert_int_equal(npi_tracker_count(t), 1);
    assert_int_equal(npi_tracker_at(t, 0)->missing, 5);
    d = det((float)(3 * i), 0, 60, 150, .9f);
    npi_tracker_update(t, &d, 1, (int64_t)i * STEP, &id);
    assert_int_equal(id, 1);
    for (int k = 0; k < 7; k++, i++) npi_tracker_update(t, NULL, 0, (int64_t)(i + 1) * STEP, NULL);
    assert_int_equal(npi_tracker_count(t), 0);
    npi_tracker_update(t, &d, 1, (int64_t)(i + 1) * STEP, &id);
    assert_int_equal(id, 0); /* might be a ghost */
    assert_true(npi_tracker_wants_detection(t));
    npi_tracker_update(t, &d, 1, (int64_t)(i + 2) * STEP, &id);
    assert_int_equal(id, 2);
    assert_false(npi_tracker_wants_detection(t));
    /* a gap in time kills as well */
    npi_tracker_update(t, NULL, 0, (int64_t)(i + 3) * STEP + 3000000000, NULL);
    assert_int_equal(npi_tracker_count(t), 0);
    npi_tracker_free(&t);
}

/* Weak detections carry a track on and never start one; birth_hits holds ids back. */
static void test_stages(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    p.birth_hits = 2;
    struct npi_tracker *t = make(&p, NULL);
    int id = -1;
    struct npi_track_det d = det(0, 0, 60, 150, .3f);
    npi_tracker_update(t, &d, 1, 0, &id);
    assert_int_equal(id, 0);
    assert_int_equal(npi_tracker_count(t), 0);
    d.score = .8f;
    npi_tracker_update(t, &d, 1, STEP, &id);
    assert_int_equal(id, 0); /* first hit */
    npi_tracker_update(t, &d, 1, 2 * STEP, &id);
    assert_int_equal(id, 1);
    d.score = .2f;
    npi_tracker_update(t, &d, 1, 3 * STEP, &id);
    assert_int_equal(id, 1);
    NEAR(npi_tracker_at(t, 0)->score, .2, 1e-6);
    d.score = .05f; /* below low_thr: as if not there */
    npi_tracker_update(t, &d, 1, 4 * STEP, &id);
    assert_int_equal(id, 0);
    /* a ghost of one frame never gets an id */
    struct npi_track_det two[2] = { det(0, 0, 60, 150, .8f), det(400, 0, 60, 150, .8f) };
    int ids[2];
    npi_tracker_update(t, two, 2, 5 * STEP, ids);
    assert_int_equal(ids[1], 0);
    npi_tracker_update(t, two, 1, 6 * STEP, ids);
    assert_int_equal(npi_tracker_count(t), 1);
    npi_tracker_free(&t);
}

/* Two boxes lie on each other; the joints tell who is who. */
static void test_oks(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, "coco17");
    struct np_keypoint k[2][17];
    memset(k, 0, sizeof k);
    for (int i = 0; i < 17; i++)
        for (int who = 0; who < 2; who++)
            k[who][i] = (struct np_keypoint){ .x = (float)((who ? 150 : 110) + 2 * i), .y = (float)(100 + 8 * i), .conf = .9f };
    struct npi_track_det d[2] = { det(100, 100, 80, 150, .9f), det(110, 100, 80, 150, .9f) };
    for (int i = 0; i < 2; i++) { d[i].kpt = k[i]; d[i].n_kpt = 17; }
    int ids[2];
    npi_tracker_update(t, d, 2, 0, ids);
    assert_int_equal(ids[0], 1);
    /* the boxes jump onto each other's place, by IoU they would swap; the joints stay */
    d[0].box.x = 110; d[1].box.x = 100;
    npi_tracker_update(t, d, 2, STEP, ids);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 2);
    npi_tracker_set_pose(t, 99, k[0], 17, STEP); /* unknown: nothing happens */
    npi_tracker_free(&t);
}

/* Frames without detection: the box follows the joints, with the margins that the detections had about them; also when poses come `late` frames after. */
static void pose_box(int late) {
    enum { N = 70 };
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, "coco17");
    static struct np_keypoint k[N][17];
    int id = 0;
    /* joints fill 100..140 x 120..280 (160 high); the detector's box is 16 wider on each side (.1 of the height), 20 above, 10 below.
     * The body stops on frame 39, and from there on only poses say so: the box stops too, which prediction alone would not. */
    for (int f = 0; f < N; f++) {
        const float x = 2 * (float)(f < 39 ? f : 39);
        for (int i = 0; i < 17; i++) k[f][i] = (struct np_keypoint){ .x = 100 + 2.5f * (float)i + x, .y = 120 + 10.f * (float)i, .conf = .9f };
        const struct npi_track_det d = det(84 + x, 100, 72, 190, .9f);
        if (f < 30) npi_tracker_update(t, &d, 1, (int64_t)f * STEP, &id);
        else npi_tracker_predict(t, (int64_t)f * STEP);
        if (f >= late) npi_tracker_set_pose(t, id, k[f - late], 17, (int64_t)(f - late) * STEP);
        if (f < 20 || (f > 35 && f < N - 10)) continue;
        const struct np_box b = npi_tracker_find(t, 1)->box;
        NEAR(b.x, 84 + x, 4); NEAR(b.y, 100, 3); NEAR(b.w, 72, 4); NEAR(b.h, 190, 4);
    }
    npi_tracker_free(&t);
}

static void test_pose_box(void **state) {
    pose_box(0);
    pose_box(4);
}

/* Detections that come when the tracks are already at the frame, or `late` frames past it: somebody who walks 5 px a frame is where the walk has come to, not
 * where the detector saw it; a newcomer gets an id, who is gone is missing, and time goes on as if nothing had been. */
static void late_detection(int late) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, "coco17");
    int id = 0;
    const struct npi_track_det first = det(100, 100, 80, 200, .9f);
    npi_tracker_update(t, &first, 1, 0, &id);
    assert_int_equal(id, 1);
    for (int f = 1; f < 60; f++) {
        npi_tracker_predict(t, (int64_t)f * STEP);
        if (f % 3 == 0 && f >= late) {
            const struct npi_track_det d[2] = { det(100 + 5 * (float)(f - late), 100, 80, 200, .9f), det(600, 120, 70, 180, .9f) };
            npi_tracker_update_late(t, d, f < 40 ? 1 : 2, (int64_t)(f - late) * STEP);
        }
        const struct npi_track *const a = npi_tracker_find(t, 1);
        assert_non_null(a);
        assert_int_equal(a->missing, 0);
        if (f < 20) continue;
        NEAR(a->box.x, 100 + 5 * f, 2); NEAR(a->box.w, 80, 1); NEAR(a->vx, 150, 10);
    }
    const struct npi_track *const b = npi_tracker_find(t, 2);
    assert_non_null(b); /* on its second detection, not at once: frames follow */
    assert_int_equal(b->hits, 6);
    NEAR(b->box.x, 600, 1);
    npi_tracker_predict(t, (int64_t)60 * STEP);
    const struct npi_track_det alone = det(600, 120, 70, 180, .9f);
    npi_tracker_update_late(t, &alone, 1, (int64_t)(60 - late) * STEP);
    assert_int_equal(npi_tracker_find(t, 1)->missing, 1);
    assert_int_equal(npi_tracker_wants_detection(t), 1);
    npi_tracker_free(&t);
}

static void test_late_detection(void **state) {
    late_detection(0);
    late_detection(2);
    /* before anything else: as an update */
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, "coco17");
    const struct npi_track_det d = det(100, 100, 80, 200, .9f);
    npi_tracker_update_late(t, &d, 1, STEP);
    assert_int_equal(npi_tracker_count(t), 1);
    npi_tracker_free(&t);
}

/* "Nobody there", three times, withdraws somebody who never had a pose; not somebody who had. */
static void test_nobody(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, "coco17");
    struct np_keypoint k[17];
    int ids[2];
    const struct npi_track_det d[2] = { det(100, 100, 80, 200, .42f), det(400, 100, 80, 200, .42f) };
    for (int i = 0; i < 17; i++) k[i] = (struct np_keypoint){ .x = 420 + 2 * (float)i, .y = 120 + 10 * (float)i, .conf = .9f };
    for (int f = 0; f < 5; f++) {
        npi_tracker_update(t, d, 2, (int64_t)f * STEP, ids);
        assert_int_equal(ids[0], f < 3 ? 1 : 0);
        assert_int_equal(ids[1], 2);
        npi_tracker_set_pose(t, 1, NULL, 0, (int64_t)f * STEP);
        npi_tracker_set_pose(t, 2, f ? NULL : k, f ? 0 : 17, (int64_t)f * STEP);
    }
    assert_int_equal(npi_tracker_find(t, 1)->selected, 0);
    assert_int_equal(npi_tracker_find(t, 2)->selected, 1);
    npi_tracker_free(&t);
}

static void test_doubles(void **state) {
    const struct np_keypoint_set *const set = npi_keypoint_set_find("coco17");
    static struct np_person p[3];
    unsigned char dup[3];
    for (int i = 0; i < 3; i++) {
        p[i] = (struct np_person){ .id = 5 - i, .box = { i == 2 ? 160.f : 100.f, 100, 80, 200 }, .n_keypoints = 17 };
        for (int j = 0; j < 17; j++) p[i].keypoint[j] = (struct np_keypoint){ .x = p[i].box.x + 30 + 2 * (float)j + (float)i, .y = 110 + 10 * (float)j, .conf = .9f };
    }
    assert_int_equal(npi_mark_doubles(p, 3, set, dup), 1); /* 5 and 4 are one body, 1 px apart: the older id stays */
    assert_int_equal(dup[0], 1); assert_int_equal(dup[1], 0); assert_int_equal(dup[2], 0);
    p[1].n_keypoints = 0; /* boxes lie on each other; the one with joints stays */
    assert_int_equal(npi_mark_doubles(p, 3, set, dup), 1);
    assert_int_equal(dup[1], 1);
    NEAR(npi_inside(&(struct np_box){ 0, 0, 10, 10 }, &(struct np_box){ 5, 5, 4, 10 }), 4. * 5 / 40, 1e-6);
    NEAR(npi_iou_padded(&(struct np_box){ 0, 0, 10, 10 }, &(struct np_box){ 12, 0, 10, 10 }, 2), 2. * 14 / (2 * 196 - 28), 1e-6);
}

/* Time goes back (a clip that starts again): tracks go on, and steps count as they come. */
static void test_clock(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, NULL);
    int id = 0;
    for (int f = 0; f < 60; f++) {
        const struct npi_track_det d = det(100 + 3 * (float)f, 100, 60, 150, .9f);
        npi_tracker_update(t, &d, 1, (int64_t)(f % 20) * STEP, &id);
        assert_int_equal(id, 1);
        if (f % 20 > 5 || f > 40) NEAR(npi_tracker_find(t, 1)->vx, f ? 90 : 0, 60);
    }
    NEAR(npi_tracker_find(t, 1)->vx, 90, 6);
    npi_tracker_free(&t);
}

/* The largest are served; who is served is not dropped for a hair's breadth. */
static void test_selection(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    p.max_persons = 2;
    struct npi_tracker *t = make(&p, NULL);
    struct npi_track_det d[3] = { det(0, 0, 50, 100, .9f), det(200, 0, 80, 160, .9f), det(400, 0, 60, 120, .9f) };
    npi_tracker_update(t, d, 3, 0, NULL);
    assert_int_equal(npi_tracker_at(t, 0)->id, 2);
    assert_int_equal(npi_tracker_at(t, 1)->id, 3);
    assert_int_equal(npi_tracker_at(t, 2)->selected, 0);
    for (int i = 1; i < 10; i++) { /* the first grows to 5 % more than the third: not enough */
        d[0].box.w = fminf(63, 50 + (float)i * 2); d[0].box.h = 2 * d[0].box.w;
        npi_tracker_update(t, d, 3, (int64_t)i * STEP, NULL);
    }
    assert_int_equal(npi_tracker_find(t, 3)->selected, 1);
    assert_int_equal(npi_tracker_find(t, 1)->selected, 0);
    for (int i = 10; i < 30; i++) {
        d[0].box.w = fminf(90, 50 + (float)i * 2); d[0].box.h = 2 * d[0].box.w;
        npi_tracker_update(t, d, 3, (int64_t)i * STEP, NULL);
    }
    assert_int_equal(npi_tracker_find(t, 1)->selected, 1);
    assert_int_equal(npi_tracker_find(t, 3)->selected, 0);
    assert_null(npi_tracker_at(t, 3));
    npi_tracker_free(&t);
}

/* Too many, broken and empty detections; equal runs give equal ids; nothing is allocated. */
static void test_hostile(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    struct npi_tracker *t = make(&p, NULL), *u = make(&p, NULL);
    static struct npi_track_det d[300];
    static int ids[300], again[300];
    const size_t before = npi_alloc_calls();
    for (int f = 0; f < 5; f++) {
        for (int i = 0; i < 300; i++) d[i] = det((float)(i % 20 * 100 + f), (float)(i / 20 * 200), 60, 150, .5f + .001f * (float)i);
        d[5].box.w = NAN; d[6].box.h = -1; d[7].score = NAN; d[8].box.x = INFINITY;
        npi_tracker_update(t, d, 300, (int64_t)f * STEP, ids);
        npi_tracker_update(u, d, 300, (int64_t)f * STEP, again);
        assert_memory_equal(ids, again, sizeof ids);
        assert_int_equal(npi_tracker_count(t), NPI_TRACK_MAX);
        assert_int_equal(ids[299] > 0, 1); /* the best scores are used */
        assert_int_equal(ids[0], 0);
    }
    npi_tracker_update(t, d, 3, -1, ids);         /* unknown time */
    npi_tracker_update(t, d, 3, 1, ids);          /* time going back */
    npi_tracker_predict(t, INT64_MAX / 2);        /* and far ahead */
    assert_true(isfinite(npi_tracker_at(t, 0)->box.x));
    assert_int_equal(npi_alloc_calls(), before);
    npi_tracker_reset(t);
    assert_int_equal(npi_tracker_count(t), 0);
    npi_tracker_free(&t);
    npi_tracker_free(&u);
}

static void test_one_euro(void **state) {
    const struct npi_one_euro_params p = { 1, .007f, 1 };
    struct npi_one_euro s = { 0 };
    NEAR(npi_one_euro(&s, &p, 10, 0), 10, 0);
    /* first step of .1 s to 20: speed 100, its low pass r = .2 pi, share .385870, 38.5870; cut-off 1 + .007 * 38.587 = 1.27011 Hz,
     * r = .2 pi * 1.27011 = .798033, share .443836: 14.43836 */
    NEAR(npi_one_euro(&s, &p, 20, 100000000), 14.43836, 1e-3);
    float x = 0;
    for (int i = 2; i < 200; i++) x = npi_one_euro(&s, &p, 20, (int64_t)i * 100000000);
    NEAR(x, 20, 1e-3); /* settles */
    assert_true(isnan(npi_one_euro(&s, &p, NAN, 20000000000)));
    NEAR(npi_one_euro(&s, &p, 5, 20100000000), 5, 0); /* starts anew */
    NEAR(npi_one_euro(&s, &p, 7, 20100000000), 7, 0); /* time stands still: no division by 0 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assign), cmocka_unit_test(test_kalman), cmocka_unit_test(test_similarities), cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_hidden), cmocka_unit_test(test_stages), cmocka_unit_test(test_oks), cmocka_unit_test(test_pose_box), cmocka_unit_test(test_late_detection), cmocka_unit_test(test_nobody), cmocka_unit_test(test_doubles), cmocka_unit_test(test_clock), cmocka_unit_test(test_selection),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_one_euro),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
