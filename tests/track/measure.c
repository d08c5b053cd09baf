/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of docs/tracking.md, measured against the poses that were inferred on every frame.
 *
 * propagation: every k-th pose is observed, the ones between are compared. "held": the last pose as it was.
 * smoothing:   jitter is the mean second difference of joints that stand still (under STILL heights a second), lag the time by which joints
 *              faster than FAST trail the zero-lag curve. Both by the raw joints, one-euro and zero-lag.
 * repair:      the poses as they are, then with LEFT and RIGHT swapped on purpose on one frame in seven. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "track/flip.h"
#include "track/propagate.h"
#include "track/smooth.h"
#include "track/zero_lag.h"
#include "track_all.h"

#define SURE .5f
#define STILL .1f
#define FAST .6f
#define ZERO_LAG_HZ 6.f
#define PROMISE(x, ...) do { if (!(x)) { broken++; printf("FAIL %s:%d: %s: ", __FILE__, __LINE__, #x); printf(__VA_ARGS__); puts(""); } } while (0)

static int broken;

static void *need(void *p) {
    if (!p) exit(1);
    return p;
}

static int by_size(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

struct list { float *v; int n, room; double sum; };

static void add(struct list *l, float x) {
    if (l->n == l->room) l->v = need(realloc(l->v, sizeof *l->v * (size_t)(l->room = 2 * l->room + 1024)));
    l->v[l->n++] = x;
    l->sum += (double)x;
}

static float rank(struct list *l, float share) {
    qsort(l->v, (size_t)l->n, sizeof *l->v, by_size);
    return l->n ? l->v[(int)(share * (float)(l->n - 1))] : 0;
}

static float mean(const struct list *l) { return l->n ? (float)(l->sum / l->n) : 0; }

static const struct rec_det *pose_at(const struct tracked *t, int id, int frame) {
    const struct rec_det *const d = tracked_at(t, id, frame);
    return d && d->n_kpt ? d : NULL;
}

/* --- propagation --- */

static void propagation(const struct tracked *t, int skip) {
    struct npi_propagator *p;
    struct list held = { 0 }, moved = { 0 }, fast_held = { 0 }, fast_moved = { 0 };
    struct np_keypoint out[NP_MAX_KEYPOINTS];
    const struct record *const r = t->r;
    if (npi_propagator_create(&p, IDS_MAX, 2.f) < 0) need(NULL); /* without a timeout: the error is what is measured */
    for (int id = 1; id <= t->n_ids; id++) {
        const struct rec_det *last = NULL;
        for (int i = 0; i < r->n; i++) {
            const struct rec_det *const d = pose_at(t, id, i);
            if (i % skip == 0) {
                last = d;
                if (d) npi_propagator_observe(p, id, d->kpt, d->n_kpt, d->box.h, r->frame[i].t_ns);
                else npi_propagator_forget(p, id);
                continue;
            }
            const int n = d && last ? npi_propagator_at(p, id, r->frame[i].t_ns, out, NULL) : 0;
            for (int j = 0; j < n; j++) {
                if (!(d->kpt[j].conf > SURE && last->kpt[j].conf > SURE)) continue;
                const float a = hypotf(last->kpt[j].x - d->kpt[j].x, last->kpt[j].y - d->kpt[j].y) / d->box.h;
                const float b = hypotf(out[j].x - d->kpt[j].x, out[j].y - d->kpt[j].y) / d->box.h;
                add(&held, a);
                add(&moved, b);
                if (a > .02f) { add(&fast_held, a); add(&fast_moved, b); }
            }
        }
    }
    if (held.n > 100) {
        printf("  skip %d  held: median %.2f mean %.2f p95 %.2f   propagated: median %.2f mean %.2f p95 %.2f   moving joints: %.2f -> %.2f\n", skip,
               100 * (double)rank(&held, .5f), 100 * (double)mean(&held), 100 * (double)rank(&held, .95f), 100 * (double)rank(&moved, .5f),
               100 * (double)mean(&moved), 100 * (double)rank(&moved, .95f), 100 * (double)mean(&fast_held), 100 * (double)mean(&fast_moved));
        PROMISE(mean(&moved) <= mean(&held) * 1.03f, "skip %d: propagation is worse than holding still", skip);
        PROMISE(rank(&moved, .5f) < .05f, "skip %d: median error %.3f of the height", skip, (double)rank(&moved, .5f));
    }
    free(held.v); free(moved.v); free(fast_held.v); free(fast_moved.v);
    npi_propagator_free(&p);
}

/* --- smoothing --- */

struct curve { int n; int64_t *t_ns; struct np_keypoint *raw, *euro, *zero; float height; int n_kpt; };

/* The longest run of frames on which the pose of this id was inferred. */
static int longest(const struct tracked *t, int id, int *first) {
    int best = 0, run = 0;
    for (int i = 0; i <= t->r->n; i++) {
        if (i < t->r->n && pose_at(t, id, i)) { run++; continue; }
        if (run > best) { best = run; *first = i - run; }
        run = 0;
    }
    return best;
}

static int make_curve(struct curve *c, const struct tracked *t, int id) {
    struct npi_smooth_spec spec;
    struct npi_smoother *s;
    struct np_error e;
    int first = 0;
    c->n = longest(t, id, &first);
    if (c->n < 20) return 0;
    c->n_kpt = t->r->set->n;
    c->height = 0;
    const size_t bytes = sizeof *c->raw * (size_t)c->n * (size_t)c->n_kpt;
    c->t_ns = need(malloc(sizeof *c->t_ns * (size_t)c->n));
    c->raw = need(malloc(bytes)); c->euro = need(malloc(bytes)); c->zero = need(malloc(bytes));
    for (int i = 0; i < c->n; i++) {
        const struct rec_det *const d = pose_at(t, id, first + i);
        c->t_ns[i] = t->r->frame[first + i].t_ns;
        memcpy(c->raw + (size_t)i * (size_t)c->n_kpt, d->kpt, sizeof *c->raw * (size_t)c->n_kpt);
        c->height += d->box.h / (float)c->n;
    }
    memcpy(c->euro, c->raw, bytes);
    memcpy(c->zero, c->raw, bytes);
    if (npi_smooth_parse(&spec, NULL, &e) < 0 || npi_smoother_create(&s, &spec, 1) < 0) need(NULL);
    for (int i = 0; i < c->n; i++) npi_smoother_apply(s, 1, c->euro + (size_t)i * (size_t)c->n_kpt, c->n_kpt, pose_at(t, id, first + i)->box.h, c->t_ns[i]);
    npi_smoother_free(&s);
    if (npi_zero_lag(c->t_ns, c->zero, c->n, c->n_kpt, ZERO_LAG_HZ, .5f, &e) < 0) need(NULL);
    return 1;
}

struct score { double jitter, lag, speed2; int still, fast; };

/* k: one of the three curves, in heights; the reference for speed is the zero-lag one. */
static void score(struct score *s, const struct curve *c, const struct np_keypoint *k) {
    for (int i = 1; i + 1 < c->n; i++)
        for (int j = 0; j < c->n_kpt; j++) {
            const size_t a = (size_t)(i - 1) * (size_t)c->n_kpt + (size_t)j, b = a + (size_t)c->n_kpt, d = b + (size_t)c->n_kpt;
            const double dt = (double)(c->t_ns[i + 1] - c->t_ns[i - 1]) * 1e-9, h = (double)c->height;
            const double vx = (double)(c->zero[d].x - c->zero[a].x) / dt / h, vy = (double)(c->zero[d].y - c->zero[a].y) / dt / h, v = hypot(vx, vy);
            if (!(c->raw[b].conf > SURE)) continue;
            if (v < (double)STILL) {
                s->jitter += hypot((double)(k[a].x - 2 * k[b].x + k[d].x), (double)(k[a].y - 2 * k[b].y + k[d].y)) / h;
                s->still++;
            } else if (v > (double)FAST && v < 5) {
                s->lag += ((double)(c->zero[b].x - k[b].x) * vx + (double)(c->zero[b].y - k[b].y) * vy) / h;
                s->speed2 += v * v;
                s->fast++;
            }
        }
}

static void smoothing(const struct tracked *t) {
    const struct rec_frame *const f = t->r->frame;
    const float rate = (float)(t->r->n - 1) / (float)((double)(f[t->r->n - 1].t_ns - f[0].t_ns) * 1e-9); /* slower ones hold nothing that the cut-off could take out */
    struct score s[3] = { { 0 } };
    static const char *const name[] = { "raw", "one-euro", "zero-lag" };
    for (int id = 1; id <= t->n_ids; id++) {
        struct curve c;
        if (!make_curve(&c, t, id)) continue;
        score(&s[0], &c, c.raw);
        score(&s[1], &c, c.euro);
        score(&s[2], &c, c.zero);
        free(c.t_ns); free(c.raw); free(c.euro); free(c.zero);
    }
    for (int i = 0; i < 3 && s[0].still > 200; i++)
        printf("  %-9s jitter of still joints %.3f %% of the height a frame (%.2f of raw), lag of fast joints %.0f ms\n", name[i], 100 * s[i].jitter / s[i].still,
               s[i].jitter / s[0].jitter, s[i].fast > 50 ? 1000 * s[i].lag / s[i].speed2 : NAN);
    if (s[0].still <= 200) return;
    PROMISE(s[1].jitter < .7 * s[0].jitter, "one-euro leaves %.2f of the jitter", s[1].jitter / s[0].jitter);
    if (rate > 4 * ZERO_LAG_HZ) PROMISE(s[2].jitter < .7 * s[0].jitter, "zero-lag leaves %.2f of the jitter", s[2].jitter / s[0].jitter);
    if (s[1].fast > 200) PROMISE(1000 * s[1].lag / s[1].speed2 < 60, "one-euro lags %.0f ms", 1000 * s[1].lag / s[1].speed2);
}

/* --- repair --- */

static int wide(const struct rec_det *d, const struct np_keypoint_set *set) { /* shoulders seen from the front or back: left and right can be told */
    const struct np_keypoint *const l = &d->kpt[set->to_coco17[5]], *const r = &d->kpt[set->to_coco17[6]];
    return fabsf(l->x - r->x) > .1f * d->box.h && l->conf > SURE && r->conf > SURE;
}

static void repair(const struct tracked *t, const char *name) {
    struct npi_flip *plain, *hurt;
    const struct np_keypoint_set *const set = t->r->set;
    int poses = 0, touched = 0, injected = 0, mended = 0, moved = 0;
    if (npi_flip_create(&plain, set, IDS_MAX) < 0 || npi_flip_create(&hurt, set, IDS_MAX) < 0) need(NULL);
    for (int id = 1; id <= t->n_ids; id++)
        for (int i = 0; i < t->r->n; i++) {
            const struct rec_det *const d = pose_at(t, id, i);
            struct np_keypoint a[NP_MAX_KEYPOINTS], b[NP_MAX_KEYPOINTS];
            if (!d) continue;
            memcpy(a, d->kpt, sizeof *a * (size_t)set->n);
            const int fixed = npi_flip_repair(plain, id, a, set->n, d->box.h, t->r->frame[i].t_ns);
            poses++;
            touched += fixed;
            const int inject = i % 7 == 5 && wide(d, set) && pose_at(t, id, i - 1) && pose_at(t, id, i - 2);
            for (int j = 0; j < set->n; j++) b[j] = d->kpt[inject ? set->flip[j] : j];
            npi_flip_repair(hurt, id, b, set->n, d->box.h, t->r->frame[i].t_ns);
            if (!inject || fixed) continue;
            injected++;
            const int shoulder = set->to_coco17[5];
            mended += b[shoulder].x == a[shoulder].x && b[shoulder].y == a[shoulder].y;
            for (int j = 0; j < set->n; j++) /* only relabelled */
                moved += !(b[j].x == d->kpt[j].x && b[j].y == d->kpt[j].y) && !(b[j].x == d->kpt[set->flip[j]].x && b[j].y == d->kpt[set->flip[j]].y);
        }
    printf("  repair: %d of %d poses relabelled as they come; of %d with left and right swapped on purpose %d put right\n", touched, poses, injected, mended);
    if (strstr(name, "cam01") || strstr(name, "squats")) PROMISE(touched == 0, "by eye there is no flip in this clip, %d relabelled", touched);
    PROMISE(touched <= poses / 25, "%d of %d poses relabelled", touched, poses);
    PROMISE(injected < 10 || mended >= injected * 85 / 100, "%d of %d put right", mended, injected);
    PROMISE(moved == 0, "%d joints moved", moved);
    npi_flip_free(&plain);
    npi_flip_free(&hurt);
}

int measure(const struct tracked *t, const char *name) {
    printf("%s: %d ids, errors in %% of the person's height\n", name, t->n_ids);
    for (int skip = 2; skip <= 5; skip++) propagation(t, skip);
    smoothing(t);
    repair(t, name);
    return broken;
}
