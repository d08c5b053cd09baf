/* SPDX-License-Identifier: Apache-2.0 */
/* Average precision and recall as COCO counts them (cocoapi, PythonAPI/pycocotools/cocoeval.py describes the protocol; written anew here):
 *
 *   picture by picture, best prediction first: take the free label with the highest likeness above the threshold,
 *   ignored labels (crowds, other sizes, people without joints) last; what was matched to one of those counts neither way
 *   then over all pictures, best first: precision at 101 recalls, made falling from the right
 *
 * What is easy to get wrong is in the test: ties, crowd labels taken many times, areas of predictions, labels in order of being ignored. */
#include "eval/eval.h"

#include <stdlib.h>
#include <string.h>

#define T NPI_EVAL_THRESHOLDS

double npi_eval_oks(const struct npi_eval_label *l, const double *kpt, int n_joints, const struct np_keypoint_set *set) {
    double sum = 0;
    int n = 0, labelled = 0;
    for (int i = 0; l->kpt && i < n_joints; i++) labelled += l->kpt[3 * i + 2] > 0;
    const double x0 = l->box[0] - l->box[2], x1 = l->box[0] + l->box[2] * 2, y0 = l->box[1] - l->box[3], y1 = l->box[1] + l->box[3] * 2;
    for (int i = 0; i < n_joints; i++) {
        double dx, dy;
        if (labelled) {
            if (!(l->kpt[3 * i + 2] > 0)) continue;
            dx = kpt[3 * i] - l->kpt[3 * i];
            dy = kpt[3 * i + 1] - l->kpt[3 * i + 1];
        } else {
            dx = fmax(0, x0 - kpt[3 * i]) + fmax(0, kpt[3 * i] - x1);
            dy = fmax(0, y0 - kpt[3 * i + 1]) + fmax(0, kpt[3 * i + 1] - y1);
        }
        const double s = npi_eval_sigma(set, i) * 2;
        sum += exp(-(dx * dx + dy * dy) / (s * s) / (l->area + 0x1p-52) / 2);
        n++;
    }
    return n ? sum / n : 0;
}

double npi_eval_iou(const double a[4], const double b[4], int crowd) {
    const double w = fmin(a[0] + a[2], b[0] + b[2]) - fmax(a[0], b[0]), h = fmin(a[1] + a[3], b[1] + b[3]) - fmax(a[1], b[1]);
    if (w <= 0 || h <= 0) return 0;
    const double u = crowd ? a[2] * a[3] : a[2] * a[3] + b[2] * b[3] - w * h;
    return w * h / u;
}

/* numpy.linspace(.5, .95, 10) to the last bit */
static double threshold(int t) { return t == T - 1 ? .95 : t * ((.95 - .5) / 9) + .5; }
static double recall_at(int i) { return i == NPI_EVAL_RECALLS - 1 ? 1. : i * .01; }

/* One prediction in one range of area. */
struct entry { double score; int rank; char matched[T], ignored[T]; };
struct list { struct entry *e; int n; int n_positive; };

/* A picture's labels and predictions at work. */
struct picture {
    const struct np_eval *e;
    const struct npi_ap_params *p;
    const struct npi_eval_label *label; int n_labels;
    const int *pred; int n_preds;   /* best first, at most the largest max_preds */
    double *like;                   /* [n_preds][n_labels] */
    int *order;                     /* [n_labels]: not ignored ones first */
    char *ignore, *taken;           /* [n_labels] in that order */
};

static double score_of(const struct picture *s, int i) {
    const struct npi_eval_pred *p = &s->e->pred[i];
    return s->p->keypoints ? p->score : p->box_score;
}

static int ignored_always(const struct picture *s, const struct npi_eval_label *l) { return l->crowd || (s->p->keypoints && l->n_visible == 0); }

