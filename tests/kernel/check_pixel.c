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

const struct ck_family ck_pixel = { "pixel", check, NULL };
