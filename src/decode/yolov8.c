/* SPDX-License-Identifier: Apache-2.0 */
/* The YOLOv5 / v8 / 11 family as exported, detect and pose. Told apart by shape (n: cells of strides 8, 16, 32; K joints):
 *   COLUMNS  [1][4 + classes][n], pose [1][5 + 3K][n]     v8, 11: cx cy w h, class scores, joints (x, y, conf)
 *   ROWS     [1][n][4 + classes], pose [1][n][5 + 3K]     the same, turned
 *   ANCHORS  [1][3n][5 + classes]                         v5: cx cy w h, objectness, class scores
 *   FINAL    [1][m][6], pose [1][m][6 + 3K]               NMS in the graph: x0 y0 x1 y1 score class, joints
 * Boxes are input pixels, or 0..1 (the exporter's habit for TFLite), told apart by size: no person is under two pixels. */
#include "decode/heads.h"

#include <stdio.h>

enum { COLUMNS, ROWS, ANCHORS, FINAL };

static int cells(const struct npi_decoder *d) {
    int n = 0;
    for (int s = 8; s <= 32; s *= 2) n += ((d->net_w + s - 1) / s) * ((d->net_h + s - 1) / s);
    return n;
}

static float at(const struct npi_decoder *d, const void *o, int row, int col) {
    const size_t i = d->form == COLUMNS ? (size_t)col * (size_t)d->rows + (size_t)row : (size_t)row * (size_t)d->cols + (size_t)col;
    return npi_out_at(&d->out[d->pick[0]], o, i);
}

static void joints(const struct npi_decoder *d, const void *const *out, int row, struct npi_joint *j) {
    const float sx = d->unit ? (float)d->net_w : 1, sy = d->unit ? (float)d->net_h : 1;
    const int first = d->form == FINAL ? 6 : 5;
    for (int k = 0; k < d->n_joints; k++)
        j[k] = (struct npi_joint){ at(d, out[d->pick[0]], row, first + 3 * k) * sx, at(d, out[d->pick[0]], row, first + 3 * k + 1) * sy, NAN,
                                   npi_clamp01(at(d, out[d->pick[0]], row, first + 3 * k + 2)), NAN, NAN, NAN };
}

static int init(struct npi_decoder *d, struct np_error *err) {
    const int n = cells(d), pose = d->card.task == NPI_TASK_POSE_MULTI, k = pose ? 3 * d->set->n : 0;
    if (d->card.task == NPI_TASK_POSE) return npi_fail(err, NP_EMODEL, "%s: the yolov8 head does detect and pose_multi", d->card.id);
    d->n_joints = pose ? d->set->n : 0;
    d->joints = pose ? joints : NULL;
    for (int i = 0; i < d->n_out; i++) {
        const struct npi_view *v = &d->out[i];
        if (v->rank != 3) continue;
        const int64_t a = v->d[1], b = v->d[2];
        const int least = 5 + d->card.dec.class_index; /* columns that detection needs */
        if (b == n && (pose ? a == 5 + k : a >= least)) { d->form = COLUMNS; d->rows = n; d->cols = (int)a; }
        else if (a == n && (pose ? b == 5 + k : b >= least)) { d->form = ROWS; d->rows = n; d->cols = (int)b; }
        else if (a == 3 * (int64_t)n && !pose && b > least) { d->form = ANCHORS; d->rows = 3 * n; d->cols = (int)b; }
        else if (b == 6 + k && a >= 1 && a <= 100000) { d->form = FINAL; d->rows = (int)a; d->cols = 6 + k; }
        else continue;
        d->pick[0] = i;
        return 0;
    }
    char want[160];
    if (pose) snprintf(want, sizeof want, "[1,%d,%d], [1,%d,%d] or [1,m,%d]", 5 + k, n, n, 5 + k, 6 + k);
    else snprintf(want, sizeof want, "[1,4 + classes,%d], [1,%d,4 + classes], [1,%d,5 + classes] or [1,m,6]", n, n, 3 * n);
    return npi_pick_fail(d, want, err);
}

static void detect(struct npi_decoder *d, const void *const *out, float thr) {
    const void *o = out[d->pick[0]];
    const int person = d->card.dec.class_index;
    float largest = 0;
    for (int i = 0; i < d->rows; i++) {
        float s = at(d, o, i, d->form == FINAL || d->form == ANCHORS ? 4 : 4 + person);
        if (d->card.dec.sigmoid && d->form != FINAL) s = npi_sigmoid(s);
        if (!(s >= thr)) continue;
        if (d->form == ANCHORS) {
            const float c = at(d, o, i, 5 + person);
            s *= d->card.dec.sigmoid ? npi_sigmoid(c) : c;
        }
        if (!(s >= thr) || (d->form == FINAL && lrintf(at(d, o, i, 5)) != person)) continue;
        const float a = at(d, o, i, 0), b = at(d, o, i, 1), c = at(d, o, i, 2), e = at(d, o, i, 3);
        largest = fmaxf(largest, fmaxf(fabsf(c), fabsf(e)));
        if (d->form == FINAL) npi_cand_add(d, a, b, c, e, s, i);
        else npi_cand_add(d, a - c / 2, b - e / 2, a + c / 2, b + e / 2, s, i);
    }
    d->unit = d->n_cand && largest < 2;
    if (!d->unit) return;
    for (int i = 0; i < d->n_cand; i++) {
        struct npi_cand *c = &d->cand[i];
        c->x0 *= (float)d->net_w; c->x1 *= (float)d->net_w; c->y0 *= (float)d->net_h; c->y1 *= (float)d->net_h;
    }
}

const struct npi_head npi_head_yolov8 = { "yolov8", -1, init, detect, NULL };
