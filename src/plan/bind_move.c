/* SPDX-License-Identifier: Apache-2.0 */
/* Data movement of any dtype as strided copies: Transpose, Slice, Expand, Tile, Reverse, Concat, Pad with a constant,
 * DepthToSpace, SpaceToDepth.
 *
 *   op ── copies { dst + off, src + off, dims, strides } ── merged dims ── leaf + loops around it ── pieces ── tasks
 *
 * A leaf is the innermost work on one piece of one dimension: runs of bytes (memcpy), single elements with strides, or a
 * transposed matrix. Concat with inputs of other quantization maps their bytes through a table on the way. */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"
#include "plan/bind_elem.h"

enum { PIECE_BYTES = 32 << 10, TASK_BYTES = 64 << 10, MATRIX_ROWS = 1024, MAX_OUTER = NPI_COPY_RANK };

struct copy {
    int src_id;                     /* tensor, or -1: `fill` */
    char fill[8];
    int64_t src_off, dst_off;       /* bytes */
    /* leaf: n items of `item` bytes, or with `fn` a matrix of n columns and `rows` rows */
    int64_t n, piece, pieces, lds, lss, item;
    npi_transpose_fn fn;
    int64_t rows, row_ss, row_piece, row_pieces;
    const uint8_t *table;           /* [256] or NULL */
    /* loops */
    int outer;
    int64_t d[MAX_OUTER], ds[MAX_OUTER], ss[MAX_OUTER];
    int64_t units, units_per_task, first_task;
};

struct params {
    void (*map)(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table);
    int dst_id, n_copies;
    struct copy *copy;
};

#define ITEMS(size) case size: for (int64_t i = 0; i < n; i++) memcpy(dst + i * c->lds, src + i * c->lss, size); break
static void copy_items(const struct params *p, const struct copy *c, char *dst, const char *src, int64_t n) {
    const int gapless = c->lds == c->item && c->lss == c->item;
    if (c->table) {
        for (int64_t i = 0; i < (gapless ? 1 : n); i++)
            p->map((uint8_t *)dst + i * c->lds, (const uint8_t *)src + i * c->lss, (size_t)(gapless ? n * c->item : c->item), c->table);
        return;
    }
    if (gapless) {
        memcpy(dst, src, (size_t)(n * c->item));
        return;
    }
    switch (c->item) {
    ITEMS(1);
    ITEMS(2);
    ITEMS(3);
    ITEMS(4);
    ITEMS(8);
    ITEMS(12);
    ITEMS(16);
    default: for (int64_t i = 0; i < n; i++) memcpy(dst + i * c->lds, src + i * c->lss, (size_t)c->item);
    }
}

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const struct copy *c = p->copy;
    while (c + 1 < p->copy + p->n_copies && task >= c[1].first_task) c++;
    int64_t u = (task - c->first_task) * c->units_per_task;
    const int64_t last = u + c->units_per_task < c->units ? u + c->units_per_task : c->units;
    char *const dst = (char *)e->ptr[p->dst_id] + c->dst_off;
    const char *const src = (c->src_id < 0 ? c->fill : (const char *)e->ptr[c->src_id]) + c->src_off;
    for (; u < last; u++) {
        const int64_t from = u % c->pieces * c->piece, n = c->n - from < c->piece ? c->n - from : c->piece;
        int64_t rest = u / c->pieces, to = from * c->lds, at = from * c->lss, rows = c->rows;
        if (c->fn) {
            const int64_t row = rest % c->row_pieces * c->row_piece;
            rest /= c->row_pieces;
            rows = c->rows - row < c->row_piece ? c->rows - row : c->row_piece;
            to += row * c->item;
            at += row * c->row_ss;
        }
        for (int i = c->outer - 1; i >= 0; i--) {
            to += rest % c->d[i] * c->ds[i];
            at += rest % c->d[i] * c->ss[i];
            rest /= c->d[i];
        }
        if (c->fn) c->fn(dst + to, c->lds, src + at, c->row_ss, (size_t)rows, (size_t)n);
        else copy_items(p, c, dst + to, src + at, n);
    }
}

static npi_transpose_fn transpose_of(const struct npi_kernels *k, int64_t size) {
    return size == 1 ? k->move.t8 : size == 2 ? k->move.t16 : size == 4 ? k->move.t32 : k->move.t64;
}

