/* SPDX-License-Identifier: Apache-2.0 */
/* The op families, one line each (table.c). */
#ifndef NPI_OPS_FAMILIES_H
#define NPI_OPS_FAMILIES_H
#include "ops/ops.h"

/* extern const struct npi_op_family npi_ops_unary; … */

#define NPI_OP_FAMILIES NULL, \
    /* end */

#endif
