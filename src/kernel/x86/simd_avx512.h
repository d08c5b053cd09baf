/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen floats at a time; see simd_avx2.h. */
#ifndef NPI_KERNEL_X86_SIMD_AVX512_H
#define NPI_KERNEL_X86_SIMD_AVX512_H
#include "kernel/x86/simd_avx2.h"

typedef __m512 f32x16;
NPI_INLINE f32x16 f32x16_set1(float x) { return _mm512_set1_ps(x); }
NPI_INLINE f32x16 f32x16_load(const float *p) { return _mm512_loadu_ps(p); }
NPI_INLINE void f32x16_store(float *p, f32x16 v) { _mm512_storeu_ps(p, v); }
NPI_INLINE void f32x16_store_n(float *p, f32x16 v, int n) {
    if (n >= 16) _mm512_storeu_ps(p, v);
    else _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
NPI_INLINE f32x16 f32x16_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
NPI_INLINE f32x8 f32x16_halves(f32x16 a) { return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)); }
NPI_INLINE __m128 f32x16_sum4(f32x16 a, f32x16 b, f32x16 c, f32x16 d) { return f32x8_sum4(f32x16_halves(a), f32x16_halves(b), f32x16_halves(c), f32x16_halves(d)); }
NPI_INLINE f32x8 f32x16_sum8(const f32x16 *a) {
    f32x8 h[8];
    _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) h[i] = f32x16_halves(a[i]);
    return f32x8_sum8(h);
}
NPI_INLINE void f32x16_put_sum4(float *p, f32x16 a, f32x16 b, f32x16 c, f32x16 d) { _mm_storeu_ps(p, f32x16_sum4(a, b, c, d)); }
NPI_INLINE f32x16 f32x16_ratio(f32x16 a, f32x16 b) { /* a / b: 14 bits, one Newton step; a division takes 16 cycles */
    const f32x16 r = _mm512_rcp14_ps(b);
    return _mm512_mul_ps(_mm512_mul_ps(a, r), _mm512_fnmadd_ps(b, r, _mm512_set1_ps(2.f)));
}
NPI_INLINE f32x16 f32x16_add(f32x16 a, f32x16 b) { return _mm512_add_ps(a, b); }
NPI_INLINE f32x16 f32x16_sub(f32x16 a, f32x16 b) { return _mm512_sub_ps(a, b); }
NPI_INLINE f32x16 f32x16_mul(f32x16 a, f32x16 b) { return _mm512_mul_ps(a, b); }
NPI_INLINE f32x16 f32x16_div(f32x16 a, f32x16 b) { return _mm512_div_ps(a, b); }
NPI_INLINE f32x16 f32x16_fma(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fmadd_ps(a, b, c); }
NPI_INLINE f32x16 f32x16_max(f32x16 bound, f32x16 x) { return _mm512_max_ps(bound, x); }
NPI_INLINE f32x16 f32x16_min(f32x16 bound, f32x16 x) { return _mm512_min_ps(bound, x); }
NPI_INLINE f32x16 f32x16_lt(f32x16 x, f32x16 y, f32x16 a, f32x16 b) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a); }
NPI_INLINE f32x16 f32x16_round(f32x16 x) { return _mm512_roundscale_ps(x, 8); /* to nearest, no exception */ }
NPI_INLINE f32x16 f32x16_abs(f32x16 x) { return _mm512_abs_ps(x); }
NPI_INLINE f32x16 f32x16_copysign(f32x16 mag, f32x16 sign) {
    const f32x16 s = _mm512_set1_ps(-0.f);
    return _mm512_or_ps(_mm512_andnot_ps(s, mag), _mm512_and_ps(s, sign));
}
NPI_INLINE f32x16 f32x16_scale2(f32x16 x, f32x16 n) { return _mm512_scalef_ps(x, n); }

/* 2^u, 1.5 ulp: fraction in 0..1 (vreduce, towards minus infinity) by polynomial; vscalef adds the whole part. u < 128. */
NPI_INLINE f32x16 f32x16_exp2_fast(f32x16 u) {
    const f32x16 f = _mm512_reduce_ps(u, 1 | 8);
    f32x16 p = _mm512_fmadd_ps(_mm512_set1_ps(1.877576e-3f), f, _mm512_set1_ps(8.989342e-3f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.5826318e-2f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4015361e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.931531e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.9999994e-1f));
    return _mm512_scalef_ps(p, u);
}
NPI_INLINE f32x16 f32x16_clamp_exp(f32x16 x, f32x16 lo) { return _mm512_max_ps(lo, x); }

#define V f32x16
#define VN(op) f32x16_##op
#include "kernel/x86/simd_math.h"
#undef V
#undef VN
#endif
