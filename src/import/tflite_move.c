/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite operators that cut, join, pick and pad. */
#include "import/tflite.h"

#define TRY(call) do { const int try_r = (call); if (try_r < 0) return try_r; } while (0)

static struct npi_node slice_node(const struct npi_tfl_op *op, const struct npi_view *v) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_SLICE);
    for (int i = 0; i < v->rank; i++) {
        n.a.slice.step[i] = 1;
        n.a.slice.size[i] = v->d[i];
    }
    return n;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* An end stored for the file's input size that meant "to the end" still means it after an override. */
static int64_t moved_end(const struct npi_tfl_op *op, int input, int dim, int64_t end, int64_t actual) {
    const struct npi_tfl_tensor *t = npi_tfl_in_record(op, 0);
    return op->m->resized && t && dim < t->rank && npi_tfl_stored(op, input) && end == t->d[dim] ? actual : end;
}

struct spec { int64_t begin[NP_MAX_RANK], end[NP_MAX_RANK], step[NP_MAX_RANK]; int n, begin_mask, end_mask, offset; };

/* Entry i of the specification on dimension k of size d. */
static int cut(const struct npi_tfl_op *op, const struct spec *s, int i, int k, int64_t d, int shrink, struct npi_node *n) {
    const int64_t step = shrink ? 1 : s->step[i];
    if (step == 0) return npi_tfl_fail(op, NP_EFORMAT, "stride 0");
    int64_t b = s->begin_mask >> i & 1 ? (step > 0 ? 0 : d - 1) : s->begin[i] < 0 ? s->begin[i] + d : s->begin[i];
    if (shrink) {
        if (b < 0 || b >= d) return npi_tfl_fail(op, NP_ESHAPE, "index %lld is outside of dimension %d, which is %lld", (long long)b, k, (long long)d);
        n->a.slice.start[k] = b;
        n->a.slice.size[k] = 1;
        return 0;
    }
    int64_t e = s->end_mask >> i & 1 ? (step > 0 ? d : -1) : moved_end(op, 2, k, s->end[i] + (s->offset ? b : 0), d);
    if (!(s->end_mask >> i & 1) && e < 0 && !s->offset) e += d;
    b = step > 0 ? clamp(b, 0, d) : clamp(b, -1, d - 1);
    e = step > 0 ? clamp(e, 0, d) : clamp(e, -1, d - 1);
    const int64_t span = step > 0 ? e - b : b - e, size = span > 0 ? (span - 1) / (step > 0 ? step : -step) + 1 : 0;
    n->a.slice.start[k] = size ? b : 0;
    n->a.slice.step[k] = size ? step : 1;
    n->a.slice.size[k] = size;
    return 0;
}

int npi_tfl_strided_slice(struct npi_tfl_op *op, int arg) {
    struct spec s = { 0 };
    int x, n_end, n_step, k = 0, rank = 0;
    int64_t d[NP_MAX_RANK] = { 0 };
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the begin", s.begin, NP_MAX_RANK, &s.n));
    TRY(npi_tfl_ints(op, 2, "the end", s.end, NP_MAX_RANK, &n_end));
    TRY(npi_tfl_ints(op, 3, "the list of strides", s.step, NP_MAX_RANK, &n_step));
    if (n_end != s.n || n_step != s.n) return npi_tfl_fail(op, NP_EFORMAT, "begin, end and strides differ in length");
    s.begin_mask = npi_fb_i32(&op->opt, 0, 0);
    s.end_mask = npi_fb_i32(&op->opt, 1, 0);
    s.offset = npi_fb_u8(&op->opt, 5, 0);
    int ellipsis = npi_fb_i32(&op->opt, 2, 0);
    const int fresh = npi_fb_i32(&op->opt, 3, 0), shrink = npi_fb_i32(&op->opt, 4, 0);
    const struct npi_view v = *npi_tfl_view(op, x);
    struct npi_node n = slice_node(op, &v);
    for (int i = 0; i < s.n; i++) {
        int take = 1;                /* input dimensions that this entry covers */
        if (ellipsis >> i & 1) {
            int behind = 0;
            for (int j = i + 1; j < s.n; j++) behind += !(fresh >> j & 1);
            take = v.rank - k - behind;
            ellipsis = 0;            /* only the first counts */
            for (; take > 0 && rank < NP_MAX_RANK; take--) d[rank++] = v.d[k++];
            continue;
        }
        if (rank == NP_MAX_RANK) return npi_tfl_fail(op, NP_EUNSUPPORTED, "more than 8 dimensions");
        if (fresh >> i & 1) {
            d[rank++] = 1;
            continue;
        }
        if (k >= v.rank) return npi_tfl_fail(op, NP_EFORMAT, "cuts more than the %d dimensions there are", v.rank);
        TRY(cut(op, &s, i, k, v.d[k], shrink >> i & 1, &n));
        if (!(shrink >> i & 1)) d[rank++] = n.a.slice.size[k];
        k++;
    }
    for (; k < v.rank && rank < NP_MAX_RANK; k++) d[rank++] = v.d[k];
    int same = rank == v.rank, whole = 1;
    for (int i = 0; i < v.rank; i++) {
        same = same && d[i] == n.a.slice.size[i];
        whole = whole && n.a.slice.size[i] == v.d[i] && n.a.slice.step[i] == 1;
    }
    if (same) return npi_tfl_emit(op, &n, &x, 1);
    if (!whole) TRY(npi_tfl_mid(op, &n, &x, 1, &x));
    return npi_tfl_emit_reshape(op, x, rank, d, 0);
}

