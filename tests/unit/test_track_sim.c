/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker on made-up crowds whose truth is known: people walk through the picture and through each other, come and go, hide behind whoever stands
 * nearer, are missed, and boxes appear where nobody is. Counted: how often a person's id changes, and whether two people share one. */
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
#include "track/track.h"

#define W 1280
#define H 720
#define MAX_PEOPLE 12

static uint32_t seed;
static float uniform(float lo, float hi) {
    seed = seed * 1664525u + 1013904223u;
    return lo + (hi - lo) * (float)(seed >> 8) / 16777216.f;
}
static float noise(float s) { return s * (uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1)); } /* deviation s */

struct person { float x, y, h, vx, vy; int alive, last_id, now_id, hidden; };

struct crowd {
    int people, fps, every;    /* detection on every so-manieth frame */
    float miss, ghosts, hide;  /* chances; share covered from which somebody is not found */
};
struct outcome { int seen, with_id, changes, flickers, shared, ids, born; };

static void enter(struct person *p, int from_edge) {
    const float h = uniform(110, 260), v = uniform(.3f, .8f) * h;
    const int left = uniform(0, 1) < .5f;
    *p = (struct person){ .h = h, .vx = left ? v : -v, .vy = uniform(-.05f, .05f) * h, .alive = 1 };
    p->x = from_edge ? left ? 0 : W : uniform(100, W - 100);
    p->y = H * .3f + h; /* nearer people are larger and lower: feet */
}

static struct np_box box_of(const struct person *p) { return (struct np_box){ p->x - .2f * p->h, p->y - p->h, .4f * p->h, p->h }; }

/* Share of p that nearer people cover; or any people. */
static float covered(const struct person *p, const struct person *all, int n, int any) {
    float most = 0;
    const struct np_box a = box_of(p);
    for (int i = 0; i < n; i++) {
        const struct np_box b = box_of(&all[i]);
        if (&all[i] == p || !all[i].alive || (!any && all[i].y <= p->y)) continue;
        const float w = fminf(a.x + a.w, b.x + b.w) - fmaxf(a.x, b.x), h = fminf(a.y + a.h, b.y + b.h) - fmaxf(a.y, b.y);
        if (w > 0 && h > 0) most = fmaxf(most, w * h / (a.w * a.h));
    }
    return most;
}

static int detect(struct person *all, const struct crowd *c, struct npi_track_det *d, int *who) {
    int n = 0;
    for (int i = 0; i < c->people; i++) {
        struct person *const p = &all[i];
        const float over = p->alive ? covered(p, all, c->people, 0) : 1;
        p->hidden = over > c->hide;
        if (!p->alive || p->hidden || uniform(0, 1) < c->miss) continue;
        struct np_box b = box_of(p);
        b.x += noise(.012f * p->h); b.y += noise(.012f * p->h);
        b.w *= 1 + noise(.04f); b.h *= 1 + noise(.02f);
        who[n] = i;
        d[n++] = (struct npi_track_det){ .box = b, .score = over > .3f ? uniform(.15f, .6f) : uniform(.5f, .9f) };
    }
    if (uniform(0, 1) < c->ghosts) {
        who[n] = -1;
        d[n++] = (struct npi_track_det){ .box = { uniform(0, W - 80), uniform(0, H - 200), uniform(40, 90), uniform(80, 200) }, .score = uniform(.3f, .7f) };
    }
    return n;
}

static struct outcome run(const struct crowd *c, int frames) {
    struct person all[MAX_PEOPLE] = { 0 };
    struct npi_track_params p;
    struct npi_tracker *t;
    struct outcome o = { 0 };
    npi_track_params_default(&p);
    p.max_persons = MAX_PEOPLE;
    assert_int_equal(npi_tracker_create(&t, &p, NULL), 0);
    npi_tracker_set_picture(t, W, H);
    for (int i = 0; i < c->people; i++) enter(&all[i], i > c->people / 2);
    o.born = c->people;
    const size_t before = npi_alloc_calls();
    for (int f = 0; f < frames; f++) {
        const float dt = 1.f / (float)c->fps;
        const int64_t now = (int64_t)((double)f * 1e9 / c->fps);
        struct npi_track_det d[MAX_PEOPLE + 1];
        int who[MAX_PEOPLE + 1], ids[MAX_PEOPLE + 1];
        for (int i = 0; i < c->people; i++) {
            struct person *const q = &all[i];
            if (!q->alive && uniform(0, 1) < dt / 2) { enter(q, 1); o.born++; }
            q->x += q->vx * dt;
            q->y += q->vy * dt;
            if (q->x < -.1f * q->h || q->x > W + .1f * q->h) *q = (struct person){ 0 };
        }
        if (f % c->every) {
            npi_tracker_predict(t, now);
            continue;
        }
        const int n = detect(all, c, d, who);
        npi_tracker_update(t, d, n, now, ids);
        for (int k = 0; k < n; k++) {
            if (ids[k] > o.ids) o.ids = ids[k];
            for (int j = 0; j < k; j++) o.shared += ids[k] > 0 && ids[k] == ids[j];
            if (who[k] < 0) continue;
            struct person *const q = &all[who[k]];
            o.seen++;
            if (!ids[k]) continue;
            o.with_id++;
            o.flickers += q->now_id && q->now_id != ids[k];
            q->now_id = ids[k];
            if (covered(q, all, c->people, 1) > .3f) continue; /* who is whom is asked before and after, not in the thick of it */
            o.changes += q->last_id && q->last_id != ids[k];
            q->last_id = ids[k];
        }
    }
    assert_int_equal(npi_alloc_calls(), before);
    npi_tracker_free(&t);
    return o;
}

