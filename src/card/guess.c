/* SPDX-License-Identifier: Apache-2.0 */
/* A card for a model that came without one, from the shapes of its tensors. Shapes tell the head; they cannot tell colour order
 * or normalisation, for which the family's habit is taken: hence "how sure", and the log line. */
#include "card/card.h"

#include <stdio.h>
#include <string.h>

struct guess { struct npi_card *c; char *why; size_t why_size; const struct npi_card_io *io; };

static int is_shape(const struct np_tensor_info *t, int rank, int64_t a, int64_t b, int64_t c, int64_t d) { /* -1: any */
    const int64_t want[4] = { a, b, c, d };
    if (t->rank != rank) return 0;
    for (int i = 0; i < rank; i++)
        if (want[i] >= 0 && t->dims[i] != want[i]) return 0;
    return 1;
}

/* First output of that shape, or NULL. */
static const struct np_tensor_info *find(const struct guess *g, int rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    for (int i = 0; i < g->io->n_out; i++)
        if (is_shape(&g->io->out[i], rank, a, b, c, d)) return &g->io->out[i];
    return NULL;
}

static int take(const struct guess *g, const char *builtin, int sure, const char *why) {
    const struct npi_card *b = npi_card_builtin(builtin);
    if (!b) return 0;
    *g->c = *b;
    g->c->n_sha256 = g->c->n_files = 0;
    memset(g->c->sha256, 0, sizeof g->c->sha256);
    memset(g->c->files, 0, sizeof g->c->files);
    g->c->note[0] = g->c->source[0] = g->c->licence[0] = 0;
    g->c->in.width = g->c->in.height = 0; /* as in the file */
    if (g->why && g->why_size) snprintf(g->why, g->why_size, "guessed %s: %s", builtin, why);
    return sure;
}

static int input_side(const struct guess *g, int *w, int *h) {
    const struct np_tensor_info *t = &g->io->in[0];
    if (g->io->n_in < 1 || t->rank != 4) return 0;
    const int nchw = t->dims[1] == 3 || (t->dims[1] == 1 && t->dims[3] != 3);
    if (!nchw && t->dims[3] != 3 && t->dims[3] != 1) return 0;
    const int64_t hh = t->dims[nchw ? 2 : 1], ww = t->dims[nchw ? 3 : 2];
    if (hh < 1 || hh > 8192 || ww < 1 || ww > 8192) return 0;
    *w = (int)ww;
    *h = (int)hh;
    return 1;
}

/* Rows of a YOLO head with strides 8, 16, 32. */
static int64_t yolo_rows(int w, int h) {
    int64_t n = 0;
    for (int s = 8; s <= 32; s *= 2) n += (int64_t)((w + s - 1) / s) * ((h + s - 1) / s);
    return n;
}

static int guess_yolo(const struct guess *g, const struct np_tensor_info *t, int w, int h) {
    const int64_t rows = yolo_rows(w, h), a = t->dims[1], b = t->dims[2];
    if (b == 6 && a >= 1 && a <= 1000) return take(g, "yolov8", 70, "one output of [x1,y1,x2,y2,score,class] rows");
    if (b == 57 && a >= 1 && a <= 1000) return take(g, "yolov8_pose", 70, "one output of rows with box, score, class and 17 joints");
    if (a == 6 && b == 56) return take(g, "movenet_multipose", 85, "one output [1,6,56]");
    if (a == rows && b >= 6) return take(g, "yolox_nano", b == 85 ? 75 : 60, "one output of anchor rows with objectness: YOLOX habits (BGR, 0..255)");
    if (b == rows && a == 56) return take(g, "yolov8_pose", 85, "one output [1,56,anchors]");
    if (b == rows && a >= 5) return take(g, "yolov8", a == 84 || a == 5 ? 85 : 60, "one output [1,4+classes,anchors]");
    if (a == 3 * rows && b >= 6) return take(g, "yolov8", 60, "one output of 3 anchors a cell with objectness: YOLOv5 habits");
    return 0;
}

/* Volume of soft-argmax: fills joints and bins, 0 when it is none. */
static int volume(const struct np_tensor_info *t, int *joints, int *bins) {
    int64_t j, d;
    if (t->rank == 5) { j = t->dims[1]; d = t->dims[2]; }
    else if (t->rank == 4) {
        const int chw = t->dims[2] == t->dims[3];
        d = chw ? t->dims[2] : t->dims[1]; /* D is the side of the grid in all variants */
        const int64_t c = chw ? t->dims[1] : t->dims[3];
        if (d < 8 || (!chw && t->dims[1] != t->dims[2]) || c % d) return 0;
        j = c / d;
    } else return 0;
    if (j < 10 || j > NP_MAX_KEYPOINTS || d < 8 || d > 128) return 0;
    *joints = (int)j;
    *bins = (int)d;
    return 1;
}

