/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th call of a stage fails, the n-th allocation fails: no crash, no leak (ASan), every frame comes out, one message each.
 * usage: test_fault SHARED_DIR */
#include "api/hooks.h"
#include "fixture.h"

/* --- allocations: aligned_alloc is what npi_alloc asks, npi_pages_alloc what large arenas do; the linker sends both here (--wrap) --- */
void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
void *__real_npi_pages_alloc(size_t bytes);
void *__wrap_npi_pages_alloc(size_t bytes);
static atomic_int fail_alloc_at, n_allocs; /* 0: never */
static int fails(void) { return atomic_fetch_add(&n_allocs, 1) + 1 == atomic_load(&fail_alloc_at); }
void *__wrap_aligned_alloc(size_t align, size_t bytes) { return fails() ? NULL : __real_aligned_alloc(align, bytes); }
void *__wrap_npi_pages_alloc(size_t bytes) { return fails() ? NULL : __real_npi_pages_alloc(bytes); }

/* --- stages --- */
static atomic_int fail_stage, fail_first, fail_last, n_calls;
static int fail(void *opaque, int stage) {
    (void)opaque;
    if (stage != atomic_load(&fail_stage)) return 0;
    const int n = atomic_fetch_add(&n_calls, 1) + 1;
    return n >= atomic_load(&fail_first) && n <= atomic_load(&fail_last);
}

static void arm(struct np_context *c, int stage, int first, int last) {
    const struct npi_fault_hook h = { fail, NULL };
    atomic_store(&fail_stage, stage);
    atomic_store(&fail_first, first);
    atomic_store(&fail_last, last);
    atomic_store(&n_calls, 0);
    n_errors = 0;
    npi_context_set_fault(c, &h);
}

struct tally { int people, without_joints, not_inferred; };
static void count(void *opaque, const struct np_result *r) {
    struct tally *const t = opaque;
    t->people += r->n_persons;
    t->not_inferred += !r->inferred;
    for (int i = 0; i < r->n_persons; i++) t->without_joints += r->persons[i].pose_source == NP_POSE_NONE;
}

static void stage_fails(int mode, int stage, int nth) {
    enum { N = 5 };
    struct np_settings s;
    struct np_stats st;
    struct tally t = { 0 };
    settings(&s, mode, 2);
    struct np_context *c = open_with(&s);
    if (!c) return;
    arm(c, stage, nth, nth);
    atomic_store(&released, 0);
    CHECK(stream(c, N, count, &t) == N, "results are lost");
    np_context_stats(c, &st);
    CHECK(n_errors == 1, "%s call %d: %d messages (%s)", np_stage_name(stage), nth, n_errors, last_error);
    CHECK(strstr(last_error, "failed"), "%s", last_error);
    CHECK(st.n_failed == 1, "%lld frames failed", (long long)st.n_failed);
    CHECK(t.not_inferred == 1, "%d frames say that they were not inferred", t.not_inferred);
    if (stage == NP_STAGE_DETECT) CHECK(t.people == (nth == 1 ? 3 * (N - 1) : 3 * N), "%d people", t.people); /* boxes are carried, but on the first frame */
    else CHECK(t.people == 3 * N && t.without_joints == 1, "%d people, %d without joints", t.people, t.without_joints);
    np_close(&c);
    CHECK(atomic_load(&released) == N, "%d released", atomic_load(&released));
}

/* The full pose net fails three times in a row: the lite one takes over, and says so. */
static void on_to_a_smaller_net(void) {
    struct np_settings s;
    struct np_stats st;
    int k;
    settings(&s, NP_MODE_SYNC, 1);
    s.model = "blazepose_full";
    struct np_context *c = open_with(&s);
    if (!c) return;
    arm(c, NP_STAGE_POSE, 1, 3);
    for (k = 0; k < 2000; k++) {
        const struct np_frame f = frame(k);
        const struct np_result *r;
        const int q = np_process(c, &f, &r, NULL);
        CHECK(q == 0, "%d", q);
        if (q < 0) break;
        const int joints = r->n_persons && r->persons[0].pose_source == NP_POSE_INFERRED;
        np_result_release(c, &r);
        np_context_stats(c, &st);
        if (st.knobs.variant == 1 && joints) break;
        usleep(1000); /* it is being opened */
    }
    CHECK(st.knobs.variant == 1, "still on net %d after %d frames", st.knobs.variant, k);
    CHECK(strstr(last_error, "smaller net 1"), "%s", last_error);
    np_close(&c);
}

/* Live mode: three inferences in a row of a net take longer than any may (2 s). `smaller`: the lite net takes over; otherwise there is none, and that is said. Results go on
 * in both cases, and nobody's joints are lost for good: an endless inference is late, not wrong. */
