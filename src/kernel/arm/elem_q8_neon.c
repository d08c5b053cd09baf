/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of bytes, quantized Add and Mul for NEON. A table of 256 bytes is 4 look-ups of 64. */
#include "kernel/arm/arm.h"
#include "kernel/arm/q8_neon.h"

static void map_neon(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table) {
    const uint8x16x4_t t0 = vld1q_u8_x4(table), t1 = vld1q_u8_x4(table + 64), t2 = vld1q_u8_x4(table + 128), t3 = vld1q_u8_x4(table + 192);
    const uint8x16_t step = vdupq_n_u8(64);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint8x16_t at = vld1q_u8(x + i), v = vqtbl4q_u8(t0, at); /* outside the table: 0, or what was there (tbx) */
        v = vqtbx4q_u8(v, t1, at = vsubq_u8(at, step));
        v = vqtbx4q_u8(v, t2, at = vsubq_u8(at, step));
        vst1q_u8(y + i, vqtbx4q_u8(v, t3, vsubq_u8(at, step)));
    }
    for (; i < n; i++) y[i] = table[x[i]];
}

static void max_neon(uint8_t *y, const uint8_t *const *px, int taps, size_t n, uint8_t flip) {
    const uint8x16_t f = vdupq_n_u8(flip);
    for (size_t i = 0; i < n; i += 16) {
        int8x16_t v = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(px[0] + i), f));
        for (int t = 1; t < taps; t++) v = vmaxq_s8(v, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(px[t] + i), f)));
        q8_store(y + i, veorq_s8(v, vreinterpretq_s8_u8(f)), n - i < 16 ? (int)(n - i) : 16);
    }
}

static void to_f32_neon(float *y, const uint8_t *x, size_t n, int is_u8, int zero, float scale) {
    const int16x8_t z = vdupq_n_s16((int16_t)zero);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint8x8_t b = vld1_u8(x + i);
        const int16x8_t v = vsubq_s16(is_u8 ? vreinterpretq_s16_u16(vmovl_u8(b)) : vmovl_s8(vreinterpret_s8_u8(b)), z);
        vst1q_f32(y + i, vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(v))), scale));
        vst1q_f32(y + i + 4, vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(v)), scale));
    }
    for (; i < n; i++) y[i] = (float)((is_u8 ? x[i] : (int8_t)x[i]) - zero) * scale;
}

/* max and min as C has them: NaN gives lo. */
INLINE int32x4_t to_step(float32x4_t x, float32x4_t scale, float32x4_t lo, float32x4_t hi) {
    float32x4_t v = vdivq_f32(x, scale);
    v = vbslq_f32(vcgtq_f32(v, lo), v, lo);
    return vcvtnq_s32_f32(vbslq_f32(vcltq_f32(v, hi), v, hi));
}

static void from_f32_neon(uint8_t *y, const float *x, size_t n, int is_u8, int zero, float scale) {
    const float32x4_t s = vdupq_n_f32(scale), lo = vdupq_n_f32((float)((is_u8 ? 0 : -128) - zero)), hi = vdupq_n_f32((float)((is_u8 ? 255 : 127) - zero));
    const int16x8_t z = vdupq_n_s16((int16_t)zero);
    for (size_t i = 0; i < n; i += 8) {
        float rest[8] = { 0 };
        const int left = n - i < 8 ? (int)(n - i) : 8;
        if (left < 8) memcpy(rest, x + i, (size_t)left * 4);
        const float *const p = left < 8 ? rest : x + i;
        const int16x8_t w = vaddq_s16(vqmovn_high_s32(vqmovn_s32(to_step(vld1q_f32(p), s, lo, hi)), to_step(vld1q_f32(p + 4), s, lo, hi)), z);
        const int8x8_t b = is_u8 ? vreinterpret_s8_u8(vqmovun_s16(w)) : vqmovn_s16(w);
        q8_store(y + i, vcombine_s8(b, b), left);
    }
}

void npi_elem_q8_init_neon(struct npi_elem_q8 *k) { *k = (struct npi_elem_q8){ map_neon, max_neon, to_f32_neon, from_f32_neon }; }

/* --- Add, Mul --- */

INLINE void two(const struct npi_add_q8_args *p, int mul) {
    const uint8x16_t flip_a = vdupq_n_u8(p->flip_a), flip_b = vdupq_n_u8(p->flip_b);
    const struct q8_put o = q8_put_init(&p->out);
    const int32x4_t am = vdupq_n_s32(p->am), bm = vdupq_n_s32(p->bm), bias = vdupq_n_s32(p->bias), shift = vdupq_n_s32(-p->shift);
    const int16x8_t za = vdupq_n_s16((int16_t)p->za), zb = vdupq_n_s16((int16_t)p->zb);
    for (size_t i = 0; i < p->n; i += 16) {
        const int8x16_t a = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p->a + i), flip_a));
        const int8x16_t b = vreinterpretq_s8_u8(veorq_u8(p->b_scalar ? vdupq_n_u8(p->b[0]) : vld1q_u8(p->b + i), flip_b));
        int16x8_t wa[2] = { vmovl_s8(vget_low_s8(a)), vmovl_high_s8(a) }, wb[2] = { vmovl_s8(vget_low_s8(b)), vmovl_high_s8(b) };
        int32x4_t r[4];
        for (int h = 0; h < 2; h++) {
            if (mul) {
                wa[h] = vsubq_s16(wa[h], za);
                wb[h] = vsubq_s16(wb[h], zb);
                r[2 * h] = vcvtnq_s32_f32(vmulq_n_f32(vcvtq_f32_s32(vmull_s16(vget_low_s16(wa[h]), vget_low_s16(wb[h]))), p->ka));
                r[2 * h + 1] = vcvtnq_s32_f32(vmulq_n_f32(vcvtq_f32_s32(vmull_high_s16(wa[h], wb[h])), p->ka));
            } else {
                r[2 * h] = vshlq_s32(vmlaq_s32(vmlaq_s32(bias, vmovl_s16(vget_low_s16(wa[h])), am), vmovl_s16(vget_low_s16(wb[h])), bm), shift);
                r[2 * h + 1] = vshlq_s32(vmlaq_s32(vmlaq_s32(bias, vmovl_high_s16(wa[h]), am), vmovl_high_s16(wb[h]), bm), shift);
            }
        }
        const size_t left = p->n - i;
        q8_store(p->y + i, q8_bytes(&o, r[0], r[1], r[2], r[3]), left < 16 ? (int)left : 16);
    }
}

static void add_neon(const struct npi_add_q8_args *p) { two(p, 0); }
static void mul_neon(const struct npi_add_q8_args *p) { two(p, 1); }

void npi_add_q8_init_neon(struct npi_add_q8 *k) { *k = (struct npi_add_q8){ add_neon, mul_neon }; }
