/* SPDX-License-Identifier: Apache-2.0 */
/* Filling in a struct np_error: `return npi_fail(err, NP_EFORMAT, "%s: …", path);` */
#ifndef NPI_BASE_ERR_H
#define NPI_BASE_ERR_H
#include "nextpose/error.h"

#define NPI_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Writes code and one line (cut to fit, newlines become spaces) and returns `code`. err may be NULL. */
int npi_fail(struct np_error *err, int code, const char *fmt, ...) NPI_PRINTF(3, 4);
/* Puts "prefix: " before the message that is already there; returns err's code (or `code` when err is NULL). */
int npi_fail_prefix(struct np_error *err, int code, const char *fmt, ...) NPI_PRINTF(3, 4);
#endif
