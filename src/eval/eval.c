/* SPDX-License-Identifier: Apache-2.0 */
/* The public face: open labels, add what was found, ask for the figures. See nextpose/eval.h. */
#include "eval/eval.h"
#include "base/mmap.h"

#include <math.h>
#include <string.h>

#define LIMIT_BYTES ((size_t)8 << 30)

int np_eval_open(struct np_eval **out, const char *path, struct np_error *err) {
    struct npi_file f;
    if (!out || !path) return npi_fail(err, NP_EINVAL, "np_eval_open: NULL argument");
    int r = npi_file_map(&f, path, err);
    if (r < 0) return r;
    struct np_eval *e = npi_alloc(sizeof *e);
    if (e) {
        npi_arena_init(&e->mem, LIMIT_BYTES);
        npi_arena_init(&e->pred_mem, LIMIT_BYTES);
        r = npi_eval_parse_labels(e, f.data, f.size, path, err);
    } else r = npi_fail(err, NP_ENOMEM, "%s: out of memory", path);
    npi_file_unmap(&f);
    if (r < 0) np_eval_close(&e);
    else *out = e;
    return r;
}

void np_eval_close(struct np_eval **e) {
    if (!e || !*e) return;
    npi_arena_free(&(*e)->mem);
    npi_arena_free(&(*e)->pred_mem);
    npi_free(*e);
    *e = NULL;
}

void np_eval_info(const struct np_eval *e, struct np_eval_info *out) {
    *out = (struct np_eval_info){ .n_images = e->n_images, .n_labels = e->n_labels, .n_people = e->n_people, .n_orphans = e->n_orphans, .set = e->n_joints ? e->set : NULL };
}

int np_eval_image(const struct np_eval *e, int i, struct np_eval_image *out) {
    if (i < 0 || i >= e->n_images) return NP_EEND;
    *out = e->image[i];
    return 0;
}

void np_eval_limit(struct np_eval *e, int n) {
    if (n < 0 || n >= e->n_images) return;
    e->n_images = n;
    e->n_labels = e->first_label[n];
    e->n_people = 0;
    for (int i = 0; i < e->n_labels; i++) e->n_people += !e->label[i].crowd && e->label[i].n_visible && e->label[i].kpt;
}

int np_eval_boxes(const struct np_eval *e, int image, struct np_box *box, int64_t *label_id, int cap) {
    int n = 0;
    if (image < 0 || image >= e->n_images) return 0;
    for (int i = e->first_label[image]; i < e->first_label[image + 1]; i++) {
        const struct npi_eval_label *l = &e->label[i];
        if (l->crowd || !l->n_visible || !l->kpt || !(l->box[2] > 0 && l->box[3] > 0)) continue;
        if (n < cap) {
            if (box) box[n] = (struct np_box){ (float)l->box[0], (float)l->box[1], (float)l->box[2], (float)l->box[3] };
            if (label_id) label_id[n] = l->id;
        }
        n++;
    }
    return n;
}

/* Which joint of `from` is joint k of `to`; -1: it has none. The two are the same set, or meet in COCO-17. */
static int joint_of(const struct np_keypoint_set *from, const struct np_keypoint_set *to, int k) {
    if (from == to) return k;
    for (int c = 0; c < 17; c++)
        if (to->to_coco17[c] == k) return from->to_coco17[c];
    return -1;
}

int np_eval_add(struct np_eval *e, int image, int64_t label_id, const struct np_person *p, const struct np_keypoint_set *set, struct np_error *err) {
    if (!e || !p || image < 0 || image >= e->n_images) return npi_fail(err, NP_EINVAL, "np_eval_add: NULL argument, or no such picture");
    struct npi_eval_pred *q = npi_eval_new_pred(e, image);
    double *kpt = set && e->n_joints ? npi_arena_array(&e->pred_mem, double, 3 * e->n_joints) : NULL;
    if (!q || (set && e->n_joints && !kpt)) return npi_fail(err, NP_ENOMEM, "out of memory for predictions");
    q->label_id = label_id;
    q->box[0] = p->box.x;
    q->box[1] = p->box.y;
    q->box[2] = p->box.w;
    q->box[3] = p->box.h;
    q->area = q->box[2] * q->box[3];
    q->has_box = 1;
    q->box_score = q->score = p->score;
    q->kpt = kpt;
    if (!kpt) return 0;
    /* Without a pose all joints are (0, 0, 0), COCO's way to say "not there", last in the ranking. */
    q->score = p->n_keypoints ? (double)p->score * p->pose_score : 0;
    for (int k = 0; k < e->n_joints && p->n_keypoints; k++) {
        const int j = joint_of(set, e->set, k);
        if (j < 0 || j >= p->n_keypoints || !isfinite(p->keypoint[j].x) || !isfinite(p->keypoint[j].y)) continue;
        kpt[3 * k] = p->keypoint[j].x;
        kpt[3 * k + 1] = p->keypoint[j].y;
        kpt[3 * k + 2] = isfinite(p->keypoint[j].conf) ? p->keypoint[j].conf : 0;
    }
    return 0;
}

