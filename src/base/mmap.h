/* SPDX-License-Identifier: Apache-2.0 */
/* A file as read-only memory; memory by whole pages. */
#ifndef NPI_BASE_MMAP_H
#define NPI_BASE_MMAP_H
#include <stddef.h>
#include "base/err.h"
struct npi_file { const void *data; size_t size; int mapped; };
int npi_file_map(struct npi_file *out, const char *path, struct np_error *err); /* NP_ENOENT, NP_EIO, NP_EFORMAT (empty) */
void npi_file_unmap(struct npi_file *f);
/* Zeroed memory from the system itself, a multiple of its pages; those that nobody touches cost nothing. NULL: out of memory. */
void *npi_pages_alloc(size_t bytes);
void npi_pages_free(void *p, size_t bytes);
/* Of npi_pages_alloc's memory: [p, p + bytes) will be written now; all its pages at once are cheaper than a fault for each. */
void npi_pages_ready(void *p, size_t bytes);
/* Gives the whole pages inside [p, p + bytes) back to the system: of a mapped file they are read again when somebody looks, of memory they are zero
 * from now on. */
void npi_pages_drop(const void *p, size_t bytes);
#endif
