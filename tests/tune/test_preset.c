/* SPDX-License-Identifier: Apache-2.0 */
/* src/tune/preset.c, resolve.c: the built-in presets say what design asks for, files build on a base, settings pin, categories shift,
 * mistakes name their line; docs/presets.md knows every key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nextpose/engine.h"
#include "tune/preset.h"

static struct np_error e;

static struct npi_preset builtin(int preset, int live) {
    struct npi_preset p;
    if (npi_preset_builtin(&p, preset, live, &e) < 0) fail_msg("%s", e.message);
    return p;
}

static int parse(struct npi_preset *p, const char *text, int live) {
    memset(&e, 0, sizeof e);
    return npi_preset_parse(p, text, strlen(text), "my.preset", live, 0, &e);
}

#define REFUSED(text, want) \
    do { \
        struct npi_preset p_; \
        for (int live_ = 0; live_ < 2; live_++) { \
            assert_int_equal(parse(&p_, text, live_), NP_EINVAL); \
            if (!strstr(e.message, want)) fail_msg("'%s' is not in '%s'", want, e.message); \
        } \
    } while (0)

static void builtins(void **state) {
    static const struct { int preset; double fps; } want[] = {
        { NP_PRESET_HIGH_PERFORMANCE, 25 }, { NP_PRESET_BALANCED, 15 }, { NP_PRESET_EFFICIENCY, 8 }, { NP_PRESET_QUALITY, 5 } };
    for (size_t i = 0; i < 4; i++) {
        const struct npi_preset live = builtin(want[i].preset, 1), file = builtin(want[i].preset, 0);
        assert_string_equal(live.name, np_preset_name(want[i].preset));
        assert_true(live.v[NPI_KEY_TARGET_FPS].start == want[i].fps);
        assert_int_equal(npi_preset_int(&live, NPI_KEY_ADAPT), 1);
        assert_int_equal(npi_preset_int(&file, NPI_KEY_ADAPT), 0); /* in file mode every frame is inferred */
        assert_int_equal(npi_preset_int(&file, NPI_KEY_FRAME_SKIP), 1);
        assert_int_equal(npi_preset_int(&file, NPI_KEY_DETECTION_FREQ), want[i].preset == NP_PRESET_HIGH_PERFORMANCE ? 2 : 1);
        for (int k = 0; k < NPI_KEY_COUNT; k++) assert_int_equal(live.v[k].from, NPI_FROM_PRESET);
    }
    const struct npi_preset b = builtin(NP_PRESET_BALANCED, 1); /* the known-good point */
    assert_int_equal(npi_preset_int(&b, NPI_KEY_FRAME_SKIP), 2);
    assert_int_equal(npi_preset_int(&b, NPI_KEY_BATCH_SIZE), 2);
    assert_int_equal(npi_preset_int(&b, NPI_KEY_DETECTOR_SIZE), 320);
    assert_int_equal(npi_preset_int(&b, NPI_KEY_DETECTION_FREQ), 2);
    assert_int_equal(np_preset_from_name("ultra_fast"), NP_PRESET_HIGH_PERFORMANCE);
    assert_int_equal(np_preset_from_name("speed_balanced"), NP_PRESET_BALANCED);
    assert_int_equal(np_preset_from_name("quality_focused"), NP_PRESET_QUALITY);
    struct npi_preset p;
    assert_int_equal(npi_preset_builtin(&p, 7, 1, &e), NP_EINVAL);
}

static void own_file(void **state) {
    struct npi_preset p;
    static const char text[] =
        "base = quality\nframe-skip = 3\ntarget_fps = 12.5 # a comment\n[live]\nframe_skip = 2 in 1..4\n; another\n[file]\nsmooth = zero-lag\n";
    assert_int_equal(parse(&p, text, 1), 0);
    assert_true(p.v[NPI_KEY_FRAME_SKIP].start == 2 && p.v[NPI_KEY_FRAME_SKIP].lo == 1 && p.v[NPI_KEY_FRAME_SKIP].hi == 4);
    assert_true(p.v[NPI_KEY_TARGET_FPS].start == 12.5);
    assert_string_equal(p.smooth, "one-euro");
    assert_int_equal(npi_preset_int(&p, NPI_KEY_MAX_PERSONS), 16); /* of the base */
    assert_int_equal(p.v[NPI_KEY_MAX_PERSONS].from, NPI_FROM_BASE);
    char from[256];
    npi_preset_from_text(&p, NPI_KEY_MAX_PERSONS, from);
    assert_string_equal(from, "preset quality, the base of my.preset");
    assert_int_equal(parse(&p, text, 0), 0);
    assert_true(p.v[NPI_KEY_FRAME_SKIP].start == 3 && p.v[NPI_KEY_FRAME_SKIP].hi == 3); /* common key: pinned */
    assert_string_equal(p.smooth, "zero-lag");
    assert_int_equal(parse(&p, "", 1), 0); /* nothing said: balanced */
    assert_true(p.v[NPI_KEY_TARGET_FPS].start == 15);
    assert_int_equal(parse(&p, "\xef\xbb\xbf" "adapt = off\r\nthreads = 50 %\r\n", 1), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_ADAPT), 0);
    assert_true(p.v[NPI_KEY_THREADS].start == .5);
}

