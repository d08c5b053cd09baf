/* SPDX-License-Identifier: Apache-2.0 */
/* Eight floats at a time: the few operations that kernels of level avx2 are written in. simd_avx512.h has the same names
 * for sixteen, so that one template serves both. static inline only: a linkable copy compiled for AVX2 could be the one
 * the linker keeps for everybody. */
#ifndef NPI_KERNEL_X86_SIMD_AVX2_H
#define NPI_KERNEL_X86_SIMD_AVX2_H
#include <immintrin.h>

#include "kernel/act.h"

#define NPI_INLINE static inline __attribute__((always_inline))

typedef __m256 f32x8;
NPI_INLINE f32x8 f32x8_set1(float x) { return _mm256_set1_ps(x); }
NPI_INLINE f32x8 f32x8_load(const float *p) { return _mm256_loadu_ps(p); }
NPI_INLINE void f32x8_store(float *p, f32x8 v) { _mm256_storeu_ps(p, v); }
/* The first n lanes, 1 <= n <= 8. A real masked store is slow on AMD before Zen 5, so it goes by pieces. */
NPI_INLINE void f32x8_store_n(float *p, f32x8 v, int n) {
    if (n >= 8) {
        _mm256_storeu_ps(p, v);
        return;
    }
    __m128 q = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, q);
        q = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, q);
        q = _mm_movehl_ps(q, q);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, q);
}
/* The first n lanes, 0 <= n <= 8, zeros behind; touches nothing else. */
NPI_INLINE f32x8 f32x8_load_n(const float *p, int n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
}
/* The sums of four vectors. */
NPI_INLINE __m128 f32x8_sum4(f32x8 a, f32x8 b, f32x8 c, f32x8 d) {
    const f32x8 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}
/* The sums of eight, each as f32x8_sum4 makes it. */
NPI_INLINE f32x8 f32x8_sum8(const f32x8 *a) {
    const f32x8 s = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3])), t = _mm256_hadd_ps(_mm256_hadd_ps(a[4], a[5]), _mm256_hadd_ps(a[6], a[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(s, t, 0x20), _mm256_permute2f128_ps(s, t, 0x31));
}
NPI_INLINE void f32x8_put_sum4(float *p, f32x8 a, f32x8 b, f32x8 c, f32x8 d) { _mm_storeu_ps(p, f32x8_sum4(a, b, c, d)); }
NPI_INLINE f32x8 f32x8_add(f32x8 a, f32x8 b) { return _mm256_add_ps(a, b); }
NPI_INLINE f32x8 f32x8_sub(f32x8 a, f32x8 b) { return _mm256_sub_ps(a, b); }
NPI_INLINE f32x8 f32x8_mul(f32x8 a, f32x8 b) { return _mm256_mul_ps(a, b); }
NPI_INLINE f32x8 f32x8_div(f32x8 a, f32x8 b) { return _mm256_div_ps(a, b); }
NPI_INLINE f32x8 f32x8_fma(f32x8 a, f32x8 b, f32x8 c) { return _mm256_fmadd_ps(a, b, c); }
/* x86 min and max give the second operand when one is NaN: with the variable second, NaN passes through. */
NPI_INLINE f32x8 f32x8_max(f32x8 bound, f32x8 x) { return _mm256_max_ps(bound, x); }
NPI_INLINE f32x8 f32x8_min(f32x8 bound, f32x8 x) { return _mm256_min_ps(bound, x); }
/* x < y ? a : b */
NPI_INLINE f32x8 f32x8_lt(f32x8 x, f32x8 y, f32x8 a, f32x8 b) { return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ)); }
NPI_INLINE f32x8 f32x8_round(f32x8 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
NPI_INLINE f32x8 f32x8_abs(f32x8 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.f), x); }
NPI_INLINE f32x8 f32x8_copysign(f32x8 mag, f32x8 sign) {
    const f32x8 s = _mm256_set1_ps(-0.f);
    return _mm256_or_ps(_mm256_andnot_ps(s, mag), _mm256_and_ps(s, sign));
}
/* x * 2^n for whole n in -252..254, in two steps so that the ends of the range come out right. */
NPI_INLINE f32x8 f32x8_scale2(f32x8 x, f32x8 n) {
    const __m256i i = _mm256_cvtps_epi32(n), h = _mm256_srai_epi32(i, 1), bias = _mm256_set1_epi32(127);
    const f32x8 a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(h, bias), 23));
    const f32x8 b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(i, h), bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(x, a), b);
}

/* a / b where b is normal and so is its reciprocal. The division is the faster way here: 7.7 cycles for a whole SiLU, 8.6 with an estimate
 * and a Newton step (Zen 3). */
NPI_INLINE f32x8 f32x8_ratio(f32x8 a, f32x8 b) { return _mm256_div_ps(a, b); }

/* 2^u, 1.5 ulp: fraction in -.5...5 by polynomial (in pairs: a short chain), whole part added to the exponent. |u| < 126. */
NPI_INLINE f32x8 f32x8_exp2_fast(f32x8 u) {
    const f32x8 n = f32x8_round(u), f = _mm256_sub_ps(u, n), f2 = _mm256_mul_ps(f, f);
    f32x8 p = _mm256_fmadd_ps(_mm256_set1_ps(1.32765e-3f), f, _mm256_set1_ps(9.67554e-3f));
    p = _mm256_fmadd_ps(p, f2, _mm256_fmadd_ps(_mm256_set1_ps(5.550713e-2f), f, _mm256_set1_ps(2.402212e-1f)));
    p = _mm256_fmadd_ps(p, f2, _mm256_fmadd_ps(_mm256_set1_ps(6.9314697e-1f), f, _mm256_set1_ps(1.00000007f)));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}
/* x cut to what exp2_fast can take behind x / ln 2; NaN stays. */
NPI_INLINE f32x8 f32x8_clamp_exp(f32x8 x, f32x8 lo) { return _mm256_max_ps(lo, _mm256_min_ps(_mm256_set1_ps(80.f), x)); }

/* Vectors of eight lanes at most, for templates (gemm_f32_tmpl.h). */
#define DV f32x8
#define DN(op) f32x8_##op
#define DL 8
#define V f32x8
#define VN(op) f32x8_##op
#include "kernel/x86/simd_math.h"
#undef V
#undef VN
#endif
