/* SPDX-License-Identifier: Apache-2.0 */
/* GridSample: x [n][h][w][c], grid [n][oh][ow][2] of (x, y) in -1..1 -> [n][oh][ow][c].
 *
 * a.grid: mode is enum npi_resize_mode; padding 0 zeros, 1 border, 2 reflection; align_corners: -1 and 1 are the centres of
 * the outermost pixels, otherwise their outer edges. Cubic uses a = -0.75. f32, sums in double. */
#include <math.h>

#include "ops/families.h"

static int infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0], *g = a->in[1];
    struct npi_view *y = a->out[0];
    if (x->rank != 4 || g->rank != 4) return npi_fail(err, NP_EUNSUPPORTED, "input of rank %d and grid of rank %d; both must be 4", x->rank, g->rank);
    if (x->dtype != NP_F32 || g->dtype != NP_F32) return npi_fail(err, NP_EUNSUPPORTED, "input %s, grid %s; f32 is supported", np_dtype_name(x->dtype), np_dtype_name(g->dtype));
    if (g->d[3] != 2 || g->d[0] != x->d[0] || x->d[1] < 1 || x->d[2] < 1)
        return npi_fail(err, NP_ESHAPE, "grid [%lld][%lld][%lld][%lld] for an input of batch %lld and %lldx%lld", (long long)g->d[0], (long long)g->d[1],
                        (long long)g->d[2], (long long)g->d[3], (long long)x->d[0], (long long)x->d[1], (long long)x->d[2]);
    if (a->node->a.grid.mode < 0 || a->node->a.grid.mode > NPI_RESIZE_CUBIC || a->node->a.grid.padding < 0 || a->node->a.grid.padding > 2)
        return npi_fail(err, NP_EINVAL, "mode %d, padding %d", a->node->a.grid.mode, a->node->a.grid.padding);
    y->dtype = NP_F32;
    y->rank = 4;
    y->d[0] = g->d[0];
    y->d[1] = g->d[1];
    y->d[2] = g->d[2];
    y->d[3] = x->d[3];
    return 0;
}

/* Mirrors v into [lo, hi]. */
static double reflect(double v, double lo, double hi) {
    const double range = hi - lo;
    if (range <= 0) return lo;
    double d = fmod(fabs(v - lo), 2 * range);
    if (d > range) d = 2 * range - d;
    return lo + d;
}

/* Index of pixel i (which may lie outside) after padding; -1: zero. */
static int64_t padded(double i, int64_t n, int padding, int align) {
    if (i >= 0 && i <= (double)(n - 1)) return (int64_t)i;
    if (padding == 0 || !isfinite(i)) return -1;
    if (padding == 1) return i < 0 ? 0 : n - 1;
    const double v = align ? reflect(i, 0, (double)(n - 1)) : reflect(i, -0.5, (double)n - 0.5);
    const double c = v < 0 ? 0 : v > (double)(n - 1) ? (double)(n - 1) : v;
    return (int64_t)nearbyint(c);
}

/* First tap and weights of one axis; returns the number of taps. */
static int taps(double v, int mode, double *first, double w[4]) {
    const double f = floor(v), t = v - f;
    if (mode == NPI_RESIZE_NEAREST) {
        *first = nearbyint(v);
        w[0] = 1;
        return 1;
    }
    if (mode == NPI_RESIZE_LINEAR) {
        *first = f;
        w[0] = 1 - t;
        w[1] = t;
        return 2;
    }
    const double A = -0.75, u = t + 1, s = 1 - t, r = 2 - t;
    *first = f - 1;
    w[0] = ((A * u - 5 * A) * u + 8 * A) * u - 4 * A;
    w[1] = ((A + 2) * t - (A + 3)) * t * t + 1;
    w[2] = ((A + 2) * s - (A + 3)) * s * s + 1;
    w[3] = ((A * r - 5 * A) * r + 8 * A) * r - 4 * A;
    return 4;
}

static double coord(double g, int64_t n, const struct npi_node *node) {
    const double v = node->a.grid.align_corners ? (g + 1) / 2 * (double)(n - 1) : ((g + 1) * (double)n - 1) / 2;
    if (node->a.grid.mode == NPI_RESIZE_CUBIC || !isfinite(v)) return v; /* cubic pads its taps instead */
    if (node->a.grid.padding == 1) return v < 0 ? 0 : v > (double)(n - 1) ? (double)(n - 1) : v;
    if (node->a.grid.padding == 2) {
        const double r = node->a.grid.align_corners ? reflect(v, 0, (double)(n - 1)) : reflect(v, -0.5, (double)n - 0.5);
        return r < 0 ? 0 : r > (double)(n - 1) ? (double)(n - 1) : r;
    }
    return v;
}

static void eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *g = a->in[1];
    const int64_t ch = x->d[3], per = g->d[1] * g->d[2], pixels = g->d[0] * per;
    const struct npi_node *node = a->node;
    for (int64_t p = 0; p < pixels; p++) {
        const float *gp = (const float *)g->data + p * 2;
        const float *img = (const float *)x->data + p / per * x->d[1] * x->d[2] * ch;
        float *y = (float *)a->out[0]->data + p * ch;
        double x0, y0, wx[4], wy[4];
        const int nx = taps(coord(gp[0], x->d[2], node), node->a.grid.mode, &x0, wx), ny = taps(coord(gp[1], x->d[1], node), node->a.grid.mode, &y0, wy);
        for (int64_t c = 0; c < ch; c++) {
            double s = 0;
            for (int j = 0; j < ny; j++)
                for (int i = 0; i < nx; i++) {
                    const int64_t iy = padded(y0 + j, x->d[1], node->a.grid.padding, node->a.grid.align_corners);
                    const int64_t ix = padded(x0 + i, x->d[2], node->a.grid.padding, node->a.grid.align_corners);
                    if (iy >= 0 && ix >= 0) s += wy[j] * wx[i] * img[(iy * x->d[2] + ix) * ch + c];
                }
            y[c] = (float)s;
        }
    }
}

static const struct npi_op_def defs[] = { { NPI_OP_GRID_SAMPLE, infer, eval, NULL, 0 } };
const struct npi_op_family npi_ops_grid = { defs, 1 };
