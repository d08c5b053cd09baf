/* SPDX-License-Identifier: Apache-2.0 */
/* src/tune/advice.c: bottleneck and suggestions for snapshots whose answers are worked out by hand beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tune/advice.h"

static struct npi_controller_params c;
static struct npi_advice_params p;
static struct np_stats s;

static void stage(int i, double run_ms, double frame_ms) {
    s.stage[i].mean_ms = run_ms;
    s.stage[i].per_frame_ms = frame_ms;
    double sum = 0;
    for (int k = 0; k < NP_STAGE_COUNT; k++) sum += s.stage[k].per_frame_ms;
    for (int k = 0; k < NP_STAGE_COUNT; k++) s.stage[k].share = s.stage[k].per_frame_ms / sum;
}

/* A file on one thread, every frame, one person: read 1, detect 12.2, track 0.8, pose 6 ms = 20 ms, 50 frames/s. Detector: 61 %. */
static int setup(void **state) {
    c = (struct npi_controller_params){ .frame_skip = { 1, 5 }, .detection_freq = { 1, 4 }, .detector_size = { 256, 416 }, .batch_size = { 1, 4 },
                                        .max_persons = { 2, 8 },
                                        .draw_every = { 1, 3 }, .variant = { 0, 1 }, .n_sizes = 3, .sizes = { 256, 320, 416 }, .n_variants = 2,
                                            .variant_cost = { 1, .5 }, .threads = 1,
                                        .has_detector = 1, .has_pose = 1 };
    p = (struct npi_advice_params){ .mode = NP_MODE_FILE, .c = &c, .variant_id = { "blazepose_full", "blazepose_lite" }, .processors = 1 };
    s = (struct np_stats){ .window_s = 4, .n_processed = 200, .processed_fps = 50, .persons_per_frame = 1,
                           .knobs = { .frame_skip = 1, .detection_freq = 1, .detector_size = 320, .batch_size = 1, .max_persons = 8, 
                                      .draw_every = 1 } };
    stage(NP_STAGE_READ, 1, 1);
    stage(NP_STAGE_DETECT, 12.2, 12.2);
    stage(NP_STAGE_TRACK, .8, .8);
    stage(NP_STAGE_POSE, 6, 6);
    return 0;
}

static const struct np_suggestion *find(const char *flag) {
    for (int i = 0; i < s.n_suggestions && i < NP_MAX_SUGGESTIONS; i++)
        if (*flag ? strstr(s.suggestion[i].flag, flag) == s.suggestion[i].flag : !s.suggestion[i].flag[0]) return &s.suggestion[i];
    return NULL;
}

static void expect(const char *flag, double gain, const char *text) {
    const struct np_suggestion *const x = find(flag);
    if (!x) fail_msg("no suggestion '%s' (%d there are, first '%s')", flag, s.n_suggestions, s.n_suggestions ? s.suggestion[0].text : "");
    if (x->gain < gain - .01 || x->gain > gain + .01) fail_msg("%s: gain %.3f, not %.3f", x->text, x->gain, gain);
    if (!strstr(x->text, text)) fail_msg("'%s' is not in '%s'", text, x->text);
    if (strlen(x->text) >= sizeof x->text - 1) fail_msg("cut off: %s", x->text);
}

static void detector_limits(void **state) {
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, NP_STAGE_DETECT);
    /* every 4th: 1 + 12.2 / 4 + .8 + 6 = 10.85 ms -> 92.2; 5th would be 4 % more only, and is more than three steps away */
    expect("--detection-freq 4", 20 / 10.85, "the detector takes 61 % of a frame: --detection-freq 4 would give about 92 FPS");
    /* 256: 12.2 * .64 = 7.808: 15.608 ms -> 64.1 */
    expect("--yolo-size 256", 20 / 15.608, "about 64 FPS");
    /* skip 2: 17 ms -> 58.8 */
    expect("--frame-skip 2", 20. / 17, "poses take 30 % of a frame: --frame-skip 2 would give about 59 FPS");
    expect("--model blazepose_lite", 20. / 17, "about 59 FPS");
    for (int i = 1; i < s.n_suggestions; i++) assert_true(s.suggestion[i - 1].gain >= s.suggestion[i].gain);
}

