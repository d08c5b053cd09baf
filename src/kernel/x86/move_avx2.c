/* SPDX-License-Identifier: Apache-2.0 */
/* Transposed copies for AVX2: squares of 8x8 floats and 16x16 bytes in registers, of 4x4 floats where 8 do not fit, the
 * rest element by element. The side with the longer rows is walked along its rows: eight
 * streams, which with a power of two between them still fit the ways of one cache set. Images of three planes have their own way. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernel/x86/move.h"

static inline __attribute__((always_inline)) void square32(char *d, ptrdiff_t ds, const char *s, ptrdiff_t ss) {
    __m256 a[8], b[8];
    /* rows r and r + 4 share a register: the lanes need no crossing later */
    for (int h = 0; h < 2; h++)
        for (int r = 0; r < 4; r++)
            a[h * 4 + r] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps((const float *)(const void *)(s + r * ss + h * 16))),
                                                _mm_loadu_ps((const float *)(const void *)(s + (r + 4) * ss + h * 16)), 1);
    for (int h = 0; h < 8; h += 4) {
        b[h] = _mm256_unpacklo_ps(a[h], a[h + 1]);
        b[h + 1] = _mm256_unpackhi_ps(a[h], a[h + 1]);
        b[h + 2] = _mm256_unpacklo_ps(a[h + 2], a[h + 3]);
        b[h + 3] = _mm256_unpackhi_ps(a[h + 2], a[h + 3]);
        _mm256_storeu_ps((float *)(void *)(d + (h + 0) * ds), _mm256_shuffle_ps(b[h], b[h + 2], 0x44));
        _mm256_storeu_ps((float *)(void *)(d + (h + 1) * ds), _mm256_shuffle_ps(b[h], b[h + 2], 0xee));
        _mm256_storeu_ps((float *)(void *)(d + (h + 2) * ds), _mm256_shuffle_ps(b[h + 1], b[h + 3], 0x44));
        _mm256_storeu_ps((float *)(void *)(d + (h + 3) * ds), _mm256_shuffle_ps(b[h + 1], b[h + 3], 0xee));
    }
}

static inline __attribute__((always_inline)) void square32_4(char *d, ptrdiff_t ds, const char *s, ptrdiff_t ss) {
    __m128 a = _mm_loadu_ps((const float *)(const void *)s), b = _mm_loadu_ps((const float *)(const void *)(s + ss));
    __m128 c = _mm_loadu_ps((const float *)(const void *)(s + 2 * ss)), e = _mm_loadu_ps((const float *)(const void *)(s + 3 * ss));
    _MM_TRANSPOSE4_PS(a, b, c, e);
    _mm_storeu_ps((float *)(void *)d, a);
    _mm_storeu_ps((float *)(void *)(d + ds), b);
    _mm_storeu_ps((float *)(void *)(d + 2 * ds), c);
    _mm_storeu_ps((float *)(void *)(d + 3 * ds), e);
}

/* Three planes to pixels, four at a time: a0 b0 c0 a1 | b1 c1 a2 b2 | c2 a3 b3 c3. Each plane is shuffled once so that
 * every element is in the lane where one of the three outputs wants it. Returns how many pixels are done. */
static size_t interleave3(float *d, const char *s, ptrdiff_t ss, size_t n) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4, d += 12) {
        __m128 a = _mm_loadu_ps((const float *)(const void *)s + i), b = _mm_loadu_ps((const float *)(const void *)(s + ss) + i);
        __m128 c = _mm_loadu_ps((const float *)(const void *)(s + 2 * ss) + i);
        a = _mm_shuffle_ps(a, a, _MM_SHUFFLE(1, 2, 3, 0));
        b = _mm_shuffle_ps(b, b, _MM_SHUFFLE(2, 3, 0, 1));
        c = _mm_shuffle_ps(c, c, _MM_SHUFFLE(3, 0, 1, 2));
        _mm_storeu_ps(d, _mm_blend_ps(_mm_blend_ps(a, b, 2), c, 4));
        _mm_storeu_ps(d + 4, _mm_blend_ps(_mm_blend_ps(b, c, 2), a, 4));
        _mm_storeu_ps(d + 8, _mm_blend_ps(_mm_blend_ps(c, a, 2), b, 4));
    }
    return i;
}

