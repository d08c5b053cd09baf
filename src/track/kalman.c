/* SPDX-License-Identifier: Apache-2.0 */
/* See kalman.h. The three spreads are in body heights: a detector's box is right within 5 %, a person speeds up by 3 heights a
 * second each second, and a new track may move with up to about 1 height a second. */
#include "track/kalman.h"

#include <math.h>

#define MEASURE .05f
#define ACCELERATE 3.f
#define RESIZE .5f /* sizes change slower than places */
#define START_SPEED 1.f
#define SURPRISE 3.f /* deviations from which a measurement is doubted (Huber) */

static float height(const struct np_box *b) { return fmaxf(fmaxf(b->h, b->w), 1.f); }

static void start(struct npi_kf1 *f, float x, float size) {
    const float r = MEASURE * size, v = START_SPEED * size;
    *f = (struct npi_kf1){ x, 0, r * r, 0, v * v };
}

static void predict(struct npi_kf1 *f, float dt, float keep, float accel) {
    const float q = accel * accel, d2 = dt * dt;
    f->x += f->v * dt;
    f->v *= keep;
    f->pxx += 2 * dt * f->pxv + d2 * f->pvv + q * d2 * d2 / 4;
    f->pxv += dt * f->pvv + q * d2 * dt / 2;
    f->pvv += q * d2;
}

static void update(struct npi_kf1 *f, float z, float r) {
    const float e = z - f->x, s = fmaxf(f->pxx + r * r, e * e / (SURPRISE * SURPRISE)), kx = f->pxx / s, kv = f->pxv / s;
    f->x += kx * e;
    f->v += kv * e;
    f->pvv -= kv * f->pxv;
    f->pxx *= 1 - kx;
    f->pxv *= 1 - kx;
}

void npi_kf_start(struct npi_kf *k, const struct np_box *b) {
    const float s = height(b);
    start(&k->cx, b->x + b->w / 2, s);
    start(&k->cy, b->y + b->h / 2, s);
    start(&k->w, b->w, s);
    start(&k->h, b->h, s);
}

void npi_kf_predict(struct npi_kf *k, float dt_s, float damping) {
    const float s = fmaxf(fmaxf(k->h.x, k->w.x), 1.f), keep = damping < 1 ? powf(damping, dt_s) : 1;
    predict(&k->cx, dt_s, keep, ACCELERATE * s);
    predict(&k->cy, dt_s, keep, ACCELERATE * s);
    predict(&k->w, dt_s, keep, RESIZE * s);
    predict(&k->h, dt_s, keep, RESIZE * s);
    k->w.x = fmaxf(k->w.x, 1.f);
    k->h.x = fmaxf(k->h.x, 1.f);
}

void npi_kf_update(struct npi_kf *k, const struct np_box *b, float doubt) {
    const float r = MEASURE * doubt * height(b);
    update(&k->cx, b->x + b->w / 2, r);
    update(&k->cy, b->y + b->h / 2, r);
    update(&k->w, b->w, r);
    update(&k->h, b->h, r);
}

struct np_box npi_kf_box(const struct npi_kf *k) {
    return (struct np_box){ k->cx.x - k->w.x / 2, k->cy.x - k->h.x / 2, k->w.x, k->h.x };
}
