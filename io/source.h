/* SPDX-License-Identifier: Apache-2.0 */
/* Where frames come from: files, cameras, streams, pictures. A source is one const struct, as in dav1d's demuxer.h;
 * npi_source_open asks each in turn whether the input is its kind.
 *
 * Pictures are reference-counted and recycled: the pixels stay where the decoder put them until the last reference goes,
 * so that a frame can be on its way through the network while the encoder still draws on a copy of it. */
#ifndef NPI_IO_SOURCE_H
#define NPI_IO_SOURCE_H
#include <pthread.h>
#include <stdatomic.h>

#include "io.h"

struct npi_pic_pool;

/* One picture. f.release drops one reference, so that f can be handed to np_send_frame after npi_pic_ref. */
struct npi_pic {
    struct np_frame f;
    int64_t read_ns;            /* what reading it took; of whoever read it */
    const char *name;           /* file name without folder of a single picture; NULL for frames of a video */
    atomic_int refs;
    struct npi_pic_pool *pool;
    struct npi_pic *next;       /* in the pool's free list */
    void *pixels;               /* of the pool's owner: an AVFrame, or malloc'd bytes */
    char *name_buf;
};
void npi_pic_ref(struct npi_pic *p);
void npi_pic_unref(struct npi_pic *p); /* any thread; NULL is fine */

struct npi_source_params {
    struct np_logger logger;
    const atomic_int *stop;     /* reads end with NP_EINTR soon after it becomes nonzero; may be NULL */
    int decoder_threads;        /* 0: 1 */
    int reconnect;              /* times that a lost live source is tried again; 0: never, -1: without end */
    int wait_for_it;            /* 1: the same when it is not there to begin with */
    int backoff_ms;             /* before the first try; doubles up to 16 times that; 0: 500 */
};

struct npi_source_info {
    const char *kind;           /* "video", "pictures", "camera", "stream" */
    int width, height;          /* as stored; 0 unknown */
    int rate_num, rate_den;     /* frames a second; 0/1 unknown */
    int64_t n_frames;           /* -1 unknown; of a video it may be an estimate */
    int live;                   /* frames come when they come: camera, rtsp */
};

struct npi_source_ops {
    const char *name;
    int (*probe)(const char *spec);      /* 1: mine */
    int (*open)(void **priv, const char *spec, const struct npi_source_params *p, struct npi_source_info *info, struct np_error *err);
    /* NP_EEND at the end; NP_EINTR when stopped; NP_EIO: a live source was lost; NP_EFORMAT: nothing could be decoded at all.
     * Damage on the way is logged once as a warning and passed over. */
    int (*read)(void *priv, struct npi_pic **out, struct np_error *err);
    void (*close)(void *priv);
    int (*is_live)(const char *spec);    /* 1: worth waiting for when it is not there; NULL: never */
};
extern const struct npi_source_ops npi_source_loop, npi_source_pictures, npi_source_av;

/* A time during which a live source was away. Time stamps go on by the clock meanwhile, frame numbers without a hole. */
struct npi_gap {
    int64_t index, pts_ns;      /* of the first frame after it */
    double seconds;             /* from the last frame before it */
    char reason[160];
};

struct npi_source {
    const struct npi_source_ops *ops;
    void *priv;                 /* NULL while it is lost */
    struct npi_source_info info;
    struct npi_source_params p;
    char *spec;
    int64_t n_out, last_pts_ns, last_ns, shift_ns;
    atomic_int lost;            /* 1: away at the moment. Any thread may look */
    atomic_llong n_reconnects;
    pthread_mutex_t lock;       /* of gap */
    struct npi_gap gap; int has_gap;
};
/* spec: file, folder, glob, "0" or "/dev/videoN", URL, "-", "lavfi:GRAPH", "loop:FILE". */
int npi_source_open(struct npi_source **out, const char *spec, const struct npi_source_params *p, struct np_error *err);
int npi_source_is_live(const char *spec); /* 1: a camera or stream by its name; nothing is opened */
int npi_source_read(struct npi_source *s, struct npi_pic **out, struct np_error *err);
/* The same with one kind of source: what npi_source_open does with the one that fits. */
int npi_source_open_as(struct npi_source **out, const struct npi_source_ops *ops, const char *spec, const struct npi_source_params *p, struct np_error *err);
/* 1 and the gap when one ended at or before frame `index` and was not told yet; several become one. Any thread. */
int npi_source_gap(struct npi_source *s, int64_t index, struct npi_gap *out);
/* Pictures still referenced elsewhere stay valid. */
void npi_source_close(struct npi_source **s);

/* For the sources: a pool of pictures whose pixels `clear` empties and `destroy` frees. */
struct npi_pic_pool *npi_pic_pool_new(void (*clear)(void *pixels), void (*destroy)(void *pixels));
void npi_pic_pool_free(struct npi_pic_pool *p); /* lives on until the last picture is back */
/* A picture with one reference; its pixels field is what it was after `clear`, NULL for a new one. NULL: out of memory. */
struct npi_pic *npi_pic_get(struct npi_pic_pool *p);
#endif