/* Chooses the leaf for merged dimensions d[0..rank-1] and cuts it into pieces. */
static void plan_copy(const struct npi_kernels *k, struct copy *c, int64_t *d, int64_t *ds, int64_t *ss, int rank, int64_t size) {
    rank = npi_copy_merge(d, ds, ss, rank);
    int leaf = rank - 1, skip = -1;
    c->item = size;
    if (rank && ds[rank - 1] == size && ss[rank - 1] == size && rank > 1) { /* runs */
        c->item = d[rank - 1] * size;
        leaf = rank - 2;
        skip = rank - 1;
        for (int i = rank - 3; i >= 0 && d[rank - 2] < 8; i--) /* a short loop inside a long one: change places */
            if (d[i] > d[leaf]) leaf = i;
    } else if (rank > 1 && ds[rank - 1] == size && !c->table) {
        for (int i = rank - 2; i >= 0 && skip < 0; i--)
            if (ss[i] == size && d[i] > 1) leaf = i, skip = rank - 1;
        if (skip >= 0) {
            c->fn = transpose_of(k, size);
            c->rows = d[skip];
            c->row_ss = ss[skip];
        }
    }
    c->n = rank ? d[leaf] : 1;
    c->lds = rank ? ds[leaf] : size;
    c->lss = rank ? ss[leaf] : size;
    c->units = 1;
    for (int i = 0; i < rank; i++) {
        if (i == leaf || i == skip) continue;
        c->d[c->outer] = d[i];
        c->ds[c->outer] = ds[i];
        c->ss[c->outer++] = ss[i];
        c->units *= d[i];
    }
    c->row_piece = c->rows < MATRIX_ROWS ? c->rows : MATRIX_ROWS;
    c->row_pieces = c->fn ? (c->rows + c->row_piece - 1) / c->row_piece : 1;
    const int64_t column = c->fn ? c->row_piece * size : c->item;
    c->piece = column < PIECE_BYTES ? PIECE_BYTES / column : 1;
    if (c->fn) c->piece = (c->piece + 15) / 16 * 16;
    c->pieces = (c->n + c->piece - 1) / c->piece;
    c->units *= c->pieces * c->row_pieces;
    const int64_t unit = column * (c->n < c->piece ? c->n : c->piece);
    c->units_per_task = unit < TASK_BYTES ? TASK_BYTES / unit : 1;
}

static int view_copy(const struct npi_kernels *k, struct copy *c, int src_id, const struct npi_view *out, const int64_t *src_stride, int64_t src_off) {
    int64_t d[NPI_COPY_RANK], ds[NPI_COPY_RANK], ss[NPI_COPY_RANK];
    npi_view_strides(out, ds);
    for (int i = 0; i < out->rank; i++) {
        d[i] = out->d[i];
        ss[i] = src_stride[i];
    }
    c->src_id = src_id;
    c->src_off = src_off;
    plan_copy(k, c, d, ds, ss, out->rank, (int64_t)np_dtype_size(out->dtype));
    return 1;
}

/* Transpose, Slice, Expand, Reverse: the output walked in its order, the input with these strides. */
static int one_view(const struct npi_binder *b, const struct npi_node *n, struct copy *c) {
    const struct npi_view *const in = npi_bind_view(b, n->in[0]), *const out = npi_bind_view(b, n->out[0]);
    int64_t is[NP_MAX_RANK], ss[NP_MAX_RANK], off = 0;
    npi_view_strides(in, is);
    for (int i = 0; i < out->rank; i++) {
        const int j = i - (out->rank - in->rank); /* Expand may add dimensions in front */
        switch ((int)n->op) {
        case NPI_OP_TRANSPOSE: ss[i] = is[n->a.transpose.perm[i]]; break;
        case NPI_OP_SLICE:
            off += n->a.slice.start[i] * is[i];
            ss[i] = out->d[i] == 1 ? 0 : is[i] * n->a.slice.step[i];
            break;
        case NPI_OP_EXPAND: ss[i] = j < 0 || in->d[j] == 1 ? 0 : is[j]; break;
        default: /* REVERSE */
            ss[i] = n->a.reduce.axes >> i & 1 ? -is[i] : is[i];
            if (n->a.reduce.axes >> i & 1) off += is[i] * (in->d[i] - 1);
        }
    }
    return view_copy(b->k, c, n->in[0], out, ss, off);
}