static atomic_int n_endless;
static int hold(void *opaque, int stage) {
    (void)opaque;
    if (stage == NP_STAGE_POSE && atomic_fetch_sub(&n_endless, 1) > 0) usleep(2050000);
    return 0;
}

static void endless_inference(int smaller) {
    enum { ENDLESS = 3, MOST = 6000 };
    struct np_settings s;
    struct np_stats st;
    struct np_error e;
    const struct np_result *r;
    const struct npi_fault_hook h = { hold, NULL };
    settings(&s, NP_MODE_LIVE, 1);
    if (smaller) s.model = "blazepose_full";
    struct np_context *c = open_with(&s);
    if (!c) return;
    n_errors = 0;
    *last_error = 0;
    atomic_store(&n_endless, ENDLESS);
    npi_context_set_fault(c, &h);
    int k = 0, joints = 0, switched = 0;
    for (; k < MOST; k++) {
        const struct np_frame f = frame(k);
        CHECK(np_send_frame(c, &f, &e) == 0, "%s", e.message);
        const int q = np_wait_result(c, 60000, &r, &e);
        CHECK(q == 0 && r->index == k, "frame %d: %d", k, q);
        if (q < 0) break;
        joints = r->n_persons && r->persons[0].pose_source == NP_POSE_INFERRED;
        np_result_release(c, &r);
        np_context_stats(c, &st);
        switched = st.knobs.variant;
        if (atomic_load(&n_endless) <= 0 && joints && (switched || !smaller)) break;
        usleep(atomic_load(&n_endless) > 0 ? 20000 : 1000); /* people whose pose is too late are asked for again when the old one is too old; the lite net is being opened */
    }
    CHECK(joints && switched == smaller, "net %d, joints: %d, after %d frames", switched, joints, k);
    CHECK(n_errors == 1, "%d messages, the last is '%s'", n_errors, last_error);
    CHECK(strstr(last_error, "3 failures in a row (one person took ") && strstr(last_error, smaller ? "on to smaller net 1, " : "no smaller net"), "%s", last_error);
    CHECK(st.n_failed == 0, "%lld frames failed", (long long)st.n_failed);
    np_close(&c);
}

/* Live mode, MoveNet in fp32 under a name of its own, its int8 twin beside it, and a rate that no machine holds while all else is pinned: the controller goes
 * over to the twin, and joints go on coming. And it allocates nothing then: from the first second on all that may be asked for is there. */
static void on_to_the_quantized_net(int asked_fp32) {
    char dir[] = "/tmp/npi_fault_XXXXXX", net[64], twin[64], from[5000], at[4096];
    struct np_settings s;
    struct np_stats st;
    const struct np_result *r;
    CHECK(mkdtemp(dir) != NULL, "no folder");
    snprintf(net, sizeof net, "%s/net.onnx", dir);
    snprintf(twin, sizeof twin, "%s/net_int8.tflite", dir);
    CHECK(realpath(models, at) != NULL, "%s", models);
    snprintf(from, sizeof from, "%s/movenet_lightning.onnx", at);
    CHECK(symlink(from, net) == 0, "%s", net);
    snprintf(from, sizeof from, "%s/movenet_lightning_int8.tflite", at);
    CHECK(symlink(from, twin) == 0, "%s", twin);
    settings(&s, NP_MODE_LIVE, 1);
    s.model = net;
    s.models_dir = dir; /* the catalogue's own twin is not here */
    s.precision = asked_fp32 ? "fp32" : NULL;
    s.adapt = 1;
    s.frame_skip = s.detection_freq = s.max_persons = 1;
    s.target_fps = 1000;
    s.max_delay_ms = 0;
    struct np_context *c = open_with(&s);
    if (c) {
        int k = 0, before = -1, still = 0, inferred = 0;
        atomic_store(&n_allocs, 0);
        for (; k < 12000; k += 3) {
            for (int i = 0; i < 3; i++) { /* faster than they are handled: a source whose every frame is handled has no need of a cheaper net */
                const struct np_frame f = frame(k + i);
                CHECK(np_send_frame(c, &f, NULL) == 0, "frame %d", k + i);
            }
            CHECK(np_wait_result(c, 60000, &r, NULL) == 0, "frame %d", k);
            inferred = r->n_persons && r->persons[0].pose_source == NP_POSE_INFERRED && r->persons[0].n_keypoints == 17;
            np_result_release(c, &r);
            np_context_stats(c, &st);
            if (st.knobs.variant || (asked_fp32 && st.uptime_s > 2.5)) break;
            still = atomic_load(&n_allocs) == before ? still + 1 : 0;
            before = atomic_load(&n_allocs);
        }
        CHECK(st.knobs.variant == !asked_fp32, "net %d after %d frames", st.knobs.variant, k);
        if (!asked_fp32) {
            CHECK(strstr(st.last_move, "pose net 0 -> 1"), "%s", st.last_move);
            for (int i = 0; i < 3; i++) {
                const struct np_frame f = frame(++k);
                CHECK(np_send_frame(c, &f, NULL) == 0 && np_wait_result(c, 60000, &r, NULL) == 0, "frame %d", k);
                inferred = r->n_persons && r->persons[0].pose_source == NP_POSE_INFERRED && r->persons[0].n_keypoints == 17;
                np_result_release(c, &r);
            }
            CHECK(NPI_SANITIZED || (still > 1 && atomic_load(&n_allocs) == before), "the net was opened when it was wanted, not before: %d allocations", atomic_load(&n_allocs) - before);
        }
        CHECK(inferred, "no joints of the last frame");
    }
    np_close(&c);
    unlink(net);
    unlink(twin);
    rmdir(dir);
}

