/* SPDX-License-Identifier: Apache-2.0 */
/* The bf16 product against a double sum of the same rounded (or split) operands. Packing and rows are compared bit by bit first, so the bound needs no term
 * for rounding the operands: the P products of a value pair and the sums each round once, in any order, hence (P * K + 4) eps times the sum of magnitudes.
 * Denormals may be flushed: each product and each sum may then lose 2^-126, and each denormal operand its product.
 *
 * A second check holds the split products against the exact product of the unsplit floats, with the bounds that gemm_bf16.h promises. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "check.h"

struct problem { int m, n, k, taps, parts, act, res, before, split, bias, values; size_t ldc; };

static int products(int parts) { return parts * (parts + 1) / 2; }

/* Row pointers of a: they overlap and repeat, as those of a convolution do. */
static const float *const *make_rows(struct ck *c, const struct problem *p, float *a) {
    const float **rows = ck_in(c, (size_t)(p->taps * (p->m + 3)) * sizeof *rows, 8);
    for (int t = 0; t < p->taps; t++)
        for (int m = 0; m < p->m + 3; m++) rows[t * (p->m + 3) + m] = a + (t * 7 + m * p->k) % (p->m * p->k + 1);
    return rows;
}
static float value(const struct problem *p, const float *const *rows, int m, int i) { return rows[i / p->k * (p->m + 3) + m][i % p->k]; }

static void add(double x, double y, double *s, double *mag, double *lost) {
    *s += x * y;
    *mag += fabs(x * y);
    *lost += (double)FLT_MIN;
    if (fabs(x) < (double)FLT_MIN || fabs(y) < (double)FLT_MIN) *lost += fabs(x * y);
}

/* The parts of both operands, made once: an emulator runs this test, too. x: [m][k][3], y: [n][k][3] */
struct parts { uint16_t *x, *y; };
static struct parts make_parts(struct ck *c, const struct problem *p, const float *const *rows, const float *w) {
    const int K = p->k * p->taps;
    const struct parts s = { ck_in(c, (size_t)(p->m * K) * 6, 2), ck_in(c, (size_t)(p->n * K) * 6, 2) };
    for (int i = 0; i < K; i++) {
        for (int m = 0; m < p->m; m++) npi_bf16_split(value(p, rows, m, i), p->parts, s.x + (m * K + i) * 3);
        for (int n = 0; n < p->n; n++) npi_bf16_split(w[i * p->n + n], p->parts, s.y + (n * K + i) * 3);
    }
    return s;
}

/* exact 1: of the floats as they are, 0: of their parts. */
static void reference(const struct problem *p, const struct npi_gemm_bf16_job *j, const float *const *rows, const float *w, const struct parts *s3, int exact, float *want, float *bound) {
    static const double cut[] = { 0, 2.01 * 0x1p-8, 3.01 * 0x1p-16, 4.01 * 0x1p-24 }; /* of a product: what each operand lost (a part leaves 2^-8 of it), and the products left out */
    const int K = p->k * p->taps;
    for (int m = 0; m < p->m; m++)
        for (int n = 0; n < p->n; n++) {
            double s = j->bias ? (double)j->bias[n] : 0, mag = fabs(s), lost = (double)FLT_MIN, all = 0;
            for (int i = 0; i < K; i++) {
                const uint16_t *const x = s3->x + (m * K + i) * 3, *const y = s3->y + (n * K + i) * 3;
                const float a = value(p, rows, m, i), b = w[i * p->n + n];
                all += fabs((double)a * (double)b);
                if (exact) add((double)a, (double)b, &s, &mag, &lost);
                for (int q = 0; q < p->parts && !exact; q++)
                    for (int r = 0; q + r < p->parts; r++) add((double)npi_bf16_to_f32(x[q]), (double)npi_bf16_to_f32(y[r]), &s, &mag, &lost);
            }
            const float r = p->res ? j->res[(size_t)m * j->ldres + (size_t)n] : 0;
            if (p->res && p->before) s += (double)r, mag += fabs((double)r);
            float y = npi_kact_c(&j->act, (float)s);
            double b = ((products(p->parts) * K + 4) * (double)FLT_EPSILON * mag + lost) * 1.13 + 4 * (double)FLT_EPSILON * fabs((double)y);
            if (exact) b += 1.13 * cut[p->parts] * all;
            if (j->act.kind == NPI_KACT_GELU || j->act.kind == NPI_KACT_HARD_SWISH) b = 2 * b + 4 * (double)FLT_EPSILON * fabs(s);
            if (j->act.kind == NPI_KACT_SILU) b += 1e-34 * fabs(s); /* sigmoid stops at e^-80 */
            if (j->act.kind == NPI_KACT_TANH || j->act.kind == NPI_KACT_SIGMOID) b += 2 * (double)FLT_EPSILON;
            if (p->res && !p->before) y += r, b += (double)FLT_EPSILON * (fabs((double)r) + fabs((double)y));
            want[(size_t)m * p->ldc + (size_t)n] = y;
            bound[(size_t)m * p->ldc + (size_t)n] = (float)b;
        }
}

