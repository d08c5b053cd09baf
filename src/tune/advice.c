/* SPDX-License-Identifier: Apache-2.0 */
/* See advice.h. Each candidate is a change of the knobs (or of the threads) whose gain the cost model forecasts; those that gain five per cent are
 * told, the largest gain first. Rates that are told are the measured one times the gain, and never above the source's. */
#include "tune/advice.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORTH 1.05

const char *npi_smaller_net(const char *id) {
    static const char *const families[][5] = {
        { "convnextpose_l", "convnextpose_m", "convnextpose_s", "convnextpose_xs" }, { "blazepose_heavy", "blazepose_full", "blazepose_lite" },
        { "movenet_thunder", "movenet_lightning" } };
    for (size_t f = 0; id && f < sizeof families / sizeof *families; f++)
        for (int i = 0; i < 4 && families[f][i]; i++)
            if (!strcmp(families[f][i], id)) return families[f][i + 1];
    return NULL;
}

struct advising {
    struct np_stats *s;
    const struct npi_advice_params *p;
    struct npi_cost cost;
    struct npi_forecast now;
};

/* Put in by gain, the largest first; what does not fit is the least. */
__attribute__((format(printf, 4, 5)))
static void suggest(struct advising *a, double gain, const char *flag, const char *fmt, ...) {
    struct np_stats *const s = a->s;
    int at = s->n_suggestions;
    while (at > 0 && s->suggestion[at - 1].gain < gain) at--;
    if (at == NP_MAX_SUGGESTIONS) return;
    const int last = s->n_suggestions < NP_MAX_SUGGESTIONS ? s->n_suggestions++ : NP_MAX_SUGGESTIONS - 1;
    for (int i = last; i > at; i--) s->suggestion[i] = s->suggestion[i - 1];
    struct np_suggestion *const x = &s->suggestion[at];
    *x = (struct np_suggestion){ .gain = gain };
    snprintf(x->flag, sizeof x->flag, "%s", flag);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x->text, sizeof x->text, fmt, ap);
    va_end(ap);
}

static double fps_with(const struct advising *a, double gain) {
    const double fps = a->s->processed_fps * gain;
    return a->p->mode == NP_MODE_LIVE && a->s->source_fps > 0 && fps > a->s->source_fps ? a->s->source_fps : fps;
}

/* Rate after / rate before of other knobs. */
static double gain_of(const struct advising *a, const struct np_knobs *k) {
    struct npi_forecast f;
    npi_cost_forecast(&a->cost, k, &f);
    const double g = f.fps / a->now.fps;
    return a->s->processed_fps > 0 ? fps_with(a, g) / a->s->processed_fps : g;
}

/* May a person set this knob to something else? Not when the controller does, within its bounds. */
static int open_to_people(const struct advising *a, const struct npi_range *r) { return !a->p->adapting || r->lo == r->hi; }

static void advise_detector(struct advising *a) {
    const struct npi_controller_params *const c = a->p->c;
    const struct np_knobs *const now = &a->s->knobs;
    const double share = 100 * a->s->stage[NP_STAGE_DETECT].share;
    char flag[48];
    if (!c->has_detector) return;
    if (open_to_people(a, &c->detection_freq)) {
        struct np_knobs best = *now, k = *now; /* the first value that makes the detector a small thing, at most every fourth frame more */
        double gain = 1;
        while (k.detection_freq < 30 && k.detection_freq < now->detection_freq + 3) {
            k.detection_freq++;
            const double g = gain_of(a, &k);
            if (g < gain * 1.04) break;
            gain = g;
            best = k;
        }
        snprintf(flag, sizeof flag, "--detection-freq %d", best.detection_freq);
        if (gain >= WORTH) suggest(a, gain, flag, "the detector takes %.0f %% of a frame: %s would give about %.0f FPS", share, flag,
                                   fps_with(a, gain));
    }
    if (open_to_people(a, &c->detector_size)) {
        for (int i = c->n_sizes - 1; i >= 0; i--) {
            struct np_knobs k = *now;
            if (c->sizes[i] >= now->detector_size || c->sizes[i] < 256) continue; /* what --yolo-size takes */
            k.detector_size = c->sizes[i];
            const double gain = gain_of(a, &k);
            if (gain < WORTH) continue;
            snprintf(flag, sizeof flag, "--yolo-size %d", k.detector_size);
            suggest(a, gain, flag, "the detector takes %.0f %% of a frame: %s would give about %.0f FPS, and miss the smallest people", share, flag,
                    fps_with(a, gain));
            break;
        }
    }
}

