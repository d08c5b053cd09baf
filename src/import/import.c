/* SPDX-License-Identifier: Apache-2.0 */
/* Which importer reads a file: told by its content, never by its name. */
#include "import/import.h"

#include <stdio.h>
#include <string.h>

#include "import/pb.h"

static int starts(const void *data, size_t size, const char *with) { return size >= strlen(with) && !memcmp(data, with, strlen(with)); }

/* Files that people hand in by mistake. */
static const char *hint(const void *data, size_t size) {
    if (starts(data, size, "version https://git-lfs")) return "; it is a Git LFS pointer: fetch the real file";
    if (starts(data, size, "<")) return "; it looks like a web page: the download went wrong";
    if (starts(data, size, "PK")) return "; it is a ZIP archive: a .task bundle or a PyTorch file must be unpacked or exported first";
    if (starts(data, size, "\x89HDF")) return "; it is an HDF5 (Keras) file: export it to ONNX or TFLite first";
    return "";
}

/* A ModelProto begins with its ir_version (field 1) or, from other writers, with any of its few known fields. */
static int looks_like_onnx(const void *data, size_t size) {
    struct npi_pb m = npi_pb(data, size);
    struct npi_pb_field f;
    int fields = 0, graph = 0, version = 0;
    while (npi_pb_next(&m, &f)) {
        if (f.num > 64) return 0;
        fields++;
        graph |= f.num == 7 && f.wire == 2;
        version |= f.num == 1 && f.wire == 0 && fields == 1;
    }
    return graph || (version && m.bad); /* the second: cut off, which the importer says better */
}

int npi_import(struct npi_graph *g, const void *data, size_t size, const struct npi_import_opts *o, struct np_error *err) {
    if (size >= 8 && !memcmp((const char *)data + 4, "TFL3", 4)) return npi_import_tflite(g, data, size, o, err);
    if (looks_like_onnx(data, size)) return npi_import_onnx(g, data, size, o, err);
    char head[64] = "";
    size_t n = 0;
    for (size_t i = 0; i < size && i < 8; i++) {
        const unsigned char c = ((const unsigned char *)data)[i];
        n += (size_t)(c >= 32 && c < 127 ? snprintf(head + n, sizeof head - n, "%c", c) : snprintf(head + n, sizeof head - n, "\\x%02x", c));
    }
    return npi_fail(err, NP_EFORMAT, "%s is neither ONNX nor TFLite (it begins with \"%s\"%s)", g->path, head, hint(data, size));
}
