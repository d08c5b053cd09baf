/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: resizing, space/depth, sampling, and the suppression of overlapping boxes. */
#include "import/onnx.h"

#include <math.h>
#include <string.h>

static int choice(const struct npi_ox_node *n, const char *attr, const char *def, const char *const *names, int count) {
    for (int i = 0; i < count; i++)
        if (npi_ox_is(n, attr, def, names[i])) return i;
    return npi_ox_fail(n, NP_EUNSUPPORTED, "the value of %s is unknown", attr);
}

/* Images with an unchanged batch and channel dimension go through NHWC, so that the layout pass can take them along. */
static int resize(struct npi_ox_node *n, union npi_attr *a) {
    static const int perm[4] = { 0, 2, 3, 1 };
    const int x = n->in[0];
    const struct npi_view *v = npi_ox_view(n, x);
    if (v->rank != 4 || a->resize.size[0] != v->d[0] || a->resize.size[1] != v->d[1] || a->resize.coord == NPI_COORD_TF_CROP_AND_RESIZE)
        return npi_ox_un(n, NPI_OP_RESIZE, a, x);
    union npi_attr b = *a;
    for (int i = 0; i < 4; i++) {
        b.resize.size[i] = a->resize.size[perm[i]];
        b.resize.scale[i] = a->resize.scale[perm[i]];
    }
    return npi_ox_nchw(n, npi_ox_un(n, NPI_OP_RESIZE, &b, npi_ox_nhwc(n, x)));
}

/* Sizes or scales of the listed axes; keep_aspect: 0 stretch, 1 not larger, 2 not smaller. */
static int set_sizes(struct npi_ox_node *n, union npi_attr *a, const int *axes, int n_axes, const int64_t *sizes, int n_sizes,
        const float *scales, int n_scales, int keep_aspect) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    const int given = n_sizes ? n_sizes : n_scales;
    double common = 0;
    if (!given || given != n_axes) return npi_ox_fail(n, NP_ESHAPE, "%d sizes or scales for %d axes", given, n_axes);
    int64_t size[NP_MAX_RANK];
    memcpy(size, v->d, sizeof size);
    for (int i = 0; i < n_sizes; i++) size[axes[i]] = sizes[i];
    const int r = n_sizes ? npi_ox_refit_resize(n, size) : 0;
    if (r < 0) return r;
    for (int i = 0; i < n_axes && n_sizes && keep_aspect; i++) {
        const double s = (double)size[axes[i]] / (double)v->d[axes[i]];
        if (i == 0 || (keep_aspect == 1 ? s < common : s > common)) common = s;
    }
    for (int i = 0; i < n_axes; i++) {
        const int k = axes[i];
        const double d = (double)v->d[k];
        double s = n_sizes ? (double)size[k] / d : (double)scales[i];
        double out = n_sizes ? (double)size[k] : floor(d * s);
        if (a->resize.coord == NPI_COORD_TF_CROP_AND_RESIZE && !n_sizes)
            out = floor(d * (double)(a->resize.roi[v->rank + k] - a->resize.roi[k]) * s);
        if (n_sizes && keep_aspect) {
            s = common;
            out = floor(d * s + .5);
        }
        if (!(out >= 1 && out <= 1 << 30 && s > 0) || v->d[k] < 1) return npi_ox_fail(n, NP_ESHAPE, "axis %d of %lld would become %g", k,
                (long long)v->d[k], out);
        a->resize.size[k] = (int64_t)out;
        a->resize.scale[k] = (float)s;
    }
    return 0;
}

