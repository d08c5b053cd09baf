/* SPDX-License-Identifier: Apache-2.0 */
/* Moves, gathers and products of matrices as TFLite has them. */
#include <string.h>

#include "export/lower_tflite.h"
#include "ops/quantize.h"

#define NOT_OURS NPI_LT_NOT_OURS

static int matmul(struct npi_lower *l, const struct npi_node *n, const int *in) {
    if (n->a.matmul.alpha == 0 || n->a.matmul.alpha == 1) return NOT_OURS;
    union npi_attr a = n->a;
    a.matmul.alpha = 1;
    return npi_lo_bin(l, NPI_OP_MUL, npi_lo_build(l, NPI_OP_MATMUL, &a, in, 2), npi_lo_scalar(l, in[0], (double)n->a.matmul.alpha));
}

static int pad(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_view v = *npi_lo_view(l, in[0]);
    union npi_attr a = n->a, cut = { .slice = { .start = { 0 } } };
    int negative = 0, long_reflect = 0;
    for (int i = 0; i < v.rank; i++) {
        const int64_t b = n->a.pad.before[i], e = n->a.pad.after[i];
        negative |= b < 0 || e < 0;
        const int64_t most = v.d[i] - (n->a.pad.mode == NPI_PAD_REFLECT);
        long_reflect |= b > most || e > most;
        cut.slice.start[i] = b < 0 ? -b : 0;
        cut.slice.step[i] = 1;
        cut.slice.size[i] = v.d[i] - cut.slice.start[i] + (e < 0 ? e : 0);
        a.pad.before[i] = b < 0 ? 0 : b;
        a.pad.after[i] = e < 0 ? 0 : e;
    }
    if (n->a.pad.mode == NPI_PAD_CONSTANT) {
        if (!negative) return NOT_OURS;
        const int c = npi_lo_build(l, NPI_OP_SLICE, &cut, in, 1), p[2] = { c, n->n_in > 1 ? in[1] : -1 };
        return c < 0 ? c : npi_lo_build(l, NPI_OP_PAD, &a, p, n->n_in > 1 ? 2 : 1);
    }
    const int mirror = n->a.pad.mode == NPI_PAD_REFLECT || n->a.pad.mode == NPI_PAD_SYMMETRIC;
    return mirror && !negative && !long_reflect ? NOT_OURS : npi_lo_pad_repeat(l, n, in[0]);
}

