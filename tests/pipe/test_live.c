/* SPDX-License-Identifier: Apache-2.0 */
/* Live mode, with a pose net that takes exactly as long as the test says: the fault hook holds it. No clock decides anything.
 * Runs under TSan too. usage: test_live SHARED_DIR */
#include <time.h>

#include "api/hooks.h"
#include "fixture.h"

/* A gate before the pose net, or another stage: closed, it lets `passes` crops through. */
static struct { pthread_mutex_t lock; pthread_cond_t changed; int stage, open, passes, waiting; } gate = { PTHREAD_MUTEX_INITIALIZER,
      PTHREAD_COND_INITIALIZER, NP_STAGE_POSE, 1, 0, 0 };
static atomic_int detector_fails;

static int at_gate(void *opaque, int stage) {
    (void)opaque;
    if (stage == NP_STAGE_DETECT && atomic_load(&detector_fails)) return 1;
    pthread_mutex_lock(&gate.lock);
    if (stage != gate.stage) {
        pthread_mutex_unlock(&gate.lock);
        return 0;
    }
    gate.waiting++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open && !gate.passes) pthread_cond_wait(&gate.changed, &gate.lock);
    gate.waiting--;
    if (!gate.open) gate.passes--;
    pthread_mutex_unlock(&gate.lock);
    return 0;
}

