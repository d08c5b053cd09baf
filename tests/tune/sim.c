/* SPDX-License-Identifier: Apache-2.0 */
/* See sim.h. */
#include "sim.h"

#include "tune/pace.h"

#include <math.h>
#include <string.h>

#define EARLY 4 /* as in pipe/queue.c */

static double uniform(unsigned *seed) { /* xorshift, 0..1 */
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return (*seed >> 8) / 16777216.;
}

/* Mean 1, spread about `noise`, with the long upper tail that real stages have. */
static double noisy(struct sim *s) {
    if (s->noise <= 0) return 1;
    double u = 0;
    for (int i = 0; i < 4; i++) u += uniform(&s->seed);
    const double v = 1 + (u - 2) * 1.7 * s->noise;
    return (v < .3 ? .3 : v) * (uniform(&s->seed) < .01 ? 1 + 2 * s->noise : 1);
}

/* Would work that begins `ms` from now still come in time? */
static int fits(const struct sim *s, const struct npi_pace *p, double now, double ms, int64_t deadline) {
    return !s->pace || npi_pace_fits(p, (int64_t)((now + ms / 1000) * 1e9), deadline);
}

static void note(struct npi_pace *p, double now, double ms, double took_ms) {
    npi_pace_note(p, (int64_t)((now + (ms + took_ms) / 1000) * 1e9), (int64_t)(took_ms * 1e6));
}

