/* SPDX-License-Identifier: Apache-2.0 */
/* --smooth zero-lag: results are kept until the clip has ended, each person's track is smoothed forward and backward, then they are written.
 * A person of 33 joints takes 1 KB a frame. */
#ifndef NPI_TOOLS_HINDSIGHT_H
#define NPI_TOOLS_HINDSIGHT_H
#include "outputs.h"

struct hindsight;
int hindsight_open(struct hindsight **out, float cutoff_hz, struct np_error *err);
/* Keeps a copy. */
int hindsight_keep(struct hindsight *h, const struct np_result *r, const char *name, struct np_error *err);
/* Smooths and writes all of it. */
int hindsight_write(struct hindsight *h, struct outputs *o, struct np_error *err);
void hindsight_close(struct hindsight **h);
#endif
