/* SPDX-License-Identifier: Apache-2.0 */
/* Soft-argmax over a volume (ConvNeXtPose): [b][J*D][h][w], [b][h][w][J*D] or [b][J][D][h][w]; channel = joint * D + bin; or what our own engine has left of it
 * (SoftBins), [b][h][w][J][3]. For each joint
 * softmax over all D*h*w voxels; the expected x, y, bin are the place. x and y are pixel numbers of the grid: place = x / w * net_w + .5.
 * Depth = (bin / D * 2 - 1) * range, in metres, minus the root's.
 *
 * The net gives no confidence. We take the probability mass within an eighth of the grid (5 cells of 32) about the place, over x and y:
 * 1 when the net has one sharp answer, small when it hesitates between two places, near 25 / 1024 when it knows nothing. How often such
 * an answer is right differs from net to net: a card may say it (conf_gain, conf_bias). */
#include "decode/heads.h"

#include <stdio.h>

enum { CHW, HWC, BINS };

/* e^x for x <= 0, relative error below 3e-7: 2^n times a polynomial, without branches or calls, so that the loops below vectorise. */
static inline float fast_exp(float x) {
    const float t = (x > -87.f ? x : -87.f) * 1.44269504f; /* NaN counts as -87 */
    const int32_t n = (int32_t)(t - .5f); /* t <= 0: truncation rounds to nearest */
    const float f = (t - (float)n) * .693147181f; /* |f| <= .35 */
    const float p = 1.f + f * (1.f + f * (.5f + f * (.166666667f + f * (.0416666679f + f * (.00833333377f + f * .00138888892f)))));
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static int init(struct npi_decoder *d, struct np_error *err) {
    const int64_t j = d->n_joints;
    int64_t bins = 0, h = 0, w = 0;
    for (int i = 0; i < d->n_out && d->pick[0] < 0; i++) {
        const struct npi_view *v = &d->out[i];
        const int64_t *s = v->d;
        if (v->dtype != NP_F32) continue;
        if (v->rank == 5 && s[3] == j && s[4] == 3 && d->card.dec.depth_bins > 1) { d->form = BINS; bins = d->card.dec.depth_bins; h = s[1]; w = s[2]; }
        else if (v->rank == 5 && s[1] == j) { d->form = CHW; bins = s[2]; h = s[3]; w = s[4]; }
        else if (v->rank == 4 && s[3] % j == 0 && s[3] / j >= 2 && (s[1] % j || s[3] > s[1])) { d->form = HWC; h = s[1]; w = s[2]; bins = s[3] / j; }
        else if (v->rank == 4 && s[1] % j == 0 && s[1] / j >= 2) { d->form = CHW; bins = s[1] / j; h = s[2]; w = s[3]; }
        else continue;
        d->pick[0] = i;
    }
    const int asked = d->card.dec.depth_bins;
    if (d->pick[0] < 0 || h < 1 || w < 1 || bins < 2 || (asked && asked != bins)) {
        char want[96];
        snprintf(want, sizeof want, asked ? "an f32 volume of %d joints x %d bins," : "an f32 volume of %d joints x bins,", d->n_joints, asked);
        return npi_pick_fail(d, want, err);
    }
    d->volume = d->form == CHW ? NPI_VOLUME_CHW : d->form == HWC ? NPI_VOLUME_HWC : NPI_VOLUME_NONE;
    d->rows = (int)h;
    d->cols = (int)w;
    d->bins = (int)bins;
    d->work = npi_arena_array(&d->mem, float, (size_t)(h * w) * (size_t)j + 4 * (size_t)j);
    return d->work ? 0 : npi_fail(err, NP_ENOMEM, "%s: out of memory", d->card.id);
}

static float row_max(const float *v, int n) {
    float m = v[0];
    for (int i = 1; i < n; i++) m = v[i] > m ? v[i] : m;
    return m;
}

/* Sums of e^(v - max) and of that times i. The lanes are written out: the compiler may not reorder float sums by itself. */
static void row_sums(const float *v, int n, float max, float *sum, float *sum_i) {
    float s[8] = { 0 }, t[8] = { 0 };
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) {
            const float e = fast_exp(v[i + k] - max);
            s[k] += e;
            t[k] += e * (float)(i + k);
        }
    for (; i < n; i++) {
        const float e = fast_exp(v[i] - max);
        s[0] += e;
        t[0] += e * (float)i;
    }
    *sum = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
    *sum_i = ((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7]));
}

/* m[i] += e^(v[i] - max); returns the sum of what was added. */
static float add_exp(float *m, const float *v, int n, float max) {
    float s[8] = { 0 };
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) {
            const float e = fast_exp(v[i + k] - max);
            m[i + k] += e;
            s[k] += e;
        }
    for (; i < n; i++) {
        const float e = fast_exp(v[i] - max);
        m[i] += e;
        s[0] += e;
    }
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Channels-last: bins of a joint are a row; mass[j][cell] = sum over bins, ez[j] += bin sums. */
static void scan_hwc(const float *v, int joints, int bins, int cells, float *max, float *ez, float *mass) {
    for (int j = 0; j < joints; j++) max[j] = v[(size_t)j * (size_t)bins];
    for (int c = 0; c < cells; c++)
        for (int j = 0; j < joints; j++) {
            const float m = row_max(v + ((size_t)c * (size_t)joints + (size_t)j) * (size_t)bins, bins);
            max[j] = m > max[j] ? m : max[j];
        }
    for (int c = 0; c < cells; c++)
        for (int j = 0; j < joints; j++) {
            float s, t;
            row_sums(v + ((size_t)c * (size_t)joints + (size_t)j) * (size_t)bins, bins, max[j], &s, &t);
            mass[(size_t)j * (size_t)cells + (size_t)c] = s;
            ez[j] += t;
        }
}

