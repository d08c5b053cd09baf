/* SPDX-License-Identifier: Apache-2.0 */
/* The context: settings in, models and pipe behind it. */
#include "backend/precision.h"
#include "base/log.h"
#include "base/mem.h"
#include "cpu/cpu.h"
#include "nextpose/nextpose.h"
#include "api/hooks.h"
#include "api/tuner.h"
#include "pipe/still.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

const char *np_version(void) { return NP_VERSION_STRING; }
int np_api_version(void) { return NP_API_VERSION; }
const struct np_keypoint_set *np_keypoint_set_at(int i) { return npi_keypoint_set_at(i); }
const struct np_keypoint_set *np_keypoint_set_find(const char *name) { return npi_keypoint_set_find(name); }

struct np_context {
    struct npi_net det, pose;
    int has_det, has_pose;
    struct npi_pipe *pipe;
    struct npi_pipe_params pipe_params;
    struct npi_still *still;    /* opened when it is first asked for */
    struct np_context_info info;
    struct npi_tuner tuner;
    char smooth[64];
    char asked[256];
    struct kept { struct kept *next; char text[]; } *kept;
    pthread_mutex_t lock;       /* of kept */
    struct np_logger log;
};

static int timeout_ok(float seconds) { return seconds < 0 || (seconds >= .05f && seconds <= .2f); }

static int check(const struct np_settings *s, struct np_error *err) {
    if (s->preset < 0 || s->preset > 3) return npi_fail(err, NP_EINVAL, "preset: %d is none of 0..3", s->preset);
    if (s->mode < 0 || s->mode > 2) return npi_fail(err, NP_EINVAL, "mode: %d is none of 0..2", s->mode);
    if (s->threads < 0 || s->threads > 64) return npi_fail(err, NP_EINVAL, "threads: %d is not in 0..64", s->threads);
    if (s->max_persons < 0 || s->max_persons > 64) return npi_fail(err, NP_EINVAL, "max_persons: %d is not in 0..64", s->max_persons);
    if (s->detector_size && (s->detector_size < 64 || s->detector_size > 1280)) return npi_fail(err, NP_EINVAL, "detector_size: %d is not in 64..1280", s->detector_size);
    if (s->frame_skip < 0 || s->frame_skip > 5) return npi_fail(err, NP_EINVAL, "frame_skip: %d is not in 0..5", s->frame_skip);
    if (s->detection_freq < 0 || s->detection_freq > 30) return npi_fail(err, NP_EINVAL, "detection_freq: %d is not in 0..30", s->detection_freq);
    if (s->batch_size < 0 || s->batch_size > 8) return npi_fail(err, NP_EINVAL, "batch_size: %d is not in 0..8", s->batch_size);
    if (!timeout_ok(s->detection_timeout_s)) return npi_fail(err, NP_EINVAL, "detection_timeout_s: %g is not in 0.05..0.2", (double)s->detection_timeout_s);
    if (!timeout_ok(s->pose_timeout_s)) return npi_fail(err, NP_EINVAL, "pose_timeout_s: %g is not in 0.05..0.2", (double)s->pose_timeout_s);
    if (!(s->target_fps <= 1000)) return npi_fail(err, NP_EINVAL, "target_fps: %g is not in 0..1000", (double)s->target_fps);
    if (!(s->max_delay_ms <= 60000)) return npi_fail(err, NP_EINVAL, "max_delay_ms: %g is not in 0..60000", (double)s->max_delay_ms);
    if (npi_precision_check(s->precision, err) < 0) return NP_EINVAL;
    if (s->bbox_thr > 1 || s->nms_thr > 1 || s->kpt_thr > 1) return npi_fail(err, NP_EINVAL, "thresholds are in 0..1, or negative for the card's");
    return 0;
}

/* Rule 2: what was asked, what runs, why; as of now. Strings that were given out stay until the context is closed. */
static const char *keep(struct np_context *c, const char *text) {
    struct kept *k;
    for (k = c->kept; k; k = k->next)
        if (!strcmp(k->text, text)) return k->text;
    const size_t n = strlen(text) + 1;
    if (!(k = npi_alloc(sizeof *k + n))) return "";
    memcpy(k->text, text, n);
    k->next = c->kept;
    c->kept = k;
    return k->text;
}

static const char *both(struct np_context *c, const char *det, const char *pose) {
    char text[640];
    if (!c->has_pose || (c->has_det && !strcmp(det, pose))) return keep(c, det);
    if (!c->has_det) return keep(c, pose);
    snprintf(text, sizeof text, "detector %s, model %s", det, pose);
    return keep(c, text);
}

