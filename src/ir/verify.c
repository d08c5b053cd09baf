/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold for every graph that reaches the planner. Run after import and after the passes: a pass that breaks
 * an invariant is found here and not in a kernel. */
#include "ir/graph.h"

int npi_graph_verify(const struct npi_graph *g, struct np_error *err) {
    struct npi_arena tmp;
    npi_arena_init(&tmp, 0);
    char *have = npi_arena_array(&tmp, char, g->n_tensors + 1);
    char where[256];
    int r = have ? 0 : NP_ENOMEM;
    for (int i = 0; have && i < g->n_tensors; i++) have[i] = g->tensor[i].v.data != NULL;
    for (int i = 0; !r && i < g->n_inputs; i++) {
        if (g->input[i] < 0 || g->input[i] >= g->n_tensors) r = npi_fail(err, NP_EFORMAT, "%s: input %d is no tensor", g->path, i);
        else have[g->input[i]] = 1;
    }
    for (int i = 0; !r && i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        const struct npi_op_info *o = &npi_op_info[n->op];
        if (n->dead) continue;
        npi_node_where(g, n, where, sizeof where);
        if (n->n_in < o->min_in || n->n_in > o->max_in || n->n_out < o->min_out || n->n_out > o->max_out)
            r = npi_fail(err, NP_EFORMAT, "%s: %d inputs and %d outputs; it takes %d to %d and gives %d to %d", where, n->n_in, n->n_out, o->min_in, o->max_in, o->min_out, o->max_out);
        for (int k = 0; !r && k < n->n_in; k++) {
            const int t = n->in[k];
            if (t >= g->n_tensors || (t < 0 && k < o->min_in)) r = npi_fail(err, NP_EFORMAT, "%s: input %d is missing", where, k);
            else if (t >= 0 && !have[t]) r = npi_fail(err, NP_EFORMAT, "%s: input %d ('%s') is used before it is made", where, k, g->tensor[t].name);
        }
        for (int k = 0; !r && k < n->n_out; k++) {
            const int t = n->out[k];
            if (t < 0) continue;
            if (t >= g->n_tensors) r = npi_fail(err, NP_EFORMAT, "%s: output %d is no tensor", where, k);
            else if (have[t]) r = npi_fail(err, NP_EFORMAT, "%s: output %d ('%s') is made twice", where, k, g->tensor[t].name);
            else if (npi_view_bytes(&g->tensor[t].v) > (size_t)1 << 40) r = npi_fail(err, NP_ELIMIT, "%s: output %d is absurdly large", where, k);
            else have[t] = 1;
        }
    }
    for (int i = 0; !r && i < g->n_outputs; i++)
        if (g->output[i] < 0 || g->output[i] >= g->n_tensors || !have[g->output[i]])
            r = npi_fail(err, NP_EFORMAT, "%s: output %d is never made", g->path, i);
    npi_arena_free(&tmp);
    return r;
}