static struct outcome many(const struct crowd *c, int runs, const char *name) {
    struct outcome sum = { 0 };
    for (int r = 0; r < runs; r++) {
        seed = 1000u + (uint32_t)r;
        const struct outcome o = run(c, 20 * c->fps);
        sum.seen += o.seen; sum.with_id += o.with_id; sum.changes += o.changes; sum.flickers += o.flickers; sum.shared += o.shared; sum.ids += o.ids; sum.born += o.born;
    }
    printf("%s: %d people in %d runs of 20 s, %d ids, %d changes (%d with those while overlapping), %.3f of the boxes with id\n", name, sum.born, runs, sum.ids, sum.changes, sum.flickers,
           (double)sum.with_id / sum.seen);
    assert_int_equal(sum.shared, 0);
    return sum;
}

/* Nothing is missed and nobody hides: hardly an id changes, though people walk through each other. */
static void test_clean(void **state) {
    const struct crowd c = { .people = 5, .fps = 30, .every = 1, .hide = 2 };
    const struct outcome o = many(&c, 20, "clean");
    assert_true(o.changes <= o.born * 4 / 100);
    assert_true(o.ids <= o.born + o.born / 50);
    assert_true(o.with_id >= o.seen * 98 / 100);
}

/* One in ten is missed, ghosts on one frame in five, whoever is covered to two thirds is gone until uncovered. */
static void test_crowd(void **state) {
    const struct crowd c = { .people = 6, .fps = 30, .every = 1, .miss = .1f, .ghosts = .2f, .hide = .65f };
    const struct outcome o = many(&c, 20, "crowd");
    assert_true(o.changes <= o.born * 13 / 100);
    assert_true(o.with_id >= o.seen * 95 / 100);
}

/* The same with a detection on every third frame only, and at 10 frames a second. */
static void test_sparse(void **state) {
    const struct crowd c = { .people = 6, .fps = 30, .every = 3, .miss = .1f, .ghosts = .1f, .hide = .65f };
    const struct outcome o = many(&c, 20, "every third");
    assert_true(o.changes <= o.born * 18 / 100);
    const struct crowd slow = { .people = 6, .fps = 10, .every = 1, .miss = .1f, .ghosts = .1f, .hide = .65f };
    const struct outcome q = many(&slow, 20, "10 fps");
    assert_true(q.changes <= q.born * 14 / 100);
}

/* One person walks behind a pillar for a second and comes out on the other side, and one stops there; the same ids. Then two change places behind it. */
static void test_pillar(void **state) {
    struct npi_track_params p;
    npi_track_params_default(&p);
    for (int stops = 0; stops < 2; stops++) {
        struct npi_tracker *t;
        int id = 0;
        assert_int_equal(npi_tracker_create(&t, &p, NULL), 0);
        for (int f = 0; f < 90; f++) {
            const float walked = (float)(f < 30 || !stops ? f : f < 60 ? 30 : f - 30) * 4;
            const struct npi_track_det d = { .box = { 100 + walked, 200, 70, 180 }, .score = .8f };
            const int hidden = f >= 30 && f < 60;
            npi_tracker_update(t, &d, !hidden, (int64_t)f * 33333333, hidden ? NULL : &id);
            if (!hidden && id != 1) fail_msg("frame %d, stops %d: id %d", f, stops, id);
            if (f == 60) assert_int_equal(npi_tracker_find(t, 1)->returned, 1);
        }
        npi_tracker_free(&t);
    }
    struct npi_tracker *t;
    int ids[2];
    assert_int_equal(npi_tracker_create(&t, &p, NULL), 0);
    for (int f = 0; f < 90; f++) {
        const struct npi_track_det d[2] = { { .box = { 100 + 4.f * (float)f, 200, 70, 180 }, .score = .8f }, { .box = { 460 - 4.f * (float)f, 205, 65, 175 }, .score = .8f } };
        const int hidden = f >= 36 && f < 54; /* both, while they pass each other */
        npi_tracker_update(t, d, hidden ? 0 : 2, (int64_t)f * 33333333, ids);
        if (!hidden) { assert_int_equal(ids[0], 1); assert_int_equal(ids[1], 2); }
    }
    npi_tracker_free(&t);
}

