/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution: rows of random windows, each level with its own packing; the bytes must be equal to C's. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"

struct shape { int h, w, c, kh, kw, sh, sw, dw, pt, pl, oh, ow; };

struct job {
    const struct npi_dwconv_q8 *d;
    struct npi_dwconv_q8_row r;
    struct shape s;
    const uint8_t *x;
    uint8_t *border;              /* a row */
    const uint8_t **px;
    uint8_t *y;
};

static int columns(const struct shape *s) { return (s->ow - 1) * s->sw + (s->kw - 1) * s->dw + 1; }

/* All output rows; builds the pointers of each row as the step does. */
static void run(void *arg) {
    struct job *j = arg;
    const struct shape *s = &j->s;
    for (int oy = 0; oy < s->oh; oy++) {
        for (int ky = 0; ky < s->kh && ky < 5; ky++) {
            const int y = oy * s->sh - s->pt + ky;
            j->r.line[ky] = y >= 0 && y < s->h ? j->x + (size_t)y * (size_t)(s->w * s->c) : j->border;
        }
        for (int col = 0; j->px && col < columns(s); col++)
            for (int ky = 0; ky < s->kh; ky++) {
                const int y = oy * s->sh - s->pt + ky, x = col - s->pl;
                j->px[col * s->kh + ky] = y >= 0 && y < s->h && x >= 0 && x < s->w ? j->x + ((size_t)y * (size_t)s->w + (size_t)x) * (size_t)s->c : j->border;
            }
        j->r.px = (const uint8_t *const *)j->px;
        j->r.y = j->y + (size_t)oy * (size_t)(s->ow * s->c);
        j->d->row(&j->r);
    }
}

static void one(struct ck *c, int wide, const struct shape *s) {
    const int xu = (int)(ck_rand(c) & 1), yu = (int)(ck_rand(c) & 1), wu = wide ? (int)(ck_rand(c) & 1) : 0, extreme = ck_range(c, 0, 7) == 0;
    const int32_t zw = wu ? ck_range(c, 0, 255) : 0;
    const int zx = ck_range(c, 0, 255) - (xu ? 0 : 128);
    ck_case(c, "%dx%dx%d kernel %dx%d stride %d,%d dilation %d pad %d,%d out %dx%d x %s zero %d w %s zero %d", s->h, s->w, s->c, s->kh, s->kw, s->sh, s->sw, s->dw,
            s->pt, s->pl, s->oh, s->ow, xu ? "u8" : "i8", zx, wu ? "u8" : "i8", zw);
    const size_t nx = (size_t)(s->h * s->w * s->c), nw = (size_t)(s->kh * s->kw * s->c), ny = (size_t)(s->oh * s->ow * s->c);
    uint8_t *x = ck_in(c, nx, 1), *w = ck_in(c, nw, 1), *border = ck_in(c, (size_t)(s->w * s->c), 1);
    int32_t *bias = ck_in(c, (size_t)s->c * 4, 4);
    float *scale = ck_in(c, (size_t)s->c * 4, 4);
    ck_fill_bytes(c, x, nx);
    ck_fill_bytes(c, w, nw);
    if (extreme) memset(x, xu ? 255 : 0x80, nx), memset(w, 0x80, nw);
    memset(border, zx, (size_t)(s->w * s->c));
    for (int i = 0; i < s->c; i++) {
        bias[i] = ck_range(c, -20000, 20000) * (extreme ? 1000 : 1);
        scale[i] = (ck_range(c, 0, 9) ? .02f : 20.f) * (1.1f + ck_randf(c)) / (float)(s->kh * s->kw);
    }
    const struct npi_dwconv_q8_layer l = { .w = w, .w_u8 = wu, .zw = &zw, .kh = s->kh, .kw = s->kw, .sw = s->sw, .dw = s->dw, .c = s->c, .zx = zx, .x_u8 = xu,
                                           .bias = ck_range(c, 0, 3) ? bias : NULL, .scale = scale };
    struct npi_q8_out out = { .zy = ck_range(c, -128, 127), .lo = -128, .hi = 127, .flip = yu ? 0x80 : 0 };
    if (ck_range(c, 0, 1)) out.lo = ck_range(c, -128, 127), out.hi = ck_range(c, out.lo, 127);
    uint8_t *y[2];
    for (int which = 0; which < 2; which++) {
        const struct npi_kernels *k = which ? c->ref : c->k;
        const struct npi_dwconv_q8 *d = wide ? &k->dwconv_q8_wide : &k->dwconv_q8;
        const size_t block = npi_dwconv_q8_block_bytes(d, s->kh, s->kw, s->sw, s->dw);
        void *packed = ck_in(c, block * (size_t)((s->c + d->block - 1) / d->block), 64);
        npi_dwconv_q8_pack(d, packed, &l);
        struct job j = { .d = d, .s = *s, .x = x, .border = border, .px = malloc(sizeof *j.px * (size_t)(columns(s) * s->kh)),
                         .r = { .border = border, .wd = s->w, .pl = s->pl, .kh = s->kh, .kw = s->kw, .sw = s->sw, .dw = s->dw, .n = s->ow, .c = s->c, .x_u8 = xu, .zx = zx, .w = packed, .w_block = block, .out = out } };
        j.y = y[which] = ck_out(c, ny, 1);
        if (!j.px) abort();
        run(&j); /* gives row and pixel pointers, whatever the kernel takes */
        free(j.px);
    }
    ck_equal_u8(c, y[0], y[1], ny);
}

