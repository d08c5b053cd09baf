/* SPDX-License-Identifier: Apache-2.0 */
/* What the levels that convert to bf16 in hardware share: rows into tiles, and the way out. */
#ifndef NPI_KERNEL_X86_BF16_AVX512_H
#define NPI_KERNEL_X86_BF16_AVX512_H
#include <string.h>

#include "kernel/gemm_bf16.h"
#include "kernel/x86/simd_avx512.h"

#define V f32x16
#define VN(op) f32x16_##op
#define VL 16
#define TN(name) name##_16
#include "kernel/x86/gemm_bf16_put.h"

/* x less what it was rounded to; nothing is left of what became infinite. */
NPI_INLINE __m512 rest(__m512 x, __m256i rounded) {
    const __m512 got = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16));
    return _mm512_maskz_sub_ps(_knot_mask16(_mm512_fpclass_ps_mask(got, 0x99)), x, got); /* 0x99: NaN and infinities */
}

/* Two sources at a time: a conversion of 32 values takes as long as one of 16. */
NPI_INLINE void convert(uint16_t *dst, const float *src, int n, int parts) {
    __m512 lo, hi;
    if (n == NPI_BF16_K) {
        lo = _mm512_loadu_ps(src);
        hi = _mm512_loadu_ps(src + 16);
    } else {
        const uint32_t mask = (1u << n) - 1;
        lo = _mm512_maskz_loadu_ps((__mmask16)mask, src);
        hi = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), src + 16);
    }
    for (int p = 0; p < parts; p++, dst += NPI_BF16_TILE / 2) {
        const __m512i h = (__m512i)_mm512_cvtne2ps_pbh(hi, lo);
        if (n == NPI_BF16_K) _mm512_storeu_si512(dst, h);
        else _mm512_mask_storeu_epi16(dst, (1u << n) - 1, h);
        if (p + 1 == parts) break;
        lo = rest(lo, _mm512_castsi512_si256(h));
        hi = rest(hi, _mm512_extracti64x4_epi64(h, 1));
    }
}
#define CONVERT convert
#include "kernel/x86/gemm_bf16_rows.h"
#endif
