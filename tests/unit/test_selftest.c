/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that compute wrongly are found before a net meets them, and the next best ones take their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cpu/cpu.h"
#include "kernel/selftest.h"

static struct npi_kernels right;

/* One result in the last column of the last row is off by a step. */
static void wrong_tile(const struct npi_gemm_q8_tile *t) {
    right.gemm_q8.tile(t);
    if (t->nc < right.gemm_q8.nr) t->y[(size_t)(t->rows - 1) * t->ldy + (size_t)(t->nc - 1)] ^= 1;
}
/* Parts of a value: the third one left out, an error of 2^-16. */
static void wrong_parts(const struct npi_gemm_bf16_job *j) {
    right.gemm_bf16.run(j);
    if (j->parts < 3) return;
    for (int n = 0; n < j->n; n++) j->c[n] *= 1 + 0x1p-16f;
}
static void wrong_rows(const struct npi_gemm_bf16_rows *r) {
    right.gemm_bf16.rows(r);
    r->dst[3 * NPI_BF16_K] ^= 1; /* row 3, the last bit of its first value */
}

static void init(struct npi_kernels *k, unsigned cpu) {
    npi_kernels_init(k, cpu & npi_cpu_flags() & ~(NPI_CPU_AMX_BF16 | NPI_CPU_AMX_INT8 | NPI_CPU_AVX512_BF16 | NPI_CPU_AVX512_FP16));
    k->cpu = cpu;
}
static void init_q8(struct npi_kernels *k, unsigned cpu) {
    init(k, cpu);
    right = *k;
    if (cpu & NPI_CPU_AMX_INT8) k->gemm_q8.tile = wrong_tile, k->gemm_q8.name = "wrong_tile";
}
static void init_parts(struct npi_kernels *k, unsigned cpu) {
    init(k, cpu);
    right = *k;
    if (cpu & NPI_CPU_AMX_BF16) k->gemm_bf16.run = wrong_parts, k->gemm_bf16.name[0] = "wrong_parts", k->gemm_bf16.fast = 1;
}
static void init_rows(struct npi_kernels *k, unsigned cpu) {
    init(k, cpu);
    right = *k;
    if (cpu & (NPI_CPU_AMX_BF16 | NPI_CPU_AVX512_BF16)) k->gemm_bf16.rows = wrong_rows, k->gemm_bf16.name[0] = "wrong_rows", k->gemm_bf16.fast = 1;
}

/* One sum of the last channel off by a last bit of a half. */
static void wrong_halves(const struct npi_dwconv_f16_job *j) {
    right.dwconv_f16.run(j);
    j->f.y[j->f.c - 1] += j->scale[j->f.c - 1] * 0x1p-8f;
}
static void init_halves(struct npi_kernels *k, unsigned cpu) {
    init(k, cpu);
    right = *k;
    if (cpu & NPI_CPU_AVX512_FP16) k->dwconv_f16.run = wrong_halves, k->dwconv_f16.name = "wrong_halves", k->dwconv_f16.fast = 1;
}

static void every_level_passes(void **s) {
    (void)s;
    const char *name;
    unsigned flags, drop;
    struct npi_kernels k;
    for (int i = 0; npi_cpu_level_at(i, &name, &flags); i++) {
        npi_kernels_init(&k, flags & npi_cpu_flags());
        k.gemm_bf16.fast = k.dwconv_f16.fast = 1; /* also where it is emulated */
        const char *const bad = npi_selftest(&k, &drop);
        if (bad) fail_msg("%s: %s", name, bad);
    }
    for (int twice = 0; twice < 2; twice++) {
        assert_null(npi_kernels_trusted(&k, npi_cpu_flags()));
        assert_int_equal(k.cpu, npi_cpu_flags());
    }
}

static void wrong_ones_are_replaced(void **s) {
    (void)s;
    const unsigned amx = NPI_CPU_AMX_BF16 | NPI_CPU_AMX_INT8, cpu = npi_cpu_flags() | amx | NPI_CPU_AVX512_BF16 | NPI_CPU_AVX512_FP16;
    struct npi_kernels k;
    assert_string_equal(npi_kernels_tested(&k, cpu, init_q8), "wrong_tile");
    assert_int_equal(k.cpu, cpu & ~NPI_CPU_AMX_INT8);
    assert_ptr_equal(k.gemm_q8.tile, right.gemm_q8.tile);
    assert_string_equal(npi_kernels_tested(&k, cpu, init_parts), "wrong_parts");
    assert_int_equal(k.cpu, cpu & ~NPI_CPU_AMX_BF16);
    assert_int_equal(k.gemm_bf16.fast, 0);
    assert_string_equal(npi_kernels_tested(&k, cpu, init_rows), "wrong_rows");
    assert_int_equal(k.cpu, cpu & ~(NPI_CPU_AMX_BF16 | NPI_CPU_AVX512_BF16));
    assert_string_equal(npi_kernels_tested(&k, cpu, init_halves), "wrong_halves");
    assert_int_equal(k.cpu, cpu & ~NPI_CPU_AVX512_FP16);
    assert_int_equal(k.dwconv_f16.fast, 0);
    assert_null(npi_kernels_tested(&k, cpu, init));
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_level_passes), cmocka_unit_test(wrong_ones_are_replaced) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
