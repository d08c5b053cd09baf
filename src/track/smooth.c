/* SPDX-License-Identifier: Apache-2.0 */
/* See smooth.h. */
#include "track/smooth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "track/bank.h"

#define UNIT (1.f / 500)      /* of the person's height */
#define RESTART_S .5f         /* a gap that starts a person anew */
#define HEIGHT_S 1.f          /* time constant of the height that lengths are counted in: a box that flutters must not move the joints */
#define ZERO_LAG_HZ 6.f       /* usual for gait and gymnastics (Winter 2009) */

void npi_one_euro_params_default(struct npi_one_euro_params *p) { *p = (struct npi_one_euro_params){ 1.f, .03f, 1.f }; }

/* Share of the new value in a first-order low pass of this cut-off. */
static float share(float cutoff_hz, float dt_s) {
    const float r = 6.2831853f * cutoff_hz * dt_s;
    return r / (r + 1);
}

float npi_one_euro(struct npi_one_euro *s, const struct npi_one_euro_params *p, float x, int64_t t_ns) {
    const float dt = npi_seconds(s->t_ns, t_ns);
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

/* --- the spec --- */

/* ":a,b,c" into at most n numbers, each above (or, where allowed, at) 0; 0 when it is not that. */
static int numbers(const char *text, float *out, int n, int zero_ok) {
    if (!*text) return 1;
    if (*text++ != ':') return 0;
    for (int i = 0; i < n; i++) {
        char *end;
        const float v = strtof(text, &end);
        if (end == text || !(v > 0 || (v == 0 && zero_ok >> i & 1)) || !(v <= 1000)) return 0;
        out[i] = v;
        if (!*end) return 1;
        if (*end != ',') return 0;
        text = end + 1;
    }
    return 0;
}

int npi_smooth_parse(struct npi_smooth_spec *out, const char *text, struct np_error *err) {
    struct npi_smooth_spec s = { .kind = NPI_SMOOTH_ONE_EURO, .zero_lag_hz = ZERO_LAG_HZ };
    float v[3];
    npi_one_euro_params_default(&s.one_euro);
    v[0] = s.one_euro.min_cutoff_hz; v[1] = s.one_euro.beta; v[2] = s.one_euro.d_cutoff_hz;
    int ok = 1;
    if (!text || !*text) {}
    else if (!strcmp(text, "none")) s.kind = NPI_SMOOTH_NONE;
    else if (!strncmp(text, "one-euro", 8)) ok = numbers(text + 8, v, 3, 2);
    else if (!strncmp(text, "zero-lag", 8)) {
        s.kind = NPI_SMOOTH_ZERO_LAG;
        ok = numbers(text + 8, &s.zero_lag_hz, 1, 0);
    } else ok = 0;
    if (!ok)
        return npi_fail(err, NP_EINVAL, "smooth: '%s' is none of none, one-euro[:min_cutoff[,beta[,d_cutoff]]], zero-lag[:cutoff] (in Hz)", text);
    s.one_euro = (struct npi_one_euro_params){ v[0], v[1], v[2] };
    *out = s;
    return 0;
}

size_t npi_smooth_write(const struct npi_smooth_spec *s, char *buf, size_t size) {
    const struct npi_one_euro_params *const p = &s->one_euro;
    const int n = s->kind == NPI_SMOOTH_NONE ? snprintf(buf, size, "none")
                  : s->kind == NPI_SMOOTH_ZERO_LAG ? snprintf(buf, size, "zero-lag:%.6g", (double)s->zero_lag_hz)
                  : snprintf(buf, size, "one-euro:%.6g,%.6g,%.6g", (double)p->min_cutoff_hz, (double)p->beta, (double)p->d_cutoff_hz);
    return n > 0 ? (size_t)n : 0;
}

/* --- people --- */

struct state {
    int n;
    float height;
    int64_t t_ns;
    struct npi_one_euro x[NP_MAX_KEYPOINTS], y[NP_MAX_KEYPOINTS], z[NP_MAX_KEYPOINTS];
    struct npi_one_euro wx[NP_MAX_KEYPOINTS], wy[NP_MAX_KEYPOINTS], wz[NP_MAX_KEYPOINTS];
};

struct npi_smoother {
    struct npi_smooth_spec spec;
    int n;
    uint64_t clock;
    struct npi_bank_key *key; /* [n] */
    struct state *state;      /* [n] */
};

int npi_smoother_create(struct npi_smoother **out, const struct npi_smooth_spec *spec, int max_persons) {
    struct npi_smoother *s = npi_alloc(sizeof *s);
    if (!s) return NP_ENOMEM;
    s->spec = *spec;
    s->n = max_persons < 1 ? 1 : max_persons;
    s->key = npi_alloc(sizeof *s->key * (size_t)s->n);
    s->state = npi_alloc(sizeof *s->state * (size_t)s->n);
    if (!s->key || !s->state) {
        npi_smoother_free(&s);
        return NP_ENOMEM;
    }
    *out = s;
    return 0;
}

void npi_smoother_free(struct npi_smoother **s) {
    if (!s || !*s) return;
    npi_free((*s)->key);
    npi_free((*s)->state);
    npi_free(*s);
    *s = NULL;
}

void npi_smoother_set(struct npi_smoother *s, const struct npi_smooth_spec *spec) {
    const struct npi_one_euro_params *const a = &s->spec.one_euro, *const b = &spec->one_euro;
    if (s->spec.kind == spec->kind && a->min_cutoff_hz == b->min_cutoff_hz && a->beta == b->beta && a->d_cutoff_hz == b->d_cutoff_hz) return;
    s->spec = *spec;
    npi_smoother_forget(s, -1);
}

void npi_smoother_forget(struct npi_smoother *s, int id) { npi_bank_forget(s->key, s->n, id); }

/* One coordinate in pixels or metres; `unit` is what counts as 1. The filter's memory is in units, so it is rescaled when the unit changes. */
static float filter(struct npi_one_euro *f, const struct npi_one_euro_params *p, float x, float unit, float rescale, int64_t t_ns) {
    f->x *= rescale;
    f->dx *= rescale;
    if (isfinite(x)) return npi_one_euro(f, p, x / unit, t_ns) * unit;
    f->started = 0; /* and does not spread */
    return x;
}

void npi_smoother_apply(struct npi_smoother *s, int id, struct np_keypoint *kpt, int n, float height_px, int64_t t_ns) {
    int fresh;
    if (s->spec.kind != NPI_SMOOTH_ONE_EURO || id < 1 || n < 1 || n > NP_MAX_KEYPOINTS || !(height_px > 0) || !isfinite(height_px)) return;
    struct state *const b = &s->state[npi_bank_take(s->key, s->n, id, &s->clock, &fresh)];
    float dt = npi_seconds(b->t_ns, t_ns);
    if (fresh || b->n != n || !(dt > 0 && dt <= RESTART_S)) {
        memset(b, 0, sizeof *b);
        b->n = n;
        b->height = height_px;
        dt = 0;
    }
    const float before = b->height;
    b->height += dt / (dt + HEIGHT_S) * (height_px - b->height);
    b->t_ns = t_ns;
    const float px = UNIT * b->height, m = UNIT * 1.7f, rescale = before / b->height; /* metres: of a body of usual size */
    const struct npi_one_euro_params *const p = &s->spec.one_euro;
    for (int i = 0; i < n; i++) {
        struct np_keypoint *const k = &kpt[i];
        k->x = filter(&b->x[i], p, k->x, px, rescale, t_ns);
        k->y = filter(&b->y[i], p, k->y, px, rescale, t_ns);
        k->z = filter(&b->z[i], p, k->z, m, 1, t_ns);
        k->wx = filter(&b->wx[i], p, k->wx, m, 1, t_ns);
        k->wy = filter(&b->wy[i], p, k->wy, m, 1, t_ns);
        k->wz = filter(&b->wz[i], p, k->wz, m, 1, t_ns);
    }
}
