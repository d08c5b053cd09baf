/* SPDX-License-Identifier: Apache-2.0 */
/* The op families, one line each (table.c). */
#ifndef NPI_OPS_FAMILIES_H
#define NPI_OPS_FAMILIES_H
#include "ops/ops.h"

/* elementwise, reductions, moving data */
extern const struct npi_op_family npi_ops_unary, npi_ops_binary, npi_ops_cast, npi_ops_where, npi_ops_reduce, npi_ops_move, npi_ops_pad, npi_ops_gather, npi_ops_index, npi_ops_block;
/* products, pools, resampling, norms, quantization, detection */
extern const struct npi_op_family npi_ops_conv, npi_ops_convt, npi_ops_matmul, npi_ops_pool, npi_ops_softmax, npi_ops_norm, npi_ops_quant;
extern const struct npi_op_family npi_ops_resize, npi_ops_grid, npi_ops_nms, npi_ops_detect;

#define NPI_OP_FAMILIES NULL, \
    &npi_ops_unary, &npi_ops_binary, &npi_ops_cast, &npi_ops_where, &npi_ops_reduce, \
    &npi_ops_move, &npi_ops_pad, &npi_ops_gather, &npi_ops_index, &npi_ops_block, \
    &npi_ops_conv, &npi_ops_convt, &npi_ops_matmul, &npi_ops_pool, &npi_ops_softmax, &npi_ops_norm, &npi_ops_quant, \
    &npi_ops_resize, &npi_ops_grid, &npi_ops_nms, &npi_ops_detect, \
    /* end */

#endif