static void match(struct picture *s, const double area[2], struct list *out) {
    int n = 0, n_real;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < s->n_labels; i++) {
            const struct npi_eval_label *l = &s->label[i];
            if ((ignored_always(s, l) || l->area < area[0] || l->area > area[1]) != pass) continue;
            s->order[n] = i;
            s->ignore[n++] = (char)pass;
        }
    for (n_real = 0; n_real < n && !s->ignore[n_real]; n_real++) {}
    out->n_positive += n_real;
    struct entry *const mine = out->e + out->n;
    for (int t = 0; t < T; t++) {
        memset(s->taken, 0, (size_t)n);
        for (int d = 0; d < s->n_preds; d++) {
            double best = fmin(threshold(t), 1 - 1e-10);
            int m = -1;
            for (int g = 0; g < n; g++) {
                if (s->taken[g] && !s->label[s->order[g]].crowd) continue;
                if (m >= 0 && !s->ignore[m] && s->ignore[g]) break; /* a real one was found: the ignored ones come after */
                const double like = s->like[(size_t)d * (size_t)s->n_labels + (size_t)s->order[g]];
                if (like < best) continue;
                best = like;
                m = g;
            }
            const double a = s->e->pred[s->pred[d]].area;
            mine[d].matched[t] = m >= 0;
            mine[d].ignored[t] = m >= 0 ? s->ignore[m] : a < area[0] || a > area[1];
            if (m >= 0) s->taken[m] = 1;
        }
    }
    for (int d = 0; d < s->n_preds; d++) {
        mine[d].score = score_of(s, s->pred[d]);
        mine[d].rank = d;
    }
    out->n += s->n_preds;
}

struct ranked { double score; int i; };
/* Best first; equal ones in the order they came, as a stable sort leaves them. */
static int by_score(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score ? 1 : x->i < y->i ? -1 : x->i > y->i;
}

/* Precision and recall of one list at threshold t: *ap is the mean of precision at 101 recalls. */
static void curve(const struct list *l, const struct ranked *r, int n, int t, double *work, double *ap, double *recall) {
    double tp = 0, fp = 0, sum = 0;
    double *const pr = work, *const rc = work + n;
    for (int i = 0; i < n; i++) {
        const struct entry *e = &l->e[r[i].i];
        tp += e->matched[t] && !e->ignored[t];
        fp += !e->matched[t] && !e->ignored[t];
        rc[i] = tp / l->n_positive;
        pr[i] = tp / (fp + tp + 0x1p-52);
    }
    for (int i = n - 1; i > 0; i--)
        if (pr[i] > pr[i - 1]) pr[i - 1] = pr[i];
    for (int k = 0, i = 0; k < NPI_EVAL_RECALLS; k++) {
        while (i < n && rc[i] < recall_at(k)) i++;
        if (i < n) sum += pr[i];
    }
    *ap = sum / NPI_EVAL_RECALLS;
    *recall = n ? rc[n - 1] : 0;
}

static int accumulate(const struct list *l, int max_preds, struct npi_arena *mem, struct npi_ap_cell *c) {
    *c = (struct npi_ap_cell){ -1, -1, -1, -1, -1, -1 };
    if (!l->n_positive) return 0;
    struct ranked *r = npi_arena_array(mem, struct ranked, l->n + 1);
    double *work = npi_arena_array(mem, double, 2 * (size_t)l->n + 1), ap[T], ar[T];
    if (!r || !work) return NP_ENOMEM;
    int n = 0;
    for (int i = 0; i < l->n; i++)
        if (l->e[i].rank < max_preds) r[n++] = (struct ranked){ l->e[i].score, i };
    qsort(r, (size_t)n, sizeof *r, by_score);
    double p = 0, q = 0;
    for (int t = 0; t < T; t++) {
        curve(l, r, n, t, work, &ap[t], &ar[t]);
        p += ap[t];
        q += ar[t];
    }
    *c = (struct npi_ap_cell){ p / T, ap[0], ap[5], q / T, ar[0], ar[5] };
    return 0;
}

