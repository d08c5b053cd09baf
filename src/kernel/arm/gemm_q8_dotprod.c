/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM with sdot: four products of signed bytes a lane. 4 rows x 16 channels. A lies in memory as unsigned bytes, as all levels with byte products
 * have it; its top bit is flipped on the way into registers, and the packer takes the zero point as that of signed bytes (a_signed). */
#include "kernel/arm/arm.h"
#include "kernel/arm/q8_neon.h"

enum { NR = 16, MR = 4 };

/* Four elements of each row against four of 16 channels. */
#define STEP(LANE)                                                                                  \
    {                                                                                               \
        const int8x16_t b0 = vld1q_s8(w), b1 = vld1q_s8(w + 16), b2 = vld1q_s8(w + 32), b3 = vld1q_s8(w + 48); \
        w += NR * 4;                                                                                \
        _Pragma("GCC unroll 4") for (int i = 0; i < MR; i++) {                                      \
            acc[i][0] = vdotq_laneq_s32(acc[i][0], b0, a[i], LANE);                                 \
            acc[i][1] = vdotq_laneq_s32(acc[i][1], b1, a[i], LANE);                                 \
            acc[i][2] = vdotq_laneq_s32(acc[i][2], b2, a[i], LANE);                                 \
            acc[i][3] = vdotq_laneq_s32(acc[i][3], b3, a[i], LANE);                                 \
        }                                                                                           \
    }

static void tile_dotprod(const struct npi_gemm_q8_tile *t) {
    const int32_t *const bias = t->panel;
    const float *const scale = (const float *)(bias + NR);
    const struct q8_put o = q8_put_init(&t->out);
    const int8x16_t flip = vdupq_n_s8(-128);
    for (int r = 0; r < t->rows; r += MR) {
        const int8_t *w = (const int8_t *)(scale + NR), *p[MR];
        int32x4_t acc[MR][4];
        int8x16_t a[MR];
        for (int i = 0; i < MR; i++) {
            const int32x4_t add = vdupq_n_s32(t->row && r + i < t->rows ? t->row[r + i] : 0);
            p[i] = (const int8_t *)t->a + (size_t)(r + i) * t->lda;
            for (int v = 0; v < 4; v++) acc[i][v] = vaddq_s32(vld1q_s32(bias + 4 * v), add);
        }
        int g = 0;
        for (; g + 4 <= t->groups; g += 4) {
            for (int i = 0; i < MR; i++) a[i] = veorq_s8(vld1q_s8(p[i] + g * 4), flip);
            STEP(0) STEP(1) STEP(2) STEP(3)
        }
        for (; g < t->groups; g++) {
            for (int i = 0; i < MR; i++) {
                int32_t four;
                memcpy(&four, p[i] + g * 4, 4);
                a[i] = veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(four)), flip);
            }
            STEP(0)
        }
        for (int i = 0; i < MR && r + i < t->rows; i++) q8_put(&o, acc[i], scale, t->nc, t->y + (size_t)(r + i) * t->ldy);
    }
}

void npi_gemm_q8_init_dotprod(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_4x16_dotprod", .tile = tile_dotprod, .copy_a = q8_copy_a, .nr = NR, .granule = NR, .kr = 4, .a_bytes = 1, .a_signed = 1 };
}
