/* SPDX-License-Identifier: Apache-2.0 */
/* Does an emulator compute what the manuals say? The instructions that our AVX-512 BF16, FP16, VNNI and AMX kernels are made of, each against plain C, so that a failing kernel test can
 * be put down to the right side. Found in the emulator of docs/performance.md: VCVTNE2PS2BF16 (upper half), TDPBUSD and TDPBSSD (signs). */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define A64 __attribute__((aligned(64)))
static int failures;
static uint32_t seed = 1;
static uint32_t any(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8 ^ seed << 11;
}
static float real(void) { return (float)((int)(any() % 2000001) - 1000000) / 1e6f; }
static uint16_t to_bf16(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static float of_bf16(uint16_t h) {
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void equal(const char *name, const void *got, const void *want, size_t n) {
    const int bad = memcmp(got, want, n) != 0;
    printf("%s %s\n", bad ? "WRONG" : "ok", name);
    failures += bad;
}
static void near(const char *name, const float *got, const float *want, int n, float tol) {
    int bad = 0;
    for (int i = 0; i < n; i++) bad |= !(fabsf(got[i] - want[i]) <= tol);
    printf("%s %s\n", bad ? "WRONG" : "ok", name);
    failures += bad;
}

static void bit_fields(void) {
    uint32_t got[40];
    uint64_t want[40], got64[40];
    uint32_t want32[40];
    for (volatile uint32_t n = 0; n < 40; n++) {
        got[n] = _bzhi_u32(~0u, n);
        want32[n] = n < 32 ? (1u << n) - 1 : ~0u;
        got64[n] = _bzhi_u64(~0ull, n);
        want[n] = (1ull << n) - 1;
    }
    equal("bzhi 32", got, want32, sizeof got);
    equal("bzhi 64", got64, want, sizeof got64);
}

static void conversions(void) {
    A64 float a[32], back[16], want[32];
    uint16_t got[32], half[32];
    for (int i = 0; i < 32; i++) a[i] = real();
    for (int i = 0; i < 32; i++) half[i] = to_bf16(a[i]);
    _mm512_storeu_si512(got, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(a + 16), _mm512_loadu_ps(a)));
    equal("vcvtne2ps2bf16", got, half, 64);
    volatile uint32_t n = 24;
    const uint32_t mask = (1u << n) - 1;
    memset(want, 0, sizeof want);
    memcpy(want, a, n * 4);
    _mm512_storeu_ps(back, _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), a + 16));
    equal("vmovups masked load", back, want + 16, 64);
    const __m512 wide = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((void *)half)), 16));
    _mm512_storeu_ps(back, _mm512_maskz_sub_ps(_knot_mask16(_mm512_fpclass_ps_mask(wide, 0x99)), _mm512_loadu_ps(a), wide));
    for (int i = 0; i < 16; i++) want[i] = a[i] - of_bf16(half[i]);
    equal("vfpclassps, masked vsubps", back, want, 64);
    memset(got, 0xaa, sizeof got);
    memset(half + n, 0xaa, (32 - n) * 2);
    _mm512_mask_storeu_epi16(got, mask, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(a + 16), _mm512_loadu_ps(a)));
    equal("vmovdqu16 masked store", got, half, 64);
}

static void products(void) {
    A64 float acc[16], got[16], want[16];
    uint16_t a[32], b[32];
    uint8_t x[64], y[64];
    int32_t s[16], d[16], w[16];
    for (int i = 0; i < 32; i++) a[i] = to_bf16(real()), b[i] = to_bf16(real());
    for (int i = 0; i < 16; i++) acc[i] = real(), want[i] = acc[i] + of_bf16(a[2 * i]) * of_bf16(b[2 * i]) + of_bf16(a[2 * i + 1]) * of_bf16(b[2 * i + 1]);
    _mm512_storeu_ps(got, _mm512_dpbf16_ps(_mm512_loadu_ps(acc), (__m512bh)_mm512_loadu_si512(a), (__m512bh)_mm512_loadu_si512(b)));
    near("vdpbf16ps", got, want, 16, 1e-6f);
    for (int i = 0; i < 64; i++) x[i] = (uint8_t)any(), y[i] = (uint8_t)any();
    for (int i = 0; i < 16; i++) {
        w[i] = s[i] = (int32_t)(any() >> 4);
        for (int k = 0; k < 4; k++) w[i] += x[4 * i + k] * (int8_t)y[4 * i + k];
    }
    _mm512_storeu_si512(d, _mm512_dpbusd_epi32(_mm512_loadu_si512(s), _mm512_loadu_si512(x), _mm512_loadu_si512(y)));
    equal("vpdpbusd 512", d, w, 64);
    _mm256_storeu_si256((void *)d, _mm256_dpbusd_avx_epi32(_mm256_loadu_si256((void *)s), _mm256_loadu_si256((void *)x), _mm256_loadu_si256((void *)y)));
    equal("vpdpbusd 256 (AVX-VNNI)", d, w, 32);
}

/* Of values that are zero or in the range of normal halves; in C alone, since _Float16 would use the instructions under test. */
static uint16_t to_half(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    const uint32_t a = u & 0x7fffffff;
    return (uint16_t)((u >> 16 & 0x8000) | (a ? (a - 0x38000000 + 0xfff + (a >> 13 & 1)) >> 13 : 0));
}

