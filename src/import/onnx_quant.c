/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: quantization. Scales and zero points must be known; they become the quantization of the integer tensor:
 *
 *   QuantizeLinear, DequantizeLinear   Quantize, Dequantize
 *   QLinear…                           Dequantize, the op on real numbers, Quantize (the q/dq pass makes them one again)
 *   …Integer, DynamicQuantizeLinear    written out in real arithmetic, which is exact for the sizes that occur
 *   blocks of an axis                  written out as well */
#include "import/onnx.h"

#include <string.h>

static int64_t int_at(const struct npi_view *v, int64_t i) {
    switch (v->dtype) {
    case NP_I8: return ((const int8_t *)v->data)[i];
    case NP_U8: return ((const uint8_t *)v->data)[i];
    case NP_I16: return ((const int16_t *)v->data)[i];
    case NP_U16: return ((const uint16_t *)v->data)[i];
    case NP_I32: return ((const int32_t *)v->data)[i];
    default: return 0;
    }
}

static int is_int(int t) { return t == NP_I8 || t == NP_U8 || t == NP_I16 || t == NP_U16 || t == NP_I32; }

/* Scale and zero point tensors -> npi_quant for a tensor of shape v. */
static int read_quant(const struct npi_ox_node *n, const struct npi_view *v, int scale, int zero, int64_t axis, struct npi_quant *q) {
    int r = npi_ox_known(n, scale);
    if (r < 0 || (zero >= 0 && (r = npi_ox_known(n, zero)) < 0)) return r;
    const struct npi_view *s = npi_ox_view(n, scale), *z = zero < 0 ? NULL : npi_ox_view(n, zero);
    const int64_t count = npi_view_count(s);
    int k = 0;
    if (s->dtype != NP_F32 || (z && !is_int(z->dtype))) return npi_ox_fail(n, NP_EUNSUPPORTED, "scale of type %s and zero point of type %s",
            np_dtype_name(s->dtype), z ? np_dtype_name(z->dtype) : "none");
    if (count < 1 || (z && npi_view_count(z) != count)) return npi_ox_fail(n, NP_ESHAPE, "%lld scales and %lld zero points", (long long)count,
            z ? (long long)npi_view_count(z) : 0LL);
    if (count > 1) {
        if ((k = npi_ox_axis(n, axis, v->rank)) < 0) return k;
        if (count != v->d[k]) return npi_ox_fail(n, NP_ESHAPE, "%lld scales for dimension %d of %lld", (long long)count, k, (long long)v->d[k]);
    }
    float *scales = npi_arena_array(n->g->mem, float, count);
    int32_t *zeros = npi_arena_array(n->g->mem, int32_t, count);
    if (!scales || !zeros) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    for (int64_t i = 0; i < count; i++) {
        scales[i] = ((const float *)s->data)[i];
        zeros[i] = z ? (int32_t)int_at(z, i) : 0;
        if (!(scales[i] > 0)) return npi_ox_fail(n, NP_EFORMAT, "scale %g", (double)scales[i]);
    }
    *q = (struct npi_quant){ .n = (int)count, .axis = k, .scale = scales, .zero = zeros };
    return 0;
}

static int same_quant(const struct npi_quant *a, const struct npi_quant *b) {
    if (a->n != b->n || a->axis != b->axis) return 0;
    for (int i = 0; i < a->n; i++)
        if (a->scale[i] != b->scale[i] || (a->zero ? a->zero[i] : 0) != (b->zero ? b->zero[i] : 0)) return 0;
    return 1;
}

/* x under quantization q. Its integers may also be read without (or with another) meaning, so it gets a new tensor. */
static int with_quant(const struct npi_ox_node *n, int x, const struct npi_quant *q) {
    struct npi_view v = *npi_ox_view(n, x);
    if (same_quant(&v.q, q)) return x;
    v.q = *q;
    if (v.data) {
        const int t = npi_graph_tensor(n->g, n->g->tensor[x].name, &v);
        return t < 0 ? npi_ox_fail(n, NP_ENOMEM, "out of memory") : t;
    }
    struct npi_node p = { .op = NPI_OP_RESHAPE, .name = n->name, .a.shape = { .rank = v.rank } };
    memcpy(p.a.shape.dims, v.d, sizeof v.d);
    int out;
    const int r = npi_build(n->g, &p, &x, 1, &out, 1, NULL, &v, n->o->err);
    return r < 0 ? r : out;
}