/* Of the engine that runs the net: ours knows, another runtime was told at most. */
static void tell_precision(const struct npi_net *n, const char *asked, char *out, size_t size) {
    unsigned generation;
    struct npi_engine *e = npi_lineup_now(n->lineup, &generation);
    if (e && npi_engine_model(e)) snprintf(out, size, "%s", np_model_precision(npi_engine_model(e)));
    else snprintf(out, size, "%s as %s does it", asked && *asked ? asked : "auto", e ? npi_engine_runtime(e) : "?");
    npi_engine_unref(&e);
}

static void tell_backend(struct np_context *c, struct np_context_info *out) {
    struct npi_lineup_info d = { 0 }, p = { 0 };
    char in_det[128] = "", in_pose[128] = "";
    if (c->has_det) npi_lineup_info(c->det.lineup, &d);
    if (c->has_pose) npi_lineup_info(c->pose.lineup, &p);
    if (c->has_det) tell_precision(&c->det, c->tuner.s.precision, in_det, sizeof in_det);
    if (c->has_pose) tell_precision(&c->pose, c->tuner.s.precision, in_pose, sizeof in_pose);
    pthread_mutex_lock(&c->lock);
    out->backend_asked = c->asked;
    out->backend_used = both(c, d.used, p.used);
    out->backend_reason = both(c, d.reason, p.reason);
    out->backend_device = both(c, d.device, p.device);
    out->precision = both(c, in_det, in_pose);
    out->backend_switches = d.n_switches + p.n_switches;
    pthread_mutex_unlock(&c->lock);
}

/* Once, at the start: somebody asked for a runtime and got another one. */
static void say_fallback(struct np_context *c) {
    struct np_context_info i;
    const char *const want = npi_runtime_name(c->asked);
    tell_backend(c, &i);
    if (!strcmp(want, "auto") ? strncmp(i.backend_reason, "no runtime", 10) != 0 : !strcmp(i.backend_used, want) || strchr(want, '/')) return;
    npi_log(&c->log, NP_LOG_ERROR, "backend: asked %s, used %s: %s", c->asked, i.backend_used, i.backend_reason);
}

static int open_nets(struct np_context *c, const struct np_settings *s, const char *isa, struct np_error *err) {
    struct npi_wish w;
    npi_tuner_wish(&c->tuner, &w);
    const char *det = s->detector ? s->detector : NPI_DEFAULT_DETECTOR, *pose = s->model ? s->model : NPI_DEFAULT_POSE;
    int r = 0;
    if (strcmp(det, "none")) {
        /* A preset sizes our own default; a detector that was named keeps the size of its file unless it is told otherwise. */
        const int side = s->detector_size ? s->detector_size : s->detector ? 0 : npi_preset_int(&c->tuner.preset, NPI_KEY_DETECTOR_SIZE);
        if ((r = npi_net_open_on(&c->det, det, s->models_dir, isa, side, s->detector_size != 0, &w, &c->log, err)) < 0) return r;
        const int got = c->det.in.width > c->det.in.height ? c->det.in.width : c->det.in.height;
        if (s->detector_size && got != s->detector_size)
            npi_log(&c->log, NP_LOG_INFO, "detector size %d: sides of nets are multiples of 32, so it runs at %d", s->detector_size, got);
        c->has_det = 1;
        if (c->det.card.task == NPI_TASK_POSE) return npi_fail(err, NP_EINVAL, "detector: %s is a pose net that needs a box; give it as model", det);
        if (c->det.card.task == NPI_TASK_POSE_MULTI && !s->model) pose = "none"; /* finds joints by itself */
    }
    if (strcmp(pose, "none")) {
        if ((r = npi_net_open_on(&c->pose, pose, s->models_dir, isa, 0, 0, &w, &c->log, err)) < 0) return r;
        c->has_pose = 1;
        if (c->pose.card.task != NPI_TASK_POSE) return npi_fail(err, NP_EINVAL, "model: %s finds boxes, not the joints in a box; give it as detector", pose);
    }
    if (!c->has_det && !c->has_pose) return npi_fail(err, NP_EINVAL, "detector and model are both 'none': nothing to do");
    return 0;
}

static float thr(float set, float card) { return set >= 0 ? set : card; }

