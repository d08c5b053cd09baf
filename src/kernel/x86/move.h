/* SPDX-License-Identifier: Apache-2.0 */
/* The x86 levels of transposed copies. */
#ifndef NPI_KERNEL_X86_MOVE_H
#define NPI_KERNEL_X86_MOVE_H
#include "kernel/move.h"
void npi_move_init_avx2(struct npi_move *k);
#endif
