/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines: first a header object, then one object a frame. Flushed frame by frame, so that a pipe sees it at once and a
 * killed run loses one line at most. */
#include <math.h>
#include <stdlib.h>

#include "outfile.h"
#include "source.h"
#include "writers.h"

static void header(struct npi_outfile *o, const struct npi_writer_meta *m) {
    npi_out_str(o, "{\"nextpose\":");
    npi_out_json_str(o, np_version());
    npi_out_str(o, ",\"format\":\"jsonl\",\"format_version\":1,\"input\":");
    npi_out_json_str(o, m->input);
    npi_out_str(o, ",\"detector\":");
    npi_out_json_str(o, m->detector);
    npi_out_str(o, ",\"model\":");
    npi_out_json_str(o, m->model);
    if (m->backend_used) {
        npi_out_str(o, ",\"backend_asked\":");
        npi_out_json_str(o, m->backend_asked);
        npi_out_str(o, ",\"backend_used\":");
        npi_out_json_str(o, m->backend_used);
        npi_out_str(o, ",\"backend_reason\":");
        npi_out_json_str(o, m->backend_reason);
    }
    npi_out_str(o, ",\"fps\":");
    npi_out_fixed(o, m->rate_num > 0 ? (double)m->rate_num / m->rate_den : NAN, 3, "null");
    npi_out_str(o, ",\"keypoint_set\":");
    npi_out_json_str(o, m->set ? m->set->name : NULL);
    npi_out_str(o, ",\"keypoint_names\":[");
    for (int i = 0; m->set && i < m->set->n; i++) {
        if (i) npi_out_str(o, ",");
        npi_out_json_str(o, m->set->names[i]);
    }
    npi_out_str(o, "],\"edges\":[");
    for (int i = 0; m->set && i < m->set->n_edges; i++) {
        npi_out_str(o, i ? ",[" : "[");
        npi_out_int(o, m->set->edges[i][0]);
        npi_out_str(o, ",");
        npi_out_int(o, m->set->edges[i][1]);
        npi_out_str(o, "]");
    }
    npi_out_str(o, "],\"units\":{\"time_s\":\"seconds\",\"box\":\"pixels: left, top, width, height\",\"keypoints\":\"pixels: x, y; confidence 0..1\","
                   "\"keypoints_z\":\"metres from the root joint, away from the camera\",\"keypoints_3d\":\"metres from the root joint: x, y, "
                       "z\"}}\n");
}

static int jsonl_open(void **priv, const char *path, const struct npi_writer_meta *m, struct np_error *err) {
    struct npi_outfile *const o = calloc(1, sizeof *o);
    if (!o) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    int r = npi_out_open(o, path, m->give_up, err);
    if (r == 0) {
        header(o, m);
        if ((r = npi_out_flush(o, err)) < 0) npi_out_close(o, NULL);
    }
    if (r < 0) {
        free(o);
        return r;
    }
    *priv = o;
    return 0;
}

void npi_put_person(struct npi_outfile *o, const struct np_person *p) {
    npi_out_str(o, "{\"id\":");
    npi_out_int(o, p->id);
    npi_out_str(o, ",\"score\":");
    npi_out_fixed(o, p->score, 4, "null");
    npi_out_str(o, ",\"pose_score\":");
    npi_out_fixed(o, p->n_keypoints ? p->pose_score : NAN, 4, "null");
    npi_out_str(o, ",\"source\":");
    npi_out_json_str(o, npi_pose_source_name(p->pose_source));
    npi_out_str(o, ",\"age\":");
    npi_out_int(o, p->age_frames);
    if (p->pose_source == NP_POSE_PROPAGATED) {
        npi_out_str(o, ",\"age_ms\":");
        npi_out_fixed(o, p->age_ms, 1, "null");
    }
    npi_out_str(o, ",\"box\":");
    npi_put_box(o, &p->box);
    npi_out_str(o, ",\"keypoints\":[");
    int has_z = 0, has_3d = 0;
    for (int i = 0; i < p->n_keypoints; i++) {
        const struct np_keypoint *const k = &p->keypoint[i];
        has_z |= isfinite(k->z);
        has_3d |= isfinite(k->wx);
        npi_out_str(o, i ? ",[" : "[");
        npi_out_fixed(o, k->x, 2, "null");
        npi_out_str(o, ",");
        npi_out_fixed(o, k->y, 2, "null");
        npi_out_str(o, ",");
        npi_out_fixed(o, k->conf, 4, "null");
        npi_out_str(o, "]");
    }
    npi_out_str(o, "]");
    if (has_z) npi_out_str(o, ",\"keypoints_z\":[");
    for (int i = 0; has_z && i < p->n_keypoints; i++) {
        if (i) npi_out_str(o, ",");
        npi_out_fixed(o, p->keypoint[i].z, 4, "null");
    }
    if (has_z) npi_out_str(o, "]");
    if (has_3d) npi_out_str(o, ",\"keypoints_3d\":[");
    for (int i = 0; has_3d && i < p->n_keypoints; i++) {
        const float v[3] = { p->keypoint[i].wx, p->keypoint[i].wy, p->keypoint[i].wz };
        for (int k = 0; k < 3; k++) {
            npi_out_str(o, k ? "," : i ? ",[" : "[");
            npi_out_fixed(o, v[k], 4, "null");
        }
        npi_out_str(o, "]");
    }
    npi_out_str(o, has_3d ? "]}" : "}");
}

static int jsonl_frame(void *priv, const struct np_result *r, const char *name, struct np_error *err) {
    struct npi_outfile *const o = priv;
    npi_out_str(o, "{\"frame\":");
    npi_out_int(o, r->index);
    if (name) {
        npi_out_str(o, ",\"name\":");
        npi_out_json_str(o, name);
    }
    npi_out_str(o, ",\"time_s\":");
    npi_out_fixed(o, r->pts_ns >= 0 ? (double)r->pts_ns * 1e-9 : NAN, 6, "null");
    npi_out_str(o, ",\"width\":");
    npi_out_int(o, r->width);
    npi_out_str(o, ",\"height\":");
    npi_out_int(o, r->height);
    if (r->backend_switches) {
        npi_out_str(o, ",\"backend_switches\":");
        npi_out_int(o, r->backend_switches);
    }
    npi_out_str(o, ",\"persons\":[");
    for (int i = 0; i < r->n_persons; i++) {
        if (i) npi_out_str(o, ",");
        npi_put_person(o, &r->persons[i]);
    }
    npi_out_str(o, "]}\n");
    return npi_out_flush(o, err);
}

static int jsonl_gap(void *priv, const struct npi_gap *g, struct np_error *err) {
    struct npi_outfile *const o = priv;
    npi_out_str(o, "{\"gap\":{\"before_frame\":");
    npi_out_int(o, g->index);
    npi_out_str(o, ",\"time_s\":");
    npi_out_fixed(o, g->pts_ns >= 0 ? (double)g->pts_ns * 1e-9 : NAN, 6, "null");
    npi_out_str(o, ",\"seconds\":");
    npi_out_fixed(o, g->seconds, 3, "null");
    npi_out_str(o, ",\"reason\":");
    npi_out_json_str(o, g->reason);
    npi_out_str(o, "}}\n");
    return npi_out_flush(o, err);
}

static int jsonl_close(void *priv, struct np_error *err) {
    const int r = npi_out_close(priv, err);
    free(priv);
    return r;
}

const struct npi_writer_ops npi_writer_jsonl = { "jsonl", "jsonl", "JSON lines: a header, then one object a frame", 0, jsonl_open, jsonl_frame, jsonl_gap,
                                                 jsonl_close };
