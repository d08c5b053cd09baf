/* SPDX-License-Identifier: Apache-2.0 */
/* Conv2D and DepthwiseConv2D, float and quantized. Float sums are in double; what follows the sum is in ops/finish.c.
 *
 *   Conv2D           x [n][h][w][ci]  w [co][kh][kw][ci/groups]   output channel c sees input group c / (co/groups)
 *   DepthwiseConv2D  x [n][h][w][c]   w [kh][kw][c*mult]          output channel c*mult + m sees input channel c
 *
 * Padding counts as real zero: outside taps are left out of the sum. */
#include "ops/families.h"
#include "ops/finish.h"
#include "ops/quantize.h"
#include "ops/window.h"

static int infer_out(const struct npi_op_args *a, int64_t kh, int64_t kw, int64_t co, int waxis, struct np_error *err) {
    const struct npi_window *win = &a->node->a.conv.win;
    const struct npi_view *x = a->in[0];
    struct npi_view *y = a->out[0];
    if (kh != win->kh || kw != win->kw)
        return npi_fail(err, NP_ESHAPE, "weights are %lldx%lld, the kernel is %dx%d", (long long)kh, (long long)kw, win->kh, win->kw);
    int64_t oh = 0, ow = 0;
    const int r = npi_window_out(win, x->d[1], x->d[2], 0, &oh, &ow, err);
    if (r < 0) return r;
    y->rank = 4;
    y->d[0] = x->d[0];
    y->d[1] = oh;
    y->d[2] = ow;
    y->d[3] = co;
    return npi_finish_infer(a, co, waxis, err);
}

static int conv_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0], *w = a->in[1];
    if (x->rank != 4 || w->rank != 4) return npi_fail(err, NP_ESHAPE, "input of rank %d and weights of rank %d; both must be 4", x->rank, w->rank);
    const int64_t co = w->d[0], ci = x->d[3], g = a->node->a.conv.groups;
    if (g < 1 || co < 1 || ci < 1 || ci % g || co % g || w->d[3] != ci / g)
        return npi_fail(err, NP_ESHAPE, "%lld input channels in %lld groups, weights [%lld][%lld][%lld][%lld]", (long long)ci, (long long)g, (long long)w->d[0],
                        (long long)w->d[1], (long long)w->d[2], (long long)w->d[3]);
    return infer_out(a, w->d[1], w->d[2], co, 0, err);
}

static int dw_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0], *w = a->in[1];
    if (x->rank != 4 || w->rank != 3) return npi_fail(err, NP_ESHAPE, "input of rank %d and weights of rank %d; they must be 4 and 3", x->rank, w->rank);
    if (x->d[3] < 1 || w->d[2] < 1 || w->d[2] % x->d[3])
        return npi_fail(err, NP_ESHAPE, "%lld output channels are no multiple of %lld input channels", (long long)w->d[2], (long long)x->d[3]);
    return infer_out(a, w->d[0], w->d[1], w->d[2], 2, err);
}

static size_t scratch(const struct npi_op_args *a) { return npi_finish_scratch(a->out[0]->d[3]); }

static double dot_f32(const float *x, const float *w, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)x[i] * w[i];
    return s;
}

/* Where an output pixel looks: its taps inside the input, and the input coordinates of tap 0. */
struct spot { int ky0, ky1, kx0, kx1; int64_t iy, ix; };

static struct spot spot_of(const struct npi_window *win, const struct npi_view *x, int64_t oy, int64_t ox) {
    struct spot s;
    s.iy = oy * win->sh - win->pt;
    s.ix = ox * win->sw - win->pl;
    npi_window_taps(s.iy, win->kh, win->dh, x->d[1], &s.ky0, &s.ky1);
    npi_window_taps(s.ix, win->kw, win->dw, x->d[2], &s.kx0, &s.kx1);
    return s;
}

