/* SPDX-License-Identifier: Apache-2.0 */
/* See record.h. */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "pipe/infer.h"
#include "source.h"

#define LOW_THR .1f

static void die(const char *what, const char *why) {
    fprintf(stderr, "record: %s: %s\n", what, why);
    exit(1);
}

static void cache_path(char *path, size_t size, const char *clip, int side, int every, int with_pose) {
    const char *const dir = getenv("NEXTPOSE_TRACK_CACHE"), *const slash = strrchr(clip, '/');
    *path = 0;
    if (dir && *dir) snprintf(path, size, "%s/%s-%d-%d-%d.rec", dir, slash ? slash + 1 : clip, side, every, with_pose);
}

static int load(struct record *r, const char *path, const struct np_keypoint_set *set) {
    FILE *f = *path ? fopen(path, "rb") : NULL;
    if (!f) return 0;
    int ok = fread(r, sizeof *r, 1, f) == 1 && (r->frame = malloc(sizeof *r->frame * (size_t)r->n)) != NULL;
    ok = ok && fread(r->frame, sizeof *r->frame, (size_t)r->n, f) == (size_t)r->n;
    fclose(f);
    r->set = set;
    return ok;
}

static void save(const struct record *r, const char *path) {
    FILE *f = *path ? fopen(path, "wb") : NULL;
    if (!f) return;
    fwrite(r, sizeof *r, 1, f);
    fwrite(r->frame, sizeof *r->frame, (size_t)r->n, f);
    fclose(f);
}

static void one_frame(struct record *r, struct npi_worker *w, const struct np_frame *f, int with_pose) {
    struct np_error e = { 0 };
    struct npi_affine m;
    static struct np_person person;
    struct rec_frame *const o = &r->frame[r->n++];
    memset(o, 0, sizeof *o);
    o->t_ns = f->pts_ns;
    if (npi_worker_detect(w, 0, f, LOW_THR, w->det[0].net->card.nms_thr, NULL, &m, &e) < 0) die("detector", e.message);
    for (int i = 0; i < w->dets.n && o->n < REC_MAX; i++) {
        const struct npi_det *const d = &w->dets.det[i];
        struct np_box b = npi_affine_box(&m, d->x0, d->y0, d->x1, d->y1);
        const float x1 = b.x + b.w < (float)r->width ? b.x + b.w : (float)r->width, y1 = b.y + b.h < (float)r->height ? b.y + b.h : (float)r->height;
        b.x = b.x > 0 ? b.x : 0;
        b.y = b.y > 0 ? b.y : 0;
        b.w = x1 - b.x;
        b.h = y1 - b.y;
        if (!(b.w >= 1 && b.h >= 1)) continue;
        o->det[o->n++] = (struct rec_det){ .box = b, .score = d->score };
    }
    for (int i = 0; i < o->n && with_pose; i++) {
        struct rec_det *const d = &o->det[i];
        if (d->score < r->det_thr) continue;
        person.box = d->box;
        if (npi_worker_pose(w, 0, f, 1, NULL, &person, &e) < 0) die("pose net", e.message);
        if (person.pose_source != NP_POSE_INFERRED || person.n_keypoints != r->set->n) continue;
        d->n_kpt = person.n_keypoints;
        memcpy(d->kpt, person.keypoint, sizeof *d->kpt * (size_t)d->n_kpt);
    }
}

void record_clip(struct record *r, const char *clip, const char *models, int side, int every, int with_pose) {
    static struct npi_worker w;
    static struct npi_net det, pose;
    struct np_error e = { 0 };
    char cached[512];
    memset(r, 0, sizeof *r);
    cache_path(cached, sizeof cached, clip, side, every, with_pose);
    if (load(r, cached, npi_keypoint_set_find("blazepose33"))) return;
    if (npi_net_open(&det, NPI_DEFAULT_DETECTOR, models, NULL, side, side > 0, NULL, &e) < 0 ||
        npi_net_open(&pose, NPI_DEFAULT_POSE, models, NULL, 0, 0, NULL, &e) < 0) die("models", e.message);
    if (npi_worker_open(&w, &det, &pose, npi_cpu_flags(), NULL, &e) < 0) die("worker", e.message);
    struct npi_source *s;
    const struct npi_source_params sp = { .decoder_threads = 1 };
    if (npi_source_open(&s, clip, &sp, &e) < 0) die(clip, e.message);
    r->set = npi_keypoint_set_find(pose.card.keypoint_set);
    r->det_thr = det.card.bbox_thr;
    struct npi_pic *pic;
    int room = 0, q;
    for (int i = 0; (q = npi_source_read(s, &pic, &e)) == 0; i++) {
        if (i % every == 0) {
            if (r->n == room && !(r->frame = realloc(r->frame, sizeof *r->frame * (size_t)(room += 256)))) die(clip, "out of memory");
            npi_frame_shown_size(&pic->f, &r->width, &r->height);
            one_frame(r, &w, &pic->f, with_pose);
        }
        npi_pic_unref(pic);
    }
    if (q != NP_EEND) die(clip, e.message);
    npi_source_close(&s);
    npi_worker_close(&w);
    npi_net_close(&det);
    npi_net_close(&pose);
    save(r, cached);
}

void record_free(struct record *r) {
    free(r->frame);
    memset(r, 0, sizeof *r);
}
