/* SPDX-License-Identifier: Apache-2.0 */
/* Ops with windows, and resizing, as TFLite has them. */
#include <math.h>
#include <string.h>

#include "export/lower_tflite.h"
#include "ops/quantize.h"
#include "ops/resize_taps.h"

#define NOT_OURS NPI_LT_NOT_OURS

static int64_t same_total(int64_t in, int k, int s, int d) {
    const int64_t need = ((in + s - 1) / s - 1) * s + (int64_t)(k - 1) * d + 1 - in;
    return need > 0 ? need : 0;
}

int npi_lt_padding(const struct npi_window *w, int64_t h, int64_t wd) {
    if (!w->pt && !w->pb && !w->pl && !w->pr) return 1;
    const int64_t th = same_total(h, w->kh, w->sh, w->dh), tw = same_total(wd, w->kw, w->sw, w->dw);
    return w->pt == th / 2 && w->pb == th - th / 2 && w->pl == tw / 2 && w->pr == tw - tw / 2 ? 0 : -1;
}

/* Rows before and behind, filled with a value of x's type (the zero point, when it is quantized); NaN: with the lowest number. */
static int pad(struct npi_lower *l, int x, int64_t t, int64_t le, int64_t b, int64_t r, int lowest) {
    union npi_attr a = { .pad = { .mode = NPI_PAD_CONSTANT, .before = { 0, t, le, 0 }, .after = { 0, b, r, 0 } } };
    int in[2] = { x, -1 };
    if (x < 0) return x;
    const struct npi_view v = *npi_lo_view(l, x);
    if (lowest && v.q.n == 0) in[1] = npi_lo_scalar(l, x, -INFINITY);
    else if (lowest) {
        const struct npi_view c = { .dtype = v.dtype, .q = v.q };
        int32_t lo, hi;
        if ((in[1] = npi_graph_const(l->g, NULL, &c)) < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
        npi_q_range(v.dtype, &lo, &hi);
        npi_set_int(npi_lo_view(l, in[1])->data, v.dtype, 0, lo);
    }
    return in[1] < -1 ? in[1] : npi_lo_build(l, NPI_OP_PAD, &a, in, lowest ? 2 : 1);
}

/* The node again, on a padded input: no pads of its own. */
static int unpadded(struct npi_lower *l, const struct npi_node *n, const union npi_attr *a, const int *in, int n_in) {
    const struct npi_view *y = &l->from->tensor[n->out[0]].v;
    const struct npi_node p = { .op = n->op, .name = n->name, .a = *a, .act = l->act };
    const struct npi_view hint = { .dtype = y->dtype, .q = y->q };
    int out;
    for (int i = 0; i < n_in; i++)
        if (in[i] < -1) return in[i];
    const int r = npi_build(l->g, &p, in, n_in, &out, 1, NULL, &hint, l->err);
    return r < 0 ? r : out;
}

static int conv(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_window *w = &n->a.conv.win;
    const struct npi_view *x = npi_lo_view(l, in[0]);
    if (npi_lt_padding(w, x->d[1], x->d[2]) >= 0) return NOT_OURS;
    union npi_attr a = n->a;
    a.conv.win.pt = a.conv.win.pl = a.conv.win.pb = a.conv.win.pr = 0;
    const int b = n->n_in > 2 ? in[2] : -1, p[3] = { pad(l, in[0], w->pt, w->pl, w->pb, w->pr, 0), in[1], b };
    if (p[0] < 0) return p[0];
    return unpadded(l, n, &a, p, b < 0 ? 2 : 3);
}

/* ceil_mode: the window may hang over the end; by how much. */
static int64_t hang(int64_t in, int64_t out, int k, int s, int before, int after) {
    const int64_t need = (out - 1) * s + k - (in + before + after);
    return need > 0 ? need : 0;
}

/* Taps that count for output o of one axis. */
static int64_t taps(int64_t in, int k, int s, int before, int after, int count_pad, int64_t o) {
    const int64_t a = o * s - before, lo = count_pad ? -before : 0, hi = count_pad ? in + after : in;
    const int64_t from = a < lo ? lo : a, to = a + k > hi ? hi : a + k;
    return to - from;
}

static int pool(struct npi_lower *l, const struct npi_node *n, const int *in) {
    const struct npi_window *w = &n->a.pool.win;
    const struct npi_view x = *npi_lo_view(l, in[0]), y = l->from->tensor[n->out[0]].v;
    const int avg = n->op == NPI_OP_AVGPOOL2D, padding = npi_lt_padding(w, x.d[1], x.d[2]);
    if (n->n_out > 1) return npi_lo_refuse(l, "the positions of the largest values are outputs");
    if (w->dh != 1 || w->dw != 1) return npi_lo_refuse(l, "a pool with dilation %dx%d", w->dh, w->dw);
    const int64_t eh = hang(x.d[1], y.d[1], w->kh, w->sh, w->pt, w->pb), ew = hang(x.d[2], y.d[2], w->kw, w->sw, w->pl, w->pr);
    if (padding >= 0 && !eh && !ew && (padding == 1 || !avg || !n->a.pool.count_include_pad)) return NOT_OURS;
    union npi_attr a = n->a;
    a.pool.win.pt = a.pool.win.pl = a.pool.win.pb = a.pool.win.pr = a.pool.ceil_mode = a.pool.count_include_pad = 0;
    int p = pad(l, in[0], w->pt, w->pl, w->pb + eh, w->pr + ew, !avg);
    if (p < 0) return p;
    if (!avg || (n->a.pool.count_include_pad && !eh && !ew)) return unpadded(l, n, &a, &p, 1);
    /* Averages over the taps that count: the plain average times taps / counted taps. */
    if (x.q.n) return npi_lo_refuse(l, "a quantized average whose border counts fewer values");
    const struct npi_view map = { .dtype = NP_F32, .rank = 4, .d = { 1, y.d[1], y.d[2], 1 } };
    const int m = npi_graph_const(l->g, NULL, &map);
    if (m < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    float *f = npi_lo_view(l, m)->data;
    for (int64_t i = 0; i < y.d[1]; i++)
        for (int64_t k = 0; k < y.d[2]; k++) {
            const int64_t c = taps(x.d[1], w->kh, w->sh, w->pt, w->pb, n->a.pool.count_include_pad, i) * taps(x.d[2], w->kw, w->sw, w->pl, w->pr, n->a.pool.count_include_pad, k);
            f[i * y.d[2] + k] = c > 0 ? (float)((double)w->kh * w->kw / (double)c) : 0;
        }
    p = npi_lo_build(l, n->op, &a, &p, 1);
    return npi_lo_act(l, &l->act, npi_lo_bin(l, NPI_OP_MUL, p, m));
}

int npi_lt_convt_padding(const struct npi_window *w, int64_t ih, int64_t iw, int64_t oh, int64_t ow) {
    for (int valid = 0; valid < 2; valid++) {
        int fits = 1;
        for (int i = 0; i < 2; i++) {
            const int64_t in = i ? iw : ih, out = i ? ow : oh;
            const int k = i ? w->kw : w->kh, s = i ? w->sw : w->sh, before = i ? w->pl : w->pt;
            const int64_t forward = valid ? (out + s - k) / s : (out + s - 1) / s, pads = (forward - 1) * s + k - out, first = pads > 0 ? pads / 2 : 0;
            fits &= first == before && forward == in;
        }
        if (fits) return valid;
    }
    return -1;
}

/* Dilation: zeros between the weights. */
static int dilated(struct npi_lower *l, int w, const struct npi_window *win) {
    const struct npi_view v = *npi_lo_view(l, w);
    struct npi_view c = { .dtype = v.dtype, .rank = 4, .d = { v.d[0], (v.d[1] - 1) * win->dh + 1, (v.d[2] - 1) * win->dw + 1, v.d[3] } };
    if (!v.data || v.dtype != NP_F32) return npi_lo_refuse(l, "a transposed convolution with dilation whose weights are no constant");
    const int t = npi_graph_const(l->g, l->g->tensor[w].name, &c);
    if (t < 0) return npi_fail(l->err, NP_ENOMEM, "%s: out of memory", l->g->path);
    float *out = npi_lo_view(l, t)->data;
    const float *src = v.data;
    for (int64_t o = 0; o < v.d[0]; o++)
        for (int64_t y = 0; y < v.d[1]; y++)
            for (int64_t x = 0; x < v.d[2]; x++)
                memcpy(out + ((o * c.d[1] + y * win->dh) * c.d[2] + x * win->dw) * v.d[3], src + ((o * v.d[1] + y) * v.d[2] + x) * v.d[3], (size_t)v.d[3] * sizeof *src);
    return t;
}

static int convt(struct npi_lower *l, const struct npi_node *n, const int *in) {
    struct npi_window w = n->a.convt.win;
    const struct npi_view x = *npi_lo_view(l, in[0]), y = l->from->tensor[n->out[0]].v;
    if (n->a.convt.groups != 1) return npi_lo_refuse(l, "a transposed convolution in %d groups", n->a.convt.groups);
    int k = in[1];
    if (w.dh != 1 || w.dw != 1) {
        if ((k = dilated(l, k, &w)) < 0) return k;
        w.kh = (w.kh - 1) * w.dh + 1;
        w.kw = (w.kw - 1) * w.dw + 1;
        w.dh = w.dw = 1;
    }
    const int b = n->n_in > 2 ? in[2] : -1;
    union npi_attr a = { .convt = { .win = w, .groups = 1, .out_pad_h = n->a.convt.out_pad_h, .out_pad_w = n->a.convt.out_pad_w } };
    if (npi_lt_convt_padding(&w, x.d[1], x.d[2], y.d[1], y.d[2]) >= 0) {
        if (k == in[1]) return NOT_OURS;
        const int p[3] = { in[0], k, b };
        return unpadded(l, n, &a, p, b < 0 ? 2 : 3);
    }
    /* All that the taps reach, then the part that is wanted. */
    if (a.convt.out_pad_h > w.pb || a.convt.out_pad_w > w.pr) return npi_lo_refuse(l, "rows that no tap reaches (output padding %d, %d)", a.convt.out_pad_h, a.convt.out_pad_w);
    a.convt.win.pt = a.convt.win.pl = a.convt.win.pb = a.convt.win.pr = a.convt.out_pad_h = a.convt.out_pad_w = 0;
    const int p[3] = { in[0], k, b }, whole = npi_lo_build(l, n->op, &a, p, b < 0 ? 2 : 3);
    if (whole < 0) return whole;
    union npi_attr s = { .slice = { .start = { 0, w.pt, w.pl, 0 }, .step = { 1, 1, 1, 1 }, .size = { y.d[0], y.d[1], y.d[2], y.d[3] } } };
    return npi_lo_build(l, NPI_OP_SLICE, &s, &whole, 1);
}

/* ---- resize ---- */

/* The row that TFLite's nearest neighbour takes. */
static int64_t tfl_nearest(int flags, int64_t in, int64_t out, int64_t o) {
    const float scale = flags == 1 && out > 1 ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;
    const float at = ((float)o + (flags == 2 ? .5f : 0)) * scale;
    int64_t i = flags == 1 ? (int64_t)roundf(at) : (int64_t)floorf(at);
    i = i < in - 1 ? i : in - 1;
    return i < 0 ? 0 : i;
}

/* Two taps of TFLite's bilinear, as position. */
static double tfl_linear(int flags, int64_t in, int64_t out, int64_t o) {
    const double scale = flags == 1 && out > 1 ? (double)(in - 1) / (double)(out - 1) : (double)in / (double)out;
    const double at = flags == 2 ? ((double)o + .5) * scale - .5 : (double)o * scale;
    return at < 0 ? 0 : at > (double)(in - 1) ? (double)(in - 1) : at;
}

static int axis_agrees(const struct npi_node *n, const struct npi_view *x, const struct npi_view *y, int k, int flags) {
    int64_t nearest[1];
    for (int64_t o = 0; o < y->d[k]; o++) {
        if (n->a.resize.mode == NPI_RESIZE_LINEAR) {
            double v = npi_resize_coord(n, x, y, k, o);
            v = v < 0 ? 0 : v > (double)(x->d[k] - 1) ? (double)(x->d[k] - 1) : v;
            if (fabs(v - tfl_linear(flags, x->d[k], y->d[k], o)) > 1e-6 * (double)x->d[k]) return 0;
            continue;
        }
        const double v = npi_resize_coord(n, x, y, k, o);
        double r = n->a.resize.round == NPI_ROUND_FLOOR ? floor(v) : n->a.resize.round == NPI_ROUND_CEIL ? ceil(v) : n->a.resize.round == NPI_ROUND_PREFER_CEIL ? floor(v + .5) : ceil(v - .5);
        r = r < 0 ? 0 : r > (double)(x->d[k] - 1) ? (double)(x->d[k] - 1) : r;
        nearest[0] = (int64_t)r;
        if (nearest[0] != tfl_nearest(flags, x->d[k], y->d[k], o)) return 0;
    }
    return 1;
}

int npi_lt_resize_flags(const struct npi_node *n, const struct npi_view *x, const struct npi_view *y) {
    if (x->rank != 4 || !npi_resize_stays(n, x, y, 0) || !npi_resize_stays(n, x, y, 3)) return -1;
    if (n->a.resize.mode == NPI_RESIZE_CUBIC || n->a.resize.coord == NPI_COORD_TF_CROP_AND_RESIZE || n->a.resize.exclude_outside) return -1;
    if (n->a.resize.antialias && (y->d[1] < x->d[1] || y->d[2] < x->d[2])) return -1;
    static const int order[3] = { 2, 0, 1 };
    for (int i = 0; i < 3; i++)
        if (axis_agrees(n, x, y, 1, order[i]) && axis_agrees(n, x, y, 2, order[i])) return order[i];
    return -1;
}

int npi_lt_window(struct npi_lower *l, const struct npi_node *n, const int *in) {
    switch (n->op) {
    case NPI_OP_CONV2D: case NPI_OP_DWCONV2D: return conv(l, n, in);
    case NPI_OP_CONVT2D: return convt(l, n, in);
    case NPI_OP_MAXPOOL2D: case NPI_OP_AVGPOOL2D: return pool(l, n, in);
    case NPI_OP_LPPOOL2D: return npi_lo_refuse(l, "TFLite has no LpPool");
    case NPI_OP_GRID_SAMPLE: return npi_lo_refuse(l, "TFLite has no GridSample");
    case NPI_OP_RESIZE:
        return npi_lt_resize_flags(n, npi_lo_view(l, in[0]), &l->from->tensor[n->out[0]].v) >= 0 ? NOT_OURS : npi_lo_resize(l, n, in[0]);
    default: return NOT_OURS;
    }
}