int npi_ox_dequant(struct npi_ox_node *n, int x, int scale, int zero, int axis) {
    struct npi_quant q;
    if (!is_int(npi_ox_view(n, x)->dtype)) return npi_ox_fail(n, NP_EUNSUPPORTED, "input of type %s", np_dtype_name(npi_ox_view(n, x)->dtype));
    const int r = read_quant(n, npi_ox_view(n, x), scale, zero, axis, &q);
    if (r < 0) return r;
    const int t = with_quant(n, x, &q), y = npi_ox_un(n, NPI_OP_DEQUANTIZE, NULL, t);
    if (y >= 0 && npi_ox_view(n, t)->data) {
        struct npi_ox_side *s = npi_ox_side_of(n->o, y);
        if (!s) return NP_ENOMEM;
        s->dq_of = t + 1;
    }
    return y;
}

static int quant(struct npi_ox_node *n, int x, int scale, int zero, int axis, int dtype) {
    struct npi_view v = *npi_ox_view(n, x);
    const int r = read_quant(n, &v, scale, zero, axis, &v.q);
    if (r < 0) return r;
    v.dtype = dtype;
    v.data = NULL;
    const struct npi_node p = { .op = NPI_OP_QUANTIZE, .name = n->name };
    int out;
    const int k = npi_build(n->g, &p, &x, 1, &out, 1, NULL, &v, n->o->err);
    return k < 0 ? k : out;
}

/* ---- blocks: scale[i] holds for `block` neighbours along the axis ---- */

static int is_blocked(const struct npi_ox_node *n, int scale) { return npi_ox_int(n, "block_size", 0) > 0 && npi_ox_view(n, scale)->rank > 1; }

/* Repeats the parameters so that they have the shape of the data, as f32. */
static int spread(const struct npi_ox_node *n, int t, const struct npi_view *like, int axis, int64_t block) {
    const struct npi_view *v = npi_ox_view(n, t);
    const int64_t len = like->d[axis];
    if (v->rank != like->rank || v->d[axis] < 1 || block > len || (len + block - 1) / block != v->d[axis]) return npi_ox_fail(n, NP_ESHAPE,
            "%lld blocks of %lld for a dimension of %lld", (long long)v->d[axis], (long long)block, (long long)len);
    const int index = npi_graph_const(n->g, NULL, &(struct npi_view){ .dtype = NP_I64, .rank = 1, .d = { len } });
    if (index < 0) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    for (int64_t i = 0; i < len; i++) ((int64_t *)n->g->tensor[index].v.data)[i] = i / block;
    const union npi_attr a = { .gather = { .axis = axis } };
    t = npi_ox_cast(n, t, NP_F32);
    return t < 0 ? t : npi_ox_build(n, NPI_OP_GATHER, &a, (int[]){ t, index }, 2);
}

static double lowest(int dtype) { return dtype == NP_I8 ? -128 : dtype == NP_I16 ? -32768 : dtype == NP_I32 ? -2147483648.0 : 0; }
static double highest(int dtype) { return dtype == NP_I8 ? 127 : dtype == NP_U8 ? 255 : dtype == NP_I16 ? 32767 : dtype == NP_U16 ? 65535 : 2147483647.0; }

