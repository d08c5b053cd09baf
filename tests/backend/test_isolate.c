/* SPDX-License-Identifier: Apache-2.0 */
/* backend/isolate: a plug-in in a process of its own, with the fault plug-in on a tiny model (y = sigmoid(x), float [1][4]). What must hold: the same
 * numbers as in this process; a crash, an abort, an exit, a hang and a blow-up of memory are errors with a reason; afterwards there is no process, no
 * zombie, no descriptor and no mapping of ours left. Arguments: the worker, the fault plug-in, the example plug-in. */
#define _GNU_SOURCE
#include "backend/isolate.h"
#include "backend/tiny.h"
#include "base/clock.h"
#include "base/sanitized.h"

#include <dirent.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *worker, *fault_path, *self;
static unsigned char model[512];
static size_t model_size;
static char last_log[256];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_log(void *opaque, int level, const char *line) {
    (void)opaque;
    pthread_mutex_lock(&log_lock);
    snprintf(last_log, sizeof last_log, "%d %s", level, line);
    pthread_mutex_unlock(&log_lock);
}

static const struct np_backend *table_of(const char *path) {
    void *const lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    np_backend_entry_fn entry;
    if (!lib) fail_msg("%s", dlerror());
    *(void **)&entry = dlsym(lib, NP_BACKEND_ENTRY);
    return entry();
}

static const struct np_backend *isolated(size_t memory_limit) {
    const struct np_backend *t = NULL;
    struct np_error e = { 0 };
    const struct npi_isolate_params p = { worker, memory_limit };
    if (npi_isolate(&t, fault_path, table_of(fault_path), &p, &e) < 0) fail_msg("%s", e.message);
    return t;
}

static struct np_backend_params params(const struct np_backend_option *o, int n) {
    return (struct np_backend_params){ .size = sizeof(struct np_backend_params), .model_path = "/nowhere/tiny.onnx", .model = model,
                                      .model_size = model_size,
                                       .format = "onnx", .options = o, .n_options = n, .threads = 1, .open_timeout_ms = 60000,
                                       .logger = { keep_log, NULL } };
}

#define WITH(...) params((const struct np_backend_option[]){ __VA_ARGS__ }, sizeof((const struct np_backend_option[]){ __VA_ARGS__ }) / sizeof(struct np_backend_option))

static struct np_backend_net *open_it(const struct np_backend *t, const struct np_backend_params *p) {
    struct np_backend_net *n = NULL;
    struct np_error e = { 0 };
    if (t->open(&n, p, &e) < 0) fail_msg("%s", e.message);
    return n;
}

static int run_it(const struct np_backend *t, struct np_backend_net *n, float x, struct np_error *e) {
    _Alignas(64) float in[NPI_TINY_N + 16], out[NPI_TINY_N + 16] = { 0 };
    for (int i = 0; i < NPI_TINY_N; i++) in[i] = x * (float)i;
    memset(e, 0, sizeof *e);
    const int r = t->run(n, (const void *const[]){ in }, (void *const[]){ out }, e);
    for (int i = 0; r >= 0 && i < NPI_TINY_N; i++) assert_true(fabsf(out[i] - 1 / (1 + expf(-in[i]))) < 1e-5f);
    return r;
}

/* --- what is left of it --- */

