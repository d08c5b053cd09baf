/* SPDX-License-Identifier: Apache-2.0 */
/* Chains: nodes that one step does, so that what lies between them is never in memory as a whole.
 *
 *   conv ──> (Dequantize) ──> SoftBins                 the head of ConvNeXtPose: the volume [h][w][joints * bins] stays a tile in the cache
 *   conv ──> 1x1 conv (+ residual)                      expansion and projection of a ConvNeXt block: the map of 4 C channels stays a tile, too (f32)
 *   conv ──> Transpose to [n][c][h][w]                 outputs of ONNX nets; with a Dequantize on either side, too
 *
 * A chain is done where its last node stands in the order. Each number is computed as by the single steps: the bytes are the same. */
#ifndef NPI_PLAN_CHAIN_H
#define NPI_PLAN_CHAIN_H
#include "plan/plan.h"

enum { NPI_CHAIN_MAX = 4 };

/* Does a chain begin with node `first`? 1: the step is bound, its nodes are in node[0 … *n - 1], the last of them is the one whose output it makes. 0: no.
 * Negative: error. only_user: that of npi_graph_index. */
int npi_chain_bind(struct npi_binder *b, int first, const int *only_user, int node[NPI_CHAIN_MAX], int *n, struct npi_step *s);
#endif
