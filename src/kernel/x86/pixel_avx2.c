/* SPDX-License-Identifier: Apache-2.0 */
/* Pixel lines for AVX2: sixteen columns of a weighted sum at once, eight samples a gather. */
#include <immintrin.h>
#include <stdlib.h>

#include "kernel/x86/pixel.h"

static inline __m256i widen(const uint8_t *p) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p)); }

static void vsum_u8_avx2(uint16_t *acc, const uint8_t *src, ptrdiff_t stride, const uint16_t *w, int n_rows, int n) {
    int i = 0;
    for (; i + 64 <= n; i += 64) {
        __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
        const uint8_t *s = src + i;
        for (int r = 0; r < n_rows; r++, s += stride) {
            const __m256i k = _mm256_set1_epi16((short)w[r]);
            a = _mm256_add_epi16(a, _mm256_mullo_epi16(widen(s), k));
            b = _mm256_add_epi16(b, _mm256_mullo_epi16(widen(s + 16), k));
            c = _mm256_add_epi16(c, _mm256_mullo_epi16(widen(s + 32), k));
            d = _mm256_add_epi16(d, _mm256_mullo_epi16(widen(s + 48), k));
        }
        __m256i *o = (__m256i *)(void *)(acc + i);
        _mm256_storeu_si256(o, a);
        _mm256_storeu_si256(o + 1, b);
        _mm256_storeu_si256(o + 2, c);
        _mm256_storeu_si256(o + 3, d);
    }
    for (; i + 16 <= n; i += 16) {
        __m256i a = _mm256_setzero_si256();
        for (int r = 0; r < n_rows; r++) a = _mm256_add_epi16(a, _mm256_mullo_epi16(widen(src + r * stride + i), _mm256_set1_epi16((short)w[r])));
        _mm256_storeu_si256((__m256i *)(void *)(acc + i), a);
    }
    for (; i < n; i++) {
        unsigned a = 0;
        for (int r = 0; r < n_rows; r++) a += (unsigned)w[r] * src[r * stride + i];
        acc[i] = (uint16_t)a;
    }
}

/* x * 65536 is below 2^24, so the conversion is exact and equal to C's. */
static inline __m256 to_pixel(__m256i x) { return _mm256_mul_ps(_mm256_cvtepi32_ps(x), _mm256_set1_ps(1.f / 65536)); }

static void hpair_u16_avx2(float *out, const uint16_t *acc, const int32_t *at, const uint16_t *w, int step, int n) {
    const __m256i low = _mm256_set1_epi32(0xffff), s = _mm256_set1_epi32(step);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i x = _mm256_mullo_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(at + i)), s);
        const __m256i k = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(w + i)));
        const __m256i g = _mm256_i32gather_epi32((const int *)(const void *)acc, x, 2), a = _mm256_and_si256(g, low);
        const __m256i b = step == 1 ? _mm256_srli_epi32(g, 16)
                                    : _mm256_and_si256(_mm256_i32gather_epi32((const int *)(const void *)(acc + step), x, 2), low);
        _mm256_storeu_ps(out + i, to_pixel(_mm256_add_epi32(_mm256_slli_epi32(a, 8), _mm256_mullo_epi32(_mm256_sub_epi32(b, a), k))));
    }
    for (; i < n; i++) {
        const uint16_t *p = acc + (ptrdiff_t)at[i] * step;
        out[i] = (float)((uint32_t)p[0] * (256u - w[i]) + (uint32_t)p[step] * w[i]) * (1.f / 65536);
    }
}

static inline float sample(const uint8_t *src, ptrdiff_t stride, int step, int32_t u, int32_t v) {
    const uint8_t *p = src + (v >> 16) * stride + (u >> 16) * step, *q = p + stride;
    const unsigned fx = (unsigned)u >> 8 & 255, fy = (unsigned)v >> 8 & 255;
    const unsigned top = p[0] * (256 - fx) + p[step] * fx, low = q[0] * (256 - fx) + q[step] * fx;
    return (float)(top * (256 - fy) + low * fy) * (1.f / 65536);
}

/* Left and right tap of eight pixels, blended by fx: at most 65280. */
static inline __m256i blend_x(const uint8_t *src, __m256i at, __m128i shift, __m256i fx) {
    const __m256i byte = _mm256_set1_epi32(255), g = _mm256_i32gather_epi32((const int *)(const void *)src, at, 1);
    const __m256i a = _mm256_and_si256(g, byte), b = _mm256_and_si256(_mm256_srl_epi32(g, shift), byte);
    return _mm256_add_epi32(_mm256_slli_epi32(a, 8), _mm256_mullo_epi32(_mm256_sub_epi32(b, a), fx));
}

static inline int max8(__m256i x) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m);
}

/* A gather takes four bytes, both taps in one when step <= 3; groups that would read behind `last` go one by one. */
static void line_u8_avx2(float *out, const uint8_t *src, ptrdiff_t stride, int step, ptrdiff_t last, int32_t u, int32_t v, int32_t du, int32_t dv,
                         int n) {
    const int64_t v1 = v + (int64_t)dv * (n > 0 ? n - 1 : 0), lines = (v > v1 ? v : v1) / 65536 + 2;
    const int fits = step <= 3 && llabs((long long)stride) * lines < 1 << 30; /* offsets in 32 bits */
    const __m256i steps = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), byte = _mm256_set1_epi32(255);
    const __m128i shift = _mm_cvtsi32_si128(8 * step);
    const ptrdiff_t lower = stride > 0 ? stride : 0; /* the later of the two lines in memory */
    int i = 0;
    for (; fits && i + 8 <= n; i += 8) {
        const __m256i U = _mm256_add_epi32(_mm256_set1_epi32(u + i * du), _mm256_mullo_epi32(steps, _mm256_set1_epi32(du)));
        const __m256i V = _mm256_add_epi32(_mm256_set1_epi32(v + i * dv), _mm256_mullo_epi32(steps, _mm256_set1_epi32(dv)));
        const __m256i at = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srai_epi32(V, 16), _mm256_set1_epi32((int)stride)),
                                            _mm256_mullo_epi32(_mm256_srai_epi32(U, 16), _mm256_set1_epi32(step)));
        if (max8(at) + lower + 3 > last) {
            for (int k = i; k < i + 8; k++) out[k] = sample(src, stride, step, u + k * du, v + k * dv);
            continue;
        }
        const __m256i fx = _mm256_and_si256(_mm256_srli_epi32(U, 8), byte), fy = _mm256_and_si256(_mm256_srli_epi32(V, 8), byte);
        const __m256i top = blend_x(src, at, shift, fx), low = blend_x(src + stride, at, shift, fx);
        _mm256_storeu_ps(out + i, to_pixel(_mm256_add_epi32(_mm256_slli_epi32(top, 8), _mm256_mullo_epi32(_mm256_sub_epi32(low, top), fy))));
    }
    for (; i < n; i++) out[i] = sample(src, stride, step, u + i * du, v + i * dv);
}

void npi_pixel_init_avx2(struct npi_pixel *k) {
    k->vsum_u8 = vsum_u8_avx2;
    k->hpair_u16 = hpair_u16_avx2;
    k->line_u8 = line_u8_avx2;
}