static int starts(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

void sim_run(struct sim *s, const struct npi_controller_params *p, double seconds) {
    struct npi_controller c;
    struct npi_load l = { 0 };
    struct np_knobs k = p->start;
    const double interval = 1 / s->source_fps, every = s->tick_s > 0 ? s->tick_s : .2;
    double now = 0, next_tick = 0;
    int64_t next = 0, handled = 0, since_detect = 1 << 20, since_pose = 1 << 20;
    double before = 0, inferred = 0, detected = -1e9, posed = -1e9; /* when; what is older than its time-out is done anew */
    int seen = 0;
    struct npi_pace detect_pace = { 0 }, pose_pace = { 0 };
    struct npi_credit credit = { 0 };
    if (!s->seed) s->seed = 1;
    if (!(s->split > 0)) s->split = .9 * s->parallel;
    npi_controller_init(&c, p);
    while (now < seconds) {
        const int64_t newest = (int64_t)floor(now / interval + 1e-9);
        if (newest < next) { /* wait for the next one */
            now = (double)next * interval;
            continue;
        }
        const double arrived = (double)newest * interval;
        l.n_offered = newest + 1;
        next = newest + 1;
        const double slow = s->slowness ? s->slowness(now) : 1, side = (double)k.detector_size / NPI_TUNE_REF_SIZE;
        const int64_t deadline = npi_pace_deadline((int64_t)(arrived * 1e9), (int64_t)(arrived * 1e9), p->max_delay_ms);
        double ms = s->frame_ms * slow * noisy(s);
        l.stage_ms[NP_STAGE_TRACK] += ms;
        l.stage_runs[NP_STAGE_TRACK]++;
        since_detect++;
        const int stale = p->detection_timeout_s > 0 && arrived - detected > p->detection_timeout_s;
        const int poses_due = since_pose + 1 >= k.frame_skip || (p->pose_timeout_s > 0 && arrived - posed > p->pose_timeout_s);
        const int behind = seen > 0 && poses_due && !stale && k.detection_freq > 1; /* comes behind the poses, as in the pipe */
        const int early = behind && (arrived - before) * EARLY <= p->detection_timeout_s && 2 * arrived - before - detected > p->detection_timeout_s;
        const int detect_fits = behind || fits(s, &detect_pace, now, ms, deadline);
        double after = 0;
        before = arrived;
        if (p->has_detector && detect_fits && (since_detect >= k.detection_freq || stale || early || (s->unplanned > 0 && uniform(&s->seed) < s->unplanned))) {
            detected = arrived;
            const double d = s->detect_ms * side * side * slow * noisy(s);
            since_detect = 0;
            l.stage_ms[NP_STAGE_DETECT] += d;
            l.stage_runs[NP_STAGE_DETECT]++;
            if (behind) after = d;
            else {
                note(&detect_pace, now, ms, d);
                ms += d;
                seen = (int)(s->persons ? s->persons(now) : 1);
            }
        }
        const int n = seen < k.max_persons ? seen : k.max_persons;
        int crops = 0, left = 0;
        since_pose++;
        if (since_pose >= k.frame_skip || (p->pose_timeout_s > 0 && arrived - posed > p->pose_timeout_s)) {
            posed = arrived;
            since_pose = 0;
            crops = k.pose_budget > 0 && k.pose_budget < n ? k.pose_budget : n;
            const double each = s->crop_ms * (p->variant_cost[k.variant] > 0 ? p->variant_cost[k.variant] : 1) * slow;
            const int split = crops == 1 && p->threads > 1; /* over all threads; several: a thread each */
            for (int i = 0; i < crops; i++) {
                if (!fits(s, &pose_pace, now, ms, deadline)) {
                    left = crops - i;
                    crops = i;
                    break;
                }
                const double d = each * noisy(s) / (split ? s->split : 1), wall = d / (split ? 1 : s->parallel);
                note(&pose_pace, now, ms, wall);
                l.stage_ms[NP_STAGE_POSE] += d;
                l.stage_runs[NP_STAGE_POSE]++;
                ms += wall;
            }
            l.n_inferences += crops;
        }
        const double wall = ms;
        l.busy_ms += wall + after;
        double caller = 0;
        if (s->draw_ms > 0 && handled % k.draw_every == 0) {
            caller = s->draw_ms * slow * noisy(s);
            l.stage_ms[NP_STAGE_DRAW] += caller;
            l.stage_runs[NP_STAGE_DRAW]++;
        }
        now += wall / 1000; /* the result is out; what the caller does with it takes its part of the processors from the next frame */
        const double delay = (now - arrived) * 1000;
        if (crops || now < 3) inferred = now;
        else if (now - inferred > s->pose_gap) s->pose_gap = now - inferred;
        now += caller / 1000 / (p->threads > 0 ? p->threads : 1);
        if (after > 0) {
            note(&detect_pace, now, 0, after);
            now += after / 1000;
            seen = (int)(s->persons ? s->persons(now) : 1);
        }
        handled++;
        l.n_processed++;
        l.n_persons += n;
        if (delay > l.delay_max_ms) l.delay_max_ms = delay;
        const int passed = s->pace && npi_credit_pass_over(&credit, p->max_delay_ms > 0 && delay > p->max_delay_ms);
        s->n_passed += passed;
        if (!passed && s->n_frames < (int)(sizeof s->frame / sizeof *s->frame)) {
            s->frame[s->n_frames].t = now;
            s->frame[s->n_frames].delay_ms = delay;
            s->frame[s->n_frames].persons = n;
            s->frame[s->n_frames].left = left;
            s->frame[s->n_frames++].crops = crops;
        }
        while (next_tick <= now) {
            char reason[160] = "";
            const struct np_knobs was = k;
            const double was_share = c.share;
            int told = 0;
            l.n_offered = (int64_t)floor(next_tick / interval) + 1 > l.n_offered ? (int64_t)floor(next_tick / interval) + 1 : l.n_offered;
            if (!s->no_control) told = npi_controller_tick(&c, (int64_t)(next_tick * 1e9), &l, &k, reason);
            l.delay_max_ms = 0;
            if (told && s->n_moves < (int)(sizeof s->move / sizeof *s->move)) {
                s->move[s->n_moves].t = next_tick;
                s->move[s->n_moves].was = was;
                s->move[s->n_moves].k = k;
                s->move[s->n_moves].was_share = was_share;
                s->move[s->n_moves].share = c.share;
                s->move[s->n_moves].kind = starts(reason, "first look") ? FIRST_LOOK : starts(reason, "late") ? LATE : starts(reason, "room") ? ROOM
                    : starts(reason, "delay bound") ? BOUND : COMFORT;
                memcpy(s->move[s->n_moves++].reason, reason, sizeof reason);
            }
            if (s->n_ticks < (int)(sizeof s->tick / sizeof *s->tick)) {
                s->tick[s->n_ticks].t = next_tick;
                s->tick[s->n_ticks].share = c.share;
                s->tick[s->n_ticks].told = told;
                s->tick[s->n_ticks++].k = k;
            }
            next_tick += every;
        }
    }
}

double sim_fps(const struct sim *s, double from, double to) {
    int n = 0;
    for (int i = 0; i < s->n_frames; i++) n += s->frame[i].t >= from && s->frame[i].t < to;
    return n / (to - from);
}

int sim_moves(const struct sim *s, double from, double to) {
    int n = 0;
    for (int i = 0; i < s->n_moves; i++) n += s->move[i].t >= from && s->move[i].t < to;
    return n;
}

int sim_late(const struct sim *s, double from, double to) {
    int n = 0;
    for (int i = 0; i < s->n_moves; i++) n += s->move[i].t >= from && s->move[i].t < to && (s->move[i].kind == LATE || s->move[i].kind == FIRST_LOOK);
    return n;
}

double sim_delay(const struct sim *s, double from, double to) {
    double v = 0;
    for (int i = 0; i < s->n_frames; i++)
        if (s->frame[i].t >= from && s->frame[i].t < to && s->frame[i].delay_ms > v) v = s->frame[i].delay_ms;
    return v;
}

int sim_over(const struct sim *s, double from, double to, double ms) {
    int n = 0;
    for (int i = 0; i < s->n_frames; i++) n += s->frame[i].t >= from && s->frame[i].t < to && s->frame[i].delay_ms > ms;
    return n;
}

const struct np_knobs *sim_at(const struct sim *s, double t) {
    int i = 0;
    while (i + 1 < s->n_ticks && s->tick[i + 1].t <= t) i++;
    return &s->tick[i].k;
}
