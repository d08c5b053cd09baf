/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the CPU (cpuid, HWCAP) and the OS (XCR0): an instruction is allowed only when both say yes.
 * Bits: Intel SDM vol. 2A CPUID; Linux arch/arm64 HWCAP list. */
#define _GNU_SOURCE
#include "cpu/probe.h"
#include "cpu/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

static unsigned long long xcr0(void) {
    unsigned lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (unsigned long long)hi << 32 | lo;
}

static int is_amd(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == 0x68747541 && d == 0x69746e65 && c == 0x444d4163; /* "AuthenticAMD" */
}

/* Linux hands out the tile registers on request only (kernel 5.16 and later; Documentation/arch/x86/xstate.rst). */
#define ARCH_GET_XCOMP_SUPP 0x1021
#define ARCH_GET_XCOMP_PERM 0x1022
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XTILEDATA 18

static int amx_may_be_asked_for(void) {
#ifdef __linux__
    unsigned long supported = 0;
    return syscall(SYS_arch_prctl, ARCH_GET_XCOMP_SUPP, &supported) == 0 && supported >> XTILEDATA & 1;
#else
    return 0;
#endif
}

int npi_cpu_probe_amx_permit(void) {
#ifdef __linux__
    unsigned long permitted = 0;
    if (!amx_may_be_asked_for()) return 0;
    syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA);
    return syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &permitted) == 0 && permitted >> XTILEDATA & 1;
#else
    return 0;
#endif
}

unsigned npi_cpu_probe(void) {
    unsigned a, b, c, d, f = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned c1 = c;
    if (!(c1 >> 27 & 1)) return 0; /* OSXSAVE: without it xgetbv faults */
    const unsigned long long x = xcr0();
    if ((x & 6) != 6) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned b7 = b, c7 = c, d7 = d;
    unsigned a71 = 0;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) a71 = a;
    const int fma = c1 >> 12 & 1, f16c = c1 >> 29 & 1, avx = c1 >> 28 & 1;
    if (!(avx && fma && f16c && (b7 >> 5 & 1))) return 0;
    f |= NPI_CPU_AVX2;
    if (a71 >> 4 & 1) f |= NPI_CPU_AVX_VNNI;
    const unsigned f512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* F DQ CD BW VL */
    if ((x & 0xe6) == 0xe6 && (b7 & f512) == f512) {
        f |= NPI_CPU_AVX512;
        if (c7 >> 11 & 1) f |= NPI_CPU_AVX512_VNNI;
        if (a71 >> 5 & 1) f |= NPI_CPU_AVX512_BF16 | (is_amd() ? NPI_CPU_BF16_PAYS : 0);
        if (d7 >> 23 & 1) f |= NPI_CPU_AVX512_FP16;
        if ((x & 0x60000) == 0x60000 && amx_may_be_asked_for()) {
            if (d7 >> 22 & 1) f |= NPI_CPU_AMX_BF16;
            if (d7 >> 25 & 1) f |= NPI_CPU_AMX_INT8;
        }
    }
    return f;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
int npi_cpu_probe_amx_permit(void) { return 0; }
unsigned npi_cpu_probe(void) {
    const unsigned long h = getauxval(AT_HWCAP), h2 = getauxval(AT_HWCAP2);
    unsigned f = 0;
    if (h >> 1 & 1) f |= NPI_CPU_NEON;
    if (h >> 20 & 1) f |= NPI_CPU_DOTPROD;
    if (h2 >> 13 & 1) f |= NPI_CPU_I8MM;
    return f;
}
#else
int npi_cpu_probe_amx_permit(void) { return 0; }
unsigned npi_cpu_probe(void) { return 0; }
#endif
