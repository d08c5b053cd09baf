/* SPDX-License-Identifier: Apache-2.0 */
/* See observe.h. Entropy: the range whose int8 picture of the distribution loses least (KL divergence), after the 8-bit inference talk of TensorRT
 * (Migacz, GTC 2017), over the real histogram instead of absolute values. MSE: squared error of clipping and rounding, both ends searched. */
#include "quant/observe.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

const char *npi_range_method_name(int m) {
    static const char *const names[] = { "auto", "minmax", "percentile", "mse", "entropy" };
    return m >= 0 && m < (int)(sizeof names / sizeof *names) ? names[m] : NULL;
}

void npi_seen_init(struct npi_seen *s) { *s = (struct npi_seen){ .lo = INFINITY, .hi = -INFINITY }; }

void npi_seen_extremes(struct npi_seen *s, const float *x, int64_t n) {
    float lo = INFINITY, hi = -INFINITY;
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        const int ok = fabsf(x[i]) < INFINITY;
        const float v = ok ? x[i] : 0;
        bad += !ok;
        lo = ok && v < lo ? v : lo;
        hi = ok && v > hi ? v : hi;
    }
    s->n += (uint64_t)(n - bad);
    s->n_bad += (uint64_t)bad;
    if (lo < s->lo) s->lo = lo;
    if (hi > s->hi) s->hi = hi;
}

void npi_seen_count(struct npi_seen *s, const float *x, int64_t n) {
    const float lo = (float)s->lo, per = s->hi > s->lo ? (float)(NPI_QUANT_BINS / (s->hi - s->lo)) : 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) < INFINITY)) continue;
        int k = (int)((x[i] - lo) * per);
        k = k < 0 ? 0 : k >= NPI_QUANT_BINS ? NPI_QUANT_BINS - 1 : k;
        if (s->hist[k] < UINT32_MAX) s->hist[k]++;
    }
}

static double width(const struct npi_seen *s) { return (s->hi - s->lo) / NPI_QUANT_BINS; }
static double centre(const struct npi_seen *s, int k) { return s->lo + (k + .5) * width(s); }

double npi_range_mse(const struct npi_seen *s, double lo, double hi, npi_range_fn behind) {
    const double step = (hi - lo) / 255;
    double sum = 0, n = 0;
    if (!(step > 0)) return 0;
    const double z = nearbyint(-lo / step);
    for (int k = 0; k < NPI_QUANT_BINS; k++) {
        if (!s->hist[k]) continue;
        const double x = centre(s, k);
        double q = nearbyint(x / step) + z;
        q = q < 0 ? 0 : q > 255 ? 255 : q;
        const double y = (q - z) * step, d = behind ? behind(x) - behind(y) : x - y;
        /* within a bin values are spread evenly; a step finer than a bin leaves nothing of the bin's own width */
        sum += s->hist[k] * (d * d);
        n += s->hist[k];
    }
    return n > 0 ? sum / n : 0;
}

static void by_percentile(const struct npi_seen *s, double percentile, double *lo, double *hi) {
    double all = 0, cut, sum = 0;
    int a = 0, b = NPI_QUANT_BINS - 1;
    for (int k = 0; k < NPI_QUANT_BINS; k++) all += s->hist[k];
    cut = all * (1 - percentile / 100) / 2;
    while (a < b && (sum += s->hist[a]) <= cut) a++;
    sum = 0;
    while (b > a && (sum += s->hist[b]) <= cut) b--;
    *lo = a ? s->lo + a * width(s) : s->lo;
    *hi = b < NPI_QUANT_BINS - 1 ? s->lo + (b + 1) * width(s) : s->hi;
}