static void advise_pose(struct advising *a) {
    const struct npi_controller_params *const c = a->p->c;
    const struct np_knobs *const now = &a->s->knobs;
    const double share = 100 * (a->s->stage[NP_STAGE_POSE].share + a->s->stage[NP_STAGE_CROP].share);
    char flag[48];
    if (!c->has_pose || !(a->cost.crop_ms > 0)) return;
    if (open_to_people(a, &c->frame_skip) && now->frame_skip < 5) {
        struct np_knobs k = *now;
        k.frame_skip++;
        const double gain = gain_of(a, &k);
        snprintf(flag, sizeof flag, "--frame-skip %d", k.frame_skip);
        if (gain >= WORTH) suggest(a, gain, flag, "poses take %.0f %% of a frame: %s would give about %.0f FPS, poses between them propagated", share,
                                   flag, fps_with(a, gain));
    }
    const int v = now->variant;
    if (open_to_people(a, &c->variant) && v + 1 < c->n_variants && v + 1 < NPI_TUNE_MAX_VARIANTS && a->p->variant_id[v + 1] && strlen(a->p->variant_id[v + 1]) <= 38) { /* a long path is no line of advice */
        struct np_knobs k = *now;
        k.variant++;
        const double gain = gain_of(a, &k);
        snprintf(flag, sizeof flag, "--model %.38s", a->p->variant_id[v + 1]);
        if (gain >= WORTH) suggest(a, gain, flag, "poses take %.0f %% of a frame: %s would give about %.0f FPS, a little less exact", share, flag,
                                   fps_with(a, gain));
    }
    if (open_to_people(a, &c->max_persons) && a->cost.persons >= 3) { /* fewer than three are what one came for */
        struct np_knobs k = *now;
        k.max_persons = (int)(a->cost.persons / 2 + .5);
        const double gain = gain_of(a, &k);
        snprintf(flag, sizeof flag, "--max-persons %d", k.max_persons);
        if (k.max_persons < now->max_persons && gain >= WORTH)
            suggest(a, gain, flag, "%.0f people are in view: %s would give about %.0f FPS, the largest ones only", a->cost.persons, flag,
                    fps_with(a, gain));
    }
}

static void advise_threads(struct advising *a) {
    const int now = a->p->c->threads, all = a->p->processors < 64 ? a->p->processors : 64;
    char flag[48];
    if (now < 1 || now >= all) return;
    struct npi_cost more = a->cost;
    struct npi_forecast f;
    more.parallel *= 1 + .8 * ((double)all / now - 1); /* a fifth is lost to barriers and memory: docs/performance.md */
    more.threads = all;
    npi_cost_forecast(&more, &a->s->knobs, &f);
    const double gain = fps_with(a, f.fps / a->now.fps) / a->s->processed_fps;
    snprintf(flag, sizeof flag, "--threads %d", all);
    if (gain >= WORTH) suggest(a, gain, flag, "%d of %d processors work: %s would give about %.0f FPS", now, all, flag, fps_with(a, gain));
}

/* What the caller does with a frame; it has no knob that the library could turn. */
static void advise_caller(struct advising *a) {
    const struct np_stage_stats *const st = a->s->stage;
    struct npi_forecast f;
    static const struct { int stage; const char *text; } what[] = {
        { NP_STAGE_READ, "reading and decoding take %.0f %% of a frame: a smaller picture or a lighter codec would give up to %.0f FPS" },
        { NP_STAGE_DRAW, "drawing takes %.0f %% of a frame: without --save-video, --save-images and --view there would be up to %.0f FPS" },
        { NP_STAGE_EMIT, "writing results takes %.0f %% of a frame: a faster disk or fewer outputs would give up to %.0f FPS" } };
    for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
        struct npi_cost less = a->cost;
        if (st[what[i].stage].share < .2 || (what[i].stage == NP_STAGE_DRAW && !a->p->draws)) continue;
        *(what[i].stage == NP_STAGE_READ ? &less.read_ms : what[i].stage == NP_STAGE_DRAW ? &less.draw_ms : &less.emit_ms) = 0;
        npi_cost_forecast(&less, &a->s->knobs, &f);
        const double gain = fps_with(a, f.fps / a->now.fps) / a->s->processed_fps;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (gain >= WORTH) suggest(a, gain, "", what[i].text, 100 * st[what[i].stage].share, fps_with(a, gain));
#pragma GCC diagnostic pop
    }
}

