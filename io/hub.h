/* SPDX-License-Identifier: Apache-2.0 */
/* Between the run and whoever watches it: the newest picture with what was found on it, the statistics, and the few settings that may be
 * changed from a view.
 *
 *   run: npi_hub_publish ──> newest shot <── npi_hub_wait: window, web encoder, web viewers
 *
 * A shot is reference-counted: its picture is the decoder's own, its people are a copy of some kilobytes (the library wants its result
 * back). The publisher never waits for a viewer; a viewer that is slow sees fewer shots. Shots are recycled: once as many exist as are held at
 * the same time, publishing allocates nothing. */
#ifndef NPI_IO_HUB_H
#define NPI_IO_HUB_H
#include "source.h"
#include "stats.h"

struct npi_hub;

/* One moment. Read-only for everybody who holds it. */
struct npi_shot {
    uint64_t seq;                /* counts the published ones, from 1 */
    struct npi_pic *pic;
    int64_t index, pts_ns;
    int width, height;           /* as shown */
    int inferred, detected;
    float delay_ms;
    const struct np_keypoint_set *set;
    int n;
    const struct np_person *person; /* [n] */
};

struct npi_hub_params {
    const char *input, *detector, *model; /* borrowed */
    int preset;                           /* enum np_preset, that the run begins with … */
    const char *preset_file;              /* … or the file of one of the user's own, borrowed; NULL: none */
    float kpt_thr;
    const struct np_keypoint_set *set;
    /* Where numbers come from and changes go to; as the functions of nextpose/stats.h, with `opaque` for the context. */
    void (*stats)(void *opaque, struct np_stats *out);
    int (*adjust)(void *opaque, const char *name, const char *value, struct np_error *err);
    void (*extra)(void *opaque, struct npi_stats_extra *x); /* fills in source_lost, n_reconnects, n_out_dropped; NULL: all 0 */
    void *opaque;
};

/* Strings and the opaque pointer must outlive the hub. */
int npi_hub_open(struct npi_hub **out, const struct npi_hub_params *p, struct np_error *err);
/* Every viewer must have given back its shots and be gone. Pointer to NULL is fine. */
void npi_hub_close(struct npi_hub **h);
const struct npi_hub_params *npi_hub_about(const struct npi_hub *h);

/* Takes its own reference to the picture, copies the people. Never waits; without memory the shot is left out. */
void npi_hub_publish(struct npi_hub *h, const struct np_result *r, struct npi_pic *pic);
/* No more shots: everybody who waits returns. The last shot can still be had. */
void npi_hub_end(struct npi_hub *h);
int npi_hub_ended(struct npi_hub *h);

/* The newest shot if it is newer than `after` (0: any), else waits for one, `timeout_ms` at most. NULL: none came. Any thread. */
struct npi_shot *npi_hub_wait(struct npi_hub *h, uint64_t after, int timeout_ms);
void npi_shot_unref(struct npi_hub *h, struct npi_shot *s); /* NULL is fine */

/* Any thread. */
void npi_hub_stats(struct npi_hub *h, struct np_stats *s, struct npi_stats_extra *x);
/* NP_EINVAL with a line for what cannot be changed; what was changed is remembered for npi_hub_stats. */
int npi_hub_adjust(struct npi_hub *h, const char *name, const char *value, struct np_error *err);
void npi_hub_viewers(struct npi_hub *h, int delta);
#endif
