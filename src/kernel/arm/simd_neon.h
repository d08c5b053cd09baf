/* SPDX-License-Identifier: Apache-2.0 */
/* Four floats at a time for NEON, under the names that the templates in kernel/x86 are written with (simd_avx2.h): f32x4_add and so on. Where an
 * instruction differs from x86 in special cases the result here is that of x86: min and max give the second operand when one is NaN. */
#ifndef NPI_KERNEL_ARM_SIMD_NEON_H
#define NPI_KERNEL_ARM_SIMD_NEON_H
#include <arm_neon.h>

#include "kernel/act.h"

#define NPI_INLINE static inline __attribute__((always_inline))

typedef float32x4_t f32x4;
NPI_INLINE f32x4 f32x4_set1(float x) { return vdupq_n_f32(x); }
NPI_INLINE f32x4 f32x4_load(const float *p) { return vld1q_f32(p); }
NPI_INLINE void f32x4_store(float *p, f32x4 v) { vst1q_f32(p, v); }
/* The first n lanes, 1 <= n <= 4 (more: all). */
NPI_INLINE void f32x4_store_n(float *p, f32x4 v, int n) {
    if (n >= 4) {
        vst1q_f32(p, v);
        return;
    }
    float32x2_t half = vget_low_f32(v);
    if (n & 2) {
        vst1_f32(p, half);
        half = vget_high_f32(v);
        p += 2;
    }
    if (n & 1) vst1_lane_f32(p, half, 0);
}
/* The first n lanes, 0 <= n <= 4, zeros behind; touches nothing else. */
NPI_INLINE f32x4 f32x4_load_n(const float *p, int n) {
    if (n >= 4) return vld1q_f32(p);
    float t[4] = { 0, 0, 0, 0 };
    for (int i = 0; i < n; i++) t[i] = p[i];
    return vld1q_f32(t);
}
/* The sums of four vectors. */
NPI_INLINE void f32x4_put_sum4(float *p, f32x4 a, f32x4 b, f32x4 c, f32x4 d) { vst1q_f32(p, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))); }
NPI_INLINE f32x4 f32x4_add(f32x4 a, f32x4 b) { return vaddq_f32(a, b); }
NPI_INLINE f32x4 f32x4_sub(f32x4 a, f32x4 b) { return vsubq_f32(a, b); }
NPI_INLINE f32x4 f32x4_mul(f32x4 a, f32x4 b) { return vmulq_f32(a, b); }
NPI_INLINE f32x4 f32x4_div(f32x4 a, f32x4 b) { return vdivq_f32(a, b); }
NPI_INLINE f32x4 f32x4_fma(f32x4 a, f32x4 b, f32x4 c) { return vfmaq_f32(c, a, b); }
NPI_INLINE f32x4 f32x4_max(f32x4 bound, f32x4 x) { return vbslq_f32(vcgtq_f32(bound, x), bound, x); }
NPI_INLINE f32x4 f32x4_min(f32x4 bound, f32x4 x) { return vbslq_f32(vcltq_f32(bound, x), bound, x); }
/* x < y ? a : b */
NPI_INLINE f32x4 f32x4_lt(f32x4 x, f32x4 y, f32x4 a, f32x4 b) { return vbslq_f32(vcltq_f32(x, y), a, b); }
NPI_INLINE f32x4 f32x4_round(f32x4 x) { return vrndnq_f32(x); }
NPI_INLINE f32x4 f32x4_abs(f32x4 x) { return vabsq_f32(x); }
NPI_INLINE f32x4 f32x4_copysign(f32x4 mag, f32x4 sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, mag); }
/* x * 2^n for whole n in -252..254, in two steps so that the ends of the range come out right. */
NPI_INLINE f32x4 f32x4_scale2(f32x4 x, f32x4 n) {
    const int32x4_t i = vcvtnq_s32_f32(n), h = vshrq_n_s32(i, 1), bias = vdupq_n_s32(127);
    const f32x4 a = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(h, bias), 23));
    const f32x4 b = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(i, h), bias), 23));
    return vmulq_f32(vmulq_f32(x, a), b);
}

/* a / b for normal b whose reciprocal is normal: estimate of 8 bits, two Newton steps, 2 ulp. */
NPI_INLINE f32x4 f32x4_ratio(f32x4 a, f32x4 b) {
    f32x4 r = vrecpeq_f32(b);
    r = vmulq_f32(r, vrecpsq_f32(b, r));
    return vmulq_f32(a, vmulq_f32(r, vrecpsq_f32(b, r)));
}

/* 2^u, 1.5 ulp: fraction in -.5...5 by polynomial, whole part added to the exponent. |u| < 126. */
NPI_INLINE f32x4 f32x4_exp2_fast(f32x4 u) {
    const f32x4 n = f32x4_round(u), f = vsubq_f32(u, n);
    f32x4 p = f32x4_fma(vdupq_n_f32(1.32765e-3f), f, vdupq_n_f32(9.67554e-3f));
    p = f32x4_fma(p, f, vdupq_n_f32(5.550713e-2f));
    p = f32x4_fma(p, f, vdupq_n_f32(2.402212e-1f));
    p = f32x4_fma(p, f, vdupq_n_f32(6.9314697e-1f));
    p = f32x4_fma(p, f, vdupq_n_f32(1.00000007f));
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vcvtnq_s32_f32(n), 23)));
}
/* x cut to what exp2_fast can take behind x / ln 2; NaN stays. */
NPI_INLINE f32x4 f32x4_clamp_exp(f32x4 x, f32x4 lo) { return f32x4_max(lo, f32x4_min(vdupq_n_f32(80.f), x)); }

#define DV f32x4
#define DN(op) f32x4_##op
#define DL 4
#define V f32x4
#define VN(op) f32x4_##op
#include "kernel/x86/simd_math.h"
#undef V
#undef VN
#endif
