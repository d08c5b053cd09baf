/* SPDX-License-Identifier: Apache-2.0 */
/* Two SSD heads whose anchors follow a rule; anchors are worked out for the rows above the threshold only.
 *
 * ssd_oidv4 (MobileNetV2, Open Images): [1][n][4] (ty, tx, th, tw) / (10, 10, 5, 5) and [1][n][classes] logits. Strides 16, 32,
 *   64, 128, 256 and 512; scale_i = .2 + .15 i; layer 0: (.1, r 1), (s, r 2), (s, r 1/2); others: s with r 1, 2, 1/2, 3, 1/3, then
 *   sqrt(s_i s_i+1) with r 1 (s_6 = 1). w = s sqrt(r), h = s / sqrt(r), of the input side.
 * blazepose_det: [1][n][12] (cx, cy, w, h, then 4 points) in pixels about the cell centre and [1][n][1] logits. Strides 8 and 16
 *   with two anchors a cell, 32 with six. Point 0 is the hip centre, point 1 lies on the circle around the body. Weighted NMS. */
#include "decode/heads.h"

#include <stdio.h>

#define BOXES 0
#define SCORES 1

struct layer { int stride, per_cell; };
static const struct layer oidv4_layers[] = { { 16, 3 }, { 32, 6 }, { 64, 6 }, { 128, 6 }, { 256, 6 }, { 512, 6 } };
static const struct layer blaze_layers[] = { { 8, 2 }, { 16, 2 }, { 32, 6 } };

static int grid(int side, int stride) { return (side + stride - 1) / stride; }

static int rows(const struct npi_decoder *d, const struct layer *l, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += grid(d->net_w, l[i].stride) * grid(d->net_h, l[i].stride) * l[i].per_cell;
    return sum;
}

/* Row -> layer, cell centre (0..1) and number within the cell. */
static int locate(const struct npi_decoder *d, const struct layer *l, int n, int row, float *x, float *y, int *k) {
    int i = 0;
    for (; i < n - 1; i++) {
        const int m = grid(d->net_w, l[i].stride) * grid(d->net_h, l[i].stride) * l[i].per_cell;
        if (row < m) break;
        row -= m;
    }
    const int gw = grid(d->net_w, l[i].stride), gh = grid(d->net_h, l[i].stride), cell = row / l[i].per_cell;
    *x = ((float)(cell % gw) + .5f) / (float)gw;
    *y = ((float)(cell / gw) + .5f) / (float)gh;
    *k = row % l[i].per_cell;
    return i;
}

static int pick(struct npi_decoder *d, int n, int box_cols, struct np_error *err) {
    char want[96];
    d->rows = n;
    d->pick[BOXES] = npi_pick(d, 0, 2, n, box_cols, -1);
    snprintf(want, sizeof want, "[1,%d,%d] (anchors of a %dx%d input)", n, box_cols, d->net_w, d->net_h);
    if (d->pick[BOXES] < 0) return npi_pick_fail(d, want, err);
    for (int i = 0; i < d->n_out && d->pick[SCORES] < 0; i++)
        if (i != d->pick[BOXES] && d->out[i].rank == 3 && d->out[i].d[1] == n && d->out[i].d[2] > d->card.dec.class_index) d->pick[SCORES] = i;
    snprintf(want, sizeof want, "[1,%d,classes] with class %d", n, d->card.dec.class_index);
    if (d->pick[SCORES] < 0) return npi_pick_fail(d, want, err);
    d->cols = (int)d->out[d->pick[SCORES]].d[2];
    return 0;
}

static float score(const struct npi_decoder *d, const void *const *out, int row) {
    const size_t i = (size_t)row * (size_t)d->cols + (size_t)d->card.dec.class_index;
    const float s = npi_out_at(&d->out[d->pick[SCORES]], out[d->pick[SCORES]], i);
    return d->card.dec.sigmoid ? npi_sigmoid(s) : s;
}

