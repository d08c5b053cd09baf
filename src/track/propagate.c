/* SPDX-License-Identifier: Apache-2.0 */
/* See propagate.h. With v the speed at the last inferred pose and s the time since:
 *
 *   place(s) = place(0) + v DECAY (1 - exp(-s / DECAY)), no further than REACH heights;   conf(s) = conf(0) 2^(-s / HALF)
 *
 * v is a running mean of differences (time constant SPEED), mixed with the mean speed of the whole body: what a joint does by
 * itself is mostly noise, and turns round soonest. The constants are those of least error on the clips of docs/tracking.md. */
#include "track/propagate.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "track/bank.h"

#define DECAY_S .25f
#define HALF_S .1f
#define REACH .12f
#define FASTEST 8.f   /* heights a second: beyond is a jump of the net, not a movement */
#define SPEED_S .05f
#define BODY 2.f
#define DOUBT 1e-3f
#define FORGET .8f
#define OWN .9f       /* share of a joint's own speed, the rest is the body's */
#define RESTART_S .5f /* poses further apart say nothing about speed */
#define SEEN .3f

struct state {
    int n;
    float height;
    int64_t t_ns;
    struct np_keypoint kpt[NP_MAX_KEYPOINTS];
    float vx[NP_MAX_KEYPOINTS], vy[NP_MAX_KEYPOINTS]; /* px/s */
    float body_vx, body_vy;
    float along[NP_MAX_KEYPOINTS], square[NP_MAX_KEYPOINTS]; /* of recent moves: expected . real, expected . expected */
    float body_along, body_square;
};

struct npi_propagator {
    int n;
    float timeout_s;
    uint64_t clock;
    struct npi_bank_key *key; /* [n] */
    struct state *state;      /* [n] */
};

int npi_propagator_create(struct npi_propagator **out, int max_persons, float timeout_s) {
    struct npi_propagator *p = npi_alloc(sizeof *p);
    if (!p) return NP_ENOMEM;
    p->n = max_persons < 1 ? 1 : max_persons;
    p->timeout_s = timeout_s;
    p->key = npi_alloc(sizeof *p->key * (size_t)p->n);
    p->state = npi_alloc(sizeof *p->state * (size_t)p->n);
    if (!p->key || !p->state) {
        npi_propagator_free(&p);
        return NP_ENOMEM;
    }
    *out = p;
    return 0;
}

void npi_propagator_free(struct npi_propagator **p) {
    if (!p || !*p) return;
    npi_free((*p)->key);
    npi_free((*p)->state);
    npi_free(*p);
    *p = NULL;
}

void npi_propagator_set_timeout(struct npi_propagator *p, float timeout_s) { p->timeout_s = timeout_s; }
void npi_propagator_forget(struct npi_propagator *p, int id) { npi_bank_forget(p->key, p->n, id); }

static void start(struct state *s, const struct np_keypoint *kpt, int n, float height, int64_t t_ns) {
    s->n = n;
    s->height = height;
    s->t_ns = t_ns;
    memcpy(s->kpt, kpt, sizeof *kpt * (size_t)n);
    memset(s->vx, 0, sizeof s->vx);
    memset(s->vy, 0, sizeof s->vy);
    memset(s->along, 0, sizeof s->along);
    memset(s->square, 0, sizeof s->square);
    s->body_vx = s->body_vy = s->body_along = s->body_square = 0;
}

/* The move of joint i in age_s as its speed says, before trust. */
static void expected(const struct state *s, int i, float age_s, float *dx, float *dy) {
    const float reach = DECAY_S * (1 - expf(-age_s / DECAY_S));
    *dx = reach * (OWN * s->vx[i] + (1 - OWN) * s->body_vx);
    *dy = reach * (OWN * s->vy[i] + (1 - OWN) * s->body_vy);
}