static void set_gate(int open) {
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_for_waiting(void) {
    pthread_mutex_lock(&gate.lock);
    while (!gate.waiting) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static struct np_context *open_live(int threads, int skip, int keep, float bound_ms) {
    struct np_settings s;
    settings(&s, NP_MODE_LIVE, threads);
    s.max_delay_ms = bound_ms;
    s.frame_skip = skip;
    s.detection_freq = skip;
    s.keep_frames = keep;
    struct np_context *c = open_with(&s);
    const struct npi_fault_hook h = { at_gate, NULL };
    if (c) npi_context_set_fault(c, &h);
    return c;
}

static void send(struct np_context *c, int i) {
    struct np_error e;
    const struct np_frame f = frame(i);
    const int r = np_send_frame(c, &f, &e);
    CHECK(r == 0, "frame %d refused: %d", i, r);
}

static int64_t next(struct np_context *c) {
    const struct np_result *r;
    struct np_error e;
    const int q = np_wait_result(c, 60000, &r, &e);
    if (q < 0) return q;
    const int64_t i = r->index;
    np_result_release(c, &r);
    return i;
}

/* While one frame is held in the pose net, of nine that come only the last is worked on. */
static void newest_wins(void) {
    struct np_context *c = open_live(2, 1, 0, 0);
    struct np_stats st;
    const struct np_result *r;
    if (!c) return;
    atomic_store(&released, 0);
    set_gate(0);
    send(c, 0);
    wait_for_waiting();
    for (int i = 1; i < 10; i++) send(c, i);
    CHECK(atomic_load(&released) == 8, "%d frames given back at once, 8 were passed over", atomic_load(&released));
    CHECK(np_get_result(c, &r, NULL) == NP_EAGAIN, "a result while the net is held");
    CHECK(np_wait_result(c, 1, &r, NULL) == NP_EAGAIN, "a result while the net is held");
    set_gate(1);
    int64_t i = next(c);
    CHECK(i == 0, "%lld", (long long)i);
    i = next(c);
    CHECK(i == 9, "%lld instead of the newest", (long long)i);
    np_send_frame(c, NULL, NULL);
    CHECK((i = next(c)) == NP_EEND, "%lld", (long long)i);
    np_context_stats(c, &st);
    CHECK(st.n_read == 10 && st.n_dropped == 8 && st.n_processed == 2 && st.n_displayed == 2, "read %lld, dropped %lld, processed %lld",
          (long long)st.n_read,
          (long long)st.n_dropped, (long long)st.n_processed);
    CHECK(st.delay_max_ms > 0 && st.delay_p50_ms <= st.delay_p99_ms && st.delay_p99_ms <= st.delay_max_ms, "delays %f %f %f", st.delay_p50_ms,
          st.delay_p99_ms, st.delay_max_ms);
    np_close(&c);
    CHECK(atomic_load(&released) == 10, "%d released", atomic_load(&released));
}

/* Frames between two inferences need no lane: they are propagated and come out right behind the one that is worked on, nothing is passed over. */
static void cheap_frames_pass(void) {
    struct np_context *c = open_live(1, 2, 0, 0);
    struct np_stats st;
    if (!c) return;
    set_gate(1);
    send(c, 0);
    CHECK(next(c) == 0, "frame 0");
    send(c, 1);
    CHECK(next(c) == 1, "frame 1");
    set_gate(0);
    send(c, 2);
    wait_for_waiting();
    send(c, 3); /* its pose is propagated */
    send(c, 4); /* waits for the lane */
    set_gate(1);
    for (int k = 2; k < 5; k++) {
        const int64_t i = next(c);
        CHECK(i == k, "%lld instead of %d", (long long)i, k);
    }
    np_context_stats(c, &st);
    CHECK(st.n_dropped == 0 && st.n_propagated >= 2 && st.pose_hits > 0, "dropped %lld, propagated %lld, hits %lld", (long long)st.n_dropped,
          (long long)st.n_propagated,
          (long long)st.pose_hits);
    np_close(&c);
}

static void set_gate_at(int stage, int open) {
    pthread_mutex_lock(&gate.lock);
    gate.stage = stage;
    pthread_mutex_unlock(&gate.lock);
    set_gate(open);
}

/* The result of frame i: whether boxes of the detector are in it, and that everybody was inferred; or below 0. */
static int detected(struct np_context *c, int i) {
    const struct np_result *r;
    const int q = np_wait_result(c, 60000, &r, NULL);
    if (q < 0) return q;
    CHECK(r->index == i && r->n_persons >= 3, "frame %lld instead of %d, %d people", (long long)r->index, i, r->n_persons);
    CHECK(r->inferred, "frame %d is not inferred", i);
    const int d = r->detected;
    np_result_release(c, &r);
    return d;
}

/* Where people are followed, no pose waits for the detector: the frame comes out, its detection goes into the boxes of the next one, which waits for it
 * until a newer one comes; the pixels are given back when it is done, also when the caller gave the result back before. keep: whose they are till then. */
static void detector_behind(int keep) {
    enum { FREQ = 3 };
    struct np_context *c = open_live(1, 1, keep, 0);
    struct np_stats before, st;
    struct np_error e;
    const struct np_result *r;
    if (!c) return;
    CHECK(np_context_adjust(c, "detection-freq", "3", &e) == 0, "%s", e.message);
    atomic_store(&released, 0);
    set_gate_at(NP_STAGE_DETECT, 1);
    send(c, 0);
    CHECK(detected(c, 0) == 1, "nobody was followed before: frame 0 has its own boxes");
    int n = 1;
    for (int carried = 0; carried < FREQ - 1; n++) { /* until only the cadence wants a detection */
        send(c, n);
        carried = detected(c, n) == 0 ? carried + 1 : 0;
        CHECK(n < 20, "no frame without detection");
        if (n >= 20) break;
    }
    np_context_stats(c, &before);
    set_gate(0);
    send(c, n);
    CHECK(detected(c, n) == 0, "the detector is held, and yet its boxes are in frame %d", n); /* comes out while the detector is held */
    wait_for_waiting();
    CHECK(atomic_load(&released) == n, "%d of %d frames given back, and the one that the detector looks at", atomic_load(&released), n);
    send(c, n + 1);
    send(c, n + 2); /* takes its place */
    CHECK(np_wait_result(c, 1, &r, NULL) == NP_EAGAIN, "a frame with poses while the only lane detects");
    set_gate(1);
    CHECK(detected(c, n + 2) == 1, "what the detector found on frame %d is not in frame %d", n, n + 2);
    np_context_stats(c, &st);
    CHECK(st.stage[NP_STAGE_DETECT].runs == before.stage[NP_STAGE_DETECT].runs + 1 && st.detection_misses == before.detection_misses + 1,
          "%lld detections instead of one", (long long)(st.stage[NP_STAGE_DETECT].runs - before.stage[NP_STAGE_DETECT].runs));
    CHECK(st.n_dropped == 1, "%lld frames passed over", (long long)st.n_dropped);
    atomic_store(&detector_fails, 1);
    int failed = 0; /* a detection that fails behind a frame: the next one says so */
    for (int i = n + 3, k = 0; k < 2 * FREQ; i++, k++) {
        send(c, i);
        CHECK(np_wait_result(c, 60000, &r, &e) == 0, "%s", e.message);
        failed += !r->inferred;
        CHECK(r->n_persons >= 3 && !r->detected, "frame %d: %d people", i, r->n_persons);
        np_result_release(c, &r);
    }
    np_context_stats(c, &st);
    CHECK(failed >= 1 && st.n_failed == failed, "%d frames say so, %lld are counted", failed, (long long)st.n_failed);
    atomic_store(&detector_fails, 0);
    np_close(&c);
    CHECK(atomic_load(&released) == n + 3 + 2 * FREQ, "%d frames given back", atomic_load(&released));
    set_gate_at(NP_STAGE_POSE, 1);
}

/* One inference takes three times the bound, and what came meanwhile is over it before a lane is free: nobody is inferred on those frames, and nobody
 * gets them late but the newest; the next one that comes is worked on again. With frame skip they are inside before anybody knows. */
static void held_inference(int skip) {
    enum { BOUND_MS = NPI_SANITIZED ? 2000 : 400, BEHIND = 5 };
    struct np_context *c = open_live(1, skip, 0, BOUND_MS);
    struct np_stats before, st;
    const struct np_result *r;
    struct np_error e;
    if (!c) return;
    atomic_store(&released, 0);
    set_gate(1);
    int n = 0;
    for (; n < 2 * skip; n++) { /* everybody has a pose */
        send(c, n);
        np_wait_result(c, 60000, &r, &e);
        np_result_release(c, &r);
    }
    np_context_stats(c, &before);
    set_gate(0);
    const int held = n;
    send(c, n++);
    wait_for_waiting();
    for (int k = 0; k < BEHIND; k++) send(c, n++);
    usleep(3 * BOUND_MS * 1000);
    set_gate(1); /* the batch that was begun is finished, and no other one is begun */
    np_send_frame(c, NULL, NULL);
    int given = 0, people = 0, propagated = 0, newest = 0;
    for (; np_wait_result(c, 60000, &r, &e) == 0; given++) {
        CHECK(r->index == n - 1, "frame %lld of those behind was given out %.0f ms late", (long long)r->index - held, (double)r->delay_ms - BOUND_MS);
        CHECK(!r->inferred, "inferred after the bound was over");
        const float age_ms = (float)(frame(n - 1).pts_ns - frame(held).pts_ns) * 1e-6f;
        for (int i = 0; i < r->n_persons; i++) {
            const struct np_person *const p = &r->persons[i];
            people++;
            propagated += p->pose_source == NP_POSE_PROPAGATED && p->n_keypoints > 0 && p->age_frames > 0 && p->age_ms > age_ms - 1;
            newest += p->pose_source == NP_POSE_PROPAGATED && p->age_ms > age_ms - 1 && p->age_ms < age_ms + 1;
        }
        np_result_release(c, &r);
    }
    CHECK(given == 1, "%d results", given);
    np_context_stats(c, &st);
    const int64_t begun = st.n_inferences - before.n_inferences;
    /* The batch that was held; and one of the newest frame when its detection took so long that no pose was made for too long. Three people on each frame
     * behind would be six and more. */
    CHECK(begun >= 1 && begun <= 2 * before.knobs.batch_size, "%lld inferences after the bound was over", (long long)begun);
    /* The late frame is passed over, its poses are not: they are the newest of their people, and are shown as what they are and how old. (Everybody had a pose, and
     * the newest frame got no inference of its own.) */
    if (!before.n_left_out && begun <= before.knobs.batch_size)
        CHECK(people >= 3 && propagated == people && newest >= 1, "%d people, %d propagated, %d of them with the late pose", people, propagated, newest);
    else printf("late poses: not looked at, this machine was too slow (left out before: %lld)\n", (long long)before.n_left_out);
    CHECK(st.n_left_out > before.n_left_out, "nothing was left out");
    CHECK(st.n_read - before.n_read == 1 + BEHIND && st.n_dropped - before.n_dropped == BEHIND, "%lld of %d passed over",
          (long long)(st.n_dropped - before.n_dropped), BEHIND);
    CHECK(st.n_processed == before.n_processed + 1 && st.n_late > before.n_late, "late frames: %lld", (long long)st.n_late);
    usleep(300000); /* no pose for longer than one may be shown: now it is asked for again, whatever it costs */
    for (int k = 0; k < skip; k++) {
        send(c, n++);
        CHECK(np_wait_result(c, 60000, &r, &e) == 0, "nothing came any more");
        np_result_release(c, &r);
    }
    np_context_stats(c, &st);
    CHECK(st.n_inferences > before.n_inferences + begun, "nobody was inferred any more");
    np_close(&c);
    CHECK(atomic_load(&released) == n, "%d of %d frames given back", atomic_load(&released), n);
}

/* Nobody fetches: old results make way, the newest stays, and every picture comes back. */
static void slow_consumer(void) {
    enum { COUNT = 12 };
    struct np_context *c = open_live(1, 1, 1, 0);
    struct np_stats st;
    int got = 0;
    int64_t last = -1, i;
    if (!c) return;
    atomic_store(&released, 0);
    set_gate(1);
    for (int k = 0; k < COUNT; k++) {
        send(c, k);
        do np_context_stats(c, &st); while (st.n_processed <= k && usleep(1000) == 0);
    }
    np_send_frame(c, NULL, NULL);
    while ((i = next(c)) >= 0) {
        CHECK(i > last, "%lld after %lld", (long long)i, (long long)last);
        last = i;
        got++;
    }
    CHECK(last == COUNT - 1 && got >= 1 && got <= 4, "%d results, the last is %lld", got, (long long)last);
    np_context_stats(c, &st);
    CHECK(st.n_processed == COUNT && st.n_displayed == got && st.n_dropped == COUNT - got, "processed %lld, shown %lld, dropped %lld",
          (long long)st.n_processed,
          (long long)st.n_displayed, (long long)st.n_dropped);
    np_close(&c);
    CHECK(atomic_load(&released) == COUNT, "%d released", atomic_load(&released));
}

/* --- changes from other threads while frames go through --- */

static atomic_int stop_adjusting;
static void *adjuster(void *opaque) {
    static const char *const what[][2] = { { "frame-skip", "2" }, { "detection-freq", "3" }, { "max-persons", "1" }, { "batch-size", "4" },
          { "preset", "efficiency" },
                                           { "frame-skip", "auto" }, { "adapt", "on" }, { "target-fps", "30" }, { "adapt", "off" },
                                                 { "max-persons", "auto" }, { "preset", "balanced" }, { "threads", "1" },
                                           { "smooth", "none" }, { "preset", "quality" }, { "smooth", "auto" }, { "threads", "auto" } };
    struct np_error e;
    for (unsigned k = 0; !atomic_load(&stop_adjusting); k++) {
        const int r = np_context_adjust(opaque, what[k % 16][0], what[k % 16][1], &e);
        CHECK(r == 0, "%s=%s: %s", what[k % 16][0], what[k % 16][1], e.message);
        struct np_stats st;
        np_context_stats(opaque, &st);
        np_context_report(opaque, NP_STAGE_DRAW, 1, 0);
    }
    return NULL;
}

/* A preset brings its share of the threads, its looks at each person and its smoothing; what only a restart could give is named. */
static void changes_of_presets(struct np_context *c) {
    static const struct { const char *name, *value; int threads, passes; const char *smooth, *note; } step[] = { /* threads: 1, 2: half, 3: all */
        { "preset", "efficiency", 2, 1, "one-euro", "" },
        { "preset", "quality", 3, 2, "one-euro", "" },
        { "threads", "1", 1, 2, "one-euro", "" },
        { "preset", "balanced", 1, 1, "one-euro", "" },
        { "smooth", "none", 1, 1, "none", "" },
        { "smooth", "one-euro:2,0.1", 1, 1, "one-euro:2,0.1,1", "" },
        { "smooth", "auto", 1, 1, "one-euro", "" },
        { "threads", "auto", 3, 1, "one-euro", "" },
    };
    struct np_error e;
    struct np_stats st;
    const int all = np_cpu_count(), of[] = { 0, 1, (all + 1) / 2, all };
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        CHECK(np_context_adjust(c, step[i].name, step[i].value, &e) == 0, "%s", e.message);
        CHECK(!strcmp(e.message, step[i].note), "%s=%s says '%s'", step[i].name, step[i].value, e.message);
        np_context_stats(c, &st);
        CHECK(st.threads == of[step[i].threads] && st.pose_passes == step[i].passes && !strncmp(st.smooth, step[i].smooth, strlen(step[i].smooth)),
              "%s=%s: %d threads, %d looks, smooth %s", step[i].name, step[i].value, st.threads, st.pose_passes, st.smooth);
    }
}

static void adjust(void) {
    struct np_settings s;
    struct np_error e;
    struct np_stats st;
    pthread_t t[2];
    settings(&s, NP_MODE_LIVE, 2);
    s.adapt = -1;
    s.max_persons = s.threads = 0;
    s.max_delay_ms = 0; /* every frame is to come out, however slow the machine */
    struct np_context *c = open_with(&s);
    if (!c) return;
    static const char *const bad[][2] = { { "frame-skip", "6" }, { "frame-skip", "x" }, { "max-persons", "0" }, { "max-persons", "900" },
          { "preset", "fast" }, { "isa", "avx2" },
                                          { "target-fps", "-1" }, { "adapt", "perhaps" }, { "threads", "65" }, { "smooth", "soft" }, { "smooth", "zero-lag" }, { "smooth", "zero-lag:5" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(np_context_adjust(c, bad[i][0], bad[i][1], &e) == NP_EINVAL && strstr(e.message, bad[i][0]), "%s=%s: %s", bad[i][0], bad[i][1],
              e.message);
    /* What was refused leaves no trace, and names are spelled as on the command line. */
    CHECK(np_context_adjust(c, "max_persons", "3", &e) == 0 && !*e.message, "max_persons: '%s'", e.message);
    CHECK(np_context_adjust(c, "adapt", "off", &e) == 0 && np_context_adjust(c, "frame-skip", "3", &e) == 0 && np_context_adjust(c, "max-persons",
          "2", &e) == 0, "%s", e.message);
    np_context_stats(c, &st);
    CHECK(st.knobs.frame_skip == 3 && st.knobs.max_persons == 2, "skip %d, people %d", st.knobs.frame_skip, st.knobs.max_persons);
    send(c, 0);
    const struct np_result *r;
    CHECK(np_wait_result(c, 60000, &r, &e) == 0, "no result");
    CHECK(r->n_persons == 2, "%d people, 2 were asked for", r->n_persons);
    np_result_release(c, &r);
    changes_of_presets(c);
    for (int k = 0; k < 2; k++) pthread_create(&t[k], NULL, adjuster, c);
    for (int k = 1; k < (NPI_SANITIZED ? 12 : 25); k++) {
        send(c, k);
        CHECK(next(c) == k, "frame %d", k);
    }
    atomic_store(&stop_adjusting, 1);
    for (int k = 0; k < 2; k++) pthread_join(t[k], NULL);
    np_close(&c);
}

/* A preset of the user's own is a file: left and taken again while running, under its name or as `auto`; no other file is read for who watches. */
static void own_preset(void) {
    struct np_settings s;
    struct np_error e;
    struct np_stats st;
    char path[] = "/tmp/npXXXXXX", other[64];
    const int fd = mkstemp(path);
    static const char text[] = "base = balanced\n[live]\nframe_skip = 4\n";
    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1, "cannot write %s", path);
    settings(&s, NP_MODE_LIVE, 1);
    s.preset_file = path;
    struct np_context *c = open_with(&s);
    snprintf(other, sizeof other, "%s.other", path);
    for (int k = 0; c && k < 2; k++) {
        np_context_stats(c, &st);
        CHECK(st.knobs.frame_skip == 4, "own preset, round %d: skip %d", k, st.knobs.frame_skip);
        CHECK(np_context_adjust(c, "preset", other, &e) == NP_EINVAL, "a file that the run did not begin with");
        CHECK(np_context_adjust(c, "preset", "quality", &e) == 0, "%s", e.message);
        np_context_stats(c, &st);
        CHECK(st.knobs.frame_skip != 4, "preset quality: skip 4");
        CHECK(np_context_adjust(c, "preset", k ? "auto" : path, &e) == 0, "%s", e.message);
    }
    if (c) np_context_stats(c, &st);
    CHECK(!c || st.knobs.frame_skip == 4, "back by auto: skip %d", st.knobs.frame_skip);
    close(fd);
    unlink(path);
    np_close(&c);
}

/* An open context that nobody feeds costs nothing. CPU time, not the clock on the wall. */
static void idle_is_free(void) {
    struct np_context *c = open_live(4, 1, 0, 0);
    struct timespec a, b;
    if (!c) return;
    send(c, 0);
    CHECK(next(c) == 0, "frame 0");
    usleep(50000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    usleep(400000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    const double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
    CHECK(ms < 20, "%.1f ms of CPU in 400 ms of nothing", ms);
    np_close(&c);
}

int main(int argc, char **argv) {
    const int skip = open_clip(argc > 1 ? argv[1] : "", "p2s_multi_cam01.mp4", 8);
    if (skip) return skip;
    newest_wins();
    cheap_frames_pass();
    held_inference(1);
    held_inference(NPI_SANITIZED ? 2 : 5);
    slow_consumer();
    detector_behind(0);
    detector_behind(1);
    adjust();
    own_preset();
    idle_is_free();
    close_clip();
    printf(failures ? "%d checks failed\n" : "live: ok\n", failures);
    return failures != 0;
}
