/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse constants become dense ones when the model is read.
 *
 * The file stores the values of a tree: level by level in traversal order, a level is either dense (all of dense_size children)
 * or CSR (children listed: segments say where the list of a parent begins and ends, indices say which children). The first
 * `rank` levels walk the outer coordinates, those behind them the inner coordinates of blocks: level rank + k belongs to dimension
 * block_map[k], whose full coordinate is outer * block + inner. Leaves take the stored values in order; all else is zero. */
#include "import/tflite.h"

#include <string.h>

enum { S_ORDER = 0, S_BLOCK_MAP = 1, S_DIMS = 2 };
enum { D_FORMAT = 0, D_SIZE = 1, D_SEG_TYPE = 2, D_SEG = 3, D_IDX_TYPE = 4, D_IDX = 5 };
enum { MAX_LEVELS = 2 * NP_MAX_RANK };

struct level {
    int dim, inner;                  /* which dimension, and whether it is the coordinate inside a block */
    int csr; int64_t size;           /* dense: children of each parent; CSR: bound of an index */
    struct npi_fb_vec seg, idx;
};

struct tree {
    int rank, n_levels;
    struct level level[MAX_LEVELS];
    int64_t block[NP_MAX_RANK], stride[NP_MAX_RANK];
    const uint8_t *src; size_t n_src, used, elem;
    uint8_t *dst;
};

/* Index vectors come as a union of i32, u16 and u8 vectors, each in a table with the vector as field 0. */
static struct npi_fb_vec index_vector(const struct npi_fb_table *dim, unsigned type_field, unsigned field) {
    static const unsigned width[4] = { 0, 4, 2, 1 };
    const unsigned type = npi_fb_u8(dim, type_field, 0);
    const struct npi_fb_table t = npi_fb_sub(dim, field);
    return type >= 1 && type <= 3 && t.b ? npi_fb_vec(&t, 0, width[type]) : (struct npi_fb_vec){ 0 };
}

static const char *read_tree(const struct npi_tfl_tensor *t, struct tree *x) {
    const struct npi_fb_vec order = npi_fb_vec(&t->sparsity, S_ORDER, 4), map = npi_fb_vec(&t->sparsity, S_BLOCK_MAP, 4);
    const struct npi_fb_vec dims = npi_fb_vec(&t->sparsity, S_DIMS, 4);
    x->rank = t->rank;
    if (t->rank < 1 || map.n > (uint32_t)t->rank || order.n != (uint32_t)t->rank + map.n || dims.n != order.n) return "number of levels does not fit the shape";
    x->n_levels = (int)order.n;
    unsigned seen = 0;
    int block_level[NP_MAX_RANK];    /* level of a dimension's block, -1: none */
    for (int d = 0; d < t->rank; d++) {
        block_level[d] = -1;
        x->block[d] = 1;
    }
    for (int l = 0; l < x->n_levels; l++) {
        struct level *v = &x->level[l];
        const int64_t o = npi_fb_int(&order, (uint32_t)l);
        if (o < 0 || o >= x->n_levels || seen >> o & 1) return "traversal order is no permutation";
        if ((l < t->rank) != (o < t->rank)) return "traversal order mixes blocks and dimensions";
        seen |= 1u << o;
        v->inner = o >= t->rank;
        const int64_t dim = v->inner ? npi_fb_int(&map, (uint32_t)(o - t->rank)) : o;
        if (dim < 0 || dim >= t->rank) return "block map is out of range";
        v->dim = (int)dim;
        const struct npi_fb_table rec = npi_fb_at(&dims, (uint32_t)l);
        v->csr = npi_fb_i8(&rec, D_FORMAT, 0) == 1;
        v->size = npi_fb_i32(&rec, D_SIZE, 0);
        if (v->csr) {
            v->seg = index_vector(&rec, D_SEG_TYPE, D_SEG);
            v->idx = index_vector(&rec, D_IDX_TYPE, D_IDX);
            if (v->seg.n < 2) return "segments are missing";
        }
        if (v->inner) {
            if (v->csr || v->size < 1 || block_level[dim] >= 0 || t->d[dim] % v->size) return "block size does not divide the dimension";
            block_level[dim] = l;
            x->block[dim] = v->size;
        }
    }
    for (int l = 0; l < t->rank; l++) {
        struct level *v = &x->level[l];
        const int64_t want = t->d[v->dim] / x->block[v->dim];
        if (!v->csr && v->size != want) return "dense size differs from the shape";
        v->size = want;
    }
    int64_t stride = 1;
    for (int d = t->rank - 1; d >= 0; d--) {
        x->stride[d] = stride;
        stride *= t->d[d];
    }
    return NULL;
}

static const char *walk(struct tree *x, int l, int64_t parent, int64_t offset) {
    if (l == x->n_levels) {
        if (x->used >= x->n_src) return "fewer values than places";
        memcpy(x->dst + (size_t)offset * x->elem, x->src + x->used++ * x->elem, x->elem);
        return NULL;
    }
    const struct level *v = &x->level[l];
    const int64_t step = x->stride[v->dim] * (v->inner ? 1 : x->block[v->dim]);
    const char *e;
    if (!v->csr) {
        for (int64_t k = 0; k < v->size; k++)
            if ((e = walk(x, l + 1, parent * v->size + k, offset + k * step))) return e;
        return NULL;
    }
    if (parent + 1 >= (int64_t)v->seg.n) return "segments end early";
    const uint32_t lo = npi_fb_uint(&v->seg, (uint32_t)parent), hi = npi_fb_uint(&v->seg, (uint32_t)parent + 1);
    if (lo > hi || hi > v->idx.n) return "segments are out of order";
    for (uint32_t k = lo; k < hi; k++) {
        const uint32_t i = npi_fb_uint(&v->idx, k);
        if ((int64_t)i >= v->size || (k > lo && i <= npi_fb_uint(&v->idx, k - 1))) return "indices are out of order or out of range";
        if ((e = walk(x, l + 1, k, offset + (int64_t)i * step))) return e;
    }
    return NULL;
}

int npi_tfl_unfold(struct npi_tfl *m, const struct npi_tfl_tensor *t, struct npi_view *v) {
    struct tree x = { 0 };
    const size_t bytes = npi_view_bytes(v);
    const char *e = t->bits ? "packed integers" : read_tree(t, &x);
    if (e || m->fb.bad) return npi_fail(m->err, NP_EFORMAT, "%s: sparse constant '%s': %s", m->g->path, t->name, e ? e : "the record is broken");
    /* Real weights are at most some 98 % sparse; without a bound a few bytes could ask for all memory there is. */
    if (npi_add_overflow(m->dense_bytes, bytes, &m->dense_bytes) || m->dense_bytes / 256 > m->fb.size)
        return npi_fail(m->err, NP_ELIMIT, "%s: sparse constant '%s' unfolds to more than 256 times the file", m->g->path, t->name);
    if (!(v->data = npi_arena_alloc(m->g->mem, bytes))) return npi_tfl_nomem(m);
    x.elem = np_dtype_size(t->dtype);
    x.src = t->data;
    x.n_src = t->bytes / x.elem;
    x.dst = v->data;
    if ((e = walk(&x, 0, 0, 0))) return npi_fail(m->err, NP_EFORMAT, "%s: sparse constant '%s': %s", m->g->path, t->name, e);
    return 0;
}
