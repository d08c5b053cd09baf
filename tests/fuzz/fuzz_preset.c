/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a user's preset: read or refused with one line; what was read is within every key's range and its own bounds, resolves,
 * and reads the same again when it is written with the texts that --print-config prints. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "tune/preset.h"

static void try_mode(const char *data, size_t size, int live) {
    struct npi_preset p, q;
    struct np_error err = { 0 };
    const int r = npi_preset_parse(&p, data, size, "fuzz", live, 0, &err);
    if (r < 0) {
        if (r != NP_EINVAL || err.code != r || !err.message[0] || strchr(err.message, '\n')) __builtin_trap();
        return;
    }
    char text[4096], value[64], bounds[64], from[256];
    int n = snprintf(text, sizeof text, "base = quality\n");
    for (int k = 0; k < NPI_KEY_COUNT; k++) {
        const struct npi_value *const v = &p.v[k];
        if (!(isfinite(v->start) && v->lo <= v->start && v->start <= v->hi) || v->from == NPI_FROM_NOWHERE) __builtin_trap();
        npi_preset_from_text(&p, k, from);
        if (!from[0]) __builtin_trap();
        if (k == NPI_KEY_THREADS) n += snprintf(text + n, sizeof text - (size_t)n, "threads = %.6f %%\n", v->start * 100); /* still a share */
        else {
            npi_preset_value_text(&p, k, value);
            npi_preset_bounds_text(&p, k, bounds);
            n += snprintf(text + n, sizeof text - (size_t)n, *bounds ? "%s = %s in %s\n" : "%s = %s\n", npi_preset_key_name(k), value, bounds);
        }
    }
    if (npi_preset_parse(&q, text, (size_t)n, "again", live, 0, &err) < 0) __builtin_trap();
    for (int k = 0; k < NPI_KEY_COUNT; k++)
        if (fabs(q.v[k].start - p.v[k].start) > 1e-3 * (1 + p.v[k].start) || q.v[k].lo > p.v[k].lo + 1e-3 * (1 + p.v[k].lo)) __builtin_trap();
    if (strcmp(p.smooth, q.smooth)) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    try_mode((const char *)data, size, 0);
    try_mode((const char *)data, size, 1);
    return 0;
}
