/* SPDX-License-Identifier: Apache-2.0 */
/* ConvTranspose2D, float and quantized.
 *
 *   x [n][h][w][ci]   w [co][kh][kw][ci/groups]   y [n][oh][ow][co]     output channel c sees input group c / (co/groups)
 *   y[oy][ox][c] = sum over taps with oy + pt = iy*sh + ky*dh (x alike) and k of x[iy][ix][g*ci/groups + k] * w[c][ky][kx][k]
 *   oh = (h-1)*sh + (kh-1)*dh + 1 + out_pad_h - pt - pb
 *
 * That is Conv2D's layout with the kernel not turned round. TFLite's TRANSPOSE_CONV weights are in it already. ONNX's
 * [ci][co/groups][kh][kw]: reshape to [g][ci/g][co/g][kh][kw], transpose (0,2,3,4,1), reshape to [co][kh][kw][ci/g];
 * with one group that is the transpose (1,2,3,0). Per-channel scales run along axis 0. */
#include "ops/families.h"
#include "ops/finish.h"
#include "ops/quantize.h"

static int out_dim(int64_t in, int k, int s, int d, int p0, int p1, int extra, const char *what, int64_t *out, struct np_error *err) {
    const int most = 1 << 24; /* keeps the products below in 64 bits */
    if (in < 1 || in > (int64_t)1 << 36 || k < 1 || k > most || s < 1 || s > most || d < 1 || d > most || extra < 0)
        return npi_fail(err, NP_ESHAPE, "%s %lld with kernel %d, stride %d, dilation %d, output padding %d", what, (long long)in, k, s, d, extra);
    *out = (in - 1) * s + (int64_t)(k - 1) * d + 1 + extra - p0 - p1;
    return *out < 1 ? npi_fail(err, NP_ESHAPE, "output %s would be %lld", what, (long long)*out) : 0;
}

static int infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0], *w = a->in[1];
    struct npi_view *y = a->out[0];
    const struct npi_window *win = &a->node->a.convt.win;
    if (x->rank != 4 || w->rank != 4) return npi_fail(err, NP_ESHAPE, "input of rank %d and weights of rank %d; both must be 4", x->rank, w->rank);
    const int64_t co = w->d[0], ci = x->d[3], g = a->node->a.convt.groups;
    if (g < 1 || co < 1 || ci < 1 || ci % g || co % g || w->d[3] != ci / g || w->d[1] != win->kh || w->d[2] != win->kw)
        return npi_fail(err, NP_ESHAPE, "%lld input channels in %lld groups, kernel %dx%d, weights [%lld][%lld][%lld][%lld]", (long long)ci, (long long)g, win->kh,
                        win->kw, (long long)w->d[0], (long long)w->d[1], (long long)w->d[2], (long long)w->d[3]);
    int64_t oh = 0, ow = 0;
    int r = out_dim(x->d[1], win->kh, win->sh, win->dh, win->pt, win->pb, a->node->a.convt.out_pad_h, "height", &oh, err);
    if (r < 0 || (r = out_dim(x->d[2], win->kw, win->sw, win->dw, win->pl, win->pr, a->node->a.convt.out_pad_w, "width", &ow, err)) < 0) return r;
    y->rank = 4;
    y->d[0] = x->d[0];
    y->d[1] = oh;
    y->d[2] = ow;
    y->d[3] = co;
    return npi_finish_infer(a, co, 0, err);
}

static size_t scratch(const struct npi_op_args *a) { return npi_finish_scratch(a->out[0]->d[3]); }

/* Input index under tap k of output index o, or -1. */
static int64_t source(int64_t o, int pad, int k, int s, int d, int64_t in) {
    const int64_t v = o + pad - (int64_t)k * d;
    return v < 0 || v % s || v / s >= in ? -1 : v / s;
}

static void pixel_sum(const struct npi_finish *f, int64_t n, int64_t oy, int64_t ox) {
    const struct npi_op_args *a = f->a;
    const struct npi_view *x = a->in[0], *w = a->in[1];
    const struct npi_window *win = &a->node->a.convt.win;
    const int64_t ci = x->d[3], cig = w->d[3], cog = f->co / a->node->a.convt.groups;
    const npi_dot_fn dot = f->quant ? npi_dot_for(x->dtype, w->dtype) : NULL;
    for (int64_t c = 0; c < f->co; c++) {
        if (dot) f->iacc[c] = 0;
        else f->acc[c] = 0;
    }
    for (int ky = 0; ky < win->kh; ky++) {
        const int64_t iy = source(oy, win->pt, ky, win->sh, win->dh, x->d[1]);
        for (int kx = 0; kx < win->kw && iy >= 0; kx++) {
            const int64_t ix = source(ox, win->pl, kx, win->sw, win->dw, x->d[2]);
            for (int64_t c = 0; c < f->co && ix >= 0; c++) {
                const int64_t xi = ((n * x->d[1] + iy) * x->d[2] + ix) * ci + c / cog * cig, wi = ((c * win->kh + ky) * win->kw + kx) * cig;
                if (dot) {
                    f->iacc[c] = npi_finish_add(f->wide, f->iacc[c], dot(x->data, xi, npi_q_zero(x, 0), w->data, wi, npi_q_zero(w, c), cig));
                } else {
                    const float *xp = (const float *)x->data + xi, *wp = (const float *)w->data + wi;
                    for (int64_t k = 0; k < cig; k++) f->acc[c] += (double)xp[k] * wp[k];
                }
            }
        }
    }
}

static void eval(const struct npi_op_args *a) {
    const struct npi_view *y = a->out[0];
    struct npi_finish f;
    npi_finish_init(&f, a, y->d[3]);
    int64_t pixel = 0;
    for (int64_t n = 0; n < y->d[0]; n++)
        for (int64_t oy = 0; oy < y->d[1]; oy++)
            for (int64_t ox = 0; ox < y->d[2]; ox++) {
                pixel_sum(&f, n, oy, ox);
                npi_finish_pixel(&f, pixel++);
            }
}

static const struct npi_op_def defs[] = { { NPI_OP_CONVT2D, infer, eval, scratch, NPI_OPF_QUANT | NPI_OPF_ACT } };
const struct npi_op_family npi_ops_convt = { defs, 1 };
