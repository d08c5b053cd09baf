/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline on a real photo and real nets (needs ../shared): any number of threads and every mode give the same bytes,
 * every frame is released exactly once, closing in the middle loses nothing, and after the first frames nothing is allocated.
 * Runs under TSan too. usage: test_pipe SHARED_DIR */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "nextpose/nextpose.h"
#include "source.h"

static char detector[512], pose[512];
static struct npi_pic *photo;
static atomic_int released;
static int failures;

#define CHECK(x, ...) do { if (!(x)) { failures++; printf("FAIL %s:%d: %s: ", __FILE__, __LINE__, #x); printf(__VA_ARGS__); puts(""); } } while (0)

static void count_release(void *opaque) {
    (void)opaque;
    atomic_fetch_add(&released, 1);
}

static struct np_frame frame(int i) {
    struct np_frame f = photo->f;
    f.index = i;
    f.pts_ns = (int64_t)i * 40000000;
    f.release = count_release;
    f.opaque = NULL;
    return f;
}

static struct np_context *open_context(int mode, int threads) {
    struct np_settings s;
    struct np_error e;
    struct np_context *c = NULL;
    np_settings_default(&s);
    s.detector = detector;
    s.model = pose;
    s.mode = mode;
    s.threads = threads;
    s.max_delay_ms = 0; /* however slow the machine */
    const int r = np_open(&c, &s, &e);
    CHECK(r == 0, "%s", r ? e.message : "");
    return c;
}

/* What a result says, without the times. */
static uint64_t digest(const struct np_result *r) {
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < r->n_persons; i++) {
        const struct np_person *p = &r->persons[i];
        const unsigned char *b = (const unsigned char *)p->keypoint;
        for (size_t k = 0; k < sizeof *p->keypoint * (size_t)p->n_keypoints; k++) h = (h ^ b[k]) * 1099511628211u;
        h = (h ^ (uint64_t)(unsigned)p->id) * 1099511628211u;
    }
    return h;
}

/* n frames through; digests in out, people of the first frame. */
static int stream(struct np_context *c, int n, uint64_t *out) {
    struct np_error e;
    int sent = 0, got = 0, people = -1;
    while (got < n) {
        if (sent < n) {
            const struct np_frame f = frame(sent);
            const int r = np_send_frame(c, &f, &e);
            CHECK(r == 0 || r == NP_EAGAIN, "%d", r);
            if (r == 0 && ++sent == n) np_send_frame(c, NULL, NULL);
        }
        const struct np_result *r = NULL;
        const int q = np_get_result(c, &r, &e);
        if (q == NP_EAGAIN) {
            usleep(500);
            continue;
        }
        CHECK(q == 0, "%d %s", q, e.message);
        if (q < 0) return -1;
        CHECK(r->index == got, "index %lld, wanted %d", (long long)r->index, got);
        CHECK(r->inferred, "frame %d not inferred", got);
        if (people < 0) people = r->n_persons;
        out[got++] = digest(r);
        np_result_release(c, &r);
    }
    const struct np_result *r;
    CHECK(np_get_result(c, &r, NULL) == NP_EEND, "no end of stream");
    return people;
}

static void same_everywhere(void) {
    enum { N = 5 };
    static const struct { int mode, threads; const char *name; } runs[] = {
        { NP_MODE_SYNC, 1, "sync 1" }, { NP_MODE_SYNC, 2, "sync 2" }, { NP_MODE_FILE, 1, "file 1" }, { NP_MODE_FILE, 2, "file 2" }, { NP_MODE_FILE,
              4, "file 4" },
    };
    uint64_t first[N];
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        uint64_t d[N];
        struct np_context *c = open_context(runs[k].mode, runs[k].threads);
        if (!c) return;
        atomic_store(&released, 0);
        const int people = stream(c, N, d);
        CHECK(people >= 4, "%s: %d people on a photo of five", runs[k].name, people);
        CHECK(atomic_load(&released) == N, "%s: %d frames released of %d", runs[k].name, atomic_load(&released), N);
        np_close(&c);
        if (k == 0) memcpy(first, d, sizeof d);
        CHECK(!memcmp(first, d, sizeof d), "%s differs from %s", runs[k].name, runs[0].name);
        printf("%s: %d people, %d frames\n", runs[k].name, people, N);
    }
}

