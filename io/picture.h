/* SPDX-License-Identifier: Apache-2.0 */
/* A picture of our own to draw on: I420, upright, both sides even (H.264 wants that; the added column or row repeats its neighbour). */
#ifndef NPI_IO_PICTURE_H
#define NPI_IO_PICTURE_H
#include "io.h"

struct npi_picture {
    int width, height;    /* even; what is shown may be one pixel less */
    int shown_width, shown_height;
    uint8_t *plane[3];    /* Y, U, V; chroma at half width and height */
    int stride[3];
    int yuv_matrix;       /* NP_YUV_BT601, _BT709 or _BT2020, never AUTO */
    int full_range;
    uint8_t *bytes;       /* all planes in one block */
    size_t capacity;
};
/* Copies the frame as it is shown: turned upright, converted to I420 where it is not. Reuses *p's memory. 0 or NP_ENOMEM. */
int npi_picture_from_frame(struct npi_picture *p, const struct np_frame *f);
/* Room for a picture of this size, contents undefined. */
int npi_picture_resize(struct npi_picture *p, int shown_width, int shown_height);
void npi_picture_free(struct npi_picture *p);
/* An sRGB colour in the picture's own YUV. */
void npi_picture_color(const struct npi_picture *p, const uint8_t rgb[3], uint8_t yuv[3]);
#endif
