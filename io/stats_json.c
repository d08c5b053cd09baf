/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics as one JSON object. Keys are only ever added; docs/monitoring.md describes each. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <time.h>

#include "stats.h"

static void key(struct npi_outfile *o, int first, const char *name) {
    if (!first) npi_out_str(o, ",");
    npi_out_json_str(o, name);
    npi_out_str(o, ":");
}
static void num(struct npi_outfile *o, int first, const char *name, double v, int decimals) {
    key(o, first, name);
    npi_out_fixed(o, v, decimals, "null");
}
static void whole(struct npi_outfile *o, int first, const char *name, int64_t v) {
    key(o, first, name);
    npi_out_int(o, v);
}
static void text(struct npi_outfile *o, int first, const char *name, const char *v) {
    key(o, first, name);
    npi_out_json_str(o, v && *v ? v : NULL);
}

static void put_now(struct npi_outfile *o) {
    struct timespec t;
    struct tm tm;
    char day[32], b[48];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(b, sizeof b, "%s.%03ldZ", day, t.tv_nsec / 1000000);
    npi_out_json_str(o, b);
}

static void put_stages(struct npi_outfile *o, const struct np_stats *s) {
    key(o, 0, "stages");
    for (int i = 0; i < NP_STAGE_COUNT; i++) {
        const struct np_stage_stats *const t = &s->stage[i];
        npi_out_str(o, i ? "," : "{");
        key(o, 1, np_stage_name(i));
        npi_out_str(o, "{");
        num(o, 1, "mean_ms", t->mean_ms, 3);
        num(o, 0, "max_ms", t->max_ms, 3);
        num(o, 0, "per_frame_ms", t->per_frame_ms, 3);
        num(o, 0, "wait_ms", t->wait_ms, 3);
        num(o, 0, "share", t->share, 4);
        whole(o, 0, "runs", t->runs);
        npi_out_str(o, "}");
    }
    npi_out_str(o, "}");
    text(o, 0, "bottleneck", npi_stats_bottleneck(s));
}

static void put_cache(struct npi_outfile *o, int first, const char *name, int64_t hits, int64_t misses) {
    key(o, first, name);
    npi_out_str(o, "{");
    whole(o, 1, "hits", hits);
    whole(o, 0, "misses", misses);
    num(o, 0, "rate", hits + misses > 0 ? (double)hits / (double)(hits + misses) : NAN, 4);
    npi_out_str(o, "}");
}

static void put_machine(struct npi_outfile *o, const struct np_stats *s) {
    key(o, 0, "cpu");
    npi_out_str(o, "{");
    num(o, 1, "share", s->cpu_share, 4);
    key(o, 0, "cores");
    npi_out_str(o, "[");
    for (int i = 0; i < s->n_cores && i < (int)(sizeof s->cpu_core / sizeof s->cpu_core[0]); i++) {
        if (i) npi_out_str(o, ",");
        npi_out_fixed(o, s->cpu_core[i] >= 0 ? s->cpu_core[i] : NAN, 3, "null");
    }
    npi_out_str(o, "]}");
    key(o, 0, "memory");
    npi_out_str(o, "{");
    num(o, 1, "resident_mb", s->memory_mb > 0 ? s->memory_mb : NAN, 1);
    num(o, 0, "percent", npi_stats_memory_percent(s), 2);
    npi_out_str(o, "}");
    key(o, 0, "gpu");
    if (s->gpu_share < 0 && s->gpu_memory_mb < 0) npi_out_str(o, "null");
    else {
        npi_out_str(o, "{");
        num(o, 1, "share", s->gpu_share >= 0 ? s->gpu_share : NAN, 4);
        num(o, 0, "memory_mb", s->gpu_memory_mb >= 0 ? s->gpu_memory_mb : NAN, 1);
        npi_out_str(o, "}");
    }
}

