/* SPDX-License-Identifier: Apache-2.0 */
/* The families of ops, and the entry points that every caller uses. To add an op: a line in ir/op.h, a row in a family
 * file here, a line in an importer, a test. */
#include "ops/ops.h"
#include "ops/families.h"

static const struct npi_op_family *const families[] = { NPI_OP_FAMILIES };

const struct npi_op_def *npi_op_def(enum npi_op op) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (int i = 0; families[f] && i < families[f]->n; i++)
            if (families[f]->def[i].op == op) return &families[f]->def[i];
    return NULL;
}

void npi_op_args_init(struct npi_op_args *a, const struct npi_graph *g, const struct npi_node *n, const struct npi_view **store) {
    *a = (struct npi_op_args){ .node = n, .inv = store, .n_in = n->n_in, .n_out = n->n_out };
    for (int i = 0; i < n->n_in; i++) {
        store[i] = n->in[i] >= 0 ? &g->tensor[n->in[i]].v : NULL;
        if (i < 8) a->in[i] = store[i];
    }
    for (int i = 0; i < n->n_out && i < 4; i++) a->out[i] = n->out[i] >= 0 ? &g->tensor[n->out[i]].v : NULL;
}

/* Quantized operands that the op does not handle by itself? */
static int wants_wrap(const struct npi_op_def *d, const struct npi_op_args *a) {
    if (d->flags & (NPI_OPF_QUANT | NPI_OPF_ALIAS)) return 0;
    for (int i = 0; i < a->n_in; i++)
        if (a->inv[i] && a->inv[i]->q.n > 0) return 1;
    return 0;
}

int npi_op_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_op_def *d = npi_op_def(a->node->op);
    if (!d) return npi_fail(err, NP_EUNSUPPORTED, "the op %s is not implemented", npi_op_info[a->node->op].name);
    return wants_wrap(d, a) ? npi_qwrap_infer(d, a, err) : d->infer(a, err);
}

size_t npi_op_scratch(const struct npi_op_args *a) {
    const struct npi_op_def *d = npi_op_def(a->node->op);
    return wants_wrap(d, a) ? npi_qwrap_scratch(d, a) : d->scratch ? d->scratch(a) : 0;
}

void npi_op_eval(const struct npi_op_args *a) {
    const struct npi_op_def *d = npi_op_def(a->node->op);
    if (wants_wrap(d, a)) {
        npi_qwrap_eval(d, a);
        return;
    }
    d->eval(a);
    if (a->node->act.kind && !(d->flags & NPI_OPF_ACT) && !(d->flags & NPI_OPF_QUANT && a->out[0]->q.n > 0) && a->out[0]->dtype == NP_F32)
        npi_act_apply_f32(&a->node->act, a->out[0]->data, (size_t)npi_view_count(a->out[0]));
}