/* Live, 30 frames/s offered, 4 people, detection every 2nd frame: .5 + 8 / 2 + 4 * 11 = 48.5 ms a frame: 20.6 FPS, poses limit. */
static void poses_limit_live(void **state) {
    p.mode = NP_MODE_LIVE;
    s.source_fps = 30;
    s.processed_fps = 1000 / 48.5;
    s.persons_per_frame = 4;
    s.knobs.detection_freq = 2;
    stage(NP_STAGE_READ, 0, 0);
    stage(NP_STAGE_DETECT, 8, 4);
    stage(NP_STAGE_TRACK, .5, .5);
    stage(NP_STAGE_POSE, 44, 44);
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, NP_STAGE_POSE);
    /* the smaller net: 26.5 ms, 37.7 FPS, but the source has 30: gain 30 / 20.6 */
    expect("--model blazepose_lite", 30 / (1000 / 48.5), "about 30 FPS");
    /* two of four people: 26.5 ms likewise */
    expect("--max-persons 2", 30 / (1000 / 48.5), "4 people are in view: --max-persons 2 would give about 30 FPS");
    /* skip 2: a pose frame and a cheap one are 4.5 + 44 + 4.5 = 53 ms, two intervals: 30 FPS */
    expect("--frame-skip 2", 30 / (1000 / 48.5), "about 30 FPS");
    assert_null(find("--yolo-size 416"));
}

static void nothing_to_gain(void **state) {
    p.mode = NP_MODE_LIVE;
    s.source_fps = s.processed_fps = 30;
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, -1);
    /* 416 would be 12.2 * 1.69 + 7.8 = 28.4 ms: 35.2 < 1.25 * 30: no room for it; nothing was given up: no advice */
    assert_int_equal(s.n_suggestions, 0);
    s.knobs.frame_skip = 2; /* 14 ms were spent a frame; with every frame inferred 12.2 + .8 + 1 + 3 / .5 = 20 ms: 50 >= 37.5 */
    stage(NP_STAGE_POSE, 6, 3);
    npi_advise(&s, &p);
    expect("--frame-skip 1", 1, "there is room: --frame-skip 1 would keep 30 FPS");
    s.max_delay_ms = 15; /* but not with this bound: 19 ms */
    npi_advise(&s, &p);
    assert_null(find("--frame-skip"));
}

static void too_early(void **state) {
    s.window_s = .5;
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, -2);
    assert_int_equal(s.n_suggestions, 0);
    setup(state);
    s.processed_fps = 0;
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, -2);
    setup(state);
    memset(s.stage, 0, sizeof s.stage);
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, -2);
    assert_int_equal(s.n_suggestions, 0);
}

static void threads(void **state) {
    c.threads = 2; /* of 4: 19 ms of lib work at 2 x is 9.5, + 1 ms of reading on 2 = 10 ms: 100 FPS */
    p.processors = 4;
    s.processed_fps = 100;
    npi_advise(&s, &p);
    /* 4 threads: parallel 1.9 * 1.8 = 3.42: 5.556 + .25 = 5.806; now 19 / 1.9 + .5 = 10.5 */
    expect("--threads 4", 10.5 / 5.806, "2 of 4 processors work: --threads 4");
    c.threads = 4;
    npi_advise(&s, &p);
    assert_null(find("--threads"));
    p.mode = NP_MODE_SYNC;
    npi_advise(&s, &p);
    expect("--async", 1.2, "--no-async works on one frame after another");
}

/* The caller's own work limits: 40 ms of drawing a frame against 19 of the library. */
static void drawing_limits(void **state) {
    p.draws = 1;
    s.processed_fps = 1000 / 60.;
    stage(NP_STAGE_DRAW, 40, 40);
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, NP_STAGE_DRAW);
    expect("", 3, "drawing takes 67 % of a frame"); /* 60 -> 20 ms */
    p.draws = 0;
    npi_advise(&s, &p);
    assert_null(find(""));
    setup(state);
    stage(NP_STAGE_READ, 30, 30);
    s.processed_fps = 1000 / 49.;
    npi_advise(&s, &p);
    assert_int_equal(s.bottleneck, NP_STAGE_READ);
    expect("", 49. / 19, "reading and decoding take 61 %");
}