static void put_knobs(struct npi_outfile *o, const struct np_stats *s, const struct npi_stats_extra *x) {
    const struct np_knobs *const k = &s->knobs;
    text(o, 0, "preset", x->preset);
    key(o, 0, "knobs");
    npi_out_str(o, "{");
    whole(o, 1, "frame_skip", k->frame_skip);
    whole(o, 0, "detection_freq", k->detection_freq);
    whole(o, 0, "detector_size", k->detector_size);
    whole(o, 0, "batch_size", k->batch_size);
    whole(o, 0, "max_persons", k->max_persons);
    whole(o, 0, "draw_every", k->draw_every);
    whole(o, 0, "variant", k->variant);
    whole(o, 0, "threads", s->threads);
    whole(o, 0, "pose_passes", s->pose_passes);
    text(o, 0, "smooth", s->smooth);
    npi_out_str(o, "}");
    text(o, 0, "last_move", s->last_move);
    key(o, 0, "suggestions");
    npi_out_str(o, "[");
    for (int i = 0; i < s->n_suggestions && i < NP_MAX_SUGGESTIONS; i++) {
        npi_out_str(o, i ? ",{" : "{");
        text(o, 1, "text", s->suggestion[i].text);
        text(o, 0, "flag", s->suggestion[i].flag);
        num(o, 0, "gain", s->suggestion[i].gain, 3);
        npi_out_str(o, "}");
    }
    npi_out_str(o, "]");
}

static void put_rates(struct npi_outfile *o, const struct np_stats *s) {
    key(o, 0, "fps");
    npi_out_str(o, "{");
    num(o, 1, "source", s->source_fps, 2);
    num(o, 0, "displayed", s->displayed_fps, 2);
    num(o, 0, "processed", s->processed_fps, 2);
    num(o, 0, "inferred", s->inferred_fps, 2);
    num(o, 0, "detection", npi_stats_detection_fps(s), 2);
    num(o, 0, "skipped", npi_stats_skipped_fps(s), 2);
    npi_out_str(o, "}");
    key(o, 0, "frames");
    npi_out_str(o, "{");
    whole(o, 1, "read", s->n_read);
    whole(o, 0, "dropped", s->n_dropped);
    whole(o, 0, "displayed", s->n_displayed);
    whole(o, 0, "processed", s->n_processed);
    whole(o, 0, "inferred", s->n_inferred);
    whole(o, 0, "propagated", s->n_propagated);
    whole(o, 0, "late", s->n_late);
    whole(o, 0, "failed", s->n_failed);
    npi_out_str(o, "}");
    whole(o, 0, "inferences", s->n_inferences);
    whole(o, 0, "left_out", s->n_left_out);
    num(o, 0, "persons_per_frame", s->persons_per_frame, 3);
    key(o, 0, "delay_ms");
    npi_out_str(o, "{");
    num(o, 1, "p50", s->delay_p50_ms, 2);
    num(o, 0, "p95", s->delay_p95_ms, 2);
    num(o, 0, "p99", s->delay_p99_ms, 2);
    num(o, 0, "max", s->delay_max_ms, 2);
    num(o, 0, "bound", s->max_delay_ms > 0 ? s->max_delay_ms : NAN, 1);
    npi_out_str(o, "}");
}

void npi_stats_json(struct npi_outfile *o, const struct np_stats *s, const struct npi_stats_extra *x) {
    npi_out_str(o, "{\"time\":");
    put_now(o);
    num(o, 0, "uptime_s", s->uptime_s, 3);
    num(o, 0, "window_s", s->window_s, 3);
    put_rates(o, s);
    put_stages(o, s);
    put_knobs(o, s, x);
    key(o, 0, "cache");
    npi_out_str(o, "{");
    put_cache(o, 1, "detection", s->detection_hits, s->detection_misses);
    put_cache(o, 0, "pose", s->pose_hits, s->pose_misses);
    whole(o, 0, "expired", s->cache_expired);
    npi_out_str(o, "}");
    put_machine(o, s);
    key(o, 0, "backend");
    npi_out_str(o, "{");
    text(o, 1, "detector", s->backend_detector);
    text(o, 0, "pose", s->backend_pose);
    whole(o, 0, "switches", s->n_switches);
    npi_out_str(o, "}");
    key(o, 0, "source");
    npi_out_str(o, "{");
    text(o, 1, "input", x->input);
    text(o, 0, "state", x->ended ? "ended" : x->source_lost ? "lost" : "ok");
    whole(o, 0, "reconnects", x->n_reconnects);
    npi_out_str(o, "}");
    key(o, 0, "outputs");
    npi_out_str(o, "{");
    whole(o, 1, "dropped", x->n_out_dropped);
    npi_out_str(o, "}");
    whole(o, 0, "viewers", x->n_viewers);
    npi_out_str(o, "}");
}
