/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add and Mul for AVX-512: 64 bytes a step in 32-bit lanes. */
#include "kernel/x86/add_q8.h"
#include "kernel/x86/q8_avx512.h"

INLINE __m512i widen(__m512i x, int j) {
    return _mm512_cvtepi8_epi32(j == 0 ? _mm512_castsi512_si128(x) : j == 1 ? _mm512_extracti32x4_epi32(x, 1) : j == 2 ? _mm512_extracti32x4_epi32(x, 2)
                                                                                                                     : _mm512_extracti32x4_epi32(x, 3));
}

INLINE void run(const struct npi_add_q8_args *p, int mul) {
    const __m512i flip_a = _mm512_set1_epi8((char)p->flip_a), flip_b = _mm512_set1_epi8((char)p->flip_b);
    const __m512i zy = _mm512_set1_epi16((short)p->out.zy), lo = _mm512_set1_epi8((char)p->out.lo), hi = _mm512_set1_epi8((char)p->out.hi), flip_y = _mm512_set1_epi8((char)p->out.flip);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15); /* undoes the lanes of the pack instructions */
    const __m512 ka = _mm512_set1_ps(p->ka), top = _mm512_set1_ps((float)(p->out.hi - p->out.zy));
    const __m512i am = _mm512_set1_epi32(p->am), bm = _mm512_set1_epi32(p->bm), bias = _mm512_set1_epi32(p->bias);
    const __m128i shift = _mm_cvtsi32_si128(p->shift);
    const __m512i za = _mm512_set1_epi32(p->za), zb = _mm512_set1_epi32(p->zb);
    for (size_t i = 0; i < p->n; i += 64) {
        const __mmask64 m = p->n - i >= 64 ? ~0ull : _bzhi_u64(~0ull, (unsigned)(p->n - i));
        const __m512i a = _mm512_xor_si512(_mm512_maskz_loadu_epi8(m, p->a + i), flip_a);
        const __m512i b = _mm512_xor_si512(p->b_scalar ? _mm512_set1_epi8((char)p->b[0]) : _mm512_maskz_loadu_epi8(m, p->b + i), flip_b);
        __m512i v[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            const __m512i a32 = widen(a, j), b32 = widen(b, j);
            if (mul) {
                const __m512i product = _mm512_mullo_epi32(_mm512_sub_epi32(a32, za), _mm512_sub_epi32(b32, zb));
                v[j] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(product), ka), top));
            } else {
                v[j] = _mm512_add_epi32(bias, _mm512_add_epi32(_mm512_mullo_epi32(a32, am), _mm512_mullo_epi32(b32, bm)));
                v[j] = _mm512_sra_epi32(v[j], shift);
            }
        }
        const __m512i q0 = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zy), q1 = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), zy);
        const __m512i y = _mm512_permutexvar_epi32(order, _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(q0, q1), lo), hi));
        _mm512_mask_storeu_epi8(p->y + i, m, _mm512_xor_si512(y, flip_y));
    }
}

static void add_avx512(const struct npi_add_q8_args *p) { run(p, 0); }
static void mul_avx512(const struct npi_add_q8_args *p) { run(p, 1); }

void npi_add_q8_init_avx512(struct npi_add_q8 *k) { *k = (struct npi_add_q8){ add_avx512, mul_avx512 }; }
