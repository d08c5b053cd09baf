/* SPDX-License-Identifier: Apache-2.0 */
/* A model card says what a model file cannot: what to put in and how to read what comes out.
 *
 *   model.tflite + model.json (or ONNX metadata, or the built-in table by sha256, or a guess from the tensor shapes)
 *        └── struct npi_card ── vision (how to fill the input) ── decode (which head, its constants) ── pipe (thresholds)
 *
 * A card is plain data without pointers: copy it, compare it, keep it on the stack. */
#ifndef NPI_CARD_CARD_H
#define NPI_CARD_CARD_H
#include "base/err.h"
#include "nextpose/engine.h"
#include "nextpose/types.h"

enum npi_task { NPI_TASK_DETECT = 0, NPI_TASK_POSE = 1, NPI_TASK_POSE_MULTI = 2 };
enum npi_card_bf16 { NPI_BF16_UNKNOWN = 0, NPI_BF16_YES = 1, NPI_BF16_NO = 2 };         /* UNKNOWN: tested when the net is loaded */
enum npi_layout { NPI_LAYOUT_AUTO = 0, NPI_LAYOUT_NHWC = 1, NPI_LAYOUT_NCHW = 2 };     /* AUTO: the dim that is 3 (or 1) */
enum npi_colour { NPI_COLOUR_RGB = 0, NPI_COLOUR_BGR = 1 };
enum npi_fit { NPI_FIT_LETTERBOX_CENTER = 0, NPI_FIT_LETTERBOX_TOPLEFT = 1, NPI_FIT_STRETCH = 2 };

/* The net input. A pixel p (0..255) of channel i becomes real = (p * scale - mean[i]) / std[i].
 * Float inputs get `real`. Integer inputs get, with `raw` = 1, p itself (i8: p - 128); with `raw` = 0,
 * round(real / tensor scale) + tensor zero point, or round(real) when the tensor has no scale; saturated. */
struct npi_card_input {
    int layout, colour, fit;      /* the enums above; fit is for detectors (whole frame -> input) */
    int width, height;            /* 0: as in the model file */
    int raw;
    float scale, mean[3], std[3]; /* channels in the order of `colour` */
    float pad;                    /* 0..255, pixel level put where there is no picture */
    float crop_factor;            /* pose nets: box is enlarged by this about its centre, then widened to the input's aspect */
};

/* Constants of the head; which ones count is in the head's file. Unused ones are 0. */
struct npi_card_decoder {
    char name[24];                /* see decode/head.h; "" : unknown */
    int class_index;              /* column of "person" */
    int sigmoid;                  /* 1: scores in the file are logits */
    int depth_bins;               /* soft-argmax volume: D; 0: from shapes */
    float split;                  /* simcc: bins a pixel, 2.0 */
    float refine_thr;             /* blazepose: heat map peak needed to refine */
    float conf_gain, conf_bias;   /* soft-argmax: confidence = sigmoid(gain * logit(mass about the place) + bias), fitted so that it is the share of right
                                     joints (train/calibrate.py); gain 0: the mass itself */
};

struct npi_card {
    char id[48], name[96], licence[48], source[256];
    char note[2048];              /* what people must know of it: data and their terms, teachers, accuracy and the command that measured it, limits */
    char sha256[3][65]; int n_sha256; /* of the files known to be this model (64 lower-case hex digits each); may be none */
    char files[4][96]; int n_files; /* names it is looked up by, first is preferred */
    int task;                     /* enum npi_task */
    int bf16;                     /* enum npi_card_bf16: may --precision auto compute it in bf16? */
    struct npi_card_input in;
    struct npi_card_decoder dec;
    char keypoint_set[24];        /* "" for plain detectors */
    int root;                     /* joint depth is relative to; -2: as in the set */
    float depth_range_mm;         /* soft-argmax: z in [-range, range]; 0: none */
    float bbox_thr, nms_thr, kpt_thr; /* defaults, 0..1; of a pose net bbox_thr is the least pose score that counts as a person */
};

/* Neutral card: task detect, letterbox centre, RGB 0..1, pad 114, crop 1.25, thresholds .3 .5 .3. */
void npi_card_default(struct npi_card *c);

/* JSON text (need not be NUL-terminated, at most 64 KiB) -> card. `where` names the source in messages. Strict: unknown keys,
 * wrong types and numbers out of range are errors that name the key. NP_EUNSUPPORTED without jansson. */
int npi_card_parse(struct npi_card *out, const char *json, size_t size, const char *where, struct np_error *err);
int npi_card_load(struct npi_card *out, const char *path, struct np_error *err);
/* The card as JSON, NUL-terminated, cut to `size`; returns the length it needs (without the NUL), as snprintf does. */
size_t npi_card_write(const struct npi_card *c, char *buf, size_t size);

/* Built-in cards; NULL when unknown / past the end. Static memory. */
const struct npi_card *npi_card_builtin(const char *id);
const struct npi_card *npi_card_builtin_at(int i);
const struct npi_card *npi_card_find_by_sha256(const char *hex);
/* By base name of the file ("yolox_nano.onnx", in any folder): only where no sha256 matched. */
const struct npi_card *npi_card_find_by_file(const char *path);

/* What a user's model without card looks like, from its tensors. Returns how sure it is, 0..100 (0: no idea, *out untouched);
 * `why` (may be NULL) gets one line for the log. Below 50 the pipeline should ask for a card. */
struct npi_card_io { const struct np_tensor_info *in, *out; int n_in, n_out; };
int npi_card_guess(struct npi_card *out, const struct npi_card_io *io, char *why, size_t why_size);
/* ConvNeXtPose variant ("xs", "s", "m", "l", or NULL) of a volume output [1][h][w][c] or [1][c][h][w], or [1][J][D][h][w]. The grid and D tell
 * XS, S from M, L; within a pair only the number of parameters does (0: unknown, gives the smaller). */
const char *npi_card_convnextpose_variant(const struct np_tensor_info *out, int64_t n_params);

/* Keypoint sets, in order; NULL past the end. */
const struct np_keypoint_set *npi_keypoint_set_at(int i);
const struct np_keypoint_set *npi_keypoint_set_find(const char *name);
#endif
