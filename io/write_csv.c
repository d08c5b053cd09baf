/* SPDX-License-Identifier: Apache-2.0 */
/* CSV (one row a frame and person) and MOTChallenge text (the same without joints; frames, ids and boxes count from 1). */
#include <math.h>
#include <stdlib.h>

#include "outfile.h"
#include "source.h"
#include "writers.h"

struct csv { struct npi_outfile o; const struct np_keypoint_set *set; int may_gap; double gap_s; /* not told yet */ };

static int open_any(void **priv, const char *path, const struct npi_writer_meta *m, struct np_error *err) {
    struct csv *const c = calloc(1, sizeof *c);
    if (!c) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    const int r = npi_out_open(&c->o, path, m->give_up, err);
    if (r < 0) {
        free(c);
        return r;
    }
    c->set = m->set;
    c->may_gap = m->may_gap;
    *priv = c;
    return 0;
}

static int close_any(void *priv, struct np_error *err) {
    struct csv *const c = priv;
    const int r = npi_out_close(&c->o, err);
    free(c);
    return r;
}

static int csv_open(void **priv, const char *path, const struct npi_writer_meta *m, struct np_error *err) {
    const int r = open_any(priv, path, m, err);
    if (r < 0) return r;
    struct npi_outfile *const o = &((struct csv *)*priv)->o;
    npi_out_str(o, "frame,time_s,id,score,pose_score,source,age,x,y,w,h");
    for (int i = 0; m->set && i < m->set->n; i++) {
        static const char *const suffix[] = { "_x", "_y", "_c" };
        for (int k = 0; k < 3; k++) {
            npi_out_str(o, ",");
            npi_out_str(o, m->set->names[i]);
            npi_out_str(o, suffix[k]);
        }
    }
    if (m->may_gap) npi_out_str(o, ",gap_s"); /* the last one: readers by position find the joints where they were, and files of recordings have it not */
    npi_out_str(o, "\n");
    const int f = npi_out_flush(o, err);
    if (f < 0) close_any(*priv, NULL);
    return f;
}

static void put(struct npi_outfile *o, double v, int decimals) {
    npi_out_str(o, ",");
    npi_out_fixed(o, v, decimals, "");
}

static int csv_frame(void *priv, const struct np_result *r, const char *name, struct np_error *err) {
    struct csv *const c = priv;
    struct npi_outfile *const o = &c->o;
    for (int i = 0; i < r->n_persons; i++) {
        const struct np_person *const p = &r->persons[i];
        npi_out_int(o, r->index);
        put(o, r->pts_ns >= 0 ? (double)r->pts_ns * 1e-9 : NAN, 6);
        npi_out_str(o, ",");
        npi_out_int(o, p->id);
        put(o, p->score, 4);
        put(o, p->n_keypoints ? p->pose_score : NAN, 4);
        npi_out_str(o, ",");
        npi_out_str(o, npi_pose_source_name(p->pose_source));
        npi_out_str(o, ",");
        npi_out_int(o, p->age_frames);
        put(o, p->box.x, 2);
        put(o, p->box.y, 2);
        put(o, p->box.w, 2);
        put(o, p->box.h, 2);
        for (int k = 0; c->set && k < c->set->n; k++) {
            const int has = k < p->n_keypoints;
            put(o, has ? p->keypoint[k].x : NAN, 2);
            put(o, has ? p->keypoint[k].y : NAN, 2);
            put(o, has ? p->keypoint[k].conf : NAN, 4);
        }
        if (c->may_gap) put(o, c->gap_s > 0 ? c->gap_s : NAN, 3);
        c->gap_s = 0;
        npi_out_str(o, "\n");
    }
    return npi_out_flush(o, err);
}

/* Waits for the next row: there is none before somebody is seen again. */
static int csv_gap(void *priv, const struct npi_gap *g, struct np_error *err) {
    ((struct csv *)priv)->gap_s += g->seconds;
    return 0;
}

static int mot_frame(void *priv, const struct np_result *r, const char *name, struct np_error *err) {
    struct npi_outfile *const o = &((struct csv *)priv)->o;
    for (int i = 0; i < r->n_persons; i++) {
        const struct np_person *const p = &r->persons[i];
        npi_out_int(o, r->index + 1);
        npi_out_str(o, ",");
        npi_out_int(o, p->id);
        put(o, p->box.x + 1, 2);
        put(o, p->box.y + 1, 2);
        put(o, p->box.w, 2);
        put(o, p->box.h, 2);
        put(o, p->score, 4);
        npi_out_str(o, ",-1,-1,-1\n");
    }
    return npi_out_flush(o, err);
}

const struct npi_writer_ops npi_writer_csv = { "csv", "csv", "one row a frame and person, with a header row", 0, csv_open, csv_frame, csv_gap, close_any };
const struct npi_writer_ops npi_writer_motchallenge = { "motchallenge", "txt", "MOTChallenge text: frame, id, box", 0, open_any, mot_frame, NULL,
                                                        close_any };
