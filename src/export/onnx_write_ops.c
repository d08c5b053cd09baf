/* SPDX-License-Identifier: Apache-2.0 */
/* Every op that the lowered graph may hold, as ONNX: opset 19, or 21 with 16-bit quantization. */
#include "export/onnx_write.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/quantize.h"

struct row { enum npi_op op; const char *type; int (*fn)(struct npi_ow *w, const struct npi_node *n, const struct row *row); };

static const int to_first[4] = { 0, 3, 1, 2 }, to_last[4] = { 0, 2, 3, 1 };

int npi_ow_refuse(struct npi_ow *w, const struct npi_node *n, const char *fmt, ...) {
    char text[300], where[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return npi_fail(w->err, NP_EUNSUPPORTED, "%s: cannot be written as ONNX: %s", npi_node_where(w->g, n, where, sizeof where), text);
}

/* ---- which order ---- */

static int wants_image(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *x = &g->tensor[n->in[0]].v;
    return x->rank == 4 && n->a.resize.size[0] == x->d[0] && n->a.resize.size[3] == x->d[3];
}

/* Rows of an axis by a constant list: image in, image out. */
static int picks_rows(const struct npi_graph *g, const struct npi_node *n) {
    return g->tensor[n->in[0]].v.rank == 4 && g->tensor[n->in[1]].v.rank == 1 && g->tensor[n->in[1]].v.data && !n->a.gather.batch_dims;
}

int npi_ow_wants(const struct npi_graph *g, const struct npi_node *n) {
    if (n->op >= NPI_OP_RELU && n->op <= NPI_OP_SQUARED_DIFF) return NPI_OW_FOLLOWS;
    switch ((int)n->op) {
    case NPI_OP_CONV2D: case NPI_OP_DWCONV2D: case NPI_OP_CONVT2D: case NPI_OP_MAXPOOL2D: case NPI_OP_AVGPOOL2D: case NPI_OP_LPPOOL2D: case NPI_OP_GRID_SAMPLE:
    case NPI_OP_DEPTH_TO_SPACE: case NPI_OP_SPACE_TO_DEPTH: return NPI_OW_WANTS_FIRST;
    case NPI_OP_GATHER: return picks_rows(g, n) ? NPI_OW_FOLLOWS : NPI_OW_WANTS_PLAIN;
    case NPI_OP_RESIZE: return wants_image(g, n) ? NPI_OW_WANTS_FIRST : NPI_OW_WANTS_PLAIN;
    case NPI_OP_ATAN2: case NPI_OP_PRELU: case NPI_OP_EQUAL: case NPI_OP_NOT_EQUAL: case NPI_OP_LESS: case NPI_OP_LESS_EQUAL: case NPI_OP_GREATER:
    case NPI_OP_GREATER_EQUAL: case NPI_OP_AND: case NPI_OP_OR: case NPI_OP_XOR: case NPI_OP_BITWISE_AND: case NPI_OP_BITWISE_OR: case NPI_OP_BITWISE_XOR:
    case NPI_OP_BIT_SHIFT: case NPI_OP_WHERE: case NPI_OP_REDUCE: case NPI_OP_SOFTMAX: case NPI_OP_LOG_SOFTMAX: case NPI_OP_LP_NORM: case NPI_OP_CONCAT: case NPI_OP_SLICE:
    case NPI_OP_PAD: case NPI_OP_TILE: case NPI_OP_EXPAND: case NPI_OP_REVERSE: return NPI_OW_FOLLOWS;
    default: return NPI_OW_WANTS_PLAIN;
    }
}

/* An op that does not mind goes where most of its operands are; with operands of lower rank that are no constants, plain is the only way. */
static int follow(const struct npi_ow *w, const struct npi_node *n) {
    int lack_plain = 0, lack_first = 0;
    for (int i = 0; i < n->n_in; i++) {
        const struct npi_view *v = n->in[i] < 0 ? NULL : npi_ow_view(w, n->in[i]);
        if (!v || v->data) continue;
        if (v->rank != 4 && npi_view_count(v) > 1) return NPI_OW_PLAIN;
        if (v->rank != 4) continue;
        lack_plain += !npi_ow_has(w, n->in[i], NPI_OW_PLAIN);
        lack_first += !npi_ow_has(w, n->in[i], NPI_OW_FIRST);
    }
    if (npi_ow_view(w, n->in[0])->rank != 4 && n->op != NPI_OP_WHERE && n->n_in == 1) return NPI_OW_PLAIN;
    return lack_plain > 0 && lack_first <= lack_plain ? NPI_OW_FIRST : NPI_OW_PLAIN;
}

/* ---- pieces ---- */

static int bad_input(struct npi_ow *w, const struct npi_node *n, int i) {
    char where[256];
    return npi_fail(w->err, NP_EINTERNAL, "%s: input %d was never written", npi_node_where(w->g, n, where, sizeof where), i);
}

/* Inputs of node n in this form, written before the node begins (a Transpose may come first). */
static int fetch(struct npi_ow *w, const struct npi_node *n, int form, const char **x) {
    for (int i = 0; i < n->n_in; i++) {
        x[i] = n->in[i] < 0 ? "" : npi_ow_in(w, n->in[i], form);
        if (!x[i]) return bad_input(w, n, i);
    }
    return 0;
}

static size_t begin1(struct npi_ow *w, const char *type, const struct npi_node *n, const char *x, const char *y) {
    const size_t m = npi_ow_begin(w, type, n->name);
    npi_ow_arg(w, x);
    if (y) npi_ow_result(w, y);
    return m;
}

void npi_ow_quant(struct npi_ow *w, const char *type, const char *name, const char *x, const struct npi_view *v, int axis, const char *y) {
    const int n = v->q.n, rank = n > 1;
    const char *scale = npi_ow_floats(w, "scale", v->q.scale, n, rank), *zero = NULL;
    const size_t elem = np_dtype_size(v->dtype);
    if (v->dtype != NP_I32) { /* int32 has no zero point; the others say their type with it */
        uint8_t *z = npi_arena_alloc(&w->tmp, (size_t)n * elem);
        for (int i = 0; z && i < n; i++) npi_set_int(z, v->dtype, i, npi_q_zero(v, i));
        if (z) zero = npi_ow_const(w, npi_ow_fresh(w, "zero"), v->dtype, rank, (const int64_t[]){ n }, z, NULL);
    }
    const size_t m = npi_ow_begin(w, type, name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, scale);
    if (zero) npi_ow_arg(w, zero);
    npi_ow_result(w, y);
    if (n > 1) npi_ow_int(w, "axis", axis);
    npi_ow_end(w, m);
}

/* ---- handlers ---- */

#define HANDLER(name) static int name(struct npi_ow *w, const struct npi_node *n, const struct row *row)

/* Same shape or broadcasting, no attributes. */
HANDLER(plain) {
    const int form = follow(w, n);
    const char **x = npi_arena_array(&w->tmp, const char *, n->n_in + 1);
    if (!x) return npi_ow_nomem(w);
    const int r = fetch(w, n, form, x);
    if (r < 0) return r;
    const size_t m = npi_ow_begin(w, row->type, n->name);
    for (int i = 0; i < n->n_in; i++) npi_ow_arg(w, x[i]);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    if (n->op == NPI_OP_MOD && n->a.misc.mode_fmod) npi_ow_int(w, "fmod", 1);
    if (n->op == NPI_OP_BIT_SHIFT) npi_ow_str(w, "direction", n->a.misc.direction_right ? "RIGHT" : "LEFT");
    if (n->op == NPI_OP_ISINF) {
        npi_ow_int(w, "detect_negative", n->a.misc.detect_negative);
        npi_ow_int(w, "detect_positive", n->a.misc.detect_positive);
    }
    if (n->op == NPI_OP_CONCAT) npi_ow_int(w, "axis", npi_ow_axis(form, n->a.concat.axis));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(unary_ab) {
    static const struct { enum npi_op op; const char *a, *b; } names[] = {
        { NPI_OP_LEAKY_RELU, "alpha", NULL }, { NPI_OP_ELU, "alpha", NULL }, { NPI_OP_CELU, "alpha", NULL }, { NPI_OP_SELU, "alpha", "gamma" },
        { NPI_OP_HARD_SIGMOID, "alpha", "beta" }, { NPI_OP_THRESHOLDED_RELU, "alpha", NULL }, { NPI_OP_SHRINK, "lambd", "bias" },
    };
    const int form = follow(w, n);
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return bad_input(w, n, 0);
    const size_t m = begin1(w, row->type, n, x, npi_ow_out(w, n->out[0], form));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].op != n->op) continue;
        npi_ow_float(w, names[i].a, n->a.unary.a);
        if (names[i].b) npi_ow_float(w, names[i].b, n->a.unary.b);
    }
    npi_ow_end(w, m);
    return 0;
}

