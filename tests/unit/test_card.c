/* SPDX-License-Identifier: Apache-2.0 */
/* Cards: built-in table, JSON both ways, what the strict reader refuses, guesses from shapes, keypoint sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "card/card.h"

static void test_sets(void **state) {
    const struct np_keypoint_set *s;
    int n = 0;
    for (; (s = npi_keypoint_set_at(n)); n++) {
        assert_ptr_equal(npi_keypoint_set_find(s->name), s);
        assert_true(s->n > 0 && s->n <= NP_MAX_KEYPOINTS && s->root >= -1 && s->root < s->n);
        for (int i = 0; i < s->n; i++) {
            assert_true(s->sigma[i] > 0.01f && s->sigma[i] < .2f);
            assert_int_equal(s->flip[s->flip[i]], i); /* mirroring twice is the identity */
            const char *name = s->names[i], *other = s->names[s->flip[i]];
            if (s->flip[i] != i) assert_true((strstr(name, "left") && strstr(other, "right")) || (strstr(name, "right") && strstr(other, "left")));
        }
        for (int i = 0; i < s->n_edges; i++)
            if (s->edges[i][0] >= s->n || s->edges[i][1] >= s->n || s->edges[i][0] == s->edges[i][1]) fail_msg("%s: edge %d is wrong", s->name, i);
        const struct np_keypoint_set *coco = npi_keypoint_set_find("coco17");
        for (int i = 0; i < 17; i++) { /* joints map to joints of the same name and the same sigma */
            if (s->to_coco17[i] < 0) continue;
            assert_true(s->to_coco17[i] < s->n);
            assert_string_equal(s->names[s->to_coco17[i]], coco->names[i]);
            assert_true(s->sigma[s->to_coco17[i]] == coco->sigma[i]);
        }
    }
    assert_int_equal(n, 8);
    assert_null(npi_keypoint_set_find("nobody"));
    assert_string_equal(npi_keypoint_set_find("h36m18")->names[0], "pelvis"); /* not OpenPose's nose */
    assert_string_equal(npi_keypoint_set_find("movenet")->name, "coco17");
}

static void test_builtin(void **state) {
    const struct npi_card *c;
    for (int i = 0; (c = npi_card_builtin_at(i)); i++) {
        assert_ptr_equal(npi_card_builtin(c->id), c);
        if (c->task != NPI_TASK_DETECT) assert_non_null(npi_keypoint_set_find(c->keypoint_set));
        assert_true(c->in.scale > 0 && c->in.std[0] > 0 && c->in.std[1] > 0 && c->in.std[2] > 0 && c->in.crop_factor >= 1);
        for (int k = 0; k < c->n_sha256; k++) {
            assert_int_equal(strlen(c->sha256[k]), 64);
            assert_ptr_equal(npi_card_find_by_sha256(c->sha256[k]), c);
        }
        for (int k = 0; k < c->n_files; k++) assert_ptr_equal(npi_card_find_by_file(c->files[k]), c);
    }
    assert_string_equal(npi_card_find_by_sha256("E9A5C5CB17F736FAFD4C2EC1DA3B3D331D6EDBE8A0D32395855AEB2CDFD64B9F")->id, "blazepose_full");
    assert_string_equal(npi_card_find_by_file("/some/where/yolox_nano.onnx")->id, "yolox_nano");
    assert_null(npi_card_find_by_sha256("00"));
    assert_null(npi_card_builtin(NULL));
}

#ifdef NPI_HAVE_JANSSON
/* Every built-in card survives JSON, and cards/ID.json is its text. */
static void test_json_round(void **state) {
    const char *src = getenv("NEXTPOSE_SOURCE");
    const struct npi_card *c;
    char text[4096], again[4096], path[1024];
    for (int i = 0; (c = npi_card_builtin_at(i)); i++) {
        struct npi_card back;
        struct np_error e = { 0 };
        const size_t n = npi_card_write(c, text, sizeof text);
        assert_true(n < sizeof text);
        if (npi_card_parse(&back, text, n, c->id, &e) < 0) fail_msg("%s", e.message);
        npi_card_write(&back, again, sizeof again);
        assert_string_equal(text, again);
        if (!src) continue;
        snprintf(path, sizeof path, "%s/cards/%s.json", src, c->id);
        if (getenv("NEXTPOSE_WRITE_CARDS")) { /* after a change of the table */
            FILE *f = fopen(path, "w");
            assert_non_null(f);
            assert_int_equal(fwrite(text, 1, n, f), n);
            fclose(f);
        }
        if (npi_card_load(&back, path, &e) < 0) fail_msg("%s", e.message);
        npi_card_write(&back, again, sizeof again);
        if (strcmp(text, again)) fail_msg("%s is not the built-in card: run this test once with NEXTPOSE_WRITE_CARDS=1\n%s", path, text);
    }
    assert_int_equal(npi_card_write(npi_card_builtin_at(0), text, 10), npi_card_write(npi_card_builtin_at(0), again, sizeof again));
    assert_int_equal(strlen(text), 9);
}

