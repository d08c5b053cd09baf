/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates and greedy non-maximum suppression. The candidate list keeps the best NPI_MAX_CANDIDATES: once full it is a heap
 * with the weakest on top. Sorting is a heap sort in place, because qsort of the C library may allocate. */
#include "decode/decoder.h"

/* Is a weaker than b? Equal scores: the later row is weaker. */
static int weaker(const struct npi_cand *a, const struct npi_cand *b) { return a->score < b->score || (a->score == b->score && a->row > b->row); }

static void sift_down(struct npi_cand *c, int n, int i) {
    const struct npi_cand x = c[i];
    for (int k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && weaker(&c[k + 1], &c[k])) k++;
        if (!weaker(&c[k], &x)) break;
        c[i] = c[k];
    }
    c[i] = x;
}

static void heapify(struct npi_cand *c, int n) {
    for (int i = n / 2 - 1; i >= 0; i--) sift_down(c, n, i);
}

void npi_cand_add(struct npi_decoder *d, float x0, float y0, float x1, float y1, float score, int row) {
    const struct npi_cand c = { x0, y0, x1, y1, score, row };
    /* NaN and inside-out boxes come from broken outputs */
    if (!(x1 > x0 && y1 > y0 && isfinite(x0) && isfinite(y0) && isfinite(x1) && isfinite(y1) && score >= 0)) return;
    if (d->n_cand < NPI_MAX_CANDIDATES) {
        d->cand[d->n_cand++] = c;
        if (d->n_cand == NPI_MAX_CANDIDATES) heapify(d->cand, d->n_cand);
    } else if (weaker(&d->cand[0], &c)) {
        d->cand[0] = c;
        sift_down(d->cand, d->n_cand, 0);
    }
}

/* Best first: taking the weakest off the top leaves descending order. */
static void sort(struct npi_cand *c, int n) {
    heapify(c, n);
    for (int m = n - 1; m > 0; m--) {
        const struct npi_cand t = c[0];
        c[0] = c[m];
        c[m] = t;
        sift_down(c, m, 0);
    }
}

float npi_cand_iou(const struct npi_cand *a, const struct npi_cand *b) {
    const float w = fminf(a->x1, b->x1) - fmaxf(a->x0, b->x0), h = fminf(a->y1, b->y1) - fmaxf(a->y0, b->y0);
    if (!(w > 0 && h > 0)) return 0;
    const float i = w * h;
    return i / ((a->x1 - a->x0) * (a->y1 - a->y0) + (b->x1 - b->x0) * (b->y1 - b->y0) - i);
}

/* The score-weighted mean of the group of candidate k (MediaPipe's way; it steadies boxes and points). Marks the group as taken. */
static void merge(struct npi_decoder *d, const void *const *out, int k, float iou, struct npi_det *det, struct npi_joint *j) {
    const struct npi_cand head = d->cand[k];
    float sum = 0, box[4] = { 0 };
    struct npi_joint one[NP_MAX_KEYPOINTS];
    for (int i = 0; i < d->n_joints && j; i++) j[i] = (struct npi_joint){ 0, 0, NAN, 0, NAN, NAN, NAN };
    for (int i = k; i < d->n_cand; i++) {
        const struct npi_cand *c = &d->cand[i];
        if (d->taken[i] || (i > k && !(npi_cand_iou(&head, c) > iou))) continue;
        d->taken[i] = 1;
        sum += c->score;
        box[0] += c->score * c->x0; box[1] += c->score * c->y0; box[2] += c->score * c->x1; box[3] += c->score * c->y1;
        if (!j) continue;
        d->joints(d, out, c->row, one);
        for (int n = 0; n < d->n_joints; n++) {
            j[n].x += c->score * one[n].x;
            j[n].y += c->score * one[n].y;
            j[n].conf = fmaxf(j[n].conf, one[n].conf);
        }
    }
    if (!(sum > 0)) return;
    for (int i = 0; i < 4; i++) box[i] /= sum;
    for (int n = 0; n < d->n_joints && j; n++) { j[n].x /= sum; j[n].y /= sum; }
    det->x0 = box[0]; det->y0 = box[1]; det->x1 = box[2]; det->y1 = box[3];
}

void npi_nms(struct npi_decoder *d, const void *const *out, float iou, struct npi_dets *dets) {
    dets->n = 0;
    if (!d->n_cand) return;
    sort(d->cand, d->n_cand);
    memset(d->taken, 0, (size_t)d->n_cand);
    for (int k = 0; k < d->n_cand && dets->n < NPI_MAX_DETS; k++) {
        if (d->taken[k]) continue;
        const struct npi_cand *c = &d->cand[k];
        struct npi_det *det = &dets->det[dets->n];
        struct npi_joint *j = d->joints && d->n_joints ? d->joint + (size_t)dets->n * (size_t)d->n_joints : NULL;
        *det = (struct npi_det){ c->x0, c->y0, c->x1, c->y1, c->score, 0, j ? d->n_joints : 0, j };
        if (d->weighted_nms) {
            merge(d, out, k, iou, det, j);
        } else {
            for (int i = k + 1; i < d->n_cand; i++)
                if (!d->taken[i] && npi_cand_iou(c, &d->cand[i]) > iou) d->taken[i] = 1;
            if (j) d->joints(d, out, c->row, j);
        }
        dets->n++;
    }
}
