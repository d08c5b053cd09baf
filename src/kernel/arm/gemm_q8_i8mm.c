/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM with usmmla: 2 rows x 8 unsigned bytes times 8 signed bytes x 2 channels. 4 rows x 16 channels; an accumulator holds a square:
 *
 *   acc[p][q] = { row 2p: channels 2q, 2q + 1;  row 2p + 1: channels 2q, 2q + 1 } */
#include "kernel/arm/arm.h"
#include "kernel/arm/q8_neon.h"

enum { NR = 16, MR = 4 };

static void tile_i8mm(const struct npi_gemm_q8_tile *t) {
    const int32_t *const bias = t->panel;
    const float *const scale = (const float *)(bias + NR);
    const struct q8_put o = q8_put_init(&t->out);
    for (int r = 0; r < t->rows; r += MR) {
        const int8_t *w = (const int8_t *)(scale + NR);
        const uint8_t *const a = (const uint8_t *)t->a + (size_t)r * t->lda;
        int32x4_t acc[2][8];
        for (int p = 0; p < 2; p++) {
            const int32x4_t add = vcombine_s32(vdup_n_s32(t->row && r + 2 * p < t->rows ? t->row[r + 2 * p] : 0), vdup_n_s32(t->row && r + 2 * p + 1 < t->rows ? t->row[r + 2 * p + 1] : 0));
            for (int q = 0; q < 8; q++) {
                const int32x2_t b = vld1_s32(bias + 2 * q);
                acc[p][q] = vaddq_s32(vcombine_s32(b, b), add);
            }
        }
        for (int g = 0; g < t->groups; g++, w += NR * 8) {
            const uint8_t *const at = a + g * 8;
            const uint8x16_t a0 = vcombine_u8(vld1_u8(at), vld1_u8(at + t->lda)), a1 = vcombine_u8(vld1_u8(at + 2 * t->lda), vld1_u8(at + 3 * t->lda));
            _Pragma("GCC unroll 8") for (int q = 0; q < 8; q++) {
                const int8x16_t b = vld1q_s8(w + 16 * q);
                acc[0][q] = vusmmlaq_s32(acc[0][q], a0, b);
                acc[1][q] = vusmmlaq_s32(acc[1][q], a1, b);
            }
        }
        for (int i = 0; i < MR && r + i < t->rows; i++) {
            int32x4_t row[4];
            for (int v = 0; v < 4; v++) {
                const int64x2_t x = vreinterpretq_s64_s32(acc[i / 2][2 * v]), z = vreinterpretq_s64_s32(acc[i / 2][2 * v + 1]);
                row[v] = vreinterpretq_s32_s64(i % 2 ? vzip2q_s64(x, z) : vzip1q_s64(x, z));
            }
            q8_put(&o, row, scale, t->nc, t->y + (size_t)(r + i) * t->ldy);
        }
    }
}

void npi_gemm_q8_init_i8mm(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_4x16_i8mm", .tile = tile_i8mm, .copy_a = q8_copy_a, .nr = NR, .granule = NR, .kr = 8, .a_bytes = 1 };
}
