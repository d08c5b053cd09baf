/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution for AVX2: 16 channels widened to int16, the taps of two neighbouring rows interleaved and multiplied with vpmaddwd.
 *
 * Square windows of 3, 5 and 7 columns without dilation take four output pixels at a time: an interleaved column serves all of the four windows that
 * it lies in. GOP/s on a Zen 3 (check --bench dwconv_q8), one pixel at a time -> four: 7x7 45 to 47 -> 81 to 92, 5x5 39 to 44 -> 57 to 76, 3x3 28 to 33 -> 36 to 45,
 * where packing and storing a pixel costs as much as its nine products. */
#include "kernel/x86/dwconv_q8.h"
#include "kernel/x86/q8_avx2.h"

enum { PIXELS = 4 };

INLINE __m256i widen_u8(const uint8_t *p) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)p)); }
INLINE __m256i widen_i8(const uint8_t *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)p)); }

INLINE __m256i mac(__m256i acc, __m256i x, const char *w) { return _mm256_add_epi32(acc, _mm256_madd_epi16(x, _mm256_loadu_si256((const void *)w))); }

/* Keeps an accumulator where it is: gcc 12 would add all products of an unrolled loop up in another order, and spill half of them. */
#define KEEP(v) __asm__("" : "+x"(v))

/* One pixel: n of them from px on. */
#define ONE(name, WIDEN)                                                                                                       \
    static void name(const struct npi_dwconv_q8_row *r, const uint8_t *const *px, int n, int c, uint8_t *y) {                  \
        const char *const block = (const char *)r->w + (size_t)(c / 16) * r->w_block;                                          \
        const struct q8_put o = q8_put_init(&r->out);                                                                          \
        const int nc = r->c - c < 16 ? r->c - c : 16, kh = r->kh;                                                              \
        const __m256 scale[2] = { _mm256_loadu_ps((const void *)(block + 64)), _mm256_loadu_ps((const void *)(block + 96)) };  \
        for (int i = 0; i < n; i++, px += r->sw * kh, y += r->c) {                                                             \
            __m256i acc[2] = { _mm256_loadu_si256((const void *)block), _mm256_loadu_si256((const void *)(block + 32)) };      \
            const char *w = block + 128;                                                                                       \
            for (int ky = 0; ky < kh; ky += 2) {                                                                               \
                const uint8_t *const *p = px + ky;                                                                             \
                for (int kx = 0; kx < r->kw; kx++, p += r->dw * kh, w += 64) {                                                 \
                    const __m256i a = WIDEN(p[0] + c), b = WIDEN(p[ky + 1 < kh] + c);                                          \
                    acc[0] = mac(acc[0], _mm256_unpacklo_epi16(a, b), w);                                                      \
                    acc[1] = mac(acc[1], _mm256_unpackhi_epi16(a, b), w + 32);                                                 \
                }                                                                                                              \
            }                                                                                                                  \
            q8_put(&o, acc, scale, 2, nc, y);                                                                                  \
        }                                                                                                                      \
    }
ONE(one_u8, widen_u8)
ONE(one_i8, widen_i8)

