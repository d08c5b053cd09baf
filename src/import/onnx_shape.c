/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: shapes. Most become a Reshape or a constant, because all shapes are known here. */
#include "import/onnx.h"

#include <string.h>

int npi_ox_do_shape(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    int64_t from = npi_ox_int(n, "start", 0), to = npi_ox_int(n, "end", v->rank);
    if (from < 0) from += v->rank;
    if (to < 0) to += v->rank;
    from = from < 0 ? 0 : from > v->rank ? v->rank : from;
    to = to < from ? from : to > v->rank ? v->rank : to;
    int64_t d[NP_MAX_RANK];
    const int64_t count = to - from;
    for (int64_t i = 0; i < count; i++) d[i] = v->d[from + i];
    const int r = npi_graph_const_i64(n->g, NULL, 1, &count, d);
    return n->out[0] = r < 0 ? npi_ox_fail(n, NP_ENOMEM, "out of memory") : r;
}

int npi_ox_do_size(struct npi_ox_node *n) {
    const int64_t count = npi_view_count(npi_ox_view(n, n->in[0]));
    const int r = npi_graph_const_i64(n->g, NULL, 0, NULL, &count);
    return n->out[0] = r < 0 ? npi_ox_fail(n, NP_ENOMEM, "out of memory") : r;
}

int npi_ox_do_identity(struct npi_ox_node *n) { return n->out[0] = n->in[0]; }

/* At inference Dropout passes its input; a wanted mask is all ones. */
int npi_ox_do_dropout(struct npi_ox_node *n) {
    if (npi_ox_in(n, 2) >= 0) {
        const struct npi_view *t = npi_ox_view(n, n->in[2]);
        if (t->data && t->dtype == NP_BOOL && npi_view_count(t) == 1 && *(const uint8_t *)t->data) return npi_ox_fail(n, NP_EUNSUPPORTED, "training mode");
    }
    n->out[0] = n->in[0];
    if (n->n_out < 2 || !n->wanted[1]) return 0;
    union npi_attr a = { .shape = { .rank = npi_ox_view(n, n->in[0])->rank } };
    memcpy(a.shape.dims, npi_ox_view(n, n->in[0])->d, sizeof a.shape.dims);
    const int one = npi_ox_scalar(n, NP_BOOL, 1);
    return n->out[1] = a.shape.rank ? npi_ox_un(n, NPI_OP_EXPAND, &a, one) : one;
}

int npi_ox_do_reshape(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    int64_t d[NP_MAX_RANK];
    int rank = n->n_in > 1 ? npi_ox_known_ints(n, 1, d, NP_MAX_RANK, NULL) : npi_ox_ints(n, "shape", d, NP_MAX_RANK), open = -1;
    if (rank < 0) return n->n_in > 1 ? rank : npi_ox_fail(n, NP_EFORMAT, "it has no shape");
    if (rank > NP_MAX_RANK) return npi_ox_fail(n, NP_ELIMIT, "rank %d", rank);
    const int refit = npi_ox_refit_reshape(n, d, rank);
    if (refit < 0) return refit;
    const int keep_zero = npi_ox_int(n, "allowzero", 0) != 0;
    int64_t known = 1;
    const int64_t count = npi_view_count(v);
    for (int i = 0; i < rank; i++) {
        if (d[i] == 0 && !keep_zero) {
            if (i >= v->rank) return npi_ox_fail(n, NP_ESHAPE, "dimension %d is copied from an input of rank %d", i, v->rank);
            d[i] = v->d[i];
        }
        if (d[i] == -1 && open < 0) open = i;
        else if (d[i] < 0 || __builtin_mul_overflow(known, d[i], &known)) return npi_ox_fail(n, NP_ESHAPE, "dimension %d is %lld", i, (long long)d[i]);
    }
    if (open >= 0) {
        if (known == 0 || count % known) return npi_ox_fail(n, NP_ESHAPE, "%lld elements do not divide by %lld", (long long)count, (long long)known);
        d[open] = count / known;
    } else if (known != count) return npi_ox_fail(n, NP_ESHAPE, "%lld elements cannot become %lld", (long long)count, (long long)known);
    return n->out[0] = npi_ox_reshape(n, n->in[0], rank, d);
}

int npi_ox_do_flatten(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    int64_t axis = npi_ox_int(n, "axis", 1), d[2] = { 1, 1 };
    if (axis < -v->rank || axis > v->rank) return npi_ox_fail(n, NP_ESHAPE, "axis %lld is outside of rank %d", (long long)axis, v->rank);
    if (axis < 0) axis += v->rank;
    for (int i = 0; i < v->rank; i++) d[i >= axis] *= v->d[i];
    return n->out[0] = npi_ox_reshape(n, n->in[0], 2, d);
}

