/* SPDX-License-Identifier: Apache-2.0 */
/* See still.h. The same worker code as in the pipeline, without its queues and its tracker. */
#include "pipe/still.h"
#include "base/clock.h"

#include <math.h>
#include <string.h>

struct npi_still {
    struct npi_pipe_params p;
    struct npi_worker worker;
    struct np_pool *pool;
    struct np_result result;
    struct np_person *person; /* [cap] */
    int cap;
};

int npi_still_open(struct npi_still **out, const struct npi_pipe_params *p, struct np_error *err) {
    struct npi_still *s = npi_alloc(sizeof *s);
    int r = s ? 0 : npi_fail(err, NP_ENOMEM, "out of memory");
    if (r == 0) {
        s->p = *p;
        if (p->threads > 1) r = np_pool_create(&s->pool, p->threads, err);
    }
    if (r == 0) r = npi_worker_open(&s->worker, p->det, p->pose, p->cpu, s->pool, err);
    if (r < 0) npi_still_close(&s);
    else *out = s;
    return r;
}

void npi_still_close(struct npi_still **s) {
    if (!s || !*s) return;
    npi_worker_close(&(*s)->worker);
    np_pool_free(&(*s)->pool);
    npi_free((*s)->person);
    npi_free(*s);
    *s = NULL;
}

void npi_still_tap(struct npi_still *s, void (*tap)(void *opaque, const struct npi_seat *seat, const void *input), void *opaque) {
    s->worker.tap = tap;
    s->worker.tap_opaque = opaque;
}

static int reserve(struct npi_still *s, int n, struct np_error *err) {
    if (n <= s->cap) return 0;
    struct np_person *p = npi_alloc(sizeof *p * (size_t)n);
    if (!p) return npi_fail(err, NP_ENOMEM, "out of memory for %d persons", n);
    npi_free(s->person);
    s->person = p;
    s->cap = n;
    return 0;
}

static int find_boxes(struct npi_still *s, const struct np_frame *f, struct np_error *err) {
    struct npi_affine m;
    int r = reserve(s, s->p.tuning.c.start.max_persons, err);
    if (r < 0) return r;
    if (s->p.det) {
        if ((r = npi_worker_detect(&s->worker, 0, f, s->p.bbox_thr, s->p.nms_thr, s->pool, &m, err)) < 0) return r;
        s->result.n_persons = npi_worker_persons(&s->worker, 0, &m, s->result.width, s->result.height, s->p.tuning.c.start.max_persons, s->person);
        return 0;
    }
    memset(&s->person[0], 0, offsetof(struct np_person, keypoint));
    s->person[0].score = 1;
    s->person[0].box = (struct np_box){ 0, 0, (float)s->result.width, (float)s->result.height };
    s->result.n_persons = 1;
    return 0;
}

static int take_boxes(struct npi_still *s, const struct np_box *boxes, int n, struct np_error *err) {
    const int r = reserve(s, n, err);
    if (r < 0) return r;
    for (int i = 0; i < n; i++) {
        const struct np_box *b = &boxes[i];
        if (!(isfinite(b->x) && isfinite(b->y) && b->w > 0 && b->h > 0 && b->w < 1e6f && b->h < 1e6f)) return npi_fail(err, NP_EINVAL, "box %d is empty or not finite", i);
        memset(&s->person[i], 0, offsetof(struct np_person, keypoint));
        s->person[i].score = 1;
        s->person[i].box = *b;
    }
    s->result.n_persons = n;
    return 0;
}

int npi_still_run(struct npi_still *s, const struct np_frame *f, const struct np_box *boxes, int n_boxes, const struct np_result **out, struct np_error *err) {
    const int64_t t0 = npi_now_ns();
    int r = npi_frame_check(f, err);
    if (r < 0) return r;
    if (boxes && !s->p.pose) return npi_fail(err, NP_EINVAL, "boxes are given, but there is no pose net to run on them");
    s->result = (struct np_result){ .index = f->index, .pts_ns = f->pts_ns, .set = s->p.set, .inferred = s->p.pose != NULL };
    npi_frame_shown_size(f, &s->result.width, &s->result.height);
    if ((r = boxes ? take_boxes(s, boxes, n_boxes, err) : find_boxes(s, f, err)) < 0) return r;
    const int64_t t1 = npi_now_ns();
    for (int i = 0; i < s->result.n_persons && s->p.pose; i++)
        if ((r = npi_worker_pose(&s->worker, 0, f, s->p.tuning.pose_passes, s->pool, &s->person[i], err)) < 0) return r;
    const int64_t t2 = npi_now_ns();
    s->result.persons = s->person;
    s->result.detect_ms = (float)(t1 - t0) * 1e-6f;
    s->result.pose_ms = (float)(t2 - t1) * 1e-6f;
    s->result.total_ms = (float)(t2 - t0) * 1e-6f;
    *out = &s->result;
    return 0;
}
