/* SPDX-License-Identifier: Apache-2.0 */
/* Quantize (f32 -> integer, or integer -> integer with other parameters) and Dequantize (integer, f16, bf16 -> f32), per
 * tensor or along an axis. Rounding: ties to even. The output of Quantize gets its type and parameters from the importer. */
#include "ops/families.h"
#include "ops/quantize.h"

int npi_q_check(const struct npi_view *v, int dims, const char *what, struct np_error *err) {
    const struct npi_quant *q = &v->q;
    int32_t lo, hi;
    if (!npi_q_range(v->dtype, &lo, &hi)) return npi_fail(err, NP_EUNSUPPORTED, "%s: quantized as %s", what, np_dtype_name(v->dtype));
    if (q->n < 1 || !q->scale) return npi_fail(err, NP_EFORMAT, "%s: without quantization scale", what);
    if (dims && q->n > 1 && (q->axis < 0 || q->axis >= v->rank || v->d[q->axis] != q->n))
        return npi_fail(err, NP_EFORMAT, "%s: %d scales along axis %d do not fit the shape", what, q->n, q->axis);
    for (int i = 0; i < q->n; i++) {
        if (!(q->scale[i] > 0) || !isfinite(q->scale[i])) return npi_fail(err, NP_EFORMAT, "%s: scale %d is %g", what, i, (double)q->scale[i]);
        if (q->zero && (q->zero[i] < lo || q->zero[i] > hi))
            return npi_fail(err, NP_EFORMAT, "%s: zero point %d is %d, outside the range of %s", what, i, (int)q->zero[i], np_dtype_name(v->dtype));
    }
    return 0;
}

static void same_dims(struct npi_view *y, const struct npi_view *x) {
    y->rank = x->rank;
    for (int i = 0; i < x->rank; i++) y->d[i] = x->d[i];
}

/* How the scale index follows the element index: (i / inner) % n. */
struct along { int64_t inner, n; };
static struct along along(const struct npi_view *v) {
    struct along s = { 1, v->q.n > 1 ? v->q.n : 1 };
    for (int i = v->q.axis + 1; v->q.n > 1 && i < v->rank; i++) s.inner *= v->d[i];
    return s;
}
static int64_t scale_at(struct along s, int64_t i) { return s.n == 1 ? 0 : i / s.inner % s.n; }

static int quantize_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    struct npi_view *y = a->out[0];
    if (!npi_q_is(y)) return npi_fail(err, NP_EUNSUPPORTED, "the output (%s) has no scale and zero point", np_dtype_name(y->dtype));
    if (x->dtype != NP_F32 && !npi_q_is(x)) return npi_fail(err, NP_EUNSUPPORTED, "input of type %s", np_dtype_name(x->dtype));
    same_dims(y, x);
    const int e = npi_q_is(x) ? npi_q_check(x, 1, "input", err) : 0;
    return e < 0 ? e : npi_q_check(y, 1, "output", err);
}

static void quantize_eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    const int64_t n = npi_view_count(y);
    const struct along sx = along(x), sy = along(y);
    const int wide = y->dtype == NP_I32 || x->dtype == NP_I32;
    int32_t lo, hi;
    npi_q_range(y->dtype, &lo, &hi);
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = scale_at(sy, i);
        const float scale = npi_q_scale(y, c);
        const int32_t zero = npi_q_zero(y, c);
        int32_t v;
        if (x->dtype == NP_F32) {
            v = npi_quantize(((const float *)x->data)[i], scale, zero, lo, hi);
        } else {
            const int64_t cx = scale_at(sx, i), q = npi_get_int(x->data, x->dtype, i) - npi_q_zero(x, cx);
            v = wide ? npi_requant_wide((double)q * npi_requant_scale_wide(npi_q_scale(x, cx), 1, scale), zero, lo, hi)
                     : npi_requant((int32_t)q, npi_requant_scale(npi_q_scale(x, cx), 1, scale), zero, lo, hi);
        }
        npi_set_int(y->data, y->dtype, i, v);
    }
}

static int dequantize_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    const int real = x->dtype == NP_F16 || x->dtype == NP_BF16 || x->dtype == NP_F32;
    if (!real && !npi_q_is(x)) return npi_fail(err, NP_EUNSUPPORTED, "input of type %s without scale and zero point", np_dtype_name(x->dtype));
    same_dims(a->out[0], x);
    a->out[0]->dtype = NP_F32;
    return real ? 0 : npi_q_check(x, 1, "input", err);
}

static float from_f16(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
    uint32_t u;
    float f;
    if (e == 0) { /* zero and denormals: m * 2^-24 */
        f = (float)m * 0x1p-24f;
        return sign ? -f : f;
    }
    u = sign | (e == 31 ? 0x7f800000u : (e + 112) << 23) | m << 13;
    memcpy(&f, &u, 4);
    return f;
}

static void dequantize_eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0];
    float *y = a->out[0]->data;
    const int64_t n = npi_view_count(x);
    const struct along s = along(x);
    for (int64_t i = 0; i < n; i++) {
        if (x->dtype == NP_F32) {
            y[i] = ((const float *)x->data)[i];
        } else if (x->dtype == NP_F16) {
            y[i] = from_f16(((const uint16_t *)x->data)[i]);
        } else if (x->dtype == NP_BF16) {
            const uint32_t u = (uint32_t)((const uint16_t *)x->data)[i] << 16;
            memcpy(&y[i], &u, 4);
        } else {
            const int64_t c = scale_at(s, i);
            y[i] = npi_dequantize(npi_get_int(x->data, x->dtype, i), npi_q_scale(x, c), npi_q_zero(x, c));
        }
    }
}

static const struct npi_op_def defs[] = {
    { NPI_OP_QUANTIZE, quantize_infer, quantize_eval, NULL, NPI_OPF_QUANT },
    { NPI_OP_DEQUANTIZE, dequantize_infer, dequantize_eval, NULL, NPI_OPF_QUANT },
};
const struct npi_op_family npi_ops_quant = { defs, sizeof defs / sizeof *defs };