/* PIXELS at a time. A macro for the reason given in gemm_q8_zmm.h. */
#define FOUR(name, WIDEN, KW, SW)                                                                                              \
    static __attribute__((noinline)) void name(const struct npi_dwconv_q8_row *r, const uint8_t *const *px, int n, int c, uint8_t *y) { \
        const char *const block = (const char *)r->w + (size_t)(c / 16) * r->w_block;                                          \
        const struct q8_put o = q8_put_init(&r->out);                                                                          \
        const int nc = r->c - c < 16 ? r->c - c : 16, kh = r->kh;                                                              \
        const __m256 scale[2] = { _mm256_loadu_ps((const void *)(block + 64)), _mm256_loadu_ps((const void *)(block + 96)) };  \
        for (int i = 0; i < n; i += PIXELS, px += PIXELS * SW * kh, y += PIXELS * r->c) {                                      \
            __m256i acc[PIXELS][2];                                                                                            \
            _Pragma("GCC unroll 8") for (int j = 0; j < PIXELS; j++) {                                                         \
                acc[j][0] = _mm256_loadu_si256((const void *)block);                                                           \
                acc[j][1] = _mm256_loadu_si256((const void *)(block + 32));                                                    \
            }                                                                                                                  \
            const char *w = block + 128;                                                                                       \
            for (int ky = 0; ky < kh; ky += 2, w += KW * 64) {                                                                 \
                const uint8_t *const *p = px + ky;                                                                             \
                const int second = ky + 1 < kh;                                                                                \
                _Pragma("GCC unroll 16") for (int col = 0; col < (PIXELS - 1) * SW + KW; col++) {                              \
                    const __m256i a = WIDEN(p[0] + c), b = WIDEN(p[second] + c);                                               \
                    const __m256i lo = _mm256_unpacklo_epi16(a, b), hi = _mm256_unpackhi_epi16(a, b);                          \
                    p += kh;                                                                                                   \
                    _Pragma("GCC unroll 8") for (int j = 0; j < PIXELS; j++) {                                                 \
                        const int kx = col - j * SW;                                                                           \
                        if (kx < 0 || kx >= KW) continue;                                                                      \
                        acc[j][0] = mac(acc[j][0], lo, w + kx * 64);                                                           \
                        acc[j][1] = mac(acc[j][1], hi, w + kx * 64 + 32);                                                      \
                        KEEP(acc[j][0]);                                                                                       \
                        KEEP(acc[j][1]);                                                                                       \
                    }                                                                                                          \
                }                                                                                                              \
            }                                                                                                                  \
            _Pragma("GCC unroll 8") for (int j = 0; j < PIXELS; j++) q8_put(&o, acc[j], scale, 2, nc, y + (size_t)j * (size_t)r->c); \
        }                                                                                                                      \
    }
#define FOURS(KW, SW) FOUR(four_##KW##_##SW##_u8, widen_u8, KW, SW) FOUR(four_##KW##_##SW##_i8, widen_i8, KW, SW)
FOURS(3, 1)
FOURS(3, 2)
FOURS(5, 1)
FOURS(5, 2)
FOURS(7, 1)
FOURS(7, 2)

typedef void (*pixels_fn)(const struct npi_dwconv_q8_row *r, const uint8_t *const *px, int n, int c, uint8_t *y);

static pixels_fn fours_of(const struct npi_dwconv_q8_row *r) {
    static const pixels_fn fn[3][2][2] = { { { four_3_1_i8, four_3_1_u8 }, { four_3_2_i8, four_3_2_u8 } },
                                           { { four_5_1_i8, four_5_1_u8 }, { four_5_2_i8, four_5_2_u8 } },
                                           { { four_7_1_i8, four_7_1_u8 }, { four_7_2_i8, four_7_2_u8 } } };
    if (r->dw != 1 || r->sw > 2 || r->kw < 3 || r->kw > 7 || r->kw % 2 == 0) return NULL;
    return fn[r->kw / 2 - 1][r->sw - 1][r->x_u8 != 0];
}

static void row_avx2(const struct npi_dwconv_q8_row *r) {
    const pixels_fn ones = r->x_u8 ? one_u8 : one_i8, fours = fours_of(r);
    const int by_four = fours ? r->n / PIXELS * PIXELS : 0;
    for (int c = 0; c < r->c; c += 16) {
        if (by_four) fours(r, r->px, by_four, c, r->y + c);
        if (by_four < r->n) ones(r, r->px + (size_t)by_four * (size_t)(r->sw * r->kh), r->n - by_four, c, r->y + (size_t)by_four * (size_t)r->c + (size_t)c);
    }
}

void npi_dwconv_q8_init_avx2(struct npi_dwconv_q8 *d) {
    *d = (struct npi_dwconv_q8){ .name = "dwconv_q8_avx2", .row = row_avx2, .block = 16, .order = NPI_DW_Q8_ROW_PAIRS, .lanes = 2 };
}
