/* SPDX-License-Identifier: Apache-2.0 */
/* See compute.h. */
#include "plan/compute.h"
#include "cpu/cpu.h"

#include <string.h>

int npi_compute_parse(struct npi_compute *c, const char *text, struct np_error *err) {
    static const struct { const char *name; int kind; } names[] = {
        { "auto", NPI_COMPUTE_AUTO }, { "fp32", NPI_COMPUTE_FP32 }, { "f32", NPI_COMPUTE_FP32 }, { "fp32-fast", NPI_COMPUTE_FP32_FAST },
        { "bf16", NPI_COMPUTE_BF16 }, { "int8", NPI_COMPUTE_INT8 }, { "fp16", NPI_COMPUTE_FP16 }, { "f16", NPI_COMPUTE_FP16 },
    };
    static const char suffix[] = "-emulated";
    *c = (struct npi_compute){ NPI_COMPUTE_AUTO, 0 };
    if (!text || !*text) return 0;
    size_t n = strlen(text);
    if (n > sizeof suffix - 1 && !strcmp(text + n - (sizeof suffix - 1), suffix)) {
        n -= sizeof suffix - 1;
        c->emulate = 1;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == n && !memcmp(names[i].name, text, n)) {
            c->kind = names[i].kind;
            if (c->emulate && (c->kind == NPI_COMPUTE_INT8 || c->kind == NPI_COMPUTE_FP16)) break;
            return 0;
        }
    return npi_fail(err, NP_EINVAL, "precision: '%s' is none of auto, fp32, fp32-fast, bf16, int8, fp16 (fp16: other runtimes only); auto, fp32, fp32-fast and bf16 also with -emulated", text);
}

/* Products of bf16 by tiles: fast enough to split floats for. */
static int has_tiles(const struct npi_compute *c, const struct npi_kernels *k) { return c->emulate || (k->gemm_bf16.fast && (k->cpu & NPI_CPU_AMX_BF16)); }

int npi_compute_bf16_pays(const struct npi_compute *c, const struct npi_kernels *k) {
    return has_tiles(c, k) || (k->gemm_bf16.fast && (k->cpu & NPI_CPU_BF16_PAYS));
}

void npi_compute_choose(const struct npi_compute *c, struct npi_kernels *k, const char **instead) {
    const int tiles = has_tiles(c, k);
    *instead = NULL;
    k->product_parts = 0;
    k->half_depthwise = 0;
    switch (c->kind) {
    case NPI_COMPUTE_FP32_FAST:
        if (tiles) k->product_parts = 2;
        else *instead = "fp32-fast: this processor has no AMX: computes in fp32 ('fp32-fast-emulated' computes it without, slowly)";
        break;
    case NPI_COMPUTE_BF16:
        k->half_depthwise = c->emulate || (k->gemm_bf16.fast && k->dwconv_f16.fast);
        if (c->emulate || k->gemm_bf16.fast) k->product_parts = 1;
        else *instead = "bf16: this processor has neither AMX nor AVX-512 BF16 (or --isa leaves them out): computes in fp32 ('bf16-emulated' computes it without, slowly)";
        break;
    case NPI_COMPUTE_FP16:
        *instead = "fp16: our own engine does not compute in it, other runtimes do: computes in fp32";
        break;
    default: break;
    }
    if (c->kind != NPI_COMPUTE_BF16 && c->kind != NPI_COMPUTE_FP32_FAST && tiles) k->product_parts = 3;
}
