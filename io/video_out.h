/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded output: H.264 video files and JPEG pictures. */
#ifndef NPI_IO_VIDEO_OUT_H
#define NPI_IO_VIDEO_OUT_H
#include <stdatomic.h>

#include "picture.h"

struct npi_video_out;
struct npi_video_params {
    int rate_num, rate_den;  /* nominal frames a second; 0: 25 */
    int threads;             /* of the encoder; 0: 1 */
    const atomic_int *give_up; /* of npi_out_open, where the path is a named pipe */
};
/* Checks that the file can be written, at once; the encoder starts with the first picture, whose size the video gets. */
int npi_video_open(struct npi_video_out **out, const char *path, const struct npi_video_params *p, struct np_error *err);
/* pts_ns -1: frame number over rate. Pictures of another size are fitted in, keeping their shape. */
int npi_video_write(struct npi_video_out *v, const struct npi_picture *p, int64_t pts_ns, struct np_error *err);
/* Flushes and closes, also after an error: what was written stays readable. Writes NULL. */
int npi_video_close(struct npi_video_out **v, struct np_error *err);

/* A JPEG at `path`. */
int npi_jpeg_write(const char *path, const struct npi_picture *p, struct np_error *err);
#endif
