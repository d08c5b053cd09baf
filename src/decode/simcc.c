/* SPDX-License-Identifier: Apache-2.0 */
/* SimCC (RTMPose): two outputs [b][J][w * split] and [b][J][h * split], a 1-D heat map a joint and axis. The place is the peak's
 * bin / split, a pixel number, hence + .5; the confidence the lower of the two peaks. Shapes tell x from y unless the input is square. */
#include "decode/heads.h"

#include <stdio.h>

static int init(struct npi_decoder *d, struct np_error *err) {
    const float split = d->card.dec.split > 0 ? d->card.dec.split : 2.f;
    const int64_t nx = lrintf(split * (float)d->net_w), ny = lrintf(split * (float)d->net_h);
    char want[96];
    d->pick[0] = npi_pick(d, 0, 2, d->n_joints, nx, -1);
    d->pick[1] = npi_pick(d, nx == ny ? d->pick[0] + 1 : 0, 2, d->n_joints, ny, -1);
    snprintf(want, sizeof want, "[b,%d,%lld] and [b,%d,%lld]", d->n_joints, (long long)nx, d->n_joints, (long long)ny);
    return d->pick[0] < 0 || d->pick[1] < 0 ? npi_pick_fail(d, want, err) : 0;
}

static float peak(const struct npi_decoder *d, const void *const *out, int axis, int item, int joint, int *bin) {
    const struct npi_view *v = &d->out[d->pick[axis]];
    const size_t n = (size_t)v->d[2], base = ((size_t)item * (size_t)d->n_joints + (size_t)joint) * n;
    float best = -INFINITY;
    *bin = 0;
    for (size_t i = 0; i < n; i++) {
        const float x = npi_out_at(v, out[d->pick[axis]], base + i);
        if (x > best) { best = x; *bin = (int)i; }
    }
    return best;
}

static void pose(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p) {
    const float split = d->card.dec.split > 0 ? d->card.dec.split : 2.f;
    float sum = 0;
    for (int k = 0; k < p->n; k++) {
        int bx, by;
        const float cx = peak(d, out, 0, item, k, &bx), cy = peak(d, out, 1, item, k, &by);
        p->joint[k].x = (float)bx / split + .5f;
        p->joint[k].y = (float)by / split + .5f;
        p->joint[k].conf = npi_clamp01(fminf(cx, cy));
        sum += p->joint[k].conf;
    }
    p->score = sum / (float)p->n;
}

const struct npi_head npi_head_simcc = { "simcc", NPI_TASK_POSE, init, NULL, pose };
