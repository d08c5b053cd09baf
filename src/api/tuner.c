/* SPDX-License-Identifier: Apache-2.0 */
/* See tuner.h. */
#define _GNU_SOURCE
#include "api/tuner.h"
#include "base/log.h"
#include "tune/advice.h"
#include "tune/hardware.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Detector sides that the controller may choose among, where the bounds and the file allow it. */
static const int sides[] = { 256, 320, 416, 512, 640 };
#define SIDE_STEP 32 /* what sides of nets are multiples of */
/* People that there is room for in live mode at least, so that another preset has it. */
#define LIVE_PERSONS 16

/* --- settings of our own --- */

static const size_t strings[] = { offsetof(struct np_settings, detector), offsetof(struct np_settings, model), offsetof(struct np_settings, models_dir),
                                  offsetof(struct np_settings, isa), offsetof(struct np_settings, smooth),
                                  offsetof(struct np_settings, backend), offsetof(struct np_settings, precision), offsetof(struct np_settings, device),
                                  offsetof(struct np_settings, backend_options), offsetof(struct np_settings, cache_dir), offsetof(struct np_settings, worker) };

static const char **string_at(struct np_settings *s, size_t i) { return (const char **)(void *)((char *)s + strings[i]); }

static void free_strings(struct np_settings *s) {
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) npi_free((void *)(uintptr_t)*string_at(s, i));
}

/* *at becomes a copy of its own; NULL stays NULL. */
static int own(const char **at) {
    const size_t n = *at ? strlen(*at) + 1 : 0;
    char *const copy = n ? npi_alloc(n) : NULL;
    if (copy) memcpy(copy, *at, n);
    *at = copy;
    return n && !copy ? NP_ENOMEM : 0;
}

static int copy_strings(struct np_settings *s) {
    int r = 0;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (own(string_at(s, i)) < 0) r = NP_ENOMEM; /* the others are copied all the same: all are freed */
    return r;
}

int npi_tuner_open(struct npi_tuner *t, const struct np_settings *s, struct np_error *err) {
    pthread_mutex_init(&t->lock, NULL);
    t->s = *s;
    if (s->runtime_search) t->search = *s->runtime_search;
    t->s.runtime_search = s->runtime_search ? &t->search : NULL;
    t->first_preset = s->preset;
    t->first_preset_file = s->preset_file;
    const int r = own(&t->first_preset_file);
    t->s.preset_file = t->first_preset_file;
    if (copy_strings(&t->s) < 0 || r < 0) return npi_fail(err, NP_ENOMEM, "out of memory");
    /* GPUs are looked for when a net turns out to run on one (npi_tuner_nets): asking the driver takes its time. */
    npi_hardware_probe(&t->hw, &(struct npi_hardware_probe){ .root = "", .skip_gpus = 1 });
    return npi_preset_resolve(&t->preset, &t->s, &t->hw, err);
}

void npi_tuner_close(struct npi_tuner *t) {
    free_strings(&t->s);
    npi_free((void *)(uintptr_t)t->first_preset_file);
    pthread_mutex_destroy(&t->lock);
}

/* --- nets --- */

/* The net's runtime, when it works on a GPU: a category counts what is used, not what is there. */
static int on_gpu(const struct npi_net *net, char runtime[120]) {
    static const char *const words[] = { "cuda", "gpu", "tensorrt", "rocm", "migraphx", "directml" };
    struct npi_lineup_info i;
    if (!net) return 0;
    npi_lineup_info(net->lineup, &i);
    snprintf(runtime, 120, "%s on %s", i.used, i.device);
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if (strcasestr(i.device, words[k])) return 1;
    return 0;
}

static void look_at_hardware(struct npi_tuner *t) {
    char runtime[120];
    struct npi_preset p;
    if (on_gpu(t->pose ? t->pose : t->det, runtime)) {
        np_hardware_info(&t->hw, runtime);
        if (npi_preset_resolve(&p, &t->s, &t->hw, NULL) == 0) t->preset = p;
    }
    npi_log(&t->s.logger, NP_LOG_INFO, "hardware: %s: %s", np_hardware_category_name(t->hw.category), t->hw.reason);
}

/* What the controller may change to: the net's quantized sibling, then the next smaller net of its family, its sibling, and so on. Who said in what precision
 * products are to be computed gets no sibling. Costs until they are measured: MoveNet fp32 to int8 .79, ConvNeXtPose-S .74, XS .76 (AVX2, docs/benchmarks.md);
 * BlazePose full to lite .45, ConvNeXtPose S to XS .47. */
