/* SPDX-License-Identifier: Apache-2.0 */
/* Pad: see the table in move.c. Each dimension maps an output coordinate to an input coordinate or to the fill.
 *
 *   in 0 1 2, two on each side   constant f f|0 1 2|f f   edge 0 0|0 1 2|2 2   reflect 2 1|0 1 2|1 0
 *                                symmetric 1 0|0 1 2|2 1   wrap 1 2|0 1 2|0 1
 * Reflect, symmetric and wrap go on with their period when the pad is longer than the tensor. */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"

/* The part of dimension i that is left after negative pads. */
struct span { int64_t from, n, lead; };
static struct span span_of(const struct npi_op_args *a, int i) {
    const int64_t before = a->node->a.pad.before[i], after = a->node->a.pad.after[i], from = before < 0 ? -before : 0;
    return (struct span){ from, a->in[0]->d[i] - from - (after < 0 ? -after : 0), before > 0 ? before : 0 };
}

static int infer_pad(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    struct npi_view *out = a->out[0];
    const int mode = a->node->a.pad.mode;
    int r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0) return r;
    if (mode < NPI_PAD_CONSTANT || mode > NPI_PAD_SYMMETRIC) return npi_fail(err, NP_EUNSUPPORTED, "pad mode %d is not known", mode);
    if (a->n_in > 1 && a->in[1] && (a->in[1]->dtype != in->dtype || npi_view_count(a->in[1]) != 1))
        return npi_fail(err, NP_ESHAPE, "the pad value must be one %s, not %s %s", np_dtype_name(in->dtype), np_dtype_name(a->in[1]->dtype), npi_dims_text(a->in[1]).s);
    out->dtype = in->dtype;
    out->rank = in->rank;
    int axis = in->q.axis;
    for (int i = 0; i < in->rank; i++) {
        const int64_t before = a->node->a.pad.before[i], after = a->node->a.pad.after[i], limit = INT64_MAX / 4;
        if (before < -limit || before > limit || after < -limit || after > limit || in->d[i] > limit)
            return npi_fail(err, NP_ELIMIT, "pads %lld and %lld of dimension %d are too large", (long long)before, (long long)after, i);
        const struct span s = span_of(a, i);
        out->d[i] = in->d[i] + before + after;
        if (s.n < 0) return npi_fail(err, NP_ESHAPE, "pads %lld and %lld crop more than dimension %d of %s has", (long long)before, (long long)after, i, npi_dims_text(in).s);
        if (s.n == 0 && out->d[i] > 0 && mode != NPI_PAD_CONSTANT) return npi_fail(err, NP_ESHAPE, "dimension %d is empty: nothing to repeat into the pads", i);
        if (i == in->q.axis && in->q.n > 1 && (before || after)) axis = -1;
    }
    if ((r = npi_infer_move_q(out, in, axis, err)) < 0) return r;
    return npi_infer_check(out, err);
}

/* The bytes of the fill, in the input's own quantization. */
static void fill_value(const struct npi_op_args *a, void *v) {
    const struct npi_view *in = a->in[0];
    const double value = a->node->a.pad.value;
    if (a->n_in > 1 && a->in[1]) memcpy(v, a->in[1]->data, np_dtype_size(in->dtype));
    else if (in->q.n > 0) npi_put_f64(in->dtype, v, 0, round(value / in->q.scale[0]) + (in->q.zero ? in->q.zero[0] : 0));
    else npi_put_f64(in->dtype, v, 0, value);
}

static int64_t floor_mod(int64_t a, int64_t b) { return (a % b + b) % b; }

/* Input coordinate for coordinate c of the output, relative to the span. */
static int64_t source(int mode, int64_t c, int64_t n) {
    if (c >= 0 && c < n) return c;
    if (mode == NPI_PAD_EDGE || n == 1) return c < 0 ? 0 : n - 1;
    if (mode == NPI_PAD_WRAP) return floor_mod(c, n);
    if (mode == NPI_PAD_REFLECT) {
        c = floor_mod(c, 2 * (n - 1));
        return c < n ? c : 2 * (n - 1) - c;
    }
    c = floor_mod(c, 2 * n);
    return c < n ? c : 2 * n - 1 - c;
}

static void pad_dim(const struct npi_op_args *a, int dim, char *dst, const char *src, const int64_t *ds, const int64_t *ss) {
    const struct npi_view *out = a->out[0];
    if (dim == out->rank) {
        memcpy(dst, src, np_dtype_size(out->dtype));
        return;
    }
    const struct span s = span_of(a, dim);
    for (int64_t i = 0; i < out->d[dim]; i++)
        pad_dim(a, dim + 1, dst + i * ds[dim], src + (s.from + source(a->node->a.pad.mode, i - s.lead, s.n)) * ss[dim], ds, ss);
}

static void eval_pad(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const size_t size = np_dtype_size(out->dtype);
    const int64_t n = npi_view_count(out);
    int64_t ds[NP_MAX_RANK], ss[NP_MAX_RANK], d[NP_MAX_RANK], to = 0, from = 0, inside = 1;
    if (n == 0) return;
    npi_view_strides(in, ss);
    npi_view_strides(out, ds);
    if (a->node->a.pad.mode != NPI_PAD_CONSTANT) {
        pad_dim(a, 0, out->data, in->data, ds, ss);
    } else {
        char v[8];
        fill_value(a, v);
        for (int64_t i = 0; i < n; i++) memcpy((char *)out->data + i * (int64_t)size, v, size);
        for (int i = 0; i < in->rank; i++) {
            const struct span s = span_of(a, i);
            d[i] = s.n;
            inside *= s.n;
            to += s.lead * ds[i];
            from += s.from * ss[i];
        }
        if (inside) npi_copy_nd((char *)out->data + to, ds, (const char *)in->data + from, ss, d, in->rank, size);
    }
    npi_requant_moved(out, in);
}

static const struct npi_op_def defs[] = { { NPI_OP_PAD, infer_pad, eval_pad, NULL, NPI_OPF_QUANT } };
const struct npi_op_family npi_ops_pad = { defs, sizeof defs / sizeof *defs };
