/* SPDX-License-Identifier: Apache-2.0 */
/* tools/opts.c: types, ranges, spellings, precedence, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/tool.h"

static const struct opt_def defs[] = {
    { "max-persons", 'n', OPT_INT, "8", 1, 64, NULL, "N", "people", "Group" },
    { "kpt-thr", 0, OPT_FLOAT, NULL, 0, 1, NULL, "X", "threshold", NULL },
    { "async", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "one after another", NULL },
    { "strict", 's', OPT_BOOL, NULL, 0, 0, NULL, NULL, "strict", NULL },
    { "preset", 0, OPT_CHOICE, "balanced", 0, 0, "high_performance|balanced:ultra_fast", "NAME", "preset", NULL },
    { "model", 'm', OPT_STRING, NULL, 0, 0, NULL, "FILE", "model", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static struct opts o;
static struct np_error e;

static int parse(int argc, const char **argv) {
    opts_free(&o);
    opts_init(&o, defs, "test");
    memset(&e, 0, sizeof e);
    return opts_parse(&o, argc, (char **)argv, &e);
}
#define PARSE(...) parse((int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)), (const char *[]){ __VA_ARGS__ })
#define REFUSED(text, ...) \
    do { \
        assert_int_equal(PARSE(__VA_ARGS__), NP_EINVAL); \
        if (!strstr(e.message, text)) fail_msg("'%s' is not in '%s'", text, e.message); \
    } while (0)

static void flags(void **state) {
    assert_int_equal(PARSE("--max_persons", "3", "file", "-s", "--Kpt-Thr=0.25", "-mnet.onnx", "--no-async", "--", "-x"), 0);
    assert_int_equal(opt_int(&o, "max-persons"), 3);
    assert_true(opt_float(&o, "kpt-thr") == 0.25);
    assert_true(opt_bool(&o, "strict"));
    assert_false(opt_bool(&o, "async"));
    assert_string_equal(opt_str(&o, "model"), "net.onnx");
    assert_int_equal(o.n_rest, 2);
    assert_string_equal(o.rest[1], "-x");
    assert_int_equal(opt_origin(&o, "max-persons"), FROM_FLAG);
    assert_int_equal(opt_origin(&o, "preset"), FROM_DEFAULT);
    assert_string_equal(opt_str(&o, "preset"), "balanced");
    assert_int_equal(PARSE("--preset", "ULTRA-fast"), 0);
    assert_string_equal(opt_str(&o, "preset"), "ultra_fast"); /* as the table spells it */
    assert_int_equal(PARSE("--async=off", "-h"), 0);
    assert_false(opt_bool(&o, "async"));
    assert_true(o.help);
    assert_null(opt_str(&o, "kpt-thr"));
}

static void refusals(void **state) {
    REFUSED("did you mean 'max-persons'", "--max-person", "3");
    REFUSED("did you mean 'kpt-thr'", "--ktp_thr=3");
    REFUSED("see 'nextpose test --help'", "--qqqqqqqq");
    REFUSED("0 is outside of 1 to 64", "-n", "0");
    REFUSED("not a whole number", "-n", "2.5");
    REFUSED("not a number", "--kpt-thr", "1e-3");
    REFUSED("not a number", "--kpt-thr", "nan");
    REFUSED("outside of 0 to 1", "--kpt-thr", "-0.5");
    REFUSED("not one of high_performance|balanced", "--preset", "ultra");
    REFUSED("needs a value: FILE", "--model");
    REFUSED("empty", "--model=");
    REFUSED("neither yes nor no", "--strict=2");
    REFUSED("unknown option '--no-model'", "--no-model");
}

static void precedence(void **state) {
    const char *const env[] = { "NEXTPOSE_KPT_THR=0.5", "NEXTPOSE_MODEL=", "NEXTPOSE_OTHER=1", "HOME=/", NULL };
    assert_int_equal(PARSE("--max-persons", "3"), 0);
    assert_int_equal(opts_environment(&o, env, &e), 0);
    assert_int_equal(opts_config_string(&o, "max_persons = 5\nkpt_thr = 0.7\n[test]\nmodel = a.onnx\n[other]\nx = 1\n", "c.ini", &e), 0);
    assert_int_equal(opt_int(&o, "max-persons"), 3);
    assert_true(opt_float(&o, "kpt-thr") == 0.5);
    assert_string_equal(opt_str(&o, "model"), "a.onnx");
    assert_int_equal(opt_origin(&o, "model"), FROM_CONFIG);
    assert_int_equal(opt_origin(&o, "kpt-thr"), FROM_ENV);
    /* A bad value is told even where a better one would win. */
    assert_int_equal(opts_config_string(&o, "max_persons = 500\n", "c.ini", &e), NP_EINVAL);
    assert_int_equal(opt_int(&o, "max-persons"), 3);
}

static int leave(void **state) {
    opts_free(&o);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(flags), cmocka_unit_test(refusals), cmocka_unit_test(precedence) };
    return cmocka_run_group_tests(tests, NULL, leave);
}
