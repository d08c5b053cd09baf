/* SPDX-License-Identifier: Apache-2.0 */
/* See measure.h. What the controller believes: medians of the last ticks, so that a spike is not believed. */
#include "tune/measure.h"

void npi_ring_push(struct npi_ring *r, double v) {
    r->v[r->at] = v;
    r->at = (r->at + 1) % NPI_TUNE_RING;
    if (r->n < NPI_TUNE_RING) r->n++;
}

double npi_ring_median(const struct npi_ring *r) {
    double s[NPI_TUNE_RING];
    for (int i = 0; i < r->n; i++) {
        int k = i;
        for (; k > 0 && s[k - 1] > r->v[i]; k--) s[k] = s[k - 1];
        s[k] = r->v[i];
    }
    return !r->n ? 0 : r->n % 2 ? s[r->n / 2] : (s[r->n / 2 - 1] + s[r->n / 2]) / 2;
}

double npi_ring_cautious(const struct npi_ring *r, double sign) {
    const double m = npi_ring_median(r);
    if (r->n < 2) return m;
    const double a = r->v[(r->at + NPI_TUNE_RING - 1) % NPI_TUNE_RING], b = r->v[(r->at + NPI_TUNE_RING - 2) % NPI_TUNE_RING];
    const double both = sign * a < sign * b ? a : b;
    return sign * both > sign * m ? both : m;
}

static double most(const struct npi_ring *r) {
    double v = 0;
    for (int i = 0; i < r->n; i++) v = r->v[i] > v ? r->v[i] : v;
    return v;
}

static double mean(const struct npi_ring *r) {
    double v = 0;
    for (int i = 0; i < r->n; i++) v += r->v[i];
    return r->n ? v / r->n : 0;
}

double npi_ring_least_of_last(const struct npi_ring *r, int n) {
    double v = r->v[(r->at + NPI_TUNE_RING - 1) % NPI_TUNE_RING];
    for (int i = 2; i <= n && i <= r->n; i++) {
        const double w = r->v[(r->at + NPI_TUNE_RING - i) % NPI_TUNE_RING];
        v = w < v ? w : v;
    }
    return v;
}

static double stage(const struct npi_load *a, const struct npi_load *b, int s) { return b->stage_ms[s] - a->stage_ms[s]; }

static void push_run(struct npi_ring *r, const struct npi_load *a, const struct npi_load *b, int s, double factor) {
    const int64_t runs = b->stage_runs[s] - a->stage_runs[s];
    if (runs > 0) npi_ring_push(r, stage(a, b, s) / (double)runs * factor);
}

/* Rates over about a second, and never over a move: what came before it says nothing about now. */
void npi_controller_measure_rate(struct npi_controller *c, int64_t now, const struct npi_load *l) {
    c->mark[c->at_mark] = (struct npi_mark){ now, l->n_offered, l->n_processed };
    c->at_mark = (c->at_mark + 1) % NPI_TUNE_MARKS;
    if (c->n_marks < NPI_TUNE_MARKS) c->n_marks++;
    c->fps_window_s = 0;
    for (int i = 2; i <= c->n_marks; i++) {
        const struct npi_mark *const m = &c->mark[(c->at_mark - i + 2 * NPI_TUNE_MARKS) % NPI_TUNE_MARKS];
        const double s = npi_since_s(now, m->ns);
        if (c->moved_ns >= 0 && m->ns < c->moved_ns) break;
        c->fps_window_s = s;
        c->fps = (double)(l->n_processed - m->n_processed) / s;
        if (s >= 1) break;
    }
    for (int i = 2; i <= c->n_marks; i++) { /* the source does not care about moves */
        const struct npi_mark *const m = &c->mark[(c->at_mark - i + 2 * NPI_TUNE_MARKS) % NPI_TUNE_MARKS];
        const double s = npi_since_s(now, m->ns);
        c->cost.source_fps = (double)(l->n_offered - m->n_offered) / s;
        if (s >= 1) break;
    }
}

/* A person alone and several at once are worked on differently, so one says little about the other. What was not measured lately is brought up to
 * date by the detector, whose costs are always at hand; what never was is guessed from the other. */
