/* SPDX-License-Identifier: Apache-2.0 */
/* f32 product for AVX-512: 32 registers hold 8 rows x 48 columns of accumulators. A last panel of 8 columns or fewer uses
 * ymm registers: where a 512-bit FMA takes two cycles (Zen 4) it costs half, elsewhere nothing. */
#include "kernel/gemm_f32.h"
#include "kernel/x86/simd_avx512.h"

#define V f32x16
#define VN(op) f32x16_##op
#define VL 16
#define TN(name) name##_16
#include "kernel/x86/gemm_f32_tmpl.h"
#define ROWS8(NV) BLOCK(1, NV) BLOCK(2, NV) BLOCK(3, NV) BLOCK(4, NV) BLOCK(5, NV) BLOCK(6, NV) BLOCK(7, NV) BLOCK(8, NV)
ROWS8(3)
ROWS8(2)
ROWS8(1)
#undef V
#undef VN
#undef VL
#undef TN

#define V f32x8
#define VN(op) f32x8_##op
#define VL 8
#define TN(name) name##_8
#define NPI_NO_DOT
#include "kernel/x86/gemm_f32_tmpl.h"
ROWS8(1)

#define LIST(NV, L) { block_1x##NV##_##L, block_2x##NV##_##L, block_3x##NV##_##L, block_4x##NV##_##L, \
                      block_5x##NV##_##L, block_6x##NV##_##L, block_7x##NV##_##L, block_8x##NV##_##L }
static const block_fn_16 blocks_48[] = LIST(3, 16), blocks_32[] = LIST(2, 16), blocks_16[] = LIST(1, 16);
static const block_fn_8 blocks_8[] = LIST(1, 8);

static int panel_avx512(int left) {
    if (left <= NPI_GEMM_F32_NARROW) return left;
    if (left <= 8) return 8;
    if (left <= 24) return 16;                /* 17..24: 16 + 8 */
    if (left <= 40 || left == 64) return 32;  /* 33..40: 32 + 8; 64: 32 + 32 */
    return 48;
}

static void gemm_f32_avx512(const struct npi_gemm_f32_job *j) {
    const float *w = j->w;
    for (int n = 0; n < j->n;) {
        const int width = panel_avx512(j->n - n + j->n_behind), cols = j->n - n < width ? j->n - n : width;
        if (width == 48) panel_16(j, blocks_48, 8, 48, w, n, cols);
        else if (width == 32) panel_16(j, blocks_32, 8, 32, w, n, cols);
        else if (width == 16) panel_16(j, blocks_16, 8, 16, w, n, cols);
        else if (width == 8) panel_8(j, blocks_8, 8, 8, w, n, cols);
        else dot_16(j, cols, w, n);
        w += (size_t)j->taps * (size_t)j->k * (size_t)width;
        n += width;
    }
}

void npi_gemm_f32_init_avx512(struct npi_gemm_f32 *g) {
    *g = (struct npi_gemm_f32){ "gemm_f32_8x48_avx512", panel_avx512, gemm_f32_avx512 };
}
