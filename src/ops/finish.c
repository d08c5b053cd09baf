/* SPDX-License-Identifier: Apache-2.0 */
/* See finish.h. */
#include "ops/finish.h"
#include "ops/quantize.h"

int npi_finish_infer(const struct npi_op_args *a, int64_t co, int waxis, struct np_error *err) {
    const struct npi_view *x = a->in[0], *w = a->in[1], *b = a->n_in > 2 ? a->in[2] : NULL, *r = a->n_in > 3 ? a->in[3] : NULL;
    struct npi_view *y = a->out[0];
    if (b && npi_view_count(b) != co)
        return npi_fail(err, NP_ESHAPE, "the bias has %lld values for %lld output channels", (long long)npi_view_count(b), (long long)co);
    if (r && !npi_view_same_shape(r, y)) return npi_fail(err, NP_ESHAPE, "the residual's shape is not the output's");
    const int qx = npi_q_is(x), qw = npi_q_is(w);
    if (qx != qw)
        return npi_fail(err, NP_EUNSUPPORTED, "%s activations with %s weights: one is quantized and the other is not", np_dtype_name(x->dtype), np_dtype_name(w->dtype));
    if (!qx) {
        if (x->dtype != NP_F32 || w->dtype != NP_F32 || (b && b->dtype != NP_F32) || (r && r->dtype != NP_F32))
            return npi_fail(err, NP_EUNSUPPORTED, "activations %s, weights %s, bias %s: f32 or quantized integers are supported", np_dtype_name(x->dtype),
                            np_dtype_name(w->dtype), b ? np_dtype_name(b->dtype) : "absent");
        y->dtype = NP_F32;
        return 0;
    }
    if (!npi_dot_for(x->dtype, w->dtype))
        return npi_fail(err, NP_EUNSUPPORTED, "quantized activations %s with weights %s are not supported", np_dtype_name(x->dtype), np_dtype_name(w->dtype));
    int e;
    if ((e = npi_q_check(x, 1, "activations", err)) < 0 || (e = npi_q_check(w, 1, "weights", err)) < 0) return e;
    if (x->q.n != 1) return npi_fail(err, NP_EUNSUPPORTED, "activations quantized per channel are not supported");
    if (w->q.n > 1 && (w->q.axis != waxis || w->q.n != co))
        return npi_fail(err, NP_EUNSUPPORTED, "weights are quantized along axis %d with %d scales; needed: axis %d with %lld", w->q.axis, w->q.n, waxis, (long long)co);
    if (b && b->dtype != NP_I32 && b->dtype != NP_I64) return npi_fail(err, NP_EUNSUPPORTED, "a quantized op has a bias of type %s; i32 or i64 are supported", np_dtype_name(b->dtype));
    if (!npi_q_is(y)) y->dtype = NP_F32;
    else if ((e = npi_q_check(y, 0, "output", err)) < 0) return e;
    else if (y->q.n != 1 || y->dtype == NP_I32) return npi_fail(err, NP_EUNSUPPORTED, "the output is quantized per channel or to 32 bits");
    if (r && npi_q_is(r) != npi_q_is(y)) return npi_fail(err, NP_EUNSUPPORTED, "the residual is %s and the output %s", np_dtype_name(r->dtype), np_dtype_name(y->dtype));
    if (r && npi_q_is(r)) return r->q.n == 1 ? npi_q_check(r, 1, "residual", err) : npi_fail(err, NP_EUNSUPPORTED, "the residual is quantized per channel");
    return r && r->dtype != NP_F32 ? npi_fail(err, NP_EUNSUPPORTED, "a residual of type %s", np_dtype_name(r->dtype)) : 0;
}

size_t npi_finish_scratch(int64_t co) { return (size_t)co * 2 * sizeof(double); }

void npi_finish_init(struct npi_finish *f, const struct npi_op_args *a, int64_t co) {
    const struct npi_view *x = a->in[0], *w = a->in[1], *y = a->out[0], *r = a->n_in > 3 ? a->in[3] : NULL;
    *f = (struct npi_finish){ .a = a, .co = co, .acc = a->scratch, .iacc = a->scratch, .m = (double *)a->scratch + co };
    f->quant = npi_q_is(x);
    if (!f->quant) return;
    f->wide = x->dtype == NP_I16;
    const float sx = npi_q_scale(x, 0), sy = npi_q_is(y) ? npi_q_scale(y, 0) : 1;
    for (int64_t c = 0; c < co; c++) {
        const float sw = npi_q_scale(w, c);
        f->m[c] = f->wide ? npi_requant_scale_wide(sx, sw, sy) : (double)npi_requant_scale(sx, sw, sy);
    }
    if (!npi_q_is(y)) return;
    f->zy = npi_q_zero(y, 0);
    npi_requant_bounds(&a->node->act, y, &f->lo, &f->hi);
    if (r) f->res_scale = (float)((double)npi_q_scale(r, 0) / sy);
}

