/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of bytes for AVX-512. The table look-up takes words of the table (two entries) with vpermi2w: two instructions
 * cover 128 words, the lowest bit of the byte chooses the half of the word. */
#include "kernel/x86/elem_q8.h"
#include "kernel/x86/q8_avx512.h"

/* Table entries for the low bytes of 32 words. */
INLINE __m512i look_up(const __m512i *t, __m512i x) {
    const __m512i word = _mm512_srli_epi16(x, 1);
    const __mmask32 upper = _mm512_test_epi16_mask(x, _mm512_set1_epi16(0x80)), odd = _mm512_test_epi16_mask(x, _mm512_set1_epi16(1));
    const __m512i v = _mm512_mask_blend_epi16(upper, _mm512_permutex2var_epi16(t[0], word, t[1]), _mm512_permutex2var_epi16(t[2], word, t[3]));
    return _mm512_mask_srli_epi16(v, odd, v, 8);
}

static void map_avx512(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table) {
    const __m512i t[4] = { _mm512_loadu_si512(table), _mm512_loadu_si512(table + 64), _mm512_loadu_si512(table + 128), _mm512_loadu_si512(table + 192) };
    for (size_t i = 0; i < n; i += 64) {
        const __mmask64 m = n - i >= 64 ? ~0ull : _bzhi_u64(~0ull, (unsigned)(n - i));
        const __m512i v = _mm512_maskz_loadu_epi8(m, x + i);
        const __m512i even = look_up(t, v), odd = look_up(t, _mm512_srli_epi16(v, 8));
        _mm512_mask_storeu_epi8(y + i, m, _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaaull, even, _mm512_slli_epi16(odd, 8)));
    }
}

static void max_avx512(uint8_t *y, const uint8_t *const *px, int taps, size_t n, uint8_t flip) {
    const __m512i f = _mm512_set1_epi8((char)flip);
    for (size_t i = 0; i < n; i += 64) {
        const __mmask64 m = n - i >= 64 ? ~0ull : _bzhi_u64(~0ull, (unsigned)(n - i));
        __m512i v = _mm512_xor_si512(_mm512_maskz_loadu_epi8(m, px[0] + i), f);
        for (int k = 1; k < taps; k++) v = _mm512_max_epi8(v, _mm512_xor_si512(_mm512_maskz_loadu_epi8(m, px[k] + i), f));
        _mm512_mask_storeu_epi8(y + i, m, _mm512_xor_si512(v, f));
    }
}

static void to_f32_avx512(float *y, const uint8_t *x, size_t n, int is_u8, int zero, float scale) {
    const __m512i z = _mm512_set1_epi32(zero);
    const __m512 s = _mm512_set1_ps(scale);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = n - i >= 16 ? 0xffff : (__mmask16)_bzhi_u32(0xffff, (unsigned)(n - i));
        const __m128i b = _mm_maskz_loadu_epi8(m, x + i);
        const __m512i v = is_u8 ? _mm512_cvtepu8_epi32(b) : _mm512_cvtepi8_epi32(b);
        _mm512_mask_storeu_ps(y + i, m, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(v, z)), s));
    }
}

static void from_f32_avx512(uint8_t *y, const float *x, size_t n, int is_u8, int zero, float scale) {
    const __m512 s = _mm512_set1_ps(scale), lo = _mm512_set1_ps((float)((is_u8 ? 0 : -128) - zero)), hi = _mm512_set1_ps((float)((is_u8 ? 255 : 127) - zero));
    const __m512i z = _mm512_set1_epi32(zero);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = n - i >= 16 ? 0xffff : (__mmask16)_bzhi_u32(0xffff, (unsigned)(n - i));
        const __m512 v = _mm512_div_ps(_mm512_maskz_loadu_ps(m, x + i), s);
        const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, lo), hi)), z);
        _mm_mask_storeu_epi8(y + i, m, _mm512_cvtepi32_epi8(q));
    }
}

void npi_elem_q8_init_avx512(struct npi_elem_q8 *k) { *k = (struct npi_elem_q8){ map_avx512, max_avx512, to_f32_avx512, from_f32_avx512 }; }
