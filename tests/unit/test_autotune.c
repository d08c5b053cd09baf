/* SPDX-License-Identifier: Apache-2.0 */
/* tools/autotune.c against a machine made of three numbers: what gains is kept and remembered, what does not is taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/autotune.h"
#include "tools/tool.h"

static struct np_stats now;
static double fps_of_freq[8]; /* by detection_freq */
static char said[16][320];
static int n_said, refuse;

static void fake_stats(void *o, struct np_stats *out) {
    now.processed_fps = fps_of_freq[now.knobs.detection_freq];
    *out = now;
}
static int fake_adjust(void *o, const char *name, const char *value, struct np_error *err) {
    if (refuse) {
        snprintf(err->message, sizeof err->message, "not now");
        return NP_EINVAL;
    }
    assert_string_equal(name, "detection-freq");
    now.knobs.detection_freq = atoi(value);
    return 0;
}
static void fake_say(void *o, const char *line) {
    assert_true(n_said < 16);
    snprintf(said[n_said++], sizeof said[0], "%s", line);
}

static void begin(struct autotune *a, int mode, const char *memory) {
    memset(&now, 0, sizeof now);
    memset(said, 0, sizeof said);
    n_said = refuse = 0;
    now.knobs.detection_freq = 1;
    now.n_suggestions = 1;
    snprintf(now.suggestion[0].flag, sizeof now.suggestion[0].flag, "--detection-freq 3");
    snprintf(now.suggestion[0].text, sizeof now.suggestion[0].text, "the detector takes 61 %% of a frame");
    now.suggestion[0].gain = 1.5;
    fps_of_freq[1] = 10;
    fps_of_freq[3] = 15;
    autotune_open(a, &(struct autotune_params){ .mode = mode, .memory = memory, .stats = fake_stats, .adjust = fake_adjust, .say = fake_say });
}
/* `seconds` of results, thirty a second. */
static void play(struct autotune *a, double from_s, double seconds) {
    for (int i = 0; i < seconds * 30; i++) autotune_tick(a, 1 + (int64_t)((from_s + i / 30.) * 1e9));
}

static void proposes(void **state) {
    struct autotune a;
    begin(&a, AUTOTUNE_PROPOSE, NULL);
    play(&a, 0, 2);
    assert_int_equal(n_said, 0); /* too early to know */
    play(&a, 2, 60);
    assert_int_equal(n_said, 1); /* once */
    assert_int_equal(now.knobs.detection_freq, 1);
    assert_non_null(strstr(said[0], "61 %"));
}

static void keeps(void **state) {
    struct autotune a;
    struct np_error e;
    struct opts o;
    char path[] = "/tmp/nextpose-autotune-XXXXXX", file[80];
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/auto-tune/x.conf", path);
    begin(&a, AUTOTUNE_APPLY, file);
    play(&a, 0, 60);
    assert_int_equal(now.knobs.detection_freq, 3);
    assert_int_equal(n_said, 2);
    assert_non_null(strstr(said[1], "kept --detection-freq 3: 10.0 -> 15.0"));
    assert_int_equal(autotune_close(&a, &e), 0);
    opts_init(&o, cmd_run_opts, "run");
    assert_int_equal(autotune_recall(&o, file), 1);
    assert_int_equal(opt_int(&o, "detection-freq"), 3);
    opts_free(&o);
    opts_init(&o, cmd_run_opts, "run"); /* what the user says stands */
    assert_int_equal(opts_set(&o, "detection-freq", "2", FROM_FLAG, "--detection-freq", &e), 0);
    assert_int_equal(autotune_recall(&o, file), 0);
    assert_int_equal(opt_int(&o, "detection-freq"), 2);
    opts_free(&o);
    unlink(file);
    snprintf(file, sizeof file, "%s/auto-tune", path);
    rmdir(file);
    rmdir(path);
}

static void takes_back(void **state) {
    struct autotune a;
    struct np_error e;
    begin(&a, AUTOTUNE_APPLY, "/nonexistent/never/x.conf");
    fps_of_freq[3] = 10.2;
    play(&a, 0, 60);
    assert_int_equal(now.knobs.detection_freq, 1);
    assert_int_equal(n_said, 2); /* and not tried again */
    assert_non_null(strstr(said[1], "took --detection-freq 3 back"));
    assert_int_equal(autotune_close(&a, &e), 0); /* nothing to remember */
}

static void only_told(void **state) {
    struct autotune a;
    begin(&a, AUTOTUNE_APPLY, NULL);
    snprintf(now.suggestion[0].flag, sizeof now.suggestion[0].flag, "--model blazepose_lite");
    play(&a, 0, 60);
    assert_int_equal(n_said, 1);
    begin(&a, AUTOTUNE_APPLY, NULL);
    refuse = 1;
    play(&a, 0, 60);
    assert_int_equal(n_said, 1);
    assert_non_null(strstr(said[0], "cannot be followed: not now"));
    begin(&a, AUTOTUNE_OFF, NULL);
    play(&a, 0, 60);
    assert_int_equal(n_said, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(proposes), cmocka_unit_test(keeps), cmocka_unit_test(takes_back), cmocka_unit_test(only_told) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
