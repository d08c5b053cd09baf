/* SPDX-License-Identifier: Apache-2.0 */
/* A line is a capsule: a pixel's cover is how far it lies inside, softened over one pixel. Each row visits only the columns
 * that the capsule can touch, so a long diagonal costs its own area and not that of its bounding box. Luma is covered pixel by
 * pixel, chroma at its own half resolution with the same geometry. */
#include "draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "font5x7.h"

static const uint8_t palette[][3] = {
    { 60, 180, 255 }, { 255, 150, 40 }, { 90, 220, 90 }, { 240, 80, 160 }, { 250, 220, 60 }, { 160, 120, 255 },
    { 60, 220, 210 }, { 255, 100, 80 }, { 170, 210, 60 }, { 230, 130, 240 }, { 110, 150, 255 }, { 220, 180, 130 },
};

void npi_draw_person_color(int id, uint8_t rgb[3]) {
    const unsigned n = sizeof palette / sizeof palette[0];
    memcpy(rgb, palette[((unsigned)id + n - 1) % n], 3);
}

static void blend(uint8_t *p, uint8_t v, float cover) {
    const int a = (int)(cover * 256);
    *p = (uint8_t)((*p * (256 - a) + v * a) >> 8);
}

/* One plane: coordinates in samples of it; soft is half the width of the edge. */
static void capsule(uint8_t *plane, int stride, int w, int h, float x0, float y0, float x1, float y1, float r, float soft, uint8_t v) {
    const float reach = r + soft, dx = x1 - x0, dy = y1 - y0, len2 = dx * dx + dy * dy;
    const float top = fminf(y0, y1) - reach, bottom = fmaxf(y0, y1) + reach;
    const int ya = top < 0 ? 0 : (int)top, yb = bottom > (float)h ? h : (int)bottom + 1;
    for (int y = ya; y < yb && y < h; y++) {
        const float cy = (float)y + 0.5f;
        float ta = 0, tb = 1; /* the part of the segment whose y is within reach of this row */
        if (fabsf(dy) > 1e-3f) {
            ta = (cy - reach - y0) / dy;
            tb = (cy + reach - y0) / dy;
            if (ta > tb) { const float t = ta; ta = tb; tb = t; }
            ta = fminf(fmaxf(ta, 0), 1);
            tb = fminf(fmaxf(tb, 0), 1);
        }
        const float left = fminf(x0 + ta * dx, x0 + tb * dx) - reach, right = fmaxf(x0 + ta * dx, x0 + tb * dx) + reach;
        const int xa = left < 0 ? 0 : (int)left, xb = right > (float)w ? w : (int)right + 1;
        for (int x = xa; x < xb && x < w; x++) {
            const float cx = (float)x + 0.5f;
            float t = len2 > 0 ? ((cx - x0) * dx + (cy - y0) * dy) / len2 : 0;
            t = fminf(fmaxf(t, 0), 1);
            const float ex = cx - x0 - t * dx, ey = cy - y0 - t * dy, d = sqrtf(ex * ex + ey * ey);
            if (d < reach) blend(plane + (ptrdiff_t)y * stride + x, v, fminf((reach - d) / (2 * soft), 1));
        }
    }
}

/* Joints may lie far outside, or be garbage: everything is brought to where float and int arithmetic is safe. */
static int sane(float *x, float *y) {
    if (!isfinite(*x) || !isfinite(*y)) return 0;
    *x = fminf(fmaxf(*x, -20000), 40000);
    *y = fminf(fmaxf(*y, -20000), 40000);
    return 1;
}

void npi_draw_line(struct npi_picture *p, float x0, float y0, float x1, float y1, float thickness, const uint8_t rgb[3]) {
    uint8_t c[3];
    if (!sane(&x0, &y0) || !sane(&x1, &y1)) return;
    npi_picture_color(p, rgb, c);
    capsule(p->plane[0], p->stride[0], p->width, p->height, x0, y0, x1, y1, thickness / 2, 0.5f, c[0]);
    for (int i = 1; i < 3; i++)
        capsule(p->plane[i], p->stride[i], p->width / 2, p->height / 2, x0 / 2, y0 / 2, x1 / 2, y1 / 2, thickness / 4, 0.5f, c[i]);
}

void npi_draw_disc(struct npi_picture *p, float x, float y, float radius, const uint8_t rgb[3]) { npi_draw_line(p, x, y, x, y, 2 * radius, rgb); }

static void fill(struct npi_picture *p, int x0, int y0, int x1, int y1, const uint8_t c[3], int alpha) {
    for (int i = 0; i < 3; i++) {
        const int s = i ? 1 : 0, w = p->width >> s, h = p->height >> s;
        const int xa = x0 < 0 ? 0 : x0 >> s, ya = y0 < 0 ? 0 : y0 >> s, xb = (x1 + s) >> s, yb = (y1 + s) >> s;
        for (int y = ya; y < yb && y < h; y++) {
            for (int x = xa; x < xb && x < w; x++) blend(p->plane[i] + (ptrdiff_t)y * p->stride[i] + x, c[i], (float)alpha / 256);
        }
    }
}

