/* SPDX-License-Identifier: Apache-2.0 */
/* BlazePose landmarks. Outputs: [b][195] = 39 x (x, y, z, visibility, presence), pixels of the input and logits; [b][1] presence of a
 * person (a probability); [b][117] world metres about the hip centre, optional; [b][64][64][39] or [b][39][64][64] heat maps (logits), optional.
 * The first 33 of the 39 are the joints; 33 is the hip centre and 34 a point on the circle around the body: where to look in the next frame.
 *
 * With heat maps each joint is moved to the weighted mean of the 7x7 cells about it, where their peak is at least
 * `refine_thr`: + .02 to .05 OKS. Confidence is visibility x presence. */
#include "decode/heads.h"

#include <stdio.h>

enum { LANDMARKS, FLAG, WORLD, HEAT };
enum { HWC, CHW };
#define N_POINTS 39
#define N_JOINTS 33

static int init(struct npi_decoder *d, struct np_error *err) {
    char want[64];
    d->pick[LANDMARKS] = npi_pick(d, 0, 1, N_POINTS * 5, -1, -1);
    d->pick[FLAG] = npi_pick(d, 0, 1, 1, -1, -1);
    d->pick[WORLD] = npi_pick(d, 0, 1, N_POINTS * 3, -1, -1);
    d->pick[HEAT] = npi_pick(d, 0, 3, -1, -1, N_POINTS);
    d->form = HWC;
    if (d->pick[HEAT] < 0 && (d->pick[HEAT] = npi_pick(d, 0, 3, N_POINTS, -1, -1)) >= 0) d->form = CHW;
    if (d->pick[LANDMARKS] < 0) return npi_pick_fail(d, "[b,195]", err);
    if (d->pick[FLAG] < 0) return npi_pick_fail(d, "[b,1]", err);
    if (d->n_joints != N_JOINTS) {
        snprintf(want, sizeof want, "the keypoint set blazepose33, not %s,", d->card.keypoint_set);
        return npi_pick_fail(d, want, err);
    }
    return 0;
}

/* The mean of the 7x7 cells around (x, y), weighted by probability. A cell counts as its left top corner, as the net was trained. */
static void refine(const struct npi_decoder *d, const void *heat, size_t item, int k, float *x, float *y) {
    const struct npi_view *v = &d->out[d->pick[HEAT]];
    const int chw = d->form == CHW, h = (int)v->d[1 + chw], w = (int)v->d[2 + chw];
    const float fx = *x / (float)d->net_w * (float)w, fy = *y / (float)d->net_h * (float)h;
    if (!(fx >= 0 && fx < (float)w && fy >= 0 && fy < (float)h)) return;
    const int cx = (int)fx, cy = (int)fy;
    const int x0 = cx > 3 ? cx - 3 : 0, x1 = cx + 3 < w ? cx + 3 : w - 1, y0 = cy > 3 ? cy - 3 : 0, y1 = cy + 3 < h ? cy + 3 : h - 1;
    float sum = 0, sx = 0, sy = 0, peak = 0;
    for (int r = y0; r <= y1; r++)
        for (int c = x0; c <= x1; c++) {
            const size_t i = chw ? ((item * N_POINTS + (size_t)k) * (size_t)h + (size_t)r) * (size_t)w + (size_t)c
                                 : ((item * (size_t)h + (size_t)r) * (size_t)w + (size_t)c) * N_POINTS + (size_t)k;
            const float p = npi_sigmoid(npi_out_at(v, heat, i));
            sum += p;
            sx += p * (float)c;
            sy += p * (float)r;
            if (p > peak) peak = p;
        }
    if (!(peak >= d->card.dec.refine_thr) || !(sum > 0)) return;
    *x = sx / sum / (float)w * (float)d->net_w;
    *y = sy / sum / (float)h * (float)d->net_h;
}

static void pose(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p) {
    const struct npi_view *lv = &d->out[d->pick[LANDMARKS]];
    const void *l = out[d->pick[LANDMARKS]];
    const size_t base = (size_t)item * N_POINTS * 5;
    p->score = npi_clamp01(npi_out_at(&d->out[d->pick[FLAG]], out[d->pick[FLAG]], (size_t)item));
    float xy[35][2];
    for (int i = 0; i < 35; i++) {
        xy[i][0] = npi_out_at(lv, l, base + (size_t)i * 5);
        xy[i][1] = npi_out_at(lv, l, base + (size_t)i * 5 + 1);
        if (d->pick[HEAT] >= 0 && d->card.dec.refine_thr > 0) refine(d, out[d->pick[HEAT]], (size_t)item, i, &xy[i][0], &xy[i][1]);
    }
    for (int i = 0; i < N_JOINTS; i++) {
        struct npi_joint *j = &p->joint[i];
        j->x = xy[i][0];
        j->y = xy[i][1];
        j->z = npi_out_at(lv, l, base + (size_t)i * 5 + 2);
        j->conf = npi_clamp01(npi_sigmoid(npi_out_at(lv, l, base + (size_t)i * 5 + 3)) * npi_sigmoid(npi_out_at(lv, l, base + (size_t)i * 5 + 4)));
        if (d->pick[WORLD] >= 0) {
            const struct npi_view *wv = &d->out[d->pick[WORLD]];
            const size_t w = (size_t)item * N_POINTS * 3 + (size_t)i * 3;
            j->wx = npi_out_at(wv, out[d->pick[WORLD]], w);
            j->wy = npi_out_at(wv, out[d->pick[WORLD]], w + 1);
            j->wz = npi_out_at(wv, out[d->pick[WORLD]], w + 2);
        }
    }
    p->roi_cx = xy[33][0]; p->roi_cy = xy[33][1]; p->roi_px = xy[34][0]; p->roi_py = xy[34][1];
    p->has_roi = isfinite(p->roi_cx) && isfinite(p->roi_cy) && isfinite(p->roi_px) && isfinite(p->roi_py);
}

const struct npi_head npi_head_blazepose = { "blazepose", NPI_TASK_POSE, init, NULL, pose };