static void list_variants(struct npi_tuner *t, const struct npi_net *pose) {
    const char *const p = t->s.precision;
    const int any_precision = !p || !*p || !strcmp(p, "auto") || !strcmp(p, "int8");
    const char *path = pose->path;
    double cost = 1;
    snprintf(t->variant[0], sizeof t->variant[0], "%s", pose->card.id);
    t->variant_cost[0] = 1;
    t->n_variants = 1;
    for (const char *id = pose->card.id; id; cost *= .5, path = NULL) {
        const int at = t->n_variants;
        if (any_precision && at < NPI_TUNE_MAX_VARIANTS && npi_net_quantized(id, path, t->s.models_dir, t->variant[at], sizeof t->variant[at]))
            t->variant_cost[t->n_variants++] = cost * .75;
        id = npi_smaller_net(id);
        if (!id || t->n_variants == NPI_TUNE_MAX_VARIANTS || !npi_net_there(id, t->s.models_dir)) return;
        snprintf(t->variant[t->n_variants], sizeof t->variant[0], "%s", id);
        t->variant_cost[t->n_variants++] = cost * .5;
    }
}

const char *npi_tuner_net_name(void *tuner, int variant) {
    const struct npi_tuner *const t = tuner;
    return variant >= 0 && variant < t->n_variants ? t->variant[variant] : NULL;
}

void npi_tuner_nets(struct npi_tuner *t, const struct npi_net *det, const struct npi_net *pose) {
    t->det = det;
    t->pose = pose;
    look_at_hardware(t);
    const struct npi_value *const v = &t->preset.v[NPI_KEY_MAX_PERSONS];
    t->persons_room = (int)(v->hi > v->start ? v->hi : v->start);
    if (t->s.mode == NP_MODE_LIVE && t->persons_room < LIVE_PERSONS) t->persons_room = LIVE_PERSONS;
    t->threads_room = npi_preset_int(&t->preset, NPI_KEY_THREADS);
    if (pose) list_variants(t, pose);
}

void npi_tuner_wish(const struct npi_tuner *t, struct npi_wish *out) {
    const struct np_settings *const s = &t->s;
    /* File mode runs a net on one thread a worker, the other modes on all. */
    *out = (struct npi_wish){ .backend = s->backend, .device = s->device, .precision = s->precision, .options = s->backend_options, .strict = s->strict,
                              .threads = s->mode == NP_MODE_FILE ? 1 : npi_preset_int(&t->preset, NPI_KEY_THREADS), .run_timeout_ms = s->backend_timeout_ms,
                              .strike = (struct npi_strike *)(uintptr_t)&t->strike, .isolate = s->isolate, .worker = s->worker, .isolate_memory_mb = s->isolate_memory_mb, .cache_dir = s->cache_dir,
                              .search = s->runtime_search };
}

int npi_tuner_open_net(void *tuner, int side, int variant, struct npi_net *out, struct np_error *err) {
    struct npi_tuner *const t = tuner;
    const struct np_settings *const s = &t->s;
    struct npi_wish w;
    pthread_mutex_lock(&t->lock); /* of the preset; what else is read here never changes */
    npi_tuner_wish(t, &w);
    pthread_mutex_unlock(&t->lock);
    if (side) return npi_net_open_on(out, s->detector ? s->detector : NPI_DEFAULT_DETECTOR, s->models_dir, s->isa, side, 1, &w, &s->logger, err);
    return npi_net_open_on(out, t->variant[variant], s->models_dir, s->isa, 0, 0, &w, &s->logger, err);
}

/* --- values in force --- */

int npi_tuner_smooth(struct npi_tuner *t, struct np_error *err) {
    struct npi_smooth_spec spec;
    const int r = npi_smooth_parse(&spec, t->preset.smooth, err);
    if (r < 0) return r;
    if (t->has_smooth && (spec.kind == NPI_SMOOTH_ZERO_LAG) != (t->smooth.kind == NPI_SMOOTH_ZERO_LAG)) return NP_EAGAIN;
    t->smooth = spec;
    t->has_smooth = 1;
    return 0;
}

