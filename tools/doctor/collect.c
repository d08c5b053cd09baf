/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the machine: processor, memory, runtimes, models, display; then what would help most. */
#define _GNU_SOURCE
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "tools/bench/runner.h"
#include "tools/views.h"

static int read_line(const char *path, char *to, size_t size) {
    FILE *const f = fopen(path, "r");
    to[0] = '\0';
    if (!f) return 0;
    if (!fgets(to, (int)size, f)) to[0] = '\0';
    to[strcspn(to, "\n")] = '\0';
    fclose(f);
    return *to != '\0';
}

static void processor(struct doctor *d) {
    for (int i = 0; np_isa_level(i); i++) snprintf(d->isa, sizeof d->isa, "%s", np_isa_level(i));
    for (int i = 0; i < 5; i++) {
        char path[96], level[8], type[24], size[24];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        if (!read_line(path, level, sizeof level)) break;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        read_line(path, type, sizeof type);
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        if (!read_line(path, size, sizeof size) || *type == 'I') continue;
        const size_t n = strlen(d->caches);
        snprintf(d->caches + n, sizeof d->caches - n, "%sL%s %s", n ? ", " : "", level, size);
    }
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", d->governor, sizeof d->governor);
    FILE *const f = fopen("/proc/meminfo", "r");
    char line[128];
    double kb;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lf", &kb) == 1) d->memory_available_mb = kb / 1024;
    if (f) fclose(f);
}

static void on_runtime(void *opaque, const struct np_runtime_info *i) {
    struct doctor *const d = opaque;
    if (d->n_runtimes < DOC_RUNTIMES) d->runtime[d->n_runtimes++] = *i;
}

/* A GPU counts for the category only when a runtime that works here can use it. */
static void hardware(struct doctor *d) {
    const char *gpu_runtime = NULL;
    for (int i = 0; i < d->n_runtimes && !gpu_runtime; i++) {
        const struct np_runtime_info *const r = &d->runtime[i];
        if (r->works == 1 && (strcasestr(r->devices, "cuda") || strcasestr(r->devices, "gpu") || strcasestr(r->devices, "rocm"))) gpu_runtime = r->title;
    }
    np_hardware_info(&d->hw, gpu_runtime);
}

static void models(struct doctor *d, const char *dirs) {
    struct np_card_info c;
    char hex[65];
    int det = 0, pose = 0;
    for (int i = 0; np_card_at(i, &c) == 0 && d->n_models < DOC_MODELS; i++) {
        struct doc_model *const m = &d->model[d->n_models];
        if (!tool_find_model(m->path, sizeof m->path, &c, dirs)) continue;
        d->n_models++;
        int right = 0;
        const int readable = np_sha256_file(m->path, hex, NULL) == 0;
        for (int k = 0; readable && k < 3 && c.sha256[k]; k++) right |= !strcmp(hex, c.sha256[k]);
        snprintf(m->id, sizeof m->id, "%s", c.id);
        snprintf(m->state, sizeof m->state, "%s", !readable ? "cannot be read" : right ? "hash right" : c.sha256[0] ? "HASH WRONG" : "hash unknown");
        if (readable && right) {
            det |= !strcmp(c.id, "efficientdet_lite0_int8");
            pose |= !strcmp(c.id, "blazepose_full");
        }
    }
    d->defaults_here = det && pose;
}

static void display(struct doctor *d) {
    const char *const wayland = getenv("WAYLAND_DISPLAY"), *const x = getenv("DISPLAY");
    if (wayland && *wayland) snprintf(d->display, sizeof d->display, "Wayland %.40s", wayland);
    else if (x && *x) snprintf(d->display, sizeof d->display, "X11 %.40s", x);
    if (*d->display && !views_window_possible()) strncat(d->display, " (not usable)", sizeof d->display - strlen(d->display) - 1);
}

/* Each preset live, frames offered faster than they can be taken, three short runs in turns: the least, the middle, the most. */
void doctor_measure(struct doctor *d, const struct np_settings *base) {
    enum { ROUNDS = 3 };
    double fps[DOC_PRESETS][ROUNDS];
    struct np_error e;
    if (tool_demo_clip(d->clip, sizeof d->clip, &e) < 0) {
        d->clip[0] = '\0';
        return;
    }
    for (int p = 0; p < d->n_presets; p++) {
        struct np_settings s = *base;
        s.preset = p;
        s.mode = NP_MODE_LIVE;
        tool_preset_target(&s, &d->preset[p].target_fps, &e);
    }
    for (int k = 0; k < ROUNDS; k++)
        for (int p = 0; p < d->n_presets; p++) {
            struct bench_setup b = { .input = d->clip, .s = *base, .seconds = .7, .warmup_s = .3, .rate = 1000 };
            struct bench_outcome o;
            b.s.preset = p;
            b.s.mode = NP_MODE_LIVE;
            if (bench_run(&o, &b, &e) < 0) continue;
            struct doc_preset *const q = &d->preset[p];
            fps[p][q->n++] = o.processed_fps;
            q->delay_p99 = fmax(q->delay_p99, o.delay_p99);
            d->persons = o.persons_per_frame;
            if (o.stats.n_suggestions && q->target_fps > 0 && o.processed_fps < q->target_fps) snprintf(d->measured_advice, sizeof d->measured_advice, "%s", o.stats.suggestion[0].text);
            bench_outcome_free(&o);
        }
    for (int p = 0; p < d->n_presets; p++) {
        struct doc_preset *const q = &d->preset[p];
        if (!q->n) continue;
        q->low = bench_quantile(fps[p], q->n, 0);
        q->mid = bench_median(fps[p], q->n);
        q->high = bench_quantile(fps[p], q->n, 1);
    }
}