int np_open(struct np_context **out, const struct np_settings *s, struct np_error *err) {
    if (!out || !s) return npi_fail(err, NP_EINVAL, "np_open: NULL argument");
    int r = check(s, err);
    if (r < 0) return r;
    unsigned cpu;
    if (npi_cpu_limit(s->isa, npi_cpu_flags(), &cpu) < 0) return npi_fail(err, NP_EINVAL, "isa: '%s' is not a level that we know", s->isa);
    struct np_context *c = npi_alloc(sizeof *c);
    if (!c) return npi_fail(err, NP_ENOMEM, "out of memory");
    c->log = s->logger;
    pthread_mutex_init(&c->lock, NULL);
    snprintf(c->asked, sizeof c->asked, "%s", s->backend && *s->backend ? s->backend : "auto");
    if ((r = npi_tuner_open(&c->tuner, s, err)) < 0 || (r = np_runtime_check(s->runtime_search, s->backend && *s->backend ? s->backend : "auto", err)) < 0 || (r = open_nets(c, s, s->isa, err)) < 0) goto fail;

    if (s->mode == NP_MODE_LIVE && !strncmp(c->tuner.preset.smooth, "zero-lag", 8)) {
        r = npi_fail(err, NP_EINVAL, "smooth: zero-lag looks ahead, which live mode cannot wait for: use one-euro or none");
        goto fail;
    }
    say_fallback(c);
    struct np_context_info *const i = &c->info;
    const struct npi_card *d = &c->det.card, *p = c->has_pose ? &c->pose.card : d;
    *i = (struct np_context_info){ .detector_id = c->has_det ? d->id : "none", .model_id = c->has_pose ? p->id : "none", .isa = npi_cpu_level_name(cpu), .threads = npi_preset_int(&c->tuner.preset, NPI_KEY_THREADS) };
    i->max_persons = npi_preset_int(&c->tuner.preset, NPI_KEY_MAX_PERSONS);
    i->bbox_thr = thr(s->bbox_thr, c->has_det ? d->bbox_thr : 0);
    i->nms_thr = thr(s->nms_thr, c->has_det ? d->nms_thr : 1);
    i->kpt_thr = thr(s->kpt_thr, p->kpt_thr);
    snprintf(c->smooth, sizeof c->smooth, "%s", c->tuner.preset.smooth);
    i->smooth = c->smooth;
    if (c->has_det) {
        i->detector_width = c->det.in.width;
        i->detector_height = c->det.in.height;
    }
    const char *set = c->has_pose ? p->keypoint_set : d->keypoint_set;
    if (*set && !(i->set = npi_keypoint_set_find(set))) {
        r = npi_fail(err, NP_EMODEL, "the card of %s names a keypoint set that does not exist: %s", c->has_pose ? c->pose.path : c->det.path, set);
        goto fail;
    }
    npi_tuner_nets(&c->tuner, c->has_det ? &c->det : NULL, c->has_pose ? &c->pose : NULL);
    struct npi_pipe_params pp = {
        .det = c->tuner.det, .pose = c->tuner.pose, .set = i->set, .cpu = cpu, .threads = i->threads, .mode = s->mode,
        .persons_room = c->tuner.persons_room, .bbox_thr = i->bbox_thr, .nms_thr = i->nms_thr,
        .keep_frames = s->keep_frames, .log = c->log, .strike = s->strict ? &c->tuner.strike : NULL, .nets = { npi_tuner_open_net, npi_tuner_net_name, &c->tuner } };
    if ((r = npi_tuner_smooth(&c->tuner, err)) < 0) goto fail;
    npi_tuner_tuning(&c->tuner, &pp.tuning);
    c->pipe_params = pp;
    if ((r = npi_pipe_open(&c->pipe, &pp, err)) < 0) goto fail;
    if (c->has_det) i->weights_bytes += npi_net_weights(&c->det);
    if (c->has_pose) i->weights_bytes += npi_net_weights(&c->pose);
    i->arena_bytes = npi_pipe_arena_bytes(c->pipe);
    *out = c;
    return 0;
fail:
    np_close(&c);
    return r;
}

void np_close(struct np_context **c) {
    if (!c || !*c) return;
    npi_pipe_close(&(*c)->pipe);
    npi_still_close(&(*c)->still);
    npi_net_close(&(*c)->det);
    npi_net_close(&(*c)->pose);
    for (struct kept *k = (*c)->kept, *next; k; k = next) {
        next = k->next;
        npi_free(k);
    }
    pthread_mutex_destroy(&(*c)->lock);
    npi_tuner_close(&(*c)->tuner);
    npi_free(*c);
    *c = NULL;
}

