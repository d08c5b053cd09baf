/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a convolution in 8 bits, a scale an output channel, symmetric; its bias in int32, in units of input scale times weight scale.
 *
 * Bias correction (Nagel et al., Data-Free Quantization, 2019): rounding moves the mean of an output by sum (w - w') * mean(x) over its taps; the
 * bias takes it back. Taps that lie in the padding see zeros: the mean counts for the share of positions where they do not. */
#include "quant/priv.h"

#include <math.h>
#include <string.h>

void npi_quant_weight_at(const struct npi_graph *g, const struct npi_node *n, int64_t i, int64_t *o, int64_t *c) {
    const struct npi_view *w = &g->tensor[n->in[1]].v, *x = &g->tensor[n->in[0]].v, *y = &g->tensor[n->out[0]].v;
    const int64_t co = y->d[y->rank - 1], ci = x->d[x->rank - 1], count = npi_view_count(w);
    if (n->op == NPI_OP_DWCONV2D) {
        *o = i % co;
        *c = *o / (co / ci);
        return;
    }
    *o = i / (count / co);
    const int64_t cg = w->d[w->rank - 1], groups = n->op == NPI_OP_CONV2D && cg ? ci / cg : 1;
    *c = *o / (co / groups) * cg + i % cg;
}

/* Share of the output positions at which tap (ky, kx) of weight i lies inside the picture. */
static double inside(const struct npi_graph *g, const struct npi_node *n, int64_t i) {
    if (n->op == NPI_OP_FULLY_CONNECTED) return 1;
    const struct npi_window *win = &n->a.conv.win;
    const struct npi_view *w = &g->tensor[n->in[1]].v, *x = &g->tensor[n->in[0]].v, *y = &g->tensor[n->out[0]].v;
    const int64_t cg = w->d[w->rank - 1], tap = i / cg;
    const int64_t kx = tap % win->kw, ky = tap / win->kw % win->kh;
    int64_t in[2] = { 0, 0 };
    for (int a = 0; a < 2; a++) {
        const int64_t size = x->d[1 + a], outs = y->d[1 + a], at = (a ? kx * win->dw - win->pl : ky * win->dh - win->pt), step = a ? win->sw : win->sh;
        for (int64_t p = 0; p < outs; p++) in[a] += at + p * step >= 0 && at + p * step < size;
    }
    return (double)(in[0] * in[1]) / (double)(y->d[1] * y->d[2]);
}

/* Largest |w| a channel; raised where the bias in units of the scale would not fit 31 bits (dead channels with a bias). */
static void scales(const struct npi_graph *g, const struct npi_node *n, float x_scale, int q_max, const double *bias, int64_t co, float *scale) {
    const struct npi_view *w = &g->tensor[n->in[1]].v;
    const float *wd = w->data;
    for (int64_t i = 0, count = npi_view_count(w); i < count; i++) {
        int64_t o, c;
        npi_quant_weight_at(g, n, i, &o, &c);
        const float a = fabsf(wd[i]);
        if (a > scale[o] && a < INFINITY) scale[o] = a;
    }
    for (int64_t o = 0; o < co; o++) {
        double s = scale[o] / q_max;
        const double least = fabs(bias[o]) / ((double)x_scale * 1e9);
        if (!(s > 1e-30)) s = 1e-8;
        scale[o] = (float)(s > least ? s : least);
    }
}

int npi_quant_weights(struct npi_graph *to, const struct npi_graph *g, const struct npi_node *n, float x_scale, const float *mean, int bits, int *out_w, int *out_b, struct np_error *err) {
    const struct npi_view *w = &g->tensor[n->in[1]].v, *y = &g->tensor[n->out[0]].v;
    const int64_t co = y->d[y->rank - 1], count = npi_view_count(w);
    const int has_bias = n->n_in > 2 && n->in[2] >= 0, q_max = bits == 7 ? 63 : 127;
    struct npi_view wv = *w, bv = { .dtype = NP_I32, .rank = 1, .d = { co } };
    float *ws = npi_arena_array(to->mem, float, co), *bs = npi_arena_array(to->mem, float, co);
    int32_t *zero = npi_arena_array(to->mem, int32_t, co);
    double *bias = npi_arena_array(to->mem, double, co);
    const float *wd = w->data, *bd = has_bias ? g->tensor[n->in[2]].v.data : NULL;
    if (!ws || !bs || !zero || !bias) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    for (int64_t o = 0; o < co; o++) bias[o] = bd ? bd[o] : 0;
    scales(g, n, x_scale, q_max, bias, co, ws);
    wv.dtype = NP_I8;
    wv.q = (struct npi_quant){ .n = (int)co, .axis = n->op == NPI_OP_DWCONV2D ? w->rank - 1 : 0, .scale = ws, .zero = zero };
    const int wt = npi_graph_const(to, g->tensor[n->in[1]].name, &wv);
    if (wt < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    int8_t *q = to->tensor[wt].v.data;
    for (int64_t i = 0; i < count; i++) {
        int64_t o, c;
        npi_quant_weight_at(g, n, i, &o, &c);
        const double v = nearbyint((double)wd[i] / ws[o]);
        q[i] = (int8_t)(v > q_max ? q_max : v > -q_max ? v : -q_max);
        if (mean) bias[o] += ((double)wd[i] - (double)q[i] * ws[o]) * mean[c] * inside(g, n, i);
    }
    for (int64_t o = 0; o < co; o++) bs[o] = x_scale * ws[o];
    bv.q = (struct npi_quant){ .n = (int)co, .axis = 0, .scale = bs, .zero = zero };
    const int bt = npi_graph_const(to, has_bias ? g->tensor[n->in[2]].name : "bias", &bv);
    if (bt < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    for (int64_t o = 0; o < co; o++) {
        const double v = nearbyint(bias[o] / bs[o]);
        ((int32_t *)to->tensor[bt].v.data)[o] = (int32_t)(v > 2e9 ? 2e9 : v > -2e9 ? v : -2e9);
    }
    const struct npi_node d = { .op = NPI_OP_DEQUANTIZE, .name = n->name };
    if ((*out_w = npi_build1(to, &d, &wt, 1, err)) < 0) return *out_w;
    return (*out_b = npi_build1(to, &d, &bt, 1, err)) < 0 ? *out_b : 0;
}
