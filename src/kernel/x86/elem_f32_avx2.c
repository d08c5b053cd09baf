/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work on floats for AVX2: elem_f32_tmpl.h with eight lanes. */
#include <math.h>

#include "kernel/x86/elem_f32.h"
#include "kernel/x86/simd_avx2.h"

#define V f32x8
#define VN(op) f32x8_##op
#define VL 8
#define KEEP_NAN(x, r) _mm256_blendv_ps(r, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q))
#define SQRT(x) _mm256_sqrt_ps(x)
#define FLOOR(x) _mm256_floor_ps(x)
#define CEIL(x) _mm256_ceil_ps(x)
#define NEG(x) _mm256_xor_ps(x, _mm256_set1_ps(-0.f))

static inline float hmax(__m256 v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
static inline float hsum(__m256 v) {
    __m128 m = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_add_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_add_ss(m, _mm_movehdup_ps(m)));
}
#define HMAX hmax
#define HSUM hsum
#include "kernel/x86/elem_f32_tmpl.h"

void npi_elem_f32_init_avx2(struct npi_elem_f32 *k) { *k = table; }
