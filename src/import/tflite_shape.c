/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite operators that give a tensor another shape or make one from shapes. */
#include "import/tflite.h"

#include <stdio.h>
#include <string.h>

#define TRY(call) do { const int try_r = (call); if (try_r < 0) return try_r; } while (0)

/* Product of the dimensions but the one at `skip` (-1: all); 0 when it does not fit 62 bits. */
static int64_t product(const int64_t *d, int rank, int skip) {
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        if (i != skip && __builtin_mul_overflow(n, d[i], &n)) return 0;
    return n;
}

/* A shape written for the file's input size must follow an override: first the batch, then the largest of the dimensions between batch
 * and channels takes what is left, if it divides. [1][14400][90] of 40x40 anchors becomes [1][20736][90] for 48x48. */
static void adapt_shape(const struct npi_tfl_op *op, const struct npi_view *x, const struct npi_tfl_tensor *file, int64_t *d, int rank) {
    if (rank < 1) return;
    if (file->rank > 0 && x->rank == file->rank && d[0] == file->d[0]) d[0] = x->d[0];
    const int64_t have = npi_view_count(x);
    if (product(d, rank, -1) == have) return;
    int best = -1;
    for (int i = 1; i + 1 < rank; i++)
        if (best < 0 || d[i] > d[best]) best = i;
    if (best < 0) best = rank > 1 ? 1 : 0;
    const int64_t rest = product(d, rank, best);
    if (rest > 0 && have % rest == 0) d[best] = have / rest;
}

static int target_shape(struct npi_tfl_op *op, int64_t *d, int *rank) {
    const struct npi_fb_vec attr = npi_fb_vec(&op->opt, 0, 4);
    const struct npi_tfl_tensor *out = npi_tfl_out_record(op, 0);
    int id = -1;
    if (!out) return NP_EFORMAT;
    TRY(npi_tfl_in_opt(op, 1, &id));
    if (id >= 0 && npi_tfl_view(op, id)->data) return npi_tfl_ints(op, 1, "the new shape", d, NP_MAX_RANK, rank);
    if (id < 0 && attr.n) {
        if (attr.n > NP_MAX_RANK) return npi_tfl_fail(op, NP_EUNSUPPORTED, "new shape with %u dimensions", attr.n);
        *rank = (int)attr.n;
        for (int i = 0; i < *rank; i++) d[i] = npi_fb_int(&attr, (uint32_t)i);
        return 0;
    }
    *rank = out->rank; /* computed while running: the shape that the converter wrote down is the best there is */
    for (int i = 0; i < *rank; i++) d[i] = out->d[i];
    return 0;
}

int npi_tfl_reshape(struct npi_tfl_op *op, int arg) {
    int x, rank = 0, free_dim = -1;
    int64_t d[NP_MAX_RANK] = { 0 };
    TRY(npi_tfl_in(op, 0, &x));
    TRY(target_shape(op, d, &rank));
    const struct npi_view *v = npi_tfl_view(op, x);
    const struct npi_tfl_tensor *file = npi_tfl_in_record(op, 0);
    if (!file) return NP_EFORMAT;
    /* Old converters write the shape of a scalar as one zero. */
    if (rank == 1 && d[0] == 0 && npi_view_count(v) == 1) rank = 0;
    for (int i = 0; i < rank; i++) {
        if (d[i] < -1 || (d[i] == -1 && free_dim >= 0)) return npi_tfl_fail(op, NP_EFORMAT, "dimension %d of the new shape is %lld", i, (long long)d[i]);
        if (d[i] == -1) free_dim = i;
    }
    const int64_t have = npi_view_count(v);
    if (free_dim >= 0) {
        if (op->m->resized && free_dim > 0 && npi_tfl_stored(op, 1) && file->rank > 0 && d[0] == file->d[0] && v->rank == file->rank) d[0] = v->d[0];
        const int64_t rest = product(d, rank, free_dim);
        d[free_dim] = rest > 0 ? have / rest : 0;
    } else if (op->m->resized && (op->in.n < 2 || npi_tfl_stored(op, 1) || product(d, rank, -1) != have)) {
        adapt_shape(op, v, file, d, rank);
    }
    if (product(d, rank, -1) != have) {
        char s[128] = "";
        for (int i = 0; i < rank; i++) snprintf(s + strlen(s), sizeof s - strlen(s), "%s%lld", i ? "x" : "", (long long)d[i]);
        return npi_tfl_fail(op, NP_ESHAPE, "%lld values do not fit the shape %s%s", (long long)have, s,
                            op->m->resized ? " (the model was built for another input size)" : "");
    }
    return npi_tfl_emit_reshape(op, x, rank, d, 0);
}

