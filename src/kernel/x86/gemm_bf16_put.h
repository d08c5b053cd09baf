/* SPDX-License-Identifier: Apache-2.0 */
/* What follows the sums of a bf16 product: 16 columns of finished accumulators in a small buffer go through residual and activation to their place.
 * A template like gemm_f32_tmpl.h: the includer defines V, VN(op), VL and TN(name). */

NPI_INLINE void TN(put_act)(const int kind, const struct npi_gemm_bf16_job *j, const float *s, int m0, int rows, int n0, int cols) {
    const struct npi_kact_f32 act = { kind, j->act.lo, j->act.hi };
    for (int r = 0; r < rows; r++) {
        float *const c = j->c + (size_t)(m0 + r) * j->ldc + n0;
        const float *const res = j->res ? j->res + (size_t)(m0 + r) * j->ldres + n0 : NULL;
        for (int n = 0; n < cols; n += VL) {
            const int left = cols - n;
            V x = VN(load)(s + r * 16 + n), y = VN(set1)(0.f);
            if (res) y = left >= VL ? VN(load)(res + n) : VN(load_n)(res + n, left);
            if (res && j->res_before_act) x = VN(add)(x, y);
            x = VN(act)(&act, x);
            if (res && !j->res_before_act) x = VN(add)(x, y);
            VN(store_n)(c + n, x, left);
        }
    }
}

/* s: [16][16], `rows` and `cols` of them valid. */
static __attribute__((noinline)) void TN(put)(const struct npi_gemm_bf16_job *j, const float *s, int m0, int rows, int n0, int cols) {
    switch (j->act.kind) { /* here, so that the loops inside hold the constants of one function */
    case NPI_KACT_CLAMP: TN(put_act)(NPI_KACT_CLAMP, j, s, m0, rows, n0, cols); break;
    case NPI_KACT_SILU: TN(put_act)(NPI_KACT_SILU, j, s, m0, rows, n0, cols); break;
    case NPI_KACT_SIGMOID: TN(put_act)(NPI_KACT_SIGMOID, j, s, m0, rows, n0, cols); break;
    case NPI_KACT_HARD_SWISH: TN(put_act)(NPI_KACT_HARD_SWISH, j, s, m0, rows, n0, cols); break;
    case NPI_KACT_LEAKY: TN(put_act)(NPI_KACT_LEAKY, j, s, m0, rows, n0, cols); break;
    case NPI_KACT_TANH: TN(put_act)(NPI_KACT_TANH, j, s, m0, rows, n0, cols); break;
    case NPI_KACT_GELU: TN(put_act)(NPI_KACT_GELU, j, s, m0, rows, n0, cols); break;
    default: TN(put_act)(NPI_KACT_NONE, j, s, m0, rows, n0, cols);
    }
}

/* 16 biases from column n on; zeros without. */
NPI_INLINE const float *TN(bias_at)(const struct npi_gemm_bf16_job *j, int n, float *buf) {
    if (j->bias && j->n - n >= 16) return j->bias + n;
    for (int i = 0; i < 16; i++) buf[i] = j->bias && n + i < j->n ? j->bias[n + i] : 0;
    return buf;
}
