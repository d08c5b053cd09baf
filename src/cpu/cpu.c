/* SPDX-License-Identifier: Apache-2.0 */
/* The list of ISA levels and how a name cuts the flags down. A level contains all below it on the same architecture. */
#include "cpu/cpu.h"
#include "cpu/probe.h"
#include "nextpose/engine.h"

#include <string.h>

#define L_AVX2 NPI_CPU_AVX2
#define L_AVX_VNNI (L_AVX2 | NPI_CPU_AVX_VNNI)
#define L_AVX512 (L_AVX2 | NPI_CPU_AVX512)
#define L_AVX512_VNNI (L_AVX512 | NPI_CPU_AVX_VNNI | NPI_CPU_AVX512_VNNI)
#define L_AVX512_BF16 (L_AVX512_VNNI | NPI_CPU_AVX512_BF16 | NPI_CPU_BF16_PAYS)
#define L_AVX512_FP16 (L_AVX512_BF16 | NPI_CPU_AVX512_FP16)
#define L_AMX (L_AVX512_FP16 | NPI_CPU_AMX_BF16 | NPI_CPU_AMX_INT8)
#define L_NEON NPI_CPU_NEON
#define L_DOTPROD (L_NEON | NPI_CPU_DOTPROD)
#define L_I8MM (L_DOTPROD | NPI_CPU_I8MM)

static const struct { const char *name; unsigned allows, needs; } levels[] = {
    { "scalar", 0, 0 },
    { "avx2", L_AVX2, NPI_CPU_AVX2 },
    { "avx_vnni", L_AVX_VNNI, NPI_CPU_AVX_VNNI },
    { "avx512", L_AVX512, NPI_CPU_AVX512 },
    { "avx512_vnni", L_AVX512_VNNI, NPI_CPU_AVX512_VNNI },
    { "avx512_bf16", L_AVX512_BF16, NPI_CPU_AVX512_BF16 },
    { "avx512_fp16", L_AVX512_FP16, NPI_CPU_AVX512_FP16 },
    { "amx", L_AMX, NPI_CPU_AMX_BF16 },
    { "neon", L_NEON, NPI_CPU_NEON },
    { "dotprod", L_DOTPROD, NPI_CPU_DOTPROD },
    { "i8mm", L_I8MM, NPI_CPU_I8MM },
};
enum { N_LEVELS = sizeof levels / sizeof *levels };

unsigned npi_cpu_flags(void) {
    static unsigned flags; /* the same value whoever writes it */
    static int known;
    if (!__atomic_load_n(&known, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&flags, npi_cpu_probe(), __ATOMIC_RELAXED);
        __atomic_store_n(&known, 1, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&flags, __ATOMIC_RELAXED);
}

int npi_cpu_amx_permit(void) {
    static int answer; /* 0: not asked yet; asking twice gives the same answer */
    int a = __atomic_load_n(&answer, __ATOMIC_ACQUIRE);
    if (!a) {
        a = npi_cpu_probe_amx_permit() ? 1 : -1;
        __atomic_store_n(&answer, a, __ATOMIC_RELEASE);
    }
    return a > 0;
}

int npi_cpu_limit(const char *level, unsigned flags, unsigned *out) {
    if (!level || !*level || !strcmp(level, "auto")) {
        *out = flags;
        return 0;
    }
    for (int i = 0; i < N_LEVELS; i++)
        if (!strcmp(level, levels[i].name)) {
            *out = flags & levels[i].allows;
            return 0;
        }
    return -1;
}

const char *npi_cpu_level_name(unsigned flags) {
    const char *best = levels[0].name;
    for (int i = 1; i < N_LEVELS; i++)
        if ((flags & levels[i].needs) == levels[i].needs) best = levels[i].name;
    return best;
}

int npi_cpu_level_at(int i, const char **name, unsigned *flags) {
    if (i < 0 || i >= N_LEVELS) return 0;
    *name = levels[i].name;
    *flags = levels[i].allows;
    return 1;
}

const char *np_isa_level(int want) {
    const unsigned have = npi_cpu_flags();
    for (int i = 0; i < N_LEVELS; i++)
        if ((have & levels[i].needs) == levels[i].needs && want-- == 0) return levels[i].name;
    return NULL;
}