static const char *refused(const char *json) {
    static struct np_error e;
    struct npi_card c = { .root = 77 };
    memset(&e, 0, sizeof e);
    if (npi_card_parse(&c, json, strlen(json), "x.json", &e) >= 0) fail_msg("accepted: %s", json);
    assert_int_equal(c.root, 77); /* untouched */
    assert_null(strchr(e.message, '\n'));
    return e.message;
}

#define OK_HEAD "\"id\":\"a\",\"decoder\":{\"name\":\"yolox\"}"
static void test_strict(void **state) {
    struct npi_card c;
    assert_int_equal(npi_card_parse(&c, "{" OK_HEAD "}", strlen("{" OK_HEAD "}"), "x", NULL), 0);
    assert_string_equal(c.dec.name, "yolox");
    assert_string_equal(refused("{" OK_HEAD ",\"colour\":1}"), "x.json: unknown key \"colour\"");
    assert_string_equal(refused("{" OK_HEAD ",\"input\":{\"size\":1}}"), "x.json: unknown key \"input.size\"");
    assert_string_equal(refused("{" OK_HEAD ",\"input\":{\"width\":\"big\"}}"), "x.json: \"input.width\" must be a whole number");
    assert_string_equal(refused("{" OK_HEAD ",\"input\":{\"width\":5000}}"), "x.json: \"input.width\" is out of range 0 to 4096");
    assert_string_equal(refused("{" OK_HEAD ",\"input\":{\"width\":99999999999999999}}"), "x.json: \"input.width\" is out of range 0 to 4096");
    assert_string_equal(refused("{" OK_HEAD ",\"input\":{\"std\":[1,0,1]}}"), "x.json: \"input.std\" is out of range 1e-06 to 1e+06");
    assert_string_equal(refused("{" OK_HEAD ",\"input\":{\"mean\":[1]}}"), "x.json: \"input.mean\" must be three numbers");
    assert_string_equal(refused("{" OK_HEAD ",\"input\":7}"), "x.json: \"input\" must be an object");
    assert_string_equal(refused("{" OK_HEAD ",\"task\":\"dance\"}"), "x.json: \"task\" must be one of detect, pose, pose_multi");
    assert_string_equal(refused("{" OK_HEAD ",\"task\":\"pose\"}"), "x.json: \"keypoint_set\" is missing, a pose net needs one");
    assert_string_equal(refused("{" OK_HEAD ",\"keypoint_set\":\"coco99\"}"), "x.json: \"keypoint_set\" \"coco99\" is not known");
    assert_string_equal(refused("{" OK_HEAD ",\"keypoint_set\":\"coco17\",\"root\":17}"), "x.json: \"root\" 17 is not a joint of coco17");
    assert_string_equal(refused("{" OK_HEAD ",\"sha256\":\"12\"}"), "x.json: \"sha256\" must be 64 lower-case hex digits");
    assert_string_equal(refused("{" OK_HEAD ",\"files\":[\"../x\"]}"), "x.json: \"files\" holds plain file names, no folders");
    assert_string_equal(refused("{" OK_HEAD ",\"files\":[\"1\",\"2\",\"3\",\"4\",\"5\"]}"), "x.json: \"files\" has too many entries");
    assert_string_equal(refused("{" OK_HEAD ",\"note\":\"a\\u0007b\"}"), "x.json: \"note\" holds a control character");
    assert_string_equal(refused("{\"decoder\":{\"name\":\"yolox\"}}"), "x.json: \"id\" is missing");
    assert_string_equal(refused("{\"id\":\"a/b\",\"decoder\":{\"name\":\"yolox\"}}"),
                        "x.json: \"id\" may hold letters, digits, '.', '_' and '-' only");
    assert_string_equal(refused("{\"id\":\"a\"}"), "x.json: \"decoder.name\" is missing");
    assert_string_equal(refused("[]"), "x.json: a card must be a JSON object");
    assert_string_equal(refused(""), "x.json: not JSON: empty");
    assert_non_null(strstr(refused("{\"id\":\"a\",\"id\":\"b\"}"), "duplicate"));
    char *big = malloc(70000), *deep = malloc(60000);
    assert_true(big && deep);
    memset(big, ' ', 70000);
    struct np_error e;
    assert_int_equal(npi_card_parse(&c, big, 70000, "x", &e), NP_ELIMIT);
    memset(deep, '[', 60000);
    assert_int_equal(npi_card_parse(&c, deep, 60000, "x", &e), NP_EFORMAT);
    free(big);
    free(deep);
}
#endif

