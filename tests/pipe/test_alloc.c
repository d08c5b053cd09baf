/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is allocated per frame: malloc and its kin are counted in the whole process, on a real clip in memory, in file mode (skipping, smoothing) and in
 * live mode with the controller and a watcher of the statistics; and by the engine alone. Needs glibc, whose allocator can be stepped in front of. usage: test_alloc SHARED_DIR */
#define _GNU_SOURCE
#include "fixture.h"

#include <errno.h>
#include <execinfo.h>
#include <malloc.h>

#if defined(__GLIBC__) && !NPI_SANITIZED
static atomic_int counting, n_allocs;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static void *where[12];
static int n_where;

/* The first one leaves a trace, for `addr2line`. */
static void note(void) {
    if (!atomic_load_explicit(&counting, memory_order_relaxed)) return;
    if (atomic_fetch_add(&n_allocs, 1) == 0) n_where = backtrace(where, 12);
}

void *malloc(size_t n) { note(); return __libc_malloc(n); }
void *calloc(size_t n, size_t size) { note(); return __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { note(); return __libc_realloc(p, n); }
void *memalign(size_t align, size_t n) { note(); return __libc_memalign(align, n); }
void *aligned_alloc(size_t align, size_t n) { note(); return __libc_memalign(align, n); }
int posix_memalign(void **p, size_t align, size_t n) {
    note();
    return (*p = __libc_memalign(align, n)) ? 0 : ENOMEM;
}

#define WARM_UP 12
#define COUNTED 30

static int sent, got;
static void see(struct np_context *c, const struct np_result *r) {
    if (++got == WARM_UP) atomic_store(&counting, 1);
    if (got == WARM_UP + COUNTED) atomic_store(&counting, 0);
    if (got % 4 == 0) {
        struct np_stats st;
        np_context_stats(c, &st);
        np_context_report(c, NP_STAGE_EMIT, .1, 0);
    }
}

static void run(const struct np_settings *s, const char *what) {
    struct np_context *c = open_with(s);
    struct np_error e;
    const struct np_result *r;
    if (!c) return;
    void *warm[2];
    backtrace(warm, 2); /* loads its library */
    atomic_store(&n_allocs, 0);
    sent = got = 0;
    while (got < WARM_UP + COUNTED) {
        const struct np_frame f = frame(sent);
        const int q = np_send_frame(c, &f, &e);
        CHECK(q == 0 || q == NP_EAGAIN, "%d", q);
        sent += q == 0;
        if (np_wait_result(c, s->mode == NP_MODE_LIVE ? 60000 : 0, &r, &e) == 0) {
            see(c, r);
            np_result_release(c, &r);
        }
    }
    np_close(&c);
    printf("%s: %d allocations on %d frames\n", what, atomic_load(&n_allocs), COUNTED);
    CHECK(atomic_load(&n_allocs) == 0, "%s", what);
    if (atomic_load(&n_allocs)) {
        fflush(stdout);
        backtrace_symbols_fd(where, n_where, 1);
    }
}

/* The engine by itself: nothing from the second inference on, in either net, with a pool. */
static void run_engine(const char *path) {
    struct np_model *m = NULL;
    struct np_pool *pool = NULL;
    struct np_session *s = NULL;
    struct np_error e = { 0 };
    CHECK(np_model_load(&m, path, NULL, &e) == 0 && np_pool_create(&pool, 2, &e) == 0 && np_session_open(&s, m, pool, &e) == 0, "%s", e.message);
    for (int k = 0; s && k < 6; k++) {
        struct np_tensor_info t;
        np_model_input_info(m, 0, &t);
        memset(np_session_input(s, 0), 63, t.bytes); /* 0x3f3f3f3f is .747 */
        if (k == 1) atomic_store(&n_allocs, 0);
        atomic_store(&counting, k >= 1);
        CHECK(np_session_run(s, &e) == 0, "%s", e.message);
        atomic_store(&counting, 0);
    }
    printf("engine, %s: %d allocations in 5 inferences\n", strrchr(path, '/') + 1, atomic_load(&n_allocs));
    CHECK(atomic_load(&n_allocs) == 0, "%s", path);
    np_session_free(&s);
    np_pool_free(&pool);
    np_model_free(&m);
}

int main(int argc, char **argv) {
    struct np_settings s;
    const int skip = open_clip(argc > 1 ? argv[1] : "", "p2s_multi_cam01.mp4", 8);
    if (skip) return skip;
    settings(&s, NP_MODE_FILE, 2);
    s.frame_skip = 2;
    s.detection_freq = 2;
    run(&s, "file");
    settings(&s, NP_MODE_LIVE, 2);
    s.adapt = 1; /* the nets are named: it has no others to open */
    run(&s, "live");
    run_engine(pose);
    run_engine(detector);
    close_clip();
    printf(failures ? "%d checks failed\n" : "alloc: ok\n", failures);
    return failures != 0;
}
#else
int main(void) {
    puts("SKIP: needs glibc's allocator, without a sanitizer's in front");
    return 77;
}
#endif
