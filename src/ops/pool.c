/* SPDX-License-Identifier: Apache-2.0 */
/* MaxPool2D, AveragePool2D, LpPool2D over [n][h][w][c].
 *
 * Padding never wins a maximum; AveragePool2D divides by the taps inside the input, or with count_include_pad by the taps
 * inside input and padding (what ceil_mode adds beyond the padding never counts).
 * MaxPool2D output 1: i64 positions as ONNX numbers them, in the NCHW tensor: ((n*C + c)*H + y)*W + x, with
 * storage_order = 1 ((n*C + c)*W + x)*H + y; the output itself is [n][oh][ow][c] like output 0.
 * Integers: the maximum moves values; the average is zy + nearbyint(sum(x - zx) * m), m = (float)((double)sx / sy / taps). */
#include "ops/families.h"
#include "ops/quantize.h"
#include "ops/window.h"

static int infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0];
    struct npi_view *y = a->out[0];
    int64_t oh = 0, ow = 0;
    if (x->rank != 4) return npi_fail(err, NP_ESHAPE, "input of rank %d, must be 4", x->rank);
    const int r = npi_window_out(&a->node->a.pool.win, x->d[1], x->d[2], a->node->a.pool.ceil_mode, &oh, &ow, err);
    if (r < 0) return r;
    for (int i = 0; i < a->n_out; i++) {
        struct npi_view *v = a->out[i];
        if (!v) continue;
        v->rank = 4;
        v->d[0] = x->d[0];
        v->d[1] = oh;
        v->d[2] = ow;
        v->d[3] = x->d[3];
    }
    const int integer = x->dtype == NP_I8 || x->dtype == NP_U8 || x->dtype == NP_I16;
    if (x->dtype != NP_F32 && !(integer && (npi_q_is(x) || a->node->op == NPI_OP_MAXPOOL2D)))
        return npi_fail(err, NP_EUNSUPPORTED, "input of type %s", np_dtype_name(x->dtype));
    if (a->n_out > 1 && a->out[1]) {
        if (integer && a->out[0]->q.n > 0 && !npi_q_same(x, a->out[0])) return npi_fail(err, NP_EUNSUPPORTED, "indices of a pool that requantizes");
        a->out[1]->dtype = NP_I64;
    }
    if (x->dtype == NP_F32 || !npi_q_is(x)) {
        y->dtype = x->dtype;
        return 0;
    }
    if (x->q.n != 1) return npi_fail(err, NP_EUNSUPPORTED, "input quantized per channel");
    if (y->q.n == 0) y->q = x->q, y->dtype = x->dtype;
    if (y->q.n != 1 || !npi_q_is(y) || y->dtype == NP_I32) return npi_fail(err, NP_EUNSUPPORTED, "output of type %s", np_dtype_name(y->dtype));
    const int e = npi_q_check(x, 1, "input", err);
    return e < 0 ? e : npi_q_check(y, 1, "output", err);
}

/* The taps of one output pixel. */
struct spot { int ky0, ky1, kx0, kx1; int64_t iy, ix, base; };

static struct spot spot_of(const struct npi_op_args *a, int64_t n, int64_t oy, int64_t ox) {
    const struct npi_window *w = &a->node->a.pool.win;
    const struct npi_view *x = a->in[0];
    struct spot s = { .iy = oy * w->sh - w->pt, .ix = ox * w->sw - w->pl, .base = n * x->d[1] * x->d[2] };
    npi_window_taps(s.iy, w->kh, w->dh, x->d[1], &s.ky0, &s.ky1);
    npi_window_taps(s.ix, w->kw, w->dw, x->d[2], &s.kx0, &s.kx1);
    return s;
}

static int64_t divisor(const struct npi_op_args *a, const struct spot *s) {
    const struct npi_window *w = &a->node->a.pool.win;
    const struct npi_view *x = a->in[0];
    int y0 = s->ky0, y1 = s->ky1, x0 = s->kx0, x1 = s->kx1;
    if (a->node->a.pool.count_include_pad) {
        npi_window_taps(s->iy + w->pt, w->kh, w->dh, x->d[1] + w->pt + w->pb, &y0, &y1);
        npi_window_taps(s->ix + w->pl, w->kw, w->dw, x->d[2] + w->pl + w->pr, &x0, &x1);
    }
    const int64_t n = (int64_t)(y1 - y0) * (x1 - x0);
    return n ? n : 1;
}

static void max_f32(const struct npi_op_args *a, const struct spot *s, int64_t c, int64_t out) {
    const struct npi_window *w = &a->node->a.pool.win;
    const struct npi_view *x = a->in[0];
    float best = -INFINITY;
    int64_t at = 0;
    int have = 0;
    for (int ky = s->ky0; ky < s->ky1; ky++)
        for (int kx = s->kx0; kx < s->kx1; kx++) {
            const int64_t iy = s->iy + (int64_t)ky * w->dh, ix = s->ix + (int64_t)kx * w->dw;
            const float v = ((const float *)x->data)[(s->base + iy * x->d[2] + ix) * x->d[3] + c];
            if (have && !(v > best) && v == v) continue;
            best = v;
            have = 1;
            at = a->node->a.pool.storage_order ? ix * x->d[1] + iy : iy * x->d[2] + ix;
        }
    ((float *)a->out[0]->data)[out] = best;
    if (a->n_out > 1 && a->out[1]) ((int64_t *)a->out[1]->data)[out] = s->base * x->d[3] + c * x->d[1] * x->d[2] + at;
}