/* Channels-first: one bin of a joint is a picture. */
static void scan_chw(const float *v, int joints, int bins, int cells, float *max, float *ez, float *mass) {
    const size_t n = (size_t)bins * (size_t)cells;
    for (int j = 0; j < joints; j++) {
        const float *p = v + (size_t)j * n;
        float *m = mass + (size_t)j * (size_t)cells;
        max[j] = p[0];
        for (int b = 0; b < bins; b++) {
            const float x = row_max(p + (size_t)b * (size_t)cells, cells);
            max[j] = x > max[j] ? x : max[j];
        }
        memset(m, 0, (size_t)cells * sizeof *m);
        for (int b = 0; b < bins; b++) ez[j] += (float)b * add_exp(m, p + (size_t)b * (size_t)cells, cells, max[j]);
    }
}

/* What SoftBins left of each joint's bins in a cell (max, sum, sum of bin): the volume's numbers are in sums already, relative to the cell's maximum. */
static void scan_bins(const float *v, int joints, int bins, int cells, float *max, float *ez, float *mass) {
    for (int j = 0; j < joints; j++) max[j] = v[3 * j];
    for (int c = 0; c < cells; c++)
        for (int j = 0; j < joints; j++) {
            const float m = v[3 * ((size_t)c * (size_t)joints + (size_t)j)];
            max[j] = m > max[j] ? m : max[j];
        }
    for (int j = 0; j < joints; j++) {
        const float *p = v + 3 * j;
        for (int c = 0; c < cells; c++, p += 3 * (size_t)joints) {
            const float e = fast_exp(p[0] - max[j]);
            mass[(size_t)j * (size_t)cells + (size_t)c] = p[1] * e;
            ez[j] += p[2] * e;
        }
    }
}

/* Mean place and the mass about it. */
static void place(const float *mass, int h, int w, float *total, float *x, float *y, float *near) {
    float s = 0, sx = 0, sy = 0;
    for (int r = 0; r < h; r++) {
        float t = 0;
        for (int c = 0; c < w; c++) {
            t += mass[r * w + c];
            sx += mass[r * w + c] * (float)c;
        }
        s += t;
        sy += t * (float)r;
    }
    *total = s;
    *x = sx / s;
    *y = sy / s;
    *near = 0;
    if (!isfinite(*x) || !isfinite(*y)) return;
    const int rx = w / 16, ry = h / 16, cx = (int)lrintf(*x), cy = (int)lrintf(*y);
    for (int r = cy > ry ? cy - ry : 0; r <= cy + ry && r < h; r++)
        for (int c = cx > rx ? cx - rx : 0; c <= cx + rx && c < w; c++) *near += mass[r * w + c];
    *near /= s;
}

static float confidence(const struct npi_card_decoder *c, float near) {
    const float p = npi_clamp01(near);
    if (!(c->conf_gain > 0) || !(p > 0)) return p;
    const float q = p < 1e-6f ? 1e-6f : p > 1 - 1e-6f ? 1 - 1e-6f : p;
    return npi_sigmoid(c->conf_gain * logf(q / (1 - q)) + c->conf_bias);
}

static void pose(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p) {
    const int joints = d->n_joints, bins = d->bins, h = d->rows, w = d->cols, cells = h * w;
    const float *v = (const float *)out[d->pick[0]] + (size_t)item * (size_t)joints * (size_t)(d->form == BINS ? 3 : bins) * (size_t)cells;
    float *mass = d->work, *max = mass + (size_t)cells * (size_t)joints, *ez = max + joints;
    const float range_m = d->card.depth_range_mm / 1000;
    memset(ez, 0, (size_t)joints * sizeof *ez);
    (d->form == BINS ? scan_bins : d->form == HWC ? scan_hwc : scan_chw)(v, joints, bins, cells, max, ez, mass);
    float sum = 0;
    for (int j = 0; j < joints; j++) {
        struct npi_joint *o = &p->joint[j];
        float total, x, y, near;
        place(mass + (size_t)j * (size_t)cells, h, w, &total, &x, &y, &near);
        o->x = x / (float)w * (float)d->net_w + .5f;
        o->y = y / (float)h * (float)d->net_h + .5f;
        o->z = range_m > 0 ? (ez[j] / total / (float)bins * 2 - 1) * range_m : NAN;
        o->conf = confidence(&d->card.dec, near);
        sum += o->conf;
    }
    const int root = d->card.root == -2 ? d->set->root : d->card.root;
    if (root >= 0) {
        const float z = p->joint[root].z;
        for (int j = 0; j < joints; j++) p->joint[j].z -= z;
    }
    p->score = sum / (float)joints;
    p->z_metres = 1;
}

const struct npi_head npi_head_soft_argmax3d = { "soft_argmax3d", NPI_TASK_POSE, init, NULL, pose };
