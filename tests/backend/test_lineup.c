/* SPDX-License-Identifier: Apache-2.0 */
/* Runtimes that fail in mid run: errors, time-outs, hangs, NaN; who takes over, the way back with its back-off, strict. The runtimes are
 * tables in this file: y = x * gain, with a fault that a test switches on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/lineup.h"
#include "base/clock.h"

enum fault { NONE, FAIL, HANG, HANG_DEAF, FAIL_OPEN, HANG_OPEN };
struct np_backend_net { atomic_int cancelled; };
static atomic_int fault, open_nets, opened, inside;

static void nap(int ms) {
    const struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

static int complain(struct np_error *e, int code, const char *text) {
    e->code = code;
    snprintf(e->message, sizeof e->message, "%s", text);
    return code;
}

static int t_score(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) { return 1; }
static int t_open(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    if (fault == FAIL_OPEN) return complain(err, NP_EBACKEND, "not today");
    while (fault == HANG_OPEN) nap(2);
    *out = calloc(1, sizeof **out);
    open_nets++;
    opened++;
    return 0;
}
static int t_tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) {
    if (i) return NP_EEND;
    *out = (struct np_tensor_info){ .name = output ? "y" : "x", .dtype = NP_F32, .rank = 2, .dims = { 1, 4 }, .bytes = 16 };
    return 0;
}
static int t_run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    int r = 0;
    inside++;
    if (fault == FAIL) r = complain(err, NP_EBACKEND, "the device is on fire");
    while (fault == HANG && !n->cancelled) nap(2);
    while (fault == HANG_DEAF) nap(2);
    for (int i = 0; i < 4; i++) ((float *)out[0])[i] = 2 * ((const float *)in[0])[i];
    inside--;
    return n->cancelled ? complain(err, NP_EINTR, "cancelled") : r;
}
static void t_cancel(struct np_backend_net *n) { n->cancelled = 1; }
static void t_close(struct np_backend_net *n) {
    free(n);
    open_nets--;
}
#define TABLE(n) { .abi = NP_BACKEND_ABI, .size = sizeof(struct np_backend), .name = n, .formats = "test", .score = t_score, .open = t_open, .tensor = t_tensor, .run = t_run, \
                   .cancel = t_cancel, .close = t_close }
static const struct np_backend frail = TABLE("frail");

static int make(struct npi_engine **out, int open_ms, int run_ms, struct np_error *err) {
    const struct np_backend_params p = { .size = sizeof p, .model_path = "m", .model = "x", .model_size = 1, .format = "test", .threads = 1,
                                         .open_timeout_ms = open_ms,
                                         .run_timeout_ms = run_ms };
    return npi_engine_foreign(out, &frail, &p, "1", err);
}

/* Abandoned threads end when the fault is taken away. */
static void all_nets_closed(void) {
    fault = NONE;
    for (int i = 0; i < 2500 && open_nets; i++) nap(2);
    assert_int_equal(open_nets, 0);
}

static int clean(void **state) {
    fault = NONE;
    opened = 0;
    return 0;
}

static void run_and_share(void **state) {
    struct npi_engine *e = NULL;
    struct npi_run *a = NULL, *b = NULL;
    struct np_error err = { 0 };
    assert_int_equal(make(&e, 1000, 5000, &err), 0);
    assert_int_equal(npi_run_open(&a, e, NULL, NULL, 0, &err), 0);
    assert_int_equal(opened, 1); /* the net that described the model serves the first run */
    assert_int_equal(npi_run_open(&b, e, NULL, NULL, 0, &err), 0);
    assert_int_equal(opened, 2);
    for (int i = 0; i < 4; i++) ((float *)npi_run_input(a, 0))[i] = (float)i;
    for (int k = 0; k < 50; k++) assert_int_equal(npi_run_go(a, NULL, &err), 0);
    assert_true(((const float *)npi_run_output(a, 0))[3] == 6);
    assert_true(npi_run_finite(a, NULL));
    ((float *)npi_run_input(a, 0))[1] = NAN;
    assert_int_equal(npi_run_go(a, NULL, &err), 0);
    const char *name = NULL;
    assert_false(npi_run_finite(a, &name));
    assert_string_equal(name, "y");
    npi_run_close(&b);
    assert_int_equal(npi_run_open(&b, e, NULL, NULL, 0, &err), 0);
    assert_int_equal(opened, 2); /* the idle one is taken again */
    npi_run_close(&a);
    npi_run_close(&b);
    npi_engine_unref(&e);
    all_nets_closed();
}

