/* SPDX-License-Identifier: Apache-2.0 */
/* A box that moves: four Kalman filters of constant velocity (centre x, y, width, height), independent of each other. Noise is in
 * body heights, so that near and far people are treated alike; time is in seconds, so that frame rates are too. */
#ifndef NPI_TRACK_KALMAN_H
#define NPI_TRACK_KALMAN_H
#include "nextpose/types.h"
struct npi_kf1 { float x, v, pxx, pxv, pvv; };
struct npi_kf { struct npi_kf1 cx, cy, w, h; };
void npi_kf_start(struct npi_kf *k, const struct np_box *b);
/* damping: share of the velocity that is left after a second, 1 keeps it. */
void npi_kf_predict(struct npi_kf *k, float dt_s, float damping);
/* doubt: factor on the noise of this box, 1 for a good one. Boxes off by more than three deviations count as noisier still, so that a box
 * that was drawn about two people does not throw the speed. */
void npi_kf_update(struct npi_kf *k, const struct np_box *b, float doubt);
struct np_box npi_kf_box(const struct npi_kf *k);
#endif