void npi_tuner_tuning(const struct npi_tuner *t, struct npi_tuning *out) {
    const struct npi_preset *const p = &t->preset;
    struct npi_controller_params *const c = &out->c;
    const struct npi_net_in *const in = t->det ? &t->det->in : NULL;
    npi_controller_params_from(c, p);
    const int side = in ? in->width > in->height ? in->width : in->height : 0;
    out->adapt = t->s.mode == NP_MODE_LIVE && p->v[NPI_KEY_ADAPT].start > .5;
    out->detection_timeout_ns = (int64_t)(p->v[NPI_KEY_DETECTION_TIMEOUT_S].start * 1e9);
    out->pose_timeout_ns = (int64_t)(p->v[NPI_KEY_POSE_TIMEOUT_S].start * 1e9);
    out->threads = c->threads = c->threads < t->threads_room ? c->threads : t->threads_room;
    out->pose_passes = npi_preset_int(p, NPI_KEY_POSE_PASSES);
    out->smooth = t->smooth;
    c->has_detector = in != NULL;
    c->has_pose = t->pose != NULL;
    /* A detector that was named, or a size that was, stays as it is: only our own default is resized. */
    const int movable = in && !t->s.detector && !t->s.detector_size, want = npi_preset_int(p, NPI_KEY_DETECTOR_SIZE);
    c->start.detector_size = movable && abs(want - side) >= SIDE_STEP ? want : side;
    c->start.variant = 0;
    c->n_sizes = 0;
    const int resizes = movable && c->detector_size.lo < c->detector_size.hi;
    for (size_t i = 0; resizes && i < sizeof sides / sizeof *sides; i++) c->sizes[c->n_sizes++] = sides[i];
    if (!c->n_sizes) c->detector_size = (struct npi_range){ c->start.detector_size, c->start.detector_size };
    c->n_variants = t->n_variants > 0 ? t->n_variants : 1;
    memcpy(c->variant_cost, t->variant_cost, sizeof c->variant_cost);
    if (c->max_persons.hi > t->persons_room) c->max_persons.hi = t->persons_room;
    if (c->max_persons.lo > t->persons_room) c->max_persons.lo = t->persons_room;
    if (c->start.max_persons > t->persons_room) c->start.max_persons = t->persons_room;
}

/* --- changes while running --- */

static int whole(const char *text, int min, int max, int *out) {
    char *end;
    const long v = strtol(text, &end, 10);
    if (!strcmp(text, "auto")) {
        *out = 0;
        return 0;
    }
    if (end == text || *end || v < min || v > max) return -1;
    *out = (int)v;
    return 0;
}

static int real(const char *text, float max, float *out) {
    double v;
    if (!strcmp(text, "auto")) {
        *out = -1;
        return 0;
    }
    if (npi_lines_number(text, &v) < 0 || !(v >= 0 && v <= (double)max)) return -1;
    *out = (float)v;
    return 0;
}

static int on_off(const char *text, int *out) {
    static const char *const word[] = { "off", "on", "no", "yes", "0", "1" };
    for (int i = 0; i < 6; i++)
        if (!strcmp(text, word[i])) {
            *out = i & 1;
            return 0;
        }
    *out = -1;
    return strcmp(text, "auto") ? -1 : 0;
}

/* Into the settings; 0, or below with the range in `range`. */
static int change(struct npi_tuner *t, struct np_settings *s, const char *name, const char *v, char range[64]) {
    static const struct { const char *name; size_t at; int min, max; } wholes[] = {
        { "frame-skip", offsetof(struct np_settings, frame_skip), 1, 5 }, { "detection-freq", offsetof(struct np_settings, detection_freq), 1, 30 },
        { "batch-size", offsetof(struct np_settings, batch_size), 1, 8 }, { "threads", offsetof(struct np_settings, threads), 1, NPI_MAX_THREADS }, { "max-persons", offsetof(struct np_settings, max_persons), 1, NPI_MAX_PERSONS },
    };
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        if (strcmp(name, wholes[i].name)) continue;
        const int max = !strcmp(name, "max-persons") ? t->persons_room : !strcmp(name, "threads") ? t->threads_room : wholes[i].max;
        snprintf(range, 64, "auto or %d..%d%s", wholes[i].min, max, max == wholes[i].max ? "" : " (more needs a restart)"); /* memory was made for so many */
        return whole(v, wholes[i].min, max, (int *)(void *)((char *)s + wholes[i].at));
    }
    snprintf(range, 64, "auto or 0..1000");
    if (!strcmp(name, "target-fps")) return real(v, 1000, &s->target_fps);
    snprintf(range, 64, "auto or 0..60000");
    if (!strcmp(name, "max-delay")) return real(v, 60000, &s->max_delay_ms);
    snprintf(range, 64, "auto, on or off");
    if (!strcmp(name, "adapt")) return on_off(v, &s->adapt);
    snprintf(range, 64, "auto, balanced, high_performance, efficiency or quality");
    if (!strcmp(name, "preset")) { /* of files only the one that the run began with: who watches may not name others */
        const int back = !strcmp(v, "auto") || (t->first_preset_file && !strcmp(v, t->first_preset_file));
        s->preset_file = back ? t->first_preset_file : NULL;
        return (s->preset = back ? t->first_preset : np_preset_from_name(v)) < 0 ? -1 : 0;
    }
    if (!strcmp(name, "smooth")) {
        struct npi_smooth_spec spec;
        const int looks_back = t->smooth.kind == NPI_SMOOTH_ZERO_LAG;
        snprintf(range, 64, looks_back ? "auto or zero-lag[:...]; others need a restart" : "auto, none or one-euro[:...]; zero-lag needs a restart");
        s->smooth = strcmp(v, "auto") ? v : NULL;
        const int r = npi_smooth_parse(&spec, s->smooth, NULL);
        return r < 0 || !s->smooth || (spec.kind == NPI_SMOOTH_ZERO_LAG) == looks_back ? r : -1;
    }
    *range = '\0';
    return -1;
}

