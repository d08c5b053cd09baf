/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels are trusted after they have shown on this very processor that they compute what C computes: products whose sums are exact in any order, so that
 * not one bit may differ. Some levels were only ever run in an emulator (docs/performance.md); wrong hardware, or a wrong kernel, must not reach a user.
 * Covers the 8-bit products and, where the hardware has them, those of bf16 and the depthwise ones of halves. Half a millisecond, two with bf16, one more with halves, once a process and set of flags (Zen 3). */
#ifndef NPI_KERNEL_SELFTEST_H
#define NPI_KERNEL_SELFTEST_H
#include "kernel/kernels.h"

/* NULL: k computes what C does; else the name of the first kernel that does not, and *flags: what to leave out so that another one takes its place. */
const char *npi_selftest(const struct npi_kernels *k, unsigned *flags);

typedef void (*npi_kernels_init_fn)(struct npi_kernels *k, unsigned cpu);
/* Fills k by `init` with as many of the flags `cpu` as pass the test. The name of the first kernel that did not, or NULL. */
const char *npi_kernels_tested(struct npi_kernels *k, unsigned cpu, npi_kernels_init_fn init);
/* The same with npi_kernels_init; tests once and remembers. Any thread. */
const char *npi_kernels_trusted(struct npi_kernels *k, unsigned cpu);
#endif
