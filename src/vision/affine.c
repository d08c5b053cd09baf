/* SPDX-License-Identifier: Apache-2.0 */
/* Geometry: which part of the picture the net sees, and back. */
#include <math.h>

#include "vision/vision.h"

void npi_frame_shown_size(const struct np_frame *f, int *width, int *height) {
    const int turned = f->rotation == 90 || f->rotation == 270;
    *width = turned ? f->height : f->width;
    *height = turned ? f->width : f->height;
}

struct npi_affine npi_affine_letterbox(int shown_w, int shown_h, int net_w, int net_h, int fit) {
    float sx = (float)shown_w / (float)net_w, sy = (float)shown_h / (float)net_h;
    if (fit == NPI_FIT_STRETCH) return (struct npi_affine){ sx, 0, 0, 0, sy, 0 };
    sx = sy = fmaxf(sx, sy);
    if (fit == NPI_FIT_LETTERBOX_TOPLEFT) return (struct npi_affine){ sx, 0, 0, 0, sy, 0 };
    return (struct npi_affine){ sx, 0, ((float)shown_w - sx * (float)net_w) / 2, 0, sy, ((float)shown_h - sy * (float)net_h) / 2 };
}

struct npi_affine npi_affine_crop(const struct np_box *box, float factor, int net_w, int net_h) {
    float w = fmaxf(box->w, 1.f) * factor;
    const float h = fmaxf(box->h, 1.f) * factor, cx = box->x + box->w / 2, cy = box->y + box->h / 2;
    w = fmaxf(w, h * (float)net_w / (float)net_h); /* widen the shorter side to the net's aspect; equal pixels on both axes */
    const float s = w / (float)net_w;
    return (struct npi_affine){ s, 0, cx - s * (float)net_w / 2, 0, s, cy - s * (float)net_h / 2 };
}

struct npi_affine npi_affine_roi(float cx, float cy, float size, float angle, int net_w, int net_h) {
    const float s = size / (float)(net_w > net_h ? net_w : net_h), c = s * cosf(angle), n = s * sinf(angle);
    const float x = (float)net_w / 2, y = (float)net_h / 2;
    return (struct npi_affine){ c, -n, cx - c * x + n * y, n, c, cy - n * x - c * y };
}

int npi_affine_invert(struct npi_affine *out, const struct npi_affine *m) {
    const double det = (double)m->a * m->e - (double)m->b * m->d, i = 1 / det;
    if (!isfinite(det) || !isfinite(i) || !isfinite(m->c) || !isfinite(m->f)) return 0;
    const double a = m->e * i, b = -m->b * i, d = -m->d * i, e = m->a * i;
    *out = (struct npi_affine){ (float)a, (float)b, (float)-(a * m->c + b * m->f), (float)d, (float)e, (float)-(d * m->c + e * m->f) };
    return 1;
}

float npi_affine_scale(const struct npi_affine *m) { return sqrtf(fabsf(m->a * m->e - m->b * m->d)); }

struct np_box npi_affine_box(const struct npi_affine *m, float x0, float y0, float x1, float y1) {
    const float in[4][2] = { { x0, y0 }, { x1, y0 }, { x0, y1 }, { x1, y1 } };
    float lx = 0, ly = 0, hx = 0, hy = 0;
    for (int i = 0; i < 4; i++) {
        float x, y;
        npi_affine_apply(m, in[i][0], in[i][1], &x, &y);
        lx = i ? fminf(lx, x) : x; hx = i ? fmaxf(hx, x) : x;
        ly = i ? fminf(ly, y) : y; hy = i ? fmaxf(hy, y) : y;
    }
    return (struct np_box){ lx, ly, hx - lx, hy - ly };
}
