/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats into tiles of bf16. The includer defines CONVERT(dst, src, n, parts): n (1..32) floats to n values of one tile row, the parts one tile apart; it may write
 * up to the end of that row (zeros), since what follows is written later. */

static void rows(const struct npi_gemm_bf16_rows *r) {
    const int k = r->taps * r->k, kt = npi_gemm_bf16_kt(k), part = NPI_BF16_TILE / 2;
    const size_t k_step = (size_t)(r->parts * part), m_step = (size_t)kt * k_step;
    for (int m = 0; m < r->m; m++) {
        uint16_t *const row = r->dst + (size_t)(m / NPI_BF16_ROWS) * m_step + (size_t)(m % NPI_BF16_ROWS * NPI_BF16_K);
        if (k % NPI_BF16_K)
            for (int p = 0; p < r->parts; p++) memset(row + (size_t)(kt - 1) * k_step + p * part, 0, NPI_BF16_K * 2);
        int at = 0;
        for (int t = 0; t < r->taps; t++) {
            const float *src = r->a[(size_t)t * r->a_stride + (size_t)m];
            for (int left = r->k, n; left > 0; left -= n, src += n, at += n) {
                const int room = NPI_BF16_K - at % NPI_BF16_K;
                n = left < room ? left : room;
                CONVERT(row + (size_t)(at / NPI_BF16_K) * k_step + at % NPI_BF16_K, src, n, r->parts);
            }
        }
    }
    if (r->m % NPI_BF16_ROWS) /* the rest of the last tiles */
        for (int i = 0; i < kt * r->parts; i++) {
            const int used = r->m % NPI_BF16_ROWS * NPI_BF16_K;
            memset(r->dst + (size_t)(r->m / NPI_BF16_ROWS) * m_step + i * part + used, 0, (size_t)(part - used) * 2);
        }
}
