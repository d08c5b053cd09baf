/* SPDX-License-Identifier: Apache-2.0 */
/* EfficientDet(-Lite): outputs [1][n][4] boxes (ty, tx, th, tw) and [1][n][classes] probabilities. Anchors for levels 3..7, stride
 * s = 2^level, grid ceil(side / s), y-major; nine a cell: octave o = 0, 1, 2 (outer), ratio r = 1, 2, 1/2 (inner); size
 * b = 3 s 2^(o/3), w = b sqrt(r), h = b / sqrt(r), centre ((x + .5) s, (y + .5) s).
 *
 * Only the person column of the scores is read, and anchors are worked out for the few rows above the threshold. */
#include "decode/heads.h"

#include <stdio.h>

#define BOXES 0
#define SCORES 1
#define PER_CELL 9

static int64_t n_anchors(int w, int h) {
    int64_t n = 0;
    for (int l = 3; l <= 7; l++) n += (int64_t)((w + (1 << l) - 1) >> l) * ((h + (1 << l) - 1) >> l);
    return n * PER_CELL;
}

static int init(struct npi_decoder *d, struct np_error *err) {
    const int64_t n = n_anchors(d->net_w, d->net_h);
    char want[64];
    d->pick[BOXES] = npi_pick(d, 0, 2, n, 4, -1);
    snprintf(want, sizeof want, "[1,%lld,4] (anchors of a %dx%d input)", (long long)n, d->net_w, d->net_h);
    if (d->pick[BOXES] < 0) return npi_pick_fail(d, want, err);
    for (int i = 0; i < d->n_out && d->pick[SCORES] < 0; i++)
        if (i != d->pick[BOXES] && d->out[i].rank == 3 && d->out[i].d[1] == n && d->out[i].d[2] > d->card.dec.class_index) d->pick[SCORES] = i;
    snprintf(want, sizeof want, "[1,%lld,classes] with class %d", (long long)n, d->card.dec.class_index);
    if (d->pick[SCORES] < 0) return npi_pick_fail(d, want, err);
    d->rows = (int)n;
    d->cols = (int)d->out[d->pick[SCORES]].d[2];
    d->scores = d->pick[SCORES];
    return 0;
}

static void anchor(const struct npi_decoder *d, int row, float *x, float *y, float *w, float *h) {
    static const float octave[3] = { 1.f, 1.25992105f, 1.58740105f }, root[3] = { 1.f, 1.41421356f, .70710678f };
    int l = 3;
    for (; l < 7; l++) {
        const int n = ((d->net_w + (1 << l) - 1) >> l) * ((d->net_h + (1 << l) - 1) >> l) * PER_CELL;
        if (row < n) break;
        row -= n;
    }
    const float s = (float)(1 << l);
    const int gw = (d->net_w + (1 << l) - 1) >> l, cell = row / PER_CELL, k = row % PER_CELL;
    const float b = 3.f * s * octave[k / 3];
    *x = ((float)(cell % gw) + .5f) * s;
    *y = ((float)(cell / gw) + .5f) * s;
    *w = b * root[k % 3];
    *h = b / root[k % 3];
}

static void detect(struct npi_decoder *d, const void *const *out, float thr) {
    const struct npi_view *vb = &d->out[d->pick[BOXES]], *vs = &d->out[d->pick[SCORES]];
    const void *box = out[d->pick[BOXES]], *scores = out[d->pick[SCORES]];
    const size_t cols = (size_t)d->cols, person = (size_t)d->card.dec.class_index;
    for (int i = 0; i < d->rows; i++) {
        float p = npi_out_at(vs, scores, (size_t)i * cols + person);
        if (d->card.dec.sigmoid) p = npi_sigmoid(p);
        if (!(p >= thr)) continue;
        float ax, ay, aw, ah;
        anchor(d, i, &ax, &ay, &aw, &ah);
        const float cy = npi_out_at(vb, box, (size_t)i * 4) * ah + ay, cx = npi_out_at(vb, box, (size_t)i * 4 + 1) * aw + ax;
        const float h = npi_exp_size(npi_out_at(vb, box, (size_t)i * 4 + 2)) * ah, w = npi_exp_size(npi_out_at(vb, box, (size_t)i * 4 + 3)) * aw;
        npi_cand_add(d, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, p, i);
    }
}

const struct npi_head npi_head_efficientdet = { "efficientdet", NPI_TASK_DETECT, init, detect, NULL };
