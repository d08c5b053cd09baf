/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Conv2D, one group, as an implicit GEMM; and DepthwiseConv2D of a one-channel image, which is the same thing with
 * the weights turned round. */
#include <string.h>

#include "plan/bind_q8.h"
#include "plan/gemm_q8_step.h"

int npi_bind_conv_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if ((n->op != NPI_OP_CONV2D && n->op != NPI_OP_DWCONV2D) || (n->n_in > 3 && n->in[3] >= 0)) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[0]), *w = npi_bind_view(b, n->in[1]), *const y = npi_bind_view(b, n->out[0]);
    const int depthwise = n->op == NPI_OP_DWCONV2D;
    if (depthwise ? x->d[3] != 1 || !w->data || (w->dtype != NP_I8 && w->dtype != NP_U8) : n->a.conv.groups != 1) return 0;
    const int64_t co = y->d[3], k = (int64_t)n->a.conv.win.kh * n->a.conv.win.kw * x->d[3];
    struct npi_view turned = *w; /* [kh][kw][co] -> [co][kh][kw] */
    if (depthwise) {
        char *const t = npi_arena_calloc(b->mem, (size_t)co, (size_t)k);
        if (!t) return npi_fail(b->err, NP_ENOMEM, "out of memory while packing weights");
        for (int64_t c = 0; c < co; c++)
            for (int64_t i = 0; i < k; i++) t[c * k + i] = ((const char *)w->data)[i * co + c];
        turned.data = t;
        w = &turned;
    }
    const struct npi_gemm_q8_job j = { .x = x, .w = w, .b = n->n_in > 2 ? npi_bind_view(b, n->in[2]) : NULL, .y = y, .x_id = n->in[0], .y_id = n->out[0], .n = co, .k = k,
                                       .batch = x->d[0], .h = x->d[1], .wd = x->d[2], .ci = x->d[3], .oh = y->d[1], .ow = y->d[2], .win = n->a.conv.win, .act = &n->act };
    return npi_gemm_q8_step(b, &j, s);
}