static const uint8_t *glyph(char c) {
    if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
    for (size_t i = 0; i < sizeof font / sizeof font[0]; i++) {
        if (font[i].c == c) return font[i].row;
    }
    return NULL; /* a space, or a sign that we lack */
}

void npi_draw_text(struct npi_picture *p, int x, int y, int scale, const char *text, const uint8_t rgb[3]) {
    static const uint8_t black[3] = { 0, 0, 0 };
    uint8_t c[3], ground[3];
    npi_picture_color(p, rgb, c);
    npi_picture_color(p, black, ground);
    const int len = (int)strnlen(text, 80);
    fill(p, x - scale, y - scale, x + len * 6 * scale, y + 8 * scale, ground, 160);
    for (int k = 0; k < len; k++, x += 6 * scale) {
        const uint8_t *const g = glyph(text[k]);
        for (int r = 0; g && r < 7; r++) {
            for (int b = 0; b < 5; b++) {
                if (g[r] & (0x10 >> b)) fill(p, x + b * scale, y + r * scale, x + (b + 1) * scale, y + (r + 1) * scale, c, 256);
            }
        }
    }
}

/* -1 left, 1 right, 0 neither (nose, pelvis): a joint without a mirror twin is in the middle. */
static int side(const struct np_keypoint_set *set, int k) {
    if (set->flip[k] == k) return 0;
    const char *n = set->names[k];
    if (!strncmp(n, "left", 4) || !strncmp(n, "Left", 4) || !strncmp(n, "L_", 2) || !strncmp(n, "l_", 2)) return -1;
    return 1;
}

static void tint(const uint8_t in[3], int side_, uint8_t out[3]) {
    for (int i = 0; i < 3; i++) out[i] = (uint8_t)(side_ < 0 ? in[i] + (255 - in[i]) * 45 / 100 : side_ > 0 ? in[i] * 75 / 100 : in[i]);
}

void npi_draw_limb_color(int id, const struct np_keypoint_set *set, int a, int b, uint8_t rgb[3]) {
    uint8_t base[3];
    const int sa = side(set, a), sb = side(set, b);
    npi_draw_person_color(id, base);
    tint(base, sa == sb ? sa : 0, rgb);
}

static void draw_pose(struct npi_picture *p, const struct np_keypoint_set *set, const struct np_person *who, float thr, float thick,
                      const uint8_t rgb[3]) {
    uint8_t c[3];
    const int n = who->n_keypoints < set->n ? who->n_keypoints : set->n;
    for (int i = 0; i < set->n_edges; i++) {
        const int a = set->edges[i][0], b = set->edges[i][1];
        if (a >= n || b >= n || !(who->keypoint[a].conf >= thr) || !(who->keypoint[b].conf >= thr)) continue;
        const int sa = side(set, a), sb = side(set, b);
        tint(rgb, sa == sb ? sa : 0, c);
        npi_draw_line(p, who->keypoint[a].x, who->keypoint[a].y, who->keypoint[b].x, who->keypoint[b].y, thick, c);
    }
    for (int k = 0; k < n; k++) {
        if (!(who->keypoint[k].conf >= thr)) continue;
        static const uint8_t white[3] = { 255, 255, 255 };
        tint(rgb, side(set, k), c);
        npi_draw_disc(p, who->keypoint[k].x, who->keypoint[k].y, thick * 0.9f, white);
        npi_draw_disc(p, who->keypoint[k].x, who->keypoint[k].y, thick * 0.9f - 0.8f, c);
    }
}

void npi_draw_persons(struct npi_picture *p, const struct np_keypoint_set *set, const struct np_person *persons, int n,
                      const struct npi_draw_params *d) {
    const int longer = p->width > p->height ? p->width : p->height;
    const float base = fmaxf(1.5f, (float)longer / 480);
    const int scale = longer >= 2400 ? 4 : longer >= 1200 ? 3 : longer >= 480 ? 2 : 1;
    for (int i = 0; i < n; i++) {
        const struct np_person *const w = &persons[i];
        uint8_t rgb[3];
        char id[16];
        float x = w->box.x, y = w->box.y, x1 = w->box.x + w->box.w, y1 = w->box.y + w->box.h;
        npi_draw_person_color(w->id, rgb);
        const int box_ok = sane(&x, &y) && sane(&x1, &y1);
        if (d->boxes && box_ok) {
            const float t = base * 0.6f;
            npi_draw_line(p, x, y, x1, y, t, rgb);
            npi_draw_line(p, x1, y, x1, y1, t, rgb);
            npi_draw_line(p, x1, y1, x, y1, t, rgb);
            npi_draw_line(p, x, y1, x, y, t, rgb);
        }
        if (set && w->pose_source != NP_POSE_NONE) draw_pose(p, set, w, d->kpt_thr, w->pose_source == NP_POSE_INFERRED ? base : base * 0.6f, rgb);
        if (d->ids && box_ok) {
            snprintf(id, sizeof id, "%d", w->id);
            const int ty = (int)y - 9 * scale < scale ? scale : (int)y - 9 * scale;
            npi_draw_text(p, (int)x < scale ? scale : (int)x, ty, scale, id, rgb);
        }
    }
    if (d->text) npi_draw_text(p, 3 * scale, 3 * scale, scale, d->text, (const uint8_t[3]){ 255, 255, 255 });
}
