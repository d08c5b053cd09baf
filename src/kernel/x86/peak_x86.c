/* SPDX-License-Identifier: Apache-2.0 */
/* Peak loops of all x86 levels in one file: each function carries its own target, nothing here is called from outside the table, and its
 * caller (backend/peak.c) looks at the flags.
 *
 *   a: [STEPS][MR] elements of 4 bytes, broadcast       b: [STEPS][NV] vectors       acc[i][v] = OP(acc[i][v], a[i], b[v])
 *
 * AMX: two tiles of A, two of B, four of C, sixteen steps. */
#include <immintrin.h>

#include "cpu/cpu.h"
#include "kernel/peak.h"

#define NOINLINE __attribute__((noinline))
#define OPS(MR, NV, LANES, DEPTH) (2. * (MR) * (NV) * (LANES) * (DEPTH) * NPI_PEAK_STEPS) /* DEPTH: products of one lane */

#define LOOP(name, TARGET, VEC, ZERO, LOAD, BROADCAST, STORE, MR, NV, OP)                                                       \
    static NOINLINE __attribute__((target(TARGET))) void name(const void *data, void *sink, long passes) {                      \
        VEC acc[MR][NV];                                                                                                        \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                                   \
            _Pragma("GCC unroll 4") for (int v = 0; v < NV; v++) acc[i][v] = ZERO;                                              \
        while (passes-- > 0) {                                                                                                  \
            const char *a = data, *b = a + NPI_PEAK_STEPS * MR * 4;                                                             \
            for (int s = 0; s < NPI_PEAK_STEPS; s++, a += MR * 4, b += NV * sizeof(VEC)) {                                      \
                VEC bv[NV];                                                                                                     \
                _Pragma("GCC unroll 4") for (int v = 0; v < NV; v++) bv[v] = LOAD(b + (size_t)v * sizeof(VEC));                 \
                _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) {                                                         \
                    const VEC av = BROADCAST(a + i * 4);                                                                        \
                    _Pragma("GCC unroll 4") for (int v = 0; v < NV; v++) acc[i][v] = OP(acc[i][v], av, bv[v]);                  \
                }                                                                                                               \
            }                                                                                                                   \
        }                                                                                                                       \
        _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++)                                                                   \
            _Pragma("GCC unroll 4") for (int v = 0; v < NV; v++) STORE((char *)sink + (i * NV + v) * (int)sizeof(VEC), acc[i][v]); \
    }
/* b has STEPS * NV vectors behind STEPS * MR words: 4x3 of 32 bytes 7 KiB, 6x4 of 64 bytes 18 KiB, so the widest have two vectors a step. */
_Static_assert(NPI_PEAK_STEPS * (4 * 4 + 3 * 32) <= NPI_PEAK_BYTES && NPI_PEAK_STEPS * (12 * 4 + 2 * 64) <= NPI_PEAK_BYTES, "operands do not fit");

#define LOAD_PS(p) _mm256_loadu_ps((const void *)(p))
#define BROADCAST_PS(p) _mm256_broadcast_ss((const void *)(p))
#define STORE_PS(p, v) _mm256_storeu_ps((void *)(p), v)
#define FMA(c, a, b) _mm256_fmadd_ps(a, b, c)
LOOP(fma_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), LOAD_PS, BROADCAST_PS, STORE_PS, 4, 3, FMA)

#define LOAD_I(p) _mm256_loadu_si256((const void *)(p))
#define BROADCAST_I(p) _mm256_set1_epi32(*(const int32_t *)(const void *)(p))
#define STORE_I(p, v) _mm256_storeu_si256((void *)(p), v)
#define MADDUBS(c, a, b) _mm256_add_epi32(c, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#define MADD(c, a, b) _mm256_add_epi32(c, _mm256_madd_epi16(a, b))
#define DPB_YMM(c, a, b) _mm256_dpbusd_avx_epi32(c, a, b)
LOOP(maddubs_avx2, "avx2", __m256i, _mm256_setzero_si256(), LOAD_I, BROADCAST_I, STORE_I, 4, 2, MADDUBS)
LOOP(madd_avx2, "avx2", __m256i, _mm256_setzero_si256(), LOAD_I, BROADCAST_I, STORE_I, 5, 2, MADD)
LOOP(dpb_avx_vnni, "avx2,avxvnni", __m256i, _mm256_setzero_si256(), LOAD_I, BROADCAST_I, STORE_I, 4, 3, DPB_YMM)

