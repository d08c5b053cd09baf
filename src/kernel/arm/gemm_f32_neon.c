/* SPDX-License-Identifier: Apache-2.0 */
/* f32 product for NEON: of the 32 registers 8 rows x 12 columns are accumulators. */
#include "kernel/arm/simd_neon.h"
#include "kernel/arm/arm.h"

#define V f32x4
#define VN(op) f32x4_##op
#define VL 4
#define TN(name) name##_4
#include "kernel/x86/gemm_f32_tmpl.h"
BLOCK(1, 3) BLOCK(2, 3) BLOCK(3, 3) BLOCK(4, 3) BLOCK(5, 3) BLOCK(6, 3) BLOCK(7, 3) BLOCK(8, 3)
BLOCK(1, 2) BLOCK(2, 2) BLOCK(3, 2) BLOCK(4, 2) BLOCK(5, 2) BLOCK(6, 2) BLOCK(7, 2) BLOCK(8, 2)
BLOCK(1, 1) BLOCK(2, 1) BLOCK(3, 1) BLOCK(4, 1) BLOCK(5, 1) BLOCK(6, 1) BLOCK(7, 1) BLOCK(8, 1)

#define ROWS(NV) { block_1x##NV##_4, block_2x##NV##_4, block_3x##NV##_4, block_4x##NV##_4, block_5x##NV##_4, block_6x##NV##_4, block_7x##NV##_4, block_8x##NV##_4 }
static const block_fn_4 blocks[4][8] = { [1] = ROWS(1), [2] = ROWS(2), [3] = ROWS(3) };

static int panel_neon(int left) {
    return left <= NPI_GEMM_F32_NARROW ? left : left <= 4 ? 4 : left <= 8 || (left > 12 && left <= 16) ? 8 : 12;
}

static void gemm_f32_neon(const struct npi_gemm_f32_job *j) {
    const float *w = j->w;
    for (int n = 0; n < j->n;) {
        const int width = panel_neon(j->n - n + j->n_behind), cols = j->n - n < width ? j->n - n : width;
        if (width >= 4) panel_4(j, blocks[width / 4], 8, width, w, n, cols);
        else dot_4(j, cols, w, n);
        w += (size_t)j->taps * (size_t)j->k * (size_t)width;
        n += width;
    }
}

void npi_gemm_f32_init_neon(struct npi_gemm_f32 *g) { *g = (struct npi_gemm_f32){ "gemm_f32_8x12_neon", panel_neon, gemm_f32_neon }; }
