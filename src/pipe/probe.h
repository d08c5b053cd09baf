/* SPDX-License-Identifier: Apache-2.0 */
/* How busy the machine is: /proc/stat, /proc/self/statm, the CPU clock of the process. What cannot be read is -1 and stops nothing. */
#ifndef NPI_PIPE_PROBE_H
#define NPI_PIPE_PROBE_H
#include <stdint.h>

#define NPI_PROBE_CORES 64
struct npi_probe {
    int64_t last_ns, last_cpu_ns;
    int64_t busy[NPI_PROBE_CORES], total[NPI_PROBE_CORES]; /* ticks at the last look */
    double core[NPI_PROBE_CORES], share, memory_mb;        /* what came of it */
    int n_cores, n_cpus;
};
void npi_probe_init(struct npi_probe *p);
/* Looks again when the last look is at least 200 ms old. Opens and reads two small files; allocates nothing. */
void npi_probe_look(struct npi_probe *p, int64_t now_ns);
#endif
