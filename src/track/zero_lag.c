/* SPDX-License-Identifier: Apache-2.0 */
/* See zero_lag.h. A Kalman filter of constant velocity forward, then the smoother of Rauch, Tung and Striebel (1965) backward:
 *
 *   x' = x + v dt, v' = v, disturbed by white acceleration: Q = q [dt^3/3 dt^2/2; dt^2/2 dt];   measured: x with variance 1
 *   back:  s = f + C (s+ - p+),  C = Pf F' Pp+^-1          (f filtered, p predicted, s smoothed, + the next sample)
 *
 * At even steps dt this has, far from the ends, the frequency response 1 / (1 + (f / f0)^4) with (2 pi f0)^4 = q / dt: that of a
 * Butterworth filter of second order run forward and backward, half at f0; and unlike that one it takes uneven steps and gaps, and
 * bends no ends. */
#include "track/zero_lag.h"

#include <math.h>
#include <stddef.h>

#include "base/mem.h"

#define DIFFUSE 1e9 /* variance of the first speed: nothing is known */

struct step { double dt, x, v, pxx, pxv, pvv, qx, qv, qxx, qxv, qvv; int at; }; /* filtered; predicted; which sample */

static int good(const struct np_keypoint *k, size_t coord) { return k->conf > 0 && isfinite(*(const float *)((const char *)k + coord)); }

static void forward(struct step *s, const struct step *b, double z, double q) {
    const double dt = s->dt;
    s->qx = b->x + b->v * dt;
    s->qv = b->v;
    s->qxx = b->pxx + 2 * dt * b->pxv + dt * dt * b->pvv + q * dt * dt * dt / 3;
    s->qxv = b->pxv + dt * b->pvv + q * dt * dt / 2;
    s->qvv = b->pvv + q * dt;
    const double e = z - s->qx, g = 1 / (s->qxx + 1), kx = s->qxx * g, kv = s->qxv * g;
    s->x = s->qx + kx * e;
    s->v = s->qv + kv * e;
    s->pxx = (1 - kx) * s->qxx;
    s->pxv = (1 - kx) * s->qxv;
    s->pvv = s->qvv - kv * s->qxv;
}

/* s becomes smoothed in x and v; n is the next one, smoothed already, with its prediction. */
static void backward(struct step *s, const struct step *n) {
    const double dt = n->dt, det = n->qxx * n->qvv - n->qxv * n->qxv;
    if (!(det > 0)) return;
    const double axx = s->pxx + dt * s->pxv, axv = s->pxv, avx = s->pxv + dt * s->pvv, avv = s->pvv; /* Pf F' */
    const double ex = n->x - n->qx, ev = n->v - n->qv;
    const double ux = (n->qvv * ex - n->qxv * ev) / det, uv = (n->qxx * ev - n->qxv * ex) / det; /* Pp+^-1 (s+ - p+) */
    s->x += axx * ux + axv * uv;
    s->v += avx * ux + avv * uv;
}

/* One coordinate of one joint; step [n] is scratch. */
static void smooth(const int64_t *t_ns, struct np_keypoint *kpt, int n, int stride, size_t coord, double q, double max_gap, struct step *step) {
    int k = 0;
    for (int i = 0; i <= n; i++) {
        const int ok = i < n && good(&kpt[(size_t)i * (size_t)stride], coord);
        const double dt = k && i < n ? (double)(t_ns[i] - t_ns[step[k - 1].at]) * 1e-9 : 0;
        if (i < n && !ok) continue;
        if (i == n || (k && dt > max_gap)) { /* the piece is over */
            for (int s = k - 2; s >= 0; s--) backward(&step[s], &step[s + 1]);
            for (int s = 0; s < k; s++) *(float *)((char *)&kpt[(size_t)step[s].at * (size_t)stride] + coord) = (float)step[s].x;
            k = 0;
        }
        if (i == n) break;
        const double z = (double)*(const float *)((const char *)&kpt[(size_t)i * (size_t)stride] + coord);
        struct step *const s = &step[k];
        s->at = i;
        s->dt = dt;
        if (k) forward(s, s - 1, z, q);
        else { s->x = z; s->v = 0; s->pxx = 1; s->pxv = 0; s->pvv = DIFFUSE; }
        k++;
    }
}

int npi_zero_lag(const int64_t *t_ns, struct np_keypoint *kpt, int n, int n_kpt, float cutoff_hz, float max_gap_s, struct np_error *err) {
    static const size_t coord[] = { offsetof(struct np_keypoint, x), offsetof(struct np_keypoint, y), offsetof(struct np_keypoint, z),
                                    offsetof(struct np_keypoint, wx), offsetof(struct np_keypoint, wy), offsetof(struct np_keypoint, wz) };
    if (!(cutoff_hz > 0) || !isfinite(cutoff_hz)) return npi_fail(err, NP_EINVAL, "zero-lag: a cut-off of %g Hz is not above 0", (double)cutoff_hz);
    double usual = 0; /* step, without the gaps */
    int steps = 0;
    for (int i = 1; i < n; i++) {
        const double dt = (double)(t_ns[i] - t_ns[i - 1]) * 1e-9;
        if (!(dt > 0)) return npi_fail(err, NP_EINVAL, "zero-lag: sample %d is not later than the one before it", i);
        if (dt > (double)max_gap_s) continue;
        usual += dt;
        steps++;
    }
    if (!steps) return 0;
    usual /= steps;
    double frames = 0; /* a few frames in which the person was hidden are no frame rate: the mean of those near the mean */
    steps = 0;
    for (int i = 1; i < n; i++) {
        const double dt = (double)(t_ns[i] - t_ns[i - 1]) * 1e-9;
        if (dt > (double)max_gap_s || dt > 1.5 * usual) continue;
        frames += dt;
        steps++;
    }
    usual = frames / steps;
    struct step *const step = npi_alloc(sizeof *step * (size_t)n);
    if (!step) return npi_fail(err, NP_ENOMEM, "out of memory to smooth %d poses", n);
    const double w = 6.283185307179586 * (double)cutoff_hz;
    for (int j = 0; j < n_kpt; j++)
        for (size_t c = 0; c < sizeof coord / sizeof *coord; c++)
            smooth(t_ns, kpt + j, n, n_kpt, coord[c], w * w * w * w * usual, (double)max_gap_s, step);
    npi_free(step);
    return 0;
}
