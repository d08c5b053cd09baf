/* SPDX-License-Identifier: Apache-2.0 */
/* io/hub.c: what a viewer gets, what it keeps alive, and that a viewer that hangs costs the publisher nothing. Also under TSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io/hub.h"
#include "sample_stats.h"

static atomic_int n_cleared;
static void clear(void *pixels) { atomic_fetch_add(&n_cleared, 1); }
static void fill(void *opaque, struct np_stats *s) { sample_stats(s); }
static int adjust(void *opaque, const char *name, const char *value, struct np_error *err) {
    return !strcmp(value, "bad") ? npi_io_fail(err, NP_EINVAL, "no such preset") : 0;
}
static void extra(void *opaque, struct npi_stats_extra *x) {
    x->source_lost = 1;
    x->n_reconnects = 3;
    x->n_out_dropped = 11;
}
static const struct npi_hub_params params = { .extra = extra, .input = "i", .detector = "d", .model = "m", .preset = NP_PRESET_EFFICIENCY, .stats = fill, .adjust = adjust };

static struct np_person people[12];
static struct np_result result_of(int64_t index, int n) {
    for (int i = 0; i < n; i++) {
        people[i] = (struct np_person){ .id = (int)index * 100 + i, .pose_source = NP_POSE_INFERRED, .n_keypoints = 17 };
        for (int k = 0; k < 17; k++) people[i].keypoint[k].x = (float)(index + k);
    }
    return (struct np_result){ .index = index, .width = 64, .height = 48, .n_persons = n, .persons = people, .pts_ns = index * 1000 };
}

static struct npi_pic *picture(struct npi_pic_pool *pool) {
    struct npi_pic *const p = npi_pic_get(pool);
    if (!p->pixels) p->pixels = malloc(1);
    return p;
}

static void publish(struct npi_hub *h, struct npi_pic_pool *pool, int64_t index, int n) {
    struct npi_pic *const p = picture(pool);
    const struct np_result r = result_of(index, n);
    npi_hub_publish(h, &r, p);
    npi_pic_unref(p);
}

static void test_newest(void **state) {
    struct npi_hub *h;
    struct npi_pic_pool *const pool = npi_pic_pool_new(clear, free);
    atomic_store(&n_cleared, 0);
    assert_int_equal(npi_hub_open(&h, &params, NULL), 0);
    assert_null(npi_hub_wait(h, 0, 1));
    publish(h, pool, 1, 2);
    publish(h, pool, 2, 3);
    assert_int_equal(atomic_load(&n_cleared), 1); /* nobody held the first */
    struct npi_shot *const a = npi_hub_wait(h, 0, 0), *const b = npi_hub_wait(h, 0, 0);
    assert_ptr_equal(a, b);
    assert_int_equal(a->index, 2);
    assert_int_equal(a->n, 3);
    assert_int_equal(a->person[2].id, 202);
    assert_true(a->person[2].keypoint[16].x == 18);
    assert_null(npi_hub_wait(h, a->seq, 1)); /* nothing newer */
    publish(h, pool, 3, 12);
    assert_int_equal(a->person[2].id, 202); /* unchanged while held */
    assert_int_equal(atomic_load(&n_cleared), 1);
    npi_shot_unref(h, a);
    assert_int_equal(atomic_load(&n_cleared), 1);
    npi_shot_unref(h, b);
    assert_int_equal(atomic_load(&n_cleared), 2);
    npi_hub_end(h);
    struct npi_shot *const c = npi_hub_wait(h, 2, 10000); /* the last one can be had after the end, and nobody waits */
    assert_int_equal(c->n, 12);
    assert_null(npi_hub_wait(h, c->seq, 10000));
    npi_shot_unref(h, c);
    npi_hub_close(&h);
    assert_int_equal(atomic_load(&n_cleared), 3);
    npi_pic_pool_free(pool);
}

/* A viewer that keeps all it gets: publishing goes on, memory stops growing, and the newest is still to be had afterwards. */
static void test_hoarder(void **state) {
    struct npi_hub *h;
    struct npi_shot *held[100];
    int n = 0;
    struct npi_pic_pool *const pool = npi_pic_pool_new(clear, free);
    assert_int_equal(npi_hub_open(&h, &params, NULL), 0);
    for (int i = 1; i <= 100; i++) {
        publish(h, pool, i, 1);
        struct npi_shot *const s = npi_hub_wait(h, n ? held[n - 1]->seq : 0, 0);
        if (s) held[n++] = s;
    }
    assert_in_range(n, 10, 60);
    for (int i = 0; i < n; i++) npi_shot_unref(h, held[i]);
    publish(h, pool, 1000, 1);
    struct npi_shot *const s = npi_hub_wait(h, 0, 0);
    assert_int_equal(s->index, 1000);
    npi_shot_unref(h, s);
    npi_hub_close(&h);
    npi_pic_pool_free(pool);
}

