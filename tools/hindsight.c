/* SPDX-License-Identifier: Apache-2.0 */
/* See hindsight.h. */
#include "hindsight.h"

#include <stdlib.h>
#include <string.h>

#define STEP_NS 33333333 /* between frames without time stamps */

struct kept { struct np_result r; struct np_person **who; /* [r.n_persons], as long as their joints */ char *name; };
struct hindsight { float cutoff_hz; struct kept *at; int n, cap; };

static size_t person_bytes(const struct np_person *p) { return offsetof(struct np_person, keypoint) + sizeof *p->keypoint * (size_t)p->n_keypoints; }

int hindsight_open(struct hindsight **out, float cutoff_hz, struct np_error *err) {
    struct hindsight *const h = calloc(1, sizeof *h);
    if (!h) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    h->cutoff_hz = cutoff_hz;
    *out = h;
    return 0;
}

void hindsight_close(struct hindsight **ph) {
    struct hindsight *const h = *ph;
    if (!h) return;
    for (int i = 0; i < h->n; i++) {
        for (int k = 0; k < h->at[i].r.n_persons; k++) free(h->at[i].who[k]);
        free(h->at[i].who);
        free(h->at[i].name);
    }
    free(h->at);
    free(h);
    *ph = NULL;
}

int hindsight_keep(struct hindsight *h, const struct np_result *r, const char *name, struct np_error *err) {
    if (h->n == h->cap) {
        const int cap = h->cap * 2 + 256;
        struct kept *const p = realloc(h->at, (size_t)cap * sizeof *p);
        if (!p) return npi_io_fail(err, NP_ENOMEM, "out of memory after %d frames: --smooth one-euro keeps none", h->n);
        h->at = p;
        h->cap = cap;
    }
    struct kept *const k = &h->at[h->n];
    *k = (struct kept){ .r = *r, .name = name ? strdup(name) : NULL, .who = calloc((size_t)r->n_persons + 1, sizeof *k->who) };
    h->n++;
    k->r.persons = NULL;
    k->r.frame = NULL;
    for (int i = 0; i < r->n_persons && k->who; i++) {
        const size_t bytes = person_bytes(&r->persons[i]);
        if ((k->who[i] = malloc(bytes))) memcpy(k->who[i], &r->persons[i], bytes);
        else {
            k->r.n_persons = i;
            return npi_io_fail(err, NP_ENOMEM, "out of memory after %d frames: --smooth one-euro keeps none", h->n);
        }
    }
    if (!k->who) k->r.n_persons = 0;
    return 0;
}

static int64_t time_of(const struct hindsight *h, int i) { return h->at[i].r.pts_ns >= 0 ? h->at[i].r.pts_ns : (int64_t)i * STEP_NS; }

static struct np_person *find(const struct kept *k, int id) {
    for (int i = 0; i < k->r.n_persons; i++)
        if (k->who[i]->id == id && k->who[i]->n_keypoints) return k->who[i];
    return NULL;
}

/* Scratch for one track as long as the clip: times, joints, whose they are. */
struct track { int64_t *t; struct np_keypoint *kpt; struct np_person **who; };

static int smooth_id(struct hindsight *h, int id, int n_kpt, struct track *s, struct np_error *err) {
    int n = 0;
    for (int i = 0; i < h->n; i++) {
        struct np_person *const p = find(&h->at[i], id);
        if (!p || p->n_keypoints != n_kpt || (n && time_of(h, i) <= s->t[n - 1])) continue;
        s->t[n] = time_of(h, i);
        s->who[n] = p;
        memcpy(s->kpt + (size_t)n * (size_t)n_kpt, p->keypoint, sizeof *s->kpt * (size_t)n_kpt);
        n++;
    }
    const int r = np_smooth_track(s->t, s->kpt, n, n_kpt, h->cutoff_hz, err);
    for (int i = 0; r >= 0 && i < n; i++) memcpy(s->who[i]->keypoint, s->kpt + (size_t)i * (size_t)n_kpt, sizeof *s->kpt * (size_t)n_kpt);
    return r;
}

static int smooth_all(struct hindsight *h, struct np_error *err) {
    const int n_kpt = h->n && h->at[0].r.set ? h->at[0].r.set->n : 0;
    int max_id = 0, r = 0;
    if (!n_kpt) return 0;
    for (int i = 0; i < h->n; i++)
        for (int k = 0; k < h->at[i].r.n_persons; k++)
            if (h->at[i].who[k]->id > max_id) max_id = h->at[i].who[k]->id;
    struct track s = { malloc(sizeof *s.t * (size_t)h->n), malloc(sizeof *s.kpt * (size_t)h->n * (size_t)n_kpt), malloc(sizeof *s.who * (size_t)h->n) };
    if (!s.t || !s.kpt || !s.who) r = npi_io_fail(err, NP_ENOMEM, "out of memory for a track of %d frames", h->n);
    for (int id = 1; id <= max_id && r >= 0; id++) r = smooth_id(h, id, n_kpt, &s, err);
    free(s.t);
    free(s.kpt);
    free(s.who);
    return r;
}

int hindsight_write(struct hindsight *h, struct outputs *o, struct np_error *err) {
    struct np_person *room = NULL;
    int cap = 0, r = smooth_all(h, err);
    for (int i = 0; i < h->n && r >= 0; i++) {
        struct kept *const k = &h->at[i];
        if (k->r.n_persons > cap) {
            cap = k->r.n_persons;
            free(room);
            if (!(room = calloc((size_t)cap, sizeof *room))) return npi_io_fail(err, NP_ENOMEM, "out of memory for %d people", cap);
        }
        for (int p = 0; p < k->r.n_persons; p++) memcpy(&room[p], k->who[p], person_bytes(k->who[p]));
        k->r.persons = room;
        struct npi_pic pic = { .name = k->name };
        outputs_frame(o, &k->r, &pic, NULL);
    }
    free(room);
    return r;
}
