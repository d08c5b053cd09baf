/* SPDX-License-Identifier: Apache-2.0 */
/* What waiting costs: contexts that are open with nothing to do, and a pool whose job is done, use no processor time; a second session of a model takes its
 * activations and not the weights again; thread counts follow the affinity mask. usage: test_idle SHARED_DIR */
#define _GNU_SOURCE
#include "fixture.h"

#include <malloc.h>
#include <sched.h>
#include <time.h>

#include "backend/model.h"

enum { IDLE_S = 2, ALLOWED_MS = 10 };

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Sleeps and returns what the process used meanwhile, all threads. */
static double idle_ms(void) {
    const struct timespec settle = { .tv_nsec = 300000000 }, wait = { .tv_sec = IDLE_S };
    nanosleep(&settle, NULL); /* the spin after the last job */
    const double before = cpu_ms();
    nanosleep(&wait, NULL);
    return cpu_ms() - before;
}

static void contexts_idle(void) {
    static const int modes[] = { NP_MODE_FILE, NP_MODE_LIVE, NP_MODE_SYNC };
    struct np_context *c[3];
    struct np_settings s;
    const struct np_result *r;
    for (int i = 0; i < 3; i++) {
        settings(&s, modes[i], 2);
        s.adapt = modes[i] == NP_MODE_LIVE;
        if (!(c[i] = open_with(&s))) return;
        for (int k = 0, got = 0; got < 3;) { /* work first, so that all threads were awake */
            const struct np_frame f = frame(k);
            k += np_send_frame(c[i], &f, NULL) == 0;
            while (np_wait_result(c[i], modes[i] == NP_MODE_LIVE ? 60000 : 0, &r, NULL) == 0) {
                got++;
                np_result_release(c[i], &r);
                if (modes[i] == NP_MODE_LIVE) break;
            }
        }
    }
    const double used = idle_ms();
    printf("three contexts of 2 threads, nothing to do for %d s: %.2f ms of processor time\n", IDLE_S, used);
    CHECK(used <= ALLOWED_MS, "%.2f ms", used);
    for (int i = 0; i < 3; i++) np_close(&c[i]);
}

static size_t heap(void) {
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void sessions(void) {
    struct np_model *m = NULL;
    struct np_pool *pool = NULL;
    struct np_session *s[2] = { NULL, NULL };
    struct np_model_stats st;
    struct np_error e = { 0 };
    CHECK(np_model_load(&m, pose, NULL, &e) == 0 && np_pool_create(&pool, 4, &e) == 0 && np_session_open(&s[0], m, pool, &e) == 0, "%s", e.message);
    if (failures) return;
    np_model_stats(m, &st);
    const size_t before = heap();
    CHECK(np_session_open(&s[1], m, pool, &e) == 0, "%s", e.message);
    const size_t more = heap() - before, its_own = npi_session_bytes(m, pool);
    printf("a second session: %zu KiB (activations and scratch %zu), weights %zu KiB once\n", more >> 10, its_own >> 10, st.weights_bytes >> 10);
    CHECK(more <= its_own + 256 * 1024, "more than its activations: %zu of %zu bytes", more, its_own); /* 256 KiB: a pointer a tensor, a clock a step, the allocator */
    CHECK(its_own < st.weights_bytes || more < its_own + st.weights_bytes / 2, "the weights again");
    for (int k = 0; k < 2; k++) {
        struct np_tensor_info t;
        np_model_input_info(m, 0, &t);
        float *const x = np_session_input(s[k], 0);
        for (size_t i = 0; i < t.bytes / 4; i++) x[i] = (float)(i % 251) / 251;
        CHECK(np_session_run(s[k], &e) == 0, "%s", e.message);
    }
    const size_t running = heap();
    CHECK(memcmp(np_session_output(s[0], 0), np_session_output(s[1], 0), 4 * 195) == 0, "two sessions of a model give two answers");
    const double used = idle_ms();
    printf("a pool of 4 threads, its job done: %.2f ms of processor time in %d s\n", used, IDLE_S);
    CHECK(used <= ALLOWED_MS, "%.2f ms", used);
    CHECK(heap() == running, "memory grew while idle");
    np_session_free(&s[0]);
    np_session_free(&s[1]);
    np_pool_free(&pool);
    np_model_free(&m);
}

/* In a process that may use one processor, a run on "as many as there are" has one thread, on that processor. */
static void affinity(void) {
    cpu_set_t all, one;
    struct np_settings s;
    struct np_context_info info;
    sched_getaffinity(0, sizeof all, &all);
    int last = -1;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all)) last = i;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    CHECK(np_cpu_count() >= 1 && np_cpu_count() <= CPU_COUNT(&all), "%d of %d", np_cpu_count(), CPU_COUNT(&all));
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0, "setaffinity");
    CHECK(np_cpu_count() == 1, "%d", np_cpu_count());
    settings(&s, NP_MODE_FILE, 0);
    struct np_context *c = open_with(&s);
    if (c) {
        np_context_info(c, &info);
        CHECK(info.threads == 1, "%d threads on one processor", info.threads);
        np_close(&c);
    }
    sched_setaffinity(0, sizeof all, &all);
}

int main(int argc, char **argv) {
    const int skip = open_clip(argc > 1 ? argv[1] : "", "p2s_multi_cam01.mp4", 4);
    if (skip) return skip;
    contexts_idle();
    sessions();
    affinity();
    close_clip();
    printf(failures ? "%d checks failed\n" : "idle: ok\n", failures);
    return failures != 0;
}