static int tile(const struct npi_binder *b, const struct npi_node *n, struct copy *c) {
    const struct npi_view *const in = npi_bind_view(b, n->in[0]), *const out = npi_bind_view(b, n->out[0]);
    int64_t is[NP_MAX_RANK], os[NP_MAX_RANK], d[NPI_COPY_RANK], ds[NPI_COPY_RANK], ss[NPI_COPY_RANK];
    npi_view_strides(in, is);
    npi_view_strides(out, os);
    for (int i = 0; i < in->rank; i++) {
        d[2 * i] = out->d[i] / in->d[i];
        ds[2 * i] = os[i] * in->d[i];
        ss[2 * i] = 0;
        d[2 * i + 1] = in->d[i];
        ds[2 * i + 1] = os[i];
        ss[2 * i + 1] = is[i];
    }
    c->src_id = n->in[0];
    plan_copy(b->k, c, d, ds, ss, 2 * in->rank, (int64_t)np_dtype_size(out->dtype));
    return 1;
}

/* See ops/block.c. */
static int block(const struct npi_binder *b, const struct npi_node *n, struct copy *c) {
    const struct npi_view *const in = npi_bind_view(b, n->in[0]), *const out = npi_bind_view(b, n->out[0]);
    const int to_space = n->op == NPI_OP_DEPTH_TO_SPACE, crd = to_space && !n->a.block.dcr;
    const struct npi_view *const space = to_space ? out : in, *const depth = to_space ? in : out;
    const int64_t k = n->a.block.block, ch = space->d[3], size = (int64_t)np_dtype_size(in->dtype);
    int64_t s[4], p[4];
    npi_view_strides(space, s);
    npi_view_strides(depth, p);
    int64_t d[6] = { depth->d[0], depth->d[1], depth->d[2], k, k, ch };
    int64_t ss[6] = { s[0], s[1] * k, s[2] * k, s[1], s[2], s[3] };
    int64_t ps[6] = { p[0], p[1], p[2], (crd ? k : k * ch) * size, (crd ? 1 : ch) * size, (crd ? k * k : 1) * size };
    c->src_id = n->in[0];
    plan_copy(b->k, c, d, to_space ? ss : ps, to_space ? ps : ss, 6, size);
    return 1;
}

/* Table that brings bytes of quantization `from` to `to`, made by the reference; NULL when out of memory. */
static const uint8_t *requant_table(struct npi_arena *mem, int dtype, const struct npi_quant *from, const struct npi_quant *to) {
    uint8_t *const t = npi_arena_alloc(mem, 256);
    for (int i = 0; t && i < 256; i++) t[i] = (uint8_t)i;
    if (t) npi_requant(dtype, t, 0, 256, from, to);
    return t;
}

static int concat(struct npi_binder *b, const struct npi_node *n, struct copy *c) {
    const struct npi_view *const out = npi_bind_view(b, n->out[0]);
    const int axis = npi_axis(n->a.concat.axis, out->rank);
    int64_t outer = 1, inner = (int64_t)np_dtype_size(out->dtype), at = 0;
    for (int i = 0; i < axis; i++) outer *= out->d[i];
    for (int i = axis + 1; i < out->rank; i++) inner *= out->d[i];
    int used = 0;
    for (int i = 0; i < n->n_in; i++) {
        const struct npi_view *const v = npi_bind_view(b, n->in[i]);
        const int64_t row = v->d[axis] * inner;
        if (row == 0 || (b->placed && b->placed[i])) {
            at += row;
            continue;
        }
        struct copy *const to = &c[used++];
        if (!npi_same_q(&v->q, &out->q)) {
            if (np_dtype_size(out->dtype) != 1 || v->q.n != 1 || out->q.n != 1) return 0;
            if (!(to->table = requant_table(b->mem, out->dtype, &v->q, &out->q))) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
        }
        int64_t d[2] = { outer, row }, ds[2] = { out->d[axis] * inner, 1 }, ss[2] = { row, 1 };
        to->src_id = n->in[i];
        to->dst_off = at;
        plan_copy(b->k, to, d, ds, ss, 2, 1);
        at += row;
    }
    return used;
}

/* The inside is one copy; the border is cut into slabs, two a dimension, that meet nothing twice: slab i spans the inside of
 * the dimensions in front of i and the whole of those behind. */
