/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_PLAN_ARENA_H
#define NPI_PLAN_ARENA_H
#include <stddef.h>
#include <stdint.h>
/* A block that is needed from step `first` to step `last`, both included. */
struct npi_life { size_t bytes; int first, last; int64_t offset; };
/* Gives every block with bytes > 0 an offset (64-byte aligned) such that blocks that live at the same time do not overlap.
 * Returns the size of the whole, or SIZE_MAX when out of memory. */
size_t npi_arena_plan(struct npi_life *life, int n);
#endif
