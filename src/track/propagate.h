/* SPDX-License-Identifier: Apache-2.0 */
/* Where the joints are on a frame that the pose net did not see: the last inferred pose, moved on with the speed it had.
 *
 *   inferred poses ── observe ──> place + speed of each joint ── at(t) ──> joints, less sure the older they are; nothing when too old
 *
 * A joint cannot run away: speeds die down (half is left after DECAY, propagate.c) and nothing moves further than a share of
 * the body's height. What comes out was never inferred: the caller marks it NP_POSE_PROPAGATED with its age. One thread at a time,
 * nothing allocates after create. */
#ifndef NPI_TRACK_PROPAGATE_H
#define NPI_TRACK_PROPAGATE_H
#include "base/err.h"
#include "nextpose/types.h"

struct npi_propagator;
/* timeout_s: older poses give nothing; .05 to .2 are sensible. max_persons: more push out those not observed for longest. */
int npi_propagator_create(struct npi_propagator **out, int max_persons, float timeout_s);
void npi_propagator_free(struct npi_propagator **p);
void npi_propagator_set_timeout(struct npi_propagator *p, float timeout_s);
/* An inferred pose (repaired and smoothed, as it was shown) of person id on the frame at t_ns, of a body about height_px tall.
 * Poses that are not newer than the last one start anew. */
void npi_propagator_observe(struct npi_propagator *p, int id, const struct np_keypoint *kpt, int n, float height_px, int64_t t_ns);
/* The joints at t_ns into out [NP_MAX_KEYPOINTS]; returns how many, 0: unknown person, or too old. age_ns (may be NULL): since the
 * pose was inferred. */
int npi_propagator_at(const struct npi_propagator *p, int id, int64_t t_ns, struct np_keypoint *out, int64_t *age_ns);
void npi_propagator_forget(struct npi_propagator *p, int id); /* -1: all */
#endif
