/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that `run` writes. Text formats are written at once; drawing and encoding happen on a thread of their own behind a
 * short queue, so that they overlap with inference. An output that fails says so once and is left alone from then on. */
#ifndef NPI_TOOLS_OUTPUTS_H
#define NPI_TOOLS_OUTPUTS_H
#include "io/source.h"
#include "io/writer.h"

struct outputs_params {
    const char *json_path;                       /* --save-json; NULL: none */
    const struct npi_writer_ops *format;         /* --format/--out; NULL: none */
    const char *out_path;
    const char *video_path, *images_dir;
    struct npi_writer_meta meta;
    float kpt_thr;
    int draw_boxes, draw_ids;
    int encoder_threads;
    int live;                                    /* 1: an output that is too slow loses results instead of holding up the run */
    int verbose;                                 /* 1: say when that begins */
    struct np_context *ctx;                      /* told how long drawing and writing take; may be NULL */
};
struct outputs;
int outputs_open(struct outputs **out, const struct outputs_params *p, struct np_error *err);
/* Writes one result; takes its own reference to the picture where it draws. `text`: line drawn at the top left, or NULL.
 * Returns how many outputs still work (-1: there were none to begin with). */
int outputs_frame(struct outputs *o, const struct np_result *r, struct npi_pic *pic, const char *text);
/* The source was away before the next frame. Pictures say so for a second. */
void outputs_gap(struct outputs *o, const struct npi_gap *g);
/* Results and pictures left out so far, live mode. Any thread. */
int64_t outputs_dropped(const struct outputs *o);
/* Completes all files. Returns how many outputs failed; *n_drawn: pictures that went into video or images. */
int outputs_close(struct outputs **o, int64_t *n_drawn);
#endif
