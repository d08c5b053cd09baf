/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite operators with windows, matrix products and resizing. SAME and VALID become explicit pads here. */
#include "import/tflite.h"

#define TRY(call) do { const int try_r = (call); if (try_r < 0) return try_r; } while (0)

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* One dimension: pads so that `in` gives ceil(in / stride), the odd one behind. */
static void same_pads(int64_t in, int k, int stride, int dil, int *before, int *after) {
    const int64_t reach = (int64_t)(k - 1) * dil + 1, need = (ceil_div(in, stride) - 1) * stride + reach - in;
    const int total = need > 0 ? (int)need : 0;
    *before = total / 2;
    *after = total - *before;
}

static int check_window(const struct npi_tfl_op *op, const struct npi_window *w, int64_t ih, int64_t iw) {
    const int f[6] = { w->kh, w->kw, w->sh, w->sw, w->dh, w->dw };
    for (int i = 0; i < 6; i++)
        if (f[i] < 1 || f[i] > 1 << 15) return npi_tfl_fail(op, NP_EFORMAT, "window %dx%d, stride %dx%d, dilation %dx%d", w->kh, w->kw, w->sh, w->sw, w->dh, w->dw);
    return ih < 1 || iw < 1 ? npi_tfl_fail(op, NP_ESHAPE, "input is empty") : 0;
}

static int set_pads(const struct npi_tfl_op *op, struct npi_window *w, int padding, int64_t ih, int64_t iw) {
    TRY(check_window(op, w, ih, iw));
    if (padding != 0) return 0;
    same_pads(ih, w->kh, w->sh, w->dh, &w->pt, &w->pb);
    same_pads(iw, w->kw, w->sw, w->dw, &w->pl, &w->pr);
    return 0;
}

/* x, weights, bias? as 4-D; weights narrower than the input's type stay quantized only if the input is quantized too. */
static int operands(struct npi_tfl_op *op, int ix, int iw, int ib, int *in, int *n_in) {
    TRY(npi_tfl_in(op, ix, &in[0]));
    TRY(npi_tfl_in(op, iw, &in[1]));
    TRY(npi_tfl_in_opt(op, ib, &in[2]));
    *n_in = in[2] < 0 ? 2 : 3;
    const struct npi_view *x = npi_tfl_view(op, in[0]), *w = npi_tfl_view(op, in[1]);
    if (w->q.n && x->dtype == NP_F32) {
        struct npi_node n = npi_tfl_node(op, NPI_OP_DEQUANTIZE);
        n.a.cast.to = NP_F32;
        TRY(npi_tfl_mid(op, &n, &in[1], 1, &in[1]));
    }
    return 0;
}

static int window_operands(struct npi_tfl_op *op, int ix, int iw, int ib, int *in, int *n_in) {
    TRY(operands(op, ix, iw, ib, in, n_in));
    const struct npi_view *x = npi_tfl_view(op, in[0]), *w = npi_tfl_view(op, in[1]);
    if (x->rank != 4 || w->rank != 4) return npi_tfl_fail(op, NP_EFORMAT, "input has %d and weights have %d dimensions instead of 4", x->rank, w->rank);
    for (int i = 0; i < 4; i++)
        if (w->d[i] < 1 || w->d[i] > INT32_MAX || x->d[i] > INT32_MAX) return npi_tfl_fail(op, NP_EFORMAT, "a dimension is zero or too large");
    return 0;
}