static void refusals(void **state) {
    REFUSED("frame_skip = 6", "line 1: frame_skip = 6: outside of 1 to 5");
    REFUSED("\nframe_skip = 0", "line 2");
    REFUSED("frame_skip = 2 in 4..1", "not within its bounds");
    REFUSED("frame_skip = 2 in 3..4", "not within its bounds");
    REFUSED("frame_skip = 1 in 0..4", "outside of 1 to 5");
    REFUSED("frame_skip = 2 in 1-4", "START in LOWEST..HIGHEST");
    REFUSED("frame_skip = 2 3", "something follows");
    REFUSED("frame_skip = 1.5", "not a whole number");
    REFUSED("frame_skip = fast", "not a number");
    REFUSED("target_fps = 1e3", "something follows");
    REFUSED("target_fps = nan", "not a number");
    REFUSED("pose_timeout_s = 0.3", "outside of 0.05 to 0.2");
    REFUSED("threads = 2", "percentage");
    REFUSED("threads = 0 %", "outside of 1 to 100");
    REFUSED("adapt = maybe", "neither on nor off");
    REFUSED("smooth = butter", "none of none, one-euro");
    REFUSED("frame_skp = 2", "'frame_skp' is not a key");
    REFUSED("[live]\nadapt = on\n[file]\nadapt = perhaps", "line 4"); /* the other mode's section is checked too */
    REFUSED("[both]\nadapt = on", "neither [live] nor [file]");
    REFUSED("adapt = on\n[live]\n\n[cinema]\n", "line 4: [cinema] is neither [live] nor [file]"); /* an empty one, too */
    REFUSED("[cinema]\n[live]\nadapt = on", "line 1: [cinema] is neither");
    REFUSED("[live\nadapt = on", "'[' without ']'");
    REFUSED("adapt = on\nadapt = off", "there twice");
    REFUSED("adapt = on\nbase = quality", "comes first");
    REFUSED("base = fast", "none of high_performance");
    REFUSED("adapt", "not 'key = value'");
    REFUSED("= on", "the key is missing");
    REFUSED("adapt =", "the value is missing");
    REFUSED("adapt = \x01", "control character");
    char big[200];
    memset(big, 'a', sizeof big);
    snprintf(big + 60, sizeof big - 60, " = 1");
    REFUSED(big, "the key is longer than");
    struct npi_preset p;
    char *const huge = calloc(1, 70000);
    memset(huge, '\n', 69999);
    assert_int_equal(parse(&p, huge, 1), NP_EINVAL);
    free(huge);
    assert_int_equal(npi_preset_load(&p, "/nonexistent/x.preset", 1, &e), NP_ENOENT);
    assert_int_equal(npi_preset_load(&p, "/", 1, &e), NP_EIO);
}

