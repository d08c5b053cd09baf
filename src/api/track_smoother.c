/* SPDX-License-Identifier: Apache-2.0 */
/* Zero-lag smoothing of a stream of results: a window slides along the recording, and the whole-track smoother runs over what is in it.
 *
 *     context, already out      held                       look-ahead
 *   |<------- L ------->|<-- a quarter of L -->|<---------- L ---------->|  newest
 *                         come out now, together
 *
 * What is further away than L does not matter: the weights fall off by e every 1 / (2 pi f0 sin 45°) seconds, and L is 13 times that: what a
 * window gives and what the whole track would give differ by less than a hundredth of the jitter, beside a gap, and by nothing elsewhere. */
#include "nextpose/smooth.h"

#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "track/smooth.h"
#include "track/zero_lag.h"

#define LOOK_AHEAD 3.f        /* over the cut-off */
#define MIN_CUTOFF_HZ .1f     /* half a minute of look-ahead */
#define MAX_GAP_S .5f         /* as for One-Euro: who was away for longer starts anew */
#define CUT_NS 1000000000     /* longer than a gap */

#define WHO_BYTES offsetof(struct np_person, keypoint) /* a person and the joints that it has: 2 KB, raw and smooth; as struct np_person 8 */

struct held {
    struct np_result r;
    void *opaque;
    int64_t t_ns;             /* always growing */
    unsigned char *who;       /* [r.n_persons][WHO_BYTES, rounded up]: struct np_person without joints */
    struct np_keypoint *raw, *smooth; /* of all its people, one after the other */
    size_t bytes;             /* of the block that the three lie in, at who */
};

struct np_track_smoother {
    float cutoff_hz;
    int64_t ahead_ns;
    struct held *ring; int cap;       /* results first..end-1; that of s is at s % cap */
    uint64_t first, out, ready, end;  /* context from first, next to come out, smoothed up to, newest + 1 */
    int64_t last_pts_ns, t_ns;
    struct np_result result;          /* given out */
    struct np_person *person; int n_person;
    int64_t *track_t; struct np_keypoint *track; int track_cap; /* scratch: one person's track */
};

static struct held *at(const struct np_track_smoother *s, uint64_t seq) { return &s->ring[seq % (uint64_t)s->cap]; }

static size_t who_stride(void) { return (WHO_BYTES + 15) / 16 * 16; }

static void who_put(struct held *h, int i, const struct np_person *p) { memcpy(h->who + (size_t)i * who_stride(), p, WHO_BYTES); }
static void who_get(const struct held *h, int i, struct np_person *p) { memcpy(p, h->who + (size_t)i * who_stride(), WHO_BYTES); }

int np_track_smoother_create(struct np_track_smoother **out, const char *smooth, struct np_error *err) {
    struct npi_smooth_spec spec;
    if (!out) return npi_fail(err, NP_EINVAL, "np_track_smoother_create: NULL argument");
    const int r = npi_smooth_parse(&spec, smooth ? smooth : "zero-lag", err);
    if (r < 0) return r;
    if (spec.kind != NPI_SMOOTH_ZERO_LAG) return npi_fail(err, NP_EINVAL, "smooth: '%s' needs no look-ahead: it is a setting of the context", smooth);
    if (spec.zero_lag_hz < MIN_CUTOFF_HZ) return npi_fail(err, NP_EINVAL, "smooth: a cut-off of %g Hz is below %g: nobody moves so slowly", (double)spec.zero_lag_hz, (double)MIN_CUTOFF_HZ);
    struct np_track_smoother *const s = npi_alloc(sizeof *s);
    if (!s) return npi_fail(err, NP_ENOMEM, "out of memory");
    s->cutoff_hz = spec.zero_lag_hz;
    s->ahead_ns = (int64_t)(LOOK_AHEAD / spec.zero_lag_hz * 1e9f);
    s->last_pts_ns = -1;
    *out = s;
    return 0;
}

void np_track_smoother_free(struct np_track_smoother **ps) {
    if (!ps || !*ps) return;
    struct np_track_smoother *const s = *ps;
    for (int i = 0; i < s->cap; i++) npi_free(s->ring[i].who);
    npi_free(s->ring);
    npi_free(s->person);
    npi_free(s->track_t);
    npi_free(s->track);
    npi_free(s);
    *ps = NULL;
}

