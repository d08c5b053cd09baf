/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics as Prometheus text (version 0.0.4). The names mirror Frigate's where there is one (camera_fps, process_fps,
 * detection_fps, skipped_fps, detector_inference_speed_seconds, cpu_usage_percent, mem_usage_percent), so that dashboards carry over;
 * units are seconds and bytes otherwise, counters end in _total. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stats.h"

static void family(struct npi_outfile *o, const char *name, const char *type, const char *help) {
    const char *const line[] = { "# HELP nextpose_", name, " ", help, "\n# TYPE nextpose_", name, " ", type, "\n" };
    for (size_t i = 0; i < sizeof line / sizeof line[0]; i++) npi_out_str(o, line[i]);
}

/* Backslash, quote and newline are escaped; what is not ASCII is passed on (the format is UTF-8, our names are checked elsewhere). */
static void label(struct npi_outfile *o, const char *first, const char *name, const char *value) {
    npi_out_str(o, first);
    npi_out_str(o, name);
    npi_out_str(o, "=");
    npi_out_json_str(o, value ? value : ""); /* JSON's escapes of these three are the same; control characters do not come through opts */
}

static void value(struct npi_outfile *o, double v, int decimals) {
    npi_out_str(o, " ");
    npi_out_fixed(o, v, decimals, "NaN");
    npi_out_str(o, "\n");
}

static void sample(struct npi_outfile *o, const char *name, const char *label_name, const char *label_value, double v, int decimals) {
    npi_out_str(o, "nextpose_");
    npi_out_str(o, name);
    if (label_name) {
        label(o, "{", label_name, label_value);
        npi_out_str(o, "}");
    }
    value(o, v, decimals);
}

static void gauge(struct npi_outfile *o, const char *name, const char *help, double v, int decimals) {
    family(o, name, "gauge", help);
    sample(o, name, NULL, NULL, v, decimals);
}
static void counter(struct npi_outfile *o, const char *name, const char *help, int64_t v) {
    family(o, name, "counter", help);
    sample(o, name, NULL, NULL, (double)v, 0);
}

static void put_rates(struct npi_outfile *o, const struct np_stats *s) {
    gauge(o, "camera_fps", "Frames a second that the source offers.", s->source_fps, 2);
    gauge(o, "process_fps", "Frames a second that are handled.", s->processed_fps, 2);
    gauge(o, "displayed_fps", "Results a second that are given out.", s->displayed_fps, 2);
    gauge(o, "inferred_fps", "Frames a second on which the pose net ran for every person in view.", s->inferred_fps, 2);
    gauge(o, "detection_fps", "Detector runs a second.", npi_stats_detection_fps(s), 2);
    gauge(o, "skipped_fps", "Frames a second that are passed over.", npi_stats_skipped_fps(s), 2);
    family(o, "frames_total", "counter", "Frames since the start, by what became of them.");
    const struct { const char *name; int64_t n; } frames[] = {
        { "read", s->n_read }, { "dropped", s->n_dropped }, { "displayed", s->n_displayed }, { "processed", s->n_processed },
        { "inferred", s->n_inferred }, { "propagated", s->n_propagated }, { "late", s->n_late }, { "failed", s->n_failed },
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) sample(o, "frames_total", "state", frames[i].name, (double)frames[i].n, 0);
    counter(o, "inferences_total", "Runs of the pose net, one a person.", s->n_inferences);
    counter(o, "left_out_total", "Detections and poses left out, lest their frame come too late.", s->n_left_out);
    gauge(o, "persons_per_frame", "People in view, mean over the window.", s->persons_per_frame, 3);
    family(o, "delay_seconds", "gauge", "From capture to result, over the window.");
    const struct { const char *q; double ms; } delay[] = { { "0.5", s->delay_p50_ms }, { "0.95", s->delay_p95_ms }, { "0.99", s->delay_p99_ms },
                                                           { "1", s->delay_max_ms } };
    for (size_t i = 0; i < sizeof delay / sizeof delay[0]; i++) sample(o, "delay_seconds", "quantile", delay[i].q, delay[i].ms / 1000, 6);
    gauge(o, "delay_bound_seconds", "Bound on the delay that is in force, 0: none.", s->max_delay_ms / 1000, 4);
}