/* One end after the other, in steps of a fiftieth, twice. */
static void by_mse(const struct npi_seen *s, npi_range_fn behind, double *lo, double *hi) {
    const double l0 = fmin(s->lo, 0), h0 = fmax(s->hi, 0);
    double best = npi_range_mse(s, l0, h0, behind), l = l0, h = h0;
    for (int round = 0; round < 2; round++) {
        for (int i = 49; i >= 2 && h0 > 0; i--) {
            const double e = npi_range_mse(s, l, h0 * i / 50, behind);
            if (e < best) best = e, h = h0 * i / 50;
        }
        for (int i = 49; i >= 2 && l0 < 0; i--) {
            const double e = npi_range_mse(s, l0 * i / 50, h, behind);
            if (e < best) best = e, l = l0 * i / 50;
        }
        if (!(l0 < 0) || !(h0 > 0)) break;
    }
    *lo = l;
    *hi = h;
}

/* KL divergence of the clipped distribution in bins a..b from its picture in 256 levels. */
static double divergence(const double *hist, int a, int b) {
    double p[NPI_QUANT_BINS], below = 0, above = 0, all = 0, kl = 0;
    const int n = b - a + 1;
    for (int k = 0; k < NPI_QUANT_BINS; k++) {
        all += hist[k];
        below += k < a ? hist[k] : 0;
        above += k > b ? hist[k] : 0;
    }
    for (int k = 0; k < n; k++) p[k] = hist[a + k];
    p[0] += below;
    p[n - 1] += above;
    for (int level = 0; level < 256; level++) {
        const int from = (int)((int64_t)n * level / 256), to = (int)((int64_t)n * (level + 1) / 256);
        double sum = 0;
        int used = 0;
        for (int k = from; k < to; k++) {
            sum += hist[a + k]; /* without what was clipped: that is the loss */
            used += p[k] > 0;
        }
        for (int k = from; k < to; k++)
            if (p[k] > 0) kl += p[k] / all * log(p[k] / (used && sum > 0 ? sum / used : 1e-3));
    }
    return kl;
}

static void by_entropy(const struct npi_seen *s, double *lo, double *hi) {
    int zero = (int)((0 - s->lo) / width(s)), best_a = 0, best_b = NPI_QUANT_BINS - 1;
    double best = INFINITY, hist[NPI_QUANT_BINS];
    zero = zero < 0 ? 0 : zero >= NPI_QUANT_BINS ? NPI_QUANT_BINS - 1 : zero;
    for (int k = 0; k < NPI_QUANT_BINS; k++) hist[k] = s->hist[k];
    /* Zeros behind a Relu are met exactly by any range; left in, they would outvote all that is not 0. */
    hist[zero] = zero + 1 < NPI_QUANT_BINS ? hist[zero + 1] : 0;
    for (int i = 50; i >= 8; i--) { /* both ends shrink towards 0 in proportion */
        const int a = zero - zero * i / 50, b = zero + (NPI_QUANT_BINS - 1 - zero) * i / 50;
        if (b - a + 1 < 256) break;
        const double kl = divergence(hist, a, b);
        if (kl < best) best = kl, best_a = a, best_b = b;
    }
    *lo = best_a ? s->lo + best_a * width(s) : s->lo;
    *hi = best_b < NPI_QUANT_BINS - 1 ? s->lo + (best_b + 1) * width(s) : s->hi;
}

void npi_range_choose(const struct npi_seen *s, int method, double percentile, npi_range_fn behind, double *lo, double *hi) {
    *lo = *hi = 0;
    if (!(s->hi >= s->lo)) return;
    *lo = s->lo;
    *hi = s->hi;
    if (s->hist && s->hi > s->lo) {
        if (method == NPI_RANGE_PERCENTILE) by_percentile(s, percentile, lo, hi);
        else if (method == NPI_RANGE_MSE) by_mse(s, behind, lo, hi);
        else if (method == NPI_RANGE_ENTROPY) by_entropy(s, lo, hi);
    }
    if (*lo > 0) *lo = 0;
    if (*hi < 0) *hi = 0;
}

void npi_range_params(double lo, double hi, float *scale, int32_t *zero) {
    double s = (hi - lo) / 255;
    if (!(s > 1e-30 && s < 1e30)) s = 1. / 255; /* always 0, or nothing seen */
    *scale = (float)s;
    const double z = nearbyint(-128 - lo / (double)*scale);
    *zero = (int32_t)(z < -128 ? -128 : z > 127 ? 127 : z);
}
