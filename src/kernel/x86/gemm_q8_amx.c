/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM on AMX tiles: 16 rows by 16 to 64 columns at a time, 64 values of k a step.
 *
 *   tiles 0 1 2 3   sums of four blocks of 16 columns        4  A, 16 rows of 64 bytes        5 6 7  W, passing by
 *
 * Panels are those of VNNI, 4 values of k together: 16 such groups of a block of columns are a tile already, one row every `width` groups. Five loads serve
 * four products. Finished sums go to one of two buffers and become bytes while the next rows are multiplied. The steps configure the tiles (enter, leave),
 * since a call here is short. */
#include "kernel/x86/amx.h"
#include "kernel/x86/q8_avx512.h"

#include "kernel/x86/gemm_q8.h"

#define MULTIPLY(j, reg, NV)                                              \
    if (NV > j) {                                                         \
        _tile_loadd(reg, w + j * 64, NV * 64);                            \
        _tile_dpbusd(j, 4, reg);                                          \
    }

#define TILE(NV)                                                                                                                  \
    INLINE void put_##NV(const struct npi_gemm_q8_tile *t, const struct q8_put *o, const __m512 *scale, const int32_t *s, int r0) { \
        const int n = t->rows - r0 < 16 ? t->rows - r0 : 16;                                                                      \
        for (int r = 0; r < n; r++) {                                                                                             \
            __m512i acc[NV];                                                                                                      \
            const __m512i add = t->row ? _mm512_set1_epi32(t->row[r0 + r]) : _mm512_setzero_si512();                              \
            _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) acc[j] = _mm512_add_epi32(_mm512_load_si512(s + j * 256 + r * 16), add); \
            q8_put(o, acc, scale, NV, t->nc, t->y + (size_t)(r0 + r) * t->ldy);                                                   \
        }                                                                                                                         \
    }                                                                                                                             \
    static __attribute__((noinline)) void tile_##NV(const struct npi_gemm_q8_tile *t) {                                           \
        int32_t buffer[2][NV * 256] __attribute__((aligned(64)));                                                                 \
        const struct q8_put o = q8_put_init(&t->out);                                                                             \
        const char *const bias = t->panel, *const weights = bias + NV * 128;                                                      \
        __m512 scale[NV];                                                                                                         \
        _Pragma("GCC unroll 4") for (int j = 0; j < NV; j++) scale[j] = _mm512_loadu_ps((const void *)(bias + (NV + j) * 64));     \
        int which = 0;                                                                                                            \
        for (int r = 0; r < t->rows; r += 16, which ^= 1) {                                                                       \
            const char *a = (const char *)t->a + (size_t)r * t->lda, *w = weights;                                                \
            int32_t *const s = buffer[which];                                                                                     \
            npi_amx_see_memory();                                                                                                 \
            _tile_loadd(0, bias, 0);                                                                                              \
            if (NV > 1) _tile_loadd(1, bias + 64, 0);                                                                             \
            if (NV > 2) _tile_loadd(2, bias + 128, 0);                                                                            \
            if (NV > 3) _tile_loadd(3, bias + 192, 0);                                                                            \
            for (int g = t->groups; g > 0; g -= 16, a += 64, w += NV * 1024) {                                                    \
                _tile_loadd(4, a, t->lda);                                                                                        \
                MULTIPLY(0, 5, NV) MULTIPLY(1, 6, NV) MULTIPLY(2, 7, NV) MULTIPLY(3, 5, NV)                                       \
            }                                                                                                                     \
            if (r) put_##NV(t, &o, scale, buffer[which ^ 1], r - 16);                                                             \
            _tile_stored(0, s, 64);                                                                                               \
            if (NV > 1) _tile_stored(1, s + 256, 64);                                                                             \
            if (NV > 2) _tile_stored(2, s + 512, 64);                                                                             \
            if (NV > 3) _tile_stored(3, s + 768, 64);                                                                             \
        }                                                                                                                         \
        put_##NV(t, &o, scale, buffer[which ^ 1], (t->rows - 1) / 16 * 16);                                                       \
    }
TILE(4)
TILE(3)
TILE(2)
TILE(1)

static void tile_amx(const struct npi_gemm_q8_tile *t) {
    if (t->nc > 48) tile_4(t);
    else if (t->nc > 32) tile_3(t);
    else if (t->nc > 16) tile_2(t);
    else tile_1(t);
}

void npi_gemm_q8_init_amx(struct npi_gemm_q8 *g) { /* rows and panels as VNNI has them, but for the length of k */
    g->name = "gemm_q8_16x64_amx";
    g->tile = tile_amx;
    g->group_step = 16;
    g->enter = npi_amx_enter;
    g->leave = npi_amx_leave;
}
