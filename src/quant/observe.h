/* SPDX-License-Identifier: Apache-2.0 */
/* What was seen of one tensor, and the range of int8 that suits it. Pure arithmetic, no graph.
 *
 *   lo            hist[NPI_QUANT_BINS]                hi
 *   |▁▁▂▃▅█▇▅▃▂▁▁▁▁▁▁                      ▁         |     an outlier would cost all others their resolution:
 *        |<──── the range ─────>|                          percentile, MSE and entropy cut it off, min-max does not */
#ifndef NPI_QUANT_OBSERVE_H
#define NPI_QUANT_OBSERVE_H
#include <stdint.h>

#define NPI_QUANT_BINS 2048

enum npi_range_method { NPI_RANGE_AUTO = 0, NPI_RANGE_MINMAX, NPI_RANGE_PERCENTILE, NPI_RANGE_MSE, NPI_RANGE_ENTROPY };
const char *npi_range_method_name(int method); /* NULL: none such */

struct npi_seen {
    double lo, hi;                /* extremes; lo > hi: nothing seen */
    uint64_t n, n_bad;            /* finite values; NaN and infinities, which are left out */
    uint32_t *hist;               /* [NPI_QUANT_BINS] over lo..hi, or NULL before the second look */
};
void npi_seen_init(struct npi_seen *s);
void npi_seen_extremes(struct npi_seen *s, const float *x, int64_t n);
/* After all extremes are known. */
void npi_seen_count(struct npi_seen *s, const float *x, int64_t n);

/* A function that the tensor goes through next, NULL: none. Errors of int8 are weighed behind it: what a SiLU flattens need not be told apart. */
typedef double (*npi_range_fn)(double x);
/* Range by method (not AUTO); contains 0. percentile: 50..100, of both ends together. */
void npi_range_choose(const struct npi_seen *s, int method, double percentile, npi_range_fn behind, double *lo, double *hi);
/* Mean squared error of int8 over lo..hi on the histogram, behind the function. */
double npi_range_mse(const struct npi_seen *s, double lo, double hi, npi_range_fn behind);

/* int8 parameters of a range; 0 is met exactly. */
void npi_range_params(double lo, double hi, float *scale, int32_t *zero);
#endif
