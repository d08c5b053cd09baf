/* SPDX-License-Identifier: Apache-2.0 */
/* From a camera frame to a net input in one pass: no full-frame RGB copy is ever made.
 *
 *   frame (I420, NV12, RGB …, turned, bottom-up) ──affine── taps a row ── YUV->RGB ── mean/std ── f32/u8/i8, NHWC/NCHW
 *
 * Coordinates: the centre of the top-left pixel is (0.5, 0.5), in the net input and in the picture as shown alike.
 * An affine leads from the net to the shown picture: X = a x + b y + c, Y = d x + e y + f.
 *
 * Sampling rule, per axis: with s source pixels a net pixel, s <= 2 is bilinear between the two nearest pixel centres;
 * s > 2 is the average over the s wide box (like INTER_AREA), so that small inputs are not aliased (turned crops: over a grid of
 * bilinear samples at most two pixels apart). GRAY8 is full range. A net pixel whose centre falls
 * outside the picture gets the pad colour; inside, taps beyond the border repeat the border pixel. Chroma planes are sampled
 * by the same rule on their own grid. Weights are multiples of 1/256 (their sum is exact), so all ISA levels agree. */
#ifndef NPI_VISION_VISION_H
#define NPI_VISION_VISION_H
#include "base/err.h"
#include "card/card.h"
#include "nextpose/types.h"

struct npi_affine { float a, b, c, d, e, f; };

/* How to write a net input; made once a model by npi_net_in_init. */
struct npi_net_in {
    int dtype;                /* NP_F32, NP_U8, NP_I8, NP_I32 */
    int nchw, width, height, channels; /* channels 3 or 1 (luma) */
    int bgr;
    float mul[3], add[3];     /* value of output channel i = pixel * mul[i] + add[i]; integers are rounded to nearest and saturated */
    float pad;                /* 0..255 */
    size_t item_bytes;        /* of one picture of the batch */
};
/* From the card and the tensor of the model. NP_ESHAPE / NP_EUNSUPPORTED with a message when it is no picture. */
int npi_net_in_init(struct npi_net_in *out, const struct npi_card_input *card, const struct np_tensor_info *t, struct np_error *err);

/* Size of the picture as shown (after rotation). */
void npi_frame_shown_size(const struct np_frame *f, int *width, int *height);
/* Checks format, sizes, planes and strides of a frame that came from outside; NP_EINVAL names what is wrong. */
int npi_frame_check(const struct np_frame *f, struct np_error *err);

/* --- geometry (affine.c) --- */
/* Whole picture -> net input, by the card's rule (enum npi_fit). */
struct npi_affine npi_affine_letterbox(int shown_w, int shown_h, int net_w, int net_h, int fit);
/* A person box -> pose input: enlarged by `factor` about its centre, then widened to the aspect of the net (square nets: to a square). */
struct npi_affine npi_affine_crop(const struct np_box *box, float factor, int net_w, int net_h);
/* Centre, size (of the longer net side, in picture pixels) and clockwise angle (radians, of the crop's "up" against the picture's). */
struct npi_affine npi_affine_roi(float cx, float cy, float size, float angle, int net_w, int net_h);
static inline void npi_affine_apply(const struct npi_affine *m, float x, float y, float *X, float *Y) {
    const float u = m->a * x + m->b * y + m->c, v = m->d * x + m->e * y + m->f;
    *X = u; *Y = v;
}
/* 0 and *out untouched when m is singular or not finite. */
int npi_affine_invert(struct npi_affine *out, const struct npi_affine *m);
float npi_affine_scale(const struct npi_affine *m); /* picture pixels a net pixel: sqrt |det| */
/* Box of the net -> box of the picture (bounding box of the four corners). */
struct np_box npi_affine_box(const struct npi_affine *m, float x0, float y0, float x1, float y1);

/* --- sampling (warp.c) --- */
/* A prepared warp: tables in the caller's memory, then rows in any order and from any thread. */
struct npi_warp;
/* Bytes that npi_warp_prepare needs at most, for pictures of up to src_side pixels a side and this input. */
size_t npi_warp_bytes(int src_side, const struct npi_net_in *in);
/* Scratch a thread for npi_warp_rows. */
size_t npi_warp_row_bytes(int src_side, const struct npi_net_in *in);
/* Builds tables in `mem` (64-byte aligned, npi_warp_bytes). Borrows frame planes and `in` until the rows are done. The frame is checked.
 * isa: npi_cpu_flags() or fewer, 0 = C only. */
int npi_warp_prepare(struct npi_warp **out, void *mem, size_t mem_bytes, const struct np_frame *f, const struct npi_affine *net_to_shown,
                     const struct npi_net_in *in, unsigned cpu, struct np_error *err);
/* Writes rows y0..y1-1 of the net input at dst (the whole picture's start, item_bytes long). */
void npi_warp_rows(const struct npi_warp *w, void *dst, int y0, int y1, void *row_scratch);

/* All in one on the caller's thread, with memory of its own between calls (for tools and tests; the pipeline uses the above). */
struct npi_vision;
int npi_vision_create(struct npi_vision **out, unsigned cpu);
void npi_vision_free(struct npi_vision **v);
int npi_vision_letterbox(struct npi_vision *v, const struct np_frame *f, const struct npi_net_in *in, int fit, void *dst,
                         struct npi_affine *net_to_shown, struct np_error *err);
int npi_vision_crop(struct npi_vision *v, const struct np_frame *f, const struct npi_net_in *in, const struct npi_affine *net_to_shown, void *dst,
                    struct np_error *err);
#endif
