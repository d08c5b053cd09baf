/* SPDX-License-Identifier: Apache-2.0 */
/* See track_all.h. */
#include "track_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "track/track.h"

static void *need(void *p) {
    if (p) return p;
    fprintf(stderr, "track_all: out of memory\n");
    exit(1);
}

static void take(struct tracked *t, int id, int frame, int det) {
    if (id >= IDS_MAX) {
        fprintf(stderr, "track_all: more than %d ids\n", IDS_MAX - 1);
        exit(1);
    }
    if (id > t->n_ids) t->n_ids = id;
    if (!t->det[id]) {
        t->det[id] = need(malloc(sizeof(short) * (size_t)t->r->n));
        for (int i = 0; i < t->r->n; i++) t->det[id][i] = -1;
    }
    t->det[id][frame] = (short)det;
}

void track_all(struct tracked *out, const struct record *r, int every) {
    struct npi_track_params p;
    struct npi_tracker *t;
    memset(out, 0, sizeof *out);
    out->r = r;
    out->every = every;
    npi_track_params_default(&p);
    p.high_thr = r->det_thr;
    p.new_thr = r->det_thr + .1f;
    p.max_persons = REC_MAX;
    if (npi_tracker_create(&t, &p, r->set) < 0) need(NULL);
    npi_tracker_set_picture(t, r->width, r->height);
    for (int i = 0; i < r->n; i++) {
        const struct rec_frame *const f = &r->frame[i];
        struct npi_track_det d[REC_MAX];
        int ids[REC_MAX];
        if (i % every) {
            npi_tracker_predict(t, f->t_ns);
            continue;
        }
        for (int k = 0; k < f->n; k++) d[k] = (struct npi_track_det){ f->det[k].box, f->det[k].score, NULL, 0 };
        npi_tracker_update(t, d, f->n, f->t_ns, ids);
        for (int k = 0; k < f->n; k++) {
            if (ids[k] < 1) continue;
            take(out, ids[k], i, k);
            if (f->det[k].n_kpt) npi_tracker_set_pose(t, ids[k], f->det[k].kpt, f->det[k].n_kpt, f->t_ns);
        }
    }
    npi_tracker_free(&t);
}

void tracked_free(struct tracked *t) {
    for (int i = 0; i < IDS_MAX; i++) free(t->det[i]);
    memset(t, 0, sizeof *t);
}

const struct rec_det *tracked_at(const struct tracked *t, int id, int frame) {
    if (id < 1 || id >= IDS_MAX || !t->det[id] || frame < 0 || frame >= t->r->n || t->det[id][frame] < 0) return NULL;
    return &t->r->frame[frame].det[t->det[id][frame]];
}
