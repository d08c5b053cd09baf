/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and preset names. */
#include "nextpose/settings.h"
#include "backend/isolate.h"
#include "cpu/cpu.h"
#include "pipe/models.h"
#include "tune/hardware.h"
#include "tune/preset.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

void np_settings_default(struct np_settings *s) {
    *s = (struct np_settings){ .preset = NP_PRESET_BALANCED, .mode = NP_MODE_FILE, .bbox_thr = -1, .nms_thr = -1, .kpt_thr = -1, .detection_timeout_s = -1, .pose_timeout_s = -1, .target_fps = -1,
                               .max_delay_ms = -1, .adapt = -1 };
}

static const struct { const char *name; int preset; } names[] = {
    { "balanced", NP_PRESET_BALANCED },     { "high_performance", NP_PRESET_HIGH_PERFORMANCE }, { "efficiency", NP_PRESET_EFFICIENCY },
    { "quality", NP_PRESET_QUALITY },       { "ultra_fast", NP_PRESET_HIGH_PERFORMANCE },       { "speed_balanced", NP_PRESET_BALANCED },
    { "quality_focused", NP_PRESET_QUALITY },
};

const char *np_preset_name(int preset) {
    for (size_t i = 0; i < 4; i++)
        if (names[i].preset == preset) return names[i].name;
    return NULL;
}

int np_preset_from_name(const char *name) {
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].name, name)) return names[i].preset;
    return -1;
}

typedef void (*line_fn)(void *, const char *, const char *, const char *, const char *);

static void threshold(line_fn line, void *opaque, const char *name, float set, int known, float card, const char *net, const char *nobody) {
    char value[32], from[160];
    if (set < 0 && *nobody) line(opaque, name, "none", "", nobody);
    else if (set < 0 && !known) line(opaque, name, "of the card", "", "read when the model is opened");
    else {
        snprintf(value, sizeof value, "%g", (double)(set >= 0 ? set : card));
        snprintf(from, sizeof from, "card of %.120s", net);
        line(opaque, name, value, "", set >= 0 ? "asked for" : from);
    }
}

/* Which nets, and what their cards say; nothing is opened. */
static void explain_nets(const struct np_settings *s, line_fn line, void *opaque) {
    const char *const det = s->detector ? s->detector : NPI_DEFAULT_DETECTOR;
    const char *pose = s->model ? s->model : NPI_DEFAULT_POSE, *why = "default";
    struct npi_card d, p;
    const int no_det = !strcmp(det, "none"), d_known = !no_det && npi_net_card(&d, det);
    const int joints_of_det = d_known && d.task == NPI_TASK_POSE_MULTI;
    if (joints_of_det && !s->model) pose = "none", why = "the detector finds joints by itself"; /* as open_nets does */
    const int no_pose = !strcmp(pose, "none"), p_known = !no_pose && npi_net_card(&p, pose);
    line(opaque, "detector", det, "", s->detector ? "asked for" : "default");
    line(opaque, "model", pose, "", s->model ? "asked for" : why);
    threshold(line, opaque, "bbox_thr", s->bbox_thr, d_known, d_known ? d.bbox_thr : 0, det, no_det ? "there is no detector" : "");
    threshold(line, opaque, "nms_thr", s->nms_thr, d_known, d_known ? d.nms_thr : 0, det, no_det ? "there is no detector" : "");
    threshold(line, opaque, "kpt_thr", s->kpt_thr, no_pose ? d_known : p_known, no_pose ? d_known ? d.kpt_thr : 0 : p_known ? p.kpt_thr : 0, no_pose ? det : pose,
              no_pose && (no_det || (d_known && !joints_of_det)) ? "no net finds joints" : "");
}

