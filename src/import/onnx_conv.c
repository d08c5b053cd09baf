/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: convolutions and pooling. One-dimensional ones become two-dimensional with height 1; weights are put
 * into our order by Transpose nodes, which fold when the weights are known. */
#include "import/onnx.h"

#include <string.h>

#define MAX_SPAN (1 << 20)

int npi_ox_image(const struct npi_ox_node *n, int x) {
    const struct npi_view *v = npi_ox_view(n, x);
    if (v->rank == 3) x = npi_ox_reshape(n, x, 4, (const int64_t[]){ v->d[0], v->d[1], 1, v->d[2] });
    else if (v->rank != 4)
        return npi_ox_fail(n, v->rank == 5 ? NP_EUNSUPPORTED : NP_ESHAPE, "input of rank %d; only one- and two-dimensional images are supported", v->rank);
    return npi_ox_nhwc(n, x);
}

int npi_ox_unimage(const struct npi_ox_node *n, int y, int rank) {
    y = npi_ox_nchw(n, y);
    if (y < 0 || rank == 4) return y;
    const struct npi_view *v = npi_ox_view(n, y);
    return npi_ox_reshape(n, y, 3, (const int64_t[]){ v->d[0], v->d[1], v->d[3] });
}

static int spans(const struct npi_ox_node *n, const char *name, int nd, int64_t least, int64_t *out, int def) {
    for (int i = 0; i < nd; i++) out[i] = def;
    const int k = npi_ox_ints(n, name, out, nd);
    if (k >= 0 && k != nd) return npi_ox_fail(n, NP_ESHAPE, "%s has %d numbers, expected %d", name, k, nd);
    for (int i = 0; i < nd; i++)
        if (out[i] < least || out[i] > MAX_SPAN) return npi_ox_fail(n, NP_EUNSUPPORTED, "%s %lld", name, (long long)out[i]);
    return 0;
}

/* SAME: the output has ceil(in / stride) positions; an odd pad is at the end (upper) or the beginning (lower). */
static void same_pads(int64_t in, int64_t k, int64_t s, int64_t d, int lower, int64_t *before, int64_t *after) {
    const int64_t out = (in + s - 1) / s, need = (out - 1) * s + (k - 1) * d + 1 - in, total = need > 0 ? need : 0;
    *before = lower ? total - total / 2 : total / 2;
    *after = total - *before;
}

int npi_ox_window(const struct npi_ox_node *n, const int64_t *in_hw, int nd, const int64_t *kernel, struct npi_window *w) {
    int64_t k[2] = { 1, 1 }, s[2] = { 1, 1 }, d[2] = { 1, 1 }, p[4] = { 0 }, given[4] = { 0 };
    const int o = 2 - nd; /* one-dimensional: only the width */
    int r = spans(n, "strides", nd, 1, s + o, 1);
    if (r < 0 || (r = spans(n, "dilations", nd, 1, d + o, 1)) < 0 || (r = spans(n, "pads", 2 * nd, 0, given, 0)) < 0) return r;
    for (int i = 0; i < nd; i++) {
        k[o + i] = kernel[i];
        if (kernel[i] < 1 || kernel[i] > MAX_SPAN) return npi_ox_fail(n, NP_ESHAPE, "kernel %lld", (long long)kernel[i]);
        p[o + i] = given[i];
        p[2 + o + i] = given[nd + i];
    }
    const int upper = npi_ox_is(n, "auto_pad", "NOTSET", "SAME_UPPER"), lower = npi_ox_is(n, "auto_pad", "NOTSET", "SAME_LOWER");
    if (npi_ox_is(n, "auto_pad", "NOTSET", "VALID")) memset(p, 0, sizeof p);
    for (int i = o; i < 2 && (upper || lower); i++) same_pads(in_hw[i], k[i], s[i], d[i], lower, &p[i], &p[2 + i]);
    *w = (struct npi_window){ .kh = (int)k[0], .kw = (int)k[1], .sh = (int)s[0], .sw = (int)s[1], .dh = (int)d[0], .dw = (int)d[1],
                              .pt = (int)p[0], .pl = (int)p[1], .pb = (int)p[2], .pr = (int)p[3] };
    return 0;
}

/* Reshape and Transpose of weights. When they are dequantized from constants the integers are moved, and the scales with
 * them, so that the quantized weights stay visible: `axis` is the reshaped axis of the scales. */
