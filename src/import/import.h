/* SPDX-License-Identifier: Apache-2.0 */
/* A model file becomes a graph. The bytes come from the world: every count, offset and product of sizes is checked.
 * Constants may point into `data`, which must outlive the graph. */
#ifndef NPI_IMPORT_IMPORT_H
#define NPI_IMPORT_IMPORT_H
#include "ir/graph.h"

/* Told while a file is read. With `trouble` the importer goes on behind a node that it cannot read: what depends on that is left out in
 * silence, and so are such outputs; npi_import then returns 0 with the rest of the graph. Any member may be NULL. */
struct npi_import_watch {
    void (*node)(void *opaque, const char *op, const char *name);
    void (*trouble)(void *opaque, const char *op, const char *name, const char *why);
    void (*skipped)(void *opaque);                       /* a node that depends on one in trouble */
    void (*constant)(void *opaque, const struct npi_view *v); /* as it is stored */
    void *opaque;
};

struct npi_import_opts {
    const char *path;            /* for messages and for ONNX external data (next to the model, never outside its folder) */
    const char *input_name;      /* NULL: first */
    int rank; int64_t dims[NP_MAX_RANK]; /* shape override of that input; rank 0: none; -1: as in the file (unknown: 1) */
    /* Values for inputs that must be known at load (shape-like inputs); NULL: none. Returns 1 and sets v->data when it has one. */
    int (*bind)(void *opaque, const char *input, struct npi_view *v);
    void *opaque;
    const struct np_logger *logger;
    int mapped;                  /* `data` is a npi_file_map: what was copied from it need not stay in memory */
    const struct npi_import_watch *watch; /* NULL: none; stop at the first node that cannot be read */
};
/* Told by content: TFLite by its "TFL3" identifier, else ONNX. NP_EFORMAT with a hint when it is neither. */
int npi_import(struct npi_graph *g, const void *data, size_t size, const struct npi_import_opts *o, struct np_error *err);
int npi_import_onnx(struct npi_graph *g, const void *data, size_t size, const struct npi_import_opts *o, struct np_error *err);
int npi_import_tflite(struct npi_graph *g, const void *data, size_t size, const struct npi_import_opts *o, struct np_error *err);
/* metadata_props of an ONNX file (card and Ultralytics keys): value of `key` copied into mem, NULL if absent or broken. */
const char *npi_onnx_metadata(const void *data, size_t size, const char *key, struct npi_arena *mem);
/* Metadata of either format, entry by entry; points into `data`. TFLite values may be any bytes. 1: there is one. */
struct npi_metadata { const char *key; size_t key_size; const void *value; size_t size; };
int npi_metadata_at(const void *data, size_t size, int i, struct npi_metadata *out);
int npi_metadata_find(const void *data, size_t size, const char *key, struct npi_metadata *out);
int npi_is_tflite(const void *data, size_t size);
/* Op names of the format that the importer knows, for listings; NULL past the end. */
const char *npi_onnx_op_at(int i);
const char *npi_tflite_op_at(int i);
#endif