int npi_tfl_squeeze(struct npi_tfl_op *op, int arg) {
    const struct npi_fb_vec dims = npi_fb_vec(&op->opt, 0, 4);
    int x, a, rank = 0;
    unsigned drop = 0;
    int64_t d[NP_MAX_RANK];
    TRY(npi_tfl_in(op, 0, &x));
    const struct npi_view *v = npi_tfl_view(op, x);
    for (uint32_t i = 0; i < dims.n; i++) {
        TRY(npi_tfl_axis(op, npi_fb_int(&dims, i), v->rank, &a));
        if (v->d[a] != 1) return npi_tfl_fail(op, NP_ESHAPE, "dimension %d to squeeze is %lld, not 1", a, (long long)v->d[a]);
        drop |= 1u << a;
    }
    for (int i = 0; i < v->rank; i++)
        if (dims.n ? !(drop >> i & 1) : v->d[i] != 1) d[rank++] = v->d[i];
    return npi_tfl_emit_reshape(op, x, rank, d, 0);
}

int npi_tfl_expand_dims(struct npi_tfl_op *op, int arg) {
    int x, a, n;
    int64_t d[NP_MAX_RANK], axis = 0;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the axis", &axis, 1, &n));
    const struct npi_view *v = npi_tfl_view(op, x);
    if (v->rank == NP_MAX_RANK) return npi_tfl_fail(op, NP_EUNSUPPORTED, "more than 8 dimensions");
    TRY(npi_tfl_axis(op, axis, v->rank + 1, &a));
    for (int i = 0; i <= v->rank; i++) d[i] = i < a ? v->d[i] : i == a ? 1 : v->d[i - 1];
    return npi_tfl_emit_reshape(op, x, v->rank + 1, d, 0);
}

/* SHAPE, or RANK with arg 1: shapes are known, hence a constant. */
int npi_tfl_shape(struct npi_tfl_op *op, int arg) {
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    const struct npi_view v = *npi_tfl_view(op, x);
    const struct npi_tfl_tensor *out = npi_tfl_out_record(op, 0);
    if (!out) return NP_EFORMAT;
    struct npi_view c = { .dtype = out->dtype == NP_I64 ? NP_I64 : NP_I32, .rank = arg ? 0 : 1, .d = { v.rank } };
    const int id = npi_graph_const(op->m->g, out->name, &c);
    if (id < 0) return npi_tfl_nomem(op->m);
    void *p = op->m->g->tensor[id].v.data;
    for (int i = 0; i < (arg ? 1 : v.rank); i++) {
        const int64_t value = arg ? v.rank : v.d[i];
        if (c.dtype == NP_I64) ((int64_t *)p)[i] = value;
        else ((int32_t *)p)[i] = (int32_t)(value > INT32_MAX ? INT32_MAX : value);
    }
    return npi_tfl_same(op, 0, id);
}

int npi_tfl_transpose(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_TRANSPOSE);
    int x, np;
    unsigned seen = 0;
    int64_t p[NP_MAX_RANK];
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the permutation", p, NP_MAX_RANK, &np));
    const int rank = npi_tfl_view(op, x)->rank;
    if (np != rank) return npi_tfl_fail(op, NP_EFORMAT, "permutation of %d for %d dimensions", np, rank);
    for (int i = 0; i < np; i++) {
        TRY(npi_tfl_axis(op, p[i], rank, &n.a.transpose.perm[i]));
        if (seen >> n.a.transpose.perm[i] & 1) return npi_tfl_fail(op, NP_EFORMAT, "dimension %d occurs twice in the permutation", n.a.transpose.perm[i]);
        seen |= 1u << n.a.transpose.perm[i];
    }
    return npi_tfl_emit(op, &n, &x, 1);
}

/* A list of known non-negative dimensions into an EXPAND or TILE node. */
static int dims_node(struct npi_tfl_op *op, int input, const char *what, struct npi_node *n) {
    TRY(npi_tfl_ints(op, input, what, n->a.shape.dims, NP_MAX_RANK, &n->a.shape.rank));
    for (int i = 0; i < n->a.shape.rank; i++)
        if (n->a.shape.dims[i] < 0) return npi_tfl_fail(op, NP_EFORMAT, "%s has a negative value", what);
    return 0;
}

int npi_tfl_broadcast_to(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_EXPAND);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(dims_node(op, 1, "the new shape", &n));
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_tile(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_TILE);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(dims_node(op, 1, "the list of repeats", &n));
    if (n.a.shape.rank != npi_tfl_view(op, x)->rank) return npi_tfl_fail(op, NP_EFORMAT, "number of repeats differs from number of dimensions");
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_fill(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_EXPAND);
    int x;
    TRY(npi_tfl_in(op, 1, &x));
    TRY(dims_node(op, 0, "the shape", &n));
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_zeros_like(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_EXPAND);
    int x, zero;
    TRY(npi_tfl_in(op, 0, &x));
    const struct npi_view v = *npi_tfl_view(op, x), c = { .dtype = v.dtype };
    if (v.q.n) return npi_tfl_fail(op, NP_EUNSUPPORTED, "zeros like a quantized tensor");
    if ((zero = npi_graph_const(op->m->g, NULL, &c)) < 0) return npi_tfl_nomem(op->m);
    n.a.shape.rank = v.rank;
    for (int i = 0; i < v.rank; i++) n.a.shape.dims[i] = v.d[i];
    return npi_tfl_emit(op, &n, &zero, 1);
}