/* Flags pin; the category shifts what was not pinned, in live mode only and within the bounds. */
static void resolve(void **state) {
    struct np_settings s;
    struct npi_preset p;
    struct np_hardware hw = { .category = NP_HW_CPU_MID_RANGE };
    np_settings_default(&s);
    s.mode = NP_MODE_LIVE;
    assert_int_equal(npi_preset_resolve(&p, &s, &hw, &e), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_FRAME_SKIP), 2); /* presets are written for the middle */
    assert_int_equal(npi_preset_int(&p, NPI_KEY_THREADS), np_cpu_count());
    hw.category = NP_HW_CPU_LOW_END;
    s.detection_freq = 7; /* outside of the preset's bounds: what was asked for wins */
    s.target_fps = 0;
    s.threads = 3;
    assert_int_equal(npi_preset_resolve(&p, &s, &hw, &e), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_FRAME_SKIP), 3);
    assert_int_equal(p.v[NPI_KEY_FRAME_SKIP].from, NPI_FROM_HARDWARE);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_DETECTOR_SIZE), 256);
    assert_true(p.v[NPI_KEY_DETECTION_FREQ].start == 7 && p.v[NPI_KEY_DETECTION_FREQ].lo == 7 && p.v[NPI_KEY_DETECTION_FREQ].hi == 7);
    assert_int_equal(p.v[NPI_KEY_DETECTION_FREQ].from, NPI_FROM_SETTINGS);
    assert_true(p.v[NPI_KEY_TARGET_FPS].start == 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_THREADS), 3);
    hw.category = NP_HW_GPU_HIGH_END;
    assert_int_equal(npi_preset_resolve(&p, &s, &hw, &e), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_DETECTOR_SIZE), 416); /* +96, not past the bound */
    assert_int_equal(npi_preset_int(&p, NPI_KEY_BATCH_SIZE), 8);      /* +6 */
    assert_int_equal(npi_preset_int(&p, NPI_KEY_FRAME_SKIP), 1);
    s.mode = NP_MODE_FILE;
    s.adapt = 1; /* a file is never thinned out to keep a rate */
    assert_int_equal(npi_preset_resolve(&p, &s, &hw, &e), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_ADAPT), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_DETECTOR_SIZE), 320);
    s.frame_skip = 3; /* unless asked for */
    assert_int_equal(npi_preset_resolve(&p, &s, &hw, &e), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_FRAME_SKIP), 3);
    s.preset = NP_PRESET_EFFICIENCY;
    s.threads = 0;
    assert_int_equal(npi_preset_resolve(&p, &s, NULL, &e), 0);
    assert_int_equal(npi_preset_int(&p, NPI_KEY_THREADS), (np_cpu_count() + 1) / 2);
    s.preset = 9;
    assert_int_equal(npi_preset_resolve(&p, &s, NULL, &e), NP_EINVAL);
}

/* hardware.conf is read leniently at run time, so all of it is looked at here. */
static void hardware_conf(void **state) {
    const char *const text = npi_embedded_find("hardware.conf");
    assert_non_null(text);
    struct npi_lines l = { .p = text, .end = text + strlen(text), .where = "hardware.conf" };
    int r;
    while ((r = npi_lines_next(&l, &e)) > 0) {
        int category = 0, key = 0;
        double v = 0;
        while (category < NP_HW_COUNT && strcmp(l.section, np_hardware_category_name(category))) category++;
        if (category == NP_HW_COUNT) fail_msg("line %d: [%s] is no category", l.line, l.section);
        if (!strcmp(l.key, "floor_fps")) {
            double hi;
            npi_hardware_floor(category, &v, &hi);
            assert_true(v > 0 && hi > v);
            continue;
        }
        while (key < NPI_KEY_COUNT && strcmp(l.key, npi_preset_key_name(key))) key++;
        if (key == NPI_KEY_COUNT || npi_lines_number(l.value, &v) < 0 || (l.value[0] != '+' && l.value[0] != '-'))
            fail_msg("line %d: %s = %s", l.line, l.key, l.value);
        assert_true(npi_hardware_shift(category, key) == v);
    }
    assert_int_equal(r, 0);
    for (int i = 0; i < NP_HW_COUNT; i++) {
        double lo = 0, hi = 0;
        npi_hardware_floor(i, &lo, &hi);
        assert_true(hi > 0);
    }
    assert_null(np_hardware_category_name(NP_HW_COUNT));
}

/* The library carries the very files of presets/. */
static void embedded_is_the_file(void **state) {
    for (const struct npi_embedded *x = npi_embedded; x->name; x++) {
        char path[1024];
        static char text[65536];
        snprintf(path, sizeof path, "%s/presets/%s", getenv("NEXTPOSE_SOURCE"), x->name);
        FILE *const f = fopen(path, "rb");
        if (!f) fail_msg("cannot open %s", path);
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        assert_string_equal(text, x->text);
    }
}

static char docs[200000];

