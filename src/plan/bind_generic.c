/* SPDX-License-Identifier: Apache-2.0 */
/* The last binder: one task that runs the op's C reference on views over the session's memory. Every op works through
 * it; a fast binder only ever takes nodes away from it. */
#include "plan/plan.h"

#define MAX_INPUTS 512

struct generic {
    const struct npi_graph *g;
    const struct npi_node *node;
};

static void run_generic(const struct npi_step *s, const struct npi_exec *x, int task, int worker) {
    const struct generic *const p = s->params;
    const struct npi_node *const n = p->node;
    struct npi_view view[MAX_INPUTS + 4];
    const struct npi_view *ptr[MAX_INPUTS];
    struct npi_op_args a = { .node = n, .inv = ptr, .n_in = n->n_in, .n_out = n->n_out };
    for (int i = 0; i < n->n_in; i++) {
        ptr[i] = NULL;
        if (n->in[i] < 0) continue;
        view[i] = p->g->tensor[n->in[i]].v;
        view[i].data = x->ptr[n->in[i]];
        ptr[i] = &view[i];
        if (i < 8) a.in[i] = &view[i];
    }
    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        struct npi_view *v = &view[MAX_INPUTS + i];
        *v = p->g->tensor[n->out[i]].v;
        v->data = x->ptr[n->out[i]];
        a.out[i] = v;
    }
    a.scratch = s->scratch_bytes ? npi_exec_scratch(x, worker) : NULL;
    npi_op_eval(&a);
}

int npi_bind_generic(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->n_in > MAX_INPUTS || n->n_out > 4) return npi_fail(b->err, NP_ELIMIT, "%s: %d inputs are too many", n->name, n->n_in);
    struct generic *p = npi_arena_alloc(b->mem, sizeof *p);
    const struct npi_view **store = npi_arena_array(b->mem, const struct npi_view *, n->n_in + 1);
    if (!p || !store) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    p->g = b->g;
    p->node = n;
    struct npi_op_args a;
    npi_op_args_init(&a, b->g, n, store);
    *s = (struct npi_step){ .kernel = "reference", .run = run_generic, .n_tasks = 1, .params = p, .scratch_bytes = npi_op_scratch(&a), .inplace_of = -1 };
    return 1;
}
