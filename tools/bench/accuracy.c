/* SPDX-License-Identifier: Apache-2.0 */
/* See accuracy.h. People are paired by overlap of their boxes, best first; joints that the reference is sure of are measured. */
#include "accuracy.h"
#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PEOPLE = 64 };
#define MIN_IOU .3f
#define MIN_CONF .3f

struct kept { int id; struct np_box box; int n_keypoints; float xyc[NP_MAX_KEYPOINTS][3]; };
struct frame { int64_t index; int n; struct kept *person; };

struct errors { double *v; size_t n, cap; };

struct bench_reference {
    struct frame *frame; int64_t n, cap;
    int failed;                  /* out of memory: what is compared would be wrong */
    struct errors all, inferred, propagated;
    struct { int id, seen_as; } map[1024]; int n_map; /* person of the reference -> id in the other run */
    struct bench_accuracy a;
};

int bench_reference_new(struct bench_reference **out) {
    *out = calloc(1, sizeof **out);
    return *out ? 0 : NP_ENOMEM;
}

void bench_reference_free(struct bench_reference **r) {
    if (!*r) return;
    for (int64_t i = 0; i < (*r)->n; i++) free((*r)->frame[i].person);
    free((*r)->frame);
    free((*r)->all.v);
    free((*r)->inferred.v);
    free((*r)->propagated.v);
    free(*r);
    *r = NULL;
}

int64_t bench_reference_frames(const struct bench_reference *r) { return r->failed ? 0 : r->n; }

static void keep(struct kept *k, const struct np_person *p) {
    k->id = p->id;
    k->box = p->box;
    k->n_keypoints = p->n_keypoints;
    for (int i = 0; i < p->n_keypoints; i++) {
        k->xyc[i][0] = p->keypoint[i].x;
        k->xyc[i][1] = p->keypoint[i].y;
        k->xyc[i][2] = p->keypoint[i].conf;
    }
}

void bench_reference_add(void *reference, const struct np_result *r) {
    struct bench_reference *const ref = reference;
    if (ref->n && r->index <= ref->frame[ref->n - 1].index) return; /* a second pass */
    if (ref->n == ref->cap) {
        const int64_t cap = ref->cap ? 2 * ref->cap : 256;
        struct frame *const more = realloc(ref->frame, sizeof *more * (size_t)cap);
        if (!more) {
            ref->failed = 1;
            return;
        }
        ref->frame = more;
        ref->cap = cap;
    }
    struct frame *const f = &ref->frame[ref->n];
    *f = (struct frame){ r->index, 0, malloc(sizeof *f->person * (size_t)(r->n_persons ? r->n_persons : 1)) };
    if (!f->person) {
        ref->failed = 1;
        return;
    }
    ref->n++;
    for (int i = 0; i < r->n_persons && i < MAX_PEOPLE; i++)
        if (r->persons[i].pose_source == NP_POSE_INFERRED) keep(&f->person[f->n++], &r->persons[i]);
}

static const struct frame *find(const struct bench_reference *r, int64_t index) {
    int64_t lo = 0, hi = r->n;
    while (lo < hi) {
        const int64_t mid = (lo + hi) / 2;
        if (r->frame[mid].index < index) lo = mid + 1;
        else hi = mid;
    }
    return lo < r->n && r->frame[lo].index == index ? &r->frame[lo] : NULL;
}

static float iou(const struct np_box *a, const struct np_box *b) {
    const float w = fminf(a->x + a->w, b->x + b->w) - fmaxf(a->x, b->x), h = fminf(a->y + a->h, b->y + b->h) - fmaxf(a->y, b->y);
    return w > 0 && h > 0 ? w * h / (a->w * a->h + b->w * b->h - w * h) : 0;
}

static void note(struct errors *e, double v) {
    if (e->n == e->cap) {
        const size_t cap = e->cap ? 2 * e->cap : 4096;
        double *const more = realloc(e->v, sizeof *more * cap);
        if (!more) return; /* a median of what there is */
        e->v = more;
        e->cap = cap;
    }
    e->v[e->n++] = v;
}

static void joints(struct bench_reference *r, const struct kept *a, const struct np_person *b) {
    const int n = a->n_keypoints < b->n_keypoints ? a->n_keypoints : b->n_keypoints;
    for (int i = 0; i < n; i++) {
        const struct np_keypoint *const k = &b->keypoint[i];
        if (a->xyc[i][2] < MIN_CONF || !(a->box.h > 0)) continue;
        const double d = 100 * hypot(k->x - a->xyc[i][0], k->y - a->xyc[i][1]) / a->box.h;
        if (!isfinite(d)) continue;
        note(&r->all, d);
        note(b->pose_source == NP_POSE_INFERRED ? &r->inferred : &r->propagated, d);
    }
}

static void identity(struct bench_reference *r, int id, int seen_as) {
    for (int i = 0; i < r->n_map; i++)
        if (r->map[i].id == id) {
            r->a.id_switches += r->map[i].seen_as != seen_as;
            r->map[i].seen_as = seen_as;
            return;
        }
    if (r->n_map < (int)(sizeof r->map / sizeof r->map[0])) {
        r->map[r->n_map].id = id;
        r->map[r->n_map++].seen_as = seen_as;
    }
}

void bench_accuracy_begin(struct bench_reference *r) {
    r->all.n = r->inferred.n = r->propagated.n = 0;
    r->n_map = 0;
    r->a = (struct bench_accuracy){ 0 };
}

void bench_accuracy_add(void *reference, const struct np_result *s) {
    struct bench_reference *const r = reference;
    const struct frame *const f = find(r, s->index);
    if (!f) return;
    char taken[MAX_PEOPLE] = { 0 }, done[MAX_PEOPLE] = { 0 };
    const int n = s->n_persons < MAX_PEOPLE ? s->n_persons : MAX_PEOPLE;
    int n_posed = 0, n_pairs = 0;
    for (int i = 0; i < n; i++) n_posed += s->persons[i].n_keypoints > 0;
    for (;;) { /* the closest pair that is left */
        int bi = -1, bk = -1;
        float best = MIN_IOU;
        for (int i = 0; i < f->n; i++)
            for (int k = 0; k < n && !done[i]; k++) {
                if (taken[k] || !s->persons[k].n_keypoints) continue;
                const float v = iou(&f->person[i].box, &s->persons[k].box);
                if (v >= best) {
                    best = v;
                    bi = i;
                    bk = k;
                }
            }
        if (bi < 0) break;
        done[bi] = taken[bk] = 1;
        n_pairs++;
        joints(r, &f->person[bi], &s->persons[bk]);
        identity(r, f->person[bi].id, s->persons[bk].id);
    }
    r->a.n_frames++;
    r->a.n_people += f->n;
    r->a.n_found += n_pairs;
    r->a.n_extra += n_posed - n_pairs;
}

static double quantile(struct errors *e, double q) {
    if (!e->n) return NAN;
    bench_sort(e->v, e->n);
    return e->v[(size_t)(q * (double)(e->n - 1) + .5)];
}

void bench_accuracy_end(struct bench_reference *r, struct bench_accuracy *out) {
    *out = r->a;
    out->n_joints = (int64_t)r->all.n;
    out->median = quantile(&r->all, .5);
    out->p95 = quantile(&r->all, .95);
    out->inferred_median = quantile(&r->inferred, .5);
    out->propagated_median = quantile(&r->propagated, .5);
}