/* w: [co][kh][kw][ci / groups], as ours. */
int npi_tfl_conv(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_CONV2D);
    struct npi_window *const w = &n.a.conv.win;
    int in[3], n_in;
    TRY(window_operands(op, 0, 1, 2, in, &n_in));
    const struct npi_view *x = npi_tfl_view(op, in[0]), *k = npi_tfl_view(op, in[1]);
    *w = (struct npi_window){ .kh = (int)k->d[1], .kw = (int)k->d[2], .sh = npi_fb_i32(&op->opt, 2, 0), .sw = npi_fb_i32(&op->opt, 1, 0),
                              .dh = npi_fb_i32(&op->opt, 5, 1), .dw = npi_fb_i32(&op->opt, 4, 1) };
    if (x->d[3] < 1 || x->d[3] % k->d[3] || k->d[0] % (x->d[3] / k->d[3]))
        return npi_tfl_fail(op, NP_ESHAPE, "%lld channels do not go with weights for %lld", (long long)x->d[3], (long long)k->d[3]);
    n.a.conv.groups = (int)(x->d[3] / k->d[3]);
    TRY(set_pads(op, w, npi_fb_i8(&op->opt, 0, 0), x->d[1], x->d[2]));
    TRY(npi_tfl_act(op, npi_fb_i8(&op->opt, 3, 0), &n.act));
    return npi_tfl_emit(op, &n, in, n_in);
}

/* [1][kh][kw][c] -> [kh][kw][c]: a constant keeps its bytes, only the axis of its scales moves. */
static int drop_first_dim(struct npi_tfl_op *op, int *id) {
    struct npi_view v = *npi_tfl_view(op, *id);
    if (v.d[0] != 1) return npi_tfl_fail(op, NP_ESHAPE, "the first dimension of depthwise weights is %lld, not 1", (long long)v.d[0]);
    for (int i = 0; i < 3; i++) v.d[i] = v.d[i + 1];
    v.rank = 3;
    if (!v.data) return npi_tfl_mid_reshape(op, *id, 3, v.d, id);
    if (v.q.n > 1) v.q.axis -= 1;
    if (v.q.n > 1 && v.q.axis != 2) return npi_tfl_fail(op, NP_EUNSUPPORTED, "depthwise weights with scales along axis %d", v.q.axis + 1);
    const int t = npi_graph_tensor(op->m->g, op->m->g->tensor[*id].name, &v);
    if (t < 0) return npi_tfl_nomem(op->m);
    *id = t;
    return 0;
}

int npi_tfl_dwconv(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_DWCONV2D);
    struct npi_window *const w = &n.a.conv.win;
    int in[3], n_in;
    TRY(window_operands(op, 0, 1, 2, in, &n_in));
    TRY(drop_first_dim(op, &in[1]));
    const struct npi_view *x = npi_tfl_view(op, in[0]), *k = npi_tfl_view(op, in[1]);
    *w = (struct npi_window){ .kh = (int)k->d[0], .kw = (int)k->d[1], .sh = npi_fb_i32(&op->opt, 2, 0), .sw = npi_fb_i32(&op->opt, 1, 0),
                              .dh = npi_fb_i32(&op->opt, 6, 1), .dw = npi_fb_i32(&op->opt, 5, 1) };
    if (x->d[3] < 1 || k->d[2] % x->d[3])
        return npi_tfl_fail(op, NP_ESHAPE, "%lld channels do not go with weights for %lld", (long long)x->d[3], (long long)k->d[2]);
    n.a.conv.groups = (int)x->d[3];
    TRY(set_pads(op, w, npi_fb_i8(&op->opt, 0, 0), x->d[1], x->d[2]));
    TRY(npi_tfl_act(op, npi_fb_i8(&op->opt, 4, 0), &n.act));
    return npi_tfl_emit(op, &n, in, n_in);
}

/* Size of a transposed convolution's output along one dimension -> pads and rows added behind. */
static int transposed_pads(const struct npi_tfl_op *op, int64_t in, int64_t out, int k, int s, int padding, int *before, int *after, int *added) {
    const int64_t full = (in - 1) * s + k, forward = padding == 0 ? ceil_div(out, s) : (out + s - k) / s;
    const int64_t pads = (forward - 1) * s + k - out, first = pads > 0 ? pads / 2 : 0, rest = full - first - out;
    if (out < 1 || out > INT32_MAX || first >= k || rest >= k || -rest >= INT32_MAX || (rest < 0 && -rest >= s))
        return npi_tfl_fail(op, NP_ESHAPE, "an output of %lld does not come from an input of %lld with window %d and stride %d", (long long)out, (long long)in, k, s);
    *before = (int)first;
    *after = rest > 0 ? (int)rest : 0;
    *added = rest < 0 ? (int)-rest : 0;
    return 0;
}