static void conv_pixel(const struct npi_finish *f, int64_t n, const struct spot *s) {
    const struct npi_op_args *a = f->a;
    const struct npi_view *x = a->in[0], *w = a->in[1];
    const struct npi_window *win = &a->node->a.conv.win;
    const int64_t ci = x->d[3], cig = w->d[3], cog = f->co / a->node->a.conv.groups;
    const npi_dot_fn dot = f->quant ? npi_dot_for(x->dtype, w->dtype) : NULL;
    for (int64_t c = 0; c < f->co; c++) {
        double acc = 0;
        int64_t iacc = 0;
        for (int ky = s->ky0; ky < s->ky1; ky++)
            for (int kx = s->kx0; kx < s->kx1; kx++) {
                const int64_t xi = ((n * x->d[1] + s->iy + (int64_t)ky * win->dh) * x->d[2] + s->ix + (int64_t)kx * win->dw) * ci + c / cog * cig;
                const int64_t wi = ((c * win->kh + ky) * win->kw + kx) * cig;
                if (dot) iacc = npi_finish_add(f->wide, iacc, dot(x->data, xi, npi_q_zero(x, 0), w->data, wi, npi_q_zero(w, c), cig));
                else acc += dot_f32((const float *)x->data + xi, (const float *)w->data + wi, cig);
            }
        if (dot) f->iacc[c] = iacc;
        else f->acc[c] = acc;
    }
}

static void dw_pixel(const struct npi_finish *f, int64_t n, const struct spot *s) {
    const struct npi_op_args *a = f->a;
    const struct npi_view *x = a->in[0], *w = a->in[1];
    const struct npi_window *win = &a->node->a.conv.win;
    const int64_t ci = x->d[3], mult = f->co / ci;
    const npi_dot_fn dot = f->quant ? npi_dot_for(x->dtype, w->dtype) : NULL;
    for (int64_t c = 0; c < f->co; c++) {
        if (dot) f->iacc[c] = 0;
        else f->acc[c] = 0;
    }
    for (int ky = s->ky0; ky < s->ky1; ky++)
        for (int kx = s->kx0; kx < s->kx1; kx++) {
            const int64_t xi = ((n * x->d[1] + s->iy + (int64_t)ky * win->dh) * x->d[2] + s->ix + (int64_t)kx * win->dw) * ci;
            const int64_t wi = ((int64_t)ky * win->kw + kx) * f->co;
            if (!dot) {
                const float *xp = (const float *)x->data + xi, *wp = (const float *)w->data + wi;
                for (int64_t c = 0; c < f->co; c++) f->acc[c] += (double)xp[c / mult] * wp[c];
            } else {
                for (int64_t c = 0; c < f->co; c++)
                    f->iacc[c] = npi_finish_add(f->wide, f->iacc[c], dot(x->data, xi + c / mult, npi_q_zero(x, 0), w->data, wi + c, npi_q_zero(w, c), 1));
            }
        }
}

static void eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *y = a->out[0];
    struct npi_finish f;
    npi_finish_init(&f, a, y->d[3]);
    int64_t pixel = 0;
    for (int64_t n = 0; n < y->d[0]; n++)
        for (int64_t oy = 0; oy < y->d[1]; oy++)
            for (int64_t ox = 0; ox < y->d[2]; ox++) {
                const struct spot s = spot_of(&a->node->a.conv.win, x, oy, ox);
                if (a->node->op == NPI_OP_CONV2D) conv_pixel(&f, n, &s);
                else dw_pixel(&f, n, &s);
                npi_finish_pixel(&f, pixel++);
            }
}

static const struct npi_op_def defs[] = {
    { NPI_OP_CONV2D, conv_infer, eval, scratch, NPI_OPF_QUANT | NPI_OPF_ACT },
    { NPI_OP_DWCONV2D, dw_infer, eval, scratch, NPI_OPF_QUANT | NPI_OPF_ACT },
};
const struct npi_op_family npi_ops_conv = { defs, sizeof defs / sizeof *defs };
