/* SPDX-License-Identifier: Apache-2.0 */
/* YOLOX: one output [1][n][5 + classes], rows over the grids of strides 8, 16, 32 (and 64 for the P6 nets), y-major:
 * (x, y) = (o[0:2] + grid) * stride, (w, h) = exp(o[2:4]) * stride, score = o[4] * o[5 + class]; the sigmoids are in the graph. */
#include "decode/heads.h"

#include <stdio.h>

static int grid_rows(const struct npi_decoder *d, int levels) {
    int n = 0;
    for (int l = 3; l < 3 + levels; l++) n += ((d->net_w + (1 << l) - 1) >> l) * ((d->net_h + (1 << l) - 1) >> l);
    return n;
}

static int init(struct npi_decoder *d, struct np_error *err) {
    char want[96];
    for (d->form = 3; d->form <= 4; d->form++) {
        d->rows = grid_rows(d, d->form);
        d->pick[0] = npi_pick(d, 0, 2, d->rows, -1, -1);
        if (d->pick[0] >= 0) break;
    }
    if (d->pick[0] >= 0) d->cols = (int)d->out[d->pick[0]].d[2];
    if (d->pick[0] >= 0 && d->cols > 5 + d->card.dec.class_index) return 0;
    snprintf(want, sizeof want, "[1,%d,5 + classes] (cells of a %dx%d input)", grid_rows(d, 3), d->net_w, d->net_h);
    return npi_pick_fail(d, want, err);
}

static void detect(struct npi_decoder *d, const void *const *out, float thr) {
    const struct npi_view *v = &d->out[d->pick[0]];
    const void *o = out[d->pick[0]];
    const size_t cols = (size_t)d->cols, person = 5 + (size_t)d->card.dec.class_index;
    int row = 0;
    for (int l = 3; l < 3 + d->form; l++) {
        const int gw = (d->net_w + (1 << l) - 1) >> l, gh = (d->net_h + (1 << l) - 1) >> l;
        const float s = (float)(1 << l);
        for (int i = 0; i < gw * gh; i++, row++) {
            const size_t base = (size_t)row * cols;
            float obj = npi_out_at(v, o, base + 4);
            if (d->card.dec.sigmoid) obj = npi_sigmoid(obj);
            if (!(obj >= thr)) continue; /* class <= 1, so the product cannot reach it */
            float cls = npi_out_at(v, o, base + person);
            if (d->card.dec.sigmoid) cls = npi_sigmoid(cls);
            if (!(obj * cls >= thr)) continue;
            const float x = (npi_out_at(v, o, base) + (float)(i % gw)) * s, y = (npi_out_at(v, o, base + 1) + (float)(i / gw)) * s;
            const float w = npi_exp_size(npi_out_at(v, o, base + 2)) * s, h = npi_exp_size(npi_out_at(v, o, base + 3)) * s;
            npi_cand_add(d, x - w / 2, y - h / 2, x + w / 2, y + h / 2, obj * cls, row);
        }
    }
}

const struct npi_head npi_head_yolox = { "yolox", NPI_TASK_DETECT, init, detect, NULL };
