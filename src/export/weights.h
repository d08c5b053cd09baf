/* SPDX-License-Identifier: Apache-2.0 */
/* Smaller weights in a lowered graph: a constant becomes one of 16 or 8 bits with a Dequantize behind it. Arithmetic stays in float
 * (TFLite runtimes may do products with 8-bit weights in integers: "dynamic range").
 *
 *   fp16   every float constant of 256 numbers or more that 16 bits can hold
 *   int8   weights of convolutions and fully connected layers of 1024 numbers or more; symmetric, a scale an output channel:
 *          |error of a weight| <= scale / 2, scale = max |w| of its channel / 127 */
#ifndef NPI_EXPORT_WEIGHTS_H
#define NPI_EXPORT_WEIGHTS_H
#include "ir/graph.h"

enum npi_precision { NPI_PRECISION_DEFAULT = 0, NPI_PRECISION_F32, NPI_PRECISION_F16, NPI_PRECISION_I8 };

/* For layers whose name (or that of their weights) the pattern matches: '*' any text, '?' any letter. Later rules win. */
struct npi_weights_rule { const char *pattern; int precision; int per_tensor; /* 1: one scale for all channels, -1: not said */ };

struct npi_weights_opts { int precision; const struct npi_weights_rule *rule; int n_rules; };

struct npi_weights_report {
    int n_layers, n_f32, n_f16, n_i8;   /* convolutions and fully connected layers, by what their weights became */
    int n_too_large;                    /* constants that 16 bits cannot hold: stay in 32 */
    size_t bytes_before, bytes_after;
};
int npi_weights_apply(struct npi_graph *g, const struct npi_weights_opts *o, struct npi_weights_report *rep, struct np_error *err);
/* Largest relative error that 16 bits would bring to the float weights; *exact: none at all; *n: how many numbers there are. */
double npi_weights_f16_error(const struct npi_graph *g, int *exact, int64_t *n);
int npi_pattern_matches(const char *pattern, const char *name);
#endif