/* All frames are handled and there is time left: what was given up by hand could be had. */
static void advise_room(struct advising *a) {
    const struct npi_controller_params *const c = a->p->c;
    const struct np_knobs *const now = &a->s->knobs;
    struct npi_forecast f;
    char flag[48];
    const double need = 1.25 * a->s->source_fps;
    if (open_to_people(a, &c->frame_skip) && now->frame_skip > 1 && c->has_pose && a->cost.crop_ms > 0) {
        struct np_knobs k = *now;
        k.frame_skip--;
        npi_cost_forecast(&a->cost, &k, &f);
        snprintf(flag, sizeof flag, "--frame-skip %d", k.frame_skip);
        if (1000 / f.mean_ms >= need && !(a->s->max_delay_ms > 0 && f.delay_ms > a->s->max_delay_ms))
            suggest(a, 1, flag, "there is room: %s would keep %.0f FPS, with a pose inferred on more frames", flag, a->s->source_fps);
    }
    if (open_to_people(a, &c->detector_size) && c->has_detector)
        for (int i = 0; i < c->n_sizes; i++) {
            struct np_knobs k = *now;
            if (c->sizes[i] <= now->detector_size || c->sizes[i] > 640) continue;
            k.detector_size = c->sizes[i];
            npi_cost_forecast(&a->cost, &k, &f);
            snprintf(flag, sizeof flag, "--yolo-size %d", k.detector_size);
            if (1000 / f.mean_ms >= need && !(a->s->max_delay_ms > 0 && f.delay_ms > a->s->max_delay_ms))
                suggest(a, 1, flag, "there is room: %s would keep %.0f FPS, and find smaller people", flag, a->s->source_fps);
            break;
        }
}

/* The library's stages share its workers; reading, drawing and writing have a thread each. Whichever of these takes longest for a frame limits the
 * rate. */
static int find_bottleneck(const struct advising *a) {
    const struct np_stage_stats *const st = a->s->stage;
    const double par = a->cost.parallel > 1 ? a->cost.parallel : 1;
    double lib = 0, longest = 0;
    int worst = NP_STAGE_DETECT;
    for (int i = NP_STAGE_DETECT; i <= NP_STAGE_SMOOTH; i++) {
        lib += st[i].per_frame_ms / par;
        if (st[i].per_frame_ms > st[worst].per_frame_ms) worst = i;
    }
    longest = lib;
    static const int callers[] = { NP_STAGE_READ, NP_STAGE_DRAW, NP_STAGE_EMIT };
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++)
        if (st[callers[i]].per_frame_ms > longest) {
            longest = st[callers[i]].per_frame_ms;
            worst = callers[i];
        }
    return longest > 0 ? worst : -2;
}

void npi_advise(struct np_stats *s, const struct npi_advice_params *p) {
    struct advising a = { .s = s, .p = p, .cost = { .n_variants = p->c->n_variants } };
    s->bottleneck = -2;
    s->n_suggestions = 0;
    if (s->window_s < 1 || s->n_processed < 3 || !(s->processed_fps > 0)) return;
    memcpy(a.cost.variant, p->c->variant_cost, sizeof a.cost.variant);
    npi_cost_from_stats(&a.cost, s, p->c->threads);
    a.cost.detection_timeout_s = p->c->detection_timeout_s;
    a.cost.pose_timeout_s = p->c->pose_timeout_s;
    const int live = p->mode == NP_MODE_LIVE;
    if (!live) { /* a file has no rhythm, and its workers are busy as long as it can be read */
        a.cost.source_fps = 0;
        a.cost.whole_frames = 1;
        double lib = 0;
        for (int i = NP_STAGE_DETECT; i <= NP_STAGE_SMOOTH; i++) lib += s->stage[i].per_frame_ms;
        a.cost.parallel = lib * s->processed_fps / 1000 > 1 ? lib * s->processed_fps / 1000 : 1;
    }
    npi_cost_forecast(&a.cost, &s->knobs, &a.now);
    s->bottleneck = find_bottleneck(&a);
    if (live && s->source_fps > 0 && s->processed_fps >= .97 * s->source_fps) {
        s->bottleneck = -1;
        advise_room(&a);
        return;
    }
    if (s->bottleneck == -2) return;
    advise_detector(&a);
    advise_pose(&a);
    advise_threads(&a);
    advise_caller(&a);
    if (p->mode == NP_MODE_SYNC && p->processors > 1 && p->c->threads > 1)
        suggest(&a, 1.2, "--async", "--no-async works on one frame after another: without it frames overlap");
}
