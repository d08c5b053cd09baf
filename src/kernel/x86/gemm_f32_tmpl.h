/* SPDX-License-Identifier: Apache-2.0 */
/* Register blocks of the f32 product: mr rows of A against nv vectors of one panel, all accumulators in registers.
 * A template: the includer defines V (vector type), VN(op) (its operations), VL (lanes), TN(name) (pastes a suffix).
 * The vectors that finish a dot product are eight sums long at most: DV, DN(op), DL are V, VN(op), VL, or those of eight lanes (simd_*.h).
 * mr and nv are compile-time constants in every caller, so the loops over them unroll completely. */

#ifndef NPI_UNROLL
#ifdef __clang__
#define NPI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NPI_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

/* Activations other than clamp, SiLU and sigmoid: second pass over the tile just stored, still in L1; then the late residual. */
NPI_INLINE void TN(post_act)(const int kind, const struct npi_gemm_f32_job *j, int m0, int rows, int n0, int cols) {
    const struct npi_kact_f32 act = { kind, j->act.lo, j->act.hi };
    const int late_res = j->res && !j->res_before_act;
    for (int m = m0; m < m0 + rows; m++) {
        float *c = j->c + (size_t)m * j->ldc + n0;
        const float *r = late_res ? j->res + (size_t)m * j->ldres + n0 : NULL;
        for (int n = 0; n < cols; n += VL) {
            const int left = cols - n;
            V x = VN(act)(&act, left >= VL ? VN(load)(c + n) : VN(load_n)(c + n, left));
            if (late_res) x = VN(add)(x, VN(load)(r + n));
            VN(store_n)(c + n, x, left);
        }
    }
}
static __attribute__((noinline)) void TN(post)(const struct npi_gemm_f32_job *j, int m0, int rows, int n0, int cols) {
    switch (j->act.kind) { /* here, so that the loops inside hold the constants of one function */
    case NPI_KACT_HARD_SWISH: TN(post_act)(NPI_KACT_HARD_SWISH, j, m0, rows, n0, cols); break;
    case NPI_KACT_LEAKY: TN(post_act)(NPI_KACT_LEAKY, j, m0, rows, n0, cols); break;
    case NPI_KACT_TANH: TN(post_act)(NPI_KACT_TANH, j, m0, rows, n0, cols); break;
    case NPI_KACT_GELU: TN(post_act)(NPI_KACT_GELU, j, m0, rows, n0, cols); break;
    default: break;
    }
}

