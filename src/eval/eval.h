/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of an evaluation: labels and predictions as flat arrays, both grouped by picture.
 *
 *   image[0] ─ label[first_label[0] … first_label[1]-1]      labels.c reads them, results.c the predictions,
 *   image[1] ─ …                                             ap.c and pck.c count, eval.c is the public face
 *
 * Pictures are sorted by id, because COCO breaks ties between equal scores in that order. Everything is in double, as COCO's
 * own code: a float would move a prediction across a threshold. */
#ifndef NPI_EVAL_EVAL_H
#define NPI_EVAL_EVAL_H
#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "nextpose/eval.h"

struct npi_eval_label {
    int image;
    int64_t id;
    double box[4], area;  /* x y w h */
    int crowd, n_visible; /* n_visible: joints with v > 0 as counted, or as the file says */
    const double *kpt;    /* [n_joints][x y v] or NULL */
};

struct npi_eval_pred {
    int image;
    int64_t label_id;     /* -1: not told */
    double box[4], area, score, box_score;
    int has_box;
    const double *kpt;    /* [n_joints][x y conf] or NULL */
};

struct np_eval {
    struct npi_arena mem, pred_mem;
    struct np_eval_image *image; int n_images;
    struct npi_eval_label *label; int n_labels;
    int *first_label;     /* [n_images + 1] */
    struct npi_eval_pred *pred; int n_preds, cap_preds;
    int64_t category;
    int n_joints;         /* 0: labels are boxes only */
    const struct np_keypoint_set *set;
    int n_orphans, n_people;
};

/* JSON text -> labels / predictions. `where` names the file in messages. */
int npi_eval_parse_labels(struct np_eval *e, const char *json, size_t size, const char *where, struct np_error *err);
int npi_eval_parse_results(struct np_eval *e, const char *json, size_t size, const char *where, struct np_error *err);
int npi_eval_find_image(const struct np_eval *e, int64_t id); /* -1: none */
/* Room for one more prediction, zeroed, of `image`; NULL: out of memory. */
struct npi_eval_pred *npi_eval_new_pred(struct np_eval *e, int image);

/* Limits on one picture: crowds have some hundred people; matching takes time and memory by the product. */
#define NPI_EVAL_MOST 1000

/* The sets' sigmas are floats of three decimals: back to the decimals that COCO has. */
static inline double npi_eval_sigma(const struct np_keypoint_set *set, int k) { return nearbyint((double)set->sigma[k] * 1000) / 1000; }
/* COCO's OKS of a prediction's joints with a label; for labels without joints the distance to the box grown twice. */
double npi_eval_oks(const struct npi_eval_label *l, const double *kpt, int n_joints, const struct np_keypoint_set *set);
/* COCO's IoU; of a crowd label: the share of `a` that lies in it. */
double npi_eval_iou(const double a[4], const double label[4], int crowd);

/* A detection figure: how predictions are matched at ten thresholds, within ranges of area and numbers of predictions a picture. */
#define NPI_EVAL_THRESHOLDS 10
#define NPI_EVAL_RECALLS 101
struct npi_ap_cell { double ap, ap50, ap75, ar, ar50, ar75; }; /* -1: no labels in that range */
struct npi_ap_params { int keypoints; int n_areas; const double (*area)[2]; int n_max; const int *max_preds; /* rising */ };
/* cell[n_areas][n_max] */
int npi_eval_ap(const struct np_eval *e, const struct npi_ap_params *p, struct npi_ap_cell *cell);
int npi_eval_pck(const struct np_eval *e, struct np_eval_score *out);
/* Predictions' numbers in the order of pictures, in each as they came; first[n_images + 1]. In `mem`. */
int npi_eval_group(const struct np_eval *e, struct npi_arena *mem, int **order, int **first);
#endif
