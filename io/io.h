/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that every file of io/ and tools/ needs: filling in an error, logging a line, the clock, file names. */
#ifndef NPI_IO_IO_H
#define NPI_IO_IO_H
#include <stddef.h>
#include <stdint.h>

#include "nextpose/nextpose.h"

#define NPI_IO_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Writes code and one line (cut to fit, control characters become spaces) and returns `code`. err may be NULL. */
int npi_io_fail(struct np_error *err, int code, const char *fmt, ...) NPI_IO_PRINTF(3, 4);
void npi_io_log(const struct np_logger *l, int level, const char *fmt, ...) NPI_IO_PRINTF(3, 4);
int64_t npi_io_now_ns(void); /* monotonic */

const char *npi_io_basename(const char *path);
/* File name without folder and extension, cut to fit. */
void npi_io_stem(char *out, size_t size, const char *path);
/* Makes a folder and its parents; an existing one is fine. */
int npi_io_mkdirs(const char *path, struct np_error *err);
/* Whole file into malloc'd memory, at most `limit` bytes. NP_ENOENT, NP_EIO, NP_ELIMIT, NP_ENOMEM. */
int npi_io_read_file(void **out, size_t *size, const char *path, size_t limit, struct np_error *err);
/* The same of a text, which ends with a zero byte; NP_EINVAL when there is one in it already. */
int npi_io_read_text(char **out, const char *path, size_t limit, struct np_error *err);
#endif