int npi_tfl_slice(struct npi_tfl_op *op, int arg) {
    int x, n_begin, n_size;
    int64_t begin[NP_MAX_RANK] = { 0 }, size[NP_MAX_RANK] = { 0 };
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the begin", begin, NP_MAX_RANK, &n_begin));
    TRY(npi_tfl_ints(op, 2, "the size", size, NP_MAX_RANK, &n_size));
    const struct npi_view *v = npi_tfl_view(op, x);
    struct npi_node n = slice_node(op, v);
    if (n_begin != v->rank || n_size != v->rank) return npi_tfl_fail(op, NP_EFORMAT, "begin and size do not have one value a dimension");
    for (int i = 0; i < v->rank; i++) {
        const int64_t want = size[i] == -1 ? v->d[i] - begin[i] : begin[i] == 0 ? moved_end(op, 2, i, size[i], v->d[i]) : size[i];
        if (begin[i] < 0 || want < 0 || begin[i] > v->d[i] || want > v->d[i] - begin[i])
            return npi_tfl_fail(op, NP_ESHAPE, "%lld values from %lld on do not lie in dimension %d, which is %lld", (long long)want, (long long)begin[i], i, (long long)v->d[i]);
        n.a.slice.start[i] = want ? begin[i] : 0;
        n.a.slice.size[i] = want;
    }
    return npi_tfl_emit(op, &n, &x, 1);
}

static int emit_piece(struct npi_tfl_op *op, int x, int axis, int64_t start, int64_t size, int out) {
    struct npi_node n = slice_node(op, npi_tfl_view(op, x));
    n.a.slice.start[axis] = start;
    n.a.slice.size[axis] = size;
    const struct npi_tfl_tensor *t = npi_tfl_out_record(op, out);
    if (!t) return NP_EFORMAT;
    n.name = t->name;
    return npi_tfl_emit_to(op, &n, &x, 1, out, 1);
}

/* SPLIT: axis, x, equal parts. SPLIT_V (arg 1): x, sizes with at most one -1, axis. */
int npi_tfl_split(struct npi_tfl_op *op, int arg) {
    const int n_out = (int)op->out.n;
    int x, axis, n_axis, n_size = 0, rest = -1;
    int64_t a = 0, size[256] = { 0 }, at = 0, sum = 0;
    TRY(npi_tfl_in(op, arg ? 0 : 1, &x));
    TRY(npi_tfl_ints(op, arg ? 2 : 0, "the axis", &a, 1, &n_axis));
    const struct npi_view *v = npi_tfl_view(op, x);
    TRY(npi_tfl_axis(op, a, v->rank, &axis));
    const int64_t d = v->d[axis];
    if (n_out < 1 || n_out > 256) return npi_tfl_fail(op, NP_EUNSUPPORTED, "%d parts", n_out);
    if (arg) {
        TRY(npi_tfl_ints(op, 1, "the list of sizes", size, 256, &n_size));
        if (n_size != n_out) return npi_tfl_fail(op, NP_EFORMAT, "%d sizes for %d parts", n_size, n_out);
    } else if (d % n_out) {
        return npi_tfl_fail(op, NP_ESHAPE, "%lld does not divide into %d parts", (long long)d, n_out);
    }
    for (int i = 0; i < n_out; i++) {
        if (!arg) size[i] = d / n_out;
        if (size[i] < -1 || (size[i] == -1 && rest >= 0)) return npi_tfl_fail(op, NP_EFORMAT, "size %lld", (long long)size[i]);
        if (size[i] == -1) rest = i;
        else sum += size[i];
    }
    if (rest >= 0) size[rest] = d - sum;
    if (rest >= 0 ? size[rest] < 0 : sum != d) return npi_tfl_fail(op, NP_ESHAPE, "parts of %lld altogether, the dimension is %lld", (long long)sum, (long long)d);
    for (int i = 0; i < n_out; at += size[i++]) TRY(emit_piece(op, x, axis, at, size[i], i));
    return 0;
}