static void close_in_the_middle(void) {
    struct np_context *c = open_context(NP_MODE_FILE, 2);
    int sent = 0;
    atomic_store(&released, 0);
    if (!c) return;
    for (int i = 0; i < 4; i++) {
        const struct np_frame f = frame(i);
        sent += np_send_frame(c, &f, NULL) == 0;
    }
    np_close(&c);
    CHECK(sent > 0 && atomic_load(&released) == sent, "%d sent, %d released", sent, atomic_load(&released));
    CHECK(c == NULL, "np_close leaves NULL");
}

/* A fast source: frames that come while others are worked on are dropped, never refused, and the last one always comes out. */
static void live_newest_wins(void) {
    enum { N = 30 };
    struct np_context *c = open_context(NP_MODE_LIVE, 1);
    struct np_error e;
    struct np_stats st;
    int64_t last = -1;
    int got = 0, r;
    if (!c) return;
    atomic_store(&released, 0);
    for (int i = 0; i < N; i++) {
        const struct np_frame f = frame(i);
        CHECK((r = np_send_frame(c, &f, &e)) == 0, "frame %d refused: %d", i, r);
    }
    np_send_frame(c, NULL, NULL);
    for (const struct np_result *res; (r = np_wait_result(c, 20000, &res, &e)) == 0; got++) {
        CHECK(res->index > last, "frame %lld after %lld", (long long)res->index, (long long)last);
        last = res->index;
        CHECK(res->delay_ms >= 0, "delay %f", (double)res->delay_ms);
        np_result_release(c, &res);
    }
    CHECK(r == NP_EEND, "%d", r);
    CHECK(last == N - 1, "the newest frame came out as %lld", (long long)last);
    np_context_stats(c, &st);
    CHECK(st.n_read == N && got >= 1 && got + st.n_dropped == N && st.n_dropped > 0, "%d out, %lld dropped of %lld", got, (long long)st.n_dropped,
          (long long)st.n_read);
    np_close(&c);
    CHECK(atomic_load(&released) == N, "%d released of %d", atomic_load(&released), N);
}

static void nothing_allocated(void) {
    struct np_context *c = open_context(NP_MODE_FILE, 2);
    uint64_t d[6];
    if (!c) return;
    stream(c, 6, d);
    const size_t before = npi_alloc_calls();
    stream(c, 6, d);
    CHECK(npi_alloc_calls() == before, "%zu allocations on the steady path", npi_alloc_calls() - before);
    np_close(&c);
}

static void bad_frames(void) {
    struct np_context *c = open_context(NP_MODE_SYNC, 1);
    struct np_error e;
    const struct np_result *r;
    if (!c) return;
    atomic_store(&released, 0);
    struct np_frame f = frame(0);
    f.width = 0;
    CHECK(np_send_frame(c, &f, &e) == NP_EINVAL && atomic_load(&released) == 0, "a frame that was not taken stays the caller's: %d released",
          atomic_load(&released));
    CHECK(np_process(c, &f, &r, &e) == NP_EINVAL, "width 0 taken");
    f = frame(0);
    f.plane[0] = NULL;
    CHECK(np_process(c, &f, &r, &e) == NP_EINVAL, "no plane taken");
    CHECK(atomic_load(&released) == 2, "np_process gives back frames it refuses: %d released of 2", atomic_load(&released));
    f = frame(0);
    f.width = f.height = 1;
    f.release = NULL;
    const int q = np_process(c, &f, &r, &e);
    CHECK(q == 0, "one pixel: %d", q);
    if (q == 0) np_result_release(c, &r);
    np_close(&c);
}

int main(int argc, char **argv) {
    char path[512];
    const char *shared = argc > 1 ? argv[1] : "";
    struct npi_source *src;
    struct npi_source_params sp = { 0 };
    struct np_error e;
    snprintf(detector, sizeof detector, "%s/models/efficientdet_lite0_int8.tflite", shared);
    snprintf(pose, sizeof pose, "%s/models/pose_landmark_lite.tflite", shared);
    snprintf(path, sizeof path, "%s/clips/photos/pifpaf_000000081988.jpg", shared);
    if (access(detector, R_OK) || access(path, R_OK)) {
        puts("SKIP: needs ../shared (models and photos)");
        return 77;
    }
    if (npi_source_open(&src, path, &sp, &e) < 0 || npi_source_read(src, &photo, &e) < 0) {
        printf("%s\n", e.message);
        return 1;
    }
    same_everywhere();
    close_in_the_middle();
    live_newest_wins();
    nothing_allocated();
    bad_frames();
    npi_pic_unref(photo);
    npi_source_close(&src);
    printf(failures ? "%d checks failed\n" : "pipe: ok\n", failures);
    return failures != 0;
}
