/* SPDX-License-Identifier: Apache-2.0 */
/* The float graph as the quantizer wants it: convolutions with at most a clamp behind, everything else a node of its own, so that each number
 * that will be rounded is a tensor. */
#include "quant/priv.h"

#include <math.h>
#include <string.h>

/* node->act as a node behind x; the new tensor. */
static int build_act(struct npi_graph *g, const struct npi_node *n, const struct npi_act *a, int x, struct np_error *err) {
    static const int op[] = { [NPI_ACT_CLAMP] = NPI_OP_CLAMP, [NPI_ACT_SILU] = NPI_OP_SILU, [NPI_ACT_SIGMOID] = NPI_OP_SIGMOID, [NPI_ACT_HARD_SWISH] = NPI_OP_HARD_SWISH,
                              [NPI_ACT_LEAKY] = NPI_OP_LEAKY_RELU, [NPI_ACT_TANH] = NPI_OP_TANH, [NPI_ACT_GELU] = NPI_OP_GELU };
    struct npi_node p = { .op = op[a->kind], .name = n->name };
    p.a.unary.a = a->lo;
    p.a.unary.b = a->hi;
    if (a->kind == NPI_ACT_CLAMP && a->lo == 0 && a->hi == INFINITY) p = (struct npi_node){ .op = NPI_OP_RELU, .name = n->name };
    return npi_build1(g, &p, &x, 1, err);
}

static int apart(struct npi_graph *g, int at, struct np_error *err) {
    const struct npi_node n = g->node[at];
    const int residual = npi_is_conv(&n) && n.n_in > 3 && n.in[3] >= 0 ? n.in[3] : -1;
    const int keeps_act = n.act.kind == NPI_ACT_NONE || (n.act.kind == NPI_ACT_CLAMP && !(residual >= 0 && n.res_before_act));
    if (residual < 0 && keeps_act) return 0;
    struct npi_node p = { .op = n.op, .name = n.name, .a = n.a };
    if (keeps_act) p.act = n.act;
    int y = npi_build1(g, &p, n.in, residual >= 0 ? 3 : n.n_in, err);
    if (y >= 0 && n.act.kind && !keeps_act && !n.res_before_act) y = build_act(g, &n, &n.act, y, err);
    /* An Add carries a clamp: what it would cut off must not widen the range of a tensor in between. */
    const int clamps = n.act.kind == NPI_ACT_CLAMP && !keeps_act;
    if (y >= 0 && residual >= 0) y = npi_build1(g, &(struct npi_node){ .op = NPI_OP_ADD, .name = n.name, .act = clamps ? n.act : (struct npi_act){ 0 } }, (int[]){ y, residual }, 2, err);
    if (y >= 0 && n.act.kind && !keeps_act && !clamps && n.res_before_act) y = build_act(g, &n, &n.act, y, err);
    if (y < 0) return y;
    g->tensor[y].name = g->tensor[n.out[0]].name;
    npi_graph_replace_uses(g, n.out[0], y);
    g->node[at].dead = 1;
    return 1;
}

int npi_quant_take_apart(struct npi_graph *g, struct np_error *err) {
    const int n = g->n_nodes;
    for (int i = 0; i < n; i++) {
        const int r = g->node[i].dead ? 0 : apart(g, i, err);
        if (r < 0) return r;
    }
    return npi_graph_sort(g, err);
}
