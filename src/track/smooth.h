/* SPDX-License-Identifier: Apache-2.0 */
/* One-Euro filter (Casiez, Roussel, Vogel 2012): a low pass whose cut-off grows with speed, so that still joints do not
 * tremble and fast ones do not lag. Defaults as pose tools use them: min_cutoff 1 Hz, beta .007, d_cutoff 1 Hz. */
#ifndef NPI_TRACK_SMOOTH_H
#define NPI_TRACK_SMOOTH_H
#include <stdint.h>
struct npi_one_euro_params { float min_cutoff_hz, beta, d_cutoff_hz; };
struct npi_one_euro { float x, dx; int64_t t_ns; int started; };
void npi_one_euro_params_default(struct npi_one_euro_params *p);
/* Next value at t_ns; a NaN value, or time standing still or going back, starts anew. */
float npi_one_euro(struct npi_one_euro *s, const struct npi_one_euro_params *p, float x, int64_t t_ns);
#endif
