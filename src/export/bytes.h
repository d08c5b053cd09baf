/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow, and a file that appears whole or not at all. The first failure (memory, or more than `limit`) sticks: a writer
 * asks once at its end. */
#ifndef NPI_EXPORT_BYTES_H
#define NPI_EXPORT_BYTES_H
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct npi_bytes { uint8_t *p; size_t n, cap; int failed; };

/* Room for n more bytes at the end, counted in; NULL after a failure. Moves what is there: keep offsets, not pointers. */
uint8_t *npi_bytes_add(struct npi_bytes *b, size_t n);
void npi_bytes_put(struct npi_bytes *b, const void *p, size_t n);
void npi_bytes_free(struct npi_bytes *b);

/* Writes the pieces one after the other to a file that has no name yet, or a temporary one beside `path`, makes sure that they are on
 * the disk, and only then gives it the name. What was at `path` stays until that moment, and stays when it fails. */
struct npi_piece { const void *p; size_t n; };
int npi_save(const char *path, const struct npi_piece *piece, int n_pieces, struct np_error *err);
#endif
