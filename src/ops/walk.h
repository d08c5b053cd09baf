/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and strides for the op references: broadcasting, walking several arrays in step, strided copies, and the
 * checks that shape rules share.
 *
 *   struct npi_walk w;
 *   for (int more = npi_walk_init(&w, out, in, 2); more; more = npi_walk_next(&w))
 *       … w.len elements: out[w.off_out + i], in[k][w.off[k] + i * w.step[k]]
 *
 * Neighbouring dimensions are merged where all operands allow it, so that the inner run is as long as can be. */
#ifndef NPI_OPS_WALK_H
#define NPI_OPS_WALK_H
#include "ops/ops.h"

struct npi_walk {
    int64_t len, off_out, off[3], step[3];
    int rank, n;
    int64_t d[NP_MAX_RANK], s[3][NP_MAX_RANK], at[NP_MAX_RANK];
};
/* 0: there are no elements at all. in[k] must broadcast to out. */
int npi_walk_init(struct npi_walk *w, const struct npi_view *out, const struct npi_view *const *in, int n);
int npi_walk_next(struct npi_walk *w);

/* Copies an array of `rank` (at most 16) dimensions d[] of elements of `size` bytes; strides in bytes, may be zero or
 * negative. Runs without gaps become one memcpy. */
#define NPI_COPY_RANK (2 * NP_MAX_RANK)
void npi_copy_nd(void *dst, const int64_t *dst_stride, const void *src, const int64_t *src_stride, const int64_t *d, int rank, size_t size);
/* Drops dimensions of 1 and merges neighbours that both sides step through evenly, in place; returns the new rank. */
int npi_copy_merge(int64_t *d, int64_t *dst_stride, int64_t *src_stride, int rank);
/* Row-major byte strides of v into s[v->rank]. */
void npi_view_strides(const struct npi_view *v, int64_t *s);

/* Text of a shape, "[1,2,3]", for messages. */
struct npi_dims_text { char s[96]; };
struct npi_dims_text npi_dims_text(const struct npi_view *v);
/* Numpy broadcasting of n shapes into out's rank and dims. */
int npi_infer_broadcast(struct npi_view *out, const struct npi_view *const *in, int n, struct np_error *err);
/* Copies shape and dtype. */
void npi_infer_same(struct npi_view *out, const struct npi_view *in);
/* Rank and dims within bounds, byte size without overflow. Call at the end of every infer. */
int npi_infer_check(const struct npi_view *out, struct np_error *err);
/* Negative axes count from the end; a wrong one gives NP_ESHAPE and a message. */
int npi_infer_axis(int axis, int rank, int *out, struct np_error *err);
static inline int npi_axis(int axis, int rank) { return axis < 0 ? axis + rank : axis; }
/* dtype in mask (bit = dtype)? Message says which op wants what. */
int npi_infer_dtype(const struct npi_op_args *a, int input, unsigned mask, struct np_error *err);
#define NPI_M(t) (1u << (t))
#define NPI_M_FLOAT (NPI_M(NP_F32) | NPI_M(NP_F16) | NPI_M(NP_BF16) | NPI_M(NP_F64))
#define NPI_M_SINT (NPI_M(NP_I8) | NPI_M(NP_I16) | NPI_M(NP_I32) | NPI_M(NP_I64))
#define NPI_M_INT (NPI_M_SINT | NPI_M(NP_U8) | NPI_M(NP_U16) | NPI_M(NP_U32) | NPI_M(NP_U64))
#define NPI_M_NUM (NPI_M_FLOAT | NPI_M_INT)
#define NPI_M_BOOL NPI_M(NP_BOOL)
#define NPI_M_ANY (NPI_M_NUM | NPI_M_BOOL)

/* Quantization of pure moves. q passes from in to out unless out has its own; per-axis q is passed when `axis_map` (its
 * axis in the output, -1: lost) allows, else NP_EUNSUPPORTED. */
int npi_infer_move_q(struct npi_view *out, const struct npi_view *in, int axis_in_out, struct np_error *err);
/* Do a and b mean the same numbers? */
int npi_same_q(const struct npi_quant *a, const struct npi_quant *b);
/* n integers at p from per-tensor quantization `from` to `to`, in place, rounded half away from zero and saturated. */
void npi_requant(int dtype, void *p, int64_t off, int64_t n, const struct npi_quant *from, const struct npi_quant *to);
/* Behind a pure move: brings out from in's quantization to its own when they differ. */
void npi_requant_moved(const struct npi_view *out, const struct npi_view *in);
#endif
