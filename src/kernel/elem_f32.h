/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work on floats, the steps that no convolution swallowed:
 *
 *   bin[op].vv   y[i] = clamp(x[i] op z[i], lo, hi)                        (lo, hi = -inf, inf: no clamp)
 *   bin[op].vs   y[i] = clamp(x[i] op z[0], lo, hi)
 *   bin[op].vc   y[r*n + i] = clamp(x[r*n + i] op z[i], lo, hi), r < rows   a value a channel
 *   map[op]      y[i] = f(x[i]; a, b)
 *   softmax      each of `rows` rows of n: e^(x - max) / sum
 *   bins         each row of n, as 3 floats: its maximum, the sum of e^(x - max), the sum of i * e^(x - max)    (a NaN makes the sums NaN)
 *   layer_norm   each row: (x - mean) / sqrt(variance + eps) * scale[i] + bias[i]; rms: the mean counts as 0
 *
 * Largest errors of the SIMD versions against libm in double, over every 617th float: Exp 1.2 ulp, Sigmoid 2.3, Tanh 1.3, Erf 2.4, Elu
 * 3.6; Silu, Gelu, Gelu_tanh and Mish 2.2 * 2^-24 |x| (their tiny values at large negative x have fewer correct digits, or are 0).
 * Arithmetic and everything in front of Exp in the list gives the bits of C.
 *
 * y may be x or z (where z is as long). NaN passes through clamps, and spreads in Min and Max. Vectors may be read, and
 * are not written, up to NPI_TAIL bytes behind their end. */
#ifndef NPI_KERNEL_ELEM_F32_H
#define NPI_KERNEL_ELEM_F32_H
#include <stddef.h>

/*        name      x op z, as C */
#define NPI_BIN_F32_LIST(X)                      \
    X(ADD,          x + z)                       \
    X(SUB,          x - z)                       \
    X(RSUB,         z - x)                       \
    X(MUL,          x * z)                       \
    X(DIV,          x / z)                       \
    X(RDIV,         z / x)                       \
    X(MIN,          x != x || x < z ? x : z)     \
    X(MAX,          x != x || x > z ? x : z)     \
    X(PRELU,        x < 0 ? x * z : x)           \
    X(SQUARED_DIFF, (x - z) * (x - z))

/*        name      f(x; a, b), as C */
#define NPI_MAP_F32_LIST(X)                                                                        \
    X(CLAMP,        x < a ? a : x > b ? b : x)                                                     \
    X(LEAKY,        x < 0 ? x * a : x)                                                             \
    X(HARD_SIGMOID, clampf(x * a + b, 0, 1))                                                       \
    X(HARD_SWISH,   x * clampf(x + 3, 0, 6) * (1.f / 6))                                           \
    X(SQUARE,       x * x)                                                                         \
    X(ABS,          fabsf(x))                                                                      \
    X(NEG,          -x)                                                                            \
    X(SQRT,         sqrtf(x))                                                                      \
    X(RSQRT,        1 / sqrtf(x))                                                                  \
    X(RECIPROCAL,   1 / x)                                                                         \
    X(FLOOR,        floorf(x))                                                                     \
    X(CEIL,         ceilf(x))                                                                      \
    X(ROUND,        nearbyintf(x))                                                                 \
    X(EXP,          expf(x))                                                                       \
    X(SIGMOID,      1 / (1 + expf(-x)))                                                            \
    X(SILU,         x / (1 + expf(-x)))                                                            \
    X(TANH,         tanhf(x))                                                                      \
    X(ERF,          erff(x))                                                                       \
    X(GELU,         .5f * x * (1 + erff(x * .70710678118654752f)))                                 \
    X(GELU_TANH,    .5f * x * (1 + tanhf(.79788456080286536f * (x + .044715f * x * x * x))))       \
    X(MISH,         x * tanhf(log1pf(expf(x))))                                                    \
    X(ELU,          x < 0 ? a * expm1f(x) : x)

enum npi_bin_f32 {
#define NPI_ENUM(name, expr) NPI_BIN_##name,
    NPI_BIN_F32_LIST(NPI_ENUM)
#undef NPI_ENUM
    NPI_BIN_COUNT
};
enum npi_map_f32 {
#define NPI_ENUM(name, expr) NPI_MAP_##name,
    NPI_MAP_F32_LIST(NPI_ENUM)
#undef NPI_ENUM
    NPI_MAP_COUNT
};

struct npi_elem_f32 {
    struct {
        void (*vv)(float *y, const float *x, const float *z, size_t n, float lo, float hi);
        void (*vs)(float *y, const float *x, const float *z, size_t n, float lo, float hi);
        void (*vc)(float *y, const float *x, const float *z, size_t rows, size_t n, float lo, float hi);
    } bin[NPI_BIN_COUNT];
    void (*map[NPI_MAP_COUNT])(float *y, const float *x, size_t n, float a, float b);
    void (*softmax)(float *y, const float *x, size_t rows, size_t n);
    void (*bins)(float *y, const float *x, size_t rows, size_t n); /* y [rows][3], not x */
    void (*layer_norm)(float *y, const float *x, size_t rows, size_t n, const float *scale, const float *bias, float eps, int rms);
};
void npi_elem_f32_init(struct npi_elem_f32 *k, unsigned cpu);
#endif
