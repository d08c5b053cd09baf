/* SPDX-License-Identifier: Apache-2.0 */
/* What a handful of timings can say: medians with intervals, whether two sets differ, where a series changed. Everything
 * here is free of assumptions about distributions (timings have long tails) and deterministic (fixed seeds). */
#ifndef NPI_BENCH_SAMPLES_H
#define NPI_BENCH_SAMPLES_H

#include <stddef.h>

#define BENCH_MAX_SAMPLES 4096

struct bench_interval { double low, mid, high; };

void bench_sort(double *v, size_t n); /* ascending */
/* Of n >= 1 finite values, n <= BENCH_MAX_SAMPLES; v is not changed. q in 0..1, linear between order statistics. */
double bench_median(const double *v, int n);
double bench_quantile(const double *v, int n, double q);
/* 95 % interval of the median from order statistics (binomial; David & Nagaraja, Order Statistics, 7.1). Below six values no
 * interval of that level exists: the range is given. */
struct bench_interval bench_median_interval(const double *v, int n);
/* Two-sided Mann-Whitney (Wilcoxon rank-sum) p; ties by midranks. Exact up to 64 values in all, normal approximation above.
 * 1 when either side has no value. Fewest for p < .05: 4 against 4. */
double bench_rank_test(const double *a, int na, const double *b, int nb);
/* median(b) / median(a) with a 95 % bootstrap interval (percentile, 2,000 resamples). */
struct bench_interval bench_ratio(const double *a, int na, const double *b, int nb);
/* Positions at which a new level begins: binary segmentation on the largest standardised CUSUM of ranks, each split kept when a permutation test
 * (2,000, seeded) gives p < alpha and the medians differ by more than min_change (.03: 3 %). Needs eight values a split. Count. */
int bench_change_points(const double *v, int n, double alpha, double min_change, int *at, int max);
#endif
