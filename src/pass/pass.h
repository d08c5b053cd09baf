/* SPDX-License-Identifier: Apache-2.0 */
/* Graph rewrites, run in the order of npi_passes[] until the graph is what the planner likes. One file a pass. */
#ifndef NPI_PASS_PASS_H
#define NPI_PASS_PASS_H
#include "ir/graph.h"
#include "ops/build.h"

/* FILES: also before a model file is written: what comes out has ops that other formats have, or that can be written out exactly (src/export/lower.h). */
enum { NPI_PASS_FILES = 1 };
struct npi_pass {
    const char *name;
    int (*run)(struct npi_graph *g, struct np_error *err); /* > 0: changed, 0: nothing to do, < 0: error */
    unsigned flags;
};
extern const struct npi_pass npi_passes[]; /* ends with name NULL */
int npi_pass_run(struct npi_graph *g, const struct npi_pass *list, const struct np_logger *log, struct np_error *err);
int npi_pass_for_files(struct npi_graph *g, const struct np_logger *log, struct np_error *err);
int npi_pass_tidy(struct npi_graph *g, struct np_error *err); /* dead code gone, order right */
int npi_pass_all(struct npi_graph *g, const struct np_logger *log, struct np_error *err);
#endif
