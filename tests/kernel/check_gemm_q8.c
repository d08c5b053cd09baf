/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM: each level packs its own A tile and panels from the same layer; the output bytes must be equal to C's. Benched on
 * whole matrices, as the convolution step calls it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"

struct job {
    const struct npi_gemm_q8 *g;
    struct npi_gemm_q8_layer l;
    struct npi_q8_out out;
    const uint8_t *x;
    char *panels, *a;
    int32_t *row;
    uint8_t *y;
    int m;
};

static size_t panels_bytes(const struct npi_gemm_q8 *g, int n, int k) {
    size_t s = 0;
    for (int p = 0; p < npi_gemm_q8_panels(g, n); p++) s += npi_gemm_q8_panel_room(g, n, k, p);
    return s;
}
static size_t a_stride(const struct npi_gemm_q8 *g, int k) { return (size_t)npi_gemm_q8_groups(g, k) * (size_t)(g->kr * g->a_bytes); }

static void pack(struct job *j) {
    char *p = j->panels;
    for (int i = 0; i < npi_gemm_q8_panels(j->g, j->l.n); i++) {
        npi_gemm_q8_pack(j->g, p, &j->l, i);
        p += npi_gemm_q8_panel_room(j->g, j->l.n, j->l.k, i);
    }
}

/* m x n outputs from m rows of k bytes. */
static void multiply(void *arg) {
    struct job *j = arg;
    const struct npi_gemm_q8 *g = j->g;
    const int n = j->l.n, k = j->l.k, factor = npi_gemm_q8_row_factor(g, &j->l);
    const size_t lda = a_stride(g, k);
    if (g->enter) g->enter();
    for (int m0 = 0; m0 < j->m; m0 += NPI_Q8_ROWS) {
        const int rows = j->m - m0 < NPI_Q8_ROWS ? j->m - m0 : NPI_Q8_ROWS;
        struct npi_gemm_q8_copy copy = { .dst = j->a, .lda = lda, .src = j->x + (size_t)m0 * (size_t)k, .pixel_step = (size_t)k, .pixels = rows, .rows = 1, .n = (size_t)k,
                                         .is_u8 = j->l.x_u8, .zx = j->l.zx };
        if ((size_t)k * (size_t)g->a_bytes == lda) copy.pixels = 1, copy.n *= (size_t)rows;
        g->copy_a(&copy);
        if (factor) npi_gemm_q8_row_sums(j->row, j->a, lda, rows, k, factor, j->l.x_u8 ? j->l.zx : j->l.zx + 128);
        const char *p = j->panels;
        for (int i = 0; i < npi_gemm_q8_panels(g, n); i++) {
            const int c0 = i * g->nr;
            const struct npi_gemm_q8_tile t = { .a = j->a, .lda = lda, .row = factor ? j->row : NULL, .panel = p, .rows = rows,
                .groups = npi_gemm_q8_groups(g, k), .nc = n - c0 < g->nr ? n - c0 : g->nr, .y = j->y + (size_t)m0 * (size_t)n + c0, .ldy = (size_t)n, .out = j->out };
            g->tile(&t);
            p += npi_gemm_q8_panel_room(g, n, k, i);
        }
    }
    if (g->leave) g->leave();
}

static const struct npi_gemm_q8 *table(const struct npi_kernels *k, int wide) { return wide ? &k->gemm_q8_wide : &k->gemm_q8; }