static int descriptors(void) {
    DIR *const d = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static int mappings(void) {
    FILE *const f = fopen("/proc/self/maps", "r");
    char line[512];
    int n = 0;
    while (fgets(line, sizeof line, f)) n += strstr(line, "memfd:nextpose") != NULL;
    fclose(f);
    return n;
}

static int children(void) {
    siginfo_t info = { 0 };
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0; /* ECHILD: none, dead or alive */
}

static int fds_before;

static int setup(void **state) {
    (void)state;
    fds_before = descriptors();
    return 0;
}

static int nothing_left(void **state) {
    (void)state;
    if (children()) fail_msg("a worker process is left");
    if (mappings()) fail_msg("%d mappings are left", mappings());
    if (descriptors() != fds_before) fail_msg("%d descriptors before, %d after", fds_before, descriptors());
    return 0;
}

/* --- tests --- */

static void works(void **state) {
    (void)state;
    const struct np_backend *const t = isolated(0);
    struct np_backend_info info = { .size = sizeof info };
    struct np_error e = { 0 };
    struct np_backend_params p = WITH({ "none", "" });
    assert_int_equal(t->score(&p, &info, &e), 90);
    assert_string_equal(info.version, "1.0");
    struct np_backend_net *const n = open_it(t, &p);
    struct np_tensor_info in, out;
    assert_int_equal(t->tensor(n, 0, 0, &in), 0);
    assert_int_equal(t->tensor(n, 1, 0, &out), 0);
    assert_int_equal(t->tensor(n, 1, 1, &out), NP_EEND);
    assert_int_equal(in.dtype, NP_F32);
    assert_int_equal(in.bytes, NPI_TINY_N * sizeof(float));
    assert_string_equal(t->device(n), "cpu, own process");
    assert_string_equal(last_log, "3 the fault plug-in opened a net");
    for (int i = 0; i < 1000; i++) assert_int_equal(run_it(t, n, (float)i * 0.01f - 5, &e), 0);
    t->close(n);
    assert_ptr_equal(isolated(0), t); /* the same arguments, the same table */
}

/* Each ends with an error that says why, and the next net is fine. */
static void expect_death(const struct np_backend *t, const struct np_backend_params *p, int good, const char *reason) {
    struct np_error e = { 0 };
    struct np_backend_net *n = open_it(t, p), *mate = NULL;
    struct np_backend_params q = *p;
    q.share = n;
    mate = open_it(t, &q);
    for (int i = 0; i < good; i++) assert_int_equal(run_it(t, n, 1, &e), 0);
    const int r = run_it(t, n, 1, &e);
    if (r >= 0) fail_msg("it lives");
    if (!strstr(e.message, reason)) fail_msg("'%s' does not say '%s'", e.message, reason);
    /* The one beside it in the same process, and one more that wants to share. */
    assert_true(run_it(t, mate, 1, &e) < 0);
    assert_true(e.message[0]);
    struct np_backend_net *late = NULL;
    assert_true(t->open(&late, &q, &e) < 0);
    t->close(mate);
    t->close(n);
    const struct np_backend_params fine = WITH({ "none", "" });
    n = open_it(t, &fine);
    assert_int_equal(run_it(t, n, 1, &e), 0);
    t->close(n);
}

static void dies(void **state) {
    (void)state;
    const struct np_backend *const t = isolated(0);
    struct np_backend_params p = WITH({ "crash_at", "3" });
    expect_death(t, &p, 2, "signal 11");
    p = WITH({ "abort_at", "2" });
    expect_death(t, &p, 1, "std::bad_idea");
    p = WITH({ "exit_at", "1" });
    expect_death(t, &p, 0, "code 7");
}

static void fails_but_lives(void **state) {
    (void)state;
    const struct np_backend *const t = isolated(0);
    struct np_error e = { 0 };
    struct np_backend_params p = WITH({ "error_at", "1" });
    struct np_backend_net *n = open_it(t, &p);
    assert_int_equal(run_it(t, n, 1, &e), NP_EBACKEND);
    assert_string_equal(e.message, "fault: told to fail");
    assert_int_equal(run_it(t, n, 1, &e), 0);
    t->close(n);
    p = WITH({ "open", "refuse" });
    n = NULL;
    assert_int_equal(t->open(&n, &p, &e), NP_EUNSUPPORTED);
    assert_string_equal(e.message, "fault: told to refuse at open");
    p = WITH({ "open", "crash" });
    assert_int_equal(t->open(&n, &p, &e), NP_EBACKEND);
    assert_non_null(strstr(e.message, "signal 11"));
    p = WITH({ "score", "crash" });
    struct np_backend_info info = { .size = sizeof info };
    assert_int_equal(t->score(&p, &info, &e), NP_EBACKEND);
    assert_null(n);
}

static void hangs(void **state) {
    (void)state;
    const struct np_backend *const t = isolated(0);
    struct np_error e = { 0 };
    struct np_backend_params p = WITH({ "hang_at", "2" }, { "hang_ms", "60000" }, { "cancel", "no" });
    p.run_timeout_ms = 100;
    struct np_backend_net *n = open_it(t, &p);
    assert_int_equal(run_it(t, n, 1, &e), 0);
    const int64_t t0 = npi_now_ns();
    assert_int_equal(run_it(t, n, 1, &e), NP_EBACKEND);
    assert_non_null(strstr(e.message, "did not end within"));
    assert_true(npi_now_ns() - t0 < (int64_t)30 * 1000000000); /* not the 60 s of the hang */
    t->close(n);
    p = WITH({ "open", "hang" }, { "hang_ms", "60000" });
    p.open_timeout_ms = 200;
    assert_int_equal(t->open(&n, &p, &e), NP_EBACKEND);
    assert_non_null(strstr(e.message, "opening of the model did not end within"));
}

struct canceller { const struct np_backend *t; struct np_backend_net *n; };

static void *cancel_main(void *opaque) {
    const struct canceller *const c = opaque;
    usleep(100000);
    c->t->cancel(c->n);
    return NULL;
}

/* A runtime that can stop is stopped, and its process lives; one that cannot is ended. */
static void cancels(void **state) {
    (void)state;
    const struct np_backend *const t = isolated(0);
    for (int can = 1; can >= 0; can--) {
        struct np_error e = { 0 };
        const struct np_backend_params p = WITH({ "hang_at", "1" }, { "hang_ms", "60000" }, { "cancel", can ? "yes" : "no" });
        struct np_backend_net *const n = open_it(t, &p);
        struct canceller c = { t, n };
        pthread_t thread;
        pthread_create(&thread, NULL, cancel_main, &c);
        assert_int_equal(run_it(t, n, 1, &e), NP_EINTR);
        pthread_join(thread, NULL);
        const int r = run_it(t, n, 1, &e);
        if (can) assert_int_equal(r, 0);
        else assert_true(r < 0);
        t->close(n);
    }
}

static void blows_up(void **state) {
    (void)state;
    const struct np_backend *const t = isolated((size_t)256 << 20);
    struct np_error e = { 0 };
    const struct np_backend_params p = WITH({ "leak_mb", "50" });
    struct np_backend_net *const n = open_it(t, &p);
    int r = 0, k = 0;
    while (k < 12 && (r = run_it(t, n, 1, &e)) >= 0) k++;
    t->close(n);
    if (NPI_SANITIZED) skip(); /* no limit there: their shadow memory counts */
    if (r >= 0) fail_msg("600 MB were taken in spite of a limit of 256");
    assert_non_null(strstr(e.message, "no more memory"));
}

static void prints(void **state) {
    (void)state;
    const struct np_backend *const t = isolated(0);
    struct np_error e = { 0 };
    char name[] = "/tmp/nextpose-isolate-XXXXXX";
    const int file = mkstemp(name), out = dup(1);
    unlink(name);
    fflush(stdout);
    dup2(file, 1);
    struct np_backend_params p = WITH({ "print", "1" }, { "exit_at", "3000" });
    struct np_backend_net *const n = open_it(t, &p);
    for (int i = 0; i < 2999; i++) assert_int_equal(run_it(t, n, 1, &e), 0); /* more than is kept */
    assert_true(run_it(t, n, 1, &e) < 0);
    t->close(n);
    dup2(out, 1);
    assert_int_equal(lseek(file, 0, SEEK_END), 0); /* our stdout saw nothing of it */
    close(file);
    close(out);
}

/* Many threads, nets that share and nets that do not, with a crash among them. */
static void *crowd_main(void *opaque) {
    const struct np_backend *const t = opaque;
    struct np_error e = { 0 };
    for (int k = 0; k < 5; k++) {
        const struct np_backend_params p = k == 3 ? WITH({ "crash_at", "5" }) : WITH({ "none", "" });
        struct np_backend_net *n = NULL;
        if (t->open(&n, &p, &e) < 0) return (void *)1;
        int died = 0;
        for (int i = 0; i < 20; i++) died |= run_it(t, n, (float)i, &e) < 0;
        t->close(n);
        if (died != (k == 3)) return (void *)1;
    }
    return NULL;
}

static void crowd(void **state) {
    (void)state;
    const struct np_backend *const t = isolated(0);
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, crowd_main, (void *)(uintptr_t)t);
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(thread[i], &bad);
        assert_null(bad);
    }
}

