/* SPDX-License-Identifier: Apache-2.0 */
/* A record run through the tracker: which detection of which frame belongs to which id. */
#ifndef TESTS_TRACK_TRACK_ALL_H
#define TESTS_TRACK_TRACK_ALL_H
#include "record.h"

#define IDS_MAX 64
struct tracked {
    const struct record *r;
    int n_ids, every;        /* ids given out; frames that were looked at: every so-manieth */
    short *det[IDS_MAX];     /* [id][frame]: index of the detection, -1: not seen */
};
/* Only every so-manieth frame is looked at (with the poses fed back). Exits on errors and when more than IDS_MAX - 1 ids come. */
void track_all(struct tracked *t, const struct record *r, int every);
void tracked_free(struct tracked *t);
/* The detection, NULL: not seen. */
const struct rec_det *tracked_at(const struct tracked *t, int id, int frame);

/* measure.c: prints tables on what propagation, smoothing and repair do to this clip, and returns how many of the promises of docs/tracking.md it breaks. */
int measure(const struct tracked *t, const char *name);
#endif
