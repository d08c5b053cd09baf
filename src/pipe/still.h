/* SPDX-License-Identifier: Apache-2.0 */
/* One picture by itself: no stream, no ids, nothing carried over from the picture before. What figures and calibration are made with. */
#ifndef NPI_PIPE_STILL_H
#define NPI_PIPE_STILL_H
#include "pipe/pipe.h"

struct npi_still;
int npi_still_open(struct npi_still **out, const struct npi_pipe_params *p, struct np_error *err);
void npi_still_close(struct npi_still **s);
/* boxes NULL: the detector's (without one, the whole picture is one person); else the pose net is run on exactly these. *out belongs to s and is
 * valid until the next call. Persons are in the order of the boxes; one whose net sees nobody has no joints. */
int npi_still_run(struct npi_still *s, const struct np_frame *f, const struct np_box *boxes, int n_boxes, const struct np_result **out, struct np_error *err);
/* Shows each net input before it is run; NULL: none. */
void npi_still_tap(struct npi_still *s, void (*tap)(void *opaque, const struct npi_seat *seat, const void *input), void *opaque);
#endif
