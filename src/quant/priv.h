/* SPDX-License-Identifier: Apache-2.0 */
/* The quantizer inside. Tensor and node numbers are those of `g`, the float graph taken apart. */
#ifndef NPI_QUANT_PRIV_H
#define NPI_QUANT_PRIV_H
#include "ops/build.h"
#include "quant/quant.h"

struct npi_quantizer {
    struct npi_arena mem;
    struct npi_graph g;
    struct npi_graph_index ix;
    char isa[32];
    struct np_logger log;
    unsigned out_mask;
    int input;                    /* tensor: the one that samples are of */
    struct npi_seen *seen;        /* [n_tensors] */
    float **mean;                 /* [n_tensors] of the last axis' channels, where a convolution reads it; NULL else */
    int n_calibrated;
    struct npi_known_range { char known; double percentile, lo, hi; } *range; /* [n_tensors][NPI_RANGE_ENTROPY + 1]: chosen before; a search a tensor is slow */
    void **sample; int n_samples; /* held out: copies */
    /* What errors are measured on: the outputs, and behind them, where the net ends in an argmax or the like (whose outcome jumps), the last
     * tensors that come from int8 layers. */
    int *point; int n_points;
    float **want;                 /* [n_samples][n_points] what the float net says, as f32 */
    int64_t *want_n;              /* [n_points] */
    int use_samples;              /* of the held out ones, 0: all */
    struct npi_arena held;        /* memory of these */
};

/* Which nodes are int8, which tensors share parameters. */
struct npi_choice {
    char *is_int;                 /* [n_nodes] */
    char *has_q;                  /* [n_tensors]: gets a Q/DQ pair */
    int *group;                   /* [n_tensors]: tensor whose range counts for it too; roots point at themselves */
    float *scale; int32_t *zero;  /* [n_tensors], of roots */
    char *requant;                /* [n_tensors] of a Concat's operands: bit 0: to the Concat's parameters, by a pair of its own there */
};

static inline int npi_is_conv(const struct npi_node *n) { return n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_FULLY_CONNECTED; }
/* May this one be int8 at all: known float weights and bias, float in and out. */
int npi_quant_conv_ok(const struct npi_graph *g, const struct npi_node *n);
static inline int npi_quant_root(const struct npi_choice *c, int t) { while (c->group[t] != t) t = c->group[t]; return t; }

/* prepare.c: fused activations other than clamps, and residuals, become nodes again. */
int npi_quant_take_apart(struct npi_graph *g, struct np_error *err);
/* select.c */
int npi_quant_select(struct npi_quantizer *q, const struct npi_quant_config *c, struct npi_choice *out, struct npi_arena *mem, struct np_error *err);
int npi_quant_build(struct npi_quantizer *q, const struct npi_quant_config *c, int points, struct npi_graph *out, struct npi_arena *mem, struct npi_quant_counts *counts,
                    struct np_error *err); /* points: outputs are q->point[] */
/* weights.c: int8 weights behind a Dequantize, and the bias in int32 behind one; tensor numbers of `to`. x_scale: of the input. mean: of the input's channels, or NULL. */
int npi_quant_weights(struct npi_graph *to, const struct npi_graph *g, const struct npi_node *n, float x_scale, const float *mean, int bits, int *w, int *b, struct np_error *err);
/* Where weight i of a convolution belongs: output channel *o, input channel *c (of the tensor read), tap. */
void npi_quant_weight_at(const struct npi_graph *g, const struct npi_node *n, int64_t i, int64_t *o, int64_t *c);
int npi_quant_name_matches(const char *pattern, const char *name);
#endif
