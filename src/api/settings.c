/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and preset names. */
#include "nextpose/settings.h"

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