static void set_pose_cost(struct npi_controller *c, double crop, double single) {
    const double threads = c->p.threads > 1 ? c->p.threads : 1, detect = npi_ring_median(&c->detect);
    const double aged = c->crop_detect_ms > 0 && detect > 0 && c->single.n ? detect / c->crop_detect_ms : 1;
    c->cost.single_ms = c->single.n ? single : 0;
    c->cost.crop_ms = c->crop.n ? crop * (aged < .5 ? .5 : aged > 2 ? 2 : aged) : 1.3 * single;
    c->cost.parallel = c->parallel.n ? npi_ring_median(&c->parallel) : c->crop.n ? 1 : .8 * threads > 1 ? .8 * threads : 1;
}

void npi_controller_measure(struct npi_controller *c, int64_t now, const struct npi_load *l) {
    const struct npi_load *const a = &c->last;
    const int size = l->told_in_use ? l->detector_size : c->k.detector_size, v = l->told_in_use ? l->variant : c->k.variant;
    const double side = size > 0 ? (double)NPI_TUNE_REF_SIZE / size : 0;
    /* Frames that were inside at a move belong to the old size or net; the first tick after it is passed over. */
    if (c->fresh_detect) push_run(&c->detect, a, l, NP_STAGE_DETECT, side * side);
    c->fresh_detect = 1;
    const int64_t crops = l->n_inferences - a->n_inferences, frames = l->n_processed - a->n_processed;
    const double variant = v > 0 && v < NPI_TUNE_MAX_VARIANTS && c->p.variant_cost[v] > 0 ? c->p.variant_cost[v] : 1;
    const double poses = stage(a, l, NP_STAGE_POSE) + stage(a, l, NP_STAGE_CROP), several =
        (double)crops * c->k.frame_skip / (frames > 0 ? (double)frames : 1);
    if (crops > 0 && c->fresh_crop) {
        if (several < 1.5 && c->p.threads > 1) npi_ring_push(&c->single, poses / (double)crops / variant);
        else {
            npi_ring_push(&c->crop, poses / (double)crops / variant);
            c->crop_detect_ms = c->detect.n >= 3 ? npi_ring_median(&c->detect) : 0; /* one look at the detector says too little to compare with */
        }
    }
    c->fresh_crop = 1;
    push_run(&c->read, a, l, NP_STAGE_READ, 1);
    push_run(&c->draw, a, l, NP_STAGE_DRAW, 1);
    push_run(&c->emit, a, l, NP_STAGE_EMIT, 1);
    if (frames > 0) {
        npi_ring_push(&c->frame, (stage(a, l, NP_STAGE_TRACK) + stage(a, l, NP_STAGE_SMOOTH)) / (double)frames);
        npi_ring_push(&c->persons, (double)(l->n_persons - a->n_persons) / (double)frames);
        npi_ring_push(&c->delay, l->delay_max_ms);
        const double freq = c->k.detection_freq, runs = (double)(l->stage_runs[NP_STAGE_DETECT] - a->stage_runs[NP_STAGE_DETECT]) / (double)frames;
        if (freq > 1 && c->moved_ns < c->last_ns) npi_ring_push(&c->unplanned, (runs - 1 / freq) / (1 - 1 / freq));
    }
    const double rest = stage(a, l, NP_STAGE_DETECT) + stage(a, l, NP_STAGE_TRACK) + stage(a, l, NP_STAGE_SMOOTH), busy = l->busy_ms - a->busy_ms;
    const double top = c->p.threads > 1 ? c->p.threads : 1, wall = busy - rest > poses / top ? busy - rest : poses / top;
    if (busy >= 1 && crops > 0 && (several >= 1.5 || top == 1)) npi_ring_push(&c->parallel, poses / wall < .2 ? .2 : poses / wall);
    c->cost.detect_ms = npi_ring_median(&c->detect);
    set_pose_cost(c, npi_ring_median(&c->crop), npi_ring_median(&c->single));
    c->cost.frame_ms = npi_ring_median(&c->frame);
    c->cost.read_ms = npi_ring_median(&c->read);
    c->cost.draw_ms = npi_ring_median(&c->draw);
    c->cost.emit_ms = npi_ring_median(&c->emit);
    c->cost.persons = most(&c->persons);
    const double u = mean(&c->unplanned);
    c->cost.unplanned = u < .1 ? 0 : u > 1 ? 1 : u;
    npi_controller_measure_rate(c, now, l);
}
