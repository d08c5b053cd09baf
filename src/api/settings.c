/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and preset names. */
#include "nextpose/settings.h"
#include "tune/hardware.h"
#include "tune/preset.h"

#include <stddef.h>
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

int np_settings_explain(const struct np_settings *s, void (*line)(void *, const char *, const char *, const char *, const char *), void *opaque, struct np_error *err) {
    struct np_hardware hw;
    struct npi_preset p;
    char value[64], bounds[64], from[256];
    npi_hardware_probe(&hw, &(struct npi_hardware_probe){ .root = "", .skip_gpus = 1 });
    const int r = npi_preset_resolve(&p, s, &hw, err);
    for (int k = 0; r >= 0 && k < NPI_KEY_COUNT; k++) {
        npi_preset_value_text(&p, k, value);
        npi_preset_bounds_text(&p, k, bounds);
        npi_preset_from_text(&p, k, from);
        if (k == NPI_KEY_ADAPT && s->mode != NP_MODE_LIVE) line(opaque, npi_preset_key_name(k), "off", "", "files are never thinned out");
        else line(opaque, npi_preset_key_name(k), value, p.v[NPI_KEY_ADAPT].start != 0 ? bounds : "", from);
    }
    return r;
}
