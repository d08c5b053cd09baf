/* SPDX-License-Identifier: Apache-2.0 */
/* Reference of the fused activations. */
#include "ops/ops.h"

#include <math.h>

static float act1(const struct npi_act *a, float x) {
    switch (a->kind) {
    case NPI_ACT_CLAMP: return x < a->lo ? a->lo : x > a->hi ? a->hi : x; /* NaN stays NaN */
    case NPI_ACT_SILU: return x / (1 + expf(-x));
    case NPI_ACT_SIGMOID: return 1 / (1 + expf(-x));
    case NPI_ACT_HARD_SWISH: return x * fminf(fmaxf(x + 3, 0), 6) / 6;
    case NPI_ACT_LEAKY: return x < 0 ? a->lo * x : x;
    case NPI_ACT_TANH: return tanhf(x);
    case NPI_ACT_GELU: return .5f * x * (1 + erff(x * 0.70710678118654752f));
    default: return x;
    }
}

void npi_act_apply_f32(const struct npi_act *act, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = act1(act, x[i]);
}
