/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing as callers see it: what a spec means, and whole tracks. */
#include "nextpose/nextpose.h"
#include "track/smooth.h"
#include "track/zero_lag.h"

#define MAX_GAP_S .5f

int np_smooth_kind(const char *spec, float *cutoff_hz, struct np_error *err) {
    struct npi_smooth_spec s;
    const int r = npi_smooth_parse(&s, spec, err);
    if (r < 0) return r;
    if (cutoff_hz) *cutoff_hz = s.zero_lag_hz;
    return s.kind;
}

int np_smooth_track(const int64_t *t_ns, struct np_keypoint *kpt, int n, int n_kpt, float cutoff_hz, struct np_error *err) {
    if (n < 0 || n_kpt < 0 || (n && (!t_ns || !kpt))) return npi_fail(err, NP_EINVAL, "np_smooth_track: NULL argument or a negative number");
    return n ? npi_zero_lag(t_ns, kpt, n, n_kpt, cutoff_hz, MAX_GAP_S, err) : 0;
}
