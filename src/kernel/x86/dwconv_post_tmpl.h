/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a depthwise sum, for the float and the half templates; with the V, VN(op), VL and TN(name) of theirs. */
#ifndef NPI_UNROLL
#ifdef __clang__
#define NPI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NPI_UNROLL _Pragma("GCC unroll 64")
#endif
#endif

/* The activations other than clamp and SiLU, and all with residuals, on np pixels that were stored as bare sums. */
NPI_INLINE void TN(dw_post_act)(const int kind, const struct npi_dwconv_f32_job *j, float *y, const float *res, int np, int lanes) {
    const struct npi_kact_f32 act = { kind, j->act.lo, j->act.hi };
    for (int i = 0; i < np; i++, y += j->c, res += res ? j->c : 0) {
        V x = lanes >= VL ? VN(load)(y) : VN(load_n)(y, lanes);
        if (res && j->res_before_act) x = VN(add)(x, VN(load)(res));
        x = VN(act)(&act, x);
        if (res && !j->res_before_act) x = VN(add)(x, VN(load)(res));
        VN(store_n)(y, x, lanes);
    }
}
static __attribute__((noinline)) void TN(dw_post)(const struct npi_dwconv_f32_job *j, float *y, const float *res, int np, int lanes) {
    switch (j->act.kind) { /* here, so that the loops inside hold the constants of one function */
    case NPI_KACT_CLAMP: TN(dw_post_act)(NPI_KACT_CLAMP, j, y, res, np, lanes); break;
    case NPI_KACT_SILU: TN(dw_post_act)(NPI_KACT_SILU, j, y, res, np, lanes); break;
    case NPI_KACT_SIGMOID: TN(dw_post_act)(NPI_KACT_SIGMOID, j, y, res, np, lanes); break;
    case NPI_KACT_HARD_SWISH: TN(dw_post_act)(NPI_KACT_HARD_SWISH, j, y, res, np, lanes); break;
    case NPI_KACT_LEAKY: TN(dw_post_act)(NPI_KACT_LEAKY, j, y, res, np, lanes); break;
    case NPI_KACT_TANH: TN(dw_post_act)(NPI_KACT_TANH, j, y, res, np, lanes); break;
    case NPI_KACT_GELU: TN(dw_post_act)(NPI_KACT_GELU, j, y, res, np, lanes); break;
    default: TN(dw_post_act)(NPI_KACT_NONE, j, y, res, np, lanes);
    }
}
