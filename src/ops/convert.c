/* SPDX-License-Identifier: Apache-2.0 */
/* See convert.h. */
#include "ops/convert.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "nextpose/engine.h"

int npi_dtype_kind(int t) {
    if (t == NP_F32 || t == NP_F16 || t == NP_BF16 || t == NP_F64) return NPI_KIND_FLOAT;
    return t == NP_U64 ? NPI_KIND_UINT : NPI_KIND_INT;
}

int npi_dtype_bits(int t) { return 8 * (int)np_dtype_size(t); }

int64_t npi_f64_to_i64(double v) {
    if (v >= 0x1p63) return INT64_MAX;
    if (v >= -0x1p63) return (int64_t)v;
    return v < 0 ? INT64_MIN : 0; /* NaN falls through both comparisons */
}

static uint64_t f64_to_u64(double v) { return v >= 0x1p64 ? UINT64_MAX : v > 0 ? (uint64_t)v : 0; }

#define LOAD(T, expr)                                                              \
    {                                                                              \
        const T *p = (const T *)base + off;                                        \
        if (step == 1) {                                                           \
            for (size_t i = 0; i < n; i++) { const T x = p[i]; d[i] = expr; }      \
        } else {                                                                   \
            for (size_t i = 0; i < n; i++, p += step) { const T x = *p; d[i] = expr; } \
        }                                                                          \
    }                                                                              \
    break

void npi_load_f64(double *d, int dtype, const void *base, int64_t off, int64_t step, size_t n) {
    switch (dtype) {
    case NP_F32: LOAD(npi_f32u, (double)x);
    case NP_F16: LOAD(npi_u16u, (double)npi_f16_to_f32(x));
    case NP_BF16: LOAD(npi_u16u, (double)npi_bf16_to_f32(x));
    case NP_F64: LOAD(npi_f64u, x);
    case NP_I8: LOAD(int8_t, (double)x);
    case NP_U8: LOAD(uint8_t, (double)x);
    case NP_BOOL: LOAD(uint8_t, (double)(x != 0));
    case NP_I16: LOAD(npi_i16u, (double)x);
    case NP_U16: LOAD(npi_u16u, (double)x);
    case NP_I32: LOAD(npi_i32u, (double)x);
    case NP_U32: LOAD(npi_u32u, (double)x);
    case NP_I64: LOAD(npi_i64u, (double)x);
    case NP_U64: LOAD(npi_u64u, (double)x);
    default: memset(d, 0, n * sizeof *d);
    }
}

void npi_load_i64(int64_t *d, int dtype, const void *base, int64_t off, int64_t step, size_t n) {
    switch (dtype) {
    case NP_F32: LOAD(npi_f32u, npi_f64_to_i64((double)x));
    case NP_F16: LOAD(npi_u16u, npi_f64_to_i64((double)npi_f16_to_f32(x)));
    case NP_BF16: LOAD(npi_u16u, npi_f64_to_i64((double)npi_bf16_to_f32(x)));
    case NP_F64: LOAD(npi_f64u, npi_f64_to_i64(x));
    case NP_I8: LOAD(int8_t, x);
    case NP_U8: LOAD(uint8_t, x);
    case NP_BOOL: LOAD(uint8_t, x != 0);
    case NP_I16: LOAD(npi_i16u, x);
    case NP_U16: LOAD(npi_u16u, x);
    case NP_I32: LOAD(npi_i32u, x);
    case NP_U32: LOAD(npi_u32u, (int64_t)x);
    case NP_I64: case NP_U64: LOAD(npi_i64u, x);
    default: memset(d, 0, n * sizeof *d);
    }
}

#define STORE(T, expr)                                                       \
    {                                                                        \
        T *p = (T *)base + off;                                              \
        for (size_t i = 0; i < n; i++) p[i] = expr;                          \
    }                                                                        \
    break
#define SATURATE(lo, hi) (s[i] >= (double)(lo) ? s[i] <= (double)(hi) ? s[i] : (double)(hi) : s[i] < 0 ? (double)(lo) : 0)

void npi_store_f64(int dtype, void *base, int64_t off, const double *s, size_t n) {
    switch (dtype) {
    case NP_F32: STORE(npi_f32u, (float)s[i]);
    case NP_F16: STORE(npi_u16u, npi_f64_to_f16(s[i]));
    case NP_BF16: STORE(npi_u16u, npi_f64_to_bf16(s[i]));
    case NP_F64: STORE(npi_f64u, s[i]);
    case NP_I8: STORE(int8_t, (int8_t)SATURATE(INT8_MIN, INT8_MAX));
    case NP_U8: STORE(uint8_t, (uint8_t)SATURATE(0, UINT8_MAX));
    case NP_BOOL: STORE(uint8_t, s[i] != 0);
    case NP_I16: STORE(npi_i16u, (int16_t)SATURATE(INT16_MIN, INT16_MAX));
    case NP_U16: STORE(npi_u16u, (uint16_t)SATURATE(0, UINT16_MAX));
    case NP_I32: STORE(npi_i32u, (int32_t)SATURATE(INT32_MIN, INT32_MAX));
    case NP_U32: STORE(npi_u32u, (uint32_t)SATURATE(0, UINT32_MAX));
    case NP_I64: STORE(npi_i64u, npi_f64_to_i64(s[i]));
    case NP_U64: STORE(npi_u64u, f64_to_u64(s[i]));
    default: break;
    }
}

void npi_store_i64(int dtype, void *base, int64_t off, const int64_t *s, size_t n) {
    switch (dtype) {
    case NP_F32: STORE(npi_f32u, (float)s[i]);
    case NP_F16: STORE(npi_u16u, npi_f64_to_f16((double)s[i]));
    case NP_BF16: STORE(npi_u16u, npi_f64_to_bf16((double)s[i]));
    case NP_F64: STORE(npi_f64u, (double)s[i]);
    case NP_I8: case NP_U8: STORE(uint8_t, (uint8_t)s[i]);
    case NP_BOOL: STORE(uint8_t, s[i] != 0);
    case NP_I16: case NP_U16: STORE(npi_u16u, (uint16_t)s[i]);
    case NP_I32: case NP_U32: STORE(npi_u32u, (uint32_t)s[i]);
    case NP_I64: case NP_U64: STORE(npi_i64u, s[i]);
    default: break;
    }
}

int64_t npi_order_key(int dtype, const void *base, int64_t i, int nan_high) {
    if (dtype == NP_U64) return (int64_t)((uint64_t)npi_get_i64(dtype, base, i) ^ (uint64_t)1 << 63);
    if (npi_dtype_kind(dtype) == NPI_KIND_INT) return npi_get_i64(dtype, base, i);
    const double v = npi_get_f64(dtype, base, i) + 0.0; /* -0 becomes 0 */
    if (isnan(v)) return nan_high ? INT64_MAX : INT64_MIN;
    int64_t k;
    memcpy(&k, &v, 8);
    return k < 0 ? (int64_t)((uint64_t)k ^ (uint64_t)INT64_MAX) : k; /* negative doubles order backwards */
}