/* Inputs: output shape, weights [co][kh][kw][ci], x, bias?. */
int npi_tfl_convt(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_CONVT2D);
    struct npi_window *const w = &n.a.convt.win;
    int in[3], n_in, shape_id, n_shape;
    int64_t shape[4];
    TRY(window_operands(op, 2, 1, 3, in, &n_in));
    TRY(npi_tfl_in(op, 0, &shape_id));
    const struct npi_view *x = npi_tfl_view(op, in[0]), *k = npi_tfl_view(op, in[1]);
    const struct npi_tfl_tensor *out = npi_tfl_out_record(op, 0), *xr = npi_tfl_in_record(op, 2);
    if (!out || !xr) return NP_EFORMAT;
    *w = (struct npi_window){ .kh = (int)k->d[1], .kw = (int)k->d[2], .sh = npi_fb_i32(&op->opt, 2, 0), .sw = npi_fb_i32(&op->opt, 1, 0), .dh = 1, .dw = 1 };
    n.a.convt.groups = 1;
    TRY(check_window(op, w, x->d[1], x->d[2]));
    if (npi_tfl_view(op, shape_id)->data) {
        TRY(npi_tfl_ints(op, 0, "the output shape", shape, 4, &n_shape));
        if (n_shape != 4) return npi_tfl_fail(op, NP_EFORMAT, "the output shape has %d values", n_shape);
    } else { /* fed in by the caller in some models: then the shape in the file tells */
        if (out->rank != 4) return npi_tfl_fail(op, NP_EUNSUPPORTED, "the output shape is computed while running; it must be a constant");
        for (int i = 0; i < 4; i++) shape[i] = out->d[i];
    }
    /* After an override of the model's input a stored size grows by as many strides as the input grew. */
    if (op->m->resized && xr->rank == 4 && (npi_tfl_stored(op, 0) || !npi_tfl_view(op, shape_id)->data))
        for (int i = 1; i < 3; i++) shape[i] += (x->d[i] - xr->d[i]) * (i == 1 ? w->sh : w->sw);
    const int padding = npi_fb_i8(&op->opt, 0, 0);
    TRY(transposed_pads(op, x->d[1], shape[1], w->kh, w->sh, padding, &w->pt, &w->pb, &n.a.convt.out_pad_h));
    TRY(transposed_pads(op, x->d[2], shape[2], w->kw, w->sw, padding, &w->pl, &w->pr, &n.a.convt.out_pad_w));
    TRY(npi_tfl_act(op, npi_fb_i8(&op->opt, 3, 0), &n.act));
    return npi_tfl_emit(op, &n, in, n_in);
}

int npi_tfl_fully_connected(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_FULLY_CONNECTED);
    int in[3], n_in;
    if (npi_fb_i8(&op->opt, 1, 0)) return npi_tfl_fail(op, NP_EUNSUPPORTED, "shuffled weights");
    TRY(operands(op, 0, 1, 2, in, &n_in));
    TRY(npi_tfl_act(op, npi_fb_i8(&op->opt, 0, 0), &n.act));
    const struct npi_view *x = npi_tfl_view(op, in[0]), *w = npi_tfl_view(op, in[1]);
    if (w->rank != 2 || w->d[1] < 1) return npi_tfl_fail(op, NP_EFORMAT, "weights have %d dimensions or none at all", w->rank);
    if (!npi_fb_u8(&op->opt, 2, 0) && (x->rank != 2 || x->d[1] != w->d[1])) { /* keep_num_dims off: all but the last are one batch */
        const int64_t count = npi_view_count(x), d[2] = { count / w->d[1], w->d[1] };
        if (count % w->d[1]) return npi_tfl_fail(op, NP_ESHAPE, "%lld values do not make rows of %lld", (long long)count, (long long)w->d[1]);
        TRY(npi_tfl_mid_reshape(op, in[0], 2, d, &in[0]));
    }
    return npi_tfl_emit(op, &n, in, n_in);
}