static int blocked(struct npi_ox_node *n, int quantize, int dtype) {
    const struct npi_view like = *npi_ox_view(n, n->in[0]);
    const int axis = npi_ox_axis(n, npi_ox_int(n, "axis", 1), like.rank), zero = npi_ox_in(n, 2);
    if (axis < 0) return axis;
    const int64_t block = npi_ox_int(n, "block_size", 0);
    const int s = spread(n, n->in[1], &like, axis, block), z = zero < 0 ? npi_ox_scalar(n, NP_F32, 0) : spread(n, zero, &like, axis, block);
    if (z < 0) return z;
    if (!quantize) return npi_ox_bin(n, NPI_OP_MUL, npi_ox_bin(n, NPI_OP_SUB, npi_ox_cast(n, n->in[0], NP_F32), z), s);
    int y = npi_ox_un(n, NPI_OP_ROUND, NULL, npi_ox_bin(n, NPI_OP_DIV, n->in[0], s));
    const union npi_attr range = { .unary = { .a = (float)lowest(dtype), .b = (float)highest(dtype) } };
    y = npi_ox_un(n, NPI_OP_CLAMP, &range, npi_ox_bin(n, NPI_OP_ADD, y, z));
    return npi_ox_cast(n, y, dtype);
}

int npi_ox_do_quantize(struct npi_ox_node *n) {
    const int64_t asked = npi_ox_int(n, "output_dtype", 0);
    const int zero = npi_ox_in(n, 2), dtype = zero >= 0 ? npi_ox_view(n, zero)->dtype : asked ? npi_ox_dtype(asked) : NP_U8;
    if (dtype < 0 || !is_int(dtype)) return npi_ox_fail(n, NP_EUNSUPPORTED, "result of type %s", dtype < 0 ? npi_ox_type_name(asked) : np_dtype_name(dtype));
    const int x = npi_ox_cast(n, n->in[0], NP_F32);
    if (x < 0) return x;
    if (is_blocked(n, n->in[1])) return n->out[0] = blocked(n, 1, dtype);
    return n->out[0] = quant(n, x, n->in[1], zero, (int)npi_ox_int(n, "axis", 1), dtype);
}

int npi_ox_do_dequantize(struct npi_ox_node *n) {
    if (is_blocked(n, n->in[1])) return n->out[0] = blocked(n, 0, 0);
    return n->out[0] = npi_ox_dequant(n, n->in[0], n->in[1], npi_ox_in(n, 2), (int)npi_ox_int(n, "axis", 1));
}

/* y = sat(round(x / s) + z) with s, z from the range of x and 0. */
int npi_ox_do_dynamic_quantize(struct npi_ox_node *n) {
    const int x = n->in[0], rank = npi_ox_view(n, x)->rank, zero = npi_ox_scalar(n, NP_F32, 0);
    const int64_t one = 1;
    const int flat = rank ? x : npi_ox_reshape(n, x, 1, &one);
    const unsigned all = rank ? (1u << rank) - 1 : 1;
    const int lo = npi_ox_bin(n, NPI_OP_MIN, npi_ox_reduce(n, flat, NPI_REDUCE_MIN, all, 0), zero), hi = npi_ox_bin(n, NPI_OP_MAX,
            npi_ox_reduce(n, flat, NPI_REDUCE_MAX, all, 0), zero);
    const int s = npi_ox_bin(n, NPI_OP_DIV, npi_ox_bin(n, NPI_OP_SUB, hi, lo), npi_ox_scalar(n, NP_F32, 255));
    const union npi_attr range = { .unary = { .a = 0, .b = 255 } };
    int z = npi_ox_un(n, NPI_OP_CLAMP, &range, npi_ox_bin(n, NPI_OP_DIV, npi_ox_un(n, NPI_OP_NEG, NULL, lo), s));
    z = npi_ox_un(n, NPI_OP_ROUND, NULL, z);
    int y = npi_ox_un(n, NPI_OP_ROUND, NULL, npi_ox_bin(n, NPI_OP_DIV, x, s));
    y = npi_ox_cast(n, npi_ox_un(n, NPI_OP_CLAMP, &range, npi_ox_bin(n, NPI_OP_ADD, y, z)), NP_U8);
    if (y < 0) return y;
    const int result[3] = { y, s, npi_ox_cast(n, z, NP_U8) };
    for (int i = 0; i < 3 && i < n->n_out; i++)
        if ((n->out[i] = result[i]) < 0) return result[i];
    return 0;
}

