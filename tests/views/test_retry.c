/* SPDX-License-Identifier: Apache-2.0 */
/* io/source_retry.c with a source that comes and goes as a script says. Each sign of the script is one call: open 'o' works, 'x' fails,
 * 'b' is refused for good; read '.' gives a frame, 'l' loses the source, 'e' is its end, 's' is where somebody asks us to stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/source.h"

static const char *script;
static int64_t clock_ns;             /* of the source; starts anew at each open */
static struct npi_pic_pool *pool;
static int n_open, n_said;
static char said[8][300];
static atomic_int stop;

static void clear(void *pixels) {}
static void on_log(void *opaque, int level, const char *line) {
    if (n_said < 8) snprintf(said[n_said++], sizeof said[0], "%.299s", line);
}

static int fake_probe(const char *spec) { return 1; }
static int fake_live(const char *spec) { return !strncmp(spec, "cam", 3); }
static int fake_open(void **priv, const char *spec, const struct npi_source_params *p, struct npi_source_info *info, struct np_error *err) {
    const char c = *script ? *script++ : 'x';
    if (c == 'x') return npi_io_fail(err, NP_ENOENT, "'%s' is not there", spec);
    if (c == 'b') return npi_io_fail(err, NP_EUNSUPPORTED, "'%s' is something else now", spec);
    assert_int_equal(c, 'o');
    info->live = fake_live(spec);
    n_open++;
    clock_ns = 500;
    *priv = &n_open;
    return 0;
}
static int fake_read(void *priv, struct npi_pic **out, struct np_error *err) {
    const char c = *script ? *script++ : 'e';
    assert_ptr_equal(priv, &n_open);
    if (c == 's') atomic_store(&stop, 1);
    if (c == 's') return npi_io_fail(err, NP_EINTR, "interrupted");
    if (c == 'l') return npi_io_fail(err, NP_EIO, "'cam' was lost: unplugged");
    if (c == 'e') return NP_EEND;
    assert_int_equal(c, '.');
    *out = npi_pic_get(pool);
    (*out)->f.pts_ns = clock_ns += 40000000;
    (*out)->f.index = 77; /* whatever the source counts */
    return 0;
}
static void fake_close(void *priv) { n_open--; }
static const struct npi_source_ops fake = { "fake", fake_probe, fake_open, fake_read, fake_close, fake_live };

static struct npi_source *source;
static struct np_error e;
static int begin(const char *text, const char *spec, int reconnect, int wait_for_it) {
    const struct npi_source_params p = { .logger = { on_log, NULL }, .stop = &stop, .reconnect = reconnect, .wait_for_it = wait_for_it, .backoff_ms = 1 };
    script = text;
    n_said = n_open = 0;
    atomic_store(&stop, 0);
    e = (struct np_error){ 0 };
    source = NULL;
    if (!pool) pool = npi_pic_pool_new(clear, free);
    return npi_source_open_as(&source, &fake, spec, &p, &e);
}
static int64_t last_index, last_pts;
static int next(void) {
    struct npi_pic *pic = NULL;
    const int r = npi_source_read(source, &pic, &e);
    if (r == 0) {
        last_index = pic->f.index;
        last_pts = pic->f.pts_ns;
    }
    npi_pic_unref(pic);
    return r;
}
static void end(void) {
    npi_source_close(&source);
    assert_int_equal(n_open, 0);
}

