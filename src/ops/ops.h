/* SPDX-License-Identifier: Apache-2.0 */
/* What an op means: its shape rule and its C reference, over views. One file a family; ops/table.c lists the families.
 *
 * References are simple and slow, accumulate in double or int64 where the op sums, and are the specification the SIMD
 * steps are tested against. They also run every op that has no fast step, and fold constants. */
#ifndef NPI_OPS_OPS_H
#define NPI_OPS_OPS_H
#include "ir/graph.h"

struct npi_op_args {
    const struct npi_node *node;
    const struct npi_view *in[8]; /* first 8 inputs, NULL where absent; for Concat use `inv` */
    const struct npi_view *const *inv; /* all inputs */
    int n_in;
    struct npi_view *out[4];
    int n_out;
    void *scratch;                /* npi_op_def.scratch() bytes, 64-byte aligned, undefined contents; NULL if 0 */
};

struct npi_op_def {
    enum npi_op op;
    /* Sets dtype, rank, dims of out[] (and quantization where it passes through unchanged; importers set it otherwise, and infer
     * must not overwrite q when out->q.n > 0 already). Inputs with const_in bits have data. Returns 0 or NP_ESHAPE / NP_EUNSUPPORTED / NP_EINVAL with
     * a message that says what is wrong with which dimension. */
    int (*infer)(const struct npi_op_args *a, struct np_error *err);
    /* Computes out[]. Views are checked and shapes inferred. Never fails: what it cannot do was refused by infer. */
    void (*eval)(const struct npi_op_args *a);
    size_t (*scratch)(const struct npi_op_args *a); /* may be NULL: none */
    unsigned flags;
};
#define NPI_OPF_QUANT 1u      /* eval itself handles quantized tensors; otherwise the wrapper in ops/qwrap.c dequantizes, runs in f32, quantizes */
#define NPI_OPF_INPLACE 2u    /* out[0] may share memory with in[0] when sizes match */
#define NPI_OPF_ALIAS 4u      /* out[0] is in[0] with another shape: no work at all */
#define NPI_OPF_ACT 8u        /* eval applies node->act itself (it may have to come before a residual) */

/* NULL: the op has no implementation (verify and import refuse it by name). ops/table.c lists the families. */
const struct npi_op_def *npi_op_def(enum npi_op op);
struct npi_op_family { const struct npi_op_def *def; int n; };

/* Entry points used by everybody: handle quantized operands through the wrapper and apply node->act behind the op. */
int npi_op_infer(const struct npi_op_args *a, struct np_error *err);
size_t npi_op_scratch(const struct npi_op_args *a);
/* One heap block, so that plan and build can prepare args for any node. inv and views point into g->tensor: do not add
 * tensors while using it. `store` needs n_in pointers. */
void npi_op_args_init(struct npi_op_args *a, const struct npi_graph *g, const struct npi_node *n, const struct npi_view **store);
/* ops/qwrap.c: the same three for ops without NPI_OPF_QUANT that got quantized operands. */
int npi_qwrap_infer(const struct npi_op_def *d, const struct npi_op_args *a, struct np_error *err);
size_t npi_qwrap_scratch(const struct npi_op_def *d, const struct npi_op_args *a);
void npi_qwrap_eval(const struct npi_op_def *d, const struct npi_op_args *a);
/* ops/act.c: act applied in place to n floats; the reference of every fused activation. */
void npi_act_apply_f32(const struct npi_act *act, float *x, size_t n);
void npi_op_eval(const struct npi_op_args *a);
#endif
