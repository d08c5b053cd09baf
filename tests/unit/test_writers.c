/* SPDX-License-Identifier: Apache-2.0 */
/* io/write_*.c and io/outfile.c against texts written by hand. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/outfile.h"
#include "io/source.h"
#include "io/writer.h"

static char dir[] = "/tmp/np-writers-XXXXXX";

/* Three joints, of which COCO-17 knows the nose (0) and the two shoulders (5, 6). */
static const char *const names[] = { "nose", "left_shoulder", "right_shoulder" };
static const uint8_t edges[][2] = { { 1, 2 } }, flip[] = { 0, 2, 1 };
static const int8_t to_coco[17] = { 0, -1, -1, -1, -1, 1, 2, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
static const struct np_keypoint_set set = { .name = "three", .n = 3, .names = names, .n_edges = 1, .edges = edges, .flip = flip,
                                            .to_coco17 = to_coco };
static const struct np_keypoint_set bare = { .name = "bare", .n = 3, .names = names, .n_edges = 1, .edges = edges, .flip = flip };

static struct np_person person[2];
static struct np_result result = { .index = 7, .pts_ns = 250000000, .width = 64, .height = 48, .n_persons = 2, .persons = person, .set = &set };
static const struct npi_writer_meta meta = { .input = "dir/clip.mp4", .detector = "d", .model = "m \"q\"", .set = &set, .rate_num = 30000,
                                             .rate_den = 1001 };

static int setup(void **state) {
    person[0] = (struct np_person){ .id = 3, .score = 0.5f, .pose_score = 0.25f, .box = { 1, 2.5f, 3, 4 }, .pose_source = NP_POSE_INFERRED,
                                    .n_keypoints = 3 };
    person[0].keypoint[0] = (struct np_keypoint){ 1.005f, -2, 0.1f, 1, 0.5f, 0.25f, -1 };
    person[0].keypoint[1] = (struct np_keypoint){ 10, 20, 0, 0.5f, 0, 0, 0 };
    person[0].keypoint[2] = (struct np_keypoint){ 20, 30, -0.1f, 0.75f, 1, 1, 1 };
    person[1] = (struct np_person){ .id = 4, .score = 1, .box = { 0, 0, NAN, 4 }, .pose_source = NP_POSE_NONE };
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where there is one, numbers must not follow it */
    return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state) {
    char cmd[100];
    snprintf(cmd, sizeof cmd, "rm -r '%s'", dir);
    return system(cmd);
}

static char *written(const char *path) {
    void *data = NULL;
    size_t size = 0;
    struct np_error e = { 0 };
    if (npi_io_read_file(&data, &size, path, 1 << 20, &e) < 0) fail_msg("%s", e.message);
    char *const s = realloc(data, size + 1);
    s[size] = '\0';
    return s;
}

/* What a writer makes of `n` times the result. */
static char *run(const char *format, int n, const char *name, const struct npi_writer_meta *m) {
    const struct npi_writer_ops *const w = npi_writer_find(format);
    struct np_error e = { 0 };
    char path[200];
    void *priv = NULL;
    snprintf(path, sizeof path, "%s/%s", dir, format);
    assert_non_null(w);
    if (w->open(&priv, path, m, &e) < 0) fail_msg("%s", e.message);
    for (int i = 0; i < n; i++)
        if (w->frame(priv, &result, name, &e) < 0) fail_msg("%s", e.message);
    if (w->close(priv, &e) < 0) fail_msg("%s", e.message);
    if (w->is_folder) strcat(path, name ? "/pic_keypoints.json" : "/clip_000000000007_keypoints.json");
    return written(path);
}

static void same(char *got, const char *want) {
    assert_string_equal(got, want);
    free(got);
}

static void numbers(void **state) {
    struct npi_outfile o;
    char path[200];
    static const struct { double v; int decimals; const char *want; } c[] = {
        { 0, 2, "0.00" }, { -0.0, 2, "0.00" }, { -0.001, 2, "0.00" }, { 1.005, 1, "1.0" }, { 0.96, 1, "1.0" }, { -12.3456, 3, "-12.346" },
        { 1234567, 0, "1234567" },
        { NAN, 2, "null" }, { INFINITY, 2, "null" }, { 1e300, 2, "null" }, { 999999999999.0, 6, "999999999999.000000" },
    };
    snprintf(path, sizeof path, "%s/numbers", dir);
    assert_int_equal(npi_out_open(&o, path, NULL, NULL), 0);
    char want[400] = "";
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        npi_out_fixed(&o, c[i].v, c[i].decimals, "null");
        npi_out_str(&o, " ");
        strcat(want, c[i].want);
        strcat(want, " ");
    }
    npi_out_int(&o, INT64_MIN);
    npi_out_json_str(&o, "a\"\\\n\x01\xc3\xa9\xff\xed\xa0\x80z");
    strcat(want, "-9223372036854775808\"a\\\"\\\\\\u000a\\u0001\xc3\xa9????z\"");
    npi_out_json_str(&o, NULL);
    strcat(want, "null");
    assert_int_equal(npi_out_close(&o, NULL), 0);
    same(written(path), want);
}

