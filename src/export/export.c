/* SPDX-License-Identifier: Apache-2.0 */
#include "export/export.h"

#include <stdio.h>
#include <string.h>

#include "export/lower.h"
#include "pass/pass.h"
#include "pass/util.h"

static const int to_first[4] = { 0, 3, 1, 2 }, to_last[4] = { 0, 2, 3, 1 };

static int turns(const struct npi_graph *g, const struct npi_node *n, const int *perm) {
    return n && n->op == NPI_OP_TRANSPOSE && g->tensor[n->in[0]].v.rank == 4 && !memcmp(n->a.transpose.perm, perm, 4 * sizeof *perm);
}

static void note(struct npi_export *x, const struct npi_graph *g, int t, const char *what) {
    const struct npi_view *v = &g->tensor[t].v;
    const size_t n = strlen(x->io_note);
    snprintf(x->io_note + n, sizeof x->io_note - n, "%s%s '%.60s' is [%lld,%lld,%lld,%lld], channels last", n ? "; " : "", what, g->tensor[t].name, (long long)v->d[0],
             (long long)v->d[1], (long long)v->d[2], (long long)v->d[3]);
}

static int same_meaning(const struct npi_view *a, const struct npi_view *b) {
    if (a->q.n != b->q.n || a->q.axis != b->q.axis) return 0;
    for (int i = 0; i < a->q.n; i++)
        if (a->q.scale[i] != b->q.scale[i] || (a->q.zero ? a->q.zero[i] : 0) != (b->q.zero ? b->q.zero[i] : 0)) return 0;
    return 1;
}

/* ONNX integers get their meaning where they are dequantized: with us by a Reshape that only adds scale and zero point. An input that all its
 * readers take the same way means that from the start. */
static int settle_inputs(struct npi_graph *g, struct np_error *err) {
    int changed = 0;
    for (int i = 0; i < g->n_inputs; i++) {
        const int t = g->input[i];
        const struct npi_view *v = &g->tensor[t].v, *meant = NULL;
        int all = 1;
        if (v->q.n || (v->dtype != NP_I8 && v->dtype != NP_U8)) continue;
        for (int k = 0; k < g->n_outputs; k++) all &= g->output[k] != t;
        for (int k = 0; k < g->n_nodes && all; k++)
            for (int j = 0; j < g->node[k].n_in; j++) {
                const struct npi_node *n = &g->node[k];
                if (n->dead || n->in[j] != t) continue;
                const struct npi_view *y = &g->tensor[n->out[0]].v;
                all &= n->op == NPI_OP_RESHAPE && y->q.n == 1 && npi_view_same_shape(v, y) && (!meant || same_meaning(meant, y));
                meant = y;
            }
        if (!all || !meant) continue;
        g->tensor[t].v.q = meant->q;
        for (int k = 0; k < g->n_nodes; k++)
            if (!g->node[k].dead && g->node[k].op == NPI_OP_RESHAPE && g->node[k].in[0] == t && npi_view_same_shape(&g->tensor[t].v, &g->tensor[g->node[k].out[0]].v)) {
                npi_bypass(g, &g->node[k], t);
                changed = 1;
            }
    }
    return changed ? npi_pass_tidy(g, err) : 0;
}

/* Ops that the layout pass takes a transpose through, image in, image out. */
static int passes(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *y = &g->tensor[n->out[0]].v;
    if (n->n_out != 1 || y->rank != 4) return 0;
    if (n->op == NPI_OP_REDUCE) return n->a.reduce.keepdims;
    if (n->op == NPI_OP_GROUP_NORM || n->op == NPI_OP_RESIZE || n->op == NPI_OP_SOFTMAX || n->op == NPI_OP_LOG_SOFTMAX || n->op == NPI_OP_LP_NORM || n->op == NPI_OP_TILE || n->op == NPI_OP_EXPAND || n->op == NPI_OP_GATHER) return 1;
    return (n->op >= NPI_OP_RELU && n->op <= NPI_OP_DEQUANTIZE) || (n->op >= NPI_OP_ADD && n->op <= NPI_OP_WHERE) || n->op == NPI_OP_CONCAT || n->op == NPI_OP_SLICE || n->op == NPI_OP_PAD;
}

/* An input whose readers, straight or through such ops, all want it channels last: it becomes so, with a Transpose back behind it that
 * the layout pass then cancels against theirs. */