#define LOAD_PS512(p) _mm512_loadu_ps(p)
#define BROADCAST_PS512(p) _mm512_set1_ps(*(const float *)(const void *)(p))
#define STORE_PS512(p, v) _mm512_storeu_ps(p, v)
#define FMA512(c, a, b) _mm512_fmadd_ps(a, b, c)
LOOP(fma_avx512, "avx512f", __m512, _mm512_setzero_ps(), LOAD_PS512, BROADCAST_PS512, STORE_PS512, 12, 2, FMA512)

#define LOAD_I512(p) _mm512_loadu_si512(p)
#define BROADCAST_I512(p) _mm512_set1_epi32(*(const int32_t *)(const void *)(p))
#define STORE_I512(p, v) _mm512_storeu_si512(p, v)
#define MADDUBS512(c, a, b) _mm512_add_epi32(c, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)))
#define DPB512(c, a, b) _mm512_dpbusd_epi32(c, a, b)
LOOP(maddubs_avx512, "avx512f,avx512bw", __m512i, _mm512_setzero_si512(), LOAD_I512, BROADCAST_I512, STORE_I512, 8, 2, MADDUBS512)
LOOP(dpb_avx512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), LOAD_I512, BROADCAST_I512, STORE_I512, 12, 2, DPB512)

/* As text: not every compiler of today has the types of these two. */
__attribute__((target("avx512f"))) static inline __m512i dpbf16(__m512i c, __m512i a, __m512i b) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}
__attribute__((target("avx512f"))) static inline __m512i fmaph(__m512i c, __m512i a, __m512i b) {
    __asm__("vfmadd231ph %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}
LOOP(dpbf16_avx512, "avx512f", __m512i, _mm512_setzero_si512(), LOAD_I512, BROADCAST_I512, STORE_I512, 12, 2, dpbf16)
LOOP(fma_fp16, "avx512f", __m512i, _mm512_setzero_si512(), LOAD_I512, BROADCAST_I512, STORE_I512, 12, 2, fmaph)

/* Tiles 0-3: C, 16 x 16 of 4 bytes. 4, 5: A. 6, 7: B, 16 rows of 64 bytes. The caller has the permission of the OS (arch_prctl). */
#define AMX_TARGET "amx-tile,amx-bf16,amx-int8"
enum { AMX_STEPS = 16 };
static const struct { uint8_t palette, start_row, reserved[14]; uint16_t colsb[16]; uint8_t rows[16]; } amx_config = {
    .palette = 1, .colsb = { 64, 64, 64, 64, 64, 64, 64, 64 }, .rows = { 16, 16, 16, 16, 16, 16, 16, 16 }
};
/* A and B together go round the 16 KiB. */
#define AMX_LOOP(name, DOT)                                                                                                     \
    static NOINLINE __attribute__((target(AMX_TARGET))) void name(const void *data, void *sink, long passes) {                  \
        _tile_loadconfig(&amx_config);                                                                                          \
        _tile_zero(0);                                                                                                          \
        _tile_zero(1);                                                                                                          \
        _tile_zero(2);                                                                                                          \
        _tile_zero(3);                                                                                                          \
        while (passes-- > 0)                                                                                                    \
            for (int s = 0; s < AMX_STEPS; s++) {                                                                               \
                const char *const at = (const char *)data + s % 4 * 4096;                                                       \
                _tile_loadd(4, at, 64);                                                                                         \
                _tile_loadd(6, at + 1024, 64);                                                                                  \
                DOT(0, 4, 6);                                                                                                   \
                _tile_loadd(7, at + 2048, 64);                                                                                  \
                DOT(1, 4, 7);                                                                                                   \
                _tile_loadd(5, at + 3072, 64);                                                                                  \
                DOT(2, 5, 6);                                                                                                   \
                DOT(3, 5, 7);                                                                                                   \
            }                                                                                                                   \
        _tile_stored(0, sink, 64);                                                                                              \
        _tile_stored(1, (char *)sink + 1024, 64);                                                                               \
        _tile_stored(2, (char *)sink + 2048, 64);                                                                               \
        _tile_stored(3, (char *)sink + 3072, 64);                                                                               \
        _tile_release();                                                                                                        \
    }
AMX_LOOP(amx_bf16, _tile_dpbf16ps)
AMX_LOOP(amx_int8, _tile_dpbusd)

static NOINLINE __attribute__((target("avx2"))) uint64_t read_avx2(const void *p, size_t bytes) {
    const char *const x = p;
    __m256i s[8];
    for (int k = 0; k < 8; k++) s[k] = _mm256_setzero_si256();
    for (size_t i = 0; i < bytes; i += 256)
        _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++) s[k] = _mm256_xor_si256(s[k], _mm256_load_si256((const void *)(x + i + (size_t)k * 32)));
    for (int k = 1; k < 8; k++) s[0] = _mm256_xor_si256(s[0], s[k]);
    return (uint64_t)_mm256_extract_epi64(s[0], 0) ^ (uint64_t)_mm256_extract_epi64(s[0], 3);
}

static NOINLINE __attribute__((target("avx512f"))) uint64_t read_avx512(const void *p, size_t bytes) {
    const char *const x = p;
    __m512i s[8];
    for (int k = 0; k < 8; k++) s[k] = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes; i += 512)
        _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++) s[k] = _mm512_xor_si512(s[k], _mm512_load_si512(x + i + (size_t)k * 64));
    for (int k = 1; k < 8; k++) s[0] = _mm512_xor_si512(s[0], s[k]);
    return (uint64_t)_mm512_reduce_add_epi64(s[0]);
}