static void shapes(struct ck *c, int wide) {
    static const int ks[] = { 3, 5, 3, 5, 7, 1, 2, 4 };
    for (int i = 0; i < 300; i++) {
        struct shape s = { .h = ck_range(c, 1, 9), .w = ck_range(c, 1, 17), .c = i < 160 ? i + 1 : ck_range(c, 1, 80) };
        s.kh = ks[i % 8];
        s.kw = i % 5 ? s.kh : ks[ck_range(c, 0, 7)];
        s.sw = ck_range(c, 0, 3) ? 1 + (i & 1) : 3;
        s.sh = ck_range(c, 1, 3);
        s.dw = i % 7 ? 1 : 2;
        s.pt = ck_range(c, 0, s.kh - 1);
        s.pl = ck_range(c, 0, (s.kw - 1) * s.dw);
        s.oh = 1 + ck_range(c, 0, 3);
        s.ow = 1 + ck_range(c, 0, 20);
        one(c, wide, &s);
    }
}

static void check(struct ck *c) {
    if (ck_fn(c, "dwconv_q8 row", c->k->dwconv_q8.row, c->ref->dwconv_q8.row)) shapes(c, 0);
    if (ck_fn(c, "dwconv_q8_wide row", c->k->dwconv_q8_wide.row, c->ref->dwconv_q8_wide.row)) shapes(c, 1);
}

static void bench(struct ck *c) {
    struct ck_shape b;
    int pos = 0;
    const struct npi_dwconv_q8 *d = &c->k->dwconv_q8;
    if (!ck_bench_fn(c, d->row)) return;
    while (ck_shape(c, "dwconv_q8", &b, &pos)) {
        const int k = ck_get(&b, "k", 3), st = ck_get(&b, "s", 1), h = ck_get(&b, "h", 10);
        struct shape s = { .h = h, .w = h, .c = ck_get(&b, "c", 64), .kh = k, .kw = k, .sh = st, .sw = st, .dw = 1, .pt = k / 2, .pl = k / 2, .oh = h / st, .ow = h / st };
        const size_t block = npi_dwconv_q8_block_bytes(d, k, k, st, 1), n_blocks = (size_t)((s.c + d->block - 1) / d->block);
        const int32_t zw = 0;
        uint8_t *x = npi_alloc((size_t)(h * h * s.c)), *w = npi_alloc((size_t)(k * k * s.c)), *border = npi_alloc((size_t)(h * s.c)), *y = npi_alloc((size_t)(s.oh * s.ow * s.c));
        float *scale = npi_alloc((size_t)s.c * 4);
        void *packed = npi_alloc(block * n_blocks);
        const int by_columns = npi_dwconv_q8_by_columns(d, k, k, st, 1);
        const uint8_t **px = by_columns ? NULL : npi_alloc(sizeof *px * (size_t)(columns(&s) * k));
        ck_fill_bytes(c, x, (size_t)(h * h * s.c));
        ck_fill_bytes(c, w, (size_t)(k * k * s.c));
        for (int i = 0; i < s.c; i++) scale[i] = .01f;
        const struct npi_dwconv_q8_layer l = { .w = w, .zw = &zw, .kh = k, .kw = k, .sw = st, .dw = 1, .c = s.c, .scale = scale };
        npi_dwconv_q8_pack(d, packed, &l);
        struct job j = { .d = d, .s = s, .x = x, .border = border, .px = px, .y = y,
                         .r = { .border = border, .wd = h, .pl = k / 2, .kh = k, .kw = k, .sw = st, .dw = 1, .n = s.ow, .c = s.c, .w = packed, .w_block = block, .out = { 0, -128, 127, 0 } } };
        ck_bench(c, d->name, b.name, run, &j, 2. * s.oh * s.ow * s.c * k * k);
        npi_free(x);
        npi_free(w);
        npi_free(border);
        npi_free(y);
        npi_free(scale);
        npi_free(packed);
        npi_free(px);
    }
}

const struct ck_family ck_dwconv_q8 = { "dwconv_q8", check, bench };
