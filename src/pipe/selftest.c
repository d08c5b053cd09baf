/* SPDX-License-Identifier: Apache-2.0 */
/* See selftest.h. */
#include "pipe/selftest.h"
#include "base/clock.h"
#include "base/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BOUND_F32 0.02
#define BOUND_Q8 0.15
#define BOUND_COARSE 0.03
#define JOINT_COARSE 0.01
#define ROUNDS 7
#define BUDGET_NS 1000000000

/* A light figure on a dim gradient: smooth, so that neither an arg-max nor a threshold stands on a knife's edge. */
static uint8_t *picture(int width, int height) {
    uint8_t *const rgb = npi_alloc((size_t)width * (size_t)height * 3);
    for (int y = 0; rgb && y < height; y++)
        for (int x = 0; x < width; x++) {
            const float u = ((float)x + 0.5f) / (float)width - 0.5f, v = ((float)y + 0.5f) / (float)height - 0.5f;
            const float head = expf(-(u * u + (v + 0.3f) * (v + 0.3f)) * 120), body = expf(-(u * u * 40 + v * v * 12));
            uint8_t *const p = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            p[0] = (uint8_t)(40 + 60 * (v + 0.5f) + 120 * body + 30 * head);
            p[1] = (uint8_t)(50 + 50 * (u + 0.5f) + 60 * body + 80 * head);
            p[2] = (uint8_t)(70 + 30 * (v - u + 1) + 40 * body + 60 * head);
        }
    return rgb;
}

static int fill(struct npi_trial *t, unsigned cpu, struct np_error *err) {
    const struct npi_net_in *const in = &t->face->in;
    struct npi_vision *v = NULL;
    uint8_t *const rgb = picture(in->width, in->height);
    const struct np_frame f = { .format = NP_PIX_RGB24, .width = in->width, .height = in->height, .plane = { rgb }, .stride_bytes = { in->width * 3 },
                                .pts_ns = -1 };
    const struct npi_affine same = { 1, 0, 0, 0, 1, 0 };
    int r = rgb ? npi_vision_create(&v, cpu) : NP_ENOMEM;
    if (r >= 0) r = npi_vision_crop(v, &f, in, &same, npi_run_input(t->run, 0), err);
    else npi_fail(err, r, "out of memory");
    npi_vision_free(&v);
    npi_free(rgb);
    return r;
}

/* Sum over all outputs, to see whether two runs gave the same bytes. */
static uint64_t digest(const struct npi_trial *t) {
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < t->face->n_out; i++) {
        const uint32_t *const p = npi_run_output(t->run, i);
        for (size_t k = 0; k < npi_view_bytes(&t->face->out[i]) / 4; k++) h = (h ^ p[k]) * 1099511628211u;
    }
    return h;
}

int npi_trial_open(struct npi_trial *t, struct npi_engine *e, struct np_pool *pool, unsigned cpu, struct np_error *err) {
    uint64_t before = 0;
    memset(t, 0, sizeof *t);
    t->engine = e;
    t->face = npi_engine_face(e);
    int r = npi_run_open(&t->run, e, pool, NULL, 0, err);
    for (int i = 0; r >= 0 && i < 2; i++) {
        const char *name;
        if ((r = fill(t, cpu, err)) < 0) break;
        const int64_t t0 = npi_now_ns();
        r = npi_run_go(t->run, pool, err);
        t->first_ms = (double)(npi_now_ns() - t0) * 1e-6;
        if (r >= 0 && !npi_run_finite(t->run, &name)) r = npi_fail(err, NP_EBACKEND, "self-test: output '%s' has NaN", name);
        const uint64_t now = r >= 0 ? digest(t) : 0;
        if (r >= 0 && i && now != before) {
            /* GPUs may add in another order each time: the same numbers within the bound are enough, and comparing tells; without a reference they
             * are not. */
            t->error = -2;
        }
        before = now;
    }
    if (r < 0) npi_trial_close(t);
    return r;
}

void npi_trial_close(struct npi_trial *t) { npi_run_close(&t->run); }

