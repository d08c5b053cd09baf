/* SPDX-License-Identifier: Apache-2.0 */
/* Figures worked out by hand, labels and results that are wrong in every field, and results that survive being written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "card/card.h"
#include "eval/eval.h"

#define HEAD "{\"images\":[{\"id\":5,\"file_name\":\"b.jpg\"},{\"id\":2,\"file_name\":\"a.jpg\",\"width\":64,\"height\":48}]," \
             "\"categories\":[{\"id\":1,\"name\":\"person\"}],\"annotations\":["

static char text[16384];

/* Joints in a row: joint k at (x + 10 k, y), visible `v`. */
static const char *row(double x, double y, int v) {
    static char buf[4][2048];
    static int turn;
    char *s = buf[turn++ % 4];
    size_t n = 0;
    for (int k = 0; k < 17; k++) n += (size_t)snprintf(s + n, 2048 - n, "%s%g,%g,%d", k ? "," : "[", x + 10 * k, y, v);
    snprintf(s + n, 2048 - n, "]");
    return s;
}

static struct np_eval *open_text(const char *json) {
    struct np_error err = { 0 };
    struct np_eval *e = npi_alloc(sizeof *e);
    assert_non_null(e);
    npi_arena_init(&e->mem, 0);
    npi_arena_init(&e->pred_mem, 0);
    if (npi_eval_parse_labels(e, json, strlen(json), "t.json", &err) < 0) fail_msg("%s", err.message);
    return e;
}

static void two_people(struct np_eval **e) {
    snprintf(text, sizeof text, HEAD "{\"id\":11,\"image_id\":2,\"category_id\":1,\"bbox\":[0,0,160,100],\"area\":16000,\"keypoints\":%s},"
             "{\"id\":12,\"image_id\":5,\"category_id\":1,\"bbox\":[0,0,160,100],\"area\":16000,\"keypoints\":%s}]}", row(0, 20, 2), row(0, 40, 2));
    *e = open_text(text);
}

static void person_at(struct np_person *p, float x, float y, float score) {
    memset(p, 0, sizeof *p);
    p->score = score;
    p->pose_score = 1;
    p->n_keypoints = 17;
    p->pose_source = NP_POSE_INFERRED;
    p->box = (struct np_box){ 0, 0, 160, 100 };
    for (int k = 0; k < 17; k++) p->keypoint[k] = (struct np_keypoint){ .x = x + 10 * (float)k, .y = y, .conf = .9f };
}

/* One of two found exactly: precision 1 up to recall .5 (51 of 101 recalls), then 0; recall .5 at every threshold. */
static void by_hand(void **state) {
    struct np_eval *e;
    struct np_eval_info info;
    struct np_eval_image im;
    struct np_eval_score s;
    struct np_person p;
    const struct np_keypoint_set *coco = npi_keypoint_set_find("coco17");
    two_people(&e);
    np_eval_info(e, &info);
    assert_int_equal(info.n_images, 2);
    assert_int_equal(info.n_people, 2);
    assert_int_equal(np_eval_image(e, 0, &im), 0);
    assert_int_equal(im.id, 2); /* by id, not as in the file */
    assert_string_equal(im.file, "a.jpg");
    assert_int_equal(np_eval_image(e, 2, &im), NP_EEND);
    person_at(&p, 0, 20, .8f);
    assert_int_equal(np_eval_add(e, 0, -1, &p, coco, NULL), 0);
    assert_int_equal(np_eval_score(e, &s, NULL), 0);
    assert_true(s.has_keypoints && s.has_boxes);
    assert_float_equal(s.keypoints[0], 51. / 101, 1e-9);
    assert_float_equal(s.keypoints[5], .5, 1e-9);
    assert_float_equal(s.keypoints[3], -1, 0); /* nobody of medium size */
    assert_float_equal(s.oks, .5, 1e-9);
    assert_float_equal(s.pck, .5, 1e-9);
    assert_int_equal(s.joint[3].n, 2);
    assert_float_equal(s.joint[3].pck, .5, 1e-9);
    /* a better ranked wrong one: precision 1/2 from the start */
    person_at(&p, 4000, 4000, .9f);
    assert_int_equal(np_eval_add(e, 0, -1, &p, coco, NULL), 0);
    assert_int_equal(np_eval_score(e, &s, NULL), 0);
    assert_float_equal(s.keypoints[0], .5 * 51 / 101, 1e-9);
    np_eval_clear(e);
    assert_int_equal(np_eval_score(e, &s, NULL), 0);
    assert_true(s.has_keypoints); /* nothing found is a figure too: 0 */
    assert_float_equal(s.keypoints[0], 0, 0);
    assert_float_equal(s.pck, 0, 0);
    np_eval_close(&e);
    assert_null(e);
}

