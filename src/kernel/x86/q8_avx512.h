/* SPDX-License-Identifier: Apache-2.0 */
/* What the quantized kernels in 512-bit registers share: accumulators to bytes. Packing works in 128-bit lanes, so the packers put the channels
 * such that they come out in order. */
#ifndef NPI_KERNEL_X86_Q8_AVX512_H
#define NPI_KERNEL_X86_Q8_AVX512_H
#include <immintrin.h>

#include "kernel/gemm_q8.h"

#define INLINE static inline __attribute__((always_inline))

struct q8_put { __m512i zy, lo, hi, flip; };

INLINE struct q8_put q8_put_init(const struct npi_q8_out *o) {
    return (struct q8_put){ _mm512_set1_epi16((short)o->zy), _mm512_set1_epi8((char)o->lo), _mm512_set1_epi8((char)o->hi), _mm512_set1_epi8((char)o->flip) };
}

/* The first n (1..64) bytes. Masked byte stores are slow on some processors: whole pieces of 16 go without. */
INLINE void q8_store(uint8_t *y, __m512i b, int n) {
    if (n >= 64) {
        _mm512_storeu_si512(y, b);
    } else if (n & 15) {
        _mm512_mask_storeu_epi8(y, _bzhi_u64(~0ull, (unsigned)n), b);
    } else {
        if (n & 32) {
            _mm256_storeu_si256((void *)y, _mm512_castsi512_si256(b));
            if (n & 16) _mm_storeu_si128((void *)(y + 32), _mm512_extracti32x4_epi32(b, 2));
        } else {
            _mm_storeu_si128((void *)y, _mm512_castsi512_si128(b));
        }
    }
}

/* nv vectors of 16 accumulators, nc of them valid, to y. */
INLINE void q8_put(const struct q8_put *o, const __m512i *acc, const __m512 *scale, int nv, int nc, uint8_t *y) {
    __m512i v[4];
#pragma GCC unroll 4
    for (int j = 0; j < nv; j++) v[j] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j]), scale[j]));
    if (nv == 4) {
        const __m512i p = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), o->zy), q = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), o->zy);
        const __m512i b = _mm512_xor_si512(_mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(p, q), o->lo), o->hi), o->flip);
        q8_store(y, b, nc);
    } else if (nv >= 2) {
        const __m512i p = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), o->zy);
        const __m256i in = _mm256_min_epi8(_mm256_max_epi8(_mm512_cvtsepi16_epi8(p), _mm512_castsi512_si256(o->lo)), _mm512_castsi512_si256(o->hi));
        const __m256i b = _mm256_xor_si256(in, _mm512_castsi512_si256(o->flip));
        if (nc >= 32) _mm256_storeu_si256((void *)y, b);
        else if (nc == 16) _mm_storeu_si128((void *)y, _mm256_castsi256_si128(b));
        else _mm256_mask_storeu_epi8(y, _bzhi_u32(~0u, (unsigned)nc), b);
    }
    if (nv & 1) {
        /* saturate to 16 bits before the zero point is added, as the wider paths do */
        const __m256i p = _mm256_adds_epi16(_mm512_cvtsepi32_epi16(v[nv - 1]), _mm512_castsi512_si256(o->zy));
        const __m128i in = _mm_min_epi8(_mm_max_epi8(_mm256_cvtsepi16_epi8(p), _mm512_castsi512_si128(o->lo)), _mm512_castsi512_si128(o->hi));
        const __m128i b = _mm_xor_si128(in, _mm512_castsi512_si128(o->flip));
        const int left = nc - (nv - 1) * 16;
        if (left >= 16) _mm_storeu_si128((void *)(y + (nv - 1) * 16), b);
        else _mm_mask_storeu_epi8(y + (nv - 1) * 16, (__mmask16)_bzhi_u32(0xffff, (unsigned)left), b);
    }
}
#endif