static double number_at(const struct npi_view *v, const void *data, size_t i) {
    double x = 0;
    switch (v->dtype) {
    case NP_F32: return (double)((const float *)data)[i];
    case NP_F16: return (double)npi_f16_to_f32(((const uint16_t *)data)[i]);
    case NP_I8: x = ((const int8_t *)data)[i]; break;
    case NP_U8: x = ((const uint8_t *)data)[i]; break;
    case NP_I16: x = ((const int16_t *)data)[i]; break;
    case NP_I32: x = ((const int32_t *)data)[i]; break;
    case NP_I64: x = (double)((const int64_t *)data)[i]; break;
    default: return 0;
    }
    return v->q.n == 1 ? (double)v->q.scale[0] * (x - (v->q.zero ? v->q.zero[0] : 0)) : x;
}

/* How output b of the runtime holds what a (ours) holds: for element i of ours, i * mul / div and the like would not do for transposes, so by
 * cases. */
enum fit { NO_FIT, SAME, COLUMN, CHANNELS_FIRST, CHANNELS_LAST, VOLUME_FIRST, VOLUME_LAST };

/* Ours may have only what a soft-argmax needs of a volume (op SoftBins): [b][h][w][joints][maximum, sum, weighted sum]. The maxima are numbers of the
 * volume and are compared; the others are functions of all bins, and joints are compared besides. */
static int is_bins(const struct npi_view *a) { return a->rank == 5 && a->d[4] == 3; }

static enum fit fits(const struct npi_view *a, const struct npi_view *b, int class_index) {
    const int64_t n = npi_view_count(a), m = npi_view_count(b);
    const int last = b->rank - 1;
    if (is_bins(a) && (b->rank == 4 || b->rank == 5) && n > 0 && m % (n / 3) == 0 && m / (n / 3) > 1) { /* bins a joint */
        const int64_t channels = a->d[3] * (m / (n / 3)), first = b->rank == 5 ? b->d[1] * b->d[2] : b->d[1];
        return first == channels ? VOLUME_FIRST : b->d[last] == channels ? VOLUME_LAST : NO_FIT;
    }
    if (n != m) return a->rank == b->rank && last >= 0 && a->d[last] == 1 && b->d[last] > class_index && n * b->d[last] == m ? COLUMN : NO_FIT;
    if (a->rank == 4 && b->rank == 4 && !npi_view_same_shape(a, b)) {
        if (a->d[1] == b->d[2] && a->d[2] == b->d[3] && a->d[3] == b->d[1]) return CHANNELS_FIRST; /* b is [n][c][h][w] */
        if (a->d[1] == b->d[3] && a->d[2] == b->d[1] && a->d[3] == b->d[2]) return CHANNELS_LAST;
        return NO_FIT;
    }
    return SAME;
}

static size_t index_in(const struct npi_view *a, const struct npi_view *b, enum fit f, int class_index, size_t i) {
    if (f == COLUMN) return i * (size_t)b->d[b->rank - 1] + (size_t)class_index;
    if (f == SAME) return i;
    const size_t inner = (size_t)a->d[3], mid = (size_t)a->d[2], outer = (size_t)a->d[1];
    const size_t z = i % inner, y = i / inner % mid, x = i / inner / mid % outer, n = i / inner / mid / outer, whole = n * outer * mid * inner;
    return f == CHANNELS_FIRST ? whole + (z * outer + x) * mid + y : whole + (y * inner + z) * outer + x;
}

/* The largest of a joint's bins in b; i: the maximum's number in a. */
static double largest(const struct npi_view *a, const struct npi_view *b, const void *pb, enum fit f, size_t i) {
    const size_t joints = (size_t)a->d[3], cells = (size_t)(a->d[1] * a->d[2]), bins = (size_t)npi_view_count(b) / ((size_t)npi_view_count(a) / 3);
    const size_t joint = i / 3 % joints, cell = i / 3 / joints % cells, batch = i / 3 / joints / cells;
    double most = -INFINITY;
    for (size_t k = 0; k < bins; k++) {
        const size_t channel = joint * bins + k;
        const double v = number_at(b, pb, f == VOLUME_FIRST ? (batch * joints * bins + channel) * cells + cell : (batch * cells + cell) * joints * bins + channel);
        if (!(v <= most)) most = v;
    }
    return most;
}

