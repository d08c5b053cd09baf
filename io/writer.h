/* SPDX-License-Identifier: Apache-2.0 */
/* Results to files in the formats that users' tools read. A writer is one const struct; docs/formats.md describes each output. */
#ifndef NPI_IO_WRITER_H
#define NPI_IO_WRITER_H
#include <stdatomic.h>

#include "io.h"

/* What a file says about itself. */
struct npi_writer_meta {
    const char *input;            /* as given by the user */
    const char *detector, *model; /* ids */
    const struct np_keypoint_set *set; /* NULL: boxes only */
    int rate_num, rate_den;       /* 0/1 unknown */
    int may_gap;                  /* 1: a live source that may go away and come back */
    const atomic_int *give_up;    /* of npi_out_open */
    const char *backend_asked, *backend_used, *backend_reason; /* at the start; NULL: not told */
};
struct npi_gap;

struct npi_writer_ops {
    const char *name;
    const char *ext;              /* of the default output name */
    const char *about;            /* one line for --help */
    int is_folder;                /* 1: one file a frame into a folder */
    int (*open)(void **priv, const char *path, const struct npi_writer_meta *meta, struct np_error *err);
    /* name: of the picture, NULL for video frames. */
    int (*frame)(void *priv, const struct np_result *r, const char *name, struct np_error *err);
    int (*gap)(void *priv, const struct npi_gap *g, struct np_error *err); /* a live source was away before the next frame; NULL: no place for that */
    int (*close)(void *priv, struct np_error *err); /* ends the file properly and frees, whatever happened before */
};
const struct npi_writer_ops *npi_writer_at(int i); /* NULL past the end */
const struct npi_writer_ops *npi_writer_find(const char *name);

/* Pieces that writers share (write_util.c). */
struct npi_outfile;
/* Joint i of COCO-17 (0..16) of a person, or NULL when the set has none or the person no pose. */
const struct np_keypoint *npi_coco17_joint(const struct np_keypoint_set *set, const struct np_person *p, int i);
/* "[x,y,score, …]" of the 17 joints, 0,0,0 for missing ones. */
void npi_put_coco17(struct npi_outfile *o, const struct np_keypoint_set *set, const struct np_person *p);
/* The object that stands for a person in JSON lines and in the web view's stream. */
void npi_put_person(struct npi_outfile *o, const struct np_person *p);
void npi_put_box(struct npi_outfile *o, const struct np_box *b);
const char *npi_pose_source_name(int source);
#endif
