/* SPDX-License-Identifier: Apache-2.0 */
/* What tests may reach inside a context. Not exported: only who links the library's objects has it. */
#ifndef NPI_API_HOOKS_H
#define NPI_API_HOOKS_H
#include "pipe/pipe.h"
struct np_context;
/* Before the first frame. */
void npi_context_set_fault(struct np_context *c, const struct npi_fault_hook *h);
#endif