/* 16 rows x 16 columns x 64 bytes of depth, four products a step. */
#define AMX_OPS(DEPTH) (2. * 16 * 16 * (DEPTH) * 4 * AMX_STEPS)
static const struct npi_peak_kernel kernels[] = {
    { "avx2", "fp32", "vfmadd231ps ymm", NPI_CPU_AVX2, NPI_PEAK_F32, OPS(4, 3, 8, 1), fma_avx2 },
    { "avx2", "int8", "vpmaddubsw, vpmaddwd, vpaddd ymm", NPI_CPU_AVX2, NPI_PEAK_I8, OPS(4, 2, 8, 4), maddubs_avx2 },
    { "avx2", "int16", "vpmaddwd, vpaddd ymm", NPI_CPU_AVX2, NPI_PEAK_I16, OPS(5, 2, 8, 2), madd_avx2 },
    { "avx_vnni", "int8", "vpdpbusd ymm", NPI_CPU_AVX_VNNI, NPI_PEAK_I8, OPS(4, 3, 8, 4), dpb_avx_vnni },
    { "avx512", "fp32", "vfmadd231ps zmm", NPI_CPU_AVX512, NPI_PEAK_F32, OPS(12, 2, 16, 1), fma_avx512 },
    { "avx512", "int8", "vpmaddubsw, vpmaddwd, vpaddd zmm", NPI_CPU_AVX512, NPI_PEAK_I8, OPS(8, 2, 16, 4), maddubs_avx512 },
    { "avx512_vnni", "int8", "vpdpbusd zmm", NPI_CPU_AVX512_VNNI, NPI_PEAK_I8, OPS(12, 2, 16, 4), dpb_avx512 },
    { "avx512_bf16", "bf16", "vdpbf16ps zmm", NPI_CPU_AVX512_BF16, NPI_PEAK_BF16, OPS(12, 2, 16, 2), dpbf16_avx512 },
    { "avx512_fp16", "fp16", "vfmadd231ph zmm", NPI_CPU_AVX512_FP16, NPI_PEAK_F16, OPS(12, 2, 32, 1), fma_fp16 },
    { "amx", "bf16", "tdpbf16ps", NPI_CPU_AMX_BF16, NPI_PEAK_BF16, AMX_OPS(32), amx_bf16 },
    { "amx", "int8", "tdpbusd", NPI_CPU_AMX_INT8, NPI_PEAK_I8, AMX_OPS(64), amx_int8 },
};

const struct npi_peak_kernel *npi_peak_kernel_arch(int i) { return i >= 0 && i < (int)(sizeof kernels / sizeof *kernels) ? &kernels[i] : NULL; }
npi_peak_read_fn npi_peak_read_arch(unsigned cpu) { return cpu & NPI_CPU_AVX512 ? read_avx512 : cpu & NPI_CPU_AVX2 ? read_avx2 : NULL; }
