/* SPDX-License-Identifier: Apache-2.0 */
/* The things that cross the public face: frames in, persons out. Plain data, no functions. */
#ifndef NEXTPOSE_TYPES_H
#define NEXTPOSE_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most keypoints a set may have (COCO-WholeBody has 133). */
#define NP_MAX_KEYPOINTS 136

enum np_pixel_format {
    NP_PIX_RGB24 = 0, /* plane 0: R G B bytes */
    NP_PIX_BGR24 = 1, /* plane 0: B G R bytes */
    NP_PIX_I420 = 2,  /* planes Y, U, V; chroma at half width and height, rounded up */
    NP_PIX_NV12 = 3,  /* plane 0: Y; plane 1: U V interleaved, half size */
    NP_PIX_I422 = 4,  /* planes Y, U, V; chroma at half width */
    NP_PIX_I444 = 5,  /* planes Y, U, V */
    NP_PIX_GRAY8 = 6  /* plane 0: Y */
};

/* Matrix that leads from YUV to RGB. NP_YUV_AUTO: BT.709 from 720 lines up, else BT.601. */
enum np_yuv_matrix { NP_YUV_AUTO = 0, NP_YUV_BT601 = 1, NP_YUV_BT709 = 2, NP_YUV_BT2020 = 3 };

/* One picture. The caller owns the pixels; they must stay valid and unchanged until `release` is called (or, where
 * `release` is NULL, until the call that took the frame has returned its result).
 * Coordinates everywhere: pixels of the picture as shown, that is after `rotation`; x to the right, y down; the centre
 * of the top-left pixel is (0.5, 0.5). */
struct np_frame {
    int format;                 /* enum np_pixel_format */
    int width, height;          /* of the stored picture, before rotation; 1 to 16384 */
    const uint8_t *plane[3];
    ptrdiff_t stride_bytes[3];  /* may be negative for bottom-up pictures */
    int rotation;               /* clockwise turn to be shown upright: 0, 90, 180, 270 */
    int yuv_matrix;             /* enum np_yuv_matrix; ignored for RGB */
    int full_range;             /* 1: luma 0-255, 0: 16-235; ignored for RGB */
    int64_t index;              /* running number, from 0 */
    int64_t pts_ns;             /* time stamp of the source in ns, monotonic; -1 unknown */
    int64_t captured_ns;        /* when the picture came, on the clock of CLOCK_MONOTONIC: delays are measured from it; 0: when it is sent */
    void (*release)(void *opaque); /* called once, from any thread, when the library is done; may be NULL */
    void *opaque;
};

struct np_box { float x, y, w, h; }; /* left, top, width, height in pixels of the shown picture */

struct np_keypoint {
    float x, y;      /* pixels of the shown picture */
    float z;         /* relative depth in metres, root joint = 0, away from the camera positive; NaN when the net has none */
    float conf;      /* 0..1 */
    float wx, wy, wz; /* metres about the root joint; NaN when the net has none */
};

/* Rule 1, no invented joints: a pose says where it comes from. */
enum np_pose_source { NP_POSE_NONE = 0, NP_POSE_INFERRED = 1, NP_POSE_PROPAGATED = 2 };

struct np_person {
    int id;                  /* stable over frames, from 1 */
    float score;             /* of the detection, 0..1 */
    float pose_score;        /* of the pose, 0..1: mean confidence, or the net's own presence score */
    struct np_box box;
    int pose_source;         /* enum np_pose_source */
    int age_frames;          /* frames since the pose was inferred, 0 when on this frame */
    float age_ms;            /* likewise in milliseconds of the source's clock */
    int n_keypoints;         /* of the set in use; 0 when pose_source is NP_POSE_NONE */
    struct np_keypoint keypoint[NP_MAX_KEYPOINTS];
};

/* A keypoint set is data: names, edges to draw, left/right pairs, OKS sigmas. Owned by the library, lives as long as it. */
struct np_keypoint_set {
    const char *name;                  /* "coco17", "blazepose33", … */
    int n;
    const char *const *names;          /* [n] */
    int n_edges;
    const uint8_t (*edges)[2];         /* [n_edges] */
    const uint8_t *flip;               /* [n]: index of the mirrored joint */
    const float *sigma;                /* [n]: OKS sigma, COCO's where defined */
    int root;                          /* joint that depth is relative to; -1: middle of the hips */
    const int8_t *to_coco17;           /* [17]: index in this set, -1 missing */
};

/* What was found on one frame. */
struct np_result {
    int64_t index, pts_ns;   /* of the frame */
    int width, height;       /* of the picture as shown */
    int n_persons;
    int inferred;            /* 1: a pose net ran for every person in view on this frame */
    const struct np_person *persons; /* [n_persons] */
    const struct np_keypoint_set *set;
    /* milliseconds spent on this frame, by stage */
    float detect_ms, pose_ms, total_ms;
    float delay_ms;          /* from np_frame.captured_ns to this result */
    int detected;            /* 1: the detector's boxes of this frame are in it, or (live) those of one just before; 0: boxes were carried by the tracker */
    const struct np_frame *frame; /* the picture, until the result is released; NULL unless np_settings.keep_frames */
    int backend_switches;    /* how often a runtime was changed until this frame was done (np_context_info says to which, and why) */
};

#ifdef __cplusplus
}
#endif
#endif
