/* SPDX-License-Identifier: Apache-2.0 */
/* The C product, the packing that all levels share, and the choice of the level. */
#include "kernel/gemm_f32.h"
#include "cpu/cpu.h"
#include "kernel/arm/arm.h"

static int panel_c(int left) { return left < 8 ? left : 8; }

/* Accumulates over t, then i, in float, from the bias on. */
static void run_c(const struct npi_gemm_f32_job *j) {
    const float *w = j->w;
    for (int n0 = 0; n0 < j->n;) {
        const int width = panel_c(j->n - n0 + j->n_behind), nn = j->n - n0 < width ? j->n - n0 : width;
        const int narrow = width <= NPI_GEMM_F32_NARROW, step = narrow ? 1 : width;
        const size_t col = narrow ? (size_t)j->taps * (size_t)j->k : 1;
        for (int m = 0; m < j->m; m++) {
            float s[8];
            for (int n = 0; n < nn; n++) s[n] = j->bias ? j->bias[n0 + n] : 0;
            const float *ww = w;
            for (int t = 0; t < j->taps; t++) {
                const float *a = j->a[(size_t)t * j->a_stride + (size_t)m];
                for (int i = 0; i < j->k; i++, ww += step)
                    for (int n = 0; n < nn; n++) s[n] += a[i] * ww[(size_t)n * col];
            }
            const float *r = j->res ? j->res + (size_t)m * j->ldres + n0 : NULL;
            float *c = j->c + (size_t)m * j->ldc + n0;
            for (int n = 0; n < nn; n++) {
                const float x = npi_kact_c(&j->act, r && j->res_before_act ? s[n] + r[n] : s[n]);
                c[n] = r && !j->res_before_act ? x + r[n] : x;
            }
        }
        w += (size_t)j->taps * (size_t)j->k * (size_t)width;
        n0 += width;
    }
}

size_t npi_gemm_f32_packed_cols(const struct npi_gemm_f32 *g, int n) {
    size_t cols = 0;
    while (n > 0) {
        const int p = g->panel(n);
        cols += (size_t)p;
        n -= p;
    }
    return cols;
}

void npi_gemm_f32_pack(const struct npi_gemm_f32 *g, float *dst, const float *w, int k, int n, size_t stride_k, size_t stride_n) {
    for (int n0 = 0; n0 < n;) {
        const int width = g->panel(n - n0), nn = n - n0 < width ? n - n0 : width;
        if (width <= NPI_GEMM_F32_NARROW) {
            for (int j = 0; j < nn; j++)
                for (int i = 0; i < k; i++) *dst++ = w[(size_t)i * stride_k + (size_t)(n0 + j) * stride_n];
            n0 += width;
            continue;
        }
        for (int i = 0; i < k; i++, dst += width) {
            const float *src = w + (size_t)i * stride_k + (size_t)n0 * stride_n;
            for (int j = 0; j < nn; j++) dst[j] = src[(size_t)j * stride_n];
            for (int j = nn; j < width; j++) dst[j] = 0;
        }
        n0 += width;
    }
}

void npi_gemm_f32_init(struct npi_gemm_f32 *g, unsigned cpu) {
    *g = (struct npi_gemm_f32){ "gemm_f32_c", panel_c, run_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_gemm_f32_init_avx2(g);
    if (cpu & NPI_CPU_AVX512) npi_gemm_f32_init_avx512(g);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_gemm_f32_init_neon(g);
#endif
}
