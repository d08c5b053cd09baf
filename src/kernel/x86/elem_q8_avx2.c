/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of bytes for AVX2. A table look-up of 256 bytes stays with C: 16 shuffles of 16 entries are no faster. */
#include "kernel/x86/elem_q8.h"
#include "kernel/x86/q8_avx2.h"

static void max_avx2(uint8_t *y, const uint8_t *const *px, int taps, size_t n, uint8_t flip) {
    const __m128i f = _mm_set1_epi8((char)flip);
    for (size_t i = 0; i < n; i += 16) {
        __m128i v = _mm_xor_si128(_mm_loadu_si128((const void *)(px[0] + i)), f);
        for (int t = 1; t < taps; t++) v = _mm_max_epi8(v, _mm_xor_si128(_mm_loadu_si128((const void *)(px[t] + i)), f));
        q8_store(y + i, _mm_xor_si128(v, f), n - i < 16 ? (int)(n - i) : 16);
    }
}

static void to_f32_avx2(float *y, const uint8_t *x, size_t n, int is_u8, int zero, float scale) {
    const __m256i z = _mm256_set1_epi32(zero);
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i b = _mm_loadl_epi64((const void *)(x + i));
        const __m256i v = is_u8 ? _mm256_cvtepu8_epi32(b) : _mm256_cvtepi8_epi32(b);
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(v, z)), s));
    }
    for (; i < n; i++) y[i] = (float)((is_u8 ? x[i] : (int8_t)x[i]) - zero) * scale;
}

static void from_f32_avx2(uint8_t *y, const float *x, size_t n, int is_u8, int zero, float scale) {
    const __m256 s = _mm256_set1_ps(scale), lo = _mm256_set1_ps((float)((is_u8 ? 0 : -128) - zero)), hi = _mm256_set1_ps((float)((is_u8 ? 255 : 127) - zero));
    const __m128i z = _mm_set1_epi16((short)zero);
    for (size_t i = 0; i < n; i += 8) {
        float rest[8] = { 0 };
        const int left = n - i < 8 ? (int)(n - i) : 8;
        if (left < 8) __builtin_memcpy(rest, x + i, (size_t)left * 4);
        const __m256 v = _mm256_div_ps(left < 8 ? _mm256_loadu_ps(rest) : _mm256_loadu_ps(x + i), s);
        const __m256i q = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, lo), hi));
        const __m128i w = _mm_add_epi16(_mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1)), z);
        q8_store(y + i, is_u8 ? _mm_packus_epi16(w, w) : _mm_packs_epi16(w, w), left);
    }
}

void npi_elem_q8_init_avx2(struct npi_elem_q8 *k) {
    k->max = max_avx2;
    k->to_f32 = to_f32_avx2;
    k->from_f32 = from_f32_avx2;
}
