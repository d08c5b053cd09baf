/* SPDX-License-Identifier: Apache-2.0 */
/* See flip.h. For each pair of joints (left l, right r) and where they are expected (L, R: the last pose, moved on with its speed)
 *
 *   as it is: |l - L| + |r - R|        swapped: |l - R| + |r - L|
 *
 * The costs are summed over a limb group (arms, legs, face). A group is relabelled when swapping costs less than CLEARLY times as
 * much and gains at least GAIN heights a pair: limbs that lie on each other, or that nothing is expected of, stay as they are.
 * When the body as a whole is so, every group that gains by it goes along.
 *
 * The last pose may itself be wrong. So there is also a memory of the last MEMORY_S: the mean vector from right to left of each pair.
 * (With squared distances the two costs differ by twice the product of the pair's vector and the expected one, so this asks the same of a
 * longer past.) A group is relabelled only when the memory does not speak against it, and a group that stands against
 * the memory without being relabelled is not what the next frame is compared with.
 *
 * Hysteresis: what would have to be swapped or doubted for more than PATIENCE frames or PATIENCE_S has turned, and is believed from then on. */
#include "track/flip.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "track/bank.h"

#define CLEARLY .5f
#define AGAINST -.3f   /* of the memory: product of vectors over product of lengths */
#define GAIN .04f
#define PATIENCE 4
#define PATIENCE_S .25f
#define STALE_S .25f   /* older poses tell nothing about left and right */
#define MEMORY_S .12f
#define SPEED_S .05f   /* time constant of the speed */
#define SEEN .3f
enum { LEGS, ARMS, FACE, N_GROUPS };

struct state {
    int n;
    int64_t t_ns, group_ns[N_GROUPS]; /* last pose; last one that was taken as reference */
    float dx[NP_MAX_KEYPOINTS], dy[NP_MAX_KEYPOINTS]; /* the memory: right to left, at the left joint of a pair */
    float x[NP_MAX_KEYPOINTS], y[NP_MAX_KEYPOINTS], vx[NP_MAX_KEYPOINTS], vy[NP_MAX_KEYPOINTS];
    unsigned char seen[NP_MAX_KEYPOINTS];
    int swaps[N_GROUPS];          /* frames in a row that the group was relabelled or doubted */
    int64_t since_ns[N_GROUPS];   /* and since when */
};

struct npi_flip {
    const struct np_keypoint_set *set;
    unsigned char group[NP_MAX_KEYPOINTS]; /* of joint i; pairs only */
    int n;
    uint64_t clock;
    struct npi_bank_key *key; /* [n] */
    struct state *state;      /* [n] */
};

static int has(const char *name, const char *const *words) {
    for (; *words; words++)
        if (strstr(name, *words)) return 1;
    return 0;
}

static int group_of(const char *name) {
    static const char *const legs[] = { "hip", "knee", "ankle", "heel", "toe", "foot", NULL }; /* before arms: left_foot_index */
    static const char *const arms[] = { "shoulder", "elbow", "wrist", "hand", "pinky", "index", "thumb", "finger", NULL };
    return has(name, legs) ? LEGS : has(name, arms) ? ARMS : FACE;
}

int npi_flip_create(struct npi_flip **out, const struct np_keypoint_set *set, int max_persons) {
    struct npi_flip *f = npi_alloc(sizeof *f);
    if (!f) return NP_ENOMEM;
    f->set = set;
    for (int i = 0; set && i < set->n; i++) f->group[i] = (unsigned char)group_of(set->names[i]);
    f->n = max_persons < 1 ? 1 : max_persons;
    f->key = npi_alloc(sizeof *f->key * (size_t)f->n);
    f->state = npi_alloc(sizeof *f->state * (size_t)f->n);
    if (!f->key || !f->state) {
        npi_flip_free(&f);
        return NP_ENOMEM;
    }
    *out = f;
    return 0;
}

void npi_flip_free(struct npi_flip **f) {
    if (!f || !*f) return;
    npi_free((*f)->key);
    npi_free((*f)->state);
    npi_free(*f);
    *f = NULL;
}

void npi_flip_forget(struct npi_flip *f, int id) { npi_bank_forget(f->key, f->n, id); }

static float away(const struct np_keypoint *k, float x, float y) { return hypotf(k->x - x, k->y - y); }

/* memory: product of the pairs' vectors with the remembered ones, over the product of their lengths: -1 .. 1. */
struct costs { float stay, swap, dot, lengths; int pairs; };

static void count_costs(const struct npi_flip *f, const struct state *s, const struct np_keypoint *kpt, int n, int64_t t_ns, struct costs *c) {
    memset(c, 0, sizeof *c * N_GROUPS);
    for (int l = 0; l < n; l++) {
        const int r = f->set->flip[l];
        if (r <= l || !s->seen[l] || !s->seen[r] || !(kpt[l].conf >= SEEN && kpt[r].conf >= SEEN)) continue;
        const float dt = npi_seconds(s->group_ns[f->group[l]], t_ns);
        const float lx = s->x[l] + s->vx[l] * dt, ly = s->y[l] + s->vy[l] * dt, rx = s->x[r] + s->vx[r] * dt, ry = s->y[r] + s->vy[r] * dt;
        const float stay = away(&kpt[l], lx, ly) + away(&kpt[r], rx, ry), swap = away(&kpt[l], rx, ry) + away(&kpt[r], lx, ly);
        const float dx = kpt[l].x - kpt[r].x, dy = kpt[l].y - kpt[r].y;
        if (!isfinite(stay + swap)) continue;
        struct costs *const g = &c[f->group[l]];
        g->stay += stay;
        g->swap += swap;
        g->dot += dx * s->dx[l] + dy * s->dy[l];
        g->lengths += hypotf(dx, dy) * hypotf(s->dx[l], s->dy[l]);
        g->pairs++;
    }
}

