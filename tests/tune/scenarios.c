/* SPDX-License-Identifier: Apache-2.0 */
/* See scenarios.h. The costs are those of the default nets on two cores (docs/performance.md): detector 4.2 ms at 320 on both, a pose 9 ms on one. */
#include "scenarios.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct npi_controller_params scenario_params(int preset, int threads) {
    struct npi_preset p;
    struct npi_controller_params q;
    const int r = npi_preset_builtin(&p, preset, 1, NULL);
    assert(r == 0);
    (void)r;
    p.v[NPI_KEY_THREADS].start = threads;
    npi_controller_params_from(&q, &p);
    static const int sizes[] = { 256, 320, 384, 416, 512, 640 };
    memcpy(q.sizes, sizes, sizeof sizes);
    q.n_sizes = 6;
    q.n_variants = 3;
    q.variant_cost[0] = 1;
    q.variant_cost[1] = .6;
    q.variant_cost[2] = .35;
    q.variant.hi = p.v[NPI_KEY_VARIANT].hi < 2 ? (int)p.v[NPI_KEY_VARIANT].hi : 2;
    return q;
}

static double few_many_few(double t) { return t < 10 ? 1 : t < 25 ? 12 : 2; }
static double two_six(double t) { return fmod(t, 4) < 2 ? 2 : 8; }
static double stairs(double t) { return 1 + floor(t / 3) < 12 ? 1 + floor(t / 3) : 12; }
static double four(double t) { return 4; }
static double six(double t) { return 6; }
static double three_times_later(double t) { return t < 10 ? 1 : t < 25 ? 3 : 1; }
static double ramp(double t) { return t < 5 ? 1 : t < 25 ? 1 + (t - 5) / 10 : 3; }
static double spike(double t) { return (t >= 12 && t < 12.2) || (t >= 20 && t < 20.15) ? 6 : 1; }
static double core_gone(double t) { return t < 10 ? 1 : t < 25 ? 1.9 : 1; }
/* A busy loop beside two threads: a slice of the scheduler's here, one there; and one that begins alone and gets company. */
static double burner(double t) {
    if (t < 10 || t >= 20) return 1;
    unsigned h = (unsigned)(t / .4) * 2654435761u;
    h ^= h >> 15;
    return 2 + 2 * ((h >> 8 & 1023) / 1023.);
}
static double two_steps(double t) { return t < 10 || t >= 20 ? 1 : t < 12 ? 2 : 4; }
static double wave(double t) { return 1.6 + .8 * sin(t * 2 * 3.14159265 / 3); }

#define MACHINE .source_fps = 30, .detect_ms = 4.2, .crop_ms = 9, .frame_ms = .3, .parallel = 1.7, .noise = .1

/* Models as heavy as EfficientDet-Lite0 and BlazePose full on two busy cores. */
#define HEAVY .source_fps = 30, .frame_ms = .3, .parallel = 1.7, .noise = .15, .persons = four

static const struct { const char *name, *what; int preset; double slower, seconds; struct sim sim; int max_persons; } list[] = {
    { "steady", "four people, nothing happens", NP_PRESET_BALANCED, 1, 30, { MACHINE, .persons = four } },
    { "crowd", "1 person, from 10 s on 12, from 25 s on 2", NP_PRESET_BALANCED, 1.5, 40, { MACHINE, .persons = few_many_few } },
    { "stairs", "one person more every three seconds, to 12", NP_PRESET_BALANCED, 1, 45, { MACHINE, .persons = stairs } },
    { "step", "four people; from 10 to 25 s everything takes three times as long", NP_PRESET_BALANCED, 1, 40,
      { MACHINE, .persons = four, .slowness = three_times_later } },
    { "ramp", "four people; costs grow threefold over 20 s", NP_PRESET_BALANCED, 1, 40, { MACHINE, .persons = four, .slowness = ramp } },
    { "spike", "four people; two spikes of 0.2 s", NP_PRESET_BALANCED, 1, 30, { MACHINE, .persons = four, .slowness = spike } },
    { "core", "four people; one of two cores is taken away from 10 to 25 s", NP_PRESET_BALANCED, 1.6, 40,
      { MACHINE, .persons = four, .slowness = core_gone } },
    { "come-and-go", "2 and 8 people in turn, two seconds each", NP_PRESET_BALANCED, 1.6, 60, { MACHINE, .persons = two_six } },
    { "wave", "four people; costs swing by half, three seconds a swing", NP_PRESET_BALANCED, 1.2, 60,
      { MACHINE, .persons = four, .slowness = wave } },
    { "restless", "six people, tracks that ask for two thirds of all detections out of turn", NP_PRESET_BALANCED, 2, 30,
      { MACHINE, .persons = six, .unplanned = .66 } },
    { "burner", "--max-persons 4, heavy nets; from 10 to 20 s costs are two to four times as high, another factor every 0.4 s", NP_PRESET_BALANCED, 1,
      45, { HEAVY, .detect_ms = 10, .crop_ms = 25, .slowness = burner }, 4 },
    { "two-steps", "--max-persons 4, heavy nets; from 10 s costs are twice, from 12 to 20 s four times as high", NP_PRESET_BALANCED, 1, 45,
      { HEAVY, .detect_ms = 18, .crop_ms = 18, .slowness = two_steps }, 4 },
    { "fast", "high_performance, four people", NP_PRESET_HIGH_PERFORMANCE, 1, 30, { MACHINE, .persons = four } },
    { "best", "quality, four people", NP_PRESET_QUALITY, 1, 30, { MACHINE, .persons = four } },
    { "thrifty", "efficiency, four people", NP_PRESET_EFFICIENCY, 1, 30, { MACHINE, .persons = four } },
    { "hopeless", "four people on a machine twelve times too slow", NP_PRESET_BALANCED, 12, 30, { MACHINE, .persons = four } },
};

const struct scenario *scenario_at(int i) {
    static struct scenario s;
    if (i < 0 || i >= (int)(sizeof list / sizeof *list)) return NULL;
    s.name = list[i].name;
    s.what = list[i].what;
    s.seconds = list[i].seconds;
    s.sim = list[i].sim;
    s.sim.detect_ms *= list[i].slower;
    s.sim.crop_ms *= list[i].slower;
    s.params = scenario_params(list[i].preset, 2);
    if (list[i].max_persons) s.params.max_persons = (struct npi_range){ s.params.start.max_persons = list[i].max_persons, list[i].max_persons };
    return &s;
}

const struct scenario *scenario_find(const char *name) {
    const struct scenario *s;
    for (int i = 0; (s = scenario_at(i)); i++)
        if (!strcmp(s->name, name)) return s;
    return NULL;
}
