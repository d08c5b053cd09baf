/* SPDX-License-Identifier: Apache-2.0 */
/* The sliding window of convolutions and pools: output size, and which taps of an output row lie inside the input. */
#ifndef NPI_OPS_WINDOW_H
#define NPI_OPS_WINDOW_H
#include "ops/ops.h"

/* One output dim. ceil_mode: a last, partial window counts unless it would start in the padding behind the input. */
static inline int npi_window_dim(int64_t in, int k, int s, int d, int p0, int p1, int ceil_mode, const char *what, int64_t *out, struct np_error *err) {
    if (in < 1 || k < 1 || s < 1 || d < 1 || p0 < 0 || p1 < 0)
        return npi_fail(err, NP_ESHAPE, "%s %lld with kernel %d, stride %d, dilation %d, padding %d and %d", what, (long long)in, k, s, d, p0, p1);
    const int64_t span = (int64_t)(k - 1) * d + 1, room = in + p0 + p1 - span;
    if (room < 0)
        return npi_fail(err, NP_ESHAPE, "%s %lld with padding %d and %d is smaller than the window of %lld", what, (long long)in, p0, p1, (long long)span);
    *out = (ceil_mode ? (room + s - 1) / s : room / s) + 1;
    if (ceil_mode && (*out - 1) * s >= in + p0) --*out;
    return 0;
}
static inline int npi_window_out(const struct npi_window *w, int64_t h, int64_t wd, int ceil_mode, int64_t *oh, int64_t *ow, struct np_error *err) {
    const int r = npi_window_dim(h, w->kh, w->sh, w->dh, w->pt, w->pb, ceil_mode, "height", oh, err);
    return r < 0 ? r : npi_window_dim(wd, w->kw, w->sw, w->dw, w->pl, w->pr, ceil_mode, "width", ow, err);
}
/* Taps [*k0, *k1) of a window that starts at `pos` (may be negative) fall on 0..in-1. */
static inline void npi_window_taps(int64_t pos, int k, int d, int64_t in, int *k0, int *k1) {
    const int64_t a = pos < 0 ? (-pos + d - 1) / d : 0, b = in > pos ? (in - pos + d - 1) / d : 0;
    *k1 = b < k ? (int)b : k;
    *k0 = a < *k1 ? (int)a : *k1;
}
/* Does each of `out` windows along one dim see a pixel? Fast steps leave windows that lie in the padding to the reference: they have no maximum. */
static inline int npi_window_covers(int64_t in, int64_t out, int k, int s, int d, int pad) {
    for (int64_t o = 0; o < out; o++) {
        int k0, k1;
        npi_window_taps(o * s - pad, k, d, in, &k0, &k1);
        if (k0 >= k1) return 0;
    }
    return 1;
}
#endif
