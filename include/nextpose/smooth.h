/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing without lag, for recordings: a joint at time t is smoothed by what came before and by what came after, so that the two delays cancel. Results
 * therefore come out later than they go in, by np_track_smoother_delay_s; the same frames, the same people, in the same order.
 *
 *   np_track_smoother_create(&s, "zero-lag", &e);
 *   for each result r:      np_track_smoother_add(s, r, NULL, &e);
 *                           while (np_track_smoother_get(s, 0, &q, NULL, &e) == 0) use(q);
 *   and at the end:         while (np_track_smoother_get(s, 1, &q, NULL, &e) == 0) use(q);
 *
 * Only joints move. A person without a pose stays without, a joint without a place too; who was away for half a second starts anew. Propagated poses
 * count as they are and stay marked. np_settings.smooth of the context that the results come from should be "zero-lag" or "none", or they are smoothed twice. */
#ifndef NEXTPOSE_SMOOTH_H
#define NEXTPOSE_SMOOTH_H

#include "nextpose/error.h"
#include "nextpose/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a smoothing spec (np_settings.smooth) asks for: 0 none, 1 one-euro, 2 zero-lag, whose cut-off goes to *cutoff_hz; NP_EINVAL with a line. */
NP_API int np_smooth_kind(const char *spec, float *cutoff_hz, struct np_error *err);
/* Smooths one person's stored track without lag, forward and backward, in place: kpt [n][n_kpt] at strictly increasing times t_ns [n]. Gaps of more than
 * half a second separate. Any thread. For recordings that are read as a stream: below. */
NP_API int np_smooth_track(const int64_t *t_ns, struct np_keypoint *kpt, int n, int n_kpt, float cutoff_hz, struct np_error *err);

/* Results held at most, whatever the frame rate: beyond that the oldest comes out with less to look ahead at. */
#define NP_TRACK_SMOOTHER_MAX 8192

struct np_track_smoother;

/* smooth: "zero-lag[:cutoff]", .1 to 1000 Hz (default 6): faster movement is damped. *out is written only on success and belongs to the caller.
 * Any thread; one thread at a time a smoother. NP_EINVAL: another text; NP_ENOMEM. */
NP_API int np_track_smoother_create(struct np_track_smoother **out, const char *smooth, struct np_error *err);
/* Frees and writes NULL; results that it gave become invalid. NULL and pointer to NULL are fine. */
NP_API void np_track_smoother_free(struct np_track_smoother **s);

/* Copies a result, which stays the caller's; `opaque` comes back with it. Times that go back, or stand still, are a cut: nothing is smoothed across.
 * NP_EINVAL: the result has no time stamp (pts_ns < 0: pictures); NP_ENOMEM. On an error nothing was taken. */
NP_API int np_track_smoother_add(struct np_track_smoother *s, const struct np_result *r, void *opaque, struct np_error *err);
/* The oldest result, smoothed. It belongs to the smoother and is valid until the next call; its `frame` is NULL. opaque may be NULL.
 * NP_EAGAIN: more has to be seen first. flush 1: no more comes; NP_EEND: all are out. NP_ENOMEM: nothing was given, try again or give up.
 * out NULL: the oldest result is dropped as it is, and only its `opaque` comes back, until NP_EEND; this never fails. */
NP_API int np_track_smoother_get(struct np_track_smoother *s, int flush, const struct np_result **out, void **opaque, struct np_error *err);
/* Seconds of results that may be held before one comes out. */
NP_API double np_track_smoother_delay_s(const struct np_track_smoother *s);

#ifdef __cplusplus
}
#endif
#endif