double np_track_smoother_delay_s(const struct np_track_smoother *s) { return (double)(s->ahead_ns + s->ahead_ns / 4) * 1e-9; }

/* One more place in the ring. */
static int grow(struct np_track_smoother *s) {
    const int n = (int)(s->end - s->first);
    if (n < s->cap) return 0;
    const int cap = s->cap ? s->cap * 2 : 64;
    struct held *const ring = npi_alloc(sizeof *ring * (size_t)cap);
    if (!ring) return NP_ENOMEM;
    for (uint64_t q = s->first; q < s->end; q++) ring[q % (uint64_t)cap] = *at(s, q);
    npi_free(s->ring);
    s->ring = ring;
    s->cap = cap;
    return 0;
}

static int room(struct held *h, int n, int n_kpt) {
    const size_t head = (size_t)n * who_stride(), kpts = (size_t)n_kpt * sizeof(struct np_keypoint), bytes = head + 2 * kpts;
    if (bytes > h->bytes || !h->who) {
        unsigned char *const who = npi_alloc(bytes);
        if (!who) return NP_ENOMEM;
        npi_free(h->who);
        h->who = who;
        h->bytes = bytes;
    }
    h->raw = (struct np_keypoint *)(void *)(h->who + head);
    h->smooth = h->raw + n_kpt;
    return 0;
}

int np_track_smoother_add(struct np_track_smoother *s, const struct np_result *r, void *opaque, struct np_error *err) {
    if (!s || !r) return npi_fail(err, NP_EINVAL, "np_track_smoother_add: NULL argument");
    if (r->pts_ns < 0) return npi_fail(err, NP_EINVAL, "zero-lag smoothing needs times, and frame %lld has none: pictures by themselves cannot be smoothed", (long long)r->index);
    int n_kpt = 0;
    for (int i = 0; i < r->n_persons; i++) n_kpt += r->persons[i].n_keypoints;
    if (grow(s) < 0 || room(at(s, s->end), r->n_persons, n_kpt) < 0) return npi_fail(err, NP_ENOMEM, "out of memory to hold results");
    struct held *const h = at(s, s->end);
    h->r = *r;
    h->r.frame = NULL;
    h->opaque = opaque;
    const int64_t step = r->pts_ns - s->last_pts_ns;
    h->t_ns = s->t_ns += s->last_pts_ns < 0 ? 0 : step > 0 ? step : CUT_NS;
    s->last_pts_ns = r->pts_ns;
    struct np_keypoint *k = h->raw;
    for (int i = 0; i < r->n_persons; i++) {
        who_put(h, i, &r->persons[i]);
        memcpy(k, r->persons[i].keypoint, sizeof *k * (size_t)r->persons[i].n_keypoints);
        k += r->persons[i].n_keypoints;
    }
    memcpy(h->smooth, h->raw, sizeof *k * (size_t)n_kpt);
    s->end++;
    return 0;
}

/* Where the joints of `id` begin, if it has n of them there (n 0: any number, into *n); -1. */
static int joints_of(const struct held *h, int id, int *n) {
    int k = 0;
    for (int i = 0; i < h->r.n_persons; i++) {
        struct np_person p;
        who_get(h, i, &p);
        if (p.id == id && p.n_keypoints > 0 && (*n == 0 || *n == p.n_keypoints)) {
            *n = p.n_keypoints;
            return k;
        }
        k += p.n_keypoints;
    }
    return -1;
}

static int smooth_person(struct np_track_smoother *s, int id, struct np_error *err) {
    int n = 0, n_kpt = 0;
    for (uint64_t q = s->first; q < s->end; q++) {
        const struct held *const h = at(s, q);
        const int k = joints_of(h, id, &n_kpt);
        if (k < 0) continue;
        s->track_t[n] = h->t_ns;
        memcpy(s->track + (size_t)n++ * (size_t)n_kpt, h->raw + k, sizeof *h->raw * (size_t)n_kpt);
    }
    const int r = npi_zero_lag(s->track_t, s->track, n, n_kpt, s->cutoff_hz, MAX_GAP_S, err);
    if (r < 0) return r;
    n = 0;
    for (uint64_t q = s->first; q < s->end; q++) {
        const struct held *const h = at(s, q);
        const int k = joints_of(h, id, &n_kpt);
        if (k < 0) continue;
        if (q >= s->out) memcpy(h->smooth + k, s->track + (size_t)n * (size_t)n_kpt, sizeof *h->raw * (size_t)n_kpt);
        n++;
    }
    return 0;
}