static void time_outs(void **state) {
    for (int deaf = 0; deaf < 2; deaf++) {
        struct npi_engine *e = NULL;
        struct npi_run *a = NULL;
        struct np_error err = { 0 };
        assert_int_equal(make(&e, 1000, 30, &err), 0);
        assert_int_equal(npi_run_open(&a, e, NULL, NULL, 0, &err), 0);
        fault = deaf ? HANG_DEAF : HANG;
        assert_int_equal(npi_run_go(a, NULL, &err), NP_EBACKEND);
        assert_non_null(strstr(err.message, "did not end within 30 ms"));
        assert_int_equal(inside, deaf); /* one that can be cancelled came back; the other one is left behind */
        if (deaf) assert_int_equal(npi_run_go(a, NULL, &err), NP_EBACKEND); /* and not run again */
        npi_run_close(&a);
        npi_engine_unref(&e); /* does not wait for it */
        assert_int_equal(inside, deaf);
        all_nets_closed();
    }
}

static void open_fails_or_hangs(void **state) {
    struct npi_engine *e = NULL;
    struct np_error err = { 0 };
    fault = FAIL_OPEN;
    assert_int_equal(make(&e, 1000, 0, &err), NP_EBACKEND);
    assert_string_equal(err.message, "not today");
    fault = HANG_OPEN;
    assert_int_equal(make(&e, 30, 0, &err), NP_EBACKEND);
    assert_non_null(strstr(err.message, "did not end within 30 ms"));
    assert_int_equal(make(&e, 30, 0, &err), NP_EBACKEND); /* the first one still sits inside */
    assert_null(e);
    fault = NONE;
    for (int i = 0; i < 2500 && make(&e, 1000, 0, &err) < 0; i++) nap(2);
    assert_non_null(e);
    npi_engine_unref(&e);
    all_nets_closed();
}

/* --- the line-up --- */

static int n_lines;
static char last_line[600];
static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static void hear(void *opaque, int level, const char *line) {
    pthread_mutex_lock(&line_lock);
    if (level <= NP_LOG_WARN) {
        n_lines++;
        snprintf(last_line, sizeof last_line, "%s", line);
    }
    pthread_mutex_unlock(&line_lock);
}
static int lines(void) {
    pthread_mutex_lock(&line_lock);
    const int n = n_lines;
    pthread_mutex_unlock(&line_lock);
    return n;
}

static int reopen(void *opaque, int i, struct npi_engine **out, struct np_error *err) { return make(out, 1000, 5000, err); }

static struct npi_lineup *line_of(int n, int strict, int with_reopen) {
    struct npi_lineup *l = NULL;
    struct np_error err = { 0 };
    const struct npi_lineup_params p = { .asked = "frail", .reason = "asked for", .what = "model", .strict = strict, .retry_first_ms = 20,
                                         .retry_max_ms = 80,
                                         .reopen = with_reopen ? reopen : NULL, .logger = { hear, NULL } };
    n_lines = 0;
    assert_int_equal(npi_lineup_open(&l, &p, &err), 0);
    for (int i = 0; i < n; i++) {
        struct npi_engine *e = NULL;
        assert_int_equal(make(&e, 1000, 5000, &err), 0);
        assert_int_equal(npi_lineup_add(l, i ? "spare" : "frail", &e), 0);
    }
    return l;
}

static void wait_generation(struct npi_lineup *l, unsigned g) {
    for (int i = 0; i < 2500 && npi_lineup_generation(l) < g; i++) nap(2);
    assert_int_equal(npi_lineup_generation(l), g);
}

static void switch_and_back(void **state) {
    struct npi_lineup *l = line_of(2, 0, 1);
    struct npi_lineup_info info;
    struct np_error err = { 0 };
    unsigned g = 9;
    struct npi_engine *first = npi_lineup_now(l, &g), *other;
    assert_int_equal(g, 0);
    fault = FAIL_OPEN; /* so that it stays away for a while */
    assert_int_equal(npi_lineup_failed(l, first, "it burns", &err), 0);
    assert_int_equal(npi_lineup_failed(l, first, "it burns", &err), 0); /* a second worker saw the same: no second switch */
    npi_lineup_info(l, &info);
    assert_string_equal(info.used, "spare");
    assert_string_equal(info.asked, "frail");
    assert_string_equal(info.reason, "frail failed: it burns");
    assert_int_equal(info.n_switches, 1);
    assert_int_equal(lines(), 1); /* told once */
    assert_non_null(strstr(last_line, "asked frail, used spare from now on: frail failed: it burns"));
    other = npi_lineup_now(l, &g);
    assert_ptr_not_equal(other, first);
    assert_int_equal(g, 1);
    npi_engine_unref(&other);
    nap(150); /* several tries fail without a word at this level */
    assert_int_equal(npi_lineup_generation(l), 1);
    assert_int_equal(lines(), 1);
    fault = NONE;
    wait_generation(l, 2);
    npi_lineup_info(l, &info);
    assert_string_equal(info.used, "frail");
    assert_non_null(strstr(info.reason, "works again"));
    assert_int_equal(info.n_switches, 2);
    other = npi_lineup_now(l, &g);
    assert_ptr_not_equal(other, first); /* opened anew */
    npi_engine_unref(&other);
    npi_engine_unref(&first);
    npi_lineup_close(&l);
    all_nets_closed();
}