/* pf walks over the next panel, pf_step bytes a k, so that the rows of A together fetch it whole. */
NPI_INLINE void TN(block)(const int mr, const int nv, const struct npi_gemm_f32_job *j, const float *w, int m0, int n0, int cols, const char *pf,
                          size_t pf_step) {
    V acc[8][3];
    NPI_UNROLL for (int v = 0; v < nv; v++) {
        V b = VN(set1)(0.f);
        if (j->bias) b = VN(load)(j->bias + n0 + v * VL); /* reads past the last column: NPI_TAIL */
        NPI_UNROLL for (int i = 0; i < mr; i++) acc[i][v] = b;
    }
    const float *const *rows = j->a + m0;
    const size_t k = (size_t)j->k;
    for (int t = 0; t < j->taps; t++, rows += j->a_stride) {
        const float *a[8];
        NPI_UNROLL for (int i = 0; i < mr; i++) a[i] = rows[i];
        for (size_t x = 0; x < k; x++, w += nv * VL, pf += pf_step) {
            V b[3];
            __builtin_prefetch(pf);
            NPI_UNROLL for (int v = 0; v < nv; v++) b[v] = VN(load)(w + v * VL);
            NPI_UNROLL for (int i = 0; i < mr; i++) {
                const V ax = VN(set1)(a[i][x]);
                NPI_UNROLL for (int v = 0; v < nv; v++) acc[i][v] = VN(fma)(ax, b[v], acc[i][v]);
            }
        }
    }
    const int late = j->act.kind > NPI_KACT_SIGMOID; /* post() does the rest */
    if (j->res && (j->res_before_act || j->act.kind == NPI_KACT_NONE))
        NPI_UNROLL for (int i = 0; i < mr; i++) {
            const float *r = j->res + (size_t)(m0 + i) * j->ldres + n0;
            NPI_UNROLL for (int v = 0; v < nv; v++) if (v * VL < cols) acc[i][v] = VN(add)(acc[i][v], VN(load)(r + v * VL));
        }
    if (j->act.kind != NPI_KACT_NONE && !late) {
        if (j->act.kind == NPI_KACT_CLAMP) {
            const V lo = VN(set1)(j->act.lo), hi = VN(set1)(j->act.hi);
            NPI_UNROLL for (int i = 0; i < mr; i++)
                NPI_UNROLL for (int v = 0; v < nv; v++) acc[i][v] = VN(max)(lo, VN(min)(hi, acc[i][v]));
        } else if (j->act.kind == NPI_KACT_SILU) {
            NPI_UNROLL for (int i = 0; i < mr; i++)
                NPI_UNROLL for (int v = 0; v < nv; v++) acc[i][v] = VN(silu_fast)(acc[i][v]);
        } else {
            NPI_UNROLL for (int i = 0; i < mr; i++)
                NPI_UNROLL for (int v = 0; v < nv; v++) acc[i][v] = VN(sigmoid_fast)(acc[i][v]);
        }
        if (j->res && !j->res_before_act)
            NPI_UNROLL for (int i = 0; i < mr; i++) {
                const float *r = j->res + (size_t)(m0 + i) * j->ldres + n0;
                NPI_UNROLL for (int v = 0; v < nv; v++) if (v * VL < cols) acc[i][v] = VN(add)(acc[i][v], VN(load)(r + v * VL));
            }
    }
    if (cols >= nv * VL) {
        NPI_UNROLL for (int i = 0; i < mr; i++)
            NPI_UNROLL for (int v = 0; v < nv; v++) VN(store)(j->c + (size_t)(m0 + i) * j->ldc + n0 + v * VL, acc[i][v]);
    } else {
        NPI_UNROLL for (int i = 0; i < mr; i++)
            NPI_UNROLL for (int v = 0; v < nv; v++)
                if (cols > v * VL) VN(store_n)(j->c + (size_t)(m0 + i) * j->ldc + n0 + v * VL, acc[i][v], cols - v * VL);
    }
    if (late) TN(post)(j, m0, mr, n0, cols);
}

typedef void (*TN(block_fn))(const struct npi_gemm_f32_job *j, const float *w, int m0, int n0, int cols, const char *pf, size_t pf_step);
#define BLOCK(MR, NV)                                                                                                                          \
    static __attribute__((noinline)) void TN(block_##MR##x##NV)(const struct npi_gemm_f32_job *j, const float *w, int m0, int n0, int cols,    \
                                                                const char *pf, size_t pf_step) {                                              \
        TN(block)(MR, NV, j, w, m0, n0, cols, pf, pf_step);                                                                                    \
    }

/* One panel against all rows: as few blocks as max_mr allows, of nearly the same height. fn[r - 1] does r rows. */
static void TN(panel)(const struct npi_gemm_f32_job *j, const TN(block_fn) * fn, int max_mr, int width, const float *w, int n0, int cols) {
    const int blocks = (j->m + max_mr - 1) / max_mr;
    const size_t k = (size_t)j->taps * (size_t)j->k, bytes = k * (size_t)width * sizeof(float);
    const char *next = (const char *)(w + k * (size_t)width);
    for (int b = 0, m = 0; b < blocks; b++) {
        const int rows = (j->m - m + blocks - b - 1) / (blocks - b);
        fn[rows - 1](j, w, m, n0, cols, next + bytes / (size_t)blocks * (size_t)b, (size_t)width * sizeof(float) / (size_t)blocks);
        m += rows;
    }
}

#ifndef NPI_NO_DOT
/* A narrow panel (1 or 2 columns, packed column after column): dot products along k, four rows at a time. The sums of a
 * row lie side by side in `sum`, and what follows them is done for all at once. */