int npi_ox_repack(const struct npi_ox_node *n, int w, int rank, const int64_t *d, const int *perm) {
    const struct npi_ox_side *side = npi_ox_side_of(n->o, w);
    if (!side) return NP_ENOMEM;
    if (!side->dq_of) return npi_ox_transpose(n, npi_ox_reshape(n, w, rank, d), perm);
    const int source = side->dq_of - 1;
    struct npi_view plain = *npi_ox_view(n, source);
    struct npi_quant q = plain.q;
    plain.q = (struct npi_quant){ 0 };
    int t = npi_graph_tensor(n->g, n->g->tensor[source].name, &plain);
    if (t < 0) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    if (q.n > 1 && (q.axis >= rank || d[q.axis] != q.n)) return npi_ox_fail(n, NP_EUNSUPPORTED, "weights quantized along axis %d", q.axis);
    t = npi_ox_transpose(n, npi_ox_reshape(n, t, rank, d), perm);
    if (t < 0) return t;
    if (q.n > 1) {
        int axis = 0;
        while (perm[axis] != q.axis) axis++;
        q.axis = axis;
    }
    n->g->tensor[t].v.q = q;
    return npi_ox_un(n, NPI_OP_DEQUANTIZE, NULL, t);
}

/* Weights [co][ci/g](kh)kw; x [n][c](h)w. */
int npi_ox_conv(struct npi_ox_node *n, int x, int w, int bias) {
    const int rank = npi_ox_view(n, x)->rank;
    const int image = npi_ox_image(n, x);
    if (image < 0) return image;
    const struct npi_view *wv = npi_ox_view(n, w), *iv = npi_ox_view(n, image);
    if (wv->rank != rank) return npi_ox_fail(n, NP_ESHAPE, "weights of rank %d for an input of rank %d", wv->rank, rank);
    const int64_t co = wv->d[0], cig = wv->d[1], kh = rank == 4 ? wv->d[2] : 1, kw = wv->d[rank - 1], ci = iv->d[3], groups = npi_ox_int(n, "group", 1);
    if (groups < 1 || co < 1 || cig < 1 || ci % groups || ci / groups != cig || co % groups)
        return npi_ox_fail(n, NP_ESHAPE, "%lld input channels in %lld groups with weights for %lld, %lld output channels", (long long)ci,
                (long long)groups, (long long)cig, (long long)co);
    struct npi_window win;
    int r = npi_ox_window(n, iv->d + 1, rank - 2, wv->d + 2, &win);
    if (r < 0) return r;
    const int depthwise = groups == ci && groups > 1;
    const union npi_attr a = { .conv = { .win = win, .groups = (int)groups } };
    if (depthwise) w = npi_ox_repack(n, w, 3, (const int64_t[]){ co, kh, kw }, (const int[]){ 1, 2, 0 });
    else w = npi_ox_repack(n, w, 4, (const int64_t[]){ co, cig, kh, kw }, (const int[]){ 0, 2, 3, 1 });
    if (w < 0) return w;
    const int y = npi_ox_build(n, depthwise ? NPI_OP_DWCONV2D : NPI_OP_CONV2D, &a, (int[]){ image, w, bias }, bias < 0 ? 2 : 3);
    return npi_ox_unimage(n, y, rank);
}

int npi_ox_do_conv(struct npi_ox_node *n) { return n->out[0] = npi_ox_conv(n, n->in[0], n->in[1], npi_ox_in(n, 2)); }

/* Weights [ci][co/g](kh)kw -> [co][kh][kw][ci/g]. */
static int transposed_weights(struct npi_ox_node *n, int w, int64_t groups, int64_t kh, int64_t kw) {
    const struct npi_view *v = npi_ox_view(n, w);
    const int64_t ci = v->d[0], cog = v->d[1];
    if (groups == 1) return npi_ox_repack(n, w, 4, (const int64_t[]){ ci, cog, kh, kw }, (const int[]){ 1, 2, 3, 0 });
    w = npi_ox_reshape(n, w, 5, (const int64_t[]){ groups, ci / groups, cog, kh, kw });
    w = npi_ox_transpose(n, w, (const int[]){ 0, 2, 3, 4, 1 });
    return npi_ox_reshape(n, w, 4, (const int64_t[]){ groups * cog, kh, kw, ci / groups });
}

/* Pads of a transposed convolution may be given as the size of the result. */
static int transposed_pads(struct npi_ox_node *n, int nd, const int64_t *in_hw, struct npi_window *w, int64_t *extra) {
    int64_t want[4];
    const int k = npi_ox_ints(n, "output_shape", want, 4), o = 2 - nd;
    const int lower = npi_ox_is(n, "auto_pad", "NOTSET", "SAME_LOWER"), same = lower || npi_ox_is(n, "auto_pad", "NOTSET", "SAME_UPPER");
    if (k >= 0 && k != nd && k != nd + 2) return npi_ox_fail(n, NP_ESHAPE, "output_shape has %d numbers", k);
    if (k < 0 && !same) return 0;
    int *const before[2] = { &w->pt, &w->pl }, *const after[2] = { &w->pb, &w->pr };
    for (int i = o; i < 2; i++) {
        const int64_t s = i ? w->sw : w->sh, d = i ? w->dw : w->dh, kern = i ? w->kw : w->kh;
        const int64_t out = k < 0 ? in_hw[i] * s : want[k - nd + i - o], full = s * (in_hw[i] - 1) + extra[i] + (kern - 1) * d + 1, total = full - out;
        if (out < 1 || out > MAX_SPAN * 16LL) return npi_ox_fail(n, NP_ESHAPE, "an output of %lld", (long long)out);
        if (total < 0) { /* larger than what the taps reach: the rest is bias */
            extra[i] -= total;
            *before[i] = *after[i] = 0;
            continue;
        }
        *before[i] = (int)(lower ? total - total / 2 : total / 2);
        *after[i] = (int)total - *before[i];
    }
    return 0;
}