/* x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (i32 with scale x_scale * w_scale) */
int npi_ox_do_qlinear_conv(struct npi_ox_node *n) {
    int bias = npi_ox_in(n, 8);
    const int x = npi_ox_dequant(n, n->in[0], n->in[1], n->in[2], 1);
    if (x < 0) return x;
    const int w = npi_ox_dequant(n, n->in[3], n->in[4], n->in[5], 0);
    if (w < 0) return w;
    if (bias >= 0) {
        const int64_t count = npi_view_count(npi_ox_view(n, n->in[4]));
        const int xs = npi_ox_reshape(n, n->in[1], 0, NULL), s = npi_ox_bin(n, NPI_OP_MUL, xs, npi_ox_reshape(n, n->in[4], count > 1, &count));
        bias = s < 0 ? s : npi_ox_dequant(n, bias, s, -1, 0);
        if (bias < 0) return bias;
    }
    const int y = npi_ox_conv(n, x, w, bias);
    return y < 0 ? y : (n->out[0] = quant(n, y, n->in[6], n->in[7], 1, npi_ox_view(n, n->in[7])->dtype));
}

/* a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero */
int npi_ox_do_qlinear_matmul(struct npi_ox_node *n) {
    const int a = npi_ox_dequant(n, n->in[0], n->in[1], n->in[2], -2);
    if (a < 0) return a;
    const int b = npi_ox_dequant(n, n->in[3], n->in[4], n->in[5], -1);
    if (b < 0) return b;
    const int y = npi_ox_matmul(n, a, b);
    return y < 0 ? y : (n->out[0] = quant(n, y, n->in[6], n->in[7], -2, npi_ox_view(n, n->in[7])->dtype));
}

/* Integers minus their zero point, as real numbers; zero points of a vector run along `axis`. */
static int centred(const struct npi_ox_node *n, int x, int zero, int axis) {
    const int rank = npi_ox_view(n, x)->rank, y = npi_ox_cast(n, x, NP_F32);
    if (zero < 0 || y < 0) return y;
    const int64_t count = npi_view_count(npi_ox_view(n, zero));
    int64_t d[NP_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    if (count != 1 && count != npi_ox_view(n, x)->d[axis]) return npi_ox_fail(n, NP_ESHAPE, "%lld zero points", (long long)count);
    d[axis] = count;
    return npi_ox_bin(n, NPI_OP_SUB, y, npi_ox_reshape(n, npi_ox_cast(n, zero, NP_F32), rank, d));
}

int npi_ox_do_conv_integer(struct npi_ox_node *n) {
    if (npi_ox_view(n, n->in[0])->rank < 1 || npi_ox_view(n, n->in[1])->rank < 1) return npi_ox_fail(n, NP_ESHAPE, "an operand is a single number");
    const int x = centred(n, n->in[0], npi_ox_in(n, 2), 0);
    if (x < 0) return x;
    const int w = centred(n, n->in[1], npi_ox_in(n, 3), 0);
    if (w < 0) return w;
    return n->out[0] = npi_ox_cast(n, npi_ox_conv(n, x, w, -1), NP_I32);
}

int npi_ox_do_matmul_integer(struct npi_ox_node *n) {
    const int ra = npi_ox_view(n, n->in[0])->rank, rb = npi_ox_view(n, n->in[1])->rank;
    if (ra < 1 || rb < 1) return npi_ox_fail(n, NP_ESHAPE, "an operand is a single number");
    const int a = centred(n, n->in[0], npi_ox_in(n, 2), ra > 1 ? ra - 2 : 0);
    if (a < 0) return a;
    const int b = centred(n, n->in[1], npi_ox_in(n, 3), rb - 1);
    if (b < 0) return b;
    return n->out[0] = npi_ox_cast(n, npi_ox_matmul(n, a, b), NP_I32);
}
