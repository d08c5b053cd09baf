/* SPDX-License-Identifier: Apache-2.0 */
/* What the heads share: the decoder behind head.h, the candidate list, reading one number of an output of any type. */
#ifndef NPI_DECODE_DECODER_H
#define NPI_DECODE_DECODER_H
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "decode/head.h"

/* A box above the threshold, before NMS; `row` finds its joints again and breaks ties, so that results are deterministic. */
struct npi_cand { float x0, y0, x1, y1, score; int row; };

enum npi_volume { NPI_VOLUME_NONE, NPI_VOLUME_CHW, NPI_VOLUME_HWC };

struct npi_decoder {
    const struct npi_head *head;
    struct npi_card card;
    const struct np_keypoint_set *set; /* NULL for plain detectors */
    int net_w, net_h;
    int n_out;
    struct npi_view out[NPI_MAX_OUTPUTS]; /* shapes and quantization; data NULL */
    int pick[4];                          /* outputs the head reads, by its own order; -1: absent */
    int scores;                           /* output of which only the class_index column is read; -1: none */
    int n_joints;                         /* a detection's or the pose's */
    int volume;                           /* enum npi_volume: output pick[0] is one */
    int form, rows, cols, bins;           /* of the head: variant, boxes, numbers a box, depth bins */
    int unit;                             /* of the head: coordinates of the last run were 0..1 */
    int weighted_nms;                     /* 1: a kept box is the score-weighted mean of its group */
    struct npi_cand *cand; int n_cand;    /* [NPI_MAX_CANDIDATES], a heap with the weakest on top when full */
    uint8_t *taken;                       /* [NPI_MAX_CANDIDATES] */
    struct npi_joint *joint;              /* [NPI_MAX_DETS][n_joints] */
    float *work;                          /* of the head */
    /* Joints of candidate `row` (pose_multi and detectors with points); set in init, may be NULL. */
    void (*joints)(const struct npi_decoder *d, const void *const *out, int row, struct npi_joint *j);
    struct npi_arena mem;
};

/* --- for init --- */
/* First output that fits: rank (after a leading batch dim; -1 any), dims behind the batch dim, -1 any. -1: none. Starts the search at `from`. */
int npi_pick(const struct npi_decoder *d, int from, int rank, int64_t a, int64_t b, int64_t c);
/* "head: no output of shape [b,195] among [1,39] [1,2]": the error of a missing output. */
int npi_pick_fail(const struct npi_decoder *d, const char *wanted, struct np_error *err);

/* --- for decoding --- */
void npi_cand_add(struct npi_decoder *d, float x0, float y0, float x1, float y1, float score, int row);
/* Greedy NMS over the candidates (best first, IoU > iou drops) into dets; fills joints. */
void npi_nms(struct npi_decoder *d, const void *const *out, float iou, struct npi_dets *dets);
float npi_cand_iou(const struct npi_cand *a, const struct npi_cand *b);

static inline float npi_half(uint16_t h) {
    const uint32_t e = h >> 10 & 31, m = h & 1023;
    const float v = e == 0 ? ldexpf((float)m, -24) : e == 31 ? (m ? NAN : INFINITY) : ldexpf((float)(m | 1024), (int)e - 25);
    return h >> 15 ? -v : v;
}

/* Element i of an output as a real number. */
static inline float npi_out_at(const struct npi_view *v, const void *data, size_t i) {
    float x;
    int32_t q;
    int64_t l;
    uint16_t h;
    switch (v->dtype) {
    case NP_F32: memcpy(&x, (const char *)data + 4 * i, 4); return x;
    case NP_F16: memcpy(&h, (const char *)data + 2 * i, 2); return npi_half(h);
    case NP_U8: q = ((const uint8_t *)data)[i]; break;
    case NP_I8: q = ((const int8_t *)data)[i]; break;
    case NP_I32: memcpy(&q, (const char *)data + 4 * i, 4); break;
    case NP_I64: memcpy(&l, (const char *)data + 8 * i, 8); return (float)l;
    default: return NAN;
    }
    return v->q.n == 1 ? v->q.scale[0] * (float)(q - v->q.zero[0]) : (float)q;
}
static inline float npi_sigmoid(float x) { return 1.f / (1.f + expf(-(x > 80.f ? 80.f : x < -80.f ? -80.f : x))); }
static inline float npi_clamp01(float x) { return x > 0.f ? (x < 1.f ? x : 1.f) : 0.f; } /* NaN gives 0 */
/* exp of a box regression: outputs beyond e^8 are noise and would become infinite. */
static inline float npi_exp_size(float x) { return expf(x > 8.f ? 8.f : x); }
#endif
