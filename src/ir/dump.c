/* SPDX-License-Identifier: Apache-2.0 */
/* The graph as text, one line a node; tests of passes compare it with golden files. */
#include "ir/graph.h"

#include <stdarg.h>
#include <stdio.h>

struct out { char s[1024]; size_t n; };

NPI_PRINTF(2, 3) static void put(struct out *o, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(o->s + o->n, sizeof o->s - o->n, fmt, ap);
    va_end(ap);
    if (n > 0) o->n += (size_t)n < sizeof o->s - o->n ? (size_t)n : sizeof o->s - o->n - 1;
}

static void put_tensor(struct out *o, const struct npi_graph *g, int t) {
    if (t < 0) {
        put(o, " -");
        return;
    }
    const struct npi_view *v = &g->tensor[t].v;
    put(o, " %%%d:%s%s[", t, v->data ? "const " : "", np_dtype_name(v->dtype));
    for (int i = 0; i < v->rank; i++) put(o, "%s%lld", i ? "," : "", (long long)v->d[i]);
    put(o, "]");
    if (v->q.n == 1) put(o, "q(%g,%d)", (double)v->q.scale[0], v->q.zero ? v->q.zero[0] : 0);
    else if (v->q.n > 1) put(o, "q(%d on axis %d)", v->q.n, v->q.axis);
}

void npi_graph_dump(const struct npi_graph *g, void (*line)(void *opaque, const char *text), void *opaque) {
    static const char *const acts[] = { "", " clamp", " silu", " sigmoid", " hardswish", " leaky", " tanh", " gelu" };
    for (int i = 0; i < g->n_inputs; i++) {
        struct out o = { .n = 0 };
        put(&o, "input");
        put_tensor(&o, g, g->input[i]);
        put(&o, " '%s'", g->tensor[g->input[i]].name);
        line(opaque, o.s);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (n->dead) continue;
        struct out o = { .n = 0 };
        put(&o, "%4d %s", i, npi_op_info[n->op].name);
        for (int k = 0; k < n->n_in; k++) put_tensor(&o, g, n->in[k]);
        put(&o, " ->");
        for (int k = 0; k < n->n_out; k++) put_tensor(&o, g, n->out[k]);
        put(&o, "%s", acts[n->act.kind]);
        if (n->act.kind == NPI_ACT_CLAMP) put(&o, "(%g,%g)", (double)n->act.lo, (double)n->act.hi);
        put(&o, " '%s'", n->name);
        line(opaque, o.s);
    }
    for (int i = 0; i < g->n_outputs; i++) {
        struct out o = { .n = 0 };
        put(&o, "output");
        put_tensor(&o, g, g->output[i]);
        put(&o, " '%s'", g->tensor[g->output[i]].name);
        line(opaque, o.s);
    }
}
