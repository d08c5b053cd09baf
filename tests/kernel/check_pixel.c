/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of pixels: equal to C to the bit, not a byte read behind a source row (rows are the caller's frames). */
#include <string.h>

#include "check.h"

static void vsum(struct ck *c) {
    for (int i = 0; i < 200; i++) {
        const int n = ck_range(c, 1, 150), rows = ck_range(c, 1, 9), stride = n + ck_range(c, 0, 3), down = i & 1;
        ck_case(c, "n=%d rows=%d stride=%d", n, rows, down ? -stride : stride);
        uint8_t *x = ck_in_end(c, (size_t)(stride * (rows - 1) + n), 1);
        uint16_t *got = ck_out(c, (size_t)n * 2, 2), *want = ck_out(c, (size_t)n * 2, 2), w[9];
        ck_fill_bytes(c, x, (size_t)(stride * (rows - 1) + n));
        int left = 256;
        for (int r = 0; r < rows; r++) {
            w[r] = (uint16_t)(r == rows - 1 ? left : ck_range(c, 0, left));
            left -= w[r];
        }
        const uint8_t *first = down ? x + stride * (rows - 1) : x;
        c->ref->pixel.vsum_u8(want, first, down ? -stride : stride, w, rows, n);
        c->k->pixel.vsum_u8(got, first, down ? -stride : stride, w, rows, n);
        ck_equal_bytes(c, got, want, (size_t)n * 2);
    }
}

static void hpair(struct ck *c) {
    for (int i = 0; i < 200; i++) {
        const int n = ck_range(c, 1, 40), src = ck_range(c, 2, 60), step = ck_range(c, 1, 3);
        ck_case(c, "n=%d src=%d step=%d", n, src, step);
        uint16_t *x = ck_in(c, (size_t)(src * step) * 2, 2);
        float *got = ck_out(c, (size_t)n * 4, 4), *want = ck_out(c, (size_t)n * 4, 4);
        int32_t at[40];
        uint16_t w[40];
        for (int k = 0; k < src * step; k++) x[k] = (uint16_t)ck_range(c, 0, 65280);
        for (int k = 0; k < 40; k++) {
            at[k] = ck_range(c, 0, src - 2);
            w[k] = (uint16_t)ck_range(c, 0, 256);
        }
        c->ref->pixel.hpair_u16(want, x, at, w, step, n);
        c->k->pixel.hpair_u16(got, x, at, w, step, n);
        ck_equal_bytes(c, got, want, (size_t)n * 4);
    }
}

static void line(struct ck *c) {
    for (int i = 0; i < 300; i++) {
        const int w = ck_range(c, 2, 40), h = ck_range(c, 2, 40), step = ck_range(c, 1, 3), stride = w * step + ck_range(c, 0, 2);
        const int n = ck_range(c, 1, 50), down = i & 1;
        const size_t bytes = (size_t)(stride * (h - 1) + w * step);
        ck_case(c, "w=%d h=%d step=%d stride=%d n=%d", w, h, step, down ? -stride : stride, n);
        uint8_t *x = ck_in_end(c, bytes, 1);
        float *got = ck_out(c, (size_t)n * 4, 4), *want = ck_out(c, (size_t)n * 4, 4);
        ck_fill_bytes(c, x, bytes);
        /* both ends of the line lie where all four taps are inside */
        const int32_t umax = ((w - 1) << 16) - 1, vmax = ((h - 1) << 16) - 1, u = ck_range(c, 0, umax), v = ck_range(c, 0, vmax);
        const int32_t du = (ck_range(c, 0, umax) - u) / n, dv = (ck_range(c, 0, vmax) - v) / n;
        const uint8_t *first = down ? x + stride * (h - 1) : x;
        const ptrdiff_t last = (down ? 0 : (ptrdiff_t)stride * (h - 1)) + w * step - 1;
        c->ref->pixel.line_u8(want, first, down ? -stride : stride, step, last, u, v, du, dv, n);
        c->k->pixel.line_u8(got, first, down ? -stride : stride, step, last, u, v, du, dv, n);
        ck_equal_bytes(c, got, want, (size_t)n * 4);
    }
}

static void check(struct ck *c) {
    const struct npi_pixel *k = &c->k->pixel, *ref = &c->ref->pixel;
    if (ck_fn(c, "vsum_u8", k->vsum_u8, ref->vsum_u8)) vsum(c);
    if (ck_fn(c, "hpair_u16", k->hpair_u16, ref->hpair_u16)) hpair(c);
    if (ck_fn(c, "line_u8", k->line_u8, ref->line_u8)) line(c);
}

/* One line of a crop: 256 samples of a frame of 1280 pixels, RGB. */
enum { LINE = 256, FRAME = 1280, ROWS = 300, STEP = 3 };
struct job { const struct npi_pixel *k; uint8_t *src; uint16_t *acc; float *out; uint16_t w[LINE]; int32_t at[LINE]; };
static void call_vsum(void *arg) {
    const struct job *const j = arg;
    j->k->vsum_u8(j->acc, j->src, FRAME * STEP, (const uint16_t[]){ 100, 156 }, 2, FRAME * STEP);
}
static void call_hpair(void *arg) {
    const struct job *const j = arg;
    j->k->hpair_u16(j->out, j->acc, j->at, j->w, STEP, LINE);
}
static void call_line(void *arg) { /* turned by some degrees, as a pose net's crop is */
    const struct job *const j = arg;
    j->k->line_u8(j->out, j->src, FRAME * STEP, STEP, FRAME * STEP * ROWS - 1, 5 << 16, 20 << 16, 150000, 30000, LINE);
}

static void bench(struct ck *c) {
    struct job j = { .k = &c->k->pixel };
    const struct { const char *name, *shape; ck_any_fn fn; void (*call)(void *); int n; } rows[] = {
        { "vsum_u8", "2 rows of 1280x3", (ck_any_fn)j.k->vsum_u8, call_vsum, FRAME * STEP }, { "hpair_u16", "n=256", (ck_any_fn)j.k->hpair_u16, call_hpair, LINE },
        { "line_u8", "n=256", (ck_any_fn)j.k->line_u8, call_line, LINE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!ck_bench_fn(c, rows[i].fn)) continue;
        ck_case(c, "%s", rows[i].name);
        j.src = ck_in(c, FRAME * STEP * ROWS, 64);
        j.acc = ck_out(c, FRAME * STEP * 2, 64);
        j.out = ck_out(c, LINE * 4, 64);
        ck_fill_bytes(c, j.src, FRAME * STEP * ROWS);
        ck_fill_bytes(c, j.acc, FRAME * STEP * 2);
        for (int k = 0; k < LINE; k++) {
            j.at[k] = k * 4;
            j.w[k] = (uint16_t)ck_range(c, 0, 256);
        }
        ck_bench(c, rows[i].name, rows[i].shape, rows[i].call, &j, rows[i].n);
    }
}

const struct ck_family ck_pixel = { "pixel", check, bench };