/* What the controller moves is its own business; what was pinned is ours again. */
static void never_what_the_controller_does(void **state) {
    p.adapting = 1;
    npi_advise(&s, &p);
    assert_int_equal(s.n_suggestions, 0);
    c.detection_freq = (struct npi_range){ 1, 1 };
    npi_advise(&s, &p);
    assert_int_equal(s.n_suggestions, 1);
    expect("--detection-freq 4", 20 / 10.85, "61 %");
}

static unsigned next(unsigned n) {
    static unsigned seed = 7;
    seed = seed * 1664525u + 1013904223u;
    return seed / 65536u % n;
}

/* Over a grid of snapshots: a flag is never at the value in force, never outside of what the command takes, never without a gain. */
static void never_nonsense(void **state) {
    for (int i = 0; i < 20000; i++) {
        setup(state);
        s.knobs.frame_skip = 1 + (int)next(5);
        s.knobs.detection_freq = 1 + (int)next(30);
        s.knobs.detector_size = 64 * (1 + (int)next(12));
        s.knobs.max_persons = 1 + (int)next(12);
        s.knobs.pose_budget = (int)next(4);
        s.knobs.draw_every = 1 + (int)next(4);
        s.knobs.variant = (int)next(2);
        s.persons_per_frame = next(130) / 10.;
        s.processed_fps = 1 + next(100);
        s.source_fps = next(2) ? 30 : 0;
        s.max_delay_ms = next(2) ? 60 : 0;
        p.mode = next(3);
        c.threads = 1 + (int)next(8);
        p.processors = 1 + (int)next(8);
        p.draws = next(2);
        p.adapting = next(2);
        c.has_detector = next(8) != 0;
        for (int k = 0; k < NP_STAGE_COUNT; k++) {
            const double run_ms = next(400) / 10.;
            stage(k, run_ms, next(400) / 10.);
        }
        npi_advise(&s, &p);
        assert_in_range(s.bottleneck + 2, 0, NP_STAGE_COUNT + 2);
        for (int k = 0; k < s.n_suggestions; k++) {
            const struct np_suggestion *const x = &s.suggestion[k];
            const char *const space = strchr(x->flag, ' ');
            const int v = space ? atoi(space + 1) : 0;
            assert_true(x->gain >= 1 && x->gain < 1e6 && x->text[0] && strlen(x->text) < sizeof x->text - 1);
            if (!strncmp(x->flag, "--detection-freq", 16)) assert_true(v > s.knobs.detection_freq && v <= 30);
            else if (!strncmp(x->flag, "--frame-skip", 12)) assert_true(v != s.knobs.frame_skip && v >= 1 && v <= 5);
            else if (!strncmp(x->flag, "--yolo-size", 11)) assert_true(v != s.knobs.detector_size && v >= 256 && v <= 640);
            else if (!strncmp(x->flag, "--max-persons", 13)) assert_true(v < s.knobs.max_persons && v >= 1);
            else if (!strncmp(x->flag, "--threads", 9)) assert_true(v > c.threads && v <= p.processors);
            else if (!strncmp(x->flag, "--model", 7)) assert_string_equal(space + 1, "blazepose_lite");
            else if (x->flag[0]) assert_string_equal(x->flag, "--async");
        }
    }
}

static void families(void **state) {
    assert_string_equal(npi_smaller_net("convnextpose_s"), "convnextpose_xs");
    assert_string_equal(npi_smaller_net("blazepose_full"), "blazepose_lite");
    assert_null(npi_smaller_net("convnextpose_xs"));
    assert_null(npi_smaller_net("blazepose_lite"));
    assert_null(npi_smaller_net("my_own"));
    assert_null(npi_smaller_net(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(detector_limits, setup), cmocka_unit_test_setup(poses_limit_live, setup),
        cmocka_unit_test_setup(nothing_to_gain, setup),
        cmocka_unit_test_setup(too_early, setup),       cmocka_unit_test_setup(threads, setup),
        cmocka_unit_test_setup(drawing_limits, setup),
        cmocka_unit_test_setup(never_what_the_controller_does, setup), cmocka_unit_test_setup(never_nonsense, setup), cmocka_unit_test(families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
