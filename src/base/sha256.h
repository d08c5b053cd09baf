/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_BASE_SHA256_H
#define NPI_BASE_SHA256_H
#include <stddef.h>
/* FIPS 180-4 SHA-256 of n bytes as 64 lower-case hex digits and a NUL. */
void npi_sha256_hex(const void *data, size_t n, char hex[65]);
#endif