static void allocation_fails_at_open(void) {
    struct np_settings s;
    settings(&s, NP_MODE_LIVE, 2);
    s.detector = "none";
    int n = 1, opened = 0;
    for (int step = 1; !opened && n < 100000; n += step) {
        struct np_context *c = NULL;
        struct np_error e = { 0 };
        atomic_store(&n_allocs, 0);
        atomic_store(&fail_alloc_at, n);
        const int r = np_open(&c, &s, &e);
        atomic_store(&fail_alloc_at, 0);
        opened = r == 0 && atomic_load(&n_allocs) < n;
        CHECK(r == 0 || (!c && *e.message), "allocation %d: %d, context %p, '%s'", n, r, (void *)c, e.message);
        np_close(&c);
        if (n >= 8) step = n / 4; /* about forty places up to a few thousand */
    }
    CHECK(opened, "never opened");
    /* the last ones of all: threads, slots, tracker, smoothing */
    const int all = atomic_load(&n_allocs);
    for (n = all - 24; n <= all; n++) {
        struct np_context *c = NULL;
        struct np_error e = { 0 };
        if (n < 1) continue;
        atomic_store(&n_allocs, 0);
        atomic_store(&fail_alloc_at, n);
        const int r = np_open(&c, &s, &e);
        atomic_store(&fail_alloc_at, 0);
        CHECK(r == 0 || (!c && *e.message), "allocation %d of %d: %d, '%s'", n, all, r, e.message);
        np_close(&c);
    }
}

/* While running the only allocations are for a larger picture than before. */
static void allocation_fails_on_the_way(void) {
    for (int n = 1; n <= 4; n++) {
        struct np_settings s;
        struct np_stats st;
        const struct np_result *r;
        settings(&s, NP_MODE_SYNC, 1);
        struct np_context *c = open_with(&s);
        if (!c) return;
        n_errors = 0;
        atomic_store(&n_allocs, 0);
        atomic_store(&fail_alloc_at, n);
        for (int k = 0; k < 3; k++) {
            const struct np_frame f = frame(k);
            const int q = np_process(c, &f, &r, NULL);
            CHECK(q == 0, "%d", q);
            if (q == 0 && k == 2) CHECK(r->n_persons == 3 && r->inferred, "allocation %d: %d people, inferred %d on the third frame", n,
                  r->n_persons, r->inferred);
            if (q == 0) np_result_release(c, &r);
        }
        const int met = atomic_load(&n_allocs) >= n;
        atomic_store(&fail_alloc_at, 0);
        np_context_stats(c, &st);
        CHECK(st.n_failed == met && n_errors == met, "allocation %d: %lld frames failed, %d messages", n, (long long)st.n_failed, n_errors);
        CHECK(!met || strstr(last_error, "out of memory"), "%s", last_error);
        np_close(&c);
    }
}

int main(int argc, char **argv) {
    const int skip = open_clip(argc > 1 ? argv[1] : "", "p2s_multi_cam01.mp4", 6);
    if (skip) return skip;
    for (int nth = 1; nth <= 3; nth += 2) {
        stage_fails(NP_MODE_FILE, NP_STAGE_DETECT, nth);
        stage_fails(NP_MODE_FILE, NP_STAGE_CROP, nth);
        stage_fails(NP_MODE_SYNC, NP_STAGE_POSE, nth);
    }
    on_to_a_smaller_net();
    endless_inference(1);
    endless_inference(0);
    on_to_the_quantized_net(0);
    on_to_the_quantized_net(1);
    allocation_fails_at_open();
    allocation_fails_on_the_way();
    close_clip();
    printf(failures ? "%d checks failed\n" : "fault: ok\n", failures);
    return failures != 0;
}