static void one(struct ck *c, const struct npi_gemm_bf16 *g, const struct problem *p) {
    const int K = p->k * p->taps;
    ck_case(c, "m=%d n=%d k=%d taps=%d parts=%d act=%d res=%d%s split=%d", p->m, p->n, p->k, p->taps, p->parts, p->act, p->res, p->before ? " before" : "", p->split);
    const size_t out = (size_t)p->m * p->ldc;
    float *a = ck_in_end(c, (size_t)(p->m * p->k + p->taps * 7 + p->m * p->k) * 4, 4), *w = ck_in(c, (size_t)(K * p->n) * 4, 4), *bias = ck_in(c, (size_t)p->n * 4, 4);
    uint16_t *tiles = ck_out(c, npi_gemm_bf16_a_bytes(p->m, K, p->parts), 64), *want_tiles = ck_out(c, npi_gemm_bf16_a_bytes(p->m, K, p->parts), 64);
    uint16_t *packed = ck_out(c, npi_gemm_bf16_w_bytes(K, p->n, p->parts), 64);
    float *res = ck_in(c, out * 4, 4), *y = ck_out(c, out * 4, 4), *want = ck_in(c, out * 4, 4), *bound = ck_in(c, out * 4, 4);
    ck_fill_f32(c, a, (size_t)(2 * p->m * p->k + p->taps * 7), p->values);
    ck_fill_f32(c, w, (size_t)(K * p->n), p->values == CK_DENORM ? CK_WIDE : CK_NORMAL);
    ck_fill_f32(c, bias, (size_t)p->n, CK_NORMAL);
    ck_fill_f32(c, res, out, CK_NORMAL);
    const float *const *const rows = make_rows(c, p, a);
    const struct npi_gemm_bf16_rows r = { .dst = tiles, .a = rows, .a_stride = (size_t)p->m + 3, .m = p->m, .taps = p->taps, .k = p->k, .parts = p->parts };
    struct npi_gemm_bf16_rows want_r = r;
    want_r.dst = want_tiles;
    g->rows(&r);
    c->ref->gemm_bf16.rows(&want_r);
    if (p->values != CK_DENORM && p->values != CK_ANY) ck_equal_bytes(c, tiles, want_tiles, npi_gemm_bf16_a_bytes(p->m, K, p->parts));
    npi_gemm_bf16_pack(packed, w, K, p->n, (size_t)p->n, 1, p->parts);
    struct npi_gemm_bf16_job j = { .a = tiles, .m = p->m, .kt = npi_gemm_bf16_kt(K), .parts = p->parts, .w = packed, .bias = p->bias ? bias : NULL, .n = p->n, .c = y, .ldc = p->ldc,
                                   .res = p->res ? res : NULL, .ldres = p->ldc, .res_before_act = p->before, .act = { p->act, p->act == NPI_KACT_LEAKY ? .1f : -.25f, .5f } };
    const struct parts s3 = make_parts(c, p, rows, w);
    for (int exact = 0; exact <= (p->act <= NPI_KACT_CLAMP); exact++) {
        memcpy(want, y, out * 4); /* what lies between the columns must stay */
        reference(p, &j, rows, w, &s3, exact, want, bound);
        if (p->split && p->n > NPI_BF16_COLS) { /* in two runs of panels, as threads would */
            struct npi_gemm_bf16_job h = j;
            const int n0 = (p->n / 2 + NPI_BF16_COLS - 1) / NPI_BF16_COLS * NPI_BF16_COLS;
            h.n = n0;
            g->run(&h);
            h = j;
            h.n = p->n - n0;
            h.w += npi_gemm_bf16_w_bytes(K, n0, p->parts) / 2;
            h.bias = j.bias ? j.bias + n0 : NULL;
            h.c += n0;
            h.res = j.res ? j.res + n0 : NULL;
            if (h.n) g->run(&h);
        } else {
            g->run(&j);
        }
        ck_near_f32(c, y, want, out, bound, 0);
    }
    if (p->res) { /* over the residual */
        memcpy(y, res, out * 4);
        memcpy(want, res, out * 4);
        reference(p, &j, rows, w, &s3, 0, want, bound);
        j.res = y;
        g->run(&j);
        ck_near_f32(c, y, want, out, bound, 0);
    }
}