static void put_stages(struct npi_outfile *o, const struct np_stats *s) {
    gauge(o, "detector_inference_speed_seconds", "Mean time of one detector run.", s->stage[NP_STAGE_DETECT].mean_ms / 1000, 6);
    gauge(o, "pose_inference_speed_seconds", "Mean time of one run of the pose stage.", s->stage[NP_STAGE_POSE].mean_ms / 1000, 6);
    static const char *const name[] = { "stage_seconds", "stage_max_seconds", "stage_per_frame_seconds", "stage_wait_seconds", "stage_share" };
    static const char *const help[] = { "Mean time of one run of a stage.", "Longest run of a stage in the window.",
                                        "Time of a stage, a processed frame.", "Mean wait in the queue before a stage.",
                                        "Part of all work that a stage takes, 0 to 1." };
    for (int k = 0; k < 5; k++) {
        family(o, name[k], "gauge", help[k]);
        for (int i = 0; i < NP_STAGE_COUNT; i++) {
            const struct np_stage_stats *const t = &s->stage[i];
            const double v[] = { t->mean_ms / 1000, t->max_ms / 1000, t->per_frame_ms / 1000, t->wait_ms / 1000, t->share };
            sample(o, name[k], "stage", np_stage_name(i), v[k], 6);
        }
    }
    family(o, "stage_runs_total", "counter", "Runs of a stage since the start.");
    for (int i = 0; i < NP_STAGE_COUNT; i++) sample(o, "stage_runs_total", "stage", np_stage_name(i), (double)s->stage[i].runs, 0);
    family(o, "bottleneck", "gauge", "1 for what limits the rate; source: nothing can be gained here.");
    for (int i = 0; i < NP_STAGE_COUNT; i++) sample(o, "bottleneck", "stage", np_stage_name(i), s->bottleneck == i, 0);
    sample(o, "bottleneck", "stage", "source", s->bottleneck == -1, 0);
}

static void put_machine(struct npi_outfile *o, const struct np_stats *s) {
    gauge(o, "cpu_usage_percent", "Of the processors that this process may use, by this process.", 100 * s->cpu_share, 2);
    if (s->n_cores > 0) family(o, "cpu_core_usage_percent", "gauge", "Load of each core of the machine, by everybody.");
    for (int i = 0; i < s->n_cores && i < (int)(sizeof s->cpu_core / sizeof s->cpu_core[0]); i++) {
        char n[16];
        snprintf(n, sizeof n, "%d", i);
        sample(o, "cpu_core_usage_percent", "core", n, s->cpu_core[i] >= 0 ? 100 * s->cpu_core[i] : NAN, 1);
    }
    gauge(o, "mem_usage_percent", "Resident memory of this process, of what the machine or the cgroup has.", npi_stats_memory_percent(s), 3);
    gauge(o, "memory_bytes", "Resident memory of this process.", s->memory_mb * 1048576, 0);
    if (s->gpu_share >= 0) gauge(o, "gpu_usage_percent", "Load of the graphics processor.", 100 * s->gpu_share, 1);
    if (s->gpu_memory_mb >= 0) gauge(o, "gpu_memory_bytes", "Memory in use of the graphics processor.", s->gpu_memory_mb * 1048576, 0);
}

static void put_knobs(struct npi_outfile *o, const struct np_stats *s) {
    const struct np_knobs *const k = &s->knobs;
    const struct { const char *name; int v; } knobs[] = {
        { "frame_skip", k->frame_skip }, { "detection_freq", k->detection_freq }, { "detector_size", k->detector_size },
        { "batch_size", k->batch_size }, { "max_persons", k->max_persons }, { "draw_every", k->draw_every }, { "variant", k->variant },
        { "threads", s->threads }, { "pose_passes", s->pose_passes },
    };
    family(o, "knob", "gauge", "Settings that move while running, as they are now.");
    for (size_t i = 0; i < sizeof knobs / sizeof knobs[0]; i++) sample(o, "knob", "name", knobs[i].name, knobs[i].v, 0);
    family(o, "cache_hits_total", "counter", "Frames (detection) and people (pose) served from a cache.");
    sample(o, "cache_hits_total", "cache", "detection", (double)s->detection_hits, 0);
    sample(o, "cache_hits_total", "cache", "pose", (double)s->pose_hits, 0);
    family(o, "cache_misses_total", "counter", "Frames (detection) and people (pose) that needed a net.");
    sample(o, "cache_misses_total", "cache", "detection", (double)s->detection_misses, 0);
    sample(o, "cache_misses_total", "cache", "pose", (double)s->pose_misses, 0);
    counter(o, "cache_expired_total", "Entries dropped by their time-out.", s->cache_expired);
}

void npi_stats_prometheus(struct npi_outfile *o, const struct np_stats *s, const struct npi_stats_extra *x) {
    family(o, "info", "gauge", "What runs; the value is always 1.");
    npi_out_str(o, "nextpose_info");
    label(o, "{", "version", np_version());
    label(o, ",", "detector", x->detector);
    label(o, ",", "model", x->model);
    label(o, ",", "backend_detector", s->backend_detector);
    label(o, ",", "backend_pose", s->backend_pose);
    label(o, ",", "preset", x->preset);
    npi_out_str(o, "} 1\n");
    gauge(o, "uptime_seconds", "Since the run was started.", s->uptime_s, 3);
    put_rates(o, s);
    put_stages(o, s);
    put_knobs(o, s);
    put_machine(o, s);
    gauge(o, "source_up", "1: the source delivers; 0: it is lost or at its end.", !x->source_lost && !x->ended, 0);
    counter(o, "source_reconnects_total", "Times that a lost source came back.", x->n_reconnects);
    counter(o, "outputs_dropped_total", "Results and pictures left out because an output was too slow (live mode).", x->n_out_dropped);
    counter(o, "backend_switches_total", "Switches of runtime.", s->n_switches);
    gauge(o, "viewers", "People who watch the web view.", x->n_viewers, 0);
}
