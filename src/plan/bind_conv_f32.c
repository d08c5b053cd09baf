/* SPDX-License-Identifier: Apache-2.0 */
/* Conv2D in f32 with constant weights: any kernel, stride, dilation, padding and groups; bias, residual and activation
 * are done while the tile is in registers. */
#include "plan/bind_f32.h"
#include "plan/conv_f32_step.h"

#include <limits.h>

int npi_bind_conv_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->op != NPI_OP_CONV2D) return 0;
    const struct npi_view *x = npi_bind_view(b, n->in[0]), *w = npi_bind_view(b, n->in[1]), *y = npi_bind_view(b, n->out[0]);
    const int bias = n->n_in > 2 ? n->in[2] : -1, res = n->n_in > 3 ? n->in[3] : -1;
    const float *const weights = npi_bind_const_f32(b, n->in[1]);
    if (!npi_bind_is_product_f32(b, n)) return 0;
    const int64_t m = y->d[0] * y->d[1] * y->d[2];
    const struct npi_window *win = &n->a.conv.win;
    if (m > INT_MAX / 8 || w->d[1] * w->d[2] * w->d[3] > INT_MAX / 8) return 0;
    struct npi_conv_f32 *c = npi_arena_alloc(b->mem, sizeof *c);
    if (!c) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *c = (struct npi_conv_f32){
        .x = n->in[0], .y = n->out[0], .res = res, .h = (int)x->d[1], .w = (int)x->d[2], .ci = (int)x->d[3], .oh = (int)y->d[1], .ow = (int)y->d[2],
        .co = (int)y->d[3], .groups = n->a.conv.groups, .win = *win, .m = (size_t)m, .weights = weights, .bias_in = npi_bind_const_f32(b, bias),
        .res_before_act = n->res_before_act, .act = npi_bind_act(&n->act)
    };
    return npi_conv_f32_step(b, c, s);
}