static void nobody_left(void **state) {
    struct npi_lineup *l = line_of(1, 0, 1);
    struct np_error err = { 0 };
    struct npi_engine *e = npi_lineup_now(l, NULL);
    fault = FAIL_OPEN;
    assert_int_equal(npi_lineup_failed(l, e, "gone", &err), NP_EBACKEND);
    assert_non_null(strstr(err.message, "no other runtime"));
    npi_engine_unref(&e);
    assert_null(npi_lineup_now(l, NULL));
    assert_int_equal(npi_lineup_failed(l, NULL, "still", &err), NP_EBACKEND);
    fault = NONE; /* it comes back by itself */
    wait_generation(l, 1);
    assert_non_null(e = npi_lineup_now(l, NULL));
    npi_engine_unref(&e);
    npi_lineup_close(&l);
    all_nets_closed();
}

static void strict_does_not_switch(void **state) {
    struct npi_lineup *l = line_of(2, 1, 1);
    struct np_error err = { 0 };
    unsigned g;
    struct npi_engine *e = npi_lineup_now(l, &g);
    assert_int_equal(npi_lineup_failed(l, e, "gone", &err), NP_EBACKEND);
    assert_non_null(strstr(err.message, "frail failed (gone)"));
    assert_int_equal(npi_lineup_generation(l), 0);
    npi_engine_unref(&e);
    npi_lineup_close(&l);
    all_nets_closed();
}

static void a_closed_spare_is_opened_when_needed(void **state) {
    struct npi_lineup *l = line_of(1, 0, 1);
    struct np_error err = { 0 };
    struct npi_engine *none = NULL;
    assert_int_equal(npi_lineup_add(l, "later", &none), 0);
    assert_int_equal(opened, 1);
    struct npi_engine *e = npi_lineup_now(l, NULL);
    assert_int_equal(npi_lineup_failed(l, e, "gone", &err), 0);
    assert_true(opened >= 2);
    npi_engine_unref(&e);
    npi_lineup_close(&l);
    all_nets_closed();
}

/* Many threads run and fail at once while the way back is taken: under TSan this is the test. */
struct crowd { struct npi_lineup *l; atomic_int stop, runs; };
static void *crowd_main(void *arg) {
    struct crowd *const c = arg;
    struct npi_run *run = NULL;
    struct npi_engine *e = NULL;
    unsigned g = 0;
    while (!c->stop) {
        struct np_error err = { 0 };
        if (!run || g != npi_lineup_generation(c->l)) {
            npi_run_close(&run);
            npi_engine_unref(&e);
            if (!(e = npi_lineup_now(c->l, &g)) || npi_run_open(&run, e, NULL, NULL, 0, &err) < 0) continue;
        }
        if (npi_run_go(run, NULL, &err) < 0) {
            npi_lineup_failed(c->l, e, err.message, &err);
            npi_run_close(&run);
        } else c->runs++;
    }
    npi_run_close(&run);
    npi_engine_unref(&e);
    return NULL;
}

static void a_crowd(void **state) {
    struct crowd c = { .l = line_of(2, 0, 1) };
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, crowd_main, &c);
    for (int k = 0; k < 6; k++) {
        fault = FAIL;
        nap(3);
        fault = NONE;
        nap(40);
    }
    const int before = c.runs;
    for (int i = 0; i < 2500 && c.runs < before + 100; i++) nap(2);
    assert_true(c.runs >= before + 100); /* everybody is at work again */
    c.stop = 1;
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    npi_lineup_close(&c.l);
    all_nets_closed();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(run_and_share, clean), cmocka_unit_test_setup(time_outs, clean), cmocka_unit_test_setup(open_fails_or_hangs, clean),
        cmocka_unit_test_setup(switch_and_back, clean), cmocka_unit_test_setup(nobody_left, clean),
            cmocka_unit_test_setup(strict_does_not_switch, clean),
        cmocka_unit_test_setup(a_closed_spare_is_opened_when_needed, clean), cmocka_unit_test_setup(a_crowd, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