static void max_int(const struct npi_op_args *a, const struct spot *s, int64_t c, int64_t out) {
    const struct npi_window *w = &a->node->a.pool.win;
    const struct npi_view *x = a->in[0], *y = a->out[0];
    int32_t best, hi;
    int64_t at = 0;
    npi_q_range(x->dtype, &best, &hi);
    int have = 0;
    for (int ky = s->ky0; ky < s->ky1; ky++)
        for (int kx = s->kx0; kx < s->kx1; kx++) {
            const int64_t iy = s->iy + (int64_t)ky * w->dh, ix = s->ix + (int64_t)kx * w->dw;
            const int32_t v = (int32_t)npi_get_int(x->data, x->dtype, (s->base + iy * x->d[2] + ix) * x->d[3] + c);
            if (have && v <= best) continue;
            best = v;
            have = 1;
            at = a->node->a.pool.storage_order ? ix * x->d[1] + iy : iy * x->d[2] + ix;
        }
    if (npi_q_is(x)) {
        int32_t lo;
        npi_requant_bounds(&a->node->act, y, &lo, &hi);
        if (npi_q_same(x, y)) best = best < lo ? lo : best > hi ? hi : best;
        else best = npi_requant(best - npi_q_zero(x, 0), npi_requant_scale(npi_q_scale(x, 0), 1, npi_q_scale(y, 0)), npi_q_zero(y, 0), lo, hi);
    }
    npi_set_int(y->data, y->dtype, out, best);
    if (a->n_out > 1 && a->out[1]) ((int64_t *)a->out[1]->data)[out] = s->base * x->d[3] + c * x->d[1] * x->d[2] + at;
}

/* Sum of x, or of |x|^p. */
static double sum_f32(const struct npi_op_args *a, const struct spot *s, int64_t c, int p) {
    const struct npi_window *w = &a->node->a.pool.win;
    const struct npi_view *x = a->in[0];
    double sum = 0;
    for (int ky = s->ky0; ky < s->ky1; ky++)
        for (int kx = s->kx0; kx < s->kx1; kx++) {
            const double v = ((const float *)x->data)[(s->base + (s->iy + (int64_t)ky * w->dh) * x->d[2] + s->ix + (int64_t)kx * w->dw) * x->d[3] + c];
            sum += p == 0 ? v : p == 1 ? fabs(v) : p == 2 ? v * v : pow(fabs(v), p);
        }
    return sum;
}

static void avg_int(const struct npi_op_args *a, const struct spot *s, int64_t c, int64_t out) {
    const struct npi_window *w = &a->node->a.pool.win;
    const struct npi_view *x = a->in[0], *y = a->out[0];
    int64_t sum = 0;
    const int32_t zx = npi_q_zero(x, 0);
    for (int ky = s->ky0; ky < s->ky1; ky++)
        for (int kx = s->kx0; kx < s->kx1; kx++)
            sum += npi_get_int(x->data, x->dtype, (s->base + (s->iy + (int64_t)ky * w->dh) * x->d[2] + s->ix + (int64_t)kx * w->dw) * x->d[3] + c) - zx;
    int32_t lo, hi;
    npi_requant_bounds(&a->node->act, y, &lo, &hi);
    const float m = (float)((double)npi_q_scale(x, 0) / npi_q_scale(y, 0) / (double)divisor(a, s));
    npi_set_int(y->data, y->dtype, out, npi_requant_f((float)sum * m, npi_q_zero(y, 0), lo, hi));
}

static void eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    const int op = a->node->op, real = x->dtype == NP_F32;
    int64_t out = 0;
    for (int64_t n = 0; n < y->d[0]; n++)
        for (int64_t oy = 0; oy < y->d[1]; oy++)
            for (int64_t ox = 0; ox < y->d[2]; ox++) {
                const struct spot s = spot_of(a, n, oy, ox);
                for (int64_t c = 0; c < y->d[3]; c++, out++) {
                    if (op == NPI_OP_MAXPOOL2D) (real ? max_f32 : max_int)(a, &s, c, out);
                    else if (!real) avg_int(a, &s, c, out);
                    else if (op == NPI_OP_AVGPOOL2D) ((float *)y->data)[out] = (float)(sum_f32(a, &s, c, 0) / (double)divisor(a, &s));
                    else {
                        const int p = a->node->a.pool.p;
                        const double v = sum_f32(a, &s, c, p);
                        ((float *)y->data)[out] = (float)(p == 1 ? v : p == 2 ? sqrt(v) : pow(v, 1.0 / p));
                    }
                }
            }
}

static int lp_infer(const struct npi_op_args *a, struct np_error *err) {
    if (a->node->a.pool.p < 1) return npi_fail(err, NP_EINVAL, "p is %d, must be at least 1", a->node->a.pool.p);
    return infer(a, err);
}

static const struct npi_op_def defs[] = {
    { NPI_OP_MAXPOOL2D, infer, eval, NULL, NPI_OPF_QUANT },
    { NPI_OP_AVGPOOL2D, infer, eval, NULL, NPI_OPF_QUANT },
    { NPI_OP_LPPOOL2D, lp_infer, eval, NULL, 0 },
};
const struct npi_op_family npi_ops_pool = { defs, sizeof defs / sizeof *defs };