int npi_tfl_unpack(struct npi_tfl_op *op, int arg) {
    int x, axis;
    TRY(npi_tfl_in(op, 0, &x));
    const struct npi_view v = *npi_tfl_view(op, x);
    TRY(npi_tfl_axis(op, npi_fb_i32(&op->opt, 1, 0), v.rank, &axis));
    if ((int64_t)op->out.n != v.d[axis]) return npi_tfl_fail(op, NP_ESHAPE, "%u outputs from a dimension of %lld", op->out.n, (long long)v.d[axis]);
    int64_t d[NP_MAX_RANK] = { 0 };
    int rank = 0;
    for (int i = 0; i < v.rank; i++)
        if (i != axis) d[rank++] = v.d[i];
    for (int i = 0; i < (int)op->out.n; i++) {
        struct npi_node n = slice_node(op, &v);
        int piece;
        n.a.slice.start[axis] = i;
        n.a.slice.size[axis] = 1;
        TRY(npi_tfl_mid(op, &n, &x, 1, &piece));
        TRY(npi_tfl_emit_reshape(op, piece, rank, d, i));
    }
    return 0;
}

static int join(struct npi_tfl_op *op, int64_t axis, int new_dim, int act) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_CONCAT);
    int64_t d[NP_MAX_RANK] = { 0 };
    int *const in = npi_arena_array(op->m->g->mem, int, (size_t)op->in.n + 1);
    if (!in) return npi_tfl_nomem(op->m);
    if (op->in.n < 1) return npi_tfl_fail(op, NP_EFORMAT, "has no inputs");
    for (int i = 0; i < (int)op->in.n; i++) {
        TRY(npi_tfl_in(op, i, &in[i]));
        const struct npi_view *v = npi_tfl_view(op, in[i]);
        if (i == 0) TRY(npi_tfl_axis(op, axis, v->rank + new_dim, &n.a.concat.axis));
        if (!new_dim) continue;
        if (v->rank == NP_MAX_RANK || v->rank < n.a.concat.axis) return npi_tfl_fail(op, NP_EUNSUPPORTED, "inputs with %d dimensions", v->rank);
        for (int k = 0; k <= v->rank; k++) d[k] = k < n.a.concat.axis ? v->d[k] : k == n.a.concat.axis ? 1 : v->d[k - 1];
        TRY(npi_tfl_mid_reshape(op, in[i], v->rank + 1, d, &in[i]));
    }
    TRY(npi_tfl_act(op, act, &n.act));
    return npi_tfl_emit(op, &n, in, (int)op->in.n);
}

int npi_tfl_pack(struct npi_tfl_op *op, int arg) { return join(op, npi_fb_i32(&op->opt, 1, 0), 1, 0); }
int npi_tfl_concat(struct npi_tfl_op *op, int arg) { return join(op, npi_fb_i32(&op->opt, 0, 0), 0, npi_fb_i8(&op->opt, 1, 0)); }

int npi_tfl_gather(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_GATHER);
    int in[2];
    TRY(npi_tfl_in(op, 0, &in[0]));
    TRY(npi_tfl_in(op, 1, &in[1]));
    const int rank = npi_tfl_view(op, in[1])->rank, batch = npi_fb_i32(&op->opt, 1, 0);
    TRY(npi_tfl_axis(op, npi_fb_i32(&op->opt, 0, 0), npi_tfl_view(op, in[0])->rank, &n.a.gather.axis));
    n.a.gather.batch_dims = batch < 0 ? batch + rank : batch;
    if (n.a.gather.batch_dims < 0 || n.a.gather.batch_dims > rank || n.a.gather.batch_dims > n.a.gather.axis)
        return npi_tfl_fail(op, NP_EFORMAT, "%d batch dimensions", batch);
    return npi_tfl_emit(op, &n, in, 2);
}

int npi_tfl_gather_nd(struct npi_tfl_op *op, int arg) {
    const struct npi_node n = npi_tfl_node(op, NPI_OP_GATHER_ND);
    int in[2];
    TRY(npi_tfl_in(op, 0, &in[0]));
    TRY(npi_tfl_in(op, 1, &in[1]));
    return npi_tfl_emit(op, &n, in, 2);
}

/* Rows of a table; a quantized table may give real numbers. */
int npi_tfl_embedding(struct npi_tfl_op *op, int arg) {
    const struct npi_node n = npi_tfl_node(op, NPI_OP_GATHER);
    struct npi_node q = npi_tfl_node(op, NPI_OP_DEQUANTIZE);
    int in[2];
    TRY(npi_tfl_in(op, 1, &in[0]));
    TRY(npi_tfl_in(op, 0, &in[1]));
    const struct npi_tfl_tensor *out = npi_tfl_out_record(op, 0);
    if (!out) return NP_EFORMAT;
    q.a.cast.to = NP_F32;
    if (npi_tfl_view(op, in[0])->q.n && out->dtype == NP_F32) TRY(npi_tfl_mid(op, &q, in, 1, &in[0]));
    return npi_tfl_emit(op, &n, in, 2);
}

