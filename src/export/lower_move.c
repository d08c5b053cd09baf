/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing and padding of any kind, written out: each axis is a table of rows to take and, where rows are blended, their weights. */
#include <string.h>

#include "export/lower.h"
#include "ops/resize_taps.h"

static int nomem(struct npi_lower *l) { return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path); }

int npi_lo_transpose(struct npi_lower *l, int x, const int *perm) { return x < 0 ? x : npi_build_transpose(l->g, l->node->name, x, perm, l->err); }

int npi_lo_floats(struct npi_lower *l, int rank, const int64_t *d, const float *v) {
    const int t = npi_graph_const_f32(l->g, NULL, rank, d, v);
    return t < 0 ? nomem(l) : t;
}

int npi_lo_pick(struct npi_lower *l, int x, int axis, const int64_t *index, int64_t n) {
    if (x < 0) return x;
    struct npi_view v = { .dtype = NP_I32, .rank = 1, .d = { n } };
    const int t = npi_graph_const(l->g, NULL, &v);
    if (t < 0) return nomem(l);
    for (int64_t i = 0; i < n; i++) ((int32_t *)npi_lo_view(l, t)->data)[i] = (int32_t)index[i];
    const union npi_attr a = { .gather = { .axis = axis } };
    return npi_lo_build(l, NPI_OP_GATHER, &a, (int[]){ x, t }, 2);
}

/* Axis k of x by its table: sum over taps of x[index] * weight. */
static int resize_axis(struct npi_lower *l, const struct npi_node *n, int x, int k, const struct npi_view *from, const struct npi_view *to) {
    const int64_t out = to->d[k];
    struct npi_resize_axis t = { .n = npi_resize_n_taps(n, from, to, k) };
    if (t.n > 64) return npi_lo_refuse(l, "a resize that blends %d rows", t.n);
    t.index = npi_arena_array(l->g->mem, int64_t, out * t.n);
    t.weight = npi_arena_array(l->g->mem, double, out * t.n);
    int64_t *index = npi_arena_array(l->g->mem, int64_t, out);
    float *w = npi_arena_array(l->g->mem, float, out);
    if (!t.index || !t.weight || !index || !w) return nomem(l);
    npi_resize_fill(n, from, to, k, &t);
    int sum = -1;
    int64_t d[NP_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    d[k] = out;
    for (int i = 0; i < t.n; i++) {
        for (int64_t o = 0; o < out; o++) {
            index[o] = t.index[o * t.n + i];
            w[o] = (float)t.weight[o * t.n + i];
            if (index[o] < 0) return npi_lo_refuse(l, "a resize that looks outside of the image");
        }
        int y = npi_lo_pick(l, x, k, index, out);
        if (t.n > 1) y = npi_lo_bin(l, NPI_OP_MUL, y, npi_lo_floats(l, from->rank, d, w));
        sum = i ? npi_lo_bin(l, NPI_OP_ADD, sum, y) : y;
        if (sum < 0) return sum;
    }
    return sum;
}

int npi_lo_resize(struct npi_lower *l, const struct npi_node *n, int x) {
    const struct npi_view to = l->from->tensor[n->out[0]].v;
    for (int k = 0; k < to.rank && x >= 0; k++) {
        const struct npi_view from = *npi_lo_view(l, x); /* axes before k are done, and no longer matter to the table */
        if (npi_resize_stays(n, &l->from->tensor[n->in[0]].v, &to, k)) continue;
        if (from.dtype != NP_F32 && n->a.resize.mode != NPI_RESIZE_NEAREST) return npi_lo_refuse(l, "a blending resize of %s", np_dtype_name(from.dtype));
        x = resize_axis(l, n, x, k, &l->from->tensor[n->in[0]].v, &to);
    }
    return x;
}

static int64_t mod(int64_t a, int64_t b) { return (a % b + b) % b; }

int npi_lo_pad_repeat(struct npi_lower *l, const struct npi_node *n, int x) {
    const struct npi_view v = l->from->tensor[n->in[0]].v, y = l->from->tensor[n->out[0]].v;
    for (int k = 0; k < v.rank && x >= 0; k++) {
        const int64_t before = n->a.pad.before[k], after = n->a.pad.after[k];
        if (!before && !after) continue;
        const int64_t cut0 = before < 0 ? -before : 0, len = v.d[k] - cut0 - (after < 0 ? -after : 0), lead = before > 0 ? before : 0;
        int64_t *index = npi_arena_array(l->g->mem, int64_t, y.d[k] + 1);
        if (!index) return nomem(l);
        for (int64_t o = 0; o < y.d[k]; o++) {
            const int64_t c = o - lead, wide = 2 * (len - 1);
            int64_t i;
            switch (n->a.pad.mode) {
            case NPI_PAD_EDGE: i = c < 0 ? 0 : c >= len ? len - 1 : c; break;
            case NPI_PAD_WRAP: i = mod(c, len); break;
            case NPI_PAD_SYMMETRIC: i = mod(c, 2 * len), i = i < len ? i : 2 * len - 1 - i; break;
            default: i = len == 1 ? 0 : mod(c, wide), i = i < len ? i : wide - i; break; /* reflect */
            }
            index[o] = cut0 + i;
        }
        x = npi_lo_pick(l, x, k, index, y.d[k]);
    }
    return x;
}
