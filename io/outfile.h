/* SPDX-License-Identifier: Apache-2.0 */
/* A text file being written: numbers the same in every locale, NaN never printed, the first error kept. */
#ifndef NPI_IO_OUTFILE_H
#define NPI_IO_OUTFILE_H
#include <stdatomic.h>
#include <stdio.h>

#include "io.h"

struct npi_outfile { FILE *f; char *path; int error; /* errno of the first failure */ };
/* "-" is standard output. What is written to a pipe, a terminal or a socket waits for its reader without end, whatever signals come.
 * `give_up` (live mode; NULL: file mode): once it is nonzero, waiting ends with an error instead; a named pipe is opened
 * whether or not somebody reads it, and readers may come and go. */
int npi_out_open(struct npi_outfile *o, const char *path, const atomic_int *give_up, struct np_error *err);
/* The two halves of it for who has no use for a FILE. npi_fd_open: a descriptor, or -1 with errno; *waits: it may have to wait for a reader.
 * npi_fd_write: all n bytes (0), or -1 with errno, ETIMEDOUT when it was given up. */
int npi_fd_open(const char *path, const atomic_int *give_up, int *waits);
int npi_fd_write(int fd, const atomic_int *give_up, const void *bytes, size_t n);
/* Into memory: after npi_out_flush, *bytes (NUL-terminated, *size long) is what was written since the last rewind. It grows once and is then
 * reused; after npi_out_close the caller frees it. */
int npi_out_open_memory(struct npi_outfile *o, char **bytes, size_t *size, struct np_error *err);
void npi_out_rewind(struct npi_outfile *o);
void npi_out_str(struct npi_outfile *o, const char *s);
void npi_out_int(struct npi_outfile *o, int64_t v);
/* Fixed point with `decimals` 0..6 digits; NaN and infinities give `none`. */
void npi_out_fixed(struct npi_outfile *o, double v, int decimals, const char *none);
/* With quotes and escapes; invalid UTF-8 becomes '?'. NULL gives null. */
void npi_out_json_str(struct npi_outfile *o, const char *s);
/* Pushes everything to the system; reports the first error since opening, once more on each call. */
int npi_out_flush(struct npi_outfile *o, struct np_error *err);
int npi_out_close(struct npi_outfile *o, struct np_error *err); /* flushes; fine on a closed one */
#endif