static void check_copy(struct ck *c, int wide) {
    const struct npi_gemm_q8 *g = table(c->k, wide);
    if (!ck_fn(c, wide ? "gemm_q8_wide copy_a" : "gemm_q8 copy_a", g->copy_a, table(c->ref, wide)->copy_a)) return;
    for (int n = 1; n < 200; n += n < 70 ? 1 : 13) {
        const int u8 = n & 1, zx = u8 ? ck_range(c, 0, 255) : ck_range(c, -128, 127), pixels = ck_range(c, 1, 5), rows = ck_range(c, 1, 3), gap = ck_range(c, 0, 5);
        ck_case(c, "%d elements %s, %d pixels of %d rows", n, u8 ? "u8" : "i8", pixels, rows);
        const size_t row_step = (size_t)(n + 7), pixel_step = 3, in = (size_t)(pixels - 1) * pixel_step + (size_t)(rows - 1) * row_step + (size_t)n;
        const size_t lda = (size_t)(rows * n * g->a_bytes + gap * 2), bytes = lda * (size_t)(pixels - 1) + (size_t)(rows * n * g->a_bytes);
        uint8_t *x = ck_in(c, in, 1), *got = ck_out(c, bytes + 64, 64), *want = ck_out(c, bytes, 64);
        ck_fill_bytes(c, x, in);
        const struct npi_gemm_q8_copy copy = { .dst = got, .lda = lda, .src = x, .pixel_step = pixel_step, .row_step = row_step, .pixels = pixels, .rows = rows, .n = (size_t)n,
                                               .is_u8 = u8, .zx = zx };
        g->copy_a(&copy);
        for (int i = 0; i < pixels; i++) {
            memcpy(want + (size_t)i * lda, got + (size_t)i * lda, lda < bytes - (size_t)i * lda ? lda : bytes - (size_t)i * lda); /* gaps hold anything */
            for (int e = 0; e < rows * n; e++) {
                const uint8_t v = x[(size_t)i * pixel_step + (size_t)(e / n) * row_step + (size_t)(e % n)];
                const int16_t diff = (int16_t)((u8 ? v : (int8_t)v) - zx);
                if (g->a_bytes == 1) want[(size_t)i * lda + (size_t)e] = u8 ? v : v ^ 0x80;
                else memcpy(want + (size_t)i * lda + (size_t)e * 2, &diff, 2);
            }
        }
        ck_equal_bytes(c, got, want, bytes);
    }
}

/* What the packers of pairs have to deal with: all bytes (most pairs too large), 7 bits as `nextpose quantize --weight-bits 7` leaves them, small ones with a few large. */
enum weights { ALL, SEVEN, TAILS };
static void fill_weights(struct ck *c, uint8_t *w, size_t n, int u8, enum weights how) {
    ck_fill_bytes(c, w, n);
    for (size_t i = 0; how != ALL && i < n; i++) {
        const int v = (int8_t)w[i];
        w[i] = (uint8_t)((how == SEVEN ? v / 2 : ck_range(c, 0, 40) ? v / 5 : v) + (u8 ? 128 : 0));
    }
}

static void one(struct ck *c, int wide, int m, int n, int k) {
    const enum weights how = (enum weights)ck_range(c, ALL, TAILS);
    const int xu = (int)(ck_rand(c) & 1), wu = (int)(ck_rand(c) & 1), yu = (int)(ck_rand(c) & 1), extreme = ck_range(c, 0, 7) == 0;
    struct npi_gemm_q8_layer l = { .w_u8 = wu, .zw = wu ? ck_range(c, 0, 3) ? ck_range(c, 0, 255) : 128 : ck_range(c, 0, 7) ? 0 : ck_range(c, -128, 127),
                                   .n = n, .k = k, .x_u8 = xu, .zx = ck_range(c, 0, 255) - (xu ? 0 : 128) };
    ck_case(c, "m=%d n=%d k=%d x %s zero %d w %s zero %d y %s%s, weights %d", m, n, k, xu ? "u8" : "i8", l.zx, wu ? "u8" : "i8", l.zw, yu ? "u8" : "i8", extreme ? " extreme" : "", (int)how);
    uint8_t *x = ck_in(c, (size_t)(m * k), 1), *w = ck_in(c, (size_t)(n * k), 1);
    int32_t *bias = ck_in(c, (size_t)n * 4, 4);
    float *scale = ck_in(c, (size_t)n * 4, 4);
    ck_fill_bytes(c, x, (size_t)(m * k));
    fill_weights(c, w, (size_t)(n * k), wu, how);
    if (extreme) memset(x, xu ? 255 : 127, (size_t)(m * k)), memset(w, wu ? 255 : 0x80, (size_t)(n * k));
    for (int i = 0; i < n; i++) {
        bias[i] = ck_range(c, -20000, 20000) * (extreme ? 1000 : 1);
        scale[i] = (ck_range(c, 0, 9) ? .02f : 20.f) * (1.1f + ck_randf(c)) / (float)(k + 4);
    }
    l.w = w;
    l.bias = ck_range(c, 0, 3) ? bias : NULL;
    l.scale = scale;
    struct npi_q8_out out = { .zy = ck_range(c, -128, 127), .lo = -128, .hi = 127, .flip = yu ? 0x80 : 0 };
    if (ck_range(c, 0, 1)) out.lo = ck_range(c, -128, 127), out.hi = ck_range(c, out.lo, 127);
    uint8_t *y[2];
    for (int which = 0; which < 2; which++) {
        const struct npi_gemm_q8 *g = table(which ? c->ref : c->k, wide);
        struct job j = { .g = g, .l = l, .out = out, .x = x, .m = m };
        j.panels = ck_in(c, panels_bytes(g, n, k), 64);
        j.a = ck_in(c, a_stride(g, k) * NPI_Q8_ROWS + 64, 64);
        j.row = ck_in(c, NPI_Q8_ROWS * 4, 4);
        j.y = y[which] = ck_out(c, (size_t)(m * n), 1);
        pack(&j);
        multiply(&j);
    }
    ck_equal_u8(c, y[0], y[1], (size_t)(m * n));
}

