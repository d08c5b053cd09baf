/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ONNX model: imported and verified, never run. Inputs that must be known are answered from a small pattern,
 * so that the handlers behind them are reached. With clang's libFuzzer (-Dfuzz=true), or replayed over corpus/onnx. */
#include <string.h>

#include "fuzz.h"
#include "import/import.h"

static int bind(void *opaque, const char *input, struct npi_view *v) {
    static const int64_t words[64] = { 1, 1, 2, 2, 0, 0, 1, 1, 2, 3, 4, 1, 0, -1, 2, 1 };
    (void)opaque, (void)input;
    const size_t bytes = npi_view_bytes(v);
    if (bytes > sizeof words) return 0;
    static float floats[128]; /* as many bytes as the words have */
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) floats[i] = (float)words[i % 64] * .5f + .5f;
    v->data = v->dtype == NP_F32 ? (void *)floats : (void *)(uintptr_t)words;
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct npi_arena mem;
    struct npi_graph g;
    struct np_error err = { 0 };
    const struct npi_import_opts opt = { .bind = bind };
    npi_arena_init(&mem, (size_t)64 << 20);
    if (npi_graph_init(&g, &mem, "fuzz") >= 0) {
        const int r = npi_import(&g, data, size, &opt, &err);
        if (r >= 0 && npi_graph_verify(&g, &err) < 0) __builtin_trap();
        if (r < 0 && (err.code != r || !err.message[0] || strchr(err.message, '\n'))) __builtin_trap(); /* a refusal says why, in one line */
        npi_onnx_metadata(data, size, "names", &mem);
    }
    npi_arena_free(&mem);
    return 0;
}
