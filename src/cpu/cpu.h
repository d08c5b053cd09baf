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
#define NPI_CPU_AMX_BF16    0x040u /* permission asked for by the user of the level */
#define NPI_CPU_AMX_INT8    0x080u
#define NPI_CPU_NEON        0x100u
#define NPI_CPU_DOTPROD     0x200u
#define NPI_CPU_I8MM        0x400u

unsigned npi_cpu_flags(void);                  /* of this machine; pure function, cheap after the first call */
/* Flags cut down to a level name ("scalar", "avx2", "avx_vnni", "avx512", "avx512_vnni", …; see np_isa_level).
 * NULL or "auto": all. Returns -1 when the name is unknown, else 0. Levels above the machine's give the machine's. */
int npi_cpu_limit(const char *level, unsigned flags, unsigned *out);
const char *npi_cpu_level_name(unsigned flags); /* the best level that `flags` contains */
int npi_cpu_level_at(int i, const char **name, unsigned *flags); /* all levels known, best last; 0 past the end */
#endif
