/* SPDX-License-Identifier: Apache-2.0 */
/* One axis of a Resize as a table: for each output index, `n` taps (input index, weight). References and the planner's
 * resize kernels are built from the same tables. Definition: ONNX Resize-19. */
#ifndef NPI_OPS_RESIZE_TAPS_H
#define NPI_OPS_RESIZE_TAPS_H
#include "ops/ops.h"

struct npi_resize_axis {
    int n;                     /* taps an output index */
    int64_t *index;            /* [out][n], inside the input; index[o*n] = -1: extrapolation value */
    double *weight;            /* [out][n] */
};
/* Taps needed for axis `axis` of node's input x and output y; 1 with the identity when nothing changes. */
int npi_resize_n_taps(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis);
/* t->n, index and weight (room for d[axis] * n) are set. */
void npi_resize_fill(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis, struct npi_resize_axis *t);
/* The input coordinate of output index o, before clamping. */
double npi_resize_coord(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis, int64_t o);
/* Does output index o of this axis take just input index o? The same extent alone does not say so (scales, regions). */
int npi_resize_stays(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis);
/* Integer bilinear over axes 1, 2 of a rank-4 tensor: 8-bit operands, plain linear interpolation (see ops/resize.c). */
int npi_resize_is_bilinear_int(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y);
/* Weight of the second tap in 1/1024. */
static inline int npi_resize_frac(double w) { return (int)(w * 1024 + 0.5); }
#endif
