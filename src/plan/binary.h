/* SPDX-License-Identifier: Apache-2.0 */
/* A binary op with broadcasting as rows for the kernels of kernel/elem_f32.h; shared by the f32 and the 8-bit binder.
 * npi_walk merges the dimensions into rows; a row of either operand is a vector (step 1) or one value (step 0):
 *
 *   x vector, z vector   vv, or vc over many rows at once where all rows have the same z (a value a channel)
 *   x vector, z value    vs
 *   x value, z vector    the operands change places, and Sub becomes "from": z - x
 *
 * A task does some rows, or a piece of a long one. */
#ifndef NPI_PLAN_BINARY_H
#define NPI_PLAN_BINARY_H
#include "plan/bind_elem.h"

enum { NPI_BINARY_BLOCK = 16384 }; /* elements of a task: three times 64 KiB stay in the second-level cache */

struct npi_binary {
    void (*vec)(float *y, const float *x, const float *z, size_t n, float lo, float hi);
    void (*channels)(float *y, const float *x, const float *z, size_t rows, size_t n, float lo, float hi); /* or NULL */
    struct npi_map_step act;
    float lo, hi;
    int x, z, y;                    /* tensors; x is the operand that varies most */
    int x_input;                    /* which input x is: 0 or 1 */
    int x_full, z_full;             /* as many elements as the output */
    int64_t len, pieces, rows, rows_per_task;
    int z_step, outer;              /* outer: dimensions in front of the row */
    int64_t d[NP_MAX_RANK], sx[NP_MAX_RANK], sz[NP_MAX_RANK];
};
/* 1, or 0 where no kernel does the op (dtypes are not looked at). Sets n_tasks. */
int npi_binary_init(struct npi_binary *p, const struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
/* Rows first..last-1; y is where row `first` goes, x and z are the operands from their element x_at, z_at on. */
void npi_binary_rows(const struct npi_binary *p, float *y, const float *x, int64_t x_at, const float *z, int64_t z_at, int64_t first, int64_t last);
/* A task of a plan with pieces > 1: elements from..from+n-1 of a row; returns n and the offsets in the three arrays. */
size_t npi_binary_piece(const struct npi_binary *p, int task, int64_t *x, int64_t *z, int64_t *y);
void npi_binary_finish(const struct npi_binary *p, float *y, size_t n);
#endif
