/* SPDX-License-Identifier: Apache-2.0 */
/* File and sync mode on a real clip: the same bytes with any number of threads and any batch, also where frames are skipped, boxes carried and joints
 * smoothed; and skipped frames are what they say. Runs under TSan too. usage: test_same SHARED_DIR */
#include "fixture.h"

#define N (NPI_SANITIZED ? 5 : 10)

struct seen { uint64_t digest[10]; int n; const struct np_settings *s; };

static void look(void *opaque, const struct np_result *r) {
    struct seen *const w = opaque;
    w->digest[w->n++] = digest(r);
    const int skip = w->s->frame_skip, n = (int)r->index;
    CHECK(r->n_persons >= 3, "%d people on frame %d of a clip of three", r->n_persons, n);
    CHECK(r->inferred == (n % skip == 0), "frame %d of every %d-th: inferred %d", n, skip, r->inferred);
    CHECK(n % w->s->detection_freq != 0 || r->detected, "frame %d of every %d-th not detected", n, w->s->detection_freq);
    for (int i = 0; i < r->n_persons; i++) {
        const struct np_person *const p = &r->persons[i];
        CHECK(p->id > 0, "person without id");
        if (n % skip == 0) {
            CHECK(p->pose_source == NP_POSE_INFERRED && p->age_frames == 0 && p->age_ms == 0, "frame %d: source %d, age %d", n, p->pose_source,
                  p->age_frames);
            continue;
        }
        CHECK(p->pose_source == NP_POSE_PROPAGATED, "frame %d: source %d", n, p->pose_source);
        CHECK(p->age_frames == n % skip, "frame %d: %d frames old", n, p->age_frames);
        CHECK(p->age_ms > (float)p->age_frames * 16 && p->age_ms < (float)p->age_frames * 18, "frame %d: %f ms old at 60 frames/s", n,
              (double)p->age_ms);
        CHECK(p->n_keypoints == r->set->n, "%d joints", p->n_keypoints);
    }
}

int main(int argc, char **argv) {
    static const struct { int skip, freq; const char *smooth; } how[] = { { 1, 1, "none" }, { 2, 3, "one-euro" }, { 3, 1, "one-euro" } };
    static const struct { int mode, threads, batch, short_too; } on[] = { /* short_too: also where every frame costs seconds */
        { NP_MODE_SYNC, 1, 1, 1 }, { NP_MODE_SYNC, 2, 4, 1 }, { NP_MODE_FILE, 1, 8, 0 }, { NP_MODE_FILE, 2, 2, 0 }, { NP_MODE_FILE, 3, 1, 1 } };
    const int skip = open_clip(argc > 1 ? argv[1] : "", "p2s_multi_cam01.mp4", N);
    if (skip) return skip;
    for (size_t h = 0; h < (NPI_SANITIZED ? 2 : sizeof how / sizeof *how); h++) {
        struct seen first = { 0 };
        for (size_t k = 0; k < sizeof on / sizeof *on; k++) {
            struct np_settings s;
            if (NPI_SANITIZED && !on[k].short_too) continue;
            settings(&s, on[k].mode, on[k].threads);
            s.frame_skip = how[h].skip;
            s.detection_freq = how[h].freq;
            s.smooth = how[h].smooth;
            s.batch_size = on[k].batch;
            struct np_context *c = open_with(&s);
            if (!c) return 1;
            struct seen w = { .s = &s };
            atomic_store(&released, 0);
            CHECK(stream(c, N, look, &w) == N, "results are missing");
            CHECK(atomic_load(&released) == N, "%d frames released of %d", atomic_load(&released), N);
            np_close(&c);
            if (k == 0) first = w;
            CHECK(!memcmp(first.digest, w.digest, sizeof w.digest),
                  "skip %d, detection every %d, smooth %s: mode %d with %d threads, batch %d differs", s.frame_skip,
                  s.detection_freq, s.smooth, s.mode, s.threads, s.batch_size);
        }
    }
    close_clip();
    printf(failures ? "%d checks failed\n" : "same: ok\n", failures);
    return failures != 0;
}