int npi_tfl_range(struct npi_tfl_op *op, int arg) {
    const struct npi_node n = npi_tfl_node(op, NPI_OP_RANGE);
    int x[3];
    for (int i = 0; i < 3; i++) TRY(npi_tfl_in(op, i, &x[i]));
    return npi_tfl_emit(op, &n, x, 3);
}

/* Sparse constants were unfolded when they were read. */
int npi_tfl_densify(struct npi_tfl_op *op, int arg) {
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    return npi_tfl_same(op, 0, x);
}

struct blocks { int n; int64_t block[2], lo[2], hi[2]; };

static int read_blocks(struct npi_tfl_op *op, int rank, struct blocks *b) {
    int n_pads;
    int64_t pads[4];
    TRY(npi_tfl_ints(op, 1, "the block shape", b->block, 2, &b->n));
    TRY(npi_tfl_ints(op, 2, "the pads or crops", pads, 4, &n_pads));
    if (b->n < 1 || n_pads != 2 * b->n || rank < b->n + 1 || rank > 4) return npi_tfl_fail(op, NP_EFORMAT, "block shape, pads and input do not go together");
    for (int i = 0; i < b->n; i++) {
        b->lo[i] = pads[2 * i];
        b->hi[i] = pads[2 * i + 1];
        if (b->block[i] < 1 || b->block[i] > 1 << 15 || b->lo[i] < 0 || b->hi[i] < 0) return npi_tfl_fail(op, NP_EFORMAT, "block %lld", (long long)b->block[i]);
    }
    return 0;
}

static int pad_blocks(struct npi_tfl_op *op, const struct blocks *b, int sign, int x, int *id) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_PAD);
    int any = 0;
    for (int i = 0; i < b->n; i++) {
        n.a.pad.before[1 + i] = sign * b->lo[i];
        n.a.pad.after[1 + i] = sign * b->hi[i];
        any |= b->lo[i] || b->hi[i];
    }
    *id = x;
    return sign < 0 ? npi_tfl_emit(op, &n, &x, 1) : any ? npi_tfl_mid(op, &n, &x, 1, id) : 0;
}

/* To batch: [n][h/b][b]…[c] -> [b][n][h/b]…[c]; back: the same way round. */
int npi_tfl_space_batch(struct npi_tfl_op *op, int to_batch) {
    struct npi_node t = npi_tfl_node(op, NPI_OP_TRANSPOSE);
    struct blocks b;
    int x, rank, k = 0;
    int64_t wide[NP_MAX_RANK], d[NP_MAX_RANK], all = 1;
    TRY(npi_tfl_in(op, 0, &x));
    TRY(read_blocks(op, rank = npi_tfl_view(op, x)->rank, &b));
    if (to_batch) TRY(pad_blocks(op, &b, 1, x, &x));
    const struct npi_view v = *npi_tfl_view(op, x);
    for (int i = 0; i < b.n; i++) all *= b.block[i];
    if (to_batch) {
        wide[k++] = v.d[0];
        for (int i = 0; i < b.n; i++) {
            if (v.d[1 + i] % b.block[i]) return npi_tfl_fail(op, NP_ESHAPE, "%lld does not divide into blocks of %lld", (long long)v.d[1 + i], (long long)b.block[i]);
            wide[k++] = v.d[1 + i] / b.block[i];
            wide[k++] = b.block[i];
            t.a.transpose.perm[i] = 2 + 2 * i;
            t.a.transpose.perm[b.n + 1 + i] = 1 + 2 * i;
        }
        t.a.transpose.perm[b.n] = 0;
    } else {
        if (v.d[0] % all) return npi_tfl_fail(op, NP_ESHAPE, "a batch of %lld does not divide into blocks of %lld", (long long)v.d[0], (long long)all);
        for (int i = 0; i < b.n; i++) wide[k++] = b.block[i];
        wide[k++] = v.d[0] / all;
        for (int i = 0; i < b.n; i++) {
            wide[k++] = v.d[1 + i];
            t.a.transpose.perm[1 + 2 * i] = b.n + 1 + i;
            t.a.transpose.perm[2 + 2 * i] = i;
        }
        t.a.transpose.perm[0] = b.n;
    }
    for (int i = b.n + 1; i < rank; i++) {
        t.a.transpose.perm[k] = k;
        wide[k++] = v.d[i];
    }
    d[0] = to_batch ? v.d[0] * all : v.d[0] / all;
    for (int i = 0; i < b.n; i++) d[1 + i] = to_batch ? v.d[1 + i] / b.block[i] : v.d[1 + i] * b.block[i];
    for (int i = b.n + 1; i < rank; i++) d[i] = v.d[i];
    TRY(npi_tfl_mid_reshape(op, x, k, wide, &x));
    TRY(npi_tfl_mid(op, &t, &x, 1, &x));
    if (to_batch) return npi_tfl_emit_reshape(op, x, rank, d, 0);
    TRY(npi_tfl_mid_reshape(op, x, rank, d, &x));
    return pad_blocks(op, &b, -1, x, &x);
}
