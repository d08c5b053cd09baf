/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX writer: ops that want images, channels first: convolutions, pools, resizing, blocks of pixels. */
#include "export/onnx_write_ops.h"

static void window(struct npi_ow *w, const struct npi_window *a) {
    npi_ow_ilist(w, "kernel_shape", (const int64_t[]){ a->kh, a->kw }, 2);
    npi_ow_ilist(w, "strides", (const int64_t[]){ a->sh, a->sw }, 2);
    npi_ow_ilist(w, "pads", (const int64_t[]){ a->pt, a->pl, a->pb, a->pr }, 4);
    if (a->dh != 1 || a->dw != 1) npi_ow_ilist(w, "dilations", (const int64_t[]){ a->dh, a->dw }, 2);
}

NPI_OW_HANDLER(conv) {
    const int kind = n->op == NPI_OP_CONV2D ? 'C' : n->op == NPI_OP_DWCONV2D ? 'D' : 'T', groups = n->op == NPI_OP_DWCONV2D ? (int)npi_ow_view(w, n->in[0])->d[3] :
                     n->op == NPI_OP_CONVT2D ? n->a.convt.groups : n->a.conv.groups;
    const struct npi_window *win = kind == 'T' ? &n->a.convt.win : &n->a.conv.win;
    if (kind == 'T' && groups > 1) return npi_ow_refuse(w, n, "a transposed convolution in %d groups", groups);
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST), *k = npi_ow_weights(w, n->in[1], kind), *b = n->n_in > 2 && n->in[2] >= 0 ? npi_ow_in(w, n->in[2], NPI_OW_PLAIN) : "";
    if (!x || !k || !b) return npi_ow_bad_input(w, n, !x ? 0 : !k ? 1 : 2);
    const size_t m = npi_ow_begin(w, row->type, n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, k);
    if (*b) npi_ow_arg(w, b);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    window(w, win);
    if (groups > 1) npi_ow_int(w, "group", groups);
    if (kind == 'T') npi_ow_ilist(w, "output_padding", (const int64_t[]){ n->a.convt.out_pad_h, n->a.convt.out_pad_w }, 2);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(pool) {
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin1(w, row->type, n, x, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    if (n->n_out > 1 && n->out[1] >= 0) npi_ow_result(w, npi_ow_out(w, n->out[1], NPI_OW_FIRST));
    window(w, &n->a.pool.win);
    if (n->a.pool.ceil_mode) npi_ow_int(w, "ceil_mode", 1);
    if (n->op == NPI_OP_AVGPOOL2D && n->a.pool.count_include_pad) npi_ow_int(w, "count_include_pad", 1);
    if (n->op == NPI_OP_LPPOOL2D) npi_ow_int(w, "p", n->a.pool.p);
    if (n->op == NPI_OP_MAXPOOL2D && n->a.pool.storage_order) npi_ow_int(w, "storage_order", 1);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(resize) {
    static const char *const modes[] = { "nearest", "linear", "cubic" };
    static const char *const coords[] = { "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize", "half_pixel_symmetric" };
    static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };
    const int form = npi_ow_wants_image(w->g, n) ? NPI_OW_FIRST : NPI_OW_PLAIN;
    const struct npi_view *v = npi_ow_view(w, n->in[0]);
    int64_t size[NP_MAX_RANK];
    float scale[NP_MAX_RANK], roi[2 * NP_MAX_RANK];
    int by_scale = 0;
    const char *x = npi_ow_in(w, n->in[0], form), *r = "";
    if (!x) return npi_ow_bad_input(w, n, 0);
    for (int i = 0; i < v->rank; i++) {
        const int k = npi_ow_source(form, i);
        size[i] = n->a.resize.size[k];
        scale[i] = n->a.resize.scale[k];
        roi[i] = n->a.resize.roi[k];
        roi[v->rank + i] = n->a.resize.roi[v->rank + k];
        by_scale |= scale[i] != (float)((double)size[i] / (double)v->d[k]); /* the file gave scales, and they do not divide */
    }
    if (n->a.resize.coord == NPI_COORD_TF_CROP_AND_RESIZE) r = npi_ow_floats(w, "roi", roi, 2 * v->rank, 1);
    const char *by = by_scale ? npi_ow_floats(w, "scales", scale, v->rank, 1) : npi_ow_ints(w, "sizes", size, v->rank);
    const size_t m = npi_ow_begin(w, "Resize", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, r);
    if (!by_scale) npi_ow_arg(w, "");
    npi_ow_arg(w, by);
    npi_ow_result(w, npi_ow_out(w, n->out[0], form));
    npi_ow_str(w, "mode", modes[n->a.resize.mode]);
    npi_ow_str(w, "coordinate_transformation_mode", coords[n->a.resize.coord]);
    if (n->a.resize.mode == NPI_RESIZE_NEAREST) npi_ow_str(w, "nearest_mode", rounds[n->a.resize.round]);
    if (n->a.resize.mode == NPI_RESIZE_CUBIC) npi_ow_float(w, "cubic_coeff_a", n->a.resize.cubic_a);
    if (n->a.resize.antialias) npi_ow_int(w, "antialias", 1);
    if (n->a.resize.exclude_outside) npi_ow_int(w, "exclude_outside", 1);
    if (n->a.resize.extrapolation != 0) npi_ow_float(w, "extrapolation_value", n->a.resize.extrapolation);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(grid_sample) {
    static const char *const modes[] = { "nearest", "bilinear", "bicubic" }, *const paddings[] = { "zeros", "border", "reflection" };
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST), *g = npi_ow_in(w, n->in[1], NPI_OW_PLAIN);
    if (!x || !g) return npi_ow_bad_input(w, n, x != NULL);
    const size_t m = npi_ow_begin(w, "GridSample", n->name);
    npi_ow_arg(w, x);
    npi_ow_arg(w, g);
    npi_ow_result(w, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    npi_ow_str(w, "mode", modes[n->a.grid.mode]);
    npi_ow_str(w, "padding_mode", paddings[n->a.grid.padding]);
    npi_ow_int(w, "align_corners", n->a.grid.align_corners);
    npi_ow_end(w, m);
    return 0;
}

NPI_OW_HANDLER(depth_space) {
    if (n->op == NPI_OP_SPACE_TO_DEPTH && !n->a.block.dcr) return npi_ow_refuse(w, n, "SpaceToDepth in column order");
    const char *x = npi_ow_in(w, n->in[0], NPI_OW_FIRST);
    if (!x) return npi_ow_bad_input(w, n, 0);
    const size_t m = npi_ow_begin1(w, row->type, n, x, npi_ow_out(w, n->out[0], NPI_OW_FIRST));
    npi_ow_int(w, "blocksize", n->a.block.block);
    if (n->op == NPI_OP_DEPTH_TO_SPACE) npi_ow_str(w, "mode", n->a.block.dcr ? "DCR" : "CRD");
    npi_ow_end(w, m);
    return 0;
}