/* How much of the expected moves came true lately: the slope of real over expected, of this joint and, with less weight, of the body. */
static float trust(const struct state *s, int i) {
    const float square = s->square[i] + BODY * s->body_square;
    return square > 0 ? fminf(fmaxf((s->along[i] + BODY * s->body_along) / (square + DOUBT * s->height * s->height), 0.f), 1.f) : 0;
}

static void learn_trust(struct state *s, const struct np_keypoint *kpt, float dt) {
    float a = 0, q = 0;
    for (int i = 0; i < s->n; i++) {
        float dx, dy;
        expected(s, i, dt, &dx, &dy);
        const float rx = kpt[i].x - s->kpt[i].x, ry = kpt[i].y - s->kpt[i].y, most = .2f * s->height;
        if (!(kpt[i].conf >= SEEN && s->kpt[i].conf >= SEEN && hypotf(rx, ry) < most)) continue;
        s->along[i] = FORGET * s->along[i] + dx * rx + dy * ry;
        s->square[i] = FORGET * s->square[i] + dx * dx + dy * dy;
        a += dx * rx + dy * ry;
        q += dx * dx + dy * dy;
    }
    s->body_along = FORGET * s->body_along + a / (float)s->n;
    s->body_square = FORGET * s->body_square + q / (float)s->n;
}

void npi_propagator_observe(struct npi_propagator *p, int id, const struct np_keypoint *kpt, int n, float height_px, int64_t t_ns) {
    int fresh;
    if (id < 1 || n < 1 || n > NP_MAX_KEYPOINTS || !(height_px > 0) || !isfinite(height_px)) return;
    struct state *const s = &p->state[npi_bank_take(p->key, p->n, id, &p->clock, &fresh)];
    const float dt = npi_seconds(s->t_ns, t_ns);
    if (fresh || s->n != n || !(dt > 0 && dt <= RESTART_S)) {
        start(s, kpt, n, height_px, t_ns);
        return;
    }
    learn_trust(s, kpt, dt);
    const float share = dt / (dt + SPEED_S), fastest = FASTEST * height_px;
    float sx = 0, sy = 0;
    int used = 0;
    for (int i = 0; i < n; i++) {
        const float x = (kpt[i].x - s->kpt[i].x) / dt, y = (kpt[i].y - s->kpt[i].y) / dt, v = hypotf(x, y);
        const int good = v <= fastest && kpt[i].conf >= SEEN; /* NaN is not */
        s->vx[i] = good ? s->vx[i] + share * (x - s->vx[i]) : 0;
        s->vy[i] = good ? s->vy[i] + share * (y - s->vy[i]) : 0;
        if (!good) continue;
        sx += s->vx[i];
        sy += s->vy[i];
        used++;
    }
    s->body_vx = used ? sx / (float)used : 0;
    s->body_vy = used ? sy / (float)used : 0;
    s->height = height_px;
    s->t_ns = t_ns;
    memcpy(s->kpt, kpt, sizeof *kpt * (size_t)n);
}

int npi_propagator_at(const struct npi_propagator *p, int id, int64_t t_ns, struct np_keypoint *out, int64_t *age_ns) {
    const int at = npi_bank_find(p->key, p->n, id);
    if (at < 0) return 0;
    const struct state *const s = &p->state[at];
    const float age = npi_seconds(s->t_ns, t_ns);
    if (!(age >= 0 && age <= p->timeout_s)) return 0;
    const float keep = exp2f(-age / HALF_S), most = REACH * s->height;
    for (int i = 0; i < s->n; i++) {
        float dx, dy;
        expected(s, i, age, &dx, &dy);
        dx *= trust(s, i);
        dy *= trust(s, i);
        const float d = hypotf(dx, dy);
        if (d > most) { dx *= most / d; dy *= most / d; }
        out[i] = s->kpt[i];
        out[i].x += dx;
        out[i].y += dy;
        out[i].conf *= keep;
    }
    if (age_ns) *age_ns = t_ns - s->t_ns;
    return s->n;
}
