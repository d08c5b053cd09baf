/* SPDX-License-Identifier: Apache-2.0 */
/* Changes while running, by the names of the command's flags. They count from the next frame that is taken in. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pipe/priv.h"

static const struct setting { const char *name; size_t offset; int min, max; } settings[] = {
    { "frame-skip", offsetof(struct np_knobs, frame_skip), 1, 5 },
    { "detection-freq", offsetof(struct np_knobs, detection_freq), 1, 30 },
    { "batch-size", offsetof(struct np_knobs, batch_size), 1, 8 },
    { "max-persons", offsetof(struct np_knobs, max_persons), 1, NPI_MAX_PERSONS },
};

static int *knob(struct np_knobs *k, const struct setting *s) { return (int *)(void *)((char *)k + s->offset); }

int npi_pipe_adjust(struct npi_pipe *p, const char *name, const char *value, struct np_error *err) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const struct setting *const s = &settings[i];
        if (strcmp(name, s->name)) continue;
        char *end;
        const long v = strtol(value, &end, 10);
        const int max = !strcmp(name, "max-persons") ? p->p.persons_room : s->max; /* memory was made for so many */
        if (end == value || *end || v < s->min || v > max) return npi_fail(err, NP_EINVAL, "%s: '%s' is not in %d..%d", name, value, s->min, max);
        pthread_mutex_lock(&p->lock);
        const int old = *knob(&p->knobs, s);
        *knob(&p->knobs, s) = (int)v;
        pthread_mutex_unlock(&p->lock);
        npi_log(&p->p.log, NP_LOG_INFO, "%s: %d -> %ld, asked for", name, old, v);
        return 0;
    }
    return npi_fail(err, NP_EINVAL, "'%s' cannot be changed while running", name);
}