const char *npi_card_convnextpose_variant(const struct np_tensor_info *out, int64_t n_params) {
    int joints, bins;
    if (!volume(out, &joints, &bins)) return NULL;
    /* XS 3.53 M and S 7.44 M parameters; M 7.59 M and L 8.38 M (with 18 joints; 21 add little) */
    if (bins == 32) return n_params > 5500000 ? "s" : "xs";
    if (bins == 64) return n_params > 8000000 ? "l" : "m";
    return NULL;
}

static int guess_pose(const struct guess *g, int w, int h) {
    const struct npi_card_io *io = g->io;
    if (find(g, 2, 1, 195, 0, 0) && (find(g, 4, 1, 64, 64, 39) || find(g, 4, 1, 39, 64, 64))) return take(g, "blazepose_full", 95, "outputs [1,195] and [1,64,64,39]");
    if (find(g, 2, 1, 195, 0, 0) && find(g, 2, 1, 117, 0, 0)) return take(g, "blazepose_full", 85, "outputs [1,195] and [1,117]");
    if (find(g, 3, 1, 2254, 12, 0) && find(g, 3, 1, 2254, 1, 0)) return take(g, "blazepose_detector", 95, "outputs [1,2254,12] and [1,2254,1]");
    if (find(g, 4, 1, 1, 17, 3)) return take(g, "movenet_lightning", 90, "output [1,1,17,3]");
    if (io->n_out == 2 && io->out[0].rank == 3 && io->out[1].rank == 3 && io->out[0].dims[1] == io->out[1].dims[1] &&
        io->out[0].dims[2] >= w && io->out[0].dims[2] % w == 0 && io->out[1].dims[2] * w == io->out[0].dims[2] * h) {
        const int64_t n = io->out[0].dims[1];
        if (n != 17 && n != 26) return 0;
        const int r = take(g, n == 17 ? "rtmpose_coco17" : "rtmpose_halpe26", 85, "two SimCC outputs");
        g->c->dec.split = (float)(io->out[0].dims[2] / w);
        return r;
    }
    if (io->n_out != 1) return 0;
    const struct np_tensor_info *t = &io->out[0];
    int joints, bins;
    if (t->rank == 4 && (t->dims[1] == 17 || t->dims[3] == 17) && (t->dims[2] * 4 == w || t->dims[2] * 4 == h))
        return take(g, "hrnet_coco17", 75, "17 heat maps of a quarter of the input");
    if (volume(t, &joints, &bins) && (joints == 18 || joints == 21)) {
        const char *v = npi_card_convnextpose_variant(t, 0);
        const int r = take(g, v && *v == 'm' ? "convnextpose_m" : "convnextpose_xs", 80, "one volume of joints x depth bins");
        if (joints == 21) {
            snprintf(g->c->keypoint_set, sizeof g->c->keypoint_set, "muco21");
            g->c->root = 14;
        }
        g->c->dec.depth_bins = bins;
        return r;
    }
    return 0;
}

int npi_card_guess(struct npi_card *out, const struct npi_card_io *io, char *why, size_t why_size) {
    struct npi_card c;
    const struct guess g = { &c, why, why_size, io };
    int w, h, r = 0;
    npi_card_default(&c);
    if (!input_side(&g, &w, &h)) return 0;
    r = guess_pose(&g, w, h);
    if (!r && io->n_out >= 1 && io->out[0].rank == 3 && io->n_out == 1) r = guess_yolo(&g, &io->out[0], w, h);
    if (!r && io->n_out == 4 && find(&g, 3, 1, -1, 4, 0)) r = take(&g, "coco_ssd_mobilenet_v1", 70, "four outputs of TFLite_Detection_PostProcess");
    if (!r && io->n_out == 2) {
        if (find(&g, 3, 1, 1917, 4, 0) && find(&g, 3, 1, 1917, 24, 0)) r = take(&g, "ssd_oidv4", 85, "outputs [1,1917,4] and [1,1917,24]");
        else if (find(&g, 3, 1, -1, 4, 0) && find(&g, 3, 1, -1, 90, 0)) r = take(&g, "efficientdet_lite0_int8", 75, "boxes and 90 classes an anchor");
    }
    if (!r) return 0;
    if (io->in[0].dtype == NP_F32 && c.in.raw) {
        c.in.raw = 0;
        if (c.task == NPI_TASK_DETECT) /* TensorFlow detectors take -1..1 as floats; MoveNet takes 0..255 */
            for (int i = 0; i < 3; i++) c.in.mean[i] = c.in.std[i] = 127.5f;
    }
    *out = c;
    return r;
}
