/* SPDX-License-Identifier: Apache-2.0 */
/* Frame to drawable picture. Each plane is copied by one routine that walks the destination and steps through the source by
 * (dx, dy) strides, so that the four rotations and the subsamplings are the same loop; the upright I420 case is memcpy. */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

int npi_picture_resize(struct npi_picture *p, int w, int h) {
    const int W = (w + 1) & ~1, H = (h + 1) & ~1, sy = (W + 63) & ~63, sc = (W / 2 + 63) & ~63;
    const size_t need = (size_t)sy * (size_t)H + 2 * (size_t)sc * (size_t)(H / 2);
    if (need > p->capacity) {
        free(p->bytes);
        p->capacity = 0;
        if (!(p->bytes = malloc(need))) return NP_ENOMEM;
        p->capacity = need;
    }
    p->width = W;
    p->height = H;
    p->shown_width = w;
    p->shown_height = h;
    p->stride[0] = sy;
    p->stride[1] = p->stride[2] = sc;
    p->plane[0] = p->bytes;
    p->plane[1] = p->plane[0] + (size_t)sy * (size_t)H;
    p->plane[2] = p->plane[1] + (size_t)sc * (size_t)(H / 2);
    return 0;
}

void npi_picture_free(struct npi_picture *p) {
    free(p->bytes);
    memset(p, 0, sizeof *p);
}

/* A source plane as seen after rotation: sample (x, y) of the upright picture is at origin + x * dx + y * dy. */
struct view { const uint8_t *origin; ptrdiff_t dx, dy; int w, h; };

static struct view rotated(const uint8_t *p, ptrdiff_t stride, int pixel_bytes, int w, int h, int rotation) {
    const ptrdiff_t px = pixel_bytes;
    switch (rotation) {
    case 90: return (struct view){ p + (h - 1) * stride, -stride, px, h, w };
    case 180: return (struct view){ p + (h - 1) * stride + (w - 1) * px, -px, -stride, w, h };
    case 270: return (struct view){ p + (w - 1) * px, stride, -px, h, w };
    default: return (struct view){ p, px, stride, w, h };
    }
}

/* Copies into a plane of w x h, repeating the last column and row where the view is smaller. */
static void copy_plane(uint8_t *dst, int stride, int w, int h, struct view v) {
    const int cw = v.w < w ? v.w : w;
    for (int y = 0; y < h; y++) {
        uint8_t *const d = dst + (ptrdiff_t)y * stride;
        const uint8_t *const s = v.origin + (ptrdiff_t)(y < v.h ? y : v.h - 1) * v.dy;
        if (v.dx == 1) memcpy(d, s, (size_t)cw);
        else {
            for (int x = 0; x < cw; x++) d[x] = s[x * v.dx];
        }
        if (cw < w) memset(d + cw, d[cw - 1], (size_t)(w - cw));
    }
}

/* The same, averaging 2 x 1, 1 x 2 or 2 x 2 samples: chroma of 4:2:2 and 4:4:4. */
static void shrink_plane(uint8_t *dst, int stride, int w, int h, struct view v, int fx, int fy) {
    for (int y = 0; y < h; y++) {
        const int y0 = y * fy < v.h ? y * fy : v.h - 1, y1 = y0 + fy - 1 < v.h ? y0 + fy - 1 : y0;
        for (int x = 0; x < w; x++) {
            const int x0 = x * fx < v.w ? x * fx : v.w - 1, x1 = x0 + fx - 1 < v.w ? x0 + fx - 1 : x0;
            const uint8_t *const r0 = v.origin + y0 * v.dy, *const r1 = v.origin + y1 * v.dy;
            dst[(ptrdiff_t)y * stride + x] = (uint8_t)((r0[x0 * v.dx] + r0[x1 * v.dx] + r1[x0 * v.dx] + r1[x1 * v.dx] + 2) >> 2);
        }
    }
}

/* Weights of R and B in luma, times 65536. */
static void luma_weights(int matrix, int *kr, int *kb) {
    *kr = matrix == NP_YUV_BT709 ? 13933 : matrix == NP_YUV_BT2020 ? 17216 : 19595;
    *kb = matrix == NP_YUV_BT709 ? 4732 : matrix == NP_YUV_BT2020 ? 3886 : 7471;
}

