/* SPDX-License-Identifier: Apache-2.0 */
/* Stage names. The calls of stats.h that look into a context are defined where the context is (lib.c). */
#include "nextpose/stats.h"

#include <stddef.h>

const char *np_stage_name(int stage) {
    static const char *const names[NP_STAGE_COUNT] = { "read", "detect", "track", "crop", "pose", "smooth", "draw", "emit" };
    return stage >= 0 && stage < NP_STAGE_COUNT ? names[stage] : NULL;
}