/* Indices, updates, shape: sums into zeros. */
int npi_tfl_scatter_nd(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_SCATTER_ND), fill = npi_tfl_node(op, NPI_OP_EXPAND);
    int in[3];
    TRY(npi_tfl_in(op, 0, &in[1]));
    TRY(npi_tfl_in(op, 1, &in[2]));
    TRY(npi_tfl_ints(op, 2, "the shape", fill.a.shape.dims, NP_MAX_RANK, &fill.a.shape.rank));
    for (int i = 0; i < fill.a.shape.rank; i++)
        if (fill.a.shape.dims[i] < 0) return npi_tfl_fail(op, NP_EFORMAT, "the shape has a negative value");
    const struct npi_view zero = { .dtype = npi_tfl_view(op, in[2])->dtype };
    if (npi_tfl_view(op, in[2])->q.n) return npi_tfl_fail(op, NP_EUNSUPPORTED, "quantized updates");
    if ((in[0] = npi_graph_const(op->m->g, NULL, &zero)) < 0) return npi_tfl_nomem(op->m);
    TRY(npi_tfl_mid(op, &fill, &in[0], 1, &in[0]));
    n.a.gather.reduction = 1;        /* add */
    return npi_tfl_emit(op, &n, in, 3);
}

/* Indices, depth, on, off -> ours wants (off, on) in one tensor. */
int npi_tfl_one_hot(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_ONE_HOT), both = npi_tfl_node(op, NPI_OP_CONCAT);
    static const int64_t one = 1;
    int in[3], value[2];
    TRY(npi_tfl_in(op, 0, &in[0]));
    TRY(npi_tfl_in(op, 1, &in[1]));
    for (int i = 0; i < 2; i++) {
        TRY(npi_tfl_in(op, 3 - i, &value[i]));
        if (npi_view_count(npi_tfl_view(op, value[i])) != 1) return npi_tfl_fail(op, NP_EFORMAT, "on and off values must be scalars");
        TRY(npi_tfl_mid_reshape(op, value[i], 1, &one, &value[i]));
    }
    TRY(npi_tfl_mid(op, &both, value, 2, &in[2]));
    TRY(npi_tfl_axis(op, npi_fb_i32(&op->opt, 0, 0), npi_tfl_view(op, in[0])->rank + 1, &n.a.gather.axis));
    return npi_tfl_emit(op, &n, in, 3);
}

int npi_tfl_reverse(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_REVERSE);
    int x, n_axes, a;
    int64_t axis[NP_MAX_RANK] = { 0 };
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the list of axes", axis, NP_MAX_RANK, &n_axes));
    for (int i = 0; i < n_axes; i++) {
        TRY(npi_tfl_axis(op, axis[i], npi_tfl_view(op, x)->rank, &a));
        n.a.reduce.axes |= 1u << a;
    }
    return npi_tfl_emit(op, &n, &x, 1);
}

/* PAD; with arg 1 PADV2, whose third input is the value; with arg 2 MIRROR_PAD. */
int npi_tfl_pad(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_PAD);
    int in[2], n_pads;
    int64_t pads[2 * NP_MAX_RANK] = { 0 };
    TRY(npi_tfl_in(op, 0, &in[0]));
    TRY(npi_tfl_ints(op, 1, "the list of pads", pads, 2 * NP_MAX_RANK, &n_pads));
    const struct npi_view *v = npi_tfl_view(op, in[0]);
    if (n_pads != 2 * v->rank) return npi_tfl_fail(op, NP_EFORMAT, "%d pads for %d dimensions", n_pads, v->rank);
    for (int i = 0; i < v->rank; i++) {
        n.a.pad.before[i] = pads[2 * i];
        n.a.pad.after[i] = pads[2 * i + 1];
        if (pads[2 * i] < 0 || pads[2 * i + 1] < 0) return npi_tfl_fail(op, NP_EFORMAT, "negative pads");
    }
    n.a.pad.mode = arg != 2 ? NPI_PAD_CONSTANT : npi_fb_i8(&op->opt, 0, 0) == 0 ? NPI_PAD_REFLECT : NPI_PAD_SYMMETRIC;
    if (arg == 1) TRY(npi_tfl_in(op, 2, &in[1]));
    return npi_tfl_emit(op, &n, in, arg == 1 ? 2 : 1);
}
