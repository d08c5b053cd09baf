/* SPDX-License-Identifier: Apache-2.0 */
/* PPM and PGM pictures (P5, P6, 8 bits): what a build without FFmpeg reads and writes. */
#ifndef NPI_IO_PNM_H
#define NPI_IO_PNM_H
#include "source.h"

int npi_pnm_probe(const void *data, size_t size);
struct npi_pic_pool *npi_pnm_pool_new(void);
/* Into a new picture of a pool made by npi_pnm_pool_new. */
int npi_pnm_decode(struct npi_pic **out, struct npi_pic_pool *pool, const void *data, size_t size, const char *path, struct np_error *err);
#endif
