/* SPDX-License-Identifier: Apache-2.0 */
/* DetectionPostProcess, TFLite's custom op: decodes SSD boxes against anchors and suppresses overlaps.
 *
 *   boxes [1][n][4 or more] (ty, tx, th, tw)   scores [1][n][classes, + background in front]   anchors [n][4] (y, x, h, w)
 *   -> boxes [1][max][4] (ymin, xmin, ymax, xmax), classes [1][max], scores [1][max], count [1]
 *
 * Fast way: NMS once over each anchor's best score, each survivor gives its best max_classes_per_detection classes, so
 * max = max_detections * max_classes_per_detection. Regular way: NMS a class, then the best max_detections of all.
 * Slots behind the count are zero. Ties go to the lower index. */
#include "ops/families.h"
#include "ops/quantize.h"

static int64_t n_slots(const struct npi_op_args *a) {
    const int per = a->node->a.detect.regular_nms ? 1 : a->node->a.detect.max_classes_per_detection;
    return (int64_t)a->node->a.detect.max_detections * per;
}

static int infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *b = a->in[0], *s = a->in[1], *an = a->in[2];
    const int classes = a->node->a.detect.num_classes, max = a->node->a.detect.max_detections, per = a->node->a.detect.max_classes_per_detection;
    if (b->rank != 3 || s->rank != 3 || an->rank != 2 || b->d[0] != 1 || s->d[0] != 1 || b->d[2] < 4 || an->d[1] != 4 || b->d[1] != s->d[1] || b->d[1] != an->d[0])
        return npi_fail(err, NP_ESHAPE, "boxes must be [1][n][4], scores [1][n][classes], anchors [n][4]");
    if (b->dtype != NP_F32 || s->dtype != NP_F32 || an->dtype != NP_F32) return npi_fail(err, NP_EUNSUPPORTED, "boxes, scores and anchors must be f32 or quantized");
    if (classes < 1 || (s->d[2] != classes && s->d[2] != (int64_t)classes + 1))
        return npi_fail(err, NP_ESHAPE, "%d classes, but %lld scores an anchor", classes, (long long)s->d[2]);
    if (max < 1 || max > 1 << 20 || (!a->node->a.detect.regular_nms && (per < 1 || per > classes)) || (a->node->a.detect.regular_nms && a->node->a.detect.detections_per_class < 1))
        return npi_fail(err, NP_EINVAL, "%d detections of %d classes each, %d a class", max, per, a->node->a.detect.detections_per_class);
    if (!(a->node->a.detect.sy > 0 && a->node->a.detect.sx > 0 && a->node->a.detect.sh > 0 && a->node->a.detect.sw > 0))
        return npi_fail(err, NP_EINVAL, "a coordinate scale is not positive");
    if (n_slots(a) > 1 << 24) return npi_fail(err, NP_ELIMIT, "%lld detections", (long long)n_slots(a));
    for (int i = 0; i < 4; i++) {
        a->out[i]->dtype = NP_F32;
        a->out[i]->rank = i == 3 ? 1 : i == 0 ? 3 : 2;
        a->out[i]->d[0] = 1;
        if (i < 3) a->out[i]->d[1] = n_slots(a);
        if (i == 0) a->out[i]->d[2] = 4;
    }
    return 0;
}

/* What is kept across classes: a score, an anchor, a class; `seq` breaks ties. */
struct hit { float score; int32_t anchor, cls; };
struct work {
    float *box;                /* [n][4], decoded */
    float *score;              /* [n]: the scores NMS looks at */
    int32_t *heap, *kept;      /* [n] each */
    struct hit *best;          /* [max_detections + 1] */
};

static size_t scratch(const struct npi_op_args *a) {
    const size_t n = (size_t)a->in[0]->d[1];
    return n * (4 + 1 + 1 + 1) * 4 + ((size_t)a->node->a.detect.max_detections + 1) * sizeof(struct hit);
}

static void decode(const struct npi_op_args *a, float *box) {
    const struct npi_view *b = a->in[0];
    const float sy = a->node->a.detect.sy, sx = a->node->a.detect.sx, sh = a->node->a.detect.sh, sw = a->node->a.detect.sw;
    for (int64_t i = 0; i < b->d[1]; i++, box += 4) {
        const float *t = (const float *)b->data + i * b->d[2], *an = (const float *)a->in[2]->data + i * 4;
        const float yc = t[0] / sy * an[2] + an[0], xc = t[1] / sx * an[3] + an[1];
        const float hh = .5f * expf(t[2] / sh) * an[2], hw = .5f * expf(t[3] / sw) * an[3];
        box[0] = yc - hh;
        box[1] = xc - hw;
        box[2] = yc + hh;
        box[3] = xc + hw;
    }
}

static float iou(const float *p, const float *q) {
    const float sp = (p[2] - p[0]) * (p[3] - p[1]), sq = (q[2] - q[0]) * (q[3] - q[1]);
    if (!(sp > 0) || !(sq > 0)) return 0;
    const float h = fmaxf(fminf(p[2], q[2]) - fmaxf(p[0], q[0]), 0), w = fmaxf(fminf(p[3], q[3]) - fmaxf(p[1], q[1]), 0);
    return h * w / (sp + sq - h * w);
}