NPI_INLINE void TN(dot4)(const int nc, const struct npi_gemm_f32_job *j, const float *w, int m0, int rows, int n0) {
    const size_t k = (size_t)j->k, window = (size_t)j->taps * k;
    V acc[4][2];
    NPI_UNROLL for (int i = 0; i < 4; i++)
        NPI_UNROLL for (int c = 0; c < nc; c++) acc[i][c] = VN(set1)(0.f);
    for (int t = 0; t < j->taps; t++, w += k) {
        const float *a[4];
        NPI_UNROLL for (int i = 0; i < 4; i++) a[i] = j->a[(size_t)t * j->a_stride + (size_t)(m0 + (i < rows ? i : 0))];
        size_t x = 0;
        for (; x + VL <= k; x += VL)
            NPI_UNROLL for (int c = 0; c < nc; c++) {
                const V b = VN(load)(w + (size_t)c * window + x);
                NPI_UNROLL for (int i = 0; i < 4; i++) acc[i][c] = VN(fma)(VN(load)(a[i] + x), b, acc[i][c]);
            }
        if (x < k) {
            const int left = (int)(k - x);
            NPI_UNROLL for (int c = 0; c < nc; c++) {
                const V b = VN(load_n)(w + (size_t)c * window + x, left);
                NPI_UNROLL for (int i = 0; i < 4; i++) acc[i][c] = VN(fma)(VN(load_n)(a[i] + x, left), b, acc[i][c]);
            }
        }
    }
    float sum[8] = { 0 }, res[8] = { 0 };
    NPI_UNROLL for (int c = 0; c < nc; c++) {
        VN(put_sum4)(sum + 4 * c, acc[0][c], acc[1][c], acc[2][c], acc[3][c]);
        for (int i = 0; i < rows; i++) {
            if (j->bias) sum[4 * c + i] += j->bias[n0 + c];
            if (j->res) res[4 * c + i] = j->res[(size_t)(m0 + i) * j->ldres + (size_t)(n0 + c)];
        }
    }
    for (int i = 0; i < 8; i += DL) {
        DV s = DN(load)(sum + i);
        const DV r = DN(load)(res + i);
        s = DN(act)(&j->act, j->res_before_act ? DN(add)(s, r) : s);
        DN(store)(sum + i, j->res_before_act ? s : DN(add)(s, r));
    }
    for (int i = 0; i < rows; i++)
        NPI_UNROLL for (int c = 0; c < nc; c++) j->c[(size_t)(m0 + i) * j->ldc + (size_t)(n0 + c)] = sum[4 * c + i];
}
#if DL == 8
/* One column, eight rows, no residual: the sums stay in registers. Through `sum` a vector is read that two narrower stores wrote, which stalls (256x256x8 3x3 to
 * one channel at AVX2, with a sigmoid: 560 -> 230 us). The same bytes as dot4. */
NPI_INLINE void TN(dot8)(const struct npi_gemm_f32_job *j, const float *w, int m0, int n0) {
    const size_t k = (size_t)j->k;
    V acc[8];
    NPI_UNROLL for (int i = 0; i < 8; i++) acc[i] = VN(set1)(0.f);
    for (int t = 0; t < j->taps; t++, w += k) {
        const float *const *const a = j->a + (size_t)t * j->a_stride + (size_t)m0;
        size_t x = 0;
        for (; x + VL <= k; x += VL) {
            const V b = VN(load)(w + x);
            NPI_UNROLL for (int i = 0; i < 8; i++) acc[i] = VN(fma)(VN(load)(a[i] + x), b, acc[i]);
        }
        if (x < k) {
            const int left = (int)(k - x);
            const V b = VN(load_n)(w + x, left);
            NPI_UNROLL for (int i = 0; i < 8; i++) acc[i] = VN(fma)(VN(load_n)(a[i] + x, left), b, acc[i]);
        }
    }
    DV s = VN(sum8)(acc);
    if (j->bias) s = DN(add)(s, DN(set1)(j->bias[n0]));
    s = DN(act)(&j->act, s);
    float *const c = j->c + (size_t)m0 * j->ldc + (size_t)n0;
    if (j->ldc == 1) {
        DN(store)(c, s);
    } else {
        float sum[8];
        DN(store)(sum, s);
        for (int i = 0; i < 8; i++) c[(size_t)i * j->ldc] = sum[i];
    }
}
#endif

static void TN(dot)(const struct npi_gemm_f32_job *j, int cols, const float *w, int n0) {
    int m = 0;
#if DL == 8
    if (cols == 1 && !j->res)
        for (; m + 8 <= j->m; m += 8) TN(dot8)(j, w, m, n0);
#endif
    for (; m < j->m; m += 4) {
        const int rows = j->m - m < 4 ? j->m - m : 4;
        if (cols == 1) TN(dot4)(1, j, w, m, rows, n0);
        else TN(dot4)(2, j, w, m, rows, n0);
    }
}
#endif
