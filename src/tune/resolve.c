/* SPDX-License-Identifier: Apache-2.0 */
/* Preset + hardware category + settings = the values in force, each with where it came from. */
#include "tune/preset.h"
#include "nextpose/engine.h"

#include <stdio.h>
#include <string.h>

/* --- presets/hardware.conf: built in, so a mistake in it is ours (tests/unit/test_preset.c reads all of it) --- */

static int hardware_line(int category, const char *key, char value[96]) {
    const char *const text = npi_embedded_find("hardware.conf"), *const name = np_hardware_category_name(category);
    if (!text || !name) return 0;
    struct npi_lines l = { .p = text, .end = text + strlen(text), .where = "hardware.conf" };
    while (npi_lines_next(&l, NULL) > 0)
        if (!strcmp(l.section, name) && !strcmp(l.key, key)) {
            memcpy(value, l.value, 96);
            return 1;
        }
    return 0;
}

double npi_hardware_shift(int category, int key) {
    char value[96];
    double v = 0;
    if (hardware_line(category, npi_preset_key_name(key), value)) npi_lines_number(value, &v);
    return v;
}

void npi_hardware_floor(int category, double *lo_fps, double *hi_fps) {
    char value[96];
    *lo_fps = *hi_fps = 0;
    if (hardware_line(category, "floor_fps", value)) {
        char *const dots = strstr(value, "..");
        if (dots) {
            *dots = '\0';
            npi_lines_number(value, lo_fps);
            npi_lines_number(dots + 2, hi_fps);
        }
    }
}

/* --- the settings over it --- */

static void pin(struct npi_preset *p, int key, double v) { p->v[key] = (struct npi_value){ v, v, v, NPI_FROM_SETTINGS }; }

int npi_preset_resolve(struct npi_preset *out, const struct np_settings *s, const struct np_hardware *hw, struct np_error *err) {
    const int live = s->mode == NP_MODE_LIVE;
    struct npi_preset p;
    const int r = s->preset_file ? npi_preset_load(&p, s->preset_file, live, err) : npi_preset_builtin(&p, s->preset, live, err);
    if (r < 0) return r;
    for (int k = 0; live && hw && k < NPI_KEY_COUNT; k++) {
        struct npi_value *const v = &p.v[k];
        double to = v->start + npi_hardware_shift(hw->category, k);
        to = to < v->lo ? v->lo : to > v->hi ? v->hi : to;
        if (to == v->start) continue;
        v->start = to;
        v->from = NPI_FROM_HARDWARE;
        snprintf(p.hardware, sizeof p.hardware, "%s", np_hardware_category_name(hw->category));
    }
    struct npi_value *const t = &p.v[NPI_KEY_THREADS];
    const int all = np_cpu_count();
    t->start = (int)(all * t->start + .999);
    t->start = t->lo = t->hi = t->start < 1 ? 1 : t->start > 64 ? 64 : t->start;
    if (s->threads > 0) pin(&p, NPI_KEY_THREADS, s->threads);
    if (s->max_persons > 0) pin(&p, NPI_KEY_MAX_PERSONS, s->max_persons);
    if (s->detector_size > 0) pin(&p, NPI_KEY_DETECTOR_SIZE, s->detector_size);
    if (s->frame_skip > 0) pin(&p, NPI_KEY_FRAME_SKIP, s->frame_skip);
    if (s->detection_freq > 0) pin(&p, NPI_KEY_DETECTION_FREQ, s->detection_freq);
    if (s->batch_size > 0) pin(&p, NPI_KEY_BATCH_SIZE, s->batch_size);
    if (s->detection_timeout_s >= 0) pin(&p, NPI_KEY_DETECTION_TIMEOUT_S, s->detection_timeout_s);
    if (s->pose_timeout_s >= 0) pin(&p, NPI_KEY_POSE_TIMEOUT_S, s->pose_timeout_s);
    if (s->target_fps >= 0) pin(&p, NPI_KEY_TARGET_FPS, s->target_fps);
    if (s->max_delay_ms >= 0) pin(&p, NPI_KEY_MAX_DELAY_MS, s->max_delay_ms);
    if (s->adapt >= 0) pin(&p, NPI_KEY_ADAPT, s->adapt != 0);
    if (s->smooth) {
        if (strlen(s->smooth) >= sizeof p.smooth) return npi_fail(err, NP_EINVAL, "smooth: '%.40s…' is too long", s->smooth);
        snprintf(p.smooth, sizeof p.smooth, "%s", s->smooth);
        p.v[NPI_KEY_SMOOTH].from = NPI_FROM_SETTINGS;
    }
    if (!live) p.v[NPI_KEY_ADAPT].start = 0; /* a file is never thinned out to keep a rate */
    *out = p;
    return 0;
}

/* --- for people --- */

void npi_preset_value_text(const struct npi_preset *p, int key, char value[64]) {
    if (key == NPI_KEY_SMOOTH) snprintf(value, 64, "%s", p->smooth);
    else if (key == NPI_KEY_ADAPT) snprintf(value, 64, "%s", p->v[key].start != 0 ? "on" : "off");
    else { /* what the parser reads again: no exponents */
        int n = snprintf(value, 64, "%.3f", p->v[key].start);
        while (value[n - 1] == '0') value[--n] = '\0';
        if (value[n - 1] == '.') value[--n] = '\0';
    }
}

void npi_preset_bounds_text(const struct npi_preset *p, int key, char bounds[64]) {
    const struct npi_value *const v = &p->v[key];
    if (v->lo == v->hi) *bounds = '\0';
    else snprintf(bounds, 64, "%g..%g", v->lo, v->hi);
}

void npi_preset_from_text(const struct npi_preset *p, int key, char from[256]) {
    switch (p->v[key].from) {
    case NPI_FROM_BASE: snprintf(from, 256, "preset %s, the base of %s", p->base, p->name); break;
    case NPI_FROM_PRESET: snprintf(from, 256, "preset %s", p->name); break;
    case NPI_FROM_HARDWARE: snprintf(from, 256, "preset %s, moved by hardware %s", p->name, p->hardware); break;
    case NPI_FROM_SETTINGS: snprintf(from, 256, "asked for"); break;
    default: snprintf(from, 256, "default"); break;
    }
}
