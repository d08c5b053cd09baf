/* SPDX-License-Identifier: Apache-2.0 */
/* Keypoint sets as data. Order matters: it is the order of the net's outputs. OKS sigmas are COCO's where COCO has the
 * joint; the others take those of the nearest joint of the same kind (neck as shoulder, hand as wrist, foot as ankle …).
 * to_coco17 says where each of COCO's 17 joints is, so that any net can be measured and drawn alike. */
#include "card/card.h"

#include <string.h>

typedef uint8_t edge[2];

/* --- coco17, also MoveNet's --- */
#define COCO17_NAMES "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", \
                     "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"
#define COCO17_FLIP 0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15
#define COCO17_SIGMA .026f, .025f, .025f, .035f, .035f, .079f, .079f, .072f, .072f, .062f, .062f, .107f, .107f, .087f, .087f, .089f, .089f
#define COCO17_EDGES { 15, 13 }, { 13, 11 }, { 16, 14 }, { 14, 12 }, { 11, 12 }, { 5, 11 }, { 6, 12 }, { 5, 6 }, { 5, 7 }, { 6, 8 }, { 7, 9 }, \
                     { 8, 10 }, { 1, 2 }, { 0, 1 }, { 0, 2 }, { 1, 3 }, { 2, 4 }
static const char *const coco17_names[] = { COCO17_NAMES };
static const edge coco17_edges[] = { COCO17_EDGES, { 3, 5 }, { 4, 6 } };
static const uint8_t coco17_flip[] = { COCO17_FLIP };
static const float coco17_sigma[] = { COCO17_SIGMA };
static const int8_t coco17_to[17] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* --- coco18, OpenPose's --- */
static const char *const coco18_names[] = {
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear"
};
static const edge coco18_edges[] = {
    { 1, 2 }, { 2, 3 }, { 3, 4 }, { 1, 5 }, { 5, 6 }, { 6, 7 }, { 1, 8 }, { 8, 9 }, { 9, 10 }, { 1, 11 }, { 11, 12 }, { 12, 13 },
    { 0, 1 }, { 0, 14 }, { 14, 16 }, { 0, 15 }, { 15, 17 }
};
static const uint8_t coco18_flip[] = { 0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16 };
static const float coco18_sigma[] = {
    .026f, .079f, .079f, .072f, .062f, .079f, .072f, .062f, .107f, .087f, .089f, .107f, .087f, .089f, .025f, .025f, .035f, .035f
};
static const int8_t coco18_to[17] = { 0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10 };

/* --- body25, OpenPose's with feet --- */
static const char *const body25_names[] = {
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "mid_hip",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear",
    "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"
};
static const edge body25_edges[] = {
    { 1, 8 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 1, 5 }, { 5, 6 }, { 6, 7 }, { 8, 9 }, { 9, 10 }, { 10, 11 }, { 8, 12 }, { 12, 13 },
    { 13, 14 }, { 1, 0 }, { 0, 15 }, { 15, 17 }, { 0, 16 }, { 16, 18 }, { 14, 19 }, { 19, 20 }, { 14, 21 }, { 11, 22 },
    { 22, 23 }, { 11, 24 }
};
static const uint8_t body25_flip[] = { 0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21 };
static const float body25_sigma[] = {
    .026f, .079f, .079f, .072f, .062f, .079f, .072f, .062f, .107f, .107f, .087f, .089f, .107f, .087f, .089f, .025f, .025f, .035f,
    .035f, .089f, .089f, .089f, .089f, .089f, .089f
};
static const int8_t body25_to[17] = { 0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11 };

/* --- halpe26: coco17, head top, neck, hip, feet --- */
static const char *const halpe26_names[] = {
    COCO17_NAMES, "head", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel",
    "right_heel"
};
static const edge halpe26_edges[] = {
    { 15, 13 }, { 13, 11 }, { 11, 19 }, { 16, 14 }, { 14, 12 }, { 12, 19 }, { 17, 18 }, { 18, 19 }, { 18, 5 }, { 5, 7 },
    { 7, 9 }, { 18, 6 }, { 6, 8 }, { 8, 10 }, { 1, 2 }, { 0, 1 }, { 0, 2 }, { 1, 3 }, { 2, 4 }, { 3, 5 }, { 4, 6 }, { 15, 20 },
    { 15, 22 }, { 15, 24 }, { 16, 21 }, { 16, 23 }, { 16, 25 }
};
static const uint8_t halpe26_flip[] = { COCO17_FLIP, 17, 18, 19, 21, 20, 23, 22, 25, 24 };
static const float halpe26_sigma[] = { COCO17_SIGMA, .026f, .026f, .066f, .079f, .079f, .079f, .079f, .079f, .079f };

/* --- np24: our own nets' (train/joints.py); the first 17 are COCO's --- */
static const char *const np24_names[] = {
    COCO17_NAMES, "head_top", "neck", "pelvis", "left_heel", "right_heel", "left_foot_index", "right_foot_index"
};
static const edge np24_edges[] = {
    { 15, 13 }, { 13, 11 }, { 11, 19 }, { 16, 14 }, { 14, 12 }, { 12, 19 }, { 17, 18 }, { 18, 19 }, { 18, 5 }, { 5, 7 }, { 7, 9 }, { 18, 6 },
    { 6, 8 }, { 8, 10 }, { 1, 2 }, { 0, 1 }, { 0, 2 }, { 1, 3 }, { 2, 4 }, { 15, 20 }, { 20, 22 }, { 15, 22 }, { 16, 21 }, { 21, 23 }, { 16, 23 }
};
static const uint8_t np24_flip[] = { COCO17_FLIP, 17, 18, 19, 21, 20, 23, 22 };
static const float np24_sigma[] = { COCO17_SIGMA, .035f, .079f, .107f, .089f, .089f, .089f, .089f };