/* Infinities and NaN of one row stay in that row; parts of an infinity are not NaN. */
static void specials(struct ck *c, const struct npi_gemm_bf16 *g, int parts) {
    enum { M = 5, N = 3, K = 40 };
    ck_case(c, "inf and NaN, parts=%d", parts);
    float *a = ck_in(c, M * K * 4, 4), *w = ck_in(c, K * N * 4, 4), *y = ck_out(c, M * N * 4, 4), *want = ck_in(c, M * N * 4, 4);
    const float *rows[M];
    uint16_t *tiles = ck_in(c, npi_gemm_bf16_a_bytes(M, K, parts), 64), *packed = ck_in(c, npi_gemm_bf16_w_bytes(K, N, parts), 64);
    for (int i = 0; i < M * K; i++) a[i] = 1;
    for (int i = 0; i < K * N; i++) w[i] = .5f; /* a single part: an infinity meets no zero but those of the other parts */
    a[1 * K + 7] = INFINITY;
    a[2 * K + 39] = -INFINITY;
    a[3 * K] = NAN;
    for (int m = 0; m < M; m++) rows[m] = a + m * K;
    for (int i = 0; i < M * N; i++) want[i] = K * .5f;
    for (int n = 0; n < N; n++) want[N + n] = parts > 1 ? NAN : INFINITY, want[2 * N + n] = parts > 1 ? NAN : -INFINITY, want[3 * N + n] = NAN; /* inf * part 1 (0) of w */
    g->rows(&(struct npi_gemm_bf16_rows){ .dst = tiles, .a = rows, .a_stride = M, .m = M, .taps = 1, .k = K, .parts = parts });
    npi_gemm_bf16_pack(packed, w, K, N, N, 1, parts);
    g->run(&(struct npi_gemm_bf16_job){ .a = tiles, .m = M, .kt = 2, .parts = parts, .w = packed, .n = N, .c = y, .ldc = N });
    ck_near_f32(c, y, want, M * N, NULL, 1e-5f);
}

