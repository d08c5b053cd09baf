/* SPDX-License-Identifier: Apache-2.0 */
/* The same numbers without FP16 arithmetic, for `bf16-emulated`: halves in memory, f32 in registers, each sum rounded to half by F16C. A sum is rounded to f32 first, which
 * moves one in a few thousand by a last bit of a half. */
#include "kernel/dwconv_f16.h"
#include "kernel/x86/simd_avx2.h"

NPI_INLINE f32x8 f16x8_zero(void) { return _mm256_setzero_ps(); }
NPI_INLINE f32x8 f16x8_load(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)); }
NPI_INLINE f32x8 f16x8_fma(f32x8 x, f32x8 w, f32x8 acc) {
    return _mm256_cvtph_ps(_mm256_cvtps_ph(_mm256_fmadd_ps(x, w, acc), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
NPI_INLINE void f16x8_convert(uint16_t *dst, const float *src, int n) {
    const f32x8 x = n >= 8 ? f32x8_load(src) : f32x8_load_n(src, n);
    const f32x8 bounded = _mm256_max_ps(_mm256_set1_ps(-65504), _mm256_min_ps(_mm256_set1_ps(65504), x)); /* NaN stays */
    _mm_storeu_si128((__m128i *)(void *)dst, _mm256_cvtps_ph(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
NPI_INLINE f32x8 f16x8_widen(f32x8 v, int part) {
    (void)part;
    return v;
}

#define V f32x8
#define VN(op) f32x8_##op
#define VL 8
#define TN(name) name##_8
#define H f32x8
#define HN(op) f16x8_##op
#define HL 8
#define NP 8
#include "kernel/x86/dwconv_f16_tmpl.h"

void npi_dwconv_f16_init_avx2(struct npi_dwconv_f16 *d) {
    *d = (struct npi_dwconv_f16){ "dwconv_f16_8x8_avx2", HL, NP, dwh_run_8, 0 };
}
