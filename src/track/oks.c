/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two boxes and two poses are. */
#include <math.h>

#include "track/track.h"

#define SEEN .3f      /* confidence from which a joint counts */
#define SAME_OKS .75f
#define SAME_IOU .8f
#define FAR 1e6f       /* pixels: nowhere */

float npi_iou(const struct np_box *a, const struct np_box *b) { return npi_iou_padded(a, b, 0); }

float npi_iou_padded(const struct np_box *a, const struct np_box *b, float pad) {
    const float aw = a->w + 2 * pad, ah = a->h + 2 * pad, bw = b->w + 2 * pad, bh = b->h + 2 * pad;
    const float w = fminf(a->x + a->w, b->x + b->w) - fmaxf(a->x, b->x) + 2 * pad, h = fminf(a->y + a->h, b->y + b->h) - fmaxf(a->y, b->y) + 2 * pad;
    if (!(w > 0 && h > 0)) return 0;
    return w * h / (aw * ah + bw * bh - w * h);
}

float npi_inside(const struct np_box *a, const struct np_box *b) {
    const float w = fminf(a->x + a->w, b->x + b->w) - fmaxf(a->x, b->x), h = fminf(a->y + a->h, b->y + b->h) - fmaxf(a->y, b->y);
    const float least = fminf(a->w * a->h, b->w * b->h);
    return w > 0 && h > 0 && least > 0 ? w * h / least : 0;
}

/* COCO's: mean of exp(-d^2 / (2 area (2 sigma)^2)). */
float npi_oks(const struct np_keypoint *a, const struct np_keypoint *b, int n, const float *sigma, float area, float thr) {
    float sum = 0;
    int used = 0;
    if (!(area > 0)) return -1;
    for (int i = 0; i < n; i++) {
        if (!(a[i].conf >= thr && b[i].conf >= thr)) continue;
        const float dx = a[i].x - b[i].x, dy = a[i].y - b[i].y, k = 2 * sigma[i];
        const float e = expf(-(dx * dx + dy * dy) / (2 * area * k * k));
        if (!(e >= 0)) continue; /* NaN places */
        sum += e;
        used++;
    }
    return used < 3 ? -1 : sum / (float)used;
}

int npi_pose_box(struct np_box *out, const struct np_keypoint *kpt, int n, float thr) {
    float x0 = INFINITY, y0 = INFINITY, x1 = -INFINITY, y1 = -INFINITY;
    int used = 0;
    for (int i = 0; i < n; i++) {
        if (!(kpt[i].conf >= thr && fabsf(kpt[i].x) < FAR && fabsf(kpt[i].y) < FAR)) continue; /* NaN too */
        x0 = fminf(x0, kpt[i].x); x1 = fmaxf(x1, kpt[i].x);
        y0 = fminf(y0, kpt[i].y); y1 = fmaxf(y1, kpt[i].y);
        used++;
    }
    if (used < 3 || !(x1 - x0 >= 1 && y1 - y0 >= 1)) return 0;
    *out = (struct np_box){ x0, y0, x1 - x0, y1 - y0 };
    return 1;
}

int npi_same_person(const struct np_person *a, const struct np_person *b, const struct np_keypoint_set *set) {
    if (set && a->n_keypoints == set->n && b->n_keypoints == set->n) {
        const float area = fminf(a->box.w * a->box.h, b->box.w * b->box.h);
        const float oks = npi_oks(a->keypoint, b->keypoint, set->n, set->sigma, area, SEEN);
        if (oks >= 0) return oks >= SAME_OKS;
    }
    return npi_iou(&a->box, &b->box) >= SAME_IOU;
}

/* Is a to be kept rather than b? */
static int rather(const struct np_person *a, const struct np_person *b) {
    if ((a->n_keypoints > 0) != (b->n_keypoints > 0)) return a->n_keypoints > 0;
    if ((a->id > 0) != (b->id > 0)) return a->id > 0;
    return a->id < b->id;
}

int npi_mark_doubles(const struct np_person *p, int n, const struct np_keypoint_set *set, unsigned char *dup) {
    int k = 0;
    for (int i = 0; i < n; i++) dup[i] = 0;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n && !dup[i]; j++) {
            if (dup[j] || !npi_same_person(&p[i], &p[j], set)) continue;
            dup[rather(&p[i], &p[j]) ? j : i] = 1;
            k++;
        }
    return k;
}
