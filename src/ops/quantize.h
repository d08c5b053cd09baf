/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of quantized tensors, in one place: references and plan binders use these same formulas.
 *
 *   real = scale * (q - zero)
 *   product ops (conv, fully connected): acc = sum (x - zx) * (w - zw) + bias, int32 that wraps (int64 for int16 x)
 *     m[c] = (float)((double)sx * sw[c] / sy)
 *     y    = zy + nearbyint(clamp((float)acc * m[c], lo - zy, hi - zy))         ties to even
 *   int16 x: the same with double instead of float.
 *   A clamp of NaN gives its lower bound, as maxps(v, lo) does. lo, hi: the type's range cut by the fused activation. */
#ifndef NPI_OPS_QUANTIZE_H
#define NPI_OPS_QUANTIZE_H
#include <math.h>
#include <string.h>

#include "ops/ops.h"

/* Range of an integer dtype that may be quantized; 0 for the others. */
static inline int npi_q_range(int dtype, int32_t *lo, int32_t *hi) {
    switch (dtype) {
    case NP_I8: *lo = -128; *hi = 127; return 1;
    case NP_U8: *lo = 0; *hi = 255; return 1;
    case NP_I16: *lo = -32768; *hi = 32767; return 1;
    case NP_U16: *lo = 0; *hi = 65535; return 1;
    case NP_I32: *lo = INT32_MIN; *hi = INT32_MAX; return 1;
    default: *lo = *hi = 0; return 0;
    }
}
static inline int npi_q_is(const struct npi_view *v) {
    int32_t lo, hi;
    return v && v->q.n > 0 && npi_q_range(v->dtype, &lo, &hi);
}
static inline float npi_q_scale(const struct npi_view *v, int64_t c) { return v->q.scale[v->q.n > 1 ? c : 0]; }
static inline int32_t npi_q_zero(const struct npi_view *v, int64_t c) { return v->q.zero ? v->q.zero[v->q.n > 1 ? c : 0] : 0; }
/* Same parameters (per tensor)? Then values move without arithmetic. */
static inline int npi_q_same(const struct npi_view *a, const struct npi_view *b) {
    return a->dtype == b->dtype && a->q.n == 1 && b->q.n == 1 && npi_q_scale(a, 0) == npi_q_scale(b, 0) && npi_q_zero(a, 0) == npi_q_zero(b, 0);
}
/* Checks that scales are positive and finite, zeros in range, and the axis fits the dims (quant.c). dims: 0 before they are known. */
int npi_q_check(const struct npi_view *v, int dims, const char *what, struct np_error *err);

/* Integers of any dtype, as numbers. */
static inline int64_t npi_get_int(const void *p, int dtype, int64_t i) {
    switch (dtype) {
    case NP_I8: return ((const int8_t *)p)[i];
    case NP_U8: case NP_BOOL: return ((const uint8_t *)p)[i];
    case NP_I16: return ((const int16_t *)p)[i];
    case NP_U16: return ((const uint16_t *)p)[i];
    case NP_I32: return ((const int32_t *)p)[i];
    case NP_U32: return ((const uint32_t *)p)[i];
    default: return ((const int64_t *)p)[i];
    }
}
static inline void npi_set_int(void *p, int dtype, int64_t i, int64_t v) {
    switch (dtype) {
    case NP_I8: ((int8_t *)p)[i] = (int8_t)v; break;
    case NP_U8: case NP_BOOL: ((uint8_t *)p)[i] = (uint8_t)v; break;
    case NP_I16: ((int16_t *)p)[i] = (int16_t)v; break;
    case NP_U16: ((uint16_t *)p)[i] = (uint16_t)v; break;
    case NP_I32: ((int32_t *)p)[i] = (int32_t)v; break;
    case NP_U32: ((uint32_t *)p)[i] = (uint32_t)v; break;
    default: ((int64_t *)p)[i] = v; break;
    }
}

/* q = zero + nearbyint(clamp(x / scale, lo - zero, hi - zero)). The division is a float division, as ONNX defines it. */
static inline int32_t npi_quantize(float x, float scale, int32_t zero, int32_t lo, int32_t hi) {
    const double v = x / scale, a = (double)lo - zero, b = (double)hi - zero;
    return (int32_t)(zero + (int64_t)nearbyint(v > b ? b : v > a ? v : a));
}
static inline float npi_dequantize(int64_t q, float scale, int32_t zero) { return (float)(q - zero) * scale; }

/* Bounds of the output's integers under a fused activation. Kinds other than CLAMP give the full range. */
static inline void npi_requant_bounds(const struct npi_act *act, const struct npi_view *y, int32_t *lo, int32_t *hi) {
    int32_t tlo, thi;
    npi_q_range(y->dtype, &tlo, &thi);
    *lo = tlo;
    *hi = thi;
    if (act->kind != NPI_ACT_CLAMP) return;
    *lo = npi_quantize(act->lo, npi_q_scale(y, 0), npi_q_zero(y, 0), tlo, thi);
    *hi = npi_quantize(act->hi, npi_q_scale(y, 0), npi_q_zero(y, 0), tlo, thi);
    if (*hi < *lo) *hi = *lo;
}
/* In float, in this order, as XNNPACK computes it: the last bit matters for equal bytes. */
static inline float npi_requant_scale(float sx, float sw, float sy) { return sx * sw / sy; }
static inline double npi_requant_scale_wide(float sx, float sw, float sy) { return (double)sx * sw / sy; }
/* v = acc * m, in units of the output's scale. */
static inline int32_t npi_requant_f(float v, int32_t zy, int32_t lo, int32_t hi) {
    const float a = (float)(lo - zy), b = (float)(hi - zy);
    v = v > a ? v : a;
    v = v < b ? v : b;
    return zy + (int32_t)nearbyintf(v);
}
static inline int32_t npi_requant(int32_t acc, float m, int32_t zy, int32_t lo, int32_t hi) { return npi_requant_f((float)acc * m, zy, lo, hi); }
static inline int32_t npi_requant_wide(double v, int32_t zy, int32_t lo, int32_t hi) {
    const double a = (double)lo - zy, b = (double)hi - zy;
    v = v > a ? v : a;
    v = v < b ? v : b;
    return (int32_t)(zy + (int64_t)nearbyint(v));
}
#endif
