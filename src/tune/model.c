/* SPDX-License-Identifier: Apache-2.0 */
/* See model.h. All of it is arithmetic on a handful of numbers: a forecast costs less than a microsecond. */
#include "tune/model.h"

#include <math.h>
#include <string.h>

static double at_least(double v, double least) { return v > least ? v : least; }

static double variant_cost(const struct npi_cost *c, int variant) {
    return variant > 0 && variant < c->n_variants && variant < NPI_TUNE_MAX_VARIANTS && c->variant[variant] > 0 ? c->variant[variant] : 1;
}

static double people(const struct npi_cost *c, const struct np_knobs *k) { return c->persons < k->max_persons ? c->persons : k->max_persons; }

double npi_cost_crops(const struct npi_cost *c, const struct np_knobs *k) {
    const double n = people(c, k);
    return k->pose_budget > 0 && k->pose_budget < n ? k->pose_budget : n;
}

/* Every how many frames something happens that is wanted every k-th, when it may not get older than timeout_s at this rate. */
static double every(double k, double timeout_s, double rate) {
    const double at_most = timeout_s > 0 ? floor(timeout_s * rate + 1e-6) + 1 : k;
    return at_most < k ? at_most : k;
}

static void forecast(const struct npi_cost *c, const struct np_knobs *k, double freq, double skip, struct npi_forecast *out) {
    const double par = c->parallel > 0 ? c->parallel : 1, side = (double)k->detector_size / NPI_TUNE_REF_SIZE, div = c->whole_frames ? par : 1;
    const double crops = npi_cost_crops(c, k), n = people(c, k), interval = c->source_fps > 0 ? 1000 / c->source_fps : 0;
    const double detect = c->detect_ms * side * side / div, frame = c->frame_ms / div, net = variant_cost(c, k->variant);
    double pose = crops * c->crop_ms * net / par;
    if (c->single_ms > 0 && crops <= 1) pose = crops * c->single_ms * net;
    else if (pose < c->single_ms * net) pose = c->single_ms * net;
    const double caller = ((interval > 0 ? 0 : c->read_ms) + c->emit_ms + c->draw_ms / at_least(k->draw_every, 1)) / at_least(c->threads, 1);
    const double cheap = frame + caller + detect * (1 / freq + (1 - 1 / freq) * c->unplanned);
    struct npi_forecast f = { .mean_ms = at_least(cheap + pose / skip, 1e-3), .worst_ms = frame + detect + pose };
    f.fps = 1000 / f.mean_ms;
    /* With frame skip a pose frame is followed by cheap ones, which wait for the source: a pose that is a little longer than an interval
     * costs a whole one. The cycle of one pose frame and skip - 1 cheap ones, counted in intervals: */
    if (skip > 1 && interval > 0 && cheap < interval && cheap + pose + cheap > interval) {
        const double cycle = interval * (ceil((cheap + pose + cheap) / interval - 1e-9) + skip - 2);
        if (1000 * skip / cycle < f.fps) f.fps = 1000 * skip / cycle;
    }
    f.inferred_fps = crops >= n ? f.fps / skip : 0;
    /* A frame that comes while another one is worked on waits, but never longer than an interval: then a newer one takes its place. How long
     * depends on how busy the machine is: the rest of one heavy frame when there is time between them, any part of an interval when there is not. */
    double wait = f.worst_ms - interval;
    const double busy = interval > 0 ? (f.mean_ms / interval - .85) / .2 : 1;
    if (wait < busy * interval) wait = busy * interval;
    f.delay_ms = f.worst_ms + (interval > 0 ? (wait < 0 ? 0 : wait > interval ? interval : wait) : f.worst_ms);
    const double rate = interval > 0 && c->source_fps < f.fps ? c->source_fps : f.fps;
    f.pose_gap_s = crops > 0 ? skip * ceil(n / crops - 1e-9) / rate : 0;
    *out = f;
}

void npi_cost_forecast(const struct npi_cost *c, const struct np_knobs *k, struct npi_forecast *out) {
    const double freq = at_least(k->detection_freq, 1), skip = at_least(k->frame_skip, 1);
    forecast(c, k, freq, skip, out);
    /* At that rate some of what the knobs leave out may not be left out. Doing it makes the rate lower still, so twice. */
    for (int i = 0; i < 2; i++) {
        const double rate = c->source_fps > 0 && c->source_fps < out->fps ? c->source_fps : out->fps;
        const double f = every(freq, c->detection_timeout_s, rate), s = every(skip, c->pose_timeout_s, rate);
        if (f == freq && s == skip) return;
        forecast(c, k, f, s, out);
    }
}

void npi_cost_from_stats(struct npi_cost *c, const struct np_stats *s, int threads) {
    const struct np_stage_stats *const st = s->stage;
    const struct np_knobs *const k = &s->knobs;
    const double side = k->detector_size > 0 ? (double)NPI_TUNE_REF_SIZE / k->detector_size : 0;
    double lib = 0;
    for (int i = NP_STAGE_DETECT; i <= NP_STAGE_SMOOTH; i++) lib += st[i].per_frame_ms;
    c->threads = threads;
    c->persons = s->persons_per_frame;
    c->source_fps = s->source_fps;
    c->detect_ms = st[NP_STAGE_DETECT].mean_ms * side * side;
    const double freq = at_least(k->detection_freq, 1), runs = st[NP_STAGE_DETECT].mean_ms > 0
        ? st[NP_STAGE_DETECT].per_frame_ms / st[NP_STAGE_DETECT].mean_ms : 0;
    c->unplanned = freq > 1 && runs * freq > 1 ? (runs - 1 / freq) / (1 - 1 / freq) : 0;
    if (c->unplanned > 1) c->unplanned = 1;
    const double crops = npi_cost_crops(c, k) / at_least(k->frame_skip, 1); /* a frame */
    c->crop_ms = crops > 0 ? (st[NP_STAGE_POSE].per_frame_ms + st[NP_STAGE_CROP].per_frame_ms) / crops / variant_cost(c, k->variant) : 0;
    c->frame_ms = st[NP_STAGE_TRACK].per_frame_ms + st[NP_STAGE_SMOOTH].per_frame_ms;
    c->read_ms = st[NP_STAGE_READ].per_frame_ms;
    c->emit_ms = st[NP_STAGE_EMIT].per_frame_ms;
    c->draw_ms = st[NP_STAGE_DRAW].mean_ms;
    /* How much is done at a time shows when frames are dropped: then the stages are never idle. */
    const int saturated = s->source_fps > 0 && s->processed_fps < .97 * s->source_fps;
    const double poses = st[NP_STAGE_POSE].per_frame_ms + st[NP_STAGE_CROP].per_frame_ms;
    const double wall = saturated ? 1000 / s->processed_fps - (lib - poses) : poses; /* what is left of a frame's time for them */
    c->parallel = wall > poses / at_least(threads, 1) ? at_least(poses / wall, 1) : at_least(threads, 1);
}
