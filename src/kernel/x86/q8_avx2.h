/* SPDX-License-Identifier: Apache-2.0 */
/* What the quantized kernels in 256-bit registers share: accumulators to bytes, and a store of 0 to 16 of them. Packing works in 128-bit lanes, so
 * the packers put the channels such that they come out in order. */
#ifndef NPI_KERNEL_X86_Q8_AVX2_H
#define NPI_KERNEL_X86_Q8_AVX2_H
#include <immintrin.h>

#include "kernel/gemm_q8.h"

#define INLINE static inline __attribute__((always_inline))

struct q8_put { __m128i zy, lo, hi, flip; };

INLINE struct q8_put q8_put_init(const struct npi_q8_out *o) {
    return (struct q8_put){ _mm_set1_epi16((short)o->zy), _mm_set1_epi8((char)o->lo), _mm_set1_epi8((char)o->hi), _mm_set1_epi8((char)o->flip) };
}

INLINE void q8_store(uint8_t *y, __m128i b, int n) {
    uint64_t v = (uint64_t)_mm_cvtsi128_si64(b);
    if (n >= 16) {
        _mm_storeu_si128((void *)y, b);
        return;
    }
    if (n >= 8) {
        __builtin_memcpy(y, &v, 8);
        v = (uint64_t)_mm_extract_epi64(b, 1);
        y += 8;
    }
    if (n & 4) {
        __builtin_memcpy(y, &v, 4);
        v >>= 32;
        y += 4;
    }
    if (n & 2) {
        __builtin_memcpy(y, &v, 2);
        v >>= 16;
        y += 2;
    }
    if (n & 1) *y = (uint8_t)v;
}

/* nv (1 or 2) vectors of 8 accumulators, nc of them valid, to y. */
INLINE void q8_put(const struct q8_put *o, const __m256i *acc, const __m256 *scale, int nv, int nc, uint8_t *y) {
    __m256i v[2];
#pragma GCC unroll 2
    for (int j = 0; j < nv; j++) v[j] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(acc[j]), scale[j]));
    __m128i p, q;
    if (nv == 2) {
        const __m256i w = _mm256_packs_epi32(v[0], v[1]);
        p = _mm_adds_epi16(_mm256_castsi256_si128(w), o->zy);
        q = _mm_adds_epi16(_mm256_extracti128_si256(w, 1), o->zy);
    } else {
        p = _mm_adds_epi16(_mm_packs_epi32(_mm256_castsi256_si128(v[0]), _mm256_extracti128_si256(v[0], 1)), o->zy);
        q = p;
    }
    q8_store(y, _mm_xor_si128(_mm_min_epi8(_mm_max_epi8(_mm_packs_epi16(p, q), o->lo), o->hi), o->flip), nc);
}
#endif