int npi_eval_group(const struct np_eval *e, struct npi_arena *mem, int **order, int **first) {
    int *const o = npi_arena_array(mem, int, e->n_preds + 1), *const f = npi_arena_array(mem, int, e->n_images + 2);
    if (!o || !f) return NP_ENOMEM;
    for (int i = 0; i < e->n_preds; i++) f[e->pred[i].image + 2]++;
    for (int i = 1; i <= e->n_images + 1; i++) f[i] += f[i - 1];
    for (int i = 0; i < e->n_preds; i++) o[f[e->pred[i].image + 1]++] = i;
    *order = o;
    *first = f;
    return 0;
}

/* Predictions of picture `image` that count, best first. */
static int rank_preds(struct picture *s, const int *order, const int *first, int image, struct ranked *r, int *out) {
    int n = 0;
    const int most = s->p->max_preds[s->p->n_max - 1];
    for (int i = first[image]; i < first[image + 1]; i++) {
        const struct npi_eval_pred *p = &s->e->pred[order[i]];
        if (!(s->p->keypoints ? p->kpt != NULL : p->has_box)) continue;
        r[n] = (struct ranked){ score_of(s, order[i]), order[i] };
        n++;
    }
    qsort(r, (size_t)n, sizeof *r, by_score);
    if (n > most) n = most;
    for (int i = 0; i < n; i++) out[i] = r[i].i;
    return n;
}

static void compare(struct picture *s) {
    for (int d = 0; d < s->n_preds; d++)
        for (int g = 0; g < s->n_labels; g++) {
            const struct npi_eval_pred *p = &s->e->pred[s->pred[d]];
            s->like[(size_t)d * (size_t)s->n_labels + (size_t)g] = s->p->keypoints ? npi_eval_oks(&s->label[g], p->kpt, s->e->n_joints, s->e->set)
                                                                                   : npi_eval_iou(p->box, s->label[g].box, s->label[g].crowd);
        }
}

int npi_eval_ap(const struct np_eval *e, const struct npi_ap_params *p, struct npi_ap_cell *cell) {
    struct npi_arena mem;
    npi_arena_init(&mem, 0);
    int r = NP_ENOMEM, *order, *first, most_labels = 0, most_preds = 0;
    struct picture s = { .e = e, .p = p };
    struct list *list = npi_arena_array(&mem, struct list, p->n_areas);
    if (!list || npi_eval_group(e, &mem, &order, &first) < 0) goto done;
    for (int i = 0; i < e->n_images; i++) {
        if (e->first_label[i + 1] - e->first_label[i] > most_labels) most_labels = e->first_label[i + 1] - e->first_label[i];
        if (first[i + 1] - first[i] > most_preds) most_preds = first[i + 1] - first[i];
    }
    const int kept = most_preds < p->max_preds[p->n_max - 1] ? most_preds : p->max_preds[p->n_max - 1];
    struct ranked *rank = npi_arena_array(&mem, struct ranked, most_preds + 1);
    int *pred = npi_arena_array(&mem, int, most_preds + 1);
    s.like = npi_arena_calloc(&mem, (size_t)kept * (size_t)most_labels + 1, sizeof *s.like);
    s.order = npi_arena_array(&mem, int, most_labels + 1);
    s.ignore = npi_arena_array(&mem, char, most_labels + 1);
    s.taken = npi_arena_array(&mem, char, most_labels + 1);
    if (!rank || !pred || !s.like || !s.order || !s.ignore || !s.taken) goto done;
    for (int a = 0; a < p->n_areas; a++)
        if (!(list[a].e = npi_arena_array(&mem, struct entry, e->n_preds + 1))) goto done;
    for (int i = 0; i < e->n_images; i++) {
        s.label = e->label + e->first_label[i];
        s.n_labels = e->first_label[i + 1] - e->first_label[i];
        s.n_preds = rank_preds(&s, order, first, i, rank, pred);
        s.pred = pred;
        compare(&s);
        for (int a = 0; a < p->n_areas; a++) match(&s, p->area[a], &list[a]);
    }
    for (int a = 0; a < p->n_areas; a++)
        for (int m = 0; m < p->n_max; m++)
            if (accumulate(&list[a], p->max_preds[m], &mem, &cell[a * p->n_max + m]) < 0) goto done;
    r = 0;
done:
    npi_arena_free(&mem);
    return r;
}
