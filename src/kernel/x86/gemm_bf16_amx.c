/* SPDX-License-Identifier: Apache-2.0 */
/* bf16 product on AMX tiles: 32 rows by 32 columns at a time.
 *
 *   tiles 0 1     sums of rows 0-15 and columns 0-15, 16-31        4 5  A, two blocks of rows
 *         2 3     rows 16-31                                       6 7  W, two blocks of columns
 *
 * A step along k loads four tiles for four products, which the unit hides (16 cycles a product, 10 to 11 a load from L1). With parts the order of the products
 * changes one operand at a time: 8 loads for 12 products of 2 parts, 14 for 24 of 3. The bias is a tile load with a stride of 0. Finished tiles go to one
 * of two buffers, and are taken out of it while the next block is multiplied. */
#include "kernel/x86/amx.h"
#include "kernel/x86/bf16_avx512.h"

enum { PREFETCH_FROM = 512 * 1024 }; /* bytes of weights of a job: fewer stay in L2 from one job to the next */

#define LOAD_A(p, MT)                                         \
    _tile_loadd(4, a + (p) * NPI_BF16_TILE, 64);              \
    if (MT == 2) _tile_loadd(5, a + a_next + (p) * NPI_BF16_TILE, 64);
#define LOAD_W(q, NT)                                         \
    _tile_loadd(6, w + (q) * NT * NPI_BF16_TILE, 64);         \
    if (NT == 2) _tile_loadd(7, w + ((q) * NT + 1) * NPI_BF16_TILE, 64);
#define MULTIPLY(MT, NT)                                      \
    _tile_dpbf16ps(0, 4, 6);                                  \
    if (NT == 2) _tile_dpbf16ps(1, 4, 7);                     \
    if (MT == 2) _tile_dpbf16ps(2, 5, 6);                     \
    if (MT == 2 && NT == 2) _tile_dpbf16ps(3, 5, 7);

/* The sums of MT x NT tiles in registers. a_next: bytes from a block of 16 rows of A to the next; pf: `lines` cache lines a step are fetched from there on. */
#define BLOCK(MT, NT)                                                                                                                       \
    static __attribute__((noinline)) void block_##MT##x##NT(const char *a, size_t a_next, const char *w, int kt, int parts, const float *b0, \
                                                            const float *b1, const char *pf, int lines) {                                   \
        (void)a_next;                                                                                                                       \
        (void)b1;                                                                                                                           \
        npi_amx_see_memory();                                                                                                               \
        _tile_loadd(0, b0, 0);                                                                                                              \
        if (NT == 2) _tile_loadd(1, b1, 0);                                                                                                 \
        if (MT == 2) _tile_loadd(2, b0, 0);                                                                                                 \
        if (MT == 2 && NT == 2) _tile_loadd(3, b1, 0);                                                                                      \
        const size_t a_step = (size_t)parts * NPI_BF16_TILE, w_step = a_step * NT;                                                          \
        for (; kt > 0; kt--, a += a_step, w += w_step) {                                                                                    \
            for (int i = 0; i < lines; i++, pf += 64) _mm_prefetch(pf, _MM_HINT_T1);                                                        \
            if (parts == 1) {                                                                                                               \
                LOAD_A(0, MT) LOAD_W(0, NT) MULTIPLY(MT, NT)                                                                                \
            } else if (parts == 2) {                                                                                                        \
                LOAD_A(0, MT) LOAD_W(1, NT) MULTIPLY(MT, NT)                                                                                \
                LOAD_W(0, NT) MULTIPLY(MT, NT)                                                                                              \
                LOAD_A(1, MT) MULTIPLY(MT, NT)                                                                                              \
            } else {                                                                                                                        \
                LOAD_A(0, MT) LOAD_W(2, NT) MULTIPLY(MT, NT)                                                                                \
                LOAD_W(0, NT) MULTIPLY(MT, NT)                                                                                              \
                LOAD_A(2, MT) MULTIPLY(MT, NT)                                                                                              \
                LOAD_A(1, MT) MULTIPLY(MT, NT)                                                                                              \
                LOAD_W(1, NT) MULTIPLY(MT, NT)                                                                                              \
                LOAD_A(0, MT) MULTIPLY(MT, NT)                                                                                              \
            }                                                                                                                               \
        }                                                                                                                                   \
    }
BLOCK(2, 2) BLOCK(1, 2) BLOCK(2, 1) BLOCK(1, 1)

/* A finished block that lies in a buffer, on its way out. */
struct done { const float *s; int m, mt, n, nt; };

static void put_block(const struct npi_gemm_bf16_job *j, const struct done *d) {
    for (int i = 0; i < d->mt; i++)
        for (int t = 0; t < d->nt; t++) {
            const int m = d->m + 16 * i, n = d->n + 16 * t;
            put_16(j, d->s + (i * 2 + t) * 256, m, j->m - m < 16 ? j->m - m : 16, n, j->n - n < 16 ? j->n - n : 16);
        }
}

static void run(const struct npi_gemm_bf16_job *j) {
    float buffer[2][4 * 256] __attribute__((aligned(64))), no_bias[2][16] __attribute__((aligned(64)));
    const size_t a_tile = (size_t)j->kt * (size_t)j->parts * NPI_BF16_TILE;
    const int m_blocks = (j->m + 31) / 32;
    const int prefetch = npi_gemm_bf16_w_bytes(j->kt * NPI_BF16_K, j->n, j->parts) >= PREFETCH_FROM;
    const char *w = (const char *)j->w;
    struct done d = { 0 };
    int which = 0;
    npi_amx_enter();
    for (int n = 0; n < j->n; n += NPI_BF16_COLS) {
        const int nt = npi_gemm_bf16_tiles(j->n - n), lines = prefetch ? (j->parts * nt * (NPI_BF16_TILE / 64) + m_blocks - 1) / m_blocks : 0;
        const size_t panel = a_tile * (size_t)nt;
        const float *const b0 = bias_at_16(j, n, no_bias[0]), *const b1 = nt > 1 ? bias_at_16(j, n + 16, no_bias[1]) : b0;
        const char *pf = w + panel;
        for (int m = 0; m < j->m; m += 32, pf += (size_t)(lines * j->kt) * 64, which ^= 1) {
            const int mt = j->m - m > 16 ? 2 : 1;
            const char *const a = (const char *)j->a + (size_t)(m / NPI_BF16_ROWS) * a_tile;
            float *const s = buffer[which];
            if (mt == 2 && nt == 2) block_2x2(a, a_tile, w, j->kt, j->parts, b0, b1, pf, lines);
            else if (nt == 2) block_1x2(a, a_tile, w, j->kt, j->parts, b0, b1, pf, lines);
            else if (mt == 2) block_2x1(a, a_tile, w, j->kt, j->parts, b0, b1, pf, lines);
            else block_1x1(a, a_tile, w, j->kt, j->parts, b0, b1, pf, lines);
            put_block(j, &d);
            _tile_stored(0, s, 64);
            if (nt == 2) _tile_stored(1, s + 256, 64);
            if (mt == 2) _tile_stored(2, s + 512, 64);
            if (mt == 2 && nt == 2) _tile_stored(3, s + 768, 64);
            d = (struct done){ s, m, mt, n, nt };
        }
        w += panel;
    }
    put_block(j, &d);
    npi_amx_leave();
}

void npi_gemm_bf16_init_amx(struct npi_gemm_bf16 *g) {
    *g = (struct npi_gemm_bf16){ { "gemm_bf16_32x32_amx", "gemm_bf16x3_32x32_amx", "gemm_bf16x6_32x32_amx" }, run, rows, 1 };
}
