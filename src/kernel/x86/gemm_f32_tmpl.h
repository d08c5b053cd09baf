/* SPDX-License-Identifier: Apache-2.0 */
/* Register blocks of the f32 product: mr rows of A against nv vectors of one panel, all accumulators in registers.
 * A template: the includer defines V (vector type), VN(op) (its operations), VL (lanes), TN(name) (pastes a suffix).
 * mr and nv are compile-time constants in every caller, so the loops over them unroll completely. */

#ifndef NPI_UNROLL
#ifdef __clang__
#define NPI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NPI_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

/* Activations other than clamp: second pass over the tile just stored, still in L1; then the late residual. */
static __attribute__((noinline)) void TN(post)(const struct npi_gemm_f32_job *j, int m0, int rows, int n0, int cols) {
    const V slope = VN(set1)(j->act.lo);
    for (int m = m0; m < m0 + rows; m++)
        for (int n = 0; n < cols; n += VL) {
            float *c = j->c + (size_t)m * j->ldc + n0 + n;
            const int left = cols - n;
            float buf[VL];
            V x;
            if (left >= VL) {
                x = VN(load)(c);
            } else {
                for (int i = 0; i < VL; i++) buf[i] = i < left ? c[i] : 0;
                x = VN(load)(buf);
            }
            switch (j->act.kind) {
            case NPI_KACT_SILU: x = VN(silu)(x); break;
            case NPI_KACT_SIGMOID: x = VN(sigmoid)(x); break;
            case NPI_KACT_HARD_SWISH: x = VN(hard_swish)(x); break;
            case NPI_KACT_LEAKY: x = VN(leaky)(x, slope); break;
            case NPI_KACT_TANH: x = VN(tanh)(x); break;
            case NPI_KACT_GELU: x = VN(gelu)(x); break;
            default: break;
            }
            if (j->res && !j->res_before_act) {
                const float *r = j->res + (size_t)m * j->ldres + n0 + n;
                x = VN(add)(x, VN(load)(r));
            }
            VN(store_n)(c, x, left);
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
            _mm_prefetch(pf, _MM_HINT_T0);
            NPI_UNROLL for (int v = 0; v < nv; v++) b[v] = VN(load)(w + v * VL);
            NPI_UNROLL for (int i = 0; i < mr; i++) {
                const V ax = VN(set1)(a[i][x]);
                NPI_UNROLL for (int v = 0; v < nv; v++) acc[i][v] = VN(fma)(ax, b[v], acc[i][v]);
            }
        }
    }
    const int late = j->act.kind > NPI_KACT_CLAMP; /* post() does the rest */
    if (j->res && (j->res_before_act || j->act.kind == NPI_KACT_NONE))
        NPI_UNROLL for (int i = 0; i < mr; i++) {
            const float *r = j->res + (size_t)(m0 + i) * j->ldres + n0;
            NPI_UNROLL for (int v = 0; v < nv; v++) if (v * VL < cols) acc[i][v] = VN(add)(acc[i][v], VN(load)(r + v * VL));
        }
    if (j->act.kind == NPI_KACT_CLAMP) {
        const V lo = VN(set1)(j->act.lo), hi = VN(set1)(j->act.hi);
        NPI_UNROLL for (int i = 0; i < mr; i++)
            NPI_UNROLL for (int v = 0; v < nv; v++) acc[i][v] = VN(max)(lo, VN(min)(hi, acc[i][v]));
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