struct shape { int rank; int64_t d[5]; };
static int guess(struct npi_card *c, int w, int h, int nchw, int n_out, const struct shape *out) {
    struct np_tensor_info in = { .name = "x", .dtype = NP_F32, .rank = 4, .dims = { 1, nchw ? 3 : h, nchw ? h : w, nchw ? w : 3 } }, o[4];
    memset(o, 0, sizeof o);
    for (int i = 0; i < n_out; i++) {
        o[i].rank = out[i].rank;
        memcpy(o[i].dims, out[i].d, sizeof out[i].d);
    }
    const struct npi_card_io io = { &in, o, 1, n_out };
    char why[128];
    return npi_card_guess(c, &io, why, sizeof why);
}

static void test_guess(void **state) {
    const struct { int w, h, nchw, n; struct shape out[4]; const char *decoder, *set; } t[] = {
        { 416, 416, 1, 1, { { 3, { 1, 3549, 85 } } }, "yolox", "" },          /* 52^2 + 26^2 + 13^2 */
        { 640, 640, 1, 1, { { 3, { 1, 84, 8400 } } }, "yolov8", "" },         /* 80^2 + 40^2 + 20^2 */
        { 640, 480, 1, 1, { { 3, { 1, 5, 6300 } } }, "yolov8", "" },
        { 640, 640, 1, 1, { { 3, { 1, 56, 8400 } } }, "yolov8", "coco17" },
        { 640, 640, 1, 1, { { 3, { 1, 300, 6 } } }, "yolov8", "" },
        { 640, 640, 1, 1, { { 3, { 1, 25200, 85 } } }, "yolov8", "" },
        { 192, 192, 0, 1, { { 4, { 1, 1, 17, 3 } } }, "movenet", "coco17" },
        { 192, 256, 1, 2, { { 3, { 1, 17, 384 } }, { 3, { 1, 17, 512 } } }, "simcc", "coco17" },
        { 192, 256, 1, 2, { { 3, { 1, 26, 384 } }, { 3, { 1, 26, 512 } } }, "simcc", "halpe26" },
        { 192, 256, 1, 1, { { 4, { 1, 17, 64, 48 } } }, "heatmap", "coco17" },
        { 256, 256, 1, 1, { { 4, { 1, 576, 32, 32 } } }, "soft_argmax3d", "h36m18" },   /* 18 x 32 */
        { 256, 256, 0, 1, { { 4, { 1, 64, 64, 1152 } } }, "soft_argmax3d", "h36m18" },  /* 18 x 64 */
        { 256, 256, 1, 1, { { 4, { 1, 672, 32, 32 } } }, "soft_argmax3d", "muco21" },
        { 256, 256, 0, 3, { { 2, { 1, 195 } }, { 2, { 1, 1 } }, { 4, { 1, 64, 64, 39 } } }, "blazepose", "blazepose33" },
        { 224, 224, 0, 2, { { 3, { 1, 2254, 12 } }, { 3, { 1, 2254, 1 } } }, "blazepose_det", "" },
        { 320, 320, 0, 2, { { 3, { 1, 19206, 90 } }, { 3, { 1, 19206, 4 } } }, "efficientdet", "" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct npi_card c;
        memset(&c, 0, sizeof c);
        const int sure = guess(&c, t[i].w, t[i].h, t[i].nchw, t[i].n, t[i].out);
        if (sure < 50) fail_msg("case %zu: sure %d of %s", i, sure, t[i].decoder);
        assert_string_equal(c.dec.name, t[i].decoder);
        assert_string_equal(c.keypoint_set, t[i].set);
        assert_int_equal(c.n_sha256, 0);
    }
    struct npi_card c = { .root = 5 };
    assert_int_equal(guess(&c, 224, 224, 1, 1, &(struct shape){ 2, { 1, 1000 } }), 0);
    assert_int_equal(c.root, 5);
}

static void test_variant(void **state) {
    struct np_tensor_info t = { .rank = 4, .dims = { 1, 576, 32, 32 } };
    assert_string_equal(npi_card_convnextpose_variant(&t, 3530000), "xs");
    assert_string_equal(npi_card_convnextpose_variant(&t, 7440000), "s");
    t = (struct np_tensor_info){ .rank = 4, .dims = { 1, 64, 64, 1152 } };
    assert_string_equal(npi_card_convnextpose_variant(&t, 7590000), "m");
    assert_string_equal(npi_card_convnextpose_variant(&t, 8380000), "l");
    t = (struct np_tensor_info){ .rank = 4, .dims = { 1, 17, 64, 48 } };
    assert_null(npi_card_convnextpose_variant(&t, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets), cmocka_unit_test(test_builtin), cmocka_unit_test(test_guess), cmocka_unit_test(test_variant),
#ifdef NPI_HAVE_JANSSON
        cmocka_unit_test(test_json_round), cmocka_unit_test(test_strict),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
