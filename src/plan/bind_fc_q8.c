/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized FullyConnected: a 1x1 convolution over rows of k. */
#include "plan/bind_q8.h"
#include "plan/gemm_q8_step.h"

int npi_bind_fc_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->op != NPI_OP_FULLY_CONNECTED || (n->n_in > 3 && n->in[3] >= 0)) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *const w = npi_bind_view(b, n->in[1]), *const y = npi_bind_view(b, n->out[0]);
    if (w->rank != 2 || !w->d[0] || !w->d[1]) return 0;
    const int64_t rows = npi_view_count(y) / w->d[0];
    const struct npi_gemm_q8_job j = { .x = x, .w = w, .b = n->n_in > 2 ? npi_bind_view(b, n->in[2]) : NULL, .y = y, .x_id = n->in[0], .y_id = n->out[0],
                                       .n = w->d[0], .k = w->d[1], .batch = 1, .h = 1, .wd = rows, .ci = w->d[1], .oh = 1, .ow = rows,
                                       .win = { .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1 }, .act = &n->act };
    return npi_gemm_q8_step(b, &j, s);
}
