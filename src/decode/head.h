/* SPDX-License-Identifier: Apache-2.0 */
/* A head turns the outputs of a net into boxes or joints. One file a head; which head a model needs is in its card.
 *
 *   card + output shapes ── npi_decoder_open (picks outputs by shape, makes anchors, sizes scratch) ── npi_decoder
 *   output data of a run ── npi_decode_detect / npi_decode_pose ── boxes / joints in net-input pixels
 *
 * Decoding allocates nothing. A decoder belongs to one thread at a time (it owns scratch). The caller brings coordinates
 * to the picture with the affine of the letterbox or crop. */
#ifndef NPI_DECODE_HEAD_H
#define NPI_DECODE_HEAD_H
#include "base/err.h"
#include "card/card.h"
#include "ir/graph.h"
#include "nextpose/types.h"

#define NPI_MAX_DETS 256      /* boxes a head hands out after NMS; before it the best NPI_MAX_CANDIDATES are kept */
#define NPI_MAX_CANDIDATES 2048
#define NPI_MAX_OUTPUTS 16

/* x, y, z in net-input pixels (z scaled like x; the soft-argmax head gives z in metres and sets z_metres); conf 0..1;
 * wx, wy, wz metres about the root. NaN where the net has none. */
struct npi_joint { float x, y, z, conf, wx, wy, wz; };

struct npi_det {
    float x0, y0, x1, y1;     /* net-input pixels, not clipped */
    float score;              /* 0..1 */
    int cls;
    int n_joints;             /* 0 for plain detectors */
    const struct npi_joint *joint; /* [n_joints]; in the decoder, until its next call */
};
struct npi_dets { int n; struct npi_det det[NPI_MAX_DETS]; }; /* best first */

struct npi_pose {
    float score;              /* the net's own presence score, or the mean confidence */
    int n;
    int z_metres;
    struct npi_joint joint[NP_MAX_KEYPOINTS];
    int has_roi;              /* 1: the net said where to look next (BlazePose): a circle about (cx,cy) through (px,py), net-input pixels */
    float roi_cx, roi_cy, roi_px, roi_py;
};

struct npi_decoder;
struct npi_head {
    const char *name;         /* as in the card: "yolox", "efficientdet", … */
    int task;                 /* enum npi_task, or -1: the card says which (yolov8) */
    /* Picks and checks outputs, fills in d->pick[], makes tables in d->mem. Errors name what is missing. */
    int (*init)(struct npi_decoder *d, struct np_error *err);
    /* Exactly one of: */
    void (*detect)(struct npi_decoder *d, const void *const *out, float thr); /* adds candidates with npi_cand_add */
    void (*pose)(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p);
};
/* Heads by name: yolox, yolov8, efficientdet, ssd_oidv4, blazepose_det, tflite_postprocess, blazepose, soft_argmax3d, simcc,
 * heatmap, movenet, movenet_multi. NULL: unknown / past the end. */
const struct npi_head *npi_head_find(const char *name);
const struct npi_head *npi_head_at(int i);

/* The decoder of a model with these outputs (dims, dtype, quantization; data not used) and this input size.
 * Makes all memory it will ever need. */
int npi_decoder_open(struct npi_decoder **out, const struct npi_card *card, const struct npi_view *outputs, int n_outputs, int net_w, int net_h,
                     struct np_error *err);
void npi_decoder_free(struct npi_decoder **d);
unsigned npi_decoder_outputs(const struct npi_decoder *d); /* bit i: output i of the model is read */
/* When of output i only one index of the last axis is read (the person's class): that index; else -1. */
int npi_decoder_column(const struct npi_decoder *d, int output);
/* When output i is a volume (joints * bins channels) of which a soft-argmax is taken: the bins, and whether channels are its last axis; else 0. The head
 * also takes what SoftBins makes of it (src/ops/softmax.c), with card.dec.depth_bins = bins. */
int npi_decoder_bins(const struct npi_decoder *d, int output, int *channels_last);
int npi_decoder_n_joints(const struct npi_decoder *d); /* 0: none */
const struct np_keypoint_set *npi_decoder_set(const struct npi_decoder *d); /* NULL for plain detectors */

/* out[i]: data of output i of the model, in the model's order. thr: minimal score, iou: NMS overlap (1: off). Persons only. */
void npi_decode_detect(struct npi_decoder *d, const void *const *out, float thr, float iou, struct npi_dets *dets);
/* Pose of picture `item` of the batch. */
void npi_decode_pose(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p);
#endif
