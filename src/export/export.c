/* SPDX-License-Identifier: Apache-2.0 */
#include "export/export.h"

#include "export/lower.h"
#include "pass/pass.h"

int npi_export_graph(struct npi_export *out, struct npi_graph *g, const struct npi_export_opts *o, struct np_error *err) {
    if (o->format != NPI_FORMAT_ONNX) return npi_fail(err, NP_EUNSUPPORTED, "%s: TFLite cannot be written yet", g->path);
    int r = npi_lower_onnx(g, err);
    if (r < 0 || (r = npi_pass_tidy(g, err)) < 0) return r;
    return npi_onnx_write(out, g, o, err);
}

size_t npi_export_bytes(const struct npi_export *x) {
    size_t n = 0;
    for (int i = 0; i < x->n_parts; i++) n += x->part[i].n;
    return n;
}

int npi_export_save(const struct npi_export *x, const char *path, struct np_error *err) {
    struct npi_piece piece[3];
    for (int i = 0; i < x->n_parts; i++) piece[i] = (struct npi_piece){ x->part[i].p, x->part[i].n };
    return npi_save(path, piece, x->n_parts, err);
}

void npi_export_free(struct npi_export *x) {
    for (int i = 0; i < x->n_parts; i++) npi_bytes_free(&x->part[i]);
    *x = (struct npi_export){ 0 };
}
