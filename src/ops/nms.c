/* SPDX-License-Identifier: Apache-2.0 */
/* NonMaxSuppression as ONNX defines it: boxes [nb][n][4], scores [nb][nc][n], max per class?, IoU threshold?, score threshold?
 *
 * Shapes are static here, so the output is [nb * nc * min(max, n)][3] of (batch, class, box), filled from the front and then
 * with -1. Greedy: candidates come from a heap in order of score (ties: lower box first), so that only as many are sorted
 * as are looked at. */
#include "ops/families.h"
#include "ops/quantize.h"

static int64_t max_per_class(const struct npi_op_args *a) {
    const struct npi_view *v = a->n_in > 2 ? a->in[2] : NULL;
    const int64_t m = v && npi_view_count(v) > 0 ? npi_get_int(v->data, v->dtype, 0) : 0, n = a->in[0]->d[1];
    return m < 0 ? 0 : m < n ? m : n;
}
static float scalar(const struct npi_op_args *a, int i, float none) {
    const struct npi_view *v = i < a->n_in ? a->in[i] : NULL;
    return v && npi_view_count(v) > 0 ? *(const float *)v->data : none;
}

static int infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *b = a->in[0], *s = a->in[1];
    struct npi_view *y = a->out[0];
    if (b->rank != 3 || s->rank != 3 || b->d[2] != 4 || b->d[0] != s->d[0] || b->d[1] != s->d[2])
        return npi_fail(err, NP_ESHAPE, "boxes must be [batch][n][4] and scores [batch][classes][n]");
    if (b->dtype != NP_F32 || s->dtype != NP_F32) return npi_fail(err, NP_EUNSUPPORTED, "boxes %s, scores %s; f32 is supported", np_dtype_name(b->dtype), np_dtype_name(s->dtype));
    if (a->n_in > 2 && a->in[2] && a->in[2]->dtype != NP_I64 && a->in[2]->dtype != NP_I32) return npi_fail(err, NP_EUNSUPPORTED, "boxes per class: not an integer");
    for (int i = 3; i < a->n_in && i < 5; i++)
        if (a->in[i] && a->in[i]->dtype != NP_F32) return npi_fail(err, NP_EUNSUPPORTED, "threshold of type %s", np_dtype_name(a->in[i]->dtype));
    size_t rows;
    if (npi_mul_overflow((size_t)b->d[0], (size_t)s->d[1], &rows) || npi_mul_overflow(rows, (size_t)max_per_class(a), &rows) || rows > (size_t)1 << 31)
        return npi_fail(err, NP_ELIMIT, "too many boxes");
    y->dtype = NP_I64;
    y->rank = 2;
    y->d[0] = (int64_t)rows;
    y->d[1] = 3;
    return 0;
}

/* Scratch: the heap and the boxes selected so far. */
static size_t scratch(const struct npi_op_args *a) { return (size_t)a->in[0]->d[1] * 2 * sizeof(int64_t); }

static int before(const float *score, int64_t i, int64_t j) { return score[i] > score[j] || (score[i] == score[j] && i < j); }

static void sift(int64_t *heap, int64_t n, int64_t at, const float *score) {
    for (int64_t k; (k = 2 * at + 1) < n; at = k) {
        if (k + 1 < n && before(score, heap[k + 1], heap[k])) k++;
        if (!before(score, heap[k], heap[at])) return;
        const int64_t t = heap[k];
        heap[k] = heap[at];
        heap[at] = t;
    }
}

static float iou(const float *p, const float *q, int center) {
    float a[4], b[4];
    for (int k = 0; k < 2; k++) { /* corners may come in any order */
        a[k] = center ? p[k] - p[k + 2] / 2 : fminf(p[k], p[k + 2]);
        a[k + 2] = center ? p[k] + p[k + 2] / 2 : fmaxf(p[k], p[k + 2]);
        b[k] = center ? q[k] - q[k + 2] / 2 : fminf(q[k], q[k + 2]);
        b[k + 2] = center ? q[k] + q[k + 2] / 2 : fmaxf(q[k], q[k + 2]);
    }
    const float u = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), v = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    if (!(u > 0) || !(v > 0)) return 0;
    const float sa = (a[2] - a[0]) * (a[3] - a[1]), sb = (b[2] - b[0]) * (b[3] - b[1]), both = u * v;
    return sa > 0 && sb > 0 ? both / (sa + sb - both) : 0;
}

static void eval(const struct npi_op_args *a) {
    const struct npi_view *b = a->in[0], *s = a->in[1];
    const int64_t n = b->d[1], max = max_per_class(a), classes = s->d[1];
    const float iou_thr = scalar(a, 3, 0), score_thr = scalar(a, 4, -INFINITY);
    int64_t *out = a->out[0]->data, *const end = out + a->out[0]->d[0] * 3;
    int64_t *heap = a->scratch, *kept = heap + n;
    for (int64_t k = 0; k < b->d[0] * classes && max > 0; k++) {
        const float *score = (const float *)s->data + k * n, *box = (const float *)b->data + k / classes * n * 4;
        int64_t n_heap = 0, n_kept = 0;
        for (int64_t i = 0; i < n; i++)
            if (score[i] > score_thr) heap[n_heap++] = i;
        for (int64_t i = n_heap / 2; i-- > 0;) sift(heap, n_heap, i, score);
        while (n_heap > 0 && n_kept < max) {
            const int64_t i = heap[0];
            heap[0] = heap[--n_heap];
            sift(heap, n_heap, 0, score);
            int64_t j = 0;
            while (j < n_kept && !(iou(box + i * 4, box + kept[j] * 4, a->node->a.nms.center_point_box) > iou_thr)) j++;
            if (j < n_kept) continue;
            kept[n_kept++] = i;
            *out++ = k / classes;
            *out++ = k % classes;
            *out++ = i;
        }
    }
    while (out < end) *out++ = -1;
}

static const struct npi_op_def defs[] = { { NPI_OP_NMS, infer, eval, scratch, 0 } };
const struct npi_op_family npi_ops_nms = { defs, 1 };
