/* SPDX-License-Identifier: Apache-2.0 */
/* Post-training quantization: a float graph and some real inputs -> the same graph with Quantize/Dequantize pairs, int8 weights and int32
 * biases. Our engine takes that graph as it is (pass/qdq.c puts the ops on the integers), the writers in export/ write it.
 *
 *   graph after npi_pass_for_files ── npi_quantizer_open ─┬─ calibrate: the float net on samples; ranges, histograms, channel means
 *                                                        ├─ npi_quantizer_build(config) ──> graph with Q/DQ     (as often as you like)
 *                                                        └─ npi_quantizer_error(config) ──> distance of the outputs on held-out samples
 *   npi_quantizer_scan: which few convolutions must stay in float, so that the error stays within a bound
 *
 * What becomes int8: convolutions, depthwise ones and fully connected layers with known weights, and what lies between two of them. The
 * arithmetic behind the last one (sigmoids of scores, argmax, the boxes' exponentials) stays in float. */
#ifndef NPI_QUANT_QUANT_H
#define NPI_QUANT_QUANT_H
#include "backend/model.h"
#include "ir/graph.h"
#include "quant/observe.h"

struct npi_quant_config {
    int method;                  /* enum npi_range_method; AUTO: that with the least error on the held-out samples */
    double percentile;           /* of NPI_RANGE_PERCENTILE, 50..100; 0: 99.99 */
    int weight_bits;             /* 8, or 7 for runtimes whose 8-bit products saturate; 0: 8 */
    int no_bias_correction;
    int u8;                      /* activations in uint8 instead of int8: the same numbers, 128 higher. ONNX Runtime fuses more that way, TFLite wants int8 */
    /* Layers (the float graph's convolution names) that stay in float: exact names, or patterns with '*'. */
    const char *const *keep; int n_keep;
    /* Ranges that are known better than measured, by tensor or node name; they win. */
    const struct npi_quant_range { const char *name; float lo, hi; } *range; int n_ranges;
};

struct npi_quant_counts { int convs, int_convs, pairs, requants; };  /* pairs: activation tensors in int8 */

struct npi_quantizer;
/* g: after npi_pass_for_files (or after import: fused activations and residuals are taken apart again). Copied; constants must live as long.
 * isa as in np_settings. NP_EUNSUPPORTED when there is nothing to quantize, or it is quantized already. */
int npi_quantizer_open(struct npi_quantizer **out, const struct npi_graph *g, const char *isa, const struct np_logger *log, struct np_error *err);
void npi_quantizer_close(struct npi_quantizer **q);
size_t npi_quantizer_input_bytes(const struct npi_quantizer *q); /* of a sample: the one input that is no constant */
/* Outputs whose error counts (bit i: output i), for nets of which a head reads only some. Default: all. */
void npi_quantizer_outputs(struct npi_quantizer *q, unsigned mask);

/* Cross-layer equalization: channels of a convolution are scaled down and its follower's weights up, so that all channels use the 8 bits. Only where the
 * float function stays the same (none, Relu or LeakyRelu between the two). Before calibrating. Returns how many pairs were changed; the change is
 * undone (0) when the outputs on `sample` (may be NULL) move by more than rounding. */
int npi_quantizer_equalize(struct npi_quantizer *q, const void *sample, struct np_error *err);
/* Runs the float net on n samples; every fifth is only used to measure errors on (at least one, at most 24). Needs 2. */
int npi_quantizer_calibrate(struct npi_quantizer *q, const void *const *samples, int n, struct np_error *err);

/* The quantized graph, in `mem`; constants that did not change are those of the float graph. */
int npi_quantizer_build(struct npi_quantizer *q, const struct npi_quant_config *c, struct npi_graph *out, struct npi_arena *mem, struct npi_quant_counts *counts, struct np_error *err);

struct npi_quant_error { double relative, cosine; }; /* worst output: |y - y'| / |y| over all held-out samples; cosine of the two */
struct npi_quant_output_error { const char *name; double relative, cosine, snr_db; };
/* outs (may be NULL): [n_outputs]. */
int npi_quantizer_error(struct npi_quantizer *q, const struct npi_quant_config *c, struct npi_quant_error *out, struct npi_quant_output_error *outs, struct np_error *err);
/* The method with the least error; never AUTO. */
int npi_quantizer_best_method(struct npi_quantizer *q, const struct npi_quant_config *c, int *method, struct np_error *err);

/* One row a convolution, and one for it with the only convolution that reads it: how far the error falls when these stay in float. The most harmful
 * first, by gain a layer. layers: room for 2 * npi_quantizer_n_layers. `c` is what it starts from. */
struct npi_quant_layer { const char *name, *with; int op; int64_t macs; double gain; };
int npi_quantizer_n_layers(const struct npi_quantizer *q);
int npi_quantizer_scan(struct npi_quantizer *q, const struct npi_quant_config *c, struct npi_quant_layer *layers, int *n_layers, int (*progress)(void *opaque, int done, int all), void *opaque,
                       struct np_error *err);
/* Convolutions (convs 1), or tensors and nodes, whose name the pattern matches. */
int npi_quantizer_matches(const struct npi_quantizer *q, const char *pattern, int convs);
const char *npi_quantizer_output_name(const struct npi_quantizer *q, int i); /* NULL past the end */
#endif
