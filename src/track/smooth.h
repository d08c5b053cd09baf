/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing of joints while they come in: the One-Euro filter (Casiez, Roussel, Vogel 2012), a low pass whose cut-off grows with
 * speed, so that still joints do not tremble and fast ones do not lag. One filter a coordinate, joint and person.
 *
 * Lengths are counted in 1/500 of the person's height, so that near and far people are smoothed alike and beta has its usual size:
 * on a body 500 px tall this is the plain filter. zero_lag.h has the two-pass smoother for files. */
#ifndef NPI_TRACK_SMOOTH_H
#define NPI_TRACK_SMOOTH_H
#include <stddef.h>

#include "base/err.h"
#include "nextpose/types.h"

struct npi_one_euro_params { float min_cutoff_hz, beta, d_cutoff_hz; };
struct npi_one_euro { float x, dx; int64_t t_ns; int started; };
void npi_one_euro_params_default(struct npi_one_euro_params *p);
/* Next value at t_ns; a NaN value, or time standing still or going back, starts anew. */
float npi_one_euro(struct npi_one_euro *s, const struct npi_one_euro_params *p, float x, int64_t t_ns);

/* --- what the user asks for: none | one-euro[:min_cutoff[,beta[,d_cutoff]]] | zero-lag[:cutoff] --- */
enum npi_smooth_kind { NPI_SMOOTH_NONE = 0, NPI_SMOOTH_ONE_EURO = 1, NPI_SMOOTH_ZERO_LAG = 2 };
struct npi_smooth_spec { int kind; struct npi_one_euro_params one_euro; float zero_lag_hz; };
/* NULL or "": one-euro with its defaults. NP_EINVAL names what is wrong and what there is. */
int npi_smooth_parse(struct npi_smooth_spec *out, const char *text, struct np_error *err);
/* The spec as text that npi_smooth_parse reads, for --print-config; cut to size, returns the length it needs. */
size_t npi_smooth_write(const struct npi_smooth_spec *s, char *buf, size_t size);

/* --- filters of all people --- */
struct npi_smoother;
/* Kinds other than one-euro change nothing (zero-lag needs the whole track). max_persons: more push out those not seen for longest. */
int npi_smoother_create(struct npi_smoother **out, const struct npi_smooth_spec *s, int max_persons);
void npi_smoother_free(struct npi_smoother **s);
/* Another spec from the next pose on; people start anew when it is not the one in force. */
void npi_smoother_set(struct npi_smoother *s, const struct npi_smooth_spec *spec);
/* Smooths x, y and depth of an inferred pose in place. height_px: of the person (its box); t_ns as for npi_one_euro. After a gap of half a
 * second a person starts anew. */
void npi_smoother_apply(struct npi_smoother *s, int id, struct np_keypoint *kpt, int n, float height_px, int64_t t_ns);
void npi_smoother_forget(struct npi_smoother *s, int id); /* -1: all */
#endif
