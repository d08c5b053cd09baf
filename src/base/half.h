/* SPDX-License-Identifier: Apache-2.0 */
/* 16-bit floats in plain C: IEEE binary16 and bfloat16, to and from binary32. Rounding is to nearest even, overflow gives
 * infinity, subnormals are exact, NaN stays NaN (quiet, top payload bits and sign kept).
 *
 *   f16:  1 sign, 5 exponent (bias 15), 10 fraction        bf16: the upper half of a binary32
 *
 * Coming from a double, npi_f32_odd first rounds to odd: the second rounding then gives what one rounding would. */
#ifndef NPI_BASE_HALF_H
#define NPI_BASE_HALF_H
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t npi_f32_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static inline float npi_bits_f32(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }

static inline float npi_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 1023u;
    if (e == 31) return npi_bits_f32(sign | 0x7f800000u | (m ? 0x400000u | m << 13 : 0));
    if (e) return npi_bits_f32(sign | (e + 112) << 23 | m << 13);
    const float f = (float)m * 0x1p-24f; /* subnormal or zero: exact */
    return sign ? -f : f;
}

static inline uint16_t npi_f32_to_f16(float f) {
    const uint32_t u = npi_f32_bits(f), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x3ffu));
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and up: to infinity */
    if (a >= 0x38800000u) return (uint16_t)(sign | ((a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13)); /* 2^-14 and up: normal; the carry may reach the exponent */
    if (a < 0x33000000u) return (uint16_t)sign; /* below 2^-25: zero */
    const uint32_t e = a >> 23, m = (a & 0x7fffffu) | 0x800000u, s = 126u - e; /* value = m * 2^(e-150); wanted in units of 2^-24: m >> s, s = 14..24 */
    const uint32_t half = 1u << (s - 1), rest = m & ((1u << s) - 1), q = m >> s;
    return (uint16_t)(sign | (q + (rest > half || (rest == half && (q & 1u)))));
}

static inline float npi_bf16_to_f32(uint16_t h) { return npi_bits_f32((uint32_t)h << 16); }

static inline uint16_t npi_f32_to_bf16(float f) {
    const uint32_t u = npi_f32_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* d to binary32, towards zero, with the lowest bit set if anything was lost. */
static inline float npi_f32_odd(double d) {
    if (!(fabs(d) <= 3.4028234663852886e38)) return (float)d; /* inf, NaN, or too large: the 16-bit type overflows as well */
    const float f = (float)d;
    if ((double)f == d) return f;
    uint32_t u = npi_f32_bits(f);
    if (fabs((double)f) > fabs(d)) u--;
    return npi_bits_f32(u | 1u);
}
static inline uint16_t npi_f64_to_f16(double d) { return npi_f32_to_f16(npi_f32_odd(d)); }
static inline uint16_t npi_f64_to_bf16(double d) { return npi_f32_to_bf16(npi_f32_odd(d)); }
#endif