static void test_back_again(void **state) {
    struct npi_gap g;
    assert_int_equal(begin("o..lxxo..e", "cam", 3, 0), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(last_index, 1);
    const int64_t before = last_pts;
    assert_int_equal(npi_source_gap(source, 1, &g), 0);
    assert_int_equal(next(), 0); /* lost, two tries in vain, back */
    assert_int_equal(last_index, 2);
    assert_true(last_pts > before + 3000000); /* naps of 1, 2 and 4 ms: time went on */
    assert_true(last_pts < before + 5000000000);
    const int64_t back = last_pts;
    assert_int_equal(next(), 0);
    assert_int_equal(last_pts, back + 40000000); /* from here on the source's own steps */
    assert_int_equal(atomic_load(&source->n_reconnects), 1);
    assert_int_equal(atomic_load(&source->lost), 0);
    assert_int_equal(npi_source_gap(source, 1, &g), 0); /* not before frame 2 */
    assert_int_equal(npi_source_gap(source, 3, &g), 1);
    assert_int_equal(g.index, 2);
    assert_int_equal(g.pts_ns, back);
    assert_true(g.seconds > 0.003 && g.seconds < 5);
    assert_string_equal(g.reason, "'cam' was lost: unplugged");
    assert_int_equal(npi_source_gap(source, 3, &g), 0); /* told once */
    assert_int_equal(next(), NP_EEND);
    assert_int_equal(n_said, 2); /* one message at the loss, one at the return */
    assert_string_equal(said[0], "'cam' was lost: unplugged; trying again");
    assert_non_null(strstr(said[1], "'cam' is there again after"));
    assert_non_null(strstr(said[1], "(3 tries)"));
    end();
}

static void test_two_gaps_are_one(void **state) {
    struct npi_gap g;
    assert_int_equal(begin("o.lo.lo.e", "cam", -1, 0), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(next(), 0);
    assert_int_equal(npi_source_gap(source, 2, &g), 1);
    assert_int_equal(g.index, 2);
    assert_true(g.seconds > 0.002);
    assert_int_equal(npi_source_gap(source, 2, &g), 0);
    end();
}

static void test_opens_but_gives_nothing(void **state) {
    assert_int_equal(begin("o.lololo.e", "cam", -1, 0), 0); /* a server that is up but has no camera yet */
    assert_int_equal(next(), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(last_index, 1);
    assert_int_equal(n_said, 2);
    end();
}

static void test_gone_for_good(void **state) {
    assert_int_equal(begin("o.lxxxx", "cam", 2, 0), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(next(), NP_EIO);
    assert_string_equal(e.message, "'cam' was lost: unplugged; not back after 2 tries in 0 s");
    assert_int_equal(*script, 'x'); /* two tries, not three */
    assert_int_equal(next(), NP_EIO); /* who asks again learns the same */
    end();
    assert_int_equal(begin("o.lb", "cam", -1, 0), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(next(), NP_EUNSUPPORTED); /* trying on would not help */
    end();
}

static void test_not_asked_for(void **state) {
    assert_int_equal(begin("o.lo.e", "cam", 0, 0), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(next(), NP_EIO);
    assert_string_equal(e.message, "'cam' was lost: unplugged");
    assert_int_equal(n_said, 0);
    end();
    assert_int_equal(begin("o.lo.e", "file", -1, 1), 0); /* what is not live does not come back */
    assert_int_equal(next(), 0);
    assert_int_equal(next(), NP_EIO);
    end();
}

static void test_not_there_yet(void **state) {
    assert_int_equal(begin("xxo.e", "cam", 5, 1), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(last_index, 0);
    struct npi_gap g;
    assert_int_equal(npi_source_gap(source, 0, &g), 0); /* nothing was missed */
    assert_int_equal(atomic_load(&source->n_reconnects), 0);
    end();
    assert_int_equal(begin("xxxxxxx", "cam", 2, 1), NP_ENOENT);
    assert_string_equal(e.message, "'cam' is not there; not back after 2 tries in 0 s");
    assert_int_equal(begin("xo", "cam", 2, 0), NP_ENOENT);
    assert_int_equal(begin("xo", "file", 2, 1), NP_ENOENT);
    assert_string_equal(e.message, "'file' is not there");
    assert_null(source);
}

static void test_stopped(void **state) {
    assert_int_equal(begin("o.los", "cam", -1, 0), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(next(), NP_EINTR);
    end();
    assert_int_equal(begin("o.l", "cam", -1, 0), 0);
    assert_int_equal(next(), 0);
    atomic_store(&stop, 1); /* Ctrl-C and the loss at once: no tries */
    assert_int_equal(next(), NP_EIO);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_back_again), cmocka_unit_test(test_two_gaps_are_one), cmocka_unit_test(test_opens_but_gives_nothing),
                                        cmocka_unit_test(test_gone_for_good), cmocka_unit_test(test_not_asked_for), cmocka_unit_test(test_not_there_yet),
                                        cmocka_unit_test(test_stopped) };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    npi_pic_pool_free(pool);
    return failed;
}
