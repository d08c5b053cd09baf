/* SPDX-License-Identifier: Apache-2.0 */
/* Dead code: nodes whose outputs nobody reads. */
#include "pass/passes.h"
#include "pass/util.h"

int npi_pass_dce(struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    for (int i = g->n_nodes - 1; i >= 0 && r >= 0; i--) {
        struct npi_node *n = &g->node[i];
        int used = 0;
        for (int k = 0; k < n->n_out; k++) used |= n->out[k] >= 0 && w.ix.n_users[n->out[k]] > 0;
        if (n->dead || used) continue;
        n->dead = 1;
        w.changed = 1;
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] >= 0) w.ix.n_users[n->in[k]]--;
    }
    return npi_rewrite_end(&w, r);
}
