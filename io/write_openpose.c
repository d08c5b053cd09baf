/* SPDX-License-Identifier: Apache-2.0 */
/* OpenPose JSON 1.3: a folder with one file a frame, NAME_000000000012_keypoints.json. Joints in BODY_25 order where the set can
 * be mapped (neck and mid-hip are the middles of shoulders and hips, feet by name), else in the set's own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "outfile.h"
#include "writers.h"

struct openpose { char *dir; char stem[200]; int n; signed char map[NP_MAX_KEYPOINTS]; const struct np_keypoint_set *set; };

enum { MIDDLE_SHOULDERS = -2, MIDDLE_HIPS = -3, MISSING = -1 };

static int by_name(const struct np_keypoint_set *set, const char *side, const char *const *parts) {
    char name[64];
    for (; *parts; parts++) {
        snprintf(name, sizeof name, "%s_%s", side, *parts);
        for (int i = 0; i < set->n; i++) {
            if (!strcmp(set->names[i], name)) return i;
        }
    }
    return MISSING;
}

static void make_map(struct openpose *s) {
    /* COCO-17 index of each BODY_25 joint; feet are looked up by name. */
    static const signed char from_coco[25] = { 0, MIDDLE_SHOULDERS, 6, 8, 10, 5, 7, 9, MIDDLE_HIPS, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3, -1, -1, -1,
                                               -1, -1, -1 };
    static const char *const big_toe[] = { "big_toe", "foot_index", NULL }, *const small_toe[] = { "small_toe", NULL },
        *const heel[] = { "heel", NULL };
    static const char *const *const foot[3] = { big_toe, small_toe, heel };
    if (!s->set) {
        s->n = 0;
        return;
    }
    if (!s->set->to_coco17) {
        s->n = s->set->n;
        for (int i = 0; i < s->n; i++) s->map[i] = (signed char)(i < 127 ? i : MISSING);
        return;
    }
    s->n = 25;
    for (int i = 0; i < 25; i++) s->map[i] = from_coco[i] >= 0 ? s->set->to_coco17[from_coco[i]] : from_coco[i];
    for (int i = 0; i < 3; i++) {
        s->map[19 + i] = (signed char)by_name(s->set, "left", foot[i]);
        s->map[22 + i] = (signed char)by_name(s->set, "right", foot[i]);
    }
}

static int op_open(void **priv, const char *path, const struct npi_writer_meta *m, struct np_error *err) {
    const int r = npi_io_mkdirs(path, err);
    if (r < 0) return r;
    struct openpose *const s = calloc(1, sizeof *s);
    if (!s || !(s->dir = strdup(path))) {
        free(s);
        return npi_io_fail(err, NP_ENOMEM, "out of memory");
    }
    npi_io_stem(s->stem, sizeof s->stem, m->input && strcmp(m->input, "-") && *npi_io_basename(m->input) ? m->input : "stdin");
    s->set = m->set;
    make_map(s);
    *priv = s;
    return 0;
}

/* False: the joint is missing. */
static int joint(const struct openpose *s, const struct np_person *p, int i, struct np_keypoint *out) {
    const int k = s->map[i];
    if (k >= 0) {
        if (k >= p->n_keypoints) return 0;
        *out = p->keypoint[k];
        return 1;
    }
    if (k == MISSING) return 0;
    const struct np_keypoint *const a = npi_coco17_joint(s->set, p, k == MIDDLE_SHOULDERS ? 5 : 11),
        *const b = npi_coco17_joint(s->set, p, k == MIDDLE_SHOULDERS ? 6 : 12);
    if (!a || !b) return 0;
    *out = (struct np_keypoint){ .x = (a->x + b->x) / 2, .y = (a->y + b->y) / 2, .conf = fminf(a->conf, b->conf),
                                 .wx = (a->wx + b->wx) / 2, .wy = (a->wy + b->wy) / 2, .wz = (a->wz + b->wz) / 2 };
    return 1;
}

static void person(struct npi_outfile *o, const struct openpose *s, const struct np_person *p) {
    struct np_keypoint k;
    int has_3d = 0;
    npi_out_str(o, "{\"person_id\":[");
    npi_out_int(o, p->id);
    npi_out_str(o, "],\"pose_keypoints_2d\":[");
    for (int i = 0; p->n_keypoints && i < s->n; i++) {
        const int ok = joint(s, p, i, &k) && isfinite(k.x) && isfinite(k.y);
        const double v[3] = { ok ? k.x : 0, ok ? k.y : 0, ok ? k.conf : 0 };
        has_3d |= ok && isfinite(k.wx);
        for (int c = 0; c < 3; c++) {
            if (i || c) npi_out_str(o, ",");
            npi_out_fixed(o, v[c], c < 2 ? 2 : 4, "0");
        }
    }
    npi_out_str(o, "],\"face_keypoints_2d\":[],\"hand_left_keypoints_2d\":[],\"hand_right_keypoints_2d\":[],\"pose_keypoints_3d\":[");
    for (int i = 0; has_3d && i < s->n; i++) {
        const int ok = joint(s, p, i, &k) && isfinite(k.wx) && isfinite(k.wy) && isfinite(k.wz);
        const double v[4] = { ok ? k.wx : 0, ok ? k.wy : 0, ok ? k.wz : 0, ok ? k.conf : 0 };
        for (int c = 0; c < 4; c++) {
            if (i || c) npi_out_str(o, ",");
            npi_out_fixed(o, v[c], 4, "0");
        }
    }
    npi_out_str(o, "],\"face_keypoints_3d\":[],\"hand_left_keypoints_3d\":[],\"hand_right_keypoints_3d\":[]}");
}

static int op_frame(void *priv, const struct np_result *r, const char *name, struct np_error *err) {
    const struct openpose *const s = priv;
    struct npi_outfile o;
    char path[4500], stem[200];
    if (name) {
        npi_io_stem(stem, sizeof stem, name);
        snprintf(path, sizeof path, "%s/%s_keypoints.json", s->dir, stem);
    } else snprintf(path, sizeof path, "%s/%s_%012lld_keypoints.json", s->dir, s->stem, (long long)r->index);
    const int e = npi_out_open(&o, path, NULL, err);
    if (e < 0) return e;
    npi_out_str(&o, "{\"version\":1.3,\"people\":[");
    for (int i = 0; i < r->n_persons; i++) {
        if (i) npi_out_str(&o, ",");
        person(&o, s, &r->persons[i]);
    }
    npi_out_str(&o, "]}\n");
    return npi_out_close(&o, err);
}

static int op_close(void *priv, struct np_error *err) {
    struct openpose *const s = priv;
    free(s->dir);
    free(s);
    return 0;
}

const struct npi_writer_ops npi_writer_openpose = { "openpose", "", "OpenPose JSON 1.3: a folder, one file a frame (BODY_25)", 1, op_open,
                                                    op_frame, NULL, op_close };