/* Indices that count from the end are brought to the front: TFLite knows none. */
static int positive(struct npi_lower *l, int index, int64_t size) {
    const struct npi_view v = *npi_lo_view(l, index);
    if (!v.data) return npi_lo_bin(l, NPI_OP_MOD, index, npi_lo_scalar(l, index, (double)size));
    int negative = 0;
    for (int64_t i = 0; i < npi_view_count(&v); i++) negative |= npi_get_int(v.data, v.dtype, i) < 0;
    if (!negative) return index;
    const int t = npi_graph_const(l->g, l->g->tensor[index].name, &v);
    if (t < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    for (int64_t i = 0; i < npi_view_count(&v); i++) {
        const int64_t k = npi_get_int(v.data, v.dtype, i);
        npi_set_int(npi_lo_view(l, t)->data, v.dtype, i, k < 0 ? k + size : k);
    }
    return t;
}

static int is_index_maker(enum npi_op op) { return op == NPI_OP_ARGMAX || op == NPI_OP_ARGMIN || op == NPI_OP_TOPK || op == NPI_OP_MOD; }

/* Made by ArgMax or TopK, possibly moved about: never negative. */
static int never_negative(const struct npi_lower *l, int t) {
    for (int depth = 0; depth < 6 && t >= 0; depth++) {
        const struct npi_node *maker = npi_lo_maker(l, t);
        if (!maker) return 0;
        if (is_index_maker(maker->op)) return 1;
        if (maker->op != NPI_OP_RESHAPE && maker->op != NPI_OP_CAST && maker->op != NPI_OP_SLICE && maker->op != NPI_OP_TRANSPOSE) return 0;
        t = maker->in[0];
    }
    return 0;
}

static int gather(struct npi_lower *l, const struct npi_node *n, const int *in) {
    if (!npi_lo_view(l, in[1])->data && never_negative(l, in[1])) return NOT_OURS;
    const int axis = n->a.gather.axis, i = positive(l, in[1], npi_lo_view(l, in[0])->d[axis < 0 ? axis + npi_lo_view(l, in[0])->rank : axis]);
    if (i == in[1]) return NOT_OURS;
    return i < 0 ? i : npi_lo_same(l, (int[]){ in[0], i }, 2, (struct npi_act){ 0 });
}

/* The last axis of the index has a number for each leading axis of x. */
static int gather_nd(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_view x = *npi_lo_view(l, in[0]), v = *npi_lo_view(l, in[1]);
    if (n->a.gather.batch_dims) return npi_lo_refuse(l, "GatherND with %d batch dimensions", n->a.gather.batch_dims);
    if (v.data) {
        for (int64_t i = 0; i < npi_view_count(&v); i++)
            if (npi_get_int(v.data, v.dtype, i) < 0) return npi_lo_refuse(l, "negative indices");
        return NOT_OURS;
    }
    const struct npi_node *maker = npi_lo_maker(l, in[1]);
    if (maker && maker->op == NPI_OP_MOD) return NOT_OURS; /* our own remainder, from the first round */
    const struct npi_view c = { .dtype = v.dtype, .rank = 1, .d = { v.d[v.rank - 1] } };
    const int size = npi_graph_const(l->g, NULL, &c);
    if (size < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    for (int64_t i = 0; i < c.d[0]; i++) npi_set_int(npi_lo_view(l, size)->data, c.dtype, i, x.d[i]);
    const int index = npi_lo_bin(l, NPI_OP_MOD, in[1], size);
    return index < 0 ? index : npi_lo_same(l, (int[]){ in[0], index }, 2, (struct npi_act){ 0 });
}

/* TFLite scatters into zeros. */
static int scatter_nd(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_view *x = npi_lo_view(l, in[0]);
    const char *p = x->data;
    int zero = p != NULL && n->a.gather.reduction <= 1;
    for (size_t i = 0; zero && i < npi_view_bytes(x); i++) zero = p[i] == 0;
    if (!zero) return npi_lo_refuse(l, "scattering into something else than zeros");
    if (n->a.gather.reduction == 1) return NOT_OURS;
    return npi_lo_refuse(l, "scattering that replaces (TFLite adds where two indices agree)");
}

/* Channel (c, row, column) -> pixels: TFLite has the other order. */
static int depth_to_space(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_view v = *npi_lo_view(l, in[0]), y = l->from->tensor[n->out[0]].v;
    const int64_t b = n->a.block.block;
    if (n->a.block.dcr) return NOT_OURS;
    int x = npi_lo_reshape(l, in[0], 6, (const int64_t[]){ v.d[0], v.d[1], v.d[2], y.d[3], b, b });
    x = npi_lo_transpose(l, x, (const int[]){ 0, 1, 4, 2, 5, 3 });
    return npi_lo_reshape(l, x, 4, y.d);
}

static int topk(struct npi_lower *l, const struct npi_node *n, const int *in) {
    if (n->a.topk.axis != npi_lo_view(l, in[0])->rank - 1) return npi_lo_refuse(l, "TopK along another axis than the last");
    return n->a.topk.largest ? NOT_OURS : npi_lo_refuse(l, "TopK of the smallest");
}

static int trilu(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_view v = *npi_lo_view(l, in[0]);
    const int64_t h = v.d[v.rank - 2], w = v.d[v.rank - 1];
    const struct npi_view c = { .dtype = NP_BOOL, .rank = 2, .d = { h, w } };
    const int mask = npi_graph_const(l->g, NULL, &c);
    if (mask < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    uint8_t *m = npi_lo_view(l, mask)->data;
    for (int64_t i = 0; i < h; i++)
        for (int64_t k = 0; k < w; k++) m[i * w + k] = n->a.gather.upper ? k - i >= n->a.gather.axis : k - i <= n->a.gather.axis;
    return npi_lo_build(l, NPI_OP_WHERE, NULL, (int[]){ mask, in[0], npi_lo_scalar(l, in[0], 0) }, 3);
}

static int slice(struct npi_lower *l, const struct npi_node *n, const int *in) {
    int strided = 0;
    for (int i = 0; i < npi_lo_view(l, in[0])->rank; i++) strided |= n->a.slice.step[i] != 1;
    return strided && npi_lo_view(l, in[0])->rank > 5 ? npi_lo_refuse(l, "a strided slice of rank %d", npi_lo_view(l, in[0])->rank) : NOT_OURS;
}

int npi_lt_move(struct npi_lower *l, const struct npi_node *n, const int *in) {
    switch (n->op) {
    case NPI_OP_MATMUL: return matmul(l, n, in);
    case NPI_OP_PAD: return pad(l, n, in);
    case NPI_OP_GATHER: return gather(l, n, in);
    case NPI_OP_GATHER_ND: return gather_nd(l, n, in);
    case NPI_OP_SCATTER_ND: return scatter_nd(l, n, in);
    case NPI_OP_GATHER_ELEMENTS: case NPI_OP_SCATTER_ELEMENTS: return npi_lo_refuse(l, "TFLite has no operator for it");
    case NPI_OP_DEPTH_TO_SPACE: return depth_to_space(l, n, in);
    case NPI_OP_SPACE_TO_DEPTH: return n->a.block.dcr ? NOT_OURS : npi_lo_refuse(l, "SpaceToDepth in column order");
    case NPI_OP_TOPK: return topk(l, n, in);
    case NPI_OP_TRILU: return trilu(l, n, in);
    case NPI_OP_SLICE: return slice(l, n, in);
    case NPI_OP_NMS: return npi_lo_refuse(l, "NonMaxSuppression finds a number of boxes that is not known before");
    default: return NOT_OURS;
    }
}
