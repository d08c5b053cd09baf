/* SPDX-License-Identifier: Apache-2.0 */
/* Processors, cores, quota and memory that this process may use, as /sys and /proc tell. Tests bring a folder of their own. */
#ifndef NPI_CPU_TOPO_H
#define NPI_CPU_TOPO_H
#define NPI_TOPO_MAX 1024 /* logical processors */

struct npi_topo {
    char name[64];                   /* of the CPU; "" unknown */
    int n_logical, n_allowed;        /* on-line; of them allowed */
    int n_cores, n_performance, n_efficiency; /* physical, with at least one allowed processor */
    double quota;                    /* processors granted by the cgroup; 0: no limit */
    double memory_mb;                /* 0 unknown */
};

/* root: "" is this machine. allowed: [NPI_TOPO_MAX], 1 for each processor in the affinity mask; NULL: as the OS says of this process.
 * What is missing is passed over; n_logical, n_allowed and n_cores are at least 1. */
void npi_topo_read(struct npi_topo *out, const char *root, const unsigned char *allowed);
/* The quota alone: cgroup v2 cpu.max or v1 cfs_quota, the least of this process's group and the groups above. 0: no limit. */
double npi_topo_quota(const char *root);
#endif
