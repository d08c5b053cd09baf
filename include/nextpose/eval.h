/* SPDX-License-Identifier: Apache-2.0 */
/* How good is a net? Labels in COCO's JSON, predictions from a context or a COCO results file, COCO's figures out.
 *
 *   struct np_eval *e; struct np_eval_score s;
 *   np_eval_open(&e, "person_keypoints.json", &err);
 *   for (int i = 0; np_eval_image(e, i, &image) == 0; i++) { …np_process_still… np_eval_add(e, i, -1, &person, set, &err); }
 *   np_eval_score(e, &s, &err);                               // s.keypoints[0] is AP
 *
 * The numbers are those of pycocotools on the same predictions; tests/eval checks it. One thread at a time an object. */
#ifndef NEXTPOSE_EVAL_H
#define NEXTPOSE_EVAL_H

#include "nextpose/error.h"
#include "nextpose/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct np_eval;

struct np_eval_info {
    int n_images, n_labels;
    int n_people;                      /* labels with at least one labelled joint, no crowd */
    int n_orphans;                     /* labels of pictures that the file does not list: left out */
    const struct np_keypoint_set *set; /* of the labels; NULL: boxes only */
};
struct np_eval_image { int64_t id; const char *file; int width, height; /* 0: the file does not say */ };

/* Reads labels (COCO "person_keypoints" or "instances": images, annotations, categories). Only the category "person", or the only
 * one, counts. *out is written on success and belongs to the caller. NP_EUNSUPPORTED in a build without jansson. */
NP_API int np_eval_open(struct np_eval **out, const char *labels_path, struct np_error *err);
NP_API void np_eval_close(struct np_eval **e);
NP_API void np_eval_info(const struct np_eval *e, struct np_eval_info *out);
/* Picture i of info.n_images, in rising order of id; NP_EEND past the end. The strings live as long as e. */
NP_API int np_eval_image(const struct np_eval *e, int i, struct np_eval_image *out);
/* Keeps the first n pictures only; call it before predictions are added. */
NP_API void np_eval_limit(struct np_eval *e, int n);
/* Given boxes: those of the labelled people (one labelled joint at least, no crowd) of a picture, and their label ids. Returns how many there are,
 * of which the first `cap` were written. */
NP_API int np_eval_boxes(const struct np_eval *e, int image, struct np_box *box, int64_t *label_id, int cap);

/* Adds what was found. label_id: the label whose box was given, -1 none. `set` is that of the net's joints: mapped to the labels' set, joints it has
 * not count as missed. A person without a pose counts as a box only. */
NP_API int np_eval_add(struct np_eval *e, int image, int64_t label_id, const struct np_person *p, const struct np_keypoint_set *set, struct np_error *err);
/* Adds the predictions of a COCO results file (all of the labels' category). */
NP_API int np_eval_load(struct np_eval *e, const char *results_path, struct np_error *err);
/* Writes the predictions as COCO results; the file appears when it is complete. Reading them back gives the same figures. */
NP_API int np_eval_save(const struct np_eval *e, const char *results_path, struct np_error *err);
/* Forgets the predictions. */
NP_API void np_eval_clear(struct np_eval *e);

#define NP_EVAL_KEYPOINT_STATS 10 /* AP AP50 AP75 APM APL AR AR50 AR75 ARM ARL */
#define NP_EVAL_BOX_STATS 12      /* AP AP50 AP75 APS APM APL AR1 AR10 AR100 ARS ARM ARL */
struct np_eval_joint { double pck, oks; int n; }; /* n labelled; share of them within 0.2 torso lengths; mean of the OKS terms */

struct np_eval_score {
    int has_keypoints, has_boxes;      /* whether labels and predictions have such */
    int n_predictions;
    double keypoints[NP_EVAL_KEYPOINT_STATS]; /* COCO's: OKS, at most 20 people a picture; -1: no labels of that kind */
    double boxes[NP_EVAL_BOX_STATS];          /* COCO's: IoU; ranked by the detector's score where it is known apart */
    /* Of the labelled people, each with its own prediction (that of its given box, else the nearest by OKS that no other took; none: missed). */
    double oks;                        /* mean */
    double pck;                        /* share of the joints within 0.2 torso lengths (left shoulder to right hip, or the other two) */
    int n_people, n_torso;             /* people; of them with a torso to measure by */
    int n_joints;                      /* entries of joint[]: of the labels' set */
    struct np_eval_joint joint[NP_MAX_KEYPOINTS];
};
/* NP_ENOMEM or 0. */
NP_API int np_eval_score(struct np_eval *e, struct np_eval_score *out, struct np_error *err);
/* "AP", "AP50", …; NULL past the end. */
NP_API const char *np_eval_stat_name(int boxes, int i);

#ifdef __cplusplus
}
#endif
#endif
