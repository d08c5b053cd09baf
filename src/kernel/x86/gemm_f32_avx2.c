/* SPDX-License-Identifier: Apache-2.0 */
/* f32 product for AVX2 + FMA: 16 registers hold 4 rows x 24 columns, 6 x 16 or 8 x 8 accumulators. */
#include "kernel/gemm_f32.h"
#include "kernel/x86/simd_avx2.h"

#define V f32x8
#define VN(op) f32x8_##op
#define VL 8
#define TN(name) name##_8
#include "kernel/x86/gemm_f32_tmpl.h"
BLOCK(1, 3) BLOCK(2, 3) BLOCK(3, 3) BLOCK(4, 3)
BLOCK(1, 2) BLOCK(2, 2) BLOCK(3, 2) BLOCK(4, 2) BLOCK(5, 2) BLOCK(6, 2)
BLOCK(1, 1) BLOCK(2, 1) BLOCK(3, 1) BLOCK(4, 1) BLOCK(5, 1) BLOCK(6, 1) BLOCK(7, 1) BLOCK(8, 1)

static const block_fn_8 blocks_3[] = { block_1x3_8, block_2x3_8, block_3x3_8, block_4x3_8 };
static const block_fn_8 blocks_2[] = { block_1x2_8, block_2x2_8, block_3x2_8, block_4x2_8, block_5x2_8, block_6x2_8 };
static const block_fn_8 blocks_1[] = { block_1x1_8, block_2x1_8, block_3x1_8, block_4x1_8, block_5x1_8, block_6x1_8, block_7x1_8, block_8x1_8 };

static int panel_avx2(int left) {
    return left <= NPI_GEMM_F32_NARROW ? left : left <= 8 ? 8 : left <= 16 || (left > 24 && left <= 32) ? 16 : 24;
}

static void gemm_f32_avx2(const struct npi_gemm_f32_job *j) {
    const float *w = j->w;
    for (int n = 0; n < j->n;) {
        const int width = panel_avx2(j->n - n + j->n_behind), cols = j->n - n < width ? j->n - n : width;
        if (width == 24) panel_8(j, blocks_3, 4, 24, w, n, cols);
        else if (width == 16) panel_8(j, blocks_2, 6, 16, w, n, cols);
        else if (width == 8) panel_8(j, blocks_1, 8, 8, w, n, cols);
        else dot_8(j, cols, w, n);
        w += (size_t)j->taps * (size_t)j->k * (size_t)width;
        n += width;
    }
}

void npi_gemm_f32_init_avx2(struct npi_gemm_f32 *g) {
    *g = (struct npi_gemm_f32){ "gemm_f32_4x24_avx2", panel_avx2, gemm_f32_avx2 };
}
