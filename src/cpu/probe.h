/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_CPU_PROBE_H
#define NPI_CPU_PROBE_H
unsigned npi_cpu_probe(void); /* NPI_CPU_… flags that both the CPU and the OS permit */
int npi_cpu_probe_amx_permit(void); /* asks the OS for AMX tiles; 1: this process has them */
#endif
