/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing a warp and running its rows; the separable way is here, turned crops are in lines.c. One row, separable:
 *
 *   source rows (u8) ── weighted sum down the taps ── u16 line ── weighted sum along the taps ── f32 line ── colour.c */
#include <math.h>
#include <string.h>

#include "vision/warp_priv.h"

static int longer(const struct npi_net_in *in) { return in->width > in->height ? in->width : in->height; }

size_t npi_warp_bytes(int src_side, const struct npi_net_in *in) {
    return npi_align_up(sizeof(struct npi_warp), NPI_ALIGN) + 4 * npi_axis_bytes(src_side, longer(in));
}

/* u16 lines of up to three planes (RGB: three samples a pixel), then four f32 lines. */
static size_t acc_bytes(int src_side) { return npi_align_up(3 * (size_t)(src_side + 2) * sizeof(uint16_t) + NPI_TAIL, NPI_ALIGN); }
size_t npi_warp_row_bytes(int src_side, const struct npi_net_in *in) {
    return acc_bytes(src_side) + 4 * npi_align_up((size_t)longer(in) * 4 + NPI_TAIL, NPI_ALIGN);
}

static struct npi_affine shown_to_stored(const struct np_frame *f) {
    const float w = (float)f->width, h = (float)f->height;
    switch (f->rotation) {
    case 90: return (struct npi_affine){ 0, 1, 0, -1, 0, h };
    case 180: return (struct npi_affine){ -1, 0, w, 0, -1, h };
    case 270: return (struct npi_affine){ 0, -1, w, 1, 0, 0 };
    default: return (struct npi_affine){ 1, 0, 0, 0, 1, 0 };
    }
}

static struct npi_affine chain(const struct npi_affine *o, const struct npi_affine *i) { /* o(i(x)) */
    return (struct npi_affine){ o->a * i->a + o->b * i->d, o->a * i->b + o->b * i->e, o->a * i->c + o->b * i->f + o->c,
                                o->d * i->a + o->e * i->d, o->d * i->b + o->e * i->e, o->d * i->c + o->e * i->f + o->f };
}

static void set_plane(struct npi_warp *w, const struct np_frame *f, int from, int step, int n_comp, int first, int cx, int cy) {
    w->plane[w->n_planes++] = (struct npi_plane){ f->plane[from], f->stride_bytes[from], step, n_comp, first, cx, cy,
                                                  cx ? (f->width + 1) / 2 : f->width, cy ? (f->height + 1) / 2 : f->height };
}

static void set_planes(struct npi_warp *w, const struct np_frame *f) {
    const int cy = f->format == NP_PIX_I420 || f->format == NP_PIX_NV12, cx = cy || f->format == NP_PIX_I422;
    w->n_planes = 0;
    w->n_samples = 3;
    w->bgr_source = f->format == NP_PIX_BGR24;
    w->colour = NPI_FROM_YUV;
    if (f->format == NP_PIX_RGB24 || f->format == NP_PIX_BGR24) {
        w->colour = NPI_FROM_RGB;
        set_plane(w, f, 0, 3, 3, 0, 0, 0);
        return;
    }
    set_plane(w, f, 0, 1, 1, 0, 0, 0);
    if (f->format == NP_PIX_GRAY8) w->colour = NPI_FROM_GRAY;
    if (f->format == NP_PIX_GRAY8 || w->in.channels == 1) w->n_samples = 1; /* luma is all that is needed */
    else if (f->format == NP_PIX_NV12) set_plane(w, f, 1, 2, 2, 1, cx, cy);
    else {
        set_plane(w, f, 1, 1, 1, 1, cx, cy);
        set_plane(w, f, 2, 1, 1, 2, cx, cy);
    }
}

static int finite_affine(const struct npi_affine *m) {
    const float v[6] = { m->a, m->b, m->c, m->d, m->e, m->f };
    for (int i = 0; i < 6; i++)
        if (!(fabsf(v[i]) < 1e6f)) return 0;
    return npi_affine_scale(m) > 1e-6f;
}