static void test_no_allocation(void **state) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct npi_hub *h;
    struct npi_pic_pool *const pool = npi_pic_pool_new(clear, free);
    assert_int_equal(npi_hub_open(&h, &params, NULL), 0);
    for (int i = 1; i < 10; i++) publish(h, pool, i, 12);
    const size_t before = mallinfo2().uordblks;
    for (int i = 10; i < 1000; i++) {
        publish(h, pool, i, i % 13);
        npi_shot_unref(h, npi_hub_wait(h, 0, 0));
    }
    assert_int_equal(mallinfo2().uordblks, before);
    npi_hub_close(&h);
    npi_pic_pool_free(pool);
#else
    skip();
#endif
}

static void test_adjust(void **state) {
    struct npi_hub *h;
    struct np_stats s;
    struct npi_stats_extra x;
    struct np_error e = { 0 };
    assert_int_equal(npi_hub_open(&h, &params, NULL), 0);
    npi_hub_stats(h, &s, &x);
    assert_string_equal(x.preset, "efficiency");
    assert_int_equal(npi_hub_adjust(h, "preset", "bad", &e), NP_EINVAL);
    assert_int_equal(npi_hub_adjust(h, "preset", "ultra_fast", &e), 0);
    npi_hub_viewers(h, 2);
    npi_hub_viewers(h, -1);
    npi_hub_stats(h, &s, &x);
    assert_string_equal(x.preset, "high_performance"); /* the alias under its own name */
    assert_int_equal(x.source_lost, 1);
    assert_int_equal(x.n_reconnects, 3);
    assert_int_equal(x.n_out_dropped, 11);
    assert_int_equal(x.n_viewers, 1);
    assert_int_equal(s.n_inferences, 604);
    npi_hub_close(&h);
    struct npi_hub_params own = params; /* a file of the user's: one can go back to it */
    own.preset = -1;
    own.preset_file = "/home/me/gym.preset";
    assert_int_equal(npi_hub_open(&h, &own, NULL), 0);
    static const char *const steps[][2] = { { "quality", "quality" }, { "auto", "/home/me/gym.preset" }, { "balanced", "balanced" }, { "/home/me/gym.preset", "/home/me/gym.preset" } };
    npi_hub_stats(h, &s, &x);
    assert_string_equal(x.preset, "/home/me/gym.preset");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(npi_hub_adjust(h, "preset", steps[i][0], &e), 0);
        npi_hub_stats(h, &s, &x);
        assert_string_equal(x.preset, steps[i][1]);
    }
    npi_hub_close(&h);
}

struct watcher { struct npi_hub *h; int n, wrong; };
static void *watch(void *arg) {
    struct watcher *const w = arg;
    uint64_t seq = 0;
    while (!npi_hub_ended(w->h)) {
        struct npi_shot *const s = npi_hub_wait(w->h, seq, 50);
        if (!s) continue;
        w->wrong |= s->seq <= seq;
        for (int i = 0; i < s->n; i++) w->wrong |= s->person[i].id != (int)s->index * 100 + i || s->person[i].keypoint[3].x != (float)(s->index + 3);
        w->n++;
        seq = s->seq;
        npi_shot_unref(w->h, s);
    }
    return NULL;
}

static void test_threads(void **state) {
    struct npi_hub *h;
    struct npi_pic_pool *const pool = npi_pic_pool_new(clear, free);
    assert_int_equal(npi_hub_open(&h, &params, NULL), 0);
    struct watcher w[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        w[i] = (struct watcher){ h, 0, 0 };
        assert_int_equal(pthread_create(&t[i], NULL, watch, &w[i]), 0);
    }
    for (int i = 1; i <= 3000; i++) publish(h, pool, i, i % 7);
    npi_hub_end(h);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].wrong, 0);
    }
    npi_hub_close(&h);
    npi_pic_pool_free(pool);
}

static void test_line(void **state) {
    struct np_stats s;
    struct npi_stats_extra x = sample_extra();
    char line[512];
    sample_stats(&s);
    npi_stats_line(line, sizeof line, &s, &x, 0);
    assert_string_equal(line, "fps shown 29.5 processed 24.2 inferred 12.1  people 3.8  delay 32/53 ms  detect 61 %  cpu 88 %  142 MB  skipped 70  late 3  failed 1  "
                              "not written 9  reconnects 4  viewers 2  hint: detect takes 61 % of a frame: --detection-freq 4 would give about 28 FPS");
    npi_stats_line(line, sizeof line, &s, &x, 20);
    assert_string_equal(line, "fps shown 29.5 proce");
    x.source_lost = 1;
    s.bottleneck = -1;
    npi_stats_line(line, 60, &s, &x, 0); /* a short buffer is filled, not overrun */
    assert_int_equal(strlen(line), 59);
    npi_stats_line(line, sizeof line, &s, &x, 0);
    assert_non_null(strstr(line, "SOURCE LOST"));
    assert_non_null(strstr(line, "waits for the source"));
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_newest), cmocka_unit_test(test_hoarder), cmocka_unit_test(test_no_allocation),
                                        cmocka_unit_test(test_adjust), cmocka_unit_test(test_threads), cmocka_unit_test(test_line) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
