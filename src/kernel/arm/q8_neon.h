/* SPDX-License-Identifier: Apache-2.0 */
/* What the quantized kernels for ARM share: accumulators to bytes, and a store of 0 to 16 of them. */
#ifndef NPI_KERNEL_ARM_Q8_NEON_H
#define NPI_KERNEL_ARM_Q8_NEON_H
#include <arm_neon.h>
#include <string.h>

#include "kernel/gemm_q8.h"

#define INLINE static inline __attribute__((always_inline))

struct q8_put { int16x8_t zy; int8x16_t lo, hi, flip; };

INLINE struct q8_put q8_put_init(const struct npi_q8_out *o) {
    return (struct q8_put){ vdupq_n_s16((int16_t)o->zy), vdupq_n_s8((int8_t)o->lo), vdupq_n_s8((int8_t)o->hi), vreinterpretq_s8_u8(vdupq_n_u8((uint8_t)o->flip)) };
}

INLINE void q8_store(uint8_t *y, int8x16_t b, int n) {
    if (n >= 16) {
        vst1q_s8((int8_t *)y, b);
        return;
    }
    uint8_t t[16];
    vst1q_s8((int8_t *)t, b);
    if (n & 8) memcpy(y, t, 8);
    if (n & 4) memcpy(y + (n & 8), t + (n & 8), 4);
    if (n & 2) memcpy(y + (n & 12), t + (n & 12), 2);
    if (n & 1) y[n & 14] = t[n & 14];
}

/* Windows of x into rows of A as unsigned bytes, for the levels that multiply bytes (see gemm_q8.h). */
static inline void q8_copy_a(const struct npi_gemm_q8_copy *c) {
    const uint8x16_t flip = vdupq_n_u8(c->is_u8 ? 0 : 0x80);
    for (int i = 0; i < c->pixels; i++)
        for (int r = 0; r < c->rows; r++) {
            const uint8_t *const s = c->src + (size_t)i * c->pixel_step + (size_t)r * c->row_step;
            uint8_t *const d = (uint8_t *)c->dst + (size_t)i * c->lda + (size_t)r * c->n;
            for (size_t j = 0; j < c->n; j += 16) vst1q_u8(d + j, veorq_u8(vld1q_u8(s + j), flip));
        }
}

/* Rounded sums, relative to the zero point, to clamped bytes of y's type. */
INLINE int8x16_t q8_bytes(const struct q8_put *o, int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
    const int16x8_t lo = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), o->zy), hi = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), o->zy);
    return veorq_s8(vminq_s8(vmaxq_s8(vqmovn_high_s16(vqmovn_s16(lo), hi), o->lo), o->hi), o->flip);
}

INLINE int32x4_t q8_scaled(int32x4_t acc, float32x4_t scale) { return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(acc), scale)); }

/* 16 accumulators, in the order of the channels, nc of them valid. */
INLINE void q8_put(const struct q8_put *o, const int32x4_t *acc, const float *scale, int nc, uint8_t *y) {
    q8_store(y, q8_bytes(o, q8_scaled(acc[0], vld1q_f32(scale)), q8_scaled(acc[1], vld1q_f32(scale + 4)), q8_scaled(acc[2], vld1q_f32(scale + 8)),
                         q8_scaled(acc[3], vld1q_f32(scale + 12))), nc);
}
#endif