/* Torso: joint 5 (x 50) to joint 12 (x 120), 70 px; a fifth is 14. 13.9 is right, 14.1 is not. */
static void pck_border(void **state) {
    struct np_eval *e;
    struct np_eval_score s;
    struct np_person p;
    two_people(&e);
    for (int i = 0; i < 2; i++) {
        person_at(&p, 0, (i ? 40.f : 20.f) + (i ? 14.1f : 13.9f), .8f);
        np_eval_add(e, i, 11 + i, &p, npi_keypoint_set_find("coco17"), NULL);
    }
    np_eval_score(e, &s, NULL);
    assert_float_equal(s.pck, .5, 1e-9);
    assert_false(s.has_boxes); /* given boxes say nothing about a detector */
    np_eval_close(&e);
}

/* Another set: joints meet in COCO-17; what it lacks counts as missed. */
static void other_sets(void **state) {
    struct np_eval *e;
    struct np_eval_score s;
    struct np_person p;
    const struct np_keypoint_set *h36m = npi_keypoint_set_find("h36m18");
    two_people(&e);
    for (int i = 0; i < 2; i++) {
        memset(&p, 0, sizeof p);
        p.score = p.pose_score = 1;
        p.n_keypoints = h36m->n;
        for (int c = 0; c < 17; c++)
            if (h36m->to_coco17[c] >= 0) p.keypoint[h36m->to_coco17[c]] = (struct np_keypoint){ .x = 10 * (float)c, .y = i ? 40 : 20, .conf = 1 };
        assert_int_equal(np_eval_add(e, i, -1, &p, h36m, NULL), 0);
    }
    np_eval_score(e, &s, NULL);
    for (int c = 0; c < 17; c++) assert_float_equal(s.joint[c].pck, h36m->to_coco17[c] >= 0, 1e-9);
    np_eval_close(&e);
}

static void round_trip(void **state) {
    struct np_eval *e;
    struct np_eval_score a, b;
    struct np_person p;
    struct np_error err = { 0 };
    char path[64];
    snprintf(path, sizeof path, "/tmp/np_eval_%ld.json", (long)getpid());
    two_people(&e);
    person_at(&p, 1.f / 3, 20.7f, .1f);
    np_eval_add(e, 0, 11, &p, npi_keypoint_set_find("coco17"), NULL);
    person_at(&p, 7.1f, 40, .7f);
    p.n_keypoints = 0;
    np_eval_add(e, 1, 12, &p, npi_keypoint_set_find("coco17"), NULL);
    np_eval_score(e, &a, NULL);
    assert_int_equal(np_eval_save(e, path, &err), 0);
    np_eval_clear(e);
    assert_int_equal(np_eval_load(e, path, &err), 0);
    unlink(path);
    np_eval_score(e, &b, NULL);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(np_eval_save(e, "/nonexistent/x.json", &err), NP_EIO);
    assert_non_null(strstr(err.message, "/nonexistent/x.json"));
    assert_int_equal(np_eval_load(e, "/nonexistent/x.json", &err), NP_ENOENT);
    np_eval_close(&e);
}

static void limit(void **state) {
    struct np_eval *e;
    struct np_eval_info info;
    two_people(&e);
    np_eval_limit(e, 1);
    np_eval_info(e, &info);
    assert_int_equal(info.n_images, 1);
    assert_int_equal(info.n_people, 1);
    assert_int_equal(np_eval_boxes(e, 1, NULL, NULL, 0), 0);
    np_eval_close(&e);
}