static void check_table(struct ck *c, int wide) {
    check_copy(c, wide);
    if (ck_fn(c, "gemm_q8 enter", table(c->k, wide)->enter, table(c->ref, wide)->enter)) one(c, wide, 50, 70, 100);
    if (ck_fn(c, "gemm_q8 leave", table(c->k, wide)->leave, table(c->ref, wide)->leave)) one(c, wide, 17, 33, 65);
    if (!ck_fn(c, wide ? "gemm_q8_wide tile" : "gemm_q8 tile", table(c->k, wide)->tile, table(c->ref, wide)->tile)) return;
    for (int n = 1; n < 132; n += n < 70 ? 1 : 7) one(c, wide, ck_range(c, 1, 60), n, ck_range(c, 1, 40));
    for (int m = 1; m < 100; m++) one(c, wide, m, ck_range(c, 1, 130), ck_range(c, 1, 40));
    for (int k = 1; k < 70; k++) one(c, wide, ck_range(c, 1, 20), ck_range(c, 1, 130), k);
    for (int i = 0; i < 3; i++) one(c, wide, 7, 70, 2000);
}

static void check(struct ck *c) {
    check_table(c, 0);
    check_table(c, 1);
}

static void call_bench(struct ck *c, int wide, const char *shape, int m, int n, int k) {
    struct job j = { .g = table(c->k, wide), .m = m, .out = { 3, -128, 127, 0 } };
    j.l = (struct npi_gemm_q8_layer){ .n = n, .k = k, .zx = -5 };
    uint8_t *x = npi_alloc((size_t)(m * k)), *w = npi_alloc((size_t)(n * k));
    float *scale = npi_alloc((size_t)n * 4);
    j.panels = npi_alloc(panels_bytes(j.g, n, k));
    j.a = npi_alloc(a_stride(j.g, k) * NPI_Q8_ROWS + 64);
    j.row = npi_alloc(NPI_Q8_ROWS * 4);
    j.y = npi_alloc((size_t)(m * n));
    ck_fill_bytes(c, x, (size_t)(m * k));
    fill_weights(c, w, (size_t)(n * k), 0, wide ? ALL : SEVEN);
    for (int i = 0; i < n; i++) scale[i] = .001f;
    j.x = x;
    j.l.w = w;
    j.l.scale = scale;
    pack(&j);
    ck_bench(c, j.g->name, shape, multiply, &j, 2. * m * n * k);
    npi_free(x);
    npi_free(w);
    npi_free(scale);
    npi_free(j.panels);
    npi_free(j.a);
    npi_free(j.row);
    npi_free(j.y);
}

static void bench(struct ck *c) {
    struct ck_shape s;
    for (int wide = 0; wide < 2; wide++) {
        int pos = 0;
        if (!ck_bench_fn(c, table(c->k, wide)->tile)) continue;
        while (ck_shape(c, "gemm_q8", &s, &pos)) call_bench(c, wide, s.name, ck_get(&s, "m", 64), ck_get(&s, "n", 64), ck_get(&s, "k", 64));
    }
}

const struct ck_family ck_gemm_q8 = { "gemm_q8", check, bench };