/* The memory says that left and right are swapped, and the limbs are far enough apart to tell. */
static int against(const struct costs *c, float height) {
    return c->pairs > 0 && c->dot < AGAINST * c->lengths && c->lengths >= GAIN * GAIN * height * height * (float)c->pairs;
}

static int is_flip(const struct costs *c, float height) {
    return c->pairs > 0 && c->swap < CLEARLY * c->stay && c->stay - c->swap >= GAIN * height * (float)c->pairs && c->dot < AGAINST * c->lengths;
}

static void relabel(const struct npi_flip *f, struct np_keypoint *kpt, int n, int group) {
    for (int l = 0; l < n; l++) {
        const int r = f->set->flip[l];
        if (r <= l || r >= n || f->group[l] != group) continue;
        const struct np_keypoint t = kpt[l];
        kpt[l] = kpt[r];
        kpt[r] = t;
    }
}

/* What is expected next of a group follows from the pose as it is given out. anew: it has turned, speed and memory start again. */
static void remember(const struct npi_flip *f, struct state *s, const struct np_keypoint *kpt, int n, int64_t t_ns, int group, int anew) {
    const float dt = npi_seconds(s->group_ns[group], t_ns), share = dt / (dt + SPEED_S), remembered = dt / (dt + MEMORY_S);
    for (int i = 0; i < n; i++) {
        if (f->group[i] != group) continue;
        const int ok = kpt[i].conf >= SEEN && isfinite(kpt[i].x + kpt[i].y), still = anew || !ok || !s->seen[i];
        s->vx[i] = still ? 0 : s->vx[i] + share * ((kpt[i].x - s->x[i]) / dt - s->vx[i]);
        s->vy[i] = still ? 0 : s->vy[i] + share * ((kpt[i].y - s->y[i]) / dt - s->vy[i]);
        const int r = f->set->flip[i];
        if (r > i && r < n) {
            const float x = kpt[i].x - kpt[r].x, y = kpt[i].y - kpt[r].y, part = anew || !s->seen[i] ? 1 : remembered;
            if (isfinite(x + y)) {
                s->dx[i] += part * (x - s->dx[i]);
                s->dy[i] += part * (y - s->dy[i]);
            }
        }
        s->x[i] = kpt[i].x;
        s->y[i] = kpt[i].y;
    }
    for (int i = 0; i < n; i++) /* after both of a pair have been looked at */
        if (f->group[i] == group) s->seen[i] = kpt[i].conf >= SEEN && isfinite(kpt[i].x + kpt[i].y);
    s->group_ns[group] = t_ns;
}

/* Is the group's patience over, so that it must be believed? Counts this frame. */
static int turned(struct state *s, int g, int64_t t_ns) {
    if (!s->swaps[g]) s->since_ns[g] = t_ns;
    return ++s->swaps[g] > PATIENCE || npi_seconds(s->since_ns[g], t_ns) > PATIENCE_S;
}

int npi_flip_repair(struct npi_flip *f, int id, struct np_keypoint *kpt, int n, float height_px, int64_t t_ns) {
    int fresh, done = 0;
    if (id < 1 || n != f->set->n || !(height_px > 0) || !isfinite(height_px)) return 0;
    struct state *const s = &f->state[npi_bank_take(f->key, f->n, id, &f->clock, &fresh)];
    const float dt = npi_seconds(s->t_ns, t_ns);
    if (fresh || s->n != n || !(dt > 0 && dt <= STALE_S)) {
        memset(s, 0, sizeof *s);
        for (int g = 0; g < N_GROUPS; g++) remember(f, s, kpt, n, t_ns, g, 1);
        s->n = n;
        s->t_ns = t_ns;
        return 0;
    }
    struct costs c[N_GROUPS], all = { 0 };
    count_costs(f, s, kpt, n, t_ns, c);
    for (int g = 0; g < N_GROUPS; g++) {
        all.stay += c[g].stay;
        all.swap += c[g].swap;
        all.dot += c[g].dot;
        all.lengths += c[g].lengths;
        all.pairs += c[g].pairs;
    }
    const int whole = is_flip(&all, height_px);
    for (int g = 0; g < N_GROUPS; g++) {
        const int flip = is_flip(&c[g], height_px) || (whole && c[g].swap < c[g].stay && c[g].dot < 0);
        const int doubted = !flip && against(&c[g], height_px);
        int anew = 0;
        if (!flip && !doubted) s->swaps[g] = 0;
        else if (turned(s, g, t_ns)) {
            anew = 1;
            s->swaps[g] = 0;
        } else if (flip) {
            relabel(f, kpt, n, g);
            done = 1;
        }
        if (!doubted || anew) remember(f, s, kpt, n, t_ns, g, anew);
    }
    s->t_ns = t_ns;
    return done;
}