static void jsonl(void **state) {
    char *const got = run("jsonl", 1, NULL, &meta);
    char *const second = strchr(got, '\n') + 1;
    const char *const head = "{\"nextpose\":\"" NP_VERSION_STRING "\",\"format\":\"jsonl\",\"format_version\":1,\"input\":\"dir/clip.mp4\","
        "\"detector\":\"d\",\"model\":\"m \\\"q\\\"\",\"fps\":29.970,"
                             "\"keypoint_set\":\"three\",\"keypoint_names\":[\"nose\",\"left_shoulder\",\"right_shoulder\"],\"edges\":[[1,2]],"
                                 "\"units\":{";
    if (strncmp(got, head, strlen(head))) fail_msg("header: %s", got);
    assert_string_equal(second, "{\"frame\":7,\"time_s\":0.250000,\"width\":64,\"height\":48,\"persons\":[{\"id\":3,\"score\":0.5000,"
                        "\"pose_score\":0.2500,\"source\":\"inferred\",\"age\":0,"
                                "\"box\":[1.00,2.50,3.00,4.00],\"keypoints\":[[1.00,-2.00,1.0000],[10.00,20.00,0.5000],[20.00,30.00,0.7500]],"
                                    "\"keypoints_z\":[0.1000,0.0000,-0.1000],"
                                "\"keypoints_3d\":[[0.5000,0.2500,-1.0000],[0.0000,0.0000,0.0000],[1.0000,1.0000,1.0000]]},"
                                "{\"id\":4,\"score\":1.0000,\"pose_score\":null,\"source\":\"none\",\"age\":0,\"box\":[0.00,0.00,0,4.00],"
                                    "\"keypoints\":[]}]}\n");
    free(got);
}

static void csv(void **state) {
    same(run("csv", 1, NULL, &meta), "frame,time_s,id,score,pose_score,source,age,x,y,w,h,nose_x,nose_y,nose_c,left_shoulder_x,left_shoulder_y,"
         "left_shoulder_c,right_shoulder_x,right_shoulder_y,"
                                     "right_shoulder_c\n7,0.250000,3,0.5000,0.2500,inferred,0,1.00,2.50,3.00,4.00,1.00,-2.00,1.0000,10.00,20.00,"
                                         "0.5000,20.00,30.00,0.7500\n"
                                     "7,0.250000,4,1.0000,,none,0,0.00,0.00,,4.00,,,,,,,,,\n");
    same(run("motchallenge", 1, NULL, &meta), "8,3,2.00,3.50,3.00,4.00,0.5000,-1,-1,-1\n8,4,1.00,1.00,,4.00,1.0000,-1,-1,-1\n");
}

/* The column is there for sources that may be away only. Two gaps before anybody is seen again are one, on the first row of the frame. */
static void csv_gap(void **state) {
    const struct npi_writer_ops *const w = npi_writer_find("csv");
    struct npi_writer_meta m = meta;
    struct np_result nobody = result;
    struct npi_gap g = { .index = 7, .seconds = 1.25 };
    struct np_error e = { 0 };
    char path[200];
    void *priv = NULL;
    m.may_gap = 1;
    m.set = NULL;
    nobody.n_persons = 0;
    snprintf(path, sizeof path, "%s/gap", dir);
    if (w->open(&priv, path, &m, &e) < 0) fail_msg("%s", e.message);
    assert_int_equal(w->gap(priv, &g, &e), 0);
    assert_int_equal(w->frame(priv, &nobody, NULL, &e), 0);
    g.seconds = 0.5;
    assert_int_equal(w->gap(priv, &g, &e), 0);
    assert_int_equal(w->frame(priv, &result, NULL, &e), 0);
    assert_int_equal(w->close(priv, &e), 0);
    same(written(path), "frame,time_s,id,score,pose_score,source,age,x,y,w,h,gap_s\n7,0.250000,3,0.5000,0.2500,inferred,0,1.00,2.50,3.00,4.00,1.750\n"
                        "7,0.250000,4,1.0000,,none,0,0.00,0.00,,4.00,\n");
}

