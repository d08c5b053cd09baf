/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX writer: ops that move numbers: shapes, orders, slices, pads, lists of rows. */
#include "export/onnx_write_ops.h"

#include <string.h>

static const int to_first[4] = { 0, 3, 1, 2 }, to_last[4] = { 0, 2, 3, 1 };

/* A second input with the dims of the result, or the repeats. */
NPI_OW_HANDLER(shaped) {
    const int follows = npi_ow_wants(w->g, n) == NPI_OW_FOLLOWS && n->a.shape.rank == npi_ow_view(w, n->in[0])->rank, form = follows ? npi_ow_follow(w, n) : NPI_OW_PLAIN;
    const struct npi_view *y = npi_ow_view(w, n->out[0]);
    int64_t d[NP_MAX_RANK];
    for (int i = 0; i < y->rank; i++) d[i] = n->op == NPI_OP_TILE ? n->a.shape.dims[npi_ow_source(form, i)] : y->d[npi_ow_source(form, i)];
    const char *x = npi_ow_in(w, n->in[0], form), *s = npi_ow_ints(w, "shape", d, y->rank);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, s);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    if (n->op == NPI_OP_RESHAPE) npi_ow_int(w, "allowzero", 1);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(transpose) {
    const int *p = n->a.transpose.perm, x = n->in[0], rank = npi_ow_view(w, x)->rank;
    int64_t perm[NP_MAX_RANK];
    int form = NPI_OW_PLAIN;
    /* The other side of the same tensor: nothing is written, unless somebody has to turn it after all. */
    if (rank == 4 && !npi_ow_view(w, x)->data && !memcmp(p, to_first, sizeof to_first) && npi_ow_has(w, x, NPI_OW_FIRST)) {
        w->t[n->out[0]].name[NPI_OW_PLAIN] = w->t[x].name[NPI_OW_FIRST];
        return 0;
    }
    if (rank == 4 && !memcmp(p, to_last, sizeof to_last) && w->io[n->out[0]] != 2) {
        if (!(w->t[n->out[0]].name[NPI_OW_FIRST] = npi_ow_in(w, x, NPI_OW_PLAIN))) return npi_ow_bad_input(w, n, 0);
        return 0;
    }
    if (rank == 4 && !npi_ow_has(w, x, NPI_OW_PLAIN) && npi_ow_has(w, x, NPI_OW_FIRST)) form = NPI_OW_FIRST;
    for (int i = 0; i < rank; i++) perm[i] = npi_ow_axis(form, p[i]);
    const char *in = npi_ow_in(w, x, form);
    if (!in) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin1(w, "Transpose", n, in, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_ilist(w, "perm", perm, rank);
    npi_ow_end(w, m);
    w->n_transposes++;
    return 0;
}

static int slice_node(struct npi_ow *w, const struct npi_node *n, int form, const int64_t *start, const int64_t *end, const int64_t *axes, const int64_t *step, int k) {
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const char *in[4] = { npi_ow_ints(w, "starts", start, k), npi_ow_ints(w, "ends", end, k), npi_ow_ints(w, "axes", axes, k), npi_ow_ints(w, "steps", step, k) };
    const size_t m = npi_ow_begin(w, "Slice", n->name);
    npi_ow_arg(w, x);
    for (int i = 0; i < 4; i++) npi_ow_arg(w, in[i]);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(slice) {
    const int form = npi_ow_follow(w, n), rank = npi_ow_view(w, n->in[0])->rank;
    int64_t start[NP_MAX_RANK], end[NP_MAX_RANK], axes[NP_MAX_RANK], step[NP_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        const int k = npi_ow_source(form, i);
        const int64_t st = n->a.slice.step[k], last = n->a.slice.start[k] + st * n->a.slice.size[k];
        axes[i] = i;
        start[i] = n->a.slice.start[k];
        step[i] = st;
        end[i] = n->a.slice.size[k] == 0 ? start[i] : last < 0 ? INT64_MIN / 2 : last; /* backwards to the first element: before it */
    }
    return slice_node(w, n, form, start, end, axes, step, rank);
}

NPI_OW_HANDLER(reverse) {
    const int form = npi_ow_follow(w, n), rank = npi_ow_view(w, n->in[0])->rank;
    int64_t start[NP_MAX_RANK], end[NP_MAX_RANK], axes[NP_MAX_RANK], step[NP_MAX_RANK];
    int k = 0;
    for (int i = 0; i < rank; i++) {
        if (!(n->a.reduce.axes >> npi_ow_source(form, i) & 1)) continue;
        axes[k] = i;
        start[k] = -1;
        end[k] = INT64_MIN / 2;
        step[k++] = -1;
    }
    return slice_node(w, n, form, start, end, axes, step, k);
}

NPI_OW_HANDLER(pad) {
    static const char *const modes[] = { "constant", "reflect", "edge", "wrap" };
    const int form = npi_ow_follow(w, n), rank = npi_ow_view(w, n->in[0])->rank, dtype = npi_ow_view(w, n->in[0])->dtype;
    int64_t pads[2 * NP_MAX_RANK];
    if (n->a.pad.mode > NPI_PAD_WRAP) return npi_ow_refuse(w, n, "padding that repeats the border (symmetric)");
    for (int i = 0; i < rank; i++) {
        pads[i] = n->a.pad.before[npi_ow_source(form, i)];
        pads[rank + i] = n->a.pad.after[npi_ow_source(form, i)];
    }
    const char *x = npi_ow_in(w, n->in[0], form), *p = npi_ow_ints(w, "pads", pads, 2 * rank), *v = NULL;
    if (!x) return npi_ow_bad_input(w, n, 0);
    if (n->n_in > 1 && n->in[1] >= 0) v = npi_ow_in(w, n->in[1], NPI_OW_PLAIN);
    else if (n->a.pad.value != 0) {
        const float value = (float)n->a.pad.value;
        if (dtype != NP_F32) return npi_ow_refuse(w, n, "a pad value of type %s", np_dtype_name(dtype));
        v = npi_ow_floats(w, "value", &value, 1, 0);
    }
    const size_t m = npi_ow_begin(w, "Pad", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, p);
    if (v) npi_ow_arg(w, v);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    npi_ow_str(w, "mode", modes[n->a.pad.mode]);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(gather) {
    static const char *const reductions[] = { "none", "add", "mul", "max", "min" };
    const char *x[3];
    if (n->op == NPI_OP_GATHER && n->a.gather.batch_dims) return npi_ow_refuse(w, n, "a gather with %d batch dimensions", n->a.gather.batch_dims);
    const int form = n->op == NPI_OP_GATHER && npi_ow_picks_rows(w->g, n) ? npi_ow_follow(w, n) : NPI_OW_PLAIN;
    for (int i = 0; i < n->n_in; i++)
        if (!(x[i] = npi_ow_in(w, n->in[i], i ? NPI_OW_PLAIN : form))) return npi_ow_bad_input(w, n, i);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    for (int i = 0; i < n->n_in; i++) npi_ow_arg(w, x[i]);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    if (n->op == NPI_OP_GATHER_ND) npi_ow_int(w, "batch_dims", n->a.gather.batch_dims);
    else if (n->op != NPI_OP_SCATTER_ND) npi_ow_int(w, "axis", npi_ow_axis(form, n->a.gather.axis < 0 ? n->a.gather.axis + npi_ow_view(w, n->in[0])->rank : n->a.gather.axis));
    if (n->op == NPI_OP_SCATTER_ND || n->op == NPI_OP_SCATTER_ELEMENTS) npi_ow_str(w, "reduction", reductions[n->a.gather.reduction]);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(trilu) {
    const int64_t k = n->a.gather.axis;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *d = npi_ow_const(w, npi_ow_fresh(w, "k"), NP_I64, 0, NULL, &k, NULL);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, "Trilu", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, d);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_int(w, "upper", n->a.gather.upper);
    npi_ow_end(w, m);
    return 0;
}
