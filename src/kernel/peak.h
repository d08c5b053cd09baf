/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that show what one core can do at most: products of dense random numbers from L1 in the shape of a register block (every accumulator used
 * once a step, operands loaded as a matrix product loads them), and reads of a block of memory. They compute nothing that anybody wants; percentages of
 * "the machine's peak" are of what these reach (backend/peak.c times them). Zeros would flatter: multipliers that do not toggle draw less current, and
 * the clock rises. */
#ifndef NPI_KERNEL_PEAK_H
#define NPI_KERNEL_PEAK_H
#include <stddef.h>
#include <stdint.h>

enum npi_peak_data { NPI_PEAK_F32, NPI_PEAK_I8, NPI_PEAK_I16, NPI_PEAK_BF16, NPI_PEAK_F16 };
enum { NPI_PEAK_STEPS = 64, NPI_PEAK_BYTES = 16384 }; /* steps of a pass; operands, less than any L1 */

struct npi_peak_kernel {
    const char *level, *precision; /* "avx2", "fp32" */
    const char *how;               /* the instruction */
    unsigned needs;                /* NPI_CPU_… */
    int data;                      /* enum npi_peak_data: what the operands are */
    double ops;                    /* of one pass; a multiply-add is two */
    void (*run)(const void *data, void *sink, long passes); /* data: [NPI_PEAK_BYTES]; sink: 4 KiB, both 64-byte aligned */
};
const struct npi_peak_kernel *npi_peak_kernel(int i); /* NULL past the end */
/* Reads `bytes` (a multiple of 512) at p once; what comes back keeps the compiler honest. */
typedef uint64_t (*npi_peak_read_fn)(const void *p, size_t bytes);
npi_peak_read_fn npi_peak_read(unsigned cpu);

/* Of one architecture: kernels from index 1 on (0 is C), and a better reader or NULL. */
const struct npi_peak_kernel *npi_peak_kernel_arch(int i);
npi_peak_read_fn npi_peak_read_arch(unsigned cpu);
#endif