/* --- h36m18: ConvNeXtPose's own order for Human3.6M; NOT OpenPose's 18 --- */
static const char *const h36m18_names[] = {
    "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "torso", "neck", "nose", "head",
    "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist", "thorax"
};
static const edge h36m18_edges[] = {
    { 0, 7 }, { 7, 8 }, { 8, 9 }, { 9, 10 }, { 8, 11 }, { 11, 12 }, { 12, 13 }, { 8, 14 }, { 14, 15 }, { 15, 16 }, { 0, 1 },
    { 1, 2 }, { 2, 3 }, { 0, 4 }, { 4, 5 }, { 5, 6 }
};
static const uint8_t h36m18_flip[] = { 0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13, 17 };
static const float h36m18_sigma[] = {
    .107f, .107f, .087f, .089f, .107f, .087f, .089f, .107f, .079f, .026f, .035f, .079f, .072f, .062f, .079f, .072f, .062f, .079f
};
static const int8_t h36m18_to[17] = { 9, -1, -1, -1, -1, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3 };

/* --- muco21: ConvNeXtPose's for MuCo; MuPoTS is the first 17 --- */
static const char *const muco21_names[] = {
    "head_top", "thorax", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "pelvis", "spine", "head", "right_hand",
    "left_hand", "right_toe", "left_toe"
};
static const edge muco21_edges[] = {
    { 0, 16 }, { 16, 1 }, { 1, 15 }, { 15, 14 }, { 14, 8 }, { 14, 11 }, { 8, 9 }, { 9, 10 }, { 10, 19 }, { 11, 12 }, { 12, 13 },
    { 13, 20 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 17 }, { 1, 5 }, { 5, 6 }, { 6, 7 }, { 7, 18 }
};
static const uint8_t muco21_flip[] = { 0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 14, 15, 16, 18, 17, 20, 19 };
static const float muco21_sigma[] = {
    .035f, .079f, .079f, .072f, .062f, .079f, .072f, .062f, .107f, .087f, .089f, .107f, .087f, .089f, .107f, .107f, .026f, .062f,
    .062f, .089f, .089f
};
static const int8_t muco21_to[17] = { -1, -1, -1, -1, -1, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10 };

/* --- blazepose33 --- */
static const char *const blazepose33_names[] = {
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "left_ear",
    "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel", "left_foot_index",
    "right_foot_index"
};
static const edge blazepose33_edges[] = {
    { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 7 }, { 0, 4 }, { 4, 5 }, { 5, 6 }, { 6, 8 }, { 9, 10 }, { 11, 12 }, { 11, 13 },
    { 13, 15 }, { 15, 17 }, { 15, 19 }, { 15, 21 }, { 17, 19 }, { 12, 14 }, { 14, 16 }, { 16, 18 }, { 16, 20 }, { 16, 22 },
    { 18, 20 }, { 11, 23 }, { 12, 24 }, { 23, 24 }, { 23, 25 }, { 24, 26 }, { 25, 27 }, { 26, 28 }, { 27, 29 }, { 28, 30 },
    { 29, 31 }, { 30, 32 }, { 27, 31 }, { 28, 32 }
};
static const uint8_t blazepose33_flip[] = {
    0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23, 26, 25, 28, 27, 30, 29, 32, 31
};
static const float blazepose33_sigma[] = {
    .026f, .025f, .025f, .025f, .025f, .025f, .025f, .035f, .035f, .026f, .026f, .079f, .079f, .072f, .072f, .062f, .062f, .062f,
    .062f, .062f, .062f, .062f, .062f, .107f, .107f, .087f, .087f, .089f, .089f, .089f, .089f, .089f, .089f
};
static const int8_t blazepose33_to[17] = { 0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28 };

#define SET(id, root_) { #id, (int)(sizeof id##_names / sizeof *id##_names), id##_names, (int)(sizeof id##_edges / sizeof *id##_edges), \
                         id##_edges, id##_flip, id##_sigma, root_, id##_to }
#define SAME_LENGTH(id) _Static_assert(sizeof id##_names / sizeof *id##_names == sizeof id##_flip && sizeof id##_sigma == 4 * sizeof id##_flip, #id)
SAME_LENGTH(coco17); SAME_LENGTH(coco18); SAME_LENGTH(body25); SAME_LENGTH(halpe26); SAME_LENGTH(np24); SAME_LENGTH(h36m18); SAME_LENGTH(muco21);
SAME_LENGTH(blazepose33);

#define halpe26_to coco17_to /* the first 17 are COCO's */
#define np24_to coco17_to
static const struct np_keypoint_set sets[] = {
    SET(coco17, -1), SET(coco18, -1), SET(body25, 8), SET(halpe26, 19), SET(np24, 19), SET(h36m18, 0), SET(muco21, 14), SET(blazepose33, -1)
};

const struct np_keypoint_set *npi_keypoint_set_at(int i) {
    return i >= 0 && i < (int)(sizeof sets / sizeof *sets) ? &sets[i] : NULL;
}

const struct np_keypoint_set *npi_keypoint_set_find(const char *name) {
    for (int i = 0; name && i < (int)(sizeof sets / sizeof *sets); i++)
        if (!strcmp(sets[i].name, name)) return &sets[i];
    return name && !strcmp(name, "movenet") ? &sets[0] : NULL; /* MoveNet's order is COCO's */
}