static uint8_t clamp8(int v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

static void rgb_to_yuv(const int rgb[3], int kr, int kb, int full, uint8_t yuv[3]) {
    const int64_t y = (int64_t)kr * rgb[0] + (int64_t)(65536 - kr - kb) * rgb[1] + (int64_t)kb * rgb[2]; /* 0 .. 255 * 65536 */
    const int64_t u = ((int64_t)rgb[2] * 65536 - y) * 32768 / (65536 - kb), v = ((int64_t)rgb[0] * 65536 - y) * 32768 / (65536 - kr);
    const int64_t half = 32768;
    if (full) {
        yuv[0] = clamp8((int)((y + half) >> 16));
        yuv[1] = clamp8((int)((u + half) >> 16) + 128);
        yuv[2] = clamp8((int)((v + half) >> 16) + 128);
    } else {
        yuv[0] = clamp8((int)((y * 219 / 255 + half) >> 16) + 16);
        yuv[1] = clamp8((int)((u * 224 / 255 + half) >> 16) + 128);
        yuv[2] = clamp8((int)((v * 224 / 255 + half) >> 16) + 128);
    }
}

void npi_picture_color(const struct npi_picture *p, const uint8_t rgb[3], uint8_t yuv[3]) {
    int kr, kb;
    luma_weights(p->yuv_matrix, &kr, &kb);
    rgb_to_yuv((const int[3]){ rgb[0], rgb[1], rgb[2] }, kr, kb, p->full_range, yuv);
}

static void from_rgb(struct npi_picture *p, struct view v, int r, int b) {
    int kr, kb;
    uint8_t yuv[3];
    luma_weights(p->yuv_matrix, &kr, &kb);
    for (int y = 0; y < p->height; y += 2) {
        for (int x = 0; x < p->width; x += 2) {
            int sum[3] = { 0 };
            for (int k = 0; k < 4; k++) {
                const int xx = x + (k & 1), yy = y + (k >> 1);
                const uint8_t *const s = v.origin + (ptrdiff_t)(yy < v.h ? yy : v.h - 1) * v.dy + (ptrdiff_t)(xx < v.w ? xx : v.w - 1) * v.dx;
                const int rgb[3] = { s[r], s[1], s[b] };
                rgb_to_yuv(rgb, kr, kb, p->full_range, yuv);
                p->plane[0][(ptrdiff_t)yy * p->stride[0] + xx] = yuv[0];
                for (int c = 0; c < 3; c++) sum[c] += rgb[c];
            }
            rgb_to_yuv((const int[3]){ (sum[0] + 2) >> 2, (sum[1] + 2) >> 2, (sum[2] + 2) >> 2 }, kr, kb, p->full_range, yuv);
            p->plane[1][(ptrdiff_t)(y / 2) * p->stride[1] + x / 2] = yuv[1];
            p->plane[2][(ptrdiff_t)(y / 2) * p->stride[2] + x / 2] = yuv[2];
        }
    }
}

int npi_picture_from_frame(struct npi_picture *p, const struct np_frame *f) {
    const int turned = f->rotation == 90 || f->rotation == 270, is_rgb = f->format == NP_PIX_RGB24 || f->format == NP_PIX_BGR24;
    const int w = turned ? f->height : f->width, h = turned ? f->width : f->height;
    if (npi_picture_resize(p, w, h) < 0) return NP_ENOMEM;
    /* An RGB picture may take any matrix; BT.601 limited is what every player assumes when told nothing. */
    p->yuv_matrix = is_rgb ? NP_YUV_BT601 : f->yuv_matrix != NP_YUV_AUTO ? f->yuv_matrix : f->height >= 720 ? NP_YUV_BT709 : NP_YUV_BT601;
    p->full_range = is_rgb ? 0 : f->full_range;
    const int sub_x = f->format == NP_PIX_I420 || f->format == NP_PIX_NV12 || f->format == NP_PIX_I422;
    const int sub_y = f->format == NP_PIX_I420 || f->format == NP_PIX_NV12;
    if (is_rgb) {
        const int bgr = f->format == NP_PIX_BGR24;
        from_rgb(p, rotated(f->plane[0], f->stride_bytes[0], 3, f->width, f->height, f->rotation), bgr ? 2 : 0, bgr ? 0 : 2);
        return 0;
    }
    copy_plane(p->plane[0], p->stride[0], p->width, p->height, rotated(f->plane[0], f->stride_bytes[0], 1, f->width, f->height, f->rotation));
    for (int i = 1; i < 3; i++) {
        const int cw = sub_x ? (f->width + 1) / 2 : f->width, ch = sub_y ? (f->height + 1) / 2 : f->height;
        uint8_t *const dst = p->plane[i];
        if (f->format == NP_PIX_GRAY8) {
            memset(dst, 128, (size_t)p->stride[i] * (size_t)(p->height / 2));
            continue;
        }
        struct view v;
        if (f->format == NP_PIX_NV12) v = rotated(f->plane[1] + (i - 1), f->stride_bytes[1], 2, cw, ch, f->rotation);
        else v = rotated(f->plane[i], f->stride_bytes[i], 1, cw, ch, f->rotation);
        const int fx = turned ? 2 - sub_y : 2 - sub_x, fy = turned ? 2 - sub_x : 2 - sub_y;
        if (fx == 1 && fy == 1) copy_plane(dst, p->stride[i], p->width / 2, p->height / 2, v);
        else shrink_plane(dst, p->stride[i], p->width / 2, p->height / 2, v, fx, fy);
    }
    return 0;
}
