/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured once: milliseconds of each runtime for a net on this machine, in a small text file of the cache folder. */
#ifndef NPI_PIPE_TIMINGS_H
#define NPI_PIPE_TIMINGS_H
#include <stddef.h>

#define NPI_TIMINGS_MAX 8
struct npi_timings { int n; char runtime[NPI_TIMINGS_MAX][32]; double ms[NPI_TIMINGS_MAX]; /* < 0: did not pass */ };
/* key: whatever the numbers depend on, any length. 1: found. */
int npi_timings_load(struct npi_timings *out, const char *cache_dir, const char *key);
/* Failing to write is no error: it is measured again next time. */
void npi_timings_save(const struct npi_timings *t, const char *cache_dir, const char *key);
/* The processor's name as the system gives it; "?" if it does not. */
void npi_machine_name(char *out, size_t size);
#endif
