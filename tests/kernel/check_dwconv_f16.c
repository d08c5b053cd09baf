/* SPDX-License-Identifier: Apache-2.0 */
/* The depthwise convolution in halves against double sums over unpacked weights.
 *
 * First of the same rounded operands. Each of the `taps` sums rounds once to binary16: to 2^-11 of a sum that is never larger than the sum of magnitudes M, grown by the roundings
 * before it, or to 2^-25 where it is subnormal; a level that rounds to binary32 first adds 2^-24 of M each time. Hence taps * (2^-11 + 2^-24) * M * 1.03 + taps * 2^-25, all times the
 * channel's scale, and the roundings of scale, bias and activation in binary32.
 *
 * Then of the floats as they were given: the operands lose 2^-11 of themselves, or 2^-25 where they are subnormal. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "check.h"

static double half(double x) { return (double)npi_f16_to_f32(npi_f64_to_f16(x > 65504 ? 65504 : x < -65504 ? -65504 : x)); }

/* Written from the definition. bounded: x at +-65504. scale: of the channels, checked by the caller. */
static void reference(const struct npi_dwconv_f32_job *j, const float *w, const float *bias, const float *scale, int exact, float *want, float *bound) {
    for (int oy = j->y0; oy < j->y1; oy++)
        for (int ox = 0; ox < j->ow; ox++)
            for (int c = j->c0; c < j->c1; c++) {
                const double sc = (double)scale[c];
                double s = 0, mag = 0, lost = 0;
                int taps = 0;
                for (int ky = 0; ky < j->kh; ky++)
                    for (int kx = 0; kx < j->kw; kx++) {
                        const int y = oy * j->sh - j->pt + ky, x = ox * j->sw - j->pl + kx;
                        if (y < 0 || y >= j->h || x < 0 || x >= j->w) continue;
                        double a = (double)j->x[(y * j->w + x) * j->ldx + c], b = (double)w[(ky * j->kw + kx) * j->c + c] / sc;
                        const double ha = half(a), hb = half(b);
                        if (exact) lost += fabs(a * b) * 2.001 * 0x1p-11 + fabs(a) * 0x1p-25 + fabs(b) * 0x1p-25;
                        s += exact ? a * b : ha * hb;
                        mag += fabs(ha * hb);
                        taps++;
                    }
                const int o = (oy * j->ow + ox) * j->c + c;
                const double err = sc * (taps * ((0x1p-11 + 0x1p-24) * 1.03 * mag + 0x1p-25) + lost), sum = s * sc + (double)bias[c];
                const float r = j->res ? j->res[o] : 0;
                double b = err + 2 * (double)FLT_EPSILON * (fabs(s * sc) + fabs((double)bias[c]) + (double)FLT_MIN);
                const double in = j->res && j->res_before_act ? sum + (double)r : sum;
                if (j->res && j->res_before_act) b += (double)FLT_EPSILON * (fabs(in) + fabs((double)r));
                float y = npi_kact_c(&j->act, (float)in);
                b = 1.13 * b + 4 * (double)FLT_EPSILON * (fabs((double)y) + 1); /* 1.13: the steepest activation, GELU */
                if (j->res && !j->res_before_act) y += r, b += (double)FLT_EPSILON * (fabs((double)r) + fabs((double)y));
                want[o] = y;
                bound[o] = (float)(b * (1 + 1e-6));
            }
}

