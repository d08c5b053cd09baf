/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from outside, checked once: frames of the caller, input tensors of the model. */
#include <math.h>
#include <stdlib.h>

#include "vision/vision.h"

#define MAX_SIDE 16384

/* Bytes of a row of plane p, 0: the format has no such plane. */
static int row_bytes(const struct np_frame *f, int p) {
    const int w = f->width, half = (w + 1) / 2;
    switch (f->format) {
    case NP_PIX_RGB24: case NP_PIX_BGR24: return p == 0 ? 3 * w : 0;
    case NP_PIX_I420: case NP_PIX_I422: return p == 0 ? w : half;
    case NP_PIX_NV12: return p == 0 ? w : p == 1 ? 2 * half : 0;
    case NP_PIX_I444: return w;
    case NP_PIX_GRAY8: return p == 0 ? w : 0;
    default: return 0;
    }
}

int npi_frame_check(const struct np_frame *f, struct np_error *err) {
    if (!f) return npi_fail(err, NP_EINVAL, "no frame");
    if (f->width < 1 || f->height < 1 || f->width > MAX_SIDE || f->height > MAX_SIDE)
        return npi_fail(err, NP_EINVAL, "frame of %dx%d: sides are 1 to %d", f->width, f->height, MAX_SIDE);
    if (!row_bytes(f, 0)) return npi_fail(err, NP_EINVAL, "frame: pixel format %d is not known", f->format);
    if (f->rotation != 0 && f->rotation != 90 && f->rotation != 180 && f->rotation != 270)
        return npi_fail(err, NP_EINVAL, "frame: rotation %d is not 0, 90, 180 or 270", f->rotation);
    if (f->yuv_matrix < NP_YUV_AUTO || f->yuv_matrix > NP_YUV_BT2020)
        return npi_fail(err, NP_EINVAL, "frame: yuv_matrix %d is not known", f->yuv_matrix);
    for (int p = 0; p < 3; p++) {
        const int need = row_bytes(f, p);
        const ptrdiff_t s = f->stride_bytes[p];
        if (!need) continue;
        if (!f->plane[p]) return npi_fail(err, NP_EINVAL, "frame: plane %d is NULL", p);
        if (f->height > 1 && s > -need && s < need)
            return npi_fail(err, NP_EINVAL, "frame: stride %td of plane %d is shorter than its row of %d bytes", s, p, need);
    }
    return 0;
}

int npi_net_in_init(struct npi_net_in *out, const struct npi_card_input *card, const struct np_tensor_info *t, struct np_error *err) {
    struct npi_net_in n = { .dtype = t->dtype, .pad = card->pad, .bgr = card->colour == NPI_COLOUR_BGR };
    const char *name = t->name ? t->name : "";
    if (t->rank != 4) return npi_fail(err, NP_ESHAPE, "input '%s' has rank %d, a picture has 4", name, t->rank);
    const int64_t *d = t->dims;
    n.nchw = card->layout == NPI_LAYOUT_NCHW || (card->layout == NPI_LAYOUT_AUTO && d[3] != 3 && (d[1] == 3 || (d[1] == 1 && d[3] != 1)));
    const int64_t c = d[n.nchw ? 1 : 3], h = d[n.nchw ? 2 : 1], w = d[n.nchw ? 3 : 2];
    if ((c != 3 && c != 1) || h < 1 || w < 1 || h > 8192 || w > 8192)
        return npi_fail(err, NP_ESHAPE, "input '%s' [%lld,%lld,%lld,%lld] is no picture of 3 or 1 channels", name, (long long)d[0],
                        (long long)d[1], (long long)d[2], (long long)d[3]);
    n.channels = (int)c;
    n.width = (int)w;
    n.height = (int)h;
    if (n.dtype != NP_F32 && n.dtype != NP_U8 && n.dtype != NP_I8 && n.dtype != NP_I32)
        return npi_fail(err, NP_EUNSUPPORTED, "input '%s' is %s; pictures go in as f32, u8, i8 or i32", name, np_dtype_name(n.dtype));
    for (int i = 0; i < 3; i++) {
        n.mul[i] = card->scale / card->std[i];
        n.add[i] = -card->mean[i] / card->std[i];
        if (n.dtype == NP_F32) continue;
        if (card->raw) {
            n.mul[i] = 1;
            n.add[i] = n.dtype == NP_I8 ? -128 : 0;
        } else if (t->scale > 0) {
            n.mul[i] /= t->scale;
            n.add[i] = n.add[i] / t->scale + (float)t->zero_point;
        }
    }
    n.item_bytes = (size_t)(c * h * w) * (n.dtype == NP_U8 || n.dtype == NP_I8 ? 1 : 4);
    *out = n;
    return 0;
}