/* What open_nets will make of the size: a preset sizes our own default only, and sides are multiples of 32. The texts are changed where that differs. */
static void explain_detector_size(const struct np_settings *s, const struct npi_preset *p, char value[64], char bounds[64], char from[256]) {
    const char *const det = s->detector ? s->detector : NPI_DEFAULT_DETECTOR;
    const int of_file = s->detector && s->detector_size <= 0, want = npi_preset_int(p, NPI_KEY_DETECTOR_SIZE);
    struct npi_card card;
    int64_t h = 32, w = 32;
    if (!strcmp(det, "none")) {
        snprintf(value, 64, "none");
        snprintf(from, 256, "there is no detector");
        *bounds = '\0';
        return;
    }
    const int known = npi_net_card(&card, det) && card.in.height > 0 && card.in.width > 0;
    if (known) h = card.in.height, w = card.in.width;
    if (!of_file) npi_scaled_size(want, &h, &w);
    const int runs_at = (int)(h > w ? h : w);
    if (of_file) {
        *bounds = '\0';
        snprintf(from, 256, known ? "card of %.120s" : "read when the model is opened", det);
    } else if (runs_at != want) {
        const size_t n = s->detector_size > 0 ? 0 : strlen(from); /* a preset's name stays in front */
        snprintf(from + n, 256 - n, "%s%d was asked for; sides of nets are multiples of 32", n ? "; " : "", want);
    }
    if (of_file && !known) snprintf(value, 64, "of the file");
    else snprintf(value, 64, "%d", runs_at);
}

static void explain_runtimes(const struct np_settings *s, line_fn line, void *opaque) {
    char value[1024];
    snprintf(value, sizeof value, "%d", s->backend_timeout_ms > 0 ? s->backend_timeout_ms : 0);
    line(opaque, "backend_timeout", s->backend_timeout_ms ? value : "auto", "",
         s->backend_timeout_ms ? "asked for" : "other runtimes: from the first run's time, at least 2000 ms");
    snprintf(value, sizeof value, "%zu", s->isolate_memory_mb > 0 ? (size_t)s->isolate_memory_mb : npi_isolate_memory() >> 20);
    line(opaque, "isolate_memory", value, "", s->isolate_memory_mb > 0 ? "asked for" : "three quarters of what there is");
    const int there = s->worker || npi_isolate_worker(value, sizeof value, NULL) >= 0;
    line(opaque, "worker", s->worker ? s->worker : there ? value : "none", "", s->worker ? "asked for" : there ? "of this installation" : "not in this installation: isolate needs it");
}

int np_settings_explain(const struct np_settings *s, line_fn line, void *opaque, struct np_error *err) {
    struct np_hardware hw;
    struct npi_preset p;
    char value[64], bounds[64], from[256];
    npi_hardware_probe(&hw, &(struct npi_hardware_probe){ .root = "", .skip_gpus = 1 });
    const int r = npi_preset_resolve(&p, s, &hw, err);
    for (int k = 0; r >= 0 && k < NPI_KEY_COUNT; k++) {
        npi_preset_value_text(&p, k, value);
        npi_preset_bounds_text(&p, k, bounds);
        npi_preset_from_text(&p, k, from);
        if (k == NPI_KEY_DETECTOR_SIZE) explain_detector_size(s, &p, value, bounds, from);
        if (k == NPI_KEY_ADAPT && s->mode != NP_MODE_LIVE) line(opaque, npi_preset_key_name(k), "off", "", "files are never thinned out");
        else line(opaque, npi_preset_key_name(k), value, p.v[NPI_KEY_ADAPT].start != 0 ? bounds : "", from);
    }
    unsigned cpu;
    if (r < 0) return r;
    explain_nets(s, line, opaque);
    explain_runtimes(s, line, opaque);
    line(opaque, "device", s->device ? s->device : "cpu", "", s->device ? "asked for" : "default");
    if (npi_cpu_limit(s->isa, npi_cpu_flags(), &cpu) >= 0) line(opaque, "isa", npi_cpu_level_name(cpu), "", s->isa ? "asked for" : "the best of this machine");
    line(opaque, "cache_dir", s->cache_dir ? s->cache_dir : "none", "", s->cache_dir ? "default" : "there is no home folder");
    return r;
}