static float act1(const struct npi_act *act, float v) {
    npi_act_apply_f32(act, &v, 1);
    return v;
}

static float behind_f32(const struct npi_finish *f, float v, const struct npi_view *r, int64_t i) {
    const struct npi_node *n = f->a->node;
    if (!r) return act1(&n->act, v);
    const float res = ((const float *)r->data)[i];
    return n->res_before_act ? act1(&n->act, v + res) : act1(&n->act, v) + res;
}

static int32_t behind_q(const struct npi_finish *f, int64_t acc, int64_t c, const struct npi_view *r, int64_t i) {
    const struct npi_node *n = f->a->node;
    const struct npi_view *y = f->a->out[0];
    const int curved = n->act.kind && n->act.kind != NPI_ACT_CLAMP;
    if (!curved && !r) return f->wide ? npi_requant_wide((double)acc * f->m[c], f->zy, f->lo, f->hi) : npi_requant((int32_t)acc, (float)f->m[c], f->zy, f->lo, f->hi);
    /* Residuals and curved activations: in units of the output's scale, rounded once at the end. */
    const float sy = npi_q_scale(y, 0), res = r ? (float)(npi_get_int(r->data, r->dtype, i) - npi_q_zero(r, 0)) * f->res_scale : 0;
    float v = f->wide ? (float)((double)acc * f->m[c]) : (float)(int32_t)acc * (float)f->m[c];
    int32_t lo = f->lo, hi = f->hi;
    if (r && n->res_before_act) v += res;
    if (curved) v = act1(&n->act, v * sy) / sy;
    if (r && !n->res_before_act) {
        const float a = (float)(lo - f->zy), b = (float)(hi - f->zy);
        v = v > a ? v : a;
        v = (v < b ? v : b) + res;
        npi_q_range(y->dtype, &lo, &hi);
    }
    return npi_requant_f(v, f->zy, lo, hi);
}

void npi_finish_pixel(const struct npi_finish *f, int64_t pixel) {
    const struct npi_op_args *a = f->a;
    const struct npi_view *b = a->n_in > 2 ? a->in[2] : NULL, *r = a->n_in > 3 ? a->in[3] : NULL, *y = a->out[0];
    for (int64_t c = 0; c < f->co; c++) {
        const int64_t i = pixel * f->co + c;
        if (!f->quant) {
            ((float *)y->data)[i] = behind_f32(f, (float)(f->acc[c] + (b ? ((const float *)b->data)[c] : 0)), r, i);
            continue;
        }
        const int64_t acc = b ? npi_finish_add(f->wide, f->iacc[c], npi_get_int(b->data, b->dtype, c)) : f->iacc[c];
        if (npi_q_is(y)) npi_set_int(y->data, y->dtype, i, behind_q(f, acc, c, r, i));
        else ((float *)y->data)[i] = behind_f32(f, f->wide ? (float)((double)acc * f->m[c]) : (float)(int32_t)acc * (float)f->m[c], r, i);
    }
}

#define DOT8(name, tx, tw)                                                                                                                   \
    static int64_t name(const void *x, int64_t x0, int32_t zx, const void *w, int64_t w0, int32_t zw, int64_t n) {                           \
        const tx *p = (const tx *)x + x0;                                                                                                    \
        const tw *q = (const tw *)w + w0;                                                                                                    \
        uint32_t s = 0;                                                                                                                      \
        for (int64_t i = 0; i < n; i++) s += (uint32_t)((p[i] - zx) * (q[i] - zw));                                                          \
        return (int32_t)s;                                                                                                                   \
    }
DOT8(dot_i8_i8, int8_t, int8_t)
DOT8(dot_u8_u8, uint8_t, uint8_t)
DOT8(dot_u8_i8, uint8_t, int8_t)
DOT8(dot_i8_u8, int8_t, uint8_t)
static int64_t dot_i16_i8(const void *x, int64_t x0, int32_t zx, const void *w, int64_t w0, int32_t zw, int64_t n) {
    const int16_t *p = (const int16_t *)x + x0;
    const int8_t *q = (const int8_t *)w + w0;
    uint64_t s = 0;
    for (int64_t i = 0; i < n; i++) s += (uint64_t)((int64_t)(p[i] - zx) * (q[i] - zw));
    return (int64_t)s;
}

npi_dot_fn npi_dot_for(int x, int w) {
    if (x == NP_I8) return w == NP_I8 ? dot_i8_i8 : w == NP_U8 ? dot_i8_u8 : NULL;
    if (x == NP_U8) return w == NP_I8 ? dot_u8_i8 : w == NP_U8 ? dot_u8_u8 : NULL;
    return x == NP_I16 && w == NP_I8 ? dot_i16_i8 : NULL;
}
