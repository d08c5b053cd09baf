/* SPDX-License-Identifier: Apache-2.0 */
/* The ordered list of binders: for each node the first that fits makes the step. */
#include "plan/choose.h"

#include "plan/bind_elem.h"
#include "plan/bind_f32.h"
#include "plan/bind_q8.h"
#include "plan/bind_spatial.h"

static const npi_bind_fn binders[] = {
    npi_bind_conv_f32,
    npi_bind_dw_f32,
    npi_bind_fc_f32,
    npi_bind_conv_q8,
    npi_bind_dw_q8,
    npi_bind_fc_q8,
    npi_bind_map_q8,
    npi_bind_add_q8,
    npi_bind_pool_q8,
    npi_bind_binary_f32,
    npi_bind_unary_f32,
    npi_bind_softmax_f32,
    npi_bind_norm_f32,
    npi_bind_reduce_f32,
    npi_bind_arg,
    npi_bind_move,
    npi_bind_pool,
    npi_bind_resize,
    npi_bind_binary_q8,
    npi_bind_blocks,
    npi_bind_generic,
};

int npi_reads_slice(const struct npi_binder *b, const struct npi_node *n) { return npi_dw_f32_takes(b, n) || npi_pool_takes(b, n) || npi_resize_takes_nearest(b, n); }

int npi_writes_slice(const struct npi_binder *b, const struct npi_node *n) { return n->op == NPI_OP_CONV2D || npi_pool_takes(b, n) || npi_resize_takes_nearest(b, n); }

int npi_choose(struct npi_binder *b, const struct npi_node *n, int reference_only, struct npi_step *s) {
    const int count = (int)(sizeof binders / sizeof *binders);
    for (int i = reference_only ? count - 1 : 0; i < count; i++) {
        *s = (struct npi_step){ .inplace_of = -1 };
        const int r = binders[i](b, n, s);
        if (r) return r;
    }
    return npi_fail(b->err, NP_EINTERNAL, "no binder took '%s'", n->name);
}