HANDLER(clamp) {
    const int form = follow(w, n);
    const float lo = n->a.unary.a, hi = n->a.unary.b;
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return bad_input(w, n, 0);
    const char *a = lo == -INFINITY ? "" : npi_ow_floats(w, "min", &lo, 1, 0), *b = hi == INFINITY ? NULL : npi_ow_floats(w, "max", &hi, 1, 0);
    const size_t m = npi_ow_begin(w, "Clip", n->name);
    npi_ow_arg(w, x);
    if (*a || b) npi_ow_arg(w, a);
    if (b) npi_ow_arg(w, b);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(cast) {
    const int form = follow(w, n), to = n->op == NPI_OP_CAST ? n->a.cast.to : NP_F32;
    if (n->op == NPI_OP_CAST && n->a.cast.round_saturate) return npi_ow_refuse(w, n, "a cast that rounds");
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return bad_input(w, n, 0);
    const size_t m = begin1(w, "Cast", n, x, npi_ow_out(w, n->out[0], form));
    npi_ow_int(w, "to", npi_ow_type(to));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(quantize) {
    const int dq = n->op == NPI_OP_DEQUANTIZE, form = follow(w, n);
    const struct npi_view *v = npi_ow_view(w, dq ? n->in[0] : n->out[0]);
    if (dq && v->q.n == 0) return cast(w, n, row); /* f16, bf16 */
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return bad_input(w, n, 0);
    if (!dq && v->dtype == NP_I32) return npi_ow_refuse(w, n, "quantization to 32 bits");
    npi_ow_quant(w, row->type, n->name, x, v, v->q.n > 1 && form == NPI_OW_FIRST ? npi_ow_axis(form, v->q.axis) : v->q.axis, npi_ow_out(w, n->out[0], form));
    return 0;
}

static void window(struct npi_ow *w, const struct npi_window *a) {
    npi_ow_ilist(w, "kernel_shape", (const int64_t[]){ a->kh, a->kw }, 2);
    npi_ow_ilist(w, "strides", (const int64_t[]){ a->sh, a->sw }, 2);
    npi_ow_ilist(w, "pads", (const int64_t[]){ a->pt, a->pl, a->pb, a->pr }, 4);
    if (a->dh != 1 || a->dw != 1) npi_ow_ilist(w, "dilations", (const int64_t[]){ a->dh, a->dw }, 2);
}

HANDLER(conv) {
    const int kind = n->op == NPI_OP_CONV2D ? 'C' : n->op == NPI_OP_DWCONV2D ? 'D' : 'T', groups = n->op == NPI_OP_DWCONV2D ? (int)npi_ow_view(w, n->in[0])->d[3] :
                     n->op == NPI_OP_CONVT2D ? n->a.convt.groups : n->a.conv.groups;
    const struct npi_window *win = kind == 'T' ? &n->a.convt.win : &n->a.conv.win;
    if (kind == 'T' && groups > 1) return npi_ow_refuse(w, n, "a transposed convolution in %d groups", groups);
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST), *k = npi_ow_weights(w, n->in[1], kind), *b = n->n_in > 2 && n->in[2] >= 0 ? npi_ow_in(w, n->in[2], NPI_OW_PLAIN) : "";
    if (!x || !k || !b) return bad_input(w, n, !x ? 0 : !k ? 1 : 2);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, k);
    if (*b) npi_ow_arg(w, b);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    window(w, win);
    if (groups > 1) npi_ow_int(w, "group", groups);
    if (kind == 'T') npi_ow_ilist(w, "output_padding", (const int64_t[]){ n->a.convt.out_pad_h, n->a.convt.out_pad_w }, 2);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(pool) {
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST);
    if (!x) return bad_input(w, n, 0);
    const size_t m = begin1(w, row->type, n, x, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    if (n->n_out > 1 && n->out[1] >= 0) npi_ow_result(w, npi_ow_out(w, n->out[1], NPI_OW_FIRST));
    window(w, &n->a.pool.win);
    if (n->a.pool.ceil_mode) npi_ow_int(w, "ceil_mode", 1);
    if (n->op == NPI_OP_AVGPOOL2D && n->a.pool.count_include_pad) npi_ow_int(w, "count_include_pad", 1);
    if (n->op == NPI_OP_LPPOOL2D) npi_ow_int(w, "p", n->a.pool.p);
    if (n->op == NPI_OP_MAXPOOL2D && n->a.pool.storage_order) npi_ow_int(w, "storage_order", 1);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(resize) {
    static const char *const modes[] = { "nearest", "linear", "cubic" };
    static const char *const coords[] = { "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize", "half_pixel_symmetric" };
    static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };
    const int form = wants_image(w->g, n) ? NPI_OW_FIRST : NPI_OW_PLAIN;
    const struct npi_view *v = npi_ow_view(w, n->in[0]);
    int64_t size[NP_MAX_RANK];
    float scale[NP_MAX_RANK], roi[2 * NP_MAX_RANK];
    int by_scale = 0;
    const char *x = npi_ow_in(w, n->in[0], form), *r = "";
    if (!x) return bad_input(w, n, 0);
    for (int i = 0; i < v->rank; i++) {
        const int k = npi_ow_source(form, i);
        size[i] = n->a.resize.size[k];
        scale[i] = n->a.resize.scale[k];
        roi[i] = n->a.resize.roi[k];
        roi[v->rank + i] = n->a.resize.roi[v->rank + k];
        by_scale |= scale[i] != (float)((double)size[i] / (double)v->d[k]); /* the file gave scales, and they do not divide */
    }
    if (n->a.resize.coord == NPI_COORD_TF_CROP_AND_RESIZE) r = npi_ow_floats(w, "roi", roi, 2 * v->rank, 1);
    const char *by = by_scale ? npi_ow_floats(w, "scales", scale, v->rank, 1) : npi_ow_ints(w, "sizes", size, v->rank);
    const size_t m = npi_ow_begin(w, "Resize", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, r);
    if (!by_scale) npi_ow_arg(w, "");
    npi_ow_arg(w, by);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    npi_ow_str(w, "mode", modes[n->a.resize.mode]);
    npi_ow_str(w, "coordinate_transformation_mode", coords[n->a.resize.coord]);
    if (n->a.resize.mode == NPI_RESIZE_NEAREST) npi_ow_str(w, "nearest_mode", rounds[n->a.resize.round]);
    if (n->a.resize.mode == NPI_RESIZE_CUBIC) npi_ow_float(w, "cubic_coeff_a", n->a.resize.cubic_a);
    if (n->a.resize.antialias) npi_ow_int(w, "antialias", 1);
    if (n->a.resize.exclude_outside) npi_ow_int(w, "exclude_outside", 1);
    if (n->a.resize.extrapolation != 0) npi_ow_float(w, "extrapolation_value", n->a.resize.extrapolation);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(grid_sample) {
    static const char *const modes[] = { "nearest", "bilinear", "bicubic" }, *const paddings[] = { "zeros", "border", "reflection" };
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST), *g = npi_ow_in(w, n->in[1], NPI_OW_PLAIN);
    if (!x || !g) return bad_input(w, n, x != NULL);
    const size_t m = npi_ow_begin(w, "GridSample", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, g);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    npi_ow_str(w, "mode", modes[n->a.grid.mode]);
    npi_ow_str(w, "padding_mode", paddings[n->a.grid.padding]);
    npi_ow_int(w, "align_corners", n->a.grid.align_corners);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(depth_space) {
    if (n->op == NPI_OP_SPACE_TO_DEPTH && !n->a.block.dcr) return npi_ow_refuse(w, n, "SpaceToDepth in column order");
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST);
    if (!x) return bad_input(w, n, 0);
    const size_t m = begin1(w, row->type, n, x, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    npi_ow_int(w, "blocksize", n->a.block.block);
    if (n->op == NPI_OP_DEPTH_TO_SPACE) npi_ow_str(w, "mode", n->a.block.dcr ? "DCR" : "CRD");
    npi_ow_end(w, m);
    return 0;
}

/* [m][k] x [n][k]: Gemm; more dimensions: MatMul with the weights turned round. */
HANDLER(fully_connected) {
    const int gemm = npi_ow_view(w, n->in[0])->rank == 2;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *k = gemm ? npi_ow_in(w, n->in[1], NPI_OW_PLAIN) : npi_ow_weights(w, n->in[1], 'F');
    const char *b = n->n_in > 2 && n->in[2] >= 0 ? npi_ow_in(w, n->in[2], NPI_OW_PLAIN) : "";
    if (!x || !k || !b) return bad_input(w, n, !x ? 0 : !k ? 1 : 2);
    const size_t m = npi_ow_begin(w, gemm ? "Gemm" : "MatMul", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, k);
    if (*b) npi_ow_arg(w, b);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    if (gemm) npi_ow_int(w, "transB", 1);
    npi_ow_end(w, m);
    return 0;
}

/* One operand and an axis. */
HANDLER(along) {
    const int follows = npi_ow_wants(w->g, n) == NPI_OW_FOLLOWS, form = follows ? follow(w, n) : NPI_OW_PLAIN, rank = npi_ow_view(w, n->in[0])->rank;
    const char *x[3] = { "", "", "" };
    for (int i = 0; i < n->n_in && i < 3; i++)
        if (n->in[i] >= 0 && !(x[i] = npi_ow_in(w, n->in[i], i ? NPI_OW_PLAIN : form))) return bad_input(w, n, i);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    for (int i = 0; i < n->n_in && i < 3; i++) npi_ow_arg(w, x[i]);
    for (int i = 0; i < n->n_out; i++) npi_ow_result(w, npi_ow_out(w, n->out[i], form));
    const int axis = n->a.norm.axis < 0 ? n->a.norm.axis + rank : n->a.norm.axis;
    if (n->op != NPI_OP_LRN && n->op != NPI_OP_GROUP_NORM) npi_ow_int(w, "axis", npi_ow_axis(form, axis));
    if (n->op == NPI_OP_LAYER_NORM || n->op == NPI_OP_GROUP_NORM) npi_ow_float(w, "epsilon", n->a.norm.eps);
    if (n->op == NPI_OP_LP_NORM) npi_ow_int(w, "p", n->a.norm.groups);
    if (n->op == NPI_OP_LRN) {
        npi_ow_int(w, "size", n->a.norm.groups);
        npi_ow_float(w, "alpha", n->a.norm.alpha);
        npi_ow_float(w, "beta", n->a.norm.beta);
        npi_ow_float(w, "bias", n->a.norm.bias);
    }
    npi_ow_end(w, m);
    return 0;
}

/* LayerNormalization wants a scale. */
HANDLER(layer_norm) {
    if (n->n_in > 1 && n->in[1] >= 0) return along(w, n, row);
    const struct npi_view *v = npi_ow_view(w, n->in[0]);
    struct npi_view ones = { .dtype = NP_F32 };
    for (int i = n->a.norm.axis < 0 ? n->a.norm.axis + v->rank : n->a.norm.axis; i < v->rank; i++) ones.d[ones.rank++] = v->d[i];
    const int64_t count = npi_view_count(&ones);
    float *one = npi_arena_array(&w->tmp, float, count);
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *b = n->n_in > 2 && n->in[2] >= 0 ? npi_ow_in(w, n->in[2], NPI_OW_PLAIN) : "";
    if (!one) return npi_ow_nomem(w);
    if (!x || !b) return bad_input(w, n, x ? 2 : 0);
    for (int64_t i = 0; i < count; i++) one[i] = 1;
    const char *s = npi_ow_const(w, npi_ow_fresh(w, "ones"), NP_F32, ones.rank, ones.d, one, NULL);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, s);
    if (*b) npi_ow_arg(w, b);
    for (int i = 0; i < n->n_out; i++) npi_ow_result(w, npi_ow_out(w, n->out[i], NPI_OW_PLAIN));
    npi_ow_int(w, "axis", n->a.norm.axis);
    npi_ow_float(w, "epsilon", n->a.norm.eps);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(cumsum) {
    const int64_t axis = n->a.gather.axis;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *a = npi_ow_const(w, npi_ow_fresh(w, "axis"), NP_I64, 0, NULL, &axis, NULL);
    if (!x) return bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, "CumSum", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, a);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_int(w, "exclusive", n->a.gather.exclusive);
    npi_ow_int(w, "reverse", n->a.gather.reverse);
    npi_ow_end(w, m);
    return 0;
}

/* Without the reduced dims the others must be in the same order in both layouts. */
static int reduce_form(const struct npi_ow *w, const struct npi_node *n) {
    const int form = follow(w, n);
    if (form == NPI_OW_PLAIN || n->a.reduce.keepdims) return form;
    const unsigned kept = ~n->a.reduce.axes & 15u; /* channels (3) move in front of rows and columns (1, 2) */
    return kept & 8u && kept & 6u ? NPI_OW_PLAIN : NPI_OW_FIRST;
}

HANDLER(reduce) {
    static const char *const names[] = { "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
                                         "ReduceLogSumExp", "ReduceSumSquare" };
    const int form = reduce_form(w, n), rank = npi_ow_view(w, n->in[0])->rank;
    int64_t axes[NP_MAX_RANK];
    int k = 0;
    if (n->a.reduce.kind > NPI_REDUCE_SUM_SQUARE) return npi_ow_refuse(w, n, "reduction %d", n->a.reduce.kind);
    for (int i = 0; i < rank; i++)
        if (n->a.reduce.axes >> npi_ow_source(form, i) & 1) axes[k++] = i;
    const char *x = npi_ow_in(w, n->in[0], form), *a = npi_ow_ints(w, "axes", axes, k);
    if (!x) return bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, names[n->a.reduce.kind], n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, a);
    npi_ow_result(w, npi_ow_out(w, n->out[0], n->a.reduce.keepdims ? form : NPI_OW_PLAIN));
    npi_ow_int(w, "keepdims", n->a.reduce.keepdims);
    if (!k) npi_ow_int(w, "noop_with_empty_axes", 1);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(argminmax) {
    const int narrow = npi_ow_view(w, n->out[0])->dtype != NP_I64;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *y = narrow ? npi_ow_fresh(w, "index") : npi_ow_out(w, n->out[0], NPI_OW_PLAIN);
    if (!x || !y) return bad_input(w, n, 0);
    size_t m = begin1(w, row->type, n, x, y);
    npi_ow_int(w, "axis", n->a.reduce.axis);
    npi_ow_int(w, "keepdims", n->a.reduce.keepdims);
    if (n->a.reduce.select_last) npi_ow_int(w, "select_last_index", 1);
    npi_ow_end(w, m);
    if (!narrow) return 0;
    m = begin1(w, "Cast", n, y, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_int(w, "to", npi_ow_type(npi_ow_view(w, n->out[0])->dtype));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(topk) {
    const int narrow = npi_ow_view(w, n->out[1])->dtype != NP_I64;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *k = npi_ow_ints(w, "k", &n->a.topk.k, 1);
    const char *y = npi_ow_out(w, n->out[0], NPI_OW_PLAIN), *i = narrow ? npi_ow_fresh(w, "index") : npi_ow_out(w, n->out[1], NPI_OW_PLAIN);
    if (!x || !i) return bad_input(w, n, 0);
    size_t m = npi_ow_begin(w, "TopK", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, k);
    npi_ow_result(w, y);
    npi_ow_result(w, i);
    npi_ow_int(w, "axis", n->a.topk.axis);
    npi_ow_int(w, "largest", n->a.topk.largest);
    npi_ow_int(w, "sorted", n->a.topk.sorted);
    npi_ow_end(w, m);
    if (!narrow) return 0;
    m = begin1(w, "Cast", n, i, npi_ow_out(w, n->out[1], NPI_OW_PLAIN));
    npi_ow_int(w, "to", npi_ow_type(npi_ow_view(w, n->out[1])->dtype));
    npi_ow_end(w, m);
    return 0;
}

/* A second input with the dims of the result, or the repeats. */
HANDLER(shaped) {
    const int follows = npi_ow_wants(w->g, n) == NPI_OW_FOLLOWS && n->a.shape.rank == npi_ow_view(w, n->in[0])->rank, form = follows ? follow(w, n) : NPI_OW_PLAIN;
    const struct npi_view *y = npi_ow_view(w, n->out[0]);
    int64_t d[NP_MAX_RANK];
    for (int i = 0; i < y->rank; i++) d[i] = n->op == NPI_OP_TILE ? n->a.shape.dims[npi_ow_source(form, i)] : y->d[npi_ow_source(form, i)];
    const char *x = npi_ow_in(w, n->in[0], form), *s = npi_ow_ints(w, "shape", d, y->rank);
    if (!x) return bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, s);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    if (n->op == NPI_OP_RESHAPE) npi_ow_int(w, "allowzero", 1);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(transpose) {
    const int *p = n->a.transpose.perm, x = n->in[0], rank = npi_ow_view(w, x)->rank;
    int64_t perm[NP_MAX_RANK];
    int form = NPI_OW_PLAIN;
    /* The other side of the same tensor: nothing is written, unless somebody has to turn it after all. */
    if (rank == 4 && !npi_ow_view(w, x)->data && !memcmp(p, to_first, sizeof to_first) && npi_ow_has(w, x, NPI_OW_FIRST)) {
        w->t[n->out[0]].name[NPI_OW_PLAIN] = w->t[x].name[NPI_OW_FIRST];
        return 0;
    }
    if (rank == 4 && !memcmp(p, to_last, sizeof to_last) && w->io[n->out[0]] != 2) {
        if (!(w->t[n->out[0]].name[NPI_OW_FIRST] = npi_ow_in(w, x, NPI_OW_PLAIN))) return bad_input(w, n, 0);
        return 0;
    }
    if (rank == 4 && !npi_ow_has(w, x, NPI_OW_PLAIN) && npi_ow_has(w, x, NPI_OW_FIRST)) form = NPI_OW_FIRST;
    for (int i = 0; i < rank; i++) perm[i] = npi_ow_axis(form, p[i]);
    const char *in = npi_ow_in(w, x, form);
    if (!in) return bad_input(w, n, 0);
    const size_t m = begin1(w, "Transpose", n, in, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_ilist(w, "perm", perm, rank);
    npi_ow_end(w, m);
    w->n_transposes++;
    return 0;
}

static int slice_node(struct npi_ow *w, const struct npi_node *n, int form, const int64_t *start, const int64_t *end, const int64_t *axes, const int64_t *step, int k) {
    const char *x = npi_ow_in(w, n->in[0], form);
    if (!x) return bad_input(w, n, 0);
    const char *in[4] = { npi_ow_ints(w, "starts", start, k), npi_ow_ints(w, "ends", end, k), npi_ow_ints(w, "axes", axes, k), npi_ow_ints(w, "steps", step, k) };
    const size_t m = npi_ow_begin(w, "Slice", n->name);
    npi_ow_arg(w, x);
    for (int i = 0; i < 4; i++) npi_ow_arg(w, in[i]);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    npi_ow_end(w, m);
    return 0;
}

HANDLER(slice) {
    const int form = follow(w, n), rank = npi_ow_view(w, n->in[0])->rank;
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

HANDLER(reverse) {
    const int form = follow(w, n), rank = npi_ow_view(w, n->in[0])->rank;
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

HANDLER(pad) {
    static const char *const modes[] = { "constant", "reflect", "edge", "wrap" };
    const int form = follow(w, n), rank = npi_ow_view(w, n->in[0])->rank, dtype = npi_ow_view(w, n->in[0])->dtype;
    int64_t pads[2 * NP_MAX_RANK];
    if (n->a.pad.mode > NPI_PAD_WRAP) return npi_ow_refuse(w, n, "padding that repeats the border (symmetric)");
    for (int i = 0; i < rank; i++) {
        pads[i] = n->a.pad.before[npi_ow_source(form, i)];
        pads[rank + i] = n->a.pad.after[npi_ow_source(form, i)];
    }
    const char *x = npi_ow_in(w, n->in[0], form), *p = npi_ow_ints(w, "pads", pads, 2 * rank), *v = NULL;
    if (!x) return bad_input(w, n, 0);
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

HANDLER(gather) {
    static const char *const reductions[] = { "none", "add", "mul", "max", "min" };
    const char *x[3];
    if (n->op == NPI_OP_GATHER && n->a.gather.batch_dims) return npi_ow_refuse(w, n, "a gather with %d batch dimensions", n->a.gather.batch_dims);
    const int form = n->op == NPI_OP_GATHER && picks_rows(w->g, n) ? follow(w, n) : NPI_OW_PLAIN;
    for (int i = 0; i < n->n_in; i++)
        if (!(x[i] = npi_ow_in(w, n->in[i], i ? NPI_OW_PLAIN : form))) return bad_input(w, n, i);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    for (int i = 0; i < n->n_in; i++) npi_ow_arg(w, x[i]);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    if (n->op == NPI_OP_GATHER_ND) npi_ow_int(w, "batch_dims", n->a.gather.batch_dims);
    else if (n->op != NPI_OP_SCATTER_ND) npi_ow_int(w, "axis", npi_ow_axis(form, n->a.gather.axis < 0 ? n->a.gather.axis + npi_ow_view(w, n->in[0])->rank : n->a.gather.axis));
    if (n->op == NPI_OP_SCATTER_ND || n->op == NPI_OP_SCATTER_ELEMENTS) npi_ow_str(w, "reduction", reductions[n->a.gather.reduction]);
    npi_ow_end(w, m);
    return 0;
}

HANDLER(trilu) {
    const int64_t k = n->a.gather.axis;
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_PLAIN), *d = npi_ow_const(w, npi_ow_fresh(w, "k"), NP_I64, 0, NULL, &k, NULL);
    if (!x) return bad_input(w, n, 0);
    const size_t m = npi_ow_begin(w, "Trilu", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, d);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_PLAIN));
    npi_ow_int(w, "upper", n->a.gather.upper);
    npi_ow_end(w, m);
    return 0;
}

#define UN(id, name) { NPI_OP_##id, name, plain }
static const struct row rows[] = {
    { NPI_OP_CONV2D, "Conv", conv }, { NPI_OP_DWCONV2D, "Conv", conv }, { NPI_OP_CONVT2D, "ConvTranspose", conv },
    { NPI_OP_FULLY_CONNECTED, "Gemm", fully_connected }, UN(MATMUL, "MatMul"),
    { NPI_OP_MAXPOOL2D, "MaxPool", pool }, { NPI_OP_AVGPOOL2D, "AveragePool", pool }, { NPI_OP_LPPOOL2D, "LpPool", pool },
    { NPI_OP_RESIZE, "Resize", resize }, { NPI_OP_GRID_SAMPLE, "GridSample", grid_sample },
    { NPI_OP_SOFTMAX, "Softmax", along }, { NPI_OP_LOG_SOFTMAX, "LogSoftmax", along }, { NPI_OP_HARDMAX, "Hardmax", along },
    { NPI_OP_LAYER_NORM, "LayerNormalization", layer_norm }, { NPI_OP_GROUP_NORM, "InstanceNormalization", along },
    { NPI_OP_LP_NORM, "LpNormalization", along }, { NPI_OP_LRN, "LRN", along }, { NPI_OP_CUMSUM, "CumSum", cumsum },
    UN(RELU, "Relu"), { NPI_OP_LEAKY_RELU, "LeakyRelu", unary_ab }, { NPI_OP_CLAMP, "Clip", clamp }, UN(SIGMOID, "Sigmoid"), UN(TANH, "Tanh"),
    { NPI_OP_HARD_SIGMOID, "HardSigmoid", unary_ab }, UN(HARD_SWISH, "HardSwish"), { NPI_OP_ELU, "Elu", unary_ab }, { NPI_OP_SELU, "Selu", unary_ab },
    { NPI_OP_CELU, "Celu", unary_ab }, UN(ERF, "Erf"), UN(EXP, "Exp"), UN(LOG, "Log"), UN(SQRT, "Sqrt"), UN(ABS, "Abs"), UN(NEG, "Neg"), UN(SIGN, "Sign"),
    UN(FLOOR, "Floor"), UN(CEIL, "Ceil"), UN(ROUND, "Round"), UN(RECIPROCAL, "Reciprocal"), UN(SOFTPLUS, "Softplus"), UN(SOFTSIGN, "Softsign"), UN(MISH, "Mish"),
    { NPI_OP_THRESHOLDED_RELU, "ThresholdedRelu", unary_ab }, { NPI_OP_SHRINK, "Shrink", unary_ab },
    UN(SIN, "Sin"), UN(COS, "Cos"), UN(TAN, "Tan"), UN(ASIN, "Asin"), UN(ACOS, "Acos"), UN(ATAN, "Atan"), UN(SINH, "Sinh"), UN(COSH, "Cosh"), UN(ASINH, "Asinh"),
    UN(ACOSH, "Acosh"), UN(ATANH, "Atanh"), UN(NOT, "Not"), UN(BITWISE_NOT, "BitwiseNot"), UN(ISNAN, "IsNaN"), UN(ISINF, "IsInf"),
    { NPI_OP_CAST, "Cast", cast }, { NPI_OP_QUANTIZE, "QuantizeLinear", quantize }, { NPI_OP_DEQUANTIZE, "DequantizeLinear", quantize },
    UN(ADD, "Add"), UN(SUB, "Sub"), UN(MUL, "Mul"), UN(DIV, "Div"), UN(MOD, "Mod"), UN(POW, "Pow"), UN(MIN, "Min"), UN(MAX, "Max"), UN(PRELU, "PRelu"),
    UN(EQUAL, "Equal"), UN(LESS, "Less"), UN(LESS_EQUAL, "LessOrEqual"), UN(GREATER, "Greater"), UN(GREATER_EQUAL, "GreaterOrEqual"),
    UN(AND, "And"), UN(OR, "Or"), UN(XOR, "Xor"), UN(BITWISE_AND, "BitwiseAnd"), UN(BITWISE_OR, "BitwiseOr"), UN(BITWISE_XOR, "BitwiseXor"), UN(BIT_SHIFT, "BitShift"),
    UN(WHERE, "Where"), { NPI_OP_REDUCE, "Reduce", reduce }, { NPI_OP_ARGMAX, "ArgMax", argminmax }, { NPI_OP_ARGMIN, "ArgMin", argminmax },
    { NPI_OP_TOPK, "TopK", topk }, UN(NMS, "NonMaxSuppression"),
    { NPI_OP_RESHAPE, "Reshape", shaped }, { NPI_OP_TRANSPOSE, "Transpose", transpose }, UN(CONCAT, "Concat"), { NPI_OP_SLICE, "Slice", slice },
    { NPI_OP_PAD, "Pad", pad }, { NPI_OP_TILE, "Tile", shaped }, { NPI_OP_EXPAND, "Expand", shaped },
    { NPI_OP_GATHER, "Gather", gather }, { NPI_OP_GATHER_ND, "GatherND", gather }, { NPI_OP_GATHER_ELEMENTS, "GatherElements", gather },
    { NPI_OP_SCATTER_ND, "ScatterND", gather }, { NPI_OP_SCATTER_ELEMENTS, "ScatterElements", gather }, { NPI_OP_REVERSE, "Slice", reverse },
    { NPI_OP_DEPTH_TO_SPACE, "DepthToSpace", depth_space }, { NPI_OP_SPACE_TO_DEPTH, "SpaceToDepth", depth_space }, { NPI_OP_TRILU, "Trilu", trilu },
    { NPI_OP_ONE_HOT, "OneHot", along },
};

int npi_ow_node(struct npi_ow *w, const struct npi_node *n) {
    /* Dequantized weights: their reader says in which order. */
    if (n->op == NPI_OP_DEQUANTIZE && npi_ow_view(w, n->in[0])->data && w->only_weights[n->out[0]] && !w->io[n->out[0]]) return 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].op == n->op) return rows[i].fn(w, n, &rows[i]);
    return npi_ow_refuse(w, n, "there is no such operator");
}
