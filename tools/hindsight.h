/* SPDX-License-Identifier: Apache-2.0 */
/* --smooth zero-lag: results wait until enough was seen of what comes after them (np_track_smoother), with their pictures where somebody draws or watches. */
#ifndef NPI_TOOLS_HINDSIGHT_H
#define NPI_TOOLS_HINDSIGHT_H
#include "io/source.h"

struct hindsight;
/* *out stays NULL for other specs. pictures: 1 keeps them. NP_EINVAL: this input cannot be smoothed so, or would need too much memory. */
int hindsight_open(struct hindsight **out, const char *smooth, const struct npi_source_info *source, int pictures, struct np_error *err);
/* Copies the result, takes its own reference to the picture. */
int hindsight_keep(struct hindsight *h, const struct np_result *r, struct npi_pic *pic, struct np_error *err);
/* The next one, valid until the next call; *pic is to be unref'd. NP_EAGAIN: more has to be kept first; flush 1: no more comes, NP_EEND at the end. */
int hindsight_take(struct hindsight *h, int flush, const struct np_result **r, struct npi_pic **pic, struct np_error *err);
void hindsight_close(struct hindsight **h);
#endif
