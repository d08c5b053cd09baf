/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a TFLite model: imported and verified, never run (constants are folded, which runs the references on them). A
 * file that ends in "@R" and a byte gets a square input of that side, so that the adapting of stored sizes is reached too. */
#include <string.h>

#include "fuzz.h"
#include "import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct npi_arena mem;
    struct npi_graph g;
    struct np_error err = { 0 };
    struct npi_import_opts opt = { 0 };
    if (size > 3 && memcmp(data + size - 3, "@R", 2) == 0) {
        opt.rank = 4;
        opt.dims[0] = opt.dims[3] = -1;
        opt.dims[1] = opt.dims[2] = data[size - 1];
    }
    npi_arena_init(&mem, (size_t)64 << 20);
    if (npi_graph_init(&g, &mem, "fuzz") >= 0) {
        const int r = npi_import_tflite(&g, data, size, &opt, &err);
        if (r >= 0 && npi_graph_verify(&g, &err) < 0) __builtin_trap();
        if (r < 0 && (err.code >= 0 || !err.message[0] || strchr(err.message, '\n'))) __builtin_trap(); /* a refusal says why, in one line */
    }
    npi_arena_free(&mem);
    return 0;
}