/* And back. */
static size_t planes3(char *d, ptrdiff_t ds, const float *s, size_t n) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4, s += 12) {
        const __m128 x = _mm_loadu_ps(s), y = _mm_loadu_ps(s + 4), z = _mm_loadu_ps(s + 8);
        const __m128 a = _mm_blend_ps(_mm_blend_ps(x, y, 4), z, 2), b = _mm_blend_ps(_mm_blend_ps(y, x, 2), z, 4), c = _mm_blend_ps(_mm_blend_ps(z, y, 2), x, 4);
        _mm_storeu_ps((float *)(void *)d + i, _mm_shuffle_ps(a, a, _MM_SHUFFLE(1, 2, 3, 0)));
        _mm_storeu_ps((float *)(void *)(d + ds) + i, _mm_shuffle_ps(b, b, _MM_SHUFFLE(2, 3, 0, 1)));
        _mm_storeu_ps((float *)(void *)(d + 2 * ds) + i, _mm_shuffle_ps(c, c, _MM_SHUFFLE(3, 0, 1, 2)));
    }
    return i;
}

static inline __attribute__((always_inline)) void square8(char *d, ptrdiff_t ds, const char *s, ptrdiff_t ss) {
    __m128i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm_loadu_si128((const __m128i *)(const void *)(s + i * ss));
    /* four rounds of interleaving row i with row i + 8 */
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 8; i++) {
            b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
            b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
        }
        for (int i = 0; i < 16; i++) a[i] = b[i];
    }
    for (int i = 0; i < 16; i++) _mm_storeu_si128((__m128i *)(void *)(d + i * ds), a[i]);
}

static inline __attribute__((always_inline)) void edge(char *d, ptrdiff_t ds, const char *s, ptrdiff_t ss, size_t bytes, size_t r0, size_t r1, size_t c0, size_t c1) {
    for (size_t c = c0; c < c1; c++)
        for (size_t r = r0; r < r1; r++) memcpy(d + (ptrdiff_t)c * ds + r * bytes, s + (ptrdiff_t)r * ss + c * bytes, bytes);
}

static void t32_avx2(void *dst, ptrdiff_t ds, const void *src, ptrdiff_t ss, size_t rows, size_t cols) {
    char *const d = dst;
    const char *const s = src;
    if (rows == 3 && ds == 12) {
        edge(d, ds, s, ss, 4, 0, rows, interleave3(dst, s, ss, cols), cols);
        return;
    }
    if (cols == 3 && ss == 12) {
        edge(d, ds, s, ss, 4, planes3(d, ds, src, rows), rows, 0, cols);
        return;
    }
    const size_t wr = rows / 8 * 8, wc = cols / 8 * 8, r4 = rows / 4 * 4, c4 = cols / 4 * 4;
    if (ds > ss)
        for (size_t c = 0; c < wc; c += 8)
            for (size_t r = 0; r < wr; r += 8) square32(d + (ptrdiff_t)c * ds + r * 4, ds, s + (ptrdiff_t)r * ss + c * 4, ss);
    else
        for (size_t r = 0; r < wr; r += 8)
            for (size_t c = 0; c < wc; c += 8) square32(d + (ptrdiff_t)c * ds + r * 4, ds, s + (ptrdiff_t)r * ss + c * 4, ss);
    for (size_t r = 0; r < r4; r += 4) /* the last four rows, and the last four columns of the others */
        for (size_t c = r < wr ? wc : 0; c < c4; c += 4) square32_4(d + (ptrdiff_t)c * ds + r * 4, ds, s + (ptrdiff_t)r * ss + c * 4, ss);
    edge(d, ds, s, ss, 4, r4, rows, 0, cols);
    edge(d, ds, s, ss, 4, 0, r4, c4, cols);
}

static void t8_avx2(void *dst, ptrdiff_t ds, const void *src, ptrdiff_t ss, size_t rows, size_t cols) {
    char *const d = dst;
    const char *const s = src;
    const size_t wr = rows / 16 * 16, wc = cols / 16 * 16;
    for (size_t r = 0; r < wr; r += 16) {
        for (size_t c = 0; c < wc; c += 16) square8(d + (ptrdiff_t)c * ds + r, ds, s + (ptrdiff_t)r * ss + c, ss);
        edge(d, ds, s, ss, 1, r, r + 16, wc, cols);
    }
    edge(d, ds, s, ss, 1, wr, rows, 0, cols);
}

void npi_move_init_avx2(struct npi_move *k) {
    k->t32 = t32_avx2;
    k->t8 = t8_avx2;
}