static void check(struct ck *c) {
    const struct npi_gemm_bf16 *g = &c->k->gemm_bf16;
    static const int ns[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 63, 64, 65, 96, 100 };
    for (int what = 0; what < 2; what++) {
        if (!(what ? ck_fn(c, "gemm_bf16 rows", g->rows, c->ref->gemm_bf16.rows) : ck_fn(c, g->name[0], g->run, c->ref->gemm_bf16.run))) continue;
        for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
            for (int m = 1; m < 70; m += ck_range(c, 3, 13)) {
                struct problem p = { .m = m, .n = ns[i], .k = ck_range(c, 1, 40), .taps = ck_range(c, 0, 2) ? 1 : ck_range(c, 2, 9), .parts = ck_range(c, 1, 3), .split = ck_range(c, 0, 1),
                                     .bias = ck_range(c, 0, 3) > 0, .res = ck_range(c, 0, 1), .before = ck_range(c, 0, 1), .act = ck_range(c, 0, 1) ? ck_range(c, 0, 7) : 1 };
                p.values = ck_range(c, 0, 3) ? CK_NORMAL : p.parts == 1 ? CK_ANY : CK_WIDE;
                p.ldc = (size_t)p.n + (size_t)ck_range(c, 0, 3);
                one(c, g, &p);
            }
        for (int parts = 1; parts <= 3; parts++) {
            specials(c, g, parts);
            for (int k = 1; k < 70; k++) one(c, g, &(struct problem){ .m = 3, .n = 5, .k = k, .taps = 1, .parts = parts, .ldc = 5, .bias = 1, .values = CK_NORMAL });
            one(c, g, &(struct problem){ .m = 33, .n = 96, .k = 300, .taps = 1, .parts = parts, .ldc = 96, .bias = 1, .values = CK_NORMAL });
            one(c, g, &(struct problem){ .m = 40, .n = 48, .k = 64, .taps = 1, .parts = parts, .ldc = 48, .values = CK_DENORM });
            if (what == 0) one(c, g, &(struct problem){ .m = 33, .n = 200, .k = 2700, .taps = 1, .parts = parts, .ldc = 200, .bias = 1, .values = CK_NORMAL }); /* large: weights are fetched ahead */
        }
    }
}

struct bench { const struct npi_gemm_bf16 *g; struct npi_gemm_bf16_rows r; struct npi_gemm_bf16_job j; };
static void call(void *arg) {
    const struct bench *b = arg;
    b->g->rows(&b->r);
    b->g->run(&b->j);
}

/* With the conversion of A, as a step does it. Random data: AMX is a quarter faster on zeros. One row a number of parts; operations are those of the f32 product. */
static void bench(struct ck *c) {
    const struct npi_gemm_bf16 *g = &c->k->gemm_bf16;
    static const char *const names[] = { "gemm_bf16", "gemm_bf16x3", "gemm_bf16x6" };
    struct ck_shape s;
    if (!ck_bench_fn(c, g->run)) return;
    for (int parts = 1; parts <= 3; parts++)
        for (int pos = 0; ck_shape(c, "gemm_f32", &s, &pos);) {
            ck_case(c, "%s", s.name);
            const int m = ck_get(&s, "m", 64), n = ck_get(&s, "n", 64), k = ck_get(&s, "k", 64), taps = ck_get(&s, "taps", 1), K = k * taps;
            float *a = ck_in(c, (size_t)m * (size_t)k * 4, 64), *w = ck_in(c, (size_t)K * (size_t)n * 4, 64), *bias = ck_in(c, (size_t)n * 4, 64), *y = ck_out(c, (size_t)m * (size_t)n * 4, 64);
            uint16_t *tiles = ck_in(c, npi_gemm_bf16_a_bytes(m, K, parts), 64), *packed = ck_in(c, npi_gemm_bf16_w_bytes(K, n, parts), 64);
            const float **rows = ck_in(c, (size_t)(taps * m) * sizeof *rows, 8);
            ck_fill_f32(c, a, (size_t)m * (size_t)k, CK_NORMAL);
            ck_fill_f32(c, w, (size_t)K * (size_t)n, CK_NORMAL);
            npi_gemm_bf16_pack(packed, w, K, n, (size_t)n, 1, parts);
            for (int i = 0; i < taps * m; i++) rows[i] = a + (size_t)(i % m) * (size_t)k;
            struct bench b = { g, { .dst = tiles, .a = rows, .a_stride = (size_t)m, .m = m, .taps = taps, .k = k, .parts = parts },
                               { .a = tiles, .m = m, .kt = npi_gemm_bf16_kt(K), .parts = parts, .w = packed, .bias = bias, .n = n, .c = y, .ldc = (size_t)n,
                                 .act = { ck_get(&s, "act", NPI_KACT_CLAMP), 0, INFINITY } } };
            ck_bench(c, names[parts - 1], s.name, call, &b, 2. * m * n * K);
        }
}

const struct ck_family ck_gemm_bf16 = { "gemm_bf16", check, bench };
