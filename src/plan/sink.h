/* SPDX-License-Identifier: Apache-2.0 */
/* What a product does with a tile of its result instead of storing it: the tile goes to scratch and from there, while it is in the cache, through
 * the ops that would have read it from memory.
 *
 *   x ── product ──> tile [m][n], scratch ── put ──> y       the whole result never lies in memory
 *
 * Every step of a product (f32, bf16, 8-bit) looks at npi_binder.sink; plan/chain.c puts one there. */
#ifndef NPI_PLAN_SINK_H
#define NPI_PLAN_SINK_H
#include "plan/plan.h"

struct npi_sink {
    /* Rows m0 … m0 + m - 1, columns n0 … n0 + n - 1 of the result, as its type: tile [m][ld]. Tiles come in any order, from several threads at once. */
    void (*put)(const struct npi_sink *s, const struct npi_exec *x, const void *tile, size_t ld, size_t m0, int m, int n0, int n, void *scratch);
    size_t (*scratch)(const struct npi_sink *s, int m, int n); /* bytes for tiles up to that size; NULL: none */
    int granule;               /* n0 is a multiple of it, and so is n unless the tile ends with the last column */
    int piece;                 /* columns that a tile should have, about; 0: as the product likes */
    int y;
};
static inline size_t npi_sink_scratch(const struct npi_sink *s, int m, int n) { return s->scratch ? npi_align_up(s->scratch(s, m, n), NPI_ALIGN) + NPI_TAIL : 0; }
#endif
