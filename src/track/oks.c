/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two boxes and two poses are. */
#include <math.h>

#include "track/track.h"

float npi_iou(const struct np_box *a, const struct np_box *b) {
    const float w = fminf(a->x + a->w, b->x + b->w) - fmaxf(a->x, b->x), h = fminf(a->y + a->h, b->y + b->h) - fmaxf(a->y, b->y);
    if (!(w > 0 && h > 0)) return 0;
    return w * h / (a->w * a->h + b->w * b->h - w * h);
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
