/* SPDX-License-Identifier: Apache-2.0 */
/* Turned crops: each net row is a straight line through the stored picture, sampled bilinearly. Where a net pixel covers more than two
 * source pixels, a grid of samples inside it, at most two source pixels apart, is averaged.
 *
 * Along a row "inside the picture" is one interval, and so is "all four taps inside": both ends are found by stepping inwards. */
#include <math.h>
#include <string.h>

#include "vision/warp_priv.h"

#define MAX_GRID 16

struct line { int64_t u, v, du, dv; }; /* 16.16; pixel centres are whole numbers */

static int within(const struct line *l, int i, int64_t lo_u, int64_t hi_u, int64_t lo_v, int64_t hi_v) {
    const int64_t u = l->u + i * l->du, v = l->v + i * l->dv;
    return u >= lo_u && u < hi_u && v >= lo_v && v < hi_v;
}

static void interval(const struct line *l, int64_t lo_u, int64_t hi_u, int64_t lo_v, int64_t hi_v, int *i0, int *i1) {
    while (*i0 < *i1 && !within(l, *i0, lo_u, hi_u, lo_v, hi_v)) ++*i0;
    while (*i0 < *i1 && !within(l, *i1 - 1, lo_u, hi_u, lo_v, hi_v)) --*i1;
}

static int clamp(int64_t x, int hi) { return x < 0 ? 0 : x > hi ? hi : (int)x; }

/* The same sample as the kernel's, taps beyond the border repeat the border pixel. */
static float border_sample(const struct npi_plane *p, int comp, int64_t u, int64_t v) {
    const int x0 = clamp(u >> 16, p->w - 1), x1 = clamp((u >> 16) + 1, p->w - 1), y0 = clamp(v >> 16, p->h - 1), y1 = clamp((v >> 16) + 1, p->h - 1);
    const unsigned fx = (unsigned)(u >> 8 & 255), fy = (unsigned)(v >> 8 & 255);
    const uint8_t *a = p->p + y0 * p->stride + comp, *b = p->p + y1 * p->stride + comp;
    const unsigned top = a[x0 * p->step] * (256 - fx) + a[x1 * p->step] * fx, low = b[x0 * p->step] * (256 - fx) + b[x1 * p->step] * fx;
    return (float)(top * (256 - fy) + low * fy) * (1.f / 65536);
}

static void sample(const struct npi_warp *w, const struct npi_plane *p, int comp, const struct line *l, int i0, int i1, float *out) {
    int a = i0, b = i1;
    interval(l, 0, (int64_t)(p->w - 1) << 16, 0, (int64_t)(p->h - 1) << 16, &a, &b);
    for (int i = i0; i < a; i++) out[i - i0] = border_sample(p, comp, l->u + i * l->du, l->v + i * l->dv);
    if (a < b) {
        const ptrdiff_t last = (p->stride > 0 ? (p->h - 1) * p->stride : 0) + (ptrdiff_t)(p->w - 1) * p->step + p->n_comp - 1 - comp;
        w->k.line_u8(out + (a - i0), p->p + comp, p->stride, p->step, last, (int32_t)(l->u + a * l->du), (int32_t)(l->v + a * l->dv),
                     (int32_t)l->du, (int32_t)l->dv, b - a);
    }
    for (int i = b; i < i1; i++) out[i - i0] = border_sample(p, comp, l->u + i * l->du, l->v + i * l->dv);
}

/* The line of net row y through plane p; (ox, oy): place within the net pixel, 0 = its centre. */
static struct line line_of(const struct npi_warp *w, const struct npi_plane *p, double y, double ox, double oy) {
    const struct npi_affine *m = &w->m;
    const double sx = p->cx ? .5 : 1, sy = p->cy ? .5 : 1;
    const double u = (m->a * (.5 + ox) + m->b * (y + .5 + oy) + m->c) * sx - .5, v = (m->d * (.5 + ox) + m->e * (y + .5 + oy) + m->f) * sy - .5;
    return (struct line){ llrint(u * 65536), llrint(v * 65536), llrint(m->a * sx * 65536), llrint(m->d * sy * 65536) };
}

void npi_warp_line_row(const struct npi_warp *w, void *dst, int y, float *const line[3], float *tmp) {
    const struct npi_plane full = { .cx = 0, .cy = 0 };
    const struct line c = line_of(w, &full, y, 0, 0);
    int i0 = 0, i1 = w->in.width;
    interval(&c, -32768, ((int64_t)w->src_w << 16) - 32768, -32768, ((int64_t)w->src_h << 16) - 32768, &i0, &i1);
    npi_warp_pad(w, dst, 0, y, i0);
    npi_warp_pad(w, dst, i1, y, w->in.width - i1);
    const int n = i1 - i0;
    for (int k = 0; k < w->n_planes && n > 0; k++) {
        const struct npi_plane *p = &w->plane[k];
        const float s = npi_affine_scale(&w->m) * (p->cx ? .5f : 1.f);
        const int g = s <= 2 ? 1 : s >= 2 * MAX_GRID ? MAX_GRID : (int)ceilf(s / 2);
        for (int comp = 0; comp < p->n_comp; comp++) {
            float *out = line[p->first + comp];
            if (g == 1) {
                const struct line l = line_of(w, p, y, 0, 0);
                sample(w, p, comp, &l, i0, i1, out);
                continue;
            }
            for (int i = 0; i < n; i++) out[i] = 0;
            for (int q = 0; q < g * g; q++) {
                const struct line l = line_of(w, p, y, (q % g + .5) / g - .5, (q / g + .5) / g - .5);
                sample(w, p, comp, &l, i0, i1, tmp);
                for (int i = 0; i < n; i++) out[i] += tmp[i];
            }
            for (int i = 0; i < n; i++) out[i] *= 1.f / (float)(g * g);
        }
    }
    npi_warp_store(w, dst, i0, y, n, line);
}
