/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the ONNX writer: one row an op, its handler in the file of its group. */
#ifndef NPI_EXPORT_ONNX_WRITE_OPS_H
#define NPI_EXPORT_ONNX_WRITE_OPS_H
#include "export/onnx_write.h"

struct npi_ow_row { enum npi_op op; const char *type; int (*fn)(struct npi_ow *w, const struct npi_node *n, const struct npi_ow_row *row); };
#define NPI_OW_HANDLER(name) int npi_ow_op_##name(struct npi_ow *w, const struct npi_node *n, const struct npi_ow_row *row)

/* Resize of rows and columns alone; rows of an axis by a constant list: image in, image out. */
int npi_ow_wants_image(const struct npi_graph *g, const struct npi_node *n);
int npi_ow_picks_rows(const struct npi_graph *g, const struct npi_node *n);
/* The form of an op that does not mind: where most of its operands are. */
int npi_ow_follow(const struct npi_ow *w, const struct npi_node *n);
int npi_ow_bad_input(struct npi_ow *w, const struct npi_node *n, int i);
/* Begins a node with one input and, unless y is NULL, one output. */
size_t npi_ow_begin1(struct npi_ow *w, const char *type, const struct npi_node *n, const char *x, const char *y);

/* onnx_write_image.c */
NPI_OW_HANDLER(conv);
NPI_OW_HANDLER(pool);
NPI_OW_HANDLER(resize);
NPI_OW_HANDLER(grid_sample);
NPI_OW_HANDLER(depth_space);
/* onnx_write_axis.c */
NPI_OW_HANDLER(fully_connected);
NPI_OW_HANDLER(along);
NPI_OW_HANDLER(layer_norm);
NPI_OW_HANDLER(cumsum);
NPI_OW_HANDLER(reduce);
NPI_OW_HANDLER(argminmax);
NPI_OW_HANDLER(topk);
/* onnx_write_move.c */
NPI_OW_HANDLER(shaped);
NPI_OW_HANDLER(transpose);
NPI_OW_HANDLER(slice);
NPI_OW_HANDLER(reverse);
NPI_OW_HANDLER(pad);
NPI_OW_HANDLER(gather);
NPI_OW_HANDLER(trilu);
#endif