static void refuse(const char *json, int results, const char *pattern) {
    struct np_error err = { 0 };
    struct np_eval *e, empty = { 0 };
    int r;
    if (results) {
        two_people(&e);
        r = npi_eval_parse_results(e, json, strlen(json), "t.json", &err);
        assert_int_equal(e->n_preds, 0); /* all or nothing */
        np_eval_close(&e);
    } else {
        r = npi_eval_parse_labels(&empty, json, strlen(json), "t.json", &err);
        npi_arena_free(&empty.mem);
    }
    if (r >= 0 || err.code != r || !strstr(err.message, pattern)) fail_msg("%d '%s' lacks '%s': %.200s", r, err.message, pattern, json);
}

static void hostile(void **state) {
#define L(label) HEAD label "]}"
#define IMG(i) "{\"images\":[" i "],\"categories\":[{\"id\":1,\"name\":\"person\"}],\"annotations\":[]}"
    static const char *const labels[][2] = {
        { "", "empty" }, { "{", "not JSON" }, { "[]", "no COCO labels" }, { "{\"images\":[]}", "no COCO labels" }, { HEAD, "not JSON" },
        { "{\"images\":[],\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"person\"}]}", "no images" },
        { "{\"images\":[],\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":2,\"name\":\"dog\"}]}", "\"person\"" },
        { "{\"images\":[],\"annotations\":[],\"categories\":[{\"id\":\"x\",\"name\":\"person\"}]}", "\"id\"" },
        { IMG("{\"id\":1}"), "images[0]: \"file_name\"" }, { IMG("{\"file_name\":\"a\"}"), "\"id\" is missing" }, { IMG("3"), "images[0]" },
        { IMG("{\"id\":1,\"file_name\":\"../a\"}"), "file_name" }, { IMG("{\"id\":1,\"file_name\":\"/etc/passwd\"}"), "file_name" },
        { IMG("{\"id\":1,\"file_name\":\"a/../../b\"}"), "file_name" }, { IMG("{\"id\":1,\"file_name\":\"a\",\"width\":-5}"), "size" },
        { IMG("{\"id\":1,\"file_name\":\"a\"},{\"id\":1,\"file_name\":\"b\"}"), "two images" },
        { L("{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3]}"), "\"bbox\" must be 4 numbers" },
        { L("{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,-3,4]}"), "negative" },
        { L("{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,1e300]}"), "\"bbox\"" },
        { L("{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,NaN]}"), "not JSON" },
        { L("{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,4],\"area\":\"x\"}"), "\"area\"" },
        { L("{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,4],\"area\":-1}"), "\"area\" is negative" },
        { L("{\"image_id\":2.5,\"category_id\":1}"), "whole number" }, { L("{\"category_id\":1}"), "image_id" },
        { L("{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,4],\"keypoints\":[1,2,3]}"), "no set that we know" },
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) refuse(labels[i][0], 0, labels[i][1]);
    static const char *const results[][2] = {
        { "{}", "must be a list" }, { "[3]", "image_id" }, { "[{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,4]}]", "\"score\"" },
        { "[{\"image_id\":9,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}]", "not among the labels" },
        { "[{\"image_id\":2,\"category_id\":1,\"score\":1}]", "neither" },
        { "[{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1},{\"image_id\":2,\"category_id\":1,\"keypoints\":[1],\"score\":1}]", "[1]: \"keypoints\" must be 51 numbers" },
        { "[{\"image_id\":2,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1e999}]", "not JSON" },
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) refuse(results[i][0], 1, results[i][1]);
    /* orphans and other categories are no errors */
    struct np_eval_info info;
    struct np_eval *e = open_text(L("{\"image_id\":77,\"category_id\":1},{\"image_id\":2,\"category_id\":4,\"bbox\":3}"));
    np_eval_info(e, &info);
    assert_int_equal(info.n_orphans, 1);
    assert_int_equal(info.n_labels, 0);
    assert_null(info.set);
    np_eval_close(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand), cmocka_unit_test(pck_border), cmocka_unit_test(other_sets), cmocka_unit_test(round_trip), cmocka_unit_test(limit),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
