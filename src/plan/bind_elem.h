/* SPDX-License-Identifier: Apache-2.0 */
/* The binders of elementwise f32 ops, softmax, reductions and data movement (plan.h says what a binder is). */
#ifndef NPI_PLAN_BIND_ELEM_H
#define NPI_PLAN_BIND_ELEM_H
#include "plan/plan.h"

int npi_bind_binary_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_unary_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_softmax_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_norm_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* LayerNorm, RMSNorm */
int npi_bind_reduce_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s);
int npi_bind_arg(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* ArgMax, ArgMin: f32, i8, u8 */
int npi_bind_binary_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* what bind_add_q8 leaves */
int npi_bind_blocks(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* references of unary ops, in parallel */
int npi_bind_move(struct npi_binder *b, const struct npi_node *n, struct npi_step *s); /* Transpose, Slice, Concat, Pad, … : any dtype */

/* An elementwise function as a kernel and its two parameters. */
struct npi_map_step { void (*fn)(float *y, const float *x, size_t n, float a, float b); float a, b; int heavy; };
/* 1: found; 0: no kernel does it. */
int npi_map_of_op(const struct npi_kernels *k, const struct npi_node *n, struct npi_map_step *out);
int npi_map_of_act(const struct npi_kernels *k, const struct npi_act *act, struct npi_map_step *out); /* fn NULL for no activation */
static inline int npi_plain_f32(const struct npi_view *v) { return v && v->dtype == NP_F32 && v->q.n == 0; }
/* The constant's data where kernels may read behind it, or NULL (also when out of memory). */
const float *npi_padded_const(struct npi_binder *b, int tensor);
#endif
