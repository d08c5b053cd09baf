/* SPDX-License-Identifier: Apache-2.0 */
/* See selftest.h. Everything lies on the stack or in static memory: small, and without a way to fail. */
#include "kernel/selftest.h"
#include "cpu/cpu.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#define A64 __attribute__((aligned(64)))

/* 8 bits: whatever the bytes, the results are exact. More than one vector of channels, an odd number of them, a K that no level takes without a rest. */
enum { Q_M = 19, Q_N = 71, Q_K = 75, Q_PANEL = 65536, Q_LDA = 256 };

static void q8_run(const struct npi_gemm_q8 *g, const uint8_t *x, const int8_t *w, int zw, uint8_t *y) {
    static const int32_t bias[Q_N] = { 300, -4000, 77 };
    float scale[Q_N];
    static A64 char panel[Q_PANEL]; /* under the lock */
    A64 char a[NPI_Q8_ROWS * Q_LDA + 64];
    int32_t row[NPI_Q8_ROWS];
    for (int n = 0; n < Q_N; n++) scale[n] = 0x1p-11f * (float)(1 + n % 5);
    const struct npi_gemm_q8_layer l = { .w = w, .zw = zw, .n = Q_N, .k = Q_K, .zx = -7, .bias = bias, .scale = scale };
    const int factor = npi_gemm_q8_row_factor(g, &l);
    memset(a, 0, sizeof a);
    g->copy_a(&(struct npi_gemm_q8_copy){ .dst = a, .lda = Q_LDA, .src = x, .pixel_step = Q_K, .pixels = Q_M, .rows = 1, .n = Q_K, .zx = l.zx });
    if (factor) npi_gemm_q8_row_sums(row, a, Q_LDA, Q_M, Q_K, factor, l.zx + 128);
    if (g->enter) g->enter();
    for (int i = 0; i < npi_gemm_q8_panels(g, Q_N); i++) {
        const int c0 = i * g->nr;
        assert(npi_gemm_q8_panel_room(g, Q_N, Q_K, i) <= sizeof panel);
        npi_gemm_q8_pack(g, panel, &l, i);
        g->tile(&(struct npi_gemm_q8_tile){ .a = a, .lda = Q_LDA, .row = factor ? row : NULL, .panel = panel, .rows = Q_M, .groups = npi_gemm_q8_groups(g, Q_K),
                                            .nc = Q_N - c0 < g->nr ? Q_N - c0 : g->nr, .y = y + c0, .ldy = Q_N, .out = { .zy = 3, .lo = -128, .hi = 127 } });
    }
    if (g->leave) g->leave();
}

static int q8_good(const struct npi_gemm_q8 *g, const struct npi_gemm_q8 *ref) {
    uint8_t x[Q_M * Q_K + 64] = { 0 }, got[Q_M * Q_N + 64], want[Q_M * Q_N + 64]; /* 64: kernels may read behind the end */
    int8_t w[Q_N * Q_K];
    uint32_t r = 1;
    for (int i = 0; i < Q_M * Q_K; i++) x[i] = (uint8_t)((r = r * 1664525 + 1013904223) >> 24);
    for (int i = 0; i < Q_N * Q_K; i++) w[i] = (int8_t)((r = r * 1664525 + 1013904223) >> 24);
    for (int zw = 0; zw <= 5; zw += 5) {
        memset(got, 0, sizeof got);
        memset(want, 0, sizeof want);
        q8_run(g, x, w, zw, got);
        q8_run(ref, x, w, zw, want);
        if (memcmp(got, want, sizeof got)) return 0;
    }
    return 1;
}

/* bf16: six of the K values are not zero. Of such a pair one is a power of two and the other has 17 bits (three parts), or both have 10 (two parts):
 * products are multiples of 2^-18 and their sum is below 2^5, hence exact in 24 bits whatever the order. */
enum { B_M = 33, B_N = 41, B_K = 40, B_STEP = 7 };

static float b_value(uint32_t *r, int bits) { /* 1 to 2, `bits` of them behind the point, and a sign */
    const uint32_t v = *r = *r * 1664525 + 1013904223;
    const float f = 1 + (float)(v >> 8 & ((1u << bits) - 1)) / (float)(1u << bits);
    return v >> 31 ? -f : f;
}

