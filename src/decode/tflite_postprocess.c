/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite_Detection_PostProcess: the NMS is in the graph. Outputs in this order: [1][n][4] boxes (ymin, xmin, ymax, xmax, 0..1),
 * [1][n] classes, [1][n] scores, [1] how many of the n count. */
#include "decode/heads.h"

enum { BOXES, CLASSES, SCORES, COUNT };

static int init(struct npi_decoder *d, struct np_error *err) {
    d->pick[BOXES] = npi_pick(d, 0, 2, -1, 4, -1);
    if (d->pick[BOXES] < 0) return npi_pick_fail(d, "[1,n,4]", err);
    d->rows = (int)d->out[d->pick[BOXES]].d[1];
    d->pick[CLASSES] = npi_pick(d, 0, 1, d->rows, -1, -1);
    if (d->pick[CLASSES] >= 0) d->pick[SCORES] = npi_pick(d, d->pick[CLASSES] + 1, 1, d->rows, -1, -1);
    if (d->pick[SCORES] < 0) return npi_pick_fail(d, "[1,n] classes and [1,n] scores", err);
    for (int i = 0; i < d->n_out && d->pick[COUNT] < 0; i++)
        if (npi_view_count(&d->out[i]) == 1 && i != d->pick[CLASSES] && i != d->pick[SCORES]) d->pick[COUNT] = i;
    return 0;
}

static void detect(struct npi_decoder *d, const void *const *out, float thr) {
    int n = d->rows;
    if (d->pick[COUNT] >= 0) {
        const float c = npi_out_at(&d->out[d->pick[COUNT]], out[d->pick[COUNT]], 0);
        n = c >= 0 && c < (float)d->rows ? (int)c : c < 0 ? 0 : d->rows;
    }
    const float w = (float)d->net_w, h = (float)d->net_h;
    for (int i = 0; i < n; i++) {
        const float s = npi_out_at(&d->out[d->pick[SCORES]], out[d->pick[SCORES]], (size_t)i);
        const float c = npi_out_at(&d->out[d->pick[CLASSES]], out[d->pick[CLASSES]], (size_t)i);
        if (!(s >= thr) || !(fabsf(c - (float)d->card.dec.class_index) < .5f)) continue;
        float b[4];
        for (size_t k = 0; k < 4; k++) b[k] = npi_out_at(&d->out[d->pick[BOXES]], out[d->pick[BOXES]], (size_t)i * 4 + k);
        npi_cand_add(d, b[1] * w, b[0] * h, b[3] * w, b[2] * h, npi_clamp01(s), i);
    }
}

const struct npi_head npi_head_tflite_postprocess = { "tflite_postprocess", NPI_TASK_DETECT, init, detect, NULL };
