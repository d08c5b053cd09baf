/* SPDX-License-Identifier: Apache-2.0 */
/* The f32 depthwise convolution against a double sum over unpacked weights; bound as in check_gemm_f32.c. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"

/* Written from the definition, not from the C kernel: pads by asking, weights [kh][kw][c]. */
static void reference(const struct npi_dwconv_f32_job *j, const float *w, const float *bias, float *want, float *bound) {
    for (int oy = j->y0; oy < j->y1; oy++)
        for (int ox = 0; ox < j->ow; ox++)
            for (int c = j->c0; c < j->c1; c++) {
                double s = bias[c], mag = fabs(s);
                for (int ky = 0; ky < j->kh; ky++)
                    for (int kx = 0; kx < j->kw; kx++) {
                        const int y = oy * j->sh - j->pt + ky * j->dh, x = ox * j->sw - j->pl + kx * j->dw;
                        if (y < 0 || y >= j->h || x < 0 || x >= j->w) continue;
                        const double p = (double)j->x[(y * j->w + x) * j->ldx + c] * w[(ky * j->kw + kx) * j->c + c];
                        s += p;
                        mag += fabs(p);
                    }
                const int o = (oy * j->ow + ox) * j->c + c;
                const float r = j->res ? j->res[o] : 0;
                if (j->res_before_act) s += r, mag += fabs(r);
                float y = npi_kact_c(&j->act, (float)s);
                double b = 1.13 * (j->kh * j->kw + 4) * (double)FLT_EPSILON * mag + 4 * (double)FLT_EPSILON * (fabs(y) + 1);
                if (!j->res_before_act) y += r, b += (double)FLT_EPSILON * (fabs(r) + fabs(y));
                want[o] = y;
                bound[o] = (float)(2 * b);
            }
}

static void one(struct ck *c, const struct npi_dwconv_f32 *d, struct npi_dwconv_f32_job j, int with_res) {
    ck_case(c, "%dx%dx%d of %d k=%dx%d s=%d,%d d=%d,%d pad=%d,%d act=%d res=%d rows %d..%d channels %d..%d", j.h, j.w, j.c, j.ldx, j.kh, j.kw, j.sh, j.sw, j.dh, j.dw, j.pt, j.pl,
            j.act.kind, with_res, j.y0, j.y1, j.c0, j.c1);
    const size_t in = (size_t)((j.h * j.w - 1) * j.ldx + j.c), out = (size_t)(j.oh * j.ow * j.c), taps = (size_t)(j.kh * j.kw), cp = npi_align_up((size_t)j.c, (size_t)d->vl);
    float *x = ck_in(c, in * 4, 4), *w = ck_in(c, taps * (size_t)j.c * 4, 4), *bias = ck_in(c, (size_t)j.c * 4, 4), *res = ck_in(c, out * 4, 4);
    float *pw = ck_in(c, taps * cp * 4, 64), *pb = ck_in(c, cp * 4, 64), *y = ck_out(c, out * 4, 4), *want = ck_in(c, out * 4, 4), *bound = ck_in(c, out * 4, 4);
    ck_fill_f32(c, x, in, CK_ANY);
    ck_fill_f32(c, w, taps * (size_t)j.c, CK_NORMAL);
    ck_fill_f32(c, bias, (size_t)j.c, CK_NORMAL);
    ck_fill_f32(c, res, out, CK_NORMAL);
    npi_dwconv_f32_pack(d, pw, w, (int)taps, j.c);
    npi_dwconv_f32_pack(d, pb, bias, 1, j.c);
    j.x = x;
    j.y = y;
    j.wgt = pw;
    j.bias = pb;
    j.res = with_res ? res : NULL;
    memcpy(want, y, out * 4); /* rows and channels of other jobs must stay */
    reference(&j, w, bias, want, bound);
    d->run(&j);
    ck_near_f32(c, y, want, out, bound, 0);
}