static void read_docs(void) {
    char path[1024];
    snprintf(path, sizeof path, "%s/docs/presets.md", getenv("NEXTPOSE_SOURCE"));
    FILE *const f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    docs[fread(docs, 1, sizeof docs - 1, f)] = '\0';
    fclose(f);
}

static void value_and_bounds(const struct npi_preset *p, int key, char out[160]) {
    char value[64], bounds[64];
    npi_preset_value_text(p, key, value);
    npi_preset_bounds_text(p, key, bounds);
    if (key == NPI_KEY_THREADS) snprintf(out, 160, "%.0f %%", p->v[key].start * 100);
    else snprintf(out, 160, "%s%s%s", value, *bounds ? " in " : "", bounds);
}

/* The table of all values in docs/presets.md is what the files of presets/ say; a wrong row is printed as it should be. */
static void docs_say_what_presets_say(void **state) {
    char row[512], live_text[160], file_text[160];
    read_docs();
    for (int k = 0; k < NPI_KEY_COUNT; k++) {
        int n = snprintf(row, sizeof row, "| `%s` |", npi_preset_key_name(k));
        for (int i = 0; i < 4; i++) {
            const int preset = (const int[]){ NP_PRESET_HIGH_PERFORMANCE, NP_PRESET_BALANCED, NP_PRESET_EFFICIENCY, NP_PRESET_QUALITY }[i];
            const struct npi_preset live = builtin(preset, 1), file = builtin(preset, 0);
            value_and_bounds(&live, k, live_text);
            value_and_bounds(&file, k, file_text);
            n += snprintf(row + n, sizeof row - (size_t)n, strcmp(live_text, file_text) ? " %s; %s |" : " %s |", live_text, file_text);
        }
        if (!strstr(docs, row)) fail_msg("docs/presets.md lacks: %s", row);
    }
}

/* The range that the documentation gives for a key is the one that the parser takes. */
static void docs_know_the_ranges(void **state) {
    static const int ranged[] = { NPI_KEY_TARGET_FPS, NPI_KEY_COMFORT_FPS, NPI_KEY_MAX_DELAY_MS, NPI_KEY_FRAME_SKIP, NPI_KEY_DETECTION_FREQ, NPI_KEY_DETECTOR_SIZE,
                                  NPI_KEY_BATCH_SIZE, NPI_KEY_MAX_PERSONS, NPI_KEY_DRAW_EVERY, NPI_KEY_VARIANT, NPI_KEY_DETECTION_TIMEOUT_S, NPI_KEY_POSE_TIMEOUT_S };
    char find[64], line[96];
    struct npi_preset p;
    read_docs();
    for (size_t i = 0; i < sizeof ranged / sizeof *ranged; i++) {
        const char *const name = npi_preset_key_name(ranged[i]);
        double lo = 0, hi = 0;
        snprintf(find, sizeof find, "| `%s` | ", name);
        const char *const row = strstr(docs, find);
        if (!row || sscanf(row + strlen(find), "%lf-%lf", &lo, &hi) != 2) fail_msg("docs/presets.md has no range for %s", name);
        const double step = hi < 1 ? .01 : 1;
        const double at[] = { lo, hi, lo - step, hi + step };
        for (int j = 0; j < 4; j++) {
            snprintf(line, sizeof line, "%s = %g\n", name, at[j]);
            if ((parse(&p, line, 1) == 0) != (j < 2)) fail_msg("docs say %g-%g: %s is %s", lo, hi, line, j < 2 ? "refused" : "taken");
        }
    }
}

static void docs_know_every_key(void **state) {
    char want[64];
    const char *const text = docs;
    read_docs();
    for (int k = 0; k < NPI_KEY_COUNT; k++) {
        snprintf(want, sizeof want, "| `%s` |", npi_preset_key_name(k));
        if (!strstr(text, want)) fail_msg("docs/presets.md has no row for %s", npi_preset_key_name(k));
    }
    for (int i = 0; i < NP_HW_COUNT; i++)
        if (!strstr(text, np_hardware_category_name(i))) fail_msg("docs/presets.md does not know %s", np_hardware_category_name(i));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtins),      cmocka_unit_test(own_file),             cmocka_unit_test(refusals),            cmocka_unit_test(resolve),
        cmocka_unit_test(hardware_conf), cmocka_unit_test(embedded_is_the_file), cmocka_unit_test(docs_know_every_key),
        cmocka_unit_test(docs_say_what_presets_say), cmocka_unit_test(docs_know_the_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