static void b_run(const struct npi_gemm_bf16 *g, const float *const *rows, const float *w, const float *bias, int parts, uint16_t *a, float *c) {
    static A64 uint16_t packed[3 * 3 * 2 * NPI_BF16_TILE / 2]; /* columns of 16, parts, tiles of k; under the lock */
    g->rows(&(struct npi_gemm_bf16_rows){ .dst = a, .a = rows, .a_stride = B_M, .m = B_M, .taps = 1, .k = B_K, .parts = parts });
    npi_gemm_bf16_pack(packed, w, B_K, B_N, B_N, 1, parts);
    g->run(&(struct npi_gemm_bf16_job){ .a = a, .m = B_M, .kt = npi_gemm_bf16_kt(B_K), .parts = parts, .w = packed, .bias = bias, .n = B_N, .c = c, .ldc = B_N });
}

static int b_good(const struct npi_gemm_bf16 *g, const struct npi_gemm_bf16 *ref) {
    static A64 float a[B_M * B_K + 16], w[B_K * B_N], c[2][B_M * B_N]; /* under the lock */
    static A64 uint16_t tiles[2][3 * 2 * 3 * NPI_BF16_TILE / 2];
    const float *rows[B_M];
    float bias[B_N];
    uint32_t r = 1;
    for (int i = 0; i < B_K; i += B_STEP) {
        const int kind = i / B_STEP % 3;
        for (int m = 0; m < B_M; m++) a[m * B_K + i] = b_value(&r, kind == 0 ? 16 : kind == 1 ? 0 : 9);
        for (int n = 0; n < B_N; n++) w[i * B_N + n] = b_value(&r, kind == 0 ? 0 : kind == 1 ? 16 : 9);
    }
    for (int m = 0; m < B_M; m++) rows[m] = a + m * B_K;
    for (int n = 0; n < B_N; n++) bias[n] = b_value(&r, 4);
    for (int parts = 1; parts <= NPI_BF16_MAX_PARTS; parts++) {
        memset(tiles, 0, sizeof tiles);
        memset(c, 0, sizeof c);
        b_run(g, rows, w, bias, parts, tiles[0], c[0]);
        b_run(ref, rows, w, bias, parts, tiles[1], c[1]);
        if (memcmp(tiles[0], tiles[1], sizeof tiles[0]) || memcmp(c[0], c[1], sizeof c[0])) return 0;
    }
    return 1;
}

/* Halves: small whole numbers times powers of two, of which no sum has more than 11 bits, with edges on all sides and more than one block of channels. */
enum { H_H = 9, H_W = 21, H_C = 41, H_K = 7, H_CP = 64 };

static void h_run(const struct npi_dwconv_f16 *d, const float *x, const float *w, float *y) {
    static A64 uint16_t packed[H_K * H_K * H_CP], rows[H_K * (32 + H_K) * H_CP]; /* under the lock */
    static A64 float scale[H_CP], bias[H_CP];
    struct npi_dwconv_f16_job j = { .f = { .x = x, .h = H_H, .w = H_W, .c = H_C, .ldx = H_C, .y = y, .oh = H_H, .ow = H_W, .bias = bias, .kh = H_K, .kw = H_K, .sh = 1, .sw = 1, .dh = 1, .dw = 1,
                                           .pt = H_K / 2, .pl = H_K / 2, .y1 = H_H, .c1 = H_C }, .wgt = packed, .scale = scale, .rows = rows };
    assert(npi_dwconv_f16_scratch(d, &j.f) <= sizeof rows && d->vl <= H_CP);
    for (int c = 0; c < H_C; c++) bias[c] = (float)(c % 5);
    npi_dwconv_f16_pack(d, packed, scale, w, H_K * H_K, H_C);
    d->run(&j);
}

