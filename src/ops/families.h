/* SPDX-License-Identifier: Apache-2.0 */
/* The op families, one line each (table.c). */
#ifndef NPI_OPS_FAMILIES_H
#define NPI_OPS_FAMILIES_H
#include "ops/ops.h"

/* elementwise, reductions, moving data */
extern const struct npi_op_family npi_ops_unary, npi_ops_binary, npi_ops_cast, npi_ops_where, npi_ops_reduce, npi_ops_move, npi_ops_pad, npi_ops_gather, npi_ops_index, npi_ops_block;

#define NPI_OP_FAMILIES NULL, \
    &npi_ops_unary, &npi_ops_binary, &npi_ops_cast, &npi_ops_where, &npi_ops_reduce, \
    &npi_ops_move, &npi_ops_pad, &npi_ops_gather, &npi_ops_index, &npi_ops_block, \
    /* end */

#endif
