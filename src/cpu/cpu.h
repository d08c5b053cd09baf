/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor and the OS allow. Kernels get the flags as an argument, so a test can ask for any level. */
#ifndef NPI_CPU_CPU_H
#define NPI_CPU_CPU_H

#define NPI_CPU_AVX2        0x001u /* AVX2 + FMA + F16C, ymm state enabled */
#define NPI_CPU_AVX_VNNI    0x002u
#define NPI_CPU_AVX512      0x004u /* F BW DQ VL CD, zmm state enabled */
#define NPI_CPU_AVX512_VNNI 0x008u
#define NPI_CPU_AVX512_BF16 0x010u
#define NPI_CPU_AVX512_FP16 0x020u
#define NPI_CPU_AMX_BF16    0x040u /* both AMX flags: once npi_cpu_amx_permit() has said yes */
#define NPI_CPU_AMX_INT8    0x080u
#define NPI_CPU_NEON        0x100u
#define NPI_CPU_DOTPROD     0x200u
#define NPI_CPU_I8MM        0x400u
#define NPI_CPU_BF16_PAYS   0x800u /* a hint: vdpbf16ps beats f32 FMA here (AMD; Intel does one in two cycles) */

unsigned npi_cpu_flags(void);                  /* of this machine; pure function, cheap after the first call */
/* Flags cut down to a level name ("scalar", "avx2", "avx_vnni", "avx512", "avx512_vnni", …; see np_isa_level).
 * NULL or "auto": all. Returns -1 when the name is unknown, else 0. Levels above the machine's give the machine's. */
int npi_cpu_limit(const char *level, unsigned flags, unsigned *out);
const char *npi_cpu_level_name(unsigned flags); /* the best level that `flags` contains */
/* Asks the OS to let this process use AMX tiles, once, when a kernel that does is chosen: it makes the signal frames of the process 8 KiB larger.
 * 1: allowed. Before a 1, no AMX instruction may run. Any thread. */
int npi_cpu_amx_permit(void);
int npi_cpu_level_at(int i, const char **name, unsigned *flags); /* all levels known, best last; 0 past the end */
#endif
