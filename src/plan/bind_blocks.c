/* SPDX-License-Identifier: Apache-2.0 */
/* The C reference of an elementwise op of one input, cut into blocks for the threads: what has no kernel (casts, rare functions,
 * other dtypes) at least uses all of them. Sizes that one task would do at once are left to the generic binder. */
#include "plan/bind_elem.h"

enum { BLOCK = 8192 };

struct params {
    const struct npi_graph *g;
    const struct npi_node *node;
    int64_t n;
};

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const int64_t at = (int64_t)task * BLOCK;
    const int ids[2] = { p->node->in[0], p->node->out[0] };
    struct npi_view v[2];
    for (int i = 0; i < 2; i++) {
        const struct npi_view *const t = &p->g->tensor[ids[i]].v;
        v[i] = (struct npi_view){ .dtype = t->dtype, .rank = 1, .d = { p->n - at < BLOCK ? p->n - at : BLOCK }, .q = t->q };
        v[i].data = (char *)e->ptr[ids[i]] + (size_t)at * np_dtype_size(t->dtype);
    }
    const struct npi_view *const in = &v[0];
    const struct npi_op_args a = { .node = p->node, .in = { in }, .inv = &in, .n_in = 1, .out = { &v[1] }, .n_out = 1,
                                    .scratch = s->scratch_bytes ? npi_exec_scratch(e, worker) : NULL };
    npi_op_eval(&a);
}

int npi_bind_blocks(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->op < NPI_OP_RELU || n->op > NPI_OP_CAST || n->n_in != 1) return 0;
    const struct npi_view *x = npi_bind_view(b, n->in[0]), *y = npi_bind_view(b, n->out[0]);
    const int64_t count = npi_view_count(y);
    if (npi_view_count(x) != count || count <= BLOCK || count / BLOCK > 1 << 30 || x->q.n > 1 || y->q.n > 1) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ b->g, n, count };
    struct npi_view part[2] = { *x, *y };
    part[0].rank = part[1].rank = 1;
    part[0].d[0] = part[1].d[0] = BLOCK;
    const struct npi_view *const in = &part[0];
    const struct npi_op_args a = { .node = n, .in = { in }, .inv = &in, .n_in = 1, .out = { &part[1] }, .n_out = 1 };
    s->scratch_bytes = npi_op_scratch(&a);
    s->kernel = "reference_blocks";
    s->run = run;
    s->n_tasks = (int)((count + BLOCK - 1) / BLOCK);
    s->params = p;
    s->inplace_of = np_dtype_size(x->dtype) == np_dtype_size(y->dtype) && !x->data ? 0 : -1;
    return 1;
}