__attribute__((format(printf, 2, 3)))
static void advise(struct doctor *d, const char *fmt, ...) {
    if (d->n_advice == DOC_ADVICE) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->advice[d->n_advice++], sizeof d->advice[0], fmt, ap);
    va_end(ap);
}

/* In the order of what they would change. */
void doctor_advise(struct doctor *d) {
    const struct np_hardware *const h = &d->hw;
    for (int i = 0; i < d->n_models; i++)
        if (!strcmp(d->model[i].state, "HASH WRONG")) advise(d, "%s is damaged or another file: nextpose models get --force", d->model[i].id);
    if (!d->defaults_here) advise(d, "the default models are not here: nextpose models get");
    if (!*d->ffmpeg) advise(d, "this build reads no video: build it again with the FFmpeg libraries (scripts/setup.sh installs them)");
    if (!strcmp(d->isa, "scalar")) advise(d, "this processor has no AVX2: everything runs on plain C, ten times slower; use another machine, or --preset efficiency");
    if (h->quota > 0 && h->quota < h->n_allowed) advise(d, "the container grants %.1f of %d processors: raise its CPU limit", h->quota, h->n_allowed);
    else if (h->n_allowed < h->n_logical) advise(d, "the affinity mask allows %d of %d processors: start it without taskset", h->n_allowed, h->n_logical);
    if (!strcmp(d->governor, "powersave")) advise(d, "the processor is set to save power: cpupower frequency-set -g performance");
    if (d->memory_available_mb > 0 && d->memory_available_mb < 300) advise(d, "only %.0f MB of memory are free: the default models need about 150", d->memory_available_mb);
    if (h->n_gpus && !h->gpu_counts && h->gpu[0].memory_mb > 0) advise(d, "the GPU (%s) is not used: pip install onnxruntime-gpu, then --backend onnx --device cuda (docs/runtimes.md)", h->gpu[0].name);
    for (int i = 0; i < d->n_cameras; i++)
        if (*d->camera[i].problem) advise(d, "%s: %s", d->camera[i].path, d->camera[i].problem);
    if (*d->ffmpeg && !*d->encoder) advise(d, "FFmpeg has no H.264 encoder: --save-video will fail; install one with libx264");
    if (*d->measured_advice) advise(d, "%s", d->measured_advice);
    if (d->defaults_here && !*d->clip) advise(d, "no rate was measured, for want of a clip: nextpose models get demo_clip");
    const struct doc_preset *holds = NULL; /* the most demanding one that keeps its word */
    int n_missed = 0;
    for (int i = 0; i < d->n_presets; i++) {
        const struct doc_preset *const p = &d->preset[i];
        if (!p->n) continue;
        n_missed += p->mid < p->target_fps;
        if (p->mid >= p->target_fps && (!holds || p->target_fps > holds->target_fps)) holds = p;
    }
    if (n_missed && holds) advise(d, "--preset %s holds its %g frames/s here, the demanding ones do not", holds->name, holds->target_fps);
    if (n_missed && !holds) advise(d, "no preset holds its rate here: close what else runs, or serve fewer people (--max-persons 1)");
    if (d->preset[0].n) advise(d, "%sthe best settings for a rate of yours: nextpose recommend --target-fps N", n_missed ? "" : "nothing is in the way; ");
}

void doctor_collect(struct doctor *d, const struct np_settings *base, const char *dirs, int measure, int isolate) {
    memset(d, 0, sizeof *d);
    processor(d);
    np_runtime_list(base->runtime_search, isolate ? NP_RUNTIME_TEST_ISOLATED : NP_RUNTIME_TEST, on_runtime, d);
    hardware(d);
    models(d, dirs);
    doctor_video(d);
    doctor_cameras(d);
    display(d);
    for (int p = 0; np_preset_name(p) && p < DOC_PRESETS; p++) d->preset[d->n_presets++].name = np_preset_name(p);
    if (measure && d->defaults_here && *d->ffmpeg) doctor_measure(d, base);
    doctor_advise(d);
    d->ready = d->defaults_here;
}
