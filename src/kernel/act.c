/* SPDX-License-Identifier: Apache-2.0 */
/* The C activations: what the fused epilogues of the C kernels call and what the SIMD ones are tested against. */
#include "kernel/act.h"

#include <math.h>

float npi_kact_c(const struct npi_kact_f32 *a, float x) {
    switch (a->kind) {
    case NPI_KACT_CLAMP: return x < a->lo ? a->lo : x > a->hi ? a->hi : x; /* NaN stays NaN */
    case NPI_KACT_SILU: return x / (1 + expf(-x));
    case NPI_KACT_SIGMOID: return 1 / (1 + expf(-x));
    case NPI_KACT_HARD_SWISH: return x * fminf(fmaxf(x + 3, 0), 6) / 6;
    case NPI_KACT_LEAKY: return x < 0 ? a->lo * x : x;
    case NPI_KACT_TANH: return tanhf(x);
    case NPI_KACT_GELU: return .5f * x * (1 + erff(x * 0.70710678118654752f));
    default: return x;
    }
}