static int turn_inputs(struct npi_export *x, struct npi_graph *g, struct np_error *err) {
    char *good = npi_arena_array(g->mem, char, g->n_tensors + 1), *read = npi_arena_array(g->mem, char, g->n_tensors + 1);
    if (!good || !read) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    memset(good, 1, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_outputs; i++) good[g->output[i]] = 0;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const struct npi_node *n = &g->node[i];
        const int y = n->out[0], fine = turns(g, n, to_last) || (passes(g, n) && good[y] && read[y]);
        for (int k = 0; k < n->n_in && !n->dead; k++) {
            if (n->in[k] < 0) continue;
            read[n->in[k]] = 1;
            good[n->in[k]] &= fine;
        }
    }
    int turned = 0;
    for (int i = 0; i < g->n_inputs; i++) {
        const int t = g->input[i];
        const struct npi_view v = g->tensor[t].v;
        struct npi_node back = { .op = NPI_OP_TRANSPOSE, .name = g->tensor[t].name };
        if (v.rank != 4 || !good[t] || !read[t] || v.q.n > 1) continue;
        const int n_nodes = g->n_nodes;
        struct npi_view w = v;
        for (int k = 0; k < 4; k++) w.d[k] = v.d[to_last[k]], back.a.transpose.perm[k] = to_first[k];
        g->tensor[t].v = w;
        const int y = npi_build1(g, &back, &t, 1, err);
        if (y < 0) return y;
        for (int k = 0; k < n_nodes; k++)
            for (int j = 0; j < g->node[k].n_in; j++)
                if (g->node[k].in[j] == t) g->node[k].in[j] = y;
        note(x, g, t, "input");
        turned = 1;
    }
    if (!turned) return 0;
    const int r = npi_graph_sort(g, err);
    return r < 0 ? r : npi_pass_for_files(g, NULL, err);
}

/* Outputs that are turned channels first become what they were before. */
static int turn_outputs(struct npi_export *x, struct npi_graph *g, struct np_error *err) {
    struct npi_rewrite w;
    int r = npi_rewrite_begin(&w, g, err);
    for (int i = 0; i < g->n_outputs && r >= 0; i++) {
        const int t = g->output[i];
        struct npi_node *n = npi_producer(&w, t);
        if (!turns(g, n, to_first) || w.ix.n_users[t] != 1 || w.ix.producer[n->in[0]] < 0) continue;
        int shown = 0;
        for (int k = 0; k < g->n_outputs; k++) shown |= g->output[k] == n->in[0];
        if (shown) continue;
        g->tensor[n->in[0]].name = g->tensor[t].name;
        g->output[i] = n->in[0];
        note(x, g, g->output[i], "output");
        r = npi_rewrite_index(&w);
    }
    r = npi_rewrite_end(&w, r);
    return r < 0 ? r : npi_pass_tidy(g, err);
}

int npi_export_graph(struct npi_export *out, struct npi_graph *g, const struct npi_export_opts *o, struct np_error *err) {
    const int tflite = o->format == NPI_FORMAT_TFLITE;
    struct npi_export x = { 0 };
    if (g->n_outputs < 1) return npi_fail(err, NP_EFORMAT, "%s: it has no outputs, so there is nothing to write", g->path);
    int r = settle_inputs(g, err);
    if (r >= 0 && tflite && !o->keep_io_layout && (r = turn_inputs(&x, g, err)) >= 0) r = turn_outputs(&x, g, err);
    if (r >= 0) r = tflite ? npi_lower_tflite(g, err) : npi_lower_onnx(g, err);
    if (r >= 0) r = npi_pass_tidy(g, err);
    if (r >= 0 && (o->weights.precision || o->weights.n_rules)) r = npi_weights_apply(g, &o->weights, &x.weights, err);
    if (r < 0) return r;
    r = tflite ? npi_tflite_write(out, g, o, err) : npi_onnx_write(out, g, o, err);
    if (r >= 0) out->weights = x.weights;
    if (r >= 0 && tflite) memcpy(out->io_note, x.io_note, sizeof x.io_note);
    return r;
}

size_t npi_export_bytes(const struct npi_export *x) {
    size_t n = 0;
    for (int i = 0; i < x->n_parts; i++) n += x->part[i].n;
    return n;
}

int npi_export_save(const struct npi_export *x, const char *path, struct np_error *err) {
    struct npi_piece piece[3];
    for (int i = 0; i < x->n_parts; i++) piece[i] = (struct npi_piece){ x->part[i].p, x->part[i].n };
    return npi_save(path, piece, x->n_parts, err);
}

int npi_export_join(struct npi_export *x) {
    for (int i = 1; i < x->n_parts; i++) {
        npi_bytes_put(&x->part[0], x->part[i].p, x->part[i].n);
        npi_bytes_free(&x->part[i]);
    }
    x->n_parts = 1;
    return x->part[0].failed ? NP_ENOMEM : 0;
}

void npi_export_free(struct npi_export *x) {
    for (int i = 0; i < x->n_parts; i++) npi_bytes_free(&x->part[i]);
    *x = (struct npi_export){ 0 };
}