static void check(struct ck *c) {
    const struct npi_dwconv_f32 *d = &c->k->dwconv_f32;
    if (!ck_fn(c, d->name, d->run, c->ref->dwconv_f32.run)) return;
    for (int round = 0; round < 700; round++) {
        static const int ks[] = { 3, 3, 5, 5, 7, 7, 1, 2, 4, 9 };
        struct npi_dwconv_f32_job j = { .h = ck_range(c, 1, 20), .w = ck_range(c, 1, round % 4 ? 24 : 70), .c = ck_range(c, 1, 70), .kh = ks[ck_range(c, 0, 9)],
                                        .sh = ck_range(c, 1, 2), .dh = 1, .dw = 1, .act = { ck_range(c, 0, 1) ? ck_range(c, 0, 7) : 1, .1f, .9f } };
        j.kw = round % 5 ? j.kh : ks[ck_range(c, 0, 9)];
        j.sw = round % 7 ? j.sh : ck_range(c, 1, 3);
        if (round % 6 == 0) j.dh = ck_range(c, 1, 3), j.dw = ck_range(c, 1, 3);
        if (round % 3 == 0) j.c = 8 * ck_range(c, 1, 8);
        j.pt = ck_range(c, 0, (j.kh - 1) * j.dh);
        j.pl = round % 2 ? (j.kw - 1) * j.dw / 2 : ck_range(c, 0, (j.kw - 1) * j.dw);
        /* bottom and right pads of 0 to one window */
        j.oh = (j.h + j.pt + ck_range(c, 0, j.kh) - (j.kh - 1) * j.dh - 1) / j.sh + 1;
        j.ow = (j.w + j.pl + (round % 2 ? (j.kw - 1) * j.dw / 2 : ck_range(c, 0, j.kw)) - (j.kw - 1) * j.dw - 1) / j.sw + 1;
        if (j.oh < 1 || j.ow < 1) continue;
        j.y0 = ck_range(c, 0, j.oh - 1);
        j.y1 = ck_range(c, j.y0 + 1, j.oh);
        j.c0 = j.c > d->vl && round % 3 == 0 ? d->vl : 0;
        j.c1 = j.c;
        j.ldx = j.c + (round % 4 == 1 ? ck_range(c, 1, 40) : 0);
        const int res = ck_range(c, 0, 3) == 0;
        j.res_before_act = res && ck_range(c, 0, 1);
        one(c, d, j, res);
    }
}

struct bench { const struct npi_dwconv_f32 *d; struct npi_dwconv_f32_job j; };
static void call(void *arg) {
    const struct bench *b = arg;
    b->d->run(&b->j);
}

static void bench(struct ck *c) {
    const struct npi_dwconv_f32 *d = &c->k->dwconv_f32;
    struct ck_shape s;
    if (!ck_bench_fn(c, d->run)) return;
    for (int pos = 0; ck_shape(c, "dwconv_f32", &s, &pos);) {
        ck_case(c, "%s", s.name);
        const int h = ck_get(&s, "h", 16), w = ck_get(&s, "w", h), ch = ck_get(&s, "c", 64), k = ck_get(&s, "k", 3), st = ck_get(&s, "s", 1);
        const int oh = (h + st - 1) / st, ow = (w + st - 1) / st;
        const size_t cp = npi_align_up((size_t)ch, 16);
        float *x = ck_in(c, (size_t)(h * w * ch) * 4, 64), *pw = ck_in(c, (size_t)(k * k) * cp * 4, 64), *pb = ck_in(c, cp * 4, 64);
        float *y = ck_out(c, (size_t)(oh * ow * ch) * 4, 64);
        ck_fill_f32(c, x, (size_t)(h * w * ch), CK_NORMAL);
        ck_fill_f32(c, pw, (size_t)(k * k) * cp, CK_NORMAL);
        struct bench b = { d, { .x = x, .h = h, .w = w, .c = ch, .ldx = ch, .y = y, .oh = oh, .ow = ow, .wgt = pw, .bias = pb, .kh = k, .kw = k, .sh = st, .sw = st, .dh = 1, .dw = 1,
                                .pt = (k - st + 1) / 2, .pl = (k - st + 1) / 2, .y1 = oh, .c1 = ch, .act = { ck_get(&s, "act", NPI_KACT_CLAMP), 0, 6 } } };
        ck_bench(c, "dwconv_f32", s.name, call, &b, 2. * oh * ow * ch * k * k);
    }
}

const struct ck_family ck_dwconv_f32 = { "dwconv_f32", check, bench };