/* One box about both while two cross: each leaves with the own id. Speeds 150 px/s to the right and 120 to the left. */
static void test_merged(void **state) {
    struct npi_track_params p;
    struct npi_tracker *t;
    int ids[2];
    npi_track_params_default(&p);
    assert_int_equal(npi_tracker_create(&t, &p, NULL), 0);
    for (int f = 0; f < 80; f++) {
        const float a = 100 + 5.f * (float)f, b = 460 - 4.f * (float)f; /* meet at frame 40 */
        struct npi_track_det d[2] = { { .box = { a, 200, 70, 180 }, .score = .8f }, { .box = { b, 205, 70, 175 }, .score = .8f } };
        const int merged = fabsf(a - b) < 45;
        if (merged) d[0].box = (struct np_box){ fminf(a, b), 200, 70 + fabsf(a - b), 180 };
        npi_tracker_update(t, d, merged ? 1 : 2, (int64_t)f * 33333333, ids);
        if (!merged && (ids[0] != 1 || ids[1] != 2)) fail_msg("frame %d: ids %d %d", f, ids[0], ids[1]);
    }
    npi_tracker_free(&t);
}

/* Nonsense: nothing crashes, nothing is NaN, no id is given twice, whatever comes. */
static void test_nonsense(void **state) {
    struct npi_track_params p;
    struct npi_tracker *t;
    const struct np_keypoint_set *const set = npi_keypoint_set_find("coco17");
    static struct npi_track_det d[200];
    static struct np_keypoint k[200][17];
    static int ids[200];
    npi_track_params_default(&p);
    p.max_persons = 16;
    assert_int_equal(npi_tracker_create(&t, &p, set), 0);
    seed = 99;
    const float odd[] = { NAN, INFINITY, -INFINITY, 0, -1, 1e30f, 1e-30f, 3e38f, 5 };
    for (int round = 0; round < 3000; round++) {
        const int n = (int)uniform(0, round % 50 == 0 ? 200 : 12);
        for (int i = 0; i < n; i++) {
            d[i] = (struct npi_track_det){ .box = { uniform(0, W), uniform(0, H), uniform(0, 200), uniform(0, 300) }, .score = uniform(0, 1) };
            float *const f = &d[i].box.x;
            if (uniform(0, 1) < .1f) f[(int)uniform(0, 3.99f)] = odd[(int)uniform(0, 8.99f)];
            if (uniform(0, 1) < .05f) d[i].score = odd[(int)uniform(0, 8.99f)];
            for (int j = 0; j < 17; j++) {
                k[i][j] = (struct np_keypoint){ .x = uniform(0, W), .y = uniform(0, H), .conf = uniform(0, 1) };
                if (uniform(0, 1) < .02f) k[i][j].x = odd[(int)uniform(0, 8.99f)];
            }
            if (uniform(0, 1) < .5f) { d[i].kpt = k[i]; d[i].n_kpt = 17; }
        }
        const int64_t odd_t[] = { -1, 0, INT64_MAX, INT64_MIN, INT64_MAX / 3, (int64_t)round * 1000 };
        const int64_t now = uniform(0, 1) < .05f ? odd_t[(int)uniform(0, 5.99f)] : (int64_t)round * 33333333;
        if (uniform(0, 1) < .3f) npi_tracker_predict(t, now);
        else npi_tracker_update(t, d, n, now, ids);
        if (n > 0) npi_tracker_set_pose(t, ids[0], k[0], uniform(0, 1) < .2f ? 0 : 17, now);
        for (int i = 0; i < npi_tracker_count(t); i++) {
            const struct npi_track *const a = npi_tracker_at(t, i);
            if (!isfinite(a->box.x + a->box.y + a->box.w + a->box.h)) fail_msg("round %d: box %g %g %g %g", round, (double)a->box.x, (double)a->box.y, (double)a->box.w, (double)a->box.h);
            for (int j = 0; j < i; j++) assert_true(!a->id || a->id != npi_tracker_at(t, j)->id);
        }
        npi_tracker_wants_detection(t);
    }
    npi_tracker_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_clean), cmocka_unit_test(test_crowd), cmocka_unit_test(test_sparse), cmocka_unit_test(test_pillar),
                                        cmocka_unit_test(test_merged), cmocka_unit_test(test_nonsense) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