int npi_ox_do_conv_transpose(struct npi_ox_node *n) {
    const int rank = npi_ox_view(n, n->in[0])->rank, nd = rank - 2, image = npi_ox_image(n, n->in[0]);
    if (image < 0) return image;
    const struct npi_view *wv = npi_ox_view(n, n->in[1]), *iv = npi_ox_view(n, image);
    if (wv->rank != rank) return npi_ox_fail(n, NP_ESHAPE, "weights of rank %d for an input of rank %d", wv->rank, rank);
    const int64_t kh = nd == 2 ? wv->d[2] : 1, kw = wv->d[rank - 1], ci = iv->d[3], groups = npi_ox_int(n, "group", 1), cog = wv->d[1];
    if (groups < 1 || cog < 1 || ci < 1 || wv->d[0] != ci || ci % groups || groups > MAX_SPAN || cog > MAX_SPAN)
        return npi_ox_fail(n, NP_ESHAPE, "%lld input channels in %lld groups with weights for %lld", (long long)ci, (long long)groups, (long long)wv->d[0]);
    union npi_attr a = { .convt = { .groups = (int)groups } };
    int64_t extra[2] = { 0, 0 };
    int r = npi_ox_window(n, iv->d + 1, nd, wv->d + 2, &a.convt.win);
    if (r < 0 || (r = spans(n, "output_padding", nd, 0, extra + 2 - nd, 0)) < 0 || (r = transposed_pads(n, nd, iv->d + 1, &a.convt.win, extra)) < 0) return r;
    a.convt.out_pad_h = (int)extra[0];
    a.convt.out_pad_w = (int)extra[1];
    const int w = transposed_weights(n, n->in[1], groups, kh, kw);
    if (w < 0) return w;
    const int y = npi_ox_build(n, NPI_OP_CONVT2D, &a, (int[]){ image, w, npi_ox_in(n, 2) }, npi_ox_in(n, 2) < 0 ? 2 : 3);
    return n->out[0] = npi_ox_unimage(n, y, rank);
}

int npi_ox_do_pool(struct npi_ox_node *n) {
    const int rank = npi_ox_view(n, n->in[0])->rank, nd = rank - 2, image = npi_ox_image(n, n->in[0]), indices = n->n_out > 1 && n->wanted[1];
    if (image < 0) return image;
    int64_t k[2];
    if (npi_ox_ints(n, "kernel_shape", k, 2) != nd) return npi_ox_fail(n, NP_ESHAPE, "kernel_shape must have %d numbers", nd);
    const int64_t p = npi_ox_int(n, "p", 2);
    if (p < 1 || p > 64) return npi_ox_fail(n, NP_EUNSUPPORTED, "p %lld", (long long)p);
    struct npi_node proto = { .op = (enum npi_op)n->row->arg, .name = n->name,
        .a.pool = { .ceil_mode = npi_ox_int(n, "ceil_mode", 0) != 0, .count_include_pad = npi_ox_int(n, "count_include_pad", 0) != 0,
                    .p = (int)p, .storage_order = npi_ox_int(n, "storage_order", 0) != 0 } };
    int r = npi_ox_window(n, npi_ox_view(n, image)->d + 1, nd, k, &proto.a.pool.win);
    if (r < 0) return r;
    int out[2] = { -1, -1 };
    r = npi_build(n->g, &proto, &image, 1, out, 1 + indices, NULL, NULL, n->o->err);
    for (int i = 0; r >= 0 && i <= indices; i++) r = n->out[i] = npi_ox_unimage(n, out[i], rank);
    return r;
}

int npi_ox_do_global_pool(struct npi_ox_node *n) {
    const int rank = npi_ox_view(n, n->in[0])->rank;
    if (rank < 3) return npi_ox_fail(n, NP_ESHAPE, "input of rank %d", rank);
    if (rank == 4) return n->out[0] = npi_ox_nchw(n, npi_ox_reduce(n, npi_ox_nhwc(n, n->in[0]), n->row->arg, 6, 1));
    return n->out[0] = npi_ox_reduce(n, n->in[0], n->row->arg, ((1u << rank) - 1) & ~3u, 1);
}