/* Operands whose products and sums halves hold exactly, and conversions that round. */
static void halves(void) {
    A64 float a[32], back[32], want[32];
    A64 uint16_t h[32], x[32], w[32], s[32], got[32], sum[32];
    for (int i = 0; i < 32; i++) {
        a[i] = real() + (real() > 0 ? 1.5f : -1.5f);
        h[i] = to_half(a[i]);
        const float p = (float)((int)(any() >> 20) % 16 - 8) / 4, q = (float)((int)(any() >> 20) % 16 - 8) / 8, r = (float)((int)(any() >> 20) % 16);
        x[i] = to_half(p);
        w[i] = to_half(q);
        s[i] = to_half(r);
        sum[i] = to_half(r + p * q);
        const uint32_t u = (uint32_t)(h[i] & 0x8000) << 16 | (((uint32_t)(h[i] & 0x7fff) << 13) + 0x38000000);
        memcpy(want + i, &u, 4);
    }
    _mm256_storeu_si256((void *)got, (__m256i)_mm512_cvtxps_ph(_mm512_loadu_ps(a)));
    _mm256_storeu_si256((void *)(got + 16), (__m256i)_mm512_cvtxps_ph(_mm512_loadu_ps(a + 16)));
    equal("vcvtps2phx", got, h, 64);
    const __m512i v = _mm512_loadu_si512(h);
    _mm512_storeu_ps(back, _mm512_cvtxph_ps((__m256h)_mm512_castsi512_si256(v)));
    _mm512_storeu_ps(back + 16, _mm512_cvtxph_ps((__m256h)_mm512_extracti64x4_epi64(v, 1)));
    equal("vcvtph2psx", back, want, sizeof back);
    _mm512_storeu_ph(got, _mm512_fmadd_ph(_mm512_loadu_ph(x), _mm512_loadu_ph(w), _mm512_loadu_ph(s)));
    equal("vfmadd ph", got, sum, 64);
}

static void bytes(void) {
    uint8_t got[96], want[96];
    int bad = 0;
    for (volatile unsigned n = 1; n < 64; n += 3) {
        memset(got, 0xaa, sizeof got);
        memset(want, 0xaa, sizeof want);
        memset(want + 5, 0x55, n);
        _mm512_mask_storeu_epi8(got + 5, _bzhi_u64(~0ull, n), _mm512_set1_epi8(0x55));
        bad |= memcmp(got, want, sizeof got) != 0;
    }
    equal("vmovdqu8 masked store", &bad, &(int){ 0 }, sizeof bad);
    int32_t z[32];
    int16_t p[32], q[32];
    for (int i = 0; i < 32; i++) z[i] = (int32_t)(any() % 100000) - 50000;
    for (int i = 0; i < 32; i++) {
        const int from = z[i / 8 * 4 + i % 4 + (i % 8 / 4) * 16];
        q[i] = (int16_t)(from > 32767 ? 32767 : from < -32768 ? -32768 : from);
    }
    _mm512_storeu_si512(p, _mm512_packs_epi32(_mm512_loadu_si512(z), _mm512_loadu_si512(z + 16)));
    equal("vpackssdw 512", p, q, 64);
}

static void tiles(void) {
    static const struct { uint8_t palette, start, zero[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } A64 config = {
        .palette = 1, .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 }, .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };
    static A64 uint8_t a[1024], b[1024];
    static A64 uint16_t ha[512], hb[512];
    static A64 int32_t first[16], got[256], us[256], ss[256];
    static A64 float bias[16], sum[256], want[256];
    if (syscall(SYS_arch_prctl, 0x1023, 18)) {
        printf("skipped: AMX (not permitted)\n");
        return;
    }
    for (int i = 0; i < 1024; i++) a[i] = (uint8_t)any(), b[i] = (uint8_t)any();
    for (int i = 0; i < 512; i++) ha[i] = to_bf16(real()), hb[i] = to_bf16(real());
    for (int i = 0; i < 16; i++) first[i] = (int32_t)(any() >> 8), bias[i] = real();
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            us[m * 16 + n] = ss[m * 16 + n] = first[n];
            want[m * 16 + n] = bias[n];
            for (int k = 0; k < 64; k++) {
                const int8_t w = (int8_t)b[k / 4 * 64 + n * 4 + k % 4];
                us[m * 16 + n] += a[m * 64 + k] * w;
                ss[m * 16 + n] += (int8_t)a[m * 64 + k] * w;
            }
            for (int k = 0; k < 32; k++) want[m * 16 + n] += of_bf16(ha[m * 32 + k]) * of_bf16(hb[k / 2 * 32 + n * 2 + k % 2]);
        }
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&config);
    _tile_loadd(0, first, 0);
    _tile_loadd(1, first, 0);
    _tile_loadd(2, bias, 0);
    _tile_loadd(4, a, 64);
    _tile_loadd(5, b, 64);
    _tile_loadd(6, ha, 64);
    _tile_loadd(7, hb, 64);
    _tile_dpbusd(0, 4, 5);
    _tile_dpbssd(1, 4, 5);
    _tile_dpbf16ps(2, 6, 7);
    _tile_stored(0, got, 64);
    equal("tdpbusd, tile loads and stores", got, us, sizeof got);
    _tile_stored(1, got, 64);
    equal("tdpbssd", got, ss, sizeof got);
    _tile_stored(2, sum, 64);
    near("tdpbf16ps", sum, want, 256, 1e-5f);
    _tile_release();
}

int main(void) {
    bit_fields();
    conversions();
    products();
    halves();
    bytes();
    tiles();
    printf("%d wrong\n", failures);
    return failures != 0;
}