static int find_output(const struct npi_trial *t, const struct np_tensor_info *name, const struct npi_view *a, int class_index, unsigned used) {
    struct np_tensor_info x;
    for (int i = 0; i < t->face->n_out; i++)
        if (!(used >> i & 1) && npi_engine_info(t->engine, 1, i, &x) == 0 && *x.name && !strcmp(x.name, name->name) &&
            fits(a, &t->face->out[i], class_index)) return i;
    int found = -1;
    for (int i = 0; i < t->face->n_out; i++)
        if (!(used >> i & 1) && fits(a, &t->face->out[i], class_index)) found = found < 0 ? i : -2;
    return found;
}

static int is_q8(const struct npi_trial *t) {
    const int d = t->face->in.dtype;
    if (d == NP_U8 || d == NP_I8) return 1;
    for (int i = 0; i < t->face->n_out; i++)
        if (t->face->out[i].dtype == NP_U8 || t->face->out[i].dtype == NP_I8) return 1;
    return 0;
}

/* Root mean square of the difference of two outputs, relative to the first; to `floor` where that is less. */
static double difference(const struct npi_view *a, const void *pa, const struct npi_view *b, const void *pb, enum fit f, int class_index, double floor) {
    double diff = 0, size = 0;
    const size_t step = is_bins(a) ? 3 : 1;
    const double least = floor * floor * (double)npi_view_count(a) / (double)step;
    for (size_t e = 0; e < (size_t)npi_view_count(a); e += step) {
        const double p = number_at(a, pa, e);
        const double q = f == VOLUME_FIRST || f == VOLUME_LAST ? largest(a, b, pb, f, e) : number_at(b, pb, index_in(a, b, f, class_index, e));
        diff += (p - q) * (p - q);
        size += p * p;
    }
    return sqrt(diff / ((size > least ? size : least) + 1e-9));
}

int npi_trial_compare(struct npi_trial *t, const struct npi_trial *native, int class_index, struct np_error *err) {
    unsigned used = 0;
    const int restless = t->error == -2;
    t->error = -1;
    for (int i = 0; native && i < native->face->n_out; i++) {
        const struct npi_view *const a = &native->face->out[i];
        struct np_tensor_info x;
        npi_engine_info(native->engine, 1, i, &x);
        const int k = find_output(t, &x, a, class_index, used);
        if (k < 0) continue;
        const struct npi_view *const b = &t->face->out[k];
        const enum fit f = fits(a, b, class_index);
        used |= 1u << k;
        const double error = difference(a, npi_run_output(native->run, i), b, npi_run_output(t->run, k), f, class_index, 0);
        if (!(error <= t->error)) t->error = error;
        const double bound = is_q8(native) || is_q8(t) ? BOUND_Q8 : BOUND_F32;
        if (!(error <= bound))
            return npi_fail(err, NP_EBACKEND, "self-test: output '%s' differs from our own by %.3g %% (bound %g %%)", x.name, error * 100,
                            bound * 100);
    }
    if (t->error < 0 && restless) return npi_fail(err, NP_EBACKEND, "self-test: two runs on the same picture gave different numbers");
    return 0;
}

static int joints(const struct npi_trial *t, struct npi_pose *p, struct np_error *err) {
    const void *out[NPI_MAX_OUTPUTS];
    struct npi_decoder *d = NULL;
    const int r = npi_decoder_open(&d, &t->face->card, t->face->out, t->face->n_out, t->face->in.width, t->face->in.height, err);
    if (r < 0) return r;
    for (int i = 0; i < t->face->n_out; i++) out[i] = npi_run_output(t->run, i);
    npi_decode_pose(d, out, 0, p);
    npi_decoder_free(&d);
    return 0;
}

