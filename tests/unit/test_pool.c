/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: every task once, a slow thread does less, nobody burns time when there is nothing to do. No assertion on wall-clock time:
 * slowness is made by sleeping, which a loaded machine makes longer for everybody alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/thread.h"
#include "nextpose/engine.h"

enum { MAX_TASKS = 1000 };

static void nap(int us) { nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000L }, NULL); }

struct count { atomic_int done[MAX_TASKS], by[8]; int slow, slow_us, us; };

static void count_task(void *arg, int task, int worker) {
    struct count *const c = arg;
    atomic_fetch_add(&c->done[task], 1);
    atomic_fetch_add(&c->by[worker], 1);
    if (c->us) nap(worker == c->slow ? c->slow_us : c->us);
}

static void every_task_once(void **state) {
    (void)state;
    static const int sizes[] = { 0, 1, 2, 3, 7, 8, 64, 999 };
    for (int threads = 1; threads <= 5; threads++) {
        struct np_pool *p;
        assert_true(np_pool_create(&p, threads, NULL) == 0);
        for (int round = 0; round < 200; round++) {
            static struct count c;
            const int n = sizes[round % 8];
            memset(&c, 0, sizeof c);
            npi_pool_run(p, count_task, &c, n);
            int wrong = 0, sum = 0;
            for (int i = 0; i < MAX_TASKS; i++) wrong += c.done[i] != (i < n);
            for (int i = 0; i < 8; i++) sum += i < threads ? c.by[i] : 1000 * c.by[i];
            assert_true(wrong == 0);
            assert_true(sum == n);
            if (round % 50 == 49) nap(500); /* workers fall asleep in between */
        }
        np_pool_free(&p);
    }
}

/* An efficiency core: one thread needs ten times as long a task. It must not hold the others up: its share shrinks. */
static void slow_thread_does_less(void **state) {
    (void)state;
    for (int slow = 0; slow < 3; slow++) {
        static struct count c;
        struct np_pool *p;
        memset(&c, 0, sizeof c);
        c.slow = slow;
        c.us = 1000;
        c.slow_us = 10000;
        assert_true(np_pool_create(&p, 3, NULL) == 0);
        npi_pool_run(p, count_task, &c, 60); /* shares of 20; by speed: about 28, 28 and 3 */
        assert_true(c.by[0] + c.by[1] + c.by[2] == 60);
        assert_true(c.by[slow] >= (slow == 0) && c.by[slow] < 15);
        np_pool_free(&p);
    }
}

/* Neighbouring tasks stay with one thread as long as all are equally fast. */
struct owner { int by[64]; };
static void own_task(void *arg, int task, int worker) {
    ((struct owner *)arg)->by[task] = worker;
    nap(300);
}
static void shares_are_runs(void **state) {
    (void)state;
    struct np_pool *p;
    assert_true(np_pool_create(&p, 2, NULL) == 0);
    int best = 0;
    for (int round = 0; round < 20; round++) { /* on a loaded machine a thread may be late now and then */
        struct owner o;
        npi_pool_run(p, own_task, &o, 16);
        int kept = 0;
        for (int i = 0; i < 16; i++) kept += o.by[i] == (i >= 8);
        best = kept > best ? kept : best;
    }
    assert_true(best >= 14);
    np_pool_free(&p);
}

/* A limit lower than the pool, and back: tasks stay with the threads below it. */
static void limit_holds(void **state) {
    (void)state;
    static const int limits[] = { 4, 2, 1, 3, 9, 0 };
    struct np_pool *p;
    assert_true(np_pool_create(&p, 4, NULL) == 0);
    for (int round = 0; round < 60; round++) {
        static struct count c;
        const int limit = limits[round % 6], most = limit < 1 ? 1 : limit > 4 ? 4 : limit;
        memset(&c, 0, sizeof c);
        npi_pool_limit(p, limit);
        for (int i = 0; i < 5; i++) npi_pool_run(p, count_task, &c, 40);
        int sum = 0;
        for (int i = 0; i < most; i++) sum += c.by[i];
        assert_true(sum == 200);
    }
    np_pool_free(&p);
}

static int64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static void idle_costs_nothing(void **state) {
    (void)state;
    static struct count c;
    struct np_pool *p;
    assert_true(np_pool_create(&p, 4, NULL) == 0);
    npi_pool_run(p, count_task, &c, 64);
    nap(300000);
    const int64_t from = cpu_ns();
    nap(300000);
    assert_true(cpu_ns() - from < 2000000); /* four spinning threads would have used a thousand times as much */
    np_pool_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_task_once), cmocka_unit_test(slow_thread_does_less), cmocka_unit_test(shares_are_runs), cmocka_unit_test(limit_holds),
                                        cmocka_unit_test(idle_costs_nothing) };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
