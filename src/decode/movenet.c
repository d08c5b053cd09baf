/* SPDX-License-Identifier: Apache-2.0 */
/* MoveNet: everything is decoded in the graph. movenet: [b][1][17][3] (y, x, score), 0..1 of the crop. movenet_multi:
 * [1][6][56] = 17 x (y, x, score), ymin, xmin, ymax, xmax, score. */
#include "decode/heads.h"

static int init(struct npi_decoder *d, struct np_error *err) {
    d->pick[0] = npi_pick(d, 0, 3, 1, d->n_joints, 3);
    return d->pick[0] < 0 ? npi_pick_fail(d, "[b,1,17,3]", err) : 0;
}

static struct npi_joint joint(const struct npi_decoder *d, const void *const *out, size_t i) {
    const struct npi_view *v = &d->out[d->pick[0]];
    const void *o = out[d->pick[0]];
    const float y = npi_out_at(v, o, i) * (float)d->net_h, x = npi_out_at(v, o, i + 1) * (float)d->net_w;
    return (struct npi_joint){ x, y, NAN, npi_clamp01(npi_out_at(v, o, i + 2)), NAN, NAN, NAN };
}

static void pose(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p) {
    float sum = 0;
    for (int k = 0; k < p->n; k++) {
        p->joint[k] = joint(d, out, ((size_t)item * (size_t)p->n + (size_t)k) * 3);
        sum += p->joint[k].conf;
    }
    p->score = sum / (float)p->n;
}

const struct npi_head npi_head_movenet = { "movenet", NPI_TASK_POSE, init, NULL, pose };

static void multi_joints(const struct npi_decoder *d, const void *const *out, int row, struct npi_joint *j) {
    for (int k = 0; k < d->n_joints; k++) j[k] = joint(d, out, (size_t)row * (size_t)d->cols + (size_t)k * 3);
}

static int multi_init(struct npi_decoder *d, struct np_error *err) {
    d->cols = 3 * d->n_joints + 5;
    d->pick[0] = npi_pick(d, 0, 2, -1, d->cols, -1);
    if (d->pick[0] < 0) return npi_pick_fail(d, "[1,6,56]", err);
    d->rows = (int)d->out[d->pick[0]].d[1];
    d->joints = multi_joints;
    return 0;
}

static void multi_detect(struct npi_decoder *d, const void *const *out, float thr) {
    const struct npi_view *v = &d->out[d->pick[0]];
    const float w = (float)d->net_w, h = (float)d->net_h;
    for (int i = 0; i < d->rows; i++) {
        const size_t b = (size_t)i * (size_t)d->cols + 3 * (size_t)d->n_joints;
        const void *o = out[d->pick[0]];
        const float s = npi_out_at(v, o, b + 4);
        if (!(s >= thr)) continue;
        npi_cand_add(d, npi_out_at(v, o, b + 1) * w, npi_out_at(v, o, b) * h, npi_out_at(v, o, b + 3) * w, npi_out_at(v, o, b + 2) * h, s, i);
    }
}

const struct npi_head npi_head_movenet_multi = { "movenet_multi", NPI_TASK_POSE_MULTI, multi_init, multi_detect, NULL };
