/* SPDX-License-Identifier: Apache-2.0 */
/* Left and right swapped on single frames, put right. Nets that see a body from behind, or legs that cross, sometimes call the left
 * leg the right one for a frame or two. Joints are only relabelled, never moved or made up; somebody who really turns round is
 * believed after a few frames. See flip.c for the decision. */
#ifndef NPI_TRACK_FLIP_H
#define NPI_TRACK_FLIP_H
#include "base/err.h"
#include "nextpose/types.h"

struct npi_flip;
int npi_flip_create(struct npi_flip **out, const struct np_keypoint_set *set, int max_persons);
void npi_flip_free(struct npi_flip **f);
/* Looks at the inferred pose of person id on the frame at t_ns and relabels it in place; 1 when it did. height_px: of the person (its box). */
int npi_flip_repair(struct npi_flip *f, int id, struct np_keypoint *kpt, int n, float height_px, int64_t t_ns);
void npi_flip_forget(struct npi_flip *f, int id); /* -1: all */
#endif
