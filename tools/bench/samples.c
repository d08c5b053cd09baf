/* SPDX-License-Identifier: Apache-2.0 */
/* See samples.h. */
#include "samples.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 2000, EXACT_MAX = 64 };

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_sort(double *v, size_t n) { qsort(v, n, sizeof *v, by_value); }

static void sorted_copy(double *to, const double *v, int n) {
    memcpy(to, v, sizeof *v * (size_t)n);
    bench_sort(to, (size_t)n);
}

static double sorted_quantile(const double *s, int n, double q) {
    const double at = q * (n - 1);
    const int i = (int)at;
    return i + 1 < n ? s[i] + (at - i) * (s[i + 1] - s[i]) : s[n - 1];
}

double bench_quantile(const double *v, int n, double q) {
    double s[BENCH_MAX_SAMPLES];
    sorted_copy(s, v, n);
    return sorted_quantile(s, n, q);
}

double bench_median(const double *v, int n) { return bench_quantile(v, n, .5); }

struct bench_interval bench_median_interval(const double *v, int n) {
    double s[BENCH_MAX_SAMPLES];
    sorted_copy(s, v, n);
    /* The largest k with P(Binomial(n, 1/2) < k) <= 2.5 %: the median lies in [s[k-1], s[n-k]] with at least 95 %. */
    int k = 0;
    double tail = 0;
    for (int i = 0; i < n; i++) {
        tail += exp(lgamma(n + 1.) - lgamma(i + 1.) - lgamma(n - i + 1.) - n * log(2.));
        if (tail > .025) break;
        k = i + 1;
    }
    if (k < 1) k = 1;
    return (struct bench_interval){ s[k - 1], sorted_quantile(s, n, .5), s[n - k] };
}

/* Doubled midranks of all values, in the order given. */
static void ranks2(const double *v, int n, int *rank) {
    for (int i = 0; i < n; i++) {
        int below = 0, same = 0;
        for (int k = 0; k < n; k++) {
            below += v[k] < v[i];
            same += v[k] == v[i];
        }
        rank[i] = 2 * below + same + 1;
    }
}

/* ways[k][s]: subsets of k of the items whose doubled ranks sum to s. */
static double exact_p(const int *rank, int n, int k, int observed) {
    enum { MAX_SUM = EXACT_MAX * (EXACT_MAX + 1) };
    double *const ways = calloc((size_t)(k + 1) * (MAX_SUM + 1), sizeof *ways);
    if (!ways) return 1;
    ways[0] = 1;
    for (int i = 0; i < n; i++)
        for (int c = (i < k ? i : k - 1); c >= 0; c--) {
            const double *const from = ways + (size_t)c * (MAX_SUM + 1);
            double *const to = ways + (size_t)(c + 1) * (MAX_SUM + 1);
            for (int s = MAX_SUM - rank[i]; s >= 0; s--) to[s + rank[i]] += from[s];
        }
    double low = 0, high = 0, all = 0;
    for (int s = 0; s <= MAX_SUM; s++) {
        const double w = ways[(size_t)k * (MAX_SUM + 1) + (size_t)s];
        all += w;
        if (s <= observed) low += w;
        if (s >= observed) high += w;
    }
    free(ways);
    return fmin(1, 2 * fmin(low, high) / all);
}

double bench_rank_test(const double *a, int na, const double *b, int nb) {
    const int n = na + nb;
    if (na < 1 || nb < 1 || n > BENCH_MAX_SAMPLES) return 1;
    double v[BENCH_MAX_SAMPLES];
    int rank[BENCH_MAX_SAMPLES], sum = 0;
    memcpy(v, a, sizeof *a * (size_t)na);
    memcpy(v + na, b, sizeof *b * (size_t)nb);
    ranks2(v, n, rank);
    for (int i = 0; i < na; i++) sum += rank[i];
    if (n <= EXACT_MAX) return exact_p(rank, n, na, sum);
    double ties = 0; /* sum of t^3 - t over groups of equal values, each value adding its share */
    for (int i = 0; i < n; i++) {
        int same = 0;
        for (int k = 0; k < n; k++) same += v[k] == v[i];
        ties += (double)same * same - 1;
    }
    const double u = sum / 2. - na * (na + 1) / 2., mean = (double)na * nb / 2;
    const double var = (double)na * nb / 12 * (n + 1 - ties / ((double)n * (n - 1)));
    return var > 0 ? erfc(fmax(0, fabs(u - mean) - .5) / sqrt(2 * var)) : 1;
}

/* xorshift64*: good enough to resample, the same everywhere. */
static uint64_t next(uint64_t *s) {
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * 2685821657736338717u;
}
static int below(uint64_t *s, int n) { return (int)((next(s) >> 33) % (uint64_t)n); }

static double resampled_median(const double *v, int n, uint64_t *seed) {
    double s[BENCH_MAX_SAMPLES];
    for (int i = 0; i < n; i++) s[i] = v[below(seed, n)];
    bench_sort(s, (size_t)n);
    return sorted_quantile(s, n, .5);
}

struct bench_interval bench_ratio(const double *a, int na, const double *b, int nb) {
    double r[RESAMPLES];
    uint64_t seed = 88172645463325252u;
    const double mid = bench_median(b, nb) / bench_median(a, na);
    for (int i = 0; i < RESAMPLES; i++) {
        const double x = resampled_median(a, na, &seed);
        r[i] = resampled_median(b, nb, &seed) / x;
    }
    bench_sort(r, RESAMPLES);
    return (struct bench_interval){ sorted_quantile(r, RESAMPLES, .025), mid, sorted_quantile(r, RESAMPLES, .975) };
}

/* Largest standardised difference of mean rank between the two sides of a split; *at: first of the right side. Sides of at least two. */
static double largest_split(const int *rank, int n, int *at) {
    double total = 0, left = 0, best = -1;
    for (int i = 0; i < n; i++) total += rank[i];
    for (int k = 1; k < n; k++) {
        left += rank[k - 1];
        if (k < 2 || n - k < 2) continue;
        const double d = fabs(left / k - (total - left) / (n - k)) * sqrt((double)k * (n - k) / n);
        if (d > best) {
            best = d;
            *at = k;
        }
    }
    return best;
}

static void segment(const double *v, int from, int to, double alpha, double min_change, int *at, int max, int *count) {
    const int n = to - from;
    if (n < 8 || *count == max) return;
    int *const rank = malloc(sizeof *rank * (size_t)n), k = 0, ignored, as_large = 0;
    if (!rank) return;
    ranks2(v + from, n, rank);
    const double seen = largest_split(rank, n, &k);
    uint64_t seed = 88172645463325252u;
    for (int p = 0; p < RESAMPLES; p++) {
        for (int i = n - 1; i > 0; i--) {
            const int j = below(&seed, i + 1), t = rank[i];
            rank[i] = rank[j];
            rank[j] = t;
        }
        as_large += largest_split(rank, n, &ignored) >= seen - 1e-9;
    }
    free(rank);
    const double before = bench_median(v + from, k), after = bench_median(v + from + k, n - k);
    if ((as_large + 1.) / (RESAMPLES + 1.) >= alpha || fabs(after - before) <= min_change * fabs(before)) return;
    segment(v, from, from + k, alpha, min_change, at, max, count);
    if (*count < max) at[(*count)++] = from + k;
    segment(v, from + k, to, alpha, min_change, at, max, count);
}

int bench_change_points(const double *v, int n, double alpha, double min_change, int *at, int max) {
    int count = 0;
    segment(v, 0, n, alpha, min_change, at, max, &count);
    return count;
}