/* Inputs: X, scales (opset 10) or X, roi, scales, sizes (opset 11 on). */
int npi_ox_do_resize(struct npi_ox_node *n) {
    static const char *const modes[] = { "nearest", "linear", "cubic" };
    static const char *const coords[] = { "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize", "half_pixel_symmetric" };
    static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };
    static const char *const aspects[] = { "stretch", "not_larger", "not_smaller" };
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    const int old = n->o->opset < 11, rank = v->rank;
    float scales[NP_MAX_RANK], roi[2 * NP_MAX_RANK];
    int64_t sizes[NP_MAX_RANK], list[NP_MAX_RANK];
    int axes[NP_MAX_RANK], n_axes = rank, have, n_sizes = 0, n_roi = 0;
    union npi_attr a = { .resize = { .cubic_a = npi_ox_float(n, "cubic_coeff_a", -.75f), .extrapolation = npi_ox_float(n, "extrapolation_value", 0),
                                     .antialias = npi_ox_int(n, "antialias", 0) != 0, .exclude_outside = npi_ox_int(n, "exclude_outside", 0) != 0 } };
    const int aspect = choice(n, "keep_aspect_ratio_policy", "stretch", aspects, 3);
    if (aspect < 0 || (a.resize.mode = choice(n, "mode", "nearest", modes, 3)) < 0 ||
        (a.resize.coord = choice(n, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel", coords, 6)) < 0 ||
        (a.resize.round = choice(n, "nearest_mode", old ? "floor" : "round_prefer_floor", rounds, 4)) < 0)
        return NP_EUNSUPPORTED;
    const int count = npi_ox_ints(n, "axes", list, NP_MAX_RANK);
    if (count > rank) return npi_ox_fail(n, NP_ESHAPE, "%d axes for rank %d", count, rank);
    if (count >= 0) n_axes = count;
    for (int i = 0; i < n_axes; i++)
        if ((axes[i] = count >= 0 ? npi_ox_axis(n, list[i], rank) : i) < 0) return axes[i];
    for (int i = 0; i < rank; i++) {
        a.resize.size[i] = v->d[i];
        a.resize.scale[i] = 1;
        a.resize.roi[rank + i] = 1;
    }
    if (a.resize.coord == NPI_COORD_TF_CROP_AND_RESIZE) {
        if ((n_roi = npi_ox_known_floats(n, 1, roi, 2 * NP_MAX_RANK, &have)) < 0) return n_roi;
        if (n_roi != 2 * n_axes) return npi_ox_fail(n, NP_ESHAPE, "%d numbers of roi for %d axes", n_roi, n_axes);
        for (int i = 0; i < n_axes; i++) {
            a.resize.roi[axes[i]] = roi[i];
            a.resize.roi[rank + axes[i]] = roi[n_axes + i];
        }
    }
    int n_scales = npi_ox_known_floats(n, old ? 1 : 2, scales, NP_MAX_RANK, &have);
    if (n_scales < 0) return n_scales;
    if (!old && (n_sizes = npi_ox_known_ints(n, 3, sizes, NP_MAX_RANK, &have)) < 0) return n_sizes;
    const int r = set_sizes(n, &a, axes, n_axes, sizes, n_sizes, scales, n_scales, aspect);
    return r < 0 ? r : (n->out[0] = resize(n, &a));
}

/* Scales: attribute (opset 7) or input (opset 9). */
int npi_ox_do_upsample(struct npi_ox_node *n) {
    float scales[NP_MAX_RANK];
    int count = 0, axes[NP_MAX_RANK];
    union npi_attr a = { .resize = { .coord = NPI_COORD_ASYMMETRIC, .round = NPI_ROUND_FLOOR, .cubic_a = -.75f } };
    a.resize.mode = npi_ox_is(n, "mode", "nearest", "nearest") ? NPI_RESIZE_NEAREST : NPI_RESIZE_LINEAR;
    if (n->n_in > 1) count = npi_ox_known_floats(n, 1, scales, NP_MAX_RANK, NULL);
    else {
        struct npi_pb m;
        struct npi_pb_field f;
        uint64_t bits[NP_MAX_RANK];
        size_t k = 0;
        int bad = 0;
        if (!npi_ox_attr(n, "scales", &m)) return npi_ox_fail(n, NP_EFORMAT, "it has no scales");
        while (npi_pb_next(&m, &f))
            if (f.num == 7) npi_pb_numbers(&f, 5, bits, NP_MAX_RANK, &k, &bad);
        for (size_t i = 0; i < k && i < NP_MAX_RANK; i++) {
            const uint32_t b = (uint32_t)bits[i];
            memcpy(&scales[i], &b, 4);
        }
        count = k > NP_MAX_RANK || bad ? 0 : (int)k;
    }
    if (count < 0) return count;
    for (int i = 0; i < NP_MAX_RANK; i++) axes[i] = i;
    const int r = set_sizes(n, &a, axes, npi_ox_view(n, n->in[0])->rank, NULL, 0, scales, count, 0);
    return r < 0 ? r : (n->out[0] = resize(n, &a));
}

/* DCR: channels ordered (block row, block column, channel); CRD: (channel, row, column). Our SpaceToDepth gives the first. */
int npi_ox_do_depth_space(struct npi_ox_node *n) {
    const int64_t block = npi_ox_int(n, "blocksize", 0);
    if (npi_ox_view(n, n->in[0])->rank != 4 || block < 1 || block > 1 << 12) return npi_ox_fail(n, NP_ESHAPE, "rank %d and block size %lld",
            npi_ox_view(n, n->in[0])->rank, (long long)block);
    union npi_attr a = { .block = { .block = (int)block, .dcr = npi_ox_is(n, "mode", "DCR", "DCR") } };
    int y = npi_ox_un(n, (enum npi_op)n->row->arg, &a, npi_ox_nhwc(n, n->in[0]));
    if (y >= 0 && n->row->arg == NPI_OP_SPACE_TO_DEPTH && !a.block.dcr) {
        const struct npi_view v = *npi_ox_view(n, y);
        const int64_t b2 = block * block;
        y = npi_ox_reshape(n, y, 5, (const int64_t[]){ v.d[0], v.d[1], v.d[2], b2, v.d[3] / b2 });
        y = npi_ox_reshape(n, npi_ox_transpose(n, y, (const int[]){ 0, 1, 2, 4, 3 }), 4, v.d);
    }
    return n->out[0] = npi_ox_nchw(n, y);
}

int npi_ox_do_grid_sample(struct npi_ox_node *n) {
    static const char *const modes[] = { "nearest", "linear", "cubic", "nearest", "bilinear", "bicubic" }; /* opset 20 dropped the "bi" */
    static const char *const paddings[] = { "zeros", "border", "reflection" };
    const int rank = npi_ox_view(n, n->in[0])->rank;
    if (rank != 4) return npi_ox_fail(n, NP_EUNSUPPORTED, "input of rank %d; only two-dimensional images are supported", rank);
    const int mode = choice(n, "mode", "linear", modes, 6), padding = choice(n, "padding_mode", "zeros", paddings, 3);
    if (mode < 0 || padding < 0) return NP_EUNSUPPORTED;
    union npi_attr a = { .grid = { .mode = mode % 3, .padding = padding, .align_corners = npi_ox_int(n, "align_corners", 0) != 0 } };
    const int x = npi_ox_nhwc(n, n->in[0]);
    return x < 0 ? x : (n->out[0] = npi_ox_nchw(n, npi_ox_build(n, NPI_OP_GRID_SAMPLE, &a, (int[]){ x, n->in[1] }, 2)));
}

int npi_ox_do_nms(struct npi_ox_node *n) {
    int in[5] = { n->in[0], n->in[1], npi_ox_in(n, 2), npi_ox_in(n, 3), npi_ox_in(n, 4) };
    for (int i = 2; i < 5; i++) {
        if (in[i] < 0) continue;
        const int r = npi_ox_known(n, in[i]);
        if (r < 0) return r;
        if (npi_view_count(npi_ox_view(n, in[i])) != 1) return npi_ox_fail(n, NP_ESHAPE, "input %d must be one number", i);
        if ((in[i] = npi_ox_reshape(n, in[i], 0, NULL)) < 0) return in[i];
    }
    union npi_attr a = { .nms = { .center_point_box = npi_ox_int(n, "center_point_box", 0) != 0 } };
    int count = 5;
    while (count > 2 && in[count - 1] < 0) count--;
    return n->out[0] = npi_ox_build(n, NPI_OP_NMS, &a, in, count);
}