static void one(struct ck *c, const struct npi_dwconv_f16 *d, struct npi_dwconv_f32_job j, int with_res, int values) {
    ck_case(c, "%dx%dx%d of %d k=%dx%d s=%d,%d pad=%d,%d act=%d res=%d rows %d..%d channels %d..%d", j.h, j.w, j.c, j.ldx, j.kh, j.kw, j.sh, j.sw, j.pt, j.pl, j.act.kind, with_res, j.y0, j.y1,
            j.c0, j.c1);
    const size_t in = (size_t)((j.h * j.w - 1) * j.ldx + j.c), out = (size_t)(j.oh * j.ow * j.c), taps = (size_t)(j.kh * j.kw), cp = npi_align_up((size_t)j.c, (size_t)d->vl);
    float *x = ck_in(c, in * 4, 4), *w = ck_in(c, taps * (size_t)j.c * 4, 4), *bias = ck_in(c, cp * 4, 64), *res = ck_in(c, out * 4, 4), *scale = ck_out(c, cp * 4, 64);
    float *y = ck_out(c, out * 4, 4), *want = ck_in(c, out * 4, 4), *bound = ck_in(c, out * 4, 4);
    uint16_t *packed = ck_out(c, taps * cp * 2, 64), *rows = ck_out(c, npi_dwconv_f16_scratch(d, &j), 64);
    ck_fill_f32(c, x, in, values);
    ck_fill_f32(c, w, taps * (size_t)j.c, values == CK_WIDE ? CK_WIDE : CK_NORMAL);
    ck_fill_f32(c, bias, (size_t)j.c, CK_NORMAL);
    ck_fill_f32(c, res, out, CK_NORMAL);
    if (!npi_dwconv_f16_pack(d, packed, scale, w, (int)taps, j.c)) ck_fail(c, "weights of a normal size are refused");
    for (int i = 0; i < j.c; i++) {
        double sum = 0;
        int e;
        for (size_t t = 0; t < taps; t++) sum += fabs((double)w[t * (size_t)j.c + (size_t)i]);
        if (frexp((double)scale[i], &e) != .5 || (sum > 0 && (sum / (double)scale[i] > .5 || sum / (double)scale[i] < .249))) ck_fail(c, "channel %d: scale %g for weights of %g", i, (double)scale[i], sum);
    }
    j.x = x;
    j.y = y;
    j.bias = bias;
    j.res = with_res ? res : NULL;
    const struct npi_dwconv_f16_job job = { .f = j, .wgt = packed, .scale = scale, .rows = rows };
    for (int exact = 0; exact < 2; exact++) {
        if (exact && values == CK_WIDE) continue; /* beyond 65504 a half is another number */
        memcpy(want, y, out * 4); /* rows and channels of other jobs must stay */
        reference(&j, w, bias, scale, exact, want, bound);
        d->run(&job);
        ck_near_f32(c, y, want, out, bound, 0);
    }
}

/* A NaN and an infinity stay where the window is: the first NaN, the second the largest half. */
static void specials(struct ck *c, const struct npi_dwconv_f16 *d) {
    enum { SIDE = 24, C = 9, K = 5 };
    ck_case(c, "inf and NaN");
    const size_t cp = npi_align_up(C, (size_t)d->vl);
    float *x = ck_in(c, SIDE * SIDE * C * 4, 4), *w = ck_in(c, K * K * C * 4, 4), *bias = ck_in(c, cp * 4, 64), *scale = ck_in(c, cp * 4, 64);
    float *y = ck_out(c, SIDE * SIDE * C * 4, 4), *want = ck_in(c, SIDE * SIDE * C * 4, 4), *bound = ck_in(c, SIDE * SIDE * C * 4, 4);
    struct npi_dwconv_f32_job j = { .x = x, .h = SIDE, .w = SIDE, .c = C, .ldx = C, .y = y, .oh = SIDE, .ow = SIDE, .bias = bias, .kh = K, .kw = K, .sh = 1, .sw = 1, .dh = 1, .dw = 1,
                                    .pt = 2, .pl = 2, .y1 = SIDE, .c1 = C };
    uint16_t *packed = ck_in(c, (size_t)(K * K) * cp * 2, 64), *rows = ck_out(c, npi_dwconv_f16_scratch(d, &j), 64);
    for (int i = 0; i < K * K * C; i++) w[i] = .25f;
    x[(5 * SIDE + 6) * C + 2] = NAN;
    x[(15 * SIDE + 16) * C + 8] = INFINITY;
    npi_dwconv_f16_pack(d, packed, scale, w, K * K, C);
    for (int oy = 0; oy < SIDE; oy++)
        for (int ox = 0; ox < SIDE; ox++) {
            if (abs(oy - 5) <= 2 && abs(ox - 6) <= 2) want[(oy * SIDE + ox) * C + 2] = NAN;
            if (abs(oy - 15) <= 2 && abs(ox - 16) <= 2) want[(oy * SIDE + ox) * C + 8] = 65504 * .25f;
        }
    for (int i = 0; i < SIDE * SIDE * C; i++) bound[i] = 0x1p-11f * fabsf(want[i]); /* 65504 / 4 over the scale is one half away from a whole number of steps at most */
    d->run(&(struct npi_dwconv_f16_job){ .f = j, .wgt = packed, .scale = scale, .rows = rows });
    ck_near_f32(c, y, want, SIDE * SIDE * C, bound, 0);
    w[3 * C + 1] = INFINITY;
    if (npi_dwconv_f16_pack(d, packed, scale, w, K * K, C)) ck_fail(c, "an infinite weight is taken");
    w[3 * C + 1] = NAN;
    if (npi_dwconv_f16_pack(d, packed, scale, w, K * K, C)) ck_fail(c, "a weight that is NaN is taken");
}

