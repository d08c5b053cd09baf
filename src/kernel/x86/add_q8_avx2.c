/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add and Mul for AVX2: 16 bytes a step in 32-bit lanes. */
#include "kernel/x86/add_q8.h"
#include "kernel/x86/q8_avx2.h"

INLINE void run(const struct npi_add_q8_args *p, int mul) {
    const __m128i flip_a = _mm_set1_epi8((char)p->flip_a), flip_b = _mm_set1_epi8((char)p->flip_b);
    const __m128i zy = _mm_set1_epi16((short)p->out.zy), lo = _mm_set1_epi8((char)p->out.lo), hi = _mm_set1_epi8((char)p->out.hi), flip_y = _mm_set1_epi8((char)p->out.flip);
    const __m256 ka = _mm256_set1_ps(p->ka), top = _mm256_set1_ps((float)(p->out.hi - p->out.zy));
    const __m256i am = _mm256_set1_epi32(p->am), bm = _mm256_set1_epi32(p->bm), bias = _mm256_set1_epi32(p->bias);
    const __m128i shift = _mm_cvtsi32_si128(p->shift);
    const __m256i za = _mm256_set1_epi32(p->za), zb = _mm256_set1_epi32(p->zb);
    for (size_t i = 0; i < p->n; i += 16) {
        __m128i a = _mm_xor_si128(_mm_loadu_si128((const void *)(p->a + i)), flip_a);
        __m128i b = _mm_xor_si128(p->b_scalar ? _mm_set1_epi8((char)p->b[0]) : _mm_loadu_si128((const void *)(p->b + i)), flip_b);
        __m128i v[2];
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const __m256i a32 = _mm256_cvtepi8_epi32(a), b32 = _mm256_cvtepi8_epi32(b);
            __m256i r;
            if (mul) {
                const __m256i product = _mm256_mullo_epi32(_mm256_sub_epi32(a32, za), _mm256_sub_epi32(b32, zb));
                r = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(product), ka), top));
            } else {
                r = _mm256_add_epi32(bias, _mm256_add_epi32(_mm256_mullo_epi32(a32, am), _mm256_mullo_epi32(b32, bm)));
                r = _mm256_sra_epi32(r, shift);
            }
            v[j] = _mm_adds_epi16(_mm_packs_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1)), zy);
            a = _mm_unpackhi_epi64(a, a);
            b = _mm_unpackhi_epi64(b, b);
        }
        const size_t left = p->n - i;
        q8_store(p->y + i, _mm_xor_si128(_mm_min_epi8(_mm_max_epi8(_mm_packs_epi16(v[0], v[1]), lo), hi), flip_y), left < 16 ? (int)left : 16);
    }
}

static void add_avx2(const struct npi_add_q8_args *p) { run(p, 0); }
static void mul_avx2(const struct npi_add_q8_args *p) { run(p, 1); }

void npi_add_q8_init_avx2(struct npi_add_q8 *k) { *k = (struct npi_add_q8){ add_avx2, mul_avx2 }; }
