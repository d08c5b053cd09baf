/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model, converted: refused with one line, or written as a file that our own importer reads back. */
#ifndef TESTS_FUZZ_CONVERT_H
#define TESTS_FUZZ_CONVERT_H
#include <string.h>

#include "export/export.h"
#include "import/import.h"
#include "pass/pass.h"

static int fuzz_convert(const uint8_t *data, size_t size, int format, int strategy) {
    struct npi_arena mem, back;
    struct npi_graph g, h;
    struct np_error err = { 0 };
    struct npi_export x = { 0 };
    const struct npi_export_opts o = { .format = format, .keep_io_layout = strategy & 1, .hybrid = strategy == 2,
                                       .weights = { .precision = strategy == 1 ? NPI_PRECISION_F16 : strategy == 2 ? NPI_PRECISION_I8 : NPI_PRECISION_DEFAULT } };
    npi_arena_init(&mem, (size_t)64 << 20);
    npi_arena_init(&back, (size_t)128 << 20);
    int r = npi_graph_init(&g, &mem, "fuzz");
    if (r >= 0) r = npi_import(&g, data, size, NULL, &err);
    if (r >= 0) r = npi_pass_for_files(&g, NULL, &err);
    if (r >= 0) r = npi_export_graph(&x, &g, &o, &err);
    if (r < 0 && r != NP_ENOMEM && (err.code != r || !err.message[0] || strchr(err.message, '\n'))) __builtin_trap(); /* a refusal says why, in one line */
    if (r >= 0 && npi_export_join(&x) >= 0 && npi_graph_init(&h, &back, "back") >= 0) {
        const int b = npi_import(&h, x.part[0].p, x.part[0].n, NULL, &err);
        if (b < 0 && b != NP_ENOMEM && b != NP_ELIMIT) __builtin_trap(); /* what we wrote we must be able to read */
        if (b >= 0 && h.n_outputs != g.n_outputs) __builtin_trap();
    }
    npi_export_free(&x);
    npi_arena_free(&mem);
    npi_arena_free(&back);
    return 0;
}
#endif
