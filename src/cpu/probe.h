/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_CPU_PROBE_H
#define NPI_CPU_PROBE_H
unsigned npi_cpu_probe(void); /* NPI_CPU_… flags that both the CPU and the OS permit */
#endif
