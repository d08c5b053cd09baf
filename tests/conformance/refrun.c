/* SPDX-License-Identifier: Apache-2.0 */
/* See refrun.h. */
#include "refrun.h"

#include <string.h>

int refrun(struct npi_graph *g, struct npi_arena *mem, const void *const *input, struct np_error *err) {
    for (int i = 0; i < g->n_tensors; i++) {
        struct npi_view *v = &g->tensor[i].v;
        if (v->data || npi_view_bytes(v) > (size_t)1 << 32) continue;
        int used = 0;
        for (int k = 0; k < g->n_inputs; k++) used |= g->input[k] == i;
        if (used && !(v->data = npi_arena_alloc(mem, npi_view_bytes(v)))) return npi_fail(err, NP_ENOMEM, "out of memory for a tensor");
    }
    for (int i = 0; i < g->n_inputs; i++) {
        const struct npi_view *v = &g->tensor[g->input[i]].v;
        if (npi_view_bytes(v)) memcpy(v->data, input[i], npi_view_bytes(v));
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (n->dead) continue;
        const struct npi_view **store = npi_arena_array(mem, const struct npi_view *, n->n_in + 1);
        if (!store) return npi_fail(err, NP_ENOMEM, "out of memory");
        for (int k = 0; k < n->n_out; k++) {
            struct npi_view *v = &g->tensor[n->out[k]].v;
            if (!(v->data = npi_arena_alloc(mem, npi_view_bytes(v)))) return npi_fail(err, NP_ENOMEM, "out of memory for output %d of a node", k);
        }
        struct npi_op_args a;
        npi_op_args_init(&a, g, n, store);
        const size_t bytes = npi_op_scratch(&a);
        if (bytes && !(a.scratch = npi_alloc(bytes))) return npi_fail(err, NP_ENOMEM, "out of memory for scratch");
        npi_op_eval(&a);
        npi_free(a.scratch);
    }
    return 0;
}