/* Only what `change` may change: the rest is read by the thread that opens nets. */
static int take(struct np_settings *to, const struct np_settings *from) {
    char *smooth = NULL;
    if (from->smooth && from->smooth != to->smooth) {
        const size_t n = strlen(from->smooth) + 1;
        if (!(smooth = npi_alloc(n))) return NP_ENOMEM;
        memcpy(smooth, from->smooth, n);
    }
    if (from->smooth != to->smooth) {
        npi_free((void *)(uintptr_t)to->smooth);
        to->smooth = smooth;
    }
    to->preset_file = from->preset_file;
    to->threads = from->threads;
    to->preset = from->preset;
    to->frame_skip = from->frame_skip;
    to->detection_freq = from->detection_freq;
    to->batch_size = from->batch_size;
    to->max_persons = from->max_persons;
    to->target_fps = from->target_fps;
    to->max_delay_ms = from->max_delay_ms;
    to->adapt = from->adapt;
    return 0;
}

/* What the new values ask for and only another context could do, in words; "" when there is nothing. */
static void tell_restart(const struct npi_tuner *t, int smooth_waits, char *text, size_t size) {
    const struct npi_preset *const p = &t->preset;
    const int threads = npi_preset_int(p, NPI_KEY_THREADS), people = (int)p->v[NPI_KEY_MAX_PERSONS].start;
    size_t n = 0;
    *text = '\0';
#define ADD(...) (n += n < size ? (size_t)snprintf(text + n, size - n, __VA_ARGS__) : 0)
    if (threads > t->threads_room) ADD("%d threads (%d work)", threads, t->threads_room);
    if (people > t->persons_room) ADD("%s%d people (there is room for %d)", n ? ", " : "", people, t->persons_room);
    if (smooth_waits) ADD("%ssmooth %s", n ? ", " : "", p->smooth);
#undef ADD
    if (n && n < size) snprintf(text + n, size - n, " need%s a restart", strchr(text, ',') ? "" : "s");
}

int npi_tuner_adjust(struct npi_tuner *t, struct npi_pipe *p, const char *asked, const char *value, struct np_error *err) {
    struct npi_tuning tuning;
    char range[64], restart[200] = "", name[32];
    int r = 0;
    snprintf(name, sizeof name, "%s", asked);
    for (char *c = name; *c; c++) *c = *c == '_' ? '-' : *c; /* one and the same, as on the command line */
    pthread_mutex_lock(&t->lock);
    struct np_settings s = t->s;
    struct npi_preset preset;
    if (change(t, &s, name, value, range) < 0) {
        if (*range) r = npi_fail(err, NP_EINVAL, "%s: '%s' is not %s", name, value, range);
        else r = npi_fail(err, NP_EINVAL, "'%.60s' cannot be changed while running", asked);
    } else r = npi_preset_resolve(&preset, &s, &t->hw, err);
    if (r >= 0 && (r = take(&t->s, &s)) < 0) npi_fail(err, r, "out of memory");
    if (r >= 0) {
        t->preset = preset;
        const int smooth_waits = npi_tuner_smooth(t, NULL) < 0;
        /* Of the change that asked for it, not of every later one: only another preset can want what there is no room for. */
        if (!strcmp(name, "preset") || !strcmp(name, "smooth")) tell_restart(t, smooth_waits, restart, sizeof restart);
        npi_tuner_tuning(t, &tuning);
        npi_pipe_retune(p, &tuning);
    }
    pthread_mutex_unlock(&t->lock);
    if (r < 0) return r;
    npi_log(&t->s.logger, NP_LOG_INFO, "%s: %s, asked for%s%s", name, value, *restart ? "; " : "", restart);
    if (err) {
        err->code = 0;
        snprintf(err->message, sizeof err->message, "%s", restart);
    }
    return 0;
}
