/* SPDX-License-Identifier: Apache-2.0 */
/* The list of writers and what they share. */
#include <string.h>

#include "outfile.h"
#include "writer.h"
#include "writers.h"

static const struct npi_writer_ops *const writers[] = {
    &npi_writer_jsonl, &npi_writer_csv, &npi_writer_openpose, &npi_writer_coco, &npi_writer_alphapose, &npi_writer_motchallenge,
};

const struct npi_writer_ops *npi_writer_at(int i) { return i >= 0 && (size_t)i < sizeof writers / sizeof writers[0] ? writers[i] : NULL; }

const struct npi_writer_ops *npi_writer_find(const char *name) {
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        if (!strcmp(writers[i]->name, name)) return writers[i];
    }
    return NULL;
}

const struct np_keypoint *npi_coco17_joint(const struct np_keypoint_set *set, const struct np_person *p, int i) {
    if (!set || !set->to_coco17 || p->pose_source == NP_POSE_NONE) return NULL;
    const int k = set->to_coco17[i];
    return k >= 0 && k < p->n_keypoints ? &p->keypoint[k] : NULL;
}

void npi_put_coco17(struct npi_outfile *o, const struct np_keypoint_set *set, const struct np_person *p) {
    npi_out_str(o, "[");
    for (int i = 0; i < 17; i++) {
        const struct np_keypoint *const k = npi_coco17_joint(set, p, i);
        if (i) npi_out_str(o, ",");
        npi_out_fixed(o, k ? k->x : 0, 2, "0");
        npi_out_str(o, ",");
        npi_out_fixed(o, k ? k->y : 0, 2, "0");
        npi_out_str(o, ",");
        npi_out_fixed(o, k ? k->conf : 0, 4, "0");
    }
    npi_out_str(o, "]");
}

void npi_put_box(struct npi_outfile *o, const struct np_box *b) {
    const float v[4] = { b->x, b->y, b->w, b->h };
    for (int i = 0; i < 4; i++) {
        npi_out_str(o, i ? "," : "[");
        npi_out_fixed(o, v[i], 2, "0");
    }
    npi_out_str(o, "]");
}

const char *npi_pose_source_name(int source) {
    return source == NP_POSE_INFERRED ? "inferred" : source == NP_POSE_PROPAGATED ? "propagated" : "none";
}