static int alive(int pid) { return kill(pid, 0) == 0; }

/* A program that is killed leaves no worker behind. The child is this program again: fork alone would share our threads' locks. */
static void parent_dies(void **state) {
    (void)state;
    int ends[2];
    char text[32] = "";
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (!child) {
        dup2(ends[1], 1);
        execl(self, self, worker, fault_path, "", "--sleep", (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    const int pid = atoi(text);
    assert_true(pid > 0 && alive(pid));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int i = 0; i < 1000 && alive(pid); i++) usleep(10000); /* an orphan: init, or whoever stands for it, takes it */
    char path[64], line[256];
    int zombie = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *const f = fopen(path, "r");
    if (f) {
        zombie = fgets(line, sizeof line, f) && strstr(line, ") Z") != NULL;
        fclose(f);
    }
    if (alive(pid) && !zombie) fail_msg("worker %d is still there", pid);
}

/* What parent_dies() starts: a net is opened by a thread that has ended since; its worker's pid goes to stdout. */
static void *opener(void *opaque) {
    const struct np_backend *const t = isolated(0);
    const struct np_backend_params p = WITH({ "none", "" });
    *(struct np_backend_net **)opaque = open_it(t, &p);
    return NULL;
}

static int sleeper(void) {
    struct np_backend_net *n = NULL;
    pthread_t thread;
    struct np_error e;
    pthread_create(&thread, NULL, opener, &n);
    pthread_join(thread, NULL);
    usleep(100000);
    if (run_it(isolated(0), n, 1, &e) < 0) return 1; /* PR_SET_PDEATHSIG is about threads: the worker must have outlived the one that opened it */
    DIR *const d = opendir("/proc");
    for (struct dirent *x; (x = readdir(d));) {
        char path[300], line[256];
        int ppid = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", x->d_name);
        FILE *const f = atoi(x->d_name) ? fopen(path, "r") : NULL;
        if (f && fgets(line, sizeof line, f) && strrchr(line, ')') && sscanf(strrchr(line, ')'), ") %*c %d", &ppid) == 1
                && ppid == getpid()) printf("%s\n", x->d_name);
        if (f) fclose(f);
    }
    fflush(stdout);
    pause();
    return 0;
}

static void no_worker(void **state) {
    (void)state;
    const struct np_backend *t = NULL;
    struct np_error e = { 0 };
    const struct npi_isolate_params p = { "/no/such/worker", 0 };
    assert_int_equal(npi_isolate(&t, fault_path, table_of(fault_path), &p, &e), NP_ENOENT);
    assert_non_null(strstr(e.message, "/no/such/worker"));
    /* A program that is no worker ends without a word. */
    const struct npi_isolate_params q = { "/bin/true", 0 };
    assert_int_equal(npi_isolate(&t, fault_path, table_of(fault_path), &q, &e), 0);
    struct np_backend_net *n = NULL;
    const struct np_backend_params o = WITH({ "none", "" });
    assert_int_equal(t->open(&n, &o, &e), NP_EBACKEND);
    assert_non_null(strstr(e.message, "code 0"));
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    self = argv[0];
    worker = argv[1];
    fault_path = argv[2];
    model_size = npi_tiny_model("onnx", model, sizeof model);
    if (argc > 4 && !strcmp(argv[4], "--sleep")) return sleeper();
    table_of(fault_path); /* loaded once: what that opens is not counted */
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, nothing_left)
    const struct CMUnitTest tests[] = {
        TEST(works), TEST(dies), TEST(fails_but_lives), TEST(hangs), TEST(cancels), TEST(blows_up), TEST(prints), TEST(crowd), TEST(parent_dies),
                TEST(no_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
