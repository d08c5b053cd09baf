/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a prepared warp. Two ways: SEPARABLE where the axes of net and stored picture are parallel (letterbox, upright
 * crops, pictures turned by quarters; `swap`: net x runs along stored y), else LINES of bilinear samples. */
#ifndef NPI_VISION_WARP_PRIV_H
#define NPI_VISION_WARP_PRIV_H
#include "base/mem.h"
#include "kernel/pixel.h"
#include "vision/vision.h"

/* How one net axis reads one source axis: tap lists for the net pixels [out0, out1), the others lie outside. */
struct npi_axis {
    int out0, out1;
    int pair;          /* 1: all have two taps at `start`, weights 256 - w and w */
    int32_t *start;    /* [net side], indexed by net pixel */
    uint16_t *n;       /* [net side]: taps */
    uint16_t *pair_w;  /* [net side] */
    uint32_t *first_w; /* [net side]: index in w */
    uint16_t *w;
};
/* Bytes for sides up to these, and building one: net pixel i has its centre at scale * (i + .5) + shift. */
size_t npi_axis_bytes(int src, int net);
/* `inside`: length that decides which net pixels are inside (luma length, also for chroma axes, in their units). Returns what it used of mem. */
size_t npi_axis_build(struct npi_axis *a, char *mem, int src, double inside, int net, double scale, double shift);

struct npi_plane {
    const uint8_t *p;
    ptrdiff_t stride;
    int step, n_comp, first; /* components lie `step` apart a pixel; they are samples first .. first + n_comp - 1 of (Y, U, V) or (R, G, B) */
    int cx, cy;              /* 1: half as wide, half as high */
    int w, h;
};

enum npi_colour_kind { NPI_FROM_RGB, NPI_FROM_YUV, NPI_FROM_GRAY };

struct npi_warp {
    struct npi_net_in in;
    struct npi_pixel k;
    struct npi_plane plane[3];
    int n_planes, n_samples; /* samples a pixel: 3 or 1 */
    int colour, bgr_source;
    float yuv[6];            /* luma gain, luma zero, V->R, U->G, V->G, U->B */
    float pad[3];            /* value of each net channel */
    int separable, swap;
    struct npi_affine m;     /* net -> stored picture */
    int src_w, src_h;
    /* separable: [0] full size, [1] chroma; `sx` reads stored x, `sy` stored y */
    struct npi_axis sx[2], sy[2];
};

/* Picture values 0..255 of n net pixels -> the net's values at (x, y), going right, or down with w->swap. line: three rows of samples,
 * changed on the way. */
void npi_warp_store(const struct npi_warp *w, void *dst, int x, int y, int n, float *const line[3]);
/* n pad pixels at (x, y), in the same direction. */
void npi_warp_pad(const struct npi_warp *w, void *dst, int x, int y, int n);
void npi_warp_colour(struct npi_warp *w, const struct np_frame *f);
/* One net row by lines of samples. */
void npi_warp_line_row(const struct npi_warp *w, void *dst, int y, float *const line[3], float *tmp);
#endif
