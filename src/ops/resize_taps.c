/* SPDX-License-Identifier: Apache-2.0 */
/* See resize_taps.h. TFLite's half_pixel_centers is HALF_PIXEL, its align_corners ALIGN_CORNERS, neither ASYMMETRIC. */
#include "ops/resize_taps.h"

#include <math.h>

/* out / in as the format means it, snapped to the exact ratio when it is that up to float rounding. */
static double scale_of(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis) {
    const double exact = (double)y->d[axis] / (double)x->d[axis], s = node->a.resize.scale[axis];
    return !(s > 0) || fabs(s - exact) < 1e-6 * exact ? exact : s;
}

static int is_identity(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis) {
    return x->d[axis] == y->d[axis] && node->a.resize.coord != NPI_COORD_TF_CROP_AND_RESIZE && scale_of(node, x, y, axis) == 1;
}

double npi_resize_coord(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis, int64_t o) {
    const double scale = scale_of(node, x, y, axis), in = (double)x->d[axis], out = scale * in, v = (double)o;
    const float *roi = node->a.resize.roi;
    switch (node->a.resize.coord) {
    case NPI_COORD_ASYMMETRIC: return v / scale;
    case NPI_COORD_ALIGN_CORNERS: return out == 1 ? 0 : v * (in - 1) / (out - 1);
    case NPI_COORD_PYTORCH_HALF_PIXEL: return y->d[axis] == 1 ? 0 : (v + 0.5) / scale - 0.5;
    case NPI_COORD_TF_CROP_AND_RESIZE: {
        const double a = roi[axis], b = roi[x->rank + axis];
        return out == 1 ? (a + b) * (in - 1) / 2 : v * (b - a) * (in - 1) / (out - 1) + a * (in - 1);
    }
    case NPI_COORD_HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - (double)y->d[axis] / out) + (v + 0.5) / scale - 0.5;
    default: return (v + 0.5) / scale - 0.5;
    }
}

int npi_resize_n_taps(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis) {
    const int mode = node->a.resize.mode;
    if (mode == NPI_RESIZE_NEAREST || is_identity(node, x, y, axis)) return 1;
    const double radius = mode == NPI_RESIZE_CUBIC ? 2 : 1, scale = scale_of(node, x, y, axis);
    if (!node->a.resize.antialias || scale >= 1) return (int)radius * 2;
    const double n = -2 * floor(-radius / scale); /* within radius / scale on both sides */
    return n < 1e9 ? (int)n : 1000000000;
}

int npi_resize_stays(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis) {
    if (x->d[axis] != y->d[axis] || node->a.resize.coord == NPI_COORD_TF_CROP_AND_RESIZE || npi_resize_n_taps(node, x, y, axis) != 1) return 0;
    const int64_t last = x->d[axis] - 1;
    return is_identity(node, x, y, axis) || (npi_resize_coord(node, x, y, axis, 0) == 0 && npi_resize_coord(node, x, y, axis, last) == (double)last);
}

static double cubic(double v, double a) {
    v = fabs(v);
    if (v <= 1) return ((a + 2) * v - (a + 3)) * v * v + 1;
    return v < 2 ? ((a * v - 5 * a) * v + 8 * a) * v - 4 * a : 0;
}

static int64_t nearest(double v, int round) {
    switch (round) {
    case NPI_ROUND_FLOOR: return (int64_t)floor(v);
    case NPI_ROUND_CEIL: return (int64_t)ceil(v);
    case NPI_ROUND_PREFER_CEIL: return (int64_t)floor(v + 0.5);
    default: return (int64_t)ceil(v - 0.5);
    }
}

static int64_t inside(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

void npi_resize_fill(const struct npi_node *node, const struct npi_view *x, const struct npi_view *y, int axis, struct npi_resize_axis *t) {
    const int64_t in = x->d[axis], out = y->d[axis];
    const int mode = node->a.resize.mode, same = is_identity(node, x, y, axis);
    const double scale = scale_of(node, x, y, axis), shrink = node->a.resize.antialias && scale < 1 ? scale : 1;
    for (int64_t o = 0; o < out; o++) {
        int64_t *index = t->index + o * t->n;
        double *w = t->weight + o * t->n, v = npi_resize_coord(node, x, y, axis, o), sum = 0;
        v = v < -1e15 ? -1e15 : v < 1e15 ? v : 1e15;
        if (t->n == 1) {
            index[0] = same ? o : inside(nearest(v, node->a.resize.round), in);
            w[0] = 1;
        } else {
            const int64_t first = (int64_t)ceil(v) - t->n / 2; /* taps at ceil(v) - n/2 .. ceil(v) + n/2 - 1 */
            for (int k = 0; k < t->n; k++) {
                const double d = ((double)(first + k) - v) * shrink;
                w[k] = mode == NPI_RESIZE_CUBIC ? cubic(d, node->a.resize.cubic_a) : fmax(0, 1 - fabs(d));
                if (node->a.resize.exclude_outside && (first + k < 0 || first + k >= in)) w[k] = 0;
                sum += w[k];
                index[k] = inside(first + k, in);
            }
            if (node->a.resize.exclude_outside || shrink < 1)
                for (int k = 0; k < t->n && sum != 0; k++) w[k] /= sum;
        }
        if (node->a.resize.coord == NPI_COORD_TF_CROP_AND_RESIZE && !(v >= 0 && v <= (double)(in - 1))) index[0] = -1;
    }
}