int npi_warp_prepare(struct npi_warp **out, void *mem, size_t mem_bytes, const struct np_frame *f, const struct npi_affine *net_to_shown,
                     const struct npi_net_in *in, unsigned cpu, struct np_error *err) {
    const int r = npi_frame_check(f, err);
    if (r < 0) return r;
    if (!finite_affine(net_to_shown)) return npi_fail(err, NP_EINVAL, "crop: the map from net to picture is singular or not finite");
    if (mem_bytes < npi_warp_bytes(f->width > f->height ? f->width : f->height, in))
        return npi_fail(err, NP_EINTERNAL, "crop: too little memory for its tables");
    struct npi_warp *w = mem;
    char *p = (char *)mem + npi_align_up(sizeof *w, NPI_ALIGN);
    memset(w, 0, sizeof *w);
    w->in = *in;
    w->src_w = f->width;
    w->src_h = f->height;
    npi_pixel_init(&w->k, cpu);
    const struct npi_affine turn = shown_to_stored(f);
    w->m = chain(&turn, net_to_shown);
    set_planes(w, f);
    npi_warp_colour(w, f);
    const float eps = 1e-5f * npi_affine_scale(&w->m);
    const int straight = fabsf(w->m.b) <= eps && fabsf(w->m.d) <= eps, crossed = fabsf(w->m.a) <= eps && fabsf(w->m.e) <= eps;
    w->separable = straight || crossed;
    w->swap = crossed;
    for (int c = 0; c < 2 && w->separable; c++) {
        const int cx = c && w->n_planes > 1 && w->plane[1].cx, cy = c && w->n_planes > 1 && w->plane[1].cy;
        const double kx = cx ? .5 : 1, ky = cy ? .5 : 1;
        const int cw = cx ? (f->width + 1) / 2 : f->width, ch = cy ? (f->height + 1) / 2 : f->height;
        p += npi_axis_build(&w->sx[c], p, cw, f->width * kx, crossed ? in->height : in->width, (crossed ? w->m.b : w->m.a) * kx, w->m.c * kx);
        p += npi_axis_build(&w->sy[c], p, ch, f->height * ky, crossed ? in->width : in->height, (crossed ? w->m.d : w->m.e) * ky, w->m.f * ky);
    }
    *out = w;
    return 0;
}

/* Sums along the taps of net pixels [i0, i1); acc[x * step] belongs to source pixel x. */
static void hsum(const struct npi_warp *w, const struct npi_axis *a, const struct npi_plane *p, const uint16_t *acc, int comp, int i0, int i1,
                 float *out) {
    const uint16_t *base = acc + comp;
    if (a->pair) {
        w->k.hpair_u16(out, base, a->start + i0, a->pair_w + i0, p->step, i1 - i0);
        return;
    }
    for (int i = i0; i < i1; i++) {
        const uint16_t *s = base + (ptrdiff_t)a->start[i] * p->step, *k = a->w + a->first_w[i];
        uint32_t sum = 0;
        for (int t = 0; t < a->n[i]; t++) sum += (uint32_t)k[t] * s[t * p->step];
        out[i - i0] = (float)sum * (1.f / 65536);
    }
}

static int between(int x, int lo, int hi) { return x < lo ? lo : x > hi ? hi : x; }

/* Net line `o` of the outer axis, inner net pixels [p0, p1). */
static void separable_line(const struct npi_warp *w, void *dst, int o, int p0, int p1, uint16_t *acc, float *const line[3]) {
    const struct npi_axis *ax = w->sx, *ay = w->sy;
    const int outside = o < ay[0].out0 || o >= ay[0].out1;
    const int i0 = outside ? p1 : between(ax[0].out0, p0, p1), i1 = outside ? p1 : between(ax[0].out1, i0, p1);
    const int x = w->swap ? o : 0, y = w->swap ? 0 : o, inner = !w->swap; /* place of inner pixel i: (x + i, y) or (x, y + i) */
    npi_warp_pad(w, dst, x + inner * p0, y + !inner * p0, i0 - p0);
    npi_warp_pad(w, dst, x + inner * i1, y + !inner * i1, p1 - i1);
    if (i0 >= i1) return;
    for (int k = 0; k < w->n_planes; k++) {
        const struct npi_plane *p = &w->plane[k];
        const int c = k > 0;
        const int first = ax[c].start[i0], last = ax[c].start[i1 - 1]; /* either may be the left end */
        const int first_end = first + ax[c].n[i0], last_end = last + ax[c].n[i1 - 1];
        const int lo = first < last ? first : last, hi = first_end > last_end ? first_end : last_end;
        w->k.vsum_u8(acc + (ptrdiff_t)lo * p->step, p->p + ay[c].start[o] * p->stride + (ptrdiff_t)lo * p->step, p->stride,
                     ay[c].w + ay[c].first_w[o], ay[c].n[o], (hi - lo) * p->step);
        for (int comp = 0; comp < p->n_comp; comp++) hsum(w, &ax[c], p, acc, comp, i0, i1, line[p->first + comp]);
    }
    npi_warp_store(w, dst, x + inner * i0, y + !inner * i0, i1 - i0, line);
}

