/* SPDX-License-Identifier: Apache-2.0 */
/* COCO keypoint results and AlphaPose's variant of them: one JSON array with an object a person, joints in COCO-17 order.
 * COCO's image_id is a number (for pictures the digits at the end of the name, as in 000000081988.jpg), AlphaPose's the name. */
#include <stdlib.h>
#include <string.h>

#include "outfile.h"
#include "writers.h"

struct coco { struct npi_outfile o; int64_t n; };

static int coco_open(void **priv, const char *path, const struct npi_writer_meta *m, struct np_error *err) {
    if (m->set && !m->set->to_coco17)
        return npi_io_fail(err, NP_EUNSUPPORTED, "keypoint set '%s' has no mapping to COCO-17: use --format jsonl or csv", m->set->name);
    struct coco *const c = calloc(1, sizeof *c);
    if (!c) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    int r = npi_out_open(&c->o, path, m->give_up, err);
    if (r == 0) {
        npi_out_str(&c->o, "[");
        if ((r = npi_out_flush(&c->o, err)) < 0) npi_out_close(&c->o, NULL);
    }
    if (r < 0) {
        free(c);
        return r;
    }
    *priv = c;
    return 0;
}

/* Digits before the extension, at most 18; -1 when there are none. */
static int64_t number_in(const char *name) {
    const char *end = strrchr(name, '.');
    if (!end) end = name + strlen(name);
    const char *p = end;
    int64_t v = 0;
    while (p > name && p[-1] >= '0' && p[-1] <= '9' && end - p < 18) p--;
    if (p == end) return -1;
    for (; p < end; p++) v = v * 10 + (*p - '0');
    return v;
}

static void entry(struct coco *c, const struct np_result *r, const struct np_person *p, const char *name, int alphapose) {
    struct npi_outfile *const o = &c->o;
    npi_out_str(o, c->n++ ? ",\n{\"image_id\":" : "\n{\"image_id\":");
    if (alphapose) {
        char frame[40];
        snprintf(frame, sizeof frame, "%lld.jpg", (long long)r->index);
        npi_out_json_str(o, name ? name : frame);
    } else {
        const int64_t id = name ? number_in(name) : -1;
        npi_out_int(o, id >= 0 ? id : r->index);
    }
    npi_out_str(o, ",\"category_id\":1,\"keypoints\":");
    npi_put_coco17(o, r->set, p);
    npi_out_str(o, ",\"score\":");
    npi_out_fixed(o, p->n_keypoints ? (double)p->score * p->pose_score : p->score, 4, "0");
    npi_out_str(o, alphapose ? ",\"box\":" : ",\"bbox\":");
    npi_put_box(o, &p->box);
    npi_out_str(o, alphapose ? ",\"idx\":" : ",\"track_id\":");
    npi_out_int(o, p->id);
    npi_out_str(o, "}");
}

static int coco_frame(void *priv, const struct np_result *r, const char *name, struct np_error *err) {
    for (int i = 0; i < r->n_persons; i++) entry(priv, r, &r->persons[i], name, 0);
    return npi_out_flush(&((struct coco *)priv)->o, err);
}

static int alphapose_frame(void *priv, const struct np_result *r, const char *name, struct np_error *err) {
    for (int i = 0; i < r->n_persons; i++) entry(priv, r, &r->persons[i], name, 1);
    return npi_out_flush(&((struct coco *)priv)->o, err);
}

static int coco_close(void *priv, struct np_error *err) {
    struct coco *const c = priv;
    npi_out_str(&c->o, "\n]\n");
    const int r = npi_out_close(&c->o, err);
    free(c);
    return r;
}

const struct npi_writer_ops npi_writer_coco = { "coco", "json", "COCO keypoint results (COCO-17)", 0, coco_open, coco_frame, NULL, coco_close };
const struct npi_writer_ops npi_writer_alphapose = { "alphapose", "json", "AlphaPose results (COCO-17)", 0, coco_open, alphapose_frame, NULL, coco_close };
