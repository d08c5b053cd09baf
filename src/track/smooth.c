/* SPDX-License-Identifier: Apache-2.0 */
/* See smooth.h. */
#include "track/smooth.h"

#include <math.h>

void npi_one_euro_params_default(struct npi_one_euro_params *p) { *p = (struct npi_one_euro_params){ 1.f, .007f, 1.f }; }

/* Share of the new value in a first-order low pass of this cut-off. */
static float share(float cutoff_hz, float dt_s) {
    const float r = 6.2831853f * cutoff_hz * dt_s;
    return r / (r + 1);
}

float npi_one_euro(struct npi_one_euro *s, const struct npi_one_euro_params *p, float x, int64_t t_ns) {
    const float dt = (float)((double)(t_ns - s->t_ns) * 1e-9);
    if (isnan(x)) {
        s->started = 0;
        return x;
    }
    if (!s->started || !(dt > 0)) {
        *s = (struct npi_one_euro){ x, 0, t_ns, 1 };
        return x;
    }
    s->dx += share(p->d_cutoff_hz, dt) * ((x - s->x) / dt - s->dx);
    s->x += share(p->min_cutoff_hz + p->beta * fabsf(s->dx), dt) * (x - s->x);
    s->t_ns = t_ns;
    return s->x;
}
