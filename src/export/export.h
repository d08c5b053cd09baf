/* SPDX-License-Identifier: Apache-2.0 */
/* A graph becomes a model file: npi_pass_for_files, then npi_lower_… into the target's words, then the writer, one row an op.
 *
 *   import ── export passes ── [weights, quantization] ── lower ── write ──> pieces of a file ── npi_save
 *
 * The writers change the graph that they are given (lowering), and point into its constants until npi_export_free. */
#ifndef NPI_EXPORT_EXPORT_H
#define NPI_EXPORT_EXPORT_H
#include "export/bytes.h"
#include "export/weights.h"
#include "ir/graph.h"

enum npi_format { NPI_FORMAT_ONNX = 1, NPI_FORMAT_TFLITE = 2 };

struct npi_meta { const char *key; const void *value; size_t size; }; /* text for ONNX, any bytes for TFLite */

struct npi_export_opts {
    int format;                    /* enum npi_format */
    int keep_io_layout;            /* 1: inputs and outputs keep their shapes; 0: images get the format's own layout (ONNX NCHW, TFLite NHWC) */
    const struct npi_meta *meta; int n_meta;
    const char *graph_name;        /* may be NULL */
    struct npi_weights_opts weights; /* all 0: as they are */
    int hybrid;                    /* TFLite: 8-bit weights go straight into the operators, which then quantize their input while running */
};

struct npi_export {
    struct npi_bytes part[3];      /* the file is these, one after the other */
    int n_parts;
    int n_transposes;              /* left in the file */
    int n_nodes;
    struct npi_weights_report weights;
    char io_note[512];             /* inputs and outputs whose layout changed, "" if none */
};

/* `out` is filled in on success only. */
int npi_export_graph(struct npi_export *out, struct npi_graph *g, const struct npi_export_opts *o, struct np_error *err);
size_t npi_export_bytes(const struct npi_export *x);
int npi_export_save(const struct npi_export *x, const char *path, struct np_error *err);
int npi_export_join(struct npi_export *x); /* one part; NP_ENOMEM */
void npi_export_free(struct npi_export *x);

/* The two writers, on a lowered graph. */
int npi_onnx_write(struct npi_export *out, const struct npi_graph *g, const struct npi_export_opts *o, struct np_error *err);
int npi_tflite_write(struct npi_export *out, const struct npi_graph *g, const struct npi_export_opts *o, struct np_error *err);
#endif