int np_eval_load(struct np_eval *e, const char *path, struct np_error *err) {
    struct npi_file f;
    if (!e || !path) return npi_fail(err, NP_EINVAL, "np_eval_load: NULL argument");
    int r = npi_file_map(&f, path, err);
    if (r < 0) return r;
    r = npi_eval_parse_results(e, f.data, f.size, path, err);
    npi_file_unmap(&f);
    return r;
}

void np_eval_clear(struct np_eval *e) {
    npi_arena_free(&e->pred_mem);
    npi_arena_init(&e->pred_mem, LIMIT_BYTES);
    e->pred = NULL;
    e->n_preds = e->cap_preds = 0;
}

static const double areas[4][2] = { { 0, 1e10 }, { 0, 32 * 32 }, { 32 * 32, 96 * 96 }, { 96 * 96, 1e10 } };

static int score_keypoints(const struct np_eval *e, double out[NP_EVAL_KEYPOINT_STATS]) {
    static const double used[3][2] = { { 0, 1e10 }, { 32 * 32, 96 * 96 }, { 96 * 96, 1e10 } };
    static const int most = 20;
    struct npi_ap_cell c[3];
    const struct npi_ap_params p = { .keypoints = 1, .n_areas = 3, .area = used, .n_max = 1, .max_preds = &most };
    const int r = npi_eval_ap(e, &p, c);
    if (r < 0) return r;
    const double v[NP_EVAL_KEYPOINT_STATS] = { c[0].ap, c[0].ap50, c[0].ap75, c[1].ap, c[2].ap, c[0].ar, c[0].ar50, c[0].ar75, c[1].ar, c[2].ar };
    memcpy(out, v, sizeof v);
    return 0;
}

static int score_boxes(const struct np_eval *e, double out[NP_EVAL_BOX_STATS]) {
    static const int most[3] = { 1, 10, 100 };
    struct npi_ap_cell c[4][3];
    const struct npi_ap_params p = { .n_areas = 4, .area = areas, .n_max = 3, .max_preds = most };
    const int r = npi_eval_ap(e, &p, &c[0][0]);
    if (r < 0) return r;
    const double v[NP_EVAL_BOX_STATS] = { c[0][2].ap, c[0][2].ap50, c[0][2].ap75, c[1][2].ap, c[2][2].ap, c[3][2].ap,
                                          c[0][0].ar, c[0][1].ar, c[0][2].ar, c[1][2].ar, c[2][2].ar, c[3][2].ar };
    memcpy(out, v, sizeof v);
    return 0;
}

int np_eval_score(struct np_eval *e, struct np_eval_score *out, struct np_error *err) {
    if (!e || !out) return npi_fail(err, NP_EINVAL, "np_eval_score: NULL argument");
    struct np_eval_score s = { .n_predictions = e->n_preds, .has_boxes = e->n_preds > 0 };
    for (int i = 0; i < e->n_preds; i++) {
        s.has_keypoints |= e->pred[i].kpt != NULL;
        s.has_boxes &= e->pred[i].has_box && e->pred[i].label_id < 0; /* given boxes are right by themselves */
    }
    if (!e->n_preds) s.has_keypoints = e->n_joints > 0; /* nothing found: everything missed */
    int r = 0;
    if (s.has_keypoints && (r = score_keypoints(e, s.keypoints)) == 0) r = npi_eval_pck(e, &s);
    if (r == 0 && s.has_boxes) r = score_boxes(e, s.boxes);
    if (r < 0) return npi_fail(err, r, "out of memory for the evaluation");
    *out = s;
    return 0;
}

const char *np_eval_stat_name(int boxes, int i) {
    static const char *const k[] = { "AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL" };
    static const char *const b[] = { "AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL" };
    return i < 0 || i >= (boxes ? NP_EVAL_BOX_STATS : NP_EVAL_KEYPOINT_STATS) ? NULL : boxes ? b[i] : k[i];
}