#define Z3 "0.00,0.00,0.0000,"
static void coco(void **state) {
    const char *const kp = "[1.00,-2.00,1.0000," Z3 Z3 Z3 Z3 "10.00,20.00,0.5000,20.00,30.00,0.7500," Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 "0.00,0.00,0.0000]";
    const char *const none = "[" Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 Z3 "0.00,0.00,0.0000]";
    char want[2000];
    snprintf(want, sizeof want, "[\n{\"image_id\":81988,\"category_id\":1,\"keypoints\":%s,\"score\":0.1250,\"bbox\":[1.00,2.50,3.00,4.00],"
             "\"track_id\":3},\n"
                                "{\"image_id\":81988,\"category_id\":1,\"keypoints\":%s,\"score\":1.0000,\"bbox\":[0.00,0.00,0,4.00],"
                                    "\"track_id\":4}\n]\n", kp, none);
    same(run("coco", 1, "000000081988.jpg", &meta), want);
    same(run("coco", 0, NULL, &meta), "[\n]\n");
    snprintf(want, sizeof want, "[\n{\"image_id\":\"7.jpg\",\"category_id\":1,\"keypoints\":%s,\"score\":0.1250,\"box\":[1.00,2.50,3.00,4.00],"
             "\"idx\":3}", kp);
    char *const got = run("alphapose", 1, NULL, &meta);
    if (strncmp(got, want, strlen(want))) fail_msg("%s, not %s", got, want);
    free(got);
    struct npi_writer_meta no_map = meta;
    no_map.set = &bare;
    struct np_error e = { 0 };
    void *priv = NULL;
    assert_int_equal(npi_writer_find("coco")->open(&priv, "/dev/null", &no_map, &e), NP_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "bare"));
}

/* BODY_25: nose; neck between the shoulders with the lower confidence; right and left shoulder; the rest missing. */
static void openpose(void **state) {
    char *const got = run("openpose", 1, NULL, &meta);
    const char *const want = "{\"version\":1.3,\"people\":[{\"person_id\":[3],\"pose_keypoints_2d\":[1.00,-2.00,1.0000,15.00,25.00,0.5000,20.00,"
        "30.00,0.7500," Z3 Z3 "10.00,20.00,0.5000," Z3;
    if (strncmp(got, want, strlen(want))) fail_msg("%s, not %s", got, want);
    assert_non_null(strstr(got, "\"hand_right_keypoints_2d\":[],\"pose_keypoints_3d\":[0.5000,0.2500,-1.0000,1.0000,0.5000,0.5000,0.5000,0.5000,"
                           "1.0000"));
    assert_non_null(strstr(got, ",{\"person_id\":[4],\"pose_keypoints_2d\":[],\"face_keypoints_2d\":[]"));
    assert_string_equal(got + strlen(got) - 4, "}]}\n");
    free(got);
    free(run("openpose", 1, "pic.jpg", &meta)); /* pictures keep their name: the file is found */
}

/* The first error is kept and told at every flush and at the end. */
static void full(void **state) {
    const struct npi_writer_ops *const w = npi_writer_find("csv");
    struct np_error e = { 0 };
    void *priv = NULL;
    assert_int_equal(w->open(&priv, "/dev/full", &meta, &e), NP_EIO);
    assert_non_null(strstr(e.message, "/dev/full"));
    assert_int_equal(w->open(&priv, "/nonexistent/x", &meta, &e), NP_EIO);
    assert_null(npi_writer_find("xml"));
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(numbers), cmocka_unit_test(jsonl), cmocka_unit_test(csv), cmocka_unit_test(csv_gap), cmocka_unit_test(coco),
                                        cmocka_unit_test(openpose), cmocka_unit_test(full) };
    return cmocka_run_group_tests(tests, setup, leave);
}
