/* SPDX-License-Identifier: Apache-2.0 */
/* Figures a person, not a ranking: every labelled person gets one prediction or none, then each joint is near enough or not.
 *
 * PCK@0.2: a joint is right within a fifth of the torso, left shoulder to right hip (Yang & Ramanan's rule as used for Leeds Sports);
 * where one of these is not labelled, right shoulder to left hip; where both lack, the person is left out and counted apart. */
#include "eval/eval.h"

#include <stdlib.h>

#define PCK_SHARE .2

struct pair { double like; int label, pred; };
static int likest_first(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->like != y->like) return x->like > y->like ? -1 : 1;
    return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : (x->pred > y->pred) - (x->pred < y->pred);
}

static int is_person(const struct npi_eval_label *l) { return !l->crowd && l->n_visible && l->kpt; }

/* Which prediction is whose: pred_of[n_labels of the picture] = prediction or -1. First those that say so, then the likest pair that is left. */
static void assign(const struct np_eval *e, const struct npi_eval_label *label, int n_labels, const int *pred, int n_preds, char *taken, struct pair *pair, int *pred_of) {
    int n = 0;
    for (int d = 0; d < n_preds; d++) taken[d] = e->pred[pred[d]].kpt == NULL;
    for (int g = 0; g < n_labels; g++) {
        pred_of[g] = -1;
        for (int d = 0; d < n_preds && pred_of[g] < 0; d++) {
            if (taken[d] || e->pred[pred[d]].label_id < 0 || e->pred[pred[d]].label_id != label[g].id) continue;
            pred_of[g] = pred[d];
            taken[d] = 1;
        }
    }
    for (int g = 0; g < n_labels; g++)
        for (int d = 0; d < n_preds && pred_of[g] < 0 && is_person(&label[g]); d++)
            if (!taken[d]) pair[n++] = (struct pair){ npi_eval_oks(&label[g], e->pred[pred[d]].kpt, e->n_joints, e->set), g, d };
    qsort(pair, (size_t)n, sizeof *pair, likest_first);
    for (int i = 0; i < n; i++) {
        if (pred_of[pair[i].label] >= 0 || taken[pair[i].pred]) continue;
        pred_of[pair[i].label] = pred[pair[i].pred];
        taken[pair[i].pred] = 1;
    }
}

static int labelled(const struct npi_eval_label *l, int k) { return k >= 0 && l->kpt[3 * k + 2] > 0; }

static double torso(const struct np_keypoint_set *set, const struct npi_eval_label *l) {
    static const int ends[2][2] = { { 5, 12 }, { 6, 11 } }; /* in COCO-17 */
    for (int i = 0; i < 2; i++) {
        const int a = set->to_coco17[ends[i][0]], b = set->to_coco17[ends[i][1]];
        if (!labelled(l, a) || !labelled(l, b)) continue;
        const double d = hypot(l->kpt[3 * a] - l->kpt[3 * b], l->kpt[3 * a + 1] - l->kpt[3 * b + 1]);
        if (d > 0) return d;
    }
    return 0;
}

struct sums { double right[NP_MAX_KEYPOINTS], oks[NP_MAX_KEYPOINTS]; int n[NP_MAX_KEYPOINTS], n_torso[NP_MAX_KEYPOINTS]; };

static void person(const struct np_eval *e, const struct npi_eval_label *l, const double *kpt, struct sums *s, struct np_eval_score *out) {
    const double t = torso(e->set, l);
    out->n_people++;
    out->n_torso += t > 0;
    if (kpt) out->oks += npi_eval_oks(l, kpt, e->n_joints, e->set);
    for (int k = 0; k < e->n_joints; k++) {
        if (!labelled(l, k)) continue;
        s->n[k]++;
        s->n_torso[k] += t > 0;
        if (!kpt || (kpt[3 * k] == 0 && kpt[3 * k + 1] == 0 && kpt[3 * k + 2] == 0)) continue; /* a joint that the net does not have */
        const double dx = kpt[3 * k] - l->kpt[3 * k], dy = kpt[3 * k + 1] - l->kpt[3 * k + 1], sg = 2 * npi_eval_sigma(e->set, k);
        s->right[k] += t > 0 && hypot(dx, dy) <= PCK_SHARE * t;
        s->oks[k] += exp(-(dx * dx + dy * dy) / (sg * sg) / (l->area + 0x1p-52) / 2);
    }
}

int npi_eval_pck(const struct np_eval *e, struct np_eval_score *out) {
    struct npi_arena mem;
    npi_arena_init(&mem, 0);
    int r = NP_ENOMEM, *order, *first, most = 0;
    size_t pairs = 0;
    struct sums *s = npi_arena_array(&mem, struct sums, 1);
    int *pred_of = npi_arena_array(&mem, int, e->n_labels + 1);
    if (!s || !pred_of || npi_eval_group(e, &mem, &order, &first) < 0) goto done;
    for (int i = 0; i < e->n_images; i++) {
        const int d = first[i + 1] - first[i];
        const size_t n = (size_t)d * (size_t)(e->first_label[i + 1] - e->first_label[i]);
        if (d > most) most = d;
        if (n > pairs) pairs = n;
    }
    char *taken = npi_arena_array(&mem, char, most + 1);
    struct pair *pair = npi_arena_array(&mem, struct pair, pairs + 1);
    if (!taken || !pair) goto done;
    out->n_joints = e->n_joints;
    for (int i = 0; i < e->n_images; i++) {
        const struct npi_eval_label *l = e->label + e->first_label[i];
        const int n = e->first_label[i + 1] - e->first_label[i];
        assign(e, l, n, order + first[i], first[i + 1] - first[i], taken, pair, pred_of);
        for (int g = 0; g < n; g++)
            if (is_person(&l[g])) person(e, &l[g], pred_of[g] < 0 ? NULL : e->pred[pred_of[g]].kpt, s, out);
    }
    double right = 0;
    int all = 0;
    for (int k = 0; k < e->n_joints; k++) {
        out->joint[k] = (struct np_eval_joint){ s->n_torso[k] ? s->right[k] / s->n_torso[k] : -1, s->n[k] ? s->oks[k] / s->n[k] : -1, s->n[k] };
        right += s->right[k];
        all += s->n_torso[k];
    }
    out->pck = all ? right / all : -1;
    out->oks = out->n_people ? out->oks / out->n_people : -1;
    r = 0;
done:
    npi_arena_free(&mem);
    return r;
}
