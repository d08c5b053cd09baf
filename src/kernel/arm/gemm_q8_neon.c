/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM for plain NEON: differences in int16, smlal by element. 4 rows x 16 channels; panels as the C kernel has them. */
#include "kernel/arm/arm.h"
#include "kernel/arm/q8_neon.h"

enum { NR = 16, MR = 4 };

static void copy_a_neon(const struct npi_gemm_q8_copy *c) {
    const int16x8_t z = vdupq_n_s16((int16_t)c->zx);
    for (int i = 0; i < c->pixels; i++)
        for (int r = 0; r < c->rows; r++) {
            const uint8_t *const s = c->src + (size_t)i * c->pixel_step + (size_t)r * c->row_step;
            int16_t *const d = (int16_t *)(void *)((char *)c->dst + (size_t)i * c->lda) + (size_t)r * c->n;
            for (size_t j = 0; j < c->n; j += 8) { /* up to 14 bytes too many: they lie where later pieces go */
                const uint8x8_t b = vld1_u8(s + j);
                const int16x8_t w = c->is_u8 ? vreinterpretq_s16_u16(vmovl_u8(b)) : vmovl_s8(vreinterpret_s8_u8(b));
                vst1q_s16(d + j, vsubq_s16(w, z));
            }
        }
}

/* One element of each row against 16 weights. */
#define STEP(LANE)                                                                        \
    {                                                                                     \
        const int16x8_t b0 = vld1q_s16(w), b1 = vld1q_s16(w + 8);                         \
        w += NR;                                                                          \
        _Pragma("GCC unroll 4") for (int i = 0; i < MR; i++) {                            \
            acc[i][0] = vmlal_lane_s16(acc[i][0], vget_low_s16(b0), a[i], LANE);          \
            acc[i][1] = vmlal_high_lane_s16(acc[i][1], b0, a[i], LANE);                   \
            acc[i][2] = vmlal_lane_s16(acc[i][2], vget_low_s16(b1), a[i], LANE);          \
            acc[i][3] = vmlal_high_lane_s16(acc[i][3], b1, a[i], LANE);                   \
        }                                                                                 \
    }

static void tile_neon(const struct npi_gemm_q8_tile *t) {
    const int32_t *const bias = t->panel;
    const float *const scale = (const float *)(bias + NR);
    const struct q8_put o = q8_put_init(&t->out);
    for (int r = 0; r < t->rows; r += MR) {
        const int16_t *w = (const int16_t *)(scale + NR), *p[MR];
        int32x4_t acc[MR][4];
        int16x4_t a[MR];
        for (int i = 0; i < MR; i++) { /* the rows behind the last are readable, and not stored */
            const int32x4_t add = vdupq_n_s32(t->row && r + i < t->rows ? t->row[r + i] : 0);
            p[i] = (const int16_t *)(const void *)((const char *)t->a + (size_t)(r + i) * t->lda);
            for (int v = 0; v < 4; v++) acc[i][v] = vaddq_s32(vld1q_s32(bias + 4 * v), add);
        }
        int k = 0;
        for (; k + 4 <= t->groups; k += 4) {
            for (int i = 0; i < MR; i++) a[i] = vld1_s16(p[i] + k);
            STEP(0) STEP(1) STEP(2) STEP(3)
        }
        for (; k < t->groups; k++) {
            for (int i = 0; i < MR; i++) a[i] = vdup_n_s16(p[i][k]);
            STEP(0)
        }
        for (int i = 0; i < MR && r + i < t->rows; i++) q8_put(&o, acc[i], scale, t->nc, t->y + (size_t)(r + i) * t->ldy);
    }
}

void npi_gemm_q8_init_neon(struct npi_gemm_q8 *g) {
    *g = (struct npi_gemm_q8){ .name = "gemm_q8_4x16_neon", .tile = tile_neon, .copy_a = copy_a_neon, .nr = NR, .granule = NR, .kr = 1, .a_bytes = 2 };
}