/* Was `id` already met in results from..q, or further up in q itself? */
static int met(const struct np_track_smoother *s, uint64_t from, uint64_t q, int i, int id) {
    for (uint64_t e = from; e <= q; e++) {
        const struct held *const h = at(s, e);
        for (int k = 0; k < (e < q ? h->r.n_persons : i); k++) {
            struct np_person p;
            who_get(h, k, &p);
            if (p.id == id && p.n_keypoints > 0) return 1;
        }
    }
    return 0;
}

/* Smooths everybody who comes out next, results up to `upto`. */
static int smooth_window(struct np_track_smoother *s, uint64_t upto, struct np_error *err) {
    const int n = (int)(s->end - s->first);
    if (n > s->track_cap) {
        const int cap = n > s->track_cap * 2 ? n : s->track_cap * 2;
        npi_free(s->track_t);
        npi_free(s->track);
        s->track_cap = 0;
        s->track_t = npi_alloc(sizeof *s->track_t * (size_t)cap);
        s->track = npi_alloc(sizeof *s->track * (size_t)cap * NP_MAX_KEYPOINTS);
        if (!s->track_t || !s->track) return npi_fail(err, NP_ENOMEM, "out of memory to smooth %d results", n);
        s->track_cap = cap;
    }
    for (uint64_t q = s->out; q < upto; q++) {
        const struct held *const h = at(s, q);
        for (int i = 0; i < h->r.n_persons; i++) {
            struct np_person p;
            who_get(h, i, &p);
            if (p.id < 1 || p.n_keypoints < 1 || met(s, s->out, q, i, p.id)) continue;
            const int r = smooth_person(s, p.id, err);
            if (r < 0) return r;
        }
    }
    s->ready = upto;
    return 0;
}

static int give(struct np_track_smoother *s, const struct np_result **out, void **opaque, struct np_error *err) {
    const struct held *const h = at(s, s->out);
    const int n = h->r.n_persons;
    if (n > s->n_person) {
        struct np_person *const p = npi_alloc(sizeof *p * (size_t)n);
        if (!p) return npi_fail(err, NP_ENOMEM, "out of memory to give out %d people", n);
        npi_free(s->person);
        s->person = p;
        s->n_person = n;
    }
    const struct np_keypoint *k = h->smooth;
    for (int i = 0; i < n; i++) {
        who_get(h, i, &s->person[i]);
        memcpy(s->person[i].keypoint, k, sizeof *k * (size_t)s->person[i].n_keypoints);
        k += s->person[i].n_keypoints;
    }
    s->result = h->r;
    s->result.persons = s->person;
    if (opaque) *opaque = h->opaque;
    *out = &s->result;
    s->out++;
    return 0;
}

int np_track_smoother_get(struct np_track_smoother *s, int flush, const struct np_result **out, void **opaque, struct np_error *err) {
    if (!s) return npi_fail(err, NP_EINVAL, "np_track_smoother_get: NULL argument");
    if (!out) {
        if (s->out == s->end) return NP_EEND;
        if (opaque) *opaque = at(s, s->out)->opaque;
        if (s->ready < ++s->out) s->ready = s->out;
        return 0;
    }
    if (s->out == s->ready) {
        if (s->out == s->end) return flush ? NP_EEND : NP_EAGAIN;
        const int64_t newest = at(s, s->end - 1)->t_ns;
        uint64_t upto = s->end;
        if (!flush && s->end - s->out < NP_TRACK_SMOOTHER_MAX) {
            if (newest - at(s, s->out)->t_ns < s->ahead_ns + s->ahead_ns / 4) return NP_EAGAIN;
            while (newest - at(s, upto - 1)->t_ns < s->ahead_ns) upto--;
        } else if (!flush) upto = s->out + NP_TRACK_SMOOTHER_MAX / 8;
        while (at(s, s->out)->t_ns - at(s, s->first)->t_ns > s->ahead_ns) s->first++; /* what is no context any more */
        const int r = smooth_window(s, upto, err);
        if (r < 0) return r;
    }
    return give(s, out, opaque, err);
}
