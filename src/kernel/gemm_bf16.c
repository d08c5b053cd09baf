/* SPDX-License-Identifier: Apache-2.0 */
/* The C product, which is the specification, and the packing that all levels share. */
#include "kernel/gemm_bf16.h"
#include "base/half.h"
#include "cpu/cpu.h"

#include <string.h>

void npi_bf16_split(float x, int parts, uint16_t *out) {
    for (int p = 0; p < parts; p++) {
        out[p] = npi_f32_to_bf16(x);
        const float got = npi_bf16_to_f32(out[p]);
        x = isfinite(got) ? x - got : 0; /* exact: what is left has 8 bits less */
    }
}

/* Accumulates over k, the pairs of parts of one k together, in float, from the bias on. */
static void run_c(const struct npi_gemm_bf16_job *j) {
    const size_t k_step = (size_t)j->parts * NPI_BF16_TILE / 2;
    for (int n = 0; n < j->n; n++) {
        const int tiles = npi_gemm_bf16_tiles(j->n - n / NPI_BF16_COLS * NPI_BF16_COLS), in_panel = n % NPI_BF16_COLS;
        const uint16_t *const panel = j->w + (size_t)(n / NPI_BF16_COLS) * 2 * (size_t)j->kt * k_step;
        for (int m = 0; m < j->m; m++) {
            const uint16_t *const rows = j->a + (size_t)(m / NPI_BF16_ROWS) * (size_t)j->kt * k_step + (size_t)(m % NPI_BF16_ROWS) * NPI_BF16_K;
            float s = j->bias ? j->bias[n] : 0;
            for (int k = 0; k < j->kt * NPI_BF16_K; k++) {
                const uint16_t *const a = rows + (size_t)(k / NPI_BF16_K) * k_step + (size_t)(k % NPI_BF16_K);
                const uint16_t *const w = panel + (size_t)(k / NPI_BF16_K) * k_step * (size_t)tiles + (size_t)(in_panel / 16) * (NPI_BF16_TILE / 2) +
                                          (size_t)(k % NPI_BF16_K / 2) * 32 + (size_t)(in_panel % 16 * 2 + k % 2);
                for (int p = 0; p < j->parts; p++)
                    for (int q = 0; p + q < j->parts; q++)
                        s += npi_bf16_to_f32(a[(size_t)p * (NPI_BF16_TILE / 2)]) * npi_bf16_to_f32(w[(size_t)(q * tiles) * (NPI_BF16_TILE / 2)]);
            }
            const float r = j->res ? j->res[(size_t)m * j->ldres + (size_t)n] : 0;
            const float y = npi_kact_c(&j->act, j->res && j->res_before_act ? s + r : s);
            j->c[(size_t)m * j->ldc + (size_t)n] = j->res && !j->res_before_act ? y + r : y;
        }
    }
}

static void rows_c(const struct npi_gemm_bf16_rows *r) {
    const int k = r->taps * r->k;
    const size_t part = NPI_BF16_TILE / 2, k_step = (size_t)r->parts * part, m_step = (size_t)npi_gemm_bf16_kt(k) * k_step;
    memset(r->dst, 0, npi_gemm_bf16_a_bytes(r->m, k, r->parts));
    for (int m = 0; m < r->m; m++)
        for (int i = 0; i < k; i++) {
            uint16_t x[NPI_BF16_MAX_PARTS];
            npi_bf16_split(r->a[(size_t)(i / r->k) * r->a_stride + (size_t)m][i % r->k], r->parts, x);
            uint16_t *const d = r->dst + (size_t)(m / NPI_BF16_ROWS) * m_step + (size_t)(i / NPI_BF16_K) * k_step + (size_t)(m % NPI_BF16_ROWS) * NPI_BF16_K + (size_t)(i % NPI_BF16_K);
            for (int p = 0; p < r->parts; p++) d[(size_t)p * part] = x[p];
        }
}

void npi_gemm_bf16_pack(uint16_t *dst, const float *w, int k, int n, size_t stride_k, size_t stride_n, int parts) {
    memset(dst, 0, npi_gemm_bf16_w_bytes(k, n, parts));
    for (int n0 = 0; n0 < n; n0 += NPI_BF16_COLS) {
        const int tiles = npi_gemm_bf16_tiles(n - n0), cols = n - n0 < NPI_BF16_COLS ? n - n0 : NPI_BF16_COLS;
        for (int i = 0; i < k; i++)
            for (int j = 0; j < cols; j++) {
                uint16_t x[NPI_BF16_MAX_PARTS];
                npi_bf16_split(w[(size_t)i * stride_k + (size_t)(n0 + j) * stride_n], parts, x);
                for (int p = 0; p < parts; p++)
                    dst[(((size_t)(i / NPI_BF16_K) * (size_t)parts + (size_t)p) * (size_t)tiles + (size_t)(j / 16)) * (NPI_BF16_TILE / 2) + (size_t)(i % NPI_BF16_K / 2) * 32 + (size_t)(j % 16 * 2 + i % 2)] = x[p];
            }
        dst += (size_t)npi_gemm_bf16_kt(k) * (size_t)(parts * tiles) * (NPI_BF16_TILE / 2);
    }
}

void npi_gemm_bf16_init(struct npi_gemm_bf16 *g, unsigned cpu) {
    *g = (struct npi_gemm_bf16){ { "gemm_bf16_c", "gemm_bf16x3_c", "gemm_bf16x6_c" }, run_c, rows_c, 0 };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_gemm_bf16_init_avx2(g);
    if (cpu & NPI_CPU_AVX512_BF16) npi_gemm_bf16_init_avx512_bf16(g);
    if (cpu & NPI_CPU_AMX_BF16 && npi_cpu_amx_permit()) npi_gemm_bf16_init_amx(g);
#endif
}
