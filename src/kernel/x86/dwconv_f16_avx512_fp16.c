/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution in halves with AVX-512 FP16: 16 pixels x 32 channels and one row of weights in 24 of the 32 registers. */
#include "kernel/dwconv_f16.h"
#include "kernel/x86/simd_avx512.h"

typedef __m512h f16x32;
NPI_INLINE f16x32 f16x32_zero(void) { return _mm512_setzero_ph(); }
NPI_INLINE f16x32 f16x32_load(const uint16_t *p) { return _mm512_loadu_ph(p); }
NPI_INLINE f16x32 f16x32_fma(f16x32 x, f16x32 w, f16x32 acc) { return _mm512_fmadd_ph(x, w, acc); }
NPI_INLINE __m512 f16x32_bounded(__m512 x) { return _mm512_max_ps(_mm512_set1_ps(-65504), _mm512_min_ps(_mm512_set1_ps(65504), x)); } /* NaN stays */
NPI_INLINE void f16x32_convert(uint16_t *dst, const float *src, int n) {
    __m512 a, b;
    if (n >= 32) {
        a = _mm512_loadu_ps(src);
        b = _mm512_loadu_ps(src + 16);
    } else {
        const uint32_t mask = (1u << n) - 1;
        a = _mm512_maskz_loadu_ps((__mmask16)mask, src);
        b = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), src + 16);
    }
    const __m256i lo = (__m256i)_mm512_cvtxps_ph(f16x32_bounded(a)), hi = (__m256i)_mm512_cvtxps_ph(f16x32_bounded(b));
    _mm512_storeu_si512(dst, _mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1));
}
NPI_INLINE f32x16 f16x32_widen(f16x32 v, int part) {
    const __m512i i = (__m512i)v;
    return _mm512_cvtxph_ps((__m256h)(part ? _mm512_extracti64x4_epi64(i, 1) : _mm512_castsi512_si256(i)));
}

#define V f32x16
#define VN(op) f32x16_##op
#define VL 16
#define TN(name) name##_32
#define H f16x32
#define HN(op) f16x32_##op
#define HL 32
#define NP 16
#include "kernel/x86/dwconv_f16_tmpl.h"

void npi_dwconv_f16_init_avx512_fp16(struct npi_dwconv_f16 *d) {
    *d = (struct npi_dwconv_f16){ "dwconv_f16_16x32_avx512_fp16", HL, NP, dwh_run_32, 1 };
}
