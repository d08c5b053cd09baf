/* SPDX-License-Identifier: Apache-2.0 */
/* How a body is built, from its joints. A bone seen end-on looks short, so of left and right the longer is taken and the mean runs
 * over many poses; still two people of like build cannot be told apart by it, and it only ever tips the scales (tracker.c). */
#include <math.h>

#include "track/track.h"

#define SEEN .5f       /* confidence from which a joint counts */
#define MEMORY 30.f    /* poses in the running mean */
#define UNLIKE .3f     /* mean relative difference at which two builds are as unlike as 1/e */

enum { L_SHOULDER = 5, R_SHOULDER, L_ELBOW, R_ELBOW, L_WRIST, R_WRIST, L_HIP, R_HIP, L_KNEE, R_KNEE, L_ANKLE, R_ANKLE };

static const struct np_keypoint *joint(const struct np_keypoint *kpt, int n, const struct np_keypoint_set *set, int coco) {
    const int i = set->to_coco17[coco];
    return i >= 0 && i < n && kpt[i].conf >= SEEN && isfinite(kpt[i].x + kpt[i].y) ? &kpt[i] : NULL;
}

static float length(const struct np_keypoint *a, const struct np_keypoint *b) { return a && b ? hypotf(a->x - b->x, a->y - b->y) : 0; }

/* The longer of a bone's left and right. */
static float bone(const struct np_keypoint *kpt, int n, const struct np_keypoint_set *set, int from, int to) {
    return fmaxf(length(joint(kpt, n, set, from), joint(kpt, n, set, to)), length(joint(kpt, n, set, from + 1), joint(kpt, n, set, to + 1)));
}

void npi_shape_add(struct npi_shape *s, const struct np_keypoint *kpt, int n, const struct np_keypoint_set *set) {
    float b[NPI_SHAPE_BONES], sum = 0;
    if (!set || !kpt || n != set->n) return;
    b[0] = bone(kpt, n, set, L_SHOULDER, L_HIP);
    b[1] = length(joint(kpt, n, set, L_SHOULDER), joint(kpt, n, set, R_SHOULDER));
    b[2] = length(joint(kpt, n, set, L_HIP), joint(kpt, n, set, R_HIP));
    b[3] = bone(kpt, n, set, L_SHOULDER, L_ELBOW) + bone(kpt, n, set, L_ELBOW, L_WRIST);
    b[4] = bone(kpt, n, set, L_HIP, L_KNEE);
    b[5] = bone(kpt, n, set, L_KNEE, L_ANKLE);
    for (int i = 0; i < NPI_SHAPE_BONES; i++) {
        if (!(b[i] > 0)) return;
        sum += b[i];
    }
    const float share = 1 / (fminf(s->weight, MEMORY - 1) + 1);
    for (int i = 0; i < NPI_SHAPE_BONES; i++) s->len[i] += share * (b[i] / sum - s->len[i]);
    s->weight += 1;
}

float npi_shape_like(const struct npi_shape *a, const struct npi_shape *b) {
    float d = 0;
    if (!(a->weight > 0 && b->weight > 0)) return .5f;
    for (int i = 0; i < NPI_SHAPE_BONES; i++) d += fabsf(a->len[i] - b->len[i]); /* lengths sum to 1, so this is relative */
    return expf(-d / UNLIKE);
}
