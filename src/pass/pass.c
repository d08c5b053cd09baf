/* SPDX-License-Identifier: Apache-2.0 */
/* The ordered list of passes, and the loop that runs them until nothing changes. */
#include "pass/pass.h"
#include "base/log.h"
#include "pass/passes.h"

#define MAX_ROUNDS 12

int npi_pass_tidy(struct npi_graph *g, struct np_error *err) {
    int r = npi_pass_dce(g, err);
    if (r >= 0 && (r = npi_graph_sort(g, err)) >= 0) npi_graph_compact(g);
    return r < 0 ? r : 0;
}

/* Those that have all of `flags`. */
static int run(struct npi_graph *g, const struct npi_pass *list, unsigned flags, const struct np_logger *log, struct np_error *err) {
    for (int round = 0; round < MAX_ROUNDS; round++) {
        int changed = 0;
        for (const struct npi_pass *p = list; p->name; p++) {
            if ((p->flags & flags) != flags) continue;
            const int before = g->n_nodes;
            const int r = p->run(g, err);
            if (r < 0) return npi_fail_prefix(err, r, "pass %s", p->name);
            if (r > 0) {
                changed = 1;
                int q = npi_graph_sort(g, err);
                if (q >= 0) q = npi_graph_verify(g, err);
                if (q < 0) return npi_fail_prefix(err, q, "after pass %s", p->name);
                npi_log(log, NP_LOG_DEBUG, "%s: pass %s: %d nodes, was %d", g->path, p->name, g->n_nodes, before);
            }
        }
        if (!changed) break;
    }
    /* Nodes that a rule built before it gave up. */
    const int r = npi_pass_dce(g, err);
    return r < 0 ? r : npi_graph_sort(g, err);
}

int npi_pass_run(struct npi_graph *g, const struct npi_pass *list, const struct np_logger *log, struct np_error *err) { return run(g, list, 0, log, err); }
int npi_pass_all(struct npi_graph *g, const struct np_logger *log, struct np_error *err) { return run(g, npi_passes, 0, log, err); }
int npi_pass_for_files(struct npi_graph *g, const struct np_logger *log, struct np_error *err) { return run(g, npi_passes, NPI_PASS_FILES, log, err); }