int npi_tfl_matmul(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_MATMUL);
    int in[3], n_in;
    TRY(operands(op, 0, 1, 2, in, &n_in));
    n.a.matmul.ta = npi_fb_u8(&op->opt, 0, 0) != 0;
    n.a.matmul.tb = npi_fb_u8(&op->opt, 1, 0) != 0;
    n.a.matmul.alpha = 1;
    return npi_tfl_emit(op, &n, in, 2);
}

int npi_tfl_pool(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, (enum npi_op)arg);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    const struct npi_view *v = npi_tfl_view(op, x);
    if (v->rank != 4) return npi_tfl_fail(op, NP_EFORMAT, "input has %d dimensions instead of 4", v->rank);
    n.a.pool.win = (struct npi_window){ .kh = npi_fb_i32(&op->opt, 4, 0), .kw = npi_fb_i32(&op->opt, 3, 0), .sh = npi_fb_i32(&op->opt, 2, 0),
                                        .sw = npi_fb_i32(&op->opt, 1, 0), .dh = 1, .dw = 1 };
    TRY(set_pads(op, &n.a.pool.win, npi_fb_i8(&op->opt, 0, 0), v->d[1], v->d[2]));
    TRY(npi_tfl_act(op, npi_fb_i8(&op->opt, 5, 0), &n.act));
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_resize(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_RESIZE);
    const unsigned first = arg == NPI_RESIZE_LINEAR ? 2 : 0; /* two fields of the bilinear options are retired */
    const int align = npi_fb_u8(&op->opt, first, 0) != 0, half = npi_fb_u8(&op->opt, first + 1, 0) != 0;
    int x, n_size;
    int64_t size[2];
    TRY(npi_tfl_in(op, 0, &x));
    TRY(npi_tfl_ints(op, 1, "the new size", size, 2, &n_size));
    const struct npi_view *v = npi_tfl_view(op, x);
    if (v->rank != 4 || n_size != 2) return npi_tfl_fail(op, NP_EFORMAT, "input has %d dimensions, the size %d values", v->rank, n_size);
    if (align && half) return npi_tfl_fail(op, NP_EFORMAT, "align_corners and half_pixel_centers exclude each other");
    for (int i = 0; i < 2; i++) { /* a stored size follows the overridden input */
        if (op->m->resized && op->m->old_size[i] > 0 && npi_tfl_stored(op, 1)) size[i] = ceil_div(size[i] * op->m->new_size[i], op->m->old_size[i]);
        if (size[i] < 1 || size[i] > 1 << 20 || v->d[1 + i] < 1) return npi_tfl_fail(op, NP_EFORMAT, "new size %lld", (long long)size[i]);
    }
    n.a.resize.mode = arg;
    n.a.resize.coord = align ? NPI_COORD_ALIGN_CORNERS : half ? NPI_COORD_HALF_PIXEL : NPI_COORD_ASYMMETRIC;
    /* Nearest: floor without offsets; floor((x + .5) * s) of half pixels and the rounding of aligned corners are "half up" of ours. */
    n.a.resize.round = align || half ? NPI_ROUND_PREFER_CEIL : NPI_ROUND_FLOOR;
    n.a.resize.cubic_a = -.75f;
    for (int i = 0; i < 4; i++) {
        n.a.resize.size[i] = i == 1 || i == 2 ? size[i - 1] : v->d[i];
        n.a.resize.scale[i] = v->d[i] > 0 ? (float)n.a.resize.size[i] / (float)v->d[i] : 1;
    }
    return npi_tfl_emit(op, &n, &x, 1);
}

int npi_tfl_depth_space(struct npi_tfl_op *op, int arg) {
    struct npi_node n = npi_tfl_node(op, (enum npi_op)arg);
    int x;
    TRY(npi_tfl_in(op, 0, &x));
    n.a.block.block = npi_fb_i32(&op->opt, 0, 0);
    n.a.block.dcr = 1;
    if (n.a.block.block < 1 || n.a.block.block > 1 << 10) return npi_tfl_fail(op, NP_EFORMAT, "block size %d", n.a.block.block);
    return npi_tfl_emit(op, &n, &x, 1);
}
