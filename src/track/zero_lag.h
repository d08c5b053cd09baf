/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing of a whole stored track, without lag: forward and backward, so that the two delays cancel. For files. */
#ifndef NPI_TRACK_ZERO_LAG_H
#define NPI_TRACK_ZERO_LAG_H
#include "base/err.h"
#include "nextpose/types.h"

/* One person's track: kpt [n][n_kpt] at strictly increasing times t_ns [n], smoothed in place (x, y and depths; confidences stay). Joints that are
 * NaN or have confidence 0 stay as they are and are gaps; so are times without a sample for max_gap_s. cutoff_hz: frequencies above are damped.
 * NP_EINVAL: times that do not increase, or a cut-off that is not above 0. Allocates scratch, and only that. */
int npi_zero_lag(const int64_t *t_ns, struct np_keypoint *kpt, int n, int n_kpt, float cutoff_hz, float max_gap_s, struct np_error *err);
#endif