int npi_trial_compare_joints(struct npi_trial *t, const struct npi_trial *native, struct np_error *err) {
    if (t->face->card.task != NPI_TASK_POSE) return 0;
    struct npi_pose *const p = npi_alloc(2 * sizeof *p);
    int r = p ? 0 : npi_fail(err, NP_ENOMEM, "out of memory");
    if (r >= 0 && (r = joints(native, &p[0], err)) >= 0 && (r = joints(t, &p[1], err)) >= 0) {
        const float far = 0.05f * (float)t->face->in.width;
        int apart = 0;
        for (int i = 0; i < p[0].n && i < p[1].n; i++) apart += !(fabsf(p[0].joint[i].x - p[1].joint[i].x) <= far &&
                                                                  fabsf(p[0].joint[i].y - p[1].joint[i].y) <= far);
        if (p[0].n != p[1].n || 2 * apart > p[0].n)
            r = npi_fail(err, NP_EBACKEND, "self-test: of %d joints %d lie elsewhere than with our own engine; are its outputs in another order?",
                         p[0].n, apart);
    }
    npi_free(p);
    return r;
}

int npi_trial_tolerates(struct npi_engine *coarse, struct npi_engine *fine, unsigned cpu, char *why, size_t size) {
    struct npi_trial a, b;
    struct np_error e = { 0 };
    struct npi_pose *const p = npi_alloc(2 * sizeof *p);
    double far = 0, error = 0;
    int opened = 0;
    if (p && npi_trial_open(&a, coarse, NULL, cpu, &e) >= 0) opened = 1;
    if (opened && npi_trial_open(&b, fine, NULL, cpu, &e) >= 0) opened = 2;
    int r = opened == 2 ? 0 : NP_ENOMEM;
    for (int i = 0; r == 0 && i < b.face->n_out; i++) {
        const double d = difference(&b.face->out[i], npi_run_output(b.run, i), &a.face->out[i], npi_run_output(a.run, i), SAME, 0, 0.05);
        if (!(d <= error)) error = d;
    }
    if (r == 0 && b.face->card.task == NPI_TASK_POSE && (r = joints(&a, &p[0], &e)) >= 0 && (r = joints(&b, &p[1], &e)) >= 0)
        for (int i = 0; i < p[0].n; i++) {
            const double x = (double)(p[0].joint[i].x - p[1].joint[i].x), y = (double)(p[0].joint[i].y - p[1].joint[i].y), d = sqrt(x * x + y * y);
            if (!(d <= far)) far = d;
        }
    const int ok = r == 0 && error <= BOUND_COARSE && far <= JOINT_COARSE * (double)b.face->in.width;
    if (r < 0) snprintf(why, size, "%s", *e.message ? e.message : "out of memory");
    else snprintf(why, size, "outputs differ by %.2g %%, joints by %.2g px of %d (bounds %g %%, %g px)", error * 100, far, b.face->in.width, BOUND_COARSE * 100, JOINT_COARSE * b.face->in.width);
    if (opened > 1) npi_trial_close(&b);
    if (opened) npi_trial_close(&a);
    npi_free(p);
    return ok;
}

void npi_trial_time(struct npi_trial *const *t, int n, struct np_pool *pool, double *ms) {
    double all[ROUNDS][8];
    int rounds = 0;
    const int64_t start = npi_now_ns();
    while (rounds < ROUNDS && (rounds < 3 || npi_now_ns() - start < BUDGET_NS)) {
        for (int i = 0; i < n && i < 8; i++) {
            const int64_t t0 = npi_now_ns();
            npi_run_go(t[i]->run, pool, NULL);
            all[rounds][i] = (double)(npi_now_ns() - t0) * 1e-6;
        }
        rounds++;
    }
    for (int i = 0; i < n && i < 8; i++) {
        for (int a = 1; a < rounds; a++)
            for (int b = a; b > 0 && all[b][i] < all[b - 1][i]; b--) {
                const double x = all[b][i];
                all[b][i] = all[b - 1][i];
                all[b - 1][i] = x;
            }
        ms[i] = all[rounds / 2][i];
    }
}