static int before(const float *score, int32_t i, int32_t j) { return score[i] > score[j] || (score[i] == score[j] && i < j); }
static void sift(int32_t *heap, int64_t n, int64_t at, const float *score) {
    for (int64_t k; (k = 2 * at + 1) < n; at = k) {
        if (k + 1 < n && before(score, heap[k + 1], heap[k])) k++;
        if (!before(score, heap[k], heap[at])) return;
        const int32_t t = heap[k];
        heap[k] = heap[at];
        heap[at] = t;
    }
}

/* Greedy NMS over w->score; fills w->kept, best first. */
static int64_t suppress(const struct npi_op_args *a, struct work *w, int64_t max) {
    const int64_t n = a->in[0]->d[1];
    int64_t n_heap = 0, n_kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (w->score[i] >= a->node->a.detect.score_thr) w->heap[n_heap++] = (int32_t)i;
    for (int64_t i = n_heap / 2; i-- > 0;) sift(w->heap, n_heap, i, w->score);
    while (n_heap > 0 && n_kept < max) {
        const int32_t i = w->heap[0];
        w->heap[0] = w->heap[--n_heap];
        sift(w->heap, n_heap, 0, w->score);
        int64_t j = 0;
        while (j < n_kept && !(iou(w->box + (int64_t)w->kept[j] * 4, w->box + (int64_t)i * 4) > a->node->a.detect.iou_thr)) j++;
        if (j == n_kept) w->kept[n_kept++] = i;
    }
    return n_kept;
}

static void emit(const struct npi_op_args *a, const struct work *w, int64_t slot, struct hit h) {
    memcpy((float *)a->out[0]->data + slot * 4, w->box + (int64_t)h.anchor * 4, 4 * sizeof(float));
    ((float *)a->out[1]->data)[slot] = (float)h.cls;
    ((float *)a->out[2]->data)[slot] = h.score;
}

static void fast(const struct npi_op_args *a, struct work *w) {
    const int64_t n = a->in[0]->d[1], stride = a->in[1]->d[2], skip = stride - a->node->a.detect.num_classes;
    const int classes = a->node->a.detect.num_classes, per = a->node->a.detect.max_classes_per_detection;
    const float *scores = (const float *)a->in[1]->data + skip;
    for (int64_t i = 0; i < n; i++) {
        float top = scores[i * stride];
        for (int c = 1; c < classes; c++)
            if (scores[i * stride + c] > top) top = scores[i * stride + c];
        w->score[i] = top;
    }
    const int64_t n_kept = suppress(a, w, a->node->a.detect.max_detections);
    for (int64_t k = 0; k < n_kept; k++) {
        const float *s = scores + w->kept[k] * stride;
        struct hit last = { INFINITY, w->kept[k], -1 };
        for (int r = 0; r < per; r++) { /* the r-th best class: best of those behind the last one */
            struct hit h = { -INFINITY, w->kept[k], -1 };
            for (int c = 0; c < classes; c++)
                if ((s[c] < last.score || (s[c] == last.score && c > last.cls)) && (h.cls < 0 || s[c] > h.score)) h.score = s[c], h.cls = c;
            if (h.cls < 0) break;
            emit(a, w, k * per + r, h);
            last = h;
        }
    }
    *(float *)a->out[3]->data = (float)n_kept;
}

static void regular(const struct npi_op_args *a, struct work *w) {
    const int64_t n = a->in[0]->d[1], stride = a->in[1]->d[2], skip = stride - a->node->a.detect.num_classes;
    const int max = a->node->a.detect.max_detections;
    int n_best = 0;
    for (int c = 0; c < a->node->a.detect.num_classes; c++) {
        for (int64_t i = 0; i < n; i++) w->score[i] = ((const float *)a->in[1]->data)[i * stride + skip + c];
        const int64_t n_kept = suppress(a, w, a->node->a.detect.detections_per_class);
        for (int64_t k = 0; k < n_kept; k++) { /* insertion into the sorted best; equal scores stay in order of arrival */
            const struct hit h = { w->score[w->kept[k]], w->kept[k], c };
            int at = n_best;
            while (at > 0 && w->best[at - 1].score < h.score) w->best[at] = w->best[at - 1], at--;
            w->best[at] = h;
            if (n_best < max) n_best++;
        }
    }
    for (int k = 0; k < n_best; k++) emit(a, w, k, w->best[k]);
    *(float *)a->out[3]->data = (float)n_best;
}

static void eval(const struct npi_op_args *a) {
    const int64_t n = a->in[0]->d[1];
    struct work w = { .box = a->scratch };
    w.score = w.box + n * 4;
    w.heap = (int32_t *)(void *)(w.score + n);
    w.kept = w.heap + n;
    w.best = (struct hit *)(void *)(w.kept + n);
    for (int i = 0; i < 3; i++) memset(a->out[i]->data, 0, npi_view_bytes(a->out[i]));
    decode(a, w.box);
    if (a->node->a.detect.regular_nms) regular(a, &w);
    else fast(a, &w);
}

static const struct npi_op_def defs[] = { { NPI_OP_DETECTION_POSTPROCESS, infer, eval, scratch, 0 } };
const struct npi_op_family npi_ops_detect = { defs, 1 };
