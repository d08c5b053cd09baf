/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipeline's tests share: a real clip, decoded once and kept in memory, contexts, digests of results, a log that is counted. */
#ifndef NPI_TESTS_PIPE_FIXTURE_H
#define NPI_TESTS_PIPE_FIXTURE_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sanitized.h" /* there nets are slow: the same code is gone through with fewer frames */
#include "nextpose/nextpose.h"
#include "source.h"

static int failures;
#define CHECK(x, ...) do { if (!(x)) { failures++; printf("FAIL %s:%d: %s: ", __FILE__, __LINE__, #x); printf(__VA_ARGS__); puts(""); } } while (0)

#define MAX_FRAMES 32
static struct npi_pic *clip[MAX_FRAMES];
static int n_frames;
static atomic_int released;
static char detector[1024], pose[1024], models[512];

static inline void count_release(void *opaque) {
    (void)opaque;
    atomic_fetch_add(&released, 1);
}

/* 0, or 77: what it needs is not here. */
static inline int open_clip(const char *shared, const char *name, int n) {
    char path[512];
    struct npi_source *src;
    struct npi_source_params sp = { 0 };
    struct np_error e;
    snprintf(models, sizeof models, "%s/models", shared);
    snprintf(detector, sizeof detector, "%s/efficientdet_lite0_int8.tflite", models);
    snprintf(pose, sizeof pose, "%s/pose_landmark_lite.tflite", models);
    snprintf(path, sizeof path, "%s/clips/%s", shared, name);
    if (access(detector, R_OK) || access(path, R_OK)) {
        puts("SKIP: needs ../shared (models and clips)");
        return 77;
    }
    if (npi_source_open(&src, path, &sp, &e) < 0) {
        printf("%s\n", e.message);
        exit(1);
    }
    for (n_frames = 0; n_frames < n && npi_source_read(src, &clip[n_frames], &e) == 0;) n_frames++;
    npi_source_close(&src);
    if (n_frames == n) return 0;
    printf("%s has %d frames, %d were wanted\n", name, n_frames, n);
    exit(1);
}

static inline void close_clip(void) {
    for (int i = 0; i < n_frames; i++) npi_pic_unref(clip[i]);
}

/* Frame i of an endless film: the clip again and again, time going on. */
static inline struct np_frame frame(int i) {
    struct np_frame f = clip[i % n_frames]->f;
    f.index = i;
    f.pts_ns = clip[0]->f.pts_ns + (clip[1]->f.pts_ns - clip[0]->f.pts_ns) * i;
    f.release = count_release;
    f.opaque = NULL;
    return f;
}

/* --- the log --- */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static int n_errors;
static char last_error[256];
static inline void count_line(void *opaque, int level, const char *line) {
    (void)opaque;
    pthread_mutex_lock(&log_lock);
    if (level == NP_LOG_ERROR) {
        n_errors++;
        snprintf(last_error, sizeof last_error, "%s", line);
    }
    pthread_mutex_unlock(&log_lock);
}

static inline void settings(struct np_settings *s, int mode, int threads) {
    np_settings_default(s);
    s->detector = detector;
    s->model = pose;
    s->models_dir = models;
    s->mode = mode;
    s->threads = threads;
    s->adapt = 0;
    s->logger.log = count_line;
}

static inline struct np_context *open_with(const struct np_settings *s) {
    struct np_context *c = NULL;
    struct np_error e;
    const int r = np_open(&c, s, &e);
    CHECK(r == 0, "%s", r ? e.message : "");
    return c;
}

static inline uint64_t mix(uint64_t h, const void *p, size_t n) {
    for (size_t k = 0; k < n; k++) h = (h ^ ((const unsigned char *)p)[k]) * 1099511628211u;
    return h;
}

/* All that a result says, without the clocks. */
static inline uint64_t digest(const struct np_result *r) {
    uint64_t h = mix(1469598103934665603u, &r->index, sizeof r->index);
    h = mix(h, &r->inferred, sizeof r->inferred);
    h = mix(h, &r->detected, sizeof r->detected);
    for (int i = 0; i < r->n_persons; i++) {
        const struct np_person *p = &r->persons[i];
        h = mix(h, p, offsetof(struct np_person, keypoint));
        h = mix(h, p->keypoint, sizeof *p->keypoint * (size_t)p->n_keypoints);
    }
    return h;
}

/* n frames through a file or sync context; each result to `see`. Returns how many came. */
static inline int stream(struct np_context *c, int n, void (*see)(void *opaque, const struct np_result *r), void *opaque) {
    struct np_error e = { 0 };
    int sent = 0, got = 0;
    while (got < n) {
        if (sent < n) {
            const struct np_frame f = frame(sent);
            const int r = np_send_frame(c, &f, &e);
            CHECK(r == 0 || r == NP_EAGAIN, "%d %s", r, e.message);
            if (r == 0 && ++sent == n) np_send_frame(c, NULL, NULL);
        }
        const struct np_result *r = NULL;
        const int q = np_get_result(c, &r, &e);
        if (q == NP_EAGAIN) continue;
        CHECK(q == 0, "%d %s", q, e.message);
        if (q < 0) break;
        CHECK(r->index == got, "index %lld, wanted %d", (long long)r->index, got);
        if (see) see(opaque, r);
        got++;
        np_result_release(c, &r);
    }
    return got;
}
#endif