static int send(struct np_context *c, const struct np_frame *f, int borrowed, struct np_error *err) {
    const int r = f ? npi_strike_check(&c->tuner.strike, err) : 0;
    return r < 0 ? r : npi_pipe_send(c->pipe, f, borrowed, err);
}

int np_send_frame(struct np_context *c, const struct np_frame *f, struct np_error *err) {
    return c ? send(c, f, f && !f->release, err) : npi_fail(err, NP_EINVAL, "np_send_frame: NULL context");
}

/* Strict, and a runtime has failed: what is inside still comes out, then this. */
static int get(struct np_context *c, int timeout_ms, const struct np_result **out, struct np_error *err) {
    const int r = npi_pipe_get(c->pipe, timeout_ms, out, err);
    return (r == NP_EAGAIN || r == NP_EEND) && npi_strike_check(&c->tuner.strike, err) < 0 ? NP_EBACKEND : r;
}

int np_get_result(struct np_context *c, const struct np_result **out, struct np_error *err) {
    return c && out ? get(c, 0, out, err) : npi_fail(err, NP_EINVAL, "np_get_result: NULL argument");
}

int np_wait_result(struct np_context *c, int timeout_ms, const struct np_result **out, struct np_error *err) {
    return c && out ? get(c, timeout_ms, out, err) : npi_fail(err, NP_EINVAL, "np_wait_result: NULL argument");
}

int np_process(struct np_context *c, const struct np_frame *f, const struct np_result **out, struct np_error *err) {
    if (!c || !f || !out) return npi_fail(err, NP_EINVAL, "np_process: NULL argument");
    const struct np_result *result = NULL;
    int r = send(c, f, 1, err);
    if (r < 0 && f->release) f->release(f->opaque); /* np_process is done with the frame whatever it returns; np_send_frame would leave it to the caller */
    if (r < 0 || (r = npi_pipe_get(c->pipe, -1, &result, err)) < 0) return r;
    if ((r = npi_strike_check(&c->tuner.strike, err)) < 0) np_result_release(c, &result);
    else *out = result;
    return r;
}

int np_process_still(struct np_context *c, const struct np_frame *f, const struct np_box *boxes, int n_boxes, const struct np_result **out, struct np_error *err) {
    if (!c || !f || !out || n_boxes < 0) return npi_fail(err, NP_EINVAL, "np_process_still: NULL argument or a negative number of boxes");
    int r = c->still ? 0 : npi_still_open(&c->still, &c->pipe_params, err);
    if (r == 0) r = npi_still_run(c->still, f, boxes, n_boxes, out, err);
    if (f->release) f->release(f->opaque);
    return r;
}

void np_result_release(struct np_context *c, const struct np_result **r) {
    if (!c || !r || !*r) return;
    npi_pipe_release(c->pipe, *r);
    *r = NULL;
}

void np_context_info(const struct np_context *c, struct np_context_info *out) {
    *out = c->info;
    tell_backend((struct np_context *)(uintptr_t)c, out); /* the strings that it keeps are a cache behind the caller's view */
}

static void stats_backend(struct np_context *c, struct np_stats *out) {
    struct npi_lineup_info d = { 0 }, p = { 0 };
    if (c->has_det) npi_lineup_info(c->det.lineup, &d);
    if (c->has_pose) npi_lineup_info(c->pose.lineup, &p);
    memcpy(out->backend_detector, d.used, sizeof out->backend_detector);
    memcpy(out->backend_pose, c->has_pose ? p.used : d.used, sizeof out->backend_pose);
    out->n_switches = d.n_switches + p.n_switches;
}

/* The scheduler has no clockwork of its own yet: what it can say is who runs; nothing can be changed while running. */
void np_context_stats(struct np_context *c, struct np_stats *out) {
    npi_pipe_stats(c->pipe, out);
    stats_backend(c, out);
}
void np_context_report(struct np_context *c, int stage, double ms, double wait_ms) { npi_pipe_report(c->pipe, stage, ms, wait_ms); }
void np_context_dropped(struct np_context *c, int64_t n) { npi_pipe_dropped(c->pipe, n); }
int np_context_adjust(struct np_context *c, const char *name, const char *value, struct np_error *err) {
    return c && name && value ? npi_tuner_adjust(&c->tuner, c->pipe, name, value, err) : npi_fail(err, NP_EINVAL, "np_context_adjust: NULL argument");
}
void npi_context_set_fault(struct np_context *c, const struct npi_fault_hook *h) { npi_pipe_set_fault(c->pipe, h); }