static void check(struct ck *c) {
    const struct npi_dwconv_f16 *d = &c->k->dwconv_f16;
    if (!ck_fn(c, d->name, d->run, c->ref->dwconv_f16.run)) return;
    specials(c, d);
    for (int round = 0; round < 400; round++) {
        struct npi_dwconv_f32_job j = { .h = ck_range(c, 1, 20), .w = ck_range(c, 1, round % 4 ? 24 : 70), .c = ck_range(c, 1, 100), .kw = ck_range(c, 0, 1) ? 5 : 7,
                                        .sh = ck_range(c, 1, 2), .dh = 1, .dw = 1, .act = { ck_range(c, 0, 1) ? ck_range(c, 0, 7) : 1, .1f, .9f } };
        j.kh = round % 5 ? j.kw : ck_range(c, 4, 7);
        j.sw = round % 7 ? j.sh : ck_range(c, 1, 2);
        if (round % 3 == 0) j.c = 8 * ck_range(c, 1, 12);
        j.pt = ck_range(c, 0, j.kh - 1);
        j.pl = round % 2 ? (j.kw - 1) / 2 : ck_range(c, 0, j.kw - 1);
        /* bottom and right pads of 0 to one window */
        j.oh = (j.h + j.pt + ck_range(c, 0, j.kh) - j.kh) / j.sh + 1;
        j.ow = (j.w + j.pl + (round % 2 ? (j.kw - 1) / 2 : ck_range(c, 0, j.kw)) - j.kw) / j.sw + 1;
        if (j.h + j.pt < j.kh || j.w + j.pl < j.kw || j.oh < 1 || j.ow < 1 || !npi_dwconv_f16_takes(&j)) continue;
        j.y0 = ck_range(c, 0, j.oh - 1);
        j.y1 = ck_range(c, j.y0 + 1, j.oh);
        j.c0 = j.c > d->vl && round % 3 == 0 ? d->vl : 0;
        j.c1 = j.c;
        j.ldx = j.c + (round % 4 == 1 ? ck_range(c, 1, 40) : 0);
        const int res = ck_range(c, 0, 3) == 0, values = ck_range(c, 0, 3) ? CK_NORMAL : ck_range(c, 0, 1) ? CK_WIDE : CK_DENORM;
        j.res_before_act = res && ck_range(c, 0, 1);
        one(c, d, j, res, values);
    }
}

struct bench { const struct npi_dwconv_f16 *d; struct npi_dwconv_f16_job j; };
static void call(void *arg) {
    const struct bench *b = arg;
    b->d->run(&b->j);
}

static void bench(struct ck *c) {
    const struct npi_dwconv_f16 *d = &c->k->dwconv_f16;
    struct ck_shape s;
    if (!ck_bench_fn(c, d->run)) return;
    for (int pos = 0; ck_shape(c, "dwconv_f16", &s, &pos);) {
        ck_case(c, "%s", s.name);
        const int h = ck_get(&s, "h", 16), ch = ck_get(&s, "c", 64), k = ck_get(&s, "k", 7);
        const size_t cp = npi_align_up((size_t)ch, (size_t)d->vl), map = (size_t)(h * h * ch);
        float *x = ck_in(c, map * 4, 64), *w = ck_in(c, (size_t)(k * k * ch) * 4, 64), *bias = ck_in(c, cp * 4, 64), *scale = ck_in(c, cp * 4, 64), *y = ck_out(c, map * 4, 64);
        ck_fill_f32(c, x, map, CK_NORMAL);
        ck_fill_f32(c, w, (size_t)(k * k * ch), CK_NORMAL);
        struct bench b = { d, { .f = { .x = x, .h = h, .w = h, .c = ch, .ldx = ch, .y = y, .oh = h, .ow = h, .bias = bias, .kh = k, .kw = k, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pt = k / 2,
                                       .pl = k / 2, .y1 = h, .c1 = ch, .act = { ck_get(&s, "act", NPI_KACT_CLAMP), 0, 6 } }, .scale = scale } };
        uint16_t *packed = ck_in(c, (size_t)(k * k) * cp * 2, 64);
        npi_dwconv_f16_pack(d, packed, scale, w, k * k, ch);
        b.j.wgt = packed;
        b.j.rows = ck_in(c, npi_dwconv_f16_scratch(d, &b.j.f), 64);
        ck_bench(c, "dwconv_f16", s.name, call, &b, 2. * h * h * ch * k * k);
    }
}

const struct ck_family ck_dwconv_f16 = { "dwconv_f16", check, bench };