static int pad(struct npi_binder *b, const struct npi_node *n, struct copy *c) {
    const struct npi_view *const in = npi_bind_view(b, n->in[0]), *const out = npi_bind_view(b, n->out[0]);
    const struct npi_view *const value = n->n_in > 1 && n->in[1] >= 0 ? npi_bind_view(b, n->in[1]) : NULL;
    const int64_t size = (int64_t)np_dtype_size(in->dtype);
    char fill[8] = { 0 };
    if (n->a.pad.mode != NPI_PAD_CONSTANT || (value && !value->data)) return 0;
    if (value) memcpy(fill, value->data, (size_t)size);
    else if (in->q.n > 0) npi_put_f64(in->dtype, fill, 0, round(n->a.pad.value / in->q.scale[0]) + (in->q.zero ? in->q.zero[0] : 0));
    else npi_put_f64(in->dtype, fill, 0, n->a.pad.value);
    int64_t os[NP_MAX_RANK], is[NP_MAX_RANK], lead[NP_MAX_RANK], from[NP_MAX_RANK], span[NP_MAX_RANK], inside_to = 0, inside_from = 0;
    npi_view_strides(in, is);
    npi_view_strides(out, os);
    for (int i = 0; i < in->rank; i++) {
        const int64_t before = n->a.pad.before[i], after = n->a.pad.after[i];
        from[i] = before < 0 ? -before : 0;
        lead[i] = before > 0 ? before : 0;
        span[i] = in->d[i] - from[i] - (after < 0 ? -after : 0);
        if (span[i] <= 0) return 0;
        inside_to += lead[i] * os[i];
        inside_from += from[i] * is[i];
    }
    int64_t d[NPI_COPY_RANK], ds[NPI_COPY_RANK], ss[NPI_COPY_RANK];
    int used = 0;
    for (int slab = -1; slab < 2 * in->rank; slab++) {
        const int dim = slab / 2, behind = slab & 1;
        int64_t to = 0;
        for (int i = 0; i < in->rank; i++) {
            d[i] = slab < 0 || i < dim ? span[i] : i > dim ? out->d[i] : behind ? out->d[i] - lead[i] - span[i] : lead[i];
            to += (slab < 0 || i < dim ? lead[i] : i == dim && behind ? lead[i] + span[i] : 0) * os[i];
            ds[i] = os[i];
            ss[i] = slab < 0 ? is[i] : 0;
        }
        if (slab >= 0 && d[dim] == 0) continue;
        struct copy *const k = &c[used++];
        k->src_id = slab < 0 ? n->in[0] : -1;
        k->src_off = slab < 0 ? inside_from : 0;
        k->dst_off = slab < 0 ? inside_to : to;
        memcpy(k->fill, fill, sizeof fill);
        plan_copy(b->k, k, d, ds, ss, in->rank, size);
    }
    return used;
}

int npi_bind_move(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    static const struct { int op; const char *name; } known[] = {
        { NPI_OP_TRANSPOSE, "transpose" }, { NPI_OP_SLICE, "slice" }, { NPI_OP_EXPAND, "expand" }, { NPI_OP_REVERSE, "reverse" }, { NPI_OP_TILE, "tile" },
        { NPI_OP_CONCAT, "concat" }, { NPI_OP_PAD, "pad" }, { NPI_OP_DEPTH_TO_SPACE, "depth_to_space" }, { NPI_OP_SPACE_TO_DEPTH, "space_to_depth" },
    };
    const char *name = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].op == (int)n->op) name = known[i].name;
    const struct npi_view *const out = npi_bind_view(b, n->out[0]), *const in = npi_bind_view(b, n->in[0]);
    if (!name || n->act.kind || npi_view_count(out) < 1) return 0;
    if (n->op != NPI_OP_CONCAT && in->q.n == 1 && out->q.n == 1 && !npi_same_q(&in->q, &out->q)) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    struct copy *const c = npi_arena_array(b->mem, struct copy, n->op == NPI_OP_CONCAT ? n->n_in : n->op == NPI_OP_PAD ? 2 * in->rank + 1 : 1);
    if (!p || !c) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    const int used = n->op == NPI_OP_CONCAT ? concat(b, n, c) : n->op == NPI_OP_PAD ? pad(b, n, c) : n->op == NPI_OP_TILE ? tile(b, n, c)
                     : n->op == NPI_OP_DEPTH_TO_SPACE || n->op == NPI_OP_SPACE_TO_DEPTH ? block(b, n, c) : one_view(b, n, c);
    if (used <= 0) return used;
    int64_t tasks = 0;
    for (int i = 0; i < used; i++) {
        c[i].first_task = tasks;
        tasks += (c[i].units + c[i].units_per_task - 1) / c[i].units_per_task;
    }
    if (tasks > 1 << 30) return 0;
    *p = (struct params){ b->k->elem_q8.map, n->out[0], used, c };
    s->kernel = name;
    s->run = run;
    s->n_tasks = (int)tasks;
    s->params = p;
    return 1;
}