void npi_warp_rows(const struct npi_warp *w, void *dst, int y0, int y1, void *row_scratch) {
    const int side = w->src_w > w->src_h ? w->src_w : w->src_h;
    uint16_t *acc = row_scratch;
    const size_t step = npi_align_up((size_t)longer(&w->in) * 4 + NPI_TAIL, NPI_ALIGN);
    char *lines = (char *)row_scratch + acc_bytes(side);
    float *const line[3] = { (float *)lines, (float *)(lines + step), (float *)(lines + 2 * step) };
    if (!w->separable)
        for (int y = y0; y < y1; y++) npi_warp_line_row(w, dst, y, line, (float *)(lines + 3 * step));
    else if (w->swap)
        for (int x = 0; x < w->in.width; x++) separable_line(w, dst, x, y0, y1, acc, line);
    else
        for (int y = y0; y < y1; y++) separable_line(w, dst, y, 0, w->in.width, acc, line);
}

/* --- all in one --- */

struct npi_vision { void *tables, *rows; size_t table_bytes, row_bytes; unsigned cpu; };

int npi_vision_create(struct npi_vision **out, unsigned cpu) {
    struct npi_vision *v = npi_alloc(sizeof *v);
    if (!v) return NP_ENOMEM;
    v->cpu = cpu;
    *out = v;
    return 0;
}

void npi_vision_free(struct npi_vision **v) {
    if (!v || !*v) return;
    npi_free((*v)->tables);
    npi_free((*v)->rows);
    npi_free(*v);
    *v = NULL;
}

static int grow(void **p, size_t *have, size_t need) {
    if (*have >= need) return 0;
    npi_free(*p);
    *p = npi_alloc(need);
    *have = *p ? need : 0;
    return *p ? 0 : NP_ENOMEM;
}

int npi_vision_crop(struct npi_vision *v, const struct np_frame *f, const struct npi_net_in *in, const struct npi_affine *net_to_shown, void *dst,
                    struct np_error *err) {
    struct npi_warp *w;
    int r = npi_frame_check(f, err);
    if (r < 0) return r;
    const int side = f->width > f->height ? f->width : f->height;
    if (grow(&v->tables, &v->table_bytes, npi_warp_bytes(side, in)) < 0 || grow(&v->rows, &v->row_bytes, npi_warp_row_bytes(side, in)) < 0)
        return npi_fail(err, NP_ENOMEM, "crop: out of memory");
    if ((r = npi_warp_prepare(&w, v->tables, v->table_bytes, f, net_to_shown, in, v->cpu, err)) < 0) return r;
    npi_warp_rows(w, dst, 0, in->height, v->rows);
    return 0;
}

int npi_vision_letterbox(struct npi_vision *v, const struct np_frame *f, const struct npi_net_in *in, int fit, void *dst,
                         struct npi_affine *net_to_shown, struct np_error *err) {
    int sw, sh;
    const int r = npi_frame_check(f, err);
    if (r < 0) return r;
    npi_frame_shown_size(f, &sw, &sh);
    *net_to_shown = npi_affine_letterbox(sw, sh, in->width, in->height, fit);
    return npi_vision_crop(v, f, in, net_to_shown, dst, err);
}