static float box_at(const struct npi_decoder *d, const void *const *out, int row, int cols, int i) {
    return npi_out_at(&d->out[d->pick[BOXES]], out[d->pick[BOXES]], (size_t)row * (size_t)cols + (size_t)i);
}

/* --- ssd_oidv4 --- */

static int oidv4_init(struct npi_decoder *d, struct np_error *err) { return pick(d, rows(d, oidv4_layers, 6), 4, err); }

static void oidv4_size(int layer, int k, float *w, float *h) {
    static const float ratio[5] = { 1.f, 2.f, .5f, 3.f, 1.f / 3.f };
    const float s = .2f + .15f * (float)layer, next = layer < 5 ? s + .15f : 1.f;
    float side = s, r = 1.f;
    if (layer == 0) {
        if (k == 0) side = .1f;
        r = ratio[k];
    } else if (k < 5) r = ratio[k];
    else side = sqrtf(s * next);
    *w = side * sqrtf(r);
    *h = side / sqrtf(r);
}

static void oidv4_detect(struct npi_decoder *d, const void *const *out, float thr) {
    const float nw = (float)d->net_w, nh = (float)d->net_h;
    for (int i = 0; i < d->rows; i++) {
        const float s = score(d, out, i);
        if (!(s >= thr)) continue;
        float ax, ay, aw, ah;
        int k;
        const int layer = locate(d, oidv4_layers, 6, i, &ax, &ay, &k);
        oidv4_size(layer, k, &aw, &ah);
        const float cy = box_at(d, out, i, 4, 0) / 10 * ah + ay, cx = box_at(d, out, i, 4, 1) / 10 * aw + ax;
        const float h = npi_exp_size(box_at(d, out, i, 4, 2) / 5) * ah, w = npi_exp_size(box_at(d, out, i, 4, 3) / 5) * aw;
        npi_cand_add(d, (cx - w / 2) * nw, (cy - h / 2) * nh, (cx + w / 2) * nw, (cy + h / 2) * nh, s, i);
    }
}

const struct npi_head npi_head_ssd_oidv4 = { "ssd_oidv4", NPI_TASK_DETECT, oidv4_init, oidv4_detect, NULL };

/* --- blazepose_det --- */

#define BLAZE_COLS 12
#define BLAZE_POINTS 4

static void blaze_joints(const struct npi_decoder *d, const void *const *out, int row, struct npi_joint *j) {
    float ax, ay;
    int k;
    locate(d, blaze_layers, 3, row, &ax, &ay, &k);
    for (int i = 0; i < BLAZE_POINTS; i++) {
        const float x = box_at(d, out, row, BLAZE_COLS, 4 + 2 * i) + ax * (float)d->net_w;
        const float y = box_at(d, out, row, BLAZE_COLS, 5 + 2 * i) + ay * (float)d->net_h;
        j[i] = (struct npi_joint){ x, y, NAN, 1, NAN, NAN, NAN };
    }
}

static int blaze_init(struct npi_decoder *d, struct np_error *err) {
    d->n_joints = BLAZE_POINTS;
    d->joints = blaze_joints;
    d->weighted_nms = 1;
    return pick(d, rows(d, blaze_layers, 3), BLAZE_COLS, err);
}

static void blaze_detect(struct npi_decoder *d, const void *const *out, float thr) {
    for (int i = 0; i < d->rows; i++) {
        const float s = score(d, out, i);
        if (!(s >= thr)) continue;
        float ax, ay;
        int k;
        locate(d, blaze_layers, 3, i, &ax, &ay, &k);
        const float cx = box_at(d, out, i, BLAZE_COLS, 0) + ax * (float)d->net_w, cy = box_at(d, out, i, BLAZE_COLS, 1) + ay * (float)d->net_h;
        const float w = box_at(d, out, i, BLAZE_COLS, 2), h = box_at(d, out, i, BLAZE_COLS, 3);
        npi_cand_add(d, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, s, i);
    }
}

const struct npi_head npi_head_blazepose_det = { "blazepose_det", NPI_TASK_DETECT, blaze_init, blaze_detect, NULL };
