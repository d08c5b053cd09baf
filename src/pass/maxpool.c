/* SPDX-License-Identifier: Apache-2.0 */
/* Max pools of several sizes over one tensor (the SPP block of detectors: 5, 9, 13, stride 1, same size): the larger one reads the smaller.
 *
 *   max over 9 = max over 5 of (max over 5)      k = k' + k'' - 1, also at the borders, where windows are cut
 *
 * 25 + 25 + 25 comparisons instead of 25 + 81 + 169; exact, since a maximum does not round. */
#include "pass/passes.h"
#include "pass/util.h"

/* Kernel of a square max pool that keeps the size (stride 1, k odd, k / 2 of padding on each side); 0: not that. */
static int same_pool(const struct npi_node *n) {
    const struct npi_window *w = &n->a.pool.win;
    if (n->dead || n->op != NPI_OP_MAXPOOL2D || n->n_out != 1) return 0;
    if (w->kh != w->kw || w->kh % 2 == 0 || w->sh != 1 || w->sw != 1 || w->dh != 1 || w->dw != 1) return 0;
    return w->pt == w->kh / 2 && w->pl == w->pt && w->pb == w->pt && w->pr == w->pt ? w->kh : 0;
}

int npi_pass_maxpool(struct npi_graph *g, struct np_error *err) {
    int changed = 0;
    for (;;) {
        int best = -1, best_k = 0, from = -1, from_k = 0; /* largest pool that has a smaller one beside it, and the largest of those */
        for (int i = 0; i < g->n_nodes; i++) {
            const int k = same_pool(&g->node[i]);
            if (k <= best_k) continue;
            int f = -1, fk = 1;
            for (int j = 0; j < g->n_nodes; j++) {
                const int kj = same_pool(&g->node[j]);
                if (kj > fk && kj < k && g->node[j].in[0] == g->node[i].in[0]) f = j, fk = kj;
            }
            if (f < 0) continue;
            best = i, best_k = k, from = f, from_k = fk;
        }
        if (best < 0) break;
        struct npi_node *const n = &g->node[best];
        struct npi_window *const w = &n->a.pool.win;
        n->in[0] = g->node[from].out[0];
        w->kh = w->kw = best_k - from_k + 1;
        w->pt = w->pl = w->pb = w->pr = w->kh / 2;
        changed = 1;
    }
    const int r = changed ? npi_graph_sort(g, err) : 0;
    return r < 0 ? r : changed;
}
