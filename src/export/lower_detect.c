/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite_Detection_PostProcess in ops of ONNX: decoded boxes, NonMaxSuppression over each anchor's best score, the survivors' best class.
 *
 *   boxes, anchors ── decode ──┬── NonMaxSuppression ── rows of -1 behind, cut to max ── index ──> gathered boxes, class, score; count
 *   scores ── best a row ──────┘
 *
 * ONNX does not know before how many boxes stay; with rows of -1 behind them, cut off at the maximum, shapes are fixed again. */
#include <math.h>

#include "export/lower.h"

static int whole(struct npi_lower *l, int dtype, int rank, const int64_t *d, int64_t value) {
    struct npi_view v = { .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank; i++) v.d[i] = d[i];
    const int t = npi_graph_const(l->g, NULL, &v);
    if (t < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    for (int64_t i = 0; i < npi_view_count(&v); i++) ((int64_t *)npi_lo_view(l, t)->data)[i] = value;
    return t;
}

static int column(struct npi_lower *l, int x, int64_t k) { return npi_lo_pick(l, x, npi_lo_view(l, x)->rank - 1, &k, 1); }

static int concat(struct npi_lower *l, const int *x, int n, int axis) {
    const union npi_attr a = { .concat = { .axis = axis } };
    for (int i = 0; i < n; i++)
        if (x[i] < 0) return x[i];
    return npi_lo_build(l, NPI_OP_CONCAT, &a, x, n);
}

static int scaled(struct npi_lower *l, int enc, int64_t k, float scale) {
    const int x = column(l, enc, k);
    return npi_lo_bin(l, NPI_OP_DIV, x, npi_lo_scalar(l, x < 0 ? 0 : x, (double)scale));
}

/* [1][n][4]: ymin, xmin, ymax, xmax, in the order of operations of the op itself. */
static int decode(struct npi_lower *l, const struct npi_node *n, int enc, int anchors) {
    const float scale[4] = { n->a.detect.sy, n->a.detect.sx, n->a.detect.sh, n->a.detect.sw };
    const int64_t d[3] = { 1, npi_lo_view(l, anchors)->d[0], 4 };
    int edge[4];
    const int an = npi_lo_reshape(l, anchors, 3, d);
    if (an < 0) return an;
    for (int k = 0; k < 2; k++) {
        const int size = column(l, an, 2 + k);
        const int mid = npi_lo_bin(l, NPI_OP_ADD, npi_lo_bin(l, NPI_OP_MUL, scaled(l, enc, k, scale[k]), size), column(l, an, k));
        const int e = npi_lo_un(l, NPI_OP_EXP, scaled(l, enc, 2 + k, scale[2 + k]));
        const int half = npi_lo_bin(l, NPI_OP_MUL, npi_lo_bin(l, NPI_OP_MUL, e, npi_lo_scalar(l, e < 0 ? 0 : e, .5)), size);
        edge[k] = npi_lo_bin(l, NPI_OP_SUB, mid, half);
        edge[2 + k] = npi_lo_bin(l, NPI_OP_ADD, mid, half);
    }
    return concat(l, edge, 4, 2);
}

/* [max]: the anchors that stay, best first, then -1. */
static int survivors(struct npi_lower *l, const struct npi_node *n, int boxes, int best) {
    const int64_t max = n->a.detect.max_detections, one = 1, rows[2] = { max, 3 };
    /* ONNX wants scores above the threshold, TFLite at least it */
    const float thr = nextafterf(n->a.detect.score_thr, -INFINITY);
    const union npi_attr cut = { .slice = { .step = { 1, 1 }, .size = { max, 3 } } };
    const int in[5] = { boxes, best, whole(l, NP_I64, 1, &one, max), npi_lo_floats(l, 1, &one, &n->a.detect.iou_thr), npi_lo_floats(l, 1, &one, &thr) };
    for (int i = 0; i < 5; i++)
        if (in[i] < 0) return in[i];
    const union npi_attr a = { .nms = { .center_point_box = 0 } };
    const int all = concat(l, (int[]){ npi_lo_build(l, NPI_OP_NMS, &a, in, 5), whole(l, NP_I64, 2, rows, -1) }, 2, 0);
    const int first = all < 0 ? all : npi_lo_build(l, NPI_OP_SLICE, &cut, &all, 1);
    return first < 0 ? first : npi_lo_reshape(l, column(l, first, 2), 1, &max);
}

static int gather(struct npi_lower *l, int x, int index) {
    const union npi_attr a = { .gather = { .axis = 0 } };
    return x < 0 ? x : index < 0 ? index : npi_lo_build(l, NPI_OP_GATHER, &a, (int[]){ x, index }, 2);
}

/* x where there is a detection, else 0; in the shape of output k. */
static int kept(struct npi_lower *l, const struct npi_node *n, int valid, int x, int k) {
    const struct npi_view y = l->from->tensor[n->out[k]].v;
    if (x < 0 || valid < 0) return x < 0 ? x : valid;
    return npi_lo_reshape(l, npi_lo_build(l, NPI_OP_WHERE, NULL, (int[]){ valid, x, npi_lo_scalar(l, x, 0) }, 3), y.rank, y.d);
}

int npi_lo_detection(struct npi_lower *l, const struct npi_node *n, const int *in, int *out) {
    const int64_t classes = n->a.detect.num_classes, max = n->a.detect.max_detections;
    if (n->a.detect.regular_nms) return npi_lo_refuse(l, "use_regular_nms sorts the detections of all classes together, which NonMaxSuppression does not");
    if (n->a.detect.max_classes_per_detection != 1) return npi_lo_refuse(l, "%d classes a box: only one is written out", n->a.detect.max_classes_per_detection);
    const struct npi_view s = *npi_lo_view(l, in[1]);
    const int64_t rows[3] = { 1, 1, s.d[1] }, flat_box[2] = { s.d[1], 4 }, flat_score[2] = { s.d[1], classes }, column_of[2] = { max, 1 };
    int score = in[1];
    if (s.d[2] != classes) { /* without the background in front */
        const union npi_attr cut = { .slice = { .start = { 0, 0, s.d[2] - classes }, .step = { 1, 1, 1 }, .size = { 1, s.d[1], classes } } };
        score = npi_lo_build(l, NPI_OP_SLICE, &cut, &score, 1);
    }
    const int boxes = decode(l, n, in[0], in[2]);
    const int best = npi_lo_reshape(l, npi_lo_reduce(l, score, NPI_REDUCE_MAX, 1u << 2, 1), 3, rows);
    if (boxes < 0 || best < 0) return boxes < 0 ? boxes : best;
    const int index = survivors(l, n, boxes, best), zero = whole(l, NP_I64, 0, NULL, 0);
    const int valid = npi_lo_bin(l, NPI_OP_GREATER_EQUAL, index, zero), row = npi_lo_bin(l, NPI_OP_MAX, index, zero);
    const int there = valid < 0 ? valid : npi_lo_reshape(l, valid, 2, column_of);
    const int of = gather(l, npi_lo_reshape(l, score, 2, flat_score), row);
    const union npi_attr first = { .reduce = { .axis = 1, .keepdims = 1, .out_dtype = NP_I64 } };
    const int cls = of < 0 ? of : npi_lo_build(l, NPI_OP_ARGMAX, &first, &of, 1);
    out[0] = kept(l, n, there, gather(l, npi_lo_reshape(l, boxes, 2, flat_box), row), 0);
    out[1] = kept(l, n, there, cls < 0 ? cls : npi_lo_cast(l, cls, NP_F32), 1);
    out[2] = kept(l, n, there, npi_lo_reduce(l, of, NPI_REDUCE_MAX, 1u << 1, 1), 2);
    out[3] = valid < 0 ? valid : npi_lo_reduce(l, npi_lo_cast(l, valid, NP_F32), NPI_REDUCE_SUM, 1, 1);
    for (int i = 0; i < 4; i++)
        if (out[i] < 0) return out[i];
    return 1;
}
