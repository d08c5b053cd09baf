/* SPDX-License-Identifier: Apache-2.0 */
/* From a decoded AVFrame to a picture, without copying where the pixel format is one of ours. */
#ifndef NPI_IO_AV_PIC_H
#define NPI_IO_AV_PIC_H
#include <libavutil/frame.h>
#include <libswscale/swscale.h>

#include "source.h"

/* A pool whose pictures hold AVFrames. */
struct npi_pic_pool *npi_av_pool_new(void);
/* Moves `f` into *out (a new picture of `pool`); other formats are converted through *sws, which the caller frees.
 * `stream_rotation` is used when the frame has no display matrix of its own. f is empty afterwards, also on failure. */
int npi_av_take(struct npi_pic **out, struct npi_pic_pool *pool, AVFrame *f, struct SwsContext **sws, int stream_rotation, struct np_error *err);
/* Clockwise turn 0, 90, 180, 270 of a display matrix (9 values); 0 for NULL. */
int npi_av_rotation(const uint8_t *display_matrix, size_t bytes);
/* Sets up FFmpeg's own logging once: silent, unless debugging. */
void npi_av_quiet(void);
/* Decodes the bytes of one picture file (JPEG, PNG, BMP, WebP, TIFF). */
int npi_av_decode_picture(AVFrame *out, const void *data, size_t size, const char *path, struct np_error *err);
#endif