static int h_good(const struct npi_dwconv_f16 *d, const struct npi_dwconv_f16 *ref) {
    static A64 float x[H_H * H_W * H_C + 64], w[H_K * H_K * H_C], y[2][H_H * H_W * H_C]; /* under the lock */
    uint32_t r = 1;
    for (int i = 0; i < H_H * H_W * H_C; i++) x[i] = (float)((int)((r = r * 1664525 + 1013904223) >> 24) % 8 - 4);
    for (int i = 0; i < H_K * H_K * H_C; i++) w[i] = (float)((int)((r = r * 1664525 + 1013904223) >> 24) % 8 - 4) * 0x1p-5f;
    memset(y, 0, sizeof y);
    h_run(d, x, w, y[0]);
    h_run(ref, x, w, y[1]);
    return !memcmp(y[0], y[1], sizeof y[0]);
}

/* The best of `mask` in `cpu`, bit by bit from the top of the list. */
static unsigned best_of(unsigned cpu, const unsigned *list) {
    while (*list && !(cpu & *list)) list++;
    return *list;
}

const char *npi_selftest(const struct npi_kernels *k, unsigned *flags) {
    static const unsigned q8[] = { NPI_CPU_AMX_INT8, NPI_CPU_AVX512_VNNI, NPI_CPU_AVX_VNNI, NPI_CPU_AVX512, NPI_CPU_AVX2, NPI_CPU_I8MM, NPI_CPU_DOTPROD, NPI_CPU_NEON, 0 };
    static const unsigned bf16[] = { NPI_CPU_AMX_BF16, NPI_CPU_AVX512_BF16, NPI_CPU_AVX2, 0 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const unsigned f16[] = { NPI_CPU_AVX512_FP16, NPI_CPU_AVX2, 0 };
    struct npi_gemm_q8 ref_q8, ref_wide;
    struct npi_gemm_bf16 ref_bf16;
    struct npi_dwconv_f16 ref_f16;
    const char *bad = NULL;
    *flags = 0;
    npi_gemm_q8_init(&ref_q8, &ref_wide, 0);
    npi_gemm_bf16_init(&ref_bf16, 0);
    npi_dwconv_f16_init(&ref_f16, 0);
    pthread_mutex_lock(&lock);
    if (k->gemm_q8.tile != ref_q8.tile && !q8_good(&k->gemm_q8, &ref_q8)) bad = k->gemm_q8.name, *flags = best_of(k->cpu, q8);
    else if (k->gemm_q8_wide.tile != ref_q8.tile && k->gemm_q8_wide.tile != k->gemm_q8.tile && !q8_good(&k->gemm_q8_wide, &ref_q8)) bad = k->gemm_q8_wide.name, *flags = best_of(k->cpu, q8);
    else if (k->gemm_bf16.fast && !b_good(&k->gemm_bf16, &ref_bf16)) bad = k->gemm_bf16.name[0], *flags = best_of(k->cpu, bf16);
    else if (k->dwconv_f16.fast && !h_good(&k->dwconv_f16, &ref_f16)) bad = k->dwconv_f16.name, *flags = best_of(k->cpu, f16);
    pthread_mutex_unlock(&lock);
    return bad;
}

const char *npi_kernels_tested(struct npi_kernels *k, unsigned cpu, npi_kernels_init_fn init) {
    const char *first = NULL;
    for (;;) {
        unsigned flags;
        init(k, cpu);
        const char *const bad = npi_selftest(k, &flags);
        if (!bad) return first;
        if (!first) first = bad;
        if (!flags) return first; /* C itself: nothing is left to try */
        cpu &= ~flags;
    }
}

const char *npi_kernels_trusted(struct npi_kernels *k, unsigned cpu) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct { unsigned asked, good; const char *bad; int known; } memo[8]; /* as many --isa as one process may ask for; more are tested again */
    const char *bad = NULL;
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < sizeof memo / sizeof *memo && memo[i].known && memo[i].asked != cpu) i++;
    if (i < sizeof memo / sizeof *memo && memo[i].known) {
        bad = memo[i].bad;
        npi_kernels_init(k, memo[i].good);
    } else {
        bad = npi_kernels_tested(k, cpu, npi_kernels_init);
        if (i < sizeof memo / sizeof *memo) {
            memo[i].asked = cpu;
            memo[i].good = k->cpu;
            memo[i].bad = bad;
            memo[i].known = 1;
        }
    }
    pthread_mutex_unlock(&lock);
    return bad;
}