/* Axes from input 1 (opset 13) or the attribute; -1: none given. */
static int axes_of(struct npi_ox_node *n, int64_t *axes) {
    int present = 0;
    if (n->n_in > 1) return npi_ox_known_ints(n, 1, axes, NP_MAX_RANK, &present);
    const int k = npi_ox_ints(n, "axes", axes, NP_MAX_RANK);
    return k > NP_MAX_RANK ? npi_ox_fail(n, NP_ELIMIT, "%d axes", k) : k;
}

int npi_ox_do_squeeze(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    int64_t axes[NP_MAX_RANK], d[NP_MAX_RANK];
    const int given = n->n_in > 1 || npi_ox_ints(n, "axes", axes, NP_MAX_RANK) >= 0, count = given ? axes_of(n, axes) : 0;
    unsigned drop = 0;
    if (count < 0) return count;
    for (int i = 0; i < count; i++) {
        const int k = npi_ox_axis(n, axes[i], v->rank);
        if (k < 0) return k;
        if (v->d[k] != 1) return npi_ox_fail(n, NP_ESHAPE, "dimension %d is %lld, not 1", k, (long long)v->d[k]);
        drop |= 1u << k;
    }
    int rank = 0;
    for (int i = 0; i < v->rank; i++)
        if (!(drop >> i & 1) && (given || v->d[i] != 1)) d[rank++] = v->d[i];
    return n->out[0] = npi_ox_reshape(n, n->in[0], rank, d);
}

int npi_ox_do_unsqueeze(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    int64_t axes[NP_MAX_RANK], d[NP_MAX_RANK];
    const int count = axes_of(n, axes);
    if (count < 0) return n->n_in > 1 ? count : npi_ox_fail(n, NP_EFORMAT, "it has no axes");
    const int rank = v->rank + count;
    if (rank > NP_MAX_RANK) return npi_ox_fail(n, NP_ELIMIT, "rank %d", rank);
    unsigned added = 0;
    for (int i = 0; i < count; i++) {
        const int k = npi_ox_axis(n, axes[i], rank);
        if (k < 0) return k;
        if (added >> k & 1) return npi_ox_fail(n, NP_ESHAPE, "axis %d is given twice", k);
        added |= 1u << k;
    }
    for (int i = 0, k = 0; i < rank; i++) d[i] = added >> i & 1 ? 1 : v->d[k++];
    return n->out[0] = npi_ox_reshape(n, n->in[0], rank, d);
}

int npi_ox_do_transpose(struct npi_ox_node *n) {
    const int rank = npi_ox_view(n, n->in[0])->rank;
    int64_t p[NP_MAX_RANK];
    int perm[NP_MAX_RANK] = { 0 };
    const int count = npi_ox_ints(n, "perm", p, NP_MAX_RANK);
    unsigned seen = 0;
    if (count >= 0 && count != rank) return npi_ox_fail(n, NP_ESHAPE, "a permutation of %d axes for rank %d", count, rank);
    for (int i = 0; i < rank; i++) {
        perm[i] = rank - 1 - i;
        if (count >= 0 && (perm[i] = npi_ox_axis(n, p[i], rank)) < 0) return perm[i];
        if (seen >> perm[i] & 1) return npi_ox_fail(n, NP_ESHAPE, "the permutation names axis %d twice", perm[i]);
        seen |= 1u << perm[i];
    }
    const int64_t nhwc[] = { 0, 2, 3, 1 };
    int image = rank == 4;
    for (int i = 0; i < rank && image; i++) image = perm[i] == nhwc[i];
    return n->out[0] = image ? npi_ox_nhwc(n, n->in[0]) : npi_ox_transpose(n, n->in[0], perm);
}

int npi_ox_do_concat(struct npi_ox_node *n) {
    const int axis = npi_ox_axis(n, npi_ox_int(n, "axis", 1), npi_ox_view(n, n->in[0])->rank);
    if (axis < 0) return axis;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] < 0) return npi_ox_fail(n, NP_EFORMAT, "input %d is missing", i);
    if (n->n_in == 1) return n->out[0] = n->in[0];
    union npi_attr a = { .concat = { .axis = axis } };
    return n->out[0] = npi_ox_build(n, NPI_OP_CONCAT, &a, n->in, n->n_in);
}

