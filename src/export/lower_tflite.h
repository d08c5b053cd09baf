/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that bring a graph into the words of TFLite; see lower_tflite.c. */
#ifndef NPI_EXPORT_LOWER_TFLITE_H
#define NPI_EXPORT_LOWER_TFLITE_H
#include "export/lower.h"

#define NPI_LT_NOT_OURS (-1000) /* no NP_E code: TFLite has the op as it is */

/* An op on real numbers (or plain integers), without its activation: a tensor number, NPI_LT_NOT_OURS, or an error. */
int npi_lt_elem(struct npi_lower *l, const struct npi_node *n, const int *in);
int npi_lt_window(struct npi_lower *l, const struct npi_node *n, const int *in);
int npi_lt_move(struct npi_lower *l, const struct npi_node *n, const int *in);

/* How TFLite pads: 0 SAME, 1 VALID; -1: neither, an explicit pad must come before. Sizes: of the input. */
int npi_lt_padding(const struct npi_window *w, int64_t h, int64_t wd);
/* Does TFLite's resize mean the same? flags: 1 align_corners, 2 half_pixel_centers. -1: no. */
int npi_lt_resize_flags(const struct npi_node *n, const struct npi_view *x, const struct npi_view *y);
/* 0 none, 1 Relu, 2 Relu -1..1, 3 Relu6; -1: TFLite cannot fuse it. */
int npi_lt_act(const struct npi_act *a);
/* Pads and output size of a transposed convolution, as TFLite derives them: 0 SAME, 1 VALID, -1 neither. */
int npi_lt_convt_padding(const struct npi_window *w, int64_t ih, int64_t iw, int64_t oh, int64_t ow);
#endif