/* Sizes: input 1 (opset 13), attribute (before), or equal parts, the last one smaller (num_outputs of opset 18). */
int npi_ox_do_split(struct npi_ox_node *n) {
    const int x = n->in[0], axis = npi_ox_axis(n, npi_ox_int(n, "axis", 0), npi_ox_view(n, x)->rank);
    if (axis < 0) return axis;
    if (n->n_out < 1) return npi_ox_fail(n, NP_EFORMAT, "it has no outputs");
    const int64_t len = npi_ox_view(n, x)->d[axis];
    int64_t *size = npi_arena_array(&n->o->tmp, int64_t, n->n_out), at = 0;
    if (!size) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    int present = 0, count = npi_ox_known_ints(n, 1, size, n->n_out, &present);
    if (count < 0) return count;
    if (!present) count = npi_ox_ints(n, "split", size, n->n_out);
    if (!present && count < 0) {
        const int64_t part = (len + n->n_out - 1) / n->n_out;
        for (int i = 0; i < n->n_out; i++) {
            const int64_t left = len - part * i;
            size[i] = left < 0 ? 0 : left < part ? left : part;
        }
        count = n->n_out;
    }
    if (count != n->n_out) return npi_ox_fail(n, NP_ESHAPE, "%d sizes for %d outputs", count, n->n_out);
    for (int i = 0; i < count; i++) {
        if (size[i] < 0 || size[i] > len - at) return npi_ox_fail(n, NP_ESHAPE, "part %d of size %lld does not fit into %lld", i,
                (long long)size[i], (long long)len);
        if (n->wanted[i]) {
            n->out[i] = size[i] == len ? x : npi_ox_slice(n, x, axis, at, size[i]);
            if (n->out[i] < 0) return n->out[i];
        }
        at += size[i];
    }
    return at == len ? 0 : npi_ox_fail(n, NP_ESHAPE, "the parts cover %lld of %lld", (long long)at, (long long)len);
}

static int64_t clamp64(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

int npi_ox_do_slice(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    int64_t start[NP_MAX_RANK], end[NP_MAX_RANK], axes[NP_MAX_RANK], step[NP_MAX_RANK];
    int count, n_end, n_axes, n_step = -1, have_axes = 0, have_step = 0;
    if (n->n_in > 1) {
        if ((count = npi_ox_known_ints(n, 1, start, NP_MAX_RANK, NULL)) < 0) return count;
        if ((n_end = npi_ox_known_ints(n, 2, end, NP_MAX_RANK, NULL)) < 0) return n_end;
        if ((n_axes = npi_ox_known_ints(n, 3, axes, NP_MAX_RANK, &have_axes)) < 0) return n_axes;
        if ((n_step = npi_ox_known_ints(n, 4, step, NP_MAX_RANK, &have_step)) < 0) return n_step;
    } else {
        count = npi_ox_ints(n, "starts", start, NP_MAX_RANK);
        n_end = npi_ox_ints(n, "ends", end, NP_MAX_RANK);
        n_axes = npi_ox_ints(n, "axes", axes, NP_MAX_RANK);
        have_axes = n_axes >= 0;
    }
    if (count < 0 || count > v->rank || n_end != count || (have_axes && n_axes != count) || (have_step && n_step != count))
        return npi_ox_fail(n, NP_ESHAPE, "starts, ends, axes and steps do not fit together");
    union npi_attr a = { .slice = { .start = { 0 } } };
    int whole = 1;
    for (int i = 0; i < v->rank; i++) {
        a.slice.step[i] = 1;
        a.slice.size[i] = v->d[i];
    }
    for (int i = 0; i < count; i++) {
        const int k = npi_ox_axis(n, have_axes ? axes[i] : i, v->rank);
        if (k < 0) return k;
        if (v->d[k] == 0) continue;
        const int64_t d = v->d[k], st = have_step ? clamp64(step[i], -d - 1, d + 1) : 1; /* larger steps mean the same */
        if (st == 0) return npi_ox_fail(n, NP_EINVAL, "a step is 0");
        const int64_t lo = st > 0 ? 0 : -1, hi = st > 0 ? d : d - 1;
        const int64_t from = clamp64(start[i] < 0 ? start[i] + d : start[i], 0, hi), to = clamp64(end[i] < 0 ? end[i] + d : end[i], lo, hi);
        a.slice.start[k] = from;
        a.slice.step[k] = st;
        a.slice.size[k] = st > 0 ? (to > from ? (to - from + st - 1) / st : 0) : (from > to ? (from - to - st - 1) / -st : 0);
        if (a.slice.size[k] != d || st != 1) whole = 0;
    }
    return n->out[0] = whole ? n->in[0] : npi_ox_un(n, NPI_OP_SLICE, &a, n->in[0]);
}

/* If with a condition known at load: the branch is read in place. It sees the names outside. */
int npi_ox_do_if_known(struct npi_ox_node *n) {
    struct npi_pb m, graph;
    int found = 0;
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    if (!v->data || v->dtype != NP_BOOL || npi_view_count(v) != 1) return npi_ox_fail(n, NP_EUNSUPPORTED,
            "its condition is not known when the model is loaded");
    if (!npi_ox_attr(n, *(const uint8_t *)v->data ? "then_branch" : "else_branch", &m)) return npi_ox_fail(n, NP_EFORMAT, "a branch is missing");
    graph = npi_pb_find(m, 6, &found);
    if (!found) return npi_ox_fail(n, NP_EFORMAT, "a branch is missing");
    if (n->o->depth >= 8) return npi_ox_fail(n, NP_ELIMIT, "nested more than 8 deep");
    n->o->depth++;
    const int r = npi_ox_run_graph(n->o, graph, n->out, n->n_out);
    n->o->depth--;
    return r < 0 ? r : r != n->n_out ? npi_ox_fail(n, NP_EFORMAT, "the branch has %d outputs, the node %d", r, n->n_out) : 0;
}
